"""How a project is started: its Dockerfiles, Procfiles, compose files and scripts, read as text.

What matters to the gate is the first entry of `sys.path`, because that is where a stray file shadows
a library: `python -m`, uvicorn, gunicorn and celery put the working directory there, `python x.py` the
folder of the script, an installed console script neither.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# These put the working directory first on sys.path.
CWD_SERVERS = frozenset(
    {
        "uvicorn", "gunicorn", "hypercorn", "daphne", "granian", "celery", "taskiq", "dramatiq", "fastapi", "flask",
        "arq", "rq", "huey_consumer",
    }
)  # fmt: skip
WRAPPERS = frozenset(
    {"exec", "poetry", "uv", "pipenv", "pdm", "run", "tini", "--", "dumb-init", "env", "nohup", "watchfiles"}
)
DIR_OPTIONS = frozenset({"--app-dir", "--chdir", "--workdir"})


class Launch(NamedTuple):
    """One way in which the project is started. `folder` is relative to the project ("" is its top)."""

    folder: str
    place: str
    command: str


def read_launches(path: str, text: str, exists: Callable[[str], bool]) -> Iterator[Launch]:
    """Every start command in one file, with the folder that comes first on `sys.path`.

    `exists(name)`: whether the project has a folder or a Python file of that relative name.
    """
    name = path.rsplit("/", 1)[-1]
    here = posixpath.dirname(path)
    if name.lower().startswith("dockerfile") or name.endswith(".dockerfile"):
        yield from _from_dockerfile(path, text, here, exists)
        return
    for number, line in enumerate(text.splitlines(), 1):
        place = f"{path}:{number}"
        if name == "Procfile":
            yield from _launch(line.partition(":")[2], here, place)
        elif re.fullmatch(r"(docker-)?compose.*\.ya?ml", name):
            match = re.match(r"\s+command:\s*(\S.*)$", line)
            yield from _launch(_as_command(match[1]) if match else [], here, place)
        elif name == "Makefile" or name.endswith(".sh"):
            for command in re.split(r"&&|;|\|\|", line.strip().lstrip("@-+")):
                yield from _from_shell(command, here, place, exists)
        elif name == "alembic.ini":
            match = re.match(r"prepend_sys_path\s*=\s*(\S+)", line)
            if match:
                yield Launch(_join(here, match[1]), place, "alembic")


def python_of_image(text: str) -> str | None:
    """The Python version of the last `FROM python:X.Y…` in a Dockerfile."""
    found = re.findall(r"^\s*FROM\s+(?:--\S+\s+)?(?:\S*/)?python:(\d+\.\d+)", text, re.MULTILINE | re.IGNORECASE)
    return found[-1] if found else None


def _from_dockerfile(path: str, text: str, here: str, exists: Callable[[str], bool]) -> Iterator[Launch]:
    workdir = "/"
    copies: list[tuple[str, str]] = []
    for number, line in _instructions(text):
        word, _, rest = line.partition(" ")
        word, rest = word.upper(), rest.strip()
        if word == "FROM":
            workdir, copies = "/", []
        elif word == "WORKDIR":
            workdir = posixpath.normpath(posixpath.join(workdir, rest))
        elif word in ("COPY", "ADD"):
            copies.extend(_copies(rest, workdir, here, exists))
        elif word == "ENV":
            for value in re.findall(r"PYTHONPATH[= ]\"?([^\s\"]+)", rest):
                for entry in value.split(":"):
                    folder = _in_project(posixpath.join(workdir, entry), copies)
                    if folder is not None and "$" not in entry:
                        yield Launch(folder, f"{path}:{number}", f"PYTHONPATH={entry}")
        elif word in ("CMD", "ENTRYPOINT"):
            folder = _in_project(workdir, copies)
            if folder is not None:
                yield from _launch(_as_command(rest), folder, f"{path}:{number}")


def _from_shell(command: str, here: str, place: str, exists: Callable[[str], bool]) -> Iterator[Launch]:
    """A line of a script, which may be run from the top or from its own folder: from where its target exists."""
    words = _as_command(command)
    script = next((word for word in words[1:] if word.endswith(".py")), None)
    module = next((word.partition(":")[0] for word in words[1:] if re.fullmatch(r"[\w.]+:\w+", word)), None)
    if script is None and module is None:
        return
    wanted = script or str(module).partition(".")[0]
    for cwd in ("", here):
        if exists(_join(cwd, wanted)) or (module and exists(_join(cwd, f"{wanted}.py"))):
            yield from _launch(words, cwd, place)
            return


def _instructions(text: str) -> Iterator[tuple[int, str]]:
    """(line, instruction) with continued lines joined and comments dropped."""
    start = 0
    parts: list[str] = []
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if line.startswith("#") or (not line and not parts):
            continue
        start = start if parts else number
        parts.append(line.removesuffix("\\").strip())
        if not line.endswith("\\"):
            yield start, " ".join(parts)
            parts = []
    if parts:
        yield start, " ".join(parts)


def _copies(rest: str, workdir: str, here: str, exists: Callable[[str], bool]) -> Iterator[tuple[str, str]]:
    """(folder in the image, folder in the project) for each source folder of one COPY."""
    if "--from" in rest:
        return
    words = [word for word in _as_command(rest) if not word.startswith("--")]
    if len(words) < 2:
        return
    target = posixpath.normpath(posixpath.join(workdir, words[-1]))
    for source in words[:-1]:
        # The build context is the top of the project or the folder of the Dockerfile; look which has it.
        for context in ("", here):
            folder = _join(context, source)
            if exists(folder):
                yield target, folder
                break


def _in_project(folder: str, copies: list[tuple[str, str]]) -> str | None:
    """Where a folder of the image comes from. COPY of `app` to `/code/app` makes `/code` the folder above."""
    folder = posixpath.normpath(folder)
    for target, source in reversed(copies):
        if folder == target or folder.startswith(target.rstrip("/") + "/"):
            return _join(source, posixpath.relpath(folder, target))
    for target, source in reversed(copies):
        if posixpath.dirname(target) == folder and posixpath.basename(target) == posixpath.basename(source):
            return posixpath.dirname(source)
    return None


def _as_command(text: str) -> list[str]:
    """A command as words, from its JSON or its shell form."""
    if text.startswith("["):
        import json

        try:
            return [str(word) for word in json.loads(text)]
        except ValueError:
            return [word.strip("\"' ") for word in text.strip("[] ").split(",")]
    text = text.strip("\"'") if text[:1] == text[-1:] else text
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def _launch(command: str | list[str], cwd: str, place: str) -> Iterator[Launch]:
    words = _as_command(command.strip()) if isinstance(command, str) else command
    if words[:1] and posixpath.basename(words[0]) in ("sh", "bash") and "-c" in words[:-1]:
        for part in re.split(r"&&|;|\|\|", words[words.index("-c") + 1]):
            yield from _launch(part, cwd, place)
        return
    said = " ".join(words)
    while words and (posixpath.basename(words[0]) in WRAPPERS or re.fullmatch(r"\w+=.*", words[0])):
        words = words[1:]
    if not words:
        return
    program = posixpath.basename(words[0])
    if re.fullmatch(r"python[\d.]*", program):
        script = next((word for word in words[1:] if not word.startswith("-")), "")
        by_path = "-m" not in words[1:] and script.endswith(".py")
        yield Launch(posixpath.dirname(_join(cwd, script)) if by_path else cwd, place, said)
    elif program in CWD_SERVERS:
        for option, value in pairwise(words):
            if option in DIR_OPTIONS:
                cwd = _join(cwd, value)
        yield Launch(cwd, place, said)


def _join(folder: str, name: str) -> str:
    """`folder/name`, normalised; "" is the top of the project."""
    joined = posixpath.normpath(posixpath.join(folder, name.lstrip("/") if folder == "" else name))
    return "" if joined == "." else joined
