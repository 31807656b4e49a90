"""Plain and asynchronous callers of a guard meet the same: results, errors, notes, health, and what is told."""

from __future__ import annotations

import contextlib
import itertools
from typing import TYPE_CHECKING, Any

import pytest
import tenacity

from guardrails import hooks
from guardrails.policies import (
    IGNORED,
    SUCCESS,
    Backoff,
    Breaker,
    Budget,
    Bulkhead,
    Dependency,
    Guard,
    Retry,
    taking,
    throttled,
)
from guardrails.testing import VirtualClock
from tests.policies.loops import run

if TYPE_CHECKING:
    from collections.abc import Callable

    Scenario = Callable[["Side"], None]

SECOND = Backoff(base=1, growth=1, cap=1)
THREE = Retry(on=(ConnectionError, TimeoutError), attempts=3, backoff=SECOND)
TWICE = Breaker(consecutive=2, failure_rate=None, cooldown=10)


class Side:
    """One kind of caller, with a clock, a chance and an ear of its own. `log`: how each call ended."""

    def __init__(self, *, asynchronous: bool) -> None:
        self.asynchronous = asynchronous
        self.clock = VirtualClock()
        chances = itertools.cycle([0.5, 0.25, 0.75])
        self.clock.chance = lambda: next(chances)  # type: ignore[method-assign]
        self.log: list[object] = []
        self.told: list[object] = []
        self.guards: list[Guard] = []

    def hear(self, name: str, value: float, labels: Any) -> None:
        self.told.append((name, value, dict(labels)))

    def guard(self, name: str = "db", **said: Any) -> Guard:
        found = Guard(name, clock=self.clock, **{"breaker": TWICE, **said})
        self.guards.append(found)
        return found

    def function(self, *steps: object) -> Callable[..., Any]:
        """Does one step a call: raises it, returns it, or lets so many seconds pass first."""
        left = iter(steps)

        def step(*args: object, **kwargs: object) -> object:
            met = next(left)
            if isinstance(met, tuple):
                seconds, met = met
                self.clock.advance(seconds)
            if isinstance(met, BaseException):
                raise met
            return met if not args and not kwargs else (met, args, kwargs)

        async def astep(*args: object, **kwargs: object) -> object:
            return step(*args, **kwargs)

        return astep if self.asynchronous else step

    def call(self, guard: Guard, *steps: object, args: tuple[object, ...] = (), **kwargs: object) -> None:
        """One guarded call, of which each attempt does one step."""
        fn = self.function(*steps)
        call = guard.acall if self.asynchronous else guard.call
        self.ends(lambda: call(fn, *args, **kwargs))

    def ends(self, call: Callable[[], Any]) -> None:
        """Make a call and log how it ends."""

        async def main() -> object:
            return await call()

        try:
            self.log.append(("returned", run(self.clock, main()) if self.asynchronous else call()))
        except Exception as exc:
            said = {name: value for name, value in vars(exc).items() if name != "__notes__"}
            cause = None if exc.__cause__ is None else type(exc.__cause__)
            self.log.append((type(exc), str(exc), said, getattr(exc, "__notes__", []), cause))

    def all(self) -> object:
        """Everything that can be seen, with times to the microsecond: a loop needs a grain of time."""
        snapshots = [guard.snapshot() for guard in self.guards]
        return rounded({"log": self.log, "told": self.told, "health": snapshots, "now": self.clock.monotonic()})


def rounded(what: Any) -> Any:
    if isinstance(what, float):
        return round(what, 6)
    if isinstance(what, dict):
        return {key: rounded(value) for key, value in what.items()}
    return [rounded(value) for value in what] if isinstance(what, list | tuple) else what


def success(side: Side) -> None:
    side.call(side.guard(), "answer", args=(1, 2), key="value")
    side.call(side.guard(timeout=5, attempt_timeout=2, retry=THREE, bulkhead=Bulkhead(1)), (1.5, "answer"))


def failure(side: Side) -> None:
    side.call(side.guard(), KeyError("mine"))
    side.call(side.guard(retry=THREE, bulkhead=Bulkhead(1)), KeyError("mine"))


def retry_then_success(side: Side) -> None:
    side.call(side.guard(retry=THREE), (0.5, ConnectionError("one")), "answer")


def exhausted(side: Side) -> None:
    side.call(side.guard(retry=THREE, breaker=None), *(ConnectionError(str(number)) for number in range(3)))


def opened_while_retrying(side: Side) -> None:
    side.call(side.guard(retry=THREE), ConnectionError("one"), ConnectionError("two"))


def opened_then_rejected_then_recovered(side: Side) -> None:
    guard = side.guard()
    for _ in range(3):
        side.call(guard, ConnectionError())
    side.clock.advance(10)
    for _ in range(3):
        side.call(guard, "answer")


def failed_on_trial(side: Side) -> None:
    guard = side.guard()
    for _ in range(2):
        side.call(guard, ConnectionError())
    side.clock.advance(10)
    for _ in range(3):
        side.call(guard, ConnectionError())


def isolated_disabled_and_in_shadow(side: Side) -> None:
    guard = side.guard()
    for hold in (guard.isolate, guard.disable, guard.shadow):
        hold("for the test")
        for _ in range(3):
            side.call(guard, ConnectionError())
        guard.release()


def bulkhead_full(side: Side) -> None:
    guard = side.guard(bulkhead=Bulkhead(1))
    with guard.permit():
        side.call(guard, "answer")
    side.call(guard, "answer")


def bulkhead_full_in_the_second_attempt(side: Side) -> None:
    stack = contextlib.ExitStack()

    def crowd(what: object) -> bool:
        """Asked between two attempts, when the place of the first is free."""
        stack.enter_context(guard.permit())
        return True

    guard = side.guard(bulkhead=Bulkhead(1), retry=Retry(on=crowd))
    with stack:
        side.call(guard, ConnectionError("mine"))


