"""What an import of the project's own code reaches: a module's file, nothing, or what cannot be known.

A folder is *closed* when it is a regular package, or lies in one: nothing but the project's own files can add
modules to it. A folder without `__init__.py` that no package encloses is *open*: another distribution may have a
share in it, so what is absent there may still be found. Only what is absent from a closed folder is `Missing`.

    reach.target("app/api", 0, "app.db")   ->  ("app/db.py",)      the files that it may mean, one a root
                                               Missing(...)        none, and no root offers it
                                               FOREIGN             its first name is not the project's
                                               None                not known
"""

from __future__ import annotations

import posixpath
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from guardrails.source.names import FRAMEWORKS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from guardrails.source.model import Project

FOREIGN = "foreign"
# What every module has without a statement that says so.
IMPLICIT = frozenset(
    {
        "__name__", "__file__", "__doc__", "__path__", "__package__", "__spec__", "__loader__", "__dict__",
        "__cached__", "__builtins__", "__annotations__", "__class__",
    }
)  # fmt: skip


class Missing:
    """`name` is absent from `folder`. `root` and `first`: where the search began; None for a relative import.

    `hidden_by`: the module that stands where a package would be needed. `beyond`: the dots of a relative import
    lead out of the project. No tuple: a tuple of paths is what was found.
    """

    def __init__(self, folder: str, name: str, *, hidden_by: str | None = None, beyond: bool = False) -> None:
        self.folder = folder
        self.name = name
        self.hidden_by = hidden_by
        self.beyond = beyond
        self.root: str | None = None
        self.first = ""


Target = tuple[str, ...] | Missing | str | None


class Offer(NamedTuple):
    """What one module's statements bind. `typed`: for type checkers alone. `stars`: what it imports all of."""

    names: frozenset[str]
    typed: frozenset[str]
    stars: tuple[tuple[int, str], ...]


