"""pybreaker's own CircuitBreaker as the circuit of a guard: its listeners, storage, exclusions and rules stay in force.

    admission       breaker.call(a generator function): pybreaker admits or rejects, and waits for the generator to end
    the call        runs without pybreaker's lock, as a coroutine too
    its outcome     the generator ends, or the error is thrown into it: pybreaker counts, tells listeners, trips
    ignored         the generator is dropped, and pybreaker never hears of the call

So nothing of pybreaker is replaced and no private name of it is used. Added is what it lacks: one trial call at a time
although nobody waits for a lock, results that come after a change of state count for nothing, and what a human holds.

Each call asks the storage as often as pybreaker does. One in Redis is asked with a blocking client, so in asyncio code
keep the storage in memory. A direct `breaker.call()` elsewhere holds pybreaker's lock, for which guards then wait.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Any

import pybreaker

from guardrails import hooks
from guardrails.core.breaker import FOREVER, REJECTED, Snapshot, State, Transition
from guardrails.errors import CircuitOpen, ConfigError, GuardrailsError
from guardrails.policies.outcomes import SUCCESS, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

STATES: dict[str, State] = {
    pybreaker.STATE_CLOSED: "closed",
    pybreaker.STATE_OPEN: "open",
    pybreaker.STATE_HALF_OPEN: "half-open",
}
# The token of every call when a human has disabled the circuit.
DISABLED = 1
# Seconds after which a trial call that has not come back gives its place to another.
PERMIT_EXPIRY = 300.0


class CircuitBreakerError(GuardrailsError, pybreaker.CircuitBreakerError):
    """A breaker has opened with this call, whose own error is the `__cause__`, or has rejected it: `CallRejected`.

    It is one of pybreaker's too: an `except` whose import nobody has changed would else be found in an outage.
    """


class CallRejected(CircuitBreakerError, CircuitOpen):
    """A breaker did not make the call; see `guardrails.CircuitOpen` for what it knows."""


class Adopted:
    """What a guard asks of a circuit, answered by `breaker`, a pybreaker.CircuitBreaker. Used under the guard's lock.

    `tick`: the guard's monotonic clock. The guard must be given the classifier that `judging` makes: through it the
    error of a call reaches pybreaker's listeners.
    """

    # What the guard raises for a call that is rejected: pybreaker's error to those who wait for it, and ours.
    error = CallRejected
    # pybreaker knows no slow calls.
    slow_after = FOREVER

    def __init__(self, breaker: pybreaker.CircuitBreaker, tick: Callable[[], float]) -> None:
        self.settings = breaker
        self.pass_ = 0
        self.reason = "so pybreaker's breaker was"
        self.generation = 0
        self._known = STATES[breaker.state.name]
        self._held: State | None = None
        self._tick = tick
        self._since = self._trial_expires = tick()
        # When it was seen to open; None: elsewhere, at a time that we do not know.
        self._opened: float | None = None
        self._serial = DISABLED
        # The calls under way, as generators of pybreaker's that have not begun.
        self._calls: dict[int, Generator[None, None, None]] = {}
        self._trial = 0
        # Somebody may move it in another thread, without the guard's lock.
        self._told: deque[tuple[State, State]] = deque()
        self._met = threading.local()
        breaker.add_listener(_Listener(self))

    def moved(self, before: State, after: State) -> None:
        """It has moved, by itself, by somebody's hand or in another process: no call from before counts any more."""
        self._told.append((before, after))
        self._known = after
        self.generation += 1
        self._calls.clear()
        self._trial = 0
        self._since = self._tick()
        self._opened = self._since if after == "open" else None
        self.reason = (
            f"{self.settings.fail_counter} calls in a row failed" if after == "open" else f"{after}, says pybreaker"
        )

    # The way of every call.

    @property
    def state(self) -> State:
        """The state, or what a human has made of it."""
        return self._held or STATES[self.settings.current_state]

    @property
    def open_until(self) -> float:
        """Before this instant the answer can only be no. Of an open time that began elsewhere we know nothing."""
        if self._held == "isolated":
            return FOREVER
        if self._opened is None or self.state != "open":
            return -FOREVER
        return self._opened + self.settings.reset_timeout

    def admit(self, now: float, u: float) -> tuple[int, Transition | None]:  # noqa: ARG002 - no chance in pybreaker
        """The token of one call, or 0. Raises what a `before_call` of its listeners raises: that forbids the call."""
        if self.pass_:
            return self.pass_, None
        if self._held == "isolated" or (self._trial in self._calls and now < self._trial_expires):
            return REJECTED
        try:
            call = self.settings.call(_under_way)
        except pybreaker.CircuitBreakerError:
            return 0, self._moved()
        self._serial += 1
        self._calls[self._serial] = call
        if self._known == "half-open":
            self._calls.pop(self._trial, None)
            self._trial, self._trial_expires = self._serial, now + PERMIT_EXPIRY
        return self._serial, self._moved()

    def success(self, token: int, now: float) -> Transition | None:  # noqa: ARG002 - as a circuit's
        """A call went well."""
        self._met.error = None
        call = self._calls.pop(token, None)
        if call is not None:
            try:
                for _ in call:
                    pass
            except Exception as exc:  # noqa: BLE001 - a listener of pybreaker's must not replace the result of the call
                hooks.count_failure(self._unheard, exc)
        return self._moved()

    def slow(self, token: int, now: float, u: float) -> Transition | None:  # noqa: ARG002 - as a circuit's
        """Never asked, since no call is slow."""
        return self.success(token, now)

    def failure(self, token: int, now: float, u: float, *, slow: bool = False) -> Transition | None:  # noqa: ARG002
        """A call failed."""
        error = getattr(self._met, "error", None) or RuntimeError("the guard has judged that this call failed")
        self._met.error = None
        call = self._calls.pop(token, None)
        if call is not None:
            self._throw(call, error)
        return self._moved()

    def throttled(self, token: int, now: float, u: float, retry_after: float | None) -> Transition | None:  # noqa: ARG002
        """A failure like others: pybreaker opens for one length of time only."""
        return self.failure(token, now, u)

    def ignored(self, token: int, now: float) -> None:  # noqa: ARG002 - as a circuit's
        """A call ended without saying anything about the dependency."""
        self._met.error = None
        self._calls.pop(token, None)

    def retry_after(self, now: float) -> float | None:
        """Seconds until a call may go, 0 if at once; None where nothing says so."""
        state = self.state
        if state == "open" and self._opened is not None:
            return max(0.0, self.open_until - now)
        return 0.0 if state in ("closed", "disabled") else None

    def judging(self, classify: Callable[[Any], Outcome | None] | None = None) -> Callable[[Any], Outcome | None]:
        """The classifier of the guard: `classify`, and what pybreaker excludes is a success, as it is to pybreaker."""

        def judge(what: object) -> Outcome | None:
            # A StopIteration cannot be thrown into a generator: it would end it well.
            error = what if isinstance(what, Exception) and not isinstance(what, StopIteration) else None
            self._met.error = error
            said = None if classify is None else classify(what)
            if said is None and error is not None and not self.settings.is_system_error(error):
                return SUCCESS
            return said

        return judge

    # What humans ask for.

    def isolate(self, now: float, why: str) -> Transition | None:
        """Reject every call until released."""
        return self._hold("isolated", now, why)

    def disable(self, now: float, why: str) -> Transition | None:
        """Admit every call and tell pybreaker of none, until released."""
        return self._hold("disabled", now, why)

    def shadow(self, now: float, why: str) -> Transition | None:  # noqa: ARG002 - as a circuit's
        """Raises ConfigError: pybreaker cannot count without opening."""
        raise ConfigError(["shadow: not with pybreaker's breaker, which opens when it counts; use one of ours"])

    def release(self, now: float, why: str) -> Transition | None:
        """End what a human holds, or an open time: what rejected goes on trial, what admitted is up to pybreaker."""
        before, self._held = self.state, None
        self.pass_ = 0
        if before in ("isolated", "open"):
            self.settings.half_open()
        self._told.clear()
        after = self.state
        if before == after:
            return None
        self.reason, self._since = why, now
        return Transition(before, after, why)

    def renew(self, now: float) -> None:
        """Be as new: held by nobody, and pybreaker's breaker closed, without a memory of failures."""
        self._held = None
        self.pass_ = 0
        self._calls.clear()
        if self.state != "closed" or self.settings.fail_counter:
            self.settings.close()
        self._told.clear()
        self._since = now

    def snapshot(self, now: float) -> Snapshot:
        """What is known now. pybreaker counts failures in a row, and no calls."""
        failed = self.settings.fail_counter
        return Snapshot(
            state=self.state,
            reason=self.reason,
            age=max(0.0, now - self._since),
            retry_after=self.retry_after(now),
            recoveries_failed=0,
            generation=self.generation,
            calls=failed,
            failed=failed,
            slow=0,
            streak=failed,
            trials=int(self._trial in self._calls),
            trials_good=self.settings.success_counter,
            trials_bad=0,
            trials_lost=0,
            late=0,
            would_have_opened=0,
        )

    def _hold(self, state: State, now: float, why: str) -> Transition | None:
        before = self.state
        if before == state:
            return None
        self._held = state
        self.pass_ = DISABLED if state == "disabled" else 0
        self._calls.clear()
        self.reason, self._since = why, now
        return Transition(before, state, why)

    def _throw(self, call: Generator[None, None, None], error: Exception) -> None:
        """Let pybreaker see a failure. The error is the user's: it leaves here as it came."""
        trace, context = error.__traceback__, error.__context__
        next(call)
        try:
            call.throw(error)
        except pybreaker.CircuitBreakerError:
            # It has opened, or the error was one of another breaker; the guard raises the user's own.
            pass
        except Exception as exc:  # noqa: BLE001 - the error itself, or one of a listener
            if exc is not error:
                hooks.count_failure(self._unheard, exc)
        finally:
            error.__traceback__, error.__context__ = trace, context

    def _moved(self) -> Transition | None:
        """What pybreaker has told since the last time, as one move."""
        if not self._told:
            return None
        before, after = self._told.popleft()
        while self._told:
            _, after = self._told.popleft()
        if self._held is not None or before == after:
            return None
        seconds = float(self.settings.reset_timeout) if after == "open" else 0.0
        return Transition(before, after, self.reason, seconds)

    @staticmethod
    def _unheard(name: str, value: float, labels: object) -> None:
        """Stands for a listener of pybreaker's, where a listener is named as the culprit."""


class _Listener(pybreaker.CircuitBreakerListener):
    """Hears of every change of state."""

    def __init__(self, adopted: Adopted) -> None:
        self._adopted = adopted

    def state_change(self, cb: Any, old_state: Any, new_state: Any) -> None:  # noqa: ARG002 - pybreaker's signature
        """Pass it on."""
        self._adopted.moved(STATES[old_state.name], STATES[new_state.name])


def _under_way() -> Generator[None, None, None]:
    """What pybreaker takes for the call; its listeners are shown this in `before_call`."""
    yield
