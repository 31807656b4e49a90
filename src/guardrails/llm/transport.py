"""The transports that clients hold: they send, read and wait, for httpx and httpx2, in threads and in asyncio.

request for a stream? ── no: straight through
        │
an attempt ── head ──► response.stream = a body ── part.feed(chunk) ──► the client
    ▲                                     │ fault
    └──────── the same, or the rest ◄─────┘            what to do: `call`; what goes through: `whole`, `rest`
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from typing import TYPE_CHECKING, Any

from guardrails.clock import SystemClock
from guardrails.core.completeness import Learned
from guardrails.core.ranges import Ranges
from guardrails.http.families import class_around, family_of
from guardrails.llm.call import Call
from guardrails.llm.capabilities import Capability
from guardrails.llm.policy import StreamPolicy
from guardrails.llm.watchdog import TaskAlarm, ThreadAlarm
from guardrails.llm.wires import WIRES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from typing import Self

    from guardrails.llm.faults import Fault
    from guardrails.llm.wires import Wire

# Seconds to wait for the end of a body whose answer is whole, so that its connection can serve again.
DRAIN = 0.1
# Endpoints (host, wire, model) whose contract is remembered.
MOST_LEARNED = 1000


class Said:
    """What both kinds of transport share. The parameters are described at `healing`."""

    def __init__(self, inner: Any, policy: StreamPolicy, capabilities: Collection[Capability]) -> None:
        ranges = Ranges()
        told: object = policy
        ranges.demand(isinstance(told, StreamPolicy), "policy", told, "a StreamPolicy", "write StreamPolicy(idle=30)")
        rows: Collection[object] = capabilities
        good = all(isinstance(row, Capability) for row in rows)
        ranges.demand(good, "capabilities", rows, "Capability rows", 'write [Capability("prefill", host="…")]')
        ranges.settle()
        self.inner = inner
        self.family = family_of(inner)
        self.policy = policy
        self.capabilities = tuple(capabilities)
        self.clock = SystemClock()
        self.lock = threading.Lock()
        self.budget = policy.budget.machine()
        self._learned: dict[tuple[str, str, str], Learned] = {}

    def learned_for(self, host: str, wire: Wire, model: str) -> Learned:
        """What whole answers of an endpoint bring."""
        key = (host, wire.name, model)
        learned = self._learned.get(key)
        if learned is None:
            if len(self._learned) >= MOST_LEARNED:
                self._learned.clear()
            learned = self._learned[key] = Learned()
        return learned

    def call_for(self, request: Any, now: Callable[[], float]) -> Call | None:
        """The call of a request for a stream; None for any other, which goes straight through."""
        wire = next((wire for path, wire in WIRES.items() if request.url.path.endswith(path)), None)
        if wire is None or request.method != "POST":
            return None
        try:
            content = request.content
        except self.family.RequestNotRead:
            return None
        if b'"stream"' not in content:
            return None
        try:
            asked = json.loads(content)
        except ValueError:
            return None
        streams = isinstance(asked, dict) and asked.get("stream") is True
        return Call(self, request, wire, asked, now) if streams else None


class Body:
    """The body of a stream, of as many attempts as it takes. For one reader, once."""

    def __init__(self, call: Call, response: Any) -> None:
        self._call = call
        self._said: Any = call.said
        self._over = False
        self._begin(response)

    def _begin(self, response: Any) -> None:
        self._call.begins(response)
        self._stream = response.stream
        self._contents = 0
        self._alarm = ThreadAlarm(response.extensions.get("network_stream"))
        self._alarm.move(self._call.due(content=False))
        self._source = iter(self._stream)

    def __iter__(self) -> Body:
        return self

    def __next__(self) -> bytes:
        call = self._call
        cause: Exception | None = None
        while not self._over:
            part = call.part
            if part.fault is not None:
                self._heal(part.fault, cause)
                continue
            if part.done:
                self._end()
                break
            cause = None
            try:
                chunk = next(self._source)
            except StopIteration:
                out = call.stopped(self._alarm, None)
            except Exception as exc:  # noqa: BLE001 - what is none of ours is raised again
                cause = exc
                out = call.stopped(self._alarm, exc)
            else:
                out = part.feed(chunk)
                contents = part.answer.contents
                if contents != self._contents:
                    self._contents = contents
                    self._alarm.move(call.due(content=True))
            if part.done:
                # Now, because some clients stop at the terminator.
                call.finished()
            if out:
                return out
        raise StopIteration

    def _heal(self, fault: Fault, cause: Exception | None) -> None:
        self._close()
        try:
            response = self._said.opened(self._call, fault, cause)
        except BaseException:
            self._over = True
            raise
        self._begin(response)

    def _end(self) -> None:
        """The answer is whole: wait a moment for the end of its body."""
        self._over = True
        self._alarm.move(self._alarm.now() + DRAIN)
        try:
            for _ in self._source:
                if self._alarm.rang:
                    break
        except Exception:  # noqa: BLE001, S110 - the answer is whole, whatever becomes of its connection
            pass
        self._close()

    def _close(self) -> None:
        self._alarm.end()
        self._stream.close()

    def close(self) -> None:
        """Give the answer up, if there is more of it."""
        self._over = True
        self._close()


class AsyncBody:
    """The same for asyncio."""

    def __init__(self, call: Call, response: Any) -> None:
        self._call = call
        self._said: Any = call.said
        self._over = False
        self._begin(response)

    def _begin(self, response: Any) -> None:
        self._call.begins(response)
        self._stream = response.stream
        self._contents = 0
        self._alarm = TaskAlarm(asyncio.get_running_loop())
        self._alarm.move(self._call.due(content=False))
        self._source = self._stream.__aiter__()

    def __aiter__(self) -> AsyncBody:
        return self

    async def __anext__(self) -> bytes:
        call = self._call
        cause: Exception | None = None
        while not self._over:
            part = call.part
            if part.fault is not None:
                await self._heal(part.fault, cause)
                continue
            if part.done:
                await self._end()
                break
            cause = None
            alarm = self._alarm
            alarm.task = asyncio.current_task()
            try:
                chunk = await self._source.__anext__()
            except StopAsyncIteration:
                out = call.stopped(alarm, None)
            except asyncio.CancelledError:
                if not alarm.takes_back():
                    raise
                out = call.stopped(alarm, None)
            except Exception as exc:  # noqa: BLE001 - what is none of ours is raised again
                cause = exc
                out = call.stopped(alarm, exc)
            else:
                out = part.feed(chunk)
                contents = part.answer.contents
                if contents != self._contents:
                    self._contents = contents
                    alarm.move(call.due(content=True))
            finally:
                alarm.task = None
            if part.done:
                # Now, because some clients stop at the terminator.
                call.finished()
            if out:
                return out
        raise StopAsyncIteration

    async def _heal(self, fault: Fault, cause: Exception | None) -> None:
        await self._close()
        try:
            response = await self._said.aopened(self._call, fault, cause)
        except BaseException:
            self._over = True
            raise
        self._begin(response)

    async def _end(self) -> None:
        """The answer is whole: wait a moment for the end of its body."""
        self._over = True
        alarm = self._alarm
        alarm.move(alarm.now() + DRAIN)
        alarm.task = asyncio.current_task()
        try:
            async for _ in self._source:
                pass
        except asyncio.CancelledError:
            if not alarm.takes_back():
                raise
        except Exception:  # noqa: BLE001, S110 - the answer is whole, whatever becomes of its connection
            pass
        finally:
            alarm.task = None
            await self._close()

    async def _close(self) -> None:
        self._alarm.end()
        await self._stream.aclose()

    async def aclose(self) -> None:
        """Give the answer up, if there is more of it."""
        self._over = True
        await self._close()


class SyncTransport(Said):
    """A transport around another."""

    body: Any

    def handle_request(self, request: Any) -> Any:
        """Called by the client. Raises what the transport raises."""
        call = self.call_for(request, time.monotonic)
        if call is None:
            return self.inner.handle_request(request)
        response = self.opened(call)
        return call.streamed(response, self.body)

    def opened(self, call: Call, fault: Fault | None = None, cause: Exception | None = None) -> Any:
        """The answer to the next attempt that is answered; to a client that has none yet, also an error status."""
        response: Any = None
        while True:
            if fault is not None:
                pause = call.retry(fault)
                if response is not None and (pause is not None or call.streaming):
                    response.close()
                if pause is None:
                    return call.given_up(fault, cause, response)
                time.sleep(pause)
            response = cause = None
            try:
                response = self.inner.handle_request(call.outgoing())
            except Exception as exc:  # noqa: BLE001 - what is none of ours is raised again
                fault, cause = call.fault_of(exc, content=False), exc
            else:
                fault = call.judged(response)
                if fault is None:
                    return response

    def __enter__(self) -> Self:
        self.inner.__enter__()
        return self

    def __exit__(self, *raised: object) -> None:
        self.inner.__exit__(*raised)

    def close(self) -> None:
        """Called by the client."""
        self.inner.close()


class AsyncTransport(Said):
    """The same for asyncio."""

    abody: Any

    async def handle_async_request(self, request: Any) -> Any:
        """Called by the client. Raises what the transport raises."""
        call = self.call_for(request, asyncio.get_running_loop().time)
        if call is None:
            return await self.inner.handle_async_request(request)
        response = await self.aopened(call)
        return call.streamed(response, self.abody)

    async def aopened(self, call: Call, fault: Fault | None = None, cause: Exception | None = None) -> Any:
        """The answer to the next attempt that is answered; to a client that has none yet, also an error status."""
        response: Any = None
        while True:
            if fault is not None:
                pause = call.retry(fault)
                if response is not None and (pause is not None or call.streaming):
                    await response.aclose()
                if pause is None:
                    return call.given_up(fault, cause, response)
                await asyncio.sleep(pause)
            response = cause = None
            try:
                response = await self.inner.handle_async_request(call.outgoing())
            except Exception as exc:  # noqa: BLE001 - what is none of ours is raised again
                fault, cause = call.fault_of(exc, content=False), exc
            else:
                fault = call.judged(response)
                if fault is None:
                    return response

    async def __aenter__(self) -> Self:
        await self.inner.__aenter__()
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self.inner.__aexit__(*raised)

    async def aclose(self) -> None:
        """Called by the client."""
        await self.inner.aclose()


def transport_class(transport: Any) -> Any:
    """The class of healing transports of the library and the kind of this one; mocks serve both kinds of client."""
    doc = "A transport whose streams are healed; see `healing`."
    return class_around(transport, "Healing", doc, (SyncTransport, Body), (AsyncTransport, AsyncBody))
