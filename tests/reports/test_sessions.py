"""A session as a fold of its events: states, times, items that stand in one list, and what does not fit together."""

from __future__ import annotations

import itertools
import json
import random
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails.errors import ConfigError, GuardrailsError
from guardrails.reports.journal import read_journal
from guardrails.reports.repository import open_repository
from guardrails.reports.session_events import EVENTS, is_event, seconds_of, stamp_of
from guardrails.reports.session_log import SessionLog
from guardrails.reports.session_store import FOLDER
from guardrails.reports.sessions import Session, fold, spell
from guardrails.reports.ulid import make_ulid
from tests.reports.repositories import NOW, commit, git, new
from tests.test_redact import FORMATS, leaks

if TYPE_CHECKING:
    from pathlib import Path

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed: sessions are not tested")
ADA, AGENT = {"kind": "human", "name": "Ada"}, {"kind": "agent", "name": "reviewer"}


class Clock:
    """Stands still until somebody sets it."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def log(tmp_path: Path, clock: Clock) -> SessionLog:
    folder = new(tmp_path / "repo")
    commit(folder, {"a.py": "1\n"}, "first")
    return SessionLog(open_repository(folder), clock)


def events(*told: tuple[int, str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Events with their second after NOW, their kind and their fields."""
    found: list[dict[str, Any]] = []
    for second, kind, fields in told:
        name = make_ulid(NOW, found[-1]["id"] if found else "", bytes(10))
        made = {"v": 1, "id": name, "type": kind, "at": stamp_of(NOW + second), "by": ADA, "commit": None, **fields}
        assert is_event(made), made
        found.append(made)
    return found


def folded(*told: tuple[int, str, dict[str, Any]], until: int = 1000) -> Session:
    found = fold("01", events((0, "create", {"name": "x"}), *told), NOW + until)
    assert found is not None
    return found


# --- states and times ---


@pytest.mark.parametrize(
    ("told", "state", "active", "wall", "misfits"),
    [
        ([], "planned", 0, 0, 0),
        ([(5, "start")], "active", 995, 995, 0),
        ([(5, "start"), (65, "pause")], "paused", 60, 995, 0),
        ([(5, "start"), (65, "pause"), (100, "resume")], "active", 960, 995, 0),
        ([(5, "start"), (65, "pause"), (100, "resume"), (130, "end")], "complete", 90, 125, 0),
        ([(5, "start"), (65, "pause"), (100, "end")], "complete", 60, 95, 0),
        ([(9, "end")], "complete", 0, 0, 0),
        # What a merge of two branches can bring together.
        ([(5, "start"), (6, "start"), (65, "pause"), (70, "pause")], "paused", 60, 995, 2),
        ([(5, "start"), (65, "end"), (70, "pause"), (80, "resume"), (90, "end")], "complete", 60, 60, 3),
        ([(5, "resume"), (7, "pause")], "planned", 0, 0, 2),
    ],
)
def test_active_time_is_the_sum_of_the_stretches_and_misfits_change_nothing(
    told: list[tuple[int, str]], state: str, active: int, wall: int, misfits: int
) -> None:
    outcome = {"outcome": "complete"}
    found = folded(*((second, kind, outcome if kind == "end" else {}) for second, kind in told))
    assert (found.state, found.active, found.wall, found.misfits) == (state, active, wall, misfits)


def test_a_clock_that_was_set_back_takes_no_time_away_and_is_told() -> None:
    found = folded((500, "start", {}), (100, "pause", {}), (200, "resume", {}), (230, "pause", {}))
    assert (found.active, found.clock_back) == (30, 1)


@given(st.lists(st.tuples(st.integers(0, 900), st.sampled_from(["start", "pause", "resume", "end"])), max_size=12))
def test_active_time_never_exceeds_wall_time_and_neither_is_negative(told: list[tuple[int, str]]) -> None:
    ordered = sorted(told, key=lambda pair: pair[0])
    found = folded(*((at, kind, {"outcome": "complete"} if kind == "end" else {}) for at, kind in ordered))
    assert 0 <= found.active <= found.wall <= 1000


def test_without_a_beginning_there_is_no_session() -> None:
    assert fold("01", events((0, "start", {})), NOW) is None
    assert fold("01", [], NOW) is None


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3599, "59 min"), (3600, "1 h 00 min"), (90_000, "25 h 00 min")],
)
def test_durations_read_as_people_say_them(seconds: int, said: str) -> None:
    assert spell(seconds) == said


# --- items ---


