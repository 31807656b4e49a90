"""What an operation hands down to everything that runs inside it: the deadline, and who retries.

    remaining()     seconds left for this operation, None: endless; for the timeout of a client that cannot be cancelled

It travels in a context variable, so it reaches nested guards, tasks that are started meanwhile and threads of
`asyncio.to_thread`. Nested guards take the earlier deadline. One guard retries: where an outer one does, inner guards
make one attempt, so that three layers of three attempts make three calls, not 27. An operation that has returned binds
nobody any more: a task that it started and did not wait for may go on and retry.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

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


HANDED: ContextVar[Handed | None] = ContextVar("guardrails_operation", default=None)


def remaining() -> float | None:
    """Seconds left until the deadline of the operation that this code runs in, 0 when it is over; None: no deadline.

    Synchronous code cannot be interrupted: give this to the client as its timeout.
    """
    handed = HANDED.get()
    if handed is None or handed.deadline is None:
        return None
    return max(0.0, handed.deadline - handed.clock.monotonic())


def restore(mark: Token[Handed | None]) -> None:
    """Hand down again what was handed down before."""
    try:
        HANDED.reset(mark)
    except ValueError:
        # A coroutine or generator that the garbage collector ends is in another context: nothing to restore there.
        return
