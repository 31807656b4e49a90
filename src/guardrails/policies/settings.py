"""What a user says about retries and bulkheads: frozen, validated when made, all mistakes at once.

    Retry(on=ConnectionError, attempts=3)      what to retry has no default: only the caller knows what is safe twice
    Budget(ratio=0.1)                          how many retries the dependency can bear
    Bulkhead(20, waiting=10, longest_wait=1)   at most 20 calls at once; ten more wait a second for a place

`Breaker` and `Backoff` are settings of the same kind and live in `guardrails.core`; `limits` has those that few guards
need. `Settings` is all that one guard was told, and looks for what contradicts itself.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, NamedTuple

from guardrails.core.backoff import Backoff
from guardrails.core.budget import RetryBudget
from guardrails.core.bulkhead import Places
from guardrails.core.deadline import LONGEST, check_ladder
from guardrails.core.ranges import Checked, Ranges
from guardrails.core.settings import Breaker
from guardrails.errors import ConfigError
from guardrails.policies.outcomes import Outcome  # noqa: TC001 - a field's type

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from guardrails.policies.limits import AdaptiveLimit, Hedge, RateLimit

# Attempts of one operation, whoever counts them.
MOST_ATTEMPTS = 100
# What `on` may be: a class of exceptions, several, or a question about what an attempt came to.
On = type[BaseException] | tuple[type[BaseException], ...] | Callable[[Any], bool]


class _RetryFields(NamedTuple):
    on: On
    # The functions are strategies of tenacity.
    attempts: int | Callable[[Any], bool] = 3
    within: float | None = 30.0
    backoff: Backoff | Callable[[Any], float] = Backoff()


class Retry(Checked, _RetryFields):
    """What to try again, how often, and for how long.

    `on`: the class of exceptions to retry, or a tuple of them, or a function that is given what the attempt came to
    and says whether to try again: an exception, or a value that the classifier of the guard called a failure or
    throttled. No default: a request that may have had an effect must not be sent twice unless that does no harm, and
    only you know. So a timeout is retried only if named: `on=(ConnectionError, TimeoutError)`.
    `attempts`: calls in all, the first included, 2 to 100, default 3. `within`: seconds after the first attempt began
    in which another may begin, over 0 to a week, default 30; None: only the deadline ends it. `backoff`: the waits,
    see `guardrails.policies.Backoff`; default: full jitter up to 0.1, 0.2, 0.4 s, and the server's Retry-After.

    Strategies of tenacity do for three of them: a `retry_if_*` as `on`, a `stop_*` as `attempts`, a `wait_*` as
    `backoff`, and what `|`, `&` and `+` make of these; see `guardrails.policies.strategies`. All other bounds hold as
    well: `within`, the budget, the deadline, the circuit, Retry-After, and 100 attempts.

    What guards refuse themselves (an open circuit, a full bulkhead) and cancellation are never retried, whatever
    `on` says. Raises ConfigError, a ValueError, that lists every mistake.
    """

    __slots__ = ()

    def check(self, ranges: Ranges) -> None:
        """Tell `ranges` of every setting and what it may be."""
        theirs = tenacitys()
        strategies = () if theirs is None else theirs.checked(ranges, self)
        if "on" not in strategies:
            _check_on(ranges, self.on)
        if "attempts" not in strategies:
            fix = "write a count; for one attempt leave out retry"
            ranges.number("attempts", self.attempts, 2, MOST_ATTEMPTS, fix, whole=True)
        over_zero = self.within is None or self.within != 0
        ranges.number("within", self.within, 0, LONGEST, "write seconds", none="only the deadline ends it")
        ranges.demand(over_zero, "within", self.within, "over 0", "no retry could begin; for none leave out retry")
        good = "backoff" in strategies or isinstance(self.backoff, Backoff)
        ranges.demand(good, "backoff", self.backoff, "a Backoff", "write Backoff(base=0.1)")

    @property
    def judges_values(self) -> bool:
        """Whether `on` is asked about values that went well, too: a strategy of tenacity that looks at them."""
        theirs = tenacitys()
        return theirs is not None and theirs.judges_values(self.on)


def tenacitys() -> Any:
    """The module that asks tenacity's strategies; None where nobody has imported tenacity, so nobody can have one."""
    if sys.modules.get("tenacity") is None:
        return None
    from guardrails.policies import strategies

    return strategies


