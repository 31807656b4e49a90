"""A progress report is one dated log of all sessions, which only grows, and lists that are folds of the same events."""

from __future__ import annotations

import itertools
import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from guardrails.reports import progress as module
from guardrails.reports.progress import progress_report
from guardrails.reports.render import FORMS, render
from guardrails.reports.repository import open_repository
from guardrails.reports.session_log import SessionLog
from guardrails.reports.session_store import FOLDER
from guardrails.reports.ulid import make_ulid
from tests.reports.repositories import DAY, NOW, commit, git, new
from tests.reports.test_injection import Shape, payloads
from tests.reports.test_session_report import filled, shape

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed: reports are not tested")

ADA, AGENT = {"kind": "human", "name": "Ada"}, {"kind": "agent", "name": "reviewer"}


class Told:
    """A repository whose sessions are told day by day; `at` is the day, counted back from NOW."""

    def __init__(self, folder: Path) -> None:
        self.repo = new(folder)
        (self.repo / ".git" / "info" / "exclude").write_text(".guardrails/\n")
        commit(self.repo, {"app/x.py": "1\n"}, "first", at=NOW - 20 * DAY)
        self.now = NOW

    def at(self, days: float) -> SessionLog:
        self.now = NOW - days * DAY
        return SessionLog(open_repository(self.repo), lambda: self.now)

    def facts(self, since: str = "2w", until: str | None = None, now: float = NOW) -> dict[str, Any]:
        log = SessionLog(open_repository(self.repo), lambda: now)
        return progress_report(log, since=since, until=until, project=self.repo, now=now, version="1.0")


def tell(told: Told) -> None:
    told.at(15).start("old", ADA)
    told.at(15).add_item("task", "long ago", ADA)
    told.at(15).change_item("tick", "T1", ADA)
    told.at(15).add_item("debt", "two parsers", ADA, priority="P2", owner="Ada")
    told.at(15).end(ADA)
    told.at(3).start("cut streams", ADA)
    for text, priority in (("bound it", "P1"), ("ship", "P0"), ("docs", None)):
        told.at(3).add_item("task", text, ADA, priority=priority)
    told.at(3).add_item("next", "watch", ADA, estimate=20)
    told.at(3).record("decide", ADA, text="retry once", why="twice is dear")
    told.at(2).change_item("tick", "T1", AGENT, evidence=["01NOPE"])
    told.at(2).change_item("block", "T2", ADA, text="no access")
    told.at(2).record("note", AGENT, text="it is the proxy")
    told.at(2).record("metric", ADA, None, name="p95", side="before", value=2.5, unit="s")
    commit(told.repo, {"app/x.py": "2\n", "web/y.js": "1\n"}, "fix: it", at=NOW - 2 * DAY)
    told.at(1).pause(ADA, reason="weekend")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    told = Told(tmp_path_factory.mktemp("progress") / "repo")
    tell(told)
    return told


@pytest.fixture(scope="module")
def found(told: Told) -> dict[str, Any]:
    return told.facts()


def entries(found: dict[str, Any]) -> list[dict[str, Any]]:
    return [entry for day in found["days"] for entry in day["entries"]]


def test_the_log_is_dated_and_in_order(found: dict[str, Any]) -> None:
    page = render(found, "markdown")
    log = page[page.index("## Log") : page.index("## Done")]
    assert log.splitlines() == [
        "## Log", "",
        "### 2026-05-25", "",
        "- 20:26 cut streams, Ada: **started**",
        "- 20:26 cut streams, Ada: **decided** · retry once (because: twice is dear)",
        "", "### 2026-05-26", "",
        "- 20:26 cut streams, agent:reviewer: **done** T1 bound it · `01NOPE`",
        "- 20:26 cut streams, Ada: **blocked** T2 ship · no access",
        "- 20:26 cut streams, agent:reviewer: **noted** · it is the proxy",
        "- 20:26 cut streams, Ada: **figure** p95 before · 2\\.5 s",
        "", "### 2026-05-27", "",
        "- 20:26 cut streams, Ada: **paused** · weekend",
        "",
    ]  # fmt: skip


def test_a_later_report_only_adds_to_the_log(told: Told) -> None:
    since = "2026-05-01"
    before: list[dict[str, Any]] = []
    for day in range(21, -1, -1):
        now = entries(told.facts(since, now=NOW - day * DAY + 3600))
        assert now[: len(before)] == before
        before = now
    assert len(before) == len(entries(told.facts(since))) > 8


def test_open_and_ticked_lists_are_folds_that_cannot_disagree(told: Told) -> None:
    for day in range(21, -1, -1):
        found = told.facts("2026-05-01", now=NOW - day * DAY + 3600)
        ticked = {row["id"] for row in found["ticked"]}
        still = {row["id"] for name in ("open", "debts", "next") for row in found[name]}
        assert ticked & still == set()


