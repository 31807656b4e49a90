"""What a repository says of the commits, files and lines that a report names. Each question is asked of git once.

Names from the report reach git by its standard input or behind `-e`, never as options or revisions of their own.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, NamedTuple

from guardrails.git import run_git

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

# The history of a large repository on a cold disk.
PATIENCE = 60.0
MOST_NAMES = 2_000
# Files that are read in full, to count their lines and look for names.
MOST_READ = 400

Changes = dict[str, tuple[int, int]]


class Commit(NamedTuple):
    """`changes`: insertions and deletions by path; a binary file has none of either. Against the first parent."""

    sha: str
    parents: tuple[str, ...]
    authored: dt.datetime
    committed: dt.datetime
    subject: str
    changes: Changes


class History:
    """`folder` lies within a repository that has at least one commit. Methods raise GitError."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._subjects: dict[str, str] | None = None
        self._ever: frozenset[str] | None = None
        self._files: dict[str, frozenset[str]] = {}
        self._diffs: dict[tuple[str, str], Changes] = {}
        self._contents: dict[tuple[str, str], str | None] = {}

    def git(self, *args: str, lines: Iterable[str] | None = None) -> str:
        """Run git and return its output; `lines` is its standard input."""
        data = None if lines is None else "".join(line + "\n" for line in lines).encode("utf-8", "surrogateescape")
        return run_git(args, self.folder, timeout=PATIENCE, input=data).decode("utf-8", "surrogateescape")

    def resolve(self, names: Iterable[str]) -> dict[str, str | None]:
        """The full hash of each name; None where there is no such commit, "" where several begin so."""
        names = list(names)[:MOST_NAMES]
        answer = self.git("cat-file", "--batch-check", lines=[f"{name}^{{commit}}" for name in names]) if names else ""
        found: dict[str, str | None] = {}
        for name, line in zip(names, answer.splitlines(), strict=False):
            words = line.split()
            found[name] = (
                words[0] if len(words) == 3 and words[1] == "commit" else "" if line.endswith("ambiguous") else None
            )
        return found

    def commits(self, shas: Iterable[str]) -> dict[str, Commit]:
        """Each commit with what it changed."""
        wanted = sorted(set(shas))
        if not wanted:
            return {}
        form = "--format=%x01%H%x00%P%x00%aI%x00%cI%x00%s%x02"
        text = self.git(
            "log",
            "--no-walk=unsorted",
            "-z",
            "--numstat",
            "-M",
            "--diff-merges=first-parent",
            form,
            "--stdin",
            lines=wanted,
        )
        found = {}
        for entry in text.split("\x01")[1:]:
            head, _, body = entry.partition("\x02")
            sha, parents, authored, committed, subject = head.split("\0", 4)
            changes = _numstat(body)
            found[sha] = Commit(
                sha,
                tuple(parents.split()),
                dt.datetime.fromisoformat(authored),
                dt.datetime.fromisoformat(committed),
                subject,
                changes,
            )
        return found

    def diff(self, old: str, new: str) -> Changes:
        """What changed between two commits, by path."""
        if (old, new) not in self._diffs:
            self._diffs[old, new] = _numstat(self.git("diff", "-z", "--numstat", "-M", old, new, "--"))
        return self._diffs[old, new]

    def subjects(self) -> dict[str, str]:
        """Hash to subject of all that can be reached from a branch, a tag or HEAD, newest first."""
        if self._subjects is None:
            text = self.git("log", "--all", "--format=%H %s", "HEAD", "--")
            self._subjects = {line[:40]: line[41:] for line in text.split("\n") if line}
        return self._subjects

    def ever(self) -> frozenset[str]:
        """Every path that any reachable commit ever touched."""
        if self._ever is None:
            text = self.git("log", "--all", "-m", "-z", "--format=", "--name-only", "--no-renames", "HEAD", "--")
            self._ever = frozenset(name.strip("\n") for name in text.split("\0") if name.strip("\n"))
        return self._ever

    def files(self, commit: str) -> frozenset[str]:
        """The paths in the tree of a commit."""
        if commit not in self._files:
            self._files[commit] = frozenset(
                self.git("ls-tree", "-r", "-z", "--full-tree", "--name-only", commit).split("\0")
            ) - {""}
        return self._files[commit]

    def links(self, commit: str) -> dict[str, str]:
        """The submodules of a commit, by path, and where they stand."""
        entries = self.git("ls-tree", "-r", "-z", "--full-tree", commit).split("\0")
        links = [entry.partition("\t") for entry in entries if entry.startswith("160000 ")]
        return {path: kind.split()[2] for kind, _, path in links}

    def content(self, commit: str, path: str) -> str | None:
        """The text of a file in a commit; None where it is not there, or too much was read already."""
        key = (commit, path)
        if key not in self._contents:
            if path not in self.files(commit) or len(self._contents) >= MOST_READ:
                self._contents[key] = None
            else:
                self._contents[key] = self.git("cat-file", "blob", f"{commit}:{path}")
        return self._contents[key]

    def mentioned(self, word: str, commits: Iterable[str]) -> bool:
        """Whether a word stands in any file of any of these commits."""
        from guardrails.errors import GitError

        try:
            return bool(self.git("grep", "-l", "-w", "-F", "--full-name", "--max-count=1", "-e", word, *commits, "--"))
        except GitError as exc:
            if exc.returncode == 1:
                return False
            raise

    def last(self, count: int, tip: str, *options: str) -> list[str]:
        """The last `count` commits from `tip`, newest first."""
        return self.git("rev-list", f"--max-count={count}", *options, tip, "--").split()

    def count(self, *args: str) -> int:
        """How many commits a rev-list gives."""
        return int(self.git("rev-list", "--count", *args, "--"))


def _numstat(text: str) -> Changes:
    changes: Changes = {}
    fields = iter(text.split("\0"))
    for field in fields:
        found = re.match(r"\n?(-|\d+)\t(-|\d+)\t(.*)", field, re.DOTALL)
        if found is None:
            continue
        path = found[3]
        if not path:  # renamed: the old name and the new one follow
            next(fields, "")
            path = next(fields, "")
        changes[path] = tuple(0 if part == "-" else int(part) for part in (found[1], found[2]))  # type: ignore[assignment]
    return changes
