"""Waivers applied to findings: dated, owned exceptions that every output shows and that run out.

A waived finding fails nothing and stays visible. A waiver whose last day is over stops waiving and is
itself a finding; one that matches nothing warns, because it hides what it no longer excuses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from guardrails.config import FILE
from guardrails.errors import ConfigError
from guardrails.evidence import Severity, Waiver
from guardrails.preflight.rule import Rule
from guardrails.source.files import matches_glob

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable, Sequence

    from guardrails.config import Config
    from guardrails.evidence import Finding

_VERIFY = "guardrails preflight --static"

EXPIRED = Rule(
    id="GR-WAIVER-001",
    title="a waiver whose last day is over",
    severity=Severity.ERROR,
    why="The exception was granted until a day that has passed; what it excused counts again.",
    fix="Mend what it excused and delete the waiver, or have its owner renew the date with a reason.",
    verify=_VERIFY,
    bad='[[tool.guardrails.waiver]]\nid = "GR-ROUTE-001"\nuntil = 2024-01-31  # long ago',
    good="# the defect is mended, the waiver is deleted",
    runbook="waivers",
)
UNMATCHED = Rule(
    id="GR-WAIVER-002",
    title="a waiver that matches no finding",
    severity=Severity.WARNING,
    why="What it excused is gone or has moved; left in place, it would excuse the next defect there unseen.",
    fix="Delete the waiver, or correct its `id` and `where`.",
    verify=_VERIFY,
    bad='[[tool.guardrails.waiver]]\nid = "GR-ROUTE-001"\nwhere = "app/old.py"  # deleted last month',
    good='[[tool.guardrails.waiver]]\nid = "GR-ROUTE-001"\nwhere = "app/legacy.py"',
    runbook="waivers",
)
MENDED = Rule(
    id="GR-WAIVER-003",
    title="an entry of the baseline whose defect is gone",
    severity=Severity.WARNING,
    why="Left in place, it would excuse the same defect when it comes back.",
    fix="Delete the line, or write the baseline again with --write-baseline.",
    verify=_VERIFY,
    bad='{"path": "app/old.py", "rule": "GR-ROUTE-001", "fingerprint": "0f1e2d3c4b5a6978"}  # mended last month',
    good="# the line is deleted",
    runbook="waivers",
)
RULES = (EXPIRED, UNMATCHED, MENDED)


def configured(config: Config, catalogue: Callable[[], Iterable[Rule]]) -> tuple[Waiver, ...]:
    """The waivers that a configuration holds. `catalogue`: gives all rules, and is called only where there are some.

    Raises ConfigError for waivers of no rule, which would excuse nothing.
    """
    if not config.waiver:
        return ()
    known = [rule.id for rule in catalogue()]
    lines = [*config.waiver_lines, *[1] * len(config.waiver)]
    found, problems = [], []
    for entry, line in zip(config.waiver, lines, strict=False):
        place = f"{FILE}:{line}"
        found.append(Waiver(entry.id, entry.where, entry.reason, entry.owner, entry.until, place))
        if entry.id not in known:
            problems.append(f"{place}: waiver of {entry.id!r}: {_unknown(entry.id, known)}")
    if problems:
        raise ConfigError(problems)
    return tuple(found)


def _unknown(name: str, known: list[str]) -> str:
    import difflib

    family = [rule for rule in known if rule.startswith(f"{name}-")]
    if family:
        return f"a waiver names one rule, not a family: {', '.join(family)}"
    near = difflib.get_close_matches(name, known, n=1)
    return "no such rule; " + (f"did you mean {near[0]}?" if near else "`guardrails explain` lists the rules")


def apply(findings: Iterable[Finding], waivers: Sequence[Waiver], ran: Iterable[str], today: dt.date) -> list[Finding]:
    """The findings, waived where a waiver holds, with the findings about the waivers themselves.

    `ran`: the families that ran; a waiver of another family is not judged.
    """
    used: set[Waiver] = set()
    judged: list[Finding] = []
    for finding in findings:
        matching = [w for w in waivers if w.id == finding.rule and matches_glob(w.where, finding.path)]
        used.update(matching)
        holding = next((w for w in matching if not w.expired(today)), None)
        judged.append(finding.waive(holding) if holding else finding)
    families = set(ran)
    for waiver in waivers:
        path, _, line = waiver.place.partition(":")
        said = f"{waiver.id} at {waiver.where!r} ({waiver.owner}: {waiver.reason})"
        if waiver in used and waiver.expired(today):
            days = (today - waiver.until).days
            message = f"the waiver of {said} ran out on {waiver.until}, {days} days ago"
            judged.append(EXPIRED.at(path, int(line or 1), message))
        elif waiver not in used and waiver.id.rpartition("-")[0] in families:
            judged.append(UNMATCHED.at(path, int(line or 1), f"the waiver of {said} matches no finding"))
    return judged
