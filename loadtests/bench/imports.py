"""The gate's imports against importing the same modules one after the other in one process, and what they survive."""

from __future__ import annotations

import importlib.util
import sys
import time
from typing import TYPE_CHECKING

from loadtests.bench.harness import Ended, Figure, NotRun, Process, printed, version

if TYPE_CHECKING:
    from pathlib import Path

# What an agent backend imports, by the distribution that it comes from.
MODULES = {
    "openai": "openai",
    "anthropic": "anthropic",
    "langchain_core.runnables": "langchain-core",
    "langgraph.graph": "langgraph",
    "django.db": "django",
    "celery.app.base": "celery",
    "taskiq": "taskiq",
    "nats": "nats-py",
    "fastapi": "fastapi",
    "sqlalchemy.orm": "sqlalchemy",
    "alembic.autogenerate": "alembic",
    "httpx": "httpx",
    "pydantic_settings": "pydantic-settings",
    "redis.asyncio": "redis",
    "psycopg": "psycopg",
    "numpy": "numpy",
    "pandas": "pandas",
}
SERIAL = f"import {', '.join(MODULES)}"
EACH = (
    "import subprocess, sys\n"
    f"for name in {list(MODULES)}: subprocess.run([sys.executable, '-c', f'import {{name}}'], check=True)"
)
GATE = (sys.executable, "-m", "guardrails", "preflight", "--select", "GR-LIVE", "--no-record")
DEADLINE = 8.0
HOSTILE = {
    "crashes": "import faulthandler; faulthandler._sigsegv()",
    "exits": "import os; os._exit(0)",
    "loops": "while True: pass",
}
NAMES = [f"fine_{number:02}" for number in range(17 - len(HOSTILE))]


def seventeen(folder: Path) -> str:
    return _backend(folder, "isolate = false")


def seventeen_alone(folder: Path) -> str:
    return _backend(folder, "isolate = true")


def _backend(folder: Path, setting: str) -> str:
    missing = [name for name in MODULES if importlib.util.find_spec(name.partition(".")[0]) is None]
    if missing:
        raise NotRun(f"not installed: {', '.join(missing)}")
    _configure(folder, list(MODULES), setting)
    return f"The modules, each a heavy import: {', '.join(version(name) for name in MODULES.values())}."


def hostile(folder: Path) -> str:
    for name, code in HOSTILE.items():
        (folder / f"{name}.py").write_text(f"{code}\n", encoding="utf-8")
    for name in NAMES:
        (folder / f"{name}.py").touch()
    names = [*NAMES[:5], "crashes", *NAMES[5:8], "loops", *NAMES[8:10], "exits", *NAMES[10:]]
    _configure(folder, names, f"deadline = {DEADLINE}")
    return "The hostile project holds 17 modules: a segmentation fault, `os._exit(0)`, an endless loop, 14 sound ones."


def _configure(folder: Path, names: list[str], setting: str) -> None:
    listed = "".join(f'  "{name}",\n' for name in names)
    text = f'[project]\nname = "seventeen"\n\n[tool.guardrails.imports]\ncritical = [\n{listed}]\n{setting}\n'
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    (folder / "app.py").touch()


def misjudged(ended: Ended) -> float:
    """How many of the 17 are reported otherwise than they are."""
    note = next((line for line in ended.stdout.splitlines() if "of 17 work" in line), "")
    works = int(note.partition(" of 17 work")[0].split()[-1]) if note else 0
    named = sum(f"importing {name} " in ended.stdout for name in HOSTILE)
    return abs(len(NAMES) - works) + len(HOSTILE) - named


class Late:
    """Seconds beyond the deadline: the time of a whole run, less what it may take."""

    begun = 0.0

    def begin(self, _: Path) -> None:
        self.begun = time.monotonic()

    def read(self, _: Ended) -> float:
        return time.monotonic() - self.begun - DEADLINE


LATE = Late()
ZERO = Process(name="none", argv=(sys.executable, "-c", "print(0)"), reads=printed)

FIGURES = [
    Figure(
        id="imports-17",
        what="`guardrails preflight` with 17 heavy imports, start-up and all, against importing them in one process",
        target=0.90,
        ours=Process(name="the gate", argv=GATE, project=seventeen, shows="17 of 17 work"),
        baseline=Process(name="one `import` of all", argv=(sys.executable, "-c", SERIAL)),
        rounds=9,
    ),
    Figure(
        id="imports-17-isolate",
        what="the same with each module in a process of its own",
        target=1.25,
        ours=Process(name="the gate, `isolate`", argv=GATE, project=seventeen_alone, shows="17 of 17 work alone"),
        baseline=Process(name="one `import` of all", argv=(sys.executable, "-c", SERIAL)),
        peers=(
            Process(
                name="17 × `python -c import`",
                argv=(sys.executable, "-c", EACH),
            ),
        ),
        rounds=9,
    ),
    Figure(
        id="imports-contained",
        what="modules of 17 that are misjudged when one crashes, one calls `os._exit(0)` and one never ends",
        target=0,
        ours=Process(
            name="the gate", argv=GATE, project=hostile, statuses=frozenset({1}), reads=misjudged, shows="of 17 work"
        ),
        baseline=ZERO,
        compare="difference",
        rounds=3,
    ),
    Figure(
        id="imports-deadline",
        what=f"seconds that the same takes beyond its deadline of {DEADLINE:.0f} s",
        target=2,
        ours=Process(
            name="the gate",
            argv=GATE,
            project=hostile,
            statuses=frozenset({1}),
            before=LATE.begin,
            reads=LATE.read,
            shows="of 17 work",
        ),
        baseline=ZERO,
        compare="difference",
        rounds=3,
    ),
]
