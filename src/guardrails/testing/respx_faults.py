"""What real servers do badly, as side effects for respx: the errors, answers and bodies that a client then sees.

    from guardrails.testing import respx_faults as faults
    prices = respx_mock.get("https://prices.test/tea")
    prices.mock(side_effect=faults.refused)                                              down, however often it is asked
    prices.mock(side_effect=faults.in_turn(faults.throttled(7), faults.answer(json=1)))  exactly two requests
    assert prices.call_count == 2

respx patches below the transport, so a guard around a transport stays in the way of each request. The same faults serve
pytest-httpx2, which is respx for httpx2, and `httpx.MockTransport(fault)` and its twin of httpx2: a fault is a function
of the request. It imports nothing that the client has not.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, NoReturn

from guardrails.http.families import family_of
from guardrails.policies.engine import SWITCH

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    Fault = Callable[[Any], Any]

__all__ = [
    "answer",
    "cut",
    "in_turn",
    "read_timeout",
    "refused",
    "slow",
    "throttled",
    "unresolved",
    "untrusted",
]


def refused(request: Any) -> NoReturn:
    """Nobody listens at the port: ConnectError."""
    raise _error(request, "ConnectError", "[Errno 111] Connection refused")


def unresolved(request: Any) -> NoReturn:
    """The host's name has no address: ConnectError."""
    raise _error(request, "ConnectError", "[Errno -2] Name or service not known")


def untrusted(request: Any) -> NoReturn:
    """The server's certificate is not to be trusted: ConnectError."""
    raise _error(request, "ConnectError", "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed")


def read_timeout(request: Any) -> NoReturn:
    """No answer within the client's timeout: ReadTimeout, at once."""
    raise _error(request, "ReadTimeout", "The read operation timed out")


def answer(status: int = 200, **said: Any) -> Fault:
    """An answer with this status, and with what else `httpx.Response` takes: `headers`, `content`, `json`."""
    return lambda request: family_of(request).Response(status, **said)


def throttled(retry_after: float, status: int = 429) -> Fault:
    """An answer that asks to be left alone for `retry_after` seconds. `status`: 429, or the 503 of other servers."""
    return answer(status, headers={"Retry-After": f"{retry_after:.10g}"})


def cut(content: bytes, after: int) -> Fault:
    """Headers that promise all of `content`, the first `after` bytes of it, then the connection is gone.

    RemoteProtocolError, while the body is read. Raises ValueError where nothing is left to be cut off.
    """
    if not 0 <= after < len(content):
        raise ValueError(f"after: {after}, allowed: 0 to {len(content) - 1}, since there are {len(content)} bytes")

    def fault(request: Any) -> Any:
        why = f"peer closed connection without sending complete message body (received {after} bytes, expected"
        gone = _error(request, "RemoteProtocolError", f"{why} {len(content)})")
        return _streamed(request, len(content), [content[:after]] if after else [], 0.0, gone)

    return fault


def slow(*chunks: bytes, gap: float) -> Fault:
    """Headers at once, then these chunks, each `gap` seconds after what came before.

    Where the client's own read timeout is shorter, ReadTimeout comes at that. In a block of `virtual_time` it is that
    clock which passes, elsewhere the host's.
    """
    length = sum(len(chunk) for chunk in chunks)
    return lambda request: _streamed(request, length, list(chunks), gap, None)


def in_turn(*steps: Any) -> Fault:
    """A fault, or a response, for each request, in this order.

    Raises AssertionError for one request more, since it is the number of them that a test of retries is about.
    """
    left = iter(steps)

    def fault(request: Any) -> Any:
        for step in left:
            return step(request) if callable(step) else step
        raise AssertionError(f"{request.method} {request.url} is one request more than the {len(steps)} of in_turn()")

    return fault


def _error(request: Any, name: str, message: str) -> Exception:
    """The error that the client's library raises, whichever library that is.

    respx hands a request of httpx to the side effects of httpx2 too. There the error of httpcore2 is looked for on its
    way to the client, and becomes that of httpx2; so it is both where both libraries are loaded.
    """
    family = family_of(request)
    kind = getattr(family, name)
    beneath = sys.modules.get("httpcore2")
    if beneath is not None and family.__name__ == "httpx":
        kind = type(name, (kind, getattr(beneath, name)), {"__module__": family.__name__})
    error: Exception = kind(message, request=request)
    return error


def _streamed(request: Any, length: int, chunks: list[bytes], gap: float, end: Exception | None) -> Any:
    family = family_of(request)
    late = None
    patience = (request.extensions.get("timeout") or {}).get("read")
    if patience is not None and patience < gap:
        late = _error(request, "ReadTimeout", "The read operation timed out")
        gap = patience
    kind: Any = type("FaultyBody", (_Body, family.SyncByteStream, family.AsyncByteStream), {})
    body = kind([] if late else chunks, gap, late or end)
    return family.Response(200, headers={"Content-Length": str(length)}, stream=body)


class _Body:
    """Chunks, each after a gap, and an error in the end."""

    def __init__(self, chunks: list[bytes], gap: float, end: Exception | None) -> None:
        self._chunks = chunks
        self._gap = gap
        self._end = end

    def __iter__(self) -> Iterator[bytes]:
        sleep = time.sleep if SWITCH.clock is None else SWITCH.clock.sleep
        for chunk in self._chunks:
            sleep(self._gap)
            yield chunk
        if self._end is not None:
            sleep(self._gap)
            raise self._end

    async def __aiter__(self) -> AsyncIterator[bytes]:
        import asyncio

        sleep = asyncio.sleep if SWITCH.clock is None else SWITCH.clock.asleep
        for chunk in self._chunks:
            await sleep(self._gap)
            yield chunk
        if self._end is not None:
            await sleep(self._gap)
            raise self._end