def _check_on(ranges: Ranges, on: object) -> None:
    allowed = "an exception class, a tuple of them, or a function"
    kinds = on if isinstance(on, tuple) else (on,)
    if isinstance(on, tuple | type) or not callable(on):
        ranges.demand(bool(kinds), "on", on, allowed, "name at least one class; for no retry leave out retry")
        for kind in kinds:
            if isinstance(kind, BaseException):
                fix = f"write the class, {type(kind).__name__}, not one of its objects"
            elif isinstance(kind, str):
                fix = "write the class itself, not its name"
            else:
                fix = "write for example on=ConnectionError"
            good = isinstance(kind, type) and issubclass(kind, BaseException)
            if ranges.demand(good, "on", kind, allowed, fix):
                fine = issubclass(kind, Exception)
                fix = "cancellation and interrupts are obeyed, not retried"
                ranges.demand(fine, "on", kind, "a class below Exception", fix)


class _BudgetFields(NamedTuple):
    ratio: float = 0.1
    floor: float = 1.0
    seconds: float = 10.0


class Budget(Checked, _BudgetFields):
    """How many retries a dependency can bear: a share of its first attempts and a few each second.

    `ratio`: retries for each first attempt, 0 to 1, default 0.1. `floor`: retries a second on top, 0 to 1000, default
    1, for thin traffic. `seconds`: for how long a first attempt counts, 1 to 3600, default 10. A retry after a timeout
    costs double. Why there is one by default: four attempts without a budget multiply the load on a dependency that
    has just failed by four, and it never recovers; with 10 % it does.

    Raises ConfigError, a ValueError, that lists every mistake.
    """

    __slots__ = ()

    def check(self, ranges: Ranges) -> None:
        """Tell `ranges` of every setting and what it may be."""
        try:
            self.machine()
        except ConfigError as exc:
            ranges.problems.extend(exc.problems)

    def machine(self) -> RetryBudget:
        """The budget itself, with nothing spent. Raises ConfigError as above."""
        return RetryBudget(*self)


class _BulkheadFields(NamedTuple):
    limit: int
    waiting: int = 0
    longest_wait: float = 1.0


class Bulkhead(Checked, _BulkheadFields):
    """How many calls may run at once, so that one dependency cannot take all workers.

    `limit`: calls at once, 1 to 100,000; no default: it depends on the dependency. `waiting`: how many more may wait,
    0 to 100,000, default 0: a queue helps against bursts, and makes everybody late in an outage. `longest_wait`:
    seconds that one of them waits, over 0 to 3600, default 1; less where the deadline comes sooner.

    Raises ConfigError, a ValueError, that lists every mistake; a guard raises BulkheadFull for a call without a place.
    """

    __slots__ = ()

    # Asked instead of the class, so that the other one need not be loaded.
    adaptive: Literal[False] = False

    def check(self, ranges: Ranges) -> None:
        """Tell `ranges` of every setting and what it may be."""
        try:
            Places(self.limit, self.waiting)
        except ConfigError as exc:
            ranges.problems.extend(exc.problems)
        ranges.number("longest_wait", self.longest_wait, 0.001, 3600, "write seconds")


