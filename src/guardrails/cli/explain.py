"""`guardrails explain RULE`: what a finding means, without leaving the terminal."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from guardrails.cli.printing import say
from guardrails.shipped import shipped

if TYPE_CHECKING:
    from collections.abc import Mapping

    from guardrails.preflight import Rule
    from guardrails.reports.lint_rules import LintRule

REPORTS = "GR-REPORT"


@click.command("explain", short_help="Explain a rule.", epilog="Example: guardrails explain GR-DECO-001")
@click.argument("rule", required=False)
@click.option("--format", "form", type=click.Choice(["human", "json"]), default="human", show_default=True)
def command(rule: str | None, form: str) -> None:
    """Show the failure, bad and good code, the fix and the runbook of RULE.

    RULE is an id (GR-DECO-001) or a family (GR-DECO), of the gate or of `report lint` (GR-REPORT). Without it, all
    rules are listed.
    """
    rules = _rules(rule)
    if form == "json":
        text = json.dumps([item._asdict() for item in rules], indent=2)
    elif rule is None:
        text = "\n".join(f"{item.id:<14} {item.severity:<8} {item.title}" for item in rules)
    else:
        text = "\n\n".join(_explained(item) for item in rules)
    say(text + "\n")


def _rules(wanted: str | None) -> list[Rule | LintRule]:
    """The rules asked for, of the gate and of reports. Raises UnknownRule."""
    from guardrails.preflight.families import catalogue, find_rules
    from guardrails.reports.lint_rules import RULES

    if wanted is None:
        return sorted([*catalogue(), *RULES.values()], key=lambda rule: rule.id)
    name = wanted.strip().upper()
    if name.startswith(REPORTS):
        return _of_reports(name, RULES)
    return list(find_rules(wanted))


def _of_reports(name: str, rules: Mapping[str, LintRule]) -> list[Rule | LintRule]:
    from guardrails.errors import UnknownRule

    found = [rule for rule in rules.values() if name in {rule.id, REPORTS}]
    if not found:
        import difflib

        raise UnknownRule(name, difflib.get_close_matches(name, rules, n=2, cutoff=0.5))
    return list(found)


def _explained(rule: Rule | LintRule) -> str:
    parts = [
        f"{rule.id}  {rule.severity}: {rule.title}",
        f"Why it hurts\n{_indented(rule.why)}",
        f"Bad\n{_indented(rule.bad)}",
        f"Good\n{_indented(rule.good)}",
        f"Fix\n{_indented(rule.fix)}",
        f"Verify\n{_indented(rule.verify.format(name='NAME', path='NAME.py'))}",
        f"Runbook\n{_indented(str(shipped('runbooks') / f'{rule.runbook}.md'))}",
    ]
    return "\n\n".join(parts)


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
