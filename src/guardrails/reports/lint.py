"""Lint of anybody's report: where it contradicts itself, its repository, or what its words need.

    bytes ── lint_document ──┬── numbers, tables, counts, status, outcomes, time    contradictions within the text
                             ├── text, encoding, words                    what is built or said unsoundly
                             └── repository (git)                         contradictions with the history
                                        └──► Outcome: findings, claims, what could not be found out

A contradiction is an error, a word without evidence a warning. What adds up is never a finding, and what could
not be looked at is said to be so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from guardrails.evidence import Severity
from guardrails.reports.lint_facts import Claim, Found, Scopes

if TYPE_CHECKING:
    from pathlib import Path

# A report is read by people; a larger text is data. It also bounds time and memory.
MOST_BYTES = 8 * 1024 * 1024
MOST_FINDINGS = 500
# Within a text, so many bytes that are no UTF-8 are a fault of it; beyond, it is no text.
_MOST_BAD = 0.02


class Outcome(NamedTuple):
    """What came of one text. `unknown`: what could not be found out; `notes`: what was left out on purpose."""

    findings: tuple[Found, ...] = ()
    claims: tuple[Claim, ...] = ()
    unknown: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    omitted: int = 0

    @property
    def contradicted(self) -> bool:
        """Whether there is an error among the findings."""
        return any(found.severity is Severity.ERROR for found in self.findings)


def lint(data: bytes, path: Path, *, repository: Path | None) -> Outcome:
    """Read a report.

    `data`: its bytes, UTF-8 or UTF-16 with a mark, at most 8 MiB. `path`: where it lies, so that its links can be
    followed. `repository`: a folder in the repository that it speaks of; None looks at the text alone.
    Nothing is raised for any bytes: what cannot be read comes back as `unknown`.
    """
    from guardrails.reports import (
        lint_counts,
        lint_encoding,
        lint_numbers,
        lint_outcomes,
        lint_status,
        lint_tables,
        lint_text,
        lint_time,
        lint_words,
    )
    from guardrails.reports.lint_document import parse

    if len(data) > MOST_BYTES:
        size = f"it is larger than {MOST_BYTES // 2**20} MiB and was not read"
        return Outcome(unknown=(f"{size}: split it, or lint the part with the claims",))
    text, findings, unknown = _decoded(data)
    if text is None:
        return Outcome(unknown=tuple(unknown))
    doc = parse(text)
    scopes = Scopes(doc)
    findings += [
        *lint_text.check(doc, path, complete=repository is not None),
        *lint_encoding.check(doc),
        *lint_numbers.check(doc),
        *lint_tables.check(doc),
        *lint_counts.check(doc, scopes),
        *lint_status.check(doc, scopes),
        *lint_outcomes.check(doc, scopes),
        *lint_time.check(doc, scopes),
        *lint_words.check(doc, scopes),
    ]
    claims: list[Claim] = []
    if repository is not None:
        from guardrails.reports.lint_repository import check

        seen = check(doc, repository)
        findings += seen.findings
        claims += seen.claims
        unknown += seen.unknown
    # A line that is contradicted by what else the text says needs no second word about its evidence.
    false = {(found.line, found.claim) for found in findings if found.severity is Severity.ERROR}
    findings = [found for found in findings if found.rule != lint_words.WORD or (found.line, found.claim) not in false]
    findings = sorted(set(findings), key=lambda found: (found.line, found.column, found.rule, found.why))
    claims += _claims(findings)
    notes = _notes(doc.lines)
    return Outcome(
        tuple(findings[:MOST_FINDINGS]),
        tuple(sorted(set(claims))),
        tuple(unknown),
        tuple(notes),
        max(0, len(findings) - MOST_FINDINGS),
    )


def _claims(findings: list[Found]) -> list[Claim]:
    about_form = {"GR-REPORT-009", "GR-REPORT-010", "GR-REPORT-011", "GR-REPORT-012"}
    return [
        Claim(found.line, found.claim, "CONTRADICTED" if found.severity is Severity.ERROR else "UNSUPPORTED")
        for found in findings
        if found.rule not in about_form
    ]


def _notes(lines: list[str]) -> list[str]:
    from guardrails.reports.lint_document import LONGEST_LINE

    long = sum(len(line) > LONGEST_LINE for line in lines)
    return [f"lines longer than {LONGEST_LINE:,} characters, whose facts were not looked for: {long}"] if long else []


def _decoded(data: bytes) -> tuple[str | None, list[Found], list[str]]:
    from guardrails.reports.lint_facts import error

    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            return _lines(data.decode("utf-16")), [], []
        except UnicodeDecodeError:
            return None, [], ["it begins like UTF-16 and is not: save it as UTF-8"]
    if b"\0" in data:
        return None, [], ["it holds null bytes, so it is no text: give a Markdown file in UTF-8"]
    try:
        return _lines(data.decode("utf-8-sig")), [], []
    except UnicodeDecodeError as exc:
        text = data.decode("utf-8", "replace")
        bad = text.count("\ufffd")
        if bad > max(20, _MOST_BAD * len(text)):
            return (
                None,
                [],
                [f"{bad:,} bytes of it are not UTF-8, so it was not read: convert it (iconv -f CP1251 -t UTF-8)"],
            )
        before = data[: exc.start]
        line = before.count(b"\n")
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace"))
        found = error(
            "GR-REPORT-011",
            (line, column),
            f"the byte 0x{data[exc.start]:02X}",
            "it is not UTF-8",
            f"{bad:,} such bytes; the first stands here",
            "save the text as UTF-8; is it CP1251, Latin-1 or cut within a character?",
        )
        return _lines(text), [found], []


def _lines(text: str) -> str:
    """With `\\n` as the only line break, as Markdown has it."""
    return text.replace("\r\n", "\n").replace("\r", "\n")
