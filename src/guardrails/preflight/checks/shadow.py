"""GR-SHADOW: one name, two modules, and the import takes the one that nobody meant.

Python takes the first match: a package before a module of the same name in one folder; along
`sys.path` the entry point's folder before the standard library, and that before site-packages. Only
folders that really are on `sys.path` count, and inside a package any name is fine.
"""

from __future__ import annotations

import posixpath
import re
import shlex
import sys
from typing import TYPE_CHECKING

from guardrails.evidence import Severity
from guardrails.preflight.checks import distributions
from guardrails.preflight.rule import Rule, weakened
from guardrails.source.files import role_of, text_of
from guardrails.source.layout import normalised

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from guardrails.evidence import Finding
    from guardrails.preflight.context import Context
    from guardrails.source import Project, Root

# Prints what the import takes, and fails while that is the file that shadows.
_PROOF = (
    "python -c \"import importlib.util as u, os, sys; p = u.find_spec('{name}').origin; "
    "print(p); sys.exit(p == os.path.abspath('{path}'))\""
)
_VERIFY = "guardrails preflight --static --select GR-SHADOW"

BESIDE = Rule(
    id="GR-SHADOW-001",
    title="a module beside a package of the same name",
    severity=Severity.ERROR,
    why="The import takes one of the two and never the other: edits to the loser change nothing, without a word.",
    fix="Merge the two, or rename one of them.",
    verify=_VERIFY,
    bad="app/prompts.py            # edited last week, never imported\napp/prompts/__init__.py   # what `import app.prompts` takes",
    good="app/prompts/__init__.py\napp/prompts/texts.py",
    runbook="name-shadowing",
)
STDLIB = Rule(
    id="GR-SHADOW-002",
    title="a name of the standard library at an import root",
    severity=Severity.ERROR,
    why="Every library that imports this name gets the wrong module: it breaks far away, at import or on a rare path.",
    fix="Rename it, or move it into the application's package.",
    verify=_PROOF,
    bad="profile.py        # `import cProfile` now fails: it imports profile\napp/main.py",
    good="app/profiles.py\napp/main.py",
    runbook="name-shadowing",
)
LIBRARY = Rule(
    id="GR-SHADOW-003",
    title="a library's name at an import root",
    severity=Severity.ERROR,
    why="Whoever imports the library gets this file instead: AttributeError or ImportError in code that did not change.",
    fix="Rename it, or move it into the application's package.",
    verify=_PROOF,
    bad="redis.py          # `from redis import Redis` now imports itself\napp/main.py       # depends on redis",
    good="app/cache.py\napp/main.py",
    runbook="name-shadowing",
)
CLASH = Rule(
    id="GR-SHADOW-004",
    title="two installed distributions own one import name",
    severity=Severity.ERROR,
    why="They overwrite each other's files: which one is imported depends on the order of installation.",
    fix="Uninstall one of the two, reinstall the other, or keep them in separate environments.",
    verify="python -c \"import importlib.metadata as m; print(m.packages_distributions()['{name}'])\"",
    bad="pip install guardrails-ai guardrails-ops   # both install the package `guardrails`",
    good="pip install guardrails-ops                 # the other one in an environment of its own",
    runbook="name-shadowing",
)
RULES = (BESIDE, STDLIB, LIBRARY, CLASH)

# Nobody is hurt by shadowing these: no library imports them.
HARMLESS = frozenset({"test", "this", "antigravity", "idlelib", "turtledemo", "turtle", "lib2to3", "tkinter"})
# Loaded before any entry of sys.path is looked at: here the project's own module is the one that loses.
ALWAYS_FIRST = frozenset(sys.builtin_module_names) | {
    "abc", "codecs", "genericpath", "importlib", "io", "os", "posixpath", "ntpath", "runpy", "site", "stat", "zipimport",
}  # fmt: skip


