"""How long a command takes before it does anything, against what click alone costs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from loadtests.bench.harness import Figure, Process

RUFF = str(Path(sys.executable).with_name("ruff"))
CLICK = Process(name="import click", argv=(sys.executable, "-c", "import click"))


def empty_project(folder: Path) -> str:
    (folder / "pyproject.toml").write_text('[project]\nname = "empty"\nversion = "1"\n', encoding="utf-8")
    (folder / "empty.py").write_text('"""Nothing."""\n', encoding="utf-8")
    return "The empty project is a pyproject.toml and one module that holds a docstring."


def django_project(folder: Path) -> str:
    argv = [sys.executable, "-m", "django", "startproject", "backend", "."]
    subprocess.run(argv, cwd=folder, check=True)
    return "The Django project is what `django-admin startproject backend .` makes."


FIGURES = [
    Figure(
        id="start-up-help",
        what="`guardrails --help`",
        target=1.3,
        ours=Process(name="guardrails --help", argv=(sys.executable, "-m", "guardrails", "--help")),
        baseline=CLICK,
    ),
    Figure(
        id="start-up-static",
        what="`guardrails preflight --static` on an empty project",
        target=1.6,
        ours=Process(
            name="guardrails preflight --static",
            argv=(sys.executable, "-m", "guardrails", "preflight", "--static"),
            project=empty_project,
        ),
        baseline=CLICK,
        peers=(
            Process(
                name="manage.py check of a fresh project",
                argv=(sys.executable, "manage.py", "check"),
                distribution="django",
                project=django_project,
            ),
            Process(
                name="ruff check of the empty project",
                argv=(RUFF, "check", "--no-cache"),
                distribution="ruff",
                project=empty_project,
            ),
        ),
    ),
]
