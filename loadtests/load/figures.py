"""What a run came to: a pure sum over what Locust saw of each question."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# Seconds that a user waits for an answer and is content.
CONTENT = 2.0
# Seconds without a bad answer after which all is well again. One that is late for another reason does not undo it.
CALM = 1.0


class Asked(NamedTuple):
    """One question. `at`: when, in seconds since 1970; `took`: seconds to the end of the answer, or of the patience.

    `error`: why there was no whole answer, or "". `degraded`: the answer says that it was given without memories;
    `healed`: that it broke off on its way. `first`: seconds to its first word, None: there came none.
    """

    at: float
    took: float
    error: str
    degraded: bool
    healed: bool
    first: float | None

    @property
    def ended(self) -> float:
        return self.at + self.took

    @property
    def good(self) -> bool:
        """A whole answer, degraded or not, in the time in which a user is content."""
        return not self.error and self.took <= CONTENT


class Run(NamedTuple):
    """All questions of one run, and when something failed."""

    asked: tuple[Asked, ...]
    fails_from: float
    fails_until: float


class Figures(NamedTuple):
    """See `table.ROWS` for what each says. Counts, and times in seconds; None: not in this run."""

    questions: int
    failed: int
    degraded: int
    healed: int
    good: int
    per_second: float
    p50: float
    p95: float
    p99: float
    first_p50: float | None
    first_p95: float | None
    fault_questions: int
    fault_whole: int
    fault_good: int
    fault_degraded: int
    longest_without: float
    well_again: float | None


def figures(run: Run) -> Figures:
    """Sum up a run. Raises ValueError if nothing was asked."""
    asked = sorted(run.asked)
    if not asked:
        raise ValueError("no question was asked: nothing to sum up")
    took = sorted(one.took for one in asked)
    first = sorted(one.first for one in asked if one.first is not None)
    begun, ended = asked[0].at, max(one.ended for one in asked)
    then = [one for one in asked if run.fails_from <= one.at < run.fails_until]
    return Figures(
        questions=len(asked),
        failed=sum(bool(one.error) for one in asked),
        degraded=sum(one.degraded for one in asked),
        healed=sum(one.healed for one in asked),
        good=sum(one.good for one in asked),
        per_second=len(asked) / (ended - begun),
        p50=quantile(took, 0.5),
        p95=quantile(took, 0.95),
        p99=quantile(took, 0.99),
        first_p50=quantile(first, 0.5) if first else None,
        first_p95=quantile(first, 0.95) if first else None,
        fault_questions=len(then),
        fault_whole=sum(not one.error for one in then),
        fault_good=sum(one.good for one in then),
        fault_degraded=sum(one.good and one.degraded for one in then),
        longest_without=longest_gap([begun, *(one.ended for one in asked if one.good), ended]),
        well_again=well_again(asked, run.fails_until, ended),
    )


def quantile(ordered: Sequence[float], share: float) -> float:
    """The smallest of `ordered` that at least this share of them does not exceed."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def longest_gap(moments: Iterable[float]) -> float:
    """The longest time between two neighbours."""
    ordered = sorted(moments)
    return max(later - earlier for earlier, later in pairwise(ordered))


def well_again(asked: Sequence[Asked], fails_until: float, ended: float) -> float | None:
    """Seconds from the end of the fault until, for `CALM` seconds on end, nobody waited for anything but an answer as
    on a good day. None: that did not come in this run.
    """
    fine = [one.ended for one in asked if one.good and not one.degraded]
    bad = [one for one in asked if not one.good or one.degraded]
    for since in sorted({fails_until, *(one.ended for one in bad if one.ended > fails_until)}):
        until = since + CALM
        # Who waits in vain in that second is not well either, whenever it ends.
        calm = not any(one.at <= until and one.ended > since for one in bad)
        if calm and until <= ended and any(since < moment <= until for moment in fine):
            return since - fails_until
    return None
