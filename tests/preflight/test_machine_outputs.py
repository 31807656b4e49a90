"""What machines read: each format through readers that others wrote, with everything that a run can find."""

from __future__ import annotations

import pytest

from guardrails.evidence import CheckResult, Severity
from guardrails.preflight.outputs import WRITERS, render
from guardrails.preflight.outputs.github import SHOWN
from tests.preflight.readers import (
    READERS,
    json_data,
    junit_tests,
    metrics,
    page,
    promtool,
    sarif_run,
    tap_tests,
    workflow_commands,
)
from tests.preflight.records import WAIVED, finding, record

CHECKS = (
    CheckResult("GR-SHADOW", "passed", 0.25),
    CheckResult("GR-ROUTE", "failed", 0.5),
    CheckResult("GR-TASK", "skipped", 0.0, "no task queue"),
)
CRASHED = CheckResult("GR-DECO", "error", 0.0, "the check crashed: boom")
EVERYTHING = record(
    finding(1),
    finding(2, Severity.WARNING),
    finding(3, Severity.INFO),
    finding(4, waived=WAIVED),
    finding(5, known=True),
    checks=CHECKS,
    not_analysed=2,
    left_out=6,
    notes=("a note",),
    verdict="failed",
)
NOTHING_FOUND_OUT = record(
    checks=tuple(check._replace(status="skipped", reason="no Python file") for check in CHECKS), verdict="unknown"
)
each_form = pytest.mark.parametrize("form", WRITERS)


def test_every_format_has_its_reader() -> None:
    assert sorted(WRITERS) == sorted(READERS)
    assert len(WRITERS) == 8


@each_form
@pytest.mark.parametrize(
    "given",
    [
        EVERYTHING,
        EVERYTHING._replace(strict=True),
        record(),
        NOTHING_FOUND_OUT,
        record(checks=(CRASHED,), verdict="unknown"),
        record(not_analysed=3, verdict="unknown", strict=True),
        EVERYTHING._replace(folder="services/api"),
    ],
    ids=["everything", "strict", "nothing", "nothing-found-out", "crashed", "unread-under-strict", "in-a-folder"],
)
def test_others_read_every_kind_of_run(form: str, given: object) -> None:
    text = render(given, form)  # type: ignore[arg-type]
    READERS[form](text)
    assert text.endswith("\n")


def test_the_readers_of_sarif_refuse_what_the_standard_does_not_have() -> None:
    text = render(EVERYTHING, "sarif")
    for wrong in (('"ruleId"', '"ruleID"'), ('"results": [', '"results": ["x",'), ('"text": "message 1', '"txt": "')):
        assert text != text.replace(*wrong)
        with pytest.raises((AssertionError, ValueError, TypeError, AttributeError)):
            sarif_run(text.replace(*wrong))


JUNIT = {
    "GR-SHADOW": "passed",
    "GR-ROUTE-001 app/m1.py:1": "failure",
    "GR-ROUTE-001 app/m2.py:2": "passed",
    "GR-ROUTE-001 app/m3.py:3": "passed",
    "GR-ROUTE-001 app/m4.py:4": "skipped",
    "GR-ROUTE-001 app/m5.py:5": "skipped",
    "GR-TASK": "skipped",
    "x0.py": "skipped",
    "x1.py": "skipped",
}


def test_a_test_report_shows_each_check_and_each_finding_once() -> None:
    tests = junit_tests(render(EVERYTHING, "junit"))
    assert {test.name: test.outcome for test in tests} == JUNIT
    said = {test.name: test.said for test in tests}
    assert all(text in said["GR-ROUTE-001 app/m1.py:1"] for text in ("error: message 1", "why it hurts.", "fix 1."))
    assert "waived until 2099-12-31 by @api: goes with v1" in said["GR-ROUTE-001 app/m4.py:4"]
    assert "known: in the baseline" in said["GR-ROUTE-001 app/m5.py:5"]
    assert "no task queue" in said["GR-TASK"]
    assert "not analysed: reason 0" in said["x0.py"]
    assert "warning: message 2" in said["GR-ROUTE-001 app/m2.py:2"]


def test_a_tap_stream_shows_the_same_and_knows_what_is_excused() -> None:
    tests = tap_tests(render(EVERYTHING, "tap"))
    words = {"failure": "failed"}
    outcomes = {name: words.get(outcome, outcome) for name, outcome in JUNIT.items()}
    outcomes |= dict.fromkeys(("GR-ROUTE-001 app/m4.py:4", "GR-ROUTE-001 app/m5.py:5"), "todo")
    assert {test.name.removeprefix("- ").strip(): test.outcome for test in tests} == outcomes
    said = {test.name.removeprefix("- ").strip(): test.said for test in tests}
    assert "fix: fix 1." in said["GR-ROUTE-001 app/m1.py:1"]
    assert "waived until 2099-12-31 by @api: goes with v1" in said["GR-ROUTE-001 app/m4.py:4"]


