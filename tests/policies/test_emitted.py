"""What guards tell listeners: every move of a circuit, durations, who is in a bulkhead."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from guardrails import hooks
from guardrails.errors import BulkheadFull, RateLimited
from guardrails.policies import Backoff, Breaker, Bulkhead, Guard, RateLimit, Retry
from guardrails.testing import VirtualClock
from tests.policies.loops import run

if TYPE_CHECKING:
    from collections.abc import Iterator

TWO = Breaker(consecutive=2, failure_rate=None, cooldown=10)


class Event(NamedTuple):
    name: str
    value: float
    labels: dict[str, str]


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    found: list[Event] = []
    listener = lambda name, value, labels: found.append(Event(name, value, dict(labels)))  # noqa: E731
    monkeypatch.setattr(hooks, "_listeners", ((listener,),))
    return found


def moves(heard: list[Event]) -> list[tuple[str, str]]:
    return [(e.labels["before"], e.labels["after"]) for e in heard if e.name == "breaker_transitions_total"]


def inside(heard: list[Event]) -> float:
    """How many calls are in the bulkhead, by what was told."""
    return sum(e.value for e in heard if e.name == "bulkhead_calls")


def seconds(heard: list[Event]) -> list[tuple[float, str]]:
    return [(e.value, e.labels["outcome"]) for e in heard if e.name == "call_seconds"]


def fails() -> None:
    raise ConnectionError


def failing(guard: Guard, times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(ConnectionError):
            guard.call(fails)


# A breaker that is taken away.


def test_a_breaker_that_is_taken_away_from_an_open_guard_is_a_move(heard: list[Event]) -> None:
    guard = Guard("db", breaker=TWO, clock=VirtualClock())
    failing(guard, 2)
    guard.update(breaker=None)
    assert moves(heard) == [("closed", "open"), ("open", "none")]
    guard.update(breaker=TWO)
    assert moves(heard)[2:] == [("none", "closed")]


def test_a_guard_that_is_made_without_a_breaker_has_not_moved(heard: list[Event]) -> None:
    guard = Guard("db", breaker=None)
    guard.for_key("eu").call(int)
    guard.update(timeout=5)
    assert moves(heard) == []


def test_a_breaker_that_a_human_had_disabled_is_taken_away_too(heard: list[Event]) -> None:
    guard = Guard("db", breaker=TWO)
    guard.disable()
    guard.update(breaker=None)
    assert moves(heard) == [("closed", "disabled"), ("disabled", "none")]


def test_the_keys_of_a_guard_lose_their_breakers_with_it(heard: list[Event]) -> None:
    guard = Guard("db", breaker=TWO, clock=VirtualClock())
    failing(guard.for_key("eu"), 2)
    guard.update(breaker=None)
    assert sorted(moves(heard)) == [("closed", "none"), ("closed", "open"), ("open", "none")]


def test_without_a_breaker_a_human_isolates_and_releases(heard: list[Event]) -> None:
    guard = Guard("db", breaker=None)
    guard.isolate("maintenance")
    guard.release()
    assert (guard.state, guard.call(int)) == ("disabled", 0)
    guard.release()
    assert moves(heard) == [("none", "isolated"), ("isolated", "none")]


def test_a_key_that_a_human_has_disabled_is_not_forgotten() -> None:
    guard = Guard("db", most_keys=2)
    guard.for_key(0).disable()
    for key in range(1, 50):
        guard.for_key(key)
    assert guard.for_key(0).state == "disabled"
    without = Guard("db", breaker=None, most_keys=2)
    for key in range(50):
        without.for_key(key)
    assert len(without.by_key()) == 2


# Durations.


def test_how_long_each_attempt_took_is_told_with_what_it_came_to(heard: list[Event]) -> None:
    clock = VirtualClock()
    said = Retry(on=ConnectionError, attempts=2, backoff=Backoff(base=0))
    guard = Guard("db", retry=said, breaker=Breaker(slow_after=3), ignore=KeyError, clock=clock)
    steps: list[tuple[float, Exception | None]] = [(2, ConnectionError()), (0.5, None), (4, None), (1, KeyError())]

    def step() -> None:
        took, error = steps.pop(0)
        clock.advance(took)
        if error is not None:
            raise error

    guard.call(step)
    guard.call(step)
    with pytest.raises(KeyError):
        guard.call(step)
    assert seconds(heard) == [(2, "failure"), (0.5, "success"), (4, "success"), (1, "ignored")]
    assert {e.labels["guard"] for e in heard} == {"db"}


def test_of_a_stream_the_time_to_its_first_item_is_told(heard: list[Event]) -> None:
    clock = VirtualClock()

    @Guard("db", clock=clock)
    def stream() -> Iterator[int]:
        clock.advance(2)
        yield 1
        clock.advance(20)
        yield 2

    assert list(stream()) == [1, 2]
    assert seconds(heard) == [(2, "success")]


def test_a_guard_with_nothing_but_a_circuit_tells_them_too(heard: list[Event]) -> None:
    clock = VirtualClock()
    guard = Guard("db", clock=clock)

    async def answer() -> None:
        clock.advance(3)

    guard.call(clock.advance, 2)
    run(clock, guard.acall(answer))
    assert seconds(heard) == [(2, "success"), (3, "success")]


# Bulkheads.


def test_each_call_in_a_bulkhead_is_told_when_it_enters_and_when_it_leaves(heard: list[Event]) -> None:
    guard = Guard("db", bulkhead=Bulkhead(2))
    with guard.permit(), guard.permit():
        assert inside(heard) == 2
        with pytest.raises(BulkheadFull):
            guard.call(int)
        assert inside(heard) == 2
    assert inside(heard) == 0
    failing(guard, 3)
    guard.call(int)
    assert [e.value for e in heard if e.name == "bulkhead_calls"] == [1, 1, -1, -1, *[1, -1] * 4]


def test_who_waited_for_a_place_is_inside_when_he_has_it(heard: list[Event]) -> None:
    clock = VirtualClock()
    guard = Guard("db", bulkhead=Bulkhead(1, waiting=1, longest_wait=30), clock=clock)
    most: list[float] = []

    async def call() -> None:
        most.append(inside(heard))
        await asyncio.sleep(1)

    async def main() -> None:
        await asyncio.gather(guard.acall(call), guard.acall(call))

    run(clock, main())
    assert (most, inside(heard)) == ([1, 1], 0)


def test_a_thread_that_waited_is_inside_too(heard: list[Event]) -> None:
    guard = Guard("db", bulkhead=Bulkhead(1, waiting=1, longest_wait=30))
    most: list[float] = []
    thread = threading.Thread(target=lambda: guard.call(lambda: most.append(inside(heard))))
    with guard.permit():
        thread.start()
        while guard.snapshot().waiting != 1:
            pass
    thread.join()
    assert (most, inside(heard)) == ([1], 0)


def test_who_gives_up_waiting_was_never_inside(heard: list[Event]) -> None:
    guard = Guard("db", bulkhead=Bulkhead(1, waiting=1, longest_wait=0.001))
    with guard.permit(), pytest.raises(BulkheadFull):
        guard.call(int)
    assert [e.value for e in heard if e.name == "bulkhead_calls"] == [1, -1]


def test_a_stream_is_inside_until_it_ends(heard: list[Event]) -> None:
    @Guard("db", bulkhead=Bulkhead(1))
    def stream() -> Iterator[int]:
        yield from range(3)

    flow: Any = stream()
    next(flow)
    assert inside(heard) == 1
    flow.close()
    assert inside(heard) == 0


def test_what_never_began_is_no_attempt(heard: list[Event]) -> None:
    clock = VirtualClock()
    guard = Guard("db", bulkhead=Bulkhead(1), rate_limit=RateLimit(1), clock=clock)

    def inner() -> None:
        with pytest.raises(BulkheadFull):
            guard.call(int)

    guard.call(inner)
    with pytest.raises(RateLimited):
        guard.call(int)
    assert seconds(heard) == [(0, "success")]
    assert [e.labels for e in heard if e.name == "calls_total"] == [{"guard": "db", "outcome": "success"}]
    assert [e.labels["reason"] for e in heard if e.name == "rejections_total"] == ["bulkhead", "rate"]
    assert inside(heard) == 0
