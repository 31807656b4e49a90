"""The two sample backends: one shows every static rule once, the other none. Without a rule this fails."""

from __future__ import annotations

import shutil
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from guardrails.preflight import catalogue
from guardrails.preflight.families import LIVE_FAMILIES
from tests.preflight.cases import found, gate
from tests.support import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from guardrails.evidence import GateRecord

# A sample cannot bring an environment with two distributions along; nor has it waivers, a baseline, or own checks.
# And it must start, to show what else is wrong with it: an import that fails would end it before. It has no env file.
IMPORTS = {rule.id for rule in catalogue() if rule.family in ("GR-IMPORT", "GR-ENV", *LIVE_FAMILIES)}
NOT_SHOWN = {"GR-SHADOW-004", "GR-WAIVER-001", "GR-WAIVER-002", "GR-WAIVER-003", "GR-CHECK-001", *IMPORTS}
SHOWN = [rule.id for rule in catalogue() if rule.id not in NOT_SHOWN]


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> GateRecord:
    return gated("agent_backend_before", tmp_path_factory.mktemp("before"))


@pytest.fixture(scope="module")
def after(tmp_path_factory: pytest.TempPathFactory) -> GateRecord:
    return gated("agent_backend", tmp_path_factory.mktemp("after"))


def gated(name: str, folder: Path) -> GateRecord:
    """A copy, so that the samples stay as they are."""
    ignored = shutil.ignore_patterns(".guardrails", "__pycache__", "*.db")
    return gate(shutil.copytree(ROOT / "examples" / name, folder / name, ignore=ignored))


@pytest.mark.parametrize("rule", SHOWN)
def test_each_rule_is_found_once_before(before: GateRecord, rule: str) -> None:
    assert Counter(finding.rule for finding in before.findings)[rule] == 1


def test_nothing_else_is_found_before(before: GateRecord) -> None:
    assert sorted(finding.rule for finding in before.findings) == SHOWN
    assert (before.verdict, before.exit_code, before.not_analysed) == ("failed", 1, ())


def test_nothing_is_found_after(after: GateRecord) -> None:
    assert found(after) == ()
    assert (after.verdict, after.exit_code, after.not_analysed) == ("passed", 0, ())


def test_every_finding_says_why_and_how_to_mend_and_to_prove_it(before: GateRecord) -> None:
    for finding in before.findings:
        assert all(
            text.strip() for text in (finding.message, finding.why, finding.fix, finding.verify, finding.runbook)
        )


def test_the_page_of_the_sample_lists_the_rules_that_are_found() -> None:
    page = (ROOT / "examples" / "agent_backend_before" / "README.md").read_text(encoding="utf-8")
    listed = [line.split("|")[1].strip() for line in page.splitlines() if line.startswith("| GR-")]
    assert sorted(listed) == SHOWN
