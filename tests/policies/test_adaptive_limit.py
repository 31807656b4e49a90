"""A bulkhead that finds its own size: through a guard, with a queue, in threads and tasks; no place is ever lost."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from guardrails.errors import AttemptTimeout, BulkheadFull, ConfigError
from guardrails.policies import (
    FAILURE,
    IGNORED,
    SUCCESS,
    AdaptiveLimit,
    Breaker,
    Bulkhead,
    Guard,
    Outcome,
    throttled,
)
from guardrails.policies.waiting import Queue
from guardrails.testing import VirtualClock
from tests.policies.loops import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Never opens.
NONE = Breaker(failure_rate=None, consecutive=None)


def guard(clock: VirtualClock | None = None, limit: AdaptiveLimit | None = None, **more: Any) -> Guard:
    return Guard("db", clock=clock or VirtualClock(), bulkhead=limit or AdaptiveLimit(), breaker=NONE, **more)


def places(found: Guard) -> tuple[int | None, int | None, int | None]:
    snapshot = found.snapshot()
    return snapshot.active, snapshot.waiting, snapshot.limit


class Crowd:
    """A dependency that works on so many calls at once, 0.1 s each; with more of them, all take longer."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.active = 0

    async def work(self) -> None:
        self.active += 1
        try:
            await asyncio.sleep(0.1 * max(1.0, self.active / self.capacity))
        finally:
            self.active -= 1


async def press(found: Guard, crowd: Crowd, seconds: float, workers: int = 150) -> int:
    """How many calls were answered of workers who ask again and again."""
    loop = asyncio.get_running_loop()
    ends = loop.time() + seconds
    answered = 0

    async def ask() -> None:
        nonlocal answered
        while loop.time() < ends:
            try:
                await found.acall(crowd.work)
            except BulkheadFull:
                await asyncio.sleep(0.05)
            else:
                answered += 1

    await asyncio.gather(*(ask() for _ in range(workers)))
    return answered


def test_it_grows_while_the_dependency_keeps_up() -> None:
    clock = VirtualClock()
    found = guard(clock, AdaptiveLimit(highest=60))
    assert places(found) == (0, 0, 20)
    run(clock, press(found, Crowd(1000), 9, workers=70))
    assert places(found) == (0, 0, 60)


def test_it_finds_a_size_at_which_the_dependency_is_busy_and_not_flooded() -> None:
    clock = VirtualClock()
    found = guard(clock, AdaptiveLimit(start=40))
    crowd = Crowd(40)
    answered = run(clock, press(found, crowd, 4))
    limit = found.snapshot().limit
    assert limit is not None
    # Without a limit 150 at once would take 0.4 s each; with one, 40 or somewhat more take hardly more than 0.1.
    assert 35 <= limit <= 80
    assert answered >= 0.9 * 4 * 40 / 0.1
    run(clock, press(found, Crowd(8), 12))
    assert (found.snapshot().limit or 0) < limit / 2


def late(kind: str, clock: VirtualClock, found: Guard) -> None:
    """A call that ends in this way."""

    class ReadTimeout(Exception):
        """As clients have them: no TimeoutError."""

    class Timeouts(ReadTimeout): ...

    async def hangs() -> None:
        await clock.asleep(60)

    errors: dict[str, BaseException] = {
        "a TimeoutError": TimeoutError(),
        "a timeout of a client": Timeouts(),
        "another failure": ConnectionError(),
        "an ignored error": KeyError(),
        "an interrupt": KeyboardInterrupt(),
    }
    if kind == "an attempt that timed out":
        with pytest.raises(AttemptTimeout):
            run(clock, found.acall(hangs))
    elif kind in errors:
        with pytest.raises(type(errors[kind])):
            found.call(fail, errors[kind])
    else:
        found.call(lambda: {"throttled": 429, "a failing value": 500, "an ignored value": 400}[kind])


def fail(error: BaseException) -> None:
    raise error


def judge(what: object) -> Outcome | None:
    verdicts: dict[object, Outcome] = {429: throttled(None), 500: FAILURE, 400: IGNORED}
    return verdicts.get(what) if isinstance(what, int) else None


@pytest.mark.parametrize(
    ("kind", "limit"),
    [
        ("an attempt that timed out", 90),
        ("a TimeoutError", 90),
        ("a timeout of a client", 90),
        ("throttled", 90),
        ("another failure", 100),
        ("a failing value", 100),
        ("an ignored error", 100),
        ("an ignored value", 100),
        ("an interrupt", 100),
    ],
)
def test_what_is_late_or_shed_makes_it_smaller_and_nothing_else_does(kind: str, limit: int) -> None:
    clock = VirtualClock()
    found = guard(clock, AdaptiveLimit(start=100), attempt_timeout=5, ignore=KeyError, classify=judge)
    late(kind, clock, found)
    assert places(found) == (0, 0, limit)


