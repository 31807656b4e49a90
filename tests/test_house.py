"""The house keeps its shape: captions, sizes, depth, and no function in the shadow of a module."""

from __future__ import annotations

import ast
import io
import re
import statistics
import tokenize
from typing import TYPE_CHECKING

from tests.support import SRC

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

LONGEST_MODULE = 400
LONGEST_FUNCTION = 60
# Rooms in which a folder of their own kind lies one level deeper.
DEEPER = ("preflight/checks", "preflight/outputs", "reports/sources", "reports/templates", "llm/wires")
# Tokens which stand on a line without making it code.
SILENT = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
}


def modules() -> dict[str, Path]:
    """Every module of the library by its path below src/guardrails."""
    return {path.relative_to(SRC).as_posix(): path for path in sorted(SRC.rglob("*.py"))}


def parsed() -> Iterator[tuple[str, ast.Module]]:
    for name, path in modules().items():
        yield name, ast.parse(path.read_text(encoding="utf-8"))


def code_lines(source: str) -> set[int]:
    """The numbers of the lines that hold code: neither blank nor comment nor docstring."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in SILENT:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and ast.get_docstring(node) is not None:
                lines.difference_update(range(first.lineno, (first.end_lineno or first.lineno) + 1))
    return lines


def test_code_lines_are_counted_without_blank_lines_comments_and_docstrings() -> None:
    source = '"""Caption.\n\nMore."""\n\n# why\nx = (\n    1,  # one\n)\n\ndef f():\n    "says"\n    return x\n'
    assert sorted(code_lines(source)) == [6, 7, 8, 10, 12]


def test_every_module_has_a_caption() -> None:
    without = []
    for name, tree in parsed():
        caption = (ast.get_docstring(tree) or "").split("\n")[0].strip()
        if not re.fullmatch(r"\S.{9,}[.:!?]", caption):
            without.append(f"{name}: {caption!r}")
    assert without == []


def test_no_module_is_too_long() -> None:
    sizes = {name: len(code_lines(path.read_text(encoding="utf-8"))) for name, path in modules().items()}
    median = statistics.median(sizes.values())
    print(f"median module: {median} code lines of {len(sizes)} modules")
    assert {name: size for name, size in sizes.items() if size > LONGEST_MODULE} == {}


def test_no_function_is_too_long() -> None:
    long = {}
    for name, path in modules().items():
        source = path.read_text(encoding="utf-8")
        lines = code_lines(source)
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                size = len(lines.intersection(range(node.lineno, (node.end_lineno or node.lineno) + 1)))
                if size > LONGEST_FUNCTION:
                    long[f"{name}:{node.lineno} {node.name}"] = size
    assert long == {}


def too_deep(names: Iterable[str]) -> list[str]:
    rooms = tuple(f"{room}/" for room in DEEPER)
    return [name for name in names if name.count("/") > 1 + name.startswith(rooms)]


def test_rooms_have_no_cellars() -> None:
    assert too_deep(modules()) == []


def test_a_cellar_would_be_found() -> None:
    names = [
        "core/breaker.py",
        "core/deep/breaker.py",
        "preflight/checks/tasks.py",
        "preflight/checks/x/y.py",
    ]
    assert too_deep(names) == ["core/deep/breaker.py", "preflight/checks/x/y.py"]


def public_names(name: str, tree: ast.Module) -> set[str]:
    """The functions of a module; of a package also what it imports from elsewhere to offer it."""
    names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    if name.endswith("__init__.py"):
        package = ".".join(["guardrails", *name.split("/")[:-1]])
        imports = (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))
        names |= {alias.asname or alias.name for node in imports if node.module != package for alias in node.names}
    return {name for name in names if not name.startswith("_")}


def clashes(trees: Mapping[str, ast.Module]) -> list[str]:
    """Public names which are also the name of a module in the same folder."""
    places = {name: name.removesuffix("/__init__.py").removesuffix(".py") for name in trees}
    found = []
    for name, tree in trees.items():
        folder = name.rpartition("/")[0]
        others = (place for other, place in places.items() if other != name)
        beside = {place.rpartition("/")[2] for place in others if place.rpartition("/")[0] == folder}
        found += [f"{name}: {public}" for public in sorted(public_names(name, tree) & beside)]
    return found


def test_no_public_name_is_also_a_module_beside_it() -> None:
    assert clashes(dict(parsed())) == []


def test_a_function_in_the_shadow_of_a_module_would_be_found() -> None:
    sources = {
        "room/__init__.py": "from guardrails.room.engine import scan\nfrom guardrails.room import engine",
        "room/engine.py": "def scan(): ...\ndef engine(): ...",
        "room/scan.py": "def engine(): ...",
    }
    found = clashes({name: ast.parse(source) for name, source in sources.items()})
    assert found == ["room/__init__.py: scan", "room/engine.py: scan", "room/scan.py: engine"]
