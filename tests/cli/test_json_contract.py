"""What a machine reads: the JSON of the gate keeps its published shape, whatever was found."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from jsonschema import Draft202012Validator

from guardrails.evidence import GateRecord
from tests.cli.command import BROKEN, DOUBTFUL, SOUND, UNREADABLE, guardrails, project, waiver
from tests.cli.contract import RECORD, closed_throughout
from tests.support import ROOT

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = Draft202012Validator(closed_throughout(RECORD), format_checker=Draft202012Validator.FORMAT_CHECKER)
RUNS = {
    "sound": (SOUND, "", 0, "passed"),
    "broken": (BROKEN, "", 1, "failed"),
    "doubtful": (DOUBTFUL, "", 0, "passed"),
    "unreadable": (UNREADABLE, "", 3, "unknown"),
    "waived": ({**BROKEN, **UNREADABLE}, waiver(), 0, "passed"),
    "expired": (BROKEN, waiver(until="2024-01-01"), 1, "failed"),
}


@pytest.mark.parametrize("name", RUNS)
def test_every_run_keeps_the_published_shape(tmp_path: Path, name: str) -> None:
    files, settings, status, verdict = RUNS[name]
    done = guardrails("preflight", "--format", "json", cwd=project(tmp_path, files, settings))
    record = json.loads(done.stdout)
    assert [f"{list(error.path)}: {error.message}" for error in SCHEMA.iter_errors(record)] == []
    assert (record["verdict"], record["exit_code"], done.returncode) == (verdict, status, status)
    assert record["exit_code"] == record["evidence"]["exit_code"]
    assert done.stderr == ""


def test_the_schema_is_one_and_the_command_prints_it(tmp_path: Path) -> None:
    Draft202012Validator.check_schema(RECORD)
    done = guardrails("preflight", "--schema", cwd=tmp_path)
    assert (done.returncode, json.loads(done.stdout)) == (0, RECORD)


def test_the_summary_counts_what_the_lists_hold(tmp_path: Path) -> None:
    files = {**BROKEN, **DOUBTFUL, **UNREADABLE, "app/main.py": BROKEN["app/main.py"]}
    families = ("--select", "GR-ROUTE", "--select", "GR-SHADOW")
    done = guardrails("preflight", *families, "--format", "json", cwd=project(tmp_path, files, waiver()))
    record = json.loads(done.stdout)
    levels = [finding["severity"] for finding in record["findings"] if finding["waived"] is None]
    assert record["summary"] == {
        "errors": levels.count("error"),
        "warnings": levels.count("warning"),
        "infos": levels.count("info"),
        "waived": sum(finding["waived"] is not None for finding in record["findings"]),
        "known": 0,
        "left_out": 0,
        "checks_run": sum(check["status"] in ("passed", "failed") for check in record["checks"]),
        "checks_skipped": 0,
        "checks_crashed": 0,
        "files": 3,
        "lines": 12,
        "not_analysed": len(record["not_analysed"]),
    }
    assert (levels.count("warning"), record["summary"]["waived"], record["summary"]["not_analysed"]) == (1, 1, 1)


def test_the_sample_with_the_defects_shows_the_worst_first(tmp_path: Path) -> None:
    sample = ROOT / "examples" / "agent_backend_before"
    done = guardrails("preflight", "--no-record", "--format", "json", str(sample), cwd=tmp_path)
    record = json.loads(done.stdout)
    assert [f"{list(error.path)}: {error.message}" for error in SCHEMA.iter_errors(record)] == []
    rank = ["error", "warning", "info"]
    places = [(rank.index(f["severity"]), f["path"], f["line"] or 0) for f in record["findings"]]
    assert places == sorted(places)
    # The command of each finding works from where the gate was called.
    assert [f["verify"] for f in record["findings"] if str(sample) not in f["verify"]] == []


def test_the_record_that_is_left_is_the_one_that_was_printed(tmp_path: Path) -> None:
    done = guardrails("preflight", "--format", "json", cwd=project(tmp_path, BROKEN, waiver()))
    left = (tmp_path / ".guardrails" / "gate" / "last.json").read_bytes()
    assert left.decode() == done.stdout
    record = GateRecord.from_json(left)
    assert (record.verdict, record.exit_code, record.project) == ("passed", 0, tmp_path.name)
    assert record.to_json() == done.stdout
    waived = record.findings[0].waived
    assert waived is not None
    assert waived.until.year == 2099


def test_a_finding_of_another_service_is_told_by_its_own_path(tmp_path: Path) -> None:
    project(tmp_path / "backend", BROKEN)
    done = guardrails("preflight", "--format", "json", "backend", cwd=tmp_path)
    (finding,) = json.loads(done.stdout)["findings"]
    assert (finding["path"], finding["line"]) == ("app/main.py", 10)
    assert finding["verify"] == "guardrails preflight --static --select GR-ROUTE backend"
