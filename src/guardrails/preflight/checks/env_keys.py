"""The keys that a project sets, held against the keys that it reads: unread, undescribed, misspelt, set twice."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, NamedTuple

from guardrails.evidence import Severity
from guardrails.preflight.checks import env_owners
from guardrails.preflight.checks.distributions import guessed_import_name
from guardrails.preflight.checks.env import MISSPELT, TWICE, UNDOCUMENTED, UNREAD
from guardrails.preflight.checks.env_readers import Readers
from guardrails.preflight.rule import weakened
from guardrails.source import Place, Role
from guardrails.source.envfile import is_example
from guardrails.source.envreads import read_source
from guardrails.source.files import role_of
from guardrails.source.model import Bind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from guardrails.evidence import Finding
    from guardrails.preflight.checks.env_places import Places
    from guardrails.preflight.context import Context
    from guardrails.source import Module, Project
    from guardrails.source.envreads import How, Said, Settings

JUDGED = (Role.APP, Role.EXAMPLE)
# Objects that are called with the name of a key.
_CALLABLES = frozenset({"decouple.config", "environs.env"})
_CLASSES = frozenset(
    {"environs.Env", "environs.FileAwareEnv", "environ.Env", "environ.FileAwareEnv", "starlette.config.Config",
     "decouple.Config", "decouple.AutoConfig"}
)  # fmt: skip
_NO_READS = frozenset({"prefixed", "read_env", "read_envfile", "parser_for", "add_parser", "bool_flag", "get_prefixed"})
_SETTINGS = frozenset(
    {"pydantic_settings.BaseSettings", "pydantic.BaseSettings", "pydantic_settings.main.BaseSettings"}
)
# Folders that hold what concerns the folder above.
_SIDE_FOLDERS = frozenset(
    {"docker", ".docker", "deploy", "deployment", "compose", "env", "envs", ".envs", "config", "infra"}
)


class Needed(NamedTuple):
    """A key that the application's code asks for. `how` of the most forgiving of its readers."""

    key: str
    path: str
    line: int
    how: How
    at_import: bool = False


class Set(NamedTuple):
    """A line that sets a key."""

    key: str
    path: str
    line: int


def check(context: Context, places: Places) -> Iterator[Finding]:
    yield from _twice(places)
    readers = Readers(context.project, places)
    libraries = _libraries(context)
    modules = context.project.modules
    said = {path: read_source(readers.python[path]) for path in modules if modules[path].role is Role.APP}
    needed = _needed(context, said)
    unread = [
        one for one in _sets(places)
        if role_of(one.path) in JUDGED and not readers.reads(one.key) and not env_owners.is_owned(one.key, libraries)
    ]  # fmt: skip
    slips: set[str] = set()
    reported: set[tuple[str, str]] = set()
    for one in unread:
        if (one.key, one.path) in reported:
            continue
        reported.add((one.key, one.path))
        meant = next((n for n in needed.values() if n.key not in readers.placed and is_slip(one.key, n.key)), None)
        if meant is not None:
            slips.add(meant.key)
            yield _misspelt(one, meant)
        else:
            message = f"{one.key} is set here, and nothing in the project reads it"
            yield UNREAD.at(one.path, one.line, message, severity=weakened(UNREAD.severity, role_of(one.path)))
    yield from _undocumented(needed, places, readers, said, slips)


def _twice(places: Places) -> Iterator[Finding]:
    for path, entries in places.files:
        first: dict[str, tuple[int, int]] = {}
        for entry in entries if role_of(path) in JUDGED else ():
            line, mark = first.setdefault(entry.key, (entry.line, entry.mark))
            if mark != entry.mark and entry.key not in entry.uses:
                message = f"{entry.key} is set to another value in line {line} of this file"
                yield TWICE.at(path, entry.line, message, severity=weakened(TWICE.severity, role_of(path)))


def _sets(places: Places) -> Iterator[Set]:
    """Every line that sets a key for the project's own programs."""
    foreign = {
        posixpath.normpath(posixpath.join(posixpath.dirname(path), name))
        for path, composition in places.compositions
        for service in composition.services
        if service.context is None
        for name in service.env_files
    }
    for path, entries in places.files:
        # A file that a ready image is given sets that image's keys too; a copy of the example has its name.
        if path in foreign or (is_example(path) and any(path.startswith(name) for name in foreign)):
            continue
        yield from (Set(entry.key, path, entry.line) for entry in entries)
    for path, image in places.images:
        yield from (Set(given.key, path, given.line) for given in (*image.given, *image.args))
    for path, composition in places.compositions:
        for service in composition.services:
            if service.context is not None:
                yield from (Set(given.key, path, given.line) for given in service.given)


def _libraries(context: Context) -> frozenset[str]:
    """Import names of all that the project requires or imports, its own packages aside."""
    names = {guessed_import_name(name) for name in context.project.layout.requirements}
    for module in context.project.modules.values():
        names.update(raw[4].partition(".")[0] for raw in module.facts.get("imports", ()) if not raw[3])
    return frozenset(names - _own_packages(context.project))


def _own_packages(project: Project) -> set[str]:
    """The outermost packages of the project, and what lies at its roots: an adapter `llm/openai.py` is no `openai`."""
    tops = {root.folder for root in project.layout.roots} | {""}
    own = set()
    for path in project.python:
        folder, _, name = path.rpartition("/")
        while f"{folder}/__init__.py" in project.python and folder:
            folder, _, name = folder.rpartition("/")
            if f"{folder}/__init__.py" not in project.python:
                own.add(name)
        if folder in tops:
            own.add(name.removesuffix(".py"))
    return own


# What the code asks for


