"""Where a project's imports start: the folders that are on `sys.path` when it runs, and how we know.

entry      a start command or a script puts the folder first: it shadows stdlib and libraries
installed  the build puts what is in it into site-packages, after the stdlib
assumed    nothing says so, but `python -m`, pytest and most servers started here would
"""

from __future__ import annotations

import posixpath
import re
import tomllib
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from guardrails.source.files import text_of
from guardrails.source.launch import python_of_image, read_launches

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from guardrails.source.files import Tree

DEEPEST_SERVICE = 3


class Root(NamedTuple):
    """A folder from which modules are imported. `place` is the file and line that says so."""

    folder: str
    kind: Literal["entry", "installed", "assumed"]
    place: str
    command: str


class Pin(NamedTuple):
    """A Python version that the project names. `exact`: it runs on this one, not on this or newer."""

    version: tuple[int, int]
    exact: bool
    place: str


class Layout(NamedTuple):
    """The roots of a project, the Python it is for, and what it says it depends on."""

    roots: tuple[Root, ...]
    pin: Pin | None
    # Normalised distribution name -> the places that declare it.
    requirements: dict[str, list[str]]


def read_layout(tree: Tree, src: Sequence[str] = ()) -> Layout:
    """Read the layout from the project's own files. `src`: roots that the configuration names."""
    folders = {""}
    for name in (*tree.python, *tree.others):
        folder = posixpath.dirname(name)
        while folder not in folders:
            folders.add(folder)
            folder = posixpath.dirname(folder)
    reader = _Reader(tree, folders)
    return Layout(tuple(reader.roots(src)), reader.pin(), reader.requirements())


