"""What contradicts itself is found, and what adds up is not: each wrong text has a twin that is sound."""

from __future__ import annotations

from pathlib import Path

import pytest

from guardrails.evidence import Severity
from guardrails.reports.lint import Outcome, lint
from guardrails.reports.lint_rules import RULES
from tests.reports.lint_cases import CASES, DOUBTS


def read(text: str | bytes, folder: Path | None = None) -> Outcome:
    """The outcome for a text alone, as of a file in a folder."""
    data = text if isinstance(text, bytes) else text.encode()
    return lint(data, (folder or Path("nowhere")) / "report.md", repository=None)


def said(outcome: Outcome) -> list[str]:
    return [
        f"{found.severity} {found.rule} {found.line}:{found.column} {found.claim} | {found.why}"
        for found in outcome.findings
    ]


def pairs(cases: dict[str, tuple[str, list[tuple[str, str]]]]) -> list[object]:
    return [
        pytest.param(rule, wrong, sound, id=f"{name}-{number}")
        for name, (rule, texts) in cases.items()
        for number, (wrong, sound) in enumerate(texts, start=1)
    ]


def test_every_class_has_three_texts_and_their_twins() -> None:
    every = {**CASES, **DOUBTS}
    assert {name: len(texts) for name, (_, texts) in every.items() if len(texts) < 3} == {}
    assert [wrong for _, texts in every.values() for wrong, sound in texts if wrong == sound] == []
    assert {rule for rule, _ in every.values()} <= set(RULES)


@pytest.mark.parametrize(("rule", "wrong", "sound"), pairs(CASES))
def test_a_contradiction_is_an_error_and_its_sound_twin_is_none(
    rule: str, wrong: str, sound: str, tmp_path: Path
) -> None:
    found = [item for item in read(wrong, tmp_path).findings if item.severity is Severity.ERROR]
    assert rule in {item.rule for item in found}
    assert said(read(sound, tmp_path)) == []


@pytest.mark.parametrize(("rule", "wrong", "sound"), pairs(DOUBTS))
def test_a_doubt_is_a_warning_and_its_sound_twin_is_none(rule: str, wrong: str, sound: str, tmp_path: Path) -> None:
    (tmp_path / "there.md").write_text("x")
    outcome = read(wrong, tmp_path)
    assert [(item.rule, item.severity) for item in outcome.findings if item.rule == rule][:1] == [
        (rule, Severity.WARNING)
    ]
    assert not outcome.contradicted
    assert said(read(sound, tmp_path)) == []
