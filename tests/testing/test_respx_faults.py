"""Faults for respx: what the client sees is what it sees of a real server that fails in the same way."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx
import httpx2
import pytest
import respx

from guardrails.errors import AttemptTimeout, CircuitOpen
from guardrails.middleware.httpx import guarded_transport, outcome_of
from guardrails.policies import Backoff, Breaker, Dependency, Guard, Retry
from guardrails.testing import disabled, virtual_time
from guardrails.testing import respx_faults as faults
from tests.faulty_server import faulty_server
from tests.support import need

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

URL = "https://prices.test/tea"
# Made once: to read the certificates takes longer than a request.
CERTIFICATES = ssl.create_default_context()


class Seen(NamedTuple):
    """What a client saw: the class of the error, the status, the bytes that came before it, if any."""

    error: str
    status: int
    body: bytes


class Client(NamedTuple):
    """A client of a library, plain or asynchronous, and what stands between it and the network."""

    family: Any
    asynchronous: bool
    # How a test replaces the network: "respx", or the library's own mock transport.
    mock: str

    @contextlib.contextmanager
    def mocked(self, fault: Any) -> Iterator[Callable[[Any], Any]]:
        """Gives what makes of None the transport that a client has."""
        if self.mock == "MockTransport":
            yield lambda transport: self.family.MockTransport(fault)
            return
        using = "httpcore"
        if self.family is httpx2:
            # respx for httpx2 is what pytest-httpx2 adds to it.
            importlib.import_module(need("pytest_httpx2", "respx for httpx2"))
            using = "httpcore2"
        with respx.mock(using=using, assert_all_called=False) as router:
            router.get(URL).mock(side_effect=fault)
            yield lambda transport: transport

    def real(self) -> Any:
        made = self.family.AsyncHTTPTransport if self.asynchronous else self.family.HTTPTransport
        return made(verify=CERTIFICATES)

    def ask(self, transport: Any, url: str = URL, timeout: float = 5) -> Seen:
        """What comes of one request."""
        status, body, error = 0, [], ""

        def take() -> None:
            nonlocal status
            with (
                self.family.Client(transport=transport, timeout=timeout) as client,
                client.stream("GET", url) as response,
            ):
                status = response.status_code
                for chunk in response.iter_bytes():
                    body.append(chunk)  # noqa: PERF402 - what came before the error is to be kept

        async def atake() -> None:
            nonlocal status
            async with (
                self.family.AsyncClient(transport=transport, timeout=timeout) as client,
                client.stream("GET", url) as response,
            ):
                status = response.status_code
                async for chunk in response.aiter_bytes():
                    body.append(chunk)  # noqa: PERF401

        try:
            asyncio.run(atake()) if self.asynchronous else take()
        except self.family.TransportError as exc:
            (error,) = (one.__name__ for one in type(exc).__mro__ if one is getattr(self.family, type(exc).__name__))
        return Seen(error, status, b"".join(body))

    def get(self, fault: Any, timeout: float = 5) -> Seen:
        """One request where the network fails like this."""
        with self.mocked(fault) as transport_of:
            return self.ask(transport_of(self.real()), timeout=timeout)


CLIENTS = [
    Client(family, asynchronous, mock)
    for family in (httpx, httpx2)
    for asynchronous in (False, True)
    for mock in ("respx", "MockTransport")
]
EACH = pytest.mark.parametrize(
    "client", CLIENTS, ids=[f"{one.family.__name__}-{'a' * one.asynchronous}sync-{one.mock}" for one in CLIENTS]
)


# The same as the real thing.


@EACH
def test_a_refused_connection(client: Client) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        real = client.ask(client.real(), f"http://127.0.0.1:{bound.getsockname()[1]}/")
    assert client.get(faults.refused) == real == Seen("ConnectError", 0, b"")


@EACH
def test_a_name_that_is_not_known(client: Client) -> None:
    real = client.ask(client.real(), "http://nobody.invalid/")
    assert client.get(faults.unresolved) == real == Seen("ConnectError", 0, b"")


@contextlib.contextmanager
def speaks_no_tls() -> Iterator[int]:
    """The port of a server whose TLS handshake fails, as one with a bad certificate does."""

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(1)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1]
        thread.join(10)


@EACH
def test_a_server_that_is_not_trusted(client: Client) -> None:
    with speaks_no_tls() as port:
        real = client.ask(client.real(), f"https://127.0.0.1:{port}/")
    assert client.get(faults.untrusted) == real == Seen("ConnectError", 0, b"")


@EACH
def test_an_answer_that_does_not_come_in_time_but_at_once(client: Client) -> None:
    with faulty_server() as server:
        real = client.ask(client.real(), f"{server.url}/never", timeout=0.2)
    began = time.monotonic()
    assert client.get(faults.read_timeout, timeout=600) == real == Seen("ReadTimeout", 0, b"")
    assert time.monotonic() - began < 60


@EACH
def test_a_body_that_is_cut(client: Client) -> None:
    with faulty_server() as server:
        real = client.ask(client.real(), f"{server.url}/cut")
    fault = faults.cut(b"0123456789" * 10, after=10)
    assert client.get(fault) == real == Seen("RemoteProtocolError", 200, b"0123456789")
    assert client.get(faults.cut(b"0123456789", after=0)) == Seen("RemoteProtocolError", 200, b"")


@EACH
def test_a_body_that_stalls_for_longer_than_the_client_waits(client: Client) -> None:
    with faulty_server() as server:
        real = client.ask(client.real(), f"{server.url}/stall", timeout=0.2)
    assert real == Seen("ReadTimeout", 200, b"0123456789")
    with virtual_time() as clock:
        assert client.get(faults.slow(b"0123456789", gap=30), timeout=20) == Seen("ReadTimeout", 200, b"")
        assert clock.elapsed == pytest.approx(20)


@EACH
def test_a_body_that_is_slow(client: Client) -> None:
    with virtual_time() as clock:
        assert client.get(faults.slow(b"one", b"two", gap=3)) == Seen("", 200, b"onetwo")
        assert clock.elapsed == pytest.approx(6)
    began = time.monotonic()
    assert client.get(faults.slow(b"one", b"two", gap=0.01)) == Seen("", 200, b"onetwo")
    assert time.monotonic() - began >= 0.02


@EACH
def test_an_answer_with_a_status(client: Client) -> None:
    assert client.get(faults.answer(503, content=b"down")) == Seen("", 503, b"down")
    assert client.get(faults.answer(json=[1])) == Seen("", 200, b"[1]")


@pytest.mark.parametrize("after", [-1, 4, 5])
def test_nothing_left_to_cut_is_a_mistake(after: int) -> None:
    with pytest.raises(ValueError, match=rf"^after: {after}, allowed: 0 to 3, since there are 4 bytes$"):
        faults.cut(b"four", after=after)


# Turns, and guards.


@EACH
def test_each_request_meets_the_next_and_one_more_is_a_mistake(client: Client) -> None:
    turns = faults.in_turn(faults.refused, faults.answer(503), faults.answer(json=1))
    with client.mocked(turns) as transport_of:
        seen = [client.ask(transport_of(client.real())) for _ in range(3)]
        assert [(one.error, one.status) for one in seen] == [("ConnectError", 0), ("", 503), ("", 200)]
        with pytest.raises(AssertionError, match=r"^GET https://prices.test/tea is one request more than the 3 of in_"):
            client.ask(transport_of(client.real()))


def test_a_response_may_be_one_of_the_turns() -> None:
    client = Client(httpx, asynchronous=False, mock="respx")
    assert client.get(faults.in_turn(httpx.Response(204))).status == 204


@EACH
def test_a_guarded_transport_stays_in_the_way(client: Client) -> None:
    retry = Retry(on=(client.family.TransportError, client.family.HTTPStatusError), attempts=5, backoff=Backoff(base=8))
    guard = Guard("prices", retry=retry, breaker=Breaker(consecutive=9, failure_rate=None), classify=outcome_of)
    turns = faults.in_turn(faults.refused, faults.read_timeout, faults.throttled(7), faults.answer(json=1))
    with virtual_time() as clock, client.mocked(turns) as transport_of:
        transport = guarded_transport(guard, transport_of(client.real()))
        assert client.ask(transport) == Seen("", 200, b"1")
        assert clock.elapsed > 7
        (host,) = guard.by_key().values()
        # Opened by the 429, and on trial with the request after the wait.
        assert (host.state, host.snapshot().circuit.trials_good) == ("half-open", 1)


@EACH
def test_a_cut_body_opens_the_circuit_and_is_not_asked_for_again(client: Client) -> None:
    guard = Guard("prices", breaker=Breaker(consecutive=2), classify=outcome_of)
    with virtual_time(), client.mocked(faults.cut(b"0123456789", after=5)) as transport_of:
        transport = guarded_transport(guard, transport_of(client.real()))
        for _ in range(2):
            assert client.ask(transport) == Seen("RemoteProtocolError", 200, b"01234")
            transport = guarded_transport(guard, transport_of(client.real()))
        with pytest.raises(CircuitOpen, match="RemoteProtocolError"):
            client.ask(transport)


def test_a_slow_body_meets_the_deadline_of_the_guard() -> None:
    guard = Guard("prices", timeout=5, attempt_timeout=4)

    @guard
    async def price() -> bytes:
        async with httpx.AsyncClient(timeout=None) as client:
            return (await client.get(URL)).content

    with virtual_time() as clock, respx.mock() as router:
        route = router.get(URL).mock(side_effect=faults.slow(b"one", b"two", gap=3))
        with pytest.raises(AttemptTimeout):
            asyncio.run(price())
        assert (round(clock.elapsed, 6), route.call_count) == (4, 1)


def test_the_way_of_respx_that_leaves_a_guarded_transport_out() -> None:
    """`using="httpx"` replaces the transport that a client was given: its guards are not asked."""
    guard = Guard("prices", breaker=Breaker(consecutive=1), classify=outcome_of)
    guard.for_key("prices.test").isolate("would reject")
    with respx.mock(using="httpx") as router, httpx.Client(transport=guarded_transport(guard)) as client:
        router.get(URL).mock(side_effect=faults.answer(503))
        assert client.get(URL).status_code == 503
    with respx.mock(assert_all_called=False) as router, httpx.Client(transport=guarded_transport(guard)) as client:
        router.get(URL).mock(side_effect=faults.answer(503))
        with pytest.raises(CircuitOpen):
            client.get(URL)


def test_a_request_too_many_may_hide_behind_a_fallback_but_not_from_the_count() -> None:
    prices = Dependency("prices", retry=Retry(on=Exception, attempts=3))

    @prices.read(fallback=list)
    def price() -> object:
        return httpx.get(URL).raise_for_status().json()

    with virtual_time(), respx.mock() as router:
        route = router.get(URL).mock(side_effect=faults.in_turn(faults.refused, faults.answer(503)))
        assert price() == []
        assert route.call_count == 3
    with disabled(), respx.mock() as router:
        route = router.get(URL).mock(side_effect=faults.in_turn(faults.refused))
        with pytest.raises(httpx.ConnectError):
            price()
        assert route.call_count == 1
