"""Time and chance, injectable: nothing else in the toolkit reads a clock or rolls a die.

Pure rooms take `now` and `u` as arguments; shells hold a Clock. Tests hold
`guardrails.testing.VirtualClock`, on which a simulated day passes in an instant.
"""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol
else:
    Protocol = object


class Clock(Protocol):
    """Where a shell reads time and chance."""

    def monotonic(self) -> float:
        """Seconds since some fixed moment; never goes back, unlike the wall clock."""

    def wall(self) -> float:
        """Seconds since 1970-01-01 UTC, as the host believes; for stamps, never for durations."""

    def chance(self) -> float:
        """A number in [0, 1)."""


class SystemClock:
    """The host's clock and its random generator."""

    def monotonic(self) -> float:
        return time.monotonic()

    def wall(self) -> float:
        return time.time()

    def chance(self) -> float:
        # In-function: `random` imports hashing and statistics, which most users of a clock never need.
        import random

        return random.random()  # noqa: S311 - jitter, not a secret
