"""Which Python a project is for, and an interpreter that knows its grammar."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from guardrails.errors import InterpreterError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from guardrails.source.layout import Pin

RUNNING = sys.version_info[:2]
NEWEST_TRIED = 16
OLDEST_FEATURE = (3, 8)

# What the parser of an older Python says about newer grammar: (pattern over the line, first version).
_NEWER_SYNTAX = (
    (r"\bt[rR]?['\"]", (3, 14)),
    (r"^\s*except\*?\s+\w[\w.]*\s*,\s*\w[\w., ]*:", (3, 14)),
    (r"^\s*(?:async\s+def|def|class)\s+\w+\[[^\]]*=[^\]]*\]", (3, 13)),
    (r"^\s*type\s+\w+(\[.*\])?\s*=", (3, 12)),
    (r"^\s*(?:async\s+def|def|class)\s+\w+\[", (3, 12)),
    (r"^\s*except\*", (3, 11)),
    (r"^\s*match\s+.+:\s*$", (3, 10)),
)


class Target(NamedTuple):
    """The grammar to parse under. `pinned`: the project says so; else the running Python is taken."""

    version: tuple[int, int]
    pinned: bool
    place: str

    @property
    def label(self) -> str:
        """`3.12`, for messages."""
        return version_text(self.version)


def version_text(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"


def choose_target(pin: Pin | None, python: str | None, base: Path) -> Target:
    """The configured interpreter's version, else what the project pins, else the running one.

    Raises InterpreterError where `python` is configured and cannot be used.
    """
    if python is not None:
        return Target(_configured(base / python, base), pinned=True, place="[tool.guardrails] python")
    if pin is not None:
        return Target(pin.version, pinned=True, place=pin.place)
    return Target(RUNNING, pinned=False, place="the running Python")


def _configured(executable: Path, base: Path) -> tuple[int, int]:
    """The version of an environment as it says itself, else of an interpreter outside the project.

    What lies in the project may be any program, and nothing of the project is run.
    """
    about = executable.parent.parent / "pyvenv.cfg"
    if executable.exists() and about.is_file():
        match = re.search(r"^version(?:_info)?\s*=\s*(\d+)\.(\d+)", about.read_text("utf-8", "replace"), re.MULTILINE)
        if match:
            return int(match[1]), int(match[2])
    if executable.exists() and executable.resolve().is_relative_to(base.resolve()):
        raise InterpreterError(
            str(executable), "it lies in the project and is no virtual environment, so it is not run"
        )
    return version_of(str(executable))


def version_of(executable: str) -> tuple[int, int]:
    """Ask an interpreter for its (major, minor). It runs isolated: nothing of the project is executed."""
    import subprocess

    try:
        done = subprocess.run(
            [executable, "-I", "-S", "-c", "import sys; print(*sys.version_info[:2])"],
            capture_output=True,
            timeout=10,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired as exc:
        raise InterpreterError(executable, "it did not answer within 10 s") from exc
    except OSError as exc:
        raise InterpreterError(executable, f"{exc.strerror}. Set [tool.guardrails] python to an existing one") from exc
    words = done.stdout.split()
    if done.returncode != 0 or len(words) != 2 or not all(word.isdigit() for word in words):
        raise InterpreterError(executable, f"it ended with status {done.returncode} and no version")
    return int(words[0]), int(words[1])


def newest_interpreter() -> str | None:
    """The newest Python on this machine whose grammar is newer than the running one's."""
    for minor in range(NEWEST_TRIED, RUNNING[1], -1):
        for candidate in _candidates(f"python{RUNNING[0]}.{minor}"):
            try:
                if version_of(candidate) > RUNNING:
                    return candidate
            except InterpreterError:
                continue  # a version manager's stub that runs nothing
    return None


def _candidates(name: str) -> Iterator[str]:
    for folder in os.get_exec_path():
        path = Path(folder, name)
        # A relative entry would find a program of the project.
        if path.is_absolute() and path.is_file() and os.access(path, os.X_OK):
            yield str(path)
    try:
        home = Path.home()
    except RuntimeError:  # a container's user without a name and without HOME
        return
    version = name.removeprefix("python")
    for pattern in (
        f".pyenv/versions/{version}.*/bin/python",
        f".local/share/uv/python/cpython-{version}.*/bin/python{version}",
    ):
        yield from (str(path) for path in sorted(home.glob(pattern)))


def needs_newer(line: str, message: str) -> tuple[int, int] | None:
    """The first Python whose grammar has what this rejected line seems to use. None: no idea."""
    stated = re.search(r"only supported in Python (\d+)\.(\d+)", message)
    if stated:
        return int(stated[1]), int(stated[2])
    if "multiple exception types must be parenthesized" in message:
        return (3, 14)
    if "f-string" in message and RUNNING < (3, 12):
        return (3, 12)
    for pattern, version in _NEWER_SYNTAX:
        if re.search(pattern, line) and version > RUNNING:
            return version
    return None