def items_after(*changes: str) -> list[tuple[str, str]]:
    first = events((0, "create", {"name": "x"}), (1, "item", {"kind": "task", "number": 1, "text": "one"}))
    fields = {"tick": {}, **{how: {"text": "because"} for how in ("untick", "block", "defer")}}
    told = [(2 + n, how, {"item": first[1]["id"], **fields[how]}) for n, how in enumerate(changes)]
    rest = events((0, "create", {"name": "x"}), (1, "item", {"kind": "task", "number": 1, "text": "one"}), *told)
    found = fold("01", rest, NOW)
    assert found is not None
    return [(item.ref, item.state) for item in found.items]


@pytest.mark.parametrize(
    "changes", [c for n in range(4) for c in itertools.product(("tick", "untick", "block", "defer"), repeat=n)]
)
def test_an_item_stands_in_the_list_of_its_last_event_alone(changes: tuple[str, ...]) -> None:
    states = {"tick": "done", "untick": "open", "block": "blocked", "defer": "deferred"}
    assert items_after(*changes) == [("T1", states[changes[-1]] if changes else "open")]


def test_a_tick_of_what_is_not_there_changes_nothing() -> None:
    found = folded((1, "tick", {"item": make_ulid(NOW)}))
    assert found.items == ()


def test_one_number_given_twice_keeps_the_first_and_letters_the_rest() -> None:
    told = [(n, "item", {"kind": kind, "number": 1, "text": str(n)}) for n, kind in enumerate(["task"] * 28 + ["debt"])]
    refs = [item.ref for item in folded(*told).items]
    assert (refs[:3], refs[25:]) == (["T1", "T1b", "T1c"], ["T1z", "T1-27", "T1-28", "D1"])
    assert len(set(refs)) == 29


# --- what counts as an event ---


def test_every_event_that_is_written_can_be_read() -> None:
    by_kind = {
        "create": {"name": "x"}, "end": {"outcome": "complete"}, "item": {"kind": "next", "number": 1, "text": "x"},
        "tick": {"item": make_ulid(NOW)}, "note": {"text": "x"}, "decide": {"text": "x"},
        "artifact": {"path": "a", "sha256": "b", "size": 0}, "metric": {"name": "x", "side": "after", "value": 1.5},
        **{how: {"item": make_ulid(NOW), "text": "x"} for how in ("untick", "block", "defer")},
    }  # fmt: skip
    for kind in EVENTS:
        (made,) = events((0, kind, by_kind.get(kind, {})))
        assert is_event(made)
        for field in ("at", "by", "type", *by_kind.get(kind, {})):
            assert not is_event({key: value for key, value in made.items() if key != field}), (kind, field)
            for wrong in (None, [], {}, 7.5e99, "", True, "x" * 10_001, float("nan")):
                if not (field == "value" and wrong is True):
                    assert not is_event({**made, field: wrong}), (kind, field, wrong)


def test_a_field_that_is_not_known_changes_nothing_and_is_not_shown() -> None:
    (made,) = events((1, "note", {"text": "x"}))
    assert is_event({**made, "more": {"deep": 1}})
    found = fold("01", [*events((0, "create", {"name": "x"})), {**made, "more": 1}], NOW)
    assert found is not None
    assert "more" not in found.notes[0]


@pytest.mark.parametrize("stamp", ["2026-01-31", "2026-01-31T12:30:00+01:00", "2026-13-31T12:30:00Z", "x" * 20, ""])
def test_a_time_of_another_form_is_none(stamp: str) -> None:
    assert seconds_of(stamp) is None
    assert seconds_of(stamp_of(NOW)) == int(NOW)


# --- on the disk ---


@needs_git
def test_start_pause_and_resume_by_name_and_by_the_last(log: SessionLog, clock: Clock) -> None:
    log.start("one", ADA, goal="g")
    clock.now += 60
    log.pause(ADA, reason="lunch")
    clock.now += 5
    log.start("two", AGENT)
    clock.now += 60
    log.pause(AGENT)
    assert log.resume(None, ADA).name == "two"
    log.pause(ADA)
    clock.now += 1
    found = log.resume("one", ADA)
    assert (found.name, found.state, found.active, found.goal) == ("one", "active", 60, "g")
    assert found.reason is None


@needs_git
def test_a_planned_session_takes_tasks_and_begins_later(log: SessionLog, clock: Clock) -> None:
    log.create("later", ADA, goal="g")
    log.add_item("task", "first", ADA, "later")
    clock.now += 100
    found = log.start("later", ADA, approach="a")
    assert (found.state, found.wall, found.goal, found.approach, len(found.items)) == ("active", 0, "g", "a", 1)


