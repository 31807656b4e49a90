"""Annotations of GitHub Actions: workflow commands on standard output, that show a finding beside its line.

GitHub shows ten a step and level: the tenth counts the rest, which are printed as plain lines, as what is
waived is. Chosen by `--format github` alone, never by finding oneself on GitHub.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from guardrails.mdtext import visible
from guardrails.preflight.outputs.human import verdict_line
from guardrails.preflight.outputs.points import excuse, in_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from guardrails.evidence import Finding, GateRecord

SHOWN = 10
_LEVELS = {"error": "error", "warning": "warning", "info": "notice"}
_PROPERTY = str.maketrans({"%": "%25", ":": "%3A", ",": "%2C"})


def render(record: GateRecord) -> str:
    """The record as workflow commands and plain lines, the verdict last."""
    return "\n".join(_lines(record)) + "\n"


def _lines(record: GateRecord) -> Iterator[str]:
    commands = list(_commands(record))
    for level in _LEVELS.values():
        of_level = [(command, line) for kind, command, line in commands if kind == level]
        whole = len(of_level) <= SHOWN
        shown = of_level if whole else of_level[: SHOWN - 1]
        yield from (command for command, _ in shown)
        if not whole:
            rest = of_level[SHOWN - 1 :]
            yield f"::{level} title=guardrails::{len(rest)} more of this level: the log of this step lists them"
            yield from (_plain(line) for _, line in rest)
    for finding in record.findings:
        if finding.waived is not None:
            yield _plain(f"{finding.rule} {in_folder(record, finding.place)} {excuse(finding)}")
    for note in record.notes:
        yield _plain(f"note: {note}")
    yield verdict_line(record)


def _commands(record: GateRecord) -> Iterator[tuple[str, str, str]]:
    """Level, command and the same as a plain line."""
    for finding in record.findings:
        if not finding.excused:
            yield _of_finding(finding, record)
    for item in record.not_analysed:
        path = in_folder(record, item.path)
        command = _command("warning", "not analysed", item.reason, path=path)
        yield "warning", command, f"not analysed {path}: {item.reason}"
    for check in record.checks:
        if check.status in ("error", "skipped"):
            level, word = ("error", "CRASHED") if check.status == "error" else ("notice", "skipped")
            said = f"{check.id}: {check.reason}"
            yield level, _command(level, f"check {word}", said), f"{word} {said}"


def _of_finding(finding: Finding, record: GateRecord) -> tuple[str, str, str]:
    level = _LEVELS[finding.severity]
    path = in_folder(record, finding.path)
    said = (finding.message, finding.why, f"fix: {finding.fix}", f"verify: {finding.verify}")
    place = in_folder(record, finding.place)
    command = _command(level, finding.rule, *said, path=path, line=finding.line)
    return level, command, f"{level} {finding.rule} {place}: {finding.message}"


def _command(level: str, title: str, *said: str, path: str = "", line: int | None = None) -> str:
    where = f"file={_property(path)}," if path else ""
    where += f"line={line}," if line else ""
    data = "%0A".join(visible(text).replace("%", "%25") for text in said)
    return f"::{level} {where}title={_property(title)}::{data}"


def _property(text: str) -> str:
    return visible(text).translate(_PROPERTY)


def _plain(line: str) -> str:
    """A line in which the runner finds no command: its older form may stand anywhere in a line."""
    return visible(line).replace("##[", "# #[")