class Reach:
    """Follows the imports of one project to files, and knows which names those files have."""

    def __init__(self, project: Project, libraries: Iterable[str] = ()) -> None:
        """`libraries`: names under which what the project requires is imported."""
        self.project = project
        self.python = project.python
        # Where nothing is declared, the top of the project alone is believed to be a root.
        self.declared = {root.folder for root in project.layout.roots if root.kind != "assumed" or not root.folder}
        self.libraries = FRAMEWORKS.union(libraries)
        self.folders: set[str] = set()
        # First name of a module -> the folders from which it could be imported.
        self.regular: dict[str, list[str]] = {}
        self.plain: dict[str, list[str]] = {}
        # Names of modules inside packages: whoever imports one by it alone means a neighbour, perhaps.
        self.inner: dict[str, list[str]] = {}
        self._index(project.python)
        self._targets: dict[tuple[str, int, str], Target] = {}
        self._offers: dict[str, Offer] = {}
        self._names: dict[str, frozenset[str] | None] = {}

    def _index(self, paths: Iterable[str]) -> None:
        python, folders = self.python, self.folders
        for path in paths:
            folder, _, name = path.rpartition("/")
            if name != "__init__.py":
                self._offer(self.regular, folder, name[:-3])
            elif folder:
                self._offer(self.regular, *_split(folder))
            while folder and folder not in folders:
                folders.add(folder)
                if f"{folder}/__init__.py" not in python:
                    self._offer(self.plain, *_split(folder))
                folder = folder.rpartition("/")[0]

    def _offer(self, table: dict[str, list[str]], folder: str, name: str) -> None:
        if folder not in self.declared and self.is_closed(folder):
            table = self.inner
        table.setdefault(name, []).append(folder)

    def is_package(self, folder: str) -> bool:
        return (f"{folder}/__init__.py" if folder else "__init__.py") in self.python

    def is_closed(self, folder: str) -> bool:
        """Whether only the project's own files can be found below this folder."""
        while True:
            if self.is_package(folder):
                return True
            if not folder:
                return False
            folder = folder.rpartition("/")[0]

    def top(self, folder: str) -> str:
        """The folder above the outermost package around `folder`."""
        while folder and self.is_closed(folder):
            folder = folder.rpartition("/")[0]
        return folder

    def is_open(self, path: str) -> bool:
        """Whether a module changes names or the import system behind the back of its statements."""
        module = self.project.modules.get(path)
        return module is not None and bool(module.facts.get("open"))

    # Modules

    def target(self, folder: str, level: int, dotted: str) -> Target:
        """What `from <level dots><dotted> import …` reaches from a file in `folder`."""
        key = (folder, level, dotted)
        if key not in self._targets:
            self._targets[key] = self._relative(*key) if level else self._absolute(folder, dotted)
        return self._targets[key]

    def _relative(self, folder: str, level: int, dotted: str) -> Target:
        for _ in range(level - 1):
            if not folder:
                return Missing(folder, dotted, beyond=True)
            folder = folder.rpartition("/")[0]
        if not self.is_closed(folder):
            return None
        if not dotted:
            return (f"{folder}/__init__.py" if folder else "__init__.py",) if self.is_package(folder) else None
        return self._walk(folder, dotted.split("."), closed=True)

    def _absolute(self, folder: str, dotted: str) -> Target:
        parts = dotted.split(".")
        first = parts[0]
        roots = self.regular.get(first) or self.plain.get(first)
        if not roots:
            return FOREIGN
        if first in sys.stdlib_module_names:
            return None
        if first in self.libraries:
            # Who lies in a package of that name at a root means it; anybody else may mean the library.
            inside = [root for root in roots if f"{folder}/".startswith(f"{posixpath.join(root, first)}/")]
            roots = [root for root in inside if root in self.declared or not root]
        answers = [self._walk(root, parts, closed=False) for root in roots]
        found = tuple(path for answer in answers if isinstance(answer, tuple) for path in answer)
        if found or not answers or None in answers:
            return found or None
        nearest = max(range(len(roots)), key=lambda i: len(posixpath.commonprefix([f"{folder}/", f"{roots[i]}/"])))
        missing = answers[nearest]
        if isinstance(missing, Missing):
            missing.root, missing.first = roots[nearest], first
        return missing

    def _walk(self, folder: str, parts: list[str], *, closed: bool) -> Target:
        last = len(parts) - 1
        for position, part in enumerate(parts):
            if closed and self.is_open(f"{folder}/__init__.py"):
                closed = False
            stem = f"{folder}/{part}" if folder else part
            if f"{stem}/__init__.py" in self.python:
                folder, closed = stem, True
                continue
            if f"{stem}.py" in self.python:
                if position == last:
                    return (f"{stem}.py",)
                # A folder beside it is GR-SHADOW's business; `__path__` makes a module a package.
                if (
                    stem in self.folders
                    or self.is_open(f"{stem}.py")
                    or "__getattr__" in self.offer(f"{stem}.py").names
                ):
                    return None
                return Missing(stem, parts[position + 1], hidden_by=f"{stem}.py")
            if stem not in self.folders:
                return Missing(folder, part) if closed else None
            folder = stem
        return (f"{folder}/__init__.py",) if self.is_package(folder) else None

    def submodule(self, path: str, name: str) -> str | None:
        """The file of a package's submodule; "" for a folder without `__init__.py`; None: there is none."""
        if not path.endswith("__init__.py"):
            return None
        stem = f"{path[:-11]}{name}"
        for candidate in (f"{stem}/__init__.py", f"{stem}.py"):
            if candidate in self.python:
                return candidate
        return "" if stem in self.folders else None

    # Names

    def has(self, path: str, name: str) -> bool | None:
        """Whether an importer of this module can get the name. None: nobody can tell."""
        if name in self.offer(path).names:
            return True
        names = self.names(path)
        return None if names is None else name in names

    def offer(self, path: str) -> Offer:
        """What a module binds itself, under whatever condition; not what comes in by a star."""
        if path not in self._offers:
            module = self.project.modules.get(path)
            self._offers[path] = NOTHING if module is None else _offer_of(module.facts)
        return self._offers[path]

    def names(self, path: str) -> frozenset[str] | None:
        """Every name that an importer of this module may get, its stars followed. None: nobody can tell."""
        if path not in self._names:
            self._names[path] = self._with_stars(path)
        return self._names[path]

    def _with_stars(self, path: str) -> frozenset[str] | None:
        waiting = [path]
        names: set[str] = set(IMPLICIT)
        for place in waiting:  # grows as it is walked
            own = self._own(place)
            if own is None:
                return None
            names |= own
            for level, dotted in self.offer(place).stars:
                sources = self.target(place.rpartition("/")[0], level, dotted)
                if not isinstance(sources, tuple):
                    return None
                waiting += [source for source in sources if source not in waiting]
        return frozenset(names)

    def _own(self, path: str) -> frozenset[str] | None:
        if path not in self.project.modules:
            return None
        names = self.offer(path).names
        if "__getattr__" in names:
            # In-function: few projects have such a module, and `ast` costs more than all else here.
            from guardrails.source.lazy import served

            strings = served(self._bytes(path))
            return None if strings is None else names | strings
        return None if self.is_open(path) else names

    def _bytes(self, path: str) -> bytes:
        try:
            return (self.project.base / path).read_bytes()
        except OSError:
            return b""


NOTHING = Offer(frozenset(), frozenset(), ())


def _split(folder: str) -> tuple[str, str]:
    above, _, name = folder.rpartition("/")
    return above, name


def _offer_of(facts: Mapping[str, Any]) -> Offer:
    names = set(facts.get("also", ()))
    typed: set[str] = set()
    stars = []
    for scope, arm, _line, target, _value in facts.get("binds", ()):
        if not scope:
            (typed if arm and ":types" in arm else names).add(target)
    for raw in facts["scopes"][1:]:
        if not raw[3]:
            (typed if raw[4] and ":types" in raw[4] else names).add(raw[1])
    for _line, scope, arm, level, module, name, alias, *_below in facts.get("imports", ()):
        if scope:
            continue
        if name == "*":
            stars.append((level, module))
        else:
            bound = alias or name or module.partition(".")[0]
            (typed if arm and ":types" in arm else names).add(bound)
    return Offer(frozenset(names), frozenset(typed - names), tuple(stars))
