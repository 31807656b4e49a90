"""A second call where the first is late: who wins, who pays, and that nothing is left behind."""

from __future__ import annotations

import asyncio
import functools
import gc
import inspect
import random
import threading
import weakref
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails import hooks
from guardrails.errors import AttemptTimeout, CircuitOpen, ConfigError, DeadlineExceeded, Unguardable
from guardrails.policies import (
    IGNORED,
    AdaptiveLimit,
    Backoff,
    Breaker,
    Budget,
    Bulkhead,
    Dependency,
    Guard,
    Hedge,
    RateLimit,
    Retry,
    hedging,
    remaining,
)
from guardrails.testing import VirtualClock
from tests.policies.loops import run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

# What a call of this dependency takes on a good day, and so after how long a second one begins.
USUAL = 1.0
NONE = Breaker(failure_rate=None, consecutive=None, window=3600)


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, str]]]:
    found: list[tuple[str, dict[str, str]]] = []
    monkeypatch.setattr(hooks, "_listeners", ((lambda name, value, labels: found.append((name, dict(labels))),),))
    return found


def verdicts(heard: list[tuple[str, dict[str, str]]]) -> list[str]:
    return [labels["verdict"] for name, labels in heard if name == "hedges_total"]


def outcomes(heard: list[tuple[str, dict[str, str]]]) -> list[str]:
    return [labels["outcome"] for name, labels in heard if name == "calls_total"]


class Calls:
    """What each call of the dependency does, in the order in which they begin: seconds, and an error or a value."""

    def __init__(self, *steps: tuple[float, Any]) -> None:
        self.steps = list(steps)
        self.begun = self.active = self.cancelled = 0

    async def __call__(self) -> Any:
        self.begun += 1
        seconds, result = self.steps.pop(0) if self.steps else (USUAL, "usual")
        self.active += 1
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.active -= 1
        if isinstance(result, BaseException):
            raise result
        return result


class Broken(Exception):
    """One of a user's."""


class World:
    """A guard that knows how long calls take, and what it calls."""

    def __init__(self, *steps: tuple[float, Any], **more: Any) -> None:
        self.clock = VirtualClock()
        self.calls = Calls()
        more = {"hedge": Hedge(), "breaker": NONE, **more}
        self.guard = Guard("search", clock=self.clock, **more)
        self.run(self.learn())
        self.calls.steps = list(steps)
        self.calls.begun = 0

    async def learn(self) -> None:
        for _ in range(20):
            await self.guard.acall(self.calls)

    def run(self, main: Any) -> Any:
        return run(self.clock, main)

    def call(self) -> Any:
        return self.run(self.guard.acall(self.calls))

    def timed(self) -> tuple[Any, float]:
        """What a call came to, and how long it took."""
        began = self.clock.monotonic()
        result = self.call()
        # Whatever happened, nothing is left under way, in a bulkhead, or unsettled.
        assert self.calls.active == 0
        assert self.guard.snapshot().active in (None, 0)
        assert not hedging._TASKS
        return result, round(self.clock.monotonic() - began, 3)


# Who wins.


def test_nothing_is_hedged_before_enough_is_known() -> None:
    world = World(hedge=Hedge(minimum_calls=40))
    assert world.guard.snapshot().hedge_after is None
    world.calls.steps = [(30, "slow")]
    assert (world.timed(), world.calls.begun) == (("slow", 30), 1)


def test_a_call_that_is_answered_in_time_is_not_doubled() -> None:
    world = World((0.9, "quick"))
    assert world.guard.snapshot().hedge_after == pytest.approx(USUAL, abs=0.01)
    assert (world.timed(), world.calls.begun) == (("quick", 0.9), 1)


def test_the_second_call_overtakes_a_late_first_which_is_cancelled(heard: list[tuple[str, dict[str, str]]]) -> None:
    world = World((30, "first"), (0.5, "second"))
    heard.clear()
    assert (world.timed(), world.calls.begun, world.calls.cancelled) == (("second", 1.5), 2, 1)
    assert (verdicts(heard), outcomes(heard)) == (["won"], ["ignored", "success"])


