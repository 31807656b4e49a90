"""What the outputs show, and what they leave to another: nothing is lost without a word."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from markdown_it import MarkdownIt

from guardrails.evidence import CheckResult, Severity
from guardrails.preflight.outputs import human, markdown
from guardrails.preflight.outputs.human import INFO_SHOWN, SHOWN_NOT_ANALYSED, counted
from tests.preflight.records import WAIVED, finding, record

if TYPE_CHECKING:
    from guardrails.evidence import GateRecord

FORMS = {"human": human.render, "markdown": markdown.render}
each_form = pytest.mark.parametrize("form", FORMS)


@each_form
def test_a_finding_is_shown_with_place_reason_fix_and_proof(form: str) -> None:
    said = FORMS[form](record(finding(7), verdict="failed"))
    wanted = ["GR-ROUTE-001", "app/m7.py:7", "message 7", "why it hurts.", "fix 7.", "guardrails preflight"]
    assert [text for text in wanted if text not in said.replace("\\", "")] == []


@each_form
def test_what_was_waived_is_shown_with_owner_reason_and_last_day(form: str) -> None:
    said = FORMS[form](record(finding(7, waived=WAIVED))).replace("&#8203;", "")
    assert [text for text in ("app/m7.py:7", "@api", "goes with v1", "2099-12-31") if text not in said] == []
    assert "message 7" not in said


@each_form
def test_checks_that_crashed_or_were_skipped_are_never_silent(form: str) -> None:
    checks = (
        CheckResult("GR-DECO", "error", 0.0, "the check crashed: boom"),
        CheckResult("GR-ROUTE", "skipped", 0.0, "no Python file"),
    )
    said = FORMS[form](record(checks=checks, verdict="unknown"))
    for text in ("the check crashed: boom", "no Python file", "1 skipped", "1 CRASHED"):
        assert text in said
    assert "COULD NOT FIND OUT" in said


@each_form
def test_notes_are_shown(form: str) -> None:
    assert "a note of the run" in FORMS[form](record(notes=("a note of the run",)))


def test_the_terminal_shows_the_first_files_that_were_not_analysed_and_counts_the_rest() -> None:
    said = human.render(record(not_analysed=SHOWN_NOT_ANALYSED + 3))
    assert f"x{SHOWN_NOT_ANALYSED - 1}.py: reason" in said
    assert f"x{SHOWN_NOT_ANALYSED}.py: reason" not in said
    assert "… and 3 more: --format json lists them" in said
    assert "… and" not in human.render(record(not_analysed=SHOWN_NOT_ANALYSED))


def test_the_page_shows_every_file_that_was_not_analysed() -> None:
    said = markdown.render(record(not_analysed=SHOWN_NOT_ANALYSED + 3))
    assert all(f"x{number}.py" in said for number in range(SHOWN_NOT_ANALYSED + 3))


def test_the_terminal_shows_all_that_fails_and_counts_the_rest_of_what_informs() -> None:
    infos = [finding(number, Severity.INFO) for number in range(1, INFO_SHOWN + 6)]
    errors = [finding(number) for number in range(100, 160)]
    said = human.render(record(*errors, *infos))
    assert all(f"message {number}\n" in said for number in range(100, 160))
    assert f"message {INFO_SHOWN}\n" in said
    assert f"message {INFO_SHOWN + 1}\n" not in said
    assert "… and 5 more of level info: --format json lists them" in said


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (record(), "PASSED  0 errors, 0 warnings · 1 check over 1,234 files (56,789 lines)"),
        (
            record(finding(), finding(2, Severity.WARNING), finding(3, Severity.INFO), verdict="failed"),
            "FAILED  1 error, 1 warning, 1 info · 1 check over 1,234 files (56,789 lines)",
        ),
        (
            record(finding(waived=WAIVED), not_analysed=1),
            "PASSED  0 errors, 0 warnings, 1 waived · 1 check over 1,234 files (56,789 lines), 1 file not analysed",
        ),
    ],
)
def test_the_last_line_is_the_verdict(given: GateRecord, expected: str) -> None:
    assert human.render(given).splitlines()[-1] == expected


def test_colours_are_asked_for_by_role_and_text_is_the_same_without() -> None:
    roles: set[str] = set()

    def paint(text: str, role: str) -> str:
        roles.add(role)
        return f"<{text}>"

    given = record(finding(), finding(2, Severity.WARNING), finding(3, Severity.INFO), not_analysed=1, notes=("n",))
    painted = human.render(given, paint)
    assert roles == {"error", "warning", "info", "good", "dim", "path"}
    assert painted.replace("<", "").replace(">", "") == human.render(given)


def test_the_page_is_a_document_with_tables_and_headings() -> None:
    given = record(finding(), finding(2, waived=WAIVED), not_analysed=1, notes=("n",), verdict="failed")
    tokens = MarkdownIt("commonmark").enable("table").parse(markdown.render(given))
    headings = [tokens[n + 1].content for n, token in enumerate(tokens) if token.type == "heading_open"]
    assert headings == [
        "Gate: svc failed",
        "Why, fix and proof",
        "GR-ROUTE-001",
        "Waived",
        "Not analysed: 1 file",
        "Checks",
    ]
    assert sum(token.type == "table_open" for token in tokens) == 4


def test_the_page_says_on_which_state_of_the_code_it_rests() -> None:
    said = markdown.render(record())
    assert (
        "Evidence E2 (static), exit status 0, 2025-06-15T15:06:40Z, at abababababab with uncommitted changes:" in said
    )
    assert "`guardrails preflight`" in said


@pytest.mark.parametrize(
    ("number", "noun", "expected"), [(0, "file", "0 files"), (1, "file", "1 file"), (1200, "check", "1,200 checks")]
)
def test_things_are_counted_in_words(number: int, noun: str, expected: str) -> None:
    assert counted(number, noun) == expected
