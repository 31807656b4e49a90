"""One commit as a session report shows it: its subject, its files with their lines, the first lines of its difference.

A merge has no difference of its own. What is larger than a reader would read is counted, not shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from guardrails.errors import GitError
from guardrails.git import run_git
from guardrails.reports.repository import commit_of, text_of

if TYPE_CHECKING:
    from guardrails.reports.repository import Repository

FILES = 8
LINES = 24
LONGEST_LINE = 160
# Above it a difference is not asked for: it is held in memory whole.
MOST_LINES = 20_000
_DIFF = ("diff-tree", "-r", "--root", "--no-commit-id", "--find-renames=50%")
# The log of the session is committed with the work, and is no part of it.
_PATHS = ("--", ":(top)", ":(top,exclude).guardrails")


def commit_change(commit: str, repository: Repository) -> dict[str, Any]:
    """What the commit changed; `subject` is None and all else empty where it is not in this clone."""
    found: dict[str, Any] = {"commit": commit, "subject": None, "files": [], "files_omitted": 0}
    found |= {"excerpt": "", "excerpt_omitted": 0}
    try:
        named = commit_of(commit, repository)
        if named is None:
            return found
        found["subject"] = text_of(run_git(["log", "-1", "--no-notes", "--format=%s", named, "--"], repository.git_dir))
        files = _files(run_git([*_DIFF, "--numstat", "-z", named, *_PATHS], repository.git_dir))
        found |= {"files": files[:FILES], "files_omitted": max(0, len(files) - FILES)}
        if 0 < sum((file["added"] or 0) + (file["deleted"] or 0) for file in files) <= MOST_LINES:
            lines = text_of(run_git([*_DIFF, "-p", "-U1", named, *_PATHS], repository.git_dir)).split("\n")
            kept = [line for line in lines if not line.startswith(("diff --git ", "index ", "similarity index "))]
            found["excerpt"] = "\n".join(line[:LONGEST_LINE].rstrip("\r") for line in kept[:LINES])
            found["excerpt_omitted"] = max(0, len(kept) - LINES)
    except GitError:
        return found
    return found


def _files(listing: bytes) -> list[dict[str, Any]]:
    pieces = iter(listing.split(b"\0"))
    files = []
    for piece in pieces:
        added, _, rest = piece.partition(b"\t")
        deleted, tab, path = rest.partition(b"\t")
        if not tab:
            continue
        if not path:  # renamed: old and new follow
            next(pieces, b"")
            path = next(pieces, b"")
        lines = [None if count == b"-" else int(count) for count in (added, deleted)]
        files.append({"path": text_of(path), "added": lines[0], "deleted": lines[1]})
    return files
