"""What an operation needs of asyncio: one timer, cancelling, waiting. Loaded with the first coroutine that is guarded.

An attempt has at most one timer, which cancels the task; when it has rung, the request is taken back with `uncancel`,
and the CancelledError becomes a timeout, unless somebody else has asked for the same: then it stays what it is.
"""

from __future__ import annotations

import asyncio
from contextvars import Context
from typing import TYPE_CHECKING, Any

from guardrails.errors import NoEventLoop
from guardrails.policies.handed import HANDED, restore
from guardrails.policies.operation import Operation
from guardrails.policies.waiting import book, full, give_up, left_in_time, line_up, tell_inside

if TYPE_CHECKING:
    from contextvars import Token

    from guardrails.policies.engine import Engine
    from guardrails.policies.handed import Handed
    from guardrails.policies.waiting import Gate, Queue

# Where timers ring. In a copy of the caller's context, each would keep alive for seconds what it holds.
NOTHING = Context()


class TaskOperation(Operation):
    """An operation of a coroutine or an asynchronous generator."""

    __slots__ = ()

    async def await_place(self, gate: Queue | Gate) -> None:
        """Wait in this task for a place, and for the turn of this call where the rate is limited."""
        engine = self.engine
        try:
            if gate.places is not None and not self._enters(gate.places):
                self.places = await await_place(engine, gate.places, self.ends)
            if pause := book(engine, gate, self.ends):
                await nap(engine, pause, "wait for its turn")
        except BaseException as exc:
            self.withdraw(exc)
            raise
        self._start()

    def arm(self) -> None:
        """Set the one timer of this attempt, unless a guard around us has set it for this task already."""
        deadline = self.deadline
        if deadline is None:
            return
        self.task = task = self._current()
        outer = self.outer
        if outer is not None and outer.deadline == deadline and outer.task is task:
            return
        self.cancelling = task.cancelling()
        timers = self.engine.virtual or task.get_loop()
        self.timer = timers.call_later(deadline - self.started, self._ring, context=NOTHING)

    def flows(self) -> bool:
        """The first item is there: from now on the timer is that of the operation. Whether there is one."""
        if self.timer is not None:
            self._rung(None)
        if not super().flows() or self.ends is None:
            return False
        timers = self.engine.virtual or self._current().get_loop()
        self.task = None
        self.timer = timers.call_later(self.ends - self.engine.tick(), self._ring, context=NOTHING)
        return True

    def step(self) -> Token[Handed | None]:
        """The task that now asks for an item is the one to cancel."""
        self.task = self._current()
        self.cancelling = self.task.cancelling()
        return HANDED.set(self)

    def stepped(self, mark: Token[Handed | None]) -> None:
        """The item is there, and what happens now is the consumer's."""
        self.task = None
        restore(mark)

    def _current(self) -> asyncio.Task[Any]:
        try:
            task = asyncio.current_task()
        except RuntimeError:
            task = None
        if task is None:
            raise NoEventLoop(self.engine.name, "keep its timeout")
        return task

    def _ring(self) -> None:
        # No task: the consumer of a stream is at work, and must not be cancelled for it.
        if self.task is not None:
            self.rang = True
            self.task.cancel()

    def _rung(self, error: BaseException | None) -> bool:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        if not self.rang:
            return False
        self.rang = False
        # More requests than before: somebody else wants this task to end as well, and that goes first.
        alone = self.task.uncancel() <= self.cancelling
        return alone and isinstance(error, asyncio.CancelledError)


class TaskWaiter:
    """An asyncio task that waits."""

    __slots__ = ("_future", "_loop", "_timers", "lost")

    def __init__(self, engine: Engine, loop: asyncio.AbstractEventLoop) -> None:
        self.lost = False
        self._loop = loop
        self._timers = engine.virtual or loop
        self._future: asyncio.Future[bool] = loop.create_future()

    def wake(self) -> bool:
        try:
            self._loop.call_soon_threadsafe(self._answer, True)  # noqa: FBT003 - the answer itself
        except RuntimeError:
            # Its loop is closed.
            self.lost = True
        return not self.lost

    async def wait(self, seconds: float) -> bool:
        """Whether somebody woke it in time."""
        timer = self._timers.call_later(seconds, self._answer, False)  # noqa: FBT003
        try:
            return await self._future
        finally:
            timer.cancel()

    def _answer(self, woken: bool) -> None:  # noqa: FBT001
        if not self._future.done():
            self._future.set_result(woken)


async def await_place(engine: Engine, places: Queue, ends: float | None) -> Queue:
    """Wait in this task until a place is ours, at most until the instant `ends`. Raises BulkheadFull."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        raise NoEventLoop(engine.name, "wait for a place") from None
    waiter = TaskWaiter(engine, loop)
    seconds = line_up(engine, places, waiter, ends)
    try:
        woken = await waiter.wait(seconds)
    except BaseException:
        give_up(engine, places, waiter)
        raise
    if not woken and left_in_time(engine, places, waiter):
        raise full(engine, places, seconds)
    tell_inside(engine, 1)
    return places


async def nap(engine: Engine, seconds: float, what: str = "wait for another attempt") -> None:
    """Wait in this task before an attempt."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise NoEventLoop(engine.name, what) from None
    virtual = engine.virtual
    await (asyncio.sleep(seconds) if virtual is None else virtual.asleep(seconds))
