"""What a user of pybreaker gains with the changed import, and what must not change with it."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import gc
import inspect
import pickle
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pybreaker as theirs
import pytest

import guardrails
from guardrails import hooks
from guardrails.compat.pybreaker import (
    STATE_CLOSED,
    STATE_HALF_OPEN,
    STATE_OPEN,
    CallRejected,
    CircuitBreaker,
    CircuitBreakerError,
    CircuitBreakerListener,
    CircuitMemoryStorage,
    CircuitRedisStorage,
)
from guardrails.compat.rules import LOCK
from guardrails.errors import ConfigError, Unguardable
from guardrails.testing import VirtualClock
from tests.compat.twins import Broken, Recorder, broken, fine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(start=500.0)


def breaker_of(clock: VirtualClock, **said: Any) -> CircuitBreaker:
    """Opens after two failures, for ten seconds, unless told otherwise."""
    return CircuitBreaker(**{"fail_max": 2, "reset_timeout": 10, "name": "db", **said}, clock=clock)


def fail(breaker: CircuitBreaker, times: int) -> None:
    for _ in range(times):
        with contextlib.suppress(Broken, CircuitBreakerError):
            breaker.call(broken)


def on_trial(clock: VirtualClock, **said: Any) -> CircuitBreaker:
    """A breaker whose next call goes on trial."""
    breaker = breaker_of(clock, **said)
    breaker.open()
    clock.advance(10)
    return breaker


async def afine(value: object = None) -> object:
    await asyncio.sleep(0)
    return value


async def abroken() -> None:
    await asyncio.sleep(0)
    raise Broken


# Coroutines and generators.


@pytest.mark.parametrize("how", ["decorated", "call", "call_async", "returned by a function", "decorated as awaitable"])
def test_coroutines_are_guarded(clock: VirtualClock, how: str) -> None:
    breaker = breaker_of(clock)
    guarded = {
        "decorated": breaker(abroken),
        "call": lambda: breaker.call(abroken),
        "call_async": lambda: breaker.call_async(abroken),
        "returned by a function": breaker(lambda _=None: abroken()),
        "decorated as awaitable": breaker(__pybreaker_call_async=True)(lambda: asyncio.ensure_future(abroken())),
    }[how]

    async def main() -> None:
        with pytest.raises(Broken):
            await guarded()
        with pytest.raises(CircuitBreakerError) as tripped:
            await guarded()
        assert type(tripped.value.__cause__) is Broken
        with pytest.raises(CallRejected):
            await guarded()

    asyncio.run(main())
    assert breaker.current_state == STATE_OPEN


def test_a_decorated_coroutine_function_is_one_still_and_returns_its_value(clock: VirtualClock) -> None:
    breaker = breaker_of(clock)
    guarded = breaker(afine)
    assert inspect.iscoroutinefunction(guarded)
    assert asyncio.run(guarded(7)) == 7
    assert asyncio.run(breaker.call(afine, value=8)) == 8


def test_an_asynchronous_generator_that_fails_in_the_middle_counts(clock: VirtualClock) -> None:
    breaker = breaker_of(clock)

    @breaker
    async def numbers() -> AsyncIterator[int]:
        yield 1
        raise Broken

    async def main() -> None:
        stream = numbers()
        assert await anext(stream) == 1
        with pytest.raises(Broken):
            await anext(stream)

    asyncio.run(main())
    assert breaker.fail_counter == 1


def test_an_asynchronous_generator_is_sent_to_and_thrown_into(clock: VirtualClock) -> None:
    breaker = breaker_of(clock)
    heard: list[object] = []

    @breaker
    async def echo() -> AsyncIterator[object]:
        try:
            heard.append((yield 1))
        except Broken:
            heard.append("thrown")
        except GeneratorExit:
            heard.append("closed")
            raise
        yield 2

    async def main() -> None:
        sent: Any = echo()
        assert [await anext(sent), await sent.asend("sent"), await anext(sent, "end")] == [1, 2, "end"]
        thrown: Any = echo()
        assert [await anext(thrown), await thrown.athrow(Broken()), await anext(thrown, "end")] == [1, 2, "end"]
        await anext(closed := echo())  # type: ignore[call-overload]
        await closed.aclose()
        assert heard[-1] == "closed"

    breaker.add_listener(listener := Recorder())
    asyncio.run(main())
    assert heard == ["sent", "thrown", "closed"]
    assert [event for event in listener.heard if event[0] != "before_call"] == [("success",), ("success",)]


def test_a_generator_keeps_what_is_sent_and_returned(clock: VirtualClock) -> None:
    @breaker_of(clock)
    def echo() -> Iterator[object]:
        got = yield 1
        return got

    stream: Any = echo()
    next(stream)
    with pytest.raises(StopIteration) as stop:
        stream.send("sent")
    assert stop.value.value == "sent"


def test_a_consumer_that_stops_early_says_nothing(clock: VirtualClock) -> None:
    breaker = breaker_of(clock)
    fail(breaker, 1)

    @breaker
    def numbers() -> Iterator[int]:
        yield 1
        yield 2

    for _ in range(5):
        stream = numbers()
        next(stream)
        stream.close()
    assert (breaker.current_state, breaker.fail_counter) == (STATE_CLOSED, 1)


def test_an_error_that_is_thrown_in_and_handled_is_no_failure(clock: VirtualClock) -> None:
    breaker = breaker_of(clock)

    @contextlib.contextmanager
    @breaker
    def session() -> Iterator[None]:
        with contextlib.suppress(Broken):
            yield

    with session():
        raise Broken
    assert breaker.fail_counter == 0


# Side by side.


def test_calls_do_not_wait_for_each_other(clock: VirtualClock) -> None:
    breaker = breaker_of(clock)
    all_inside = threading.Barrier(8, timeout=10)
    threads = [threading.Thread(target=breaker.call, args=(all_inside.wait,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (all_inside.broken, breaker.fail_counter) == (False, 0)


def test_no_failure_is_lost_between_threads() -> None:
    breaker = CircuitBreaker(fail_max=10_000)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=fail, args=(breaker, 500)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert breaker.fail_counter == 2000


@pytest.mark.parametrize("threshold", [1, 3])
def test_of_fifty_tasks_only_the_trial_calls_go(clock: VirtualClock, threshold: int) -> None:
    breaker = on_trial(clock, success_threshold=threshold)
    entered = 0

    @breaker
    async def dead() -> None:
        nonlocal entered
        entered += 1
        await asyncio.sleep(0)
        raise Broken

    async def main() -> list[Any]:
        return await asyncio.gather(*(dead() for _ in range(50)), return_exceptions=True)

    results = asyncio.run(main())
    assert entered == threshold
    assert sum(type(result) is CallRejected for result in results) == 50 - threshold
    assert breaker.current_state == STATE_OPEN


def test_listeners_run_outside_the_lock(clock: VirtualClock) -> None:
    breaker = breaker_of(clock)
    ended = []

    class Patient(CircuitBreakerListener):
        def state_change(self, cb: Any, old_state: Any, new_state: Any) -> None:
            cb.remove_listener(self)
            other = threading.Thread(target=cb.close)
            other.start()
            other.join(10)
            ended.append(not other.is_alive())

    breaker.add_listener(Patient())
    breaker.open()
    assert ended == [True]
    assert breaker.current_state == STATE_CLOSED


# What says nothing about the dependency.


def test_cancellation_counts_for_nothing_and_gives_its_place_on_trial_back(clock: VirtualClock) -> None:
    breaker = on_trial(clock)

    async def main() -> None:
        for _ in range(5):
            task = asyncio.create_task(breaker.call_async(asyncio.Event().wait))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert breaker.current_state == STATE_HALF_OPEN
        await breaker.call_async(afine)

    asyncio.run(main())
    assert breaker.current_state == STATE_CLOSED


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
def test_interrupts_count_for_nothing(clock: VirtualClock, interrupt: type[BaseException]) -> None:
    breaker = breaker_of(clock)

    def interrupted() -> None:
        raise interrupt

    for _ in range(5):
        with pytest.raises(interrupt):
            breaker.call(interrupted)
        with pytest.raises(interrupt), breaker.calling():
            raise interrupt
    assert (breaker.current_state, breaker.fail_counter) == (STATE_CLOSED, 0)


def test_what_an_inner_breaker_rejects_is_no_failure_of_the_outer(clock: VirtualClock) -> None:
    inner, outer = breaker_of(clock), breaker_of(clock)
    inner.open()
    for _ in range(5):
        with pytest.raises(CallRejected):
            outer.call(inner.call, fine)
    assert (outer.current_state, outer.fail_counter) == (STATE_CLOSED, 0)


# Time.


@pytest.mark.parametrize("jump", [3600.0, -3600.0])
def test_the_open_time_does_not_follow_the_wall_clock(clock: VirtualClock, jump: float) -> None:
    breaker = breaker_of(clock)
    breaker.open()
    clock.jump_wall(jump)
    clock.advance(9.5)
    with pytest.raises(CallRejected):
        breaker.call(fine)
    clock.advance(0.5)
    assert breaker.call(fine, 1) == 1


def test_late_results_count_for_nothing(clock: VirtualClock) -> None:
    breaker = breaker_of(clock)

    def stream(end: Any) -> Iterator[None]:
        yield
        end()

    good, bad = breaker.call(stream, fine), breaker.call(stream, broken)
    next(good)
    next(bad)
    fail(breaker, 2)
    clock.advance(9)
    with pytest.raises(Broken):
        next(bad)
    list(good)
    assert (breaker.current_state, breaker.fail_counter) == (STATE_OPEN, 2)
    clock.advance(1)
    breaker.call(fine)
    assert breaker.current_state == STATE_CLOSED


def test_a_trial_call_that_never_comes_back_gives_its_place_to_another(clock: VirtualClock) -> None:
    breaker = on_trial(clock)
    stream = breaker.call(lambda: (yield))
    assert breaker.current_state == STATE_HALF_OPEN
    clock.advance(299)
    with pytest.raises(CallRejected) as rejected:
        breaker.call(fine)
    assert (rejected.value.state, rejected.value.retry_after) == ("half-open", None)
    clock.advance(1)
    breaker.call(fine)
    assert breaker.current_state == STATE_CLOSED
    stream.close()


def test_an_open_breaker_obeys_another_reset_timeout_at_once(clock: VirtualClock) -> None:
    breaker = breaker_of(clock)
    breaker.open()
    breaker.reset_timeout = 86_400
    clock.advance(86_399)
    with pytest.raises(CallRejected):
        breaker.call(fine)
    breaker.reset_timeout = 0
    breaker.call(fine)
    assert breaker.current_state == STATE_CLOSED


def test_another_success_threshold_begins_the_trial_anew(clock: VirtualClock) -> None:
    breaker = on_trial(clock, success_threshold=3)
    breaker.call(fine)
    breaker.call(fine)
    assert breaker.success_counter == 2
    breaker.success_threshold = 2
    assert (breaker.success_counter, breaker.success_threshold) == (0, 2)
    breaker.call(fine)
    assert breaker.current_state == STATE_HALF_OPEN
    breaker.call(fine)
    assert breaker.current_state == STATE_CLOSED


# Errors.


def test_the_call_that_opens_it_raises_an_error_with_its_own_as_the_cause(clock: VirtualClock) -> None:
    breaker = breaker_of(clock, fail_max=1)
    with pytest.raises(CircuitBreakerError) as caught:
        breaker.call(broken, "refused by peer")
    assert repr(caught.value.__cause__) == "Broken('refused by peer')"
    assert str(caught.value) == (
        "'db' has opened with this call, for 10 s: 1 calls in a row failed; "
        "last: Broken, the cause of this error. Runbook: breaker-open"
    )
    # Something has happened over there, so it is none of those errors that say the opposite.
    assert not isinstance(caught.value, guardrails.Rejected)


def test_it_raises_its_own_error_where_that_is_asked_for(clock: VirtualClock) -> None:
    breaker = breaker_of(clock, fail_max=1, throw_new_error_on_trip=False)
    with pytest.raises(Broken):
        breaker.call(broken)
    assert breaker.current_state == STATE_OPEN


@pytest.mark.parametrize(
    "caught_by",
    [CircuitBreakerError, theirs.CircuitBreakerError, guardrails.CircuitOpen, guardrails.GuardrailsError],
    ids=["ours", "pybreaker's", "CircuitOpen", "GuardrailsError"],
)
def test_a_rejection_is_caught_by_every_except_that_may_wait_for_it(
    clock: VirtualClock, caught_by: type[Exception]
) -> None:
    breaker = breaker_of(clock)
    breaker.open()
    with pytest.raises(caught_by):
        breaker.call(fine)


def test_a_rejection_says_how_long_and_why(clock: VirtualClock) -> None:
    breaker = breaker_of(clock)
    fail(breaker, 2)
    clock.advance(4)
    with pytest.raises(CallRejected) as rejected:
        breaker.call(fine)
    error = rejected.value
    assert (error.name, error.state, error.age, error.last, error.retry_after) == ("db", "open", 4.0, "Broken", 6.0)
    assert str(error) == (
        "'db' is open for 4.0 s (2 calls in a row failed; last: Broken). Retry in 6.0 s. Runbook: breaker-open"
    )
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), copy.args, str(copy)) == (CallRejected, error.args, str(error))


def test_users_may_raise_the_error_themselves() -> None:
    assert str(CircuitBreakerError("for a test")) == "for a test"
    assert str(CircuitBreakerError()) == ""


# Listeners, exclusions, metrics.


class Failing(CircuitBreakerListener):
    def before_call(self, cb: Any, func: Any, *args: Any, **kwargs: Any) -> None:
        raise ZeroDivisionError

    failure = success = state_change = before_call


def test_a_listener_that_raises_harms_no_call_and_is_counted(clock: VirtualClock) -> None:
    breaker = breaker_of(clock, listeners=[Failing(), listener := Recorder()])
    before = hooks.failures()
    assert breaker.call(fine, 1) == 1
    with pytest.raises(Broken):
        breaker.call(broken)
    with pytest.raises(CircuitBreakerError):
        breaker.call(broken)
    assert hooks.failures() - before == 7
    assert [event[0] for event in listener.heard] == [
        *("before_call", "success", "before_call", "failure", "before_call", "failure", "state_change")
    ]


def test_an_exclusion_that_raises_excludes_nothing_and_is_counted(clock: VirtualClock) -> None:
    breaker = breaker_of(clock, exclude=[lambda error: error.no_such_attribute])
    before = hooks.failures()
    with pytest.raises(Broken):
        breaker.call(broken)
    assert (breaker.fail_counter, hooks.failures() - before) == (1, 1)


def test_an_interrupt_in_a_listener_is_obeyed(clock: VirtualClock) -> None:
    class Interrupted(CircuitBreakerListener):
        def success(self, cb: Any) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        breaker_of(clock, listeners=[Interrupted()]).call(fine)


def test_classes_of_any_metaclass_may_be_excluded(clock: VirtualClock) -> None:
    class Meta(type(Exception)):  # type: ignore[misc]
        pass

    class Missing(Exception, metaclass=Meta):
        pass

    breaker = breaker_of(clock, exclude=[Missing])
    assert (breaker.is_system_error(Missing()), breaker.is_system_error(Broken())) == (False, True)


def test_calls_moves_and_rejections_are_emitted_under_its_name(
    clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hooks, "_listeners", ())
    heard: list[tuple[str, dict[str, str]]] = []
    hooks.listen(lambda name, value, labels: heard.append((name, dict(labels))))
    breaker = breaker_of(clock, fail_max=1)
    breaker.call(fine)
    fail(breaker, 2)
    with pytest.raises(KeyboardInterrupt), on_trial(clock, name=None).calling():
        raise KeyboardInterrupt
    assert heard == [
        ("calls_total", {"guard": "db", "outcome": "success"}),
        ("breaker_transitions_total", {"guard": "db", "before": "closed", "after": "open"}),
        ("calls_total", {"guard": "db", "outcome": "failure"}),
        ("rejections_total", {"guard": "db", "reason": "open"}),
        ("breaker_transitions_total", {"guard": "unnamed", "before": "closed", "after": "open"}),
        ("breaker_transitions_total", {"guard": "unnamed", "before": "open", "after": "half-open"}),
        ("calls_total", {"guard": "unnamed", "outcome": "ignored"}),
    ]


# Storages.


def test_a_storage_in_memory_is_kept_up_to_date(clock: VirtualClock) -> None:
    breaker = breaker_of(clock, state_storage=(storage := CircuitMemoryStorage(STATE_CLOSED)))
    fail(breaker, 2)
    now = dt.datetime.fromtimestamp(clock.wall(), dt.UTC)
    assert (storage.state, storage.counter, storage.opened_at) == (STATE_OPEN, 2, now)
    assert breaker._state_storage is storage


@pytest.mark.parametrize(
    ("ago", "zone", "waits"),
    [(4, dt.UTC, 6.0), (4, dt.timezone(dt.timedelta(hours=5)), 6.0), (4, None, 6.0), (11, dt.UTC, None)],
)
def test_a_breaker_begins_as_its_storage_says(
    clock: VirtualClock, ago: float, zone: dt.tzinfo | None, waits: float | None
) -> None:
    storage = CircuitMemoryStorage(STATE_OPEN)
    opened_at = dt.datetime.fromtimestamp(clock.wall() - ago, zone or dt.UTC)
    storage.opened_at = opened_at if zone else opened_at.replace(tzinfo=None)
    breaker = breaker_of(clock, state_storage=storage)
    if waits is None:
        assert breaker.call(fine, 1) == 1
    else:
        with pytest.raises(CallRejected) as rejected:
            breaker.call(fine)
        assert rejected.value.retry_after == waits


def test_failures_that_a_storage_remembers_count(clock: VirtualClock) -> None:
    storage = CircuitMemoryStorage(STATE_CLOSED)
    for _ in range(5):
        storage.increment_counter()
    breaker = breaker_of(clock, fail_max=3, state_storage=storage)
    assert (breaker.current_state, breaker.fail_counter) == (STATE_CLOSED, 5)
    fail(breaker, 1)
    assert (breaker.current_state, breaker.fail_counter) == (STATE_OPEN, 6)


def test_a_storage_that_others_read_is_refused(clock: VirtualClock) -> None:
    class Redis:
        def setnx(self, key: str, value: object) -> None: ...

    storage: Any = CircuitRedisStorage(STATE_CLOSED, Redis())  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="this breaker shares no state: keep pybreaker's own"):
        breaker_of(clock, state_storage=storage)


def test_a_storage_of_another_breaker_is_refused_while_that_lives(clock: VirtualClock) -> None:
    storage = CircuitMemoryStorage(STATE_CLOSED)
    first = breaker_of(clock, state_storage=storage)
    with pytest.raises(ConfigError, match="one for each breaker; share the breaker itself"):
        breaker_of(clock, state_storage=storage)
    assert first.current_state == STATE_CLOSED
    del first
    gc.collect()
    breaker_of(clock, state_storage=storage)


def test_a_storage_in_no_known_state_is_refused(clock: VirtualClock) -> None:
    with pytest.raises(ConfigError, match=r"state_storage\.state: 'ajar', allowed: closed, open, half-open"):
        breaker_of(clock, state_storage=CircuitMemoryStorage("ajar"))


# Wrong use.


@pytest.mark.parametrize(
    ("said", "mistake"),
    [
        ({"fail_max": 0}, "fail_max: 0, allowed: a whole number from 1 to 10000"),
        ({"reset_timeout": -1}, "reset_timeout: -1, allowed: a number from 0 to 604800"),
        ({"success_threshold": 1.5}, "success_threshold: 1.5, allowed: a whole number from 1 to 1000"),
    ],
)
def test_what_is_out_of_range_is_refused_when_made_and_when_set(
    clock: VirtualClock, said: dict[str, Any], mistake: str
) -> None:
    with pytest.raises(ConfigError, match=mistake):
        breaker_of(clock, **said)
    breaker = breaker_of(clock)
    ((name, value),) = said.items()
    before = getattr(breaker, name)
    with pytest.raises(ConfigError, match=mistake):
        setattr(breaker, name, value)
    assert getattr(breaker, name) == before


def test_what_cannot_be_called_is_refused_when_decorated(clock: VirtualClock) -> None:
    wrong: Any = classmethod(fine)
    with pytest.raises(Unguardable, match="@classmethod, @staticmethod or @property above, the breaker below"):
        breaker_of(clock)(wrong)


def test_an_unknown_option_is_refused(clock: VirtualClock) -> None:
    with pytest.raises(TypeError, match="not call_async"):
        breaker_of(clock)(call_async=True)


def test_an_unknown_state_is_refused(clock: VirtualClock) -> None:
    breaker = breaker_of(clock)
    with pytest.raises(ValueError, match="state: 'ajar', allowed: closed, open, half-open"):
        breaker.state = "ajar"
    breaker.state = STATE_HALF_OPEN
    assert breaker.current_state == STATE_HALF_OPEN


def test_methods_are_decorated_with_and_without_parentheses(clock: VirtualClock) -> None:
    breaker = breaker_of(clock)

    class Shop:
        @breaker
        def one(self, value: int) -> int:
            return value

        @classmethod
        @breaker()
        def two(cls, value: int) -> tuple[str, int]:
            return cls.__name__, value

    assert (Shop().one(1), Shop.two(2), Shop.one.__name__) == (1, ("Shop", 2), "one")


# Processes.


def test_a_generator_that_the_collector_ends_inside_the_lock_does_not_lock_for_ever(clock: VirtualClock) -> None:
    stream = breaker_of(clock).call(lambda: (yield))
    next(stream)
    with LOCK:
        del stream
        gc.collect()


FORK = """
import os, threading, warnings
from guardrails.compat.pybreaker import CircuitBreaker
from guardrails.compat.rules import LOCK
warnings.simplefilter("ignore")
breaker = CircuitBreaker()
held, forking = threading.Event(), threading.Event()
def hold():
    with LOCK:
        held.set()
        forking.wait(0.04)
threading.Thread(target=hold).start()
held.wait()
child = os.fork()
if not child:
    breaker.open()
    os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.slow  # an interpreter of its own
def test_a_child_that_is_forked_while_another_thread_decides_is_not_locked() -> None:
    ended = subprocess.run([sys.executable, "-c", FORK], capture_output=True, text=True, timeout=20, check=True)
    assert ended.stdout == "7\n"
