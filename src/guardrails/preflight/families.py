"""The families of rules, each imported when it is asked for, and the catalogue of all rules."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from guardrails.errors import UnknownRule
from guardrails.preflight import waivers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from guardrails.preflight.context import Check
    from guardrails.preflight.rule import Rule

# Families in the order in which they run. Each is a module of `preflight.checks` with RULES and `check`.
FAMILIES = {
    "GR-SHADOW": "shadow",
    "GR-DECO": "decorators",
    "GR-ROUTE": "routes",
}
WAIVER_FAMILY = "GR-WAIVER"


def family_module(family: str) -> Check:
    """The check of one family, imported at first use."""
    module: Check = import_module(f"guardrails.preflight.checks.{FAMILIES[family]}")
    return module


def catalogue() -> list[Rule]:
    """Every rule, by id."""
    rules = [rule for family in FAMILIES for rule in family_module(family).RULES]
    return sorted([*rules, *waivers.RULES], key=lambda rule: rule.id)


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
