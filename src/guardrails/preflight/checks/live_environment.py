"""Runs in the application's interpreter: what its imports would find, without importing anything of it.

    place     where each module is, by the finders alone; for one that is missing, the names beside it
    shadow    a name at one of the project's own folders that takes the place of a library's or of Python's own
    conflict  an installed distribution whose requirements are not met, as `pip check` sees it
    script    a command of a distribution that is asked for, whose module or function is not there
    mixed     a folder of the project's own, such as `tests`, that a distribution installs as well

Standard library alone, Python 3.9 and newer, one file, started by its path; requirements are compared by `packaging`,
or by the copy of it that pip or setuptools bring along. Answers are lines of Python literals.
"""

from __future__ import annotations

import sys

if __name__ == "__main__" and not getattr(sys.flags, "safe_path", False):
    del sys.path[0]  # the folder of this file

import ast
import os
import re
from importlib import import_module
from importlib.machinery import PathFinder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from importlib.machinery import ModuleSpec
    from typing import Any

MOST_NAMES = 3000
# With these a module may have any name.
DYNAMIC = re.compile(r"\b(globals|vars|locals|exec|setattr)\(|sys\.modules\[")
SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
# Where a copy of `packaging` is looked for.
HOMES = ("packaging", "pip._vendor.packaging", "setuptools._vendor.packaging", "setuptools.extern.packaging")


def find(name: str, path: Sequence[str] | None = None) -> ModuleSpec | None:
    """The spec of a module, its packages taken as they lie on the disk: nothing is executed."""
    spec: ModuleSpec | None = None
    done: list[str] = []
    for part in name.split("."):
        done.append(part)
        spec = _one(".".join(done), path)
        if spec is None:
            return None
        path = list(spec.submodule_search_locations or ())
    return spec


def _one(name: str, path: Sequence[str] | None) -> ModuleSpec | None:
    for finder in sys.meta_path:
        try:
            spec = finder.find_spec(name, path)
        except Exception:  # noqa: BLE001, S112 - a finder of somebody's that fails has found nothing
            continue
        if spec is not None:
            return spec
    return None


def beside(name: str) -> list[str]:
    """The names that could have been meant: modules where a missing one was looked for."""
    parts = name.split(".")
    for cut in range(len(parts) - 1, -1, -1):
        above = find(".".join(parts[:cut])) if cut else None
        if cut and (above is None or not above.submodule_search_locations):
            continue
        folders = list(above.submodule_search_locations or ()) if above else sys.path
        if cut == len(parts) - 1 or not cut:
            prefix = ".".join(parts[:cut])
            return [f"{prefix}.{found}" if prefix else found for folder in folders for found in sorted(modules(folder))]
    return []


def modules(folder: str) -> set[str]:
    try:
        entries = os.listdir(folder or ".")  # noqa: PTH208 - the same under 3.9 and cheaper
    except OSError:
        return set()
    found = set()
    for entry in entries:
        name, dot, ending = entry.partition(".")
        if name.isidentifier() and (not dot or ending == "py" or ending.endswith((".so", ".pyd"))):
            found.add(name)
    return found


def shadows(front: list[str], libraries: list[str]) -> Iterator[tuple[str, str, str, bool]]:
    """(name, file that is taken, file that is hidden, whether the hidden one is Python's own)."""
    stdlib = os.path.dirname(os.__file__)  # noqa: PTH120
    for folder in front:
        for name in sorted(modules(folder)):
            taken = PathFinder.find_spec(name, [folder])
            hidden = PathFinder.find_spec(name, libraries)
            if taken is None or hidden is None or not taken.origin or not hidden.origin:
                continue  # a folder without `__init__` loses, and hides nothing
            if not os.path.samefile(taken.origin, hidden.origin):  # noqa: PTH121
                own = hidden.origin.startswith(stdlib) and "-packages" not in hidden.origin
                yield name, taken.origin, hidden.origin, own


def conflicts() -> Iterator[tuple[str, str, str, str | None]]:
    """(distribution, version, requirement, installed version or None) for each requirement that is not met."""
    requirements, versions = _packaging()
    canonical = _canonical
    installed: dict[str, tuple[str, str, list[str]]] = {}
    for folder in sys.path:
        for name, version, needs in installed_in(folder):
            installed.setdefault(canonical(name), (name, version, needs))
    for name, version, needs in sorted(installed.values()):
        for need in needs:
            try:
                parsed = requirements.Requirement(need)
                if parsed.marker is not None and not parsed.marker.evaluate({"extra": ""}):
                    continue
                there = installed.get(canonical(parsed.name))
                met = there is not None and parsed.specifier.contains(versions.Version(there[1]), prereleases=True)
            except ValueError:  # InvalidRequirement, InvalidVersion: nothing can be said about it
                continue
            if not met:
                yield name, version, f"{parsed.name}{parsed.specifier}", there[1] if there else None


