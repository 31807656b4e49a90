"""Names and texts that somebody else chose stay text in each format, with or without the engine before it."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails.evidence import CheckResult, GateRecord, NotAnalysed
from guardrails.mdtext import visible
from guardrails.preflight.outputs import WRITERS, render
from tests.preflight.readers import READERS, tap_tests, workflow_commands
from tests.preflight.records import WAIVED, finding, record
from tests.preflight.test_hostile_names import HOSTILE, PLAIN, findings_about

# What the formats themselves would read as theirs.
OWN = [
    "]]>",
    "--> <failure/>",
    "a\nnot ok 99 - forged",
    "a # SKIP all is well",
    "a # TODO later",
    "\n  ...\nok 1 - forged",
    "\nBail out!",
    "1..0",
    "::error file=x::forged",
    "\n::stop-commands::token",
    "##[error]forged",
    "100%0A::error::forged",
    "%25%0A%3A%2C",
    "a,line=7,title=forged",
    '"} 1\nguardrails_gate_forged 1',
    "\\",
    '\\"',
    "{0} {chat_id}",
    "[click](1)",
    "\x00\x0b\ufffe\uffff",
    "a\r\nb\rc",
]
ANYTHING = list(dict.fromkeys([*HOSTILE, *OWN]))
MACHINES = [form for form in WRITERS if form not in ("human", "markdown")]
# JSON is the record as it is.
BY_WRITERS = [form for form in MACHINES if form != "json"]


def raw(name: str) -> GateRecord:
    """A record whose foreign texts did not go through the engine: a writer must stand on its own."""
    hostile = finding(1)._replace(path=name, message=name, why=name, fix=name, verify=name)
    excuse = WAIVED._replace(reason=name, owner=name)
    checks = (CheckResult("GR-ROUTE", "failed", 0.1), CheckResult("GR-DECO", "error", 0.0, name))
    return record(
        hostile,
        hostile._replace(waived=excuse),
        hostile._replace(line=None, known=True),
        checks=checks,
        notes=(name,),
        verdict="failed",
    )._replace(project=name, folder=name, not_analysed=(NotAnalysed(name, name),))


def shape(form: str, text: str) -> Any:
    """What a reader sees, apart from the texts: counts, kinds and keys."""
    seen = READERS[form](text)
    if form in ("junit", "tap"):
        return [test.outcome for test in seen]
    if form == "github":
        return [(a.level, sorted(a.properties)) for a in seen], text.count("\n")
    if form == "sarif":
        return [(r["level"], len(r["locations"]), len(r["suppressions"])) for r in seen["results"]]
    if form == "prometheus":
        return seen
    return len(seen["findings"]), len(seen["not_analysed"]), len(seen["notes"])


@cache
def plain(form: str) -> Any:
    return shape(form, render(raw(PLAIN), form))


@pytest.fixture(scope="module")
def plain_run() -> GateRecord:
    return findings_about(PLAIN)


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_no_name_changes_what_a_machine_reads(name: str, plain_run: GateRecord) -> None:
    run = findings_about(name)
    for form in MACHINES:
        text = render(run, form)
        text.encode()
        assert _untimed(shape(form, text)) == _untimed(shape(form, render(plain_run, form)))


def _untimed(seen: Any) -> Any:
    return {key: value for key, value in seen.items() if "duration" not in key[0]} if isinstance(seen, dict) else seen


@pytest.mark.parametrize("form", BY_WRITERS)
@pytest.mark.parametrize("name", ANYTHING, ids=ascii)
def test_a_writer_stands_on_its_own(name: str, form: str) -> None:
    text = render(raw(name), form)
    text.encode()
    assert shape(form, text) == plain(form)
    assert [char for char in text if not char.isprintable() and char != "\n"] == []


@given(st.text(min_size=1, max_size=60))
def test_a_writer_stands_on_its_own_whatever_comes(name: str) -> None:
    given = raw(name)
    for form in BY_WRITERS:
        text = render(given, form)
        text.encode()
        assert shape(form, text) == plain(form)


@pytest.mark.parametrize("name", ANYTHING, ids=ascii)
def test_texts_arrive_as_they_were_with_what_cannot_be_seen_as_its_escape(name: str) -> None:
    given, shown = raw(name), visible(name)
    case = next(ET.fromstring(render(given, "junit").encode()).iter("failure"))
    assert case.get("message") == f"error: {shown}"
    (first, *_) = tap_tests(render(given, "tap"))
    assert f"fix: {shown}" in "\n".join(f"{k}: {v}" for k, v in _yaml(first.said).items())
    error = workflow_commands(render(given, "github"))[0]
    assert (error.properties["file"], error.said.split("\n")[0]) == (visible(f"{name}/{name}"), shown)
    result = json.loads(render(given, "sarif"))["runs"][0]["results"][0]
    assert result["message"]["text"].split("\n")[0] == shown.replace("](", "] (")


def _yaml(text: str) -> dict[str, Any]:
    import yaml

    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded
