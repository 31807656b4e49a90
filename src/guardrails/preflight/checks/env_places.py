"""The files of a project that set environment keys, and the functions and scripts that are named like a check of them."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, NamedTuple

from guardrails.source import Role
from guardrails.source.files import text_of

if TYPE_CHECKING:
    from guardrails.source import Project
    from guardrails.source.envfile import Entry
    from guardrails.source.given import Composition, Image

_SUBJECT = (
    r"(env|environ|environment|env_?vars?|environment_variables?|secrets|api_?keys?|settings|config|configuration)"
)
CHECK_NAME = re.compile(rf"_?(check|validate|verify|ensure|require|assert)_([a-z]+_)?{_SUBJECT}(_[a-z]+)?")
CHECK_SCRIPT = re.compile(rf"(check|validate|verify|ensure|require|assert)_?([a-z]+_)?{_SUBJECT}(_[a-z]+)?|preflight")
# A part of every name that such a file can bear; what reads them is loaded only where there is one.
_MAY_SET = re.compile("env|dockerfile|containerfile|compose")


class Places(NamedTuple):
    """Each with its path."""

    files: tuple[tuple[str, tuple[Entry, ...]], ...]
    images: tuple[tuple[str, Image], ...]
    compositions: tuple[tuple[str, Composition], ...]


class Suspect(NamedTuple):
    """Something named like a check. `function`: "" where the whole file is meant."""

    path: str
    line: int | None
    function: str


def find(project: Project) -> Places:
    """Read every file that sets keys."""
    others = [path for path in project.others if _MAY_SET.search(path.rpartition("/")[2].lower())]
    if not others:
        return Places((), (), ())
    from guardrails.source.envfile import is_env_file, read_env
    from guardrails.source.given import is_compose, is_dockerfile, read_compose, read_image

    def text(path: str) -> str:
        return text_of(project.base / path)

    images = [(path, read_image(text(path))) for path in others if is_dockerfile(path)]
    compositions = [(path, read_compose(text(path))) for path in others if is_compose(path)]
    if images or compositions:
        paths = {*project.python, *project.others, *project.rest}
        images = [(path, _known(image, paths)) for path, image in images]
        compositions = [(path, _here(path, composition, paths)) for path, composition in compositions]
    files = tuple((path, read_env(text(path))) for path in others if is_env_file(path))
    return Places(files, tuple(images), tuple(compositions))


def _known(image: Image, paths: set[str]) -> Image:
    """An image without its keys where it starts a script that is not in the project, which may read them."""
    names = {posixpath.basename(path) for path in paths}
    scripts = {posixpath.basename(word) for word in re.findall(r"[\w./-]+\.(?:sh|py)\b", image.spoken)}
    return image if scripts <= names else image._replace(given=(), args=())


def _here(path: str, composition: Composition, paths: set[str]) -> Composition:
    """A composition in which what is built from a folder that is not in the project counts as a ready image."""
    services = []
    for service in composition.services:
        context = posixpath.normpath(posixpath.join(posixpath.dirname(path), service.context or "."))
        is_here = context == "." or any(name.startswith(f"{context}/") for name in paths)
        if service.dockerfile is not None:
            is_here = is_here and posixpath.normpath(posixpath.join(context, service.dockerfile)) in paths
        services.append(service if is_here else service._replace(context=None))
    return composition._replace(services=tuple(services))


def suspects(project: Project) -> list[Suspect]:
    """Module-level functions without a decorator, and files, that bear the name of a check of the environment."""
    found = []
    for path, module in project.modules.items():
        if module.role is not Role.APP:
            continue
        if CHECK_SCRIPT.fullmatch(posixpath.basename(path).removesuffix(".py")):
            found.append(Suspect(path, None, ""))
        for raw in module.facts["scopes"][1:]:
            kind, name, line, parent, _arm, decorators = raw[:6]
            if parent == 0 and kind != "class" and not decorators and CHECK_NAME.fullmatch(name):
                found.append(Suspect(path, line, name))
    return found
