"""Each way in which a peer was seen to fail, tried on a guard. Which peers fail: test_peers_fail.py."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, Any

import pytest

from guardrails import hooks
from guardrails.errors import AttemptTimeout, CircuitOpen, DeadlineExceeded
from guardrails.policies import Breaker, Guard, Retry
from guardrails.testing import VirtualClock
from tests.policies.loops import run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

THREE = Breaker(failure_rate=None, consecutive=3, cooldown=10, permitted_calls=1)


def guard(clock: VirtualClock | None = None, breaker: Breaker | None = THREE, **more: Any) -> Guard:
    return Guard("probe", breaker=breaker, clock=clock or VirtualClock(), **more)


def fail(exc: BaseException) -> None:
    raise exc


def opened(clock: VirtualClock, breaker: Breaker = THREE) -> Guard:
    """A guard whose circuit has just opened, for 5 to 10 s."""
    found = guard(clock, breaker)
    for _ in range(3):
        with pytest.raises(ConnectionError):
            found.call(fail, ConnectionError())
    assert found.state == "open"
    return found


def test_cancelled_tasks_do_not_open_it() -> None:
    clock = VirtualClock()
    probe = guard(clock)

    @probe
    async def hangs() -> None:
        await asyncio.sleep(3600)

    async def cancel_one() -> None:
        task = asyncio.create_task(hangs())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    async def main() -> None:
        for _ in range(5):
            await cancel_one()

    run(clock, main())
    assert (probe.state, probe.snapshot().circuit.failed) == ("closed", 0)


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_interrupts_do_not_open_it_and_stay_what_they_are(interrupt: type[BaseException]) -> None:
    probe = guard()
    for _ in range(5):
        with pytest.raises(interrupt):
            probe.call(fail, interrupt())
    assert probe.state == "closed"


def test_half_open_admits_one_of_fifty_tasks() -> None:
    clock = VirtualClock()
    probe = opened(clock)
    clock.advance(10)
    admitted = 0

    @probe
    async def dead() -> None:
        nonlocal admitted
        admitted += 1
        await asyncio.sleep(1)
        raise ConnectionError

    async def main() -> list[object]:
        return await asyncio.gather(*(dead() for _ in range(50)), return_exceptions=True)

    errors = [type(error) for error in run(clock, main())]
    assert (admitted, errors.count(CircuitOpen)) == (1, 49)


def test_half_open_admits_one_of_twenty_threads() -> None:
    clock = VirtualClock()
    probe = opened(clock)
    clock.advance(10)
    start, leave, admitted = threading.Barrier(20), threading.Event(), []

    def dead() -> None:
        admitted.append(1)
        leave.wait(10)

    def work() -> None:
        start.wait()
        try:
            probe.call(dead)
        except CircuitOpen:
            rejected.append(1)
            if len(rejected) == 19:
                leave.set()

    rejected: list[int] = []
    threads = [threading.Thread(target=work) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(admitted), len(rejected)) == (1, 19)


def test_a_cancelled_trial_call_gives_its_place_back_and_decides_nothing() -> None:
    clock = VirtualClock()
    probe = opened(clock)
    clock.advance(10)

    @probe
    async def hangs() -> None:
        await asyncio.sleep(3600)

    async def main() -> None:
        task = asyncio.create_task(hangs())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])

    run(clock, main())
    assert (probe.state, probe.snapshot().circuit.trials) == ("half-open", 0)
    assert probe.call(lambda: "answer") == "answer"
    assert probe.state == "closed"


@pytest.mark.parametrize("jump", [3600.0, -3600.0])
def test_a_wall_clock_that_jumps_does_not_end_the_open_time(jump: float) -> None:
    clock = VirtualClock()
    probe = opened(clock)
    clock.jump_wall(jump)
    with pytest.raises(CircuitOpen):
        probe.call(print)


def test_a_listener_that_raises_replaces_neither_result_nor_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str, value: float, labels: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(hooks, "_listeners", ((broken,),))
    probe = guard()
    assert probe.call(lambda: "answer") == "answer"
    for _ in range(3):
        with pytest.raises(ConnectionError):
            probe.call(fail, ConnectionError())
    assert probe.state == "open"


def test_asynchronous_generators_that_fail_in_the_middle_open_it() -> None:
    clock = VirtualClock()
    probe = guard(clock)

    @probe
    async def broken() -> AsyncIterator[int]:
        yield 1
        raise ConnectionError

    async def consume() -> list[int]:
        seen = []
        with contextlib.suppress(ConnectionError):
            async for item in broken():
                seen.append(item)  # noqa: PERF401 - what came before the error counts
        return seen

    async def main() -> None:
        for _ in range(3):
            assert await consume() == [1]
        with pytest.raises(CircuitOpen):
            await consume()

    run(clock, main())
    assert probe.state == "open"


def test_a_consumer_that_stops_early_does_not_open_it() -> None:
    probe = guard()

    @probe
    def many() -> Iterator[int]:
        yield from range(10)

    for _ in range(4):
        stream = many()
        assert next(stream) == 0
        stream.close()
    assert (probe.state, probe.snapshot().circuit.calls) == ("closed", 0)


def test_the_call_that_opens_it_raises_its_own_error() -> None:
    probe = guard()
    mine = ConnectionError("mine")
    seen = []
    for _ in range(3):
        with pytest.raises(ConnectionError) as caught:
            probe.call(fail, mine)
        seen.append(caught.value)
    assert (seen, probe.state) == ([mine, mine, mine], "open")


def test_a_success_admitted_before_it_opened_does_not_close_it() -> None:
    probe = guard()

    def old() -> str:
        for _ in range(3):
            with pytest.raises(ConnectionError):
                probe.call(fail, ConnectionError())
        return "late"

    assert probe.call(old) == "late"
    assert (probe.state, probe.snapshot().circuit.late) == ("open", 1)


def test_late_failures_do_not_make_it_open_for_longer() -> None:
    clock = VirtualClock()
    probe = guard(clock)

    def old() -> None:
        for _ in range(3):
            with pytest.raises(ConnectionError):
                probe.call(fail, ConnectionError())
        ends.append(probe.snapshot().circuit.retry_after)
        clock.advance(1)
        raise ConnectionError

    ends: list[float | None] = []
    with pytest.raises(ConnectionError):
        probe.call(old)
    assert probe.snapshot().circuit.retry_after == pytest.approx((ends[0] or 0) - 1)


def test_an_ignored_error_does_not_end_a_streak_of_failures() -> None:
    probe = guard(ignore=ValueError)
    for exc in (ConnectionError, ConnectionError, ValueError, ConnectionError):
        with pytest.raises(exc):
            probe.call(fail, exc())
    assert probe.state == "open"


def test_four_errors_of_five_open_it() -> None:
    probe = guard(breaker=Breaker(failure_rate=0.5, consecutive=None, minimum_calls=5))
    hits = 0

    def flaky() -> None:
        nonlocal hits
        hits += 1
        if hits % 5:
            raise ConnectionError

    for _ in range(200):
        with contextlib.suppress(ConnectionError, CircuitOpen):
            probe.call(flaky)
    assert (probe.state, hits) == ("open", 5)


def test_a_total_timeout_cancels_the_attempt() -> None:
    clock = VirtualClock()
    probe = guard(clock, timeout=0.2, retry=Retry(on=ConnectionError))

    @probe
    async def hangs() -> None:
        await asyncio.sleep(0.6)

    with pytest.raises(DeadlineExceeded) as caught:
        run(clock, hangs())
    assert clock.monotonic() == pytest.approx(0.2, abs=0.02)
    assert (caught.value.attempts, caught.value.timeout) == (1, 0.2)


def test_three_layers_of_three_attempts_make_three_calls() -> None:
    clock = VirtualClock()
    layers = [guard(clock, retry=Retry(on=ConnectionError, attempts=3), breaker=None) for _ in range(3)]
    calls = 0

    def dependency() -> None:
        nonlocal calls
        calls += 1
        raise ConnectionError

    fn = dependency
    for layer in layers:
        fn = layer(fn)
    with pytest.raises(ConnectionError):
        fn()
    assert calls == 3


def test_an_open_circuit_is_not_retried() -> None:
    clock = VirtualClock()
    probe = guard(clock, retry=Retry(on=Exception, attempts=6))
    calls = 0

    def dependency() -> None:
        nonlocal calls
        calls += 1
        raise ConnectionError

    with pytest.raises(ConnectionError):
        probe.call(dependency)
    before = clock.monotonic()
    with pytest.raises(CircuitOpen):
        probe.call(dependency)
    assert (calls, clock.monotonic()) == (3, before)


def test_a_purged_rejection_keeps_no_frame_of_who_caught_it() -> None:
    probe = opened(VirtualClock())
    caught = []
    for _ in range(3):
        with pytest.raises(CircuitOpen) as rejection:
            probe.call(print)
        caught.append(rejection.value)
    assert len({id(error) for error in caught}) == 3
    assert [error.__context__ for error in caught] == [None, None, None]


def test_a_coroutine_function_is_guarded_and_its_failures_count() -> None:
    clock = VirtualClock()
    probe = guard(clock)

    @probe
    async def dead() -> None:
        raise ConnectionError

    async def main() -> list[str]:
        seen = []
        for _ in range(10):
            try:
                await dead()
            except Exception as exc:
                seen.append(type(exc).__name__)
        return seen

    assert run(clock, main()) == ["ConnectionError"] * 3 + ["CircuitOpen"] * 7


def test_an_attempt_that_times_out_is_a_failure() -> None:
    clock = VirtualClock()
    probe = guard(clock, attempt_timeout=1)

    @probe
    async def hangs() -> None:
        await asyncio.sleep(3600)

    for _ in range(3):
        with pytest.raises(AttemptTimeout):
            run(clock, hangs())
    assert probe.state == "open"
