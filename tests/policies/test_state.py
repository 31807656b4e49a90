"""What a guard remembers, says and obeys: outcomes, errors with numbers, humans, updates, keys, the registry."""

from __future__ import annotations

import asyncio
import copy
import gc
import json
import pickle
import tracemalloc
import weakref
from typing import TYPE_CHECKING, Any

import pytest

from guardrails import hooks
from guardrails.errors import BulkheadFull, CircuitOpen, ConfigError, GuardrailsError
from guardrails.policies import (
    FAILURE,
    IGNORED,
    SUCCESS,
    Breaker,
    Budget,
    Bulkhead,
    Guard,
    Outcome,
    Retry,
    guards,
    throttled,
)
from guardrails.policies.handed import HANDED
from guardrails.testing import VirtualClock
from tests.policies.loops import run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

TEN = Breaker(failure_rate=0.5, consecutive=None, minimum_calls=10, cooldown=20, cooldown_growth=1)


def guard(clock: VirtualClock | None = None, breaker: Breaker | None = TEN, **more: Any) -> Guard:
    return Guard("openai", breaker=breaker, clock=clock or VirtualClock(), **more)


def fail(error: BaseException) -> None:
    raise error


def failing(found: Guard, times: int = 1, error: type[BaseException] = ConnectionError) -> None:
    for _ in range(times):
        with pytest.raises(error):
            found.call(fail, error())


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, str]]]:
    found: list[tuple[str, dict[str, str]]] = []
    monkeypatch.setattr(hooks, "_listeners", ((lambda name, value, labels: found.append((name, dict(labels))),),))
    return found


# Outcomes.


def test_every_exception_is_a_failure_unless_named() -> None:
    found = guard(ignore=(ValueError, KeyError))
    for error in (ConnectionError, ValueError, LookupError, KeyError):
        failing(found, 1, error)
    assert (found.snapshot().circuit.calls, found.snapshot().circuit.failed) == (2, 2)


@pytest.mark.parametrize(
    ("outcome", "calls", "failed"),
    [(SUCCESS, 1, 0), (FAILURE, 1, 1), (IGNORED, 0, 0), (None, 1, 1), (throttled(None), 1, 1)],
)
def test_a_classifier_says_what_an_error_was(outcome: Outcome | None, calls: int, failed: int) -> None:
    found = guard(classify=lambda what: outcome)
    failing(found)
    assert (found.snapshot().circuit.calls, found.snapshot().circuit.failed) == (calls, failed)


@pytest.mark.parametrize(
    ("outcome", "calls", "failed"), [(SUCCESS, 1, 0), (FAILURE, 1, 1), (IGNORED, 0, 0), (None, 1, 0)]
)
def test_a_classifier_says_what_a_value_was(outcome: Outcome | None, calls: int, failed: int) -> None:
    found = guard(classify=lambda what: outcome)
    assert found.call(lambda: 503) == 503
    assert (found.snapshot().circuit.calls, found.snapshot().circuit.failed) == (calls, failed)


def test_a_throttled_call_opens_it_for_as_long_as_the_server_asked() -> None:
    found = guard(classify=lambda what: throttled(30))
    assert found.call(lambda: 429) == 429
    with pytest.raises(CircuitOpen) as caught:
        found.call(print)
    assert (caught.value.retry_after, caught.value.reason) == (30, "throttled by the server for 30 s")


@pytest.mark.parametrize("classify", [lambda what: 1 / 0, lambda what: "failure"], ids=["raises", "no outcome"])
def test_a_classifier_that_fails_is_counted_and_the_rule_without_it_holds(classify: Callable[[object], Any]) -> None:
    found = guard(classify=classify)
    before = hooks.failures()
    assert found.call(lambda: 3) == 3
    failing(found)
    assert hooks.failures() - before == 2
    assert (found.snapshot().circuit.calls, found.snapshot().circuit.failed) == (2, 1)


def test_interrupts_are_never_shown_to_a_classifier() -> None:
    asked: list[object] = []
    found = guard(classify=asked.append)
    failing(found, 1, KeyboardInterrupt)
    assert asked == []