def test_the_first_call_may_still_win_and_the_second_is_cancelled(heard: list[tuple[str, dict[str, str]]]) -> None:
    world = World((2, "first"), (30, "second"))
    heard.clear()
    assert (world.timed(), world.calls.begun, world.calls.cancelled) == (("first", 2), 2, 1)
    assert (verdicts(heard), outcomes(heard)) == (["lost"], ["ignored", "success"])


def test_a_first_call_that_fails_in_time_is_not_hedged(heard: list[tuple[str, dict[str, str]]]) -> None:
    world = World((0.5, ConnectionError("mine")))
    heard.clear()
    with pytest.raises(ConnectionError, match="mine"):
        world.timed()
    assert (world.calls.begun, verdicts(heard), outcomes(heard)) == (1, [], ["failure"])


@pytest.mark.parametrize("seconds", [(2, 9), (5, 1.5)], ids=["the first fails first", "the second fails first"])
@pytest.mark.parametrize("bad", ["first", "second"])
def test_a_failure_leaves_it_to_the_other_call(
    seconds: tuple[float, float], bad: str, heard: list[tuple[str, dict[str, str]]]
) -> None:
    steps = [
        (seconds[index], ConnectionError() if bad == name else name) for index, name in enumerate(("first", "second"))
    ]
    first_ends, second_ends = seconds[0], USUAL + seconds[1]
    fails_first = (first_ends < second_ends) == (bad == "first")
    world = World(*steps)
    heard.clear()
    result, took = world.timed()
    assert result == ("second" if bad == "first" else "first")
    over = max(first_ends, second_ends) if fails_first else min(first_ends, second_ends)
    assert took == pytest.approx(over, abs=0.01)
    assert verdicts(heard) == ["lost" if bad == "second" else "won"]
    # A failure that came later than the answer was cancelled.
    assert outcomes(heard) == ["failure" if fails_first else "ignored", "success"]


@pytest.mark.parametrize(
    ("steps", "raised"),
    [
        ([(2, OSError("first")), (9, KeyError("second"))], KeyError),
        ([(5, OSError("first")), (1.5, KeyError("second"))], OSError),
    ],
)
def test_where_both_fail_the_last_error_comes_out_and_both_count(
    steps: list[tuple[float, Any]], raised: type[Exception], heard: list[tuple[str, dict[str, str]]]
) -> None:
    world = World(*steps)
    heard.clear()
    with pytest.raises(raised) as caught:
        world.timed()
    assert (caught.value.__context__, caught.value.__cause__) == (None, None)
    assert (verdicts(heard), outcomes(heard)) == (["failed"], ["failure", "failure"])
    assert world.guard.snapshot().circuit.failed == 2


def test_only_a_success_wins_while_the_other_is_under_way() -> None:
    world = World((3, 503), (1, 400), classify={400: IGNORED}.get)
    assert world.timed() == (503, 3)
    world = World((9, "first"), (1, KeyError("mine")), ignore=KeyError)
    assert world.timed() == ("first", 9)


def test_a_call_that_is_cancelled_from_inside_leaves_it_to_the_other() -> None:
    world = World((2, asyncio.CancelledError()), (3, "second"))
    assert world.timed() == ("second", 4)
    world = World((2, asyncio.CancelledError()), (3, asyncio.CancelledError()))
    with pytest.raises(asyncio.CancelledError):
        world.timed()
    assert world.guard.snapshot().circuit.failed == 0


