"""What one guard holds: circuit, places, budget and the lock over them; and all that is off the way of a good call.

The lock covers decisions: nothing of a user's runs under it, no hook is called, nobody waits. It is one that its own
thread may take twice, because the garbage collector may end a guarded generator at any moment, inside the lock too.
"""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Any

from guardrails import hooks
from guardrails.clock import SystemClock
from guardrails.core.breaker import Circuit
from guardrails.core.settings import Breaker
from guardrails.errors import CircuitOpen, DeadlineExceeded, Rejected, Unguardable
from guardrails.policies.living import Living
from guardrails.policies.outcomes import FAILURE, IGNORED, SUCCESS, Outcome
from guardrails.policies.waiting import Gate, Queue, tell_inside, wake

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from guardrails.clock import Clock
    from guardrails.core.breaker import State, Transition
    from guardrails.core.budget import RetryBudget
    from guardrails.core.hedge import HedgeDelay
    from guardrails.core.rate import Pace
    from guardrails.policies.adopting import Adopted
    from guardrails.policies.limits import AdaptiveLimit, Hedge, RateLimit
    from guardrails.policies.operation import Operation
    from guardrails.policies.settings import Budget, Bulkhead, Retry, Settings
    from guardrails.policies.waiting import Waiter

    Classifier = Callable[[Any], object]

    class Span(Protocol):
        """What one operation is to a tracer."""

        def end(self) -> None:
            """The operation is over; an exception that is on its way is how it ended."""

    class Spans(Protocol):
        """Begins a span. `current`: what is called inside belongs to it. Raises nothing; None: there is none."""

        def __call__(self, operation: Operation, *, current: bool) -> Span | None: ...


# Outcomes after which another attempt may be wanted.
BAD: tuple[str, ...] = ("failure", "throttled")


class Switch:
    """What holds for all guards of this process at once.

    Turned by `guardrails.testing`, never in production: `clock`, by which guards live that were given none of their
    own; None: the host's. `operation`, the class that stands for `Operation` and `TaskOperation`; None: these. Turned
    by `guardrails.middleware.opentelemetry`: `spans`, which begins the span of an operation; None: there is none.
    """

    __slots__ = ("clock", "operation", "spans")

    def __init__(self) -> None:
        self.clock: Any = None
        self.operation: type[Any] | None = None
        self.spans: Spans | None = None

    def turn(self, name: str, value: object) -> None:
        """Turn it in all guards, those at work too."""
        setattr(self, name, value)
        for engine in _ENGINES.all():
            with engine.lock:
                engine.weigh()


SWITCH = Switch()


