"""The sums of the recall run: what counts as found, what as gone, and that only what was expected counts."""

from __future__ import annotations

from typing import Any

import pytest

from loadtests.recall.__main__ import Result, compare, exit_status, expected, report

ENTRY = {
    "id": "a-b",
    "package": "a",
    "broken": "1",
    "fixed": "2",
    "kind": "own-name",
    "file": "a/x.py",
    "line": 3,
    "name": ".gone",
    "what": "It fails.",
    "rule": "GR-IMPORT static",
}


def said(
    line: int = 3, severity: str = "error", path: str = "a/x.py", rule: str = "GR-IMPORT-001", text: str = "gone"
) -> dict[str, Any]:
    return {"rule": rule, "severity": severity, "path": path, "line": line, "message": text}


@pytest.mark.parametrize(
    ("broken", "fixed", "found", "gone"),
    [
        ([said()], [], True, True),
        ([said(severity="warning")], [], True, True),
        ([said(line=4)], [], False, True),
        ([said(path="a/y.py")], [], False, True),
        ([], [], False, True),
        ([said()], [said(line=9)], True, False),
        ([said()], [said(path="a/y.py")], True, True),
        ([said()], [said(text="something else")], True, True),
        ([said(path="a/y.py", rule="GR-IMPORT-004", text="a/x.py is still being imported")], [], True, True),
        ([said(path="a/y.py", rule="GR-IMPORT-002", text="a/x.py is still being imported")], [], False, True),
    ],
)
def test_an_entry_is_found_at_its_place_and_gone_with_its_name(
    broken: list[dict[str, Any]], fixed: list[dict[str, Any]], *, found: bool, gone: bool
) -> None:
    result = compare(ENTRY, broken, fixed)
    assert (result.at is not None, result.gone) == (found, gone)


def test_an_error_is_told_before_a_warning() -> None:
    result = compare(ENTRY, [said(severity="warning"), said()], [])
    assert result.at is not None
    assert result.at["severity"] == "error"


@pytest.mark.parametrize(
    ("rule", "families"),
    [("GR-IMPORT static", ("GR-IMPORT",)), ("GR-IMPORT live", ()), ("distribution check", ()), ("GR-LOGIC", ())],
)
def test_only_entries_that_expect_a_static_rule_count(rule: str, families: tuple[str, ...]) -> None:
    assert expected({**ENTRY, "rule": rule}) == families


def test_seven_of_ten_meet_the_target_and_six_miss_it() -> None:
    good, bad = Result(ENTRY, said(), True, ""), Result(ENTRY, None, True, "")
    assert exit_status([good] * 7 + [bad] * 3) == 0
    assert exit_status([good] * 6 + [bad] * 4) == 1
    assert exit_status([Result(ENTRY, said(), False, "")]) == 1


def test_the_page_says_how_many_and_which_are_missed() -> None:
    results = [compare(ENTRY, [said()], []), compare({**ENTRY, "id": "c-d"}, [], [])]
    page = report(results, [ENTRY, {**ENTRY, "rule": "GR-LOGIC"}])
    assert "**1 of 2** entries" in page
    assert "- c-d: It fails." in page
    assert "| GR-LOGIC | 1 |" in page
