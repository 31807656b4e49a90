"""Guarded transports against a real server that fails as told, by both libraries, plain and asynchronous."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import socket
import ssl
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx
import httpx2
import pytest
import respx

from guardrails.errors import AttemptTimeout, BulkheadFull, CircuitOpen, ConfigError, DeadlineExceeded
from guardrails.middleware.httpx import guarded_transport, outcome_of
from guardrails.policies import (
    FAILURE,
    IGNORED,
    SUCCESS,
    Backoff,
    Breaker,
    Bulkhead,
    Guard,
    Hedge,
    Retry,
    remaining,
    throttled,
)
from guardrails.testing import VirtualClock
from tests.faulty_server import CHUNK, Server, faulty_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

AT_ONCE = Backoff(base=0.001)
# Made once: to read the certificates takes longer than a request.
CERTIFICATES = ssl.create_default_context()


class Side(NamedTuple):
    """A library, and a kind of client of it."""

    family: Any
    asynchronous: bool

    def ask(self, guards: Any, url: str, method: str = "GET", **options: Any) -> Any:
        """One request by a new client, read to its end. What is no option of the transport is the request's."""
        names = ("classify", "retry_methods", "own_hosts")
        said = {name: options.pop(name) for name in names if name in options}
        redirected = options.pop("follow_redirects", False)
        client = self.client(guards, timeout=options.pop("timeout", 30), follow_redirects=redirected, **said)
        if not self.asynchronous:
            with client:
                return client.request(method, url, **options)

        async def main() -> Any:
            async with client:
                return await client.request(method, url, **options)

        return asyncio.run(main())

    def client(self, guards: Any, *, timeout: Any = 30, follow_redirects: bool = False, **said: Any) -> Any:
        inner = self.family.AsyncHTTPTransport if self.asynchronous else self.family.HTTPTransport
        transport = guarded_transport(guards, inner(verify=CERTIFICATES), **said)
        if isinstance(timeout, float):
            # To connect may take longer on a machine that is busy.
            timeout = self.family.Timeout(30, read=timeout)
        kind = self.family.AsyncClient if self.asynchronous else self.family.Client
        return kind(transport=transport, timeout=timeout, follow_redirects=follow_redirects, trust_env=False)

    def begin(self, guards: Any, url: str, then: Callable[[Any], Any] = lambda response: None, **options: Any) -> Any:
        """Ask for the head alone, call `then` with the response, take one chunk, and close."""
        client = self.client(guards, **options)
        if not self.asynchronous:
            with client, client.stream("GET", url) as response:
                then(response)
                return next(response.iter_raw())

        async def main() -> Any:
            async with client, client.stream("GET", url) as response:
                then(response)
                return await anext(response.aiter_raw())

        return asyncio.run(main())


SIDES = [Side(family, asynchronous) for family in (httpx, httpx2) for asynchronous in (False, True)]


@pytest.fixture(params=SIDES, ids=["httpx", "httpx-asyncio", "httpx2", "httpx2-asyncio"])
def side(request: pytest.FixtureRequest) -> Side:
    found: Side = request.param
    return found


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    with faulty_server() as server:
        yield server


@pytest.fixture
def server(running: Server) -> Server:
    running.asked.clear()
    return running


def guard(**said: Any) -> Guard:
    return Guard("api", **{"breaker": Breaker(consecutive=2, failure_rate=None), **said})


def known(found: Guard) -> tuple[int, int, str]:
    """Calls in the window, how many failed, and the state."""
    (of_host,) = found.by_key().values() or [found]
    circuit = of_host.snapshot().circuit
    return circuit.calls, circuit.failed, circuit.state


# What a status, an error and a body come to.


def test_an_answer_is_what_it_would_be_without_a_guard(side: Side, server: Server) -> None:
    api = guard()
    answer = side.ask(api, f"{server.url}/body/5")
    assert (answer.status_code, answer.content, known(api)) == (200, CHUNK * 5, (1, 0, "closed"))


