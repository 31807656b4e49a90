"""What the README tells a newcomer to run is what CI runs, and CI needs nothing that is not here."""

from __future__ import annotations

import os
import re
import subprocess

from tests.support import ROOT

SCRIPT = ROOT / ".ci" / "run"
COMMANDS = [line.strip() for line in SCRIPT.read_text(encoding="utf-8").splitlines()]


def made_in_readme() -> set[str]:
    """The `make` commands of the README's console blocks."""
    return set(re.findall(r"^\$ (make [\w-]+)", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE))


def test_the_readme_names_the_two_commands() -> None:
    assert {"make demo", "make test"} - made_in_readme() == set()


def test_ci_runs_the_readmes_two_commands_as_they_stand_there() -> None:
    assert "make demo" in COMMANDS
    assert "GUARDRAILS_REQUIRE_ALL=1 make test" in COMMANDS


def test_the_script_may_be_executed_and_is_sound_bash() -> None:
    assert os.access(SCRIPT, os.X_OK)
    assert subprocess.run(["bash", "-n", str(SCRIPT)], capture_output=True, check=False).stderr == b""


def test_the_script_stops_at_the_first_failure() -> None:
    assert "set -euo pipefail" in COMMANDS


def test_no_file_of_ci_names_a_registry() -> None:
    for path in sorted(SCRIPT.parent.iterdir()):
        assert re.findall(r"https?://|pypi|index-url", path.read_text(encoding="utf-8")) == [], path.name


def test_every_target_that_ci_makes_exists() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    made = {target for line in COMMANDS for target in re.findall(r"^(?:\w+=\S+ )?make ([\w-]+)", line)}
    assert made - targets == set()
    assert {"lint", "test", "demo"} <= made
