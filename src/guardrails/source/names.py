"""What a name stands for: followed through scopes, imports, re-exports, factories and base classes.

An answer is one of
    str                "fastapi.APIRouter": something outside the project, by its full name
    Place(module, x)   something in it: x is a Scope (class, function), a Bind (assignment), or the module itself
    None               not known, and a rule must then stay silent
"""

from __future__ import annotations

import posixpath
import sys
from typing import TYPE_CHECKING, NamedTuple

from guardrails.source.model import Bind, Import, Module, Scope

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from guardrails.source.model import Expr, Project

# What an application may import without naming it among its own requirements.
FRAMEWORKS = frozenset({"celery", "django", "dramatiq", "fastapi", "flask", "quart", "starlette", "taskiq"})
# A chain of re-exports or factories longer than this is a loop.
DEEPEST = 16


class Place(NamedTuple):
    """Something that the project defines."""

    module: Module
    item: Scope | Bind | Module


class Heir(NamedTuple):
    """A class of the project in another's line of descent."""

    module: Module
    item: Scope


Meaning = str | Place | None


class Names:
    """Resolves names across the modules of one project."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.modules = project.modules
        self._declared = {root.folder for root in project.layout.roots}
        # The folder above the outermost package is a root too, whoever put it on sys.path, and so are those
        # above it for the files below them: a service of plain folders does not say where it begins.
        tops = {self._top(path) for path in project.modules}
        self._tops = self._declared | tops | {""}
        self._roots_of = _roots_by_first_name(
            project.modules, self._tops | {above for top in tops for above in _above(top)}
        )
        self._found: dict[tuple[str, str], Module | None] = {}
        self._starred: dict[str, list[Module]] = {}
        self._made: dict[tuple[str, int], Meaning] = {}

    def _top(self, path: str) -> str:
        folder = posixpath.dirname(path)
        while folder and f"{folder}/__init__.py" in self.project.python:
            folder = posixpath.dirname(folder)
        return folder

    # Modules

    def module(self, dotted: str, seen_from: str) -> Module | None:
        """The project's module of that full name, from the root nearest to the file that asks."""
        # Which roots are near depends on the folder alone.
        key = (dotted, posixpath.dirname(seen_from))
        if key not in self._found:
            first = dotted.partition(".")[0]
            candidates = self._roots_of.get(first, ())
            near = [root for root in candidates if root == "" or seen_from.startswith(root + "/")]
            # A far one only where no near one has the name: `app` of the next service is not this one's.
            far = [] if near else [root for root in candidates if root in self._tops]
            if self._is_library(first):
                # `celery.py` in some folder is not what `import celery` means, unless that folder is on sys.path.
                near, far = [r for r in near if r in self._declared or self._is_package(r, first)], []
            self._found[key] = next(
                (module for root in (*near, *far) if (module := self._at(root, dotted)) is not None), None
            )
        return self._found[key]

    def _is_library(self, name: str) -> bool:
        return (
            name in FRAMEWORKS
            or name in sys.stdlib_module_names
            or name.replace("_", "-") in self.project.layout.requirements
        )

    def _is_package(self, root: str, name: str) -> bool:
        return posixpath.join(root, name, "__init__.py") in self.project.python

    def _at(self, root: str, dotted: str) -> Module | None:
        stem = posixpath.join(root, dotted.replace(".", "/")) if dotted else root
        return self.modules.get(f"{stem}/__init__.py") or self.modules.get(f"{stem}.py")

    def imported_from(self, module: Module, item: Import) -> str:
        """The full dotted name that `from <this> import …` starts at; "/…" marks a path inside the project."""
        if item.level == 0:
            return item.module
        folder = module.package
        for _ in range(item.level - 1):
            folder = posixpath.dirname(folder)
        return "/" + posixpath.join(folder, item.module.replace(".", "/"))

    def _source(self, module: Module, item: Import) -> Module | None:
        start = self.imported_from(module, item)
        if start.startswith("/"):
            stem = start[1:]
            return self.modules.get(f"{stem}/__init__.py" if stem else "__init__.py") or self.modules.get(f"{stem}.py")
        return self.module(start, module.path)

    # Names

    def find(self, module: Module, dotted: str, scope: int = 0, line: int | None = None, depth: int = 0) -> Meaning:
        """What `dotted` means where it stands. `line`: at that line; None: after the module has run."""
        if depth > DEEPEST:
            return None
        head, _, rest = dotted.partition(".")
        holder = self._lookup(module, dotted, scope, line) if rest else None
        if isinstance(holder, Bind):
            return Place(module, holder)  # a dotted target: `self.router = …`
        if head in ("self", "cls") and rest:
            return self._member_of_class(module, scope, rest, depth)
        item = self._lookup(module, head, scope, line)
        if item is None and rest and (kind := self._annotated(module, head, scope, depth)) is not None:
            return self._walk(kind, rest, depth)
        meaning = (
            self._meaning(module, item, depth) if item is not None else self._elsewhere(module, head, scope, depth)
        )
        if isinstance(item, Import) and item.name is None and item.alias is None and rest:
            # `import a.b.c` binds `a`; the rest of the dotted name walks down from there.
            return self._dotted_module(module, dotted, depth)
        return self._walk(meaning, rest, depth)

    def _lookup(self, module: Module, name: str, scope: int, line: int | None) -> Scope | Bind | Import | None:
        for number, index in enumerate(module.enclosing(scope)):
            items = module.names.get((index, name))
            if items:
                if number == 0 and line is not None:
                    before = [item for item in items if item.line <= line]
                    return before[-1] if before else items[0]
                return items[-1]
            if any(parameter == name for parameter, _ in module.scopes[index].params):
                return None  # it hides what has this name further out
        return None

    def _annotated(self, module: Module, name: str, scope: int, depth: int) -> Meaning:
        """The class that a parameter's annotation names, quoted or not."""
        for index in module.enclosing(scope):
            for parameter, annotation in module.scopes[index].params:
                if parameter == name:
                    text = annotation[1] if isinstance(annotation, list) and annotation[0] == "c" else annotation
                    if not isinstance(text, str) or not text.replace(".", "").isidentifier():
                        return None
                    return self.find(module, text, module.scopes[index].parent, None, depth + 1)
        return None

    def _elsewhere(self, module: Module, head: str, scope: int, depth: int) -> Meaning:
        """A parameter's annotated type, or a name that came with a star import."""
        for index in module.enclosing(scope):
            for name, _annotation in module.scopes[index].params:
                if name == head:
                    return None
        for source in self._by_star(module):
            item = self._lookup(source, head, 0, None)
            found = self._meaning(source, item, depth + 1) if item is not None and depth < DEEPEST else None
            if found is not None:
                return found
        return None

    def _by_star(self, module: Module) -> list[Module]:
        """The modules whose names come in by `import *`, the nearest first; packages weave them into loops."""
        if module.path not in self._starred:
            reached = {module.path: module}
            waiting = [module]
            for place in waiting:  # grows as it is walked
                for star in place.stars:
                    source = self._source(place, star)
                    if source is not None and source.path not in reached:
                        reached[source.path] = source
                        waiting.append(source)
            self._starred[module.path] = waiting[1:]
        return self._starred[module.path]

    def _meaning(self, module: Module, item: Scope | Bind | Import, depth: int) -> Meaning:
        if not isinstance(item, Import):
            if isinstance(item, Bind) and isinstance(item.value, str) and item.value != item.target:
                # An alias: `task = celery_app.task`.
                meaning = self.find(module, item.value, item.scope, item.line - 1, depth + 1)
                return meaning if meaning is not None else Place(module, item)
            return Place(module, item)
        if item.name is None:
            dotted = item.module if item.alias else item.module.partition(".")[0]
            found = self.module(dotted, module.path)
            return Place(found, found) if found is not None else dotted
        source = self._source(module, item)
        start = self.imported_from(module, item)
        if source is None:
            if start.startswith("/"):
                return self._submodule(start[1:], item.name)
            deeper = self.module(f"{start}.{item.name}", module.path)
            return Place(deeper, deeper) if deeper is not None else f"{start}.{item.name}"
        if source is not module:
            meaning = self.find(source, item.name, 0, None, depth + 1)
            if meaning is not None:
                return meaning
        return self._submodule(source.package, item.name) if source.path.endswith("__init__.py") else None

    def _submodule(self, folder: str, name: str) -> Meaning:
        stem = posixpath.join(folder, name)
        found = self.modules.get(f"{stem}/__init__.py") or self.modules.get(f"{stem}.py")
        return Place(found, found) if found is not None else None

    def _dotted_module(self, module: Module, dotted: str, depth: int) -> Meaning:
        parts = dotted.split(".")
        for cut in range(len(parts), 0, -1):
            found = self.module(".".join(parts[:cut]), module.path)
            if found is not None:
                return self._walk(Place(found, found), ".".join(parts[cut:]), depth)
        return dotted

    def _walk(self, meaning: Meaning, rest: str, depth: int) -> Meaning:
        """Go down the attributes in `rest` from what the head means."""
        if not rest or meaning is None:
            return meaning
        if isinstance(meaning, str):
            return f"{meaning}.{rest}"
        place, item = meaning
        if isinstance(item, Module):
            found = self.find(item, rest, 0, None, depth + 1)
            if found is None and item.path.endswith("__init__.py"):
                head, _, deeper = rest.partition(".")
                return self._walk(self._submodule(item.package, head), deeper, depth + 1)
            return found
        if isinstance(item, Scope) and item.kind == "class":
            return self.member(place, item, rest, depth + 1)
        if isinstance(item, Bind):
            kind = self.type_of(place, item.value, item.scope, item.line, depth + 1)
            if isinstance(kind, str):
                return f"{kind}.{rest}"
            if kind is not None and isinstance(kind.item, Scope):
                return self.member(kind.module, kind.item, rest, depth + 1)
        return None

    # Classes and instances

    def _member_of_class(self, module: Module, scope: int, name: str, depth: int) -> Meaning:
        index = scope
        while index >= 0 and module.scopes[index].kind != "class":
            index = module.scopes[index].parent
        return self.member(module, module.scopes[index], name, depth + 1) if index >= 0 else None

    def member(self, module: Module, klass: Scope, name: str, depth: int = 0) -> Meaning:
        """A method, a class attribute or an attribute that some method sets on `self`; else from a base."""
        if depth > DEEPEST:
            return None
        head, _, rest = name.partition(".")
        for heir in self._lineage(Place(module, klass), depth):
            if isinstance(heir, str):
                return f"{heir}.{name}"
            items = heir.module.names.get((heir.item.number, head))
            if items:
                return self._walk(self._meaning(heir.module, items[-1], depth), rest, depth)
            bind = heir.module.attributes.get((heir.item.number, head))
            if bind is not None:
                return self._walk(Place(heir.module, bind), rest, depth)
        return None

    def ancestry(self, meaning: Meaning) -> list[str]:
        """The full names of the foreign classes that a class is or derives from."""
        return [heir for heir in self._lineage(meaning, 0) if isinstance(heir, str)]

    def _lineage(self, meaning: Meaning, depth: int) -> list[str | Heir]:
        """A class and all that it derives from, nearest first; a class that seems to derive from itself, once."""
        found: list[str | Heir] = []
        seen: set[tuple[str, int]] = set()
        waiting = [meaning]
        while waiting:
            place = waiting.pop()
            if isinstance(place, str):
                found.append(place)
            elif place is not None and isinstance(place.item, Scope):
                module, klass = place.module, place.item
                if (module.path, klass.number) not in seen:
                    seen.add((module.path, klass.number))
                    found.append(Heir(module, klass))
                    # The line above: `class Celery(Celery)` derives from what bore the name until then.
                    waiting += [
                        self.find(module, base, klass.parent, klass.line - 1, depth + 1)
                        for base in reversed(klass.bases)
                        if isinstance(base, str)
                    ]
        return found

    def type_of(self, module: Module, expr: Expr, scope: int, line: int | None, depth: int = 0) -> Meaning:
        """The class of which `expr` makes an instance, through factories that the project defines."""
        if depth > DEEPEST:
            return None
        if isinstance(expr, str):
            return self._type_of_name(module, expr, scope, line, depth)
        if expr[0] != "()":
            return None
        function = expr[1]
        if not isinstance(function, str):
            return None
        meaning = self.find(module, function, scope, line, depth + 1)
        if isinstance(meaning, Place) and isinstance(meaning.item, Scope) and meaning.item.is_function:
            return self._made_by(meaning.module, meaning.item, depth)
        return meaning

    def _made_by(self, module: Module, factory: Scope, depth: int) -> Meaning:
        key = (module.path, factory.number)
        if key not in self._made:
            # Until it is known, so that factories which call themselves or each other end.
            self._made[key] = None
            for value in factory.returns:
                kind = self.type_of(module, value, factory.number, None, depth + 1)
                if kind is not None:
                    self._made[key] = kind
                    break
        return self._made[key]

    def _type_of_name(self, module: Module, name: str, scope: int, line: int | None, depth: int) -> Meaning:
        kind = self._annotated(module, name, scope, depth)
        if kind is not None:
            return kind
        meaning = self.find(module, name, scope, line, depth + 1)
        if isinstance(meaning, Place) and isinstance(meaning.item, Bind):
            bind = meaning.item
            return self.type_of(meaning.module, bind.value, bind.scope, bind.line, depth + 1)
        return None


def _above(folder: str) -> Iterator[str]:
    while folder:
        folder = folder.rpartition("/")[0]
        yield folder


def _roots_by_first_name(paths: Iterable[str], roots: set[str]) -> dict[str, list[str]]:
    """First name of a module -> the roots that offer it, the deepest first and the top of the project last."""
    found: dict[str, set[str]] = {}
    for path in paths:
        folder, _, name = path.rpartition("/")
        first = name.removesuffix(".py")
        while True:
            if folder in roots:
                found.setdefault(first, set()).add(folder)
            if not folder:
                break
            folder, _, first = folder.rpartition("/")
    return {
        name: sorted(offering, key=lambda root: (-root.count("/"), root == "", root))
        for name, offering in found.items()
    }
