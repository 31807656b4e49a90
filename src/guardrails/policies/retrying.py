"""Whether there is another attempt, and after how long: the one place that says no, and why.

Loaded with the first attempt of a guard that may be tried again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from guardrails import hooks
from guardrails.core.backoff import Backoff, fitting
from guardrails.policies.engine import hook_failed
from guardrails.policies.operation import timed_out
from guardrails.policies.settings import MOST_ATTEMPTS, tenacitys

if TYPE_CHECKING:
    from guardrails.policies.operation import Operation
    from guardrails.policies.outcomes import Outcome
    from guardrails.policies.settings import Retry

# The values of the label `verdict` of `retries_total`, and what a note on the user's error says. The set is closed.
VERDICTS = {
    "retried": "",
    "attempts": "all attempts are made",
    "stopped": "tenacity's stop has said so",
    "wait": "the server asked for too long a wait: {outcome.retry_after:g} s",
    "open": "the circuit is open",
    "isolated": "the circuit is isolated",
    "late": "too late: no attempt begins after {retry.within:g} s",
    "deadline": "the deadline comes first",
    "budget": "the retry budget is spent",
    "broken": "a strategy of tenacity has failed",
}


def wanted(operation: Operation, retry: Retry, what: object, now: float) -> bool:
    """Whether the user wants another attempt after one that came to this, at the instant `now`."""
    on: Any = retry.on
    if isinstance(on, type | tuple):
        return isinstance(what, on)
    try:
        theirs = tenacitys()
        if theirs is not None and isinstance(on, theirs.retry_base):
            return bool(theirs.wants(operation, on, what, now))
        return bool(on(what))
    except Exception as exc:  # noqa: BLE001 - a broken predicate must not replace the result of the call
        hook_failed(exc)
        return False


def pause(operation: Operation, retry: Retry, what: object, outcome: Outcome, now: float) -> tuple[float | None, str]:
    """The seconds until another attempt that is wanted, or None and why there is none, as a sentence."""
    engine = operation.engine
    seconds, word = _decided(operation, retry, what, outcome, now)
    if hooks._listeners:
        hooks.emit("retries_total", 1.0, {"guard": engine.label, "verdict": word})
    if seconds is not None:
        operation.waited += seconds
    return seconds, VERDICTS[word].format(retry=retry, outcome=outcome)


def _decided(
    operation: Operation, retry: Retry, what: object, outcome: Outcome, now: float
) -> tuple[float | None, str]:
    """The seconds until another attempt, or None; and the word for it."""
    if operation.attempt >= (retry.attempts if isinstance(retry.attempts, int) else MOST_ATTEMPTS):
        return None, "attempts"
    try:
        seconds = _seconds(operation, retry, what, outcome, now)
        if seconds is None:
            return None, "wait"
        objection = _objection(operation, retry, now, seconds)
        if not objection and not isinstance(retry.attempts, int):
            objection = "stopped" if tenacitys().stops(operation, retry.attempts, what, now, seconds) else ""
    except Exception as exc:  # noqa: BLE001 - a broken strategy must not replace the result of the call
        hook_failed(exc)
        return None, "broken"
    if not objection and not _paid(operation, what, now):
        objection = "budget"
    return (None, objection) if objection else (seconds, "retried")


def _seconds(operation: Operation, retry: Retry, what: object, outcome: Outcome, now: float) -> float | None:
    """How long to wait, None where the server wants more than anybody waits."""
    circuit, backoff = operation.engine.circuit, retry.backoff
    if isinstance(backoff, Backoff):
        seconds = backoff.delay(operation.attempt, operation.engine.chance(), outcome.retry_after)
    else:
        # What a server asks for holds, and the bound on it.
        seconds = Backoff(base=0).delay(operation.attempt, 0.0, outcome.retry_after)
        if seconds is not None:
            seconds = max(seconds, tenacitys().waits(operation, backoff, what, now))
    if seconds is not None and outcome.kind == "throttled" and circuit.state == "open":
        # A server that said when to come back is waited for: no call is made meanwhile, and it opened the circuit
        # for that long.
        return max(seconds, circuit.open_until - now)
    return seconds


def _objection(operation: Operation, retry: Retry, now: float, seconds: float) -> str:
    """Why an attempt after these seconds cannot be, whatever it costs; or ""."""
    circuit = operation.engine.circuit
    # To wait for an open circuit would hold the callers that it is there to set free.
    if not circuit.pass_ and circuit.state != "half-open" and seconds < circuit.open_until - now:
        return "isolated" if circuit.state == "isolated" else "open"
    if retry.within is not None and fitting(seconds, now, operation.began + retry.within) is None:
        return "late"
    return "deadline" if fitting(seconds, now, operation.ends) is None else ""


def _paid(operation: Operation, what: object, now: float) -> bool:
    engine = operation.engine
    with engine.lock:
        budget = engine.budget
        timeout = isinstance(what, BaseException) and timed_out(what)
        return budget is None or budget.withdraw(now, timeout=timeout)