def slow(side: Side) -> None:
    guard = side.guard(breaker=Breaker(slow_after=1, minimum_calls=2))
    for _ in range(3):
        side.call(guard, (2, "late"))


def deadline_before(side: Side) -> None:
    guard = side.guard()
    with taking(0):
        side.call(guard, "never")
    with side.guard("outer", timeout=5).permit():
        side.clock.advance(6)
        side.call(guard, "never")


def deadline_between_attempts(side: Side) -> None:
    side.call(side.guard(timeout=2, retry=THREE, breaker=None), (1.9, ConnectionError()))


def attempt_timeout_of_the_client(side: Side) -> None:
    side.call(side.guard(attempt_timeout=2, retry=THREE), (1.5, TimeoutError("client")), "answer")


def server_asks_for_time(side: Side) -> None:
    said: dict[object, Any] = {ConnectionError: throttled(7), ValueError: IGNORED, LookupError: SUCCESS, str: None}
    guard = side.guard(retry=THREE, classify=lambda what: said[type(what)])
    side.call(guard, ConnectionError(), "answer")
    side.call(guard, ValueError())
    side.call(guard, LookupError())
    guard.update(retry=None)
    for _ in range(2):
        side.call(guard, ConnectionError())


def values_are_judged(side: Side) -> None:
    said: dict[object, Any] = {503: throttled(7), 404: IGNORED, 200: None}
    again = Retry(on=lambda what: what == 503, backoff=SECOND)
    guard = side.guard(retry=again, classify=said.get)
    side.call(guard, 503, 200)
    side.call(guard, 404)
    side.call(guard, 503, 503, 503)


def broken_classifier(side: Side) -> None:
    guard = side.guard(classify=lambda what: 1 / 0)
    side.call(guard, "answer")
    side.call(guard, ConnectionError())


def errors_carry_outcomes(side: Side) -> None:
    error = ConnectionError()
    error.outcome = throttled(20)  # type: ignore[attr-defined]
    guard = side.guard(retry=THREE)
    side.call(guard, error, "answer")


def budget_spent(side: Side) -> None:
    guard = side.guard(retry=THREE, budget=Budget(0, floor=0.15), breaker=None)
    side.call(guard, ConnectionError(), ConnectionError())
    side.call(guard, TimeoutError())


def strategies_of_tenacity(side: Side) -> None:
    said = Retry(
        on=tenacity.retry_if_result(lambda value: value is None) | tenacity.retry_if_exception_type(ConnectionError),
        attempts=tenacity.stop_after_attempt(4),
        backoff=tenacity.wait_exponential(),
    )
    guard = side.guard(retry=said, breaker=Breaker())
    side.call(guard, ConnectionError(), None, "answer")
    side.call(guard, None, None, None, None)
    side.call(guard, *[ConnectionError()] * 4)


def by_key(side: Side) -> None:
    guard = side.guard()
    for key, met in (("eu", ConnectionError()), ("eu", ConnectionError()), ("eu", "no"), ("us", "answer")):
        side.call(guard.for_key(key), met)
    side.guards.append(guard.for_key("eu"))


def nested_owner_of_retries(side: Side) -> None:
    outer, inner = side.guard("outer", retry=THREE, breaker=None), side.guard("inner", retry=THREE)
    fn = side.function(ConnectionError(), "answer")
    if side.asynchronous:
        side.ends(lambda: outer.acall(inner.acall, fn))
    else:
        side.ends(lambda: outer.call(inner.call, fn))


def refused_inside(side: Side) -> None:
    outer, inner = side.guard("outer", retry=Retry(on=Exception)), side.guard("inner")
    inner.isolate("maintenance")
    fn = side.function("never")
    side.ends(lambda: outer.acall(inner.acall, fn) if side.asynchronous else outer.call(inner.call, fn))


def fallback(side: Side) -> None:
    memory = Dependency("zep", breaker=TWICE, ignore=KeyError, clock=side.clock)
    side.guards += [memory.read.guard, memory.write.guard]
    errors = (ConnectionError("one"), KeyError("mine"), ConnectionError("two"), ConnectionError("three"), "answer")
    recall = memory.read(fallback=list, accepts=bool)(side.function(*errors))
    plain = memory.read(fallback_for=lambda user: user.upper())(side.function(ConnectionError()))
    for _ in range(4):
        side.ends(lambda: recall("ada"))
    side.ends(lambda: recall.outcome("ada"))
    side.ends(lambda: recall(""))
    side.ends(lambda: plain("ada"))
    side.log.append(memory.mode)


SCENARIOS: list[Scenario] = [
    success,
    failure,
    retry_then_success,
    exhausted,
    opened_while_retrying,
    opened_then_rejected_then_recovered,
    failed_on_trial,
    isolated_disabled_and_in_shadow,
    bulkhead_full,
    bulkhead_full_in_the_second_attempt,
    slow,
    deadline_before,
    deadline_between_attempts,
    attempt_timeout_of_the_client,
    server_asks_for_time,
    values_are_judged,
    broken_classifier,
    errors_carry_outcomes,
    budget_spent,
    strategies_of_tenacity,
    by_key,
    nested_owner_of_retries,
    refused_inside,
    fallback,
]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_plain_and_asynchronous_callers_meet_the_same(scenario: Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    for asynchronous in (False, True):
        side = Side(asynchronous=asynchronous)
        monkeypatch.setattr(hooks, "_listeners", ((side.hear,),))
        scenario(side)
        seen.append(side.all())
    assert seen[0] == seen[1]
    assert seen[0]["log"]
    assert seen[0]["told"]