@pytest.mark.parametrize(
    ("status", "calls", "failed"), [(200, 1, 0), (302, 1, 0), (404, 0, 0), (422, 0, 0), (500, 1, 1), (501, 0, 0)]
)
def test_a_status_is_a_success_a_failure_or_nothing(
    side: Side, server: Server, status: int, calls: int, failed: int
) -> None:
    api = guard()
    answer = side.ask(api, f"{server.url}/status/{status}")
    assert (answer.status_code, answer.content) == (status, CHUNK)
    assert known(api) == (calls, failed, "closed")


def test_failures_open_the_circuit_of_their_host_alone(side: Side, server: Server) -> None:
    api = guard()
    for _ in range(2):
        assert side.ask(api, f"{server.url}/status/500").status_code == 500
    with pytest.raises(CircuitOpen) as caught:
        side.ask(api, f"{server.url}/status/200")
    assert (caught.value.last, len(server.asked)) == ("HTTPStatusError", 2)
    assert side.ask(api, f"http://localhost:{server.port}/status/200").status_code == 200
    assert set(api.by_key()) == {f"127.0.0.1:{server.port}", f"localhost:{server.port}"}


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_says_when_to_come_back_is_left_alone_until_then(side: Side, server: Server, status: int) -> None:
    api = guard()
    assert side.ask(api, f"{server.url}/status/{status}?retry-after=40").status_code == status
    with pytest.raises(CircuitOpen) as caught:
        side.ask(api, f"{server.url}/status/200")
    assert caught.value.retry_after == pytest.approx(40, abs=5)


@pytest.mark.parametrize("status", [200, 404, 429, 500, 503])
def test_a_guard_with_the_same_classifier_comes_to_the_same(side: Side, server: Server, status: int) -> None:
    plain, classifying = guard(), guard(classify=outcome_of)
    for api in (plain, classifying):
        assert side.ask(api, f"{server.url}/status/{status}?retry-after=40").status_code == status
    assert known(plain) == known(classifying)


def test_a_body_that_breaks_is_a_failure(side: Side, server: Server) -> None:
    api = guard()
    for _ in range(2):
        with pytest.raises(side.family.RemoteProtocolError):
            side.ask(api, f"{server.url}/cut")
    assert known(api)[2] == "open"


def test_a_body_that_stands_still_is_a_failure(side: Side, server: Server) -> None:
    api = guard()
    with pytest.raises(side.family.ReadTimeout):
        side.ask(api, f"{server.url}/stall", timeout=0.05)
    assert known(api) == (1, 1, "closed")


def test_nothing_is_settled_before_the_body_has_ended(side: Side, server: Server) -> None:
    api = guard(bulkhead=Bulkhead(1))
    during: list[object] = []

    def look(response: Any) -> None:
        (of_host,) = api.by_key().values()
        during.append((known(api)[0], of_host.snapshot().active))

    assert side.begin(api, f"{server.url}/stall", look) == CHUNK
    (of_host,) = api.by_key().values()
    assert (during, of_host.snapshot().active) == ([(0, 1)], 0)


def test_a_consumer_that_stops_early_says_nothing(side: Side, server: Server) -> None:
    api = guard()
    for _ in range(3):
        assert side.begin(api, f"{server.url}/stall") == CHUNK
    assert known(api) == (0, 0, "closed")


def test_the_server_sees_that_a_consumer_has_stopped(side: Side, server: Server) -> None:
    server.hung_up.clear()
    client = side.client(guard())
    url = f"{server.url}/stall"
    if side.asynchronous:

        async def main() -> bool:
            async with client:
                async with client.stream("GET", url) as response:
                    await anext(response.aiter_raw())
                return await asyncio.to_thread(server.hung_up.wait, 10)

        assert asyncio.run(main())
    else:
        with client:
            with client.stream("GET", url) as response:
                next(response.iter_raw())
            assert server.hung_up.wait(10)


def test_the_body_of_a_client_error_breaks_as_a_failure_and_ends_as_nothing(side: Side, server: Server) -> None:
    api = guard()
    assert side.ask(api, f"{server.url}/status/404").content == CHUNK
    with pytest.raises(side.family.RemoteProtocolError):
        side.ask(api, f"{server.url}/cut/404")
    assert known(api) == (1, 1, "closed")


