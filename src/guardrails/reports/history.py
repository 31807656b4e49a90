"""Commits and the lines they changed, streamed from git and never counted twice.

    git rev-list                  the commits of the period: cheap
    git log --numstat --no-walk   who, when, what and the lines, nearly all of the cost: what the cache does not hold

A commit never changes, so what was read once is kept under its hash (`kept`). A merge has no lines of its own:
those of the merged commits are counted. Renames are followed from half of the lines on. A shallow clone's
lowest commits look as if they had made the whole tree; theirs stay unknown.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from guardrails.errors import GitError
from guardrails.git import stream_git
from guardrails.reports.kept import Kept

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from guardrails.reports.period import Period
    from guardrails.reports.repository import Repository

NUMSTAT = ("--numstat", "--find-renames=50%", "-l1000")
_FIELDS = ("%H", "%P", "%ct", "%at", "%aN", "%aE", "%s", "%b")
_FIELDS_UNMAPPED = ("%H", "%P", "%ct", "%at", "%an", "%ae", "%s", "%b")
_BREAKING = re.compile(rb"^BREAKING[ -]CHANGE:", re.MULTILINE)
_MARK = b"\1"
# Commits after which progress is told: some tenth of a second.
SHOW_EACH = 500
# By the length of its hashes: what every git knows of a tree without files.
_NOTHING = {
    40: "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    64: "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
}


class Change(NamedTuple):
    """One file of one commit. `added` and `deleted` are lines, None in a binary file; `old` is set by a rename."""

    added: int | None
    deleted: int | None
    path: str
    old: str | None = None


class Commit(NamedTuple):
    """One commit. Times are seconds since 1970; `changes` is None for a merge and where they are unknown."""

    hash: str
    parents: tuple[str, ...]
    committed: int
    authored: int
    author: str
    email: str
    subject: str
    breaking: bool
    changes: tuple[Change, ...] | None

    @property
    def merge(self) -> bool:
        return len(self.parents) > 1


class History(NamedTuple):
    """The commits of a period, newest first, and what could not be found out.

    `net`: the files that differ between both ends; None when an end, or contents, are not here.
    `cut_off`: commits at which a shallow clone ends within the period. `lines_known`: False when the clone leaves out
    contents. `argv_*`: what to run to see the same.
    """

    commits: tuple[Commit, ...]
    net: tuple[Change, ...] | None
    cut_off: int
    lines_known: bool
    argv_churn: tuple[str, ...]
    argv_net: tuple[str, ...] | None


def read_history(
    repository: Repository,
    period: Period,
    cache: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> History:
    """All commits of the period with their lines.

    `cache`: a file that holds commits read before and is brought up to date; None for none. Raises GitError when git
    fails for another reason than contents that a partial clone leaves out. `progress`: see `gather`.
    """
    wanted = (period.revisions, "--")
    hashes = stream_git(["rev-list", *wanted], repository.git_dir, separator=b"\n")
    names = [name.decode("ascii") for name in hashes]
    kept = Kept(cache, repository, len(names))
    known = {row[0]: _revived(row, paths) for rows, paths in kept.blocks() for row in rows}
    missing = [name for name in names if name not in known]
    lines_known = True
    if missing:
        # Below them a shallow clone has nothing: neither their lines nor, for git, their parents.
        ends = [name for name in missing if name in repository.boundary]
        fresh, lines_known = _read([name for name in missing if name not in repository.boundary], repository, progress)
        known.update((commit.hash, commit) for commit in (*fresh, *_log(ends, repository, _FIELDS)))
        if lines_known:
            kept.add(*_dried(fresh))
    argv_net, net = _net(repository, period)
    return History(
        commits=tuple(known[name] for name in names),
        net=net,
        cut_off=sum(name in repository.boundary for name in names),
        lines_known=lines_known,
        argv_churn=("git", "log", *NUMSTAT, "--format=%H", *wanted),
        argv_net=argv_net,
    )


def numstat(pieces: Iterable[bytes], more: int = 0) -> Iterator[tuple[tuple[bytes, ...], tuple[Change, ...]]]:
    """What `git log -z --numstat --format=%x01%H` writes: for each commit its hash and its changes.

    `more`: how many fields follow the hash, each in a piece of its own. A file is `added, tab, deleted, tab, path`;
    when renamed, the path is empty and old and new follow likewise. So nothing that a commit holds can be taken for
    anything else.
    """
    head: tuple[bytes, ...] = ()
    changes: list[Change] = []
    paths: dict[bytes, str] = {}  # the same few thousand, over and over
    source = iter(pieces)
    for piece in source:
        if piece.startswith(_MARK):
            if head:
                yield head, tuple(changes)
            head, changes = (piece[1:], *islice(source, more)), []
            continue
        stat = piece.removeprefix(b"\n")
        if not stat:
            continue
        added, deleted, path = stat.split(b"\t", 2)
        old = None if path else next(source, b"").decode("utf-8", "backslashreplace")
        path = path or next(source, b"")
        if path not in paths:
            paths[path] = path.decode("utf-8", "backslashreplace")
        binary = added == b"-"
        changes.append(Change(None if binary else int(added), None if binary else int(deleted), paths[path], old))
    if head:
        yield head, tuple(changes)


def _read(
    names: list[str], repository: Repository, progress: Callable[[int, int], None] | None
) -> tuple[list[Commit], bool]:
    """The commits, and whether their lines are known, which a partial clone may leave out."""
    found = []
    try:
        for commit in _log(names, repository, _FIELDS, *NUMSTAT):
            found.append(commit)
            if progress is not None and len(found) % SHOW_EACH == 0:
                progress(len(found), len(names))
    except GitError:
        if not repository.partial:
            raise
    else:
        return found, True
    try:
        return list(_log(names, repository, _FIELDS)), False
    except GitError:
        return list(_log(names, repository, _FIELDS_UNMAPPED)), False  # the map of names is what is left out


def _log(names: list[str], repository: Repository, fields: tuple[str, ...], *flags: str) -> Iterator[Commit]:
    if not names:
        return
    form = f"--format=%x01{'%x00'.join(fields)}"
    argv = ["log", "-z", "--no-notes", "--no-mailmap", *flags, form, "--no-walk=unsorted", "--stdin"]
    pieces = stream_git(argv, repository.git_dir, input="\n".join([*names, ""]).encode("ascii"))
    for raw, changes in numstat(pieces, len(fields) - 1):
        # At once: a hundred thousand small texts cost more to decode than thirteen thousand larger ones.
        texts = b"\0".join(raw[:-1]).decode("utf-8", "backslashreplace").split("\0")
        name, parents, committed, authored, author, email, subject = texts
        breaking = b"BREAKING" in raw[-1] and _BREAKING.search(raw[-1]) is not None
        above = tuple(parents.split())
        known = changes if flags and len(above) < 2 else None
        yield Commit(name, above, int(committed or 0), int(authored or 0), author, email, subject, breaking, known)


def _dried(commits: list[Commit]) -> tuple[list[list[Any]], list[str]]:
    """Commits as plain lists, with a number for each path, and the paths."""
    numbers: dict[str, int] = {}
    rows = []
    for commit in commits:
        changes = (
            None
            if commit.changes is None
            else [
                (added, deleted, numbers.setdefault(path, len(numbers)), *([] if old is None else [old]))
                for added, deleted, path, old in commit.changes
            ]
        )
        rows.append([*commit[:-1], changes])
    return rows, list(numbers)


def _revived(row: list[Any], paths: list[str]) -> Commit:
    name, parents, *texts, changes = row
    lines = None if changes is None else tuple([Change(c[0], c[1], paths[c[2]], *c[3:]) for c in changes])
    return Commit._make((name, tuple(parents), *texts, lines))


def _net(repository: Repository, period: Period) -> tuple[tuple[str, ...] | None, tuple[Change, ...] | None]:
    if period.base is None and repository.shallow:
        return None, None  # below the lowest commit there is something, and it is not here
    base = period.base or _NOTHING[len(period.tip)]
    argv = ["diff-tree", "-r", *NUMSTAT, base, period.tip, "--"]  # `diff` reads every file twice
    try:
        pieces = stream_git([argv[0], "-z", *argv[1:]], repository.git_dir)
        ((_, found),) = numstat([_MARK, *pieces])
    except GitError:
        if not repository.partial:
            raise
        return None, None
    return ("git", *argv), found
