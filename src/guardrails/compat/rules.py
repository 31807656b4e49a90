"""pybreaker's rules as questions to our circuit: failures in a row, a fixed open time, successes that close it.

    token = rules.circuit.pass_                go; where it is 0, ask:
    token, moves = rules.admit(now)            0 again: rejected
    moves = rules.success(token, now)          or failure(token, now, last), ignored(token, now)
    moves = rules.force("open", now)

`moves` are what listeners are to be told, (before, after), once nobody holds `LOCK` any more. The circuit decides who
may go and whose result counts; the open time is kept here, because pybreaker's may be changed while it runs and has no
upper bound, and so are the counters, which pybreaker keeps over a trip.
"""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pybreaker import STATE_CLOSED, STATE_HALF_OPEN, STATE_OPEN

from guardrails.core.breaker import Circuit
from guardrails.core.settings import Breaker
from guardrails.errors import ConfigError

if TYPE_CHECKING:
    from pybreaker import CircuitMemoryStorage

    from guardrails.clock import Clock

STATES = (STATE_CLOSED, STATE_OPEN, STATE_HALF_OPEN)

# Seconds after which a trial call that has not come back gives its place to another. Without an end, one that hangs
# would keep the circuit half-open for ever.
PERMIT_EXPIRY = 300.0
# pybreaker's half-open state has no end; this is the longest that the circuit knows, a week.
MAX_HALF_OPEN = 604_800.0

# One for all breakers: it covers a decision only, a microsecond, and so there is one to hold still at a fork. One that
# its own thread may take twice, because the garbage collector may end a guarded generator inside it.
LOCK = threading.RLock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=LOCK.acquire, after_in_parent=LOCK.release, after_in_child=LOCK.release)

Moves = tuple[tuple[str, str], ...]
NO_MOVES: Moves = ()


