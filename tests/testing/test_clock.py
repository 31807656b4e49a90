"""Time and chance in a test's hand."""

from __future__ import annotations

import asyncio
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

import guardrails.testing
from guardrails.clock import Clock, SystemClock
from guardrails.testing import VirtualClock


def test_it_is_what_the_room_offers() -> None:
    offered = ["Fault", "FaultServer", "Reply", "Tool", "VirtualClock", "disabled", "reset", "virtual_time"]
    assert guardrails.testing.__all__ == offered
    assert [getattr(guardrails.testing, name).__name__ for name in offered] == offered


def test_it_is_a_clock_as_the_systems_is() -> None:
    clocks: list[Clock] = [VirtualClock(), SystemClock()]
    for clock in clocks:
        assert clock.monotonic() <= clock.monotonic()
        assert clock.wall() > 1_700_000_000
        assert 0 <= clock.chance() < 1


def test_it_stands_still_until_it_is_moved() -> None:
    clock = VirtualClock()
    assert (clock.monotonic(), clock.monotonic()) == (0.0, 0.0)
    assert (clock.wall(), clock.wall()) == (1_750_000_000.0, 1_750_000_000.0)


def test_both_clocks_advance_together() -> None:
    clock = VirtualClock(start=100.0, wall=2_000.0)
    clock.advance(1.5)
    clock.advance(0)
    clock.advance(2)
    assert (clock.monotonic(), clock.wall()) == (103.5, 2_003.5)


def test_a_jump_of_the_wall_clock_leaves_the_other_alone() -> None:
    clock = VirtualClock(start=100.0, wall=2_000.0)
    clock.jump_wall(-3_600.0)
    assert (clock.monotonic(), clock.wall()) == (100.0, -1_600.0)
    clock.advance(10.0)
    clock.jump_wall(60.0)
    assert (clock.monotonic(), clock.wall()) == (110.0, -1_530.0)


@pytest.mark.parametrize(
    ("seconds", "shown"), [(-1.0, "-1 s"), (-1e-9, "-1e-09 s"), (math.inf, "inf s"), (math.nan, "nan s")]
)
def test_time_does_not_run_backwards(seconds: float, shown: str) -> None:
    clock = VirtualClock(start=5.0)
    with pytest.raises(
        ValueError, match=rf"^time passes forwards and in finite steps, not by {shown}: .* jump_wall\(\)$"
    ):
        clock.advance(seconds)
    assert clock.monotonic() == 5.0


@given(st.lists(st.floats(0, 1e6)), st.floats(-1e9, 1e9))
def test_monotonic_time_never_goes_back(steps: list[float], start: float) -> None:
    clock = VirtualClock(start=start)
    seen = [clock.monotonic()]
    for step in steps:
        clock.advance(step)
        clock.jump_wall(-step)
        seen.append(clock.monotonic())
    assert seen == sorted(seen)


@given(st.integers())
def test_two_clocks_of_one_seed_roll_the_same_numbers(seed: int) -> None:
    one, two = VirtualClock(seed=seed), VirtualClock(seed=seed)
    rolled = [one.chance() for _ in range(20)]
    two.advance(7.0)
    assert [two.chance() for _ in range(20)] == rolled
    assert all(0 <= number < 1 for number in rolled)
    assert len(set(rolled)) > 15


def test_seeds_differ() -> None:
    assert VirtualClock(seed=1).chance() != VirtualClock(seed=2).chance()


def test_a_day_in_small_steps_takes_no_time() -> None:
    clock = VirtualClock()
    for _ in range(864_00):
        clock.advance(1.0)
    assert clock.monotonic() == 86_400.0


def test_whoever_sleeps_by_it_lets_time_pass() -> None:
    clock = VirtualClock(start=5.0)
    clock.sleep(2.5)
    assert clock.monotonic() == 7.5


@pytest.mark.parametrize("seconds", [math.inf, math.nan])
def test_nobody_waits_by_it_for_ever(seconds: float) -> None:
    clock = VirtualClock()

    async def timer() -> None:
        clock.call_later(seconds, print)

    for waits in (clock.asleep(seconds), timer()):
        with pytest.raises(ValueError, match="nobody waits for"):
            asyncio.run(waits)
    assert clock.elapsed == 0
