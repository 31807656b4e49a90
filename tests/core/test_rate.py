"""No span of time sees more calls than burst and rate allow, and none that they allow is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails.core.rate import Pace
from guardrails.errors import ConfigError


@given(
    st.sampled_from([0.5, 1.0, 4.0]),
    st.integers(1, 5),
    st.lists(st.tuples(st.floats(0, 3), st.sampled_from([0.0, 0.5, 10.0])), max_size=40),
)
def test_calls_are_booked_as_in_a_bucket_of_tokens(rate: float, burst: int, calls: list[tuple[float, float]]) -> None:
    pace, now, tokens, filled = Pace(rate, burst), 50.0, float(burst), 50.0
    for gap, longest in calls:
        now += gap
        tokens, filled = min(float(burst), tokens + (now - filled) * rate), now
        wait = max(0.0, (1 - tokens) / rate)
        got = pace.take(now, longest)
        assert got == pytest.approx(wait, abs=1e-5)
        # On the very edge both answers are right, and the bucket follows.
        if got <= longest:
            tokens -= 1


@given(st.integers(1, 5), st.lists(st.floats(0, 2), min_size=1, max_size=40))
def test_no_span_sees_more_calls_than_allowed(burst: int, gaps: list[float]) -> None:
    pace, now, begun = Pace(2.0, burst), 0.0, []
    for gap in gaps:
        now += gap
        wait = pace.take(now, longest=5.0)
        if wait <= 5.0:
            begun.append(now + wait)
    assert begun == sorted(begun)
    for first in range(len(begun)):
        for last in range(first, len(begun)):
            assert last - first + 1 <= burst + (begun[last] - begun[first]) * 2.0 + 1e-5


def test_after_a_rest_a_burst_goes_at_once_and_then_the_rate_holds() -> None:
    pace = Pace(10.0, burst=3)
    assert [pace.take(0.0) for _ in range(3)] == pytest.approx([0.0, 0.0, 0.0])
    assert [pace.take(0.0) for _ in range(3)] == pytest.approx([0.1, 0.1, 0.1])
    assert pace.take(0.1001) == 0.0
    assert [pace.take(1000.0) for _ in range(4)] == pytest.approx([0.0, 0.0, 0.0, 0.1])


def test_a_booked_wait_takes_its_turn() -> None:
    pace = Pace(1.0)
    assert [pace.take(0.0, longest=2.0) for _ in range(5)] == [0.0, 1.0, 2.0, 3.0, 3.0]


def test_an_hour_of_calls_is_spread_without_drift() -> None:
    pace = Pace(10.0)
    begun = sum(pace.take(tick / 20) == 0.0 for tick in range(20 * 3600))
    assert begun == pytest.approx(10 * 3600, abs=2)


def test_an_account_that_owes_nothing_is_even() -> None:
    pace = Pace(2.0, burst=3)
    assert pace.debt(100.0) == 0
    assert [pace.take(100.0), pace.take(100.0), pace.debt(100.0)] == [0, 0, 2]
    assert [pace.debt(100.5), pace.debt(101.0), pace.debt(200.0)] == [1, 0, 0]


@given(
    st.sampled_from([(1.0, 1), (4.0, 5)]),
    st.sampled_from([(0.5, 1), (1.0, 1), (100.0, 3)]),
    st.integers(0, 8),
    st.floats(0, 3),
)
def test_other_limits_are_obeyed_at_once_and_the_debt_in_calls_is_kept(
    before: tuple[float, int], after: tuple[float, int], taken: int, gap: float
) -> None:
    pace, now = Pace(*before), 50.0
    for _ in range(taken):
        pace.take(now, longest=100.0)
    debt = pace.debt(now + gap)
    assert debt == pytest.approx(max(0.0, taken - gap * before[0]))
    pace.change(now + gap, *after)
    assert pace.debt(now + gap) == pytest.approx(debt)
    rate, burst = after
    assert pace.take(now + gap) == pytest.approx(max(0.0, (debt - burst + 1) / rate), abs=1e-5)


@pytest.mark.parametrize(
    ("name", "value"), [("rate", 0), ("rate", 1_000_001), ("burst", 0), ("burst", 1_000_001), ("burst", 1.5)]
)
def test_a_setting_out_of_range_is_named(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"{name}: {value}, allowed: "):
        Pace(**{"rate": 1.0, name: value})
