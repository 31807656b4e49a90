"""A circuit written for clarity alone: every call and every outcome is kept in lists, all sums are counted anew."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from guardrails.core.settings import Breaker


@dataclass(eq=False)
class Call:
    """One admitted call. `era`: the period of the circuit in which it was admitted."""

    era: int
    began: float
    trial: bool
    result: str | None = None


@dataclass
class NaiveCircuit:
    said: Breaker
    state: str = "closed"
    era: int = 0
    # (when, failed, slow)
    outcomes: list[tuple[float, bool, bool]] = field(default_factory=list)
    streak: int = 0
    calls: list[Call] = field(default_factory=list)
    opens_until: float = 0.0
    trial_began: float = 0.0
    recoveries_failed: int = 0
    late: int = 0
    would_have_opened: int = 0
    told: list[tuple[str, str]] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        return self.said.window or 30.0

    def goto(self, state: str, now: float, seconds: float = 0.0) -> None:
        self.told.append((self.state, state))
        self.state, self.era = state, self.era + 1
        self.outcomes, self.streak, self.calls = [], 0, []
        self.opens_until = now + seconds
        self.trial_began = now

    def remembered(self, now: float) -> list[tuple[float, bool, bool]]:
        if self.said.window_calls is not None:
            self.outcomes = self.outcomes[-self.said.window_calls :]
        else:
            width = self.seconds / 60
            self.outcomes = [o for o in self.outcomes if o[0] // width > now // width - 60]
        return self.outcomes

    def trials(self, now: float) -> tuple[int, int, int, int]:
        """Under way, good, bad, lost."""
        results = [call.result for call in self.calls]
        waiting = [call for call in self.calls if call.result is None]
        expired = [call for call in waiting if now - call.began >= self.said.permit_expiry]
        return len(waiting) - len(expired), results.count("good"), results.count("bad"), len(expired)

    def admit(self, now: float, u: float) -> Call | None:
        if self.state == "open" and now >= self.opens_until:
            self.goto("half-open", now)
        if self.state == "half-open":
            self.grow_old(now, u)
        if self.state in ("closed", "shadow", "disabled"):
            return Call(self.era, now, trial=False)
        if self.state == "half-open":
            under_way, good, bad, _ = self.trials(now)
            if under_way + good + bad < self.said.permitted_calls:
                self.calls.append(Call(self.era, now, trial=True))
                return self.calls[-1]
        return None

    def grow_old(self, now: float, u: float) -> None:
        if now - self.trial_began < self.said.max_half_open:
            return
        _, good, bad, lost = self.trials(now)
        if good > bad + lost:
            self.recoveries_failed = 0
            self.goto("closed", now)
        elif bad + lost > 0:
            self.open(now, u)
        else:
            self.trial_began = now

    def drawn(self, u: float) -> float:
        longest = self.said.cooldown
        for _ in range(self.recoveries_failed):
            longest = min(longest * self.said.cooldown_growth, self.said.longest_open)
        shortest = self.said.cooldown / 2
        return shortest + (longest - shortest) * u

    def open(self, now: float, u: float, seconds: float | None = None) -> None:
        if self.state == "half-open":
            self.recoveries_failed += 1
        seconds = sorted([0.05, self.drawn(u) if seconds is None else seconds, self.said.longest_open])[1]
        if self.state == "shadow":
            self.would_have_opened += 1
            self.outcomes, self.streak = [], 0
            self.opens_until = now + seconds
            self.told.append(("shadow", "shadow"))
            return
        self.goto("open", now, seconds)

    def awaited(self, call: Call, now: float) -> bool:
        if call.era != self.era:
            return False
        if call.trial:
            return call in self.calls and call.result is None and now - call.began < self.said.permit_expiry
        return self.state in ("closed", "shadow")

    def settle(self, call: Call, now: float, how: str, u: float, retry_after: float | None = None) -> None:
        if how == "throttled" and not (retry_after is not None and retry_after > 0):
            how = "failed"
        if not self.awaited(call, now):
            self.late += self.state != "disabled"
        elif how == "ignored":
            call.result = "ignored"
        elif how == "throttled":
            call.result = "throttled"
            self.open(now, u, retry_after)
        elif call.trial:
            call.result = "good" if how == "success" else "bad"
            _, good, bad, _ = self.trials(now)
            if good >= self.said.needed:
                self.recoveries_failed = 0
                self.goto("closed", now)
            elif self.said.permitted_calls - bad < self.said.needed:
                self.open(now, u)
        else:
            self.count(now, how, u)

    def count(self, now: float, how: str, u: float) -> None:
        failed, slow = how in ("failed", "failed slowly"), how in ("slow", "failed slowly")
        self.outcomes.append((now, failed, slow))
        self.streak = self.streak + 1 if failed else 0
        seen = self.remembered(now)
        if self.state == "shadow" and now < self.opens_until:
            return
        # A success raises no rate: it decides only as the call that completes the minimum.
        if (how != "success" or len(seen) == self.said.minimum_calls) and self.must_open(seen):
            self.open(now, u)

    def must_open(self, seen: list[tuple[float, bool, bool]]) -> bool:
        said = self.said
        if said.consecutive is not None and self.streak >= said.consecutive:
            return True
        if len(seen) < said.minimum_calls:
            return False
        failed = sum(o[1] for o in seen) / len(seen)
        slow = sum(o[2] for o in seen) / len(seen)
        by_failures = said.failure_rate is not None and failed >= said.failure_rate
        return by_failures or (said.slow_after is not None and slow >= said.slow_rate)

    def hold(self, state: str, now: float) -> None:
        if self.state != state:
            self.goto(state, now)

    def release(self, now: float) -> None:
        after = {"isolated": "half-open", "open": "half-open", "disabled": "closed", "shadow": "closed"}.get(self.state)
        if after is not None:
            if self.state != "open":
                self.recoveries_failed = 0
            self.goto(after, now)

    def trip(self, now: float, seconds: float) -> None:
        if self.state in ("closed", "half-open"):
            self.open(now, 0.0, seconds)

    def update(self, said: Breaker, now: float) -> None:
        old, seen = self.said, self.remembered(now)
        if (said.window_calls is None) != (old.window_calls is None):
            seen = []
        elif said.window_calls is None and (said.window or 30.0) != self.seconds:
            width = self.seconds / 60
            seen = [(at // width * width, failed, slow) for at, failed, slow in seen]
        if said.slow_after != old.slow_after:
            seen = [(at, failed, False) for at, failed, _ in seen]
        self.said, self.outcomes = said, seen
        self.remembered(now)
        if self.state == "open":
            self.opens_until = min(self.opens_until, now + said.longest_open)
        trial = ("permitted_calls", "needed", "permit_expiry", "max_half_open")
        if self.state == "half-open" and any(getattr(old, name) != getattr(said, name) for name in trial):
            self.calls, self.trial_began = [], now
