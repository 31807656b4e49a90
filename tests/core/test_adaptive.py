"""The limit grows while calls are fast, shrinks when they queue or are dropped, and ignores cancellations."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from guardrails.core.adaptive import AdaptiveLimit
from guardrails.errors import ConfigError


class Limits(RuleBasedStateMachine):
    """Whatever happens, the limit keeps its bounds and the count of calls is right."""

    @initialize(lowest=st.integers(1, 5), span=st.integers(0, 20), data=st.data())
    def begin(self, lowest: int, span: int, data: st.DataObject) -> None:
        start = data.draw(st.integers(lowest, lowest + span))
        self.limit, self.now = AdaptiveLimit(lowest, lowest + span, start), 0.0
        self.began: list[float] = []

    @rule(seconds=st.floats(0, 5), count=st.integers(1, 10))
    def calls_come(self, seconds: float, count: int) -> None:
        self.now += seconds
        for _ in range(count):
            free = len(self.began) < self.limit.limit
            assert self.limit.enter() == free
            if free:
                self.began.append(self.now)

    @precondition(lambda self: self.began)
    @rule(took=st.floats(-1, 5), dropped=st.booleans(), which=st.integers(0, 30))
    def a_call_ends(self, took: float, dropped: bool, which: int) -> None:
        self.now += max(0.0, took)
        began = self.began.pop(which % len(self.began))
        before = self.limit.limit
        # Two threads may have read the clock out of order.
        self.limit.leave(min(self.now, self.now + took), began, dropped=dropped)
        if dropped:
            assert self.limit.limit <= before

    @precondition(lambda self: self.began)
    @rule()
    def a_call_is_cancelled(self) -> None:
        self.began.pop()
        before = self.limit.limit
        self.limit.ignore()
        assert self.limit.limit == before

    @invariant()
    def bounds_and_counts_hold(self) -> None:
        assert self.limit.lowest <= self.limit.limit <= self.limit.highest
        assert self.limit.active == len(self.began)


TestLimits = Limits.TestCase


def rounds(limit: AdaptiveLimit, capacity: int, count: int, now: float = 0.0) -> float:
    """Full rounds against a dependency that works on `capacity` calls at once, 0.1 s each; the others queue there."""
    for _ in range(count):
        load = 0
        while limit.enter():
            load += 1
        took = 0.1 * max(1.0, load / capacity)
        for _ in range(load):
            limit.leave(now + took, now)
        now += took
    return now


def test_the_limit_grows_to_its_bound_while_the_dependency_keeps_up() -> None:
    limit = AdaptiveLimit(highest=60)
    rounds(limit, capacity=1000, count=200)
    assert limit.limit == 60


def test_the_limit_shrinks_when_calls_begin_to_queue() -> None:
    limit = AdaptiveLimit(start=100)
    now = rounds(limit, capacity=1000, count=2)
    grown = limit.limit
    rounds(limit, capacity=20, count=2, now=now)
    assert limit.limit < grown / 2


def test_calls_that_are_dropped_together_shrink_the_limit_once() -> None:
    limit = AdaptiveLimit(start=100)
    for _ in range(100):
        assert limit.enter()
    for _ in range(60):
        limit.leave(5.0, 0.0, dropped=True)
    assert limit.limit == 90
    assert limit.active == 40
    for _ in range(10):
        assert limit.enter()
    limit.leave(6.0, 5.0, dropped=True)
    assert limit.limit == 81


def test_an_idle_dependency_teaches_nothing_about_a_full_one() -> None:
    limit = AdaptiveLimit(start=100)
    for now in range(500):
        assert limit.enter()
        limit.leave(now + 0.1, float(now))
    assert limit.limit == 100


def test_cancelled_calls_teach_nothing() -> None:
    limit = AdaptiveLimit(start=10)
    for _ in range(1000):
        while limit.enter():
            pass
        for _ in range(10):
            limit.ignore()
    assert (limit.limit, limit.active) == (10, 0)


@pytest.mark.parametrize(
    ("name", "value"),
    [("lowest", 0), ("highest", 3), ("highest", 100_001), ("start", 3), ("start", 201), ("start", 5.0)],
)
def test_a_setting_out_of_range_is_named(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"{name}: {value}, allowed: "):
        AdaptiveLimit(**{name: value})
