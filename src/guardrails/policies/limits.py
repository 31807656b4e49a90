"""Three more layers of a guard, frozen and validated like those in `settings`: a size, a pace, a second call.

    AdaptiveLimit(lowest=4, highest=200)     a bulkhead that finds its own size
    RateLimit(10, burst=5)                   at most 10 calls a second, and 5 at once after a rest
    Hedge()                                  a second call where the first is late; the first good answer wins

Loaded by those who use them: most guards have none of the three.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from guardrails.core.adaptive import Gradient
from guardrails.core.hedge import HedgeDelay
from guardrails.core.ranges import Checked
from guardrails.core.rate import Pace
from guardrails.errors import ConfigError

if TYPE_CHECKING:
    from guardrails.core.ranges import Ranges


class _AdaptiveFields(NamedTuple):
    lowest: int = 4
    highest: int = 200
    start: int = 20
    waiting: int = 0
    longest_wait: float = 1.0


class AdaptiveLimit(Checked, _AdaptiveFields):
    """A bulkhead that finds its own size, for a dependency whose capacity you do not know, or which changes.

    While answers are as quick as in the last ten minutes, it grows; when they take half as long again, it shrinks,
    because they queue over there. A call that times out or is throttled shrinks it by a tenth. It moves once for all
    calls that were under way together. Other failures and what is ignored say nothing.
    `lowest`: calls at once that are always allowed, 1 to 100,000, default 4: with fewer it would learn too slowly.
    `highest`: `lowest` to 100,000, default 200: what this process could bear. `start`: `lowest` to `highest`, default
    20. `waiting`, `longest_wait`: see `Bulkhead`.

    Each process finds its own size. Where most calls are quick and some are slow by nature, use a guard for each kind:
    it could not tell the slow ones from a queue. Algorithm: Gradient2 of Netflix's concurrency-limits.
    Raises ConfigError, a ValueError, that lists every mistake; a guard raises BulkheadFull for a call without a place.
    """

    __slots__ = ()

    adaptive: Literal[True] = True

    def check(self, ranges: Ranges) -> None:
        """Tell `ranges` of every setting and what it may be."""
        try:
            self.machine()
        except ConfigError as exc:
            ranges.problems.extend(exc.problems)
        ranges.number("waiting", self.waiting, 0, 100_000, "write how many calls may wait", whole=True)
        ranges.number("longest_wait", self.longest_wait, 0.001, 3600, "write seconds")

    def machine(self) -> Gradient:
        """What finds the size, with nothing learned. Raises ConfigError as above."""
        return Gradient(self.lowest, self.highest, self.start)


class _RateFields(NamedTuple):
    rate: float
    burst: int = 1
    longest_wait: float = 0.0


class RateLimit(Checked, _RateFields):
    """How many calls a second may begin, where the dependency counts them, as an API with a quota does.

    `rate`: calls a second in the long run, 0.001 to 1,000,000, such as 100 / 60; no default: it is in your contract.
    `burst`: calls at once after a rest, 1 to 1,000,000, default 1: evenly spaced. In any t seconds at most
    burst + rate x t calls begin. `longest_wait`: seconds that a call may wait for its turn, 0 to 3600, default 0: it is
    rejected at once, because whoever waits holds a worker. Less where the deadline comes sooner.

    Every attempt takes one, retries and hedges too; a turn that was waited for in vain is not given back. It is taken
    last, with a place in the bulkhead in hand, so that what the bulkhead rejects costs nothing. Each process counts for
    itself: divide a quota by their number. Algorithm: the generic cell rate algorithm (ITU-T I.371).
    Raises ConfigError, a ValueError, that lists every mistake; a guard raises RateLimited, with the seconds to wait.
    """

    __slots__ = ()

    def check(self, ranges: Ranges) -> None:
        """Tell `ranges` of every setting and what it may be."""
        try:
            self.machine()
        except ConfigError as exc:
            ranges.problems.extend(exc.problems)
        ranges.number("longest_wait", self.longest_wait, 0, 3600, "write seconds; 0: reject at once")

    def machine(self) -> Pace:
        """The account itself, with nothing taken. Raises ConfigError as above."""
        return Pace(self.rate, self.burst)


class _HedgeFields(NamedTuple):
    quantile: float = 0.95
    minimum_calls: int = 20


class Hedge(Checked, _HedgeFields):
    """A second call where the first is late; the first good answer wins, and the other call is cancelled.

    Only for calls that may happen twice, such as reads: where the second call begins, the first may be at work. And
    each is billed: a provider charges for both, so hedges are paid from the guard's `budget`, which they share with
    retries, and counted in `hedges_total`.

    `quantile`: the second begins after the time within which this share of the last hundred calls were answered, 0.5 to
    0.999, default 0.95: one call in twenty is doubled, in a long tail one in ten. `minimum_calls`: answers before the
    first hedge, 20 to 100, default 20: of fewer, one in twenty is none.

    Coroutine functions alone can be hedged: `acall` and what is decorated. To decorate anything else raises
    Unguardable; `call`, `permit` and a transport make one call, as does a plain function that was decorated before an
    update.
    A call that may be hedged runs in a task of its own, so context variables that it sets are not seen outside.
    No second call begins unless the circuit is closed, the bulkhead has a free place, the rate limit a free turn, and
    the budget can pay. `timeout` and `attempt_timeout` hold for both calls together. Only a success ends the other
    call; where both fail, the error of the last one counts. The circuit records both, but for a call that is cancelled.

    One owner: a guard that hedges owns the operation, like one that retries. Inside it nobody retries or hedges, and
    inside a guard that retries or hedges it makes one call; so put both settings on one guard. Only the first attempt
    is hedged: an operation makes at most one call more than its attempts.
    After "The Tail at Scale" (Dean and Barroso, 2013). Raises ConfigError, a ValueError, that lists every mistake.
    """

    __slots__ = ()

    def check(self, ranges: Ranges) -> None:
        """Tell `ranges` of every setting and what it may be."""
        try:
            self.machine()
        except ConfigError as exc:
            ranges.problems.extend(exc.problems)

    def machine(self) -> HedgeDelay:
        """What knows how late is late, with nothing remembered. Raises ConfigError as above."""
        return HedgeDelay(self.quantile, self.minimum_calls)
