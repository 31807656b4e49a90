"""`disabled()`: every guard calls straight through, and is afterwards what it was before."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx
import pybreaker
import pytest

from guardrails import hooks
from guardrails.errors import CircuitOpen, Refused, Unguardable
from guardrails.middleware.httpx import guarded_transport, outcome_of
from guardrails.policies import Backoff, Breaker, Bulkhead, Dependency, Guard, Retry, guards
from guardrails.policies.engine import SWITCH
from guardrails.testing import disabled

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

KINDS = pytest.mark.parametrize("kind", ["def", "async def", "generator", "async generator", "permit", "async permit"])
STRICT = Retry(on=ConnectionError, attempts=5, backoff=Backoff(base=0))


@pytest.fixture(autouse=True)
def the_switch_is_off_afterwards() -> Iterator[None]:
    yield
    assert SWITCH.operation is None


def strict() -> Guard:
    """A guard whose every layer would be felt."""
    return Guard("strict", timeout=0.001, retry=STRICT, breaker=Breaker(consecutive=1), bulkhead=Bulkhead(1))


class Service:
    """Counts its calls, takes longer than `strict` allows and fails as told."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.calls = 0

    def step(self) -> str:
        self.calls += 1
        if self.error is not None:
            raise self.error
        return "answer"

    def called_as(self, kind: str, guard: Guard) -> Callable[[], str]:
        """A call of this kind, through the guard."""

        async def coroutine() -> str:
            await asyncio.sleep(0.005)
            return self.step()

        def generator() -> Iterator[str]:
            yield self.step()

        async def agenerator() -> AsyncIterator[str]:
            await asyncio.sleep(0.005)
            yield self.step()

        async def consume() -> str:
            return await anext(guard(agenerator)())

        def permitted() -> str:
            with guard.permit():
                return self.step()

        async def apermitted() -> str:
            async with guard.permit():
                return await coroutine()

        return {
            "def": guard(self.step),
            "async def": lambda: asyncio.run(guard(coroutine)()),
            "generator": lambda: next(guard(generator)()),
            "async generator": lambda: asyncio.run(consume()),
            "permit": permitted,
            "async permit": lambda: asyncio.run(apermitted()),
        }[kind]


@KINDS
def test_a_call_reaches_the_function_once_and_its_error_reaches_the_caller(kind: str) -> None:
    error = ConnectionError("refused")
    service = Service(error)
    guard = strict()
    call = service.called_as(kind, guard)
    before = guard.snapshot()
    with disabled(), pytest.raises(ConnectionError) as caught:
        call()
    assert (caught.value, service.calls, getattr(error, "__notes__", [])) == (error, 1, [])
    after = guard.snapshot()
    assert after == before._replace(circuit=before.circuit._replace(age=after.circuit.age))


@KINDS
def test_no_circuit_no_place_and_no_time_limit_stop_a_call(kind: str) -> None:
    service = Service()
    guard = strict()
    guard.isolate("a human said so")
    call = service.called_as(kind, guard)
    with pytest.raises(CircuitOpen):
        call()
    guard._engine.places.enter()  # type: ignore[union-attr] # the one place is taken
    with disabled():
        assert (call(), service.calls) == ("answer", 1)
    assert (guard.state, guard.snapshot().active) == ("isolated", 1)
    with pytest.raises(CircuitOpen):
        call()


@KINDS
def test_guards_that_are_made_inside_are_disabled_and_work_afterwards(kind: str) -> None:
    service = Service(ConnectionError("refused"))
    with disabled():
        guard = Guard("made inside", breaker=Breaker(consecutive=1))
        call = service.called_as(kind, guard)
        for _ in range(3):
            with pytest.raises(ConnectionError):
                call()
    assert guard.snapshot().circuit.failed == 0
    with pytest.raises(ConnectionError):
        call()
    with pytest.raises(CircuitOpen):
        call()
    assert service.calls == 4


def test_a_function_that_was_guarded_by_a_circuit_alone_is_reached() -> None:
    service = Service(ConnectionError("refused"))
    guard = Guard("light", breaker=Breaker(consecutive=1))
    call = guard(service.step)
    assert guard._engine.full is False
    with disabled(), pytest.raises(ConnectionError):
        call()
    assert (guard._engine.full, guard.state) == (False, "closed")


def test_an_update_inside_leaves_guards_disabled_and_holds_afterwards() -> None:
    service = Service(ConnectionError("refused"))
    guard = Guard("updated", retry=STRICT)
    with disabled():
        guard.update(retry=None, breaker=Breaker(consecutive=1))
        with pytest.raises(ConnectionError):
            guard.call(service.step)
    assert guard.snapshot().circuit.failed == 0
    with pytest.raises(ConnectionError):
        guard.call(service.step)
    assert (service.calls, guard.state) == (2, "open")


