"""How many retries and hedges a dependency can afford: a share of its first attempts, and a few each second.

    budget.deposit(now)                  each first attempt, on the way of every call
    budget.withdraw(now)                 before each retry or hedge; False: it is not affordable
    budget.withdraw(now, timeout=True)   after a timeout, which has already cost the dependency the most

Retries are a loan on health: where most calls fail, nothing is deposited that could pay for the flood. One budget a
dependency, shared by all that multiply calls. After Finagle's RetryBudget, with the double price of a timeout from the
AWS SDKs.
"""

from __future__ import annotations

from guardrails.core.ranges import Ranges
from guardrails.core.window import Buckets

# A balance in deposits is a sum of small integers times a ratio: this much is rounding.
ROUNDING = 1e-9


class RetryBudget(Buckets):
    """A token bucket whose tokens expire.

    `ratio`: retries and hedges for each first attempt, 0 to 1, default 0.1: services run with some 10 to
    20 % to spare, so one call in ten more keeps a dependency on its feet, one in five may not. 0: the floor
    alone. `floor`: retries a second on top, 0 to 1000, default 1, for thin traffic. `seconds`: how long a
    deposit and a withdrawal count, 1 to 3600, default 10.

    Raises ConfigError, a ValueError, that lists every mistake.
    """

    __slots__ = ("_deposits", "_old_deposits", "_old_withdrawn", "_reserve", "_withdrawn", "floor", "ratio")

    def __init__(self, ratio: float = 0.1, floor: float = 1.0, seconds: float = 10.0) -> None:
        ranges = Ranges()
        ranges.number("ratio", ratio, 0, 1, "write a share such as 0.1")
        ranges.number("floor", floor, 0, 1000, "write retries a second")
        ranges.number("seconds", seconds, 1, 3600, "write seconds")
        ranges.settle()
        super().__init__(seconds, 10)
        self.ratio = ratio
        self.floor = floor
        self._reserve = floor * seconds + ROUNDING
        self._deposits = self._withdrawn = self._old_deposits = self._old_withdrawn = 0

    def deposit(self, now: float) -> None:
        """A first attempt begins."""
        if now >= self._edge:
            self.advance(now)
        self._deposits += 1

    def withdraw(self, now: float, *, timeout: bool = False) -> bool:
        """Whether one retry or hedge is affordable; if so it is paid. `timeout`: the attempt before it timed out."""
        self.advance(now)
        price = 2 if timeout else 1
        if self._withdrawn + price > self._deposits * self.ratio + self._reserve:
            return False
        self._withdrawn += price
        return True

    def balance(self, now: float) -> float:
        """Retries that are affordable now; below 0 for a while when deposits have expired before what they paid."""
        self.advance(now)
        return self._deposits * self.ratio + self._reserve - ROUNDING - self._withdrawn

    def _close(self) -> tuple[int, ...]:
        counts = (self._deposits - self._old_deposits, self._withdrawn - self._old_withdrawn)
        self._old_deposits, self._old_withdrawn = self._deposits, self._withdrawn
        return counts

    def _forget(self, counts: tuple[int, ...]) -> None:
        deposits, withdrawn = counts
        self._deposits -= deposits
        self._withdrawn -= withdrawn
        self._old_deposits, self._old_withdrawn = self._deposits, self._withdrawn
