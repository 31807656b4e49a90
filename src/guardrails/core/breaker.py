"""The circuit: a state machine that says whether a call may go, and learns from how it went.

    CLOSED ────── a rule is met, or throttled ──────► OPEN ◄───────┐
      ▲                                                │           │
      │                                          cooldown over     │ too many fail
      │                                                ▼           │
      └──────── enough trial calls succeed ──────── HALF-OPEN ─────┘

    held by a human: ISOLATED rejects all, DISABLED admits all and looks away,
    SHADOW admits all and says when it would have opened

    token = circuit.pass_                          go; where it is 0, ask:
    token, moved = circuit.admit(now, u)           0 again: rejected, see retry_after(now) and reason
    moved = circuit.success(token, now)            or slow, failure, throttled(token, now, u, …), ignored(token, now)

A token stands for one generation of the closed circuit, or for one trial call. What comes back with a token that the
machine does not await (an older generation, an expired permit, a second result of one trial call) changes nothing. So a
call that was slow to fail cannot re-open a circuit that has recovered, and an old success cannot close an open one.

After resilience4j (states, slow calls, age of half-open), gobreaker (generations) and failsafe-go (thresholds).
"""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

from guardrails.core.settings import SHORTEST, Breaker
from guardrails.core.window import CountWindow, TimeWindow
from guardrails.errors import ConfigError

State = Literal["closed", "open", "half-open", "isolated", "disabled", "shadow"]
FOREVER = float("inf")
# No token is negative: nothing is awaited.
NONE_AWAITED = -1
# One tuple for all rejections: they are the one thing that happens more often when all is lost.
REJECTED: tuple[int, None] = (0, None)


class Transition(NamedTuple):
    """One move of the circuit, to be told outside the lock.

    `reason` carries the numbers. `open_for`: seconds, 0 unless it opened. In shadow, `before` and `after`
    are both "shadow": it would have opened.
    """

    before: State
    after: State
    reason: str
    open_for: float = 0.0


class Snapshot(NamedTuple):
    """What a circuit knows, as plain data that JSON keeps.

    `age`: seconds in this state. `retry_after`: seconds until a trial call may go, None where no time ends
    the state. `recoveries_failed`: in a row. `calls`, `failed`, `slow`: in the window; `streak`: failures in
    a row. `trials`: trial calls under way; `trials_good`, `trials_bad`: those that came back; `trials_lost`:
    those that did not in time. `late`: results that no one awaited any more; `would_have_opened`: times, in
    shadow; both since the circuit was made.
    """

    state: State
    reason: str
    age: float
    retry_after: float | None
    recoveries_failed: int
    generation: int
    calls: int
    failed: int
    slow: int
    streak: int
    trials: int
    trials_good: int
    trials_bad: int
    trials_lost: int
    late: int
    would_have_opened: int


