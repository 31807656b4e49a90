"""The caller's side of the live checks: which interpreter and path, what is to be done, and how each job went."""

from __future__ import annotations

import ast
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from guardrails.preflight import contained
from guardrails.preflight.checks.shadow import own_distributions
from guardrails.source.files import Role, role_of
from guardrails.source.layout import normalised

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from guardrails.preflight.context import Context
    from guardrails.source import Project

    # ended: it came to an end, with an error or without · exit, signal, closed: the process did not survive it ·
    # deadline: it was killed · untried: there was no time for it, or the set-up failed
    How = Literal["ended", "exit", "signal", "closed", "deadline", "untried"]

OLDEST = (3, 9)
# By their paths: they belong to another process, and change the one that they are loaded in.
ENVIRONMENT, CHILD = (Path(__file__).with_name(f"live_{name}.py") for name in ("environment", "child"))
# Beyond its deadline the child is killed from outside; it ends itself within this time.
MARGIN = 1.0
SHORTEST = 1.0


class Job(NamedTuple):
    """`kind`: setup, import or settings. An error where it is `critical`, else a warning."""

    kind: str
    name: str
    critical: bool = True

    @property
    def word(self) -> str:
        return f"{self.kind} {self.name}"


class Effect(NamedTuple):
    """What an import did besides. `file` and `line` of the code that did it, where that is known."""

    kind: str
    what: str
    file: str
    line: int


class Outcome(NamedTuple):
    """How a job went. `detail`: the exit status or the number of the signal. `after`: how many jobs the same process
    had done before. `error` and `effects`: see `told` and `changes` of live_worker.py. `cpu`: seconds, without what
    earlier imports had loaded already. `trace`: lines of the stack. `noise`: the beginning and end of what it printed,
    and the number of bytes."""

    job: Job
    how: How
    detail: int = 0
    after: int = 0
    trace: tuple[str, ...] = ()
    noise: tuple[str, int] = ("", 0)
    error: dict[str, Any] | None = None
    cpu: float = 0.0
    effects: tuple[Effect, ...] = ()
    # Fails alone and works behind the others.
    by_order: bool = False

    @property
    def works(self) -> bool:
        return self.how == "ended" and self.error is None and not self.by_order

    @property
    def is_absent(self) -> bool:
        """Whether the module itself is not there, as opposed to what it imports."""
        name = (self.error or {}).get("name")
        module = self.job.name.partition(":")[0]
        is_missing = self.error is not None and self.error["type"] == "ModuleNotFoundError" and bool(name)
        return is_missing and f"{module}.".startswith(f"{name}.")


class Shadow(NamedTuple):
    """`taken` stands in the place of `hidden`, which is Python's own where `stdlib`."""

    name: str
    taken: str
    hidden: str
    stdlib: bool


class Conflict(NamedTuple):
    """A requirement that is not met; `installed` is None where there is no such distribution."""

    distribution: str
    version: str
    requirement: str
    installed: str | None


class Script(NamedTuple):
    """A command of a distribution that cannot run; `absent` says what of its target is not there."""

    release: str
    command: str
    target: str
    absent: str


class Mixed(NamedTuple):
    """A distribution that installs a folder of a name that the project has as well; `file` is one in it."""

    release: str
    name: str
    file: str


