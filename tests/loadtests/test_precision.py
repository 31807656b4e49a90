"""The sums of the precision run: what counts as false, and that an unread finding is not a result."""

from loadtests.precision.__main__ import Judged, Result, exit_status, judge, report, row

SUMMARY = {"lines": 50_000, "not_analysed": 2}
VERDICTS = [
    {"release": "a==1", "rule": "GR-ROUTE-001", "path": "a/x.py", "true": True, "reason": "dead"},
    {"release": "a==1", "rule": "GR-ROUTE-002", "path": "a/x.py", "true": False, "reason": "another app"},
]


def finding(rule: str, severity: str = "error") -> dict[str, object]:
    return {"rule": rule, "severity": severity, "path": "a/x.py", "line": 3, "message": "what"}


def test_findings_are_sorted_by_the_judgement_of_their_release_rule_and_path():
    result = Result("a==1", SUMMARY, [finding(f"GR-ROUTE-00{n}") for n in (1, 2, 3)], 0.1)

    judged = judge([result], VERDICTS)

    assert judged == Judged(
        ["a==1 a/x.py:3 GR-ROUTE-001: dead"],
        ["a==1 a/x.py:3 GR-ROUTE-002: another app"],
        ["a==1 a/x.py:3 GR-ROUTE-003: what"],
    )


def test_a_judgement_of_another_release_does_not_count():
    assert judge([Result("a==2", SUMMARY, [finding("GR-ROUTE-001")], 0.1)], VERDICTS).true == []


def test_warnings_are_not_judged():
    assert judge([Result("a==1", SUMMARY, [finding("GR-ROUTE-009", "warning")], 0.1)], []).unjudged == []


def test_one_false_finding_in_fifty_thousand_lines_misses_the_target():
    result = Result("a==1", SUMMARY, [], 0.1)
    assert exit_status([result], Judged([], [], [])) == 0
    assert exit_status([result, result], Judged([], ["f"], [])) == 0
    assert exit_status([result], Judged([], ["f"], [])) == 1


def test_an_unjudged_finding_is_no_result():
    assert exit_status([Result("a==1", SUMMARY, [], 0.1)], Judged([], [], ["f"])) == 3


def test_the_page_says_how_many_and_which():
    result = Result("a==1", SUMMARY, [finding("GR-ROUTE-001"), finding("GR-ROUTE-001")], 0.1)
    page = report([result], judge([result], VERDICTS))
    assert "1 releases, 50,000 lines, 2 error-level findings: 2 true, 0 false, 0 not judged" in page
    assert row(result) == "| a | 1 | 50,000 | 2 | 2 × GR-ROUTE-001 error | 0.1 |"
    assert "GR-SHADOW-002" in page.split("no more than that:")[1].splitlines()[0]
