"""A second call where the first is late: the first good answer wins, and the other call is cancelled and awaited.

    the first call ───────────┬──────────────────────► as without a hedge
                         it is late
                              │ closed circuit, a free place, a free turn, the budget can pay
                              ▼
                       the second call ──────────────► a success of either ends the other;
                                                       a failure of either leaves it to the other

Each of the two holds a token of the circuit and a place of its own, a `Claim`. The operation settles that of the call
whose result goes out; the other is settled here.
"""

from __future__ import annotations

import asyncio
import functools
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from guardrails import hooks
from guardrails.errors import NoEventLoop
from guardrails.policies.operation import remember, timed_out
from guardrails.policies.outcomes import IGNORED
from guardrails.policies.tasks import NOTHING
from guardrails.policies.waiting import learn, tell_inside

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from guardrails.policies.engine import Engine
    from guardrails.policies.outcomes import Outcome
    from guardrails.policies.tasks import TaskOperation
    from guardrails.policies.waiting import Queue

# States of a circuit that rejects nothing, and tries nothing out.
CALM = ("closed", "disabled", "shadow")
# The calls under way. A loop holds its tasks weakly, and one that is cancelled may outlive who has started it.
_TASKS: set[asyncio.Task[Any]] = set()


def hedged(operation: TaskOperation, fn: Callable[..., Any]) -> Callable[..., Any]:
    """`fn` with a second call where the first is late; `fn` itself where this attempt may have none."""
    if operation.attempt > 1 or not operation.owns():
        return fn
    # Inside, nobody calls more than once.
    operation.retries = True
    return functools.partial(_raced, operation, fn)


