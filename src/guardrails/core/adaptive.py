"""A bulkhead that finds its own size: calls that become slower than they used to be mean a queue over there.

    if limit.enter(): ... limit.leave(now, began)                 it went, and took now - began
                          limit.leave(now, began, dropped=True)   timed out, or was shed by the server
                          limit.ignore()                          cancelled: says nothing

Gradient2 of Netflix's concurrency-limits (long-term against present latency, room for a small queue) with the
multiplicative decrease of TCP for drops: once a round trip, since forty calls that time out together are one sign.
"""

from __future__ import annotations

from guardrails.core.ranges import Ranges

# Samples over which the long-term latency is averaged, and how many of the first ones find it.
LONG, WARM_UP = 600, 10
# Latency may grow by half before the limit shrinks: less is noise.
TOLERANCE = 1.5
# Calls that may queue at the dependency: without room for them the limit could never grow.
ROOM = 4
# How far one sample moves the limit.
SMOOTHING = 0.2
# What a drop leaves of the limit.
AFTER_DROP = 0.9


class AdaptiveLimit:
    """`lowest` and `highest`: bounds of the limit, 1 to 100,000, defaults 4 and 200; `start`: default 20.

    Raises ConfigError, a ValueError, that lists every mistake.
    """

    __slots__ = ("_exact", "_long", "_samples", "_shrunk", "active", "highest", "limit", "lowest")

    def __init__(self, lowest: int = 4, highest: int = 200, start: int = 20) -> None:
        ranges = Ranges()
        low = ranges.number("lowest", lowest, 1, 100_000, "write a count of calls", whole=True)
        least = lowest if low else 1
        high = ranges.number("highest", highest, least, 100_000, "write a count, not below lowest", whole=True)
        most = highest if high else 100_000
        ranges.number("start", start, least, most, "write a count from lowest to highest", whole=True)
        ranges.settle()
        self.lowest = lowest
        self.highest = highest
        self.limit = start
        self.active = 0
        self._exact = float(start)
        self._long = 0.0
        self._samples = 0
        self._shrunk = float("-inf")

    def enter(self) -> bool:
        """Take a place if one is free."""
        if self.active >= self.limit:
            return False
        self.active += 1
        return True

    def ignore(self) -> None:
        """A call ended without saying anything about the dependency."""
        self.active -= 1

    def leave(self, now: float, began: float, *, dropped: bool = False) -> None:
        """A call that began at `began` is over; the limit learns from it."""
        busy = self.active * 2 >= self.limit
        self.active -= 1
        if dropped:
            # A call that began before the last decrease met the same crowd: it tells nothing new.
            if began >= self._shrunk:
                self._shrunk = now
                self._set(self._exact * AFTER_DROP)
            return
        took = now - began
        if took <= 0:
            return
        self._remember(took)
        # Half empty: the calls say nothing about what a fuller dependency would do.
        if busy:
            gradient = max(0.5, min(1.0, TOLERANCE * self._long / took))
            wanted = self._exact * gradient + ROOM
            self._set(self._exact * (1 - SMOOTHING) + wanted * SMOOTHING)

    def _remember(self, took: float) -> None:
        self._samples += 1
        if self._samples <= WARM_UP:
            self._long += (took - self._long) / self._samples
            return
        self._long += (took - self._long) * 2 / (LONG + 1)
        # After a long overload the average is high; a recovery must not take it for the rule.
        if self._long > 2 * took:
            self._long *= 0.95

    def _set(self, limit: float) -> None:
        self._exact = max(float(self.lowest), min(float(self.highest), limit))
        self.limit = int(self._exact)
