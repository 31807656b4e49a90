"""A gate record says the same after it was written and read."""

from __future__ import annotations

import copy
import datetime as dt
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails.errors import GuardrailsError
from guardrails.evidence import CheckResult, Evidence, Finding, GateRecord, NotAnalysed, Rung, Severity, Waiver

# File names that are not UTF-8 bring halves of surrogate pairs.
TEXT = st.text(st.characters(), max_size=20)
# Milliseconds with three digits are what a record keeps.
SECONDS = st.integers(0, 10**9).map(lambda microseconds: round(microseconds / 1000, 3) / 1000)
WAIVERS = st.builds(Waiver, TEXT, TEXT, TEXT, TEXT, st.dates(), TEXT)
FINDINGS = st.builds(
    Finding,
    rule=TEXT,
    severity=st.sampled_from(Severity),
    path=TEXT,
    line=st.none() | st.integers(1),
    message=TEXT,
    why=TEXT,
    fix=TEXT,
    verify=TEXT,
    runbook=TEXT,
    waived=st.none() | WAIVERS,
    fingerprint=TEXT,
    known=st.booleans(),
)
RECORDS = st.builds(
    GateRecord,
    verdict=st.sampled_from(["passed", "failed", "unknown"]),
    findings=st.lists(FINDINGS, max_size=3).map(tuple),
    checks=st.lists(
        st.builds(
            CheckResult, TEXT, st.sampled_from(["passed", "failed", "skipped", "error"]), SECONDS, st.none() | TEXT
        ),
        max_size=3,
    ).map(tuple),
    not_analysed=st.lists(st.builds(NotAnalysed, TEXT, TEXT), max_size=3).map(tuple),
    evidence=st.builds(
        Evidence,
        rung=st.sampled_from(Rung),
        argv=st.lists(TEXT).map(tuple),
        exit_code=st.integers(0, 3),
        started=TEXT,
        duration=SECONDS,
        commit=st.none() | TEXT,
        dirty=st.none() | st.booleans(),
        versions=st.dictionaries(TEXT, TEXT),
    ),
    summary=st.dictionaries(TEXT, st.integers()),
    project=TEXT,
    notes=st.lists(TEXT, max_size=3).map(tuple),
    folder=TEXT,
    strict=st.booleans(),
)
WAIVER = Waiver("GR-X", "app/*", "later", "ops", dt.date(2025, 6, 1), "pyproject.toml:3")
FINDING = Finding("GR-X", Severity.ERROR, "app/a.py", 3, "message", "why", "fix", "verify", "slug")
RECORD = GateRecord(
    "failed",
    (FINDING, FINDING.waive(WAIVER)),
    (CheckResult("GR-X", "failed", 0.0125), CheckResult("GR-Y", "skipped", 0.0, "no tasks")),
    (NotAnalysed("b.py", "not UTF-8"),),
    Evidence(
        Rung.STATIC, ("guardrails", "preflight"), 1, "2025-06-01T00:00:00Z", 0.5, "ab12", True, {"python": "3.11"}
    ),
    {"error": 1},
    "/srv/app",
    ("note",),
)


@given(RECORDS)
def test_a_record_is_read_as_it_was_written(record: GateRecord) -> None:
    written = record.to_json()
    assert GateRecord.from_json(written) == record
    assert GateRecord.from_json(written.encode("utf-8")) == record
    assert GateRecord.from_json(written).to_json() == written


def test_types_survive() -> None:
    revived = GateRecord.from_json(RECORD.to_json())
    assert type(revived.findings[0].severity) is Severity
    assert type(revived.evidence.rung) is Rung
    assert revived.findings[1].waived == WAIVER
    assert revived.exit_code == 1