class Run:
    """One run of the live checks. What it learnt stays here, also when it was broken off."""

    def __init__(self, context: Context) -> None:
        self.project = context.project
        self.base = Path(os.path.abspath(context.project.base))  # noqa: PTH100 - links stay: an environment may be one
        self.config = context.config
        self.imports = context.config.imports
        self.python = interpreter(self.base, context.config.python)
        self.front, self.behind, self.cwd = paths(self.project, self.base)
        self.end = time.monotonic() + self.imports.deadline
        self.version = ""
        self.near: dict[str, list[str]] = {}
        self.shadows: list[Shadow] = []
        self.conflicts: list[Conflict] = []
        self.scripts: list[Script] = []
        self.mixed: list[Mixed] = []
        self.unchecked: str | None = None
        self.outcomes: list[Outcome] = []
        # Whether the child itself failed: then nothing can be said of what was not tried.
        self.is_broken = False

    @property
    def jobs(self) -> list[Job]:
        setup, settings = self.imports.setup, self.config.environment.settings
        return [
            *([Job("setup", setup)] if setup else []),
            *([Job("settings", settings)] if settings else []),
            *(Job("import", name) for name in dict.fromkeys(self.imports.critical)),
            *(Job("import", name, critical=False) for name in dict.fromkeys(self.imports.optional)),
        ]

    def look_around(self) -> None:
        """Where modules are, what hides what, what of the installed does not fit. Nothing is imported."""
        words = [f"module={job.name.partition(':')[0]}" for job in self.jobs if job.kind == "import"]
        asked_for = {*self.project.layout.requirements, *map(normalised, own_distributions(self.project))}
        words += [f"distribution={name}" for name in sorted(asked_for)]
        words += [f"watch={name}" for name in self.common_folders()]
        for line in self._answers(ENVIRONMENT, words):
            kind, *said = ast.literal_eval(line.decode("ascii", "replace"))
            if kind == "python":
                self._know(said[0])
            elif kind == "place" and not said[1]:
                self.near[said[0]] = said[2]
            elif kind == "shadow":
                self.shadows.append(Shadow(*said))
            elif kind == "conflict":
                self.conflicts.append(Conflict(*said))
            elif kind == "script":
                self.scripts.append(Script(*said))
            elif kind == "mixed":
                self.mixed.append(Mixed(*said))
            elif kind == "unchecked":
                (self.unchecked,) = said
        if not self.version:
            raise contained.Broken("it said nothing, so it is no Python")

    def common_folders(self) -> list[str]:
        """Folders from which imports start, of names that many projects have: tests, docs, examples."""
        prefixes = [
            f"{os.path.relpath(folder, self.base).replace(os.sep, '/')}/".removeprefix("./") for folder in self.front
        ]
        below = {path[len(p) :] for path in self.project.modules for p in prefixes if path.startswith(p)}
        tops = {path.partition("/")[0] for path in below if "/" in path}
        return sorted(top for top in tops if role_of(f"{top}/") != Role.APP)

    def do_jobs(self) -> None:
        """Set-up, settings and imports. One that fails alone is tried behind the others."""
        jobs = self.jobs
        self._do(jobs, self.outcomes, isolate=self.imports.isolate)
        failed = [one.job for one in self.outcomes if one.how == "ended" and one.error and one.job.kind == "import"]
        if self.imports.isolate and failed:
            together: list[Outcome] = []
            self._do(jobs, together, isolate=False)
            works = {one.job for one in together if one.works and one.job in failed}
            self.outcomes = [one._replace(by_order=one.job in works) for one in self.outcomes]

    def _do(self, jobs: list[Job], into: list[Outcome], *, isolate: bool) -> None:
        """Put there how each job went, in their order; those of which nothing is known are untried."""
        words = [f"job={job.word}" for job in jobs]
        words += ["isolate="] if isolate else []
        words += [] if self.config.preflight.record else ["leave-no-trace="]
        found = {job: Outcome(job, "untried") for job in jobs}
        try:
            for line in self._answers(CHILD, words):
                head, tab, payload = line.decode("ascii", "replace").partition("\t")
                if tab:
                    one = outcome(jobs, ast.literal_eval(head), payload)
                    found[one.job] = one
        finally:
            # Also where it was broken off: what is known counts.
            into[:] = found.values()

    def _answers(self, script: Path, words: Sequence[str]) -> Iterator[bytes]:
        limit = max(SHORTEST, self.end - time.monotonic())
        known = [
            f"limit={limit:.3f}",
            f"project={self.base}{os.sep}",
            *(f"front={folder}" for folder in self.front),
            *(f"behind={folder}" for folder in self.behind),
        ]
        command = [str(self.python), str(script), *known, *words]
        return contained.answers(lambda fd: [*command, f"out={fd}"], cwd=self.cwd, limit=limit + MARGIN)

    def _know(self, version: tuple[int, ...]) -> None:
        self.version = ".".join(map(str, version))
        if version < OLDEST:
            raise contained.Broken(f"it is Python {self.version}; imports are checked from 3.9 on")


def outcome(jobs: Sequence[Job], head: Any, payload: str) -> Outcome:
    number, how, detail, after, trace, noise = head
    known = Outcome(jobs[number], how, detail, after, tuple(trace), tuple(noise))
    said = ast.literal_eval(payload)
    if said is None:
        return known
    effects = tuple(Effect(*effect) for effect in said["effects"])
    return known._replace(error=said["error"], cpu=said["cpu"], effects=effects)


def interpreter(base: Path, python: str | None) -> Path:
    """The one that is configured, else that of the project's own environment, else the running one."""
    if python is not None:
        return base / python
    homes = (base / name / "bin" / "python" for name in (".venv", "venv"))
    return next((home for home in homes if os.access(home, os.X_OK)), Path(sys.executable))


def paths(project: Project, base: Path) -> tuple[list[str], list[str], Path]:
    """What `sys.path` begins and ends with when the application runs, and the folder that it starts in."""
    folders: dict[str, list[str]] = {"entry": [], "assumed": [], "installed": []}
    for root in project.layout.roots:
        folders[root.kind].append(str(base / root.folder) if root.folder else str(base))
    front = folders["entry"] or folders["assumed"] or [str(base)]
    return front, folders["installed"], Path(front[0])
