"""Every rule finds its defects, each at its line, and nothing in their repaired twins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from guardrails.preflight import catalogue
from guardrails.preflight.families import LIVE_FAMILIES
from guardrails.preflight.own_checks import FAMILY as OWN_FAMILY
from tests.preflight.cases import Case, Expected, cases_of, corpus, counts, found, gate, write_files

if TYPE_CHECKING:
    from pathlib import Path

CASES = corpus()
# How many cases a family must have of each kind, at least.
ENOUGH = {
    "defect": {"GR-SHADOW": 5, "GR-IMPORT": 5, "GR-DECO": 8, "GR-ROUTE": 8, "GR-ENV": 5, "GR-WAIVER": 3},
    "clean": {"GR-SHADOW": 5, "GR-IMPORT": 12, "GR-DECO": 8, "GR-ROUTE": 8, "GR-ENV": 12, "GR-WAIVER": 3},
}


@pytest.mark.usefixtures("no_processes")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_gate_finds_what_the_corpus_says_and_nothing_else(case: Case, tmp_path: Path) -> None:
    record = gate(write_files(tmp_path, case.files))
    assert found(record) == case.findings
    if case.rule != "GR-IMPORT-007":  # whose cases are about files that cannot be analysed
        assert record.not_analysed == ()
    assert [check.reason for check in record.checks if check.status == "error"] == []


@pytest.mark.parametrize("rule", [rule.id for rule in catalogue() if rule.family not in (*LIVE_FAMILIES, OWN_FAMILY)])
@pytest.mark.parametrize("kind", ["defect", "clean"])
def test_every_rule_has_cases_enough(rule: str, kind: str) -> None:
    assert counts()[rule, kind] >= ENOUGH[kind][rule.rpartition("-")[0]]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_defect_shows_its_own_rule_and_a_clean_case_none(case: Case) -> None:
    rules = {finding.rule for finding in case.findings if finding.level != "waived"}
    assert case.kind in ("defect", "clean")
    assert case.rule in rules if case.kind == "defect" else case.rule not in rules


def test_no_two_cases_bear_one_name() -> None:
    names = [case.id for case in CASES]
    assert sorted(names) == sorted(set(names))


def test_marks_are_read_and_taken_off() -> None:
    text = "prose\n=== defect: a title\n--- a.py  #! GR-SHADOW-002 info\nx = 1\ny = 2  #! GR-ROUTE-001\n"
    (case,) = cases_of("GR-ROUTE-001", text)
    assert case.files == {"a.py": "x = 1\ny = 2\n"}
    assert case.findings == (
        Expected("a.py", 2, "GR-ROUTE-001", "error"),
        Expected("a.py", None, "GR-SHADOW-002", "info"),
    )