@given(
    st.lists(
        st.tuples(st.sampled_from([0.3, 0.9, 1.7, 2.6, 4.1, 7.7]), st.sampled_from(["good", "bad", "ignored"])),
        min_size=2,
        max_size=2,
    ),
    st.sampled_from([None, 2.2, 5.3]),
    st.sampled_from([None, 0.6, 1.4, 3.3]),
)
def test_whatever_happens_it_ends_as_said_and_nothing_is_left(
    ends: list[tuple[float, str]], attempt_timeout: float | None, cancelled_after: float | None
) -> None:
    """A model of two calls on a line of time."""
    made = {"good": "good", "bad": OSError("bad"), "ignored": KeyError("ignored")}
    world = World(attempt_timeout=attempt_timeout, ignore=KeyError, bulkhead=Bulkhead(2))
    world.calls.steps = [(seconds, made[kind]) for seconds, kind in ends]
    (first, first_kind), (second, second_kind) = (ends[0], (USUAL + ends[1][0], ends[1][1]))
    limit = min(attempt_timeout or 99.0, cancelled_after or 99.0)
    if first <= USUAL:
        over, result = first, first_kind
    else:
        answers = [at for at, kind in ((first, first_kind), (second, second_kind)) if kind == "good"]
        over = min(answers) if answers else max(first, second)
        result = "good" if answers else first_kind if first > second else second_kind
    if over >= limit:
        over, result = limit, "cancelled" if limit == cancelled_after else "late"

    async def main() -> tuple[str, float]:
        began = world.clock.monotonic()
        task = asyncio.create_task(world.guard.acall(world.calls))
        if cancelled_after is not None:
            asyncio.get_running_loop().call_later(cancelled_after, task.cancel)
        await asyncio.wait([task])
        if task.cancelled():
            said = "cancelled"
        else:
            error = task.exception()
            said = {type(None): "good", OSError: "bad", KeyError: "ignored", AttemptTimeout: "late"}[type(error)]
        return said, world.clock.monotonic() - began

    assert world.run(main()) == (result, pytest.approx(over, abs=0.01))
    assert (world.calls.active, world.guard.snapshot().active, hedging._TASKS) == (0, 0, set())
    assert world.calls.begun == (2 if over > USUAL else 1)


# What keeps it from being more than it should.


def test_the_budget_pays_and_is_shared_with_retries(heard: list[tuple[str, dict[str, str]]]) -> None:
    world = World(budget=Budget(ratio=0.1, floor=0, seconds=3600))
    assert world.guard.snapshot().affordable == pytest.approx(2)
    heard.clear()
    world.calls.steps = [(30, "first"), (0.5, "second")] * 2
    assert [world.timed(), world.timed()] == [("second", 1.5)] * 2
    world.calls.steps = [(30, "first")]
    assert world.timed() == ("first", 30)
    assert verdicts(heard) == ["won", "won", "budget"]


def test_of_a_slow_day_a_tenth_is_doubled_and_no_more() -> None:
    world = World(budget=Budget(ratio=0.1, floor=0, seconds=3600))
    world.calls.steps = [(30.0, "slow")] * 200
    world.calls.begun = 0
    for _ in range(100):
        world.call()
    assert 100 < world.calls.begun <= 112


def test_a_second_call_needs_a_place_and_never_waits_for_one(heard: list[tuple[str, dict[str, str]]]) -> None:
    world = World((3, "first"), bulkhead=Bulkhead(2, waiting=5))
    heard.clear()

    async def main() -> Any:
        async with world.guard.permit():
            return await world.guard.acall(world.calls)

    assert (world.run(main()), world.calls.begun, verdicts(heard)) == ("first", 1, ["bulkhead"])
    assert world.guard.snapshot().active == 0


def test_a_second_call_needs_a_free_turn(heard: list[tuple[str, dict[str, str]]]) -> None:
    limits = {"rate_limit": RateLimit(0.5, burst=30), "bulkhead": Bulkhead(5)}
    world = World((30, "first"), (0.5, "second"), (3, "first"), **limits)
    heard.clear()
    assert world.timed() == ("second", 1.5)
    world.guard.update(rate_limit=RateLimit(0.001, burst=1))
    world.clock.advance(100_000)
    assert world.timed() == ("first", 3)
    assert verdicts(heard) == ["won", "rate"]


def test_a_circuit_that_is_not_closed_is_never_asked_twice(heard: list[tuple[str, dict[str, str]]]) -> None:
    said = Breaker(consecutive=1, failure_rate=None, permitted_calls=5, cooldown=5)
    world = World((0.1, ConnectionError()), (3, "trial"), breaker=said)
    heard.clear()
    with pytest.raises(ConnectionError):
        world.timed()
    with pytest.raises(CircuitOpen):
        world.call()
    world.clock.advance(10)
    assert (world.timed(), world.guard.state) == (("trial", 3), "half-open")
    assert (world.calls.begun, verdicts(heard)) == (2, [])


def test_a_circuit_that_opens_meanwhile_is_not_asked_again(heard: list[tuple[str, dict[str, str]]]) -> None:
    world = World((3, "first"))
    heard.clear()

    async def main() -> Any:
        task = asyncio.create_task(world.guard.acall(world.calls))
        await asyncio.sleep(0.5)
        world.guard.isolate("maintenance")
        return await task

    assert (world.run(main()), world.calls.begun, verdicts(heard)) == ("first", 1, ["circuit"])


