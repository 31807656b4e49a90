"""The drop-in does what pybreaker does, step by step, wherever the decision record names no difference."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.compat.twins import OPERATIONS, Refused, stop_clock, twins

if TYPE_CHECKING:
    from guardrails.testing import VirtualClock

# Quarters of a second are exact in both clocks.
STEPS = st.tuples(st.just("wait"), st.sampled_from([0.25, 1.0, 4.75, 5.0]))
SETTINGS = st.one_of(
    st.tuples(st.just("set fail_max"), st.integers(1, 4)),
    st.tuples(st.just("set reset_timeout"), st.sampled_from([0, 1.0, 5.0, 100_000.0])),
)
OPERATION = st.one_of(*[st.tuples(st.sampled_from(OPERATIONS), st.just(0))] * 5, STEPS, STEPS, SETTINGS)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> VirtualClock:
    return stop_clock(monkeypatch)


def agree(
    clock: VirtualClock, operations: list[tuple[str, float]], fail_max: int, threshold: int, *, throw: bool
) -> set[str]:
    """Do all this to both and compare after each step. Returns the states met."""
    said = {"reset_timeout": 5.0, "success_threshold": threshold, "exclude": [Refused]}
    mine, yours = twins(clock, fail_max=fail_max, throw_new_error_on_trip=throw, **said)
    met = set()
    for what, arg in operations:
        if what == "wait":
            clock.advance(arg)
            continue
        assert yours.do(what, arg) == mine.do(what, arg), what
        assert yours.seen() == mine.seen(), what
        met.add(mine.breaker.current_state)
    assert yours.listener.heard == mine.listener.heard
    return met


GIVEN = given(
    operations=st.lists(OPERATION, max_size=40),
    fail_max=st.integers(1, 3),
    threshold=st.integers(1, 3),
    throw=st.booleans(),
)
FUNCTION_FIXTURE = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@GIVEN
@settings(max_examples=200, suppress_health_check=FUNCTION_FIXTURE)
def test_whatever_is_done_to_both_they_agree(
    clock: VirtualClock, operations: list[tuple[str, float]], fail_max: int, threshold: int, throw: bool
) -> None:
    agree(clock, operations, fail_max, threshold, throw=throw)


def test_the_comparison_goes_through_every_state(clock: VirtualClock) -> None:
    operations = [("call broken", 0.0), ("stream broken", 0), ("wait", 5.0), ("block fine", 0), ("call refused", 0)]
    assert agree(clock, operations, 2, 2, throw=True) == {"closed", "open", "half-open"}


@pytest.mark.long  # a minute of CPU time
@GIVEN
@settings(max_examples=20_000, suppress_health_check=FUNCTION_FIXTURE)
def test_whatever_is_done_to_both_they_agree_in_twenty_thousand_sequences(
    clock: VirtualClock, operations: list[tuple[str, float]], fail_max: int, threshold: int, throw: bool
) -> None:
    agree(clock, operations, fail_max, threshold, throw=throw)
