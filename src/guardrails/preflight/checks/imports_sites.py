"""Every import of a project, held against the files and names that are there: one pass over plain data.

What does not fit is only a suspect here: `imports_absent` asks what could still provide it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from guardrails.evidence import Severity
from guardrails.preflight.checks import imports_tables as tables
from guardrails.preflight.checks.distributions import guessed_import_name
from guardrails.source.reach import FOREIGN, Missing, Reach

if TYPE_CHECKING:
    from guardrails.source import Module, Project


class Site(NamedTuple):
    """One imported name, where it stands."""

    module: Module
    line: int
    scope: int
    arm: str
    level: int
    dotted: str
    name: str | None
    # Where the name itself stands, in an import of several lines.
    name_line: int

    @property
    def folder(self) -> str:
        return self.module.package

    @property
    def text(self) -> str:
        """The import as it reads, for messages."""
        source = "." * self.level + self.dotted
        return f"import {source}" if self.name is None else f"from {source} import {self.name}"


class Edge(NamedTuple):
    """What happens while a module is imported: another one is, and a name is taken from it.

    `below`: the submodule that is imported where the name is not bound yet.
    """

    line: int
    conditional: bool
    target: str
    name: str | None
    below: str | None = None

    @property
    def reached(self) -> tuple[str, ...]:
        """All that it imports, initialisers above aside."""
        return (self.target, self.below) if self.below else (self.target,)


class Scan(NamedTuple):
    """All that one pass over the imports shows."""

    project: Project
    reach: Reach
    # Each with what is missing, and each with the files that lack the name.
    missing: list[tuple[Site, Missing]]
    nameless: list[tuple[Site, tuple[str, ...]]]
    # Imports of a name that lies inside a package, as if it lay at a root.
    neighbours: list[Site]
    # Imports of what some version of the standard library lacks.
    stdlib: list[Site]
    edges: dict[str, list[Edge]]


def scan(project: Project) -> Scan:
    """Hold every import against the project."""
    libraries = {guessed_import_name(name) for name in project.layout.requirements}
    reach = Reach(project, libraries)
    found = Scan(project, reach, [], [], [], [], {})
    for path, module in project.modules.items():
        raws = module.facts.get("imports")
        if raws:
            _scan_module(found, path, module, raws)
    return found


def _scan_module(found: Scan, path: str, module: Module, raws: list[Any]) -> None:
    target, folder = found.reach.target, module.package
    stop = module.facts.get("raises") or float("inf")
    edges: list[Edge] = []
    for raw in raws:
        line, scope, arm, level, dotted = raw[:5]
        if (arm and ":types" in arm) or (not scope and line > stop):
            continue
        answer = target(folder, level, dotted)
        if answer is FOREIGN:
            _foreign(found, module, raw)
        elif isinstance(answer, Missing):
            found.missing.append((_site(module, raw), answer))
        elif isinstance(answer, tuple):
            below = _named(found, path, module, raw, answer)
            if not scope or _runs_at_import(module, scope):
                at = line + raw[7] if len(raw) > 7 else line
                edges.append(Edge(at, bool(arm), answer[0], raw[5], below))
    if edges:
        found.edges[path] = edges


def _site(module: Module, raw: Any) -> Site:
    line, scope, arm, level, dotted, name, _alias, *below = raw
    return Site(module, line, scope, arm, level, dotted, name, line + sum(below))


def _foreign(found: Scan, module: Module, raw: Any) -> None:
    first = raw[4].partition(".")[0]
    if first in tables.CONCERNED:
        found.stdlib.append(_site(module, raw))
    elif first == "src" or (first in found.reach.inner and first not in sys.stdlib_module_names):
        found.neighbours.append(_site(module, raw))


def _named(found: Scan, path: str, module: Module, raw: Any, files: tuple[str, ...]) -> str | None:
    """The submodule that a name means. A name that none of the files has becomes a suspect."""
    name, reach = raw[5], found.reach
    if name is None or name == "*":
        return None
    known, below = False, None
    for file in files:  # mostly one, and this runs for every name that is imported
        known = known or name in reach.offer(file).names
        if below is None and file.endswith("__init__.py"):
            below = reach.submodule(file, name)
    if not known and below is None and (raw[3] or path not in files):
        found.nameless.append((_site(module, raw), files))
    return below


def _runs_at_import(module: Module, scope: int) -> bool:
    """Whether a scope is a class body of the module, perhaps of a class within a class."""
    scopes = module.facts["scopes"]
    while scope > 0:
        if scopes[scope][0] != "class":
            return False
        scope = scopes[scope][3]
    return True


def weight(site: Site) -> Severity | None:
    """How much a failure of this import weighs: None where the code is prepared for it, or where it never runs."""
    arms = [site.arm]
    scope = site.scope
    while scope > 0:
        raw = site.module.facts["scopes"][scope]
        arms.append(raw[4])
        scope = raw[3]
    if ":try" in site.arm or ":with" in site.arm or any(":types" in arm for arm in arms):
        return None
    return Severity.WARNING if any(arms) else Severity.ERROR
