"""Finds and imports the files in which a project keeps its own checks, and judges what they registered.

    plugins = ["checks/*.py", "acme"]     a glob of files of the project ─┬─► sources ─► imported ─► checks
                                          the name of an entry point  ────┘

Runs in a process of its own (`plugin_host`), because importing a file runs it.
"""

from __future__ import annotations

import math
import re
import sys
from importlib import import_module, util
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from guardrails.config import FILE, SECTION
from guardrails.errors import nearest
from guardrails.evidence import Severity
from guardrails.preflight.plugins import registered

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from guardrails.preflight.plugins import OwnCheck

ENTRY_POINTS = "guardrails.checks"
SUFFIX = ".py"
LONGEST_TIMEOUT, LONGEST_RETRY = 600, 3600
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,79}")


class Source(NamedTuple):
    """Where checks come from: `name` as a person reads it, and the file or, in `module`, what an entry point names."""

    name: str
    file: Path | None = None
    module: str = ""


def find_sources(wanted: Sequence[str], project: Path) -> tuple[list[Source], list[str]]:
    """What the setting `plugins` names, each once, and the mistakes in it."""
    sources: dict[str, Source] = {}
    problems: list[str] = []
    points: dict[str, list[str]] | None = None
    for item in wanted:
        place = f"{FILE}: {SECTION}.plugins: {item!r}"
        if item.endswith(SUFFIX):
            problem, found = _files(item, project)
        else:
            points = _entry_points() if points is None else points
            problem, found = _entry_point(item, points)
        if problem:
            problems.append(f"{place}: {problem}")
        sources.update({source.name: source for source in found})
    return list(sources.values()), problems


def _files(pattern: str, project: Path) -> tuple[str, list[Source]]:
    if Path(pattern).is_absolute() or ".." in Path(pattern).parts:
        return "must lie in the project: a path relative to it, without `..`", []
    files = sorted(path for path in project.glob(pattern) if path.is_file() and path.name != "__init__.py")
    found = [Source(path.relative_to(project).as_posix(), path) for path in files]
    return ("" if found else "no such file"), found


def _entry_points() -> dict[str, list[str]]:
    from importlib.metadata import entry_points

    found: dict[str, list[str]] = {}
    for point in entry_points(group=ENTRY_POINTS):
        found.setdefault(point.name, []).append(point.module)
    return found


def _entry_point(name: str, points: Mapping[str, Sequence[str]]) -> tuple[str, list[Source]]:
    modules = sorted(set(points.get(name, ())))
    if len(modules) == 1:
        return "", [Source(name, module=modules[0])]
    if modules:
        return f"installed packages disagree about it: {', '.join(modules)}", []
    near = nearest(name, list(points))
    hint = f"did you mean {near!r}?" if near else f"known are {', '.join(sorted(points)) or 'none'}"
    return f"neither a file (`*.py`) nor an entry point of {ENTRY_POINTS}; {hint}", []


def import_source(source: Source) -> list[OwnCheck]:
    """Import it and return the checks that it registered. Raises whatever the import raises."""
    before = len(registered)
    if source.file is None:
        import_module(source.module)
    else:
        # A name of its own: `checks/redis.py` must not stand in the way of `import redis`.
        name = f"guardrails_plugin_{re.sub(r'[^0-9A-Za-z]', '_', source.name)}"
        spec = util.spec_from_file_location(name, source.file)
        if spec is None or spec.loader is None:
            raise ImportError(f"cannot be loaded: {source.file}")
        module = sys.modules[name] = util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return registered[before:]


def mistakes(checks: Sequence[OwnCheck], project: Path, *, complete: bool = True) -> list[str]:
    """All that is wrong with what was said to `@check`, a line each with its place.

    `complete`: every source could be imported; else a check may need one that is only not there yet.
    """
    problems = [f"{place_of(own, project)}: check {own.id!r}: {said}" for own in checks for said in _misuse(own)]
    first: dict[str, OwnCheck] = {}
    for own in checks:
        if own.id in first:
            problems.append(
                f"{place_of(own, project)}: check {own.id!r}: this id is taken by {place_of(first[own.id], project)}"
            )
        first.setdefault(own.id, own)
    for own in checks:
        for need in own.needs:
            if complete and need not in first:
                near = nearest(str(need), [str(name) for name in first])
                hint = f"; did you mean {near!r}?" if near else ""
                problems.append(f"{place_of(own, project)}: check {own.id!r}: needs {need!r}, which is no check{hint}")
    for cycle in _cycles({own.id: own.needs for own in checks}):
        place = place_of(first[cycle[0]], project)
        problems.append(f"{place}: check {cycle[0]!r}: waits for itself: {' → '.join([*cycle, cycle[0]])}")
    return problems


def place_of(own: OwnCheck, project: Path) -> str:
    """`checks/memory.py:7`; what lies elsewhere is named after its file alone."""
    path = Path(own.path)
    name = path.relative_to(project).as_posix() if path.is_relative_to(project) else path.name
    return f"{name}:{own.line}"


def _misuse(own: OwnCheck) -> Iterator[str]:
    if not _is_name(own.id):
        yield "the id must be 1 to 80 small letters, digits, `_`, `-` and `.`"
    if not _is_name(own.group):
        yield f"group {own.group!r}: must be small letters, digits, `_`, `-` and `.`"
    if own.severity not in list(Severity):
        yield f"severity {own.severity!r}: must be {', '.join(Severity)}"
    if not _is_number(own.timeout) or not 0 < own.timeout <= LONGEST_TIMEOUT:
        yield f"timeout {own.timeout!r}: must be above 0 and at most {LONGEST_TIMEOUT} s"
    if not _is_number(own.retry_for) or not 0 <= own.retry_for <= LONGEST_RETRY:
        yield f"retry_for {own.retry_for!r}: must be 0 to {LONGEST_RETRY} s"
    if not callable(own.function):
        yield "`@check(…)` stands above something that cannot be called"


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _cycles(needs: Mapping[str, Iterable[str]]) -> Iterator[list[str]]:
    """Circles of checks that wait for one another, until what is left has none."""
    from graphlib import CycleError, TopologicalSorter

    left = {name: [need for need in listed if need in needs] for name, listed in needs.items()}
    while True:
        try:
            TopologicalSorter(left).prepare()
        except CycleError as exc:
            cycle = list(reversed(exc.args[1][1:]))
            yield cycle
            left = {name: [n for n in listed if n not in cycle] for name, listed in left.items() if name not in cycle}
        else:
            return


def chosen(checks: Sequence[OwnCheck], select: Sequence[str]) -> tuple[list[OwnCheck], list[str]]:
    """The checks of these ids and groups with all that they need, and the words that name none. Empty: all checks."""
    if not select:
        return list(checks), []
    known = {own.id: own for own in checks}
    groups = {own.group for own in checks}
    unknown = [word for word in select if word not in known and word not in groups]
    rest = [own.id for own in checks if own.id in select or own.group in select]
    wanted: set[str] = set()
    while rest:
        name = rest.pop()
        if name in known and name not in wanted:
            wanted.add(name)
            rest += known[name].needs
    problems = []
    for word in unknown:
        near = nearest(word, [*known, *groups])
        hint = f"did you mean {near!r}?" if near else f"known are {', '.join([*known, *sorted(groups)])}"
        problems.append(f"select: {word!r}: neither the id nor the group of a check; {hint}")
    return [own for own in checks if own.id in wanted], problems
