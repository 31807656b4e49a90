"""The shell of a generator: the whole iteration is one guarded call. `coroutines` has the twin for asynchronous ones.

An error in the middle is a failure. A consumer that stops early, or throws something in, says nothing about the
dependency. Tried again is only what has not yet given its first item: what a consumer has seen cannot be taken back.
Slow is a stream whose first item is late, and `attempt_timeout` ends there too; `timeout` goes on to the last item, and
the time that the consumer takes counts. What is handed down is handed to the generator alone, never to its consumer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from guardrails.policies.engine import SWITCH
from guardrails.policies.handed import HANDED, restore
from guardrails.policies.operation import Operation

if TYPE_CHECKING:
    from collections.abc import Callable

    from guardrails.policies.engine import Engine


def for_generator(engine: Engine, fn: Callable[..., Any]) -> Callable[..., Any]:
    """Guard a generator function."""

    def whole(*args: Any, **kwargs: Any) -> Any:
        operation = (SWITCH.operation or Operation)(engine)
        span = None if (spans := SWITCH.spans) is None else spans(operation, current=False)
        stream: Any = None
        item: Any = None
        try:
            while True:
                mark = HANDED.set(operation)
                try:
                    if (places := operation.begin()) is not None:
                        operation.wait_for_place(places)
                    stream = fn(*args, **kwargs)
                    item = next(stream)
                except StopIteration as stop:
                    operation.finished()
                    return stop.value
                except BaseException as exc:
                    if not operation.token or (pause := operation.failed(exc)) is None:
                        raise
                else:
                    break
                finally:
                    restore(mark)
                engine.sleep(pause)
            return (yield from _rest(operation, stream, item))
        finally:
            operation.end()
            if span is not None:
                span.end()

    return whole


def _rest(operation: Operation, stream: Any, item: Any) -> Any:
    """Give the first item of a stream and all that come after it."""
    timed = operation.flows()
    while True:
        thrown = None
        try:
            given = yield item
        except GeneratorExit:
            stream.close()
            raise
        except BaseException as exc:  # noqa: BLE001 - handed on to the stream, as a generator without us would
            given, thrown = None, exc
        if timed and operation.late():
            stream.close()
            operation.expire()
        mark = HANDED.set(operation) if timed else None
        try:
            if thrown is not None:
                item = stream.throw(thrown)
            elif given is None:
                item = next(stream)
            else:
                item = stream.send(given)
        except StopIteration as stop:
            operation.finished()
            return stop.value
        except BaseException as exc:
            operation.broke(exc, thrown)
            raise
        finally:
            thrown = None
            if mark is not None:
                restore(mark)
