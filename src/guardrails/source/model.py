"""A project's source as a model: its files as modules, with their scopes, names, imports and calls.

The records mirror what extract.py writes, and are made only for the modules that a rule looks at.
"""

from __future__ import annotations

import posixpath
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from guardrails.source.files import Role, role_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from guardrails.source.layout import Layout
    from guardrails.source.target import Target

# An expression as extract.py reduces it: a dotted name, or a list whose first item names its kind.
Expr = Any


class Decorator(NamedTuple):
    line: int
    expr: Expr


class Scope(NamedTuple):
    """A module (number 0), class or function. `parent` is the number of the scope around it."""

    number: int
    kind: str
    name: str
    line: int
    parent: int
    arm: str
    decorators: tuple[Decorator, ...]
    params: tuple[tuple[str, Expr], ...]
    returns: tuple[Expr, ...]
    bases: tuple[Expr, ...]

    @property
    def is_function(self) -> bool:
        return self.kind in ("def", "async")


class Bind(NamedTuple):
    """`target = value`; the target is a dotted name such as `app` or `self.router`."""

    scope: int
    arm: str
    line: int
    target: str
    value: Expr


class Call(NamedTuple):
    """A call that stands as a statement of its own."""

    scope: int
    arm: str
    line: int
    expr: Expr


class Import(NamedTuple):
    """One imported name. `name` is None for `import module`, "*" for a star.

    `below`: how many lines under the first of the statement the name stands.
    """

    line: int
    scope: int
    arm: str
    level: int
    module: str
    name: str | None
    alias: str | None
    below: int = 0

    @property
    def bound(self) -> str:
        """The name that it binds in its scope."""
        return self.alias or self.name or self.module.partition(".")[0]


class Request(NamedTuple):
    """`receiver.verb(arguments…)` where the verb is an HTTP method's name."""

    line: int
    receiver: Expr
    verb: str
    arguments: tuple[Expr, ...]


class Text(NamedTuple):
    """A docstring that shows a decorator; `line` is where it starts."""

    scope: int
    line: int
    text: str


class Module:
    """One analysed file."""

    def __init__(self, path: str, facts: Mapping[str, Any]) -> None:
        self.path = path
        self.facts = facts
        self.role: Role = role_of(path)

    def __repr__(self) -> str:
        return f"Module({self.path!r})"

    @property
    def lines(self) -> int:
        return int(self.facts["lines"])

    @property
    def package(self) -> str:
        """The folder that relative imports of one dot start from."""
        return posixpath.dirname(self.path)

    @cached_property
    def scopes(self) -> list[Scope]:
        return [
            Scope(i, kind, name, line, parent, arm, tuple(Decorator(*d) for d in decorators),
                  tuple((p[0], p[1]) for p in params), tuple(returns), tuple(bases))
            for i, (kind, name, line, parent, arm, decorators, params, returns, bases)
            in enumerate(self.facts["scopes"])
        ]  # fmt: skip

    @cached_property
    def binds(self) -> list[Bind]:
        return [Bind(*raw) for raw in self.facts.get("binds", ())]

    @cached_property
    def calls(self) -> list[Call]:
        return [Call(*raw) for raw in self.facts.get("calls", ())]

    @cached_property
    def imports(self) -> list[Import]:
        return [Import(*raw) for raw in self.facts.get("imports", ())]

    @cached_property
    def texts(self) -> list[Text]:
        return [Text(*raw) for raw in self.facts.get("texts", ())]

    @cached_property
    def requests(self) -> list[Request]:
        return [
            Request(line, receiver, verb, tuple(args)) for line, receiver, verb, args in self.facts.get("requests", ())
        ]

    @property
    def local_urls(self) -> list[str]:
        """URLs of this very machine that stand in a module which speaks of a client."""
        return list(self.facts.get("urls", ()))

    @cached_property
    def decorated(self) -> list[Scope]:
        """Functions and classes that bear a decorator."""
        if not any(raw[5] for raw in self.facts["scopes"]):
            return []
        return [scope for scope in self.scopes if scope.decorators]

    @cached_property
    def names(self) -> dict[tuple[int, str], list[Scope | Bind | Import]]:
        """(scope, name) -> everything that binds the name there, in the order of lines."""
        table: dict[tuple[int, str], list[Scope | Bind | Import]] = {}
        for item in self.imports:
            if item.name != "*":
                table.setdefault((item.scope, item.bound), []).append(item)
        for scope in self.scopes[1:]:
            table.setdefault((scope.parent, scope.name), []).append(scope)
        for bind in self.binds:
            table.setdefault((bind.scope, bind.target), []).append(bind)
        for found in table.values():
            found.sort(key=lambda item: item.line)
        return table

    @cached_property
    def attributes(self) -> dict[tuple[int, str], Bind]:
        """(class, name) -> what the first of its methods that binds `self.name` binds last."""
        table: dict[tuple[int, str], Bind] = {}
        for bind in self.binds:
            if bind.target.startswith("self."):
                key = (self.scopes[bind.scope].parent, bind.target.removeprefix("self."))
                if key not in table or table[key].scope == bind.scope:
                    table[key] = bind
        return table

    @cached_property
    def stars(self) -> list[Import]:
        return [item for item in self.imports if item.name == "*"]

    def enclosing(self, scope: int) -> Iterator[int]:
        """The scopes whose names can be seen from `scope`, innermost first: classes hide theirs from methods."""
        yield scope
        index = self.scopes[scope].parent
        while index >= 0:
            if self.scopes[index].kind != "class":
                yield index
            index = self.scopes[index].parent

    def path_to(self, scope: int) -> str:
        """The dotted place of a scope, for messages: `create_app.health`."""
        parts = []
        while scope > 0:
            parts.append(self.scopes[scope].name)
            scope = self.scopes[scope].parent
        return ".".join(reversed(parts))


class Project(NamedTuple):
    """All that is known of a project's source."""

    base: Path
    layout: Layout
    target: Target
    modules: dict[str, Module]
    # Pairs of a path and the reason.
    not_analysed: tuple[tuple[str, str], ...]
    # Paths of files beside Python, such as Markdown pages.
    others: tuple[str, ...]
    notes: tuple[str, ...]
    # Every Python path, analysed or not: a file that does not parse still shadows.
    python: frozenset[str]
    # (path, line, reason) of what the target's grammar surely rejects.
    rejected: tuple[tuple[str, int, str], ...] = ()
    # Paths of all files that are neither Python nor in `others`, and of those that `exclude` leaves out.
    rest: tuple[str, ...] = ()


def exclusive(one: str, other: str) -> bool:
    """Whether two statements stand in branches of which a run takes only one."""
    first = dict(part.rsplit(":", 1) for part in one.split("/") if part)
    return any(
        part and first.get(part.rsplit(":", 1)[0], part.rsplit(":", 1)[1]) != part.rsplit(":", 1)[1]
        for part in other.split("/")
    )
