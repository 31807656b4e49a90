"""`virtual_time()`: guards behave in full and wait for nothing; afterwards each is what it was before."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any

import pybreaker
import pytest

from guardrails.clock import SystemClock
from guardrails.errors import AttemptTimeout, BulkheadFull, CircuitOpen, DeadlineExceeded
from guardrails.policies import (
    Backoff,
    Breaker,
    Budget,
    Bulkhead,
    Dependency,
    Guard,
    Hedge,
    RateLimit,
    Retry,
    remaining,
)
from guardrails.policies.engine import SWITCH
from guardrails.testing import VirtualClock, virtual_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Seconds that no test has: a wait of the host's would be felt.
LONG = Backoff(base=600, growth=1, cap=600)
PATIENT = Retry(on=ConnectionError, attempts=4, within=None, backoff=LONG)
PERSIST = Retry(on=ConnectionError, attempts=4, within=None, backoff=Backoff(base=0))


@pytest.fixture(autouse=True)
def in_no_time_and_the_switch_is_back_afterwards() -> Iterator[None]:
    began = time.monotonic()
    yield
    assert SWITCH.clock is None
    assert time.monotonic() - began < 60


class Failing:
    """Fails so many times, and then answers."""

    def __init__(self, times: int) -> None:
        self.times = times
        self.calls = 0

    def step(self) -> str:
        self.calls += 1
        if self.calls <= self.times:
            raise ConnectionError("refused")
        return "answer"

    async def astep(self) -> str:
        return self.step()


def failed(guard: Guard, times: int) -> None:
    """So many calls, all of whose attempts fail."""
    for _ in range(times):
        with contextlib.suppress(ConnectionError, CircuitOpen):
            guard.call(Failing(1000).step)


# Threads.


def test_attempts_are_made_without_waiting_and_the_clock_says_for_how_long() -> None:
    guard = Guard("api", retry=PATIENT)
    service = Failing(3)
    with virtual_time() as clock:
        assert guard.call(service.step) == "answer"
        assert service.calls == 4
        assert 600 < clock.elapsed < 1800


def test_jitter_is_the_same_in_each_run() -> None:
    guard = Guard("api", retry=PATIENT)
    waits = []
    for _ in range(2):
        with virtual_time() as clock:
            guard.call(Failing(3).step)
            waits.append(clock.elapsed)
    assert waits[0] == waits[1]


def test_a_stream_is_tried_again_without_waiting() -> None:
    guard = Guard("api", retry=PATIENT)
    service = Failing(3)

    @guard
    def items() -> Iterator[str]:
        yield service.step()

    with virtual_time() as clock:
        assert list(items()) == ["answer"]
        assert clock.elapsed > 600


def test_a_circuit_that_was_made_long_before_opens_and_recovers_on_the_clock() -> None:
    guard = Guard("light", breaker=Breaker(consecutive=2, cooldown=30, permitted_calls=1))
    call = guard(lambda: "answer")
    assert guard._engine.full is False
    with virtual_time() as clock:
        failed(guard, 2)
        with pytest.raises(CircuitOpen):
            call()
        clock.advance(30)
        assert call() == "answer"
        assert guard.state == "closed"
    assert guard._engine.full is False


def test_a_call_through_a_circuit_alone_is_timed_by_the_clock() -> None:
    guard = Guard("light", breaker=Breaker(slow_after=2))

    @guard
    def slow(clock: VirtualClock) -> None:
        clock.sleep(6)

    with virtual_time() as clock:
        slow(clock)
        assert guard.snapshot().circuit.slow == 1


def test_a_failure_is_forgotten_when_its_window_has_passed() -> None:
    guard = Guard("light", breaker=Breaker(minimum_calls=3, window=60))
    with virtual_time() as clock:
        failed(guard, 2)
        clock.advance(61)
        assert guard.snapshot().circuit.calls == 0


def test_time_that_a_fake_takes_counts() -> None:
    guard = Guard("slow", timeout=5, retry=PERSIST, breaker=Breaker(slow_after=2, minimum_calls=1, consecutive=None))
    with virtual_time() as clock:

        def slow() -> None:
            clock.sleep(6)
            assert remaining() == 0
            raise ConnectionError

        with pytest.raises(ConnectionError) as caught:
            guard.call(slow)
        assert "1 of 4 attempts in 6 s" in caught.value.__notes__[0]


def test_guards_made_inside_live_by_it_and_afterwards_by_the_hosts_clock() -> None:
    with virtual_time() as clock:
        guard = Guard("made inside", breaker=Breaker(consecutive=1, cooldown=3600))
        assert guard._engine.clock is clock
        failed(guard, 1)
        tenant = guard.for_key("a")
        assert tenant._engine.clock is clock
    for one in (guard, tenant):
        assert isinstance(one._engine.clock, SystemClock)
        assert one._engine.tick is time.monotonic
        assert (one.state, one.snapshot().circuit.calls) == ("closed", 0)
    assert guard.by_key() == {}
    failed(guard, 1)
    assert guard.state == "open"


def test_a_guard_keeps_the_clock_that_it_was_given() -> None:
    own = VirtualClock()
    guard = Guard("own", clock=own, retry=PATIENT)
    with virtual_time() as clock:
        assert guard.call(Failing(1).step) == "answer"
        assert (own.elapsed > 0, clock.elapsed) == (True, 0)
    assert (guard._engine.clock, guard._engine.last) == (own, "ConnectionError")


# What was, stays.


def states(guard: Guard) -> tuple[Any, ...]:
    said = guard.snapshot()
    circuit = said.circuit._replace(age=0, retry_after=None)
    return circuit, said.last, said.affordable, said.active, sorted(map(str, guard.by_key()))


def test_afterwards_each_guard_is_what_it_was_before() -> None:
    guard = Guard("before", retry=PERSIST, budget=Budget(floor=1), breaker=Breaker(consecutive=8), bulkhead=Bulkhead(3))
    failed(guard, 1)
    tenant = guard.for_key("a")
    failed(tenant, 9)
    with guard.permit():
        before = states(guard), states(tenant)
        with virtual_time() as clock:
            new = Guard("as new", retry=PERSIST, budget=Budget(floor=1), bulkhead=Bulkhead(3))
            assert states(guard)[1:] == states(new)[1:]
            assert (guard.state, guard.snapshot().circuit.calls) == ("closed", 0)
            assert (tenant.state, guard.by_key()) == ("closed", {})
            failed(guard, 9)
            guard.for_key("b")
            clock.advance(1e6)
            assert guard.state == "open"
        assert (states(guard), states(tenant)) == before
        assert (guard.for_key("a"), guard.snapshot().circuit.streak, tenant.state) == (tenant, 4, "open")
    # The call that was under way all the time has counted.
    assert (guard.snapshot().active, guard.snapshot().circuit.streak) == (0, 0)


def test_a_trial_call_that_was_under_way_counts_afterwards() -> None:
    guard = Guard("trial", breaker=Breaker(consecutive=1, permitted_calls=1))
    failed(guard, 1)
    guard.release()
    with guard.permit():
        with virtual_time():
            assert guard.snapshot().circuit.trials == 0
        assert (guard.state, guard.snapshot().circuit.trials) == ("half-open", 1)
    assert guard.state == "closed"


def test_a_guard_that_was_given_other_settings_inside_keeps_them_and_is_as_new_afterwards() -> None:
    guard = Guard("updated", breaker=Breaker(consecutive=2), bulkhead=Bulkhead(1))
    failed(guard, 2)
    with virtual_time():
        guard.update(breaker=Breaker(consecutive=5), bulkhead=None)
    assert (guard.state, guard._engine.circuit.settings) == ("closed", Breaker(consecutive=5))
    assert (guard.snapshot().active, guard._engine.gate) == (None, None)


def test_limits_live_by_the_clock_too() -> None:
    guard = Guard("limited", rate_limit=RateLimit(1, longest_wait=60))
    with virtual_time() as clock:
        assert [guard.call(lambda: "answer") for _ in range(10)] == ["answer"] * 10
        assert clock.elapsed == pytest.approx(9)


def test_a_call_that_began_inside_counts_for_nothing_afterwards() -> None:
    guard = Guard("under way", breaker=Breaker(consecutive=1), bulkhead=Bulkhead(2))
    with virtual_time():
        permit = guard.permit()
        permit.__enter__()
    # One step further, to where the number of the call inside would be given again.
    guard.shadow()
    permit.failure()
    permit.__exit__(None, None, None)
    said = guard.snapshot()
    assert (said.circuit.late, said.circuit.would_have_opened, said.active) == (1, 0, 0)


def test_a_dependency_tells_of_its_mode_at_both_ends() -> None:
    memory = Dependency("memory", breaker=Breaker(consecutive=1))
    failed(memory.read.guard, 1)
    assert memory.mode == "WRITE_ONLY"
    with virtual_time():
        assert (memory.mode, memory._told) == ("FULL", "FULL")
        failed(memory.write.guard, 1)
        assert (memory.mode, memory._told) == ("READ_ONLY", "READ_ONLY")
    assert (memory.mode, memory._told) == ("WRITE_ONLY", "WRITE_ONLY")
    with virtual_time():
        assert (memory.mode, memory._told) == ("FULL", "FULL")
    assert (memory.mode, memory._told) == ("WRITE_ONLY", "WRITE_ONLY")


def test_pybreakers_breaker_goes_by_the_hosts_clock_and_the_waits_take_no_time() -> None:
    theirs = pybreaker.CircuitBreaker(fail_max=3, reset_timeout=60)
    guard = Guard("adopted", breaker=theirs, retry=PATIENT)
    with virtual_time() as clock:
        assert guard.call(Failing(2).step) == "answer"
        assert clock.elapsed > 0
        failed(guard, 1)
        assert theirs.current_state == "open"
        clock.advance(3600)
        with pytest.raises(CircuitOpen):
            guard.call(lambda: "answer")
    assert theirs.current_state == "open"
    with pytest.raises(CircuitOpen):
        guard.call(lambda: "answer")
    with virtual_time():
        assert theirs.current_state == "open"


def test_blocks_share_one_clock_and_the_last_ends_it() -> None:
    guard = Guard("nested", breaker=Breaker(consecutive=1, cooldown=30))
    with virtual_time() as clock:
        with virtual_time() as inner:
            assert inner is clock
            failed(guard, 1)
        assert (guard.state, guard._engine.clock) == ("open", clock)
    assert guard.state == "closed"
    with virtual_time() as another:
        assert another is not clock


def test_it_ends_with_an_error_too() -> None:
    guard = Guard("error")
    with pytest.raises(KeyboardInterrupt), virtual_time():
        raise KeyboardInterrupt
    assert isinstance(guard._engine.clock, SystemClock)


def test_it_holds_in_other_threads() -> None:
    guard = Guard("threads", retry=PATIENT)
    answers: list[str] = []
    with virtual_time() as clock:
        threads = [threading.Thread(target=lambda: answers.append(guard.call(Failing(3).step))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert answers == ["answer"] * 8
        assert clock.elapsed > 600


# asyncio.

# How a test may run: on virtual time, or with a clock that it gave its guard.
CLOCKS = pytest.mark.parametrize("clocked", ["all", "own"])


@contextlib.contextmanager
def timed(clocked: str) -> Iterator[tuple[VirtualClock, Callable[..., Guard]]]:
    if clocked == "all":
        with virtual_time() as clock:
            yield clock, Guard
    else:
        clock = VirtualClock()
        yield clock, lambda *args, **said: Guard(*args, clock=clock, **said)


@CLOCKS
def test_tasks_wait_between_attempts_without_waiting(clocked: str) -> None:
    with timed(clocked) as (clock, make):
        service = Failing(3)
        assert asyncio.run(make("api", retry=PATIENT).acall(service.astep)) == "answer"
        assert service.calls == 4
        assert 600 < clock.elapsed < 1800


@CLOCKS
def test_tasks_that_wait_at_once_wait_for_the_longest_not_for_all(clocked: str) -> None:
    even = Retry(on=ConnectionError, attempts=4, within=None, backoff=Backoff(base=100, growth=1, cap=100))

    async def main(guard: Guard) -> list[str]:
        return await asyncio.gather(*(guard.acall(Failing(3).astep) for _ in range(20)))

    with timed(clocked) as (clock, make):
        assert asyncio.run(main(make("api", retry=even, budget=None, breaker=None))) == ["answer"] * 20
        assert 100 < clock.elapsed < 300


@CLOCKS
def test_time_passes_in_order_for_tasks(clocked: str) -> None:
    order: list[tuple[str, float]] = []

    async def waits(name: str, clock: VirtualClock, *seconds: float) -> None:
        for wait in seconds:
            await clock.asleep(wait)
            order.append((name, round(clock.elapsed, 6)))

    async def main(clock: VirtualClock) -> None:
        await asyncio.gather(waits("a", clock, 1, 1, 1), waits("b", clock, 2.5), waits("c", clock, 0, 2.5))

    with timed(clocked) as (clock, _):
        asyncio.run(main(clock))
    assert order == [("c", 0), ("a", 1), ("a", 2), ("b", 2.5), ("c", 2.5), ("a", 3)]


@CLOCKS
def test_a_task_that_hands_results_on_is_not_overtaken_by_one_that_waits(clocked: str) -> None:
    async def busy(guard: Guard) -> str:
        async def step() -> str:
            for _ in range(20):
                await asyncio.sleep(0)
            return "answer"

        return await guard.acall(step)

    async def main(clock: VirtualClock, guard: Guard) -> Any:
        return await asyncio.gather(busy(guard), clock.asleep(10))

    with timed(clocked) as (clock, make):
        answer, _ = asyncio.run(main(clock, make("api", timeout=5)))
        assert answer == "answer"


@CLOCKS
def test_a_call_that_takes_too_long_by_the_clock_is_cancelled_and_tried_again(clocked: str) -> None:
    calls: list[float] = []
    with timed(clocked) as (clock, make):
        retry = Retry(on=AttemptTimeout, attempts=3, within=None, backoff=Backoff(base=0))
        guard = make("slow", attempt_timeout=2, retry=retry)

        async def slow() -> None:
            calls.append(round(clock.elapsed, 6))
            await clock.asleep(3600)

        with pytest.raises(AttemptTimeout):
            asyncio.run(guard.acall(slow))
        assert (calls, round(clock.elapsed, 6)) == ([0, 2, 4], 6)


@CLOCKS
def test_a_test_that_moves_the_clock_ends_a_call_that_hangs(clocked: str) -> None:
    with timed(clocked) as (clock, make):
        guard = make("hangs", timeout=600)

        async def main() -> None:
            task = asyncio.create_task(guard.acall(asyncio.Event().wait))
            await asyncio.sleep(0)
            clock.advance(599)
            await asyncio.sleep(0.001)
            assert not task.done()
            clock.advance(1)
            with pytest.raises(DeadlineExceeded):
                await task

        asyncio.run(main())


@CLOCKS
def test_a_call_that_hangs_while_nobody_moves_the_clock_ends_by_the_hosts(clocked: str) -> None:
    with timed(clocked) as (clock, make):
        guard = make("hangs", timeout=0.02)
        with pytest.raises(DeadlineExceeded):
            asyncio.run(guard.acall(asyncio.Event().wait))
        assert round(clock.elapsed, 6) == 0.02


@CLOCKS
def test_a_stream_is_ended_by_the_clock(clocked: str) -> None:
    with timed(clocked) as (clock, make):
        guard = make("stream", timeout=10)

        @guard
        async def items() -> Any:
            while True:
                await clock.asleep(3)
                yield clock.elapsed

        async def main() -> list[float]:
            seen: list[float] = []

            async def consume() -> None:
                async for item in items():
                    seen.append(round(item, 6))  # noqa: PERF401 - the error comes in between

            with pytest.raises(DeadlineExceeded):
                await consume()
            return seen

        assert asyncio.run(main()) == [3, 6, 9]


@CLOCKS
def test_tasks_wait_for_their_turn_by_the_clock(clocked: str) -> None:
    with timed(clocked) as (clock, make):
        guard = make("limited", rate_limit=RateLimit(1, longest_wait=60))

        async def main() -> list[float]:
            async def now() -> float:
                return round(clock.elapsed, 6)

            return await asyncio.gather(*(guard.acall(now) for _ in range(5)))

        assert asyncio.run(main()) == [0, 1, 2, 3, 4]


@CLOCKS
def test_a_call_that_is_late_by_the_clock_is_hedged(clocked: str) -> None:
    with timed(clocked) as (clock, make):
        guard = make("hedged", hedge=Hedge())
        calls: list[float] = []

        async def answer() -> str:
            calls.append(clock.elapsed)
            await clock.asleep(1000 if len(calls) == 30 else 0.01)
            return "answer"

        async def main() -> list[str]:
            return [await guard.acall(answer) for _ in range(30)]

        assert asyncio.run(main()) == ["answer"] * 30
        assert (len(calls), round(clock.elapsed, 6)) == (31, 0.31)


@CLOCKS
def test_a_task_waits_for_a_place_by_the_clock(clocked: str) -> None:
    with timed(clocked) as (clock, make):
        guard = make("full", bulkhead=Bulkhead(1, waiting=1, longest_wait=5))

        async def hold(seconds: float) -> str:
            await clock.asleep(seconds)
            return "answer"

        async def main(seconds: float) -> Any:
            first = asyncio.create_task(guard.acall(hold, seconds))
            await asyncio.sleep(0)
            second = asyncio.create_task(guard.acall(hold, 0))
            return await asyncio.gather(first, second, return_exceptions=True)

        assert asyncio.run(main(4)) == ["answer", "answer"]
        first, second = asyncio.run(main(6))
        assert (first, type(second)) == ("answer", BulkheadFull)


def test_a_timer_of_a_loop_that_has_ended_is_no_trouble() -> None:
    clock = VirtualClock()

    async def main() -> None:
        clock.call_later(5, lambda: None)

    asyncio.run(main())
    clock.advance(10)
    assert clock.elapsed == 10


def test_a_timer_rings_in_its_own_loop_whoever_moves_the_clock() -> None:
    clock = VirtualClock()
    rang: list[threading.Thread] = []

    async def main() -> None:
        heard = asyncio.Event()

        def ring() -> None:
            rang.append(threading.current_thread())
            heard.set()

        clock.call_later(3600, ring)
        # When the loop has gone to sleep.
        other = threading.Timer(0.02, clock.advance, (3600,))
        other.start()
        await asyncio.wait_for(heard.wait(), 60)
        other.join(10)

    asyncio.run(main())
    assert rang == [threading.current_thread()]


def test_a_timer_that_is_cancelled_never_rings_not_even_when_it_is_due() -> None:
    clock = VirtualClock()
    rang: list[int] = []

    async def main() -> None:
        early, late = clock.call_later(1, rang.append, 1), clock.call_later(2, rang.append, 2)
        early.cancel()
        clock.advance(3)
        late.cancel()
        await asyncio.sleep(0.001)

    asyncio.run(main())
    assert rang == []


def test_timers_that_nobody_needs_any_more_are_forgotten() -> None:
    clock = VirtualClock()

    async def main() -> None:
        for _ in range(5000):
            clock.call_later(3600, print).cancel()

    asyncio.run(main())
    assert len(clock._timers) <= 1001
