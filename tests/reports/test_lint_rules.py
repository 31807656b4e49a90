"""What `explain` shows of a rule of reports is so: its bad text breaks that rule, its good text none."""

from __future__ import annotations

import pytest

from guardrails.reports.lint import lint
from guardrails.reports.lint_rules import RULES, LintRule
from tests.reports.test_lint_repository import Shop, shop

__all__ = ["shop"]


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.id)
def test_the_bad_text_breaks_the_rule_and_the_good_text_none(rule: LintRule, shop: Shop) -> None:
    (shop.path / "report.md").write_text("x")

    def found(text: str) -> list[tuple[str, str]]:
        text = text.replace("4f2a91c", shop.second[:9])
        outcome = lint(text.encode(), shop.path / "report.md", repository=shop.path)
        return [(item.rule, item.severity.value) for item in outcome.findings]

    # Bytes that are no UTF-8, the worst of that rule, cannot stand in an example.
    severity = "warning" if rule.id == "GR-REPORT-011" else rule.severity
    assert (rule.id, severity) in found(rule.bad)
    assert found(rule.good) == []