def test_no_second_call_is_the_trial_of_a_circuit_that_opened_meanwhile() -> None:
    world = World((3, "first"), (0.1, ConnectionError()), breaker=Breaker(consecutive=1, cooldown=0.5))

    async def main() -> Any:
        task = asyncio.create_task(world.guard.acall(world.calls))
        await asyncio.sleep(0)
        with pytest.raises(ConnectionError):
            await world.guard.acall(world.calls)
        return await task

    assert (world.run(main()), world.calls.begun, world.guard.state) == ("first", 2, "open")


def test_only_the_first_attempt_is_hedged() -> None:
    world = World(
        (2, OSError()), (3, OSError()), (9, "third"), retry=Retry(on=OSError, attempts=3, backoff=Backoff(base=0))
    )
    assert (world.timed(), world.calls.begun) == (("third", 13), 3)


def test_a_guard_inside_an_owner_makes_one_call_and_an_owner_hedges_for_those_inside() -> None:
    world = World((3, "first"))
    outer = Guard("outer", retry=Retry(on=OSError), clock=world.clock)
    assert (world.run(outer.acall(world.guard.acall, world.calls)), world.calls.begun) == ("first", 1)
    world, owner = World((3, "first"), (30, "second")), World()
    # Two calls of the owner, and none more of the one inside.
    assert (world.run(owner.guard.acall(world.guard.acall, world.calls)), world.calls.begun) == ("first", 2)
    world = World((3, OSError()), (9, OSError("one call")))
    inner = Guard("inner", retry=Retry(on=OSError, attempts=5), clock=world.clock)
    with pytest.raises(OSError, match="one call"):
        world.run(world.guard.acall(inner.acall, world.calls))
    # The second call of the owner, and no retry of the one inside.
    assert world.calls.begun == 2


def test_a_guard_whose_owner_has_gone_hedges_itself() -> None:
    world = World((30, "first"), (0.5, "second"))
    outer = Guard("outer", retry=Retry(on=OSError), clock=world.clock)

    async def start() -> asyncio.Task[Any]:
        async def later() -> Any:
            await asyncio.sleep(1)
            return await world.guard.acall(world.calls)

        return asyncio.create_task(later())

    async def main() -> Any:
        return await (await outer.acall(start))

    assert (world.run(main()), world.calls.begun) == ("second", 2)


# Time, and what is called.


def test_an_attempt_timeout_holds_for_both_calls_together() -> None:
    world = World((30, "first"), (30, "second"), attempt_timeout=2.5)
    began = world.clock.monotonic()
    with pytest.raises(AttemptTimeout):
        world.timed()
    assert world.clock.monotonic() - began == pytest.approx(2.5, abs=0.01)
    assert (world.calls.begun, world.calls.cancelled, world.guard.snapshot().circuit.failed) == (2, 2, 1)


def test_a_deadline_holds_for_both_calls_and_both_know_it(heard: list[tuple[str, dict[str, str]]]) -> None:
    seen: list[float | None] = []
    world = World(timeout=2.5)
    heard.clear()

    async def hangs() -> None:
        seen.append(remaining())
        await asyncio.sleep(30)

    with pytest.raises(DeadlineExceeded):
        world.run(world.guard.acall(hangs))
    assert seen == pytest.approx([2.5, 1.5], abs=0.01)
    assert (verdicts(heard), sorted(outcomes(heard))) == (["cancelled"], ["failure", "ignored"])


def test_no_second_call_begins_that_the_time_does_not_reach() -> None:
    world = World((1.15, "first"))
    world.guard.update(attempt_timeout=USUAL)
    with pytest.raises(AttemptTimeout):
        world.timed()
    assert world.calls.begun == 1

    async def current() -> object:
        return asyncio.current_task()

    async def main() -> bool:
        return await world.guard.acall(current) is asyncio.current_task()

    # Where none can begin, the first needs no task of its own.
    assert world.run(main())
    world.guard.update(attempt_timeout=None)
    assert not world.run(main())


