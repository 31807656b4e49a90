"""The options of `guardrails preflight`, and what it leaves behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.cli.command import BROKEN, DOUBTFUL, SOUND, guardrails, project, waiver

if TYPE_CHECKING:
    from pathlib import Path

ESCAPE = "\x1b["


def files_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_run_leaves_a_record_and_a_cache_that_git_ignores(tmp_path: Path) -> None:
    guardrails("preflight", cwd=project(tmp_path, SOUND))
    assert files_in(tmp_path / ".guardrails") == [".gitignore", "cache/facts.jsonl", "gate/last.json"]
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    status = subprocess.run(
        ["git", "status", "--short", "--untracked-files=all"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert ".guardrails" not in status.stdout


@pytest.mark.parametrize(
    ("arguments", "settings"),
    [
        (["--no-record"], ""),
        (["--profile", "entrypoint"], ""),
        ([], "[tool.guardrails.preflight]\nrecord = false\n"),
    ],
)
def test_where_no_record_is_wanted_nothing_is_left(tmp_path: Path, arguments: list[str], settings: str) -> None:
    project(tmp_path, BROKEN, settings)
    before = files_in(tmp_path)
    assert guardrails("preflight", *arguments, cwd=tmp_path).returncode == 1
    assert files_in(tmp_path) == before


def test_a_folder_that_cannot_be_written_is_gated_and_said(tmp_path: Path) -> None:
    project(tmp_path, {**SOUND, ".guardrails": "a file is in the way\n"})
    done = guardrails("preflight", cwd=tmp_path)
    assert done.returncode == 0
    assert "the cache could not be written" in done.stdout
    assert "the record .guardrails/gate/last.json could not be written" in done.stderr


def test_the_second_run_takes_what_is_known_from_the_cache(tmp_path: Path) -> None:
    project(tmp_path, BROKEN)
    cold = guardrails("preflight", "--format", "json", cwd=tmp_path)
    warm = guardrails("preflight", "--format", "json", cwd=tmp_path)
    assert json.loads(warm.stdout)["findings"] == json.loads(cold.stdout)["findings"]


@pytest.mark.parametrize("form", ["human", "json", "markdown"])
def test_the_output_goes_to_a_file_in_a_folder_that_is_made(tmp_path: Path, form: str) -> None:
    project(tmp_path, BROKEN)
    done = guardrails(
        "preflight", "--format", form, "--output", "reports/today/gate.txt", cwd=tmp_path, FORCE_COLOR="1"
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")
    text = (tmp_path / "reports" / "today" / "gate.txt").read_text(encoding="utf-8")
    assert "GR-ROUTE-001" in text
    assert ESCAPE not in text


def test_a_selected_rule_runs_its_family_alone(tmp_path: Path) -> None:
    project(tmp_path, {**BROKEN, "app/prompts.py": "x = 1\n", "app/prompts/__init__.py": ""})
    done = guardrails("preflight", "--select", "gr-shadow-001", "--format", "json", cwd=tmp_path)
    record = json.loads(done.stdout)
    assert [check["id"] for check in record["checks"]] == ["GR-SHADOW"]
    assert {finding["rule"] for finding in record["findings"]} == {"GR-SHADOW-001"}
    both = guardrails("preflight", "--select", "GR-SHADOW", "--select", "GR-ROUTE", "--format", "json", cwd=tmp_path)
    assert [check["id"] for check in json.loads(both.stdout)["checks"]] == ["GR-SHADOW", "GR-ROUTE"]


def test_selecting_the_waivers_runs_what_they_excuse(tmp_path: Path) -> None:
    project(tmp_path, SOUND, waiver(where="app/gone.py"))
    done = guardrails("preflight", "--select", "GR-WAIVER", "--strict", cwd=tmp_path)
    assert done.returncode == 1
    assert "GR-WAIVER-002" in done.stdout


def test_the_command_line_outranks_the_environment_and_that_the_file(tmp_path: Path) -> None:
    project(tmp_path, DOUBTFUL, "[tool.guardrails.preflight]\nstrict = true\n")
    assert guardrails("preflight", cwd=tmp_path).returncode == 1
    assert guardrails("preflight", cwd=tmp_path, GUARDRAILS_PREFLIGHT__STRICT="0").returncode == 0
    assert guardrails("preflight", "--strict", cwd=tmp_path, GUARDRAILS_PREFLIGHT__STRICT="0").returncode == 1


def test_what_is_excluded_is_not_gated_and_is_told(tmp_path: Path) -> None:
    settings = '[tool.guardrails]\nexclude = ["app/main.py", "nothing/like/it"]\n'
    done = guardrails("preflight", cwd=project(tmp_path, BROKEN, settings))
    assert done.returncode == 0
    assert "exclude 'app/main.py': Python files left out: 1" in done.stdout
    assert "exclude 'nothing/like/it': no Python file" in done.stdout


def test_the_folder_may_be_given_in_any_form(tmp_path: Path) -> None:
    project(tmp_path / "my service", BROKEN)
    lines = set()
    for path, cwd in [("my service", tmp_path), ("./my service/", tmp_path), (".", tmp_path / "my service")]:
        done = guardrails("preflight", path, cwd=cwd)
        lines |= {line for line in done.stdout.splitlines() if "GR-ROUTE-001  " in line}
    assert lines == {"error GR-ROUTE-001  app/main.py:10"}


@pytest.mark.parametrize(
    ("variables", "coloured"),
    [
        ({}, False),
        ({"FORCE_COLOR": "1"}, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ({"NO_COLOR": ""}, False),
    ],
)
def test_colour_follows_the_environment(tmp_path: Path, variables: dict[str, str], coloured: bool) -> None:
    done = guardrails("preflight", cwd=project(tmp_path, BROKEN), **variables)
    assert (ESCAPE in done.stdout) is coloured


@pytest.mark.parametrize("form", ["json", "markdown"])
def test_what_machines_read_is_never_coloured(tmp_path: Path, form: str) -> None:
    done = guardrails("preflight", "--format", form, cwd=project(tmp_path, BROKEN), FORCE_COLOR="1")
    assert ESCAPE not in done.stdout


def test_a_reader_that_leaves_early_changes_neither_status_nor_record(tmp_path: Path) -> None:
    project(tmp_path, BROKEN)
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as closed:
        done = subprocess.run(
            [sys.executable, "-m", "guardrails", "preflight"],
            cwd=tmp_path,
            stdout=closed,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (1, "")
    assert (tmp_path / ".guardrails" / "gate" / "last.json").exists()


def test_a_terminal_that_knows_ascii_only_is_no_reason_to_fail(tmp_path: Path) -> None:
    project(tmp_path, {**BROKEN, "new.py": "def f[T](x): ...\n", "app/größe.py": "def (\n"})
    done = guardrails("preflight", cwd=tmp_path, PYTHONIOENCODING="ascii", PYTHONUTF8="0", LC_ALL="C")
    assert (done.returncode, done.stderr) == (1, "")


def test_the_help_shows_an_example_and_the_exit_statuses(tmp_path: Path) -> None:
    done = guardrails("preflight", "--help", cwd=tmp_path)
    assert done.returncode == 0
    assert "Example: guardrails preflight" in done.stdout
    assert "1 a check failed, 2 usage or configuration error" in " ".join(done.stdout.split())
