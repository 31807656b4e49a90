"""What the gate says of imports is what Python does: made-up packages, each module of which is really imported."""

from __future__ import annotations

import random
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.preflight.cases import gate, write_files

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from guardrails.evidence import Finding

# Imports each module in a child of its own, so that every one is the first; prints the names of those that fail.
IMPORTER = """
import importlib, os, sys
for name in sys.argv[1:]:
    child = os.fork()
    if child == 0:
        try:
            importlib.import_module(name)
        except (ImportError, SyntaxError):
            os._exit(1)
        except BaseException:
            os._exit(2)
        os._exit(0)
    print(name, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
MODULES = ("app", "app.a", "app.b", "app.c", "app.sub", "app.sub.d", "app.sub.e")
PATHS = {
    name: f"{name.replace('.', '/')}/__init__.py" if name in ("app", "app.sub") else f"{name.replace('.', '/')}.py"
    for name in MODULES
}


def package(rng: random.Random) -> dict[str, str]:
    """A package whose modules import from each other, well or badly."""
    return {PATHS[name]: "".join(statements(name, rng)) for name in MODULES}


def statements(name: str, rng: random.Random) -> list[str]:
    last = name.rpartition(".")[2]
    found = [f"{last}_{number} = {number}\n" for number in range(2)]
    for _ in range(rng.choice([0, 0, 1, 1, 2])):
        other = rng.choice([module for module in MODULES if module != name])
        of_other = f"{other.rpartition('.')[2]}_{rng.choice([0, 0, 1, 1, 1, 2])}"
        found.append(
            rng.choice(
                [
                    f"from {other} import {of_other}\n",
                    f"from {other} import {of_other} as x\n",
                    f"import {other}\n",
                    f"import {other} as y\n",
                    f"from app import {rng.choice('abc')}\n",
                    "from app.sub import d\n",
                    f"from app.{rng.choice(['a', 'b', 'gone', 'sub'])} import *\n",
                    f"try:\n    from {other} import {of_other}\nexcept ImportError:\n    pass\n",
                    f"if False:\n    from {other} import nothing\n",
                    f"def f():\n    from {other} import {of_other}\n",
                ]
            )
        )
    rng.shuffle(found)
    return found


def reality(folder: Path) -> set[str]:
    """The modules whose import fails when it is the first."""
    done = subprocess.run(
        [sys.executable, "-B", "-c", IMPORTER, *MODULES],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(folder)},
    )
    statuses = dict(line.split() for line in done.stdout.splitlines())
    assert set(statuses.values()) <= {"0", "1"}
    return {name for name, status in statuses.items() if status == "1"}


def disagreement(files: Mapping[str, str], findings: list[Finding], failing: set[str]) -> str | None:
    """Where the gate and Python say different things."""
    modules = {path: name for name, path in PATHS.items()}
    deferred = {path for path, text in files.items() if "def f" in text}
    errors = [f for f in findings if f.severity == "error" and f.path not in deferred]
    for finding in errors:
        if modules[finding.path] not in failing:
            return f"{finding.path}:{finding.line} {finding.message}, and it can be imported"
    for finding in findings:
        if finding.rule == "GR-IMPORT-004":
            first = finding.verify.partition("import ")[2].partition('"')[0]
            if first not in failing:
                return f"{finding.message}, and {first} can be imported first"
    if failing and not findings:
        return f"{sorted(failing)} cannot be imported, and nothing was found"
    return None


def check(folder: Path, seed: int) -> tuple[bool, bool]:
    """Whether Python and the gate find something wrong with one package. They must agree."""
    files = package(random.Random(seed))
    write_files(folder, files)
    findings = [f for f in gate(folder).findings if f.rule.startswith("GR-IMPORT")]
    failing = reality(folder)
    assert disagreement(files, findings, failing) is None, (seed, files)
    return bool(failing), bool(findings)


@pytest.mark.slow  # a process for each module of each package
@pytest.mark.usefixtures("no_processes")
def test_the_gate_and_python_agree_on_made_up_packages(tmp_path: Path) -> None:
    seen = {check(tmp_path / str(seed), seed)[0] for seed in range(25)}
    assert seen == {True, False}


@pytest.mark.long
@pytest.mark.usefixtures("no_processes")
def test_the_gate_and_python_agree_on_many_made_up_packages(tmp_path: Path) -> None:
    """Long: a thousand packages, seven processes each."""
    for seed in range(1_000):
        check(tmp_path / str(seed), seed)