class Circuit:
    """The state machine of one circuit. `settings`: see `Breaker`. `now`: when it was made, in monotonic seconds.

    For the shell to read without a lock: `pass_`, the token with which any call may go, or 0 when `admit`
    must be asked; `open_until`, the instant before which `admit` can only reject; `slow_after`, the seconds
    over which a call is slow.
    """

    __slots__ = (
        "_awaited",
        "_bad",
        "_good",
        "_late",
        "_lost",
        "_minimum",
        "_recoveries_failed",
        "_serial",
        "_since",
        "_trial_began",
        "_trials",
        "_u",
        "_window",
        "_would_have_opened",
        "generation",
        "open_until",
        "pass_",
        "reason",
        "settings",
        "slow_after",
        "state",
    )

    def __init__(self, settings: Breaker, now: float) -> None:
        self._serial = self.generation = 0
        self._recoveries_failed = self._late = self._would_have_opened = 0
        # The last chance that was given with a failure: with it opens a success that completes minimum_calls.
        self._u = 0.5
        self.open_until = self._trial_began = now
        self._trials: dict[int, float] = {}
        self.state: State = "closed"
        self._adopt(settings)
        self._window = _window_for(settings)
        self._enter("closed", now, "new", 0.0)

    # The way of every call.

    def admit(self, now: float, u: float) -> tuple[int, Transition | None]:
        """The token of one call, or 0 when it is rejected, and the move that this question led to."""
        if self.pass_:
            return self.pass_, None
        if self.state == "open" and now >= self.open_until:
            moved = self._move("half-open", now, f"the cooldown is over: {self.reason}")
            return self._trial(now), moved
        if self.state == "half-open":
            decided = self._expire(now, u)
            if decided is not None:
                return self.pass_, decided
            if len(self._trials) + self._good + self._bad < self.settings.permitted_calls:
                return self._trial(now), None
        return REJECTED

    def success(self, token: int, now: float) -> Transition | None:
        """A call went well, and fast enough."""
        if token != self._awaited:
            return self._settle(token, now, self._u, good=1)
        window = self._window
        window.good(now)
        # A success raises no rate: it decides only when it is the call that completes the minimum.
        return self._judge(now, self._u) if window.total == self._minimum else None

    def slow(self, token: int, now: float, u: float) -> Transition | None:
        """A call went well but took more than `slow_after`: no failure in the closed circuit, no success on trial."""
        return self._record(token, now, u, failed=False, slow=True)

    def failure(self, token: int, now: float, u: float, *, slow: bool = False) -> Transition | None:
        """A call failed. `slow`: it also took more than `slow_after`."""
        return self._record(token, now, u, failed=True, slow=slow)

    def ignored(self, token: int, now: float) -> None:
        """A call ended without saying anything about the dependency: its place on trial is free again."""
        if token != self._awaited:
            self._redeem(token, now)

    def throttled(self, token: int, now: float, u: float, retry_after: float | None) -> Transition | None:
        """The server asked to be left alone for `retry_after` seconds: open for that long, up to `cooldown_cap`.

        Without a positive number this is a failure like others.
        """
        if retry_after is None or not retry_after > 0:
            return self.failure(token, now, u)
        if token != self._awaited and not self._redeem(token, now):
            return None
        return self._trip(now, u, f"throttled by the server for {retry_after:.3g} s", retry_after)

    def retry_after(self, now: float) -> float | None:
        """Seconds until a call may go, 0 if at once; None where no time ends the state, or all trials are under way."""
        if self.pass_:
            return 0.0
        return max(0.0, self.open_until - now) if self.state == "open" else None

    # What humans, other processes and configuration files ask for.

    def isolate(self, now: float, why: str) -> Transition | None:
        """Reject every call until released. `why` is told to whoever is rejected."""
        return self._hold("isolated", now, why)

    def disable(self, now: float, why: str) -> Transition | None:
        """Admit every call and record nothing, until released."""
        return self._hold("disabled", now, why)

    def shadow(self, now: float, why: str) -> Transition | None:
        """Admit every call, record, and say when the circuit would have opened, until released."""
        return self._hold("shadow", now, why)

    def release(self, now: float, why: str) -> Transition | None:
        """End what a human holds, or a cooldown. What rejected calls goes on trial; what admitted them is closed.

        Failed recoveries are forgotten after a hold, so the next cooldown is a first one. After a cooldown that was
        cut short they are not: should the trial calls fail, it is the same outage still.
        """
        if self.state in ("closed", "half-open"):
            return None
        if self.state != "open":
            self._recoveries_failed = 0
        return self._move("half-open" if self.state in ("isolated", "open") else "closed", now, why)

    def trip(self, now: float, seconds: float, why: str) -> Transition | None:
        """Open because somebody else knows: another process, an alert. Up to `cooldown_cap` seconds.

        Only a closed or half-open circuit obeys: no time is added to one that is open already.
        """
        return self._trip(now, 0.0, why, seconds) if self.state in ("closed", "half-open") else None

    def update(self, settings: Breaker, now: float) -> tuple[str, ...]:
        """Obey other settings from now on. Returns what had to be forgotten, each in a few words.

        State, tokens of the closed circuit and the streak stay; nothing is judged before the next call that
        fails or is slow.
        """
        before = self.settings
        window, dropped = _carried_over(self._window, before, settings, now)
        self._window = window
        self._adopt(settings)
        if self.state == "open" and self.open_until - now > settings.longest_open:
            dropped.append(f"{self.open_until - now - settings.longest_open:.3g} s of the open time")
            self.open_until = now + settings.longest_open
        trial = (before.permitted_calls, before.needed, before.permit_expiry, before.max_half_open)
        if self.state == "half-open" and trial != (
            settings.permitted_calls,
            settings.needed,
            settings.permit_expiry,
            settings.max_half_open,
        ):
            dropped.append(f"{len(self._trials) + self._good + self._bad} trial calls: half-open begins anew")
            self._begin_trial(now)
        return tuple(dropped)

    def renew(self, now: float) -> None:
        """Be as new: closed, and without a memory; what was admitted before counts for nothing.

        The window and the trial calls are other objects from now on, so that who has kept the old can put them back.
        """
        self._recoveries_failed = self._late = self._would_have_opened = 0
        self._u = 0.5
        self._window = _window_for(self.settings)
        self._trials = {}
        self._enter("closed", now, "new", 0.0)

    def snapshot(self, now: float) -> Snapshot:
        """What is known now. Forgets what is too old, and changes nothing else."""
        window = self._window
        window.advance(now)
        return Snapshot(
            state=self.state,
            reason=self.reason,
            age=max(0.0, now - self._since),
            retry_after=self.retry_after(now),
            recoveries_failed=self._recoveries_failed,
            generation=self.generation,
            calls=window.total,
            failed=window.failed,
            slow=window.slow,
            streak=window.streak,
            trials=len(self._trials),
            trials_good=self._good,
            trials_bad=self._bad,
            trials_lost=self._lost,
            late=self._late,
            would_have_opened=self._would_have_opened,
        )

    def restore(self, snapshot: Snapshot, now: float) -> Transition | None:
        """Take over state, open time, reason and failed recoveries of another process or an earlier life.

        Outcomes are not taken over: the window starts empty. A circuit that was half-open is open with its
        cooldown over, since its trial calls will not come back here. Raises ConfigError for an unknown state.
        """
        if snapshot.state not in get_args(State):
            known = ", ".join(get_args(State))
            raise ConfigError([f"state: {snapshot.state!r}, allowed: {known}; write the snapshot anew"])
        state: State = "open" if snapshot.state == "half-open" else snapshot.state
        seconds = 0.0
        if snapshot.state == "open":
            seconds = min(max(0.0, snapshot.retry_after or 0.0), self.settings.longest_open)
        moved = self._move(state, now, snapshot.reason, seconds)
        self._recoveries_failed = max(0, snapshot.recoveries_failed)
        return None if moved.before == moved.after else moved

    # The decisions.

    def _record(self, token: int, now: float, u: float, *, failed: bool, slow: bool) -> Transition | None:
        self._u = u
        if token != self._awaited:
            return self._settle(token, now, u, good=0)
        self._window.record(now, failed, slow)
        return self._judge(now, u)

    def _judge(self, now: float, u: float) -> Transition | None:
        """Open if a rule is met."""
        if now < self.open_until and self.state == "shadow":
            return None
        window, said = self._window, self.settings
        total = window.total
        if said.consecutive is not None and window.streak >= said.consecutive:
            why = f"{window.streak} calls in a row failed"
        elif total < self._minimum:
            return None
        # Divided rather than multiplied: 0.55 * 100 is a little more than 55.
        elif said.failure_rate is not None and window.failed / total >= said.failure_rate:
            why = f"{window.failed} of {total} calls failed{window.span}"
        elif said.slow_after is not None and window.slow / total >= said.slow_rate:
            why = f"{window.slow} of {total} calls took over {said.slow_after:g} s{window.span}"
        else:
            return None
        return self._trip(now, u, why)

    def _cooldown(self, u: float) -> float:
        """How long to stay open: drawn between half the first cooldown and what failed recoveries made of it.

        Not from zero, as full jitter has it: a circuit that opens for no time rejects nothing, and sends trial calls
        into the failure that it has just seen. Not from the whole: then all processes that opened together would try
        again together.
        """
        said = self.settings
        # Bounded: a float that grows for ever ends in an OverflowError.
        grown = said.cooldown * said.cooldown_growth ** min(self._recoveries_failed, 100)
        lowest = said.cooldown / 2
        return lowest + u * (min(said.longest_open, grown) - lowest)

    def _trip(self, now: float, u: float, why: str, seconds: float | None = None) -> Transition:
        """Open for so many seconds, or for a drawn cooldown."""
        if self.state == "half-open":
            self._recoveries_failed += 1
        seconds = min(max(self._cooldown(u) if seconds is None else seconds, SHORTEST), self.settings.longest_open)
        if self.state == "shadow":
            self._would_have_opened += 1
            self._window.clear()
            # Not said again before a circuit that had opened could have opened once more.
            self.open_until = now + seconds
            return Transition("shadow", "shadow", f"would have opened: {why}", seconds)
        return self._move("open", now, why, seconds)

    def _settle(self, token: int, now: float, u: float, *, good: int) -> Transition | None:
        """The result of a trial call, or one that nobody awaits."""
        if not self._redeem(token, now):
            return None
        self._good += good
        self._bad += 1 - good
        said = self.settings
        if self._good >= said.needed:
            return self._close(now)
        if self._bad > said.permitted_calls - said.needed:
            tried = self._good + self._bad
            return self._trip(now, u, f"{self._bad} of {tried} trial calls failed or were slow")
        return None

    def _redeem(self, token: int, now: float) -> bool:
        """Whether this is the first result of a trial call that is still awaited; its place is free from now on."""
        expires = self._trials.pop(token, None)
        if expires is None:
            self._late += self.state != "disabled"
            return False
        if now >= expires:
            self._lost += 1
            self._late += 1
            return False
        return True

    def _expire(self, now: float, u: float) -> Transition | None:
        """Give up trial calls that have not come back; decide when half-open has lasted too long."""
        gone = [token for token, expires in self._trials.items() if now >= expires]
        for token in gone:
            del self._trials[token]
        self._lost += len(gone)
        if now - self._trial_began < self.settings.max_half_open:
            return None
        if self._good > self._bad + self._lost:
            return self._close(now)
        if self._bad + self._lost:
            why = f"after {now - self._trial_began:.3g} s of trial {self._good} calls succeeded, {self._bad} failed"
            return self._trip(now, u, f"{why}, {self._lost} never came back")
        # Nothing is known, for lack of calls or since all were ignored: as good as a beginning.
        self._trial_began = now
        return None

    def _close(self, now: float) -> Transition:
        self._recoveries_failed = 0
        return self._move("closed", now, f"{self._good} of {self._good + self._bad} trial calls succeeded")

    def _trial(self, now: float) -> int:
        self._serial += 1
        self._trials[self._serial] = now + self.settings.permit_expiry
        return self._serial

    def _hold(self, state: State, now: float, why: str) -> Transition | None:
        return None if self.state == state else self._move(state, now, why)

    def _move(self, state: State, now: float, why: str, seconds: float = 0.0) -> Transition:
        before = self.state
        self._enter(state, now, why, seconds)
        return Transition(before, state, why, seconds)

    def _enter(self, state: State, now: float, why: str, seconds: float) -> None:
        self.generation += 1
        self._serial += 1
        self.state = state
        self.reason = why
        self._since = now
        self._window.clear()
        self._begin_trial(now)
        self.open_until = FOREVER if state == "isolated" else now + seconds
        self.pass_ = self._serial if state in ("closed", "disabled", "shadow") else 0
        self._awaited = self._serial if state in ("closed", "shadow") else NONE_AWAITED

    def _begin_trial(self, now: float) -> None:
        self._trials.clear()
        self._good = self._bad = self._lost = 0
        self._trial_began = now

    def _adopt(self, settings: Breaker) -> None:
        self.settings = settings
        self._minimum = settings.minimum_calls
        self.slow_after = FOREVER if settings.slow_after is None else settings.slow_after


def _window_for(said: Breaker) -> CountWindow | TimeWindow:
    return CountWindow(said.window_calls) if said.window_calls is not None else TimeWindow(said.window or 30.0)


def _carried_over(
    window: CountWindow | TimeWindow, before: Breaker, said: Breaker, now: float
) -> tuple[CountWindow | TimeWindow, list[str]]:
    """A window for other settings, with what it can keep of the old one, and what it cannot."""
    dropped = []
    window.advance(now)
    total, slow = window.total, window.slow
    fresh = _window_for(said)
    if isinstance(window, CountWindow) and isinstance(fresh, CountWindow):
        fresh = window.resized(fresh.size)
    elif isinstance(window, TimeWindow) and isinstance(fresh, TimeWindow):
        fresh = window.resized(fresh.seconds)
        fresh.advance(now)
    else:
        fresh.streak = window.streak
    if total > fresh.total:
        dropped.append(f"{total - fresh.total} of {total} outcomes")
    if slow and before.slow_after != said.slow_after:
        dropped.append("which of the outcomes were slow, since slow_after has changed")
        fresh.forget_slow()
    return fresh, dropped