@needs_git
def test_a_name_can_be_used_again_once_its_session_is_over(log: SessionLog) -> None:
    first = log.start("triage", ADA)
    log.end(ADA)
    second = log.start("triage", ADA)
    assert first.id != second.id
    assert log.find(log.read(), "triage").session.id == second.id
    assert log.find(log.read(), first.id).session.id == first.id


def refused(action: Any, *said: str) -> None:
    with pytest.raises(GuardrailsError) as caught:
        action()
    assert [text for text in said if text not in str(caught.value)] == []


@needs_git
def test_every_mistake_names_the_next_command(log: SessionLog, clock: Clock) -> None:
    refused(lambda: log.find([], None), "there is no session here yet: `guardrails session start NAME`")
    refused(lambda: log.pause(ADA), "no session runs here: `guardrails session start NAME`")
    refused(lambda: log.resume(None, ADA), "no session is paused: `guardrails session start NAME`")
    refused(lambda: log.start(" \n", ADA), "NAME is empty")
    refused(lambda: log.start("x" * 10_001, ADA), "10,001 characters, at most 10,000")
    log.create("a plan", ADA)
    refused(lambda: log.record("note", ADA, text="x"), "`guardrails session start 'a plan'` begins it")
    refused(lambda: log.create("a plan", ADA), "is there and planned: `guardrails session start 'a plan'`")
    refused(lambda: log.resume("a plan", ADA), "is planned, not paused")
    clock.now += 1
    log.start("cut streams", ADA)
    refused(lambda: log.start("other", ADA), "'cut streams' runs here: `guardrails session pause`")
    refused(lambda: log.resume(None, ADA), "no session is paused: 'cut streams' runs")
    refused(lambda: log.change_item("tick", "T1", ADA), "no item 'T1' in session 'cut streams'; there are: none")
    refused(lambda: log.find(log.read(), "cut straems"), "did you mean 'cut streams'?")
    refused(lambda: log.find(log.read(), "cut"), "did you mean 'cut streams'?")
    refused(lambda: log.find(log.read(), "zzz"), "there are: a plan, cut streams")
    log.add_item("task", "one", ADA)
    refused(lambda: log.end(ADA), "open: T1. `guardrails session task tick REF`")
    log.pause(ADA)
    refused(lambda: log.record("note", ADA, text="x"), "`guardrails session resume 'cut streams'` goes on with it")
    refused(lambda: log.pause(ADA, "cut streams"), "is paused")
    log.end(ADA, "cut streams", abandoned=True)
    refused(lambda: log.record("note", ADA, "cut streams", text="x"), "is abandoned")
    refused(lambda: log.resume("cut streams", ADA), "is abandoned, not paused")


@needs_git
def test_a_session_with_open_tasks_is_not_complete_and_deferred_ones_do_not_count(log: SessionLog) -> None:
    log.start("x", ADA)
    for text in ("a", "b", "c"):
        log.add_item("task", text, ADA)
    log.add_item("criterion", "d", ADA)
    log.add_item("debt", "e", ADA)
    log.change_item("tick", "T1", ADA)
    log.change_item("defer", "T2", ADA, text="later")
    log.change_item("block", "T3", ADA, text="no access")
    refused(lambda: log.end(ADA), "open: T3, C1.")
    log.change_item("tick", "t3", ADA)
    log.change_item("tick", "C1", ADA)
    found = log.end(ADA)
    assert (found.state, found.progress) == ("complete", (2, 2))


@needs_git
def test_somebody_elses_session_that_runs_is_no_hindrance_and_not_written_to(log: SessionLog, tmp_path: Path) -> None:
    log.start("theirs", AGENT)
    git(log.top, "add", "--all")
    git(log.top, "commit", "-q", "-m", "session")
    git(tmp_path, "clone", "-q", str(log.top), "clone")
    mine = SessionLog(open_repository(tmp_path / "clone"), log.clock)
    # The only one that runs is meant, as long as nobody began another here.
    assert mine.record("note", ADA, text="x")[0].name == "theirs"
    mine.start("mine", ADA)
    assert mine.record("note", ADA, text="y")[0].name == "mine"
    (tmp_path / "clone" / ".guardrails" / "cache" / "session").unlink()
    refused(lambda: mine.record("note", ADA, text="z"), "several sessions run: mine, theirs: name one with --session")
    assert mine.record("note", ADA, "mine", text="z")[0].name == "mine"


