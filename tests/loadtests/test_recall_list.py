"""The recall list is well-formed, so that a run over it measures rules and not typing errors."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import InvalidVersion, Version

import loadtests.recall

if TYPE_CHECKING:
    from collections.abc import Iterator

ENTRIES: list[dict[str, Any]] = tomllib.loads(
    Path(loadtests.recall.__file__).with_name("failures.toml").read_text("utf-8")
)["failure"]
FIELDS = {
    **dict.fromkeys(("id", "package", "broken", "fixed", "kind", "file", "name", "what", "source"), str),
    **dict.fromkeys(("rule", "python", "fix"), str),
    "line": int,
    "beside": list,
}
KINDS = {
    "missing-file",
    "own-name",
    "undeclared",
    "removed-stdlib",
    "newer-python",
    "shadow",
    "dependency-major",
    "entry-point",
    "side-effect",
    "lazy-name",
    "typing-only",
}
RULE = re.compile(r"GR-IMPORT (static|live)|GR-SHADOW|GR-ENV|GR-LOGIC|distribution check|none: \S.{20,}")
FEWEST, FEWEST_OF_A_KIND = 30, 3


def faults(entry: dict[str, Any]) -> Iterator[str]:
    """The fields of an entry that cannot be meant."""
    if {field: type(value) for field, value in entry.items()} != FIELDS:
        yield "fields"
        return
    patterns = {
        "id": r"[a-z0-9]+(-[a-z0-9]+)+",
        "package": r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?",
        "kind": "|".join(KINDS),
        "file": r"(?!/)(?!.*\.\.)[^\\]+",
        "name": r"\S+",
        "what": r"[A-Za-z_].{20,}\.",
        "source": r"(issue|pull request) \S+/\S+#\d+|\w[\w -]* of \S+.*",
        "rule": RULE.pattern,
        "python": r"any|3\.\d+",
        "fix": "code|files|metadata",
    }
    for field, pattern in patterns.items():
        if re.fullmatch(pattern, entry[field]) is None:
            yield field
    if entry["line"] < 1:
        yield "line"
    try:
        if Version(entry["broken"]) >= Version(entry["fixed"]):
            yield "fixed"
    except InvalidVersion:
        yield "version"
    try:
        if not all(str(Requirement(text).specifier).startswith("==") for text in entry["beside"]):
            yield "beside"
    except InvalidRequirement:
        yield "beside"


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.get("id", "?"))
def test_an_entry_has_every_field_and_each_can_be_meant(entry: dict[str, Any]) -> None:
    assert list(faults(entry)) == []


@pytest.mark.parametrize(
    ("field", "value", "fault"),
    [
        ("id", "Has Spaces", "id"),
        ("kind", "unheard-of", "kind"),
        ("file", "../outside.py", "file"),
        ("file", "/etc/passwd", "file"),
        ("line", 0, "line"),
        ("line", "7", "fields"),
        ("name", "", "name"),
        ("what", "No full stop at the end of this", "what"),
        ("source", "somewhere", "source"),
        ("rule", "none", "rule"),
        ("rule", "GR-ROUTE", "rule"),
        ("python", "3", "python"),
        ("fix", "", "fix"),
        ("broken", "one", "version"),
        ("fixed", ENTRIES[0]["broken"], "fixed"),
        ("beside", ["openai>=1"], "beside"),
        ("beside", ["=="], "beside"),
        ("surplus", "field", "fields"),
    ],
)
def test_a_faulty_entry_is_found(field: str, value: object, fault: str) -> None:
    assert list(faults({**ENTRIES[0], field: value})) == [fault]


@pytest.mark.parametrize("field", FIELDS)
def test_a_missing_field_is_found(field: str) -> None:
    assert list(faults({name: value for name, value in ENTRIES[0].items() if name != field})) == ["fields"]


def test_no_entry_stands_twice() -> None:
    ids = Counter(entry["id"] for entry in ENTRIES)
    places = Counter((entry["package"].lower(), entry["broken"], entry["file"], entry["line"]) for entry in ENTRIES)
    assert [found for found, times in [*ids.items(), *places.items()] if times > 1] == []


def test_there_are_several_of_each_kind() -> None:
    kinds = Counter(entry["kind"] for entry in ENTRIES)
    assert set(kinds) == KINDS
    assert {kind: count for kind, count in kinds.items() if count < FEWEST_OF_A_KIND} == {}
    assert len(ENTRIES) >= FEWEST


def unpacked(entry: dict[str, Any], folder: Path) -> Path:
    """The wheel of the broken release, opened and not executed."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    release = f"{entry['package']}=={entry['broken']}"
    subprocess.run([*command, "--ignore-requires-python", "--dest", str(folder), release], check=True, timeout=200)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        wheel.extractall(folder / "tree")
    return folder / "tree"


@pytest.mark.long  # eleven wheels from the package index
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_named_line_of_a_broken_release_holds_the_name(kind: str, tmp_path: Path) -> None:
    entry = next(entry for entry in ENTRIES if entry["kind"] == kind)
    lines = (unpacked(entry, tmp_path) / entry["file"]).read_text("utf-8").splitlines()
    assert len(lines) >= entry["line"]
    assert entry["name"] in lines[entry["line"] - 1]
