"""Spans as the real SDK of OpenTelemetry exports them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import INVALID_SPAN_CONTEXT, NonRecordingSpan, get_current_span

from guardrails import Breaker, CircuitOpen, DeadlineExceeded, Dependency, Guard, RateLimit, Retry, hooks
from guardrails.middleware.opentelemetry import instrument
from guardrails.policies import Backoff
from guardrails.testing import VirtualClock, disabled

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from opentelemetry.sdk.trace import ReadableSpan

AT_ONCE = Backoff(base=0.001)


class Traces:
    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = self.provider.get_tracer("test")

    def done(self) -> list[ReadableSpan]:
        """In the order in which they ended."""
        return list(self.exporter.get_finished_spans())

    def told(self) -> list[tuple[str, dict[str, Any], str, list[tuple[str, dict[str, Any]]]]]:
        return [
            (
                span.name,
                dict(span.attributes or {}),
                span.status.status_code.name,
                [(event.name, dict(event.attributes or {})) for event in span.events],
            )
            for span in self.done()
        ]


@pytest.fixture
def traces() -> Iterator[Traces]:
    found = Traces()
    stop = instrument(found.provider)
    yield found
    stop()


def fails() -> None:
    raise ConnectionError("password=hunter2")


def test_an_operation_is_one_span_with_an_event_for_each_attempt(traces: Traces) -> None:
    guard = Guard("search", retry=Retry(on=ConnectionError, attempts=2, backoff=AT_ONCE), budget=None)
    with pytest.raises(ConnectionError):
        guard.call(fails)
    failure = ("guardrails.call", {"guard": "search", "outcome": "failure"})
    assert traces.told() == [
        (
            "guard search",
            {"guardrails.guard": "search", "guardrails.attempts": 2, "error.type": "ConnectionError"},
            "ERROR",
            [
                failure,
                ("guardrails.retry", {"guard": "search", "verdict": "retried"}),
                failure,
                ("guardrails.retry", {"guard": "search", "verdict": "attempts"}),
            ],
        )
    ]
    assert "hunter2" not in repr(traces.told())


def test_what_is_called_inside_is_a_child_in_threads_of_control_of_both_kinds(traces: Traces) -> None:
    guard = Guard("search")

    def client() -> str:
        with traces.tracer.start_as_current_span("GET"):
            return "found"

    async def aclient() -> str:
        with traces.tracer.start_as_current_span("GET"):
            await asyncio.sleep(0)
            return "found"

    async def two() -> list[str]:
        return list(await asyncio.gather(guard.acall(aclient), guard.acall(aclient)))

    assert (guard.call(client), asyncio.run(two())) == ("found", ["found", "found"])
    guards = {span.context.span_id: span for span in traces.done() if span.name == "guard search" and span.context}
    inside = [span for span in traces.done() if span.name == "GET"]
    assert len(guards) == len(inside) == 3
    assert {span.parent.span_id for span in inside if span.parent} == set(guards)
    assert [span.status.status_code.name for span in guards.values()] == ["UNSET"] * 3


def test_a_rejection_is_a_span_with_its_reason(traces: Traces) -> None:
    guard = Guard("search", breaker=Breaker(consecutive=1, failure_rate=None, cooldown=60))
    with pytest.raises(ConnectionError):
        guard.call(fails)
    with pytest.raises(CircuitOpen):
        guard.call(fails)
    opened, rejected = traces.told()
    assert ("guardrails.circuit", {"guard": "search", "before": "closed", "after": "open"}) in opened[3]
    assert rejected == (
        "guard search",
        {"guardrails.guard": "search", "guardrails.attempts": 0, "error.type": "CircuitOpen"},
        "ERROR",
        [("guardrails.rejection", {"guard": "search", "reason": "open"})],
    )


def test_a_cancelled_call_is_no_error(traces: Traces) -> None:
    guard = Guard("search")

    async def cancelled() -> None:
        task = asyncio.create_task(guard.acall(asyncio.sleep, 60))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(cancelled())
    (span,) = traces.told()
    assert (span[1]["error.type"], span[2]) == ("CancelledError", "UNSET")


def test_an_error_that_is_being_handled_around_the_call_is_not_its_own(traces: Traces) -> None:
    guard = Guard("search")
    try:
        fails()
    except ConnectionError:
        assert guard.call(int) == 0
    (span,) = traces.told()
    assert (span[1], span[2]) == ({"guardrails.guard": "search", "guardrails.attempts": 1}, "UNSET")


def test_a_stream_has_a_span_and_its_consumer_is_not_inside(traces: Traces) -> None:
    guard = Guard("llm")

    @guard
    def plain() -> Iterator[int]:
        yield from range(3)

    @guard
    async def asynchronous() -> AsyncIterator[int]:
        for item in range(3):
            yield item

    async def consumed() -> list[int]:
        items = []
        async for item in asynchronous():
            with traces.tracer.start_as_current_span("consumer"):
                items.append(item)
        return items

    items = []
    for item in plain():
        with traces.tracer.start_as_current_span("consumer"):
            items.append(item)
    assert (items, asyncio.run(consumed())) == ([0, 1, 2], [0, 1, 2])
    names = [span.name for span in traces.done()]
    assert names == [*["consumer"] * 3, "guard llm", *["consumer"] * 3, "guard llm"]
    assert [span.parent for span in traces.done()] == [None] * 8


def test_a_fallback_is_an_event_of_the_request(traces: Traces) -> None:
    memory = Dependency("zep")

    @memory.read(fallback=list)
    def recall() -> list[str]:
        raise ConnectionError

    with traces.tracer.start_as_current_span("request"):
        assert recall() == []
    request = traces.told()[-1]
    labels = {"guard": "zep.read", "reason": "failure", "result": "answered"}
    assert (request[0], request[3]) == ("request", [("guardrails.fallback", labels)])


def test_guards_that_were_made_and_decorated_before_are_traced_and_none_after_the_end() -> None:
    guard = Guard("early")
    shell = guard(lambda: 0)
    traces = Traces()
    stop = instrument(traces.provider)
    shell()
    stop()
    shell()
    assert [span.name for span in traces.done()] == ["guard early"]


def test_a_second_call_ends_the_first(traces: Traces) -> None:
    other = Traces()
    stop = instrument(other.provider)
    with other.tracer.start_as_current_span("request"):
        Guard("search").call(int)
    stop()
    assert traces.done() == []
    assert [(name, len(events)) for name, _, _, events in other.told()] == [("guard search", 1), ("request", 0)]


def test_a_broken_tracer_breaks_no_call() -> None:
    class Broken(TracerProvider):
        def get_tracer(self, *_: Any, **__: Any) -> Any:
            return self

    failures = hooks.failures()
    stop = instrument(Broken())
    assert Guard("search").call(int) == 0
    stop()
    assert hooks.failures() == failures + 1


def test_a_guard_that_is_disabled_is_traced_and_breaks_no_call(traces: Traces) -> None:
    with disabled():
        assert Guard("search").call(int) == 0
    assert [span[:3] for span in traces.told()] == [
        ("guard search", {"guardrails.guard": "search", "guardrails.attempts": 1}, "UNSET")
    ]


def test_what_a_consumer_handles_while_its_stream_ends_is_not_how_it_ended(traces: Traces) -> None:
    guard = Guard("llm")

    @guard
    def plain() -> Iterator[int]:
        yield 1

    @guard
    async def asynchronous() -> AsyncIterator[int]:
        yield 1

    async def consumed() -> None:
        stream = asynchronous()
        await anext(stream)
        try:
            fails()
        except ConnectionError:
            assert await anext(stream, None) is None

    stream = plain()
    next(stream)
    try:
        fails()
    except ConnectionError:
        assert next(stream, None) is None
    asyncio.run(consumed())
    assert [(span[1], span[2]) for span in traces.told()] == [
        ({"guardrails.guard": "llm", "guardrails.attempts": 1}, "UNSET")
    ] * 2


def test_an_attempt_that_came_too_late_to_begin_is_none(traces: Traces) -> None:
    clock = VirtualClock()
    guard = Guard("late", timeout=1, rate_limit=RateLimit(1, longest_wait=0.5), clock=clock)
    guard.call(int)
    clock.advance(0.6)
    clock.sleep = lambda seconds: clock.advance(seconds + 1)  # type: ignore[method-assign]
    late = Guard("late", timeout=1, rate_limit=RateLimit(1, longest_wait=0.5), clock=clock)
    late.call(int)
    clock.advance(0.6)
    with pytest.raises(DeadlineExceeded):
        late.call(int)
    name, attributes, _, events = traces.told()[-1]
    assert (name, attributes["guardrails.attempts"], events) == ("guard late", 0, [])


def test_a_span_that_breaks_leaves_the_callers_span_current(traces: Traces) -> None:
    class Broken(NonRecordingSpan):
        def set_attribute(self, key: str, value: Any) -> None:
            raise OSError(key)

    class Tracer(TracerProvider):
        def get_tracer(self, *_: Any, **__: Any) -> Any:
            return self

        def start_span(self, *_: Any, **__: Any) -> Any:
            return Broken(INVALID_SPAN_CONTEXT)

    stop = instrument(Tracer())
    with traces.tracer.start_as_current_span("request") as request:
        assert Guard("search").call(int) == 0
        assert get_current_span() is request
    stop()