def _needed(context: Context, said: dict[str, Said]) -> dict[str, Needed]:
    """Every key that the application's code reads and does not set itself, with its most forgiving reader."""
    found: dict[str, Needed] = {}
    lenient: set[str] = set()
    for path, one in said.items():
        module = context.project.modules[path]
        for read in one.reads:
            if read.reader is not None and not _is_reader(context, module, read.reader):
                continue
            if read.how in ("set", "asked", "default"):
                lenient.add(read.key)
            if read.how != "set":
                _keep(found, Needed(read.key, path, read.line, read.how, read.at_import))
        for settings in one.settings:
            if settings.prefix is not None and _is_settings(context, module, settings):
                for field in settings.fields:
                    key = (field.keys[0] if field.keys else settings.prefix + field.name).upper()
                    required = field.required and len(field.keys) < 2
                    _keep(found, Needed(key, path, field.line, "raises" if required else "default"))
    return {
        key: one._replace(how="asked") if key in lenient and one.how in ("raises", "bare") else one
        for key, one in found.items()
    }


def _keep(found: dict[str, Needed], one: Needed) -> None:
    before = found.get(one.key)
    if before is None or (one.at_import and not before.at_import):
        found[one.key] = one


def _is_reader(context: Context, module: Module, called: str) -> bool:
    """Whether a name that is called with a key stands for a reader of the environment."""
    head, _, method = called.partition(".")
    if method in _NO_READS:
        return False
    meaning = context.names.find(module, head)
    if isinstance(meaning, Place) and isinstance(meaning.item, Bind):
        kind = context.names.type_of(meaning.module, meaning.item.value, meaning.item.scope, meaning.item.line)
        return isinstance(kind, str) and kind in _CLASSES
    return isinstance(meaning, str) and meaning in _CALLABLES


def _is_settings(context: Context, module: Module, settings: Settings) -> bool:
    """Whether a class derives from pydantic's settings, and from nothing else that could say a prefix."""
    for scope in module.scopes:
        if (scope.kind, scope.name, scope.line) == ("class", settings.name, settings.line):
            bases = [context.names.find(module, base, scope.parent, scope.line - 1)
                     for base in scope.bases if isinstance(base, str)]  # fmt: skip
            return len(bases) == len(scope.bases) and all(isinstance(base, str) and base in _SETTINGS for base in bases)
    return False


# Misspelt


def _misspelt(one: Set, meant: Needed) -> Finding:
    fails = meant.how == "raises" and meant.at_import
    severity = weakened(Severity.ERROR if fails else Severity.WARNING, role_of(one.path))
    then = "fails without it" if meant.how == "raises" else "does not see this value"
    message = f"{one.key} is set here; the code reads {meant.key} ({meant.path}:{meant.line}) and {then}"
    return MISSPELT.at(one.path, one.line, message, severity=severity, fix=f"Write {meant.key} here.")


def is_slip(one: str, other: str) -> bool:
    """Whether two different keys are one name, but for a slip of the pen."""
    if one.replace("_", "") == other.replace("_", ""):
        return True
    ours, theirs = one.split("_"), other.split("_")
    if len(ours) != len(theirs):
        return False
    apart = [pair for pair in zip(ours, theirs, strict=True) if pair[0] != pair[1]]
    if len(apart) != 1 or min(map(len, apart[0])) < 4 or any(char.isdigit() for char in "".join(apart[0])):
        return False
    return _is_one_edit(*apart[0])


def _is_one_edit(one: str, other: str) -> bool:
    """One letter more, less, another, or two that changed places."""
    if len(one) > len(other):
        one, other = other, one
    if len(other) - len(one) > 1:
        return False
    start = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(one))
    if len(one) < len(other):
        return one[start:] == other[start + 1 :]
    if one[start + 1 :] == other[start + 1 :]:
        return len(one) > 4  # HOST and POST are two words
    return one[start : start + 2] == other[start : start + 2][::-1] and one[start + 2 :] == other[start + 2 :]


# Described nowhere


def _undocumented(
    needed: dict[str, Needed], places: Places, readers: Readers, said: dict[str, Said], slips: set[str]
) -> Iterator[Finding]:
    """Only where a file describes other keys of the same code: elsewhere nobody promised to."""
    guides = [
        (_concerns(path), path)
        for path, keys in _described(places).items()
        if role_of(path) is Role.APP and any(key in needed for key in keys)
    ]
    named = readers.placed | readers.told
    for one in sorted(needed.values(), key=lambda one: (one.path, one.line)):
        if one.how != "raises" or one.key in slips or env_owners.is_given_by_platform(one.key):
            continue
        if one.key in named or one.key.lower() in named or one.key in said[one.path].prose:
            continue
        guide = next((path for folder, path in guides if f"{one.path}".startswith(folder)), None)
        if guide is None or readers.explains(one.path, one.key):
            continue
        message = f"{one.key} is needed here and named neither in {guide} nor in any other file beside the code"
        yield UNDOCUMENTED.at(one.path, one.line, message)


def _described(places: Places) -> dict[str, list[str]]:
    found = {path: [entry.key for entry in entries] for path, entries in places.files}
    for path, image in places.images:
        found[path] = [given.key for given in image.given]
    for path, composition in places.compositions:
        found[path] = [
            given.key for service in composition.services if service.context is not None for given in service.given
        ]
    return found


def _concerns(path: str) -> str:
    """The folder whose code a file speaks of, with a slash at its end; "" for the whole project."""
    folder = posixpath.dirname(path)
    while posixpath.basename(folder) in _SIDE_FOLDERS:
        folder = posixpath.dirname(folder)
    return f"{folder}/" if folder else ""