def test_what_a_guard_inside_refuses_is_not_the_failure_of_the_one_outside() -> None:
    outer, inner = guard(), guard()
    inner.isolate("maintenance")
    with pytest.raises(CircuitOpen):
        outer.call(inner.call, print)
    assert outer.snapshot().circuit.calls == 0


# Errors, and what stays of them.


def test_a_rejection_says_the_numbers_and_the_next_step() -> None:
    clock = VirtualClock()
    clock.chance = lambda: 1.0  # type: ignore[method-assign]
    found = guard(clock)
    for _ in range(3):
        found.call(int)
    failing(found, 6, ConnectionError)
    failing(found, 1, TimeoutError)
    clock.advance(12.4)
    with pytest.raises(CircuitOpen) as caught:
        found.call(print)
    assert str(caught.value) == (
        "'openai' is open for 12.4 s (7 of 10 calls failed in 30 s; last: TimeoutError). Retry in 7.6 s. "
        "Runbook: breaker-open"
    )


def slope(step: Callable[[], None], rounds: int) -> float:
    """Bytes that each step leaves behind."""
    for _ in range(1000):
        step()
    gc.collect()
    tracemalloc.start()
    step()
    gc.collect()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(rounds):
        step()
    gc.collect()
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return (after - before) / rounds


@pytest.mark.slow  # 100,000 rejections under tracemalloc
def test_rejections_leave_nothing_behind() -> None:
    found = guard()
    found.isolate("maintenance")

    def rejected() -> None:
        try:
            found.call(print, "x" * 1000)
        except CircuitOpen as error:
            assert error.args  # noqa: PT017 - pytest.raises would keep what is measured

    assert slope(rejected, 100_000) < 0.1  # a leak is a pointer a call at least, 8 bytes


def test_failures_and_retries_leave_nothing_behind() -> None:
    found = guard(breaker=None, retry=Retry(on=ConnectionError, attempts=2), bulkhead=Bulkhead(3))

    def failed() -> None:
        try:
            found.call(fail, ConnectionError("refused"))
        except ConnectionError as error:
            assert error.args  # noqa: PT017

    assert slope(failed, 3000) < 8  # a leak is a pointer a call at least


async def hang() -> None:
    await asyncio.sleep(3600)


async def endless() -> AsyncIterator[int]:
    while True:
        yield 1


def numbers() -> Iterator[int]:
    yield from range(10)


def isolated(**more: Any) -> Guard:
    found = guard(**more)
    found.isolate("maintenance")
    return found


def crowded() -> Guard:
    found = guard(bulkhead=Bulkhead(1))
    found.permit().__enter__()
    # The block is never left: what it hands down must not reach the next test.
    HANDED.set(None)
    return found


def consume_late(clock: VirtualClock) -> None:
    for _ in guard(clock, timeout=5)(numbers)():
        clock.advance(6)


async def aconsume_late(clock: VirtualClock) -> None:
    async for _ in guard(clock, timeout=5)(endless)():
        clock.advance(6)


AGAIN = {"retry": Retry(on=TimeoutError, attempts=2), "breaker": None}


@pytest.mark.parametrize(
    "work",
    {
        "rejected": lambda clock: isolated().call(print),
        "rejected, all layers": lambda clock: isolated(retry=Retry(on=OSError)).call(print),
        "full": lambda clock: crowded().call(print),
        "late item": consume_late,
    }.items(),
    ids=lambda pair: pair[0],
)
def test_an_error_of_ours_is_gone_once_it_was_caught(work: tuple[str, Callable[[VirtualClock], object]]) -> None:
    gc.disable()
    try:
        try:
            work[1](VirtualClock())
        except GuardrailsError as error:
            caught = weakref.ref(error)
        assert caught() is None
    finally:
        gc.enable()


@pytest.mark.parametrize(
    "work",
    {
        "rejected": lambda clock: isolated().acall(hang),
        "full": lambda clock: crowded().acall(hang),
        "timed out": lambda clock: guard(clock, attempt_timeout=5).acall(hang),
        "timed out twice": lambda clock: guard(clock, attempt_timeout=5, **AGAIN).acall(hang),
        "too late": lambda clock: guard(clock, timeout=5).acall(hang),
        "late item": aconsume_late,
    }.items(),
    ids=lambda pair: pair[0],
)
def test_an_error_of_an_await_is_gone_once_it_was_caught(work: tuple[str, Callable[[VirtualClock], Any]]) -> None:
    clock = VirtualClock()

    async def main() -> object:
        try:
            await work[1](clock)
        except GuardrailsError as error:
            caught = weakref.ref(error)
        return caught()

    gc.disable()
    try:
        assert run(clock, main()) is None
    finally:
        gc.enable()


