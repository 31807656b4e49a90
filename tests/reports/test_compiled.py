"""Compiled templates: kept where they may be, made anew where not, believed only if whole."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from jinja2 import DictLoader, Environment

from guardrails.reports import render

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of templates that is nobody's."""
    (tmp_path / "templates").mkdir()
    monkeypatch.setattr(render, "_HERE", tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    return tmp_path / "templates"


def shown(text: str) -> str:
    loader = DictLoader({"page": text})
    return Environment(loader=loader, bytecode_cache=render._compiled()).get_template("page").render()


def test_a_template_is_compiled_once_and_anew_when_it_changes(here: Path) -> None:
    assert shown("one") == "one"
    (kept,) = (here / "__pycache__").glob("*.jinja2")
    before = kept.read_bytes()
    assert (shown("one"), kept.read_bytes()) == ("one", before)
    assert (shown("two"), kept.read_bytes() == before) == ("two", False)


@pytest.mark.parametrize("damage", [b"", b"noise", None])
def test_a_damaged_one_is_not_believed(here: Path, damage: bytes | None) -> None:
    shown("one")
    (kept,) = (here / "__pycache__").glob("*.jinja2")
    kept.write_bytes(kept.read_bytes()[:-9] if damage is None else damage)
    assert shown("one") == "one"


def test_a_folder_that_cannot_be_written_costs_time_only(here: Path) -> None:
    (here / "__pycache__").write_text("a file")
    assert shown("one") == "one"


def test_who_wants_no_bytecode_gets_none(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert shown("one") == "one"
    assert list(here.iterdir()) == []