def test_an_answer_that_is_forgotten_gives_its_place_back() -> None:
    api = guard(bulkhead=Bulkhead(1))

    def forget() -> None:
        with faulty_server() as server, httpx.HTTPTransport() as inner:
            transport = guarded_transport(api, inner)
            transport.handle_request(httpx.Request("GET", f"{server.url}/stall", headers={"host": "a"}))

    forget()
    gc.collect()
    (of_host,) = api.by_key().values()
    assert (of_host.snapshot().active, known(api)) == (0, (0, 0, "closed"))


def test_a_trial_answer_that_is_never_read_does_not_hold_half_open(server: Server) -> None:
    clock = VirtualClock()
    api = guard(breaker=Breaker(consecutive=1, failure_rate=None, permitted_calls=1), clock=clock)
    with Side(httpx, asynchronous=False).client(api) as client:
        client.get(f"{server.url}/status/500")
        clock.advance(2)
        held = client.send(client.build_request("GET", f"{server.url}/stall"), stream=True)
        assert known(api)[2] == "half-open"
        with pytest.raises(CircuitOpen):
            client.get(f"{server.url}/status/200")
        clock.advance(60)
        assert client.get(f"{server.url}/status/200").status_code == 200
        held.close()
    assert known(api)[2] == "closed"


def refused() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def test_a_refused_connection_is_a_failure(side: Side) -> None:
    api = guard()
    url = refused()
    for _ in range(2):
        with pytest.raises(side.family.ConnectError):
            side.ask(api, url)
    with pytest.raises(CircuitOpen) as caught:
        side.ask(api, url)
    assert caught.value.last == "ConnectError"


def test_no_answer_is_a_failure(side: Side, server: Server) -> None:
    api = guard()
    with pytest.raises(side.family.RemoteProtocolError):
        side.ask(api, f"{server.url}/hang-up")
    with pytest.raises(side.family.ReadTimeout):
        side.ask(api, f"{server.url}/never", timeout=0.05)
    assert known(api)[2] == "open"


def test_what_the_client_does_wrong_says_nothing(side: Side) -> None:
    api = guard()
    for _ in range(3):
        with pytest.raises(side.family.UnsupportedProtocol):
            side.ask(api, "ftp://a/")
    assert known(api) == (0, 0, "closed")


@pytest.mark.parametrize(
    "error",
    [
        httpx.ConnectError("[Errno -2] Name or service not known"),
        httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED]"),
        httpx.ConnectTimeout("timed out"),
    ],
    ids=["dns", "tls", "connect-timeout"],
)
@pytest.mark.parametrize("asynchronous", [False, True])
def test_names_certificates_and_connections_that_fail_are_failures(error: Exception, asynchronous: bool) -> None:
    api = guard(retry=Retry(on=httpx.TransportError, backoff=AT_ONCE))
    with respx.mock(using="httpcore") as mock:
        route = mock.get("http://a/").mock(side_effect=error)
        with pytest.raises(type(error)):
            Side(httpx, asynchronous).ask(api, "http://a/")
        assert route.call_count == 2
    assert known(api)[2] == "open"


# Retries.


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"])
def test_what_may_be_sent_twice_is_tried_again(side: Side, server: Server, method: str) -> None:
    api = guard(retry=Retry(on=side.family.HTTPStatusError, backoff=AT_ONCE))
    answer = side.ask(api, f"{server.url}/status/500?n=1", method)
    assert (answer.status_code, len(server.asked)) == (200, 2)


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_what_may_not_be_sent_twice_is_not_tried_again(side: Side, server: Server, method: str) -> None:
    api = guard(retry=Retry(on=side.family.HTTPStatusError, backoff=AT_ONCE))
    answer = side.ask(api, f"{server.url}/status/500?n=1", method)
    assert (answer.status_code, answer.content, len(server.asked)) == (500, CHUNK, 1)


def test_a_method_that_the_user_names_is_tried_again_with_its_body(side: Side, server: Server) -> None:
    api = guard(retry=Retry(on=side.family.HTTPStatusError, backoff=AT_ONCE))
    answer = side.ask(api, f"{server.url}/status/500?n=1", "POST", json={"a": 1}, retry_methods=["post"])
    assert answer.status_code == 200
    assert [json.loads(asked.body) for asked in server.asked] == [{"a": 1}, {"a": 1}]


