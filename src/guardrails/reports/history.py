"""Commits and the lines they changed, streamed from git and never counted twice.

    git log --format ...          who, when, what, of every commit of the period: cheap
    git log --numstat --no-walk   the lines, nearly all of the cost: of commits that the cache does not hold

A commit never changes, so what was counted once is kept under its hash. A merge has no lines of its own:
those of the merged commits are counted. Renames are followed from half of the lines on. A shallow clone's
lowest commits look as if they had made the whole tree; theirs stay unknown.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, NamedTuple

from guardrails.errors import GitError
from guardrails.git import run_git, stream_git
from guardrails.reports.repository import text_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from guardrails.reports.period import Period
    from guardrails.reports.repository import Repository

NUMSTAT = ("--numstat", "--find-renames=50%", "-l1000")
_FIELDS = ("%H", "%P", "%ct", "%at", "%aN", "%aE", "%s", "%b")
_FIELDS_UNMAPPED = [field.replace("N", "n").replace("E", "e") for field in _FIELDS]
_BREAKING = re.compile(rb"^BREAKING[ -]CHANGE:", re.MULTILINE)
_MARK = b"\1"
_KEPT = b"guardrails commits 1 "
# A history of half a million commits; beyond it the cache begins anew.
MOST_KEPT = 2**26


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


def read_history(repository: Repository, period: Period, cache: Path | None = None) -> History:
    """All commits of the period with their lines.

    `cache`: a file that holds the lines of commits counted before and is brought up to date; None for none.
    Raises GitError when git fails for another reason than contents that a partial clone leaves out.
    """
    wanted = (period.revisions, "--")
    try:
        commits = _commits(_FIELDS, wanted, repository)
    except GitError:
        if not repository.partial:
            raise
        commits = _commits(_FIELDS_UNMAPPED, wanted, repository)  # the map of names may be what is left out
    ask = [c.hash for c in commits if not c.merge and c.hash not in repository.boundary]
    try:
        lines: dict[str, tuple[Change, ...]] | None = _lines_of(ask, repository, cache)
    except GitError:
        if not repository.partial:
            raise
        lines = None
    cut_off = sum(c.hash in repository.boundary for c in commits)
    argv_net, net = _net(repository, period)
    return History(
        commits=tuple(c._replace(changes=None if c.merge else (lines or {}).get(c.hash)) for c in commits),
        net=net,
        cut_off=cut_off,
        lines_known=lines is not None,
        argv_churn=("git", "log", *NUMSTAT, "--format=%H", *wanted),
        argv_net=argv_net,
    )


def numstat(pieces: Iterable[bytes]) -> Iterator[tuple[str, tuple[Change, ...]]]:
    """What `git log -z --numstat --format=%x01%H` writes, as hashes with their changes.

    A file is `added, tab, deleted, tab, path`; when renamed, the path is empty and old and new follow, each in a
    piece of its own. So no path can be taken for a hash, nor one for the other.
    """
    name = ""
    changes: list[Change] = []
    paths: dict[bytes, str] = {}  # the same few thousand, over and over
    source = iter(pieces)
    for piece in source:
        if piece.startswith(_MARK):
            if name:
                yield name, tuple(changes)
            name, changes = piece[1:].decode("ascii"), []
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
    if name:
        yield name, tuple(changes)


def _commits(fields: Sequence[str], wanted: Iterable[str], repository: Repository) -> list[Commit]:
    argv = ["log", "-z", "--no-notes", "--no-mailmap", f"--format={'%x00'.join(fields)}", *wanted]
    pieces = stream_git(argv, repository.git_dir)
    return list(map(_commit, zip(*[pieces] * len(fields), strict=True)))


def _commit(raw: tuple[bytes, ...]) -> Commit:
    # At once: a hundred thousand small texts cost more to decode than thirteen thousand larger ones.
    texts = b"\0".join(raw[:-1]).decode("utf-8", "backslashreplace").split("\0")
    name, parents, committed, authored, author, email, subject = texts
    breaking = b"BREAKING" in raw[-1] and _BREAKING.search(raw[-1]) is not None
    return Commit(
        name, tuple(parents.split()), int(committed or 0), int(authored or 0), author, email, subject, breaking, None
    )


def _lines_of(hashes: list[str], repository: Repository, cache: Path | None) -> dict[str, tuple[Change, ...]]:
    key = _KEPT + f"{repository.version} {_attributes(repository)}".encode("utf-8", "replace")
    kept = b"" if cache is None else _kept(cache, key)
    known = dict(numstat(kept.split(b"\0"))) if kept else {}
    missing = [name for name in hashes if name not in known]
    if missing:
        argv = ["log", "-z", *NUMSTAT, "--format=%x01%H", "--no-walk=unsorted", "--stdin"]
        new = list(stream_git(argv, repository.git_dir, input="\n".join([*missing, ""]).encode("ascii")))
        known.update(numstat(new))
        if cache is not None:
            _keep(cache, key, kept, b"\0".join(new))
    return known


def _net(repository: Repository, period: Period) -> tuple[tuple[str, ...] | None, tuple[Change, ...] | None]:
    if period.base is None and repository.shallow:
        return None, None  # below the lowest commit there is something, and it is not here
    base = period.base
    if base is None:
        base = text_of(run_git(["hash-object", "-t", "tree", "--stdin"], repository.git_dir, input=b""))
    argv = ["diff", *NUMSTAT, base, period.tip, "--"]
    try:
        pieces = stream_git([argv[0], "-z", *argv[1:]], repository.git_dir)
        found = dict(numstat([_MARK + b"net", *pieces]))
    except GitError:
        if not repository.partial:
            raise
        return None, None
    return ("git", *argv), found["net"]


def _attributes(repository: Repository) -> str:
    """A digest of the clone's own attributes, which git obeys even where it reads none from the tree."""
    import hashlib

    try:
        return hashlib.sha256((repository.common_dir / "info" / "attributes").read_bytes()).hexdigest()[:16]
    except OSError:
        return "none"


def _kept(cache: Path, key: bytes) -> bytes:
    """The pieces in the cache; none where it is absent, damaged, or of another git."""
    import zlib

    try:
        head, _, kept = cache.read_bytes().partition(b"\0")
    except OSError:
        return b""
    return kept if head == b"%s %08x" % (key, zlib.crc32(kept)) and len(kept) < MOST_KEPT else b""


def _keep(cache: Path, key: bytes, kept: bytes, new: bytes) -> None:
    """Replace the cache in one step. A cache that cannot be written costs time and no more."""
    import zlib

    pieces = kept + b"\0" + new if kept and len(kept) + len(new) < MOST_KEPT else new
    beside = cache.with_name(f"{cache.name}.{os.getpid()}.tmp")
    try:
        beside.write_bytes(b"%s %08x\0%s" % (key, zlib.crc32(pieces), pieces))
        beside.replace(cache)
    except OSError:
        beside.unlink(missing_ok=True)
