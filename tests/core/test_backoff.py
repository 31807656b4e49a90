"""Waits grow, differ between callers, obey the server, and end where no attempt fits any more."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails.core.backoff import Backoff, fitting
from guardrails.errors import ConfigError

CHANCE = st.floats(0, 1, exclude_max=True)


@pytest.mark.parametrize(("attempt", "longest"), [(1, 0.1), (2, 0.2), (3, 0.4), (7, 6.4), (8, 10.0), (10_000, 10.0)])
def test_the_longest_wait_doubles_with_each_attempt_up_to_the_cap(attempt: int, longest: float) -> None:
    assert Backoff().delay(attempt, 0.0) == 0.0
    assert Backoff().delay(attempt, 0.5) == pytest.approx(longest / 2)
    assert Backoff().delay(attempt, 1 - 2**-53) == pytest.approx(longest)


@given(st.integers(1, 10_000), CHANCE, st.floats(1, 10), st.floats(0, 3600))
def test_no_wait_is_negative_or_over_the_cap(attempt: int, u: float, growth: float, cap: float) -> None:
    delay = Backoff(base=cap / 7, growth=growth, cap=cap).delay(attempt, u)
    assert delay is not None
    assert 0 <= delay <= cap


def test_no_base_retries_at_once() -> None:
    assert Backoff(base=0).delay(5, 0.99) == 0.0


@given(st.integers(1, 100), CHANCE, st.floats(0.001, 60))
def test_nobody_returns_before_the_server_said_nor_all_in_one_instant(attempt: int, u: float, asked: float) -> None:
    delay = Backoff(base=0.5).delay(attempt, u, asked)
    assert delay == asked + u * 0.5


@pytest.mark.parametrize("asked", [0.0, -1.0, float("nan"), None])
def test_a_wish_that_is_no_positive_number_counts_as_none(asked: float | None) -> None:
    assert Backoff().delay(2, 0.5, asked) == pytest.approx(0.1)


@pytest.mark.parametrize(("asked", "delay"), [(60.0, 60.0), (60.1, None), (float("inf"), None)])
def test_a_server_that_asks_for_too_long_ends_the_retries(asked: float, delay: float | None) -> None:
    assert Backoff().delay(1, 0.0, asked) == delay


@pytest.mark.parametrize(
    ("delay", "deadline", "shortest", "fits"),
    [
        (1.0, None, 5.0, True),
        (1.0, 102.0, 0.0, True),
        (1.0, 102.0, 0.9, True),
        (1.0, 102.0, 1.0, False),
        (2.0, 102.0, 0.0, False),
        (0.0, 100.0, 0.0, False),
        (0.0, 99.0, 0.0, False),
        (None, None, 0.0, False),
    ],
)
def test_no_attempt_starts_that_cannot_fit(
    delay: float | None, deadline: float | None, shortest: float, fits: bool
) -> None:
    assert fitting(delay, 100.0, deadline, shortest) == (delay if fits else None)


def test_a_server_wish_beyond_the_deadline_ends_the_retries_at_once() -> None:
    assert fitting(Backoff().delay(1, 0.5, 20.0), 0.0, 10.0) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("base", -0.1),
        ("base", 3601),
        ("growth", 0.9),
        ("growth", 10.1),
        ("cap", 0.05),
        ("cap", 3601),
        ("longest_retry_after", -1),
        ("longest_retry_after", 86_401),
    ],
)
def test_a_setting_out_of_range_is_named(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"{name}: {value}, allowed: "):
        Backoff(**{name: value})


def test_all_mistakes_are_reported_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        Backoff(base=None, growth=0, cap=-1, longest_retry_after="1")
    assert len(caught.value.problems) == 4