def test_a_body_that_cannot_be_sent_twice_is_sent_once(side: Side, server: Server) -> None:
    async def parts() -> Any:
        yield b"once"

    api = guard(retry=Retry(on=side.family.HTTPStatusError, backoff=AT_ONCE))
    content = parts() if side.asynchronous else iter([b"once"])
    answer = side.ask(api, f"{server.url}/status/500?n=1", "PUT", content=content)
    assert (answer.status_code, [asked.body for asked in server.asked]) == (500, [b"once"])


def test_when_all_attempts_failed_the_last_answer_is_the_clients(side: Side, server: Server) -> None:
    api = guard(retry=Retry(on=side.family.HTTPStatusError, backoff=AT_ONCE), breaker=Breaker())
    answer = side.ask(api, f"{server.url}/status/503")
    assert (answer.status_code, answer.content, len(server.asked)) == (503, CHUNK, 3)


def test_the_wait_is_the_one_that_the_server_asked_for(side: Side, server: Server) -> None:
    api = guard(retry=Retry(on=side.family.HTTPStatusError, backoff=AT_ONCE))
    began = time.monotonic()
    assert side.ask(api, f"{server.url}/status/429?n=1&retry-after=0.1").status_code == 200
    assert (len(server.asked), time.monotonic() - began >= 0.1) == (2, True)


def test_nothing_is_tried_again_after_the_first_byte(side: Side, server: Server) -> None:
    api = guard(retry=Retry(on=side.family.TransportError, backoff=AT_ONCE))
    with pytest.raises(side.family.RemoteProtocolError):
        side.ask(api, f"{server.url}/cut")
    assert len(server.asked) == 1


def test_the_answers_of_failed_attempts_are_closed(side: Side, server: Server) -> None:
    """With one connection in the pool, an answer left open would stand in the way of the next attempt."""
    api = guard(retry=Retry(on=side.family.HTTPStatusError, backoff=AT_ONCE), breaker=Breaker())
    kind = side.family.AsyncHTTPTransport if side.asynchronous else side.family.HTTPTransport
    inner = kind(limits=side.family.Limits(max_connections=1))
    transport = guarded_transport(api, inner)
    url = f"{server.url}/status/500?n=2"
    if side.asynchronous:

        async def main() -> Any:
            async with side.family.AsyncClient(transport=transport, timeout=1) as client:
                return await client.get(url)

        assert asyncio.run(main()).status_code == 200
    else:
        with side.family.Client(transport=transport, timeout=1) as client:
            assert client.get(url).status_code == 200
    assert len(server.asked) == 3


def test_inside_a_guard_that_retries_there_is_one_attempt(side: Side, server: Server) -> None:
    outer = Guard("outer", retry=Retry(on=side.family.HTTPStatusError, backoff=AT_ONCE), breaker=None)
    api = guard(retry=Retry(on=side.family.HTTPStatusError, backoff=AT_ONCE), breaker=None)

    def work() -> Any:
        return side.ask(api, f"{server.url}/status/500").raise_for_status()

    with pytest.raises(side.family.HTTPStatusError):
        outer.call(work)
    assert len(server.asked) == 3


# Deadlines and headers.


def test_a_deadline_ends_a_request_that_is_not_answered(side: Side, server: Server) -> None:
    api = guard(timeout=0.1)
    began = time.monotonic()
    with pytest.raises(DeadlineExceeded if side.asynchronous else side.family.ReadTimeout):
        side.ask(api, f"{server.url}/never", timeout=None)
    assert 0.09 < time.monotonic() - began < 10
    assert known(api) == (1, 1, "closed")


def test_a_deadline_ends_a_body_that_stands_still(side: Side, server: Server) -> None:
    api = guard(timeout=0.1)
    began = time.monotonic()
    with pytest.raises(DeadlineExceeded if side.asynchronous else side.family.ReadTimeout):
        side.ask(api, f"{server.url}/stall", timeout=None)
    assert 0.09 < time.monotonic() - began < 10
    assert known(api) == (1, 1, "closed")


def test_an_attempt_ends_a_request_that_is_not_answered(side: Side, server: Server) -> None:
    api = guard(attempt_timeout=0.05)
    with pytest.raises(AttemptTimeout if side.asynchronous else side.family.ReadTimeout):
        side.ask(api, f"{server.url}/never", timeout=None)
    assert known(api) == (1, 1, "closed")


