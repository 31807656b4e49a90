"""`--since REV`: the findings at files that were changed since a revision; the others are counted and left out.

Changed is what differs from the point where this branch left REV, in a commit or in the working tree, and
what git does not track yet. By file, not by line: a defect often shows far from the line that caused it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from guardrails.errors import ConfigError, GitError
from guardrails.git import NOT_FOUND, run_git

if TYPE_CHECKING:
    from pathlib import Path

    from guardrails.evidence import Finding


class Changes(NamedTuple):
    """The changed files below a project, and in `said` what they were compared with."""

    files: frozenset[str]
    folders: frozenset[str]
    said: str

    def touch(self, path: str) -> bool:
        """Whether this file was changed, or a file in this folder."""
        return path in self.files or path in self.folders

    def split(self, findings: list[Finding]) -> tuple[list[Finding], int]:
        """The findings at changed files, and the number of the others."""
        kept = [finding for finding in findings if self.touch(finding.path)]
        return kept, len(findings) - len(kept)

    def note(self, left_out: int) -> str:
        """What every output says of the choice that was made."""
        count = "1 finding" if left_out == 1 else f"{left_out} findings"
        return f"{self.said}: files changed: {len(self.files)}; {count} at other files left out"


def changes_since(revision: str, project: Path) -> Changes:
    """What was changed below `project` since a revision. Raises ConfigError where git cannot tell, with the fix."""
    try:
        shallow = run_git(["rev-parse", "--is-shallow-repository"], project).strip() == b"true"
    except GitError as exc:
        if exc.returncode == NOT_FOUND:
            raise ConfigError([f"--since: {exc.stderr}"]) from exc
        raise ConfigError([f"--since: {project}: no git repository here: leave --since away"]) from exc
    commit = _commit(revision, project, shallow=shallow)
    base, said = commit, f"since {revision} ({commit[:12]})"
    try:
        base = run_git(["merge-base", commit, "HEAD"], project).decode("ascii").strip()
    except GitError:
        said += ", compared with that commit itself, because no common ancestor with HEAD is known"
        said += ": this clone is shallow" if shallow else ""
    else:
        said += f", from where HEAD left it ({base[:12]})" if base != commit else ""
    changed = run_git(["diff", "--name-only", "--no-renames", "--relative", "-z", base, "--"], project)
    untracked = run_git(["ls-files", "--others", "--exclude-standard", "-z"], project)
    files = frozenset(os.fsdecode(name) for name in (changed + untracked).split(b"\0") if name)
    folders = {"."} if files else set()
    for file in files:
        while file := file.rpartition("/")[0]:
            folders.add(file)
    return Changes(files, frozenset(folders), said)


def _commit(revision: str, project: Path, *, shallow: bool) -> str:
    try:
        # With its suffix no revision can be an option.
        return run_git(["rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}"], project).decode("ascii").strip()
    except GitError as exc:
        fix = "fetch it, or name a revision that `git rev-parse` knows"
        if shallow:
            fix = "this clone is shallow: fetch the history first (`git fetch --unshallow`, `fetch-depth: 0`)"
        raise ConfigError([f"--since: no revision {revision!r} here: {fix}"]) from exc