def test_the_published_contract() -> None:
    data = json.loads(RECORD.to_json())
    assert list(data) == [
        *("record_version", "verdict", "exit_code", "project", "summary", "findings", "checks", "not_analysed"),
        *("notes", "evidence", "folder", "strict"),
    ]
    assert data["checks"][0] == {"id": "GR-X", "status": "failed", "duration_ms": 12.5, "reason": None}
    assert data["findings"][1]["waived"]["until"] == "2025-06-01"
    assert RECORD.to_json().endswith("}\n")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "JSONDecodeError: Expecting value"),
        ("{", "JSONDecodeError"),
        ("[]", "TypeError"),
        ("null", "TypeError"),
        ("{}", "KeyError: 'record_version'"),
        ('{"record_version": 2}', "ValueError: record_version is 2"),
        ('{"record_version": 1}', "KeyError: 'verdict'"),
        ('{"record_version": 1, "verdict": "fine"}', "verdict is 'fine', not one of passed, failed, unknown"),
        (b"\xff\xfe\x00", "UnicodeDecodeError"),
        ("[" * 100_000, "RecursionError"),
    ],
)
def test_what_is_no_record_is_refused_with_reason_and_next_step(text: str | bytes, reason: str) -> None:
    with pytest.raises(GuardrailsError) as caught:
        GateRecord.from_json(text)
    assert str(caught.value).startswith("not a gate record of version 1: ")
    assert reason in str(caught.value)
    assert str(caught.value).endswith("Run `guardrails preflight` again to write a new one.")
    assert caught.value.__cause__ is not None


def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something stands in JSON data, from the root down."""
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path, *(place for key, child in children for place in places(child, (*path, key)))]


def put(data: Any, place: tuple[Any, ...], value: Any) -> Any:
    if not place:
        return value
    data = copy.deepcopy(data)
    node = data
    for key in place[:-1]:
        node = node[key]
    node[place[-1]] = value
    return data


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT | st.just(10**400),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
)


@given(st.data())
def test_a_damaged_record_is_read_or_refused_but_never_crashes(data: st.DataObject) -> None:
    whole = RECORD.to_dict()
    damaged = put(whole, data.draw(st.sampled_from(places(json.loads(RECORD.to_json())))), data.draw(JSON))
    try:
        record = GateRecord.from_json(json.dumps(damaged))
    except GuardrailsError:
        return
    assert record.verdict in {"passed", "failed", "unknown"}
    assert {check.status for check in record.checks} <= {"passed", "failed", "skipped", "error"}


@pytest.mark.parametrize(
    "key", ["verdict", "findings", "checks", "not_analysed", "evidence", "summary", "project", "notes"]
)
def test_a_missing_part_is_named(key: str) -> None:
    data = RECORD.to_dict()
    del data[key]
    with pytest.raises(GuardrailsError, match=f"KeyError: '{key}'"):
        GateRecord.from_json(json.dumps(data))


def test_an_unknown_status_severity_or_rung_is_refused() -> None:
    for place in (("checks", 0, "status"), ("findings", 0, "severity"), ("evidence", "rung")):
        with pytest.raises(GuardrailsError, match="'odd'"):
            GateRecord.from_json(json.dumps(put(RECORD.to_dict(), place, "odd")))


def test_a_record_from_before_there_were_fingerprints_is_read() -> None:
    data = RECORD.to_dict()
    for holder, key in [
        (data, "folder"),
        (data, "strict"),
        *((f, k) for f in data["findings"] for k in ("fingerprint", "known")),
    ]:
        del holder[key]
    assert GateRecord.from_json(json.dumps(data)) == RECORD


def test_a_waiver_or_the_baseline_excuses_a_finding() -> None:
    assert [f.excused for f in (FINDING, FINDING.waive(WAIVER), FINDING._replace(known=True))] == [False, True, True]


def test_severities_are_ranked_worst_first() -> None:
    assert [severity.rank for severity in (Severity.ERROR, Severity.WARNING, Severity.INFO)] == [0, 1, 2]
    assert sorted(Severity, key=lambda severity: severity.rank) == list(Severity)


def test_the_rungs_are_in_order() -> None:
    assert [rung.value for rung in Rung] == ["E0", "E1", "E2", "E3", "E4", "E5"]


def test_a_waiver_holds_through_its_last_day() -> None:
    assert not WAIVER.expired(dt.date(2025, 6, 1))
    assert WAIVER.expired(dt.date(2025, 6, 2))


def test_a_waived_finding_differs_in_nothing_else() -> None:
    waived = FINDING.waive(WAIVER)
    assert waived.waived == WAIVER
    assert FINDING.waived is None
    assert waived._replace(waived=None) == FINDING


@pytest.mark.parametrize(("line", "place"), [(3, "app/a.py:3"), (None, "app/a.py")])
def test_a_place_is_what_editors_understand(line: int | None, place: str) -> None:
    assert Finding("r", Severity.INFO, "app/a.py", line, "", "", "", "", "").place == place
