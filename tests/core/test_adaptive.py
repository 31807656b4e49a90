"""The size grows while calls are fast, shrinks when they queue or are dropped, and is told nothing of the rest."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from guardrails.core.adaptive import Gradient
from guardrails.errors import ConfigError


class Sizes(RuleBasedStateMachine):
    """Whatever happens, the size keeps its bounds, and each kind of news moves it in its own direction only."""

    @initialize(lowest=st.integers(1, 5), span=st.integers(0, 20), data=st.data())
    def begin(self, lowest: int, span: int, data: st.DataObject) -> None:
        start = data.draw(st.integers(lowest, lowest + span))
        self.size, self.now = Gradient(lowest, lowest + span, start), 0.0
        self.lowest, self.highest = lowest, lowest + span
        self.began: list[float] = []

    @rule(seconds=st.floats(0, 5), count=st.integers(1, 10))
    def calls_come(self, seconds: float, count: int) -> None:
        self.now += seconds
        self.began += [self.now] * count

    @precondition(lambda self: self.began)
    @rule(took=st.floats(-1, 5), busy=st.booleans(), which=st.integers(0, 30))
    def a_call_is_answered(self, took: float, busy: bool, which: int) -> None:
        # Two threads may have read the clock out of order: below zero.
        self.now += max(0.0, took)
        began = self.began.pop(which % len(self.began))
        before = self.size.limit
        self.size.answered(min(self.now, self.now + took), began, took, busy=busy)
        # One step at most, whatever came before: a tenth down, a fifth of the room up.
        assert before * 0.9 - 1 <= self.size.limit <= before + 1

    @precondition(lambda self: self.began)
    @rule(seconds=st.floats(0, 5), which=st.integers(0, 30))
    def a_call_is_dropped(self, seconds: float, which: int) -> None:
        self.now += seconds
        before = self.size.limit
        self.size.dropped(self.now, self.began.pop(which % len(self.began)))
        assert self.size.limit <= before

    @rule(lowest=st.integers(1, 10), span=st.integers(0, 20))
    def the_bounds_change(self, lowest: int, span: int) -> None:
        before = self.size.limit
        self.size.bound(lowest, lowest + span)
        self.lowest, self.highest = lowest, lowest + span
        assert self.size.limit == max(lowest, min(lowest + span, before))

    @invariant()
    def the_bounds_hold(self) -> None:
        assert self.lowest <= self.size.limit <= self.highest


TestSizes = Sizes.TestCase


def rounds(size: Gradient, capacity: int, count: int, now: float = 0.0) -> float:
    """Full rounds against a dependency that works on `capacity` calls at once, 0.1 s each; the others queue there."""
    for _ in range(count):
        load = size.limit
        took = 0.1 * max(1.0, load / capacity)
        for left in range(load, 0, -1):
            size.answered(now + took, now, took, busy=left * 2 >= size.limit)
        now += took
    return now


def test_the_size_grows_to_its_bound_while_the_dependency_keeps_up() -> None:
    size = Gradient(highest=60)
    rounds(size, capacity=1000, count=200)
    assert size.limit == 60


def test_the_size_shrinks_when_calls_begin_to_queue() -> None:
    size = Gradient(start=100)
    now = rounds(size, capacity=1000, count=2)
    grown = size.limit
    rounds(size, capacity=20, count=20, now=now)
    assert size.limit < grown / 2


def test_calls_that_were_under_way_together_make_one_step() -> None:
    size = Gradient(start=100)
    for _ in range(10):
        size.answered(1.0, 0.0, 1.0, busy=True)
    # The room of four, smoothed.
    assert size._exact == pytest.approx(100.8)
    for _ in range(90):
        size.answered(1.0, 0.0, 1.0, busy=True)
    assert size._exact == pytest.approx(100.8)


def test_minutes_of_a_flood_are_not_taken_for_the_rule() -> None:
    size = Gradient(highest=10_000)
    now, most = 0.0, 0
    while now < 120:
        now = rounds(size, capacity=40, count=1, now=now)
        most = max(most, size.limit)
    # Half as many again as it can work on is where latency has grown by half; the room for a queue is on top.
    assert 40 <= size.limit <= most <= 40 * 1.5 * 1.3


def test_a_dependency_that_is_slower_for_good_is_the_rule_in_the_end() -> None:
    size = Gradient(start=100)
    now = rounds(size, capacity=1000, count=5)
    for _ in range(20_000):
        now += 0.3
        size.answered(now, now, 0.3, busy=True)
    assert size.limit == 200


def test_a_recovery_is_not_held_up_by_what_was() -> None:
    size = Gradient(start=100)
    now = 0.0
    for _ in range(5000):
        now += 1.0
        size.answered(now, now, 5.0, busy=True)
    assert size.limit == 200
    for _ in range(200):
        now += 0.1
        size.answered(now, now, 0.1, busy=True)
    # A flood is seen now that would have been quick an hour ago.
    for _ in range(200):
        now += 0.1
        size.answered(now, now, 0.5, busy=True)
    assert size.limit < 100


def test_calls_that_are_dropped_together_shrink_the_size_once() -> None:
    size = Gradient(start=100)
    for _ in range(60):
        size.dropped(5.0, 0.0)
    assert size.limit == 90
    size.dropped(6.0, 5.0)
    assert size.limit == 81


def test_an_idle_dependency_teaches_nothing_about_a_full_one() -> None:
    size = Gradient(start=100)
    for _ in range(500):
        size.answered(1.0, 0.9, 0.1, busy=False)
    assert size.limit == 100


@pytest.mark.parametrize(
    ("name", "value"),
    [("lowest", 0), ("highest", 3), ("highest", 100_001), ("start", 3), ("start", 201), ("start", 5.0)],
)
def test_a_setting_out_of_range_is_named(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"{name}: {value}, allowed: "):
        Gradient(**{name: value})
