"""A bulkhead: so many at once, so many waiting, first come first served, and no place is ever lost."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from guardrails.errors import BulkheadFull
from guardrails.policies import Breaker, Bulkhead, Guard
from guardrails.testing import VirtualClock
from tests.policies.loops import run


def guard(clock: VirtualClock | None = None, **more: Any) -> Guard:
    return Guard("db", clock=clock or VirtualClock(), **more)


def places(found: Guard) -> tuple[int | None, int | None]:
    snapshot = found.snapshot()
    return snapshot.active, snapshot.waiting


def test_more_calls_than_places_are_rejected_and_the_circuit_ignores_them() -> None:
    found = guard(bulkhead=Bulkhead(2))
    with found.permit(), found.permit(), pytest.raises(BulkheadFull) as caught:
        found.call(print)
    assert str(caught.value) == "'db' has no free place: 2 of 2 taken, 0 waiting. Runbook: bulkhead-full"
    assert places(found) == (0, 0)
    assert found.snapshot().circuit.calls == 2


def test_a_rejected_trial_call_gives_its_permit_back() -> None:
    clock = VirtualClock()
    found = guard(clock, bulkhead=Bulkhead(1), breaker=Breaker(failure_rate=None, consecutive=1, permitted_calls=1))
    with found.permit():
        found._engine.circuit.trip(clock.monotonic(), 1, "test")
        clock.advance(1)
        with pytest.raises(BulkheadFull):
            found.call(print)
        assert (found.state, found.snapshot().circuit.trials) == ("half-open", 0)


def test_tasks_wait_for_a_place_in_the_order_in_which_they_came() -> None:
    clock = VirtualClock()
    found = guard(clock, bulkhead=Bulkhead(1, waiting=9, longest_wait=100))
    order: list[tuple[int, float]] = []

    async def work(number: int) -> None:
        order.append((number, round(clock.monotonic())))
        await asyncio.sleep(1)

    async def main() -> None:
        await asyncio.gather(*(found.acall(work, number) for number in range(5)))

    run(clock, main())
    assert order == [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4)]
    assert places(found) == (0, 0)


def test_the_queue_has_a_bound() -> None:
    clock = VirtualClock()
    found = guard(clock, bulkhead=Bulkhead(1, waiting=2, longest_wait=100))

    async def main() -> list[str]:
        done = await asyncio.gather(*(found.acall(asyncio.sleep, 1) for _ in range(5)), return_exceptions=True)
        return [type(result).__name__ for result in done]

    assert run(clock, main()) == ["NoneType"] * 3 + ["BulkheadFull"] * 2


@pytest.mark.parametrize(("timeout", "waited"), [(None, 3.0), (2.0, 2.0)])
def test_who_waits_too_long_is_rejected_and_sooner_where_the_deadline_is(timeout: float | None, waited: float) -> None:
    clock = VirtualClock()
    found = guard(clock, timeout=timeout, bulkhead=Bulkhead(1, waiting=1, longest_wait=3))

    async def main() -> None:
        with found.permit():
            await found.acall(asyncio.sleep, 0)

    with pytest.raises(BulkheadFull) as caught:
        run(clock, main())
    assert caught.value.waited == waited
    assert clock.monotonic() == pytest.approx(waited, abs=0.01)
    assert places(found) == (0, 0)


def test_waiting_is_no_part_of_the_call() -> None:
    clock = VirtualClock()
    found = guard(
        clock, attempt_timeout=2, bulkhead=Bulkhead(1, waiting=9, longest_wait=100), breaker=Breaker(slow_after=1.5)
    )

    async def main() -> None:
        await asyncio.gather(*(found.acall(asyncio.sleep, 1) for _ in range(5)))

    run(clock, main())
    assert (found.snapshot().circuit.calls, found.snapshot().circuit.slow) == (5, 0)


@pytest.mark.parametrize("moment", ["while it waits", "as it is woken"])
def test_a_task_that_is_cancelled_in_the_queue_leaves_its_place_to_the_next(moment: str) -> None:
    clock = VirtualClock()
    found = guard(clock, bulkhead=Bulkhead(1, waiting=2, longest_wait=100))

    async def main() -> list[str]:
        first, second, third = (asyncio.create_task(found.acall(asyncio.sleep, 1)) for _ in range(3))
        if moment == "while it waits":
            await asyncio.sleep(0.5)
        else:
            await first
        second.cancel()
        await asyncio.wait([first, second, third])
        return ["cancelled" if task.cancelled() else "done" for task in (first, second, third)]

    assert run(clock, main()) == ["done", "cancelled", "done"]
    assert places(found) == (0, 0)


def test_threads_and_tasks_wait_in_one_queue() -> None:
    found = Guard("db", bulkhead=Bulkhead(1, waiting=50, longest_wait=20))
    inside, most = 0, 0

    def enter() -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)

    def leave() -> None:
        nonlocal inside
        inside -= 1

    def work() -> None:
        enter()
        leave()

    async def awork() -> None:
        enter()
        await asyncio.sleep(0)
        leave()

    async def main() -> None:
        await asyncio.gather(*(found.acall(awork) for _ in range(25)))

    threads = [threading.Thread(target=found.call, args=(work,)) for _ in range(20)]
    loops = [threading.Thread(target=asyncio.run, args=(main(),))]
    for thread in (*threads, *loops):
        thread.start()
    for thread in (*threads, *loops):
        thread.join(30)
    assert (most, places(found)) == (1, (0, 0))
    assert found.snapshot().circuit.calls == 45


def test_a_thread_that_waits_too_long_is_rejected() -> None:
    found = Guard("db", bulkhead=Bulkhead(1, waiting=1, longest_wait=0.02))
    with found.permit(), pytest.raises(BulkheadFull) as caught:
        found.call(print)
    assert (caught.value.waited, places(found)) == (0.02, (0, 0))


def test_a_waiter_whose_loop_is_gone_does_not_keep_the_place() -> None:
    found = Guard("db", bulkhead=Bulkhead(1, waiting=2, longest_wait=20))
    permit = found.permit()
    loop = asyncio.new_event_loop()
    gone = loop.create_task(found.acall(asyncio.sleep, 0))
    with permit:
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
        assert places(found) == (1, 1)
    assert places(found) == (0, 0)
    gone._log_destroy_pending = False  # type: ignore[attr-defined]
    gone.get_coro().close()  # type: ignore[union-attr]
    assert places(found) == (0, 0)


def test_a_larger_bulkhead_lets_those_in_who_wait() -> None:
    clock = VirtualClock()
    found = guard(clock, bulkhead=Bulkhead(1, waiting=9, longest_wait=100))

    async def main() -> float:
        tasks = [asyncio.create_task(found.acall(asyncio.sleep, 1)) for _ in range(4)]
        await asyncio.sleep(0.5)
        found.update(bulkhead=Bulkhead(9))
        await asyncio.wait(tasks)
        return clock.monotonic()

    assert run(clock, main()) == pytest.approx(1.5, abs=0.01)
    assert places(found) == (0, 0)