class Engine:
    """The state of one guard. Closures read the slots at each call, so that an update reaches those that exist."""

    __slots__ = (
        "__weakref__",
        "adopted",
        "again",
        "attempt_timeout",
        "breaker",
        "budget",
        "bulkhead",
        "chance",
        "circuit",
        "classify",
        "clock",
        "full",
        "gate",
        "hedge",
        "hedge_delay",
        "ignore",
        "label",
        "last",
        "lock",
        "name",
        "pace",
        "places",
        "plain",
        "rate_limit",
        "retry",
        "said_budget",
        "since",
        "sleep",
        "tick",
        "timeout",
        "virtual",
        "watch",
    )

    def __init__(self, name: str, label: str, clock: Clock | None) -> None:
        """`name` stands in errors; `label` in what is emitted, where each of many keys must not be a label."""
        self.name = name
        self.label = label
        self.run_by(clock or SWITCH.clock or SystemClock())
        self.lock = threading.RLock()
        self.since = self.tick()
        self.circuit = Circuit(Breaker(), self.since)
        self.adopted: Adopted | None = None
        self.last = ""
        self.breaker: Breaker | None = None
        self.retry: Retry | None = None
        # After which outcomes of attempts that returned `retry` is asked.
        self.again = BAD
        self.budget: RetryBudget | None = None
        self.said_budget: Budget | None = None
        self.bulkhead: Bulkhead | AdaptiveLimit | None = None
        self.places: Queue | None = None
        self.rate_limit: RateLimit | None = None
        self.pace: Pace | None = None
        self.hedge: Hedge | None = None
        self.hedge_delay: HedgeDelay | None = None
        # What a call passes after the circuit: the places, or where there is more, a gate before them.
        self.gate: Queue | Gate | None = None
        self.timeout: float | None = None
        self.attempt_timeout: float | None = None
        self.classify: Classifier | None = None
        self.ignore: tuple[type[BaseException], ...] = ()
        # Called without the lock after the circuit may have moved.
        self.watch: Callable[[], None] | None = None
        # Whether a call needs more than the circuit.
        self.full = True
        # Whether a value that is returned is a success, and nothing more is learned from it than the circuit does.
        self.plain = False
        _ENGINES.add(self)

    def run_by(self, clock: Clock) -> None:
        """Take time and chance from this clock."""
        self.clock = clock
        # The host's clock without a frame of Python around it: it is read twice on the way of every call.
        self.tick: Callable[[], float] = time.monotonic if type(clock) is SystemClock else clock.monotonic
        self.chance = clock.chance
        # A clock that a test moves also waits for the test, in threads and, if it is one, in tasks.
        self.sleep: Callable[[float], None] = getattr(clock, "sleep", time.sleep)
        self.virtual: Any = clock if hasattr(clock, "asleep") else None

    # Before a call.

    def admit(self) -> int:
        """The token of one call when the circuit is not simply closed. Raises CircuitOpen.

        A fresh one each time, since an error that is raised again and again gathers the frames of all who caught it;
        and no local variable holds it, since its frames would then hold it until the garbage collector comes.
        """
        now = self.tick()
        circuit = self.circuit
        opens = circuit.open_until
        # Without the lock: before this instant the answer can only be no.
        if now < opens and not circuit.pass_:
            if hooks._listeners:
                hooks.emit("rejections_total", 1.0, {"guard": self.label, "reason": circuit.state})
            raise self.error(self.name, circuit.state, now - self.since, circuit.reason, self.last, opens - now)
        u = self.chance()
        with self.lock:
            token, moved = circuit.admit(now, u)
        if moved is not None:
            self.moved(moved, now)
        if token:
            return token
        if hooks._listeners:
            hooks.emit("rejections_total", 1.0, {"guard": self.label, "reason": circuit.state})
        seconds = circuit.retry_after(now)
        raise self.error(self.name, circuit.state, now - self.since, circuit.reason, self.last, seconds)

    @property
    def error(self) -> type[CircuitOpen]:
        """What a rejected call raises."""
        return CircuitOpen if self.adopted is None else self.adopted.error

    # After a call.

    def verdict(self, error: BaseException) -> Outcome:
        """What an attempt came to that raised this."""
        if not isinstance(error, Exception) or isinstance(error, Rejected | Unguardable):
            return IGNORED
        if isinstance(error, DeadlineExceeded) and error.attempts == 0:
            return IGNORED
        default = IGNORED if isinstance(error, self.ignore) else carried(error) or FAILURE
        return default if self.classify is None else self._classified(error, default)

    def verdict_on_value(self, value: object) -> Outcome:
        """What an attempt came to that returned this."""
        return SUCCESS if self.classify is None else self._classified(value, SUCCESS)

    def _classified(self, what: object, default: Outcome) -> Outcome:
        classify = self.classify
        if classify is None:
            return default
        try:
            outcome = classify(what)
        except Exception as exc:  # noqa: BLE001 - a broken classifier must not replace the result of the call
            hook_failed(exc)
            return default
        if isinstance(outcome, Outcome):
            return outcome
        if outcome is not None:
            hook_failed(TypeError(f"classify of {self.name!r} returned {outcome!r}: return an Outcome, or None"))
        return default

    def settle(
        self,
        token: int,
        took: float,
        now: float,
        outcome: Outcome,
        last: str = "",
        *,
        places: Queue | None = None,
        deposit: RetryBudget | None = None,
    ) -> None:
        """Record how a call went and give its place back. Raises nothing of a user's."""
        circuit = self.circuit
        slow = took >= circuit.slow_after
        kind = outcome.kind
        # Only an opening is drawn.
        u = 0.5 if kind == "ignored" or (kind == "success" and not slow) else self.chance()
        moved: Transition | None = None
        with self.lock:
            if kind == "success":
                moved = circuit.slow(token, now, u) if slow else circuit.success(token, now)
            elif kind == "ignored":
                circuit.ignored(token, now)
            else:
                # Before the circuit moves: whoever is rejected in the next instant is to read it.
                self.last = last
                if kind == "throttled":
                    moved = circuit.throttled(token, now, u, outcome.retry_after)
                else:
                    moved = circuit.failure(token, now, u, slow=slow)
            if deposit is not None:
                deposit.deposit(now)
            woken = None if places is None else places.depart()
        if woken is not None and places is not None:
            wake(self, places, woken)
        if moved is not None:
            self.moved(moved, now)
        if hooks._listeners:
            labels = {"guard": self.label, "outcome": kind}
            hooks.emit("calls_total", 1.0, labels)
            hooks.emit("call_seconds", took, labels)
            if places is not None:
                tell_inside(self, -1)

    def withdraw(self, token: int, places: Queue | None) -> None:
        """Take back what a call holds that never began: it is no attempt, and nobody is told of one."""
        now = self.tick()
        with self.lock:
            self.circuit.ignored(token, now)
            woken = None if places is None else places.depart()
        if places is not None:
            if woken is not None:
                wake(self, places, woken)
            tell_inside(self, -1)

    def failed(self, token: int, began: float, error: BaseException) -> None:
        """Record a call that raised and used nothing but the circuit."""
        now = self.tick()
        self.settle(token, now - began, now, self.verdict(error), type(error).__name__)

    # What humans and configuration ask for.

    def adopt(self, said: Settings, *, new: bool = False) -> tuple[str, ...]:
        """Obey these settings from now on. Returns what had to be forgotten, each in a few words.

        `new`: they are the guard's first, so nothing has moved that listeners should hear of.
        """
        now = self.tick()
        lost: tuple[str, ...] = ()
        with self.lock:
            places = self.places
            before = self._told(self.circuit.state)
            if said.breaker is None:
                if self.adopted is None:
                    self.circuit.disable(now, "it has no breaker")
            elif said.breaker != self.circuit.settings or self.breaker is None:
                lost = self.circuit.update(said.breaker, now)
                if self.breaker is None:
                    self.circuit.release(now, "new")
            woken = self._obey_limits(said, now)
            if self.hedge is not None and said.hedge not in (None, self.hedge):
                lost += ("how long calls took, which says when to hedge",)
            if said.budget != self.said_budget:
                self.budget = said.budget and said.budget.machine()
            self.said_budget = said.budget
            for name in OBEYED:
                setattr(self, name, getattr(said, name))
            self.weigh()
            after = self._told(self.circuit.state)
        for waiter in woken:
            if places is not None:
                wake(self, places, waiter)
        if before != after and not new:
            self._tell(before, after, now)
        elif self.watch is not None:
            self.watch()
        return lost

    def _obey_limits(self, said: Settings, now: float) -> list[Waiter]:
        """Returns whom to wake, since they have places now."""
        woken: list[Waiter] = []
        if said.bulkhead != self.bulkhead:
            if said.bulkhead is None or self.places is None:
                self.places = said.bulkhead and Queue(said.bulkhead)
            else:
                woken = self.places.obey(said.bulkhead)
        if said.rate_limit != self.rate_limit:
            if said.rate_limit is None or self.pace is None:
                self.pace = said.rate_limit and said.rate_limit.machine()
            else:
                self.pace.change(now, said.rate_limit.rate, said.rate_limit.burst)
        if said.hedge != self.hedge:
            self.hedge_delay = said.hedge and said.hedge.machine()
        return woken

    def weigh(self) -> None:
        """Find out what a call needs besides the circuit; one that the switch concerns needs more. Under the lock."""
        limit, learns = self.rate_limit, self.bulkhead is not None and self.bulkhead.adaptive
        layers = (self.attempt_timeout, self.bulkhead, self.classify, self.hedge, limit, self.retry, self.timeout)
        self.again = (*BAD, "success") if self.retry is not None and self.retry.judges_values else BAD
        self.plain = self.classify is None and self.hedge is None and not learns and self.again is BAD
        self.gate = self.places
        if limit is not None or self.hedge is not None:
            self.gate = Gate(self.places, self.pace, 0.0 if limit is None else limit.longest_wait)
        switches = (SWITCH.operation, SWITCH.clock, SWITCH.spans)
        self.full = any(one is not None for one in (*layers, *switches))

    def renew(self, *, adopted: bool = True) -> None:
        """Be as new, under the settings of now: what was is forgotten, and what is under way counts for nothing.

        `adopted`: whether a breaker of pybreaker is closed, too. Everything in `REMEMBERED` is made anew and nothing in
        it changed, so that a test can put it back.
        """
        now = self.tick()
        with self.lock:
            before = self._told(self.circuit.state)
            if adopted or self.adopted is None:
                self.circuit.renew(now)
            if self.breaker is None and self.adopted is None:
                self.circuit.disable(now, "it has no breaker")
            self.last = ""
            self.since = now
            self.budget = self.said_budget and self.said_budget.machine()
            self.places = self.bulkhead and Queue(self.bulkhead)
            self.pace = self.rate_limit and self.rate_limit.machine()
            self.hedge_delay = self.hedge and self.hedge.machine()
            self.weigh()
            after = self._told(self.circuit.state)
        if before != after:
            self._tell(before, after, now)

    def move(self, how: Callable[[float, str], Transition | None], why: str) -> None:
        """Let the circuit obey, and tell it."""
        now = self.tick()
        with self.lock:
            moved = how(now, why)
        if moved is not None:
            self.moved(moved, now)

    @property
    def state(self) -> State:
        """The state of the circuit."""
        return self.circuit.state

    def moved(self, moved: Transition, now: float) -> None:
        """Remember and emit a transition, outside the lock."""
        after = "would-open" if moved.before == moved.after else self._told(moved.after)
        self._tell(self._told(moved.before), after, now)

    def _tell(self, before: str, after: str, now: float) -> None:
        self.since = now
        hooks.emit("breaker_transitions_total", 1.0, {"guard": self.label, "before": before, "after": after})
        if self.watch is not None:
            self.watch()
        begins, ends = ("closed", "open"), ("open", "half-open", "isolated")
        if (before, after) == begins or (after == "closed" and before in ends):
            self._log(after, now)

    def _log(self, after: str, now: float) -> None:
        """Say in the log when calls begin to be rejected, and when that is over: whoever is woken reads it first."""
        import logging

        from guardrails.redact import redacted

        log = logging.getLogger("guardrails")
        # A key may be anything, a token too.
        name = redacted(self.name)
        try:
            if after == "closed":
                log.info("%r is closed: calls go through again", name)
            else:
                circuit = self.circuit
                log.warning("%s", CircuitOpen(name, after, 0.0, circuit.reason, self.last, circuit.open_until - now))
        except Exception as exc:  # noqa: BLE001 - a handler or filter of a user's must not replace the call's result
            hook_failed(exc)

    def _told(self, state: State) -> str:
        """What listeners are told of a state. Without a breaker there is no circuit that somebody has disabled."""
        return "none" if state == "disabled" and self.breaker is None and self.adopted is None else state


