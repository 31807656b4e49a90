"""The shell of a plain function, in two builds; that of a coroutine function, in `coroutines`, is its twin.

    light    nothing but the circuit: two clock reads, one lock, one record
    whole    deadline, retries, bulkhead, classifier: the steps of an `Operation`

The light build gives way to the whole one by itself, where an update has added a layer, or where the call is part of an
operation whose deadline it must keep.
"""

from __future__ import annotations

from types import CoroutineType
from typing import TYPE_CHECKING, Any

from guardrails import hooks
from guardrails.errors import Unguardable
from guardrails.policies.engine import SWITCH
from guardrails.policies.handed import HANDED
from guardrails.policies.operation import Operation
from guardrails.policies.outcomes import SUCCESS

if TYPE_CHECKING:
    from collections.abc import Callable

    from guardrails.policies.engine import Engine


def for_function(engine: Engine, fn: Callable[..., Any]) -> Callable[..., Any]:
    """Guard a plain function."""
    whole = _whole(engine, fn)
    if engine.full:
        return whole
    circuit, lock, tick, handed = engine.circuit, engine.lock, engine.tick, HANDED.get
    admit, success, settle, failed, tell = engine.admit, circuit.success, engine.settle, engine.failed, engine.moved

    def light(*args: Any, **kwargs: Any) -> Any:
        if engine.full or handed() is not None:
            return whole(*args, **kwargs)
        token = circuit.pass_ or admit()
        began = tick()
        try:
            result = fn(*args, **kwargs)
        except BaseException as exc:
            failed(token, began, exc)
            raise
        now = tick()
        took = now - began
        if took >= circuit.slow_after or result.__class__ is CoroutineType or hooks._listeners:
            settle(token, took, now, SUCCESS)
            return checked(engine, result)
        with lock:
            moved = success(token, now)
        if moved is not None:
            tell(moved, now)
        return result

    return light


def _whole(engine: Engine, fn: Callable[..., Any]) -> Callable[..., Any]:
    def whole(*args: Any, **kwargs: Any) -> Any:
        operation = (SWITCH.operation or Operation)(engine)
        span = None if (spans := SWITCH.spans) is None else spans(operation, current=True)
        mark = HANDED.set(operation)
        try:
            while True:
                if (places := operation.begin()) is not None:
                    operation.wait_for_place(places)
                try:
                    result = checked(engine, fn(*args, **kwargs))
                except BaseException as exc:
                    if (pause := operation.failed(exc)) is None:
                        raise
                else:
                    if (pause := operation.returned(result)) is None:
                        return result
                engine.sleep(pause)
        finally:
            HANDED.reset(mark)
            if operation.token or operation.error is not None:
                operation.end()
            if span is not None:
                span.end()

    return whole


def checked(engine: Engine, result: Any) -> Any:
    """What a plain function returned. Raises Unguardable for a coroutine: its work would go on without the guard."""
    if result.__class__ is CoroutineType:
        result.close()
        fix = "decorate an `async def`, or use acall()"
        raise Unguardable(engine.name, f"{result.__qualname__}, which returned a coroutine", fix)
    return result