class _Reader:
    def __init__(self, tree: Tree, folders: set[str]) -> None:
        self.tree = tree
        self.folders = folders
        self.python = set(tree.python)
        near = [name for name in tree.others if name.count("/") <= DEEPEST_SERVICE]
        self.texts = {name: text_of(tree.base / name) for name in near if not name.endswith(".md")}
        self.metadata = dict(self._metadata())
        self.projects = {name: _toml(text) for name, text in self.texts.items() if name.endswith("pyproject.toml")}

    def _metadata(self) -> Iterator[tuple[str, str]]:
        """METADATA or PKG-INFO of an unpacked distribution."""
        for path in (*self.tree.base.glob("*.dist-info/METADATA"), *self.tree.base.glob("PKG-INFO")):
            name = path.relative_to(self.tree.base).as_posix()
            yield name, text_of(path)

    # Roots

    def roots(self, src: Sequence[str]) -> Iterator[Root]:
        # One answer a folder, the strongest: what starts there outranks what is built from there.
        strength = {"entry": 0, "installed": 1, "assumed": 2}
        found: dict[str, Root] = {}
        for root in sorted(self._all_roots(src), key=lambda root: strength[root.kind]):
            if root.folder in self.folders:
                found.setdefault(root.folder, root)
        yield from found.values()
        if not found:
            yield Root("", "assumed", ".", "python -m … from here")

    def _all_roots(self, src: Sequence[str]) -> Iterator[Root]:
        for folder in map(posixpath.normpath, src):
            yield Root("" if folder == "." else folder, "entry", "pyproject.toml", "[tool.guardrails] src")
        for name, text in self.texts.items():
            for launch in read_launches(name, text, (self.folders | self.python).__contains__):
                # alembic.ini speaks of the folder that alembic is called from, which it does not know.
                kind: Literal["entry", "assumed"] = "assumed" if launch.command == "alembic" else "entry"
                yield Root(launch.folder, kind, launch.place, launch.command)
        for name in self.tree.python:
            if posixpath.basename(name) == "manage.py" and name.count("/") < DEEPEST_SERVICE:
                yield Root(posixpath.dirname(name), "entry", name, f"python {name}")
        for name, data in self.projects.items():
            yield from self._installed(posixpath.dirname(name), name, data)
        for name in self.metadata:
            yield Root("", "installed", name, "an unpacked distribution")

    def _installed(self, here: str, place: str, data: dict[str, Any]) -> Iterator[Root]:
        if not ({"project", "build-system"} & data.keys() or _table(data, "tool", "poetry")):
            return
        named = [posixpath.normpath(posixpath.join(here, folder)) for folder in _package_folders(data)]
        source = posixpath.join(here, "src")
        if not named and source in self.folders and f"{source}/__init__.py" not in self.python:
            named = [source]
        # From the top of a project a back end takes the packages that are named, not whatever lies beside them.
        for folder in named:
            if folder != ".":
                yield Root(folder, "installed", place, "the build back end")

    # The Python that it is for

    def pin(self) -> Pin | None:
        """An exact version outranks a lower bound that admits it; nearer the top outranks deeper."""
        pins = sorted(self._pins(), key=lambda pin: (not pin.exact, pin.place.count("/")))
        bounds = [pin for pin in pins if not pin.exact]
        # The image of a sandbox or of a second service says nothing about what the project itself needs.
        fitting = [pin for pin in pins if not bounds or pin.version >= bounds[0].version]
        return fitting[0] if fitting else None

    def _pins(self) -> Iterator[Pin]:
        for name, text in self.texts.items():
            base = posixpath.basename(name)
            version = None
            if base.lower().startswith("dockerfile") or base.endswith(".dockerfile"):
                version = _version(python_of_image(text))
            elif base == ".python-version":
                version = _version(text)
            elif base == "runtime.txt":
                version = _version(text.removeprefix("python-"))
            if version:
                yield Pin(version, exact=True, place=name)
        for name, data in self.projects.items():
            poetry = _table(data, "tool", "poetry", "dependencies").get("python")
            bound = lower_bound(str(_table(data, "project").get("requires-python") or poetry or ""))
            if bound:
                yield Pin(bound, exact=False, place=name)
        # Several distributions side by side are an environment, and none of them speaks for the others.
        for name, text in self.metadata.items() if len(self.metadata) == 1 else ():
            match = re.search(r"^Requires-Python:\s*(.+)$", text, re.MULTILINE)
            bound = lower_bound(match[1]) if match else None
            if bound:
                yield Pin(bound, exact=False, place=name)

    # What it depends on

    def requirements(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name, lines in self._requirement_lines():
            for line in lines:
                # A name and what may follow it; `git+https://…` is none.
                match = re.match(r"\s*([A-Za-z0-9][\w.-]*)\s*(?=[\[<>=!~;@,#(\\]|$)", line)
                if match:
                    found.setdefault(normalised(match[1]), []).append(name)
        return found

    def _requirement_lines(self) -> Iterator[tuple[str, Iterable[str]]]:
        for name, data in self.projects.items():
            yield name, _strings(_table(data, "project").get("dependencies"))
            for extra in _table(data, "project", "optional-dependencies").values():
                yield name, _strings(extra)
            yield name, [key for key in _table(data, "tool", "poetry", "dependencies") if key != "python"]
        for name, text in self.texts.items():
            if re.fullmatch(r"requirements.*\.txt", posixpath.basename(name)):
                yield name, (line for line in text.splitlines() if not line.startswith(("#", "-")))
        for name, text in self.metadata.items():
            yield name, re.findall(r"^Requires-Dist:\s*(.+)$", text, re.MULTILINE)


def _package_folders(data: dict[str, Any]) -> list[str]:
    """Folders from which the build back end takes packages, where it says so."""
    found = [str(folder) for folder in _table(data, "tool", "setuptools", "package-dir").values()]
    found += _strings(_table(data, "tool", "setuptools", "packages", "find").get("where"))
    packages = _table(data, "tool", "poetry").get("packages")
    found += [str(item["from"]) for item in packages or () if isinstance(item, dict) and "from" in item]
    wheel = _table(data, "tool", "hatch", "build", "targets", "wheel")
    found += [posixpath.dirname(folder) or "." for folder in _strings(wheel.get("packages"))]
    root = _table(data, "tool", "uv", "build-backend").get("module-root")
    return [*found, root or "."] if isinstance(root, str) else found


def _table(data: Any, *keys: str) -> dict[str, Any]:
    """The table below these keys; empty where a file has something else there, which is its owner's business."""
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data if isinstance(data, dict) else {}


def _strings(value: object) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _toml(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return {}


def _version(text: str | None) -> tuple[int, int] | None:
    match = re.match(r"\s*(\d+)\.(\d+)", text or "")
    return (int(match[1]), int(match[2])) if match else None


def lower_bound(specifier: str) -> tuple[int, int] | None:
    """The oldest (major, minor) that a version specifier admits: `>=3.11,<4` gives (3, 11)."""
    bounds = [
        (int(major), int(minor))
        for operator, major, minor in re.findall(r"(>=|==|~=|\^|~|>)\s*(\d+)\.(\d+)", specifier)
    ]
    return max(bounds, default=None)


def normalised(name: str) -> str:
    """A distribution's name as the packaging rules compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()