class Settings(NamedTuple):
    """All that a guard was told; see `Guard`."""

    timeout: float | None
    attempt_timeout: float | None
    retry: Retry | None
    budget: Budget | None
    breaker: Breaker | None
    bulkhead: Bulkhead | AdaptiveLimit | None
    ignore: tuple[type[BaseException], ...]
    classify: Callable[[Any], Outcome | None] | None
    rate_limit: RateLimit | None = None
    hedge: Hedge | None = None

    def problems(self) -> list[str]:
        """Every mistake in them, one line each: what is out of range, of a wrong kind, or contradicts another."""
        ranges = Ranges()
        try:
            check_ladder(self.timeout, self.attempt_timeout)
        except ConfigError as exc:
            ranges.problems.extend(exc.problems)
        for name, kinds, others, example in _KINDS:
            value = getattr(self, name)
            good = value is None or isinstance(value, kinds)
            if not good and others:
                good = isinstance(value, _of_limits(others))
            allowed = " or ".join([*(kind.__name__ for kind in kinds), *others])
            ranges.demand(good, name, value, f"a {allowed}, or None", example)
        ignored: tuple[object, ...] = self.ignore
        for one in ignored:
            good = isinstance(one, type) and issubclass(one, BaseException)
            ranges.demand(good, "ignore", one, "classes of exceptions", "write for example ignore=ValueError")
        function: object = self.classify
        good = callable(function) or function is None
        ranges.demand(good, "classify", self.classify, "a function, or None", "it gets what a call came to")
        if not ranges.problems:
            self._contradictions(ranges)
        return ranges.problems

    def _contradictions(self, ranges: Ranges) -> None:
        self._limits(ranges)
        longest = self.timeout if self.attempt_timeout is None else self.attempt_timeout
        if self.breaker is None or longest is None:
            return
        name = "timeout" if self.attempt_timeout is None else "attempt_timeout"
        expiry, slow = self.breaker.permit_expiry, self.breaker.slow_after
        fix = f"no trial call may take longer than its permit: raise permit_expiry, or lower {name}"
        ranges.demand(expiry >= longest, "breaker.permit_expiry", expiry, f"at least {name}, {longest:g} s", fix)
        if slow is not None:
            fix = f"a call that is cancelled is never slow: lower slow_after, or raise {name}"
            ranges.demand(slow < longest, "breaker.slow_after", slow, f"below {name}, {longest:g} s", fix)

    def _limits(self, ranges: Ranges) -> None:
        if self.rate_limit is not None and self.timeout is not None:
            wait, fix = self.rate_limit.longest_wait, "no call could begin after it: lower it, or raise timeout"
            ranges.demand(
                wait < self.timeout, "rate_limit.longest_wait", wait, f"below timeout, {self.timeout:g} s", fix
            )
        if self.hedge is None:
            return
        budget, bulkhead = self.budget, self.bulkhead
        able = budget is not None and bool(budget.ratio or budget.floor)
        ranges.demand(able, "budget", budget, "one that can pay, beside hedge", "each hedge is paid from it")
        most = None if bulkhead is None else bulkhead.highest if bulkhead.adaptive else bulkhead.limit
        fix = "the second call takes a place too: raise it, or leave out hedge"
        ranges.demand(most is None or most >= 2, "bulkhead", bulkhead, "two places or more, beside hedge", fix)


def fitted(said: Breaker, timeout: float | None, attempt_timeout: float | None) -> Breaker:
    """The breaker with permits that outlast the longest trial call: a stream goes on to the end of `timeout`."""
    # What is no number is reported by Settings.
    longest = max((time for time in (timeout, attempt_timeout) if isinstance(time, int | float)), default=0)
    if not said.permit_expiry < longest <= 86_400:
        return said
    return said._replace(permit_expiry=longest, max_half_open=max(said.max_half_open, 2.0 * longest))


# The name of a setting, its classes, its classes in `limits` by name, and what to write.
_KINDS: tuple[tuple[str, tuple[type, ...], tuple[str, ...], str], ...] = (
    ("retry", (Retry,), (), "write Retry(on=ConnectionError)"),
    ("budget", (Budget,), (), "write Budget(ratio=0.1); None: no budget"),
    ("breaker", (Breaker,), (), "write Breaker(failure_rate=0.5); None: no breaker"),
    ("bulkhead", (Bulkhead,), ("AdaptiveLimit",), "write Bulkhead(20)"),
    ("rate_limit", (), ("RateLimit",), "write RateLimit(10)"),
    ("hedge", (), ("Hedge",), "write Hedge()"),
)


def _of_limits(names: tuple[str, ...]) -> tuple[type, ...]:
    from guardrails.policies import limits

    return tuple(getattr(limits, name) for name in names)