def test_a_deadline_does_not_wait_for_a_loser_that_will_not_end() -> None:
    world = World(timeout=3)

    async def stubborn() -> str:
        if not seen:
            seen.append(1)
            while True:
                try:
                    await asyncio.sleep(20)
                except asyncio.CancelledError:
                    continue
                return "late"
        return "second"

    seen: list[int] = []

    async def main() -> float:
        began = world.clock.monotonic()
        with pytest.raises(DeadlineExceeded):
            await world.guard.acall(stubborn)
        took = world.clock.monotonic() - began
        await asyncio.sleep(60)
        return took

    assert world.run(main()) == pytest.approx(3, abs=0.01)
    assert not hedging._TASKS


def test_a_caller_that_is_cancelled_cancels_both() -> None:
    world = World((30, "first"), (30, "second"), bulkhead=Bulkhead(5))

    async def main() -> tuple[int, int | None]:
        task = asyncio.create_task(world.guard.acall(world.calls))
        await asyncio.sleep(1.5)
        inside = world.guard.snapshot().active
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        return world.calls.cancelled, inside

    assert world.run(main()) == (2, 2)
    assert (world.guard.snapshot().active, world.guard.snapshot().circuit.failed) == (0, 0)


def test_the_loser_is_gone_before_the_answer_goes_out() -> None:
    world = World()
    ended: list[str] = []

    async def call() -> str:
        if len(begun) == 1:
            return "second"
        begun.append(1)
        try:
            await asyncio.sleep(30)
        finally:
            await asyncio.sleep(0.25)
            ended.append("cleaned up")
        return "first"

    begun: list[int] = []
    assert (world.run(world.guard.acall(call)), ended) == ("second", ["cleaned up"])


def test_slow_is_what_the_call_that_counts_took_by_itself() -> None:
    world = World((30, "first"), (0.5, "second"), breaker=NONE._replace(slow_after=1.2))
    assert world.timed() == ("second", 1.5)
    assert world.guard.snapshot().circuit.slow == 0


def test_the_delay_is_not_led_astray_by_the_calls_that_it_cuts_short() -> None:
    """The longest tail that there is. Were they left out, the delay would sink, and one call in six be doubled."""
    made = sum(calls_with_a_long_tail(seed) for seed in (1, 2))
    assert 4200 <= made <= 4500


def calls_with_a_long_tail(seed: int) -> int:
    """How many calls 2000 operations make that nothing but the delay keeps from hedging."""
    clock, chance = VirtualClock(), random.Random(seed)
    found = Guard("tail", clock=clock, hedge=Hedge(), breaker=NONE, budget=Budget(ratio=1, floor=1000))
    made = 0

    async def call() -> None:
        nonlocal made
        made += 1
        await asyncio.sleep(0.1 / (1 - chance.random()))

    async def main() -> None:
        for _ in range(2000):
            await found.acall(call)

    run(clock, main())
    return made


# Nothing is left behind.


def test_no_error_goes_unheard_and_no_cycle_keeps_one() -> None:
    complaints: list[dict[str, Any]] = []
    world = World()
    held: list[weakref.ref[BaseException]] = []

    async def fails() -> None:
        await asyncio.sleep(2)
        raise Broken

    async def fails_at_once() -> None:
        raise Broken

    async def untidy() -> str:
        begun.append(1)
        if len(begun) == 2:
            return "second"
        try:
            await asyncio.sleep(30)
        finally:
            raise Broken("while it was cancelled")

    begun: list[int] = []

    async def once(fails: Callable[[], Any]) -> None:
        try:
            await world.guard.acall(fails)
        except Broken as error:
            held.append(weakref.ref(error))

    async def main() -> int:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context))
        for _ in range(3):
            await once(fails)
            await once(fails_at_once)
            begun.clear()
            assert await world.guard.acall(untidy) == "second"
        # Of a task that has ended, the loop's own call is still to be made.
        await asyncio.sleep(0)
        alive = sum(reference() is not None for reference in held)
        gc.collect()
        await asyncio.sleep(0)
        return alive

    gc.collect()
    gc.disable()
    try:
        alive = world.run(main())
    finally:
        gc.enable()
    assert (alive, len(held), complaints) == (0, 6, [])


