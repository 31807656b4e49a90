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
from guardrails.policies.waiting import Queue, wake

if TYPE_CHECKING:
    from collections.abc import Callable

    from guardrails.clock import Clock
    from guardrails.core.breaker import State, Transition
    from guardrails.core.budget import RetryBudget
    from guardrails.policies.adopting import Adopted
    from guardrails.policies.settings import Budget, Bulkhead, Retry, Settings
    from guardrails.policies.waiting import Waiter

    Classifier = Callable[[Any], object]


class Engine:
    """The state of one guard. Closures read the slots at each call, so that an update reaches those that exist."""

    __slots__ = (
        "__weakref__",
        "adopted",
        "attempt_timeout",
        "breaker",
        "budget",
        "bulkhead",
        "chance",
        "circuit",
        "classify",
        "clock",
        "full",
        "ignore",
        "label",
        "last",
        "lock",
        "name",
        "places",
        "retry",
        "said_budget",
        "since",
        "sleep",
        "tick",
        "timeout",
        "watch",
    )

    def __init__(self, name: str, label: str, clock: Clock | None) -> None:
        """`name` stands in errors; `label` in what is emitted, where each of many keys must not be a label."""
        self.name = name
        self.label = label
        self.clock = clock or SystemClock()
        # The host's clock without a frame of Python around it: it is read twice on the way of every call.
        self.tick: Callable[[], float] = time.monotonic if type(self.clock) is SystemClock else self.clock.monotonic
        self.chance = self.clock.chance
        # A clock that a test moves also waits for the test.
        self.sleep: Callable[[float], None] = getattr(self.clock, "sleep", time.sleep)
        self.lock = threading.RLock()
        self.since = self.tick()
        self.circuit = Circuit(Breaker(), self.since)
        self.adopted: Adopted | None = None
        self.last = ""
        self.breaker: Breaker | None = None
        self.retry: Retry | None = None
        self.budget: RetryBudget | None = None
        self.said_budget: Budget | None = None
        self.bulkhead: Bulkhead | None = None
        self.places: Queue | None = None
        self.timeout: float | None = None
        self.attempt_timeout: float | None = None
        self.classify: Classifier | None = None
        self.ignore: tuple[type[BaseException], ...] = ()
        # Called without the lock after the circuit may have moved.
        self.watch: Callable[[], None] | None = None
        # Whether a call needs more than the circuit.
        self.full = True
        _ENGINES.add(self)

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
        default = IGNORED if isinstance(error, self.ignore) else FAILURE
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
        u = self.chance() if slow or kind != "success" else 0.5
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
            hooks.emit("calls_total", 1.0, {"guard": self.label, "outcome": kind})

    def failed(self, token: int, began: float, error: BaseException) -> None:
        """Record a call that raised and used nothing but the circuit."""
        now = self.tick()
        self.settle(token, now - began, now, self.verdict(error), type(error).__name__)

    # What humans and configuration ask for.

    def adopt(self, said: Settings) -> tuple[str, ...]:
        """Obey these settings from now on. Returns what had to be forgotten, each in a few words."""
        now = self.tick()
        lost: tuple[str, ...] = ()
        woken: list[Waiter] = []
        places = self.places
        with self.lock:
            if said.breaker is None:
                if self.adopted is None:
                    self.circuit.disable(now, "it has no breaker")
            elif said.breaker != self.circuit.settings or self.breaker is None:
                lost = self.circuit.update(said.breaker, now)
                if self.breaker is None:
                    self.circuit.release(now, "new")
            if said.bulkhead != self.bulkhead:
                if said.bulkhead is None or places is None:
                    self.places = said.bulkhead and Queue(said.bulkhead)
                else:
                    woken = places.obey(said.bulkhead)
            if said.budget != self.said_budget:
                self.budget = said.budget and said.budget.machine()
            self.said_budget = said.budget
            for name in ("attempt_timeout", "breaker", "bulkhead", "classify", "ignore", "retry", "timeout"):
                setattr(self, name, getattr(said, name))
            self.full = any(
                layer is not None
                for layer in (said.attempt_timeout, said.bulkhead, said.classify, said.retry, said.timeout)
            )
        for waiter in woken:
            if places is not None:
                wake(self, places, waiter)
        if self.watch is not None:
            self.watch()
        return lost

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
        self.since = now
        after = "would-open" if moved.before == moved.after else moved.after
        hooks.emit("breaker_transitions_total", 1.0, {"guard": self.label, "before": moved.before, "after": after})
        if self.watch is not None:
            self.watch()


def hook_failed(error: Exception) -> None:
    """Count that a function which a user gave us has failed; it replaces no result."""
    hooks.count_failure(_unheard, error)


def _unheard(name: str, value: float, labels: object) -> None:
    """Stands for a function that is no listener, where a listener is named as the culprit."""


_ENGINES: Living[Engine] = Living()
_held: list[Engine] = []


def _before_fork() -> None:
    # A lock that another thread holds at the fork would be held for ever in the child: so no other holds any.
    _held.extend(_ENGINES.all())
    for engine in _held:
        engine.lock.acquire()


def _after_fork() -> None:
    for engine in _held:
        engine.lock.release()
    _held.clear()


def _after_fork_in_child() -> None:
    for engine in _held:
        # The calls of other threads are not here and will never give their places back.
        if engine.bulkhead is not None:
            engine.places = Queue(engine.bulkhead)
    _after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork_in_child)