@needs_git
def test_two_sessions_of_one_name_that_a_merge_brought_are_told_apart_by_id(log: SessionLog) -> None:
    first = log.start("same", ADA)
    commit(log.top, {}, "one")
    (log.top / ".guardrails" / "sessions").rename(log.top / "aside")
    second = log.start("same", ADA)
    next((log.top / "aside").iterdir()).rename(log.top / FOLDER / first.id)
    refused(lambda: log.find(log.read(), "same"), "2 sessions are called 'same'", first.id, second.id)
    assert log.find(log.read(), first.id).session.id == first.id


@needs_git
def test_a_session_of_a_newer_version_is_read_as_far_as_it_goes_and_not_written_to(log: SessionLog) -> None:
    log.start("x", ADA)
    (file,) = (log.top / FOLDER).rglob("*.jsonl")
    file.write_bytes(file.read_bytes() + b'{"v":3,"id":"later"}\n')
    (kept,) = log.read()
    assert (kept.session.state, kept.newer) == ("active", 3)
    refused(lambda: log.record("note", ADA, text="y"), "written by a newer guardrails (version 3): upgrade")


@needs_git
def test_a_folder_without_a_session_is_named(log: SessionLog) -> None:
    stranger = make_ulid(NOW)
    (log.top / FOLDER / stranger).mkdir(parents=True)
    (log.top / FOLDER / "README").mkdir()
    assert (log.read(), log.strangers()) == ([], [stranger])


@needs_git
def test_secrets_do_not_reach_the_disk(log: SessionLog) -> None:
    chance = random.Random(4)
    secrets = [make(chance) for make in FORMATS.values()]
    log.start(f"rotate {secrets[0]}", ADA)
    for secret in secrets:
        log.record("note", ADA, text=f"it says {secret}")
        log.add_item("task", f"rotate {secret}", ADA, owner=secret)
    stored = "".join(path.read_text() for path in (log.top / FOLDER).rglob("*.jsonl"))
    assert [secret for secret in secrets if leaks(secret, stored)] == []
    assert stored.count("[redacted]") > 2 * len(secrets)


@needs_git
def test_a_bare_repository_is_refused(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "--bare", "bare")
    with pytest.raises(ConfigError, match="a bare repository holds no sessions"):
        SessionLog(open_repository(tmp_path / "bare"))


@needs_git
def test_without_any_commit_a_session_can_be_kept(tmp_path: Path) -> None:
    log = SessionLog(open_repository(new(tmp_path / "empty")))
    log.start("x", ADA)
    assert log.record("note", ADA, text="y")[0].base is None


def test_the_fold_does_not_depend_on_how_files_are_cut(tmp_path: Path) -> None:
    told = events((0, "create", {"name": "x"}), *((n, "note", {"text": str(n)}) for n in range(1, 30)))
    chance, found = random.Random(2), set()
    for turn in range(20):
        folder = tmp_path / str(turn)
        folder.mkdir()
        shuffled = chance.sample(told, len(told))
        for number in range(5):
            lines = [json.dumps(event) for event in shuffled[number::5]]
            (folder / f"{make_ulid(NOW + number)}.jsonl").write_text("\n".join([*lines, ""]), encoding="ascii")
        journal = read_journal(folder, is_event)
        assert journal.damages == ()
        found.add(repr(fold("01", journal.records, NOW)))
    assert len(found) == 1


@needs_git
def test_what_could_not_be_read_back_is_refused_before_it_is_written(log: SessionLog) -> None:
    log.start("x", ADA)
    log.add_item("task", "one", ADA)
    before = {path: path.read_bytes() for path in (log.top / FOLDER).rglob("*.jsonl")}
    refused(lambda: log.record("note", ADA, text=" "), "TEXT is empty: write what is meant")
    refused(lambda: log.change_item("block", "T1", ADA, text=""), "TEXT is empty")
    refused(lambda: log.record("note", {"kind": "human", "name": "x" * 10_001}, text="y"), "WHO has 10,001 characters")
    refused(lambda: log.change_item("tick", "T1", ADA, evidence=["e"] * 101), "nothing was recorded")
    refused(lambda: log.record("metric", ADA, None, name="n", side="after", value=float("nan")), "nothing was recorded")
    refused(lambda: log.record("note", {"kind": "cat", "name": "x"}, text="y"), "nothing was recorded")
    assert {path: path.read_bytes() for path in (log.top / FOLDER).rglob("*.jsonl")} == before
