"""What an import asks for and the project does not have: modules, names, and the promises of `__all__`.

Before anything is reported, this asks what could still provide it: a compiled module on the disk, a build that writes
the file, code that registers modules or sets attributes at run time, a rule of git that hides it.
"""

from __future__ import annotations

import os
import posixpath
import re
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from guardrails.errors import GitError
from guardrails.evidence import Severity
from guardrails.git import run_git
from guardrails.preflight.checks.imports import IGNORED, MODULE, NAME, PROMISE
from guardrails.preflight.checks.imports_sites import Site, weight
from guardrails.preflight.rule import weakened
from guardrails.source.files import text_of
from guardrails.source.model import Import

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from guardrails.evidence import Finding
    from guardrails.preflight.checks.imports_sites import Scan
    from guardrails.source.model import Scope
    from guardrails.source.reach import Missing

# Files that say what a build makes.
BUILD_FILES = (
    "pyproject.toml", "setup.py", "setup.cfg", "CMakeLists.txt", "meson.build", "Makefile", "Dockerfile", "Cargo.toml",
    "build.py", "hatch_build.py", "noxfile.py", "tox.ini", "justfile", "MANIFEST.in",
)  # fmt: skip
# Modules that tools write, and that a source checkout lacks until they have run.
GENERATED = re.compile(
    r"_?_?version(_?info)?_?_?|_?build_?info|.*_pb2(_grpc)?|.*_grpc|_?generated.*|.*_rc|ui_.*|parsetab|lextab"
    r"|.*(Parser|Lexer|Listener|Visitor)|_?gitversion|_?revision"
)
NATIVE = re.compile(
    r"maturin|setuptools-rust|scikit-build|meson-python|pybind11|nanobind|mypyc|cffi_modules|ext_modules|[Cc]ython"
)
KNOWN_DECORATORS = frozenset({"dataclass", "total_ordering", "final", "unique", "runtime_checkable"})


class Hidden(NamedTuple):
    """A rule of git that covers a path."""

    place: str
    pattern: str


def check(scan: Scan) -> Iterator[Finding]:
    absent = Absent(scan)
    yield from absent.modules()
    yield from absent.neighbours()
    yield from absent.through_src()
    yield from absent.nameless()
    yield from absent.promises()


