"""Waiting for a place of a bulkhead: threads, and the tasks of `tasks`, in one queue, first come, first served.

A place that becomes free is given to whoever waits longest; he owns it from that instant, even if he gives up in the
same one, and then passes it on. Behind the bulkhead is the rate limit: whoever has a place waits for his turn.
"""

from __future__ import annotations

from _thread import allocate_lock
from collections import deque
from typing import TYPE_CHECKING, Protocol

from guardrails import hooks
from guardrails.core.bulkhead import Places
from guardrails.errors import BulkheadFull, RateLimited

if TYPE_CHECKING:
    from guardrails.core.adaptive import Gradient
    from guardrails.core.rate import Pace
    from guardrails.policies.engine import Engine
    from guardrails.policies.limits import AdaptiveLimit
    from guardrails.policies.outcomes import Outcome
    from guardrails.policies.settings import Bulkhead


class Waiter(Protocol):
    """One who waits. `lost`: a place was his, and he was not there to hear it."""

    lost: bool

    def wake(self) -> bool:
        """Say that the place is his; False: nobody is there to hear it."""
        ...


class ThreadWaiter:
    """A thread that waits."""

    __slots__ = ("_lock", "lost")

    def __init__(self) -> None:
        self.lost = False
        self._lock = allocate_lock()
        self._lock.acquire()

    def wake(self) -> bool:
        self._lock.release()
        return True

    def wait(self, seconds: float) -> bool:
        """Whether somebody woke it in time."""
        return self._lock.acquire(timeout=seconds)


class Queue(Places):
    """The places of one bulkhead, and those who wait for one. For use under the lock of its guard.

    `size`: what finds how many there are, None: that was said. It may be given, with what it has learned.
    """

    __slots__ = ("longest_wait", "size", "waiters")

    # It is its own gate where there is no rate limit.
    pace = None

    def __init__(self, said: Bulkhead | AdaptiveLimit, size: Gradient | None = None) -> None:
        if said.adaptive:
            self.size: Gradient | None = size or said.machine()
            super().__init__(self.size.limit, said.waiting)
        else:
            self.size = None
            super().__init__(said.limit, said.waiting)
        self.longest_wait = said.longest_wait
        self.waiters: deque[Waiter] = deque()

    def obey(self, said: Bulkhead | AdaptiveLimit) -> list[Waiter]:
        """Obey other limits from now on. Returns whom to wake, since they have places now."""
        self.longest_wait = said.longest_wait
        if not said.adaptive:
            self.size = None
            return self._resized(said.limit, said.waiting)
        if self.size is None:
            self.size = said.machine()
        else:
            self.size.bound(said.lowest, said.highest)
        return self._resized(self.size.limit, said.waiting)

    def learn(self, now: float, began: float, took: float, outcome: Outcome, *, late: bool) -> list[Waiter]:
        """Let the limit learn from a call that still has its place. Returns whom to wake, since they have places now.

        `late`: whether it timed out.
        """
        size = self.size
        if size is None:
            return []
        if outcome.kind == "success":
            size.answered(now, began, took, busy=self.active * 2 >= self.limit)
        elif outcome.kind == "throttled" or (outcome.kind == "failure" and late):
            size.dropped(now, began)
        return [] if size.limit == self.limit else self._resized(size.limit, self.most_waiting)

    def _resized(self, limit: int, waiting: int) -> list[Waiter]:
        return [self.waiters.popleft() for _ in range(self.resize(limit, waiting))]

    @property
    def places(self) -> Queue:
        """As a gate has them."""
        return self

    def depart(self) -> Waiter | None:
        """Give a place back. Returns whom to wake, since it is his now."""
        return self.waiters.popleft() if self.leave() else None


class Gate:
    """The way into a guard with more than a bulkhead: what there is else takes time, so nobody just walks in."""

    __slots__ = ("longest_wait", "pace", "places")

    # There is never a place in itself.
    active = limit = 0

    def __init__(self, places: Queue | None, pace: Pace | None, longest_wait: float) -> None:
        self.places = places
        self.pace = pace
        self.longest_wait = longest_wait


