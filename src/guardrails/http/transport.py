"""The transports that clients hold, made for the library of the transport they are put around.

guard_for(request) ── none: straight through
      │
the guarded generator of `exchange` ── first item: the head ──► response.stream = the rest of it
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from guardrails import hooks
from guardrails.core.ranges import Ranges
from guardrails.http.exchange import END, GRAIN, Exchange, Unheard, aattempt, attempt
from guardrails.http.families import class_around, family_of
from guardrails.http.outgoing import OwnHosts, host_of, sent_copy
from guardrails.policies import Guard, Outcome, outcome_of
from guardrails.policies.handed import HANDED, Handed, restore
from guardrails.policies.wrapping import shell_for

if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Self

Guards = Guard | Mapping[str, Guard] | Callable[[Any], Guard | None]
Classify = Callable[[Any], Outcome | None]

# RFC 9110, 9.2.2: sending them twice has the effect of sending them once.
IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})


class Said:
    """What both kinds of transport share. The parameters are described at `guarded_transport`."""

    def __init__(
        self,
        guards: Guards,
        inner: Any,
        *,
        classify: Classify = outcome_of,
        retry_methods: Collection[str] = IDEMPOTENT,
        own_hosts: Collection[str] = (),
    ) -> None:
        ranges = Ranges()
        good = isinstance(guards, Guard | Mapping) or callable(guards)
        fix = "write Guard('search')"
        ranges.demand(good, "guards", guards, "a Guard, a mapping of host to Guard, or a function of the request", fix)
        for one in guards.values() if isinstance(guards, Mapping) else (guards,):
            hedges = isinstance(one, Guard) and one._engine.hedge is not None
            fix = "no second call can begin beside a stream; hedge the coroutine function that asks"
            ranges.demand(not hedges, "guards", one, "guards without hedge", fix)
        ranges.demand(callable(classify), "classify", classify, "a function", "it gets a response or an error")
        texts = {"retry_methods": (retry_methods, "GET"), "own_hosts": (own_hosts, "api.internal")}
        for name, (texts_said, example) in texts.items():
            listed = not isinstance(texts_said, str)
            ranges.demand(listed, name, texts_said, "a collection of texts", f"write [{example!r}]")
            for text in texts_said if listed else ():
                told: object = text
                plain = isinstance(told, str) and re.fullmatch(r"[^\s/:@*]+", told) is not None
                fix = f"write for example {example!r}; a host without scheme and port, .internal for all below it"
                ranges.demand(plain, name, text, "plain names", fix)
        ranges.settle()
        self.inner = inner
        self.family = family_of(inner)
        self.classify = classify
        self.guard_for = _chooser(guards)
        self.retry_methods = frozenset(method.upper() for method in retry_methods)
        self.own_hosts = OwnHosts(own_hosts)

    def judged(self, what: Any) -> Outcome | None:
        """What it says about the service. A classifier that fails, or does not say, leaves it to the default one."""
        outcome: object = None
        try:
            outcome = self.classify(what)
        except Exception as exc:  # noqa: BLE001 - a broken classifier must not replace the answer
            hooks.emit("hook_errors_total", 1.0, {"error": type(exc).__name__})
        if isinstance(outcome, Outcome):
            return outcome
        if outcome is not None:
            hooks.emit("hook_errors_total", 1.0, {"error": "TypeError"})
        return outcome_of(what)

    def replayable(self, request: Any) -> bool:
        """Whether the body is in memory: a file or an iterator that was sent cannot be sent again."""
        try:
            request.content  # noqa: B018 - it raises
        except self.family.RequestNotRead:
            return False
        return True


def _chooser(guards: Guards) -> Callable[[Any], Guard | None]:
    if isinstance(guards, Guard):
        return lambda request: guards.for_key(host_of(request.url))
    if isinstance(guards, Mapping):
        return lambda request: guards.get(host_of(request.url)) or guards.get(request.url.host)
    return guards


class Body:
    """The body of an answer, chunk by chunk from its guarded exchange."""

    def __init__(self, flow: Any, call: Exchange) -> None:
        self._flow = flow
        self._call = call

    def __iter__(self) -> Body:
        return self

    def __next__(self) -> bytes:
        try:
            chunk: bytes = next(self._flow)
        except (StopIteration, Unheard):
            pass
        else:
            if chunk is not END:
                return chunk
            self._flow.close()
        if self._call.excused is not None:
            raise self._call.excused
        raise StopIteration

    def close(self) -> None:
        """Give the answer up, if there is more of it."""
        self._flow.close()


class AsyncBody:
    """The same for asyncio."""

    def __init__(self, flow: Any, call: Exchange) -> None:
        self._flow = flow
        self._call = call

    def __aiter__(self) -> AsyncBody:
        return self

    async def __anext__(self) -> bytes:
        try:
            chunk: bytes = await self._flow.__anext__()
        except (StopAsyncIteration, Unheard):
            pass
        else:
            if chunk is not END:
                return chunk
            await self._flow.aclose()
        if self._call.excused is not None:
            raise self._call.excused
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Give the answer up, if there is more of it."""
        await self._flow.aclose()


