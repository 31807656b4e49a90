"""The sums of the live recall run: what counts as found, what as gone, and that every entry can be installed."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from loadtests.recall import live
from loadtests.recall.__main__ import HERE
from loadtests.recall.live import Result, compare, exit_status, module, report

IMPORT = {
    "id": "libre-chat-settings",
    "package": "a-b",
    "broken": "1",
    "fixed": "2",
    "kind": "dependency-major",
    "file": "a/x.py",
    "line": 3,
    "name": "BaseSettings",
    "rule": "GR-IMPORT live",
    "python": "any",
    "fix": "code",
    "beside": [],
}
SCRIPT = {**IMPORT, "kind": "entry-point", "name": "a.cli:main", "file": "a-1.dist-info/entry_points.txt"}
FOLDER = {**IMPORT, "kind": "shadow", "name": "tests/__init__.py", "package": "A_b", "file": "a-1.dist-info/RECORD"}


def said(rule: str, message: str) -> dict[str, Any]:
    return {"rule": rule, "severity": "error", "message": message}


RAISES = said("GR-LIVE-002", "importing a raises ImportError: gone (lib/y.py:9, from a/x.py:3)")
NAMES = said("GR-LIVE-002", "importing a raises ImportError: cannot import name 'BaseSettings' (z.py:1)")
OTHER = said("GR-LIVE-002", "importing a raises ModuleNotFoundError: No module named 'six' (a/x.py:1)")
CONFLICT = said("GR-LIVE-008", "a takes the place of BaseSettings")
COMMAND = said("GR-LIVE-011", "the command 'ab' of a_b-1 points to a.cli:main: no 'main' in a.cli")
MIXED = said(
    "GR-LIVE-012", "a_b-1 installs tests/__init__.py beside libraries, and the project has a folder tests/ too"
)


@pytest.mark.parametrize(
    ("entry", "broken", "fixed", "found", "gone"),
    [
        (IMPORT, [RAISES], [], True, "yes"),
        (IMPORT, [NAMES], [], True, "yes"),
        (IMPORT, [OTHER], [], False, "yes"),
        (IMPORT, [CONFLICT], [], False, "yes"),
        (IMPORT, [], [], False, "yes"),
        (IMPORT, [RAISES], [NAMES], True, ""),
        # Whether the failure is gone cannot be seen behind another one.
        (IMPORT, [RAISES], [OTHER], True, ""),
        (IMPORT, [RAISES], None, True, "refused"),
        (SCRIPT, [COMMAND], [OTHER], True, "yes"),
        (SCRIPT, [RAISES], [], False, "yes"),
        (SCRIPT, [COMMAND], [COMMAND], True, ""),
        (FOLDER, [MIXED], [], True, "yes"),
        (FOLDER, [{**MIXED, "message": MIXED["message"].replace("a_b", "c")}], [], False, "yes"),
    ],
)
def test_an_entry_is_found_by_its_line_or_name_and_gone_when_the_fixed_release_works(
    entry: dict[str, Any], broken: list[dict[str, Any]], fixed: list[dict[str, Any]] | None, *, found: bool, gone: str
) -> None:
    result = compare(entry, broken, fixed)
    assert (result.at is not None, result.gone, result.passed) == (found, gone, found and bool(gone))


def test_what_was_not_measured_counts_as_missed() -> None:
    good, bad = Result(IMPORT, RAISES, "yes"), Result(IMPORT, problem="no wheel")
    assert exit_status([good] * 7 + [bad] * 3) == 0
    assert exit_status([good] * 6 + [bad] * 4) == 1


def test_the_page_says_how_many_and_which_are_missed() -> None:
    page = report([Result(IMPORT, RAISES, "yes"), Result(SCRIPT, problem="no wheel")])
    assert "**1 of 2** entries" in page
    assert "not measured: no wheel" in page
    assert "- libre-chat-settings: no wheel" in page


def test_every_entry_that_is_measured_alive_has_its_days_and_a_module() -> None:
    entries = tomllib.loads((HERE / "failures.toml").read_text("utf-8"))["failure"]
    alive = [entry for entry in entries if entry["rule"] in live.EXPECTED]
    assert sorted(live.SETTINGS) == sorted(entry["id"] for entry in alive)
    assert all(part.isidentifier() for entry in alive for part in module(entry).split("."))
    assert all(live.SETTINGS[entry["id"]]["broken"] <= live.SETTINGS[entry["id"]]["fixed"] for entry in alive)