def test_a_stream_that_times_out_makes_it_smaller() -> None:
    clock = VirtualClock()
    found = guard(clock, AdaptiveLimit(start=100), timeout=5)

    @found
    def stream() -> Iterator[int]:
        yield 1
        yield 2

    flow = stream()
    next(flow)
    clock.advance(6)
    with pytest.raises(TimeoutError):
        next(flow)
    assert places(found) == (0, 0, 90)


def test_calls_that_time_out_together_make_it_smaller_once() -> None:
    clock = VirtualClock()
    found = guard(clock, AdaptiveLimit(start=100), attempt_timeout=5)

    async def main() -> None:
        hanging = (found.acall(clock.asleep, 60) for _ in range(50))
        await asyncio.gather(*hanging, return_exceptions=True)

    asyncio.run(main())
    assert places(found) == (0, 0, 90)


def test_tasks_that_are_cancelled_teach_nothing() -> None:
    clock = VirtualClock()
    found = guard(clock)

    async def main() -> None:
        tasks = [asyncio.create_task(found.acall(asyncio.sleep, 60)) for _ in range(20)]
        await asyncio.sleep(0.01)
        with pytest.raises(BulkheadFull) as caught:
            await found.acall(asyncio.sleep, 0)
        assert str(caught.value) == "'db' has no free place: 20 of 20 taken, 0 waiting. Runbook: bulkhead-full"
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    run(clock, main())
    assert places(found) == (0, 0, 20)


# The queue.


def test_who_waits_is_let_in_as_it_grows_first_come_first_served() -> None:
    clock = VirtualClock()
    found = guard(clock, AdaptiveLimit(lowest=1, start=1, waiting=100, longest_wait=100))
    order: list[int] = []
    most = 0

    async def work(number: int) -> None:
        nonlocal most
        order.append(number)
        most = max(most, found.snapshot().active or 0)
        await asyncio.sleep(0.1)

    async def main() -> None:
        await asyncio.gather(*(found.acall(work, number) for number in range(100)))

    run(clock, main())
    assert order == list(range(100))
    active, waiting, limit = places(found)
    assert (active, waiting) == (0, 0)
    assert 1 < most <= (limit or 0)


class Queues(RuleBasedStateMachine):
    """Whatever is learned and said, nobody waits beside a free place, and whoever waits longest is woken first."""

    @initialize(lowest=st.integers(1, 3), span=st.integers(0, 6), waiting=st.integers(0, 4))
    def begin(self, lowest: int, span: int, waiting: int) -> None:
        self.queue = Queue(AdaptiveLimit(lowest, lowest + span, lowest, waiting))
        self.running: list[float] = []
        self.queued: list[Sleeper] = []
        self.now = 0.0

    @rule(seconds=st.floats(0, 2))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def a_call_comes(self) -> None:
        if self.queue.enter():
            self.running.append(self.now)
        elif self.queue.queue():
            self.queued.append(Sleeper())
            self.queue.waiters.append(self.queued[-1])

    @precondition(lambda self: self.running)
    @rule(
        outcome=st.sampled_from([SUCCESS, FAILURE, IGNORED, throttled(None)]), late=st.booleans(), which=st.integers(0)
    )
    def a_call_ends(self, outcome: Outcome, late: bool, which: int) -> None:
        began = self.running[which % len(self.running)]
        self.woken(self.queue.learn(self.now, began, self.now - began, outcome, late=late))
        self.running.remove(began)
        last = self.queue.depart()
        if last is not None:
            self.woken([last])

    @precondition(lambda self: self.queued)
    @rule(which=st.integers(0))
    def a_waiter_gives_up(self, which: int) -> None:
        gone = self.queued.pop(which % len(self.queued))
        self.queue.waiters.remove(gone)
        self.queue.abandon()

    @rule(
        said=st.one_of(
            st.builds(Bulkhead, st.integers(1, 6), st.integers(0, 4)),
            st.builds(lambda low, span: AdaptiveLimit(low, low + span, low, 3), st.integers(1, 3), st.integers(0, 6)),
        )
    )
    def other_limits_are_said(self, said: Bulkhead | AdaptiveLimit) -> None:
        self.woken(self.queue.obey(said))
        low, high = (said.lowest, said.highest) if said.adaptive else (said.limit, said.limit)
        assert low <= self.queue.limit <= high

    def woken(self, woken: list[Any]) -> None:
        assert woken == self.queued[: len(woken)]
        del self.queued[: len(woken)]
        self.running += [self.now] * len(woken)

    @invariant()
    def the_counts_are_right(self) -> None:
        assert (self.queue.active, self.queue.waiting) == (len(self.running), len(self.queued))
        assert list(self.queue.waiters) == self.queued

    @invariant()
    def nobody_waits_beside_a_free_place(self) -> None:
        assert not self.queued or len(self.running) >= self.queue.limit