class SyncTransport(Said):
    """A transport around another."""

    body: Any

    def handle_request(self, request: Any) -> Any:
        """Called by the client. Raises what the transport raises, and what guards raise."""
        guard = self.guard_for(request)
        if guard is None:
            handed = HANDED.get()
            sent, _ = sent_copy(request, handed, self.own_hosts, 0.0, owned=_owned(handed))
            return self.inner.handle_request(sent)
        call = Exchange(self, request)
        flow = _guarded(guard, attempt, _FLOWS)(call)
        mark = call.hand_down()
        try:
            response = next(flow)
        except (StopIteration, Unheard):
            pass
        except BaseException as exc:
            if exc is not call.error:
                if call.answer is not None:
                    call.answer.close()
                raise
        else:
            response.stream = self.body(flow, call)
            return response
        finally:
            if mark is not None:
                restore(mark)
        return call.result()

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
        """Called by the client. Raises what the transport raises, and what guards raise."""
        guard = self.guard_for(request)
        if guard is None:
            handed = HANDED.get()
            sent, _ = sent_copy(request, handed, self.own_hosts, GRAIN, owned=_owned(handed))
            return await self.inner.handle_async_request(sent)
        call = Exchange(self, request)
        flow = _guarded(guard, aattempt, _AFLOWS)(call)
        mark = call.hand_down()
        try:
            response = await flow.__anext__()
        except (StopAsyncIteration, Unheard):
            pass
        except BaseException as exc:
            if exc is not call.error:
                if call.answer is not None:
                    await call.answer.aclose()
                raise
        else:
            response.stream = self.abody(flow, call)
            return response
        finally:
            if mark is not None:
                restore(mark)
        return call.result()

    async def __aenter__(self) -> Self:
        await self.inner.__aenter__()
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self.inner.__aexit__(*raised)

    async def aclose(self) -> None:
        """Called by the client."""
        await self.inner.aclose()


def _owned(handed: Handed | None) -> bool:
    return handed is not None and handed.retries


# A guard's own version of the two generators; forgotten with the guard.
_FLOWS: WeakKeyDictionary[Guard, Any] = WeakKeyDictionary()
_AFLOWS: WeakKeyDictionary[Guard, Any] = WeakKeyDictionary()


def _guarded(guard: Guard, fn: Any, known: WeakKeyDictionary[Guard, Any]) -> Any:
    found = known.get(guard)
    if found is None:
        # Its shell alone: an update that lets the guard hedge must not end what goes through a transport.
        found = known[guard] = shell_for(fn)(guard._engine, fn)
    return found


def transport_class(transport: Any) -> Any:
    """The class of guarded transports of the library and the kind of this one; mocks serve both kinds of client."""
    doc = "A transport that a guard watches; see `guarded_transport`."
    return class_around(transport, "Guarded", doc, (SyncTransport, Body), (AsyncTransport, AsyncBody))