class Rules:
    """The circuit of one breaker, its counters and its open time. Each method takes `LOCK`; none runs a user's code."""

    __slots__ = (
        "circuit",
        "clock",
        "fail_max",
        "failures",
        "last",
        "opened",
        "reset_timeout",
        "since",
        "storage",
        "success_threshold",
        "trials",
    )

    def __init__(
        self, fail_max: int, reset_timeout: float, success_threshold: int, storage: CircuitMemoryStorage, clock: Clock
    ) -> None:
        self.clock = clock
        self.storage = storage
        self.fail_max, self.reset_timeout, self.success_threshold = fail_max, reset_timeout, success_threshold
        self.last = ""
        self.failures = storage.counter
        # When the trial calls under way expire, by token.
        self.trials: dict[int, float] = {}
        now = clock.monotonic()
        self.opened = self.since = now
        self.circuit = Circuit(settings_for(fail_max, success_threshold), now)
        self._begin_as_stored(now)

    def _begin_as_stored(self, now: float) -> None:
        """Take over what a storage says that was used before."""
        storage, circuit = self.storage, self.circuit
        if storage.state not in STATES:
            allowed = ", ".join(STATES)
            raise ConfigError([f"state_storage.state: {storage.state!r}, allowed: {allowed}; write one of these"])
        if storage.state == STATE_CLOSED:
            # Those that failed before count, but it takes one more to open.
            for _ in range(min(storage.counter, self.fail_max - 1)):
                circuit.failure(circuit.pass_, now, 0.5)
            return
        circuit.trip(now, 0.0, "so it was stored")
        opened_at = storage.opened_at
        if opened_at is None:
            self.opened = now - self.reset_timeout
        else:
            at = opened_at if opened_at.tzinfo else opened_at.replace(tzinfo=UTC)
            self.opened = now - (self.clock.wall() - at.timestamp())
        if storage.state == STATE_HALF_OPEN:
            circuit.release(now, "so it was stored")

    # The way of every call.

    def admit(self, now: float) -> tuple[int, Moves]:
        """The token of one call, 0 if it is rejected, and what the question led to."""
        with LOCK:
            circuit = self.circuit
            before, moves = circuit.state, NO_MOVES
            if before == STATE_OPEN:
                if now - self.opened < self.reset_timeout:
                    return 0, NO_MOVES
                circuit.release(now, f"{self.reset_timeout:g} s are over")
                moves = self._moved(before, now)
            token, decided = circuit.admit(now, 0.5)
            if decided is not None:
                moves += self._moved(decided.before, now)
            if token != circuit.pass_:
                self.trials[token] = now + PERMIT_EXPIRY
            return token, moves

    def success(self, token: int, now: float) -> Moves:
        """A call went well."""
        with LOCK:
            circuit = self.circuit
            if token != circuit.pass_ and not self._was_trial(token, now):
                return NO_MOVES
            before = circuit.state
            moved = circuit.success(token, now)
            if self.failures:
                self.failures = 0
                self.storage.reset_counter()
            if before == STATE_HALF_OPEN:
                self.storage.increment_success_counter()
            return NO_MOVES if moved is None else self._moved(before, now)

    def failure(self, token: int, now: float, last: str) -> Moves:
        """A call failed. `last`: the name of what it raised."""
        with LOCK:
            circuit = self.circuit
            if token != circuit.pass_ and not self._was_trial(token, now):
                return NO_MOVES
            before = circuit.state
            self.last = last
            self.failures += 1
            self.storage.increment_counter()
            moved = circuit.failure(token, now, 0.5)
            return NO_MOVES if moved is None else self._moved(before, now)

    def ignored(self, token: int, now: float) -> None:
        """A call ended without saying anything about the dependency."""
        with LOCK:
            self.trials.pop(token, None)
            self.circuit.ignored(token, now)

    def _was_trial(self, token: int, now: float) -> bool:
        """Whether it is a trial call that is still awaited: what comes late counts for nothing."""
        return now < self.trials.pop(token, now)

    # What a user asks for.

    def force(self, state: str, now: float) -> Moves:
        """Go to `state`, and begin it anew if it is there already."""
        with LOCK:
            circuit = self.circuit
            before = circuit.state
            if state == STATE_CLOSED:
                circuit.disable(now, "closed by hand")
                circuit.release(now, "closed by hand")
            else:
                circuit.trip(now, 0.0, "opened by hand")
            if state == STATE_HALF_OPEN:
                circuit.release(now, "half-opened by hand")
            return self._moved(before, now)

    def update(self, fail_max: int, success_threshold: int, now: float) -> None:
        """Obey these from the next call on."""
        with LOCK:
            if success_threshold != self.success_threshold:
                # The circuit begins its trial anew.
                self.trials.clear()
                self.storage.reset_success_counter()
            self.fail_max, self.success_threshold = fail_max, success_threshold
            self.circuit.update(settings_for(fail_max, success_threshold), now)

    def retry_after(self, now: float) -> float | None:
        """Seconds until a trial call may go; None where no time says so."""
        return max(0.0, self.opened + self.reset_timeout - now) if self.circuit.state == STATE_OPEN else None

    def _moved(self, before: str, now: float) -> Moves:
        """Write down that the circuit has moved."""
        storage, after = self.storage, self.circuit.state
        self.since = now
        self.trials.clear()
        storage.state = after
        storage.reset_success_counter()
        if after == STATE_OPEN:
            self.opened = now
            storage.opened_at = datetime.fromtimestamp(self.clock.wall(), UTC)
        elif after == STATE_CLOSED:
            self.failures = 0
            storage.reset_counter()
        return ((before, after),)


def settings_for(fail_max: int, success_threshold: int) -> Breaker:
    """What our circuit is to do: as many trial calls as must succeed, so that one that fails opens it again."""
    return Breaker(
        failure_rate=None,
        consecutive=fail_max,
        permitted_calls=success_threshold,
        success_threshold=success_threshold,
        permit_expiry=PERMIT_EXPIRY,
        max_half_open=MAX_HALF_OPEN,
    )
