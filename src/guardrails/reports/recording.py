"""From what was seen to a record of it: which rung it can carry, and every doubt that keeps it lower.

A command that ended with 0 proves that it did. Test results prove tests when the run itself wrote them, they hold
what they state, something was executed, nothing failed, and the code stayed the same meanwhile.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, NamedTuple

from guardrails.errors import ConfigError
from guardrails.evidence import EvidenceRecord, Rung
from guardrails.reports import tree as trees
from guardrails.reports.ledger import Ledger, read_ledger, stamp
from guardrails.reports.repository import open_repository
from guardrails.reports.results import MOST_BYTES, Cases, read_coverage, read_junit

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from guardrails.evidence import Verdict, Watched
    from guardrails.reports.repository import Repository
    from guardrails.reports.tree import Tree
    from guardrails.reports.wrapping import Ran

MOST_FAILING, LONGEST_NAME = 200, 300
# Between the clocks of a test runner and ours, in seconds.
SLACK = 5.0
# A program, or what follows its `-m`, and what it does when it looks at code without running it.
_STATIC = {
    **dict.fromkeys(("py_compile", "compileall"), "byte-compiled"),
    **dict.fromkeys(("ruff", "flake8", "pylint", "eslint", "shellcheck", "hadolint", "bandit"), "linted"),
    **dict.fromkeys(("mypy", "pyright", "ty", "tsc", "pyre"), "type-checked"),
}
_SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ksh", "ash"})
# How pytest is told to leave tests out, and a shell to pass over a failure.
_SELECTS = re.compile(r"-[km].*|--(?:deselect|ignore|ignore-glob|lf|last-failed|sw|stepwise)(?:=.*)?|.*::.*|.*\.py")
_STRICT = re.compile(r"(?:^|\s)-[a-z]*e[a-z]*\b")
_DESELECTED = re.compile(r"(?:^|[ ,=])(\d+) deselected\b[^\n]* in [\d.]+s\b", re.MULTILINE)


class Scene(NamedTuple):
    """Where and when something is seen: the repository, its contents, what is known of it."""

    repository: Repository
    top: Path
    tree: Tree
    ledger: Ledger

    def at(self, path: Path) -> str:
        """A path as records name it: below the top, with forward slashes. Raises ValueError for another."""
        return path.resolve().relative_to(self.top.resolve()).as_posix()


def look(path: Path) -> Scene:
    """The scene around `path`. Raises ConfigError outside a working tree, GitError when git fails."""
    repository = open_repository(path)
    if repository.top is None:
        raise ConfigError([f"{path}: a bare repository has no working tree of which anything could be seen"])
    return Scene(repository, repository.top, trees.working_tree(repository.top), read_ledger(repository.top))


def watch(scene: Scene, patterns: Sequence[str], folder: Path) -> tuple[Watched, ...]:
    """What the patterns, written in `folder`, cover. Raises ConfigError for one that covers nothing."""
    found = []
    for pattern in patterns:
        try:
            place = os.path.normpath(folder.resolve().relative_to(scene.top.resolve()) / pattern)
        except ValueError:
            place = pattern
        seen = trees.watched(scene.tree, place, scene.ledger.products)
        if not seen.files:
            raise ConfigError([f"--watch {pattern}: covers no file that git tracks or does not ignore"])
        found.append(seen)
    return tuple(found)


def blank(scene: Scene, check: str, kind: str, now: float, products: Collection[str] = ()) -> EvidenceRecord:
    """A record of this check that says where the code stands, and nothing else yet.

    `now`: seconds since 1970. `products`: files that the run will write; they are no part of the code.
    """
    repository, products = scene.repository, {*scene.ledger.products, *products}
    commit = {} if repository.tip is None else trees.commit_tree(repository.tip, repository.git_dir)
    differs = [name for name in trees.differing(commit, scene.tree) if name not in products]
    return EvidenceRecord(
        id="",
        check=check,
        kind=kind,
        started=stamp(now),
        duration=0.0,
        commit=repository.tip,
        tree=trees.digest(scene.tree, without=products),
        dirty=trees.digest({name: scene.tree.get(name, "gone") for name in differs}) if differs else None,
        outcome="unknown",
        rung=Rung.ASSERTED,
        summary="",
    )


class Awaited(NamedTuple):
    """A file that a run is to write, and a digest of what lies there before it."""

    path: Path
    name: str
    before: str | None

    @classmethod
    def at(cls, path: Path, scene: Scene) -> Awaited:
        """Look at the place before the run."""
        try:
            name = scene.at(path)
        except ValueError:
            name = ""  # outside the tree it is no part of it anyway
        return cls(path, name, _digest_at(path))

    def read(self) -> bytes:
        """What the run wrote. Raises ValueError where it wrote nothing, OSError where it cannot be read."""
        if not self.path.is_file():
            raise ValueError("the run did not write it")
        if self.before is not None and _digest_at(self.path) == self.before:
            raise ValueError("it is from before the run, which did not write it anew")
        with self.path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise ValueError(f"larger than {MOST_BYTES // 2**20} MiB")
        return data


def products_of(*files: Awaited | None) -> tuple[str, ...]:
    """The files as records name them; none of those outside the repository."""
    return tuple(file.name for file in files if file is not None and file.name)


def of_command(
    scene: Scene,
    blank_record: EvidenceRecord,
    ran: Ran,
    *,
    argv: Sequence[str],
    command: dict[str, Any],
    junit: Awaited | None = None,
    coverage: Awaited | None = None,
    known: frozenset[str] | None = None,
    target: str = "",
) -> EvidenceRecord:
    """The record of a command that has ended.

    `command`: its stored form. `known`: names of tests that are known to fail; None where nobody keeps a list.
    `target`: the environment it ran in, when it is the one that counts.
    """
    doubts = _doubts_of_tree(scene, junit, coverage)
    facts: dict[str, Any] = {"target": target} if target else {}
    does = static_work(argv)
    if does:
        facts["does"] = does
    if not does and _passes_over(argv):
        doubts.append("the shell passes over failures of a part of the command")
    cases = None
    if junit is not None:
        cases = _cases(junit, facts, doubts)
    if coverage is not None:
        facts |= _coverage(coverage, scene, ran, doubts)
    if cases is not None:
        doubts += _doubts_of(cases, ran, blank_record.commit)
        facts["junit"] = counts_of(cases)
        if known is not None:
            facts["junit"] |= {"known": len(known.intersection(cases.failing)), "new": len(set(cases.failing) - known)}
    bad = cases is not None and cases.bad > 0
    outcome: Verdict = "failed" if ran.status or bad else "unknown" if doubts else "passed"
    return blank_record._replace(
        started=stamp(ran.started),
        duration=round(ran.duration, 3),
        outcome=outcome,
        rung=_rung(outcome, cases, does, target),
        summary=_summary(ran.status, cases, does, target),
        doubts=tuple(doubts),
        narrowed=_narrowed(argv, command),
        **tests_of(cases, scene, blank_record.check),
        command=command,
        facts=facts,
        # Only what could be read as such: else a source file, named by mistake, would never count again.
        products=products_of(junit if cases is not None else None, coverage if "coverage" in facts else None),
    )


def tests_of(cases: Cases | None, scene: Scene, check: str) -> dict[str, Any]:
    """The tests by name: those that failed, and those that once did and passed now."""
    from guardrails.redact import redacted

    if cases is None:
        return {}
    once = {name for record in scene.ledger.of(check) for name in record.failing}
    names = [redacted(name[:LONGEST_NAME]) for name in dict.fromkeys(cases.failing)]
    confirmed = {redacted(name[:LONGEST_NAME]) for name in cases.passed} & once if once else set()
    return {
        "failing": tuple(names[:MOST_FAILING]),
        "failing_omitted": max(0, len(names) - MOST_FAILING),
        "confirmed": tuple(sorted(confirmed - set(names))),
    }


def counts_of(cases: Cases) -> dict[str, Any]:
    """What is kept of a JUnit file besides names."""
    return {
        "executed": cases.executed,
        "passed": cases.executed - cases.bad,
        "failed": cases.bad,
        "skipped": cases.skipped,
        "begun": cases.begun,
        "commit": cases.commit,
    }


def said_of(cases: Cases) -> str:
    """The counts in words."""
    return f"{cases.executed} executed, {cases.bad} failed, {cases.skipped} skipped"


def unsound(cases: Cases) -> list[str]:
    """What is wrong with a JUnit file by itself."""
    doubts = []
    if cases.executed <= 0:
        doubts.append(f"no test was executed ({cases.skipped} skipped)")
    if cases.stated is not None and cases.stated != (cases.tests, cases.bad):
        doubts.append(
            f"the results state {cases.stated[0]} cases with {cases.stated[1]} bad and hold {cases.tests} "
            f"with {cases.bad}: edited, or repeated until they passed"
        )
    elif cases.again:
        doubts.append(f"{cases.again} cases were run again: what came first is not shown")
    return doubts


def static_work(argv: Sequence[str]) -> str:
    """What a command does that looks at code without running it; empty for every other."""
    words = [PurePath(word).name for word in argv]
    named = words[2] if len(words) > 2 and words[1] == "-m" else words[0]
    return _STATIC.get(named, "")


def _doubts_of_tree(scene: Scene, *files: Awaited | None) -> list[str]:
    written = {*products_of(*files), *scene.ledger.products}
    now = trees.working_tree(scene.top)
    changed = [name for name in trees.differing(scene.tree, now) if name in scene.tree and name not in written]
    more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
    return [f"the code changed while it ran: {', '.join(changed[:3])}{more}"] if changed else []


def _cases(file: Awaited, facts: dict[str, Any], doubts: list[str]) -> Cases | None:
    try:
        data = file.read()
        cases = read_junit(data)
    except (OSError, ValueError) as exc:
        doubts.append(f"{file.path.name}: {exc}")
        return None
    facts["sha256"] = digest_of(data)
    return cases


def _coverage(file: Awaited, scene: Scene, ran: Ran, doubts: list[str]) -> dict[str, Any]:
    try:
        found = read_coverage(file.read())
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as exc:
        doubts.append(f"{file.path.name}: {exc}")
        return {}
    if found.made is not None and not ran.started - SLACK <= found.made <= ran.started + ran.duration + SLACK:
        doubts.append(f"{file.path.name} was made at {stamp(found.made)}, not in this run")
    if not any(name.endswith(PurePath(path).as_posix().lstrip("./")) for path in found.files for name in scene.tree):
        doubts.append(f"{file.path.name} names no file of this project")
    return {"coverage": {"percent": round(found.percent, 2), "covered": found.covered, "valid": found.valid}}


def _doubts_of(cases: Cases, ran: Ran, commit: str | None) -> list[str]:
    doubts = unsound(cases)
    if cases.begun and not _within(cases.begun, ran.started, ran.started + ran.duration):
        doubts.append(f"the results are of {cases.begun}, not of this run")
    if cases.commit and cases.commit != commit:
        doubts.append(f"the results name the commit {cases.commit[:12]}")
    return doubts


def _within(text: str, start: float, end: float) -> bool:
    """Whether a stamp lies in the run; one without a zone may be of any, and zones are whole quarters of an hour."""
    import datetime as dt

    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        return False
    if moment.tzinfo is not None:
        return start - SLACK <= moment.timestamp() <= end + SLACK
    seconds = moment.replace(tzinfo=dt.UTC).timestamp()
    return any(start - SLACK <= seconds + quarter * 900 <= end + SLACK for quarter in range(-56, 57))


def _rung(outcome: str, cases: Cases | None, does: str, target: str) -> Rung:
    if does:
        return Rung.STATIC
    if outcome == "failed":
        return Rung.TESTED
    if outcome == "unknown" or cases is None:
        return Rung.EXISTS
    return Rung.RUN_IN_TARGET if target else Rung.TESTED


def _summary(status: int, cases: Cases | None, does: str, target: str) -> str:
    import signal

    parts = [said_of(cases)] if cases is not None else [does] if does and not status else []
    if status < 0:
        names = {int(one): one.name for one in signal.Signals}
        parts.append(f"killed by {names.get(-status, f'signal {-status}')}")
    elif status or not parts:
        parts.append(f"ended with {status}")
    if cases is None and not status and not does:
        parts.append("no test results")
    return ", ".join(parts) + (f" in {target}" if target else "")


def _words(argv: Sequence[str]) -> list[str]:
    """The arguments, and those in a shell's script."""
    import shlex

    words = []
    for word in argv:
        try:
            words += shlex.split(word) if " " in word and PurePath(argv[0]).name in _SHELLS else [word]
        except ValueError:
            words.append(word)
    return words


def _passes_over(argv: Sequence[str]) -> bool:
    """Whether a shell's script ends with 0 although a part of it did not."""
    if PurePath(argv[0]).name not in _SHELLS:
        return False
    script = " ".join(argv[1:])
    marks = [r"\|\|"]
    if not _STRICT.search(script):
        marks.append(r"[;\n]|(?<!&)&(?!&)")
    if "pipefail" not in script:
        marks.append(r"\|")
    return re.search("|".join(marks), script) is not None


def _narrowed(argv: Sequence[str], command: dict[str, Any]) -> str:
    words = _words(argv)
    names = [PurePath(word).name for word in words]
    place = next((place for place, name in enumerate(names) if name in {"pytest", "py.test"}), None)
    if place is not None:
        chosen = [word for word in words[place + 1 :] if _SELECTS.fullmatch(word)]
        if chosen:
            return " ".join(chosen)[:LONGEST_NAME]
    for stream in ("stdout", "stderr"):
        found = _DESELECTED.search(command[stream]["tail"] or command[stream]["head"])
        if found is not None:
            return f"{found[1]} deselected"
    return ""


def digest_of(data: bytes) -> str:
    """Of a file, as it was read."""
    return hashlib.sha256(data).hexdigest()


def _digest_at(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None
