"""`reset()`: every living guard as it was made, so that no test poisons another."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any

import pybreaker
import pytest

from guardrails import hooks
from guardrails.errors import Rejected
from guardrails.policies import (
    AdaptiveLimit,
    Backoff,
    Breaker,
    Budget,
    Bulkhead,
    Dependency,
    Guard,
    GuardSnapshot,
    Hedge,
    RateLimit,
    Retry,
    throttled,
)
from guardrails.testing import VirtualClock, disabled, reset, virtual_time

if TYPE_CHECKING:
    from collections.abc import Callable

    from guardrails.policies.engine import Engine

# Every setting that remembers something.
SETTINGS: dict[str, dict[str, Any]] = {
    "all": {
        "timeout": 60,
        "attempt_timeout": 30,
        "retry": Retry(on=ConnectionError, attempts=4, backoff=Backoff(base=0)),
        "budget": Budget(floor=1),
        "breaker": Breaker(minimum_calls=2, slow_after=3, cooldown=1000),
        "bulkhead": Bulkhead(4, waiting=2),
    },
    "count window": {"breaker": Breaker(consecutive=3, window_calls=20)},
    "no circuit": {"breaker": None, "bulkhead": Bulkhead(2)},
    "rate limit": {"rate_limit": RateLimit(0.001, burst=5), "classify": lambda what: None},
    "adaptive limit": {"bulkhead": AdaptiveLimit(lowest=1, highest=9, start=3)},
    "hedge": {"hedge": Hedge(), "budget": Budget(floor=2)},
    "nothing said": {},
}
EVERY = pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)


def fail() -> None:
    raise ConnectionError("refused")


def used(guard: Guard) -> None:
    """Leave a trace of every kind."""
    asyncio.run(guard.acall(asyncio.sleep, 0))
    for _ in range(12):
        with contextlib.suppress(ConnectionError, Rejected):
            guard.call(fail)
    guard.for_key("tenant").isolate("by a test")


def plain(what: Any) -> Any:
    """An object as data that can be compared, whatever it is made of; without what is no memory."""
    if isinstance(what, str | int | float | bytes | bytearray | bool | type | None):
        return what
    if isinstance(what, dict):
        return {key: plain(value) for key, value in what.items()}
    if isinstance(what, list | tuple) or type(what).__name__ == "deque":
        return [plain(value) for value in what]
    if callable(what) or isinstance(what, VirtualClock) or "lock" in type(what).__name__.lower():
        return type(what).__name__
    slots = {slot for kind in type(what).__mro__ for slot in getattr(kind, "__slots__", ())} - {"__weakref__"}
    values = {slot: plain(getattr(what, slot)) for slot in slots if hasattr(what, slot)}
    return {**values, **{key: plain(value) for key, value in getattr(what, "__dict__", {}).items()}}


# Numbers that must never be given twice, so that a call from before counts for nothing.
FENCES = {"generation", "_serial", "pass_", "_awaited"}


def memory_of(engine: Engine) -> dict[str, Any]:
    said: dict[str, Any] = plain(engine)
    assert said["circuit"].keys() >= FENCES
    said["circuit"] = {key: value for key, value in said["circuit"].items() if key not in FENCES}
    return said


@EVERY
def test_a_guard_is_in_every_part_what_it_was_when_it_was_made(settings: dict[str, Any]) -> None:
    clock = VirtualClock()
    guard = Guard("api", clock=clock, **settings)
    used(guard)
    clock.advance(100)
    fresh = Guard("api", clock=clock, **settings)
    assert memory_of(guard._engine) != memory_of(fresh._engine)
    reset()
    assert memory_of(guard._engine) == memory_of(fresh._engine)
    assert (guard.by_key(), guard.idle) == ({}, True)


@EVERY
def test_after_a_reset_a_guard_does_what_a_new_one_does(settings: dict[str, Any]) -> None:
    clock = VirtualClock()
    guard, fresh = (Guard("api", clock=clock, **settings) for _ in range(2))
    used(guard)
    reset()

    def story(one: Guard) -> list[str]:
        said = []
        for step in (lambda: 1, fail, fail, fail, fail, lambda: 1):
            try:
                said.append(str(one.call(step)))
            except (ConnectionError, Rejected) as error:
                said.append(type(error).__name__)
            said.append(one.state)
        return said

    assert story(guard) == story(fresh)


def test_guards_by_key_that_somebody_still_holds_are_as_new_too() -> None:
    guard = Guard("api", breaker=Breaker(consecutive=1))
    tenant = guard.for_key("a")
    tenant.isolate("by a test")
    reset()
    assert (tenant.state, guard.by_key(), guard.for_key("a") is tenant) == ("closed", {}, False)


def test_settings_stay() -> None:
    guard = Guard("api")
    guard.update(breaker=Breaker(consecutive=2), bulkhead=Bulkhead(7))
    reset()
    assert (guard._engine.breaker, guard._engine.bulkhead) == (Breaker(consecutive=2), Bulkhead(7))
    assert guard.snapshot().active == 0


def test_a_guard_without_a_circuit_still_has_none() -> None:
    guard = Guard("api", breaker=None)
    reset()
    assert guard.state == "disabled"
    for _ in range(20):
        with pytest.raises(ConnectionError):
            guard.call(fail)


@pytest.mark.parametrize("fast", [True, False])
def test_a_call_under_way_goes_on_and_counts_for_nothing(fast: bool) -> None:
    settings: dict[str, Any] = {} if fast else {"bulkhead": Bulkhead(1), "retry": Retry(on=KeyError)}
    guard = Guard("api", breaker=Breaker(consecutive=1), **settings)

    def under_way() -> None:
        assert guard.snapshot().active == (None if fast else 1)
        reset()
        assert guard.snapshot().active == (None if fast else 0)
        raise ConnectionError("refused")

    with pytest.raises(ConnectionError):
        guard.call(under_way)
    said = guard.snapshot()
    assert (said.circuit.state, said.circuit.failed, said.circuit.late) == ("closed", 0, 1)
    assert said.active == (None if fast else 0)


def test_what_is_counted_over_many_openings_begins_anew() -> None:
    clock = VirtualClock()
    guard = Guard("api", clock=clock, breaker=Breaker(consecutive=1, permitted_calls=1, permit_expiry=1))
    late = guard.permit()
    late.__enter__()
    for _ in range(2):
        with pytest.raises(ConnectionError):
            guard.call(fail)
        clock.advance(60)
    late.__exit__(None, None, None)
    guard.shadow()
    with pytest.raises(ConnectionError):
        guard.call(fail)
    before = guard.snapshot().circuit
    assert (before.recoveries_failed, before.late, before.would_have_opened) == (1, 1, 1)
    reset()
    after = guard.snapshot().circuit
    assert (after.recoveries_failed, after.late, after.would_have_opened) == (0, 0, 0)


def test_what_was_throttled_or_on_trial_is_closed() -> None:
    clock = VirtualClock()
    guard = Guard("api", clock=clock, classify=lambda what: throttled(40) if what == "busy" else None)
    guard.call(lambda: "busy")
    assert guard.state == "open"
    clock.advance(41)
    permit = guard.permit()
    permit.__enter__()
    assert guard.state == "half-open"
    reset()
    permit.success()
    permit.__exit__(None, None, None)
    assert (guard.state, guard.snapshot().circuit.trials) == ("closed", 0)


def test_listeners_and_dependencies_hear_of_it() -> None:
    memory = Dependency("memory", breaker=Breaker(consecutive=1))
    with pytest.raises(ConnectionError):
        memory.read.guard.call(fail)
    heard: list[tuple[str, dict[str, str]]] = []
    stop = hooks.listen(lambda name, value, labels: heard.append((name, dict(labels))))
    try:
        reset()
    finally:
        stop()
    assert memory.mode == "FULL"
    mine = [labels for name, labels in heard if labels.get("guard", labels.get("dependency", "")).startswith("memory")]
    assert mine == [
        {"guard": "memory.read", "before": "open", "after": "closed"},
        {"dependency": "memory", "before": "WRITE_ONLY", "after": "FULL"},
    ]


def test_a_breaker_of_pybreaker_is_closed() -> None:
    theirs = pybreaker.CircuitBreaker(fail_max=2)
    guard = Guard("adopted", breaker=theirs)

    def fails(times: int) -> None:
        for _ in range(times):
            with pytest.raises((ConnectionError, pybreaker.CircuitBreakerError)):
                guard.call(fail)

    fails(3)
    assert theirs.current_state == "open"
    reset()
    assert (theirs.current_state, theirs.fail_counter, guard.state) == ("closed", 0, "closed")
    fails(1)
    reset()
    assert theirs.fail_counter == 0
    guard.isolate("by a test")
    reset()
    assert (guard.state, guard.call(lambda: "answer")) == ("closed", "answer")


def test_a_breaker_of_pybreaker_that_was_not_used_hears_nothing() -> None:
    heard: list[str] = []

    class Listener(pybreaker.CircuitBreakerListener):
        def state_change(self, cb: Any, old_state: Any, new_state: Any) -> None:
            heard.append(new_state.name)

    guard = Guard("adopted", breaker=pybreaker.CircuitBreaker(listeners=[Listener()]))
    reset()
    assert (heard, guard.state) == ([], "closed")


@pytest.mark.parametrize("where", [disabled, virtual_time])
def test_it_works_inside_the_other_blocks(where: Callable[[], Any]) -> None:
    guard = Guard("api", breaker=Breaker(consecutive=1))
    with pytest.raises(ConnectionError):
        guard.call(fail)
    with where():
        reset()
        assert guard.state == "closed"
    assert guard.state == ("closed" if where is disabled else "open")


def test_a_guard_that_waits_for_a_place_is_not_left_waiting() -> None:
    guard = Guard("api", bulkhead=Bulkhead(1, waiting=1, longest_wait=20))
    entered, leave, answers = threading.Event(), threading.Event(), []

    def hold() -> None:
        entered.set()
        leave.wait(10)

    first = threading.Thread(target=guard.call, args=(hold,))
    second = threading.Thread(target=lambda: answers.append(guard.call(lambda: "answer")))
    first.start()
    assert entered.wait(10)
    second.start()
    until = time.monotonic() + 10
    while guard.snapshot().waiting != 1:
        assert time.monotonic() < until
        time.sleep(0.001)
    reset()
    leave.set()
    first.join(10)
    second.join(10)
    assert answers == ["answer"]
    said: GuardSnapshot = guard.snapshot()
    assert (said.active, said.waiting) == (0, 0)
