"""The shells of coroutine functions and asynchronous generators: the twins of `calls` and `streams`.

A second copy by hand, and on purpose: one frame a call is what makes a guarded await cost less than its peers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from guardrails import hooks
from guardrails.policies.engine import SWITCH
from guardrails.policies.handed import HANDED, restore
from guardrails.policies.hedging import hedged
from guardrails.policies.outcomes import SUCCESS
from guardrails.policies.tasks import TaskOperation, nap

if TYPE_CHECKING:
    from collections.abc import Callable

    from guardrails.policies.engine import Engine


def for_coroutine(engine: Engine, fn: Callable[..., Any]) -> Callable[..., Any]:
    """Guard a coroutine function."""
    whole = _whole_async(engine, fn)
    if engine.full:
        return whole
    circuit, lock, tick, handed = engine.circuit, engine.lock, engine.tick, HANDED.get
    admit, success, settle, failed, tell = engine.admit, circuit.success, engine.settle, engine.failed, engine.moved

    async def light(*args: Any, **kwargs: Any) -> Any:
        if engine.full or handed() is not None:
            return await whole(*args, **kwargs)
        token = circuit.pass_ or admit()
        began = tick()
        try:
            result = await fn(*args, **kwargs)
        except BaseException as exc:
            failed(token, began, exc)
            raise
        now = tick()
        took = now - began
        if took >= circuit.slow_after or hooks._listeners:
            settle(token, took, now, SUCCESS)
            return result
        with lock:
            moved = success(token, now)
        if moved is not None:
            tell(moved, now)
        return result

    return light


# Each step is there because of what it costs a call that needs none of it.
def _whole_async(engine: Engine, fn: Callable[..., Any]) -> Callable[..., Any]:  # noqa: C901
    async def whole(*args: Any, **kwargs: Any) -> Any:
        operation = (SWITCH.operation or TaskOperation)(engine)
        span = None if (spans := SWITCH.spans) is None else spans(operation, current=True)
        mark = HANDED.set(operation)
        call = fn
        try:
            while True:
                if (gate := operation.begin()) is not None:
                    await operation.await_place(gate)
                    if engine.hedge is not None:
                        call = hedged(operation, fn)
                if operation.deadline is not None:
                    operation.arm()
                try:
                    result = await call(*args, **kwargs)
                except BaseException as exc:
                    if (pause := operation.failed(exc)) is None:
                        raise
                else:
                    if (pause := operation.returned(result)) is None:
                        return result
                await nap(engine, pause)
        finally:
            try:  # noqa: SIM105 - an object for it would be made at each call
                HANDED.reset(mark)
            except ValueError:
                # Ended by the garbage collector, in another context: nothing is to be restored there.
                pass
            if operation.token or operation.error is not None:
                operation.end()
            if span is not None:
                span.end()

    return whole


# One frame, however long: each further one would cost every item of every stream.
def for_async_generator(engine: Engine, fn: Callable[..., Any]) -> Callable[..., Any]:  # noqa: C901, PLR0915
    """Guard an asynchronous generator function."""

    async def whole(*args: Any, **kwargs: Any) -> Any:  # noqa: C901, PLR0915
        operation = (SWITCH.operation or TaskOperation)(engine)
        span = None if (spans := SWITCH.spans) is None else spans(operation, current=False)
        stream: Any = None
        item: Any = None
        try:
            while True:
                mark = HANDED.set(operation)
                try:
                    if (places := operation.begin()) is not None:
                        await operation.await_place(places)
                    operation.arm()
                    stream = fn(*args, **kwargs)
                    item = await stream.__anext__()
                except StopAsyncIteration:
                    operation.finished()
                    return
                except BaseException as exc:
                    if not operation.token or (pause := operation.failed(exc)) is None:
                        raise
                else:
                    break
                finally:
                    restore(mark)
                await nap(engine, pause)
            timed, ahead = operation.flows(), stream.__anext__
            while True:
                try:
                    given, thrown = (yield item), None
                except GeneratorExit:
                    await stream.aclose()
                    raise
                except BaseException as exc:  # noqa: BLE001 - handed on to the stream
                    given, thrown = None, exc
                if timed:
                    if operation.late():
                        await stream.aclose()
                        operation.expire()
                    mark = operation.step()
                try:
                    if thrown is not None:
                        item = await stream.athrow(thrown)
                    else:
                        item = await (ahead() if given is None else stream.asend(given))
                except StopAsyncIteration:
                    operation.finished()
                    return
                except BaseException as exc:
                    operation.broke(exc, thrown)
                    raise
                finally:
                    thrown = None
                    if timed:
                        operation.stepped(mark)
        finally:
            operation.end()
            if span is not None:
                span.end()

    return whole
