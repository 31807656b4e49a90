"""That the probes of test_probes.py are worth trying: for each, a peer, configured as documented, that fails it."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import importlib
import logging
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import need

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator


def peer(name: str) -> Any:
    return importlib.import_module(need(name, f"how {name} fails a probe"))


def pybreaker(**more: Any) -> Any:
    return peer("pybreaker").CircuitBreaker(fail_max=3, reset_timeout=0.04, **more)


def aiobreaker() -> Any:
    return peer("aiobreaker").CircuitBreaker(fail_max=3, timeout_duration=dt.timedelta(seconds=0.04))


def circuitbreaker() -> Any:
    return peer("circuitbreaker").CircuitBreaker(failure_threshold=3, recovery_timeout=0.04)


def purgatory() -> Any:
    return peer("purgatory").AsyncCircuitBreakerFactory(default_threshold=3, default_ttl=0.04)("probe")


def raises(error: BaseException) -> Callable[[], None]:
    def fails() -> None:
        raise error

    return fails


def araises(error: BaseException) -> Callable[[], Any]:
    async def fails() -> None:
        raise error

    return fails


def attempts(fn: Callable[[], object], times: int) -> list[str]:
    seen = []
    for _ in range(times):
        try:
            fn()
            seen.append("answer")
        except BaseException as error:
            seen.append(type(error).__name__)
    return seen


async def aattempts(fn: Callable[[], Any], times: int) -> list[str]:
    seen = []
    for _ in range(times):
        try:
            await fn()
            seen.append("answer")
        except BaseException as error:
            seen.append(type(error).__name__)
    return seen


def test_cancelled_tasks_open_purgatory() -> None:
    async def main() -> list[str]:
        breaker = purgatory()
        return await aattempts(breaker(araises(asyncio.CancelledError())), 5)

    assert "OpenedState" in asyncio.run(main())


def test_keyboard_interrupts_open_pybreaker_and_become_its_own_error() -> None:
    assert attempts(pybreaker()(raises(KeyboardInterrupt())), 5)[2:] == ["CircuitBreakerError"] * 3


def test_half_open_lets_fifty_tasks_through_in_aiobreaker() -> None:
    admitted = 0

    async def dead() -> None:
        nonlocal admitted
        admitted += 1
        await asyncio.sleep(0.01)
        raise ConnectionError

    async def main() -> None:
        guarded = aiobreaker()(dead)
        await aattempts(guarded, 3)
        await asyncio.sleep(0.05)
        await asyncio.gather(*(guarded() for _ in range(50)), return_exceptions=True)

    asyncio.run(main())
    assert admitted == 3 + 50


def test_a_cancelled_trial_call_closes_circuitbreaker() -> None:
    async def main() -> str:
        breaker = circuitbreaker()
        await aattempts(breaker(araises(ConnectionError())), 3)
        await asyncio.sleep(0.05)
        await aattempts(breaker(araises(asyncio.CancelledError())), 1)
        state: str = breaker.state
        return state

    assert asyncio.run(main()) == "closed"


def test_a_wall_clock_that_jumps_ends_the_open_time_of_purgatory(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> list[str]:
        factory = peer("purgatory").AsyncCircuitBreakerFactory(default_threshold=3, default_ttl=60)
        guarded = factory("probe")(araises(ConnectionError()))
        await aattempts(guarded, 3)
        seen = await aattempts(guarded, 1)
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + 3600)
        return seen + await aattempts(guarded, 1)

    assert asyncio.run(main()) == ["OpenedState", "ConnectionError"]


def test_a_listener_that_raises_fails_the_call_in_pybreaker() -> None:
    class Broken(peer("pybreaker").CircuitBreakerListener):  # type: ignore[misc]
        def before_call(self, cb: object, func: object, *args: object, **kwargs: object) -> None:
            raise ZeroDivisionError

    assert attempts(pybreaker(listeners=[Broken()])(int), 1) == ["ZeroDivisionError"]


def test_an_asynchronous_generator_is_not_guarded_by_pybreaker() -> None:
    breaker = pybreaker()

    @breaker
    async def broken() -> AsyncIterator[int]:
        yield 1
        raise ConnectionError

    async def consume() -> None:
        async for _ in broken():
            pass

    async def main() -> list[str]:
        return await aattempts(consume, 10)

    assert (asyncio.run(main()), breaker.current_state) == (["ConnectionError"] * 10, "closed")


def test_a_coroutine_function_is_not_guarded_by_pybreaker() -> None:
    breaker = pybreaker()
    assert asyncio.run(aattempts(breaker(araises(ConnectionError())), 10)) == ["ConnectionError"] * 10
    assert breaker.fail_counter == 0


def test_a_consumer_that_stops_early_opens_pybreaker() -> None:
    breaker = pybreaker()

    @breaker
    def many() -> Iterator[int]:
        yield from range(10)

    for _ in range(4):
        with contextlib.suppress(Exception):
            stream = many()
            next(stream)
            stream.close()
    assert breaker.current_state == "open"


def test_the_call_that_opens_pybreaker_loses_its_error() -> None:
    assert attempts(pybreaker()(raises(ConnectionError())), 3)[2] == "CircuitBreakerError"


def test_a_success_admitted_before_it_opened_closes_circuitbreaker() -> None:
    breaker = circuitbreaker()
    dead = breaker(raises(ConnectionError()))

    @breaker
    def late() -> str:
        attempts(dead, 3)
        states.append(breaker.state)
        return "late"

    states: list[str] = []
    assert (late(), [*states, breaker.state]) == ("late", ["open", "closed"])


def test_late_failures_make_aiobreaker_open_for_longer() -> None:
    async def late() -> None:
        await asyncio.sleep(0.03)
        raise ConnectionError

    async def main() -> list[str]:
        breaker = aiobreaker()
        old = asyncio.create_task(breaker.call_async(late))
        await asyncio.sleep(0)
        await aattempts(breaker(araises(ConnectionError())), 3)
        await asyncio.wait([old])
        # Longer than the open time since it opened, shorter than that since the late failure.
        await asyncio.sleep(0.025)
        return [type(old.exception()).__name__, *await aattempts(breaker(araises(KeyError())), 1)]

    assert asyncio.run(main())[1] == "CircuitBreakerError"


def test_an_ignored_error_ends_a_streak_in_pybreaker() -> None:
    breaker = pybreaker(exclude=[ValueError])
    for error in (ConnectionError(), ConnectionError(), ValueError(), ConnectionError()):
        attempts(breaker(raises(error)), 1)
    assert breaker.current_state == "closed"


def test_four_errors_of_five_never_open_pybreaker() -> None:
    breaker = peer("pybreaker").CircuitBreaker(fail_max=5)
    hits = 0

    @breaker
    def flaky() -> None:
        nonlocal hits
        hits += 1
        if hits % 5:
            raise ConnectionError

    attempts(flaky, 200)
    assert (breaker.current_state, hits) == ("closed", 200)


@pytest.fixture
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def retrying(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Three attempts, as its documentation says, within 0.02 s."""
    module = peer(name)
    if name == "stamina":
        wrap = module.retry(on=ConnectionError, attempts=3, timeout=0.02, wait_initial=0.001, wait_jitter=0)
    elif name == "tenacity":
        stop = module.stop_after_attempt(3) | module.stop_after_delay(0.02)
        wrap = module.retry(stop=stop, reraise=True, retry=module.retry_if_exception_type(ConnectionError))
    else:
        wrap = module.on_exception(module.constant, ConnectionError, max_tries=3, max_time=0.02, interval=0)
    found: Callable[[Callable[..., Any]], Callable[..., Any]] = wrap
    return found


