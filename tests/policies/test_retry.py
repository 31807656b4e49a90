"""Retries: what the user named, as often and as long as allowed, by one owner, within a budget."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import weakref
from typing import TYPE_CHECKING, Any

import pytest

from guardrails import hooks
from guardrails.errors import AttemptTimeout, BulkheadFull, CircuitOpen, DeadlineExceeded, Rejected
from guardrails.policies import FAILURE, IGNORED, SUCCESS, Backoff, Breaker, Budget, Bulkhead, Guard, Retry, throttled
from guardrails.testing import VirtualClock
from tests.policies.loops import run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

EVEN = Backoff(base=1, growth=1, cap=1)
KINDS = pytest.mark.parametrize("kind", ["def", "async def", "generator", "async generator"])


class Dependency:
    """Raises the errors it is given, one a call, and then answers."""

    def __init__(self, *errors: BaseException | None) -> None:
        self.errors = list(errors)
        self.calls = 0

    def step(self) -> str:
        self.calls += 1
        error = self.errors.pop(0) if self.errors else None
        if error is not None:
            raise error
        return "answer"

    def called_as(self, kind: str, guard: Guard, clock: VirtualClock) -> Callable[[], str]:
        """A guarded call of this kind that returns the answer."""

        async def coroutine() -> str:
            return self.step()

        def generator() -> Iterator[str]:
            yield self.step()

        async def agenerator() -> AsyncIterator[str]:
            yield self.step()

        async def consume() -> str:
            return await anext(guard(agenerator)())

        return {
            "def": guard(self.step),
            "async def": lambda: run(clock, guard(coroutine)()),
            "generator": lambda: next(guard(generator)()),
            "async generator": lambda: run(clock, consume()),
        }[kind]


def guard(clock: VirtualClock, retry: Retry | None = None, **more: Any) -> Guard:
    retry = retry or Retry(on=ConnectionError, attempts=3, backoff=EVEN)
    return Guard("retry", retry=retry, clock=clock, **{"breaker": None, **more})


def notes(error: BaseException) -> list[str]:
    return getattr(error, "__notes__", [])


@KINDS
def test_what_is_named_is_tried_again_until_it_answers(kind: str) -> None:
    clock = VirtualClock()
    dependency = Dependency(ConnectionError(), ConnectionResetError())
    assert dependency.called_as(kind, guard(clock), clock)() == "answer"
    assert dependency.calls == 3
    assert 0 < clock.monotonic() < 2.1


@KINDS
def test_when_all_attempts_are_made_the_last_error_comes_out_with_a_note(kind: str) -> None:
    clock = VirtualClock()
    errors = [ConnectionError(str(number)) for number in range(3)]
    dependency = Dependency(*errors)
    with pytest.raises(ConnectionError) as caught:
        dependency.called_as(kind, guard(clock), clock)()
    assert (caught.value, dependency.calls) == (errors[2], 3)
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    (note,) = notes(caught.value)
    assert note.startswith("guardrails: 'retry': 3 of 3 attempts in ")
    assert note.endswith("of it waiting; no other: all attempts are made")
    assert [notes(error) for error in errors[:2]] == [[], []]


@KINDS
def test_what_is_not_named_is_not_tried_again(kind: str) -> None:
    clock = VirtualClock()
    dependency = Dependency(ValueError("mine"))
    with pytest.raises(ValueError, match="mine") as caught:
        dependency.called_as(kind, guard(clock), clock)()
    assert (dependency.calls, notes(caught.value)) == (1, [])


@KINDS
def test_interrupts_are_not_tried_again_whatever_the_predicate_says(kind: str) -> None:
    clock = VirtualClock()
    dependency = Dependency(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        dependency.called_as(kind, guard(clock, Retry(on=lambda what: True)), clock)()
    assert dependency.calls == 1


def test_the_waits_grow_and_are_drawn_from_the_whole_width() -> None:
    clock = VirtualClock()
    draws = iter([0.5, 0.5, 0.25, 0.5, 0.5])
    clock.chance = lambda: next(draws)  # type: ignore[method-assign]
    waits: list[float] = []
    clock.sleep = waits.append  # type: ignore[method-assign]
    said = Retry(on=ConnectionError, attempts=3, backoff=Backoff(base=1, growth=4, cap=10))
    dependency = Dependency(ConnectionError(), ConnectionError())
    # One draw a failure for the circuit, one for the wait.
    assert guard(clock, said).call(dependency.step) == "answer"
    assert waits == [0.5, 2.0]


def test_the_note_says_how_long_it_took_and_how_much_of_it_was_waiting() -> None:
    clock = VirtualClock()
    clock.chance = lambda: 0.5  # type: ignore[method-assign]

    def slow() -> None:
        clock.advance(2)
        raise ConnectionError

    with pytest.raises(ConnectionError) as caught:
        guard(clock).call(slow)
    assert notes(caught.value) == [
        "guardrails: 'retry': 3 of 3 attempts in 7 s, 1 s of it waiting; no other: all attempts are made"
    ]


def test_no_attempt_begins_after_the_time_for_them() -> None:
    clock = VirtualClock()
    said = Retry(on=ConnectionError, attempts=100, within=5, backoff=EVEN)
    dependency = Dependency(*(ConnectionError() for _ in range(100)))
    with pytest.raises(ConnectionError) as caught:
        guard(clock, said, budget=None).call(dependency.step)
    assert clock.monotonic() < 5
    assert dependency.calls > 4
    assert "no other: too late: no attempt begins after 5 s" in notes(caught.value)[0]


def test_no_attempt_begins_that_the_deadline_would_end() -> None:
    clock = VirtualClock()
    dependency = Dependency(*(ConnectionError() for _ in range(100)))
    found = guard(clock, Retry(on=ConnectionError, attempts=100, backoff=EVEN), timeout=3, budget=None)
    with pytest.raises(ConnectionError) as caught:
        found.call(dependency.step)
    assert clock.monotonic() < 3
    assert "no other: the deadline comes first" in notes(caught.value)[0]


def test_a_predicate_is_asked_about_errors_and_about_values_that_are_no_success() -> None:
    clock = VirtualClock()
    asked: list[object] = []

    def busy(what: object) -> bool:
        asked.append(what)
        return what == 503

    answers = iter([503, 503, 200])
    found = guard(clock, Retry(on=busy), classify=lambda what: FAILURE if what == 503 else None)
    assert found.call(lambda: next(answers)) == 200
    assert asked == [503, 503]


def test_a_value_that_stays_a_failure_is_the_result() -> None:
    clock = VirtualClock()
    found = guard(clock, Retry(on=lambda what: True, attempts=2), classify=lambda what: FAILURE)
    calls: list[int] = []

    def busy() -> int:
        calls.append(1)
        return 503

    assert (found.call(busy), len(calls)) == (503, 2)


@pytest.mark.parametrize("outcome", [SUCCESS, IGNORED])
def test_an_error_that_is_no_failure_is_not_tried_again(outcome: Any) -> None:
    clock = VirtualClock()
    dependency = Dependency(ConnectionError())
    with pytest.raises(ConnectionError):
        guard(clock, classify=lambda what: outcome).call(dependency.step)
    assert dependency.calls == 1


def test_a_predicate_that_fails_is_counted_and_tries_nothing_again() -> None:
    clock = VirtualClock()
    before = hooks.failures()
    dependency = Dependency(ConnectionError("mine"))
    with pytest.raises(ConnectionError, match="mine"):
        guard(clock, Retry(on=lambda what: 1 / 0)).call(dependency.step)
    assert (dependency.calls, hooks.failures() - before) == (1, 1)


def test_the_server_says_when_to_come_back() -> None:
    clock = VirtualClock()
    dependency = Dependency(ConnectionError())
    found = guard(clock, breaker=Breaker(), classify=lambda what: throttled(7) if what != "answer" else None)
    assert found.call(dependency.step) == "answer"
    assert 7 <= clock.monotonic() <= 8


def test_a_wait_that_a_server_asked_for_is_as_long_as_the_circuit_is_open_for_it() -> None:
    clock = VirtualClock(start=1000)
    dependency = Dependency(ConnectionError())
    said = Retry(on=ConnectionError, backoff=Backoff(base=0))
    found = guard(clock, said, breaker=Breaker(), classify=lambda what: throttled(0.01) if what != "answer" else None)
    assert found.call(dependency.step) == "answer"
    assert clock.elapsed == pytest.approx(0.05)


@pytest.mark.parametrize(("seconds", "why"), [(7, "the deadline comes first"), (61, "too long a wait: 61 s")])
def test_a_server_that_asks_for_too_much_ends_the_retries(seconds: float, why: str) -> None:
    clock = VirtualClock()
    dependency = Dependency(ConnectionError())
    found = guard(clock, timeout=5, classify=lambda what: throttled(seconds))
    with pytest.raises(ConnectionError) as caught:
        found.call(dependency.step)
    assert (dependency.calls, clock.monotonic()) == (1, 0)
    assert why in notes(caught.value)[0]


def test_the_budget_bounds_what_all_calls_add() -> None:
    clock = VirtualClock()
    found = guard(clock, Retry(on=ConnectionError, attempts=4, backoff=Backoff(base=0)), budget=Budget(0.1, floor=0))
    calls = 0

    def dead() -> None:
        nonlocal calls
        calls += 1
        raise ConnectionError

    for _ in range(1000):
        with pytest.raises(ConnectionError):
            found.call(dead)
    assert 1090 <= calls <= 1100


def test_without_a_budget_every_call_retries() -> None:
    clock = VirtualClock()
    found = guard(clock, Retry(on=ConnectionError, attempts=4, backoff=Backoff(base=0)), budget=None)
    dependency = Dependency(*(ConnectionError() for _ in range(400)))
    for _ in range(100):
        with pytest.raises(ConnectionError):
            found.call(dependency.step)
    assert dependency.calls == 400


def test_a_retry_after_a_timeout_costs_double() -> None:
    clock = VirtualClock()
    said = Retry(on=TimeoutError, attempts=2, backoff=Backoff(base=0))
    found = guard(clock, said, budget=Budget(0, floor=1, seconds=10))
    dependency = Dependency(*(TimeoutError() for _ in range(40)))
    for _ in range(20):
        with pytest.raises(TimeoutError):
            found.call(dependency.step)
    assert dependency.calls == 25


def test_an_attempt_that_timed_out_is_tried_again_only_if_named() -> None:
    clock = VirtualClock()
    calls = 0

    async def hangs() -> None:
        nonlocal calls
        calls += 1
        await asyncio.sleep(3600)

    with pytest.raises(AttemptTimeout):
        run(clock, guard(clock, attempt_timeout=1)(hangs)())
    assert calls == 1
    with pytest.raises(AttemptTimeout) as caught:
        run(clock, guard(clock, Retry(on=TimeoutError), attempt_timeout=1)(hangs)())
    assert (calls, caught.value.attempt) == (4, 3)


def test_a_circuit_that_opens_between_attempts_ends_them_at_once_with_the_users_error() -> None:
    clock = VirtualClock()
    said = Breaker(failure_rate=None, consecutive=2, cooldown=30)
    errors = [ConnectionError("one"), ConnectionError("two")]
    dependency = Dependency(*errors)
    with pytest.raises(ConnectionError) as caught:
        guard(clock, Retry(on=ConnectionError, attempts=9, backoff=EVEN), breaker=said).call(dependency.step)
    assert (caught.value, dependency.calls) == (errors[1], 2)
    assert "no other: the circuit is open" in notes(caught.value)[0]
    assert clock.monotonic() < 1


def test_a_wait_that_outlasts_the_cooldown_ends_in_a_trial_call() -> None:
    clock = VirtualClock(start=1000)
    clock.chance = lambda: 0.9  # type: ignore[method-assign]
    said = Breaker(consecutive=1, cooldown=5, permitted_calls=1)
    found = guard(clock, Retry(on=ConnectionError, backoff=Backoff(base=20, cap=20)), breaker=said)
    assert found.call(Dependency(ConnectionError()).step) == "answer"
    assert (clock.elapsed, found.state) == (18, "closed")


def test_a_circuit_that_others_open_while_one_waits_leaves_the_users_error() -> None:
    clock = VirtualClock()
    mine = ConnectionError("mine")
    mine.__cause__ = cause = KeyError("why")
    clock.sleep = lambda seconds: found.isolate("maintenance")  # type: ignore[method-assign]
    found = guard(clock, breaker=Breaker())
    with pytest.raises(ConnectionError, match="mine") as caught:
        found.call(Dependency(mine).step)
    assert (caught.value.__cause__, caught.value.__context__) == (cause, None)
    assert "1 of 3 attempts" in notes(caught.value)[0]
    assert "'retry' is isolated for 0.0 s (maintenance; last: ConnectionError)" in notes(caught.value)[0]


@pytest.mark.parametrize("refusal", [CircuitOpen("a", "open", 0, "", "", 1), BulkheadFull("a", 1, 0, 0.0)])
def test_what_a_guard_inside_refuses_is_not_tried_again(refusal: Rejected) -> None:
    clock = VirtualClock()
    dependency = Dependency(refusal)
    with pytest.raises(Rejected):
        guard(clock, Retry(on=Exception)).call(dependency.step)
    assert dependency.calls == 1


def test_a_full_bulkhead_in_a_second_attempt_leaves_the_users_error() -> None:
    clock = VirtualClock()
    stack = contextlib.ExitStack()
    clock.sleep = lambda seconds: stack.enter_context(found.permit())  # type: ignore[method-assign]
    found = guard(clock, bulkhead=Bulkhead(1))
    with stack, pytest.raises(ConnectionError) as caught:
        found.call(Dependency(ConnectionError()).step)
    assert "'retry' has no free place" in notes(caught.value)[0]
    assert caught.value.__context__ is None


def test_an_error_that_was_tried_again_is_gone_with_its_operation() -> None:
    class Mine(ConnectionError):
        def __init__(self) -> None:
            errors.append(weakref.ref(self))

    def flaky() -> str:
        if not errors:
            raise Mine
        return "answer"

    errors: list[weakref.ref[Mine]] = []
    gc.disable()
    try:
        assert guard(VirtualClock()).call(flaky) == "answer"
        assert errors[0]() is None
    finally:
        gc.enable()


def test_an_error_object_that_is_raised_again_and_again_gathers_no_notes() -> None:
    clock = VirtualClock()
    error = ConnectionError("one for all")
    error.add_note("the user's own")
    found = guard(clock, Retry(on=ConnectionError, attempts=2, backoff=Backoff(base=0)))
    for _ in range(20):
        with pytest.raises(ConnectionError):
            found.call(Dependency(error, error).step)
    assert len(notes(error)) == 2


@pytest.mark.parametrize("asynchronous", [False, True])
def test_inside_a_guard_that_retries_the_others_make_one_attempt_and_still_guard(asynchronous: bool) -> None:
    clock = VirtualClock()
    outer, inner = guard(clock), guard(clock, breaker=Breaker())
    dependency = Dependency(*(ConnectionError() for _ in range(9)))

    async def step() -> str:
        return dependency.step()

    with pytest.raises(ConnectionError):
        run(clock, outer(inner(step))()) if asynchronous else outer(inner(dependency.step))()
    assert dependency.calls == 3
    assert inner.snapshot().circuit.failed == 3


def test_after_the_operation_a_guard_retries_again() -> None:
    clock = VirtualClock()
    outer, inner = guard(clock), guard(clock)
    outer.call(inner.call, Dependency().step)
    dependency = Dependency(ConnectionError())
    assert inner.call(dependency.step) == "answer"
    assert dependency.calls == 2


@pytest.mark.parametrize("kind", ["generator", "async generator"])
def test_a_stream_is_not_tried_again_after_its_first_item(kind: str) -> None:
    clock = VirtualClock()
    found = guard(clock)
    begun = 0

    @found
    def stream() -> Iterator[int]:
        nonlocal begun
        begun += 1
        yield 1
        raise ConnectionError

    @found
    async def astream() -> AsyncIterator[int]:
        for item in stream.__wrapped__():
            yield item

    async def aconsume() -> None:
        async for item in astream():
            seen.append(item)  # noqa: PERF401 - what came before the error counts

    def consume() -> None:
        for item in stream():
            seen.append(item)  # noqa: PERF402

    seen: list[int] = []
    with pytest.raises(ConnectionError):
        consume() if kind == "generator" else run(clock, aconsume())
    assert (begun, seen) == (1, [1])


@pytest.mark.parametrize("timeout", [None, 60])
def test_those_inside_a_stream_retry_once_it_has_begun(timeout: float | None) -> None:
    clock = VirtualClock()
    outer, inner = guard(clock, timeout=timeout), guard(clock)
    late = Dependency(ConnectionError())

    @outer
    def stream() -> Iterator[str]:
        yield "first"
        yield inner.call(late.step)

    assert list(stream()) == ["first", "answer"]


def test_what_is_retried_and_why_not_is_emitted(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[tuple[str, dict[str, str]]] = []
    monkeypatch.setattr(hooks, "_listeners", ((lambda name, value, labels: heard.append((name, dict(labels))),),))
    clock = VirtualClock()
    with pytest.raises(ConnectionError):
        guard(clock, Retry(on=ConnectionError, attempts=2)).call(Dependency(*[ConnectionError()] * 2).step)
    assert [labels["verdict"] for name, labels in heard if name == "retries_total"] == [
        "retried",
        "attempts",
    ]


def test_the_last_error_stands_in_the_deadlines_text_without_secrets() -> None:
    clock = VirtualClock()
    steps: list[BaseException | float] = [ConnectionError("password=hunter2-correct-horse refused"), 60.0]

    async def flaky() -> None:
        step = steps.pop(0)
        if isinstance(step, BaseException):
            raise step
        await asyncio.sleep(step)

    with pytest.raises(DeadlineExceeded) as caught:
        run(clock, guard(clock, timeout=5)(flaky)())
    assert caught.value.attempts == 2
    assert caught.value.last.startswith("ConnectionError: password=")
    assert "hunter2" not in str(caught.value)


def test_the_circuit_sees_each_attempt_and_the_bulkhead_holds_a_place_for_each() -> None:
    clock = VirtualClock()
    found = guard(clock, breaker=Breaker(), bulkhead=Bulkhead(1), timeout=60)
    held: list[int | None] = []
    clock.sleep = lambda seconds: held.append(found.snapshot().active)  # type: ignore[method-assign]
    found = guard(clock, breaker=Breaker(), bulkhead=Bulkhead(1), timeout=60)
    dependency = Dependency(ConnectionError(), ConnectionError())

    def step() -> str:
        held.append(found.snapshot().active)
        return dependency.step()

    assert found.call(step) == "answer"
    circuit = found.snapshot().circuit
    # Inside, waiting, inside, waiting, inside: nobody holds a place while it waits for the next attempt.
    assert (circuit.calls, circuit.failed, held) == (3, 2, [1, 0, 1, 0, 1])
