"""For a terminal: findings worst first, each with its place, why it hurts, the fix and its proof; then the verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from guardrails.evidence import Finding, GateRecord

    # (text, role) -> text, coloured where the terminal wants it
    Paint = Callable[[str, str], str]

SHOWN_NOT_ANALYSED = 10
INFO_SHOWN = 20
_EXCUSED = {"waived": "waived", "known": "known", "left_out": "left out"}


def render(record: GateRecord, paint: Paint = lambda text, _role: text) -> str:
    """The record as text of at most about 100 columns. `paint` colours: error, warning, info, good, dim, path."""
    return "\n".join(_lines(record, paint)) + "\n"


def _lines(record: GateRecord, paint: Paint) -> Iterator[str]:
    shown = [f for f in record.findings if not f.excused and f.severity != "info"]
    infos = [f for f in record.findings if not f.excused and f.severity == "info"]
    for finding in (*shown, *infos[:INFO_SHOWN]):
        yield from _finding(finding, paint)
    if len(infos) > INFO_SHOWN:
        yield paint(f"… and {len(infos) - INFO_SHOWN} more of level info: --format json lists them", "dim")
        yield ""
    waived = [f for f in record.findings if f.waived is not None]
    for finding in waived:
        yield _waived(finding, paint)
    if waived:
        yield ""
    if known := record.summary["known"]:
        yield f"{paint('known', 'dim')}  {counted(known, 'finding')} of the baseline: --format json lists them"
    yield from _not_analysed(record, paint)
    for check in record.checks:
        if check.status in ("error", "skipped"):
            label = "CRASHED" if check.status == "error" else "skipped"
            yield f"{paint(label, 'error' if check.status == 'error' else 'dim')}  {check.id}: {check.reason}"
    for note in record.notes:
        yield f"{paint('note', 'dim')}  {note}"
    if shown:
        rule = shown[0].rule
        yield f"{paint('more', 'dim')}  guardrails explain {rule}: bad and good code, and the runbook"
    yield verdict_line(record, paint)


def _finding(finding: Finding, paint: Paint) -> Iterator[str]:
    level = finding.severity.value
    yield f"{paint(level, level)} {paint(finding.rule, 'dim')}  {paint(finding.place, 'path')}"
    yield f"  {finding.message}"
    for label, text in (("why", finding.why), ("fix", finding.fix), ("verify", finding.verify)):
        yield f"  {paint(f'{label:<6}', 'dim')} {text}"
    yield ""


def _waived(finding: Finding, paint: Paint) -> str:
    w = finding.waived
    excuse = f"until {w.until} by {w.owner}: {w.reason}" if w else ""
    return f"{paint('waived', 'dim')} {finding.rule}  {finding.place}  {excuse}"


def _not_analysed(record: GateRecord, paint: Paint) -> Iterator[str]:
    for item in record.not_analysed[:SHOWN_NOT_ANALYSED]:
        yield f"{paint('not analysed', 'warning')}  {item.path}: {item.reason}"
    rest = len(record.not_analysed) - SHOWN_NOT_ANALYSED
    if rest > 0:
        yield f"{paint('not analysed', 'warning')}  … and {rest} more: --format json lists them"


def verdict_line(record: GateRecord, paint: Paint = lambda text, _role: text) -> str:
    """`FAILED  2 errors, 1 warning · 3 checks over 14 files (612 lines)`."""
    s = record.summary
    counts = [counted(s["errors"], "error"), counted(s["warnings"], "warning")]
    counts += [f"{s['infos']} info"] if s["infos"] else []
    counts += [f"{s[name]:,} {said}" for name, said in _EXCUSED.items() if s[name]]
    checks = [f"{counted(s['checks_run'], 'check')} over {counted(s['files'], 'file')} ({counted(s['lines'], 'line')})"]
    checks += [f"{s['checks_skipped']} skipped"] if s["checks_skipped"] else []
    checks += [f"{s['checks_crashed']} CRASHED"] if s["checks_crashed"] else []
    checks += [f"{counted(s['not_analysed'], 'file')} not analysed"] if s["not_analysed"] else []
    word, role = {
        "passed": ("PASSED", "good"),
        "failed": ("FAILED", "error"),
        "unknown": ("COULD NOT FIND OUT", "warning"),
    }[record.verdict]
    return f"{paint(word, role)}  {', '.join(counts)} · {', '.join(checks)}"


def counted(number: int, noun: str) -> str:
    """`1 file`, `2 files`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
