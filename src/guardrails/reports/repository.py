"""A repository as it lies there: where, on which commit, and what this clone of it lacks.

Neutral settings everywhere (`guardrails.git`), so nobody's configuration changes a figure.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from guardrails.errors import ConfigError, GitError
from guardrails.git import NOT_FOUND, NOT_STARTED, head, run_git


class Repository(NamedTuple):
    """Where a repository is and what its clone lacks.

    `top`: the working tree; None in a bare one. `git_dir` and `common_dir` differ in a linked working tree.
    `branch`: None when HEAD is detached. `tip`: None while there is no commit. `dirty`: None where there is no
    working tree, or git could not tell. `boundary`: the commits below which a shallow clone has nothing.
    `partial`: the clone leaves out contents, which are not fetched for a report.
    """

    top: Path | None
    git_dir: Path
    common_dir: Path
    name: str
    branch: str | None
    tip: str | None
    dirty: bool | None
    boundary: frozenset[str]
    partial: bool
    version: str

    @property
    def shallow(self) -> bool:
        return bool(self.boundary)


def open_repository(path: Path) -> Repository:
    """Look at the repository around `path`.

    Raises ConfigError where there is none, or no git, with the next step; GitError when git fails otherwise.
    """
    try:
        version = text_of(run_git(["--version"], path)).removeprefix("git version ")
        asked = ["rev-parse", "--is-bare-repository", "--is-inside-work-tree", "--absolute-git-dir"]
        bare, inside, said = _lines(run_git(asked, path), 3)
    except GitError as exc:
        raise _explained(exc, path) from exc
    git_dir = Path(os.fsdecode(said))
    top = None
    if bare != b"true" and inside == b"true":
        top = Path(os.fsdecode(_lines(run_git(["rev-parse", "--show-toplevel"], path), 1)[0]))
    tip = _answer(["rev-parse", "--quiet", "--verify", "HEAD^{commit}"], git_dir)
    branch = _answer(["symbolic-ref", "--quiet", "--short", "HEAD"], git_dir)
    common_dir = _common_dir(git_dir)
    stands = head(top) if top is not None else None
    return Repository(
        top=top,
        git_dir=git_dir,
        common_dir=common_dir,
        name=_name(top or common_dir),
        branch=None if branch is None else text_of(branch),
        tip=None if tip is None else text_of(tip),
        dirty=None if stands is None else stands.dirty,
        boundary=_boundary(common_dir),
        partial=_answer(["config", "--get-regexp", r"^remote\..*\.promisor$|^extensions\.partialclone$"], git_dir)
        is not None,
        version=version,
    )


def text_of(raw: bytes) -> str:
    """What git wrote as text that can always be printed: bytes that are not UTF-8 as `\\xff`."""
    return raw.decode("utf-8", "backslashreplace").strip("\n")


def commit_of(revision: str, repository: Repository) -> str | None:
    """The full hash of a commit that the user named; None when there is no such commit here."""
    try:
        # With its suffix no revision can be an option.
        found = _answer(["rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}"], repository.git_dir)
    except (ValueError, GitError):  # a NUL, or no name that git would take
        return None
    return None if found is None else text_of(found)


def commit_file(commit: str, path: str, repository: Repository) -> str | None:
    """The hash of a file's content in a commit; None where it is not there."""
    found = _answer(["rev-parse", "--verify", "--quiet", f"{commit}:{path}"], repository.git_dir)
    return None if found is None else text_of(found)


def _explained(exc: GitError, path: Path) -> ConfigError | GitError:
    if exc.returncode == NOT_FOUND:
        return ConfigError([exc.stderr])
    if exc.returncode == NOT_STARTED:
        return ConfigError([f"{path}: no such folder"])
    if "not a git repository" in exc.stderr:
        return ConfigError([f"{path}: no git repository here or above: name the folder of one"])
    return exc


def _answer(args: list[str], cwd: Path) -> bytes | None:
    """The one line of an answer; None when git says no, which is status 1 or, of a name, 128."""
    try:
        return run_git(args, cwd).removesuffix(b"\n")
    except GitError as exc:
        if exc.returncode in {1, 128}:
            return None
        raise


def _lines(out: bytes, count: int) -> list[bytes]:
    """The last of `count` lines may hold line breaks: it is a path."""
    return out.removesuffix(b"\n").split(b"\n", count - 1)


def _name(folder: Path) -> str:
    folder = folder.resolve()
    name = folder.parent.name if folder.name == ".git" else folder.name
    return text_of(os.fsencode(name.removesuffix(".git") or folder.anchor))


def _common_dir(git_dir: Path) -> Path:
    """What a linked working tree shares with the others, as its `commondir` says (gitrepository-layout(5))."""
    try:
        return git_dir / os.fsdecode((git_dir / "commondir").read_bytes().removesuffix(b"\n"))
    except FileNotFoundError:
        return git_dir


def _boundary(common_dir: Path) -> frozenset[str]:
    try:
        return frozenset((common_dir / "shallow").read_text("ascii").split())
    except FileNotFoundError:
        return frozenset()
