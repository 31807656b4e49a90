"""The baseline of an old code base: what was known fails nothing, what is new does, what was mended is said."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from guardrails.config import Config, PreflightConfig
from guardrails.errors import ConfigError
from guardrails.preflight import run_gate
from guardrails.preflight.baseline import Baseline, baseline_text
from guardrails.preflight.checks import routes
from guardrails.testing import VirtualClock
from tests.preflight.cases import TODAY, write_files

if TYPE_CHECKING:
    from pathlib import Path

    from guardrails.evidence import GateRecord

pytestmark = pytest.mark.usefixtures("no_processes")

TOP = "from fastapi import APIRouter\n\nrouter = APIRouter()\n"


def api(*paths: str) -> str:
    """A router with a handler for each of these paths, in this order."""
    return TOP + "".join(f"\n\n@router.get('{path}')\ndef h{n}(): ...\n" for n, path in enumerate(paths))


OLD = {"app/api.py": api("/a", "/b", "/a", "/b"), "app/more.py": api("/c", "/c")}


def gated(folder: Path, baseline: Baseline | None = None, **settings: object) -> GateRecord:
    said = {"record": False, "select": ("GR-ROUTE", "GR-SHADOW"), **settings}
    config = Config(preflight=PreflightConfig(**said))  # type: ignore[arg-type]
    return run_gate(folder, config=config, baseline=baseline, clock=VirtualClock(wall=TODAY))


def written(folder: Path, name: str = "known.jsonl") -> Path:
    """The baseline of the project as it stands, beside it."""
    file = folder.parent / name
    file.write_text(baseline_text(gated(folder, Baseline.anew(file, folder))), encoding="utf-8")
    return file


def states(record: GateRecord) -> dict[str, str]:
    """Place -> known, or the severity."""
    return {f.place: "known" if f.known else f"{f.severity} {f.rule}" for f in record.findings}


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return write_files(tmp_path / "svc", OLD)


def test_what_is_known_fails_nothing_and_stays_in_the_record(old: Path) -> None:
    assert (gated(old).exit_code, gated(old).summary["errors"]) == (1, 3)
    record = gated(old, Baseline.read(written(old), old), strict=True)
    assert (record.verdict, record.exit_code) == ("passed", 0)
    assert states(record) == {"app/api.py:14": "known", "app/api.py:18": "known", "app/more.py:10": "known"}
    assert (record.summary["errors"], record.summary["known"], record.summary["waived"]) == (0, 3, 0)


def test_the_baseline_that_the_configuration_names_is_read_from_the_project(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (old / "known.jsonl").write_bytes(written(old).read_bytes())
    monkeypatch.chdir(old.parent)

    def named(file: str, baseline: Baseline | None = None) -> GateRecord:
        preflight = PreflightConfig(record=False, select=("GR-ROUTE",), strict=True, baseline=file)
        return run_gate(old, config=Config(preflight=preflight), baseline=baseline)

    assert named("known.jsonl").verdict == "passed"
    empty = Baseline("empty.jsonl", {})
    assert named("known.jsonl", empty).summary["errors"] == 3
    with pytest.raises(ConfigError, match="no such baseline"):
        named("gone.jsonl")


def test_what_is_new_fails(old: Path) -> None:
    file = written(old)
    write_files(old, {"app/new.py": api("/d", "/d"), "app/more.py": api("/c", "/c", "/c")})
    record = gated(old, Baseline.read(file, old))
    assert record.exit_code == 1
    assert sorted(place for place, state in states(record).items() if state != "known") == [
        "app/more.py:14",
        "app/new.py:10",
    ]


def test_what_was_mended_is_said_with_the_line_of_its_entry(old: Path) -> None:
    file = written(old)
    write_files(old, {"app/api.py": api("/a", "/b", "/b")})
    (old / "app" / "more.py").unlink()
    record = gated(old, Baseline.read(file, old))
    mended = [finding for finding in record.findings if finding.rule == "GR-WAIVER-003"]
    assert record.exit_code == 0
    assert gated(old, Baseline.read(file, old), strict=True).exit_code == 1
    lines = file.read_text("utf-8").splitlines()
    assert [json.loads(lines[(finding.line or 0) - 1])["path"] for finding in mended] == ["app/api.py", "app/more.py"]
    assert [finding.path for finding in mended] == ["known.jsonl"] * 2
    assert mended[0].message == (
        "the baseline holds a GR-ROUTE-001 in app/api.py that is no longer there: it can be removed"
    )


def test_an_entry_is_not_called_mended_where_nobody_looked(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = written(old)
    assert states(gated(old, Baseline.read(file, old), select=("GR-SHADOW",))) == {}
    write_files(old, {"app/api.py": "def (:\n"})
    assert states(gated(old, Baseline.read(file, old))) == {"app/more.py:10": "known"}

    def crash(_: object) -> object:
        raise RuntimeError

    monkeypatch.setattr(routes, "check", crash)
    assert states(gated(old, Baseline.read(file, old))) == {}


MOVES = {
    "lines above": lambda text: '"""A page of text."""\n\nimport os\n\n\n' + text,
    "handlers renamed": lambda text: text.replace("def h", "def handle_"),
    "another neighbour": lambda text: text.replace(
        "APIRouter()\n", "APIRouter()\n\n\n@router.post('/z')\ndef z(): ...\n"
    ),
    "indented": lambda text: TOP + "\nif True:\n" + "".join(f"    {line}\n" for line in text.splitlines()[3:]),
    "line ends of Windows": lambda text: text.replace("\n", "\r\n"),
}


@pytest.mark.parametrize("move", MOVES)
def test_a_finding_is_known_again_after(old: Path, move: str) -> None:
    file = written(old)
    before = {finding.fingerprint for finding in gated(old).findings}
    (old / "app" / "api.py").write_bytes(MOVES[move](OLD["app/api.py"]).encode())
    assert {finding.fingerprint for finding in gated(old).findings} == before
    record = gated(old, Baseline.read(file, old), strict=True)
    assert (record.exit_code, record.summary["known"]) == (0, 3)


def test_another_line_another_file_and_another_rule_are_other_findings(tmp_path: Path) -> None:
    files = {"app/a.py": api("/a", "/a", "/b", "/b"), "app/b.py": api("/a", "/a"), "app/b/__init__.py": ""}
    prints = [finding.fingerprint for finding in gated(write_files(tmp_path, files)).findings]
    assert len(prints) == len(set(prints)) >= 4


def test_the_file_is_the_same_whatever_the_order_and_one_finding_a_line(old: Path) -> None:
    text = written(old).read_text("utf-8")
    assert text == written(old, "again.jsonl").read_text("utf-8")
    head, *entries = [json.loads(line) for line in text.splitlines()]
    assert head == {"guardrails_baseline": 1}
    assert [list(entry) for entry in entries] == [["path", "rule", "fingerprint"]] * 3
    assert entries == sorted(entries, key=lambda e: (e["path"], e["rule"], e["fingerprint"]))


def test_git_merges_what_two_branches_added(old: Path, tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    repository.mkdir()
    for argv in (["init", "-q", "-b", "main"], ["config", "user.email", "a@b.c"], ["config", "user.name", "n"]):
        git(repository, *argv)
    file = repository / "known.jsonl"
    write_files(old, {"app/old.py": api("/o", "/o", "/p", "/p")})
    commit(repository, file, written(old).read_text("utf-8"))
    for branch, name in (("one", "app/aaa.py"), ("two", "app/zzz.py")):
        git(repository, "switch", "-q", "-c", branch, "main")
        write_files(old, {name: api("/n", "/n")})
        commit(repository, file, written(old).read_text("utf-8"))
        (old / name).unlink()
    git(repository, "merge", "-q", "one")
    write_files(old, {"app/aaa.py": api("/n", "/n"), "app/zzz.py": api("/n", "/n")})
    assert file.read_text("utf-8") == written(old).read_text("utf-8")


def git(cwd: Path, *argv: str) -> str:
    return subprocess.run(["git", *argv], cwd=cwd, capture_output=True, text=True, check=True).stdout


def commit(repository: Path, file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "baseline")


HEAD = '{"guardrails_baseline": 1}\n'
ENTRY = '{"path": "a.py", "rule": "GR-DECO-001", "fingerprint": "0123456789abcdef"}\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ":1: no baseline of version 1"),
        ("[]", ":1: no baseline of version 1"),
        (ENTRY, ":1: no baseline of version 1"),
        ('{"guardrails_baseline": 2}\n', ":1: no baseline of version 1"),
        (f"{HEAD}{ENTRY}<<<<<<< HEAD\n{ENTRY}", ":3: no finding"),
        (f"{HEAD}\n{ENTRY}", ":2: no finding"),
        (HEAD + ENTRY.replace("GR-DECO-001", "GR-DECO"), ":2: no finding"),
        (HEAD + ENTRY.replace("0123", "xyz"), ":2: no finding"),
        (HEAD + ENTRY.replace('"a.py"', "3"), ":2: no finding"),
        (HEAD + ENTRY.replace("}", ', "more": 1}'), ":2: no finding"),
        pytest.param(HEAD + "[" * 100_000, ":2: no finding", id="deep"),
        (HEAD + "x\n" + "y\n", "2 mistakes"),
    ],
    ids=ascii,
)
def test_a_malformed_file_is_refused_by_its_line(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "known.jsonl"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        Baseline.read(file, tmp_path)
    assert said in str(caught.value)


def test_a_union_merge_is_read_in_any_order_and_with_repetitions(tmp_path: Path) -> None:
    file = tmp_path / "known.jsonl"
    other = ENTRY.replace("a.py", "0.py").replace("0123", "9999")
    file.write_text(HEAD + ENTRY + other + ENTRY.replace("\n", "\r\n"), encoding="utf-8", newline="")
    entries = Baseline.read(file, tmp_path).entries
    assert entries is not None
    assert sorted(entries) == ["0123456789abcdef", "9999456789abcdef"]


def test_a_name_that_is_not_utf_8_comes_back(tmp_path: Path) -> None:
    folder = tmp_path / "svc"
    (folder / "app").mkdir(parents=True)
    (folder / "app" / "caf\udce9.py").write_text(api("/a", "/a"), encoding="utf-8")
    record = gated(folder, Baseline.read(written(folder), folder))
    assert (record.exit_code, record.summary["known"]) == (0, 1)