def check(context: Context) -> Iterator[Finding]:
    project = context.project
    yield from _beside(project)
    libraries = _libraries(project)
    for root in project.layout.roots:
        yield from _at_root(project, root, libraries)
    yield from _clashes(project, context.python)


def _beside(project: Project) -> Iterator[Finding]:
    folders: dict[str, list[str]] = {}
    for path in project.python:
        folder = posixpath.dirname(path)
        while folder and folder not in folders:
            folders.setdefault(folder, [])
            folder = posixpath.dirname(folder)
        folders.setdefault(posixpath.dirname(path), []).append(path)
    for path in sorted(project.python):
        folder = path.removesuffix(".py")
        if folder not in folders or posixpath.basename(folder) in ("__init__", "__main__"):
            continue
        package = f"{folder}/__init__.py"
        if package in project.python:
            message = f"{path} is never imported: the package {folder}/ beside it has the same name and wins"
            severity = Severity.ERROR if _is_missed(project, path) else Severity.WARNING
            yield BESIDE.at(path, None, message, severity=weakened(severity, role_of(path)))
        else:
            yield from _beside_plain_folder(project, path, folder)


def _is_missed(project: Project, path: str) -> bool:
    """Whether the module that loses holds something, and is no script that is run by its path."""
    module = project.modules.get(path)
    if module is not None and not module.binds and not module.scopes[1:]:
        return False
    text = text_of(project.base / path)
    return re.search(r"^if __name__ == ['\"]__main__['\"]", text, re.MULTILINE) is None


def _beside_plain_folder(project: Project, path: str, folder: str) -> Iterator[Finding]:
    """Without `__init__.py` the module wins, and what is in the folder cannot be imported."""
    module = project.modules.get(path)
    if module is not None and any(bind.target == "__path__" for bind in module.binds):
        return
    importer = next(_imports_below(project, folder), None)
    if importer is None:
        message = f"the module {path} hides the folder {folder}/: its files cannot be imported"
        yield BESIDE.at(path, None, message, severity=weakened(Severity.WARNING, role_of(path)))
    else:
        place, name = importer
        message = f"{place} imports {name}, but the module {path} hides the folder {folder}/: ModuleNotFoundError"
        yield BESIDE.at(path, None, message, severity=weakened(Severity.ERROR, role_of(path)))


def _imports_below(project: Project, folder: str) -> Iterator[tuple[str, str]]:
    """(place, module) of imports that need the folder to be a package."""
    tail = posixpath.basename(folder)
    for module in project.modules.values():
        raw = module.facts.get("imports", ())
        if not any(tail in item[4] for item in raw):
            continue
        for item in module.imports:
            parts = item.module.split(".")
            for cut in range(1, len(parts)):
                if parts[cut - 1] != tail:
                    continue
                below = posixpath.join(folder, *parts[cut:])
                above = "/".join(parts[: cut - 1])
                if (
                    item.level == 0
                    and posixpath.dirname(folder).endswith(above)
                    and (f"{below}.py" in project.python or f"{below}/__init__.py" in project.python)
                ):
                    yield f"{module.path}:{item.line}", item.module


def _at_root(project: Project, root: Root, libraries: dict[str, list[str]]) -> Iterator[Finding]:
    prefix = f"{root.folder}/" if root.folder else ""
    if f"{prefix}__init__.py" in project.python:
        return  # inside a package: its names are dotted, whoever starts here
    for name, path in sorted(_top_names(project, prefix).items()):
        if name in sys.stdlib_module_names and name not in HARMLESS and not name.startswith("_"):
            yield _shadows_stdlib(root, name, path)
        elif root.kind != "installed" and (place := _declared(libraries.get(name, ()), root)):
            yield LIBRARY.at(
                path,
                None,
                f"{path} takes the place of the library {name!r} ({place}): {_because(root)}",
                severity=_severity(root, path),
                verify=_proof(root, name, path),
            )


