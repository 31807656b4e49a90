"""A run as test points, for the formats that know nothing but tests: JUnit and TAP.

    a check that passed        passed         a finding that fails the gate      failed
    a check that was skipped   skipped        one that does not, a warning       passed, and told
    a check that crashed       error          one that is waived or known        excused
    a file not analysed        skipped, or an error under --strict

Nothing that was skipped or excused counts as passed. Where the gate could not find out, one point says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from guardrails.mdtext import visible
from guardrails.preflight.own_checks import check_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from guardrails.evidence import Finding, GateRecord

Outcome = Literal["passed", "failed", "error", "skipped", "excused"]
NOT_ANALYSED = "not-analysed"


class Point(NamedTuple):
    """One test: to which check it belongs, its name, how it went, why, and more by name. All on one line each."""

    check: str
    name: str
    outcome: Outcome
    reason: str = ""
    path: str = ""
    line: int | None = None
    duration: float = 0.0
    details: tuple[tuple[str, str], ...] = ()


def points(record: GateRecord) -> list[Point]:
    """The points of a run, findings after the check that made them."""
    found = [_shown(point) for point in _points(record)]
    if record.verdict == "unknown" and all(point.outcome != "error" for point in found):
        found.append(Point("verdict", "verdict", "error", "the gate could not find out: nothing was analysed"))
    return found


def excuse(finding: Finding) -> str:
    """Why a finding fails nothing: `waived until 2030-12-31 by @team: reason`; empty where it is not excused."""
    if finding.waived is None:
        return "known: in the baseline" if finding.known else ""
    return f"waived until {finding.waived.until} by {finding.waived.owner}: {finding.waived.reason}"


def in_folder(record: GateRecord, path: str) -> str:
    """A path of the record as it is seen from where the gate was called."""
    return path if record.folder == "." else f"{record.folder}/{path}"


def _points(record: GateRecord) -> Iterator[Point]:
    by_family: dict[str, list[Finding]] = {}
    for finding in record.findings:
        by_family.setdefault(check_of(finding), []).append(finding)
    for check in record.checks:
        found = by_family.pop(check.id, [])
        # A check that failed is told by its findings.
        if check.status != "failed":
            yield Point(check.id, check.id, check.status, check.reason or "", duration=check.duration)
        elif not found:
            yield Point(check.id, check.id, "skipped", "all that it found is left out", duration=check.duration)
        yield from (_of_finding(finding, record) for finding in found)
    for found in by_family.values():  # about waivers and the baseline, which are no check
        yield from (_of_finding(finding, record) for finding in found)
    for item in record.not_analysed:
        outcome: Outcome = "error" if record.strict and record.verdict == "unknown" else "skipped"
        reason = f"not analysed: {item.reason}"
        yield Point(NOT_ANALYSED, item.path, outcome, reason, in_folder(record, item.path))


def _of_finding(finding: Finding, record: GateRecord) -> Point:
    fails = finding.severity == "error" or (record.strict and finding.severity == "warning")
    return Point(
        check=check_of(finding),
        name=f"{finding.rule} {finding.place}",
        outcome="excused" if finding.excused else "failed" if fails else "passed",
        reason=excuse(finding) if finding.excused else f"{finding.severity}: {finding.message}",
        path=in_folder(record, finding.path),
        line=finding.line,
        details=tuple((name, str(getattr(finding, name))) for name in ("message", "why", "fix", "verify", "runbook")),
    )


def _shown(point: Point) -> Point:
    return point._replace(
        name=visible(point.name),
        reason=visible(point.reason),
        path=visible(point.path),
        details=tuple((name, visible(text)) for name, text in point.details),
    )
