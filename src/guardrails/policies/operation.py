"""One operation of a guard, from its first attempt to its last: deadline, retries, and the timer of an attempt.

                    begin ── CircuitOpen, BulkheadFull, DeadlineExceeded
                      │
       ┌─────────► the call ──► returned(value) ──► None: done
       │              │              │
    seconds ◄── failed(error) ◄──────┘        seconds: wait, and begin again; None: the error is the user's

The shells in `calls`, `streams` and `permit` call, wait and raise; what comes next is decided here. An attempt that has
begun is settled exactly once: `end` ignores it where nothing else was said.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from guardrails import hooks
from guardrails.core.backoff import fitting
from guardrails.errors import AttemptTimeout, DeadlineExceeded, Rejected
from guardrails.policies.engine import hook_failed
from guardrails.policies.handed import HANDED, Handed
from guardrails.policies.outcomes import IGNORED, SUCCESS
from guardrails.policies.waiting import wait_for_place, wake

if TYPE_CHECKING:
    import asyncio

    from guardrails.policies.engine import Engine
    from guardrails.policies.outcomes import Outcome
    from guardrails.policies.settings import Retry
    from guardrails.policies.waiting import Queue


class Operation(Handed):
    """`deadline` is that of the attempt under way, for those inside; `ends`, that of the operation."""

    __slots__ = (
        "attempt",
        "began",
        "cancelling",
        "ends",
        "engine",
        "error",
        "first",
        "outer",
        "own",
        "places",
        "rang",
        "retry",
        "started",
        "timer",
        "token",
        "waited",
    )

    attempt: int
    began: float
    cancelling: int
    ends: float | None
    # What the last attempt met, until the operation is over.
    error: BaseException | None
    # Seconds until the first item of a stream; below 0: there has been none, or it is no stream.
    first: float
    # Whether the deadline is this guard's own, and nobody's around it.
    own: bool
    places: Queue | None
    retry: Retry | None
    timer: asyncio.TimerHandle | None

    def __init__(self, engine: Engine, *, retry: bool = True) -> None:
        """`retry`: whether it can be tried again at all.

        Raises DeadlineExceeded when the deadline that is handed down is over.
        """
        self.engine = engine
        self.clock = engine.clock
        self.began = self.started = now = engine.tick()
        self.attempt = self.token = 0
        self.waited = 0.0
        self.first = -1.0
        self.error = self.places = self.timer = self.task = None
        self.rang = False
        timeout = engine.timeout
        ends = None if timeout is None else now + timeout
        self.own = True
        self.retry = engine.retry if retry else None
        self.outer = outer = HANDED.get()
        self.retries = self.retry is not None
        if outer is not None:
            if outer.retries:
                self.retry, self.retries = None, True
            handed = outer.deadline
            if handed is not None and (ends is None or handed < ends):
                ends = handed
                self.own = False
        self.ends = self.deadline = ends
        if ends is not None and now >= ends:
            raise DeadlineExceeded(engine.name, 0.0, 0.0, 0)
        if engine.attempt_timeout is not None:
            self._limit(now, engine.attempt_timeout)

    # Before an attempt.

    def begin(self) -> Queue | None:
        """Admit an attempt. Returns the bulkhead in which it must wait for a place first. Raises what refuses it."""
        engine = self.engine
        self.attempt += 1
        self.token = engine.circuit.pass_ or self._admit()
        places = engine.places
        if places is not None:
            with engine.lock:
                entered = places.enter()
            if not entered:
                return places
            self.places = places
        if self.attempt > 1:
            self._start()
        return None

    def wait_for_place(self, places: Queue) -> None:
        """Wait in this thread for a place."""
        try:
            self.places = wait_for_place(self.engine, places, self.ends)
        except Rejected as refusal:
            if self.error is None:
                raise
            self.refuse(str(refusal))
        self._start()

    def _admit(self) -> int:
        try:
            return self.engine.admit()
        except Rejected as refusal:
            if self.error is None:
                raise
            self.refuse(str(refusal))

    def refuse(self, why: str) -> NoReturn:
        """Raise what the attempt before has met: it says more than our refusal of another, and is the user's."""
        error, self.error = self.error, None
        if error is None:
            raise AssertionError("there was no attempt before")
        self.attempt -= 1
        context = error.__context__
        try:
            raise self._noted(error, why)
        finally:
            error.__context__ = context
            # Its frames must not hold it.
            del error

    def _start(self) -> None:
        """Begin an attempt that had to wait."""
        engine = self.engine
        self.started = now = engine.tick()
        if self.ends is not None and now >= self.ends:
            waited = now - self.began
            self._settle(now, IGNORED, "")
            raise DeadlineExceeded(engine.name, self.ends - self.began, waited, self.attempt - 1, self._last())
        if engine.attempt_timeout is not None:
            self._limit(now, engine.attempt_timeout)

    def _limit(self, now: float, attempt_timeout: float) -> None:
        deadline, ends = now + attempt_timeout, self.ends
        self.deadline = deadline if ends is None or deadline < ends else ends

    # After an attempt.

    def finished(self, outcome: Outcome = SUCCESS, last: str = "") -> None:
        """Record an attempt whose outcome is known: a stream that came to its end, a permit."""
        if self.timer is not None:
            self._rung(None)
        self._settle(self.engine.tick(), outcome, last)
        self._release()

    def _release(self) -> None:
        """What this operation has started and not waited for is not bound by it any more."""
        self.deadline = self.ends = None
        self.retries = False

    def returned(self, value: object) -> float | None:
        """Record an attempt that returned. None: its value is the result; else the seconds to wait for the next."""
        timer = self.timer
        if timer is not None:
            timer.cancel()
            self.timer = None
            if self.rang:
                self._rung(None)
        engine = self.engine
        now = engine.tick()
        if engine.classify is None and not hooks._listeners and now - self.started < engine.circuit.slow_after:
            # What `Engine.settle` does with a success, without the steps that most calls do not need.
            places, woken = self.places, None
            with engine.lock:
                moved = engine.circuit.success(self.token, now)
                if self.retry is not None and self.attempt == 1 and engine.budget is not None:
                    engine.budget.deposit(now)
                if places is not None and places.leave():
                    woken = places.waiters.popleft()
            self.token, self.places = 0, None
            if woken is not None and places is not None:
                wake(engine, places, woken)
            if moved is not None:
                engine.moved(moved, now)
            self.deadline = self.ends = None
            self.retries = False
            return None
        outcome = engine.verdict_on_value(value)
        self._settle(now, outcome, type(value).__name__)
        pause = None
        if outcome.kind in ("failure", "throttled") and self.retry is not None:
            pause, _ = self._pause(value, outcome, now)
        if pause is None:
            self._release()
        return pause

    def failed(self, error: BaseException, said: Outcome | None = None) -> float | None:
        """Record an attempt that raised. None: raise it again; else the seconds to wait for the next.

        `said`: the outcome, where the holder of a permit has said it. Raises AttemptTimeout or DeadlineExceeded
        where it was our timer that cancelled.
        """
        engine = self.engine
        now = engine.tick()
        met = error
        if self.timer is not None and self._rung(error):
            met = self._overdue(now)
        # Cut short by somebody else's deadline, a call says nothing about the dependency.
        foreign = met is not error and self.deadline == self.ends and not self.own
        outcome = said or (IGNORED if foreign else engine.verdict(met))
        self._settle(now, outcome, type(met).__name__)
        if self.retry is not None and self.first < 0 and outcome.kind in ("failure", "throttled"):
            pause, why = self._pause(met, outcome, now)
            if pause is not None:
                self.error = met
                return pause
            if why and not isinstance(met, DeadlineExceeded):
                self._noted(met, why)
        if met is error:
            return None
        try:
            raise met from error
        finally:
            # Its frames must not hold it.
            del met, error

    def end(self) -> None:
        """The operation is over, however it went; an attempt that was not settled says nothing about the dependency."""
        if self.timer is not None:
            self._rung(None)
        if self.token:
            self._settle(self.engine.tick(), IGNORED, "")
        self.error = None

    # Between the items of a stream.

    def flows(self) -> bool:
        """The first item is there. Whether each further step has to keep a deadline."""
        outer = self.outer
        self.first = self.engine.tick() - self.started
        # From here on nothing is tried again, so those inside may.
        self.retries = outer is not None and outer.retries
        self.deadline = self.ends
        return self.ends is not None

    def late(self) -> bool:
        """Whether the deadline of a stream came while its consumer was busy."""
        return self.ends is not None and self.engine.tick() >= self.ends

    def expire(self) -> NoReturn:
        """Record and raise that a stream is late."""
        now = self.engine.tick()
        error = self._overdue(now)
        self._settle(now, self.engine.verdict(error) if self.own else IGNORED, type(error).__name__)
        try:
            raise error
        finally:
            del error

    def broke(self, error: BaseException, thrown: BaseException | None) -> None:
        """Record a stream that raised. What its consumer has thrown in and it did not want is the consumer's."""
        if error is not thrown:
            self.failed(error)

    def _settle(self, now: float, outcome: Outcome, last: str) -> None:
        token, self.token = self.token, 0
        places, self.places = self.places, None
        engine = self.engine
        budget = engine.budget if self.attempt == 1 and self.retry is not None else None
        took = now - self.started if self.first < 0 else self.first
        engine.settle(token, took, now, outcome, last, places=places, deposit=budget)

    def _rung(self, error: BaseException | None) -> bool:
        """Put the timer away. Whether it was the timer, and nobody else, that cancelled; see `TaskOperation`."""
        raise NotImplementedError

    def _overdue(self, now: float) -> AttemptTimeout | DeadlineExceeded:
        name, ends = self.engine.name, self.ends
        if ends is not None and self.deadline == ends:
            return DeadlineExceeded(name, ends - self.began, now - self.began, self.attempt, self._last())
        return AttemptTimeout(name, self.engine.attempt_timeout or 0.0, self.attempt)

    def _last(self) -> str:
        return "" if self.error is None else text_of(self.error)

    def _pause(self, what: object, outcome: Outcome, now: float) -> tuple[float | None, str]:
        """The seconds until another attempt, or None and why there is none; no reason where none was wanted."""
        retry, engine = self.retry, self.engine
        if retry is None or not self._wanted(retry, what):
            return None, ""
        pause, why = self._affordable(retry, what, outcome, now)
        if hooks._listeners:
            hooks.emit("retries_total", 1.0, {"guard": engine.label, "verdict": why.split(":")[0] or "retried"})
        if pause is not None:
            self.waited += pause
        return pause, why

    def _affordable(self, retry: Retry, what: object, outcome: Outcome, now: float) -> tuple[float | None, str]:
        engine = self.engine
        if self.attempt >= retry.attempts:
            return None, "all attempts are made"
        pause = retry.backoff.delay(self.attempt, engine.chance(), outcome.retry_after)
        if pause is None:
            return None, f"the server asked for too long a wait: {outcome.retry_after} s"
        circuit = engine.circuit
        if not circuit.pass_ and circuit.state != "half-open":
            opens = circuit.open_until - now
            # To wait for an open circuit would hold the callers that it is there to set free. A server that said
            # when to come back is waited for: no call is made meanwhile, and it opened the circuit for that long.
            if outcome.kind == "throttled" and circuit.state == "open":
                pause = max(pause, opens)
            elif pause < opens:
                return None, f"the circuit is {circuit.state}"
        if retry.within is not None and fitting(pause, now, self.began + retry.within) is None:
            return None, f"too late: no attempt begins after {retry.within:g} s"
        if fitting(pause, now, self.ends) is None:
            return None, "the deadline comes first"
        if engine.budget is not None:
            with engine.lock:
                paid = engine.budget.withdraw(now, timeout=isinstance(what, TimeoutError))
            if not paid:
                return None, "the retry budget is spent"
        return pause, ""

    def _wanted(self, retry: Retry, what: object) -> bool:
        try:
            return retry.wants(what)
        except Exception as exc:  # noqa: BLE001 - a broken predicate must not replace the result of the call
            hook_failed(exc)
            return False

    def _noted(self, error: BaseException, why: str) -> BaseException:
        """The user's error, unchanged but for a note that says what we did."""
        head = f"guardrails: {self.engine.name!r}"
        seconds = self.engine.tick() - self.began
        tries = f"{self.attempt} of {self.engine.retry.attempts if self.engine.retry else 1} attempts"
        note = f"{head}: {tries} in {seconds:.3g} s, {self.waited:.3g} s of it waiting; no other: {why}"
        # An error object that is raised again and again must not gather notes.
        notes = getattr(error, "__notes__", None)
        if notes is not None:
            notes[:] = [other for other in notes if not str(other).startswith(f"{head}:")]
        error.add_note(note)
        return error


def text_of(error: BaseException) -> str:
    """An error as one line for a message: without secrets, and never longer than a line."""
    from guardrails.redact import redacted

    try:
        said = str(error)
    except Exception:  # noqa: BLE001 - an error that cannot be shown is still an error
        said = "(no text)"
    return redacted(f"{type(error).__name__}: {said}"[:400]).partition("\n")[0][:200]
