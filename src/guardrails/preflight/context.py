"""What a check is given, and what a check is."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from guardrails.config import Config
from guardrails.source import Names

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from guardrails.evidence import Finding
    from guardrails.preflight.rule import Rule
    from guardrails.source import Project


class Context:
    """The analysed project. `names` is shared by all checks, because it remembers what it resolved."""

    def __init__(self, project: Project, config: Config | None = None) -> None:
        self.project = project
        self.config = config or Config()
        # What a check has to say besides its findings, shown with the verdict.
        self.notes: list[str] = []

    @property
    def python(self) -> str | None:
        """The interpreter that the configuration names, which owns the application's libraries."""
        return self.config.python

    @cached_property
    def names(self) -> Names:
        return Names(self.project)


class Skip(Exception):
    """Raised by a check that does not apply; the text says why."""


class CannotTell(Exception):
    """Raised by a check that could not find out; the text says why. What it found until then counts."""


class Check(Protocol):
    """A module of `preflight.checks`: its rules, and the function that looks for them."""

    RULES: Sequence[Rule]

    def check(self, context: Context) -> Iterable[Finding]: ...