@pytest.mark.usefixtures("_quiet")
@pytest.mark.parametrize("name", ["stamina", "tenacity", "backoff"])
def test_a_total_timeout_cancels_no_attempt_in_retry_libraries(name: str) -> None:
    async def hangs() -> str:
        await asyncio.sleep(0.05)
        return "three times too late"

    assert asyncio.run(retrying(name)(hangs)()) == "three times too late"


@pytest.mark.usefixtures("_quiet")
@pytest.mark.parametrize("name", ["stamina", "tenacity", "backoff"])
def test_three_layers_of_three_attempts_make_27_calls_in_retry_libraries(name: str) -> None:
    module = peer(name)
    layers = {
        "stamina": lambda: module.retry(on=ConnectionError, attempts=3, wait_initial=0, wait_jitter=0, wait_max=0),
        "tenacity": lambda: module.retry(stop=module.stop_after_attempt(3), reraise=True),
        "backoff": lambda: module.on_exception(module.constant, ConnectionError, max_tries=3, interval=0, jitter=None),
    }
    calls = 0

    def dependency() -> None:
        nonlocal calls
        calls += 1
        raise ConnectionError

    fn: Callable[[], None] = dependency
    for _ in range(3):
        fn = layers[name]()(fn)
    with pytest.raises(ConnectionError):
        fn()
    assert calls == 27


def test_an_open_pybreaker_is_retried_by_tenacity() -> None:
    tenacity, breaker = peer("tenacity"), pybreaker()
    tries = 0

    @tenacity.retry(stop=tenacity.stop_after_attempt(6), reraise=True)
    def call() -> None:
        nonlocal tries
        tries += 1
        breaker.call(raises(ConnectionError()))

    with pytest.raises(peer("pybreaker").CircuitBreakerError):
        call()
    assert tries == 6


def test_rejections_pile_up_in_one_error_of_purgatory() -> None:
    async def main() -> int:
        guarded = purgatory()(araises(ConnectionError()))
        await aattempts(guarded, 3)
        errors = []
        for _ in range(3):
            try:
                await guarded()
            except Exception as error:
                errors.append(error)
        return len({id(error) for error in errors})

    assert asyncio.run(main()) == 1
