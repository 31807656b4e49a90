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

from typing import TYPE_CHECKING, Any, NoReturn

from guardrails import hooks
from guardrails.errors import AttemptTimeout, DeadlineExceeded, Rejected
from guardrails.policies.engine import BAD
from guardrails.policies.handed import HANDED, Handed
from guardrails.policies.outcomes import FAILURE, IGNORED, SUCCESS
from guardrails.policies.waiting import book, learn, tell_inside, wait_for_place, wake

if TYPE_CHECKING:
    import asyncio

    from guardrails.policies.engine import Engine
    from guardrails.policies.outcomes import Outcome
    from guardrails.policies.settings import Retry
    from guardrails.policies.waiting import Gate, Queue


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
        "state",
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
    # What tenacity's strategies are shown; there is none before the first is asked.
    state: Any
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
        attempt_timeout = engine.attempt_timeout
        if attempt_timeout is not None:
            self._limit(now, attempt_timeout)

    # Before an attempt.

    def begin(self) -> Queue | Gate | None:
        """Admit an attempt. Returns what it must pass first, with `wait_for_place`. Raises what refuses it."""
        engine = self.engine
        self.attempt = attempt = self.attempt + 1
        self.token = engine.circuit.pass_ or self._admit()
        places = engine.gate
        if places is not None:
            with engine.lock:
                # What `enter` does, without a frame for it.
                if entered := places.active < places.limit:
                    places.active += 1
            if not entered:
                return places
            self.places = places  # type: ignore[assignment] # a gate lets nobody enter
            if hooks._listeners:
                tell_inside(engine, 1)
        if attempt > 1:
            self._start()
        return None

    def wait_for_place(self, gate: Queue | Gate) -> None:
        """Wait in this thread for a place, and for the turn of this call where the rate is limited."""
        engine = self.engine
        try:
            if gate.places is not None and not self._enters(gate.places):
                self.places = wait_for_place(engine, gate.places, self.ends)
            if pause := book(engine, gate, self.ends):
                engine.sleep(pause)
        except BaseException as exc:
            self.withdraw(exc)
            raise
        self._start()

    def _enters(self, places: Queue) -> bool:
        """Whether a place behind a gate is free; without a wait for what need not be waited for."""
        with self.engine.lock:
            entered = places.enter()
        if entered:
            self.places = places
            tell_inside(self.engine, 1)
        return entered

    def withdraw(self, exc: BaseException) -> None:
        """Give back what an attempt holds that could not begin: it says nothing, and pays nothing into the budget.

        Raises what the attempt before has met where this one was refused.
        """
        self._give_back()
        if isinstance(exc, Rejected) and self.error is not None:
            self.refuse(str(exc))

    def _give_back(self) -> None:
        token, self.token = self.token, 0
        places, self.places = self.places, None
        self.engine.withdraw(token, places)

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
            self.attempt -= 1
            self._give_back()
            raise DeadlineExceeded(engine.name, self.ends - self.began, now - self.began, self.attempt, self._last())
        attempt_timeout = engine.attempt_timeout
        if attempt_timeout is not None:
            self._limit(now, attempt_timeout)

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
        if engine.plain and not hooks._listeners and now - self.started < engine.circuit.slow_after:
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
        wanted = outcome.kind in engine.again and self._wanted(value, now)
        if wanted and outcome.kind == "success":
            # What is to be tried again has not gone well.
            outcome = FAILURE
        self._settle(now, outcome, type(value).__name__)
        pause, _ = self._pause(value, outcome, now) if wanted else (None, "")
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
        self._settle(now, outcome, type(met).__name__, met)
        if self.retry is not None and self.first < 0 and outcome.kind in BAD and self._wanted(met, now):
            pause, why = self._pause(met, outcome, now)
            if pause is not None:
                self.error = met
                return pause
            if not isinstance(met, DeadlineExceeded):
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
        self._settle(now, self.engine.verdict(error) if self.own else IGNORED, type(error).__name__, error)
        try:
            raise error
        finally:
            del error

    def broke(self, error: BaseException, thrown: BaseException | None) -> None:
        """Record a stream that raised. What its consumer has thrown in and it did not want is the consumer's."""
        if error is not thrown:
            self.failed(error)

    def _settle(self, now: float, outcome: Outcome, last: str, error: BaseException | None = None) -> None:
        token, self.token = self.token, 0
        places, self.places = self.places, None
        engine = self.engine
        budget = engine.budget if self.attempt == 1 and self._pays() else None
        took = now - self.started if self.first < 0 else self.first
        if places is not None and places.size is not None:
            learn(engine, places, now, self.started, took, outcome, late=timed_out(error))
        if engine.hedge is not None and outcome.kind == "success" and self.first < 0:
            remember(engine, took)
        engine.settle(token, took, now, outcome, last, places=places, deposit=budget)

    def _pays(self) -> bool:
        """Whether its first attempt pays into the budget: that of an owner, who may call more than once."""
        return self.retry is not None or (self.engine.hedge is not None and self.owns())

    def owns(self) -> bool:
        """Whether no guard around this one makes calls more than once."""
        return self.outer is None or not self.outer.retries

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

    def _wanted(self, what: object, now: float) -> bool:
        """Whether the user wants what came to this to be tried again, by this guard or by one around it."""
        retry = self.retry or self.engine.retry
        if retry is None:
            return False
        from guardrails.policies import retrying

        return retrying.wanted(self, retry, what, now)

    def _pause(self, what: object, outcome: Outcome, now: float) -> tuple[float | None, str]:
        """The seconds until another attempt that is wanted, or None and why there is none; "" where others retry."""
        if self.retry is None:
            return None, ""
        from guardrails.policies import retrying

        return retrying.pause(self, self.retry, what, outcome, now)

    def _noted(self, error: BaseException, why: str) -> BaseException:
        """The user's error, unchanged but for a note that says what we did."""
        head = f"guardrails: {self.engine.name!r}"
        seconds = self.engine.tick() - self.began
        retry = self.engine.retry
        most = 1 if retry is None else retry.attempts
        # One of tenacity's strategies may count them.
        tries = f"{self.attempt} of {most} attempts" if isinstance(most, int) else f"attempt {self.attempt}"
        note = f"{head}: {tries} in {seconds:.3g} s, {self.waited:.3g} s of it waiting; no other: {why}"
        # An error object that is raised again and again must not gather notes.
        notes = getattr(error, "__notes__", None)
        if notes is not None:
            notes[:] = [other for other in notes if not str(other).startswith(f"{head}:")]
        error.add_note(note)
        return error


def remember(engine: Engine, took: float) -> None:
    """Let the hedge know how long a call took."""
    with engine.lock:
        if engine.hedge_delay is not None:
            engine.hedge_delay.record(took)


def timed_out(error: BaseException | None) -> bool:
    """Whether this says that an answer was late. Clients have classes of their own for it, seldom a TimeoutError."""
    return any("Timeout" in kind.__name__ for kind in type(error).__mro__)


def text_of(error: BaseException) -> str:
    """An error as one line for a message: without secrets, and never longer than a line."""
    from guardrails.redact import redacted

    try:
        said = str(error)
    except Exception:  # noqa: BLE001 - an error that cannot be shown is still an error
        said = "(no text)"
    return redacted(f"{type(error).__name__}: {said}"[:400]).partition("\n")[0][:200]