@pytest.mark.slow  # the body must stand still for longer than a busy machine needs to send its head
def test_the_time_for_an_attempt_is_over_with_the_head(side: Side, server: Server) -> None:
    began = time.monotonic()
    with pytest.raises(side.family.ReadTimeout):
        side.ask(guard(attempt_timeout=0.5), f"{server.url}/stall", timeout=0.6)
    assert time.monotonic() - began >= 0.6


def test_a_callers_deadline_ends_a_request_and_says_nothing_about_the_service(side: Side, server: Server) -> None:
    api = guard()
    caller = Guard("caller", timeout=0.05, breaker=None)
    if side.asynchronous:

        async def work() -> None:
            async with side.client(api, timeout=None) as client:
                await client.get(f"{server.url}/never")

        with pytest.raises(DeadlineExceeded):
            asyncio.run(caller.acall(work))
    else:
        with pytest.raises(side.family.ReadTimeout):
            caller.call(side.ask, api, f"{server.url}/never", timeout=None)
    assert known(api) == (0, 0, "closed")


def test_the_next_service_learns_what_time_is_left_and_who_retries(side: Side, server: Server) -> None:
    api = guard(timeout=5, attempt_timeout=1, retry=Retry(on=ConnectionError))
    sent = side.ask(api, f"{server.url}/echo", own_hosts=["127.0.0.1"]).json()
    assert 1000 < int(sent["guardrails-deadline"]) < 5000
    assert sent["guardrails-retry-owner"] == "caller"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_callers_deadline_goes_on_to_the_next_service(server: Server, method: str) -> None:
    caller = Guard("caller", timeout=5, breaker=None)
    side = Side(httpx, asynchronous=False)
    answer = caller.call(side.ask, guard(), f"{server.url}/echo", method, own_hosts=["127.0.0.1"])
    assert 0 < int(answer.json()["guardrails-deadline"]) <= 5000


def test_strangers_learn_nothing(side: Side, server: Server) -> None:
    api = guard(timeout=5, retry=Retry(on=ConnectionError))
    sent = side.ask(api, f"{server.url}/echo", own_hosts=["localhost"]).json()
    assert [name for name in sent if name.startswith("guardrails")] == []


def test_a_redirect_to_a_stranger_takes_no_header_along(side: Side, server: Server) -> None:
    api = guard(timeout=5, retry=Retry(on=ConnectionError))
    url = f"{server.url}/to?url=http://localhost:{server.port}/echo"
    answer = side.ask(api, url, own_hosts=["127.0.0.1"], follow_redirects=True)
    told = ["guardrails-deadline" in asked.headers for asked in server.asked]
    assert (answer.status_code, told, set(api.by_key())) == (
        200,
        [True, False],
        {f"127.0.0.1:{server.port}", f"localhost:{server.port}"},
    )


def test_who_does_not_retry_does_not_say_so(side: Side, server: Server) -> None:
    api = guard(retry=Retry(on=ConnectionError))
    sent = side.ask(api, f"{server.url}/echo", "POST", own_hosts=["127.0.0.1"]).json()
    assert "guardrails-retry-owner" not in sent
    sent = side.ask(guard(), f"{server.url}/echo", own_hosts=["127.0.0.1"]).json()
    assert [name for name in sent if name.startswith("guardrails")] == []


def test_the_clients_own_timeout_holds_where_it_is_shorter(side: Side, server: Server) -> None:
    api = guard(timeout=30)
    with pytest.raises(side.family.ReadTimeout):
        side.ask(api, f"{server.url}/never", timeout=0.05)


def test_what_was_handed_down_is_handed_down_again_after_the_request(side: Side, server: Server) -> None:
    seen: list[object] = []
    side.begin(guard(timeout=5), f"{server.url}/body/3", lambda response: seen.append(remaining()))
    assert seen == [None]


# Which guard, which classifier.


