"""A guard whose circuit is pybreaker's own breaker: pybreaker decides and tells, and what it lacks is added."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pybreaker
import pytest

from guardrails import Breaker, CircuitOpen, Guard, hooks
from guardrails.errors import ConfigError
from guardrails.policies import FAILURE, IGNORED
from guardrails.policies.adopting import PERMIT_EXPIRY, Adopted
from tests.compat.twins import Broken, Recorder, Refused, broken, fine, refused, stop_clock

if TYPE_CHECKING:
    from guardrails.testing import VirtualClock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> VirtualClock:
    return stop_clock(monkeypatch)


@pytest.fixture
def listener() -> Recorder:
    return Recorder()


@pytest.fixture
def breaker(clock: VirtualClock, listener: Recorder) -> pybreaker.CircuitBreaker:
    """Opens after two failures, for ten seconds."""
    return pybreaker.CircuitBreaker(fail_max=2, reset_timeout=10, exclude=[Refused], listeners=[listener])


def guard_of(breaker: pybreaker.CircuitBreaker, clock: VirtualClock, **said: Any) -> tuple[Guard, Adopted]:
    """A guard with this circuit."""
    guard = Guard("db", breaker=breaker, budget=None, clock=clock, **said)
    assert guard._engine.adopted is not None
    return guard, guard._engine.adopted


def fail(guard: Guard, times: int) -> None:
    for _ in range(times):
        with pytest.raises(Broken):
            guard.call(broken)


def test_failures_trip_it_and_its_listeners_hear_what_they_always_heard(
    breaker: pybreaker.CircuitBreaker, clock: VirtualClock, listener: Recorder
) -> None:
    guard, _ = guard_of(breaker, clock)
    assert guard.call(fine, 1) == 1
    fail(guard, 2)
    assert (breaker.current_state, breaker.fail_counter, guard.state) == ("open", 2, "open")
    with pytest.raises(CircuitOpen) as rejected:
        guard.call(fine)
    assert (rejected.value.retry_after, rejected.value.last) == (10.0, "Broken")
    assert rejected.value.reason == "2 calls in a row failed"
    clock.advance(10)
    guard.call(fine)
    assert guard.state == "closed"
    assert listener.heard == [
        *[("before_call", "()"), ("success",)],
        *[("before_call", "()"), ("failure", "Broken")],
        *[("before_call", "()"), ("failure", "Broken"), ("state_change", "closed", "open")],
        ("state_change", "open", "half-open"),
        *[("before_call", "()"), ("state_change", "half-open", "closed"), ("success",)],
    ]


def test_coroutines_are_guarded_by_it(breaker: pybreaker.CircuitBreaker, clock: VirtualClock) -> None:
    guard, _ = guard_of(breaker, clock)

    @guard
    async def dead() -> None:
        await asyncio.sleep(0)
        raise Broken

    async def main() -> None:
        for _ in range(2):
            with pytest.raises(Broken):
                await dead()
        with pytest.raises(CircuitOpen):
            await dead()

    asyncio.run(main())
    assert breaker.current_state == "open"


def test_calls_do_not_wait_for_each_other(breaker: pybreaker.CircuitBreaker, clock: VirtualClock) -> None:
    guard, _ = guard_of(breaker, clock)
    all_inside = threading.Barrier(8, timeout=10)
    threads = [threading.Thread(target=guard.call, args=(all_inside.wait,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (all_inside.broken, breaker.fail_counter) == (False, 0)


def test_of_fifty_tasks_one_goes_on_trial(breaker: pybreaker.CircuitBreaker, clock: VirtualClock) -> None:
    guard, _ = guard_of(breaker, clock)
    breaker.open()
    clock.advance(10)
    entered = 0

    @guard
    async def dead() -> None:
        nonlocal entered
        entered += 1
        await asyncio.sleep(0)
        raise Broken

    async def main() -> list[Any]:
        return await asyncio.gather(*(dead() for _ in range(50)), return_exceptions=True)

    results = asyncio.run(main())
    assert (entered, sum(isinstance(result, CircuitOpen) for result in results)) == (1, 49)
    assert guard.state == "open"


def test_cancellation_counts_for_nothing_and_gives_the_trial_back(
    breaker: pybreaker.CircuitBreaker, clock: VirtualClock
) -> None:
    guard, _ = guard_of(breaker, clock)
    breaker.half_open()

    async def main() -> None:
        for _ in range(3):
            task = asyncio.create_task(guard.acall(asyncio.Event().wait))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(main())
    assert guard.state == "half-open"
    guard.call(fine)
    assert guard.state == "closed"


def test_what_it_excludes_is_a_success_to_both(
    breaker: pybreaker.CircuitBreaker, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hooks, "_listeners", ())
    heard: list[str] = []
    hooks.listen(lambda name, value, labels: name == "calls_total" and heard.append(labels["outcome"]))
    guard, _ = guard_of(breaker, clock)
    fail(guard, 1)
    with pytest.raises(Refused):
        guard.call(refused)
    assert (breaker.fail_counter, heard) == (0, ["failure", "success"])


def test_a_classifier_is_asked_first_and_a_value_may_fail(
    breaker: pybreaker.CircuitBreaker, clock: VirtualClock, listener: Recorder
) -> None:
    said = {"bad": FAILURE, "unknown": IGNORED}
    guard, _ = guard_of(breaker, clock, classify=lambda what: said.get(what) if isinstance(what, str) else None)
    guard.call(fine, "bad")
    guard.call(fine, "unknown")
    assert breaker.fail_counter == 1
    guard.call(fine, "good")
    assert breaker.fail_counter == 0
    assert [event for event in listener.heard if event[0] != "before_call"] == [
        ("failure", "RuntimeError"),
        ("success",),
    ]


def test_an_error_is_told_to_listeners_of_the_call_that_met_it_only(
    breaker: pybreaker.CircuitBreaker, clock: VirtualClock, listener: Recorder
) -> None:
    guard, _ = guard_of(breaker, clock)
    fail(guard, 1)
    with guard.permit() as permit:
        permit.failure()
    assert [event for event in listener.heard if event[0] == "failure"] == [
        ("failure", "Broken"),
        ("failure", "RuntimeError"),
    ]


@pytest.mark.parametrize("throw_new_error_on_trip", [True, False])
def test_the_error_of_the_call_that_trips_it_is_its_own_and_unchanged(
    clock: VirtualClock, throw_new_error_on_trip: bool
) -> None:
    breaker = pybreaker.CircuitBreaker(fail_max=1, throw_new_error_on_trip=throw_new_error_on_trip)
    guard, _ = guard_of(breaker, clock)

    def dead() -> None:
        try:
            {}["before"]
        except KeyError:
            raise Broken from None

    with pytest.raises(Broken) as caught:
        guard.call(dead)
    frames = [entry.name for entry in caught.traceback]
    assert ("generator_call" in frames, frames[-1]) == (False, "dead")
    assert repr(caught.value.__context__) == "KeyError('before')"
    assert breaker.current_state == "open"


def test_a_stop_iteration_is_a_failure(breaker: pybreaker.CircuitBreaker, clock: VirtualClock) -> None:
    guard, _ = guard_of(breaker, clock)
    with pytest.raises(StopIteration):
        guard.call(lambda: next(iter(())))
    assert breaker.fail_counter == 1


def test_late_results_count_for_nothing(breaker: pybreaker.CircuitBreaker, clock: VirtualClock) -> None:
    guard, _ = guard_of(breaker, clock)
    late = [guard.permit().__enter__() for _ in range(2)]
    fail(guard, 2)
    clock.advance(9)
    for permit, error in zip(reversed(late), [Broken(), None], strict=True):
        permit.__exit__(error and type(error), error, None)
    assert (breaker.current_state, breaker.fail_counter) == ("open", 2)
    clock.advance(1)
    guard.call(fine)
    assert guard.state == "closed"


def test_a_trial_call_that_never_comes_back_gives_its_place_to_another(
    breaker: pybreaker.CircuitBreaker, clock: VirtualClock
) -> None:
    _, adopted = guard_of(breaker, clock)
    breaker.half_open()
    first, _ = adopted.admit(0.0, 0.5)
    assert adopted.admit(PERMIT_EXPIRY - 1, 0.5) == (0, None)
    second, _ = adopted.admit(PERMIT_EXPIRY, 0.5)
    assert adopted.success(first, PERMIT_EXPIRY) is None
    moved = adopted.success(second, PERMIT_EXPIRY)
    assert moved is not None
    assert (moved.before, moved.after, breaker.current_state) == ("half-open", "closed", "closed")


def test_what_somebody_does_to_the_breaker_itself_is_obeyed_at_once(
    breaker: pybreaker.CircuitBreaker, clock: VirtualClock
) -> None:
    guard, _ = guard_of(breaker, clock)
    clock.advance(3600)
    breaker.open()
    clock.advance(1)
    with pytest.raises(CircuitOpen) as rejected:
        guard.call(fine)
    assert rejected.value.retry_after == 9.0
    breaker.close()
    assert guard.call(fine, 1) == 1


def test_its_storage_stays_the_truth(clock: VirtualClock) -> None:
    storage = pybreaker.CircuitMemoryStorage(pybreaker.STATE_CLOSED)
    here, there = (pybreaker.CircuitBreaker(fail_max=1, state_storage=storage) for _ in range(2))
    guard, _ = guard_of(here, clock)
    with pytest.raises(pybreaker.CircuitBreakerError):
        there.call(broken)
    with pytest.raises(CircuitOpen) as rejected:
        guard.call(fine)
    # It opened elsewhere, at a time that pybreaker's public names do not tell.
    assert (guard.state, rejected.value.retry_after) == ("open", 60.0)
    there.close()
    assert guard.call(fine, 1) == 1


def test_humans_hold_and_release_it(breaker: pybreaker.CircuitBreaker, clock: VirtualClock) -> None:
    guard, _ = guard_of(breaker, clock)
    guard.isolate("maintenance")
    with pytest.raises(CircuitOpen, match=r"'db' is isolated for 0\.0 s \(maintenance\)"):
        guard.call(fine)
    assert (guard.state, breaker.current_state) == ("isolated", "closed")
    guard.release("done")
    assert (guard.state, breaker.current_state) == ("half-open", "half-open")
    guard.disable()
    fail(guard, 5)
    assert (guard.state, breaker.fail_counter) == ("disabled", 0)
    guard.release("done")
    assert guard.call(fine, 1) == 1
    assert guard.state == "closed"


def test_there_is_no_shadow_of_it(breaker: pybreaker.CircuitBreaker, clock: VirtualClock) -> None:
    _, adopted = guard_of(breaker, clock)
    with pytest.raises(ConfigError, match="which opens when it counts; use one of ours"):
        adopted.shadow(0.0, "to see")


def test_a_snapshot_says_what_is_known(breaker: pybreaker.CircuitBreaker, clock: VirtualClock) -> None:
    guard, _ = guard_of(breaker, clock)
    fail(guard, 2)
    clock.advance(3)
    circuit = guard.snapshot().circuit
    assert (circuit.state, circuit.reason, circuit.age, circuit.retry_after, circuit.streak, circuit.generation) == (
        *("open", "2 calls in a row failed", 3.0, 7.0, 2, 1),
    )


def test_moves_are_emitted(
    breaker: pybreaker.CircuitBreaker, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hooks, "_listeners", ())
    heard: list[tuple[str, str]] = []
    guard, _ = guard_of(breaker, clock)
    hooks.listen(lambda name, value, labels: "before" in labels and heard.append((labels["before"], labels["after"])))
    fail(guard, 2)
    clock.advance(10)
    guard.call(fine)
    assert heard == [("closed", "open"), ("open", "half-open"), ("half-open", "closed")]


class Failing(pybreaker.CircuitBreakerListener):
    def success(self, cb: Any) -> None:
        raise ZeroDivisionError

    def failure(self, cb: Any, exc: BaseException) -> None:
        raise ZeroDivisionError


def test_a_listener_that_raises_replaces_no_result_and_is_counted(
    breaker: pybreaker.CircuitBreaker, clock: VirtualClock
) -> None:
    breaker.add_listener(Failing())
    guard, _ = guard_of(breaker, clock)
    before = hooks.failures()
    assert guard.call(fine, 1) == 1
    fail(guard, 1)
    assert hooks.failures() - before == 2


def test_a_listener_that_forbids_a_call_is_obeyed(breaker: pybreaker.CircuitBreaker, clock: VirtualClock) -> None:
    class Forbidding(pybreaker.CircuitBreakerListener):
        def before_call(self, cb: Any, func: Any, *args: Any, **kwargs: Any) -> None:
            raise PermissionError

    breaker.add_listener(Forbidding())
    guard, _ = guard_of(breaker, clock)
    with pytest.raises(PermissionError):
        guard.call(fine)


def test_its_rejection_is_caught_by_those_who_wait_for_either(
    breaker: pybreaker.CircuitBreaker, clock: VirtualClock
) -> None:
    _, adopted = guard_of(breaker, clock)
    error = adopted.error("db", "open", 1.0, "2 calls in a row failed", "Broken", 9.0)
    assert isinstance(error, pybreaker.CircuitBreakerError)
    assert isinstance(error, CircuitOpen)


def test_what_has_one_health_cannot_have_one_for_each_key(
    breaker: pybreaker.CircuitBreaker, clock: VirtualClock
) -> None:
    guard, _ = guard_of(breaker, clock)
    with pytest.raises(ConfigError, match="one breaker of pybreaker has one health"):
        guard.for_key("tenant")


def test_its_breaker_cannot_be_replaced_but_all_else_can(
    breaker: pybreaker.CircuitBreaker, clock: VirtualClock
) -> None:
    guard, adopted = guard_of(breaker, clock)
    with pytest.raises(ConfigError, match="this guard has pybreaker's"):
        guard.update(breaker=Breaker())
    assert guard.update(timeout=3.0) == ()
    assert guard._engine.circuit is adopted
    fail(guard, 2)
    with pytest.raises(pybreaker.CircuitBreakerError):
        guard.call(fine)
