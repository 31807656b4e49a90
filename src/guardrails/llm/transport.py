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
from guardrails.core.ranges import Ranges
from guardrails.http.families import class_around, family_of
from guardrails.llm.call import SHORT, Call
from guardrails.llm.capabilities import Capability
from guardrails.llm.places import Places
from guardrails.llm.policy import StreamPolicy
from guardrails.llm.watchdog import TaskAlarm, ThreadAlarm
from guardrails.llm.wires import WIRES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from typing import Self

    from guardrails.llm.faults import Fault
    from guardrails.llm.places import Spending
    from guardrails.llm.targets import Target

# Seconds to wait for the end of a body whose answer is whole, so that its connection can serve again.
DRAIN = 0.1


class Said:
    """What both kinds of transport share. The parameters are described at `healing`."""

    def __init__(
        self, inner: Any, policy: StreamPolicy, capabilities: Collection[Capability], fallbacks: Collection[Target]
    ) -> None:
        ranges = Ranges()
        told: object = policy
        ranges.demand(isinstance(told, StreamPolicy), "policy", told, "a StreamPolicy", "write StreamPolicy(idle=30)")
        rows: Collection[object] = capabilities
        good = all(isinstance(row, Capability) for row in rows)
        ranges.demand(good, "capabilities", rows, "Capability rows", 'write [Capability("prefill", host="…")]')
        fix = 'write [Target("https://…", model="…")]'
        ranges.demand(_are_targets(fallbacks), "fallbacks", fallbacks, "a list of Target", fix)
        ranges.settle()
        self.inner = inner
        self.family = family_of(inner)
        self.policy = policy
        self.capabilities = tuple(capabilities)
        self.clock = SystemClock()
        self.lock = threading.Lock()
        self.places = Places(policy, tuple(fallbacks))

    def spending(self) -> Spending:
        """What has been asked for through it, and what can be afforded now."""
        with self.lock:
            return self.places.spending(self.clock.monotonic())

    def call_for(self, request: Any, now: Callable[[], float]) -> Call | None:
        """The call of a request for an answer; None for any other, which goes straight through."""
        wire = next((wire for path, wire in WIRES.items() if request.url.path.endswith(path)), None)
        if wire is None or request.method != "POST":
            return None
        try:
            content = request.content
        except self.family.RequestNotRead:
            return None
        try:
            asked = json.loads(content)
        except ValueError:
            return None
        if not isinstance(asked, dict):
            return None
        if asked.get("stream") is not True and not ("model" in asked and ("messages" in asked or "input" in asked)):
            # Many a service has an address that ends like this.
            return None
        return Call(self, request, wire, asked, now, streams=asked.get("stream", wire.unasked) is True)


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
            self._call.let_go()
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
        self._call.let_go()


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
            self._call.let_go()
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
        self._call.let_go()


class SyncTransport(Said):
    """A transport around another."""

    body: Any

    def handle_request(self, request: Any) -> Any:
        """Called by the client. Raises what the transport raises."""
        call = self.call_for(request, time.monotonic)
        if call is None:
            return self.inner.handle_request(request)
        try:
            response = self.opened(call)
            return call.streamed(response, self.body) if call.streams else self._whole(call, response)
        except BaseException:
            call.let_go()
            raise

    def _whole(self, call: Call, response: Any) -> Any:
        """An answer in one piece: it is read here, so that one that breaks is asked for again."""
        while response.status_code < 400:
            try:
                content = b"".join(response.stream)
            except Exception as exc:  # noqa: BLE001 - what is none of ours is raised again
                response.stream.close()
                response = self.opened(call, call.fault_of(exc, content=False), exc)
            else:
                # Not the response, which its client is still to read.
                response.stream.close()
                return call.answered(response, content)
        return response

    def opened(self, call: Call, fault: Fault | None = None, cause: Exception | None = None) -> Any:
        """The answer to the next attempt that is answered; to a client that has none yet, also an error status."""
        response: Any = None
        while True:
            if fault is not None:
                pause = call.retry(fault, cause)
                if response is not None and (pause is not None or not call.for_client):
                    self._put_away(call, response)
                    response = None
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

    def _put_away(self, call: Call, response: Any) -> None:
        """Its body alone is closed: a response that was would have none for the client."""
        content = bytearray()
        try:
            if call.for_client and call.switched:
                for chunk in response.stream:
                    content += chunk
                    if len(content) > SHORT:
                        return
                call.keep(response, bytes(content))
        except Exception:  # noqa: BLE001, S110 - there will be another answer, or this error without its words
            pass
        finally:
            response.stream.close()

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
        try:
            response = await self.aopened(call)
            return call.streamed(response, self.abody) if call.streams else await self._awhole(call, response)
        except BaseException:
            call.let_go()
            raise

    async def _awhole(self, call: Call, response: Any) -> Any:
        """An answer in one piece: it is read here, so that one that breaks is asked for again."""
        while response.status_code < 400:
            try:
                content = b"".join([chunk async for chunk in response.stream])
            except Exception as exc:  # noqa: BLE001 - what is none of ours is raised again
                await response.stream.aclose()
                response = await self.aopened(call, call.fault_of(exc, content=False), exc)
            else:
                # Not the response, which its client is still to read.
                await response.stream.aclose()
                return call.answered(response, content)
        return response

    async def aopened(self, call: Call, fault: Fault | None = None, cause: Exception | None = None) -> Any:
        """The answer to the next attempt that is answered; to a client that has none yet, also an error status."""
        response: Any = None
        while True:
            if fault is not None:
                pause = call.retry(fault, cause)
                if response is not None and (pause is not None or not call.for_client):
                    await self._aput_away(call, response)
                    response = None
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

    async def _aput_away(self, call: Call, response: Any) -> None:
        """Its body alone is closed: a response that was would have none for the client."""
        content = bytearray()
        try:
            if call.for_client and call.switched:
                async for chunk in response.stream:
                    content += chunk
                    if len(content) > SHORT:
                        return
                call.keep(response, bytes(content))
        except Exception:  # noqa: BLE001, S110 - there will be another answer, or this error without its words
            pass
        finally:
            await response.stream.aclose()

    async def __aenter__(self) -> Self:
        await self.inner.__aenter__()
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self.inner.__aexit__(*raised)

    async def aclose(self) -> None:
        """Called by the client."""
        await self.inner.aclose()


def _are_targets(said: Collection[object]) -> bool:
    if not said:
        return True
    # Here, because few have any.
    from guardrails.llm.targets import Target

    return not isinstance(said, str | Target) and all(isinstance(one, Target) for one in said)


def transport_class(transport: Any) -> Any:
    """The class of healing transports of the library and the kind of this one; mocks serve both kinds of client."""
    doc = "A transport whose streams are healed; see `healing`."
    return class_around(transport, "Healing", doc, (SyncTransport, Body), (AsyncTransport, AsyncBody))
