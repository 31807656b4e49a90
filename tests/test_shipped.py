"""What ships beside the library is found in a wheel as in a checkout."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import pytest

from guardrails import shipped as module
from guardrails.config import PreflightConfig
from guardrails.errors import GuardrailsError
from guardrails.shipped import shipped, shipped_names
from tests.support import ROOT

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("kind", ["checks", "runbooks"])
def test_in_a_checkout_it_lies_at_the_top(kind: str) -> None:
    assert shipped(kind) == ROOT / kind


def test_in_a_wheel_it_lies_inside_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site-packages" / "guardrails"
    (package / "_checks").mkdir(parents=True)
    (tmp_path / "checks").mkdir()
    monkeypatch.setattr(module, "_PACKAGE", package)
    assert shipped("checks") == package / "_checks"


def test_where_it_is_missing_both_places_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PACKAGE", tmp_path / "src" / "guardrails")
    with pytest.raises(GuardrailsError) as caught:
        shipped("runbooks")
    said = str(caught.value)
    assert str(tmp_path / "src" / "guardrails" / "_runbooks") in said
    assert str(tmp_path / "runbooks") in said
    assert "Reinstall guardrails-ops" in said


def test_names_are_told_without_their_suffix() -> None:
    assert shipped_names("checks", ".toml") == ["ci", "entrypoint"]
    assert "decorator-order" in shipped_names("runbooks", ".md")


@pytest.mark.parametrize("name", shipped_names("checks", ".toml"))
def test_a_profile_holds_settings_of_the_gate_alone(name: str) -> None:
    profile = tomllib.loads((shipped("checks") / f"{name}.toml").read_text(encoding="utf-8"))
    assert list(profile) == ["preflight"]
    assert PreflightConfig(**profile["preflight"])
