"""How large a bulkhead may be: calls that become slower than they used to be mean a queue over there.

    size.answered(now, began, took, busy=True)     a call was answered; busy: half of the places, or more, were taken
    size.dropped(now, began)                       a call timed out, or was shed by the server
    size.limit                                     how many calls may run at once now

What ended in another way (cancelled, refused, an error that came quickly) says nothing and is not told.
Gradient2 of Netflix's concurrency-limits (long-term against present latency, room for a small queue) with the
multiplicative decrease of TCP for drops. Both once a round trip: calls that were under way together are one sign, and
one that began before the last step met another crowd.
"""

from __future__ import annotations

from guardrails.core.ranges import Ranges

# Seconds over which the long-term latency is averaged, and how many of the first calls find it. In seconds, because an
# average over calls would take a flood of a second or two for the rule, and the limit would follow it upwards.
LONG, WARM_UP = 600.0, 10
# Latency may grow by half before the limit shrinks: less is noise.
TOLERANCE = 1.5
# Calls that may queue at the dependency: without room for them the limit could never grow.
ROOM = 4
# How many calls make a step, and how far it goes.
ENOUGH, SMOOTHING = 10, 0.2
# What a drop leaves of the limit.
AFTER_DROP = 0.9


class Gradient:
    """`lowest` and `highest`: bounds of the limit, 1 to 100,000, defaults 4 and 200; `start`: default 20.

    Raises ConfigError, a ValueError, that lists every mistake.
    """

    __slots__ = (
        "_busy",
        "_exact",
        "_last",
        "_long",
        "_samples",
        "_seen",
        "_shrunk",
        "_stepped",
        "_sum",
        "highest",
        "limit",
        "lowest",
    )

    _busy: bool

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
        self._exact = float(start)
        self._last = 0.0
        self._long = 0.0
        self._samples = 0
        self._shrunk = float("-inf")
        self._begin(float("-inf"))

    def bound(self, lowest: int, highest: int) -> None:
        """Keep other bounds from now on, and what was learned within them."""
        self.lowest = lowest
        self.highest = highest
        self._set(self._exact)

    def answered(self, now: float, began: float, took: float, *, busy: bool) -> None:
        """A call that began at `began` was answered; `took`: seconds to its answer, of a stream to the first item."""
        if took <= 0:
            return
        self._remember(now, took)
        if began < self._stepped:
            return
        self._seen += 1
        self._sum += took
        self._busy = self._busy or busy
        if self._seen < min(ENOUGH, self.limit):
            return
        # Half empty: the calls say nothing about what a fuller dependency would do.
        if self._busy:
            gradient = max(0.5, min(1.0, TOLERANCE * self._long * self._seen / self._sum))
            wanted = self._exact * gradient + ROOM
            self._set(self._exact * (1 - SMOOTHING) + wanted * SMOOTHING)
        self._begin(now)

    def dropped(self, now: float, began: float) -> None:
        """A call that began at `began` timed out, or was shed."""
        # Not since the last step: a call that times out began many of them ago.
        if began >= self._shrunk:
            self._shrunk = now
            self._set(self._exact * AFTER_DROP)
            self._begin(now)

    def _begin(self, now: float) -> None:
        """Look at calls that begin from now on."""
        self._stepped = now
        self._seen = 0
        self._sum = 0.0
        self._busy = False

    def _remember(self, now: float, took: float) -> None:
        # Two threads may have read the clock out of order.
        passed, self._last = max(0.0, now - self._last), now
        if self._samples < WARM_UP:
            self._samples += 1
            self._long += (took - self._long) / self._samples
            return
        self._long += (took - self._long) * min(1.0, passed / LONG)
        # After a long overload the average is high; a recovery must not take it for the rule.
        if self._long > 2 * took:
            self._long *= 0.95

    def _set(self, limit: float) -> None:
        self._exact = max(float(self.lowest), min(float(self.highest), limit))
        self.limit = int(self._exact)
