"""The gate's static part over 100,000 lines that nobody here wrote, against `ast.parse` of the same files."""

from __future__ import annotations

import ast
import importlib.util
import shutil
import sys
from pathlib import Path

from loadtests.bench.harness import Figure, NotRun, Process, version

LINES = 100_000
# Whole packages that resemble backends, in this order until there are enough lines.
PACKAGES = ("celery", "kombu", "fastapi", "starlette", "alembic", "sqlalchemy", "django")
# A defect in the last folder: a gate that does not report it has not looked at the files.
PLANTED = "zz_last/prompts"
PARSE = 'import ast, pathlib; sum(1 for p in pathlib.Path().rglob("*.py") if ast.parse(p.read_bytes()))'


def large_project(folder: Path) -> str:
    (folder / "pyproject.toml").write_text('[project]\nname = "large"\nversion = "1"\n', encoding="utf-8")
    lines, taken = 0, []
    for package in PACKAGES:
        if lines >= LINES:
            break
        lines += _copy(package, folder)
        taken.append(version(package))
    if lines < LINES:
        raise NotRun(f"only {lines} lines of Python are installed: run `make bench`")
    for name in (PLANTED, f"{PLANTED}/__init__"):
        path = folder / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return f"The large project holds {lines:,} lines: {', '.join(taken)}."


def _copy(package: str, folder: Path) -> int:
    """Copy what this Python can parse; returns the number of lines."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return 0
    root, lines = Path(spec.origin).parent, 0
    for path in sorted(root.rglob("*.py")):
        text = path.read_bytes()
        try:
            ast.parse(text)
        except (SyntaxError, ValueError):
            continue
        target = folder / package / path.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text)
        lines += len(text.splitlines())
    return lines


def forget_cache(folder: Path) -> None:
    shutil.rmtree(folder / ".guardrails", ignore_errors=True)


RUFF = str(Path(sys.executable).with_name("ruff"))
GATE = (sys.executable, "-m", "guardrails", "preflight", "--static")
JUDGED = frozenset({0, 1})

FIGURES = [
    Figure(
        id="source-cold",
        what="`guardrails preflight --static` of 100,000 lines without a cache",
        target=5,
        ours=Process(
            name="cold gate",
            argv=GATE,
            project=large_project,
            before=forget_cache,
            statuses=JUDGED,
            shows=PLANTED,
        ),
        baseline=Process(
            name="reading and `ast.parse`",
            argv=(sys.executable, "-c", PARSE),
            project=large_project,
        ),
        peers=(
            Process(
                name="ruff check --select F",
                argv=(RUFF, "check", "--no-cache", "--select", "F"),
                distribution="ruff",
                project=large_project,
                statuses=JUDGED,
            ),
        ),
        rounds=9,
    ),
    Figure(
        id="source-warm",
        what="`guardrails preflight --static` of the same lines a second time",
        target=20,
        ours=Process(name="warm gate", argv=GATE, project=large_project, statuses=JUDGED, shows=PLANTED),
        baseline=Process(name="a bare interpreter", argv=(sys.executable, "-c", "pass")),
        rounds=15,
    ),
]
