"""Deadlines: handed down, kept by cancelling, with one timer, and never mistaken for somebody else's cancellation."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

from guardrails.errors import AttemptTimeout, DeadlineExceeded
from guardrails.policies import Bulkhead, Guard, Retry, remaining
from guardrails.testing import VirtualClock
from tests.policies.loops import VirtualLoop, run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


def guard(clock: VirtualClock, name: str = "late", **more: Any) -> Guard:
    return Guard(name, clock=clock, **more)


async def collect(stream: AsyncIterator[int], seen: list[int], busy: float = 0) -> None:
    """Consume a stream, each item in `busy` seconds; what came before an error stays in `seen`."""
    async for item in stream:
        if busy:
            await asyncio.sleep(busy)
        seen.append(item)


async def hang() -> None:
    await asyncio.sleep(3600)


def test_an_attempt_is_cancelled_at_the_deadline_and_the_error_has_the_numbers() -> None:
    clock = VirtualClock()
    ended: list[str] = []

    async def work() -> None:
        try:
            await hang()
        finally:
            ended.append("cleaned up")

    with pytest.raises(DeadlineExceeded) as caught:
        run(clock, guard(clock, timeout=5)(work)())
    error = caught.value
    assert (error.name, error.timeout, error.attempts, error.last) == ("late", 5.0, 1, "")
    assert error.elapsed == clock.monotonic() == pytest.approx(5, abs=0.02)
    assert isinstance(error.__cause__, asyncio.CancelledError)
    assert ended == ["cleaned up"]


def test_on_a_real_loop_the_deadline_is_overrun_by_at_most_20_ms() -> None:
    async def main() -> float:
        found = Guard("late", timeout=0.03, attempt_timeout=0.02, retry=Retry(on=TimeoutError))
        began = time.monotonic()
        with pytest.raises((AttemptTimeout, DeadlineExceeded)):
            await found.acall(hang)
        return time.monotonic() - began

    assert min(asyncio.run(main()) for _ in range(3)) <= 0.03 + 0.02


@pytest.mark.parametrize("layers", [{"timeout": 5}, {"attempt_timeout": 2}, {"timeout": 5, "attempt_timeout": 2}])
def test_an_operation_of_one_attempt_sets_exactly_one_timer(layers: dict[str, Any]) -> None:
    clock = VirtualClock()

    async def answer() -> int:
        return 3

    with asyncio.Runner(loop_factory=lambda: VirtualLoop(clock)) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, VirtualLoop)
        found = guard(clock, retry=Retry(on=OSError), bulkhead=Bulkhead(3), **layers)
        assert runner.run(found.acall(answer)) == 3
        assert loop.timers == 1


def test_without_a_time_limit_no_timer_is_set() -> None:
    clock = VirtualClock()

    async def answer() -> int:
        return 3

    with asyncio.Runner(loop_factory=lambda: VirtualLoop(clock)) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, VirtualLoop)
        assert runner.run(guard(clock, retry=Retry(on=OSError), bulkhead=Bulkhead(3)).acall(answer)) == 3
        assert loop.timers == 0


def test_a_guard_inside_one_with_a_sooner_deadline_sets_no_timer_of_its_own() -> None:
    clock = VirtualClock()
    outer, inner = guard(clock, "outer", timeout=5), guard(clock, "inner", timeout=60)

    async def main() -> tuple[int, str]:
        with pytest.raises(DeadlineExceeded) as caught:
            await outer.acall(inner.acall, hang)
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        # One of the deadline, one of the call that hangs.
        return loop.timers, caught.value.name

    assert run(clock, main()) == (2, "outer")
    assert clock.monotonic() == pytest.approx(5, abs=0.02)


def test_nested_guards_take_the_earlier_deadline() -> None:
    clock = VirtualClock()
    seen: list[float | None] = []

    def look() -> None:
        seen.append(remaining())

    guard(clock, timeout=5).call(guard(clock, timeout=60).call, look)
    guard(clock, timeout=60).call(guard(clock, timeout=5).call, look)
    guard(clock, timeout=60).call(guard(clock).call, look)
    look()
    assert seen == [5, 5, 60, None]


def test_the_deadline_of_an_attempt_is_what_those_inside_have_left() -> None:
    clock = VirtualClock()
    seen: list[float | None] = []

    def work() -> None:
        seen.append(remaining())
        clock.advance(2)
        seen.append(remaining())
        raise ConnectionError

    with pytest.raises(ConnectionError):
        guard(clock, timeout=5, attempt_timeout=3, retry=Retry(on=ConnectionError, attempts=2)).call(work)
    assert seen[:2] == [3, 1]
    assert seen[2] == pytest.approx(3, abs=0.11)


def test_it_reaches_tasks_and_threads_that_are_started_inside() -> None:
    async def look() -> list[float | None]:
        async def inner() -> float | None:
            return remaining()

        return [await asyncio.create_task(inner()), await asyncio.to_thread(remaining)]

    found = asyncio.run(Guard("late", timeout=60).acall(look))
    assert [seconds is not None and 59 < seconds <= 60 for seconds in found] == [True, True]


@pytest.mark.parametrize("more", [{}, {"classify": lambda what: None}], ids=["plain", "classified"])
def test_what_outlives_an_operation_that_returned_is_bound_by_it_no_more(more: dict[str, Any]) -> None:
    clock = VirtualClock()
    outer = guard(clock, "outer", timeout=5, retry=Retry(on=ConnectionError), **more)
    inner = guard(clock, "inner", retry=Retry(on=ConnectionError))
    tasks: list[asyncio.Task[str]] = []
    errors = [ConnectionError()]

    async def flaky() -> str:
        if errors:
            raise errors.pop()
        return "answer"

    async def background() -> str:
        await asyncio.sleep(10)
        assert remaining() is None
        return await inner.acall(flaky)

    async def request() -> None:
        tasks.append(asyncio.create_task(background()))

    async def main() -> str:
        await outer.acall(request)
        return await tasks[0]

    assert run(clock, main()) == "answer"


def test_in_another_task_a_guard_sets_its_own_timer_for_the_deadline_handed_down() -> None:
    clock = VirtualClock()
    outer, inner = guard(clock, "outer", timeout=5), guard(clock, "inner")

    async def detached() -> str:
        task = asyncio.create_task(inner.acall(hang))
        done, _ = await asyncio.wait([task], timeout=4.9)
        assert not done
        try:
            await asyncio.shield(asyncio.wait([task]))
        except asyncio.CancelledError:
            await asyncio.wait([task])
        return type(task.exception()).__name__

    async def main() -> str:
        return await outer.acall(detached)

    assert run(clock, main()) == "DeadlineExceeded"
    assert clock.monotonic() == pytest.approx(5, abs=0.02)


def test_a_call_that_somebody_elses_deadline_cuts_short_says_nothing_about_its_dependency() -> None:
    clock = VirtualClock()
    outer, inner = guard(clock, "outer", timeout=5), guard(clock, "inner", timeout=60)

    async def apart() -> None:
        await asyncio.create_task(inner.acall(hang))

    async def without_a_timer() -> None:
        with outer.permit() as permit:
            permit.ignore()
            await inner.acall(hang)

    for work in (lambda: outer.acall(inner.acall, hang), lambda: outer.acall(apart), without_a_timer):
        with pytest.raises(DeadlineExceeded):
            run(clock, work())
    assert (inner.snapshot().circuit.calls, outer.snapshot().circuit.failed) == (0, 2)


@pytest.mark.parametrize("asynchronous", [False, True])
def test_nothing_begins_once_the_deadline_handed_down_is_over(asynchronous: bool) -> None:
    clock = VirtualClock()
    outer, inner = guard(clock, "outer", timeout=5), guard(clock, "inner")
    calls: list[int] = []

    def work() -> None:
        inner.call(clock.advance, 6)
        inner.call(calls.append, 1)

    async def awork() -> None:
        clock.advance(6)
        await inner.acall(hang)

    with pytest.raises(DeadlineExceeded, match="'inner' was not begun") as caught:
        run(clock, outer.acall(awork)) if asynchronous else outer.call(work)
    assert (caught.value.attempts, calls) == (0, [])
    # The inner one refused, and what is refused is nobody's failure.
    assert (inner.snapshot().circuit.failed, outer.snapshot().circuit.failed) == (0, 0)


def test_a_synchronous_call_that_comes_back_late_keeps_its_result() -> None:
    clock = VirtualClock()
    assert guard(clock, timeout=1).call(lambda: clock.advance(2) or "late but here") == "late but here"


def test_a_wait_that_was_overslept_begins_no_attempt() -> None:
    clock = VirtualClock()
    clock.sleep = lambda seconds: clock.advance(10)  # type: ignore[method-assign]
    calls: list[int] = []

    def work() -> None:
        calls.append(1)
        raise ConnectionError("refused")

    with pytest.raises(DeadlineExceeded) as caught:
        guard(clock, timeout=5, retry=Retry(on=ConnectionError)).call(work)
    assert (calls, caught.value.attempts, caught.value.last) == ([1], 1, "ConnectionError: refused")


def test_cancelling_from_outside_stays_a_cancellation() -> None:
    clock = VirtualClock()
    found = guard(clock, timeout=5)

    async def main() -> tuple[bool, int]:
        task = asyncio.create_task(found.acall(hang))
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled(), task.cancelling()

    assert run(clock, main()) == (True, 1)
    assert found.snapshot().circuit.calls == 0


@pytest.mark.parametrize("first", ["deadline", "caller"])
def test_cancelling_from_outside_in_the_same_instant_wins(first: str) -> None:
    clock = VirtualClock()
    found = guard(clock, timeout=5)

    async def main() -> bool:
        loop = asyncio.get_running_loop()
        task = loop.create_task(found.acall(hang))
        if first == "caller":
            loop.call_at(5 - 1e-12, task.cancel)
        await asyncio.sleep(0)
        if first == "deadline":
            loop.call_at(5 + 1e-12, task.cancel)
        await asyncio.wait([task])
        return task.cancelled()

    assert run(clock, main()) is True
    assert found.snapshot().circuit.calls == 0


def test_after_a_timeout_the_task_may_be_awaited_and_timed_again() -> None:
    clock = VirtualClock()
    found = guard(clock, timeout=5)

    async def main() -> tuple[int, str]:
        task = asyncio.current_task()
        assert task is not None
        for _ in range(3):
            with pytest.raises(DeadlineExceeded):
                await found.acall(hang)
        try:
            async with asyncio.timeout(1):
                await hang()
        except TimeoutError as exc:
            return task.cancelling(), type(exc).__name__
        return -1, ""

    assert run(clock, main()) == (0, "TimeoutError")


def test_within_asyncio_timeout_the_sooner_one_raises() -> None:
    clock = VirtualClock()

    async def main() -> list[str]:
        seen = []
        for seconds in (1, 10):
            try:
                async with asyncio.timeout(seconds):
                    await guard(clock, timeout=5).acall(hang)
            except TimeoutError as exc:
                seen.append(type(exc).__name__)
        return seen

    assert run(clock, main()) == ["TimeoutError", "DeadlineExceeded"]


def test_a_task_group_around_it_sees_the_timeout_and_not_a_cancellation() -> None:
    clock = VirtualClock()

    async def main() -> list[str]:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(guard(clock, timeout=5).acall(hang))
                group.create_task(hang())
        except ExceptionGroup as group_error:
            return [type(error).__name__ for error in group_error.exceptions]
        return []

    assert run(clock, main()) == ["DeadlineExceeded"]


def test_work_that_swallows_the_cancellation_keeps_its_result_and_leaves_no_request_behind() -> None:
    clock = VirtualClock()

    async def stubborn() -> str:
        try:
            await hang()
        except asyncio.CancelledError:
            return "kept"
        return "never"

    async def main() -> tuple[str, int]:
        task = asyncio.current_task()
        assert task is not None
        return await guard(clock, timeout=5).acall(stubborn), task.cancelling()

    assert run(clock, main()) == ("kept", 0)


def test_an_error_of_the_clean_up_is_the_users_and_counts() -> None:
    clock = VirtualClock()
    found = guard(clock, timeout=5)

    async def fragile() -> None:
        try:
            await hang()
        finally:
            raise OSError("while closing")

    with pytest.raises(OSError, match="while closing"):
        run(clock, found.acall(fragile))
    assert found.snapshot().circuit.failed == 1


def test_a_stream_has_one_deadline_for_all_of_its_items() -> None:
    clock = VirtualClock()
    found = guard(clock, timeout=5)

    @found
    async def slow() -> AsyncIterator[int]:
        for number in range(10):
            await asyncio.sleep(1)
            yield number

    async def main() -> tuple[list[int], int]:
        seen: list[int] = []
        with pytest.raises(DeadlineExceeded):
            await collect(slow(), seen)
        task = asyncio.current_task()
        assert task is not None
        return seen, task.cancelling()

    assert run(clock, main()) == ([0, 1, 2, 3], 0)
    assert found.snapshot().circuit.failed == 1


def test_the_consumer_of_a_stream_is_not_cancelled_and_the_stream_ends_at_the_next_item() -> None:
    clock = VirtualClock()
    closed: list[str] = []

    @guard(clock, timeout=5)
    async def stream() -> AsyncIterator[int]:
        try:
            for number in range(10):
                yield number
        finally:
            closed.append("stream")

    async def main() -> list[int]:
        seen: list[int] = []
        with pytest.raises(DeadlineExceeded):
            await collect(stream(), seen, busy=3)
        return seen

    assert run(clock, main()) == [0, 1]
    assert closed == ["stream"]


def test_the_deadline_is_handed_to_a_stream_and_not_to_its_consumer() -> None:
    clock = VirtualClock()
    seen: list[tuple[float | None, float | None]] = []

    @guard(clock, timeout=5)
    def stream() -> Iterator[float | None]:
        while True:
            yield remaining()
            clock.advance(2)

    def consume() -> None:
        for inside in stream():
            seen.append((inside, remaining()))  # noqa: PERF401 - what came before the error counts

    with pytest.raises(DeadlineExceeded):
        consume()
    assert seen == [(5, None), (3, None), (1, None), (0, None)]


def test_the_first_item_of_a_stream_has_the_time_of_an_attempt() -> None:
    clock = VirtualClock()
    calls = 0

    @guard(clock, attempt_timeout=2, retry=Retry(on=AttemptTimeout))
    async def stream() -> AsyncIterator[int]:
        nonlocal calls
        calls += 1
        await asyncio.sleep(60 if calls == 1 else 1)
        yield 1
        await asyncio.sleep(60)
        yield 2

    async def main() -> list[int]:
        return [item async for item in stream()]

    assert (run(clock, main()), calls) == ([1, 2], 2)
