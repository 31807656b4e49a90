"""What an operation hands down to everything that runs inside it: the deadline, and who retries.

    remaining()     seconds left for this operation, None: endless; for the timeout of a client that cannot be cancelled
    retried()       whether somebody around this code tries it again
    taking(seconds, retried=True)     the same, said by a caller in another process, for the guards in this block

It travels in a context variable, so it reaches nested guards, tasks that are started meanwhile and threads of
`asyncio.to_thread`. Nested guards take the earlier deadline. One guard retries: where an outer one does, inner guards
make one attempt, so that three layers of three attempts make three calls, not 27. An operation that has returned binds
nobody any more: a task that it started and did not wait for may go on and retry.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from guardrails.clock import SystemClock
from guardrails.core.deadline import LONGEST
from guardrails.core.ranges import Ranges

if TYPE_CHECKING:
    from contextvars import Token

    from guardrails.clock import Clock


class Handed:
    """What is handed down; each operation of a guard is one.

    `deadline`: an instant on the monotonic clock, None: endless. `retries`: whether a guard out there tries again.
    `task`: the asyncio task in which somebody has set a timer for that deadline.
    """

    __slots__ = ("clock", "deadline", "retries", "task")

    clock: Clock
    deadline: float | None
    retries: bool
    task: Any


_clock = SystemClock()
HANDED: ContextVar[Handed | None] = ContextVar("guardrails_operation", default=None)


def remaining() -> float | None:
    """Seconds left until the deadline of the operation that this code runs in, 0 when it is over; None: no deadline.

    Synchronous code cannot be interrupted: give this to the client as its timeout.
    """
    handed = HANDED.get()
    if handed is None or handed.deadline is None:
        return None
    return max(0.0, handed.deadline - handed.clock.monotonic())


def retried() -> bool:
    """Whether a guard around this code, or a caller that `taking` speaks for, makes calls more than once.

    Whoever hands work on tells the next process, so that three layers of three attempts make three calls, not 27.
    """
    handed = HANDED.get()
    return handed is not None and handed.retries


class taking:  # noqa: N801 - used like a function
    """Let what a caller in another process has handed over hold inside this block; for a queue or server of your own.

    `seconds`: what is left for his operation; 0 and less: it is over, None: endless. Guards inside keep the deadline,
    or the one that holds here already if that is sooner; more than a week counts as a week. `retried`: whether he tries
    again himself; then they make one attempt each. Nothing is cancelled that no guard guards. Made for one block,
    `with` in asynchronous code too. Raises ConfigError, a ValueError, where `seconds` is no number.
    """

    __slots__ = ("_handed", "_mark")

    def __init__(self, seconds: float | None, *, retried: bool = False) -> None:
        self._handed = inherited(seconds, retried=retried)

    def __enter__(self) -> None:
        self._mark = HANDED.set(self._handed)

    def __exit__(self, *raised: object) -> None:
        restore(self._mark)


def inherited(seconds: float | None, *, retried: bool) -> Handed:
    """What is handed down here, with these seconds at most, and by an owner of retries if there is one."""
    outer, handed = HANDED.get(), Handed()
    handed.clock = _clock if outer is None else outer.clock
    handed.deadline = None if outer is None else outer.deadline
    handed.task = None if outer is None else outer.task
    handed.retries = retried or (outer is not None and outer.retries)
    if seconds is not None:
        ranges = Ranges()
        ranges.number("seconds", seconds, float("-inf"), float("inf"), "say what is left, or None for no end")
        ranges.settle()
        deadline = handed.clock.monotonic() + min(seconds, LONGEST)
        if handed.deadline is None or deadline < handed.deadline:
            # Nobody has set a timer for this one.
            handed.deadline, handed.task = deadline, None
    return handed


def restore(mark: Token[Handed | None]) -> None:
    """Hand down again what was handed down before."""
    try:
        HANDED.reset(mark)
    except ValueError:
        # A coroutine or generator that the garbage collector ends is in another context: nothing to restore there.
        return