def test_a_mapping_names_a_guard_for_a_host_or_for_a_host_with_its_port(side: Side, server: Server) -> None:
    broad, narrow = guard(), guard()
    for guarded, hit in (
        ({"127.0.0.1": broad}, broad),
        ({"127.0.0.1": broad, f"127.0.0.1:{server.port}": narrow}, narrow),
    ):
        assert side.ask(guarded, f"{server.url}/status/200").status_code == 200
        assert hit.snapshot().circuit.calls == 1
    assert side.ask({"other": broad}, f"{server.url}/status/500").status_code == 500
    assert (broad.snapshot().circuit.failed, narrow.snapshot().circuit.calls) == (0, 1)


def test_a_function_chooses_the_guard_by_the_request(side: Side, server: Server) -> None:
    slow = guard()

    def choose(request: Any) -> Guard | None:
        return slow if request.method == "PUT" else None

    side.ask(choose, f"{server.url}/status/500")
    side.ask(choose, f"{server.url}/status/500", "PUT")
    assert slow.snapshot().circuit.failed == 1


def test_past_the_guards_a_deadline_holds_and_is_told_all_the_same(side: Side, server: Server) -> None:
    caller = Guard("caller", timeout=5, breaker=None)
    found: list[Any] = []
    if side.asynchronous:

        async def work() -> None:
            async with side.client({}, own_hosts=["127.0.0.1"]) as client:
                found.append(await client.get(f"{server.url}/echo"))

        asyncio.run(caller.acall(work))
    else:
        caller.call(lambda: found.append(side.ask({}, f"{server.url}/echo", own_hosts=["127.0.0.1"])))
    assert 0 < int(found[0].json()["guardrails-deadline"]) <= 5000


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (SUCCESS, (1, 0, "closed")),
        (IGNORED, (0, 0, "closed")),
        (FAILURE, (1, 1, "closed")),
        (None, (1, 1, "closed")),
        (throttled(30), (0, 0, "open")),
    ],
    ids=["success", "ignored", "failure", "none", "throttled"],
)
def test_the_users_classifier_wins_over_the_default(side: Side, server: Server, said: Any, expected: object) -> None:
    api = guard()
    answer = side.ask(api, f"{server.url}/status/500", classify=lambda what: said)
    assert (answer.status_code, answer.content, known(api)) == (500, CHUNK, expected)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (SUCCESS, (1, 0, "closed")),
        (IGNORED, (0, 0, "closed")),
        (FAILURE, (1, 1, "closed")),
        (throttled(30), (0, 0, "open")),
    ],
    ids=["success", "ignored", "failure", "throttled"],
)
@pytest.mark.parametrize("path", ["hang-up", "cut"])
def test_it_is_asked_about_errors_too(side: Side, server: Server, said: Any, expected: object, path: str) -> None:
    api = guard()

    def classify(what: object) -> Any:
        return said if isinstance(what, Exception) else None

    with pytest.raises(side.family.RemoteProtocolError):
        side.ask(api, f"{server.url}/{path}", classify=classify)
    assert known(api) == expected


@pytest.mark.parametrize("answer", [ZeroDivisionError(), "failure"], ids=["raises", "no-outcome"])
def test_a_broken_classifier_leaves_the_default(side: Side, server: Server, answer: object) -> None:
    def classify(what: object) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    api = guard()
    assert side.ask(api, f"{server.url}/status/500", classify=classify).status_code == 500
    assert known(api) == (1, 1, "closed")


# HTTP beyond the plain request.


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
def test_an_answer_that_has_no_body_is_settled_with_its_head(
    side: Side, server: Server, method: str, status: int
) -> None:
    api = guard()
    client = side.client(api)
    url = f"{server.url}/status/{status}"
    if side.asynchronous:

        async def main() -> None:
            async with client, client.stream(method, url):
                assert known(api) == (1, 0, "closed")

        asyncio.run(main())
    else:
        with client, client.stream(method, url):
            assert known(api) == (1, 0, "closed")


def test_a_connection_that_was_upgraded_is_the_users(side: Side, server: Server) -> None:
    api = guard(bulkhead=Bulkhead(1))
    headers = {"connection": "upgrade", "upgrade": "echo"}
    client = side.client(api)
    if side.asynchronous:

        async def main() -> bytes:
            async with client, client.stream("GET", f"{server.url}/upgrade", headers=headers) as response:
                assert (response.status_code, known(api)) == (101, (1, 0, "closed"))
                stream = response.extensions["network_stream"]
                await stream.write(b"ping")
                echoed: bytes = await stream.read(100)
                return echoed

        assert asyncio.run(main()) == b"ping"
    else:
        with client, client.stream("GET", f"{server.url}/upgrade", headers=headers) as response:
            assert (response.status_code, known(api)) == (101, (1, 0, "closed"))
            stream = response.extensions["network_stream"]
            stream.write(b"ping")
            assert stream.read(100) == b"ping"