async def _raced(operation: TaskOperation, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    delay = _delay(operation)
    if delay is None:
        return await fn(*args, **kwargs)
    race = Race(operation)
    try:
        # No name for the task: the frames that an error holds must not hold the error.
        return (await race.over(functools.partial(_called, fn, args, kwargs), delay)).result()
    except GeneratorExit:
        # Ended by the garbage collector: nobody can wait here any more.
        race.cancel()
        raise
    except BaseException:
        await race.stop()
        raise
    finally:
        race.end()


def _delay(operation: TaskOperation) -> float | None:
    """Seconds after which a second call begins; None: there will be none."""
    engine = operation.engine
    with engine.lock:
        delay = None if engine.hedge_delay is None else engine.hedge_delay.delay()
    if delay is None or engine.state not in CALM:
        return None
    deadline = operation.deadline
    return delay if deadline is None or operation.started + delay < deadline else None


async def _called(fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return await fn(*args, **kwargs)


class Claim:
    """What one of two calls holds, and when it began."""

    __slots__ = ("places", "started", "token")

    def __init__(self, token: int, places: Queue | None, started: float) -> None:
        self.token = token
        self.places = places
        self.started = started

    def exchange(self, operation: TaskOperation) -> None:
        """Let the operation have this claim, and keep its own."""
        for name in self.__slots__:
            mine, its = getattr(self, name), getattr(operation, name)
            setattr(operation, name, mine)
            setattr(self, name, its)

    def settle(self, engine: Engine, outcome: Outcome, last: str = "", error: BaseException | None = None) -> None:
        """Record how its call went, once, and give the place back."""
        token, self.token = self.token, 0
        if not token:
            return
        now = engine.tick()
        took, places = now - self.started, self.places
        if places is not None:
            learn(engine, places, now, self.started, took, outcome, late=timed_out(error))
        engine.settle(token, took, now, outcome, last, places=places)


def claimed(engine: Engine) -> Claim | str:
    """What a second call needs, or the word for what it lacks."""
    u, now = engine.chance(), engine.tick()
    with engine.lock:
        circuit, gate, budget = engine.circuit, engine.gate, engine.budget
        if circuit.state not in CALM:
            return "circuit"
        if budget is None or budget.balance(now) < 1:
            return "budget"
        places = None if gate is None else gate.places
        if places is not None and not places.enter():
            return "bulkhead"
        turn = gate is None or gate.pace is None or gate.pace.take(now) == 0
        token = _token(engine, now, u) if turn else 0
        if not token:
            if places is not None:
                # Nobody waits for it: it was free.
                places.leave()
            return "circuit" if turn else "rate"
        budget.withdraw(now)
    if places is not None:
        tell_inside(engine, 1)
    return Claim(token, places, now)


def _token(engine: Engine, now: float, u: float) -> int:
    """Under the lock: the token of one call more, or 0."""
    circuit = engine.circuit
    try:
        return circuit.pass_ or circuit.admit(now, u)[0]
    except Exception:  # noqa: BLE001 - a listener of pybreaker's that forbids this call; the first one is under way
        return 0


class Race:
    """One or two calls of one attempt."""

    __slots__ = ("alive", "claim", "engine", "operation", "stopped", "tasks", "verdict")

    def __init__(self, operation: TaskOperation) -> None:
        self.operation = operation
        self.engine = operation.engine
        self.tasks: list[asyncio.Task[Any]] = []
        # Those that have not failed, the first call first.
        self.alive: list[asyncio.Task[Any]] = []
        # Of the call whose claim the operation does not have; None: there is one call.
        self.claim: Claim | None = None
        # What became of the hedge; "": none was due.
        self.verdict = ""
        self.stopped = False

    async def over(self, call: Callable[[], Coroutine[Any, Any, Any]], delay: float) -> asyncio.Task[Any]:
        """The call whose result goes out; the other has ended too."""
        winner = await self._run(call, delay)
        await self.stop()
        return winner

    async def _run(self, call: Callable[[], Coroutine[Any, Any, Any]], delay: float) -> asyncio.Task[Any]:
        self._begin(call)
        first = self.tasks[0]
        await self._wait(delay)
        if not first.done():
            claim = claimed(self.engine)
            if isinstance(claim, str):
                self.verdict = claim
            else:
                # That is what it comes to where nothing else is said.
                self.claim, self.verdict = claim, "cancelled"
                self._begin(call)
        while True:
            await self._wait()
            for task in [task for task in self.alive if task.done()]:
                if self.claim is None or self._decided(self.claim, task, first, delay):
                    return task

    def _decided(self, claim: Claim, task: asyncio.Task[Any], first: asyncio.Task[Any], delay: float) -> bool:
        """Whether the result of this call, one of two, goes out; if not, it is settled."""
        engine = self.engine
        outcome, last, error = _met(engine, task)
        good = outcome.kind == "success"
        decided = good or len(self.alive) == 1
        # As long as the first has not failed, the operation has its claim; it needs that of the call that counts.
        if first in self.alive and (task is first) != decided:
            claim.exchange(self.operation)
        self.alive.remove(task)
        if not decided:
            claim.settle(engine, outcome, last, error)
            return False
        self.verdict = "failed" if not good else "lost" if task is first else "won"
        if first in self.alive:
            # How long it would have taken nobody knows: longer than the delay, which so stays what it is.
            remember(engine, delay)
        return True

    async def stop(self) -> None:
        """Cancel what is under way and wait until it has ended; once, since who waits may be cancelled too."""
        if self.stopped:
            return
        self.stopped = True
        self.cancel()
        running = [task for task in self.tasks if not task.done()]
        if running:
            await asyncio.wait(running)

    def cancel(self) -> None:
        """Cancel what is under way."""
        for task in self.tasks:
            # Its loop may be closed.
            with suppress(RuntimeError):
                task.cancel()

    def end(self) -> None:
        """Settle what is not settled, and tell what became of the hedge."""
        if self.claim is not None:
            self.claim.settle(self.engine, IGNORED)
        if self.verdict and hooks._listeners:
            hooks.emit("hedges_total", 1.0, {"guard": self.engine.label, "verdict": self.verdict})
        # An error must not be held by frames that it holds.
        self.tasks.clear()
        self.alive.clear()

    def _begin(self, call: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise NoEventLoop(self.engine.name, "hedge") from None
        task = loop.create_task(call())
        _TASKS.add(task)
        task.add_done_callback(_ended)
        self.tasks.append(task)
        self.alive.append(task)

    async def _wait(self, seconds: float | None = None) -> None:
        """Until a call has ended, or these seconds are over."""
        if seconds is None:
            await asyncio.wait(self.alive, return_when=asyncio.FIRST_COMPLETED)
            return
        loop = asyncio.get_running_loop()
        due: asyncio.Future[None] = loop.create_future()
        timer = (self.engine.virtual or loop).call_later(seconds, due.cancel, context=NOTHING)
        try:
            await asyncio.wait((*self.alive, due), return_when=asyncio.FIRST_COMPLETED)
        finally:
            timer.cancel()


def _met(engine: Engine, task: asyncio.Task[Any]) -> tuple[Outcome, str, BaseException | None]:
    """What a call came to."""
    if task.cancelled():
        return IGNORED, "CancelledError", None
    error = task.exception()
    if error is not None:
        return engine.verdict(error), type(error).__name__, error
    value = task.result()
    return engine.verdict_on_value(value), type(value).__name__, None


def _ended(task: asyncio.Task[Any]) -> None:
    _TASKS.discard(task)
    if not task.cancelled():
        # Else asyncio complains of an error that nobody has asked for.
        task.exception()