@pytest.mark.parametrize("form", ["junit", "tap"])
def test_a_finding_about_a_waiver_is_a_test_of_its_own(form: str) -> None:
    expired = finding(3)._replace(rule="GR-WAIVER-001", path="pyproject.toml")
    given = record(expired, checks=(CheckResult("GR-ROUTE", "passed", 0.0),), verdict="failed")
    tests = READERS[form](render(given, form))
    assert [(test.name.removeprefix("- ").strip(), test.outcome) for test in tests] == [
        ("GR-ROUTE", "passed"),
        ("GR-WAIVER-001 pyproject.toml:3", {"junit": "failure", "tap": "failed"}[form]),
    ]


@pytest.mark.parametrize("form", ["junit", "tap"])
def test_what_fails_under_strict_fails_as_a_test(form: str) -> None:
    given = record(finding(1, Severity.WARNING), checks=(CheckResult("GR-ROUTE", "passed", 0.0),), verdict="failed")
    loose = [test.outcome for test in READERS[form](render(given, form))]
    strict = [test.outcome for test in READERS[form](render(given._replace(strict=True), form))]
    assert loose == ["passed", "passed"]
    assert strict == ["passed", {"junit": "failure", "tap": "failed"}[form]]


@pytest.mark.parametrize("form", ["junit", "tap"])
@pytest.mark.parametrize(
    "given",
    [
        NOTHING_FOUND_OUT,
        record(checks=(CRASHED,), verdict="unknown"),
        record(not_analysed=1, verdict="unknown", strict=True),
    ],
    ids=["nothing analysed", "crashed", "unread under strict"],
)
def test_a_run_that_found_nothing_out_is_no_green_report(form: str, given: object) -> None:
    outcomes = [test.outcome for test in READERS[form](render(given, form))]  # type: ignore[arg-type]
    assert outcomes.count({"junit": "error", "tap": "failed"}[form]) == 1


@pytest.mark.parametrize("form", ["junit", "tap"])
def test_a_file_that_could_not_be_analysed_fails_its_own_test_where_it_decided(form: str) -> None:
    given = record(not_analysed=1, verdict="unknown", strict=True)
    bad = {"junit": "error", "tap": "failed"}[form]
    assert [test.name for test in READERS[form](render(given, form)) if test.outcome == bad] == [
        {"junit": "x0.py", "tap": "- x0.py"}[form]
    ]


@pytest.mark.parametrize("form", ["junit", "tap"])
def test_a_check_whose_findings_were_left_out_is_not_shown_as_passed(form: str) -> None:
    given = record(checks=(CheckResult("GR-ROUTE", "failed", 0.1),), left_out=3)
    assert [(test.name.removeprefix("- ").strip(), test.outcome) for test in READERS[form](render(given, form))] == [
        ("GR-ROUTE", "skipped")
    ]


def test_code_scanning_gets_rules_places_fingerprints_and_suppressions() -> None:
    run = sarif_run(render(EVERYTHING, "sarif"))
    (rule,) = run["tool"]["driver"]["rules"]
    assert (rule["id"], rule["defaultConfiguration"]) == ("GR-ROUTE-001", {"level": "error"})
    assert all(part in rule["help"]["markdown"] for part in ("Fix:", "Bad", "Good", "```"))
    assert "helpUri" not in rule
    assert [result["level"] for result in run["results"]] == ["error", "warning", "note", "error", "error"]
    assert [result["partialFingerprints"]["guardrails/v1"][-1] for result in run["results"]] == list("12345")
    assert [[s["justification"] for s in result["suppressions"]] for result in run["results"]] == [
        *([], [], []),
        ["waived until 2099-12-31 by @api: goes with v1"],
        ["known: in the baseline"],
    ]
    place = run["results"][0]["locations"][0]["physicalLocation"]
    assert (place["artifactLocation"]["uri"], place["region"]) == ("app/m1.py", {"startLine": 1})
    (invocation,) = run["invocations"]
    assert (invocation["executionSuccessful"], invocation["exitCode"]) == (True, 1)
    told = [notification["message"]["text"] for notification in invocation["toolExecutionNotifications"]]
    assert told == [
        "not analysed: reason 0",
        "not analysed: reason 1",
        "GR-TASK skipped: no task queue",
        "a note",
    ]


