"""A permit: the guard around a block of code, for those who make the call themselves, such as middleware.

    with guard.permit() as permit: ...            or `async with`
        permit.failure(error)                     otherwise an error that leaves the block counts as it would in a call

It has deadline, circuit, bulkhead and, under `async with`, the timer; it is not tried again: a block cannot be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from guardrails.policies.engine import SWITCH
from guardrails.policies.handed import HANDED, restore
from guardrails.policies.operation import Operation
from guardrails.policies.outcomes import FAILURE, IGNORED, SUCCESS, Outcome, throttled

if TYPE_CHECKING:
    from contextvars import Token
    from types import TracebackType
    from typing import Self

    from guardrails.policies.engine import Engine
    from guardrails.policies.handed import Handed
    from guardrails.policies.waiting import Gate, Queue

T = TypeVar("T", bound=Operation)


class Permit:
    """One guarded block; made by `Guard.permit()`, entered once.

    Entering raises CircuitOpen, BulkheadFull, RateLimited or DeadlineExceeded. What is said last counts, when the block
    is left; where nothing is said, an error that leaves the block is judged like one of a call, and none is a success.
    """

    __slots__ = ("_engine", "_last", "_mark", "_operation", "_said")

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._operation: Operation | None = None
        self._mark: Token[Handed | None] | None = None
        self._said: Outcome | None = None
        self._last = ""

    def success(self) -> None:
        """The dependency has answered well."""
        self._said = SUCCESS

    def failure(self, error: BaseException | None = None) -> None:
        """The dependency has failed. `error`: what it raised; only the name of its class is kept."""
        self._said = FAILURE
        self._last = "" if error is None else type(error).__name__

    def ignore(self) -> None:
        """What happened says nothing about the dependency."""
        self._said = IGNORED

    def throttled(self, retry_after: float | None) -> None:
        """The dependency asked to be left alone for `retry_after` seconds; None: it did not say for how long."""
        self._said = throttled(retry_after)

    def __enter__(self) -> Self:
        operation, places = self._begin(Operation)
        try:
            if places is not None:
                operation.wait_for_place(places)
        except BaseException:
            operation.end()
            raise
        return self._entered(operation)

    def __exit__(self, kind: object, error: BaseException | None, trace: TracebackType | None) -> None:
        self._leave(error)

    async def __aenter__(self) -> Self:
        from guardrails.policies.tasks import TaskOperation

        operation, places = self._begin(TaskOperation)
        try:
            if places is not None:
                await operation.await_place(places)
            operation.arm()
        except BaseException:
            operation.end()
            raise
        return self._entered(operation)

    async def __aexit__(self, kind: object, error: BaseException | None, trace: TracebackType | None) -> None:
        self._leave(error)

    def _begin(self, kind: type[T]) -> tuple[T, Queue | Gate | None]:
        if self._operation is not None:
            raise RuntimeError(f"a permit of {self._engine.name!r} is for one block: ask for another with permit()")
        operation: T = (SWITCH.operation or kind)(self._engine, retry=False)
        self._operation = operation
        try:
            return operation, operation.begin()
        except BaseException:
            operation.end()
            raise

    def _entered(self, operation: Operation) -> Self:
        self._mark = HANDED.set(operation)
        return self

    def _leave(self, error: BaseException | None) -> None:
        operation, mark = self._operation, self._mark
        if operation is None or mark is None:
            return
        # A block that was entered inside an operation and is left after it: nothing of ours is handed down any more.
        if HANDED.get() is operation:
            restore(mark)
        try:
            if error is None:
                operation.finished(self._said or SUCCESS, self._last)
            else:
                operation.failed(error, self._said)
        finally:
            operation.end()
