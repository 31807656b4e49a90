"""What a rule is, and the catalogue of all of them."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from guardrails.errors import UnknownRule
from guardrails.evidence import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable

    from guardrails.preflight.context import Check
    from guardrails.source import Role

# Families in the order in which they run. Each is a module of `preflight.checks` with RULES and `check`.
FAMILIES = {
    "GR-SHADOW": "shadow",
    "GR-DECO": "decorators",
    "GR-ROUTE": "routes",
}
WAIVER_FAMILY = "GR-WAIVER"


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of defect: why it hurts, how to mend it, the bad and the good code.

    `severity` is the worst that a finding of this rule can have. `fix` and `verify` are what a finding
    says unless it knows better.
    """

    id: str
    title: str
    severity: Severity
    why: str
    fix: str
    verify: str
    bad: str
    good: str
    runbook: str

    @property
    def family(self) -> str:
        return self.id.rpartition("-")[0]

    def at(
        self,
        path: str,
        line: int | None,
        message: str,
        *,
        severity: Severity | None = None,
        fix: str | None = None,
        verify: str | None = None,
    ) -> Finding:
        """A finding of this rule."""
        return Finding(
            rule=self.id,
            severity=severity or self.severity,
            path=path,
            line=line,
            message=message,
            why=self.why,
            fix=fix or self.fix,
            verify=verify or self.verify,
            runbook=self.runbook,
        )


def family_module(family: str) -> Check:
    """The check of one family, imported at first use."""
    module: Check = import_module(f"guardrails.preflight.checks.{FAMILIES[family]}")
    return module


def catalogue() -> list[Rule]:
    """Every rule, by id."""
    from guardrails.preflight.waivers import RULES

    rules = [rule for family in FAMILIES for rule in family_module(family).RULES]
    return sorted([*rules, *RULES], key=lambda rule: rule.id)


def find_rules(wanted: str) -> list[Rule]:
    """The rule of that id, or all rules of a family. Raises UnknownRule with the nearest ids."""
    wanted = wanted.strip().upper()
    rules = [rule for rule in catalogue() if wanted in (rule.id, rule.family)]
    if not rules:
        import difflib

        known = [*FAMILIES, WAIVER_FAMILY, *(rule.id for rule in catalogue())]
        raise UnknownRule(wanted, difflib.get_close_matches(wanted, known, n=2, cutoff=0.5))
    return rules


def selected_families(select: Iterable[str]) -> list[str]:
    """The families that hold the selected ids, all when none is selected. Raises UnknownRule."""
    wanted = {rule.family for item in select for rule in find_rules(item)}
    # Waivers are judged by what the other families find.
    everything = not wanted or WAIVER_FAMILY in wanted
    return [family for family in FAMILIES if everything or family in wanted]


def weakened(severity: Severity, role: Role) -> Severity:
    """A defect outside the application's own code fails nobody's deployment.

    A wrong example is copied, so it warns; tests, templates and vendored code only inform.
    """
    if role == "app":
        return severity
    cap = Severity.WARNING if role == "example" else Severity.INFO
    return max(severity, cap, key=lambda s: s.rank)
