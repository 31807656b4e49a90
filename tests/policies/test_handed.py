"""What a caller in another process hands over holds inside a block, for every guard in it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from guardrails.errors import ConfigError, DeadlineExceeded
from guardrails.policies import Backoff, Guard, Retry, remaining, retried, taking
from guardrails.policies.handed import HANDED
from guardrails.testing import VirtualClock
from tests.policies.loops import run

if TYPE_CHECKING:
    from collections.abc import Callable

WEEK = 604_800


@pytest.fixture(autouse=True)
def _nothing_from_tests_before() -> None:
    """A permit that a test has left open would be a guard around these."""
    HANDED.set(None)


def flaky(times: int) -> tuple[Callable[[], None], list[int]]:
    """A function that always fails, and a list of its calls."""
    calls: list[int] = []

    def fails() -> None:
        calls.append(times)
        raise ConnectionError

    return fails, calls


def retrying(clock: VirtualClock | None = None) -> Guard:
    return Guard("db", retry=Retry(on=ConnectionError, attempts=3, backoff=Backoff(base=0)), clock=clock)


def test_outside_nothing_is_handed_down() -> None:
    assert (remaining(), retried()) == (None, False)


def test_guards_inside_keep_the_deadline_that_was_taken() -> None:
    with taking(0.01):
        left = remaining()
        assert left is not None
        assert 0 < left <= 0.01

        async def hangs() -> None:
            await asyncio.sleep(30)

        with pytest.raises(DeadlineExceeded) as caught:
            asyncio.run(Guard("db", timeout=5).acall(hangs))
        assert caught.value.elapsed < 1
    assert remaining() is None


@pytest.mark.parametrize("seconds", [0, -3, -1e9])
def test_an_operation_that_is_over_makes_no_call(seconds: float) -> None:
    fails, calls = flaky(1)
    with taking(seconds), pytest.raises(DeadlineExceeded):
        Guard("db").call(fails)
    assert calls == []


def test_guards_inside_do_not_retry_where_the_caller_does() -> None:
    fails, calls = flaky(1)
    with taking(None, retried=True):
        assert (remaining(), retried()) == (None, True)
        with pytest.raises(ConnectionError):
            retrying().call(fails)
    assert len(calls) == 1
    with taking(5), pytest.raises(ConnectionError):
        retrying().call(fails)
    assert len(calls) == 4


def test_what_runs_in_a_guard_that_retries_is_retried() -> None:
    said: list[bool] = []
    retrying().call(lambda: said.append(retried()))
    Guard("db", timeout=5).call(lambda: said.append(retried()))
    assert said == [True, False]


def test_the_sooner_deadline_holds_on_the_clock_of_the_guard_around() -> None:
    clock = VirtualClock()
    said: list[float | None] = []

    def work() -> None:
        for seconds in (3, 30, None):
            with taking(seconds):
                clock.advance(1)
                said.append(remaining())

    Guard("db", timeout=10, clock=clock).call(work)
    assert said == [2, 8, 7]


def test_what_a_guard_around_hands_down_stays_when_the_caller_retries() -> None:
    said: list[object] = []

    def work() -> None:
        with taking(None, retried=True):
            said.extend([remaining(), retried()])
        said.append(retried())

    Guard("db", timeout=10, clock=VirtualClock()).call(work)
    assert said == [10, True, False]


def test_a_sooner_deadline_inside_a_guard_is_cancelled_at_by_the_guards_inside() -> None:
    """The timer of the guard around rings later: it is none for this deadline."""
    clock = VirtualClock()

    async def work() -> None:
        with taking(2):
            await Guard("inner", clock=clock).acall(asyncio.sleep, 3600)

    with pytest.raises(DeadlineExceeded, match="'inner'"):
        run(clock, Guard("outer", timeout=50, clock=clock).acall(work))
    assert clock.monotonic() == pytest.approx(2, abs=0.01)


def test_more_than_a_week_counts_as_a_week_and_what_is_no_number_is_refused() -> None:
    with taking(1e300):
        left = remaining()
        assert left is not None
        assert WEEK - 60 < left <= WEEK
    for wrong in (float("nan"), "3", True):
        with pytest.raises(ConfigError, match=r"seconds: .*say what is left, or None for no end"):
            taking(wrong)  # type: ignore[arg-type]


def test_it_ends_with_an_error_too_and_in_tasks_each_for_itself() -> None:
    with pytest.raises(KeyError), taking(5):
        raise KeyError
    assert remaining() is None

    async def task(seconds: float) -> bool:
        with taking(seconds):
            await asyncio.sleep(0)
            left = remaining()
        return left is not None and seconds - 1 < left <= seconds and remaining() is None

    async def main() -> list[bool]:
        return list(await asyncio.gather(*(task(seconds) for seconds in (10, 20, 30))))

    assert asyncio.run(main()) == [True] * 3
