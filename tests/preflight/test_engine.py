"""How the gate weighs what its checks find, and that it finds the same whatever the order of things."""

from __future__ import annotations

import datetime as dt
import os
from typing import TYPE_CHECKING, Any

import pytest

from guardrails import hooks
from guardrails.config import Config, PreflightConfig, WaiverEntry
from guardrails.errors import ConfigError, InterpreterError, NotAProject, UnknownRule
from guardrails.evidence import GateRecord, Rung
from guardrails.preflight import run_gate, write_record
from guardrails.preflight.checks import decorators, env, imports, routes, shadow
from guardrails.preflight.families import FAMILIES
from guardrails.testing import VirtualClock
from tests.preflight.cases import TODAY, corpus, found, gate, write_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("no_processes")

BROKEN = next(case.files for case in corpus() if case.rule == "GR-ROUTE-001" and case.kind == "defect")
EVERYTHING = {
    f"{case.rule}-{number}/{name}": text
    for number, case in enumerate(corpus())
    if case.kind == "defect" and not case.rule.startswith("GR-WAIVER")
    for name, text in case.files.items()
    if name != "pyproject.toml"
}


def waiver(where: str = "*", rule: str = "GR-ROUTE-001", days: int = 1) -> WaiverEntry:
    until = dt.datetime.fromtimestamp(TODAY, dt.UTC).date() + dt.timedelta(days=days)
    return WaiverEntry(rule, where, "a reason", "an owner", until)


def gated(folder: Path, **settings: Any) -> GateRecord:
    preflight = {name: settings.pop(name) for name in ("strict", "select") if name in settings}
    config = Config(preflight=PreflightConfig(**preflight), **settings)
    return run_gate(folder, config=config, clock=VirtualClock(wall=TODAY))


def crash(_: object) -> object:
    raise RuntimeError("half of the way")


@pytest.mark.parametrize(
    ("module", "family"),
    [
        (shadow, "GR-SHADOW"),
        (imports, "GR-IMPORT"),
        (decorators, "GR-DECO"),
        (routes, "GR-ROUTE"),
        (env, "GR-ENV"),
    ],
)
def test_a_check_that_crashes_is_no_pass_and_the_others_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: object, family: str
) -> None:
    monkeypatch.setattr(module, "check", crash)
    record = gated(write_files(tmp_path, {"app.py": "x = 1\n"}))
    assert (record.verdict, record.exit_code) == ("unknown", 3)
    statuses = {check.id: check.status for check in record.checks}
    assert statuses == {**dict.fromkeys(FAMILIES, "passed"), family: "error"}
    (crashed,) = (check for check in record.checks if check.status == "error")
    assert crashed.reason == "the check crashed: RuntimeError: half of the way"


def test_a_check_that_crashes_after_a_finding_is_no_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def half(_: object) -> Iterator[object]:
        yield routes.DUPLICATE.at("app.py", 1, "found before the crash")
        raise RuntimeError

    monkeypatch.setattr(routes, "check", half)
    record = gated(write_files(tmp_path, {"app.py": "x = 1\n"}))
    assert record.exit_code != 0
    assert record.summary["checks_crashed"] == 1


def test_debugging_shows_where_a_check_crashed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "check", crash)
    monkeypatch.setenv("GUARDRAILS_DEBUG", "1")
    with pytest.raises(RuntimeError, match="half of the way"):
        gated(write_files(tmp_path, {"app.py": "x = 1\n"}))


@pytest.mark.parametrize(
    ("files", "settings", "verdict", "status"),
    [
        ({"app.py": "x = 1\n"}, {}, "passed", 0),
        (BROKEN, {}, "failed", 1),
        (BROKEN, {"waiver": (waiver(),)}, "passed", 0),
        (BROKEN, {"waiver": (waiver(days=-1),)}, "failed", 1),
        ({"app.py": "x = 1\n", "b.py": "def ("}, {}, "passed", 0),
        ({"app.py": "x = 1\n", "b.py": "def ("}, {"strict": True}, "unknown", 3),
        ({**BROKEN, "b.py": "def ("}, {"strict": True}, "failed", 1),
        ({**BROKEN, "b.py": "def ("}, {"strict": True, "waiver": (waiver(),)}, "unknown", 3),
        ({"b.py": "def ("}, {}, "unknown", 3),
        ({"pyproject.toml": ""}, {}, "unknown", 3),
        ({"calendar.py": "x = 1\n"}, {}, "passed", 0),
        ({"calendar.py": "x = 1\n"}, {"strict": True}, "failed", 1),
        ({"tests/a.py": "x = 1\n", "tests/a/__init__.py": ""}, {"strict": True}, "passed", 0),
        ({"app.py": "x = 1\n"}, {"strict": True, "waiver": (waiver(),)}, "failed", 1),
    ],
)
def test_the_verdict_follows_the_contract(
    tmp_path: Path, files: dict[str, str], settings: dict[str, Any], verdict: str, status: int
) -> None:
    record = gated(write_files(tmp_path, files), **settings)
    assert (record.verdict, record.exit_code) == (verdict, status)


def test_a_project_without_python_skips_every_check_and_says_why(tmp_path: Path) -> None:
    record = gated(write_files(tmp_path, {"requirements.txt": "fastapi\n"}))
    assert {(check.status, check.reason) for check in record.checks} == {("skipped", "no Python file")}
    assert record.summary["checks_skipped"] == len(FAMILIES)


