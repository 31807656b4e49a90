"""A rate limit: so many calls a second, each kind of call, whoever waits waits for a turn that is his."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from guardrails import hooks
from guardrails.errors import BulkheadFull, ConfigError, DeadlineExceeded, RateLimited
from guardrails.policies import Backoff, Breaker, Bulkhead, Dependency, Guard, RateLimit, Retry
from guardrails.testing import VirtualClock
from tests.policies.loops import run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

KINDS = pytest.mark.parametrize(
    "kind", ["def", "async def", "generator", "async generator", "call", "acall", "permit", "async permit"]
)


def guard(clock: VirtualClock | None = None, **more: Any) -> Guard:
    return Guard("api", clock=clock or VirtualClock(), **more)


def called_as(kind: str, guard: Guard, clock: VirtualClock) -> Callable[[], object]:
    """A guarded call of this kind, that returns when it began."""

    def plain() -> float:
        return clock.monotonic()

    async def coroutine() -> float:
        return clock.monotonic()

    def generator() -> Iterator[float]:
        yield clock.monotonic()

    async def agenerator() -> AsyncIterator[float]:
        yield clock.monotonic()

    async def consume() -> float:
        return await anext(guard(agenerator)())

    def block() -> float:
        with guard.permit():
            return clock.monotonic()

    async def ablock() -> float:
        async with guard.permit():
            return clock.monotonic()

    return {
        "def": guard(plain),
        "async def": lambda: run(clock, guard(coroutine)()),
        "generator": lambda: next(guard(generator)()),
        "async generator": lambda: run(clock, consume()),
        "call": lambda: guard.call(plain),
        "acall": lambda: run(clock, guard.acall(coroutine)),
        "permit": block,
        "async permit": lambda: run(clock, ablock()),
    }[kind]


@KINDS
def test_more_calls_than_the_rate_are_rejected_and_the_circuit_ignores_them(kind: str) -> None:
    clock = VirtualClock()
    found = guard(clock, rate_limit=RateLimit(4, burst=2))
    call = called_as(kind, found, clock)
    call()
    call()
    with pytest.raises(RateLimited) as caught:
        call()
    assert str(caught.value) == (
        "'api' is limited to 4 calls a second, 2 at once. Retry in 0.25 s. Runbook: rate-limited"
    )
    assert (caught.value.retry_after, caught.value.rate, caught.value.burst) == (0.25, 4, 2)
    assert found.snapshot().circuit.failed == 0
    clock.advance(0.25)
    call()


@KINDS
def test_a_call_waits_for_its_turn_where_it_may(kind: str) -> None:
    clock = VirtualClock()
    call = called_as(kind, guard(clock, rate_limit=RateLimit(2, longest_wait=1)), clock)
    assert [call() for _ in range(4)] == pytest.approx([0, 0.5, 1, 1.5], abs=1e-3)


@KINDS
def test_nobody_waits_past_the_deadline(kind: str) -> None:
    clock = VirtualClock()
    call = called_as(kind, guard(clock, timeout=0.4, rate_limit=RateLimit(2, longest_wait=0.3)), clock)
    call()
    with pytest.raises(RateLimited) as caught:
        call()
    assert (caught.value.retry_after, caught.value.longest_wait) == (0.5, 0.3)
    clock.advance(0.25)
    outer = guard(clock, timeout=0.2)
    with pytest.raises(RateLimited) as caught:
        outer.call(call)
    assert (clock.monotonic(), caught.value.longest_wait) == (pytest.approx(0.25), pytest.approx(0.2))


def test_the_turn_that_a_call_waits_for_is_its_own() -> None:
    clock = VirtualClock()
    found = guard(clock, rate_limit=RateLimit(1, longest_wait=100))
    began: list[tuple[int, int]] = []

    async def work(number: int) -> None:
        began.append((number, round(clock.monotonic())))

    async def main() -> None:
        await asyncio.gather(*(found.acall(work, number) for number in range(5)))

    run(clock, main())
    assert began == [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4)]


def test_a_clock_that_a_test_holds_passes_the_wait_in_any_loop() -> None:
    clock = VirtualClock()
    found = guard(clock, rate_limit=RateLimit(0.01, longest_wait=1000))

    async def main() -> None:
        await found.acall(asyncio.sleep, 0)
        await found.acall(asyncio.sleep, 0)

    asyncio.run(main())
    assert clock.monotonic() == pytest.approx(100)


def test_time_spent_waiting_is_no_part_of_the_call() -> None:
    clock = VirtualClock()
    limit = RateLimit(0.1, longest_wait=100)
    found = guard(clock, attempt_timeout=2, rate_limit=limit, breaker=Breaker(slow_after=1.5, window=3600))
    for _ in range(3):
        found.call(int)
        run(clock, found.acall(clock.asleep, 1))
    assert (found.snapshot().circuit.calls, found.snapshot().circuit.slow) == (6, 0)


# Beside other layers.


def test_every_attempt_takes_a_turn_and_one_that_gets_none_leaves_the_error_before() -> None:
    clock = VirtualClock()
    found = guard(
        clock, rate_limit=RateLimit(0.1, burst=2), retry=Retry(on=OSError, attempts=5, backoff=Backoff(base=0))
    )
    calls: list[int] = []

    def fails() -> None:
        calls.append(1)
        raise ConnectionError

    with pytest.raises(ConnectionError) as caught:
        found.call(fails)
    assert len(calls) == 2
    (note,) = caught.value.__notes__
    assert note.startswith("guardrails: 'api': 2 of 5 attempts in ")
    assert note.endswith("no other: 'api' is limited to 0.1 calls a second, 2 at once. Retry in 10.00 s. "
                         "Runbook: rate-limited")  # fmt: skip
    assert found.snapshot().circuit.failed == 2


@pytest.mark.parametrize("limit", ["rate", "bulkhead"])
def test_a_stream_whose_second_attempt_is_refused_counts_one_failure(limit: str) -> None:
    clock = VirtualClock()
    if limit == "bulkhead":
        # Somebody else takes the place between the two attempts.
        clock.sleep = lambda seconds: found.permit().__enter__() and None  # type: ignore[method-assign]
    limits = {"rate_limit": RateLimit(0.1)} if limit == "rate" else {"bulkhead": Bulkhead(1)}
    found = guard(clock, retry=Retry(on=OSError), **limits)

    @found
    def stream() -> Iterator[int]:
        raise ConnectionError
        yield 1

    with pytest.raises(ConnectionError) as caught:
        list(stream())
    assert (found.snapshot().circuit.failed, len(caught.value.__notes__)) == (1, 1)


def test_what_the_bulkhead_rejects_takes_no_turn() -> None:
    found = guard(bulkhead=Bulkhead(1), rate_limit=RateLimit(1, burst=2))
    with found.permit():
        for _ in range(5):
            with pytest.raises(BulkheadFull):
                found.call(int)
    assert found.call(int) == 0
    with pytest.raises(RateLimited):
        found.call(int)
    assert found.snapshot().active == 0


def test_a_call_that_is_rejected_pays_nothing_into_the_retry_budget() -> None:
    found = guard(rate_limit=RateLimit(0.1), retry=Retry(on=OSError))
    found.call(int)
    before = found.snapshot().affordable
    for _ in range(100):
        with pytest.raises(RateLimited):
            found.call(int)
    assert found.snapshot().affordable == before


def test_a_trial_call_without_a_turn_gives_its_permit_back() -> None:
    clock = VirtualClock()
    found = guard(clock, rate_limit=RateLimit(0.01), breaker=Breaker(consecutive=1, permitted_calls=1))
    with pytest.raises(ConnectionError):
        found.call(raising, ConnectionError())
    clock.advance(3)
    with pytest.raises(RateLimited):
        found.call(int)
    assert (found.state, found.snapshot().circuit.trials) == ("half-open", 0)


def raising(error: Exception) -> None:
    raise error


def test_a_task_that_is_cancelled_while_it_waits_gives_its_place_back_and_not_its_turn() -> None:
    clock = VirtualClock()
    found = guard(clock, bulkhead=Bulkhead(5), rate_limit=RateLimit(1, longest_wait=10))

    async def main() -> tuple[int | None, int | None, float]:
        await found.acall(asyncio.sleep, 0)
        waits = asyncio.create_task(found.acall(asyncio.sleep, 0))
        await clock.asleep(0.5)
        inside = found.snapshot().active
        waits.cancel()
        await asyncio.wait([waits])
        after = found.snapshot().active
        await found.acall(asyncio.sleep, 0)
        return inside, after, clock.monotonic()

    assert run(clock, main()) == (1, 0, pytest.approx(2, abs=1e-3))


def test_a_deadline_that_comes_while_a_call_waits_for_a_place_leaves_the_turn_to_others() -> None:
    clock = VirtualClock()
    bulkhead = Bulkhead(1, waiting=1, longest_wait=5)
    found = guard(clock, timeout=2, bulkhead=bulkhead, rate_limit=RateLimit(0.001, burst=2))
    with found.permit(), pytest.raises(BulkheadFull):
        run(clock, found.acall(asyncio.sleep, 0))
    assert (found.call(int), found.snapshot().active) == (0, 0)
    with pytest.raises(RateLimited):
        found.call(int)


def test_a_place_that_comes_with_the_deadline_costs_no_turn() -> None:
    clock = VirtualClock()
    bulkhead = Bulkhead(1, waiting=1, longest_wait=5)
    found = guard(clock, timeout=2, bulkhead=bulkhead, rate_limit=RateLimit(0.001, burst=2))

    async def main() -> None:
        with found.permit():
            waits = asyncio.create_task(found.acall(asyncio.sleep, 0))
            await asyncio.sleep(0)
            clock.advance(2)
        with pytest.raises(DeadlineExceeded):
            await waits

    run(clock, main())
    assert (found.call(int), found.snapshot().active) == (0, 0)


# Who is told.


def test_a_rejection_is_counted_and_labels_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[tuple[str, dict[str, str]]] = []
    monkeypatch.setattr(hooks, "_listeners", ((lambda name, value, labels: heard.append((name, dict(labels))),),))
    found = guard(rate_limit=RateLimit(1)).for_key("tenant")
    found.call(int)
    with pytest.raises(RateLimited):
        found.call(int)
    assert ("rejections_total", {"guard": "api", "reason": "rate"}) in heard


def test_the_fallback_of_a_dependency_says_that_it_was_the_rate() -> None:
    memory = Dependency("zep", rate_limit=RateLimit(1), clock=VirtualClock())

    @memory.read(fallback=list)
    def recall() -> list[int]:
        return [1]

    @memory.write()
    def note() -> None: ...

    assert (recall(), recall.outcome().reason) == ([1], "rate")
    assert (
        recall.outcome()
        .explain()
        .startswith("'zep.read' did not answer, the value is the fallback's: its rate limit had no free turn.")
    )
    note()


# Keys and updates.


def test_each_key_has_an_account_of_its_own_that_is_not_forgotten_while_it_owes() -> None:
    clock = VirtualClock()
    found = guard(clock, most_keys=2, rate_limit=RateLimit(0.1))
    for key in ("a", "b"):
        found.for_key(key).call(int)
    for key in range(9):
        found.for_key(key)
    assert {"a", "b"} <= set(found.by_key())
    with pytest.raises(RateLimited, match=r"'api\[a\]'"):
        found.for_key("a").call(int)
    clock.advance(10)
    for key in range(9):
        found.for_key(key)
    assert len(found.by_key()) == 2


def test_an_update_reaches_what_is_decorated_already_and_keeps_the_debt() -> None:
    clock = VirtualClock()
    found = guard(clock)

    @found
    def work() -> int:
        return 0

    found.update(rate_limit=RateLimit(0.01))
    work()
    with pytest.raises(RateLimited):
        work()
    assert found.update(rate_limit=RateLimit(1)) == ()
    with pytest.raises(RateLimited) as caught:
        work()
    assert caught.value.retry_after == pytest.approx(1)
    assert found.update(rate_limit=RateLimit(1, longest_wait=1)) == ()
    assert (work(), clock.monotonic()) == (0, pytest.approx(1))
    found.update(rate_limit=None)
    assert [work() for _ in range(9)] == [0] * 9


class Accounts(RuleBasedStateMachine):
    """A guard and a bucket of tokens beside it, whatever is said to both."""

    @initialize(rate=st.sampled_from([0.5, 2.0, 8.0]), burst=st.integers(1, 4))
    def begin(self, rate: float, burst: int) -> None:
        self.clock = VirtualClock()
        self.said = RateLimit(rate, burst)
        self.guard = Guard("model", clock=self.clock, rate_limit=self.said, bulkhead=Bulkhead(2))
        self.tokens = float(burst)

    @rule(seconds=st.sampled_from([0.125, 0.5, 3.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.tokens = min(float(self.said.burst), self.tokens + seconds * self.said.rate)

    @rule()
    def a_call_comes(self) -> None:
        wait = max(0.0, (1 - self.tokens) / self.said.rate)
        began = self.clock.monotonic()
        if wait > self.said.longest_wait:
            with pytest.raises(RateLimited) as caught:
                self.guard.call(int)
            assert caught.value.retry_after == pytest.approx(wait, abs=1e-5)
            return
        self.guard.call(int)
        waited = self.clock.monotonic() - began
        assert waited == pytest.approx(wait, abs=1e-5)
        self.tokens = min(float(self.said.burst), self.tokens + waited * self.said.rate) - 1

    @rule()
    def the_bulkhead_is_full(self) -> None:
        self.guard.update(rate_limit=None)
        with self.guard.permit(), self.guard.permit():
            self.guard.update(rate_limit=self.said)
            with pytest.raises(BulkheadFull):
                self.guard.call(int)
        self.tokens = float(self.said.burst)

    @rule(
        rate=st.sampled_from([0.5, 2.0, 8.0]), burst=st.integers(1, 4), longest_wait=st.sampled_from([0.0, 0.25, 4.0])
    )
    def other_limits_are_said(self, rate: float, burst: int, longest_wait: float) -> None:
        owed = self.said.burst - self.tokens
        self.said = RateLimit(rate, burst, longest_wait)
        self.guard.update(rate_limit=self.said)
        self.tokens = burst - owed

    @invariant()
    def nobody_is_left_inside(self) -> None:
        assert self.guard.snapshot().active == 0


TestAccounts = Accounts.TestCase


# Real time.


def test_threads_together_keep_to_the_rate() -> None:
    found = Guard("threads", rate_limit=RateLimit(2000, burst=20))
    begun: list[float] = []
    start = threading.Barrier(8)

    def work() -> None:
        start.wait()
        ends = time.monotonic() + 0.04
        while time.monotonic() < ends:
            try:
                found.call(lambda: begun.append(time.monotonic()))
            except RateLimited as error:
                rejected.append(error.retry_after)

    rejected: list[float] = []
    began = time.monotonic()
    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert 20 <= len(begun) <= 21 + 2000 * (time.monotonic() - began)
    assert min(rejected) > 0


def test_threads_and_tasks_wait_for_turns_of_one_account() -> None:
    found = Guard("both", rate_limit=RateLimit(2000, longest_wait=30))
    begun: list[float] = []

    async def work() -> None:
        begun.append(time.monotonic())

    async def main() -> None:
        await asyncio.gather(*(found.acall(work) for _ in range(20)))

    threads = [threading.Thread(target=found.call, args=(lambda: begun.append(time.monotonic()),)) for _ in range(20)]
    began = time.monotonic()
    for thread in (*threads, threading.Thread(target=asyncio.run, args=(main(),))):
        thread.start()
    while len(begun) < 40 and time.monotonic() < began + 30:
        time.sleep(0.001)
    assert len(begun) == 40
    assert max(begun) - began >= 39 / 2000 - 1e-3


# Settings.


@pytest.mark.parametrize(
    ("make", "problems"),
    [
        (lambda: RateLimit(0, 0, -1), ["rate: 0, allowed: ", "burst: 0, allowed: ", "longest_wait: -1, allowed: "]),
        (lambda: RateLimit("10", 1.5), ["rate: '10', allowed", "burst: 1.5, allowed"]),  # type: ignore[arg-type]
        (lambda: RateLimit(1)._replace(rate=2_000_000), ["rate: 2000000"]),
        (lambda: guard(rate_limit=10), ["rate_limit: 10, allowed: a RateLimit, or None; write RateLimit(10)"]),
        (
            lambda: guard(timeout=2, rate_limit=RateLimit(1, longest_wait=2)),
            ["rate_limit.longest_wait: 2, allowed: below timeout, 2 s; no call could begin after it"],
        ),
        (
            lambda: guard(timeout=2).update(rate_limit=RateLimit(1, longest_wait=3)),
            ["rate_limit.longest_wait: 3, allowed: below timeout, 2 s"],
        ),
    ],
)
def test_every_mistake_is_reported_at_once(make: Callable[[], object], problems: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        make()
    assert len(caught.value.problems) == len(problems), caught.value.problems
    for found, expected in zip(caught.value.problems, problems, strict=True):
        assert found.startswith(expected)