# Humans.


def test_an_isolated_guard_rejects_until_it_is_released_and_then_tries() -> None:
    found = guard()
    found.isolate("maintenance until noon")
    with pytest.raises(CircuitOpen, match=r"is isolated for 0.0 s \(maintenance until noon\). A human holds it"):
        found.call(print)
    found.release()
    assert found.state == "half-open"
    for _ in range(2):
        found.call(int)
    assert found.state == "closed"


def test_a_disabled_guard_calls_and_records_nothing() -> None:
    found = guard()
    found.disable()
    failing(found, 20)
    assert (found.state, found.snapshot().circuit.calls) == ("disabled", 0)
    found.release()
    assert found.state == "closed"


def test_a_guard_in_shadow_says_when_it_would_have_opened(heard: list[tuple[str, dict[str, str]]]) -> None:
    found = guard()
    found.shadow()
    failing(found, 20)
    assert found.state == "shadow"
    assert found.snapshot().circuit.would_have_opened == 1
    moves = [labels for name, labels in heard if name == "breaker_transitions_total"]
    assert [labels["after"] for labels in moves] == ["shadow", "would-open"]


def test_a_guard_without_a_breaker_admits_all_and_a_human_can_still_isolate_it() -> None:
    found = guard(breaker=None)
    failing(found, 50)
    found.release()
    assert found.state == "disabled"
    found.isolate("maintenance")
    with pytest.raises(CircuitOpen):
        found.call(print)


def test_a_snapshot_is_plain_data() -> None:
    found = guard(bulkhead=Bulkhead(3))
    failing(found)
    snapshot = found.snapshot()
    assert (snapshot.name, snapshot.last, snapshot.active, snapshot.waiting) == ("openai", "ConnectionError", 0, 0)
    assert snapshot.affordable == pytest.approx(10)
    assert json.loads(json.dumps(snapshot))[0] == "openai"
    assert repr(found) == "<Guard 'openai': closed>"


# What is emitted.


def test_transitions_rejections_and_calls_are_emitted_with_closed_labels(
    heard: list[tuple[str, dict[str, str]]],
) -> None:
    clock = VirtualClock()
    found = guard(clock)
    found.call(int)
    failing(found, 9)
    with pytest.raises(CircuitOpen):
        found.call(print)
    clock.advance(20)
    found.call(int)
    found.call(int)
    assert [labels["outcome"] for name, labels in heard if name == "calls_total"] == [
        *("success", *["failure"] * 9, "success", "success")
    ]
    moves = [(labels["before"], labels["after"]) for name, labels in heard if name == "breaker_transitions_total"]
    assert moves == [("closed", "open"), ("open", "half-open"), ("half-open", "closed")]
    assert [labels for name, labels in heard if name == "rejections_total"] == [{"guard": "openai", "reason": "open"}]


def test_an_asynchronous_call_is_emitted_too(heard: list[tuple[str, dict[str, str]]]) -> None:
    async def answer() -> int:
        return 3

    assert run(VirtualClock(), guard().acall(answer)) == 3
    labels = {"guard": "openai", "outcome": "success"}
    assert heard == [("calls_total", labels), ("call_seconds", labels)]


def test_a_listener_may_use_the_guard_it_hears_of(monkeypatch: pytest.MonkeyPatch) -> None:
    found = guard()
    states: list[str] = []

    def listener(name: str, value: float, labels: object) -> None:
        states.append(found.snapshot().circuit.state)

    monkeypatch.setattr(hooks, "_listeners", ((listener,),))
    failing(found, 10)
    assert states[-2:] == ["open", "open"]


# Updates.


