"""Circular imports that fail, found by playing the imports of each entangled group of modules through.

Python runs a module's imports in order; whoever imports a name from a module that is still running finds it only if
the line that binds it has run. Each module of a group is tried as the first one to be imported, once with and once
without the imports that stand on a condition. What fails in both, from whichever module one starts, is an error; what
fails only from some of them is a warning, since it depends on who imports first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from guardrails.evidence import Severity
from guardrails.preflight.checks.imports import CYCLE
from guardrails.preflight.rule import weakened

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from guardrails.evidence import Finding
    from guardrails.preflight.checks.imports_sites import Edge, Scan

# Imports played through for one group; a group that needs more is left alone beyond them.
STEPS = 200_000
# Modules that import each other in one chain; Python itself would give up at some 300.
DEEPEST = 200


class Failure(NamedTuple):
    """`path` imports `name` at `line` from `source`, which has not bound it yet."""

    path: str
    line: int
    name: str
    source: str


class Exhausted(Exception):
    """The group is too large to be played through."""


def check(scan: Scan) -> Iterator[Finding]:
    for group in _groups(scan):
        play = Play(scan, group)
        try:
            yield from _findings(scan, group, play)
        except Exhausted:
            continue


def _findings(scan: Scan, group: list[str], play: Play) -> Iterator[Finding]:
    loadable = play.loadable()
    failures: dict[Failure, str] = {}
    for entry in sorted(group):
        # Whoever fails as the first one does so through a module from which a name is taken.
        if (entry not in loadable or entry in play.sources) and (failure := play.outcome(entry)) is not None:
            failures.setdefault(failure, entry)
    for failure, entry in failures.items():
        module = scan.project.modules[failure.path]
        always = failure.path not in loadable
        message = (
            f"`from {dotted(scan, failure.source)} import {failure.name}`: {failure.source} is still being imported then"
            f" and binds {failure.name} later"
        )
        if not always:
            message += f"; it fails when {dotted(scan, entry)} is imported first"
        yield CYCLE.at(
            failure.path,
            failure.line,
            message,
            severity=weakened(Severity.ERROR if always else Severity.WARNING, module.role),
            verify=f'python -c "import {dotted(scan, entry)}"',
        )


def dotted(scan: Scan, path: str) -> str:
    """The name under which a module is imported."""
    top = scan.reach.top(path.rpartition("/")[0])
    # A share of a namespace package has no initialiser above it, and yet a longer name.
    roots = [root for root in scan.reach.declared if f"{top}/".startswith(f"{root}/" if root else "")]
    root = top if top in roots or not roots else max(roots, key=len)
    inner = path.removeprefix(f"{root}/") if root else path
    return inner.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


class Play:
    """Plays imports within one group; modules outside it cannot come back to it."""

    def __init__(self, scan: Scan, group: list[str]) -> None:
        self.scan = scan
        members = frozenset(group)
        self.group = group
        self.steps = 0
        self.parents = {path: [p for p in _parents(scan, path) if p in members] for path in group}
        self.edges = {
            path: [edge for edge in scan.edges.get(path, ()) if not members.isdisjoint(edge.reached)] for path in group
        }
        # Modules from which another one of the group takes a name that is no module.
        self.sources = {
            edge.target
            for edges in self.edges.values()
            for edge in edges
            if edge.name not in (None, "*") and edge.below is None
        }
        self.lines: dict[tuple[str, str], int | None] = {}
        # What is there once the initialisers above a module have run, for each list of them.
        self.above: dict[tuple[bool, tuple[str, ...]], frozenset[str] | Failure] = {}

    def bound(self, path: str, name: str) -> int | None:
        """The line at which a module first binds a name; None where that is not a statement of its own."""
        if (path, name) not in self.lines:
            module = self.scan.project.modules.get(path)
            known = module is not None and name not in module.facts.get("also", ())
            items = module.names.get((0, name), ()) if module is not None and known else ()
            self.lines[path, name] = min((item.line for item in items), default=None)
        return self.lines[path, name]

    def loadable(self) -> set[str]:
        """Modules that can be imported in some order, for what has been imported can only help."""
        found: set[str] = set()
        for with_conditions in (True, False):
            run = Run(self, with_conditions=with_conditions)
            waiting = self.group
            while waiting:
                failed = [path for path in waiting if run.import_(path) is not None]
                if len(failed) == len(waiting):
                    break
                waiting = failed
            found |= run.done
        return found

    def outcome(self, entry: str) -> Failure | None:
        """How the import of `entry` as the first of its group fails, in the same way with and without conditions."""
        failure = self.first(entry, with_conditions=False)
        return failure if failure is not None and failure == self.first(entry, with_conditions=True) else None

    def first(self, entry: str, *, with_conditions: bool) -> Failure | None:
        parents = tuple(self.parents[entry])
        key = (with_conditions, parents)
        if key not in self.above:
            run = Run(self, with_conditions=with_conditions)
            failure = run.import_(parents[-1]) if parents else None
            self.above[key] = failure or frozenset(run.done)
        above = self.above[key]
        if isinstance(above, Failure):
            return above
        return Run(self, with_conditions=with_conditions, done=above).import_(entry)


class Run:
    """One process: which modules have been imported, and how far those have come that are on their way."""

    def __init__(self, play: Play, *, with_conditions: bool, done: Iterable[str] = ()) -> None:
        self.play = play
        self.with_conditions = with_conditions
        self.done = set(done)
        self.at_line: dict[str, int] = {}

    def import_(self, path: str) -> Failure | None:
        if path in self.done or path not in self.play.edges:
            return None
        for place in (*self.play.parents[path], path):
            if place not in self.done and place not in self.at_line:
                failure = self.execute(place)
                if failure is not None:
                    return failure
        return None

    def execute(self, path: str) -> Failure | None:
        if len(self.at_line) > DEEPEST:
            raise Exhausted
        self.at_line[path] = 0
        for edge in self.play.edges[path]:
            if edge.conditional and not self.with_conditions:
                continue
            self.play.steps += 1
            if self.play.steps > STEPS:
                raise Exhausted
            self.at_line[path] = edge.line
            failure = self.import_(edge.target) or self.taken(path, edge)
            if failure is not None and not edge.conditional:
                del self.at_line[path]  # Python forgets a module that failed
                return failure
        del self.at_line[path]
        self.done.add(path)
        return None

    def taken(self, path: str, edge: Edge) -> Failure | None:
        """What happens when the name is taken from the module, which may still be running."""
        source, name = edge.target, edge.name
        if name is None or name == "*":
            return None
        line = self.play.bound(source, name)
        unbound = line is None or (source in self.at_line and line >= self.at_line[source])
        if edge.below is not None:
            return self.import_(edge.below) if unbound else None
        if not unbound or line is None or source == path or self.play.scan.reach.names(source) is None:
            return None
        return Failure(path, edge.line, name, source)


def _parents(scan: Scan, path: str) -> list[str]:
    """The initialisers that run before a module, outermost first."""
    found = []
    folder = path.rpartition("/")[0]
    if path.endswith("/__init__.py"):
        folder = folder.rpartition("/")[0]
    while folder:
        if f"{folder}/__init__.py" in scan.project.modules:
            found.append(f"{folder}/__init__.py")
        folder = folder.rpartition("/")[0]
    return found[::-1]


def _groups(scan: Scan) -> list[list[str]]:
    """Modules that import each other in circles, and take a name from one another while doing so."""
    following = {
        path: list({place: None for edge in edges for place in edge.reached}) for path, edges in scan.edges.items()
    }
    paths = set(following)
    for path in scan.project.modules:
        folder = path.rpartition("/")[0]
        if path.endswith("/__init__.py"):
            folder = folder.rpartition("/")[0]
        parent = f"{folder}/__init__.py"
        while folder and parent not in paths:
            folder = folder.rpartition("/")[0]
            parent = f"{folder}/__init__.py"
        if folder:
            following.setdefault(path, []).append(parent)
    return [group for group in _components(following) if len(group) > 1]


def _components(following: dict[str, list[str]]) -> list[list[str]]:
    """Strongly connected components, after Tarjan, without recursion."""
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []
    for start in list(following):
        work = [] if start in number else [(start, iter(following[start]))]
        if work:
            number[start] = low[start] = len(number)
            stack.append(start)
        while work:
            node, rest = work[-1]
            deeper = None
            for after in rest:
                if after not in number:
                    deeper = after
                    break
                low[node] = min(low[node], low.get(after, low[node]))
            if deeper is not None:
                number[deeper] = low[deeper] = len(number)
                stack.append(deeper)
                work.append((deeper, iter(following.get(deeper, ()))))
                continue
            work.pop()
            if work:
                above = work[-1][0]
                low[above] = min(low[above], low[node])
            if low[node] == number[node]:
                group: list[str] = []
                while not group or group[-1] != node:
                    group.append(stack.pop())
                    del low[group[-1]]  # closed: who comes back to it later is not entangled with it
                found.append(group)
    return found