def carried(error: Exception) -> Outcome | None:
    """The outcome that an error brings along as its attribute `outcome`: whoever raised it has judged it already."""
    try:
        said = getattr(error, "outcome", None)
    except Exception as exc:  # noqa: BLE001 - a property of a user's class must not replace the error
        hook_failed(exc)
        return None
    return said if isinstance(said, Outcome) else None


def hook_failed(error: Exception) -> None:
    """Count that a function which a user gave us has failed; it replaces no result."""
    hooks.count_failure(_unheard, error)


def _unheard(name: str, value: float, labels: object) -> None:
    """Stands for a function that is no listener, where a listener is named as the culprit."""


# What an engine remembers besides its circuit.
REMEMBERED = ("budget", "gate", "hedge_delay", "last", "pace", "places", "since")
# Settings of which it makes nothing else.
OBEYED = (
    "attempt_timeout",
    "breaker",
    "bulkhead",
    "classify",
    "hedge",
    "ignore",
    "rate_limit",
    "retry",
    "timeout",
)
_ENGINES: Living[Engine] = Living()
_held: list[Engine] = []
# Two threads may fork at once.
_forking = threading.RLock()


def _before_fork() -> None:
    _forking.acquire()
    # A lock that another thread holds at the fork would be held for ever in the child: so no other holds any.
    _held.extend(_ENGINES.all())
    for engine in _held:
        engine.lock.acquire()


def _after_fork() -> None:
    for engine in _held:
        engine.lock.release()
    _held.clear()
    _forking.release()


def _after_fork_in_child() -> None:
    for engine in _held:
        # The calls of other threads are not here and will never give their places back.
        if engine.bulkhead is not None:
            engine.places = Queue(engine.bulkhead, None if engine.places is None else engine.places.size)
            engine.weigh()
    _after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork_in_child)