def test_places_are_told_from_where_the_gate_was_called() -> None:
    given = EVERYTHING._replace(folder="services/api")
    run = sarif_run(render(given, "sarif"))
    place = run["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "services/api/app/m1.py"
    assert workflow_commands(render(given, "github"))[0].properties["file"] == "services/api/app/m1.py"
    assert 'file="services/api/app/m1.py"' in render(given, "junit")
    assert json_data(render(given, "json"))["findings"][0]["path"] == "app/m1.py"


def test_annotations_stand_beside_their_lines() -> None:
    text = render(EVERYTHING, "github")
    shown = [(a.level, a.properties.get("file"), a.properties.get("line")) for a in workflow_commands(text)]
    assert shown == [
        ("error", "app/m1.py", "1"),
        ("warning", "app/m2.py", "2"),
        ("warning", "x0.py", None),
        ("warning", "x1.py", None),
        ("notice", "app/m3.py", "3"),
        ("notice", None, None),
    ]
    first = workflow_commands(text)[0]
    assert first.properties["title"] == "GR-ROUTE-001"
    assert first.said.splitlines() == ["message 1", "why it hurts.", "fix: fix 1.", "verify: guardrails preflight"]
    assert "GR-ROUTE-001 app/m4.py:4 waived until 2099-12-31 by @api: goes with v1" in text.splitlines()
    assert "1 known, 6 left out" in text.splitlines()[-1]


def test_no_more_annotations_than_github_shows_and_the_rest_is_counted_and_listed() -> None:
    lines = render(record(*map(finding, range(1, SHOWN + 4)), verdict="failed"), "github").splitlines()
    shown = workflow_commands("\n".join(lines))
    assert len(shown) == SHOWN
    assert shown[-1].said == "4 more of this level: the log of this step lists them"
    assert [line for line in lines if line.startswith("error GR-ROUTE-001")] == [
        f"error GR-ROUTE-001 app/m{number}.py:{number}: message {number}" for number in range(SHOWN, SHOWN + 4)
    ]
    exactly = render(record(*map(finding, range(1, SHOWN + 1)), verdict="failed"), "github")
    assert [a.properties["line"] for a in workflow_commands(exactly)] == [str(number) for number in range(1, SHOWN + 1)]


@pytest.mark.parametrize(
    "given", [EVERYTHING, EVERYTHING._replace(project='a "b" \\ c\n{d}')], ids=["plain", "hostile"]
)
def test_prometheus_has_nothing_to_say_against_the_gauges(given: object) -> None:
    text = render(given, "prometheus")  # type: ignore[arg-type]
    assert promtool(text) == (0, "")
    assert promtool(text.replace("HELP", "help"))[0] != 0


def test_gauges_tell_what_a_dashboard_needs() -> None:
    values = metrics(render(EVERYTHING, "prometheus"))
    expected = {
        ("verdict", "verdict", "failed"): 1,
        ("verdict", "verdict", "passed"): 0,
        ("verdict", "verdict", "unknown"): 0,
        ("findings", "severity", "error"): 1,
        ("findings", "severity", "warning"): 1,
        ("findings", "severity", "info"): 1,
        ("rule_findings", "rule", "GR-ROUTE-001"): 3,
        ("excused_findings", "reason", "waived"): 1,
        ("excused_findings", "reason", "known"): 1,
        ("excused_findings", "reason", "left_out"): 6,
        ("checks", "status", "passed"): 1,
        ("checks", "status", "failed"): 1,
        ("checks", "status", "skipped"): 1,
        ("checks", "status", "error"): 0,
    }
    plain = {"files": 1234, "not_analysed_files": 2, "duration_seconds": 0.5, "last_run_timestamp_seconds": 1750000000}
    assert values == {
        **{(f"guardrails_gate_{name}", ((label, value),)): count for (name, label, value), count in expected.items()},
        **{(f"guardrails_gate_{name}", ()): count for name, count in plain.items()},
    }


@pytest.mark.parametrize("form", [form for form in WRITERS if form != "prometheus"])
def test_every_text_shows_place_reason_fix_and_proof_of_what_fails(form: str) -> None:
    said = render(EVERYTHING, form).replace("\\", "").replace("&#8203;", "")
    wanted = ["GR-ROUTE-001", "app/m1.py", "message 1", "why it hurts.", "fix 1.", "guardrails preflight"]
    assert [text for text in wanted if text not in said] == []


@each_form
def test_every_format_counts_or_lists_what_is_known_and_left_out(form: str) -> None:
    given = EVERYTHING._replace(notes=("6 findings at other files left out",))
    said = render(given, form)
    known = {"human": "1 known", "markdown": "1 known", "json": '"known": 1', "github": "1 known"}
    known |= {"prometheus": 'reason="known"} 1'}
    left_out = {"prometheus": 'reason="left_out"} 6'}
    assert known.get(form, "known: in the baseline") in said
    assert left_out.get(form, "6 findings at other files left out") in said


def test_the_page_reads_as_a_document() -> None:
    assert sum(token.type == "table_open" for token in page(render(EVERYTHING, "markdown"))) == 4
