"""A guard decorates every kind of callable and calls every kind; what it cannot guard it refuses by name."""

from __future__ import annotations

import asyncio
import functools
import inspect
import types
from typing import TYPE_CHECKING, Any

import pytest

from guardrails.errors import NoEventLoop, Unguardable
from guardrails.policies import Bulkhead, Guard, Retry
from guardrails.testing import VirtualClock
from tests.policies.loops import run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

# One of each build: nothing but the circuit; every layer.
LIGHT: dict[str, Any] = {}
WHOLE: dict[str, Any] = {"timeout": 5, "attempt_timeout": 2, "retry": Retry(on=OSError), "bulkhead": Bulkhead(3)}
BUILDS = pytest.mark.parametrize("layers", [LIGHT, WHOLE], ids=["light", "whole"])


def guard(layers: dict[str, Any] | None = None) -> Guard:
    return Guard("calls", clock=VirtualClock(), **(layers or {}))


def counted(found: Guard) -> tuple[int, int]:
    circuit = found.snapshot().circuit
    return circuit.calls, circuit.failed


@BUILDS
def test_a_function_is_called_with_its_arguments_and_counted(layers: dict[str, Any]) -> None:
    calls = guard(layers)

    @calls
    def join(*parts: str, sep: str = "-") -> str:
        """Joins."""
        return sep.join(parts)

    assert join("a", "b", sep="+") == "a+b"
    assert counted(calls) == (1, 0)
    assert (join.__name__, join.__doc__, str(inspect.signature(join))) == (
        "join",
        "Joins.",
        "(*parts: 'str', sep: 'str' = '-') -> 'str'",
    )


@BUILDS
def test_a_coroutine_function_stays_one(layers: dict[str, Any]) -> None:
    calls = guard(layers)

    @calls
    async def join(*parts: str, sep: str = "-") -> str:
        return sep.join(parts)

    assert inspect.iscoroutinefunction(join)
    assert run(VirtualClock(), join("a", "b", sep="+")) == "a+b"
    assert counted(calls) == (1, 0)


@BUILDS
def test_generators_stay_generators(layers: dict[str, Any]) -> None:
    calls = guard(layers)

    @calls
    def numbers(to: int) -> Iterator[int]:
        yield from range(to)

    @calls
    async def anumbers(to: int) -> AsyncIterator[int]:
        for number in range(to):
            yield number

    async def consume() -> list[int]:
        return [number async for number in anumbers(3)]

    assert inspect.isgeneratorfunction(numbers)
    assert inspect.isasyncgenfunction(anumbers)
    assert list(numbers(3)) == run(VirtualClock(), consume()) == [0, 1, 2]
    assert counted(calls) == (2, 0)


@BUILDS
def test_methods_class_methods_and_static_methods_are_guarded(layers: dict[str, Any]) -> None:
    calls = guard(layers)

    class Client:
        def __init__(self, host: str) -> None:
            self.host = host

        @calls
        def get(self, path: str) -> str:
            return self.host + path

        @calls
        async def aget(self, path: str) -> str:
            return self.host + path

        @calls
        @classmethod
        def named(cls, host: str) -> str:
            return cls.__name__ + host

        @classmethod
        @calls
        def renamed(cls, host: str) -> str:
            return cls.__name__ + host

        @calls
        @staticmethod
        def ping(times: int) -> int:
            return times

    client = Client("h")
    assert client.get("/a") == Client.get(client, "/a") == "h/a"
    assert run(VirtualClock(), client.aget("/b")) == "h/b"
    assert Client.named("x") == client.renamed("x") == "Clientx"
    assert (Client.ping(3), client.ping(4)) == (3, 4)
    assert counted(calls) == (7, 0)


class Callable:
    def __call__(self, value: int) -> int:
        return value + 1


class AsyncCallable:
    async def __call__(self, value: int) -> int:
        return value + 1


def test_partials_objects_and_builtins_are_guarded_by_their_kind() -> None:
    calls = guard()

    async def add(left: int, right: int) -> int:
        return left + right

    assert run(VirtualClock(), calls(functools.partial(add, 1))(2)) == 3
    assert calls(Callable())(1) == 2
    assert run(VirtualClock(), calls(AsyncCallable())(1)) == 2
    assert calls(len)("abc") == 3
    assert calls([].append)(1) is None
    assert inspect.iscoroutinefunction(calls(AsyncCallable()))
    assert counted(calls) == (5, 0)


class Lazy:
    @property
    def value(self) -> int:
        return 1

    @functools.cached_property
    def cached(self) -> int:
        return 1


def begun() -> Any:
    async def work() -> None: ...

    coroutine = work()
    coroutine.close()
    return coroutine


@pytest.mark.parametrize(
    ("what", "text"),
    [
        (Callable, "the class Callable: guard the methods"),
        (begun(), "a coroutine: a call that has begun: give it the function"),
        ((number for number in ()), "a generator: a call that has begun"),
        (Lazy.value, "a property: guard the function in it"),
        (vars(Lazy)["cached"], "a cached_property: guard the function in it"),
        (3, "3, a int: give it a function"),
        ("search", "'search', a str: give it a function"),
    ],
)
def test_what_cannot_be_guarded_is_refused_when_it_is_decorated(what: Any, text: str) -> None:
    with pytest.raises(Unguardable) as caught:
        guard()(what)
    assert f"'calls' cannot guard {text}" in str(caught.value)


