"""How many calls a second may begin: one number remembers it, however high the rate.

    wait = pace.take(now, longest=0.5)
    wait <= 0.5      booked: wait so long, then call
    wait > 0.5       not booked: reject, and tell the caller to come back after `wait` seconds

The generic cell rate algorithm (ITU-T I.371): each call pushes the instant at which the account is even again.
"""

from __future__ import annotations

from guardrails.core.ranges import Ranges

# Seconds: a call that comes exactly on its time must not be refused for the last bit of a float.
ROUNDING = 1e-6


class Pace:
    """`rate`: calls a second in the long run, 0.001 to 1,000,000. `burst`: calls at once after a rest, 1 to 1,000,000.

    `burst` is 1 by default: evenly spaced. Raises ConfigError, a ValueError, that lists every mistake.
    """

    __slots__ = ("_even", "_interval", "_tolerance", "burst", "rate")

    def __init__(self, rate: float, burst: int = 1) -> None:
        self._obey(rate, burst)
        self._even = float("-inf")

    def change(self, now: float, rate: float, burst: int) -> None:
        """Obey other limits from now on; the account owes as many calls as before."""
        debt = self.debt(now)
        self._obey(rate, burst)
        self._even = now + debt * self._interval

    def debt(self, now: float) -> float:
        """How many calls the account owes: those that went, or were booked, ahead of the rate. 0: it is even."""
        return max(0.0, self._even - now) / self._interval

    def take(self, now: float, longest: float = 0.0) -> float:
        """Seconds until this call may begin. Booked if that is at most `longest`, else nothing has changed."""
        even = max(self._even, now)
        wait = even - self._tolerance - now
        if wait < ROUNDING:
            wait = 0.0
        if wait <= longest:
            self._even = even + self._interval
        return wait

    def _obey(self, rate: float, burst: int) -> None:
        ranges = Ranges()
        ranges.number("rate", rate, 0.001, 1_000_000, "write calls a second")
        ranges.number("burst", burst, 1, 1_000_000, "write how many calls may come at once", whole=True)
        ranges.settle()
        self.rate = rate
        self.burst = burst
        self._interval = 1 / rate
        self._tolerance = self._interval * (burst - 1)