def _declared(places: Iterable[str], root: Root) -> str | None:
    """The file beside the root, or above it, that declares a library; another service's says nothing here."""
    above = ("", *(f"{root.folder}/"[: end + 1] for end, char in enumerate(f"{root.folder}/") if char == "/"))
    return next((place for place in places if place[: place.rfind("/") + 1] in above), None)


def _top_names(project: Project, prefix: str) -> dict[str, str]:
    """Import names that this root offers: modules and regular packages. A folder without `__init__` loses to a library."""
    names: dict[str, str] = {}
    for path in project.python:
        if not path.startswith(prefix):
            continue
        head, _, tail = path[len(prefix) :].partition("/")
        if not tail:
            names.setdefault(head.removesuffix(".py"), path)  # a package of the same name wins
        elif tail == "__init__.py":
            names[head] = path
    return names


def _shadows_stdlib(root: Root, name: str, path: str) -> Finding:
    loses = root.kind == "installed" or name in ALWAYS_FIRST
    message = (
        f"{path} can never be imported: `import {name}` takes the standard library's module"
        if loses
        else f"{path} takes the place of the standard library's {name!r}: {_because(root)}"
    )
    return STDLIB.at(path, None, message, severity=_severity(root, path), verify=_proof(root, name, path))


def _because(root: Root) -> str:
    where = f"{root.folder}/" if root.folder else "the project's top folder"
    if root.kind == "assumed":
        return f"{where} comes first on sys.path for `python -m`, pytest and servers started there"
    return f"{where} comes first on sys.path ({root.place}: {root.command})"


def _proof(root: Root, name: str, path: str) -> str:
    """A command that shows which module wins, run where the root is."""
    command = _PROOF.format(name=name, path=path[len(root.folder) :].lstrip("/"))
    return f"(cd {shlex.quote(root.folder)} && {command})" if root.folder else command


def _severity(root: Root, path: str) -> Severity:
    return weakened(Severity.WARNING if root.kind == "assumed" else Severity.ERROR, role_of(path))


def _libraries(project: Project) -> dict[str, list[str]]:
    """Import name -> where the dependency is declared; without what this repository itself is."""
    own = {normalised(name) for name in own_distributions(project)}
    return {
        distributions.guessed_import_name(name): places
        for name, places in project.layout.requirements.items()
        if name not in own
    }


def own_distributions(project: Project) -> Iterator[str]:
    """What the project itself is called where it is installed."""
    for name in project.others:
        if posixpath.basename(name) in ("pyproject.toml", "setup.cfg"):
            yield from re.findall(r"^name\s*=\s*[\"']?([\w.-]+)", text_of(project.base / name), re.MULTILINE)
    for path, module in project.modules.items():
        if posixpath.basename(path) == "setup.py":
            given = [call.expr[3].get("name") for call in module.calls if str(call.expr[1]).endswith("setup")]
            yield from (str(name[1]) for name in given if isinstance(name, list) and name[0] == "c")
    for folder in project.base.glob("*.dist-info"):
        yield folder.name.partition("-")[0]


def _clashes(project: Project, python: str | None) -> Iterator[Finding]:
    folder = distributions.site_packages(project.base, python)
    found = distributions.owners(folder) if folder else {}
    if "guardrails" not in found:
        # This toolkit's own name, which other distributions install too.
        home = distributions.own_site_packages()
        if home is not None and home != folder:
            found |= distributions.owners(home, only="guardrails")
    for name, owned in sorted(found.items()):
        if role_of(f"{name}/") != "app":
            continue  # tests and examples that were packed by mistake, and that nobody imports
        by_distribution = {normalised(item.distribution): item for item in owned}
        # Equal files are one namespace package that several distributions carry.
        if len({item.digest for item in by_distribution.values()}) > 1:
            who = " and ".join(f"{item.distribution} {item.version}" for item in by_distribution.values())
            yield CLASH.at(".", None, f"{who} both install `{name}`", verify=CLASH.verify.format(name=name))
