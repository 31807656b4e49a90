"""Which files belong to a project, and what part each plays in it.

Inside a git checkout git is asked, so ignored files stay out; elsewhere the folders are walked. Links
to folders are never followed, so a loop of links ends nothing; one that leads out of the project is
told, because what it brings in is not analysed.
"""

from __future__ import annotations

import io
import os
import re
import stat
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
MAX_OTHER_BYTES = 1_048_576
# Files beside Python that say how a project is started, tested and called.
_OTHER_NAMES = re.compile(
    r"Dockerfile.*|Procfile|Makefile|\.python-version|.*\.(dockerfile|sh|toml|ya?ml|cfg|ini|txt|md)"
    r"|.*\.env([._-].*)?|\.envrc|(dot)?_?env[._-](example|sample|template|dist|defaults?)"
)


class Role(StrEnum):
    """What a Python file is for: only in an application's own code does a defect fail the gate."""

    APP = "app"
    TEST = "test"
    EXAMPLE = "example"
    TEMPLATE = "template"
    VENDORED = "vendored"


# fmt: off
_FOLDER_ROLES = {
    **dict.fromkeys(("test", "tests", "testing", "fixtures", "testdata", "e2e"), Role.TEST),
    **dict.fromkeys(
        ("doc", "docs", "docs_src", "example", "examples", "sample", "samples", "demo", "demos", "tutorial",
         "tutorials", "cookbook", "cookbooks", "notebooks", "playground", "benchmarks"), Role.EXAMPLE,
    ),
    **dict.fromkeys(("template", "templates", "cookiecutter", "scaffold", "scaffolds", "boilerplate"), Role.TEMPLATE),
    **dict.fromkeys(
        ("vendor", "vendored", "_vendor", "_vendored", "third_party", "thirdparty", "extern"), Role.VENDORED,
    ),
}
# fmt: on


class Tree(NamedTuple):
    """All files of interest below `base`, as relative paths with forward slashes, sorted."""

    base: Path
    python: tuple[str, ...]
    others: tuple[str, ...]
    # (path, reason) of what is there but is not followed.
    left_out: tuple[tuple[str, str], ...]
    # Pattern -> how many Python files it left out.
    excluded: dict[str, int]
    # Every other file, and every file that `exclude` leaves out: what they read is read all the same.
    rest: tuple[str, ...] = ()
    # Whether git holds what lies in `.guardrails/cache`, which then is somebody's word and not ours.
    cache_committed: bool = False


def role_of(path: str) -> Role:
    """The part a file plays, told by its folders and its name."""
    *folders, name = path.split("/")
    for folder in folders:
        role = _FOLDER_ROLES.get(folder.lower())
        if role is not None:
            return role
        if folder.startswith("{{"):
            return Role.TEMPLATE
    if name.startswith("test_") or name.endswith("_test.py") or name in ("conftest.py", "tests.py"):
        return Role.TEST
    return Role.APP


def list_files(base: Path, exclude: Sequence[str] = ()) -> Tree:
    """Find the project's files. `exclude`: globs over relative paths; a folder's name stands for all below it."""
    left_out: list[tuple[str, str]] = []
    # None or nothing: no checkout, or one that ignores this very folder.
    tracked = tracked_files(base) or []
    names: Iterable[str] = _outside_skipped(tracked) if tracked else _from_walk(base, left_out)
    python, others, rest = [], [], []
    excluded = dict.fromkeys(exclude, 0)
    for name in names:
        pattern = next((p for p in exclude if matches_glob(p, name)), None)
        if pattern is not None:
            excluded[pattern] += name.endswith(".py")
            rest.append(name)
            continue
        if name.endswith(".py"):
            python.append(name)
        elif _OTHER_NAMES.fullmatch(name, name.rfind("/") + 1):
            others.append(name)
        else:
            rest.append(name)
    committed = any(name.startswith(".guardrails/cache/") for name in tracked)
    kept = [name for name in python if not _is_second_name(base, name, left_out)]
    told = tuple(sorted(left_out))
    return Tree(base, tuple(sorted(kept)), tuple(sorted(others)), told, excluded, tuple(rest), committed)


def text_of(path: Path) -> str:
    """What a file beside Python says; "" where it cannot be read, or is a pipe that would be waited for."""
    try:
        with path.open("rb") if path.is_file() else io.BytesIO() as file:
            return file.read(MAX_OTHER_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""


def matches_glob(pattern: str, path: str) -> bool:
    """Whether a glob, or a folder named by it, covers this path."""
    return fnmatchcase(path, pattern) or fnmatchcase(path, pattern.rstrip("/") + "/*")


def _outside_skipped(names: Iterable[str]) -> Iterator[str]:
    return (name for name in names if not SKIPPED_FOLDERS.intersection(name.split("/")[:-1]))


def _from_walk(base: Path, left_out: list[tuple[str, str]]) -> Iterator[str]:
    # scandir knows a link without asking the disk again; os.walk would join and stat every name.
    pending = [""]
    while pending:
        prefix = pending.pop()
        try:
            with os.scandir(f"{base}/{prefix}") as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as exc:
            left_out.append((prefix.rstrip("/") or ".", f"cannot be read: {exc.strerror}"))
            continue
        if prefix and any(entry.name == "pyvenv.cfg" for entry in entries):
            continue
        for entry in entries:
            name = prefix + entry.name
            if entry.is_dir(follow_symlinks=False):
                if entry.name not in SKIPPED_FOLDERS:
                    pending.append(name + "/")
            elif entry.is_symlink() and os.path.isdir(entry.path):  # noqa: PTH112 - False for a link to itself
                _tell_link_out(base, name, left_out)
            else:
                yield name


def _tell_link_out(base: Path, name: str, left_out: list[tuple[str, str]]) -> None:
    """A link to a folder: what it brings in from outside is not analysed, and that is said."""
    if not (base / name).resolve().is_relative_to(base.resolve()):
        left_out.append((name, "a link to a folder outside the project: not followed"))


def _is_second_name(base: Path, name: str, left_out: list[tuple[str, str]]) -> bool:
    """A link to a file that is analysed under its own name, or to nothing, or a folder called `x.py`."""
    try:
        mode = os.lstat(f"{base}/{name}").st_mode
    except OSError:
        return False  # reported as unreadable when it is read
    if not stat.S_ISLNK(mode):
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            left_out.append((name, "a pipe, a socket or a device"))
        return not stat.S_ISREG(mode)
    path = base / name
    if not path.exists():
        left_out.append((name, "a broken link"))
        return True
    if path.is_dir():
        _tell_link_out(base, name, left_out)
        return True
    if not path.is_file():
        left_out.append((name, "a link to a pipe, a socket or a device"))
        return True
    target = path.resolve()
    return target.suffix == ".py" and target.is_relative_to(base.resolve())
