"""What stands for the operation of a call while guards are disabled: it lets everything through and remembers nothing.

It answers all that the shells ask of an `Operation`, so that generators hand on what they are sent, also now.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from guardrails.policies.handed import HANDED
from guardrails.policies.outcomes import SUCCESS
from guardrails.policies.tasks import TaskOperation

if TYPE_CHECKING:
    from guardrails.policies.engine import Engine
    from guardrails.policies.outcomes import Outcome
    from guardrails.policies.waiting import Queue


class Through(TaskOperation):
    """One call, let through. What was handed down to it is handed on."""

    __slots__ = ()

    def __init__(self, engine: Engine, *, retry: bool = True) -> None:  # noqa: ARG002 - as an operation
        self.engine = engine
        self.clock = engine.clock
        self.token = 0
        self.attempt = 1
        self.error = self.deadline = self.task = None
        self.retries = False
        outer = HANDED.get()
        if outer is not None:
            self.clock, self.deadline, self.retries, self.task = outer.clock, outer.deadline, outer.retries, outer.task

    def begin(self) -> Queue | None:
        """Every call goes."""
        return None

    def arm(self) -> None:
        """No time limit."""

    def returned(self, value: object) -> float | None:  # noqa: ARG002 - as an operation
        """The value is the result."""
        return None

    def failed(self, error: BaseException, said: Outcome | None = None) -> float | None:  # noqa: ARG002
        """The error is the caller's."""
        return None

    def finished(self, outcome: Outcome = SUCCESS, last: str = "") -> None:
        """Nobody records it."""

    def flows(self) -> bool:
        """No step of a stream keeps a deadline."""
        return False

    def broke(self, error: BaseException, thrown: BaseException | None) -> None:
        """Nobody records it."""

    def end(self) -> None:
        """Nothing is left."""