def test_a_call_that_the_garbage_collector_ends_is_cancelled_and_gives_everything_back() -> None:
    world = World((30, "first"), (30, "second"), bulkhead=Bulkhead(5))

    async def main() -> None:
        coroutine = world.guard.acall(world.calls)
        waits = coroutine.send(None)
        assert waits is not None
        await asyncio.sleep(0.5)
        coroutine.close()
        await asyncio.sleep(0.01)
        assert (world.calls.begun, world.calls.cancelled) == (1, 1)
        assert (world.guard.snapshot().active, hedging._TASKS) == (0, set())

    world.run(main())


# Kinds of callables.


def test_decorated_methods_and_partials_are_hedged_and_stay_coroutine_functions() -> None:
    world = World((30, "first"), (0.5, "second"))

    class Client:
        @world.guard
        async def get(self, path: str) -> str:
            return f"{path}: {await world.calls()}"

    assert inspect.iscoroutinefunction(Client.get)
    assert world.run(Client().get("/")) == "/: second"
    assert world.calls.begun == 2


class Plain:
    def __call__(self) -> None: ...


def test_what_no_second_call_can_stand_beside_is_refused_at_decoration_with_a_fix() -> None:
    guard = World().guard

    def plain() -> None: ...
    def generator() -> Iterator[int]:
        yield 1

    async def agenerator() -> AsyncIterator[int]:
        yield 1

    for fn in (plain, generator, agenerator):
        with pytest.raises(Unguardable) as caught:
            guard(fn)
        assert str(caught.value) == (
            f"'search' cannot guard {fn.__qualname__} with a hedge: no second call could begin beside it: "
            "make it `async def`, or use a guard without hedge"
        )
    with pytest.raises(TypeError):
        guard(staticmethod(plain))
    for fn, name in ((functools.partial(plain), "partial"), (Plain(), "Plain")):
        with pytest.raises(Unguardable, match=f"'search' cannot guard {name} with a hedge"):
            guard(fn)


def test_call_and_permit_make_one_call_as_does_a_plain_function_from_before_an_update() -> None:
    clock = VirtualClock()
    found = Guard("both", clock=clock)

    @found
    def plain() -> str:
        clock.advance(60)
        return "plain"

    found.update(hedge=Hedge())
    for _ in range(30):
        assert (found.call(lambda: "call"), plain()) == ("call", "plain")
    with found.permit():
        clock.advance(60)
    assert found.snapshot().circuit.failed == 0


def test_reads_of_a_dependency_are_hedged_and_writes_are_not() -> None:
    clock = VirtualClock()
    memory = Dependency("zep", hedge=Hedge(), breaker=NONE, clock=clock)
    assert memory.write.guard._settings.hedge is None
    reads, writes = Calls(), Calls()

    @memory.read(fallback=list)
    async def recall() -> Any:
        return await reads()

    @memory.write()
    async def remember() -> Any:
        return await writes()

    @memory.write()
    def plain() -> None: ...

    async def main() -> tuple[Any, int, int]:
        for _ in range(20):
            await recall()
            await remember()
        reads.steps, writes.steps = [(30, "first"), (0.5, "second")], [(30, "first")]
        answer = await recall.outcome()
        await remember()
        return answer.value, answer.attempts, writes.begun

    assert run(clock, main()) == ("second", 2, 21)
    plain()


# Updates, keys, other loops and clocks.


def test_an_update_begins_and_ends_it_for_what_is_decorated_already() -> None:
    clock = VirtualClock()
    calls = Calls()
    found = Guard("live", clock=clock, breaker=NONE)
    work = found(calls)

    async def main() -> list[Any]:
        assert found.update(hedge=Hedge()) == ()
        for _ in range(20):
            await work()
        calls.steps = [(30, "first"), (0.5, "second"), (30, "alone")]
        told = [await work()]
        assert found.update(hedge=Hedge(quantile=0.9)) == ("how long calls took, which says when to hedge",)
        assert found.snapshot().hedge_after is None
        found.update(hedge=None)
        return [*told, await work()]

    assert run(clock, main()) == ["second", "alone"]


def test_each_key_knows_how_long_its_own_calls_take() -> None:
    world = World()
    world.run(world.guard.for_key("eu").acall(world.calls))
    assert world.guard.snapshot().hedge_after is not None
    assert world.guard.for_key("eu").snapshot().hedge_after is None


