"""How long to wait between attempts, and whether another one fits at all.

    backoff.delay(attempt, u)                       full jitter: anywhere between nothing and base x growth^n
    backoff.delay(attempt, u, retry_after=20)       never before the server said
    fitting(delay, now, deadline, shortest=0.1)     the same delay, or None: do not wait for what cannot fit

Full jitter after "Exponential Backoff And Jitter" of the AWS Architecture Blog. Its decorrelated sibling is not here:
it keeps state between attempts and gains nothing where a budget bounds the retries.
"""

from __future__ import annotations

from typing import NamedTuple

from guardrails.core.ranges import Checked, Ranges


class _Fields(NamedTuple):
    base: float = 0.1
    growth: float = 2.0
    cap: float = 10.0
    longest_retry_after: float = 60.0


class Backoff(Checked, _Fields):
    """The waits between attempts, in seconds; frozen, validated.

    `base`: the longest first wait, 0 to 3600, default 0.1; 0 retries at once. `growth`: by how much each
    further wait may be longer, 1 to 10, default 2. `cap`: no wait of ours is longer, `base` to 3600,
    default 10. `longest_retry_after`: a server that asks for more ends the retries instead, 0 to 86,400,
    default 60: whoever called is gone by then.

    Raises ConfigError, a ValueError, that lists every mistake.
    """

    __slots__ = ()

    def check(self, ranges: Ranges) -> None:
        """Tell `ranges` of every setting and what it may be."""
        base = ranges.number("base", self.base, 0, 3600, "write seconds")
        ranges.number("growth", self.growth, 1, 10, "write a factor; 1: no growth")
        ranges.number("cap", self.cap, self.base if base else 0, 3600, "write seconds, not below base")
        ranges.number("longest_retry_after", self.longest_retry_after, 0, 86_400, "write seconds")

    def delay(self, attempt: int, u: float, retry_after: float | None = None) -> float | None:
        """Seconds to wait after failed attempt number `attempt`, counted from 1; None: give up.

        With `retry_after` the server's wish comes first and up to `base` is added, so that all whom it told
        the same do not come back in one instant. A wish that is no positive number counts as none.
        """
        if retry_after is not None and retry_after > 0:
            return None if retry_after > self.longest_retry_after else retry_after + u * self.base
        # Bounded: a float that grows for ever ends in an OverflowError.
        return u * min(self.cap, self.base * self.growth ** min(attempt - 1, 100))


def fitting(delay: float | None, now: float, deadline: float | None, shortest: float = 0.0) -> float | None:
    """The same `delay`, or None where an attempt of `shortest` seconds behind it would end after the deadline.

    To wait up to a deadline and then fail costs the caller the wait and gives nothing. `deadline`: an
    instant on the clock of `now`; None: endless.
    """
    if delay is None or (deadline is not None and now + delay + shortest >= deadline):
        return None
    return delay
