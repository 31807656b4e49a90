"""A clock that stands still until a test moves it: a simulated day passes in an instant.

clock = VirtualClock()
clock.advance(30.0)       # half a minute later, for both clocks
clock.jump_wall(-3600.0)  # somebody sets the host's clock back an hour
"""

from __future__ import annotations

import random


class VirtualClock:
    """A `guardrails.Clock` for tests: starts where told, moves when told, and rolls the same dice each time.

    `start`: what `monotonic()` says first, in seconds; default 0. `wall`: what `wall()` says first, in
    seconds since 1970-01-01 UTC; default 1,750,000,000, a Sunday in June 2025. `seed`: two clocks of one
    seed roll the same numbers; default 0. For one thread at a time.
    """

    def __init__(self, start: float = 0.0, wall: float = 1_750_000_000.0, seed: int = 0) -> None:
        self._start = start
        self._wall = wall
        # Counted from zero, so that a large start does not blunt small steps of the other clock.
        self._elapsed = 0.0
        self._random = random.Random(seed)  # noqa: S311 - chance for tests

    def monotonic(self) -> float:
        """Seconds since some fixed moment; moved by `advance` alone."""
        return self._start + self._elapsed

    def wall(self) -> float:
        """Seconds since 1970-01-01 UTC; moved by `advance` and `jump_wall`."""
        return self._wall + self._elapsed

    def chance(self) -> float:
        """The next number in [0, 1) of the seed's sequence."""
        return self._random.random()

    def advance(self, seconds: float) -> None:
        """Let time pass on both clocks. Raises ValueError for a negative or endless span, or one that is no number."""
        if not 0 <= seconds < float("inf"):
            raise ValueError(
                f"time passes forwards and in finite steps, not by {seconds:g} s: "
                "set the wall clock back with jump_wall()"
            )
        self._elapsed += seconds

    def sleep(self, seconds: float) -> None:
        """Whoever waits by this clock, as guards do between attempts, lets time pass."""
        self.advance(seconds)

    def jump_wall(self, seconds: float) -> None:
        """Set the host's clock forward or, with a negative number, back; `monotonic()` does not notice."""
        self._wall += seconds
