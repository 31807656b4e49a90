"""The exit contract, end to end: 0 passed, 1 failed, 2 usage or configuration, 3 could not find out."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from guardrails.cli import main
from guardrails.preflight.checks import routes
from guardrails.preflight.families import FAMILIES
from tests.cli.command import BROKEN, DOUBTFUL, SOUND, UNREADABLE, guardrails, project, waiver


@pytest.mark.parametrize(
    ("files", "arguments", "expected"),
    [
        pytest.param(SOUND, [], 0, id="sound"),
        pytest.param(DOUBTFUL, [], 0, id="a-warning"),
        pytest.param(DOUBTFUL, ["--strict"], 1, id="a-warning-under-strict"),
        pytest.param(BROKEN, [], 1, id="an-error"),
        pytest.param({**SOUND, **UNREADABLE}, [], 0, id="one-file-not-analysed"),
        pytest.param({**SOUND, **UNREADABLE}, ["--strict"], 3, id="one-file-not-analysed-under-strict"),
        pytest.param({**BROKEN, **UNREADABLE}, ["--strict"], 1, id="a-failure-outranks-not-knowing"),
        pytest.param(UNREADABLE, [], 3, id="nothing-analysed"),
        pytest.param({"pyproject.toml": "[project]\nname = 'x'\n"}, [], 3, id="no-python-file"),
        pytest.param(BROKEN, ["--select", "GR-SHADOW"], 0, id="the-error-is-not-selected"),
        pytest.param(DOUBTFUL, ["--profile", "ci"], 1, id="a-warning-under-the-profile-ci"),
        pytest.param(DOUBTFUL, ["--profile", "entrypoint"], 0, id="a-warning-under-the-profile-entrypoint"),
    ],
)
def test_the_exit_status_tells_the_verdict(
    tmp_path: Path, files: dict[str, str], arguments: list[str], expected: int
) -> None:
    done = guardrails("preflight", *arguments, cwd=project(tmp_path, files))
    word = {0: "PASSED", 1: "FAILED", 3: "COULD NOT FIND OUT"}[expected]
    assert (done.returncode, done.stderr) == (expected, "")
    assert done.stdout.splitlines()[-1].startswith(word)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "nowhere: no such folder"),
        (["app.txt"], "app.txt: a file, not a project's folder"),
        (["docs"], "docs: no Python project here: no .py file and no pyproject.toml below it"),
        (["--select", "GR-DECOR"], "there is no rule 'GR-DECOR'. Did you mean GR-DECO"),
        (["--jobs", "0"], "0 is not in the range 1<=x<=256"),
        (["--format", "yaml"], "'yaml' is not one of"),
        (["--profile", "nightly"], "'nightly' is no profile; there are ci, entrypoint"),
        (["--output", "markdown=app.txt/report.md"], "cannot write app.txt/report.md"),
        (["--output", "report.md"], "'report.md' is no FORMAT=FILE; formats are human, markdown, json, junit"),
        (["--output", "yaml=report.yaml"], "'yaml=report.yaml' is no FORMAT=FILE"),
        (["--output", "sarif="], "'sarif=' is no FORMAT=FILE"),
        (["--output", "json=docs"], "cannot write docs"),
        (["--output", "json=one", "--output", "tap=./one"], "one is named twice"),
        (["--baseline", "gone.jsonl"], "gone.jsonl: no such baseline; --write-baseline gone.jsonl makes it"),
        (["--baseline", "app.txt"], "app.txt:1: no baseline of version 1"),
        (["--baseline", "a", "--write-baseline", "b"], "leave --baseline away"),
        (["--write-baseline", "b", "--since", "HEAD"], "it would forget what these leave out"),
        (["--since", "HEAD"], "no git repository here: leave --since away"),
        (["--unheard-of"], "No such option"),
        ([".", "twice"], "unexpected extra argument"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_in_the_call_ends_with_2_and_says_what_to_do(tmp_path: Path, arguments: list[str], said: str) -> None:
    project(tmp_path, {**SOUND, "app.txt": "", "docs/index.md": "# Guide\n"})
    done = guardrails("preflight", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


CONFIGURATIONS = {
    "three mistakes at once": (
        '[tool.guardrails]\nexcludes = ["x"]\n\n[tool.guardrails.preflight]\nstrict = "perhaps"\njobs = 0\n',
        [
            "3 mistakes in the configuration",
            "pyproject.toml:2: tool.guardrails.excludes: no such key; did you mean 'exclude'?",
            "pyproject.toml:5: tool.guardrails.preflight.strict: 'perhaps'",
            "pyproject.toml:6: tool.guardrails.preflight.jobs: 0: must be 1 to 256",
        ],
    ),
    "three mistakes in three tables": (
        '[tool.guardrails]\nscr = ["x"]\n\n[tool.guardrails.preflight]\nselct = []\n' + waiver(until="'someday'"),
        [
            "3 mistakes in the configuration",
            "pyproject.toml:2: tool.guardrails.scr: no such key; did you mean 'src'?",
            "pyproject.toml:5: tool.guardrails.preflight.selct: no such key; did you mean 'select'?",
            "pyproject.toml:12: tool.guardrails.waiver.until: 'someday'",
        ],
    ),
    "a waiver without an owner": (
        '[[tool.guardrails.waiver]]\nid = "GR-ROUTE-001"\nwhere = "*"\nreason = "r"\nuntil = 2030-01-01\n',
        ["pyproject.toml:1: tool.guardrails.waiver.owner: is missing", "id, where, reason, owner, until"],
    ),
    "a waiver without a reason in it": (
        waiver(reason="  "),
        ["pyproject.toml:5: tool.guardrails.waiver.reason", "must not be empty"],
    ),
    "a waiver of a rule that does not exist": (
        waiver(id="GR-ROUTE-01"),
        ["pyproject.toml:2: waiver of 'GR-ROUTE-01': no such rule; did you mean GR-ROUTE-001?"],
    ),
    "a waiver of a family": (waiver(id="GR-ROUTE"), ["a waiver names one rule, not a family: GR-ROUTE-001"]),
    "no TOML": ("[tool.guardrails\n", ["pyproject.toml: not valid TOML"]),
    "no table": ("[tool]\nguardrails = 3\n", ["[tool.guardrails] must be a table"]),
    "a rule that does not exist": (
        '[tool.guardrails.preflight]\nselect = ["GR-ROUT"]\n',
        ["there is no rule 'GR-ROUT'. Did you mean GR-ROUTE"],
    ),
    "an interpreter that is none": (
        '[tool.guardrails]\npython = "env/bin/python"\n',
        ["cannot use the Python interpreter", "env/bin/python", "No such file"],
    ),
    "an interpreter that is something else": (
        '[tool.guardrails]\npython = "app/main.py"\n',
        ["cannot use the Python interpreter", "it lies in the project", "so it is not run"],
    ),
    "a source root that is missing": ('[tool.guardrails]\nsrc = ["backnd"]\n', ["src", "'backnd'"]),
    "a source root outside": ('[tool.guardrails]\nsrc = ["../other"]\n', ["src", "'../other'"]),
}


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_a_mistake_in_the_configuration_ends_with_2_and_names_its_place(tmp_path: Path, name: str) -> None:
    settings, said = CONFIGURATIONS[name]
    done = guardrails("preflight", cwd=project(tmp_path, SOUND, settings))
    assert (done.returncode, done.stdout) == (2, "")
    assert [text for text in said if text not in done.stderr] == []
    assert "Traceback" not in done.stderr


def test_a_mistake_in_the_environment_ends_with_2_and_names_the_variable(tmp_path: Path) -> None:
    done = guardrails("preflight", cwd=project(tmp_path, SOUND), GUARDRAILS_PREFLIGHT__STRIKT="1", GUARDRAILS_SRC="app")
    assert done.returncode == 2
    assert "environment: GUARDRAILS_PREFLIGHT__STRIKT: no such setting; did you mean GUARDRAILS_PREFLIGHT__STRICT?" in (
        done.stderr
    )
    assert 'environment: GUARDRAILS_SRC: write a list as JSON, such as ["app", "lib"]' in done.stderr


def crash(_: object) -> object:
    raise RuntimeError("boom")


@pytest.fixture
def crashing_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "check", crash)


@pytest.mark.usefixtures("crashing_check")
def test_a_check_that_crashes_ends_with_3_and_the_others_still_run(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["preflight", str(project(tmp_path, SOUND))])
    assert done.exit_code == 3
    assert "CRASHED  GR-ROUTE: the check crashed: RuntimeError: boom" in done.output
    assert f"{len(FAMILIES) - 1} checks over 2 files" in done.output


@pytest.mark.usefixtures("crashing_check")
def test_a_failure_outranks_a_check_that_crashes(tmp_path: Path) -> None:
    files = {**SOUND, "app/prompts.py": "x = 1\n", "app/prompts/__init__.py": ""}
    done = CliRunner().invoke(main, ["preflight", str(project(tmp_path, files))])
    assert done.exit_code == 1
    assert "CRASHED  GR-ROUTE" in done.output


def test_a_fault_of_the_gate_itself_ends_with_3_and_without_a_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("guardrails.preflight.engine.load_project", crash)
    monkeypatch.delenv("GUARDRAILS_DEBUG", raising=False)
    done = CliRunner().invoke(main, ["preflight", str(project(tmp_path, SOUND))])
    assert done.exit_code == 3
    assert "internal error" in done.output
    assert "GUARDRAILS_DEBUG=1 shows" in done.output
    assert "Traceback" not in done.output


def test_an_interrupted_run_ends_with_3_because_nothing_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> object:
        raise KeyboardInterrupt

    monkeypatch.setattr("guardrails.preflight.engine.load_project", interrupted)
    done = CliRunner().invoke(main, ["preflight", str(project(tmp_path, SOUND))])
    assert (done.exit_code, done.stderr) == (3, "guardrails: interrupted, nothing was found out\n")


def test_an_expired_waiver_fails_and_says_when_it_ran_out(tmp_path: Path) -> None:
    done = guardrails("preflight", cwd=project(tmp_path, BROKEN, waiver(until="2024-02-29")))
    assert done.returncode == 1
    assert "GR-WAIVER-001  pyproject.toml:2" in done.stdout
    assert "ran out on 2024-02-29" in done.stdout


def test_a_waived_error_passes_and_stays_in_sight(tmp_path: Path) -> None:
    done = guardrails("preflight", cwd=project(tmp_path, BROKEN, waiver()))
    assert (done.returncode, done.stderr) == (0, "")
    assert "waived GR-ROUTE-001  app/main.py:10  until 2099-12-31 by @api: goes with v1" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("PASSED  0 errors, 0 warnings, 1 waived")


def test_a_waiver_that_matches_nothing_warns(tmp_path: Path) -> None:
    done = guardrails("preflight", cwd=project(tmp_path, SOUND, waiver(where="app/gone.py")))
    assert done.returncode == 0
    assert "warning GR-WAIVER-002  pyproject.toml:2" in done.stdout


def test_the_script_and_the_module_are_one_command(tmp_path: Path) -> None:
    import subprocess

    script = Path(sys.executable).with_name("guardrails")
    done = subprocess.run([script, "--version"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout == guardrails("--version", cwd=tmp_path).stdout
