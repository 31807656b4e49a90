"""tenacity's strategy objects in a `Retry`: what they are asked, and with which state. Loaded where tenacity is.

    Retry(on=retry_if_exception_message(match="busy"), attempts=stop_after_delay(20), backoff=wait_random_exponential())

After an attempt, in tenacity's order: whether to retry, how long to wait, whether to stop. Each is shown tenacity's own
RetryCallState of the operation, on the guard's clock; it names no function and no arguments, as in tenacity's `for`
loop. A value that `on` wants to be tried again is a failure to the circuit, too. One that fails is counted as a failed
hook, and nothing is tried again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tenacity
from tenacity.retry import retry_base
from tenacity.stop import stop_base
from tenacity.wait import wait_base

from guardrails.core.deadline import LONGEST

if TYPE_CHECKING:
    from guardrails.core.ranges import Ranges
    from guardrails.policies.operation import Operation
    from guardrails.policies.settings import Retry

PLACES: dict[str, type] = {"on": retry_base, "attempts": stop_base, "backoff": wait_base}
# What it means to look at errors alone.
ERRORS_ONLY = (tenacity.retry_if_exception.__call__, tenacity.retry_if_exception_cause_type.__call__)


def checked(ranges: Ranges, said: Retry) -> list[str]:
    """The parameters that are strategies. Tells `ranges` of what is out of place, a class, or asynchronous."""
    found = []
    for name in PLACES:
        value: object = getattr(said, name)
        kind = value if isinstance(value, type) else type(value)
        place = next((place for place, base in PLACES.items() if issubclass(kind, base)), None)
        if place is None:
            continue
        found.append(name)
        if kind is value:
            ranges.demand(False, name, value, "an object of it", f"write {kind.__name__}(...)")  # noqa: FBT003
        elif place != name:
            ranges.demand(False, name, value, "no strategy of this kind", f"give it as {place}=")  # noqa: FBT003
        elif _is_coroutine(type(value).__call__):
            fix = "a call waits for it: take the one of the same name from tenacity itself"
            ranges.demand(False, name, value, "plain strategies", fix)  # noqa: FBT003
    return found


def judges_values(on: object) -> bool:
    """Whether `on` may want another attempt after one that returned: a strategy, unless it looks at errors alone."""
    return isinstance(on, retry_base) and _looks_at_values(on)


def _looks_at_values(strategy: Any) -> bool:
    if isinstance(strategy, tenacity.retry_any | tenacity.retry_all):
        return any(map(_looks_at_values, strategy.retries))
    return strategy is not tenacity.retry_never and type(strategy).__call__ not in ERRORS_ONLY


def wants(operation: Operation, strategy: Any, what: object, now: float) -> bool:
    """Whether a `retry_if_*` wants another attempt. Who raises TryAgain wants one, whatever it says."""
    return isinstance(what, tenacity.TryAgain) or bool(_asked(operation, strategy, what, now))


def waits(operation: Operation, strategy: Any, what: object, now: float) -> float:
    """The seconds that a `wait_*` says. Raises ValueError for what is no time to wait."""
    seconds = float(_asked(operation, strategy, what, now))
    # Also false for what is no number.
    if not 0 <= seconds <= LONGEST:
        raise ValueError(f"{strategy!r} says to wait for {seconds} s")
    return seconds


def stops(operation: Operation, strategy: Any, what: object, now: float, seconds: float) -> bool:
    """Whether a `stop_*` says that there is to be no attempt after these seconds."""
    _state_of(operation).upcoming_sleep = seconds
    return bool(_asked(operation, strategy, what, now))


def _state_of(operation: Operation) -> tenacity.RetryCallState:
    # Its slot is empty until a strategy is asked: no other operation is to pay for it.
    state: tenacity.RetryCallState | None = getattr(operation, "state", None)
    if state is None:
        state = operation.state = tenacity.RetryCallState(tenacity.Retrying(), None, (), {})
        state.start_time = operation.began
    return state


def _asked(operation: Operation, strategy: Any, what: object, now: float) -> Any:
    """What the strategy answers. It leaves no trace on the error, and nothing holds that afterwards."""
    state = _state_of(operation)
    state.attempt_number = operation.attempt
    state.idle_for = operation.waited
    state.outcome_timestamp = now
    error = what if isinstance(what, BaseException) else None
    state.outcome = tenacity.Future.construct(operation.attempt, what, error is not None)
    trace, context = (None, None) if error is None else (error.__traceback__, error.__context__)
    try:
        answer = strategy(state)
    finally:
        state.outcome = state.outcome_timestamp = None
        if error is not None:
            error.__traceback__, error.__context__ = trace, context
        # Its frames must not hold it.
        del error, what
    if hasattr(answer, "__await__"):
        answer.close()
        raise TypeError(f"{strategy!r} answers with a coroutine: give it plain functions")
    return answer


def _is_coroutine(function: Any) -> bool:
    return bool(getattr(getattr(function, "__code__", None), "co_flags", 0) & 0x80)
