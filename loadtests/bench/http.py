"""What a guarded transport adds to a request: against the transport that it is put around, which answers in process."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx

from loadtests.bench.harness import Call, Figure

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

# Requests in one run of a loop, so that starting the loop does not show.
MANY = 200
URL = "http://search.internal/"


class Canned(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Answers each request with the same kilobyte, without a network."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:  # noqa: ARG002 - the signature of httpx
        return httpx.Response(200, stream=Body())

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:  # noqa: ARG002
        return httpx.Response(200, stream=Body())


class Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    """One chunk, as from a socket: a body in memory would be settled with the head."""

    def __iter__(self) -> Iterator[bytes]:
        yield b"x" * 1024

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"x" * 1024


def bare() -> Any:
    return Canned()


def guarded() -> Any:
    from guardrails.middleware.httpx import guarded_transport
    from guardrails.policies import Guard

    return guarded_transport(Guard("bench"), Canned())


def layers() -> Any:
    from guardrails.middleware.httpx import guarded_transport
    from guardrails.policies import Bulkhead, Guard, Retry

    said = Guard("bench", timeout=5, retry=Retry(on=httpx.TransportError), bulkhead=Bulkhead(100))
    return guarded_transport(said, Canned(), own_hosts=[".internal"])


def interlock() -> Any:
    from interlock.integrations.httpx import CircuitBreakerTransport

    return CircuitBreakerTransport(Canned())


def interlock_async() -> Any:
    from interlock.integrations.httpx import AsyncCircuitBreakerTransport

    return AsyncCircuitBreakerTransport(Canned())


def requests(name: str, transport: Callable[[], Any], distribution: str | None = None) -> Call:
    """One request by a client, its body read."""

    def asked() -> Callable[[], object]:
        client = httpx.Client(transport=transport())
        return lambda: client.get(URL)

    return Call(name=name, setup=asked, distribution=distribution)


def async_requests(name: str, transport: Callable[[], Any], distribution: str | None = None) -> Call:
    """Many requests by an asynchronous client in one loop."""

    def asked() -> Callable[[], object]:
        runner = asyncio.Runner()
        client = httpx.AsyncClient(transport=transport())

        async def loop() -> None:
            for _ in range(MANY):
                await client.get(URL)

        return lambda: runner.run(loop())

    return Call(name=name, setup=asked, distribution=distribution)


FIGURES = [
    Figure(
        id="http-sync",
        what="a request by `httpx.Client`, guarded: circuit, status, body",
        target=1.5,
        ours=requests("guarded_transport", guarded),
        baseline=requests("the bare transport", bare),
        peers=(
            requests("guarded_transport, all layers and headers", layers),
            requests("interlock", interlock, "interlock-cb"),
        ),
    ),
    Figure(
        id="http-async",
        what="a request by `httpx.AsyncClient`, guarded: circuit, status, body",
        target=1.5,
        ours=async_requests("guarded_transport", guarded),
        baseline=async_requests("the bare transport", bare),
        peers=(
            async_requests("guarded_transport, all layers and headers", layers),
            async_requests("interlock", interlock_async, "interlock-cb"),
        ),
    ),
]
