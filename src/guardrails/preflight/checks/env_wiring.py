"""Checks of the environment that run at the wrong time or never: in a RUN of the image, or called by nothing."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from guardrails.preflight.checks.env import AT_BUILD, UNCALLED
from guardrails.preflight.checks.env_owners import is_given_by_platform
from guardrails.preflight.checks.env_places import CHECK_NAME, CHECK_SCRIPT
from guardrails.preflight.rule import weakened
from guardrails.source.envreads import read_source
from guardrails.source.extract import MAX_BYTES
from guardrails.source.files import role_of, text_of
from guardrails.source.launch import as_command

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from guardrails.evidence import Finding
    from guardrails.preflight.checks.env_places import Places, Suspect
    from guardrails.source import Project
    from guardrails.source.given import Run

_STAGES_THAT_TEST = re.compile(r"test|lint|check|ci\b|dev")


def check(project: Project, places: Places, suspects: Sequence[Suspect]) -> Iterator[Finding]:
    yield from _at_build(project, places)
    # A library's check is there for its users to call.
    if any(root.kind == "entry" for root in project.layout.roots):
        yield from _uncalled(project, suspects)


def _at_build(project: Project, places: Places) -> Iterator[Finding]:
    starts = "\n".join(
        [start for _, image in places.images for start in image.starts]
        + [text_of(project.base / path) for path in project.others if _starts_something(path)]
    )
    for path, image in places.images:
        for run in image.runs:
            script = _checked_by(project, run)
            if script is None or _STAGES_THAT_TEST.search(run.stage):
                continue
            stem = posixpath.basename(script).removesuffix(".py")
            missing = sorted(_asked(project, script) - run.given - set(re.findall(r"([A-Za-z_]\w*)=", run.command)))
            missing = [key for key in missing if not is_given_by_platform(key)]
            if missing and re.search(rf"\b{re.escape(stem)}\b", starts) is None:
                named = ", ".join(missing[:3]) + (", …" if len(missing) > 3 else "")
                message = f"{script} looks for {named} while the image is built, and never when the service starts"
                yield AT_BUILD.at(path, run.line, message, severity=weakened(AT_BUILD.severity, role_of(path)))


def _starts_something(path: str) -> bool:
    name = posixpath.basename(path).lower()
    return name == "procfile" or name.endswith((".sh", ".yml", ".yaml", ".toml", ".conf", ".cfg"))


def _checked_by(project: Project, run: Run) -> str | None:
    """The project's script or module, named like a check, that this RUN executes."""
    if "--mount=type=secret" in run.command:
        return None
    words = as_command(run.command)
    for before, word in zip(["", *words], words, strict=False):
        name = word.replace(".", "/") + ".py" if before == "-m" else word
        stem = posixpath.basename(name).removesuffix(".py")
        if name.endswith(".py") and (CHECK_SCRIPT.fullmatch(stem) or CHECK_NAME.fullmatch(stem)):
            fitting = [path for path in project.modules if f"/{path}".endswith("/" + name.lstrip("./"))]
            if not fitting:
                fitting = [path for path in project.modules if posixpath.basename(path) == posixpath.basename(name)]
            if len(fitting) == 1:
                return fitting[0]
    return None


def _asked(project: Project, path: str) -> set[str]:
    """The keys that a script looks for; those in a list that it walks through stand in it as strings."""
    said = read_source(_bytes(project, path))
    if not said.touched:
        return set()
    return {read.key for read in said.reads if read.reader is None and read.how != "set"} | set(said.shouted)


def _uncalled(project: Project, suspects: Sequence[Suspect]) -> Iterator[Finding]:
    texts: list[tuple[str, bytes]] | None = None
    for suspect in suspects:
        said = read_source(_bytes(project, suspect.path))
        if suspect.function not in said.touched and not (not suspect.function and said.touched):
            continue
        if texts is None:
            paths = (*sorted(project.python), *project.others, *project.rest)
            texts = [(path, _bytes(project, path)) for path in paths]
        stem = posixpath.basename(suspect.path).removesuffix(".py")
        name = suspect.function or stem
        word = re.compile(rb"\b" + name.encode() + rb"\b")
        # Its own file names a script to say how it is used; a function is named there where it is defined.
        others = [data for path, data in texts if path != suspect.path]
        own = next(data for path, data in texts if path == suspect.path)
        here = len(word.findall(own)) - 1 if suspect.function else 0
        if here > 0 or any(word.search(data) for data in others):
            continue
        what = f"`{name}`" if suspect.function else f"the script {suspect.path}"
        message = f"{what} looks into the environment, and nothing in the project names it"
        severity = weakened(UNCALLED.severity, role_of(suspect.path))
        yield UNCALLED.at(suspect.path, suspect.line, message, severity=severity)


def _bytes(project: Project, path: str) -> bytes:
    try:
        with (project.base / path).open("rb") as file:
            return file.read(MAX_BYTES)
    except OSError:
        return b""