class Absent:
    """Judges the suspects of one scan."""

    def __init__(self, scan: Scan) -> None:
        self.scan = scan
        self.project = scan.project
        self.reach = scan.reach

    # Modules

    def modules(self) -> Iterator[Finding]:
        told = set()
        for site, missing in self.scan.missing:
            severity = self.severity(site)
            key = (site.module.path, site.line, site.level, site.dotted)
            if severity is None or key in told or not self.is_ours(missing):
                continue
            told.add(key)
            if missing.beyond:
                message = f"`{site.text}` leads out of the outermost package: there is nothing above it"
                yield MODULE.at(site.module.path, site.line, message, severity=severity)
            elif missing.hidden_by is not None:
                message = f"`{site.text}`: {missing.hidden_by} is a module and no package, so nothing lies below it"
                yield MODULE.at(site.module.path, site.line, message, severity=severity)
            else:
                yield from self.absent_file(site, missing.folder, missing.name, severity)

    def absent_file(self, site: Site, folder: str, name: str, severity: Severity) -> Iterator[Finding]:
        """The finding about a file that is not in the project, unless something provides it."""
        stem = posixpath.join(folder, name)
        hidden = self.hidden_by(stem)
        if hidden is not None:
            if GENERATED.fullmatch(name) or self.is_written_by_a_tool(stem):
                return
            last = hidden.pattern.rstrip("/").rpartition("/")[2]
            if last in (f"{name}.py", name) and "/" in hidden.pattern.strip("/"):
                severity = max(severity, Severity.WARNING, key=lambda s: s.rank)
            if last == f"{name}.py":
                severity = max(severity, Severity.WARNING, key=lambda s: s.rank)
            message = f"`{site.text}` needs {stem}, which git ignores ({hidden.place}: `{hidden.pattern}`)"
            yield IGNORED.at(site.module.path, site.line, message, severity=severity)
        elif not self.may_exist(folder, name):
            message = f"`{site.text}`: there is no {stem}.py and no {stem}/"
            yield MODULE.at(site.module.path, site.line, message, severity=severity)

    def severity(self, site: Site) -> Severity | None:
        severity = weight(site)
        if severity is None:
            return None
        if severity is Severity.ERROR and self.is_optional(site.module.path):
            severity = Severity.WARNING
        return weakened(severity, site.module.role)

    def is_ours(self, missing: Missing) -> bool:
        """Whether the first name of an absolute import is surely that of the project's own package."""
        return missing.root is None or missing.root in ("", *self.reach.declared) or self.is_proven(missing.first)

    def is_proven(self, first: str) -> bool:
        """Whether some other import by that first name finds a module of the project with what it asks for."""
        for module in self.project.modules.values():
            for _line, _scope, _arm, level, dotted, name, *_ in module.facts.get("imports", ()):
                if level == 0 and name is not None and dotted.partition(".")[0] == first:
                    target = self.reach.target(module.package, 0, dotted)
                    if (
                        isinstance(target, tuple)
                        and module.path not in target
                        and name in self.reach.offer(target[0]).names
                    ):
                        return True
        return False

    @cached_property
    def importers(self) -> dict[str, list[bool]]:
        """Module -> for each import of it at import time, whether that one is on a condition."""
        found: dict[str, list[bool]] = {}
        for edges in self.scan.edges.values():
            for edge in edges:
                for path in edge.reached:
                    found.setdefault(path, []).append(edge.conditional)
        return found

    def is_optional(self, path: str) -> bool:
        """Whether everybody who imports this module does so on a condition, prepared for its failure."""
        return all(self.importers.get(path, [False]))

    # What could still provide it

    def may_exist(self, folder: str, name: str) -> bool:
        return (
            self.is_on_disk(folder, name)
            or self.is_registered(folder, name)
            or (not self.is_unpacked and (bool(GENERATED.fullmatch(name)) or self.is_built(folder, name)))
        )

    def is_on_disk(self, folder: str, name: str) -> bool:
        """A compiled module, a link, a file that the configuration excludes, a folder of data."""
        return any(entry == name or entry.startswith(f"{name}.") for entry in self.listing(folder))

    def listing(self, folder: str) -> list[str]:
        try:
            return [entry.name for entry in (self.project.base / folder).iterdir()]
        except OSError:
            return []

    def is_registered(self, folder: str, name: str) -> bool:
        """A package around it that changes `__path__` or `sys.modules`, or a module that speaks of it there."""
        while folder:
            if self.reach.is_open(f"{folder}/__init__.py") and self.reach.names(f"{folder}/__init__.py") is None:
                return True
            folder = folder.rpartition("/")[0]
        spoken = re.compile(rf"['\".]{re.escape(name)}\b['\".]")
        return any(spoken.search(text) for text in self.openers)

    @cached_property
    def openers(self) -> list[str]:
        """The texts of modules that change other modules or the import system."""
        paths = [path for path, module in self.project.modules.items() if module.facts.get("open")]
        return [text for path in paths if "sys.modules" in (text := text_of(self.project.base / path))]

    @cached_property
    def is_unpacked(self) -> bool:
        """Whether this is what a build has made, so that no build will add to it."""
        return any(self.project.base.glob("*.dist-info/METADATA"))

    @cached_property
    def build_texts(self) -> str:
        names = [
            name for name in (*self.project.others, *self.project.python) if posixpath.basename(name) in BUILD_FILES
        ]
        top = [name for name in BUILD_FILES if name not in names]
        return "\n".join(text_of(self.project.base / name) for name in (*names, *top))

    def is_built(self, folder: str, name: str) -> bool:
        """Whether the build speaks of this file, or compiles modules at all."""
        dotted = ".".join([*folder.split("/")[-1:], name])
        if any(word in self.build_texts for word in (f"{name}.py", f"{folder}/{name}", dotted)):
            return True
        return NATIVE.search(self.build_texts) is not None

    def is_written_by_a_tool(self, stem: str) -> bool:
        head = text_of(self.project.base / f"{stem}.py")[:600].lower()
        return "generated" in head or "do not edit" in head

    def hidden_by(self, stem: str) -> Hidden | None:
        """The rule by which git ignores the module or the folder of that name."""
        return self.ignored.get(stem)

    @cached_property
    def ignored(self) -> dict[str, Hidden]:
        """What git ignores of all that is asked for and absent, in one question: starting git costs more than all else."""
        stems = {posixpath.join(missing.folder, missing.name) for _, missing in self.scan.missing}
        for site, files in self.scan.nameless:
            stems |= {posixpath.join(posixpath.dirname(file), str(site.name)) for file in files if _is_init(file)}
        if not stems or not self.is_checkout:
            return {}
        paths = {path: stem for stem in stems for path in (f"{stem}.py", f"{stem}/__init__.py")}
        try:
            said = run_git(
                ["check-ignore", "-v", "-z", "--no-index", "--stdin"],
                self.project.base,
                input=b"\0".join(map(os.fsencode, paths)),
            )
        except GitError:
            return {}  # it ends with 1 where nothing is ignored
        words = os.fsdecode(said).split("\0")
        found = zip(words[0::4], words[1::4], words[2::4], words[3::4], strict=False)
        return {
            paths[path]: Hidden(f"{source}:{line}", pattern)
            for source, line, pattern, path in found
            if not pattern.startswith("!")
        }

    @cached_property
    def is_checkout(self) -> bool:
        """Whether git keeps this project; a folder that an outer checkout ignores is none of git's."""
        try:
            run_git(["check-ignore", "-q", "."], self.project.base)
        except GitError as exc:
            return exc.returncode == 1
        return False

    # Neighbours

    def neighbours(self) -> Iterator[Finding]:
        """`from LLM.base import Model` inside a package that has LLM/base.py: it works only from that very folder."""
        if any(module.facts.get("paths") for module in self.project.modules.values()):
            return
        told = set()
        by_first: dict[str, list[tuple[Site, str | None]]] = {}
        for site in self.scan.neighbours:
            by_first.setdefault(site.dotted.partition(".")[0], []).append((site, self.home_of(site)))
        for first, sites in by_first.items():
            # One import that does not fit, and the name is that of a library after all.
            if any(home is None for _, home in sites):
                continue
            for site, home in sites:
                severity = self.severity(site)
                key = (site.module.path, site.line, site.dotted)
                if severity is None or key in told or not self.is_loaded_as_package(site, str(home)):
                    continue
                told.add(key)
                yield MODULE.at(
                    site.module.path,
                    site.line,
                    f"`{site.text}` finds nothing: {first} lies in the package {home}/, whose folder is not on sys.path",
                    severity=severity,
                    fix=f"Write `{str(home).replace('/', '.')}.{site.dotted}`, or a relative import.",
                )

    def through_src(self) -> Iterator[Finding]:
        """`import src.app.x` in a distribution: only the checkout has a folder src/ to start from."""
        told = set()
        for site in self.scan.neighbours if self.is_unpacked else ():
            first, _, rest = site.dotted.partition(".")
            key = (site.module.path, site.line, site.dotted)
            severity = self.severity(site)
            if first != "src" or severity is None or key in told:
                continue
            if isinstance(self.reach.target(site.folder, 0, rest), tuple):
                told.add(key)
                message = f"`{site.text}` finds nothing: what is installed has no folder src/ above {rest}"
                yield MODULE.at(site.module.path, site.line, message, severity=severity, fix=f"Write `{rest}`.")

    def home_of(self, site: Site) -> str | None:
        """The package around the importer that has all that the import names."""
        first = site.dotted.partition(".")[0]
        if first in self.reach.libraries or site.name is None:
            return None
        folder = site.folder
        while folder and self.reach.is_package(folder):
            if folder in self.reach.inner.get(first, ()):
                target = self.reach.target(folder, 1, site.dotted)
                return folder if isinstance(target, tuple) and self.defines(target[0], site) else None
            folder = folder.rpartition("/")[0]
        return None

    def defines(self, path: str, site: Site) -> bool:
        """Whether a neighbour itself defines the name; one that only imports it may be named like its source."""
        if path == site.module.path:
            return False
        if site.name == "*":
            return bool(self.reach.offer(path).names)
        module = self.project.modules.get(path)
        items = module.names.get((0, str(site.name)), ()) if module is not None else ()
        return any(not isinstance(item, Import) for item in items)

    def is_loaded_as_package(self, site: Site, home: str) -> bool:
        """Whether the importer is imported under its full name, and nothing in that folder is started as a script."""
        return site.module.path in self.importers and (self.is_unpacked or not self.has_script(home))

    def has_script(self, folder: str) -> bool:
        return any(
            module.facts.get("main")
            for path, module in self.project.modules.items()
            if posixpath.dirname(path) == folder
        )

    # Names

    def nameless(self) -> Iterator[Finding]:
        for site, files in self.scan.nameless:
            name = str(site.name)
            severity = self.severity(site)
            if severity is None or any(self.reach.has(file, name) is not False for file in files):
                continue
            if not self.is_meant(site, files) or self.is_set_elsewhere(name, files) or self.is_derived(name, files):
                continue
            file = files[0]
            if _is_init(file):
                folder = posixpath.dirname(file)
                if self.hidden_by(posixpath.join(folder, name)) is not None:
                    yield from self.absent_file(site, folder, name, severity)
                    continue
                if self.may_exist(folder, name):
                    continue
            yield NAME.at(
                site.module.path,
                site.name_line,
                self.lacks(site.text, file, name),
                severity=severity,
                fix=self.near(file, name),
            )

    def lacks(self, text: str, file: str, name: str) -> str:
        if name in self.reach.offer(file).typed:
            return f"`{text}`: {file} binds {name} under TYPE_CHECKING only, so it is not there at run time"
        return f"`{text}`: {file} has no {name}"

    def near(self, file: str, name: str) -> str | None:
        import difflib

        close = difflib.get_close_matches(
            name, [n for n in self.reach.offer(file).names if "." not in n], n=1, cutoff=0.8
        )
        return f"Import `{close[0]}`, which is there, or define `{name}` in {file}." if close else None

    def is_meant(self, site: Site, files: Iterable[str]) -> bool:
        """Whether an absolute import surely means these files and no library of that name."""
        if site.level:
            return True
        first = site.dotted.partition(".")[0]
        for root in self.reach.regular.get(first, ()):
            if root == "" or root in self.reach.declared:
                return True
        own = self.reach.top(site.folder)
        return any(file.startswith(posixpath.join(own, first)) for file in files) and self.is_proven(first)

    def is_set_elsewhere(self, name: str, files: tuple[str, ...]) -> bool:
        """Whether some code sets an attribute of that name on something that may be the module."""
        return name in self.attributes or any(self.is_module(path, expr, files) for path, expr in self.setattrs)

    @cached_property
    def attributes(self) -> set[str]:
        """Names that are assigned as attributes of something else than `self`."""
        return {
            raw[3].rpartition(".")[2]
            for module in self.project.modules.values()
            for raw in module.facts.get("binds", ())
            if "." in raw[3] and not raw[3].startswith(("self.", "cls."))
        }

    @cached_property
    def setattrs(self) -> list[tuple[str, Any]]:
        """What `setattr` is called on, and in which module."""
        return [
            (path, call[2][0])
            for path, module in self.project.modules.items()
            for _scope, _arm, _line, call in module.facts.get("calls", ())
            if call[1] == "setattr" and call[2]
        ]

    def is_derived(self, name: str, files: tuple[str, ...]) -> bool:
        """Whether a decorator of a class may have bound a name that it made of the class's own, such as `X_Store`."""
        scopes = [scope for file in files for scope in self.project.modules[file].decorated]
        return any(scope.kind == "class" and scope.name in name and not _only_marks(scope) for scope in scopes)

    def is_module(self, path: str, expr: object, files: tuple[str, ...]) -> bool:
        """Whether an expression is, or may be, one of these modules."""
        if not isinstance(expr, str):
            return isinstance(expr, list) and expr[0] != "c"
        module = self.project.modules[path]
        for item in module.imports:
            if item.bound == expr.partition(".")[0]:
                target = self.reach.target(module.package, item.level, item.module)
                below = item.name and isinstance(target, tuple) and self.reach.submodule(target[0], item.name)
                return below in files if below else isinstance(target, tuple) and bool(set(target) & set(files))
        return False

    # Promises

    def promises(self) -> Iterator[Finding]:
        for path, module in self.project.modules.items():
            for line, name in module.facts.get("all", ()):
                if name in self.reach.offer(path).names or not self.is_broken(path, name):
                    continue
                severity = Severity.ERROR if path in self.starred else Severity.WARNING
                text = f"__all__ lists {name!r}"
                yield PROMISE.at(
                    path, line, self.lacks(text, path, name).replace("`", ""), severity=weakened(severity, module.role)
                )

    def is_broken(self, path: str, name: str) -> bool:
        if self.reach.has(path, name) is not False or self.reach.submodule(path, name) is not None:
            return False
        if _is_init(path) and self.may_exist(posixpath.dirname(path), name):
            return False
        return not self.is_set_elsewhere(name, (path,))

    @cached_property
    def starred(self) -> set[str]:
        """Modules from which the project imports everything, unprepared for a failure."""
        return {
            edge.target
            for edges in self.scan.edges.values()
            for edge in edges
            if edge.name == "*" and not edge.conditional
        }


def _is_init(path: str) -> bool:
    return posixpath.basename(path) == "__init__.py"


def _only_marks(scope: Scope) -> bool:
    """Whether all decorators of a class are those of the standard library, which bind no other name."""
    shown = (one.expr[1] if isinstance(one.expr, list) else one.expr for one in scope.decorators)
    return all(str(name).rpartition(".")[2] in KNOWN_DECORATORS for name in shown)
