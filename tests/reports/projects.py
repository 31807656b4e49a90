"""A small project under git in which evidence is made by really running things."""

from __future__ import annotations

import os
import shutil
import sys
import time
from contextlib import chdir
from typing import TYPE_CHECKING

from click.testing import CliRunner

from guardrails.cli import main
from guardrails.evidence import ClaimRecord
from guardrails.reports.recording import look
from guardrails.reports.verdicts import Bench
from tests.reports.repositories import commit, git, new

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

    from guardrails.evidence import EvidenceRecord
    from guardrails.reports.verdicts import Judgement

FILES: dict[str, str | bytes | None] = {
    ".gitignore": "*.xml\n*.log\n__pycache__/\n",
    "src/app.py": "def add(a, b):\n    return a + b\n",
    "src/other.py": "X = 1\n",
    "tests/test_app.py": "def test_one():\n    pass\n\n\ndef test_two():\n    pass\n",
}
BAD = "def test_bad():\n    assert False\n"
GOOD = "def test_bad():\n    pass\n"
# Quick: what else this interpreter has installed is not loaded.
PYTEST = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")


class Project:
    """A repository and the `guardrails evidence` command in it."""

    def __init__(self, top: Path) -> None:
        self.top = top

    def write(self, name: str, text: str | None) -> None:
        path = self.top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if text is None:
            path.unlink()
        else:
            path.write_text(text, encoding="utf-8")

    def commit(self, **files: str) -> str:
        """Commit all that lies there, but the records; `files` by name with `/` as `__`."""
        for name, text in files.items():
            self.write(name.replace("__", "/") + ".py", text)
        git(self.top, "add", "--all", "--", ":!.guardrails")
        git(self.top, "commit", "--quiet", "--allow-empty", "-m", "change")
        return git(self.top, "rev-parse", "HEAD").decode()

    def call(self, *arguments: str) -> Result:
        """`guardrails evidence ARGUMENTS` in this process."""
        with chdir(self.top):
            return CliRunner(env={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}).invoke(main, ["evidence", *arguments])

    def run(self, *command: str, check: str = "unit", options: tuple[str, ...] = ()) -> int:
        """`evidence run`; the exit status."""
        return self.call("run", "--check", check, *options, "--", *command).exit_code

    def tests(self, *arguments: str, check: str = "unit", options: tuple[str, ...] = ()) -> int:
        """pytest with its results in junit.xml."""
        return self.run(*PYTEST, "--junitxml=junit.xml", *arguments, check=check, options=options)

    def python(self, code: str, *, check: str = "unit", options: tuple[str, ...] = ()) -> int:
        return self.run(sys.executable, "-c", code, check=check, options=options)

    def judge(self, text: str, *on: str, now: float | None = None) -> Judgement:
        scene = look(self.top)
        bench = Bench(scene.ledger, scene.tree, time.time() if now is None else now)
        return bench.judge(ClaimRecord("", text, on, ""))

    def records(self, check: str = "unit") -> list[EvidenceRecord]:
        return look(self.top).ledger.of(check)


def first(folder: Path) -> Path:
    """The repository of which the others are copies."""
    top = new(folder / "project")
    commit(top, FILES, at=time.time() - 1000)
    return top


def copied(origin: Path, folder: Path) -> Project:
    shutil.copytree(origin, folder / "p")
    os.utime(folder / "p")
    return Project(folder / "p")
