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
    from collections.abc import Callable, Iterator, Mapping, Sequence

# These put the working directory first on sys.path.
CWD_SERVERS = frozenset(
    {
        "uvicorn", "gunicorn", "hypercorn", "daphne", "granian", "celery", "taskiq", "dramatiq", "fastapi", "flask",
        "arq", "rq", "huey_consumer",
    }
)  # fmt: skip
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
    lines = text.splitlines()
    # Where compose builds its images from: a service's command starts there.
    contexts = [
        _join(here, folder) for folder in re.findall(r"(?m)^[ \t]+(?:build|context):[ \t]*[\"']?([\w./-]+)", text)
    ]
    for number, line in enumerate(lines, 1):
        place = f"{path}:{number}"
        if name == "Procfile":
            yield from _from_text(line.partition(":")[2], here, place)
        elif re.fullmatch(r"(docker-)?compose.*\.ya?ml", name):
            match = re.match(r"\s+(?:command|entrypoint):\s*(\S.*)?$", line)
            if match:
                command = match[1] or _yaml_items(lines[number:])
                yield from _from_shell(command, ["", here, *contexts], place, exists)
        elif name == "Makefile" or name.endswith(".sh"):
            yield from _from_shell(line.strip().lstrip("@-+"), ["", here], place, exists)
        elif name == "alembic.ini":
            match = re.match(r"prepend_sys_path\s*=\s*(\S+)", line)
            if match:
                yield Launch(_join(here, match[1]), place, "alembic")


def python_of_image(text: str) -> str | None:
    """The Python version of the last `FROM python:X.Y…` in a Dockerfile."""
    found = re.findall(r"^\s*FROM\s+(?:--\S+\s+)?(?:\S*/)?python:(\d+\.\d+)", text, re.MULTILINE | re.IGNORECASE)
    return found[-1] if found else None


def _from_dockerfile(path: str, text: str, here: str, exists: Callable[[str], bool]) -> Iterator[Launch]:
    """The build context is the top of the project or the folder of the Dockerfile: the one that has what is started."""
    readings = [list(_from_image(path, text, context, exists)) for context in dict.fromkeys(("", here))]
    fitting = [reading for reading in readings if any(_has_target(launch, exists) for launch in reading)]
    yield from (fitting or [reading for reading in readings if reading] or [[]])[0]


def _from_image(path: str, text: str, context: str, exists: Callable[[str], bool]) -> Iterator[Launch]:
    workdir = "/"
    copies: list[tuple[str, str]] = []
    # Name of a stage -> what it has copied and where it works: later ones build on it or copy from it.
    stages: dict[str, tuple[list[tuple[str, str]], str]] = {}
    for number, line in instructions(text):
        word, _, rest = line.partition(" ")
        word, rest = word.upper(), rest.strip()
        if word == "FROM":
            image, *named = [part for part in rest.split() if not part.startswith("--")] or [""]
            copied, workdir = stages.get(image, ([], "/"))
            copies = list(copied)
            stages[named[-1] if named else ""] = (copies, workdir)
        elif word == "WORKDIR":
            workdir = posixpath.normpath(posixpath.join(workdir, rest))
            stages = {name: (held, workdir if held is copies else folder) for name, (held, folder) in stages.items()}
        elif word in ("COPY", "ADD"):
            copies.extend(_copies(rest, workdir, context, stages, exists))
        elif word == "ENV":
            for value in re.findall(r"PYTHONPATH[= ]\"?([^\s\"]+)", rest):
                for entry in value.split(":"):
                    folder = _in_project(posixpath.join(workdir, entry), copies)
                    if folder is not None and "$" not in entry:
                        yield Launch(folder, f"{path}:{number}", f"PYTHONPATH={entry}")
        elif word in ("CMD", "ENTRYPOINT"):
            folder = _in_project(workdir, copies)
            if folder is not None:
                yield from _from_text(_relative(rest, folder, copies), folder, f"{path}:{number}")


def _relative(command: str, folder: str, copies: list[tuple[str, str]]) -> str:
    """A command in which paths of the image that come from the project are relative to `folder`."""

    def translated(match: re.Match[str]) -> str:
        name = _in_project(match[0], copies)
        return match[0] if name is None else posixpath.relpath(name or ".", folder or ".")

    return re.sub(r"(?<![\w./-])/[\w./-]+", translated, command)


