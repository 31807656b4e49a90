"""A stream behaves as it would without a guard, and is counted once, as a whole."""

from __future__ import annotations

import asyncio
import gc
from contextvars import Context
from typing import TYPE_CHECKING, Any

import pytest

from guardrails.errors import CircuitOpen, DeadlineExceeded
from guardrails.policies import Breaker, Bulkhead, Guard, Retry
from guardrails.testing import VirtualClock
from tests.policies.loops import run

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator

LAYERS = pytest.mark.parametrize(
    "layers",
    [{}, {"timeout": 50, "attempt_timeout": 20, "retry": Retry(on=OSError), "bulkhead": Bulkhead(1)}],
    ids=["circuit", "all layers"],
)


def guard(clock: VirtualClock | None = None, **more: Any) -> Guard:
    return Guard("stream", clock=clock or VirtualClock(), **more)


def counts(found: Guard) -> tuple[int, int, int | None]:
    snapshot = found.snapshot()
    return snapshot.circuit.calls, snapshot.circuit.failed, snapshot.active or 0


class Thrown(Exception):
    pass


def echo(log: list[str]) -> Generator[str, Any, str]:
    """Answers what is sent, survives one Thrown, and says how it was ended."""
    try:
        said = yield "ready"
        while said != "end":
            try:
                said = yield f"echo {said}"
            except Thrown:
                said = yield "caught"
    finally:
        log.append("closed")
    return "result"


async def aecho(log: list[str]) -> AsyncGenerator[str, Any]:
    stream = echo(log)
    sent: Any = None
    try:
        item = next(stream)
        while True:
            try:
                sent = yield item
                item = stream.send(sent)
            except Thrown as thrown:
                item = stream.throw(thrown)
    except StopIteration:
        return
    finally:
        stream.close()


@LAYERS
def test_a_generator_answers_send_throw_and_returns_its_value(layers: dict[str, Any]) -> None:
    found = guard(**layers)

    def conversation(stream: Generator[str, Any, str]) -> list[str]:
        seen = [next(stream), stream.send("a"), next(stream), stream.throw(Thrown()), stream.send("b")]
        with pytest.raises(StopIteration) as stop:
            stream.send("end")
        return [*seen, stop.value.value]

    plain, guarded = conversation(echo([])), conversation(found(echo)([]))
    assert guarded == plain == ["ready", "echo a", "echo None", "caught", "echo b", "result"]
    assert counts(found) == (1, 0, 0)


@LAYERS
def test_an_asynchronous_generator_answers_asend_and_athrow(layers: dict[str, Any]) -> None:
    found = guard(**layers)

    async def conversation(stream: AsyncGenerator[str, Any]) -> list[str]:
        seen = [await anext(stream), await stream.asend("a"), await anext(stream)]
        seen += [await stream.athrow(Thrown()), await stream.asend("b")]
        with pytest.raises(StopAsyncIteration):
            await stream.asend("end")
        return seen

    clock = VirtualClock()
    plain, guarded = run(clock, conversation(aecho([]))), run(clock, conversation(found(aecho)([])))
    assert guarded == plain == ["ready", "echo a", "echo None", "caught", "echo b"]
    assert counts(found) == (1, 0, 0)


@LAYERS
def test_closing_early_closes_the_stream_and_is_ignored(layers: dict[str, Any]) -> None:
    found, log = guard(**layers), list[str]()

    async def main() -> None:
        stream = found(aecho)(log)
        await anext(stream)
        await stream.aclose()

    stream = found(echo)(log)
    next(stream)
    stream.close()
    run(VirtualClock(), main())
    assert (log, counts(found)) == (["closed", "closed"], (0, 0, 0))


@LAYERS
def test_what_the_consumer_throws_in_is_the_consumers(layers: dict[str, Any]) -> None:
    found, log = guard(**layers), list[str]()
    mine = ValueError("mine")

    async def main() -> None:
        stream = found(aecho)(log)
        await anext(stream)
        await stream.athrow(mine)

    stream = found(echo)(log)
    next(stream)
    with pytest.raises(ValueError, match="mine") as caught:
        stream.throw(mine)
    assert caught.value is mine
    with pytest.raises(ValueError, match="mine") as caught:
        run(VirtualClock(), main())
    assert caught.value is mine
    assert (log, counts(found)) == (["closed", "closed"], (0, 0, 0))


@LAYERS
@pytest.mark.parametrize("items", [0, 1, 3])
def test_an_error_before_between_and_after_items_is_a_failure(layers: dict[str, Any], items: int) -> None:
    found = guard(**layers)

    @found
    def broken() -> Generator[int, None, None]:
        yield from range(items)
        raise ValueError("mine")

    @found
    async def abroken() -> AsyncGenerator[int, None]:
        for item in range(items):
            yield item
        raise ValueError("mine")

    async def main() -> list[int]:
        return [item async for item in abroken()]

    with pytest.raises(ValueError, match="mine"):
        list(broken())
    with pytest.raises(ValueError, match="mine"):
        run(VirtualClock(), main())
    assert counts(found) == (2, 2, 0)