def book(engine: Engine, gate: Queue | Gate, ends: float | None) -> float:
    """Book the turn of one call. Returns how many seconds to wait for it. Raises RateLimited."""
    pace = gate.pace
    now = engine.tick()
    if pace is None or (ends is not None and now >= ends):
        # What is too late to begin takes no turn from others.
        return 0.0
    longest = gate.longest_wait if ends is None else min(gate.longest_wait, max(0.0, ends - now))
    with engine.lock:
        seconds = pace.take(now, longest)
    if seconds <= longest:
        return seconds
    if hooks._listeners:
        hooks.emit("rejections_total", 1.0, {"guard": engine.label, "reason": "rate"})
    raise RateLimited(engine.name, pace.rate, pace.burst, seconds, longest)


def learn(
    engine: Engine, places: Queue, now: float, began: float, took: float, outcome: Outcome, *, late: bool
) -> None:
    """Let an adaptive limit learn from a call that still has its place."""
    with engine.lock:
        woken = places.learn(now, began, took, outcome, late=late)
    for waiter in woken:
        wake(engine, places, waiter)


def wait_for_place(engine: Engine, places: Queue, ends: float | None) -> Queue:
    """Wait in this thread until a place is ours, at most until the instant `ends`. Raises BulkheadFull."""
    waiter = ThreadWaiter()
    seconds = line_up(engine, places, waiter, ends)
    try:
        woken = waiter.wait(seconds)
    except BaseException:
        give_up(engine, places, waiter)
        raise
    if not woken and left_in_time(engine, places, waiter):
        raise full(engine, places, seconds)
    tell_inside(engine, 1)
    return places


def line_up(engine: Engine, places: Queue, waiter: Waiter, ends: float | None) -> float:
    """Enter the queue. Returns how many seconds to wait. Raises BulkheadFull."""
    now = engine.tick()
    with engine.lock:
        # One may have become free in between: as if woken already.
        entered = places.enter()
        queued = not entered and places.queue()
        if queued:
            places.waiters.append(waiter)
    if entered:
        waiter.wake()
    elif not queued:
        raise full(engine, places, 0.0)
    return places.longest_wait if ends is None else min(places.longest_wait, max(0.0, ends - now))


def give_up(engine: Engine, places: Queue, waiter: Waiter) -> None:
    """Stop waiting because the caller is interrupted; a place that is ours already goes to the next."""
    if not left_in_time(engine, places, waiter):
        give_back(engine, places)


def left_in_time(engine: Engine, places: Queue, waiter: Waiter) -> bool:
    """Leave the queue; False: a place is ours already."""
    with engine.lock:
        if waiter.lost:
            return True
        if waiter not in places.waiters:
            return False
        places.waiters.remove(waiter)
        places.abandon()
        return True


def give_back(engine: Engine, places: Queue) -> None:
    """Give a place back, and nothing more."""
    with engine.lock:
        woken = places.depart()
    if woken is not None:
        wake(engine, places, woken)


def wake(engine: Engine, places: Queue, waiter: Waiter) -> None:
    """Tell one who waits that a place is his; if nobody is there any more, the next."""
    if not waiter.wake():
        give_back(engine, places)


def tell_inside(engine: Engine, change: int) -> None:
    """Emit that so many calls more are in the bulkhead: a change, since guards of one name have several."""
    if hooks._listeners:
        hooks.emit("bulkhead_calls", change, {"guard": engine.label})


def full(engine: Engine, places: Queue, waited: float) -> BulkheadFull:
    """The error for a call without a place."""
    if hooks._listeners:
        hooks.emit("rejections_total", 1.0, {"guard": engine.label, "reason": "bulkhead"})
    return BulkheadFull(engine.name, places.limit, places.waiting, waited)