def test_an_update_reaches_functions_that_are_decorated_already() -> None:
    clock = VirtualClock()
    found = guard(clock)
    calls: list[int] = []

    @found
    def flaky() -> str:
        calls.append(1)
        if len(calls) % 2:
            raise ConnectionError
        return "answer"

    with pytest.raises(ConnectionError):
        flaky()
    calls.clear()
    assert found.update(retry=Retry(on=ConnectionError)) == ()
    assert (flaky(), len(calls)) == ("answer", 2)
    found.update(retry=None, bulkhead=Bulkhead(1))
    with found.permit(), pytest.raises(BulkheadFull):
        flaky()
    found.update(bulkhead=None)
    with found.permit():
        assert flaky.__name__ == "flaky"


def test_an_update_while_a_call_is_under_way_loses_no_place() -> None:
    found = guard(bulkhead=Bulkhead(2))
    for said in (Bulkhead(3), None, Bulkhead(1), Bulkhead(2)):
        with found.permit():
            found.update(bulkhead=said)
    assert found.snapshot().active == 0


def test_an_update_keeps_the_outcomes_and_says_what_it_forgets() -> None:
    found = guard()
    failing(found, 3)
    assert found.update(breaker=TEN._replace(minimum_calls=4)) == ()
    failing(found)
    assert found.state == "open"
    assert found.update(breaker=Breaker(window_calls=20)) == ()


def test_a_breaker_can_be_taken_away_and_given_back() -> None:
    found = guard()
    found.update(breaker=None)
    failing(found, 20)
    found.update(breaker=TEN)
    assert found.state == "closed"
    failing(found, 10)
    assert found.state == "open"


def test_an_update_that_contradicts_itself_changes_nothing() -> None:
    found = guard(timeout=5)
    with pytest.raises(ConfigError, match="timeout: 5, allowed: at least attempt_timeout, 9 s"):
        found.update(attempt_timeout=9, retry=Retry(on=OSError))
    assert found._settings.retry is None


def test_an_update_reaches_the_guards_by_key() -> None:
    found = guard()
    child = found.for_key("eu")
    found.update(bulkhead=Bulkhead(1))
    with child.permit(), pytest.raises(BulkheadFull):
        child.call(print)


# Keys.


def test_each_key_has_its_own_health_and_stands_in_the_errors() -> None:
    found = guard()
    failing(found.for_key("eu"), 10)
    assert found.for_key("us").call(int) == 0
    assert found.call(int) == 0
    with pytest.raises(CircuitOpen, match=r"'openai\[eu\]' is open"):
        found.for_key("eu").call(print)
    assert (list(found.by_key()), found.snapshot().keys) == (["us", "eu"], 2)


def test_a_key_is_no_label(heard: list[tuple[str, dict[str, str]]]) -> None:
    failing(guard().for_key("tenant-1"))
    assert {labels["guard"] for _, labels in heard} == {"openai"}


def test_the_key_asked_for_longest_ago_is_forgotten_and_never_one_that_is_not_closed() -> None:
    found = guard(most_keys=3)
    failing(found.for_key("dead"), 10)
    for key in ("a", "b", "c", "a", "d"):
        found.for_key(key)
    assert set(found.by_key()) == {"dead", "a", "d"}
    assert found.for_key("dead").state == "open"


def test_a_key_with_calls_under_way_is_not_forgotten() -> None:
    found = guard(most_keys=1, bulkhead=Bulkhead(1))
    with found.for_key("busy").permit():
        for key in range(20):
            found.for_key(key)
        assert "busy" in found.by_key()


def test_ten_thousand_keys_stay_ten_thousand() -> None:
    found = guard()
    for key in range(10_200):
        found.for_key(key)
    assert len(found.by_key()) == 10_000


def test_more_open_keys_than_fit_are_all_kept() -> None:
    found = guard(most_keys=5)
    for key in range(30):
        found.for_key(key).isolate("test")
    assert len(found.by_key()) == 30


# The registry.


def test_guards_are_listed_as_long_as_somebody_holds_them_and_names_may_repeat() -> None:
    gc.collect()
    before = guards()
    one, two = guard(), guard()
    assert [found for found in guards() if found not in before] == [one, two]
    one.for_key("not listed")
    del one
    gc.collect()
    assert [found for found in guards() if found not in before] == [two]