@LAYERS
def test_an_empty_stream_is_a_success(layers: dict[str, Any]) -> None:
    found = guard(**layers)

    @found
    def empty() -> Generator[int, None, str]:
        return "value"
        yield

    with pytest.raises(StopIteration) as stop:
        next(empty())
    assert (stop.value.value, counts(found)) == ("value", (1, 0, 0))


@LAYERS
def test_a_stream_that_is_never_begun_admits_nothing(layers: dict[str, Any]) -> None:
    found = guard(**layers)
    found(echo)([])
    found(aecho)([])
    assert counts(found) == (0, 0, 0)


def test_an_open_circuit_rejects_at_the_first_item() -> None:
    found = guard()
    found.isolate("maintenance")
    with pytest.raises(CircuitOpen):
        next(found(echo)([]))


def test_a_place_is_held_until_the_last_item() -> None:
    found = guard(bulkhead=Bulkhead(3))
    stream = found(echo)([])
    next(stream)
    assert counts(found)[2] == 1
    with pytest.raises(StopIteration):
        stream.send("end")
    assert counts(found)[2] == 0


def test_slow_is_a_stream_whose_first_item_is_late() -> None:
    clock = VirtualClock()
    found = guard(clock, breaker=Breaker(slow_after=2))

    @found
    def stream(first: float, later: float) -> Generator[int, None, None]:
        clock.advance(first)
        yield 1
        clock.advance(later)
        yield 2

    list(stream(1, 60))
    list(stream(3, 0))
    assert found.snapshot().circuit.slow == 1


def collected(drop: Callable[[], None]) -> None:
    drop()
    gc.collect()


def test_a_stream_that_is_dropped_gives_its_place_back() -> None:
    found, log = guard(bulkhead=Bulkhead(1)), list[str]()
    streams = [found(echo)(log)]
    next(streams[0])
    collected(streams.clear)
    assert (log, counts(found)) == (["closed"], (0, 0, 0))


def test_an_asynchronous_stream_that_is_dropped_gives_its_place_back() -> None:
    found, log = guard(bulkhead=Bulkhead(1)), list[str]()

    async def main() -> None:
        async for _ in found(aecho)(log):
            break
        gc.collect()
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    run(VirtualClock(), main())
    assert (log, counts(found)) == (["closed"], (0, 0, 0))


def test_a_stream_may_be_dropped_by_the_collector_while_the_lock_is_held() -> None:
    found = guard(bulkhead=Bulkhead(1))
    streams = [found(echo)([])]
    next(streams[0])
    with found._engine.lock:
        collected(streams.clear)
    assert counts(found) == (0, 0, 0)


def test_a_cancelled_consumer_is_ignored() -> None:
    clock = VirtualClock()
    found = guard(clock)

    @found
    async def slow() -> AsyncGenerator[int, None]:
        yield 1
        await asyncio.sleep(3600)
        yield 2

    async def consume() -> None:
        async for _ in slow():
            pass

    async def main() -> bool:
        task = asyncio.create_task(consume())
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    assert (run(clock, main()), counts(found)) == (True, (0, 0, 0))


def test_the_stream_itself_is_closed_even_if_somebody_else_holds_it() -> None:
    clock = VirtualClock()

    async def main(*, late: bool) -> object:
        stream = guard(clock, timeout=5)(aecho)([])
        await anext(stream)
        inner = stream.ag_frame.f_locals["stream"]
        if late:
            clock.advance(6)
            with pytest.raises(DeadlineExceeded):
                await anext(stream)
        else:
            await stream.aclose()
        return inner.ag_frame

    stream = guard()(echo)([])
    next(stream)
    inner = stream.gi_yieldfrom.gi_frame.f_locals["stream"]  # type: ignore[union-attr]
    stream.close()
    assert inner.gi_frame is None
    assert run(clock, main(late=False)) is None
    assert run(clock, main(late=True)) is None


def test_a_stream_whose_second_attempt_comes_too_late_is_no_failure_of_its_dependency() -> None:
    clock = VirtualClock()
    clock.sleep = lambda seconds: clock.advance(10)  # type: ignore[method-assign]
    found = guard(clock, timeout=5, retry=Retry(on=OSError))

    @found
    def broken() -> Generator[int, None, None]:
        raise OSError
        yield

    with pytest.raises(DeadlineExceeded):
        next(broken())
    assert counts(found) == (1, 1, 0)


async def suspended() -> AsyncGenerator[int, None]:
    await asyncio.sleep(0)
    yield 1


async def awaited() -> None:
    await asyncio.sleep(0)


@pytest.mark.parametrize("stream", [False, True])
def test_what_the_collector_ends_in_another_context_ends_quietly(stream: bool) -> None:
    found = guard(retry=Retry(on=OSError))
    step: Any = found(suspended)().__anext__() if stream else found(awaited)()
    Context().run(step.send, None)
    with pytest.raises(GeneratorExit):
        Context().run(step.throw, GeneratorExit)
    assert counts(found) == (0, 0, 0)
