"""Which files belong to a project, and what part each plays in it.

Inside a git checkout git is asked, so ignored files stay out; elsewhere the folders are walked. Links
to folders are never followed, so a loop of links ends nothing; one that leads out of the project is
told, because what it brings in is not analysed.
"""

from __future__ import annotations

import os
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, NamedTuple

from guardrails.git import tracked_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

SKIPPED_FOLDERS = frozenset(
    {
        "__pycache__", "node_modules", "site-packages", "dist-packages",
        ".git", ".hg", ".svn", ".tox", ".nox", ".venv", "venv", ".eggs", ".guardrails",
        ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", ".idea", ".vscode",
    }
)  # fmt: skip
# Files beside Python that say how a project is started, tested and called.
OTHER_NAMES = ("Dockerfile*", "*.dockerfile", "Procfile", "*.toml", "*.yml", "*.yaml", "*.cfg", "*.ini", "*.txt", "*.md", ".python-version")


class Role(StrEnum):
    """What a Python file is for: only in an application's own code does a defect fail the gate."""

    APP = "app"
    TEST = "test"
    EXAMPLE = "example"
    TEMPLATE = "template"
    VENDORED = "vendored"


_FOLDER_ROLES = {
    **dict.fromkeys(("test", "tests", "testing", "fixtures", "testdata", "e2e"), Role.TEST),
    **dict.fromkeys(
        ("doc", "docs", "docs_src", "example", "examples", "sample", "samples", "demo", "demos", "tutorial", "tutorials",
         "cookbook", "cookbooks", "notebooks", "playground", "benchmarks"), Role.EXAMPLE,
    ),
    **dict.fromkeys(("template", "templates", "cookiecutter", "scaffold", "scaffolds", "boilerplate"), Role.TEMPLATE),
    **dict.fromkeys(("vendor", "vendored", "_vendor", "_vendored", "third_party", "thirdparty", "extern"), Role.VENDORED),
}  # fmt: skip


class Tree(NamedTuple):
    """All files of interest below `base`, as relative paths with forward slashes, sorted."""

    base: Path
    python: tuple[str, ...]
    others: tuple[str, ...]
    # (path, reason) of what is there but is not followed.
    left_out: tuple[tuple[str, str], ...]


def role_of(path: str) -> Role:
    """The part a file plays, told by its folders and its name."""
    *folders, name = path.split("/")
    for folder in folders:
        role = _FOLDER_ROLES.get(folder.lower())
        if role is not None:
            return role
        if folder.startswith("{{"):
            return Role.TEMPLATE
    if name.startswith("test_") or name.endswith("_test.py") or name == "conftest.py":
        return Role.TEST
    return Role.APP


def list_files(base: Path, exclude: Sequence[str] = ()) -> Tree:
    """Find the project's files. `exclude`: globs over relative paths; a folder's name stands for all below it."""
    left_out: list[tuple[str, str]] = []
    names = _from_git(base)
    if names is None:
        names = _from_walk(base, left_out)
    python, others = [], []
    for name in names:
        if exclude and is_excluded(name, exclude):
            continue
        if name.endswith(".py"):
            python.append(name)
        elif any(fnmatchcase(name.rsplit("/", 1)[-1], pattern) for pattern in OTHER_NAMES):
            others.append(name)
    kept = [name for name in python if not _is_second_name(base, name, left_out)]
    return Tree(base, tuple(sorted(kept)), tuple(sorted(others)), tuple(sorted(left_out)))


def is_excluded(path: str, patterns: Iterable[str]) -> bool:
    """Whether a glob, or a folder named by it, covers this path."""
    return any(
        fnmatchcase(path, pattern) or fnmatchcase(path, pattern.rstrip("/") + "/*") for pattern in patterns
    )


def _from_git(base: Path) -> list[str] | None:
    """What git tracks or does not ignore. None: no checkout, or one that ignores this very folder."""
    names = tracked_files(base)
    if not names:
        return None
    return [name for name in names if not SKIPPED_FOLDERS.intersection(name.split("/")[:-1])]


def _from_walk(base: Path, left_out: list[tuple[str, str]]) -> Iterator[str]:
    def unreadable(exc: OSError) -> None:
        left_out.append((_relative(base, exc.filename), f"cannot be read: {exc.strerror}"))

    for folder, subfolders, files in os.walk(base, onerror=unreadable):
        prefix = _relative(base, folder)
        prefix = "" if prefix == "." else prefix + "/"
        subfolders[:] = sorted(
            name
            for name in subfolders
            if name not in SKIPPED_FOLDERS
            and not os.path.lexists(os.path.join(folder, name, "pyvenv.cfg"))
            and not _is_link_out(base, prefix + name, left_out)
        )
        yield from (prefix + name for name in files)


def _relative(base: Path, path: str) -> str:
    return os.path.relpath(path, base).replace(os.sep, "/")


def _is_link_out(base: Path, name: str, left_out: list[tuple[str, str]]) -> bool:
    path = base / name
    if not path.is_symlink():
        return False
    if not path.resolve().is_relative_to(base.resolve()):
        left_out.append((name, "a link to a folder outside the project: not followed"))
    return True


def _is_second_name(base: Path, name: str, left_out: list[tuple[str, str]]) -> bool:
    """A link to a file that is analysed under its own name, or to nothing, or a folder called `x.py`."""
    path = base / name
    if not path.is_symlink():
        return path.is_dir()
    if not path.exists():
        left_out.append((name, "a broken link"))
        return True
    return path.is_dir() or path.resolve().is_relative_to(base.resolve())
