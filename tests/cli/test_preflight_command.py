"""The options of `guardrails preflight`, and what it leaves behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from guardrails.preflight.outputs import WRITERS
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


def test_several_outputs_of_one_run_go_to_files_in_folders_that_are_made(tmp_path: Path) -> None:
    project(tmp_path, BROKEN)
    files = {form: f"reports/today/gate.{form}" for form in WRITERS}
    options = [f"--output={form}={file}" for form, file in files.items()]
    done = guardrails("preflight", *options, cwd=tmp_path, FORCE_COLOR="1")
    assert (done.returncode, done.stderr) == (1, "")
    assert ESCAPE in done.stdout
    texts = {form: (tmp_path / file).read_text(encoding="utf-8") for form, file in files.items()}
    assert [form for form, text in texts.items() if "GR-ROUTE-001" not in text or ESCAPE in text] == []
    assert files_in(tmp_path / "reports") == sorted(f"today/gate.{form}" for form in WRITERS)
    for form in ("markdown", "junit", "github", "tap"):  # the others hold the command line
        printed = guardrails("preflight", "--format", form, cwd=tmp_path).stdout
        assert len(printed.splitlines()) == len(texts[form].splitlines())


def test_an_output_is_replaced_at_once_and_a_link_stays(tmp_path: Path) -> None:
    project(tmp_path, SOUND)
    (tmp_path / "real.prom").write_text("old\n", encoding="utf-8")
    (tmp_path / "gate.prom").symlink_to("real.prom")
    with (tmp_path / "real.prom").open(encoding="utf-8") as reader:
        assert guardrails("preflight", "--output", "prometheus=gate.prom", cwd=tmp_path).returncode == 0
        assert reader.read() == "old\n"  # whoever reads meanwhile has the old one, whole
    assert (tmp_path / "gate.prom").is_symlink()
    assert (tmp_path / "real.prom").read_text(encoding="utf-8").startswith("# HELP guardrails_gate_verdict")
    assert [path.name for path in tmp_path.glob("*.tmp")] == []


def test_an_output_may_be_a_device(tmp_path: Path) -> None:
    done = guardrails("preflight", "--output", "json=/dev/stderr", "--format", "tap", cwd=project(tmp_path, SOUND))
    assert done.returncode == 0
    assert json.loads(done.stderr)["verdict"] == "passed"
    assert done.stdout.startswith("TAP version 14")


def test_a_baseline_is_written_once_and_lets_the_old_pass(tmp_path: Path) -> None:
    project(tmp_path, BROKEN)
    assert guardrails("preflight", cwd=tmp_path).returncode == 1
    done = guardrails("preflight", "--write-baseline", "gate.jsonl", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (
        0,
        "guardrails: gate.jsonl: findings known: 1. Commit it and run with --baseline gate.jsonl\n",
    )
    assert "known  1 finding of the baseline: --format json lists them" in done.stdout
    known = guardrails("preflight", "--baseline", "gate.jsonl", "--strict", cwd=tmp_path)
    assert (known.returncode, known.stderr) == (0, "")
    assert known.stdout.splitlines()[-1].startswith("PASSED  0 errors, 0 warnings, 1 known · ")
    project(tmp_path, SOUND)
    mended = guardrails("preflight", "--baseline", "gate.jsonl", cwd=tmp_path)
    assert mended.returncode == 0
    assert "warning GR-WAIVER-003  gate.jsonl:2" in mended.stdout
    again = guardrails("preflight", "--write-baseline", "gate.jsonl", "--strict", cwd=tmp_path)
    assert (again.returncode, (tmp_path / "gate.jsonl").read_text("utf-8")) == (0, '{"guardrails_baseline": 1}\n')


def test_a_baseline_does_not_excuse_an_expired_waiver(tmp_path: Path) -> None:
    project(tmp_path, BROKEN, waiver(until="2024-01-01"))
    done = guardrails("preflight", "--write-baseline", "gate.jsonl", cwd=tmp_path)
    assert done.returncode == 1
    assert "error GR-WAIVER-001" in done.stdout


def test_no_baseline_is_written_when_a_check_crashed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from click.testing import CliRunner

    from guardrails.cli import main
    from guardrails.preflight.checks import routes

    def crash(_: object) -> object:
        raise RuntimeError

    monkeypatch.setattr(routes, "check", crash)
    file = tmp_path / "gate.jsonl"
    done = CliRunner().invoke(
        main, ["preflight", "--no-record", "--write-baseline", str(file), str(project(tmp_path, BROKEN))]
    )
    assert done.exit_code == 3
    assert "was not written: a check crashed" in done.stderr
    assert not file.exists()


def test_only_what_changed_since_a_revision_fails(tmp_path: Path) -> None:
    project(tmp_path, BROKEN)
    for argv in (["init", "-q"], ["add", "."], ["-c", "user.name=n", "-c", "user.email=e", "commit", "-qm", "old"]):
        subprocess.run(["git", *argv], cwd=tmp_path, check=True)
    done = guardrails("preflight", "--since", "HEAD", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "files changed: 0; 1 finding at other files left out" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("PASSED  0 errors, 0 warnings, 1 left out · ")
    wrong = guardrails("preflight", "--since", "nowhere", cwd=tmp_path)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "no revision 'nowhere' here: fetch it" in wrong.stderr


@pytest.mark.parametrize(
    ("path", "cwd", "shown"),
    [
        ("backend", ".", "backend/app/main.py"),
        (".", "backend", "app/main.py"),
        ("..", "backend/app", "app/main.py"),
        ("../backend", "other", "app/main.py"),
    ],
)
def test_annotations_name_files_from_where_the_gate_was_called(tmp_path: Path, path: str, cwd: str, shown: str) -> None:
    project(tmp_path / "backend", BROKEN)
    (tmp_path / "other").mkdir()
    for given in (path, str((tmp_path / cwd / path).resolve())):
        done = guardrails("preflight", "--no-record", "--format", "github", given, cwd=tmp_path / cwd)
        assert f"::error file={shown},line=10,title=GR-ROUTE-001::" in done.stdout


def test_nothing_is_chosen_by_finding_oneself_on_github(tmp_path: Path) -> None:
    project(tmp_path, BROKEN)
    here = guardrails("preflight", cwd=tmp_path)
    there = guardrails("preflight", cwd=tmp_path, GITHUB_ACTIONS="true", CI="true", GITLAB_CI="true")
    assert there.stdout == here.stdout


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


@pytest.mark.parametrize("form", [form for form in WRITERS if form != "human"])
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
