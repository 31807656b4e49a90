"""`guardrails explain`: what a finding means, without leaving the terminal."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner, Result

from guardrails.cli import main
from guardrails.preflight import catalogue
from guardrails.reports.lint_rules import RULES as OF_REPORTS

RULES = {**{rule.id: rule for rule in catalogue()}, **OF_REPORTS}


def explain(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["explain", *arguments])


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.id)
def test_a_rule_is_explained_with_bad_and_good_code_fix_and_runbook(rule: object) -> None:
    said = explain(rule.id)  # type: ignore[attr-defined]
    assert said.exit_code == 0
    headings = [line for line in said.output.splitlines() if line and not line.startswith(" ")]
    assert [heading.partition("  ")[0] for heading in headings[:1]] == [rule.id]  # type: ignore[attr-defined]
    assert [word for word in ("Why", "Bad", "Good", "Fix", "Verify", "Runbook") if word not in said.output] == []
    text = " ".join(said.output.split())
    for part in (rule.why, rule.fix, rule.bad, rule.good):  # type: ignore[attr-defined]
        assert " ".join(part.split()) in text
    assert "{" not in said.output.partition("Verify")[2].partition("Runbook")[0]


def test_a_family_is_explained_rule_by_rule() -> None:
    said = explain("gr-deco")
    assert [rule for rule in RULES if rule.startswith("GR-DECO") and rule not in said.output] == []
    assert "GR-ROUTE-001" not in said.output


def test_without_a_rule_all_are_listed() -> None:
    assert [line.split()[0] for line in explain().output.splitlines() if line.startswith("GR-")] == sorted(RULES)


def test_a_machine_reads_the_same() -> None:
    (said,) = json.loads(explain("GR-DECO-001", "--format", "json").output)
    assert said["id"] == "GR-DECO-001"
    assert {"title", "severity", "why", "fix", "verify", "bad", "good", "runbook"} <= said.keys()
    assert [rule["id"] for rule in json.loads(explain("--format", "json").output)] == sorted(RULES)


def test_a_misspelt_rule_ends_with_2_and_names_the_nearest() -> None:
    said = explain("GR-DECKO-001")
    assert said.exit_code == 2
    assert "there is no rule 'GR-DECKO-001'. Did you mean GR-DECO-001" in said.output


def test_a_rule_of_reports_that_is_not_there_is_named_too() -> None:
    said = explain("gr-report-0001")
    assert said.exit_code == 2
    assert "there is no rule 'GR-REPORT-0001'. Did you mean GR-REPORT-001" in said.output
    assert [rule["id"] for rule in json.loads(explain("gr-report", "--format", "json").output)] == list(OF_REPORTS)