def test_an_upload_arrives_in_pieces(side: Side, server: Server) -> None:
    async def parts() -> Any:
        for _ in range(3):
            yield CHUNK

    content = parts() if side.asynchronous else iter([CHUNK] * 3)
    assert side.ask(guard(timeout=5), f"{server.url}/status/200", "POST", content=content).status_code == 200
    assert server.asked[0].body == CHUNK * 3


def test_a_full_bulkhead_refuses_while_a_body_is_being_read(side: Side, server: Server) -> None:
    api = guard(bulkhead=Bulkhead(1))

    def again(response: Any) -> None:
        refusals.append(threading.Thread(target=ask))
        refusals[0].start()
        refusals[0].join()

    def ask() -> None:
        with contextlib.suppress(BulkheadFull):
            Side(side.family, asynchronous=False).ask(api, f"{server.url}/status/200")

    refusals: list[threading.Thread] = []
    side.begin(api, f"{server.url}/body/2", again)
    assert server.paths == ["/body/2"]


@pytest.mark.parametrize("family", [httpx, httpx2])
def test_a_cancelled_task_says_nothing_and_gives_its_place_back(server: Server, family: Any) -> None:
    api = guard(bulkhead=Bulkhead(1))

    async def main() -> None:
        async with Side(family, asynchronous=True).client(api) as client:
            for path in ("never", "stall"):
                task = asyncio.create_task(client.get(f"{server.url}/{path}"))
                await asyncio.to_thread(server.wait_for, f"/{path}")
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task

    asyncio.run(main())
    (of_host,) = api.by_key().values()
    assert (of_host.snapshot().active, known(api)) == (0, (0, 0, "closed"))


@pytest.mark.parametrize("family", [httpx, httpx2])
def test_a_body_may_be_read_in_another_task(server: Server, family: Any) -> None:
    api = guard(timeout=5)

    async def main() -> bytes:
        async with Side(family, asynchronous=True).client(api) as client:
            request = client.build_request("GET", f"{server.url}/body/5")
            response = await asyncio.create_task(client.send(request, stream=True))
            body: bytes = await asyncio.create_task(response.aread())
            return body

    assert (asyncio.run(main()), known(api)) == (CHUNK * 5, (1, 0, "closed"))


@pytest.mark.parametrize("family", [httpx, httpx2])
def test_mocks_that_have_read_their_bodies_count_too(family: Any) -> None:
    api = guard()
    statuses = iter([200, 404, 500])
    transport = guarded_transport(api, family.MockTransport(lambda request: family.Response(next(statuses), text="x")))
    with family.Client(transport=transport) as client:
        assert [client.get("http://a/").text for _ in range(3)] == ["x", "x", "x"]
    assert known(api) == (2, 1, "closed")


def test_the_guard_of_a_host_is_forgotten_with_the_transport(server: Server) -> None:
    api = guard()
    Side(httpx, asynchronous=False).ask(api, f"{server.url}/status/200")
    references = [weakref.ref(of_host) for of_host in api.by_key().values()]
    del api
    gc.collect()
    assert [reference() for reference in references] == [None]