def test_one_guard_guards_a_function_once() -> None:
    calls = guard()
    fn = calls(begun)
    with pytest.raises(Unguardable, match="begun twice: it would count each call twice"):
        calls(fn)
    assert isinstance(guard()(fn), types.FunctionType)


@BUILDS
def test_a_plain_function_that_returns_a_coroutine_is_refused_and_not_counted(layers: dict[str, Any]) -> None:
    calls = guard(layers)

    async def work() -> None: ...

    @calls
    def hidden() -> Any:
        return work()

    with pytest.raises(
        Unguardable, match=r"work, which returned a coroutine: decorate an `async def`, or use acall\(\)"
    ):
        hidden()
    with pytest.raises(Unguardable, match="work, which returned a coroutine"):
        calls.call(work)
    assert counted(calls)[1] == 0


@BUILDS
def test_call_and_acall_take_the_function_first(layers: dict[str, Any]) -> None:
    calls = guard(layers)

    def add(left: int, right: int = 0, *, fn: int = 0) -> int:
        return left + right + fn

    async def aadd(left: int, right: int = 0, *, fn: int = 0) -> int:
        return left + right + fn

    assert calls.call(add, 1, right=2, fn=3) == 6
    assert run(VirtualClock(), calls.acall(aadd, 1, right=2, fn=3)) == 6
    assert run(VirtualClock(), calls.acall(lambda: aadd(1))) == 1
    assert counted(calls) == (3, 0)


def numbers() -> Iterator[int]:
    yield 1


async def anumbers() -> AsyncIterator[int]:
    yield 1


@pytest.mark.parametrize("fn", [numbers, anumbers])
def test_call_refuses_what_would_begin_only_later(fn: Any) -> None:
    calls = guard()
    with pytest.raises(Unguardable, match="decorate its function, and iterate"):
        calls.call(fn)
    assert counted(calls) == (0, 0)


@pytest.mark.parametrize(("fn", "text"), [(anumbers, "decorate its function"), (dict, "no awaitable: use call")])
def test_acall_refuses_what_cannot_be_awaited(fn: Any, text: str) -> None:
    calls = guard()
    with pytest.raises(Unguardable, match=text):
        run(VirtualClock(), calls.acall(fn))
    assert counted(calls) == (0, 0)


@BUILDS
def test_the_users_error_comes_out_as_it_is(layers: dict[str, Any]) -> None:
    calls = guard(layers)
    mine = ValueError("mine")

    @calls
    def fails() -> None:
        raise mine

    @calls
    async def afails() -> None:
        raise mine

    for call in (fails, lambda: run(VirtualClock(), afails())):
        with pytest.raises(ValueError, match="mine") as caught:
            call()
        assert (caught.value, mine.__cause__, mine.__context__) == (mine, None, None)
    assert counted(calls) == (2, 2)


def test_a_guard_is_no_context_manager() -> None:
    assert not hasattr(Guard, "__enter__")
    assert not hasattr(Guard, "__aenter__")


def drive(coroutine: Any) -> Any:
    """Run a coroutine as trio would: without an asyncio loop."""
    try:
        while True:
            coroutine.send(None)
    except StopIteration as stop:
        return stop.value


@pytest.mark.parametrize(
    ("layers", "need"),
    [
        ({"timeout": 5}, "keep its timeout"),
        ({"attempt_timeout": 5}, "keep its timeout"),
        ({"retry": Retry(on=ConnectionError)}, "wait for another attempt"),
    ],
)
def test_without_an_asyncio_loop_a_guard_refuses_what_needs_one(layers: dict[str, Any], need: str) -> None:
    async def fails() -> None:
        raise ConnectionError

    with pytest.raises(NoEventLoop, match=f"cannot {need} here: no asyncio loop is running. trio"):
        drive(guard(layers)(fails)())


def test_without_an_asyncio_loop_a_circuit_and_a_place_work() -> None:
    async def answer() -> int:
        return 3

    assert drive(guard()(answer)()) == 3
    assert drive(guard({"bulkhead": Bulkhead(1)})(answer)()) == 3


def test_a_full_bulkhead_cannot_be_waited_for_without_an_asyncio_loop() -> None:
    calls = guard({"bulkhead": Bulkhead(1, waiting=1)})

    async def answer() -> int:
        return 3

    with calls.permit(), pytest.raises(NoEventLoop, match="cannot wait for a place here"):
        drive(calls(answer)())
    assert calls.snapshot().waiting == 0


def test_an_asynchronous_call_in_a_thread_of_its_own_loop_is_guarded() -> None:
    calls = guard(WHOLE)

    @calls
    async def answer() -> int:
        return 3

    async def main() -> list[int]:
        return list(await asyncio.gather(*(asyncio.to_thread(asyncio.run, answer()) for _ in range(3))))

    assert asyncio.run(main()) == [3, 3, 3]
    assert counted(calls) == (3, 0)