def _from_shell(text: str, folders: Sequence[str], place: str, exists: Callable[[str], bool]) -> Iterator[Launch]:
    """Commands whose folder the file does not tell: from the first of `folders` in which their target is."""
    for cwd in dict.fromkeys(folders):
        found = [launch for launch in _from_text(text, cwd, place) if _has_target(launch, exists)]
        if found:
            yield from found
            return


def _has_target(launch: Launch, exists: Callable[[str], bool]) -> bool:
    """Whether the script or the module of a command is there: `x.py`, `x.y:app`, `-m x.y`, `-A x.y`."""
    before = ""
    for word in shlex.split(launch.command):
        if word.endswith(".py"):
            return exists(_join(launch.folder, posixpath.basename(word)))
        if before in ("-m", "-A") or re.fullmatch(r"[\w.]+:\w+(\(\))?", word):
            name = _join(launch.folder, re.split(r"[.:]", word)[0])
            if exists(name) or exists(f"{name}.py"):
                return True
        before = word
    return False


def instructions(text: str) -> Iterator[tuple[int, str]]:
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


def _copies(
    rest: str,
    workdir: str,
    context: str,
    stages: Mapping[str, tuple[list[tuple[str, str]], str]],
    exists: Callable[[str], bool],
) -> Iterator[tuple[str, str]]:
    """(folder in the image, folder in the project) for each source folder of one COPY."""
    words = [word for word in as_command(rest) if not word.startswith("--")]
    if len(words) < 2:
        return
    target = posixpath.normpath(posixpath.join(workdir, words[-1]))
    stage = re.search(r"--from=(\S+)", rest)
    copied, _ = stages.get(stage[1], ([], "")) if stage else ([], "")
    for source in words[:-1]:
        folder = _in_project(posixpath.join("/", source), copied) if stage else _join(context, source)
        if folder is not None and exists(folder):
            yield target, folder


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


def _yaml_items(lines: list[str]) -> str:
    """The command in a YAML list below its key, as shell text."""
    items = []
    for line in lines:
        match = re.match(r"\s+-\s+(.+)$", line)
        if not match:
            break
        items.append(match[1])
    return " ".join(items)


def as_command(text: str) -> list[str]:
    """A command as words, from its JSON or its shell form."""
    if text.startswith("["):
        import json

        try:
            return [str(word) for word in json.loads(text)]
        except (ValueError, RecursionError):
            return [word.strip("\"' ") for word in text.strip("[] ").split(",")]
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        text = text[1:-1]
    lexer = shlex.shlex(text, posix=True, punctuation_chars="&;|")
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        return list(lexer)
    except ValueError:
        return text.split()


def _from_text(text: str, cwd: str, place: str) -> Iterator[Launch]:
    """The launches in a command as a file writes it: JSON, or shell with `&&` and `cd`."""
    if text.startswith("["):
        yield from _launch(as_command(text), cwd, place)
        return
    command: list[str] = []
    for word in (*as_command(text.strip()), ";"):
        if word.strip("&;|"):
            command.append(word)
            continue
        if command[:1] == ["cd"] and len(command) > 1:
            cwd = _join(cwd, command[1])
        yield from _launch(command, cwd, place)
        command = []


def _launch(words: list[str], cwd: str, place: str) -> Iterator[Launch]:
    if words[:1] and posixpath.basename(words[0]) in ("sh", "bash") and "-c" in words[:-1]:
        yield from _from_text(words[words.index("-c") + 1], cwd, place)
        return
    # Whatever stands before it (exec, tini -g --, uv run, gosu app, a tracer) hands on to the program.
    for number, word in enumerate(words):
        program = posixpath.basename(word)
        if re.fullmatch(r"python[\d.]*", program):
            rest = words[number + 1 :]
            script = next((w for w in rest if not w.startswith("-")), "")
            by_path = script.endswith(".py") and not {"-m", "-c"}.intersection(rest[: rest.index(script)])
            yield Launch(posixpath.dirname(_join(cwd, script)) if by_path else cwd, place, shlex.join(words))
            return
        if program in CWD_SERVERS:
            for option, value in pairwise(part for word in words for part in word.split("=", 1)):
                if option in DIR_OPTIONS:
                    cwd = _join(cwd, value)
            yield Launch(cwd, place, shlex.join(words))
            return


def _join(folder: str, name: str) -> str:
    """`folder/name`, normalised; "" is the top of the project."""
    joined = posixpath.normpath(posixpath.join(folder, name.lstrip("/") if folder == "" else name))
    return "" if joined == "." else joined