class Recorded(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Answers as told, and records what is done with it and with its answers."""

    def __init__(self, status: int = 200) -> None:
        self.status = status
        self.done: list[str] = []
        self.timeouts: list[Any] = []

    def __enter__(self) -> Any:
        self.done.append("entered")
        return self

    async def __aenter__(self) -> Any:
        self.done.append("entered")
        return self

    def close(self) -> None:
        self.done.append("left")

    async def aclose(self) -> None:
        self.done.append("left")

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.timeouts.append(request.extensions["timeout"])
        return httpx.Response(self.status, headers={"retry-after": "20"}, stream=RecordedBody(self.done))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return self.handle_request(request)


class RecordedBody(httpx.SyncByteStream, httpx.AsyncByteStream):
    def __init__(self, done: list[str]) -> None:
        self.done = done

    def __iter__(self) -> Iterator[bytes]:
        yield CHUNK

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield CHUNK

    def close(self) -> None:
        self.done.append("closed")

    async def aclose(self) -> None:
        self.done.append("closed")


def test_the_transport_inside_is_entered_and_left_with_the_client() -> None:
    async def main() -> None:
        async with httpx.AsyncClient(transport=guarded_transport(guard(), Recorded())) as client:
            await client.get("http://a/")
            assert client._transport.inner.done == ["entered", "closed"]  # type: ignore[attr-defined]

    asyncio.run(main())
    inner = Recorded()
    with httpx.Client(transport=guarded_transport(guard(), inner)) as client:
        client.get("http://a/")
    assert inner.done == ["entered", "closed", "left"]


def test_without_a_client_the_end_of_a_body_settles_the_call_at_once() -> None:
    for status, calls in ((200, 1), (404, 0)):
        api = guard(bulkhead=Bulkhead(1))
        transport: Any = guarded_transport(api, Recorded(status))
        request = httpx.Request("GET", "http://a/", extensions={"timeout": {}})
        response = transport.handle_request(request)
        assert list(response.stream) == [CHUNK]
        (of_host,) = api.by_key().values()
        assert (of_host.snapshot().active, known(api)[0]) == (0, calls)

        async def main(transport: Any = transport, request: Any = request, of_host: Any = of_host) -> None:
            response = await transport.handle_async_request(request)
            assert [chunk async for chunk in response.stream] == [CHUNK]
            assert of_host.snapshot().active == 0

        asyncio.run(main())


def test_a_plain_clients_timeouts_end_with_the_deadline_an_asynchronous_ones_just_after_it() -> None:
    """There the guard's timer is to come first, or chance would choose the error."""
    inner = Recorded()
    transport: Any = guarded_transport(guard(timeout=2), inner)
    request = httpx.Request("GET", "http://a/", extensions={"timeout": {"read": 60, "connect": 0.5}})
    transport.handle_request(request)

    async def main() -> None:
        await (await transport.handle_async_request(request)).aclose()

    asyncio.run(main())
    plain, asynchronous = inner.timeouts
    assert (plain["connect"], asynchronous["connect"]) == (0.5, 0.5)
    assert 1.9 < plain["read"] <= 2 < asynchronous["read"] < 2.1
    assert request.extensions == {"timeout": {"read": 60, "connect": 0.5}}


def test_an_answer_that_waits_for_another_attempt_is_closed_when_the_wait_is_broken_off() -> None:
    class Interrupted(VirtualClock):
        def sleep(self, seconds: float) -> None:
            raise KeyboardInterrupt

    again = Retry(on=httpx.HTTPStatusError)
    inner = Recorded(503)
    with pytest.raises(KeyboardInterrupt):
        httpx.Client(transport=guarded_transport(guard(retry=again, clock=Interrupted()), inner)).get("http://a/")
    assert inner.done == ["closed"]

    async def main() -> None:
        client = httpx.AsyncClient(transport=guarded_transport(guard(retry=again), inner))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.02):
                await client.get("http://a/")

    asyncio.run(main())
    assert inner.done == ["closed", "closed"]


@pytest.mark.parametrize("wrap", [lambda guard: guard, lambda guard: {"a.test": guard}], ids=["guard", "mapping"])
def test_a_guard_that_hedges_is_refused_when_the_transport_is_made(wrap: Callable[[Guard], Any]) -> None:
    with pytest.raises(ConfigError, match="guards without hedge; no second call can begin beside a stream"):
        guarded_transport(wrap(Guard("search", hedge=Hedge())), httpx.MockTransport(lambda _: httpx.Response(200)))


def test_an_update_that_lets_its_guard_hedge_ends_no_request_to_any_host() -> None:
    guard = Guard("search")
    transport = guarded_transport(guard, httpx.MockTransport(lambda _: httpx.Response(200)))
    with httpx.Client(transport=transport) as client:
        guard.update(hedge=Hedge())
        assert client.get("https://new.test/").status_code == 200
