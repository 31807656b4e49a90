"""tenacity's strategies in a Retry do what they do in tenacity, within our bounds."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import subprocess
import sys
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any

import pytest
import tenacity
import tenacity.asyncio
from tenacity import (
    retry_always,
    retry_any,
    retry_if_exception,
    retry_if_exception_cause_type,
    retry_if_exception_message,
    retry_if_exception_type,
    retry_if_not_exception_type,
    retry_if_not_result,
    retry_if_result,
    retry_never,
    retry_unless_exception_type,
    stop_after_attempt,
    stop_after_delay,
    stop_before_delay,
    stop_never,
    stop_when_event_set,
    wait_chain,
    wait_combine,
    wait_exception,
    wait_exponential,
    wait_exponential_jitter,
    wait_fixed,
    wait_incrementing,
    wait_none,
    wait_random,
    wait_random_exponential,
)

from guardrails import hooks
from guardrails.errors import CircuitOpen, ConfigError
from guardrails.policies import FAILURE, SUCCESS, Backoff, Breaker, Budget, Guard, Retry, throttled
from guardrails.testing import VirtualClock
from tests.policies.loops import run

if TYPE_CHECKING:
    from collections.abc import Callable

AT_ONCE = Backoff(base=0)


class Busy(Exception):
    """Carries how long to wait."""

    def __init__(self, seconds: float = 0.0, text: str = "busy") -> None:
        super().__init__(text)
        self.seconds = seconds


class Dependency:
    """Raises or returns what it is given, one a call, each after so many seconds; then answers."""

    def __init__(self, clock: VirtualClock, *steps: object, takes: float = 0.25) -> None:
        self.clock = clock
        self.steps = list(steps)
        self.takes = takes
        self.began: list[float] = []

    def __call__(self) -> object:
        self.began.append(self.clock.monotonic())
        self.clock.advance(self.takes)
        step = self.steps.pop(0) if self.steps else "answer"
        if isinstance(step, BaseException):
            raise step
        return step


def guard(clock: VirtualClock, **said: Any) -> Guard:
    """A guard that bounds nothing, but for the hundred attempts."""
    retry = Retry(**{"within": None, "backoff": AT_ONCE, **said})
    return Guard("db", retry=retry, budget=None, breaker=None, clock=clock)


# Beside tenacity.

FIELDS = ("attempt_number", "seconds_since_start", "idle_for", "upcoming_sleep", "next_action", "fn", "args", "kwargs")


class Shown:
    """What a strategy was shown, each time that it was asked."""

    def __init__(self) -> None:
        self.states: list[tuple[str, dict[str, Any]]] = []

    def take(self, kind: str, state: tenacity.RetryCallState) -> None:
        outcome = state.outcome
        assert outcome is not None
        met = outcome.exception() if outcome.failed else outcome.result()
        seen = {name: getattr(state, name) for name in FIELDS}
        assert type(state.retry_object) is tenacity.Retrying
        self.states.append((kind, {**seen, "met": met, "attempt": outcome.attempt_number}))


class SeenRetry(tenacity.retry_base):  # type: ignore[misc]
    def __init__(self, inner: Any, shown: Shown) -> None:
        self.inner, self.shown = inner, shown

    def __call__(self, retry_state: tenacity.RetryCallState) -> bool:
        self.shown.take("retry", retry_state)
        return bool(self.inner(retry_state))


class SeenWait(tenacity.wait.wait_base):  # type: ignore[misc]
    def __init__(self, inner: Any, shown: Shown) -> None:
        self.inner, self.shown = inner, shown

    def __call__(self, retry_state: tenacity.RetryCallState) -> float:
        self.shown.take("wait", retry_state)
        return float(self.inner(retry_state))


class SeenStop(tenacity.stop.stop_base):  # type: ignore[misc]
    def __init__(self, inner: Any, shown: Shown) -> None:
        self.inner, self.shown = inner, shown

    def __call__(self, retry_state: tenacity.RetryCallState) -> bool:
        self.shown.take("stop", retry_state)
        return bool(self.inner(retry_state))


FIVE = stop_after_attempt(5)
BUSY = retry_if_exception_type(Busy)
NONE = retry_if_result(lambda value: value is None)
LONG = [Busy(seconds) for seconds in (3, 1, 4, 1, 5, 9, 2)]
# Name: on, attempts, backoff, and what the dependency does.
TWINS: dict[str, tuple[Any, Any, Any, list[object]]] = {
    "succeeds": (BUSY, FIVE, wait_none(), [Busy(), Busy()]),
    "exhausted": (BUSY, FIVE, wait_fixed(1), LONG),
    "another error": (BUSY, FIVE, wait_fixed(1), [Busy(), KeyError("mine")]),
    "exponential": (BUSY, stop_after_attempt(7), wait_exponential(multiplier=0.5, min=1, max=5), LONG),
    "incrementing": (BUSY, FIVE, wait_incrementing(start=1, increment=2, max=4), LONG),
    "chain": (BUSY, FIVE, wait_chain(wait_fixed(1), wait_fixed(1), wait_fixed(7)), LONG),
    "sum": (BUSY, FIVE, wait_fixed(1) + wait_exponential(), LONG),
    "combine": (BUSY, FIVE, wait_combine(wait_fixed(2), wait_incrementing(0, 1)), LONG),
    "by the error": (BUSY, FIVE, wait_exception(lambda error: error.seconds), LONG),
    "after delay": (BUSY, stop_after_delay(6), wait_exponential(), LONG),
    "before delay": (BUSY, stop_before_delay(6), wait_exponential(), LONG),
    "either stop": (BUSY, stop_after_delay(2) | FIVE, wait_fixed(0.5), LONG),
    "both stops": (BUSY, stop_after_delay(2) & stop_after_attempt(2), wait_fixed(0.5), LONG),
    "message": (retry_if_exception_message(match="bu"), FIVE, wait_none(), [Busy(), Busy(text="no")]),
    "not type": (retry_if_not_exception_type(KeyError), FIVE, wait_none(), [Busy(), ValueError(), KeyError()]),
    "unless type": (retry_unless_exception_type(KeyError), FIVE, wait_none(), [Busy(), 1, KeyError()]),
    "result": (NONE, FIVE, wait_fixed(1), [None, None, 7]),
    "not result": (retry_if_not_result(bool), FIVE, wait_fixed(1), [0, "", 7]),
    "either": (BUSY | NONE, FIVE, wait_none(), [None, Busy(), None]),
    "any": (retry_any(NONE, retry_if_exception_message("busy")), FIVE, wait_none(), [Busy(), None]),
    "all": (BUSY & retry_if_exception(lambda error: error.seconds < 4), FIVE, wait_none(), LONG),
    "a function in it": (retry_any(BUSY, lambda state: state.attempt_number < 3), FIVE, wait_none(), [1, 2, 3]),
    "try again": (retry_if_exception_type(KeyError), FIVE, wait_none(), [tenacity.TryAgain(), 1]),
}


def rounded(seen: dict[str, Any]) -> dict[str, Any]:
    return {name: pytest.approx(value, abs=1e-6) if type(value) is float else value for name, value in seen.items()}


def ended(call: Callable[[], object]) -> tuple[str, object]:
    try:
        return "returned", call()
    except Exception as exc:
        return "raised", exc


@pytest.mark.parametrize("asynchronous", [False, True], ids=["def", "async def"])
@pytest.mark.parametrize("name", TWINS)
def test_a_retry_does_with_them_what_tenacity_does(
    name: str, asynchronous: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    on, attempts, backoff, steps = TWINS[name]
    clock, theirs = VirtualClock(), Shown()
    twin = Dependency(clock, *steps)
    with monkeypatch.context() as patch:
        patch.setattr(time, "monotonic", clock.monotonic)
        retrying = tenacity.Retrying(
            retry=SeenRetry(on, theirs), stop=SeenStop(attempts, theirs), wait=SeenWait(backoff, theirs),
            sleep=clock.advance, reraise=True,
        )  # fmt: skip

        def looped() -> object:
            for attempt in retrying:
                with attempt:
                    value = twin()
                if not attempt.retry_state.outcome.failed:
                    attempt.retry_state.set_result(value)
            return value

        expected = ended(looped)
    ours_clock, ours = VirtualClock(), Shown()
    dependency = Dependency(ours_clock, *steps)
    found = guard(
        ours_clock, on=SeenRetry(on, ours), attempts=SeenStop(attempts, ours), backoff=SeenWait(backoff, ours)
    )

    async def acall() -> object:
        return dependency()

    actual = ended(lambda: run(ours_clock, found.acall(acall)) if asynchronous else found.call(dependency))
    assert actual == expected
    assert dependency.began == pytest.approx(twin.began, abs=1e-6)
    assert ours.states == [(kind, rounded(seen)) for kind, seen in theirs.states]
    assert len(twin.began) > 1


@pytest.mark.parametrize(
    ("wait", "shortest", "longest"),
    [
        (wait_random(min=2, max=3), [2, 2, 2, 2], [3, 3, 3, 3]),
        (wait_random_exponential(multiplier=1, max=4), [0, 0, 0, 0], [1, 2, 4, 4]),
        (wait_exponential_jitter(max=6, jitter=1), [1, 2, 4, 6], [2, 3, 5, 6]),
        (wait_fixed(5) + wait_random(0, 1), [5, 5, 5, 5], [6, 6, 6, 6]),
    ],
)
def test_waits_by_chance_are_drawn_by_tenacity(wait: Any, shortest: list[float], longest: list[float]) -> None:
    seen = []
    for _ in range(30):
        clock = VirtualClock()
        dependency = Dependency(clock, *[Busy()] * 5, takes=0)
        with pytest.raises(Busy):
            guard(clock, on=BUSY, attempts=FIVE, backoff=wait).call(dependency)
        began = dependency.began
        waits = [after - before for before, after in itertools.pairwise(began)]
        assert all(low - 1e-6 <= wait <= high + 1e-6 for low, wait, high in zip(shortest, waits, longest, strict=True))
        seen.append(tuple(waits))
    assert len(set(seen)) == 30


def test_one_of_them_alone_leaves_the_rest_to_us() -> None:
    """A stop with our backoff, a wait with our attempts, a predicate with both."""
    for said in ({"attempts": FIVE}, {"attempts": 5, "backoff": wait_fixed(0)}, {"on": BUSY, "attempts": 5}):
        clock = VirtualClock()
        dependency = Dependency(clock, *[Busy()] * 9)
        with pytest.raises(Busy):
            guard(clock, **{"on": Busy, **said}).call(dependency)
        assert len(dependency.began) == 5


def test_a_stop_is_told_how_long_our_backoff_would_wait() -> None:
    clock = VirtualClock()
    clock.chance = lambda: 0.5  # type: ignore[method-assign]
    dependency = Dependency(clock, *[Busy()] * 9, takes=0)
    found = guard(clock, on=BUSY, attempts=stop_before_delay(5), backoff=Backoff(base=4, growth=1))
    with pytest.raises(Busy):
        found.call(dependency)
    assert dependency.began == pytest.approx([0, 2, 4])


def test_an_event_that_is_set_stops_the_attempts() -> None:
    clock, event = VirtualClock(), threading.Event()
    dependency = Dependency(clock, Busy(), Busy(), Busy())
    clock.sleep = lambda seconds: event.set()  # type: ignore[method-assign]
    with pytest.raises(Busy):
        guard(clock, on=BUSY, attempts=stop_when_event_set(event)).call(dependency)
    assert len(dependency.began) == 2


def test_the_cause_of_an_error_may_decide() -> None:
    def fails() -> None:
        dependency()
        raise LookupError from Busy()

    for cause, calls in ((Busy, 3), (KeyError, 1)):
        dependency = Dependency(clock := VirtualClock())
        with pytest.raises(LookupError):
            guard(clock, on=retry_if_exception_cause_type(cause)).call(fails)
        assert len(dependency.began) == calls


# Our bounds hold.


def calls(clock: VirtualClock, found: Guard, *, times: int = 1000) -> tuple[int, BaseException]:
    """How often a dead dependency is called, and the error that comes out."""
    dependency = Dependency(clock, *[Busy() for _ in range(times)])
    with pytest.raises(Busy) as caught:
        found.call(dependency)
    return len(dependency.began), caught.value


def test_who_never_stops_makes_a_hundred_attempts() -> None:
    clock = VirtualClock()
    made, error = calls(clock, guard(clock, on=retry_always, attempts=stop_never, backoff=wait_none()))
    assert (made, error.__notes__[0].endswith("no other: all attempts are made")) == (100, True)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"budget": Budget(0, floor=0.5)}, "the retry budget is spent"),
        ({"timeout": 20}, "the deadline comes first"),
        ({"breaker": Breaker(consecutive=3)}, "the circuit is open"),
        ({"retry": Retry(on=BUSY, attempts=stop_never, backoff=wait_fixed(0.5))}, "too late: no attempt begins after"),
    ],
)
def test_budget_deadline_circuit_and_time_bound_them(more: dict[str, Any], why: str) -> None:
    clock = VirtualClock()
    retry = Retry(on=BUSY, attempts=stop_never, backoff=wait_fixed(0.5), within=None)
    made, error = calls(clock, Guard("db", clock=clock, **{"retry": retry, "budget": None, "breaker": None, **more}))
    assert 3 <= made <= 50
    assert f"; no other: {why}" in error.__notes__[0]


@pytest.mark.parametrize(("asked", "waited"), [(7, 7), (1, 2), (None, 2)])
def test_no_wait_is_shorter_than_what_the_server_asks_for(asked: float | None, waited: float) -> None:
    clock = VirtualClock()
    found = guard(clock, on=BUSY, backoff=wait_fixed(2))
    found = Guard("db", retry=found._settings.retry, classify=lambda what: throttled(asked), breaker=None, clock=clock)
    dependency = Dependency(clock, Busy(), takes=0)
    dependency.steps.append(KeyError())
    with pytest.raises(KeyError):
        found.call(dependency)
    assert dependency.began == pytest.approx([0, waited])


def test_a_server_that_asks_for_too_much_ends_them() -> None:
    clock = VirtualClock()
    retry = Retry(on=BUSY, backoff=wait_fixed(2), within=None)
    found = Guard("db", retry=retry, classify=lambda what: throttled(61), breaker=None, clock=clock)
    assert calls(clock, found)[0] == 1


def test_what_guards_refuse_and_interrupts_are_not_tried_again_whatever_they_say() -> None:
    for error in (CircuitOpen("a", "open", 0, "", "", 1), KeyboardInterrupt()):
        clock = VirtualClock()
        dependency = Dependency(clock, error)
        with pytest.raises(type(error)):
            guard(clock, on=retry_always).call(dependency)
        assert len(dependency.began) == 1


def test_inside_a_guard_that_retries_they_make_one_attempt() -> None:
    clock = VirtualClock()
    outer, inner = guard(clock, on=BUSY, attempts=stop_after_attempt(4)), guard(clock, on=BUSY)
    dependency = Dependency(clock, *[Busy()] * 99)
    with pytest.raises(Busy):
        outer.call(inner.call, dependency)
    assert len(dependency.began) == 4


# Values.


def test_a_value_that_is_to_be_tried_again_is_a_failure_to_the_circuit() -> None:
    clock = VirtualClock()
    found = Guard("db", retry=Retry(on=NONE, backoff=wait_none()), clock=clock)
    assert found.call(Dependency(clock, None, None, 7)) == 7
    assert (found.snapshot().circuit.calls, found.snapshot().circuit.failed) == (3, 2)
    assert found.call(Dependency(clock, None, None, None, 7)) is None


@pytest.mark.parametrize(
    "on", [BUSY | NONE, retry_any(BUSY, retry_never, NONE), NONE & retry_if_result(lambda _: True)]
)
def test_what_is_made_of_strategies_looks_at_values_where_one_of_them_does(on: Any) -> None:
    clock = VirtualClock()
    found = Guard("db", retry=Retry(on=on, backoff=wait_none()), clock=clock)
    assert found.call(Dependency(clock, None, 7)) == 7
    assert (found.snapshot().circuit.calls, found.snapshot().circuit.failed) == (2, 1)


def test_so_it_is_inside_a_guard_that_retries_and_where_a_classifier_says_success() -> None:
    clock = VirtualClock()
    outer = guard(clock, on=Busy)
    inner = Guard("db", retry=Retry(on=NONE), classify=lambda what: SUCCESS, clock=clock)
    assert outer.call(inner.call, Dependency(clock, None)) is None
    assert (inner.snapshot().circuit.calls, inner.snapshot().circuit.failed) == (1, 1)


@pytest.mark.parametrize("on", [BUSY, retry_any(BUSY, retry_if_exception_message("busy")), retry_never, Busy])
def test_strategies_that_look_at_errors_alone_are_not_asked_about_values(on: Any) -> None:
    found = Guard("db", retry=Retry(on=on))
    assert (found._engine.again, found._engine.plain) == (("failure", "throttled"), True)
    assert found.call(lambda: None) is None


def test_a_classifier_may_call_a_value_a_failure_that_they_then_judge() -> None:
    clock = VirtualClock()
    said = lambda what: FAILURE if what == 503 else None  # noqa: E731
    found = Guard("db", retry=Retry(on=retry_if_result(lambda value: value == 503)), classify=said, clock=clock)
    assert found.call(Dependency(clock, 503, 200)) == 200
    errors_only = Guard("db", retry=Retry(on=BUSY), classify=said, clock=clock)
    assert errors_only.call(Dependency(clock, 503, 200)) == 503


def test_an_update_may_bring_them_and_take_them_away() -> None:
    clock = VirtualClock()
    found = Guard("db", clock=clock)
    call = found(Dependency(clock, None, 1, None, 1).__call__)
    found.update(retry=Retry(on=NONE, backoff=wait_none()))
    assert call() == 1
    found.update(retry=None)
    assert call() is None


# What is wrong.


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"on": wait_fixed(1)}, "on: .*allowed: no strategy of this kind; give it as backoff="),
        ({"on": stop_after_attempt(3)}, "on: .*give it as attempts="),
        ({"attempts": wait_fixed(1)}, "attempts: .*give it as backoff="),
        ({"attempts": BUSY}, "attempts: .*give it as on="),
        ({"backoff": stop_after_delay(3)}, "backoff: .*give it as attempts="),
        ({"on": retry_if_exception_type}, r"on: .*an object of it; write retry_if_exception_type\(...\)"),
        ({"attempts": stop_after_attempt}, r"attempts: .*write stop_after_attempt\(...\)"),
        ({"backoff": wait_exponential}, r"backoff: .*write wait_exponential\(...\)"),
        ({"on": tenacity.asyncio.retry_if_exception(lambda e: True)}, "on: .*plain strategies; a call waits for it"),
        ({"on": (Busy, BUSY)}, "on: .*an exception class, a tuple of them, or a function"),
        ({"attempts": lambda state: True}, "attempts: .*a whole number from 2 to 100"),
        ({"backoff": lambda state: 1.0}, "backoff: .*a Backoff"),
    ],
)
def test_a_strategy_in_the_wrong_place_is_refused_where_it_is_written(said: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem) as caught:
        Retry(**{"on": Busy, **said})
    assert len(caught.value.problems) == 1


def test_a_changed_copy_is_checked_too() -> None:
    with pytest.raises(ConfigError, match="give it as attempts="):
        Retry(on=BUSY)._replace(backoff=FIVE)


@pytest.mark.parametrize(
    "said",
    [
        {"on": retry_if_exception(lambda error: 1 / 0)},
        {"on": retry_if_exception(lambda error: asyncio.sleep(0))},
        {"attempts": stop_when_event_set(None)},
        {"backoff": wait_exception(lambda error: 1 / 0)},
        {"backoff": wait_exception(lambda error: -1)},
        {"backoff": wait_exception(lambda error: float("nan"))},
        {"backoff": wait_exception(lambda error: float("inf"))},
        {"backoff": wait_exception(lambda error: "soon")},
    ],
)
def test_a_strategy_that_fails_is_counted_and_tries_nothing_again(said: dict[str, Any]) -> None:
    clock, before = VirtualClock(), hooks.failures()
    made, _ = calls(clock, guard(clock, **{"on": Busy, **said}))
    assert (made, hooks.failures() - before) == (1, 1)


# What it costs others.


def test_an_error_is_gone_with_its_operation_and_bears_no_trace_of_them() -> None:
    errors: list[weakref.ref[Busy]] = []

    class Mine(Busy):
        def __init__(self) -> None:
            errors.append(weakref.ref(self))

    def flaky() -> str:
        if len(errors) < 2:
            raise Mine
        return "answer"

    def raised(retry_state: tenacity.RetryCallState) -> float:
        with contextlib.suppress(Busy):
            retry_state.outcome.result()
        return 0.0

    gc.disable()
    try:
        found = guard(VirtualClock(), on=BUSY, attempts=FIVE, backoff=wait_combine(raised))
        assert found.call(flaky) == "answer"
        assert [reference() for reference in errors] == [None, None]
    finally:
        gc.enable()
    mine = Busy()
    with pytest.raises(Busy) as caught:
        guard(clock := VirtualClock(), on=BUSY, backoff=wait_combine(raised)).call(Dependency(clock, *[mine] * 3))
    frames = [frame.name for frame in caught.traceback]
    assert "raised" not in frames
    assert mine.__context__ is None


def test_threads_that_share_them_do_not_see_one_another() -> None:
    found = Guard(
        "db", retry=Retry(on=BUSY, attempts=stop_after_attempt(4), backoff=wait_none()), budget=None, breaker=None
    )
    made: list[int] = []
    start = threading.Barrier(8)

    def work() -> None:
        start.wait()
        for _ in range(100):
            count = 0

            def fails() -> None:
                nonlocal count
                count += 1
                raise Busy

            with pytest.raises(Busy):
                found.call(fails)
            made.append(count)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    threads = [threading.Thread(target=work) for _ in range(8)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert made == [4] * 800


def test_whoever_uses_none_never_loads_tenacity() -> None:
    code = """
import sys
from guardrails import Guard, Retry
calls = iter([ConnectionError(), None])
def flaky():
    if error := next(calls):
        raise error
    return 1
answer = Guard("db", retry=Retry(on=ConnectionError)).call(flaky)
print(answer, sorted({"tenacity", "guardrails.policies.strategies"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1 []\n"
