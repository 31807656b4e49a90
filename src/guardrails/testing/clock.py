"""A clock that stands still until a test moves it: a simulated day passes in an instant.

clock = VirtualClock()
clock.advance(30.0)       # half a minute later, for both clocks; timers that are due by then ring
await clock.asleep(2.0)   # a dependency that takes two seconds, and no time
clock.jump_wall(-3600.0)  # somebody sets the host's clock back an hour
"""

from __future__ import annotations

import contextlib
import heapq
import random
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from contextvars import Context

# How many rounds of its loop a task that waits leaves to the others before it lets time pass: enough for tasks that
# hand results to one another. Rounds, not seconds of the host: no test is to depend on how fast a machine is.
ROUNDS = 25
# How many timers may lie about, most of them cancelled, before they are looked through.
SWEPT_FROM = 1000


class VirtualClock:
    """A `guardrails.Clock` for tests: starts where told, moves when told, and rolls the same dice each time.

    `start`: what `monotonic()` says first, in seconds; default 0. `wall`: what `wall()` says first, in
    seconds since 1970-01-01 UTC; default 1,750,000,000, a Sunday in June 2025. `seed`: two clocks of one
    seed roll the same numbers; default 0.

    Who waits by it lets time pass, and takes none: threads with `sleep`, tasks with `asleep`. It knows nothing of
    sockets and of other threads' work: time may pass while they are busy.
    """

    def __init__(self, start: float = 0.0, wall: float = 1_750_000_000.0, seed: int = 0) -> None:
        self._start = start
        self._wall = wall
        # Counted from zero, so that a large start does not blunt small steps of the other clock.
        self._elapsed = 0.0
        self._random = random.Random(seed)  # noqa: S311 - chance for tests
        self._timers: list[VirtualTimer] = []
        self._enough = SWEPT_FROM
        # Of timers that were set and rings: where it stands still, nobody did anything with the clock.
        self._serial = 0
        # Its own thread may take it twice: a timer that rings may set another.
        self._lock = threading.RLock()

    @property
    def elapsed(self) -> float:
        """Seconds that have passed since the clock was made: what all waits by it came to, and all `advance`."""
        return self._elapsed

    def monotonic(self) -> float:
        """Seconds since some fixed moment; moved by `advance` and by those who wait, never set back."""
        return self._start + self._elapsed

    def wall(self) -> float:
        """Seconds since 1970-01-01 UTC; moved like `monotonic`, and by `jump_wall`."""
        return self._wall + self._elapsed

    def chance(self) -> float:
        """The next number in [0, 1) of the seed's sequence."""
        return self._random.random()

    def advance(self, seconds: float) -> None:
        """Let time pass on both clocks, and let the timers ring that are due. Raises ValueError for a negative or
        endless span, or one that is no number.
        """
        if not 0 <= seconds < float("inf"):
            raise ValueError(
                f"time passes forwards and in finite steps, not by {seconds:g} s: "
                "set the wall clock back with jump_wall()"
            )
        with self._lock:
            self._move(self._elapsed + seconds)

    def jump_wall(self, seconds: float) -> None:
        """Set the host's clock forward or, with a negative number, back; `monotonic()` does not notice."""
        self._wall += seconds

    # What guards, and the fakes of a test, wait by.

    def sleep(self, seconds: float) -> None:
        """Wait in this thread: time passes at once."""
        self.advance(seconds)

    async def asleep(self, seconds: float) -> None:
        """Wait in this task. Time passes when nobody else has anything to do, and for the task that is due first.

        "Nobody else" is a guess: the loop has gone round 25 times, and nobody has done anything with the clock.
        """
        import asyncio

        woken: list[bool] = []
        timer = VirtualTimer(asyncio.get_running_loop(), woken.append, (True,))
        self._set(timer, seconds)
        seen, rounds = self._serial, 0
        try:
            while not woken:
                await asyncio.sleep(0)
                rounds = rounds + 1 if self._serial == seen else 0
                seen = self._serial
                if rounds >= ROUNDS:
                    self._to_the_next()
        finally:
            timer.cancel()

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> VirtualTimer:
        """Call `callback` in the loop that runs now, `delay` seconds later: what loops have under this name.

        At the latest when the host's clock has come so far: for a call that hangs, nobody lets virtual time pass.
        """
        import asyncio

        loop = asyncio.get_running_loop()
        timer = VirtualTimer(loop, callback, args)
        self._set(timer, delay)
        timer.backstop = loop.call_later(delay, self._overtaken, timer, context=context)
        return timer

    def _set(self, timer: VirtualTimer, delay: float) -> None:
        if not delay < float("inf"):
            raise ValueError(f"nobody waits for {delay:g} s: wait for what never comes with asyncio.Event().wait()")
        with self._lock:
            timer.due = self._elapsed + max(0.0, delay)
            self._serial += 1
            timer.serial = self._serial
            heapq.heappush(self._timers, timer)
            if len(self._timers) > self._enough:
                self._timers = [other for other in self._timers if not other.cancelled]
                heapq.heapify(self._timers)
                self._enough = max(SWEPT_FROM, 2 * len(self._timers))

    def _overtaken(self, timer: VirtualTimer) -> None:
        """The host's clock has come to a timer first."""
        with self._lock:
            self._move(timer.due)

    def _to_the_next(self) -> None:
        with self._lock:
            self._forget()
            if self._timers:
                self._move(self._timers[0].due)

    def _move(self, until: float) -> None:
        while True:
            self._forget()
            if not self._timers or self._timers[0].due > until:
                break
            timer = heapq.heappop(self._timers)
            self._elapsed = max(self._elapsed, timer.due)
            self._serial += 1
            timer.ring()
        self._elapsed = max(self._elapsed, until)

    def _forget(self) -> None:
        """Those that are cancelled, up to the next that is not."""
        while self._timers and self._timers[0].cancelled:
            heapq.heappop(self._timers)


class VirtualTimer:
    """A timer of a `VirtualClock`; `cancel()` as those of a loop have it."""

    __slots__ = ("_args", "_callback", "_loop", "backstop", "cancelled", "due", "serial")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, callback: Callable[..., object], args: tuple[object, ...]
    ) -> None:
        self._loop = loop
        self._callback = callback
        self._args = args
        self.backstop: asyncio.TimerHandle | None = None
        self.cancelled = False
        self.due = 0.0
        self.serial = 0

    def __lt__(self, other: VirtualTimer) -> bool:
        return (self.due, self.serial) < (other.due, other.serial)

    def cancel(self) -> None:
        """Never ring."""
        self.cancelled = True
        if self.backstop is not None:
            self.backstop.cancel()

    def ring(self) -> None:
        """Call back as soon as the loop comes to it, as its own timers do. From any thread."""
        # A loop that is closed has nobody left to hear it.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._call)

    def _call(self) -> None:
        if not self.cancelled:
            self.cancel()
            self._callback(*self._args)
