"""The families of rules, each imported when it is asked for, and the catalogue of all rules."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from guardrails.errors import UnknownRule
from guardrails.preflight import own_checks, waivers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from guardrails.preflight.context import Check
    from guardrails.preflight.rule import Rule

# Families in the order in which they run. Each is a module of `preflight.checks` with RULES and `check`.
FAMILIES = {
    "GR-SHADOW": "shadow",
    "GR-IMPORT": "imports",
    "GR-DECO": "decorators",
    "GR-ROUTE": "routes",
    "GR-ENV": "env",
}
# Those that execute the application: never under --static, and only where something is configured for them.
LIVE_FAMILIES = {"GR-LIVE": "live"}
WAIVER_FAMILY = "GR-WAIVER"


def family_module(family: str) -> Check:
    """The check of one family, imported at first use."""
    module: Check = import_module(f"guardrails.preflight.checks.{({**FAMILIES, **LIVE_FAMILIES})[family]}")
    return module


def catalogue() -> list[Rule]:
    """Every rule, by id."""
    rules = [rule for family in (*FAMILIES, *LIVE_FAMILIES) for rule in family_module(family).RULES]
    return sorted([*rules, *waivers.RULES, *own_checks.RULES], key=lambda rule: rule.id)


def find_rules(wanted: str) -> list[Rule]:
    """The rule of that id, or all rules of a family. Raises UnknownRule with the nearest ids."""
    wanted = wanted.strip().upper()
    rules = [rule for rule in catalogue() if wanted in (rule.id, rule.family)]
    if not rules:
        import difflib

        known = [*FAMILIES, *LIVE_FAMILIES, WAIVER_FAMILY, own_checks.FAMILY, *(rule.id for rule in catalogue())]
        raise UnknownRule(wanted, difflib.get_close_matches(wanted, known, n=2, cutoff=0.5))
    return rules


def selected_families(select: Iterable[str], families: Iterable[str] = tuple(FAMILIES)) -> list[str]:
    """Those of `families` that hold the selected ids, all when none is selected. Raises UnknownRule."""
    wanted = {rule.family for item in select for rule in find_rules(item)}
    # Waivers are judged by what the other families find.
    everything = not wanted or WAIVER_FAMILY in wanted
    return [family for family in families if everything or family in wanted]
