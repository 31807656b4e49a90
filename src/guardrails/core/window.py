"""What the last calls did: the last N outcomes, or those of the last seconds, with running sums.

    window.record(now, failed, slow)         constant cost, however long the window is
    window.good(now)                         the same for neither, quicker
    window.advance(now)                      forget what is too old; record() has done so already
    window.total, window.failed, window.slow
    window.streak                            failures in a row, however old: a success ends it, nothing else

A verdict needs sums only, so nothing is ever scanned: the count window keeps two bits an outcome in a ring, the time
window one small tuple for each bucket in which something happened.
"""

from __future__ import annotations

FAILED = 1
SLOW = 2
# Widest error of a time window's edge: one sixtieth of its length.
BUCKETS = 60


class CountWindow:
    """The last `size` outcomes, 1 to 100,000, at one byte each.

    A verdict may rest on calls of yesterday: where traffic is thin, a time window forgets better.
    """

    __slots__ = ("_clean", "_next", "_ring", "failed", "size", "slow", "streak", "total")

    def __init__(self, size: int) -> None:
        self.size = size
        self.clear()

    def clear(self) -> None:
        """Forget everything, the streak included."""
        self._ring = bytearray(self.size)
        self._next = self.total = self.failed = self.slow = self.streak = 0
        # Whether it is full of good outcomes alone: one more changes nothing then, not even where it stands.
        self._clean = False

    def record(self, now: float, failed: bool, slow: bool) -> None:  # noqa: ARG002, FBT001 - both windows' one interface
        """Put one outcome in the place of the oldest."""
        place = self._next
        ring = self._ring
        # Two booleans as the bits FAILED and SLOW.
        mark = failed + slow + slow
        oldest = ring[place]
        if mark != oldest:
            ring[place] = mark
            self.failed += (mark & FAILED) - (oldest & FAILED)
            self.slow += (mark >> 1) - (oldest >> 1)
        size = self.size
        if self.total < size:
            self.total += 1
        place += 1
        self._next = place if place < size else 0
        self.streak = self.streak + 1 if failed else 0
        self._clean = self.total == size and not (self.failed or self.slow)

    def good(self, now: float) -> None:
        """`record(now, False, False)`, on the way of every call."""
        if self._clean:
            return
        place, size = self._next, self.size
        if self.total < size or self._ring[place]:
            self.record(now, False, False)  # noqa: FBT003
            return
        place += 1
        self._next = place if place < size else 0
        self.streak = 0

    def advance(self, now: float) -> None:
        """Nothing: outcomes are pushed out by newer ones, not by time."""

    def resized(self, size: int) -> CountWindow:
        """A window of this size, or this one, which remembers the newest of the outcomes and the streak."""
        if size == self.size:
            return self
        split = self._next if self.total == self.size else 0
        outcomes = (self._ring[split:] + self._ring[:split])[: self.total]
        other = CountWindow(size)
        for mark in outcomes[-size:]:
            other.record(0.0, bool(mark & FAILED), bool(mark & SLOW))
        other.streak = self.streak
        return other

    def forget_slow(self) -> None:
        """Take every remembered call as not slow: what slow means has changed."""
        self._ring = bytearray(mark & FAILED for mark in self._ring)
        self.slow = 0
        self._clean = self.total == self.size and not self.failed

    @property
    def span(self) -> str:
        """How a sentence about the sums goes on: `7 of 10 calls failed (window: 100 calls)`."""
        return f" (window: {self.size} calls)"


class Buckets:
    """Running sums whose parts are forgotten `seconds` after they were added: the time window and the retry budget.

    Time is cut into widths of seconds / buckets; a part is forgotten at the latest after `seconds` and at
    the earliest one width sooner. Buckets in which nothing happened are not stored, so an idle one is small.
    """

    __slots__ = ("_buckets", "_edge", "_index", "_past", "_width", "seconds")

    def __init__(self, seconds: float, buckets: int) -> None:
        self.seconds = seconds
        self._buckets = buckets
        self._width = seconds / buckets
        self._past: list[tuple[int, tuple[int, ...]]] = []
        # The instant at which the current bucket is over: the only thing to look at on the way.
        self._edge = float("-inf")
        self._index = -(1 << 62)

    def advance(self, now: float) -> None:
        """Close the current bucket if its time is over, and forget those that are too old."""
        if now < self._edge:
            return
        index = int(now // self._width)
        counts = self._close()
        if any(counts):
            self._past.append((self._index, counts))
        self._index = index
        self._edge = (index + 1) * self._width
        oldest = index - self._buckets
        gone = 0
        for at, counts in self._past:
            if at > oldest:
                break
            self._forget(counts)
            gone += 1
        del self._past[:gone]

    def _close(self) -> tuple[int, ...]:
        """What was added since the last time."""
        raise NotImplementedError

    def _forget(self, counts: tuple[int, ...]) -> None:
        """Take these off the sums."""
        raise NotImplementedError


class TimeWindow(Buckets):
    """The outcomes of the last `seconds`, 1 to 86,400, forgotten in sixtieths of it; the clock is monotonic."""

    __slots__ = ("_old_failed", "_old_slow", "_old_total", "failed", "slow", "streak", "total")

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds, BUCKETS)
        self.clear()

    def clear(self) -> None:
        """Forget everything, the streak included."""
        self._past.clear()
        self.total = self.failed = self.slow = self.streak = 0
        self._old_total = self._old_failed = self._old_slow = 0

    def record(self, now: float, failed: bool, slow: bool) -> None:  # noqa: FBT001 - both windows' one interface
        """Count one outcome now, after forgetting what is too old."""
        if now >= self._edge:
            self.advance(now)
        self.total += 1
        if slow:
            self.slow += 1
        if failed:
            self.failed += 1
            self.streak += 1
        else:
            self.streak = 0

    def good(self, now: float) -> None:
        """`record(now, False, False)`, on the way of every call."""
        if now >= self._edge:
            self.advance(now)
        self.total += 1
        self.streak = 0

    def resized(self, seconds: float) -> TimeWindow:
        """A window of this length, or this one, which remembers the outcomes, to a bucket's width, and the streak."""
        if seconds == self.seconds:
            return self
        past = [*self._past, (self._index, self._close())]
        other = TimeWindow(seconds)
        # A bucket is taken at its beginning, so that nothing is remembered longer than the new length.
        other._past = [(int(at * self._width // other._width), counts) for at, counts in past if any(counts)]
        other.total, other.failed, other.slow, other.streak = self.total, self.failed, self.slow, self.streak
        other._old_total, other._old_failed, other._old_slow = self.total, self.failed, self.slow
        return other

    def forget_slow(self) -> None:
        """Take every remembered call as not slow: what slow means has changed."""
        self._past = [(at, (total, failed, 0)) for at, (total, failed, _) in self._past]
        self.slow = self._old_slow = 0

    def _close(self) -> tuple[int, ...]:
        counts = (self.total - self._old_total, self.failed - self._old_failed, self.slow - self._old_slow)
        self._old_total, self._old_failed, self._old_slow = self.total, self.failed, self.slow
        return counts

    def _forget(self, counts: tuple[int, ...]) -> None:
        total, failed, slow = counts
        self.total -= total
        self.failed -= failed
        self.slow -= slow
        self._old_total, self._old_failed, self._old_slow = self.total, self.failed, self.slow

    @property
    def span(self) -> str:
        """How a sentence about the sums goes on: `7 of 10 calls failed in 30 s`."""
        return f" in {self.seconds:g} s"


Window = CountWindow | TimeWindow
