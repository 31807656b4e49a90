"""Both windows know exactly what a list of all outcomes would tell, at a cost that their length does not change."""

from __future__ import annotations

import sys
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guardrails.core.window import BUCKETS, CountWindow, TimeWindow


class Outcome(NamedTuple):
    at: float
    failed: bool
    slow: bool


Sums = tuple[int, int, int, int]
OUTCOMES = st.tuples(st.booleans(), st.booleans())
# Steps between calls: bursts, the widths of buckets, silence.
GAPS = st.one_of(st.just(0.0), st.floats(0, 2), st.floats(0, 100), st.sampled_from([0.5, 1.0, 30.0, 86_400.0]))


def sums(window: CountWindow | TimeWindow) -> Sums:
    return window.total, window.failed, window.slow, window.streak


def counted(outcomes: list[Outcome], streak: int) -> Sums:
    return len(outcomes), sum(o.failed for o in outcomes), sum(o.slow for o in outcomes), streak


def streak_of(outcomes: list[Outcome]) -> int:
    streak = 0
    for outcome in outcomes:
        streak = streak + 1 if outcome.failed else 0
    return streak


def alive(outcomes: list[Outcome], now: float, seconds: float) -> list[Outcome]:
    """By whole widths: a bucket is forgotten together, `BUCKETS` widths after it began."""
    width = seconds / BUCKETS
    return [o for o in outcomes if o.at // width > now // width - BUCKETS]


@pytest.mark.parametrize("window", [CountWindow(3), TimeWindow(30.0)])
def test_the_quick_way_records_what_the_other_does(window: CountWindow | TimeWindow) -> None:
    """All tests below take it where an outcome is neither failed nor slow."""
    window.record(0.0, True, True)
    window.good(1.0)
    assert sums(window) == (2, 1, 1, 0)
    window.good(40.0)
    window.good(40.0)
    assert sums(window) == ((3, 0, 0, 0) if isinstance(window, CountWindow) else (2, 0, 0, 0))


def put(window: CountWindow | TimeWindow, now: float, failed: bool, slow: bool) -> None:
    if failed or slow:
        window.record(now, failed, slow)
    else:
        window.good(now)


@given(st.integers(1, 12), st.lists(OUTCOMES, max_size=60))
def test_a_count_window_knows_the_last_outcomes(size: int, outcomes: list[tuple[bool, bool]]) -> None:
    window, everything = CountWindow(size), []
    for failed, slow in outcomes:
        put(window, 0.0, failed, slow)
        everything.append(Outcome(0.0, failed, slow))
        assert sums(window) == counted(everything[-size:], streak_of(everything))


@given(st.sampled_from([1.0, 10.0, 30.0, 600.0]), st.lists(st.tuples(GAPS, OUTCOMES), max_size=60))
def test_a_time_window_knows_the_outcomes_of_its_seconds(
    seconds: float, calls: list[tuple[float, tuple[bool, bool]]]
) -> None:
    window, everything, now = TimeWindow(seconds), [], 1000.0
    for gap, (failed, slow) in calls:
        now += gap
        put(window, now, failed, slow)
        everything.append(Outcome(now, failed, slow))
        assert sums(window) == counted(alive(everything, now, seconds), streak_of(everything))
        surely = [o for o in everything if now - o.at < seconds * (BUCKETS - 1) / BUCKETS - 1e-6]
        perhaps = [o for o in everything if now - o.at < seconds + 1e-6]
        assert len(surely) <= window.total <= len(perhaps)


@given(st.lists(st.tuples(GAPS, OUTCOMES), max_size=40), GAPS)
def test_silence_empties_a_time_window_without_a_call(
    calls: list[tuple[float, tuple[bool, bool]]], silence: float
) -> None:
    window, everything, now = TimeWindow(30.0), [], 0.0
    for gap, (failed, slow) in calls:
        now += gap
        put(window, now, failed, slow)
        everything.append(Outcome(now, failed, slow))
    now += silence
    window.advance(now)
    assert sums(window) == counted(alive(everything, now, 30.0), streak_of(everything))


def test_a_clock_that_two_threads_read_out_of_order_loses_nothing() -> None:
    window = TimeWindow(10.0)
    window.record(100.0, True, False)
    window.record(99.0, True, False)
    assert sums(window) == (2, 2, 0, 2)


def test_an_outcome_is_forgotten_after_the_length_of_the_window_at_the_latest() -> None:
    window = TimeWindow(60.0)
    window.record(0.5, True, True)
    window.advance(59.9)
    assert sums(window) == (1, 1, 1, 1)
    window.advance(60.0)
    assert sums(window) == (0, 0, 0, 1)


def test_the_streak_outlives_the_window_until_a_success() -> None:
    window = TimeWindow(10.0)
    for at in (0.0, 100.0, 200.0):
        window.record(at, True, False)
    assert sums(window) == (1, 1, 0, 3)
    window.record(201.0, False, True)
    assert window.streak == 0


@pytest.mark.parametrize("kind", [CountWindow, TimeWindow])
def test_a_cleared_window_knows_nothing(kind: type[CountWindow | TimeWindow]) -> None:
    window = kind(5)
    for now in (1.0, 2.0, 3.0):
        window.record(now, True, True)
    window.clear()
    assert sums(window) == (0, 0, 0, 0)
    window.advance(3.1)
    window.record(3.2, True, False)
    assert sums(window) == (1, 1, 0, 1)
    window.advance(100.0)
    assert window.total == (1 if isinstance(window, CountWindow) else 0)


@given(st.integers(1, 12), st.integers(1, 12), st.lists(OUTCOMES, max_size=30), st.lists(OUTCOMES, max_size=15))
def test_a_resized_count_window_keeps_the_newest_outcomes(
    size: int, other: int, before: list[tuple[bool, bool]], after: list[tuple[bool, bool]]
) -> None:
    window, everything = CountWindow(size), []
    for failed, slow in before:
        put(window, 0.0, failed, slow)
        everything.append(Outcome(0.0, failed, slow))
    window = window.resized(other)
    kept = everything[-min(size, other) :]
    assert sums(window) == counted(kept, streak_of(everything))
    for failed, slow in after:
        window.record(0.0, failed, slow)
        kept.append(Outcome(0.0, failed, slow))
        everything.append(kept[-1])
        assert sums(window) == counted(kept[-other:], streak_of(everything))


@given(st.sampled_from([5.0, 10.0, 60.0]), st.lists(st.tuples(st.floats(0, 8), OUTCOMES), max_size=30))
def test_a_resized_time_window_keeps_what_both_lengths_remember(
    other: float, calls: list[tuple[float, tuple[bool, bool]]]
) -> None:
    window, everything, now = TimeWindow(30.0), [], 0.0
    for gap, (failed, slow) in calls:
        now += gap
        put(window, now, failed, slow)
        everything.append(Outcome(now, failed, slow))
    window = window.resized(other)
    window.advance(now)
    # A bucket's place in the new window is where it began: an edge of both widths is open.
    edge = 30.0 / BUCKETS + other / BUCKETS
    length = min(30.0, other)
    surely = [o for o in everything if now - o.at < length - edge - 1e-6]
    perhaps = [o for o in everything if now - o.at < length + 1e-6]
    assert sum(o.failed for o in surely) <= window.failed <= sum(o.failed for o in perhaps)
    assert len(surely) <= window.total <= len(perhaps)
    assert window.streak == streak_of(everything)
    window.advance(now + 61.0)
    assert sums(window)[:3] == (0, 0, 0)


@pytest.mark.parametrize("kind", [CountWindow, TimeWindow])
def test_the_same_length_keeps_the_window_as_it_is(kind: type[CountWindow | TimeWindow]) -> None:
    window = kind(5)
    same = window.resized(5)
    assert same is window


@pytest.mark.parametrize(("kind", "length"), [(CountWindow, 8), (TimeWindow, 60)])
def test_slow_marks_can_be_forgotten_alone(kind: type[CountWindow | TimeWindow], length: int) -> None:
    window = kind(length)
    for at, failed in enumerate([True, False, True]):
        window.record(float(at), failed, True)
    window.forget_slow()
    assert sums(window) == (3, 2, 0, 1)
    for at in range(8):
        window.record(3.0 + at, False, True)
    window.advance(100.0)
    assert window.slow == (8 if isinstance(window, CountWindow) else 0)


def steps(window: CountWindow | TimeWindow, calls: int) -> int:
    """Lines of the module that so many calls, ten a second, execute: a cost that no machine's load disturbs."""
    lines = 0

    def trace(frame: object, event: str, arg: object) -> object:
        nonlocal lines
        lines += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        for number in range(calls):
            window.record(number / 10, number % 3 == 0, False)
    finally:
        sys.settrace(before)
    return lines


def test_a_long_time_window_costs_no_more_than_a_short_one() -> None:
    assert steps(TimeWindow(600.0), 20_000) <= 1.1 * steps(TimeWindow(10.0), 20_000)


def test_a_large_count_window_costs_no_more_than_a_small_one() -> None:
    assert steps(CountWindow(10_000), 20_000) <= 1.1 * steps(CountWindow(10), 20_000)


@settings(max_examples=20)
@given(st.lists(GAPS, max_size=200))
def test_a_time_window_stores_sixty_buckets_at_most(gaps: list[float]) -> None:
    window, now = TimeWindow(60.0), 0.0
    for gap in gaps:
        now += gap
        window.record(now, False, False)
        assert len(window._past) <= BUCKETS


def test_sentences_name_the_span() -> None:
    assert [CountWindow(100).span, TimeWindow(30.0).span] == [" (window: 100 calls)", " in 30 s"]
