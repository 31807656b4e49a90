"""A project's source as a model: its files, roots, modules, names, decorators and routes.

Nothing of the project is executed. `load_project(path)` is the way in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from guardrails.errors import ConfigError, NotAProject
from guardrails.source.files import Role, list_files
from guardrails.source.layout import Layout, Root, read_layout
from guardrails.source.model import Module, Project
from guardrails.source.names import Names, Place
from guardrails.source.target import Target, choose_target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from guardrails.source.files import Tree

__all__ = ["Layout", "Module", "Names", "Place", "Project", "Role", "Root", "Target", "load_project", "require_folder"]

PROJECT_FILES = ("pyproject.toml", "setup.py", "setup.cfg", "requirements.txt", "Dockerfile", "manage.py")


def load_project(
    path: Path,
    *,
    src: Sequence[str] = (),
    exclude: Sequence[str] = (),
    python: str | None = None,
    jobs: int | None = None,
    cached: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> Project:
    """Read a project's source.

    `src`: import roots, relative to `path`, besides those that are found. `exclude`: globs of files to
    leave out. `python`: path of the interpreter whose grammar counts; default: what the project pins.
    `jobs`: worker processes, default one a core. `cached`: keep what was parsed in `.guardrails/cache`.
    `progress(done, total)` is called while files are parsed. Raises NotAProject where nothing looks like
    Python, ConfigError where `src` names no folder, InterpreterError where `python` cannot be used.
    """
    require_folder(path)
    _require_folders(path, src)
    tree = list_files(path, exclude)
    if not tree.python and not any((path / name).exists() for name in PROJECT_FILES):
        raise NotAProject(str(path), "no Python project here: no .py file and no pyproject.toml below it")
    layout = read_layout(tree, src)
    target = choose_target(layout.pin, python, path)
    facts: dict[str, dict[str, Any]] = {}
    notes = [*_about_excluded(tree), _about_roots(layout)]
    if tree.cache_committed:
        notes.append("the cache in .guardrails/cache is committed, so it is not believed: remove it from git")
        cached = False
    if tree.python:
        # In-function: an empty project needs no orjson and no workers.
        from guardrails.source.parse import Parser

        parser = Parser(path, target, jobs=jobs, cached=cached, progress=progress)
        facts = parser.parse(tree.python)
        notes += parser.notes
    failed = [(name, str(fact["error"])) for name, fact in facts.items() if "error" in fact]
    return Project(
        base=path,
        layout=layout,
        target=target,
        modules={name: Module(name, fact) for name, fact in facts.items() if "error" not in fact},
        not_analysed=tuple(sorted([*failed, *tree.left_out])),
        others=tree.others,
        notes=tuple(notes),
        python=frozenset(tree.python),
        rest=tree.rest,
        rejected=tuple(
            (name, fact.get("line", 1), fact["error"]) for name, fact in facts.items() if fact.get("certain")
        ),
    )


def require_folder(path: Path) -> None:
    """Raise NotAProject where there is no folder."""
    if not path.is_dir():
        raise NotAProject(str(path), "no such folder" if not path.exists() else "a file, not a project's folder")


def _require_folders(path: Path, src: Sequence[str]) -> None:
    problems = [
        f"[tool.guardrails] src: {folder!r} is no folder of the project"
        for folder in src
        if not (path / folder).resolve().is_relative_to(path.resolve()) or not (path / folder).is_dir()
    ]
    if problems:
        raise ConfigError(problems)


def _about_excluded(tree: Tree) -> Iterator[str]:
    for pattern, count in tree.excluded.items():
        files = "no Python file: correct or delete the pattern" if count == 0 else f"Python files left out: {count}"
        yield f"exclude {pattern!r}: {files}"


def _about_roots(layout: Layout) -> str:
    """Where imports start and how we know: without it nobody can see why GR-SHADOW is silent."""
    said = [f"{root.folder or '.'} ({root.kind}, {root.place})" for root in layout.roots]
    return f"import roots: {', '.join(said)}"