def test_beside_an_adaptive_limit_a_loser_says_nothing_of_the_size() -> None:
    world = World((30, "first"), (0.5, "second"), (9, TimeoutError()), (2, "second"), bulkhead=AdaptiveLimit(start=100))
    world.timed()
    assert world.guard.snapshot().limit == 100
    # The second answers before the first times out by itself.
    world.timed()
    assert world.guard.snapshot().limit == 100
    world.calls.steps = [(1.5, TimeoutError()), (2, "second")]
    world.timed()
    assert world.guard.snapshot().limit == 90


def test_an_adopted_breaker_of_pybreaker_sees_both_calls() -> None:
    import pybreaker

    theirs = pybreaker.CircuitBreaker(fail_max=3, reset_timeout=60)
    world = World((2, ConnectionError()), (3, ConnectionError()), breaker=theirs)
    with pytest.raises(ConnectionError):
        world.timed()
    assert theirs.fail_counter == 2
    world.calls.steps = [(30, "first"), (0.5, "second")]
    assert world.timed() == ("second", 1.5)
    assert theirs.fail_counter == 0


def test_a_clock_that_a_test_holds_hedges_in_any_loop() -> None:
    clock = VirtualClock()
    found = Guard("virtual", clock=clock, hedge=Hedge(), breaker=NONE)
    steps = [USUAL] * 20 + [30.0, 0.5]

    async def main() -> None:
        for _ in range(21):
            await found.acall(clock.asleep, steps.pop(0)) if len(steps) > 2 else await found.acall(late)

    async def late() -> None:
        await clock.asleep(steps.pop(0))

    asyncio.run(main())
    assert clock.monotonic() == pytest.approx(20 + 1.5, abs=0.01)


def test_real_loops_in_several_threads_hedge_with_one_guard() -> None:
    found = Guard("real", hedge=Hedge(), breaker=NONE, bulkhead=Bulkhead(50), budget=Budget(ratio=1, floor=100))
    answers: list[str] = []

    async def usual() -> str:
        await asyncio.sleep(0.001)
        return "usual"

    async def first_hangs(begun: list[int]) -> str:
        begun.append(1)
        await asyncio.sleep(0 if len(begun) > 1 else 30)
        return "second"

    async def main() -> None:
        for _ in range(30):
            await found.acall(usual)
        answers.extend([await asyncio.wait_for(found.acall(first_hangs, []), 20) for _ in range(5)])

    threads = [threading.Thread(target=asyncio.run, args=(main(),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert answers == ["second"] * 20
    assert (found.snapshot().active, hedging._TASKS) == (0, set())


# Settings.


@pytest.mark.parametrize(
    ("make", "problems"),
    [
        (lambda: Hedge(1.0, 5), ["quantile: 1.0, allowed: ", "minimum_calls: 5, allowed: "]),
        (lambda: Hedge()._replace(quantile=0.1), ["quantile: 0.1"]),
        (lambda: Guard("a", hedge=True), ["hedge: True, allowed: a Hedge, or None; write Hedge()"]),  # type: ignore[arg-type]
        (
            lambda: Guard("a", hedge=Hedge(), budget=None, bulkhead=Bulkhead(1)),
            [
                "budget: None, allowed: one that can pay, beside hedge; each hedge is paid from it",
                "bulkhead: Bulkhead(limit=1, waiting=0, longest_wait=1.0), allowed: two places or more, beside hedge",
            ],
        ),
        (lambda: Guard("a", hedge=Hedge(), budget=Budget(0, 0)), ["budget: Budget(ratio=0, floor=0, seconds=10.0)"]),
        (lambda: Guard("a", hedge=Hedge(), bulkhead=AdaptiveLimit(1, 1, 1)), ["bulkhead: AdaptiveLimit("]),
        (lambda: Guard("a", bulkhead=Bulkhead(1)).update(hedge=Hedge()), ["bulkhead: Bulkhead(limit=1"]),
    ],
)
def test_every_mistake_is_reported_at_once(make: Callable[[], object], problems: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        make()
    assert len(caught.value.problems) == len(problems), caught.value.problems
    for found, expected in zip(caught.value.problems, problems, strict=True):
        assert found.startswith(expected)