@pytest.mark.parametrize(
    ("prepare", "call", "error"),
    [
        ({"a.txt": ""}, {"path": "gone"}, NotAProject),
        ({"a.txt": ""}, {"path": "a.txt"}, NotAProject),
        ({"a.txt": ""}, {"path": "."}, NotAProject),
        ({"a.py": ""}, {"path": ".", "select": ["GR-NOTHING"]}, UnknownRule),
        ({"a.py": "", "pyproject.toml": "[tool.guardrails]\nx = 1\n"}, {"path": "."}, ConfigError),
        ({"a.py": "", "pyproject.toml": '[tool.guardrails]\npython = "x"\n'}, {"path": "."}, InterpreterError),
    ],
)
def test_what_cannot_be_gated_raises_before_anything_ran(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    prepare: dict[str, str],
    call: dict[str, Any],
    error: type[Exception],
) -> None:
    for module in (shadow, decorators, routes):
        monkeypatch.setattr(module, "check", crash)
    monkeypatch.setenv("GUARDRAILS_DEBUG", "1")
    folder = write_files(tmp_path, prepare) / call.pop("path")
    with pytest.raises(error):
        run_gate(folder, **call)


def test_what_the_caller_says_outranks_the_configuration(tmp_path: Path) -> None:
    settings = '[tool.guardrails.preflight]\nstrict = true\nselect = ["GR-DECO"]\n'
    write_files(tmp_path, {"calendar.py": "x = 1\n", "pyproject.toml": settings})
    assert [check.id for check in run_gate(tmp_path).checks] == ["GR-DECO"]
    assert run_gate(tmp_path, select=["GR-SHADOW"]).exit_code == 1
    assert run_gate(tmp_path, select=["GR-SHADOW"], strict=False).exit_code == 0


def test_a_run_says_what_it_looked_at_and_when(tmp_path: Path) -> None:
    write_files(tmp_path, {"app.py": "x = 1\ny = 2\n", ".python-version": "3.12\n"})
    record = run_gate(tmp_path, clock=VirtualClock(wall=TODAY), argv=["guardrails", "preflight"])
    evidence = record.evidence
    assert (evidence.rung, evidence.started, evidence.duration) == (Rung.STATIC, "2025-06-15T15:06:40Z", 0.0)
    assert evidence.argv == ("guardrails", "preflight")
    assert (evidence.commit, evidence.dirty) == (None, None)
    assert evidence.versions["target_python"] == "3.12 (.python-version)"
    assert (record.summary["files"], record.summary["lines"]) == (1, 2)


def test_a_run_tells_its_listeners_the_verdict(tmp_path: Path) -> None:
    heard: list[tuple[str, object]] = []
    stop = hooks.listen(lambda name, value, labels: heard.append((name, dict(labels))))
    try:
        gated(write_files(tmp_path, BROKEN))
    finally:
        stop()
    assert heard == [("gate_runs_total", {"verdict": "failed"})]


def test_two_runs_find_the_same(tmp_path: Path) -> None:
    write_files(tmp_path, EVERYTHING)
    first, second = gate(tmp_path), gate(tmp_path)
    assert len(first.findings) > 80
    assert second.findings == first.findings


def test_the_order_in_which_a_folder_is_listed_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_files(tmp_path, EVERYTHING)
    expected = gate(tmp_path).findings
    monkeypatch.setattr(os, "scandir", backwards(os.scandir))
    assert gate(tmp_path).findings == expected


def backwards(scandir: Callable[[str], Any]) -> Callable[[str], Any]:
    class Backwards:
        def __init__(self, path: str) -> None:
            with scandir(path) as listing:
                self.entries = sorted(listing, key=lambda entry: entry.name, reverse=True)

        def __enter__(self) -> list[Any]:
            return self.entries

        def __exit__(self, *_: object) -> None: ...

        def __iter__(self) -> Iterator[Any]:
            return iter(self.entries)

    return Backwards


def test_findings_are_sorted_by_weight_and_place(tmp_path: Path) -> None:
    record = gate(write_files(tmp_path, EVERYTHING))
    places = [(f.severity.rank, f.path, f.line or 0, f.rule) for f in record.findings]
    assert places == sorted(places)
    assert len(set(record.findings)) == len(record.findings)


def test_one_project_alone_finds_what_it_finds_among_others(tmp_path: Path) -> None:
    """A folder named like a service is a root of its own: neighbours neither add nor hide a finding."""
    record = gate(write_files(tmp_path, EVERYTHING))
    here = {(finding.rule, finding.path) for finding in record.findings}
    inside = {
        (finding.rule, f"{case.rule}-{number}/{finding.path}")
        for number, case in enumerate(corpus())
        if case.kind == "defect" and case.rule in ("GR-DECO-001", "GR-DECO-002", "GR-ROUTE-001", "GR-ROUTE-002")
        for finding in case.findings
    }
    assert sorted(inside - here) == []


def test_a_record_that_cannot_be_written_is_a_sentence_and_no_crash(tmp_path: Path) -> None:
    record = gated(write_files(tmp_path, BROKEN))
    (tmp_path / "locked").write_text("a file where a folder should be")
    said = write_record(record, tmp_path / "locked")
    assert said is not None
    assert said.startswith("the record .guardrails/gate/last.json could not be written")


def test_a_record_is_replaced_as_a_whole(tmp_path: Path) -> None:
    record = gated(write_files(tmp_path, BROKEN))
    for _ in range(2):
        assert write_record(record, tmp_path) is None
    left = tmp_path / ".guardrails" / "gate"
    assert [path.name for path in left.iterdir()] == ["last.json"]
    assert GateRecord.from_json((left / "last.json").read_bytes()) == record


def test_the_corpus_is_found_where_it_belongs() -> None:
    assert [case.id for case in corpus() if not case.files] == []
    assert found.__doc__
