"""Own checks inside the gate: the verdict, the record, waivers, the baseline, what is selected, every output."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from guardrails.config import Config, PreflightConfig, WaiverEntry, load_config
from guardrails.errors import UnknownRule
from guardrails.preflight import own_checks, run_gate
from guardrails.preflight.outputs import WRITERS, render
from tests.cli.contract import RECORD
from tests.preflight.cases import write_files
from tests.preflight.owned import FILES, gated, source

if TYPE_CHECKING:
    from pathlib import Path

    from guardrails.evidence import GateRecord


def one(answer: str, **said: object) -> dict[str, str]:
    words = "".join(f", {name}={value!r}" for name, value in said.items())
    return {"checks/a.py": source(f"@check('own'{words})\ndef own(ctx):\n    {answer}\n")}


def results(record: GateRecord) -> dict[str, str]:
    return {check.id: check.status for check in record.checks if not check.id.startswith("GR-")}


@pytest.mark.parametrize(
    ("answer", "severity", "strict", "verdict", "status"),
    [
        ("return ok()", "error", False, "passed", 0),
        ("return fail('x')", "error", False, "failed", 1),
        ("return fail('x')", "warning", False, "passed", 0),
        ("return fail('x')", "warning", True, "failed", 1),
        ("return fail('x')", "info", True, "passed", 0),
        ("return skip('x')", "error", False, "passed", 0),
        ("raise ValueError", "error", False, "unknown", 3),
        ("raise ValueError", "warning", False, "unknown", 3),
    ],
)
def test_what_a_check_answers_decides_the_verdict(
    tmp_path: Path, answer: str, severity: str, strict: bool, verdict: str, status: int
) -> None:
    record = gated(tmp_path, one(answer, severity=severity), strict=strict)
    assert (record.verdict, record.exit_code) == (verdict, status)


def test_static_runs_nothing_and_says_what_it_left_out(tmp_path: Path) -> None:
    files = {"checks/a.py": "open('ran', 'w')\nraise SystemExit"}
    record = gated(tmp_path, files, static=True)
    (skipped,) = [check for check in record.checks if check.id == "GR-CHECK"]
    assert (skipped.status, skipped.reason) == ("skipped", "--static executes nothing of the project")
    assert not list(tmp_path.rglob("ran"))


def test_nothing_runs_that_the_configuration_does_not_name(tmp_path: Path) -> None:
    write_files(tmp_path, {"checks/a.py": "open('ran', 'w')\nraise SystemExit", "app/__init__.py": ""})
    record = run_gate(tmp_path, config=Config(preflight=PreflightConfig(record=False)))
    assert [check.id for check in record.checks if not check.id.startswith("GR-")] == []
    assert not list(tmp_path.rglob("ran"))


@pytest.mark.parametrize(
    ("select", "own", "family"),
    [
        (["own"], True, False),
        (["startup"], True, False),
        (["GR-CHECK"], True, False),
        (["gr-check-001"], True, False),
        (["own", "GR-SHADOW"], True, True),
        (["GR-SHADOW"], False, True),
        ([], True, True),
    ],
)
def test_a_selection_chooses_between_own_checks_and_rules(
    tmp_path: Path, select: list[str], own: bool, family: bool
) -> None:
    record = gated(tmp_path, one("return ok()"), select=select)
    assert ("own" in results(record), "GR-SHADOW" in [check.id for check in record.checks]) == (own, family)


def test_without_own_checks_a_selection_of_one_is_an_unknown_rule(tmp_path: Path) -> None:
    write_files(tmp_path, {"app.py": ""})
    with pytest.raises(UnknownRule):
        run_gate(tmp_path, select=["own"], config=Config())


def waived(folder: Path, files: dict[str, str], where: str) -> GateRecord:
    entry = WaiverEntry("GR-CHECK-001", where, "known", "@team", dt.date(2099, 12, 31))
    write_files(folder, {"app/__init__.py": "", **files})
    config = Config(plugins=(FILES,), preflight=PreflightConfig(record=False), waiver=(entry,))
    return run_gate(folder, config=config)


@pytest.mark.slow  # three runs
def test_a_waiver_excuses_a_failure_and_one_for_nothing_is_told(tmp_path: Path) -> None:
    excused = waived(tmp_path, one("return fail('x')"), "checks/a.py")
    assert (excused.exit_code, [f.waived is not None for f in excused.findings]) == (0, [True])
    idle = waived(tmp_path, one("return ok()"), "checks/a.py")
    assert [finding.rule for finding in idle.findings] == ["GR-WAIVER-002"]
    # What could not be run may fail the next time.
    unknown = waived(tmp_path, one("raise ValueError"), "checks/a.py")
    assert unknown.findings == ()


def test_a_failure_is_told_whatever_files_have_changed(tmp_path: Path) -> None:
    write_files(tmp_path, {"app/__init__.py": "", **one("return fail('x')")})
    for words in (["init", "-q"], ["add", "."], ["-c", "user.name=x", "-c", "user.email=x@x", "commit", "-qm", "x"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    config = Config(plugins=(FILES,), preflight=PreflightConfig(record=False))
    record = run_gate(tmp_path, config=config, since="HEAD")
    assert [finding.rule for finding in record.findings] == ["GR-CHECK-001"]


def test_a_gate_that_has_failed_already_waits_for_nothing(tmp_path: Path) -> None:
    own = own_checks.OwnChecks(wait=3600)
    files = {**one("return fail('x')"), "app/prompts.py": "x = 1\n", "app/prompts/__init__.py": ""}
    record = gated(tmp_path, files, own=own)
    assert (record.exit_code, own.results[0].reason) == (1, "x")


def test_the_record_has_each_check_and_fits_the_published_schema(tmp_path: Path) -> None:
    import jsonschema

    record = gated(tmp_path, one("return fail('x')"))
    said = json.loads(render(record, "json"))
    jsonschema.validate(said, RECORD)
    (check,) = [check for check in said["checks"] if check["id"] == "own"]
    assert (check["status"], check["reason"]) == ("failed", "x")
    assert check["duration_ms"] > 0
    assert said["findings"][0]["verify"] == f"guardrails preflight --select own {tmp_path}"


@pytest.mark.parametrize("form", WRITERS)
def test_every_output_shows_a_failure_under_its_check_and_no_secret(
    tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BILLING_TOKEN", "correct-horse-battery")
    text = "return fail('seen correct-horse-battery \\x1b[31m', fix='correct-horse-battery')"
    shown = render(gated(tmp_path, one(text)), form)
    assert "correct-horse" not in shown
    assert "\x1b" not in shown
    assert "GR-CHECK-001" in shown
    if form in ("junit", "tap"):
        assert "left out" not in shown  # it is told by its finding, once


@pytest.mark.slow  # two runs
def test_a_baseline_knows_a_failure(tmp_path: Path) -> None:
    from guardrails.preflight.baseline import Baseline, baseline_text

    file = tmp_path / "baseline.jsonl"
    first = gated(tmp_path, one("return fail('x')"), baseline=Baseline.anew(file, tmp_path))
    file.write_text(baseline_text(first), "utf-8")
    again = gated(tmp_path, one("return fail('x')"), baseline=Baseline.read(file, tmp_path))
    assert (again.exit_code, [finding.known for finding in again.findings]) == (0, [True])


@pytest.mark.parametrize(
    ("settings", "environ", "expected"),
    [
        ('[tool.guardrails]\nplugins = ["checks/*.py", "acme"]\n', {}, ("checks/*.py", "acme")),
        ("", {"GUARDRAILS_PLUGINS": '["a.py"]'}, ("a.py",)),
        ("", {}, ()),
    ],
)
def test_plugins_are_named_in_the_configuration(
    tmp_path: Path, settings: str, environ: dict[str, str], expected: tuple[str, ...]
) -> None:
    (tmp_path / "pyproject.toml").write_text(settings, "utf-8")
    assert load_config(tmp_path, environ).plugins == expected


@pytest.mark.slow  # the shortest deadline that may be configured is a second
def test_the_deadline_that_is_configured_ends_all_own_checks(tmp_path: Path) -> None:
    write_files(tmp_path, one("import time; time.sleep(30)"))
    config = Config(plugins=(FILES,), preflight=PreflightConfig(record=False, deadline=1.0))
    (found,) = [check for check in run_gate(tmp_path, config=config).checks if check.id == "own"]
    assert (found.status, found.reason) == ("error", "the deadline of 1 s for all checks came first")
