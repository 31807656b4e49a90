"""OpenTelemetry: a span around each guarded operation, and what happens in it as events of the current span.

    stop = instrument()

    guard search   guardrails.guard=search   guardrails.attempts=3   status: error, ReadTimeout
      │  guardrails.call {outcome: failure}      guardrails.retry {verdict: retried}     ...
      └─ GET   the spans of an instrumented client are its children

A fallback, or a circuit that opens, is an event of whatever span is current: that of the request, for instance.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from guardrails import hooks
from guardrails.errors import Rejected
from guardrails.policies.engine import SWITCH, hook_failed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.trace import TracerProvider

    from guardrails.policies.operation import Operation

# What is emitted, and what it is called as an event.
EVENTS = {
    "breaker_transitions_total": "guardrails.circuit",
    "calls_total": "guardrails.call",
    "fallbacks_total": "guardrails.fallback",
    "hedges_total": "guardrails.hedge",
    "rejections_total": "guardrails.rejection",
    "retries_total": "guardrails.retry",
}


def instrument(tracer_provider: TracerProvider | None = None) -> Callable[[], None]:
    """Trace every guard of this process from now on, those that exist and those made later. Returns what ends it.

    `tracer_provider`: default: the global one, asked once, now. A span is called after the guard and holds its name,
    the attempts, and the class of the error that it ended with: messages may hold secrets. The span of a coroutine or
    function is the parent of what is called inside; that of a generator is not, since its consumer runs in between.
    `permit()` has none. A call that a spent deadline refuses at once has none either.

    Costs a few microseconds an operation, and a guard with nothing but a circuit loses its short way. Called again, it
    ends what was before. Raises ModuleNotFoundError without `guardrails-ops[otel]`.
    """
    from opentelemetry import trace

    if _stops:
        _stops.pop()()
    tracer = trace.get_tracer("guardrails", tracer_provider=tracer_provider)

    def begin(operation: Operation, *, current: bool) -> Traced | None:
        try:
            return Traced(tracer, operation, current=current)
        except Exception as exc:  # noqa: BLE001 - a broken tracer must not break the call
            hook_failed(exc)
            return None

    silent = hooks.listen(_tell)
    SWITCH.turn("spans", begin)

    def stop() -> None:
        silent()
        if SWITCH.spans is begin:
            SWITCH.turn("spans", None)

    _stops.append(stop)
    return stop


# What ends the last one.
_stops: list[Callable[[], None]] = []


class Traced:
    """The span of one operation."""

    __slots__ = ("_mark", "_operation", "_span")

    def __init__(self, tracer: Any, operation: Operation, *, current: bool) -> None:
        from opentelemetry import context, trace

        label = operation.engine.label
        self._operation = operation
        self._span = tracer.start_span(f"guard {label}", attributes={"guardrails.guard": label})
        self._mark = context.attach(trace.set_span_in_context(self._span)) if current else None

    def end(self) -> None:
        """The operation is over; an exception that is on its way is how it ended."""
        from opentelemetry import context
        from opentelemetry.trace import StatusCode

        error = sys.exception()
        # An exception that is being handled around the call, or around a step of a stream, is not what it ends with.
        if error is not None and (error.__traceback__ is None or error.__traceback__.tb_frame is not sys._getframe(1)):
            error = None
        attempts = self._operation.attempt
        if isinstance(error, Rejected) and error.name == self._operation.engine.name:
            attempts -= 1
        try:
            self._span.set_attribute("guardrails.attempts", attempts)
            if error is not None:
                name = type(error).__name__
                self._span.set_attribute("error.type", name)
                if isinstance(error, Exception):
                    self._span.set_status(StatusCode.ERROR, name)
            self._span.end()
        except Exception as exc:  # noqa: BLE001 - as above
            hook_failed(exc)
        finally:
            if self._mark is not None:
                context.detach(self._mark)
            del error


def _tell(name: str, value: float, labels: Mapping[str, str]) -> None:  # noqa: ARG001 - as a listener
    event = EVENTS.get(name)
    if event is not None:
        from opentelemetry import trace

        span = trace.get_current_span()
        if span.is_recording():
            span.add_event(event, dict(labels))
