"""When a second call may overtake the first: after the time in which 95 of 100 calls were done.

    hedge.record(took)      each call that ended by itself, in seconds
    hedge.delay()           start the second call after so long; None: too little is known, do not

With that delay one call in twenty is doubled, and the budget pays for it. Only for calls that may happen twice.
After "The Tail at Scale" (Dean and Barroso, 2013).
"""

from __future__ import annotations

from guardrails.core.ranges import Ranges

# How many calls are remembered, and after how many new ones the quantile is taken again: sorting costs.
REMEMBERED, RENEWED_AFTER = 100, 10


class HedgeDelay:
    """`quantile`: share of calls that end before the second starts, 0.5 to 0.999, default 0.95.

    `minimum_calls`: calls before anything is said, 20 to 100, default 20: of fewer, one in twenty is none.
    Raises ConfigError, a ValueError, that lists every mistake.
    """

    __slots__ = ("_delay", "_next", "_stale", "_took", "minimum_calls", "quantile")

    def __init__(self, quantile: float = 0.95, minimum_calls: int = 20) -> None:
        ranges = Ranges()
        ranges.number("quantile", quantile, 0.5, 0.999, "write a share such as 0.95")
        ranges.number("minimum_calls", minimum_calls, 20, REMEMBERED, "write a count of calls", whole=True)
        ranges.settle()
        self.quantile = quantile
        self.minimum_calls = minimum_calls
        self._took: list[float] = []
        self._next = 0
        self._stale = RENEWED_AFTER
        self._delay = 0.0

    def record(self, took: float) -> None:
        """Remember how long a call took, in place of the oldest."""
        if len(self._took) < REMEMBERED:
            self._took.append(took)
        else:
            self._took[self._next] = took
            self._next = (self._next + 1) % REMEMBERED
        self._stale += 1

    def delay(self) -> float | None:
        """Seconds after which a second call is worth its price."""
        if len(self._took) < self.minimum_calls:
            return None
        if self._stale >= RENEWED_AFTER:
            self._stale = 0
            ordered = sorted(self._took)
            # The smallest value that at least this share of the calls did not exceed.
            self._delay = ordered[min(len(ordered) - 1, -int(-self.quantile * len(ordered) // 1) - 1)]
        return self._delay
