"""A tool that is missing skips a test on a user's machine and fails it where all tools are promised."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.support import need


def test_a_program_beside_the_interpreter_is_found_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert need("pytest", "nothing") == str(Path(sys.executable).with_name("pytest"))


def test_a_module_will_do() -> None:
    assert need("sybil", "nothing") == "sybil"


def test_a_missing_tool_skips_and_says_what_was_not_tested(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GUARDRAILS_REQUIRE_ALL", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no_such_tool is not installed: types not tested"):
        need("no_such_tool", "types")


def test_a_missing_tool_fails_where_all_are_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUARDRAILS_REQUIRE_ALL", "1")
    with pytest.raises(pytest.fail.Exception, match="no_such_tool is not installed: types not tested"):
        need("no_such_tool", "types")
