"""For pull requests and status pages: Markdown whose structure no path or message can change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from guardrails.mdtext import cell, code, inline
from guardrails.preflight.outputs.human import counted, verdict_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from guardrails.evidence import Finding, GateRecord

_VERDICTS = {"passed": "passed", "failed": "failed", "unknown": "could not find out"}


def render(record: GateRecord) -> str:
    """The record as a Markdown document."""
    return "\n".join(_lines(record)) + "\n"


def _lines(record: GateRecord) -> Iterator[str]:
    evidence = record.evidence
    yield f"# Gate: {inline(record.project)} {_VERDICTS[record.verdict]}"
    yield ""
    yield inline(verdict_line(record))
    yield ""
    open_findings = [f for f in record.findings if not f.excused]
    if open_findings:
        yield "| level | rule | place | what |"
        yield "|---|---|---|---|"
        for f in open_findings:
            yield f"| {f.severity.value} | {f.rule} | {code(f.place)} | {_named(f.message)} |"
        yield ""
        yield "## Why, fix and proof"
        yield ""
        for rule in dict.fromkeys(f.rule for f in open_findings):
            yield from _advice([f for f in open_findings if f.rule == rule])
    waived = [f for f in record.findings if f.waived is not None]
    if waived:
        yield from _waived(waived)
    if known := record.summary["known"]:
        yield f"Known: {counted(known, 'finding')} of the baseline, which `--format json` lists."
        yield ""
    if record.not_analysed:
        yield f"## Not analysed: {counted(len(record.not_analysed), 'file')}"
        yield ""
        yield "| file | reason |"
        yield "|---|---|"
        for item in record.not_analysed:
            yield f"| {code(item.path)} | {cell(item.reason)} |"
        yield ""
    yield "## Checks"
    yield ""
    yield "| check | result | reason |"
    yield "|---|---|---|"
    for check in record.checks:
        yield f"| {check.id} | {check.status} | {cell(check.reason or '')} |"
    yield ""
    commit = "outside a repository" if evidence.commit is None else f"at {evidence.commit[:12]}"
    dirty = " with uncommitted changes" if evidence.dirty else ""
    status = f"exit status {evidence.exit_code}"
    yield f"Evidence {evidence.rung.value} (static), {status}, {evidence.started}, {commit}{dirty}:"
    yield ""
    yield code(" ".join(evidence.argv) or "run_gate()")
    for note in record.notes:
        yield ""
        yield f"Note: {inline(note)}"


def _advice(findings: list[Finding]) -> Iterator[str]:
    first = findings[0]
    yield f"### {first.rule}"
    yield ""
    yield f"- why: {_named(first.why)}"
    for fix in dict.fromkeys(f.fix for f in findings):
        yield f"- fix: {_named(fix)}"
    for verify in dict.fromkeys(f.verify for f in findings):
        yield f"- verify: {code(verify)}"
    yield f"- runbook: {first.runbook}"
    yield ""


def _named(text: str) -> str:
    """Our own sentences set names in backticks; here they become code spans, in a table too."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return cell(text)  # one that has no partner belongs to a name
    return "".join(code(part) if number % 2 else _between(part) for number, part in enumerate(parts))


def _between(text: str) -> str:
    """Text between two code spans: the blanks at its ends are safe there, and would be entities otherwise."""
    if not text.strip(" "):
        return text
    start, end = len(text) - len(text.lstrip(" ")), len(text.rstrip(" "))
    return text[:start] + cell(text[start:end]) + text[end:]


def _waived(findings: list[Finding]) -> Iterator[str]:
    yield "## Waived"
    yield ""
    yield "| rule | place | until | owner | reason |"
    yield "|---|---|---|---|---|"
    for f in findings:
        if f.waived is not None:
            w = f.waived
            yield f"| {f.rule} | {code(f.place)} | {w.until} | {cell(w.owner)} | {cell(w.reason)} |"
    yield ""
