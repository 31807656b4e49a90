"""User code under three type checkers: what is right passes, what is wrong is reported, line by line."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import guardrails
from tests.support import ROOT, need

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = ROOT / "tests" / "typing"
FILES = [str(FOLDER / name) for name in ("api.py", "wrong.py")]

pytestmark = pytest.mark.slow  # a type checker reads the whole standard library's types first


def marked() -> set[tuple[str, int]]:
    lines = (FOLDER / "wrong.py").read_text(encoding="utf-8").splitlines()
    return {("wrong.py", number) for number, line in enumerate(lines, 1) if line.endswith("# error")}


def output(*argv: str) -> str:
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False).stdout


def reported(text: str) -> set[tuple[str, int]]:
    """The places of `path:line:column: error` lines."""
    return {(name, int(line)) for name, line in re.findall(r"(\w+\.py):(\d+)(?::\d+)?: error", text, re.MULTILINE)}


def test_mypy_reports_exactly_the_mistakes(tmp_path: Path) -> None:
    mypy = need("mypy", "types under mypy")
    text = output(mypy, "--cache-dir", str(tmp_path), "--python-executable", sys.executable, *FILES)
    assert reported(text) == marked(), text


def test_pyright_reports_exactly_the_mistakes() -> None:
    pyright = need("pyright", "types under pyright")
    text = output(pyright, "--outputjson", "--pythonpath", sys.executable, *FILES)
    diagnostics = json.loads(text)["generalDiagnostics"]
    places = {
        (entry["file"].rpartition("/")[2], entry["range"]["start"]["line"] + 1)
        for entry in diagnostics
        if entry["severity"] == "error"
    }
    assert places == marked(), text


def test_ty_reports_exactly_the_mistakes() -> None:
    ty = need("ty", "types under ty")
    text = output(ty, "check", "--python", sys.prefix, "--output-format", "concise", *FILES)
    assert reported(text) == marked(), text


def test_the_sample_of_user_code_uses_the_whole_front_door() -> None:
    text = (FOLDER / "api.py").read_text(encoding="utf-8")
    assert [name for name in guardrails.__all__ if not re.search(rf"\b{name}\b", text)] == []