# Settings.


@pytest.mark.parametrize(
    ("make", "problems"),
    [
        (
            lambda: Guard(" ", timeout=-1, attempt_timeout="2", retry=3, breaker=0.5, ignore="ValueError", classify=1),
            [
                "name: ' ', allowed: a text",
                "attempt_timeout: '2', allowed: a number",
                "timeout: -1, allowed: a number from 0.001",
                "retry: 3, allowed: a Retry, or None",
                "breaker: 0.5, allowed: a Breaker, or None",
                "ignore: 'ValueError', allowed: classes of exceptions",
                "classify: 1, allowed: a function, or None",
            ],
        ),
        (lambda: Guard("a", timeout=2, attempt_timeout=5), ["timeout: 2, allowed: at least attempt_timeout, 5 s"]),
        (
            lambda: Guard("a", attempt_timeout=90, breaker=Breaker(slow_after=100)),
            [
                "breaker.permit_expiry: 60.0, allowed: at least attempt_timeout, 90 s",
                "breaker.slow_after: 100, allowed: below attempt_timeout, 90 s",
            ],
        ),
        (
            lambda: Guard("a", bulkhead=5, budget=1),
            ["budget: 1, allowed: a Budget", "bulkhead: 5, allowed: a Bulkhead"],
        ),
        (lambda: Guard("a", most_keys=0), ["most_keys: 0"]),
        (
            lambda: Retry(on="ConnectionError", attempts=1, within=0, backoff=2),
            [
                "on: 'ConnectionError', allowed: an exception class, a tuple of them, or a function; write the class",
                "attempts: 1, allowed: a whole number from 2 to 100",
                "within: 0, allowed: over 0",
                "backoff: 2, allowed: a Backoff",
            ],
        ),
        (lambda: Retry(on=OSError("x")), ["on: OSError('x'), allowed: an exception class"]),
        (lambda: Retry(on=()), ["on: (), allowed: an exception class"]),
        (lambda: Retry(on=(OSError, "x", 3)), ["on: 'x', allowed", "on: 3, allowed"]),
        (lambda: Retry(on=int), ["on: <class 'int'>, allowed: an exception class"]),
        (lambda: Retry(on=BaseException), ["on: <class 'BaseException'>, allowed: a class below Exception"]),
        (lambda: Budget(2, -1, 0), ["ratio: 2", "floor: -1", "seconds: 0"]),
        (lambda: Bulkhead(0, -1, 0), ["limit: 0", "waiting: -1", "longest_wait: 0"]),
        (lambda: Bulkhead(1)._replace(limit=0), ["limit: 0"]),
    ],
)
def test_every_mistake_is_reported_at_once(make: Callable[[], object], problems: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        make()
    assert len(caught.value.problems) == len(problems), caught.value.problems
    for found, expected in zip(caught.value.problems, problems, strict=True):
        assert found.startswith(expected)


def test_the_default_breaker_awaits_trial_calls_as_long_as_they_may_take() -> None:
    assert Guard("job", timeout=600)._settings.breaker == Breaker(permit_expiry=600, max_half_open=1200)
    # The items of a stream come after what attempt_timeout bounds.
    stream = Guard("stream", timeout=120, attempt_timeout=10)
    assert stream._settings.breaker == Breaker(permit_expiry=120, max_half_open=300)
    assert Guard("job", timeout=5)._settings.breaker == Breaker()


def test_what_guards_by_key_tell_carries_the_name_without_the_key(heard: list[tuple[str, dict[str, str]]]) -> None:
    found = guard(retry=Retry(attempts=2, on=ConnectionError), bulkhead=Bulkhead(1)).for_key("tenant")
    failing(found)
    with found.permit(), pytest.raises(BulkheadFull):
        found.call(print)
    assert {"retries_total", "rejections_total"} <= {name for name, _ in heard}
    assert {labels["guard"] for _, labels in heard} == {"openai"}


@pytest.mark.parametrize("copied", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_guard_that_is_copied_says_why_not_and_what_to_do(copied: Callable[[Guard], object]) -> None:
    with pytest.raises(TypeError, match=r"guard 'here' cannot be copied or pickled: .*make it at module level"):
        copied(Guard("here"))