def test_nothing_is_emitted() -> None:
    heard: list[str] = []
    guard = strict()
    stop = hooks.listen(lambda name, value, labels: heard.append(name))
    try:
        with disabled():
            assert guard.call(lambda: 1) == 1
    finally:
        stop()
    assert heard == []


@pytest.mark.parametrize("kind", ["generator", "async generator"])
def test_generators_hand_on_what_they_are_sent_and_thrown(kind: str) -> None:
    guard = strict()

    @guard
    def echo() -> Any:
        got = yield "first"
        try:
            yield got
        except ValueError:
            yield "caught"
        return "end"

    @guard
    async def aecho() -> Any:
        got = yield "first"
        try:
            yield got
        except ValueError:
            yield "caught"

    async def drive() -> list[Any]:
        stream = aecho()
        got = [await anext(stream), await stream.asend("sent"), await stream.athrow(ValueError())]
        await stream.aclose()
        return got

    with disabled():
        if kind == "generator":
            stream = echo()
            assert [next(stream), stream.send("sent"), stream.throw(ValueError())] == ["first", "sent", "caught"]
            with pytest.raises(StopIteration) as caught:
                next(stream)
            assert caught.value.value == "end"
        else:
            assert asyncio.run(drive()) == ["first", "sent", "caught"]


def test_an_adopted_breaker_of_pybreaker_is_passed_by() -> None:
    theirs = pybreaker.CircuitBreaker(fail_max=1)
    guard = Guard("adopted", breaker=theirs)
    with pytest.raises(ConnectionError):
        guard.call(Service(ConnectionError()).step)
    with disabled():
        assert guard.call(lambda: 1) == 1
    assert (theirs.current_state, theirs.fail_counter) == ("open", 1)


def test_a_guarded_transport_hands_every_answer_over_and_asks_once() -> None:
    asked: list[httpx.URL] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url)
        return httpx.Response(503, headers={"Retry-After": "60"})

    guard = Guard("api", retry=Retry(on=httpx.HTTPStatusError), breaker=Breaker(consecutive=1), classify=outcome_of)
    with disabled(), httpx.Client(transport=guarded_transport(guard, httpx.MockTransport(answer))) as client:
        assert [client.get("http://api.test/").status_code for _ in range(3)] == [503, 503, 503]
    assert len(asked) == 3
    assert {one.state for one in guard.by_key().values()} == {"closed"}


# What a dependency does with errors.


def test_no_fallback_hides_an_error() -> None:
    memory = Dependency("memory")

    @memory.read(fallback=list)
    def recall() -> list[str]:
        raise TypeError("a mistake in the code under test")

    @memory.read(fallback=list)
    async def arecall() -> list[str]:
        raise TypeError("a mistake in the code under test")

    assert (recall(), asyncio.run(arecall())) == ([], [])
    with disabled():
        with pytest.raises(TypeError, match="a mistake"):
            recall()
        with pytest.raises(TypeError, match="a mistake"):
            recall.outcome()
        with pytest.raises(TypeError, match="a mistake"):
            asyncio.run(arecall())
    assert recall() == []


def test_what_is_not_worth_a_call_is_refused_as_ever() -> None:
    memory = Dependency("memory")

    @memory.read(accepts=str.strip, fallback=list)
    def recall(text: str) -> list[str]:
        return [text]

    @memory.write(accepts=str.strip)
    def note(text: str) -> str:
        return text

    with disabled():
        assert (recall("tea"), recall(" "), note("tea")) == (["tea"], [], "tea")
        with pytest.raises(Refused):
            note(" ")


def test_a_function_of_the_wrong_kind_is_refused_as_ever() -> None:
    guard = Guard("wrong kind")

    async def coroutine() -> None:
        """Never begins."""

    with disabled(), pytest.raises(Unguardable):
        guard.call(coroutine)


# Blocks in blocks, in threads, in tasks.


def guarded_once(guard: Guard) -> int:
    """How often a call that fails reaches its function."""
    service = Service(ConnectionError("refused"))
    with contextlib.suppress(ConnectionError):
        guard.call(service.step)
    return service.calls


def patient() -> Guard:
    return Guard("patient", retry=STRICT, breaker=None)


def test_the_last_of_nested_blocks_ends_it() -> None:
    guard = patient()
    block = disabled()
    with block:
        with block, disabled():
            assert guarded_once(guard) == 1
        assert guarded_once(guard) == 1
    assert guarded_once(guard) == 5


def test_it_ends_with_an_error_too() -> None:
    guard = patient()
    with pytest.raises(KeyboardInterrupt), disabled():
        raise KeyboardInterrupt
    assert guarded_once(guard) == 5