def test_lists_hold_what_is_open_at_the_end_of_the_period(told: Told, found: dict[str, Any]) -> None:
    assert [row["text"] for row in found["open"]] == ["ship", "docs"]
    assert [row["text"] for row in found["ticked"]] == ["bound it"]
    assert [row["text"] for row in found["debts"]] == ["two parsers"]
    assert [row["text"] for row in found["next"]] == ["watch"]
    assert [row["name"] for row in found["sessions"]] == ["cut streams"]
    earlier = told.facts("2026-05-01", until="2026-05-25")
    assert [row["text"] for row in earlier["open"]] == ["ship", "bound it", "docs"]
    assert [row["name"] for row in earlier["sessions"]] == ["cut streams", "old"]


def test_a_revision_as_the_begin_counts_from_its_time(told: Told) -> None:
    found = told.facts("HEAD")
    assert [entry["what"] for entry in entries(found)][-1] == "pause"
    assert len(entries(found)) == 5


def test_the_impact_is_that_of_the_history(found: dict[str, Any]) -> None:
    assert {row["area"]: row["commits"] for row in found["areas"]} == {"app": 1, "web": 1}


def test_ticks_are_claims_with_their_session(found: dict[str, Any]) -> None:
    claim = found["claims"][0]
    assert (claim["ref"], claim["verdict"], claim["rung"]) == ("T1 (cut streams)", "UNSUPPORTED", "E0")


def test_what_is_open_in_an_abandoned_session_is_no_longer_asked_for(tmp_path: Path) -> None:
    told = Told(tmp_path / "repo")
    told.at(3).start("x", ADA)
    told.at(3).add_item("task", "one", ADA)
    told.at(2).end(ADA, abandoned=True)
    found = told.facts()
    assert (found["open"], found["sessions"][0]["state"]) == ([], "abandoned")


def test_a_period_in_which_nothing_was_recorded_says_so(tmp_path: Path) -> None:
    found = Told(tmp_path / "repo").facts()
    assert "Nothing was recorded in this period." in render(found, "markdown")
    assert "Nothing was recorded in this period." in render(found, "html")


def test_a_long_log_is_cut_at_its_beginning_and_says_by_how_much(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = entries(told.facts())
    monkeypatch.setattr(module, "ENTRIES", 3)
    found = told.facts()
    assert (entries(found), found["entries_omitted"]) == (whole[-3:], len(whole) - 3)
    assert f"{len(whole) - 3} earlier entries are left out" in render(found, "markdown")


def test_a_folder_that_holds_no_session_is_named(tmp_path: Path) -> None:
    told = Told(tmp_path / "repo")
    stranger = make_ulid(NOW)
    (told.repo / FOLDER / stranger).mkdir(parents=True)
    assert f"SESSION DAMAGED: {FOLDER}/{stranger} holds no session" in render(told.facts(), "markdown").replace(
        "\\", ""
    )


@pytest.mark.parametrize("language", ["en", "uk"])
@pytest.mark.parametrize("form", FORMS)
def test_a_page_is_made_of_the_json_twin_alone(found: dict[str, Any], form: str, language: str) -> None:
    twin = json.loads(render(found, "json"))
    assert render(twin, form, language) == render(found, form, language)


def test_two_thousand_payloads_leave_the_shape_of_both_documents(found: dict[str, Any]) -> None:
    def texts(source: Iterator[str]) -> dict[str, Any]:
        made: dict[str, Any] = filled(source, found)
        for day, said in zip(made["days"], found["days"], strict=True):
            day["date"] = said["date"]
            for entry, own in zip(day["entries"], said["entries"], strict=True):
                entry["what"] = own["what"]
                entry["evidence"] = [next(source) for _ in own["evidence"]]
        return made

    benign = texts(itertools.repeat("x"))
    markdown, page = shape(render(benign, "markdown")), Shape(render(benign, "html")).tags
    source = itertools.chain(itertools.islice(payloads(), 2000), itertools.repeat("x"))
    changed, left = [], 0
    while next(source) != "x":
        hostile = texts(source)
        left += 1
        if shape(render(hostile, "markdown")) != markdown or Shape(render(hostile, "html")).tags != page:
            changed.append(left)
    assert changed == []
    assert left > 10


def test_an_empty_repository_has_a_report(tmp_path: Path) -> None:
    repo = new(tmp_path / "empty")
    log = SessionLog(open_repository(repo), lambda: NOW)
    log.start("x", ADA)
    found = progress_report(log, since="2w", project=repo, now=NOW, version="1.0")
    assert [entry["what"] for entry in entries(found)] == ["start"]
    assert git(repo, "status", "--porcelain").decode().strip() == "?? .guardrails/"
