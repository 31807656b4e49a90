"""Every rule says why it hurts, how to mend it and how to prove it; its bad code is found and its good code is not."""

from __future__ import annotations

import ast
import re
import tomllib
from typing import TYPE_CHECKING

import pytest

from guardrails.errors import UnknownRule
from guardrails.evidence import Severity
from guardrails.preflight import Rule, catalogue, find_rules, waivers
from guardrails.preflight.families import FAMILIES, family_module, selected_families
from guardrails.preflight.rule import weakened
from guardrails.source import Role
from tests.preflight.cases import found, gate, write_files
from tests.support import ROOT

if TYPE_CHECKING:
    from pathlib import Path

RULES = catalogue()
PYTHON = [rule for rule in RULES if rule.family in ("GR-DECO", "GR-ROUTE")]
each_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
each_python_rule = pytest.mark.parametrize("rule", PYTHON, ids=lambda rule: rule.id)

# What the snippets take for granted.
AROUND = """
import functools
from fastapi import APIRouter, FastAPI
from fastapi.testclient import TestClient
from taskiq import InMemoryBroker
from app import chat, legacy

app = FastAPI()
router = APIRouter()
broker = InMemoryBroker()
client = TestClient(app)


def timed(function):
    @functools.wraps(function)
    def wrapper(*args):
        return function(*args)

    return wrapper


require_api_key = logged = timed
"""
SERVED = '@app.post("/chats/{chat_id}/messages")\ndef add(chat_id: str): ...\n'
ROUTER = (
    'from fastapi import APIRouter\n\nrouter = APIRouter()\n\n\n@router.get("/{chat_id}")\ndef read(chat_id): ...\n'
)


def rules_found(folder: Path, rule: Rule, snippet: str) -> set[str]:
    served = SERVED if rule.id == "GR-ROUTE-006" else ""
    files = {
        "app/__init__.py": "",
        "app/chat.py": ROUTER,
        "app/legacy.py": ROUTER,
        "app/main.py": f"{AROUND}\n{served}\n{snippet}\n",
    }
    return {finding.rule for finding in found(gate(write_files(folder, files)))}


@pytest.mark.usefixtures("no_processes")
@each_python_rule
def test_the_bad_code_of_a_rule_is_found(tmp_path: Path, rule: Rule) -> None:
    assert rules_found(tmp_path, rule, rule.bad) == {rule.id}


@pytest.mark.usefixtures("no_processes")
@each_python_rule
def test_the_good_code_of_a_rule_is_not(tmp_path: Path, rule: Rule) -> None:
    assert rules_found(tmp_path, rule, rule.good) == set()


@each_python_rule
def test_code_that_is_shown_is_python(rule: Rule) -> None:
    for snippet in (rule.bad, rule.good):
        assert ast.parse(snippet).body


@pytest.mark.parametrize("rule", [waivers.EXPIRED, waivers.UNMATCHED], ids=lambda rule: rule.id)
def test_settings_that_are_shown_are_toml(rule: Rule) -> None:
    assert "waiver" in tomllib.loads(rule.bad)["tool"]["guardrails"]
    assert tomllib.loads(rule.good) is not None


@each_rule
def test_a_rule_is_complete(rule: Rule) -> None:
    assert re.fullmatch(r"GR-[A-Z]+-\d{3}", rule.id)
    assert isinstance(rule.severity, Severity)
    for text in (rule.title, rule.why, rule.fix, rule.verify, rule.bad, rule.good):
        assert text == text.strip() != ""
    assert [text[-1] for text in (rule.why, rule.fix)] == [".", "."]
    assert rule.title[0].islower() or rule.title.startswith("two ")
    assert rule.bad != rule.good


@each_rule
def test_a_rule_has_its_runbook(rule: Rule) -> None:
    page = (ROOT / "runbooks" / f"{rule.runbook}.md").read_text(encoding="utf-8")
    assert rule.id in page


@each_rule
def test_the_proof_of_a_rule_is_a_command(rule: Rule) -> None:
    assert rule.verify.startswith(("guardrails preflight ", "python -c "))


def test_no_two_rules_bear_one_id() -> None:
    ids = [rule.id for rule in RULES]
    assert ids == sorted(set(ids))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_holds_its_own_rules_alone(family: str) -> None:
    assert {rule.family for rule in family_module(family).RULES} == {family}


@pytest.mark.parametrize("wanted", ["GR-ROUTE-002", "gr-route-002", "  GR-ROUTE-002 "])
def test_a_rule_is_found_by_its_id(wanted: str) -> None:
    assert [rule.id for rule in find_rules(wanted)] == ["GR-ROUTE-002"]


def test_a_family_is_found_by_its_name() -> None:
    assert {rule.family for rule in find_rules("GR-DECO")} == {"GR-DECO"}


@pytest.mark.parametrize(("wanted", "near"), [("GR-ROUTE-00", "GR-ROUTE-"), ("GR-DEKO", "GR-DECO"), ("x", "nothing")])
def test_an_unknown_rule_names_the_nearest(wanted: str, near: str) -> None:
    with pytest.raises(UnknownRule) as caught:
        find_rules(wanted)
    assert caught.value.near == () if near == "nothing" else caught.value.near[0].startswith(near)


def test_all_families_run_where_none_is_selected() -> None:
    assert selected_families([]) == list(FAMILIES)
    assert selected_families(["GR-ROUTE-001", "GR-SHADOW"]) == ["GR-SHADOW", "GR-ROUTE"]
    assert selected_families(["GR-WAIVER-001"]) == list(FAMILIES)


@pytest.mark.parametrize(
    ("severity", "role", "expected"),
    [
        (Severity.ERROR, Role.APP, Severity.ERROR),
        (Severity.ERROR, Role.EXAMPLE, Severity.WARNING),
        (Severity.ERROR, Role.TEST, Severity.INFO),
        (Severity.ERROR, Role.VENDORED, Severity.INFO),
        (Severity.WARNING, Role.EXAMPLE, Severity.WARNING),
        (Severity.INFO, Role.EXAMPLE, Severity.INFO),
    ],
)
def test_a_defect_weighs_less_outside_the_application(severity: Severity, role: Role, expected: Severity) -> None:
    assert weakened(severity, role) == expected