class Sleeper:
    """Stands in a queue."""

    lost = False

    def wake(self) -> bool:
        return True


TestQueues = Queues.TestCase


# Updates, keys, threads, forks.


def test_an_update_from_a_fixed_size_and_back_is_obeyed_at_once() -> None:
    clock = VirtualClock()
    found = Guard("db", clock=clock, bulkhead=Bulkhead(3), breaker=NONE)
    with found.permit():
        found.update(bulkhead=AdaptiveLimit(start=100))
        assert places(found) == (1, 0, 100)
        with pytest.raises(TimeoutError):
            found.call(fail, TimeoutError())
        assert places(found) == (1, 0, 90)
        # What was learned stays, within the new bounds.
        found.update(bulkhead=AdaptiveLimit(start=100, waiting=5))
        assert places(found) == (1, 0, 90)
        found.update(bulkhead=AdaptiveLimit(highest=50, start=50))
        assert places(found) == (1, 0, 50)
        found.update(bulkhead=Bulkhead(2))
        with pytest.raises(TimeoutError):
            found.call(fail, TimeoutError())
        assert places(found) == (1, 0, 2)
    assert places(found) == (0, 0, 2)


def test_each_key_finds_its_own_size() -> None:
    found = guard(limit=AdaptiveLimit(start=100))
    with pytest.raises(TimeoutError):
        found.for_key("eu").call(fail, TimeoutError())
    assert [found.for_key(key).snapshot().limit for key in ("eu", "us")] == [90, 100]


def test_no_place_is_lost_between_threads_while_it_moves() -> None:
    found = Guard("threads", breaker=NONE, bulkhead=AdaptiveLimit(1, 6, 3, waiting=20, longest_wait=20))
    errors: list[BaseException | None] = [None, None, TimeoutError(), KeyError()]
    over: list[int] = []

    def work(error: BaseException | None) -> None:
        over.append((found.snapshot().active or 0) - 6)
        if error is not None:
            raise error

    def many(which: int) -> None:
        for number in range(200):
            with contextlib.suppress(TimeoutError, KeyError):
                found.call(work, errors[(number + which) % 4])

    threads = [threading.Thread(target=many, args=(which,)) for which in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (len(over), max(over) <= 0) == (1600, True)
    assert places(found)[:2] == (0, 0)
    assert found.snapshot().circuit.calls == 1600


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork: limits after a fork not tested")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_child_finds_all_places_free_and_what_was_learned() -> None:
    found = Guard("fork", breaker=NONE, bulkhead=AdaptiveLimit(start=100))
    with pytest.raises(TimeoutError):
        found.call(fail, TimeoutError())
    with found.permit():
        child = os.fork()
        if child == 0:
            good = places(found) == (0, 0, 90) and found.call(lambda: 3) == 3 and places(found) == (0, 0, 90)
            os._exit(0 if good else 1)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert (status, places(found)) == (0, (1, 0, 90))


def test_real_tasks_that_are_quick_let_it_grow() -> None:
    found = Guard("tasks", breaker=NONE, bulkhead=AdaptiveLimit(start=4, highest=12))

    async def main() -> None:
        ends = time.monotonic() + 30
        while (found.snapshot().limit or 0) < 12 and time.monotonic() < ends:
            calls = (found.acall(asyncio.sleep, 0.002) for _ in range(found.snapshot().limit or 0))
            await asyncio.gather(*calls)

    asyncio.run(main())
    assert places(found) == (0, 0, 12)


# Settings.


def test_the_largest_settings_are_settings() -> None:
    assert AdaptiveLimit(100_000, 100_000, 100_000, 100_000, 3600).longest_wait == 3600


@pytest.mark.parametrize(
    ("make", "problems"),
    [
        (
            lambda: AdaptiveLimit(0, -1, 2.5, -1, 0),  # type: ignore[arg-type]
            ["lowest: 0", "highest: -1", "start: 2.5", "waiting: -1", "longest_wait: 0"],
        ),
        (
            lambda: AdaptiveLimit(waiting=100_001, longest_wait=3601),
            ["waiting: 100001, allowed: a whole number from 0 to 100000", "longest_wait: 3601, allowed: a number from"],
        ),
        (lambda: AdaptiveLimit(5, 4), ["highest: 4, allowed: a whole number from 5"]),
        (lambda: AdaptiveLimit()._replace(start=300), ["start: 300, allowed: a whole number from 4 to 200"]),
        (lambda: guard(limit=12), ["bulkhead: 12, allowed: a Bulkhead or AdaptiveLimit, or None"]),  # type: ignore[arg-type]
    ],
)
def test_every_mistake_is_reported_at_once(make: Callable[[], object], problems: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        make()
    assert len(caught.value.problems) == len(problems), caught.value.problems
    for found, expected in zip(caught.value.problems, problems, strict=True):
        assert found.startswith(expected)
