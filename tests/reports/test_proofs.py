"""What counts as proven: a rung only for what a file itself says, and no overclaim from its name, age or totals."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from guardrails.evidence import Rung
from guardrails.reports import proofs
from guardrails.reports.render import LANGUAGES, render
from tests.cli.command import SOUND, guardrails, project
from tests.reports.repositories import commit, facts, new

if TYPE_CHECKING:
    from pathlib import Path

    from guardrails.reports.proofs import Proof

TIP = "c" * 40
OTHER = "d" * 40
PASSED = '<testcase classname="t.a" name="one"/>'
FAILED = '<testcase classname="t.a" name="two"><failure message="m">text</failure></testcase>'
BROKEN = '<testcase classname="t.a" name="three"><error/><system-out>x</system-out></testcase>'
SKIPPED = '<testcase classname="t.a" name="four"><skipped/></testcase>'


def junit(*cases: str, commit: str = "", **stated: str) -> str:
    named = f'<properties><property name="commit" value="{commit}"/></properties>' if commit else ""
    totals = "".join(f' {name}="{value}"' for name, value in stated.items())
    return f"<testsuites><testsuite{totals}>{named}{''.join(cases)}</testsuite></testsuites>"


def judged(folder: Path, text: str | bytes) -> Proof:
    (folder / "junit.xml").write_bytes(text if isinstance(text, bytes) else text.encode())
    return proofs.tests([folder], None, TIP)


@pytest.mark.parametrize(
    ("text", "verdict", "rung", "reason"),
    [
        (junit(PASSED, commit=TIP), "SUPPORTED", Rung.TESTED, "tests_passed"),
        (junit(PASSED, SKIPPED, commit=TIP), "SUPPORTED", Rung.TESTED, "tests_passed"),
        (junit(PASSED), "UNSUPPORTED", Rung.EXISTS, "tests_no_commit"),
        (junit(PASSED, commit=OTHER), "STALE", Rung.EXISTS, "tests_other_commit"),
        (junit(commit=TIP), "UNSUPPORTED", Rung.EXISTS, "tests_zero"),
        (junit(commit=TIP, tests="9", failures="0"), "UNSUPPORTED", Rung.EXISTS, "tests_zero"),
        (junit(SKIPPED, SKIPPED, commit=TIP), "UNSUPPORTED", Rung.EXISTS, "tests_zero"),
        (junit(PASSED, FAILED, commit=TIP, failures="0"), "CONTRADICTED", Rung.TESTED, "tests_failed"),
        (junit(PASSED, BROKEN), "CONTRADICTED", Rung.TESTED, "tests_failed"),
        (
            f"<testsuites>{junit(PASSED, commit=TIP)[12:-13]}{junit(PASSED, commit=OTHER)[12:-13]}</testsuites>",
            "STALE",
            Rung.EXISTS,
            "tests_other_commit",
        ),
        # A test case that names a commit speaks of itself, not of the run.
        (
            junit(f'<testcase><properties><property name="commit" value="{TIP}"/></properties></testcase>'),
            "UNSUPPORTED",
            Rung.EXISTS,
            "tests_no_commit",
        ),
    ],
)
def test_tests_are_proven_by_executed_cases_on_this_commit(
    tmp_path: Path, text: str, verdict: str, rung: Rung, reason: str
) -> None:
    found = judged(tmp_path, text)
    assert (found.verdict, found.rung, found.reason, found.source) == (verdict, rung, reason, "junit.xml")


BOMB = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><testsuite><testcase name="&b;"/></testsuite>'


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no element found"),
        ("<testsuite>", "no element found"),
        ("<html></html>", "<html> is no JUnit file"),
        ("\x00\x01", "not XML"),
        (BOMB, "it declares XML entities"),
        (b"\xff\xfe\x00", "not XML"),
    ],
)
def test_a_file_that_is_no_junit_file_is_said_to_be_unreadable(tmp_path: Path, text: str | bytes, why: str) -> None:
    found = judged(tmp_path, text)
    assert (found.verdict, found.rung, found.reason) == ("UNSUPPORTED", Rung.ASSERTED, "unreadable")
    assert why in found.said["why"]


def test_failing_tests_are_named_up_to_a_bound(tmp_path: Path) -> None:
    details = judged(tmp_path, junit(*[FAILED] * 50)).details
    assert details is not None
    assert (details["failing"][0], len(details["failing"]), details["failing_omitted"]) == ("t.a::two", 20, 30)


def test_a_file_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proofs, "MOST_BYTES", 2**20)
    found = judged(tmp_path, junit(PASSED * 40_000))
    assert (found.reason, found.said["why"]) == ("unreadable", "ValueError: larger than 1 MiB")


def test_of_several_files_none_is_chosen(tmp_path: Path) -> None:
    (tmp_path / "test-results").mkdir()
    for name in ("a.xml", "b.xml"):
        (tmp_path / "test-results" / name).write_text(junit(PASSED, commit=TIP))
    found = proofs.tests([tmp_path], None, TIP)
    assert (found.verdict, found.reason) == ("UNSUPPORTED", "several")
    assert proofs.tests([tmp_path], tmp_path / "test-results" / "b.xml", TIP).verdict == "SUPPORTED"


COBERTURA = '<?xml version="1.0" ?><!DOCTYPE coverage SYSTEM "x.dtd"><coverage lines-covered="87" lines-valid="120"/>'


@pytest.mark.parametrize(
    ("name", "text", "reason", "percent"),
    [
        ("coverage.xml", COBERTURA, "coverage_no_commit", "72.5"),
        ("coverage.json", '{"totals": {"covered_lines": 1, "num_statements": 3}}', "coverage_no_commit", "33.3"),
        ("coverage.json", '{"totals": {"covered_lines": 0, "num_statements": 0}}', "coverage_zero", None),
        ("coverage.json", '{"totals": {"covered_lines": 4, "num_statements": 3}}', "unreadable", None),
        ("coverage.json", '{"totals": []}', "unreadable", None),
        ("coverage.json", "{", "unreadable", None),
        ("coverage.json", "[" * 100_000, "unreadable", None),
        ("coverage.xml", "<coverage/>", "unreadable", None),
        ("coverage.xml", "<coverage lines-covered='x' lines-valid='1'/>", "unreadable", None),
    ],
)
def test_coverage_is_what_the_file_says_and_never_of_a_commit(
    tmp_path: Path, name: str, text: str, reason: str, percent: str | None
) -> None:
    (tmp_path / name).write_text(text)
    found = proofs.coverage([tmp_path], None)
    assert (found.verdict, found.reason, found.said.get("percent")) == ("UNSUPPORTED", reason, percent)
    assert found.rung == (Rung.EXISTS if percent else Rung.ASSERTED)


# --- the gate's record, by the gate itself ---


@pytest.fixture
def gated(tmp_path: Path) -> Path:
    if shutil.which("git") is None:
        pytest.skip("git is not installed: the gate's record of a commit is not tested")
    folder = new(tmp_path / "repo")
    project(folder, SOUND)
    commit(folder, {})
    assert guardrails("preflight", "--static", cwd=folder).returncode == 0
    return folder


def gate_of(folder: Path) -> dict[str, Any]:
    claim: dict[str, Any] = facts(folder)["claims"][0]
    return claim


def test_a_gate_that_passed_on_this_commit_is_proof(gated: Path) -> None:
    claim = gate_of(gated)
    assert (claim["verdict"], claim["rung"], claim["reason"]) == ("SUPPORTED", "E2", "gate_passed")
    row = facts(gated)["evidence"][-1]
    assert (row["id"], row["source"], row["argv"][1:]) == ("G", ".guardrails/gate/last.json", ["preflight", "--static"])


def test_a_gate_of_another_commit_is_stale(gated: Path) -> None:
    commit(gated, {"later.py": "x = 1\n"})
    assert (gate_of(gated)["verdict"], gate_of(gated)["reason"]) == ("STALE", "gate_other_commit")


def test_a_gate_before_or_in_a_changed_tree_is_stale(gated: Path) -> None:
    (gated / "new.py").write_text("x = 1\n")
    assert (gate_of(gated)["verdict"], gate_of(gated)["reason"]) == ("STALE", "gate_dirty")
    guardrails("preflight", "--static", cwd=gated)
    (gated / "new.py").unlink()
    assert (gate_of(gated)["verdict"], gate_of(gated)["reason"]) == ("STALE", "gate_dirty")


def test_a_gate_that_failed_contradicts_and_fails_under_strict(gated: Path) -> None:
    commit(gated, {"app/prompts.py": "x = 1\n", "app/prompts/__init__.py": ""})
    guardrails("preflight", "--static", cwd=gated)
    claim = gate_of(gated)
    assert (claim["verdict"], claim["reason"]) == ("CONTRADICTED", "gate_failed")
    assert claim["details"]["findings"][0]["rule"].startswith("GR-SHADOW")
    page = guardrails("report", "status", "--since", "1990-01-01", cwd=gated)
    assert page.returncode == 0
    assert "### Findings of the gate" in page.stdout
    assert guardrails("report", "status", "--since", "1990-01-01", "--strict", cwd=gated).returncode == 1


def test_an_older_tip_is_not_covered_by_the_gate_of_now(gated: Path) -> None:
    commit(gated, {"later.py": "x = 1\n"})
    guardrails("preflight", "--static", cwd=gated)
    assert facts(gated, until="HEAD~1")["claims"][0]["verdict"] == "STALE"


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"record_version": 1}', '{"record_version": 99}', "\xff"])
def test_a_record_that_cannot_be_read_proves_nothing(gated: Path, text: str) -> None:
    (gated / ".guardrails" / "gate" / "last.json").write_text(text, encoding="latin-1")
    claim = gate_of(gated)
    assert (claim["verdict"], claim["rung"], claim["reason"]) == ("UNSUPPORTED", "E0", "unreadable")


def test_a_record_with_a_forged_shape_never_breaks_the_report(gated: Path) -> None:
    file = gated / ".guardrails" / "gate" / "last.json"
    record = json.loads(file.read_text("utf-8"))
    for forged in ({"argv": [1]}, {"commit": 7}, {"commit": None}, {"commit": ["x"]}, {"started": {}}, {"dirty": "no"}):
        file.write_text(json.dumps({**record, "evidence": {**record["evidence"], **forged}}))
        found = facts(gated)
        assert found["claims"][0]["verdict"] != "CONTRADICTED"
        for language in LANGUAGES:
            assert render(found, "markdown", language)
            assert render(found, "html", language)


def test_nothing_to_look_at_is_no_evidence(tmp_path: Path) -> None:
    for found in (
        proofs.gate([tmp_path], TIP, dirty=False),
        proofs.tests([tmp_path], None, TIP),
        proofs.coverage([tmp_path], None),
    ):
        assert (found.verdict, found.rung, found.source) == ("UNSUPPORTED", Rung.ASSERTED, "")


def test_the_last_record_is_found_from_a_folder_below_the_top(gated: Path) -> None:
    assert gate_of(gated / "app")["reason"] == "gate_passed"