def _packaging() -> tuple[Any, Any]:
    for home in HOMES:
        try:
            return import_module(f"{home}.requirements"), import_module(f"{home}.version")
        except ImportError:
            continue
    raise ImportError


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def installed_in(folder: str) -> Iterator[tuple[str, str, list[str]]]:
    """(name, version, requirements) of what is installed in a folder, from the heads of its METADATA files."""
    for _, text in said_by("METADATA", folder):
        head = text.partition("\n\n")[0]
        found = dict(re.findall(r"(?m)^(Name|Version): *(.+?)\s*$", head))
        if len(found) == 2:
            needs = re.findall(r"(?m)^Requires-Dist: *(.+?)\s*$", head)
            yield found["Name"], found["Version"], [need for need in needs if not re.search(r";.*\bextra\s*==", need)]


def said_by(file_name: str, folder: str) -> Iterator[tuple[str, str]]:
    """(NAME-VERSION, text) of one metadata file of each distribution in a folder that has it."""
    try:
        entries = sorted(os.listdir(folder or "."))  # noqa: PTH208
    except OSError:
        return
    for entry in entries:
        if not entry.endswith(".dist-info"):
            continue
        try:
            with open(os.path.join(folder, entry, file_name), encoding="utf-8", errors="replace") as file:  # noqa: PTH118, PTH123
                text = file.read()
        except OSError:
            continue
        yield entry[: -len(".dist-info")], text


def scripts(wanted: set[str]) -> Iterator[tuple[str, str, str, str]]:
    """(NAME-VERSION, command, target, what is not there) for each command of these distributions that cannot run."""
    for folder in sys.path:
        for release, text in said_by("entry_points.txt", folder):
            if _canonical(release.partition("-")[0]) not in wanted:
                continue
            for section in re.findall(r"(?ms)^\[(?:console|gui)_scripts\]\s*$(.*?)(?=^\[|\Z)", text):
                for command, target in re.findall(r"(?m)^([^=\s#][^=\n]*?)\s*=\s*([\w.]+(?:\s*:\s*[\w.]+)?)", section):
                    module, _, name = target.replace(" ", "").partition(":")
                    absent = lacking(module, name.partition(".")[0])
                    if absent:
                        yield release, command, target, absent


def lacking(module: str, name: str) -> str:
    """What of a module and a name in it is not there; "" where both are, or where only a run would tell."""
    spec = find(module)
    if spec is None:
        return f"no module {module!r}"
    if not name or not (spec.origin or "").endswith(".py"):
        return ""
    try:
        with open(spec.origin or "", "rb") as file:  # noqa: PTH123
            source = file.read()
        names = bound_in(source)
    except (OSError, SyntaxError, ValueError):
        return ""
    if names is None or name in names or find(f"{module}.{name}") is not None:
        return ""
    return f"no {name!r} in {module}"


def bound_in(source: bytes) -> set[str] | None:
    """The names that a module binds when it is imported; None where it may have any."""
    if DYNAMIC.search(source.decode("utf-8", "replace")):
        return None
    found: set[str] = set()
    waiting: list[ast.AST] = list(ast.parse(source).body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, SCOPES):
            found.add(node.name)
            found.update(name for inner in ast.walk(node) if isinstance(inner, ast.Global) for name in inner.names)
            continue
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            found.update(alias.asname or alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        waiting.extend(ast.iter_child_nodes(node))
    return None if {"*", "__getattr__"} & found else found


def mixed(names: list[str]) -> Iterator[tuple[str, str, str]]:
    """(NAME-VERSION, folder, one file in it) for each of these folders that a distribution installs at the top."""
    pattern = re.compile(rf"(?m)^({'|'.join(map(re.escape, names))})/[^,\n]*\.py(?=,)")
    for folder in sys.path:
        for release, text in said_by("RECORD", folder):
            first: dict[str, str] = {}
            for match in pattern.finditer(text):
                first.setdefault(match[1], match[0])
            for name, file in first.items():
                yield release, name, file


def main() -> None:
    options: dict[str, list[str]] = {}
    for word in sys.argv[1:]:
        key, _, value = word.partition("=")
        options.setdefault(key, []).append(value)
    out = open(int(options["out"][0]), "w", encoding="ascii")  # noqa: PTH123, SIM115 - open to the end

    def tell(*said: object) -> None:
        out.write(ascii(said) + "\n")

    tell("python", sys.version_info[:3], sys.executable)
    front, libraries = options.get("front", []), list(sys.path)
    sys.path[:] = [*front, *libraries, *options.get("behind", [])]
    for name in options.get("module", []):
        spec = find(name)
        tell("place", name, spec is not None, [] if spec else beside(name)[:MOST_NAMES])
    for shadow in shadows(front, libraries):
        tell("shadow", *shadow)
    # A command of a distribution starts without the project's folders.
    sys.path[:] = libraries
    for script in scripts(set(options.get("distribution", []))):
        tell("script", *script)
    for found in mixed(options["watch"]) if "watch" in options else ():
        tell("mixed", *found)
    try:
        for conflict in conflicts():
            tell("conflict", *conflict)
    except ImportError:
        tell("unchecked", "neither packaging nor pip is installed there")
    out.flush()


if __name__ == "__main__":
    main()
