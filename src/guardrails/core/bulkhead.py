"""How many calls may run at once, and how many may wait for a place: a counter, no semaphore.

    places.enter()     a place, at once                       True / False
    places.queue()     a place in the queue, if enter() failed  True / False: reject
    places.leave()     True: the place went to whoever waits longest; the shell wakes exactly one
    places.abandon()   a waiter has given up before it was woken

A place that becomes free with somebody waiting never becomes free: it changes hands, so that a call which comes later
cannot take it from one that waits. A waiter that was woken owns its place, even if it gave up in that instant: it then
calls leave(), not abandon().
"""

from __future__ import annotations

from guardrails.core.ranges import Ranges


class Places:
    """`limit`: calls at once, 1 to 100,000. `waiting`: how many more may wait, 0 to 100,000, default 0: reject at once.

    Why 0: a queue helps against bursts and harms in an outage, where it makes everybody late. Raises ConfigError,
    a ValueError, that lists every mistake.
    """

    __slots__ = ("active", "limit", "most_waiting", "waiting")

    def __init__(self, limit: int, waiting: int = 0) -> None:
        self.active = self.waiting = 0
        self.resize(limit, waiting)

    def resize(self, limit: int, waiting: int = 0) -> int:
        """Obey other limits from now on; nobody is thrown out. Returns how many waiters have a place now: wake them."""
        ranges = Ranges()
        ranges.number("limit", limit, 1, 100_000, "write how many calls may run at once", whole=True)
        ranges.number("waiting", waiting, 0, 100_000, "write how many calls may wait", whole=True)
        ranges.settle()
        self.limit = limit
        self.most_waiting = waiting
        woken = max(0, min(self.waiting, limit - self.active))
        self.waiting -= woken
        self.active += woken
        return woken

    def enter(self) -> bool:
        """Take a place if one is free."""
        if self.active >= self.limit:
            return False
        self.active += 1
        return True

    def queue(self) -> bool:
        """Take a place in the queue if one is free; call it only when enter() has failed."""
        if self.waiting >= self.most_waiting:
            return False
        self.waiting += 1
        return True

    def leave(self) -> bool:
        """Give a place back. True: it belongs to the one who waits longest, and the shell must wake it."""
        if self.waiting and self.active <= self.limit:
            self.waiting -= 1
            return True
        self.active -= 1
        return False

    def abandon(self) -> None:
        """Leave the queue without having been woken."""
        self.waiting -= 1
