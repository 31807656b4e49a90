"""What a user says about a breaker: frozen, validated when made, all mistakes at once.

    Breaker(failure_rate=0.5, window=30, minimum_calls=10)     opens when half of the calls of 30 s failed
    Breaker(consecutive=5, failure_rate=None, cooldown=10)     opens after five failures in a row
    Breaker(slow_after=2.0)                                    opens when 80 % took over two seconds

Any rule that is met opens the circuit. The machine that obeys is `guardrails.core.breaker.Circuit`.
"""

from __future__ import annotations

from typing import NamedTuple

from guardrails.core.ranges import Checked, Ranges

# The shortest time for which a circuit opens, whoever asks: a shorter one is a busy loop of trial calls.
SHORTEST = 0.05


class _Fields(NamedTuple):
    failure_rate: float | None = 0.5
    consecutive: int | None = 10
    slow_after: float | None = None
    slow_rate: float = 0.8
    minimum_calls: int = 10
    window: float | None = None
    window_calls: int | None = None
    cooldown: float = 2.0
    cooldown_growth: float = 1.3
    cooldown_cap: float | None = None
    permitted_calls: int = 3
    success_threshold: int | None = None
    permit_expiry: float = 60.0
    max_half_open: float = 300.0


class Breaker(Checked, _Fields):
    """When a circuit opens, for how long, and what it takes to close it again.

    `failure_rate`: share of failed calls in the window, over 0 to 1, default 0.5; None: no such rule.
    `consecutive`: failures in a row, 1 to 10,000, default 10, at any traffic: a worker with three calls a
    minute never reaches `minimum_calls`. Ten, because at 10 % errors five in a row come by chance once in
    100,000 calls, and ten once in ten billion. None: no such rule.
    `slow_after`: seconds from which a call counts as slow, 0.001 to 3600; default None: none is slow.
    `slow_rate`: share of slow calls in the window that opens, over 0 to 1, default 0.8.
    `minimum_calls`: calls in the window before a rate says anything, 1 to 100,000, default 10.
    `window`: seconds to look back, 1 to 86,400; `window_calls`: the last calls instead, 1 to 100,000;
    default: 30 seconds. A count suits even traffic; time forgets last night's calls.
    `cooldown`: seconds for which the circuit opens first, 0.05 to 3600, default 2: most failures are short,
    and the growth finds those that are not. Drawn between half of it and all of it, later up to
    cooldown x growth^(failed recoveries), so that not all processes try again at once.
    `cooldown_growth`: 1 to 10, default 1.3: slow enough that eight processes are all back within ten seconds
    of a ten-second outage. `cooldown_cap`: seconds, from `cooldown` to 86,400, default 60, or `cooldown` if
    that is more; caps the server's Retry-After too.
    `permitted_calls`: trial calls in half-open, 1 to 1000, default 3. `success_threshold`: successes among
    them that close the circuit, 1 to `permitted_calls`; default: more than half, so that neither a lucky
    nor an unlucky call decides alone. A slow call is no success.
    `permit_expiry`: seconds after which a trial call that has not come back gives its place to another,
    0.05 to 86,400, default 60. Longer than your longest call: a result that comes later counts for nothing.
    `max_half_open`: seconds, `permit_expiry` to 604,800, default 300: then the circuit closes if more trial
    calls succeeded than failed or never came back, opens if not, and tries on if it has seen none.

    Raises ConfigError, a ValueError, that lists every mistake.
    """

    __slots__ = ()

    @property
    def needed(self) -> int:
        """How many of the permitted calls must succeed to close the circuit."""
        return self.success_threshold or self.permitted_calls // 2 + 1

    @property
    def longest_open(self) -> float:
        """Seconds for which the circuit opens at most."""
        return max(60.0, self.cooldown) if self.cooldown_cap is None else self.cooldown_cap

    def check(self, ranges: Ranges) -> None:
        """Tell `ranges` of every setting and what it may be."""
        share = "write a share such as 0.5"
        for name, rate in (("failure_rate", self.failure_rate), ("slow_rate", self.slow_rate)):
            none = "no such rule" if name == "failure_rate" else ""
            if ranges.number(name, rate, 0, 1, share, none=none):
                ranges.demand(rate != 0, name, rate, "over 0 to 1", "0 would open at the first call; " + share)
        ranges.number("consecutive", self.consecutive, 1, 10_000, "write a count", whole=True, none="no such rule")
        ranges.number("slow_after", self.slow_after, 0.001, 3600, "write seconds", none="no call is slow")
        minimum = ranges.number("minimum_calls", self.minimum_calls, 1, 100_000, "write a count", whole=True)
        ranges.number("window", self.window, 1, 86_400, "write seconds", none="30 s, or window_calls")
        calls = ranges.number("window_calls", self.window_calls, 1, 100_000, "write a count", whole=True, none="window")
        if self.window_calls is not None:
            ranges.demand(self.window is None, "window", self.window, "None beside window_calls", "name one of the two")
            if calls and minimum:
                fits = self.minimum_calls <= self.window_calls
                allowed = f"at most window_calls, {self.window_calls}"
                ranges.demand(fits, "minimum_calls", self.minimum_calls, allowed, "it could never be reached")
        cooldown = ranges.number("cooldown", self.cooldown, SHORTEST, 3600, "write seconds")
        ranges.number("cooldown_growth", self.cooldown_growth, 1, 10, "write a factor; 1: no growth")
        lowest = self.cooldown if cooldown else SHORTEST
        ranges.number(
            "cooldown_cap",
            self.cooldown_cap,
            lowest,
            86_400,
            "write seconds, not below cooldown",
            none="60 s, or cooldown",
        )
        permitted = ranges.number("permitted_calls", self.permitted_calls, 1, 1000, "write a count", whole=True)
        most = self.permitted_calls if permitted else 1000
        fix = "write a count, not above permitted_calls"
        ranges.number("success_threshold", self.success_threshold, 1, most, fix, whole=True, none="more than half")
        expiry = ranges.number("permit_expiry", self.permit_expiry, SHORTEST, 86_400, "write seconds")
        lowest = self.permit_expiry if expiry else SHORTEST
        ranges.number("max_half_open", self.max_half_open, lowest, 604_800, "write seconds, not below permit_expiry")
