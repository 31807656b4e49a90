"""A stream from whoever can give it: a neutral request, several targets, one answer.

async with stream_with_fallback(Request(messages), [Target(…), Target(…), my_function]) as stream:
    async for event in stream:              and the same with `with` and `for`
        match event: ...                    see `neutral`
stream.result                               what has come of it

request ── on the wire of the first target ──► healing transport, the others as fallbacks ──► reader ──► events
                                                          │ nothing helps: `last_rungs`
                                                          └──► a whole answer, a partial one, an error
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Self

from guardrails.core.completeness import failure_in
from guardrails.core.ranges import Ranges
from guardrails.errors import GuardrailsError, StreamFault
from guardrails.http import retry_after
from guardrails.llm.homes import Home
from guardrails.llm.last_rungs import last_rungs
from guardrails.llm.neutral import Text
from guardrails.llm.policy import StreamPolicy
from guardrails.llm.request import Request
from guardrails.llm.story import Story
from guardrails.llm.targets import Target
from guardrails.policies import remaining

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Iterator, Sequence

    import httpx
    import httpx2

    from guardrails.llm.capabilities import Capability
    from guardrails.llm.functions import Function
    from guardrails.llm.neutral import Event, Result

DEFAULT = StreamPolicy()
new = tuple.__new__


def stream_with_fallback(
    request: Request,
    targets: Sequence[Target | Function],
    policy: StreamPolicy = DEFAULT,
    *,
    capabilities: Collection[Capability] = (),
    transport: httpx.BaseTransport
    | httpx.AsyncBaseTransport
    | httpx2.BaseTransport
    | httpx2.AsyncBaseTransport
    | None = None,
) -> Stream:
    """Ask `targets`, in this order, until one has given the whole answer; for `with` and `async with`.

    What a target has begun, the same or the next one is asked to finish. Text is told at once; tool calls, and answers
    that must have a schema, when they are whole. Where that does not help, and `policy` has it on its ladder: a whole
    answer without streaming, which may void what was told (see Attempt); a partial one; and at last a StreamFault,
    which carries the partial text.

    `request`: what is asked. `targets`: at least one; a function is one, too (see `guardrails.llm.functions`).
    `policy`: see StreamPolicy. `capabilities`: rows before those of the table of which server takes up an answer how.
    `transport`: what requests go through, of httpx or httpx2; it is not closed. Default: a new one of httpx for each
    stream; give one to keep connections, or for a proxy or certificates. Budgets, circuits and what endpoints have
    taught are shared by all streams with the same targets and policy.

    Raises ConfigError, a ValueError, that lists every mistake. Nothing is sent before the first event is wanted.
    """
    _check(request, targets, policy)
    return Stream(request, Home(targets, policy, capabilities), transport)


def _check(request: object, targets: object, policy: object) -> None:
    ranges = Ranges()
    ranges.demand(isinstance(request, Request), "request", type(request).__name__, "a Request", "write Request([…])")
    good = isinstance(targets, list | tuple) and not isinstance(targets, Target) and len(targets) > 0
    good = good and all(isinstance(one, Target) or callable(one) for one in targets)  # type: ignore[attr-defined]
    fix = 'write [Target("https://…", wire="anthropic", model="…")]'
    ranges.demand(good, "targets", targets, "a list of at least one Target or function", fix)
    fix = "write StreamPolicy(idle=30)"
    ranges.demand(isinstance(policy, StreamPolicy), "policy", policy, "a StreamPolicy", fix)
    ranges.settle()


class Stream:
    """One answer under way; made by `stream_with_fallback`. For one reader, once."""

    def __init__(self, request: Request, home: Home, transport: Any) -> None:
        self._home = home
        self._given = transport
        self._story = Story(home, request)
        self._reader = self._story.reader
        self._transport: Any = None
        self._body: Any = None
        self._pending: deque[Event] = deque()
        self._over = True
        self._ends = 0.0

    @property
    def result(self) -> Result:
        """What has come of it so far; after the loop, in the end."""
        return self._story.result

    def _begin(self, *, asynchronous: bool) -> None:
        if self._transport is not None:
            raise RuntimeError("a stream is for one `with`: call stream_with_fallback again for another answer")
        self._transport = self._home.transport(self._given, asynchronous=asynchronous)
        left, most = remaining(), self._home.policy.timeout
        self._ends = time.monotonic() + (most if left is None else min(left, most))
        self._over = False

    def _healed(self, said: str) -> str:
        """The engine has healed it: that is told first, and what is new after it."""
        self._pending.extend(self._story.healed(self._story.call.heal))
        if said and self._pending:
            self._pending.append(Text(said))
            return ""
        return said

    def _next(self) -> Event | None:
        """What is still to be told; None: nothing. Raises RuntimeError outside of `with`."""
        if self._pending:
            return self._pending.popleft()
        if self._transport is None:
            raise RuntimeError("iterate inside of `with stream_with_fallback(…) as stream`, or `async with`")
        return None

    def _finish(self) -> None:
        """The body has ended, and the engine has seen to it that the answer is whole."""
        self._over = True
        self._pending.extend(self._story.ended())

    def _broke(self, error: BaseException) -> None:
        """It ends here: by an error that no rung is for, or because its reader was cancelled."""
        self._over = True
        if isinstance(error, Exception):
            self._story.failed()

    def _refused(self, response: Any) -> StreamFault:
        """The error of an answer that is none."""
        detail, kind = "", ""
        try:
            failure = failure_in("error", json.loads(response.content))
        except ValueError:
            failure = None
        if failure is not None:
            detail, kind = failure.message, failure.kind
        headers = {name.lower(): value for name, value in response.headers.items()}
        return self._story.answered(response.status_code, detail, kind, retry_after(headers, time.time()))

    def _rungs(self, fault: StreamFault) -> Any:
        return last_rungs(self._story, fault, self._transport)

    def _left(self) -> dict[str, float]:
        """The timeouts of a request that must be answered in what time is left."""
        left = max(0.001, self._ends - time.monotonic())
        return dict.fromkeys(("connect", "read", "write", "pool"), left)

    # With `with` and `for`.

    def __enter__(self) -> Self:
        self._begin(asynchronous=False)
        return self

    def __exit__(self, *raised: object) -> None:
        self._over = True
        try:
            self._close()
        finally:
            if self._given is None:
                self._transport.inner.close()

    def _close(self) -> None:
        body, self._body = self._body, None
        if body is not None:
            body.close()

    def __iter__(self) -> Iterator[Event]:
        return self

    def __next__(self) -> Event:
        while True:
            if self._pending or self._over:
                event = self._next()
                if event is None:
                    raise StopIteration
                return event
            try:
                if self._body is None:
                    self._open()
                    continue
                chunk = next(self._body, None)
                if chunk is None:
                    self._finish()
                    continue
                said = self._reader.feed(chunk)
                if self._story.call.heal is not self._story.heal:
                    said = self._healed(said)
            except StreamFault as fault:
                self._fall(fault)
            except BaseException as exc:
                self._broke(exc)
                raise
            else:
                if said:
                    # Half the time of calling the class.
                    return new(Text, (said,))

    def _open(self) -> None:
        family = self._transport.family
        try:
            response = self._transport.handle_request(self._story.sent(family))
        except family.TransportError as exc:
            if isinstance(exc, StreamFault):
                raise
            raise self._story.refused(exc) from exc
        try:
            if response.status_code >= 400:
                response.read()
                raise self._refused(response)
            self._pending.extend(self._story.opened(response))
            self._body = response.stream
        finally:
            if self._body is None:
                response.close()

    def _fall(self, fault: StreamFault) -> None:
        """No stream helps any more."""
        self._over = True
        self._close()
        rungs, body = self._rungs(fault), None
        while True:
            try:
                request = rungs.send(body)
            except StopIteration as last:
                self._pending.extend(last.value)
                return
            body = self._whole(request)

    def _whole(self, request: Any) -> bytes | None:
        """The body of an answer in one piece; None: there is no good one."""
        request.extensions = {**request.extensions, "timeout": self._left()}
        try:
            response = self._transport.handle_request(request)
            try:
                content: bytes = response.read()
            finally:
                response.close()
        except (self._transport.family.TransportError, GuardrailsError):
            return None
        return content if response.status_code < 400 else None

    # The same with `async with` and `async for`.

    async def __aenter__(self) -> Self:
        self._begin(asynchronous=True)
        return self

    async def __aexit__(self, *raised: object) -> None:
        self._over = True
        try:
            await self._aclose()
        finally:
            if self._given is None:
                await self._transport.inner.aclose()

    async def _aclose(self) -> None:
        body, self._body = self._body, None
        if body is not None:
            await body.aclose()

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        while True:
            if self._pending or self._over:
                event = self._next()
                if event is None:
                    raise StopAsyncIteration
                return event
            try:
                if self._body is None:
                    await self._aopen()
                    continue
                try:
                    chunk = await self._body.__anext__()
                except StopAsyncIteration:
                    self._finish()
                    continue
                said = self._reader.feed(chunk)
                if self._story.call.heal is not self._story.heal:
                    said = self._healed(said)
            except StreamFault as fault:
                await self._afall(fault)
            except BaseException as exc:
                self._broke(exc)
                raise
            else:
                if said:
                    # Half the time of calling the class.
                    return new(Text, (said,))

    async def _aopen(self) -> None:
        family = self._transport.family
        try:
            response = await self._transport.handle_async_request(self._story.sent(family))
        except family.TransportError as exc:
            if isinstance(exc, StreamFault):
                raise
            raise self._story.refused(exc) from exc
        try:
            if response.status_code >= 400:
                await response.aread()
                raise self._refused(response)
            self._pending.extend(self._story.opened(response))
            self._body = response.stream
        finally:
            if self._body is None:
                await response.aclose()

    async def _afall(self, fault: StreamFault) -> None:
        """No stream helps any more."""
        self._over = True
        await self._aclose()
        rungs, body = self._rungs(fault), None
        while True:
            try:
                request = rungs.send(body)
            except StopIteration as last:
                self._pending.extend(last.value)
                return
            body = await self._awhole(request)

    async def _awhole(self, request: Any) -> bytes | None:
        """The body of an answer in one piece; None: there is no good one."""
        timeouts = self._left()
        request.extensions = {**request.extensions, "timeout": timeouts}
        try:
            async with asyncio.timeout(timeouts["read"]):
                response = await self._transport.handle_async_request(request)
                try:
                    content: bytes = await response.aread()
                finally:
                    await response.aclose()
        except (self._transport.family.TransportError, GuardrailsError, TimeoutError):
            return None
        return content if response.status_code < 400 else None