def test_it_holds_in_every_thread_and_task_until_the_last_block_ends() -> None:
    guard = patient()
    seen: list[int] = []
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with disabled():
            inside.set()
            leave.wait(10)
        seen.append(guarded_once(guard))

    async def task() -> int:
        return guarded_once(guard)

    async def tasks() -> list[int]:
        return await asyncio.gather(task(), task())

    thread = threading.Thread(target=other)
    thread.start()
    assert inside.wait(10)
    assert (guarded_once(guard), asyncio.run(tasks())) == (1, [1, 1])
    with disabled():
        leave.set()
        thread.join(10)
        assert seen == [1]
        assert guarded_once(guard) == 1
    assert guarded_once(guard) == 5


def test_guards_made_while_threads_turn_the_switch_are_never_left_on_the_wrong_side() -> None:
    stop = threading.Event()
    made: list[Guard] = []

    def make() -> None:
        # Bounded: each turn of the switch visits all that the collector has not yet taken away.
        for _ in range(5_000):
            made.append(Guard("in between"))
            del made[:-200]
            if stop.is_set():
                return

    thread = threading.Thread(target=make)
    thread.start()
    try:
        for _ in range(200):
            with disabled():
                pass
    finally:
        stop.set()
        thread.join(10)
    assert {guard._engine.full for guard in made} == {False}
    with disabled():
        assert {guard._engine.full for guard in guards()} == {True}


def test_an_operation_that_began_before_is_finished_as_it_began() -> None:
    guard = Guard("under way", retry=STRICT, bulkhead=Bulkhead(1))
    calls: list[int] = []
    with contextlib.ExitStack() as stack:

        def step() -> str:
            calls.append(1)
            if len(calls) == 1:
                stack.enter_context(disabled())
                raise ConnectionError
            return "answer"

        assert guard.call(step) == "answer"
        assert (len(calls), guard.snapshot().circuit.calls, guard.snapshot().active) == (2, 2, 0)


def test_a_permit_that_was_entered_inside_may_be_left_outside() -> None:
    guard = strict()
    with disabled():
        permit = guard.permit()
        permit.__enter__()
    permit.__exit__(None, None, None)
    assert (guard.snapshot().circuit.calls, guard.snapshot().active) == (0, 0)


# As a decorator.


def test_it_decorates_functions_of_every_kind_and_leaves_them_what_they_are() -> None:
    guard = patient()

    @disabled()
    def plain(times: int) -> int:
        """Says so."""
        return times * guarded_once(guard)

    @disabled()
    async def coroutine() -> int:
        await asyncio.sleep(0)
        return guarded_once(guard)

    @disabled()
    def generator() -> Iterator[int]:
        yield guarded_once(guard)
        yield guarded_once(guard)

    @disabled()
    async def agenerator() -> AsyncIterator[int]:
        yield guarded_once(guard)
        yield guarded_once(guard)

    async def collect() -> list[int]:
        return [times async for times in agenerator()]

    assert (plain(7), plain.__doc__, str(inspect.signature(plain))) == (7, "Says so.", "(times: 'int') -> 'int'")
    assert inspect.iscoroutinefunction(coroutine)
    assert asyncio.run(coroutine()) == 1
    assert inspect.isgeneratorfunction(generator)
    assert list(generator()) == [1, 1]
    assert inspect.isasyncgenfunction(agenerator)
    assert asyncio.run(collect()) == [1, 1]
    assert guarded_once(guard) == 5


def test_a_class_is_refused_and_told_what_to_do() -> None:
    with pytest.raises(Unguardable, match=r"usefixtures\('guards_disabled'\)"):

        @disabled()
        class TestSomething:
            pass


def test_it_decorates_methods_without_an_object_and_objects_that_can_be_called() -> None:
    guard = Guard("held")
    guard.isolate("disabled guards do not ask")

    async def ask() -> int:
        return guard.call(int)

    class Tests:
        static = disabled()(staticmethod(ask))

        @disabled()
        @classmethod
        async def of_class(cls) -> int:
            return await ask()

    class Asks:
        async def __call__(self) -> int:
            return await ask()

    for test in (Tests.static, Tests().static, Tests.of_class, disabled()(Asks()), disabled()(partial(ask))):
        assert asyncio.run(test()) == 0
    with pytest.raises(CircuitOpen):
        guard.call(int)


def test_a_generator_that_it_decorates_is_closed_with_its_wrapper_and_while_guards_are_disabled() -> None:
    guard, closed = Guard("held"), []
    guard.isolate("disabled guards do not ask")

    @disabled()
    async def resource() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            closed.append(guard.call(int))

    async def use() -> None:
        stream = resource()
        assert await anext(stream) == 1
        await stream.aclose()
        assert closed == [0]

    asyncio.run(use())
