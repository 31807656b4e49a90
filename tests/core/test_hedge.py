"""The second call starts where only one call in twenty is still under way, and not before that is known."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails.core.hedge import REMEMBERED, HedgeDelay
from guardrails.errors import ConfigError


@given(st.lists(st.floats(0, 10), min_size=20, max_size=250), st.sampled_from([0.5, 0.9, 0.95, 0.999]))
def test_the_delay_is_a_quantile_of_the_last_hundred(took: list[float], quantile: float) -> None:
    hedge = HedgeDelay(quantile)
    for seconds in took:
        hedge.record(seconds)
    last = sorted(took[-REMEMBERED:])
    delay = hedge.delay()
    assert delay is not None
    assert sum(seconds <= delay for seconds in last) >= quantile * len(last) - 1e-9
    assert sum(seconds < delay for seconds in last) < quantile * len(last)


def test_nothing_is_said_of_fewer_than_twenty_calls() -> None:
    hedge = HedgeDelay()
    for _ in range(19):
        hedge.record(1.0)
    assert hedge.delay() is None
    hedge.record(1.0)
    assert hedge.delay() == 1.0


def test_one_slow_call_in_twenty_is_beyond_the_delay() -> None:
    hedge = HedgeDelay()
    for number in range(20):
        hedge.record(9.0 if number == 3 else 0.1)
    assert hedge.delay() == 0.1


def test_a_hundred_calls_are_remembered_and_the_oldest_goes_first() -> None:
    hedge = HedgeDelay(0.95)
    for number in range(150):
        hedge.record(float(number))
    assert hedge.delay() == 144.0


def test_the_delay_follows_after_ten_calls_and_not_before() -> None:
    hedge, told = HedgeDelay(0.95), []
    for number in range(50):
        hedge.record(float(number))
        told.append(hedge.delay())
    # Each call is slower than all before it: a new delay means that the quantile was taken again.
    assert [number + 1 for number in range(1, 50) if told[number] != told[number - 1]] == [20, 30, 40, 50]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("quantile", 0.49),
        ("quantile", 1.0),
        ("minimum_calls", 19),
        ("minimum_calls", 101),
        ("minimum_calls", 20.5),
        ("quantile", math.nan),
    ],
)
def test_a_setting_out_of_range_is_named(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"{name}: {value}, allowed: "):
        HedgeDelay(**{name: value})
