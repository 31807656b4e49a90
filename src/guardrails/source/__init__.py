"""A project's source as a model: its files, roots, modules, names, decorators and routes.

Nothing of the project is executed. `load_project(path)` is the way in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from guardrails.errors import NotAProject
from guardrails.source.files import Role, list_files
from guardrails.source.layout import Layout, Root, read_layout
from guardrails.source.model import Module, Project
from guardrails.source.names import Names, Place
from guardrails.source.target import Target, choose_target

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

__all__ = ["Layout", "Module", "Names", "Place", "Project", "Role", "Root", "Target", "load_project"]

PROJECT_FILES = ("pyproject.toml", "setup.py", "setup.cfg", "requirements.txt", "Dockerfile", "manage.py")


def load_project(
    path: Path,
    *,
    src: Sequence[str] = (),
    exclude: Sequence[str] = (),
    python: str | None = None,
    jobs: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Project:
    """Read a project's source.

    `src`: import roots, relative to `path`; found by themselves when empty. `exclude`: globs of files to
    leave out. `python`: path of the interpreter whose grammar counts; default: what the project pins.
    `jobs`: worker processes, default one a core. `progress(done, total)` is called while files are parsed.
    Raises NotAProject where nothing looks like Python, InterpreterError where `python` cannot be used.
    """
    if not path.is_dir():
        raise NotAProject(str(path), "no such folder" if not path.exists() else "a file, not a project's folder")
    tree = list_files(path, exclude)
    if not tree.python and not any((path / name).exists() for name in PROJECT_FILES):
        raise NotAProject(str(path), "no Python project here: no .py file and no pyproject.toml below it")
    layout = read_layout(tree, src)
    target = choose_target(layout.pin, python, path)
    facts: dict[str, dict[str, object]] = {}
    notes: list[str] = []
    if tree.python:
        # In-function: an empty project needs no orjson and no workers.
        from guardrails.source.parse import Parser

        parser = Parser(path, target, jobs=jobs, progress=progress)
        facts = parser.parse(tree.python)
        notes = parser.notes
    return Project(
        base=path,
        layout=layout,
        target=target,
        modules={name: Module(name, fact) for name, fact in facts.items() if "error" not in fact},
        not_analysed=tuple(
            sorted(
                [
                    *((name, str(fact["error"])) for name, fact in facts.items() if "error" in fact),
                    *tree.left_out,
                ]
            )
        ),
        others=tree.others,
        notes=tuple(notes),
        python=frozenset(tree.python),
    )
