"""What was acknowledged is on the disk: after kill -9, beside another writer, on a full disk, behind damaged lines."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from guardrails.errors import GuardrailsError
from guardrails.reports import journal
from guardrails.reports.journal import append, locked, read_journal
from guardrails.reports.repository import open_repository
from guardrails.reports.session_log import SessionLog
from guardrails.reports.session_store import FOLDER, LOCK
from guardrails.reports.ulid import is_ulid, make_ulid
from tests.reports.repositories import NOW, commit, git, new
from tests.support import ROOT

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed: sessions are not tested")

BY = {"kind": "human", "name": "Ada"}
# Appends for ever, and says so after each: `n id`.
WRITER = """
import sys
from pathlib import Path
from guardrails.reports.journal import append, locked, read_journal

folder, lock, writer = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
for n in range(int(sys.argv[4])):
    with locked(lock):
        known = read_journal(folder).records
        newest = known[-1]["id"] if known else ""
        made = append(folder, {"n": n, "writer": writer, "text": "x" * 300}, now=1.78e9, newest=newest)
    print(n, made["id"], flush=True)
"""


def started(folder: Path, writer: str, count: int) -> subprocess.Popen[str]:
    folder.parent.mkdir(exist_ok=True)
    arguments = [str(folder), str(folder.parent / "lock"), writer, str(count)]
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def killed_while_appending(folder: Path, times: int) -> tuple[list[str], int]:
    """The ids that children acknowledged before they were killed, and how many lines are cut off."""
    chance = random.Random(11)
    acknowledged: list[str] = []
    for turn in range(times):
        with started(folder, str(turn), 10_000) as process:
            assert process.stdout is not None
            killer = threading.Timer(chance.random() * 0.02, process.send_signal, [signal.SIGKILL])
            first = process.stdout.readline()
            killer.start()
            # What is whole in the pipe was said before the end.
            lines = [first, *process.stdout]
            acknowledged += [said.split()[1] for said in lines if said.endswith("\n")]
            assert process.wait(30) == -signal.SIGKILL, process.stderr.read() if process.stderr else ""
        killer.join()
    return acknowledged, len(read_journal(folder).damages)


def check_that_nothing_was_lost(folder: Path, times: int) -> None:
    acknowledged, cut_off = killed_while_appending(folder, times)
    kept = [record["id"] for record in read_journal(folder).records]
    assert set(acknowledged) - set(kept) == set()
    assert len(acknowledged) == len(set(acknowledged)) >= times
    assert kept == sorted(kept)
    assert cut_off <= times


def test_a_writer_killed_twenty_times_lost_nothing_that_it_acknowledged(tmp_path: Path) -> None:
    check_that_nothing_was_lost(tmp_path / "s" / "folder", 20)


@pytest.mark.long
def test_a_writer_killed_two_hundred_times_lost_nothing_that_it_acknowledged(tmp_path: Path) -> None:
    check_that_nothing_was_lost(tmp_path / "s" / "folder", 200)


def test_two_processes_append_at_once_and_every_record_is_whole(tmp_path: Path) -> None:
    folder = tmp_path / "s" / "folder"
    both = [started(folder, name, 100) for name in ("a", "b")]
    said = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    found = read_journal(folder)
    assert found.damages == ()
    ids = [line.split()[1] for out, _ in said for line in out.splitlines()]
    assert sorted(ids) == [record["id"] for record in found.records]
    for name in ("a", "b"):
        assert [record["n"] for record in found.records if record["writer"] == name] == list(range(100))


def test_a_lock_that_is_held_is_named_after_the_wait(tmp_path: Path) -> None:
    with (
        locked(tmp_path / "lock"),
        pytest.raises(GuardrailsError, match=r"another process has held it for 0\.02 s"),
        locked(tmp_path / "lock", timeout=0.02),
    ):
        pass
    with locked(tmp_path / "lock", timeout=0.02):
        pass


def test_a_disk_that_is_full_is_said_and_leaves_no_part_of_the_record(tmp_path: Path) -> None:
    """A limit on the size of files is a full disk to whoever writes: a part fits, the rest does not."""
    folder = tmp_path / "s" / "folder"
    append(folder, {"text": "x" * 500}, now=NOW)
    before = next(folder.iterdir()).read_bytes()
    code = (
        "import resource, sys; from pathlib import Path; from guardrails.reports.journal import append\n"
        "from guardrails.errors import GuardrailsError\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({len(before) + 100}, {len(before) + 100}))\n"
        "try:\n append(Path(sys.argv[1]), {'text': 'y' * 500}, now=1.79e9)\n"
        "except GuardrailsError as exc:\n print(exc)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, folder], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "nothing was recorded: the disk took only a part of it: make room" in done.stdout
    assert [file.read_bytes() for file in folder.iterdir()] == [before]
    assert len(read_journal(folder).records) == 1


def test_a_file_that_could_not_even_begin_is_not_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_holder: int, _data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(GuardrailsError, match="nothing was recorded: No space left on device"):
        append(tmp_path / "s" / "folder", {"text": "x"}, now=NOW)
    assert list((tmp_path / "s" / "folder").iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("a file")
    with pytest.raises(GuardrailsError, match="nothing was recorded"):
        append(tmp_path / "s" / "folder", {"text": "x"}, now=NOW)


def one_file(folder: Path, data: bytes) -> Path:
    folder.mkdir(parents=True)
    file = folder / f"{make_ulid(NOW)}.jsonl"
    file.write_bytes(data)
    return file


def line(number: int, **fields: Any) -> bytes:
    record = {"v": 1, "id": make_ulid(NOW, chance=bytes(9) + bytes([number])), "n": number, **fields}
    return json.dumps(record).encode() + b"\n"


def test_a_line_cut_off_at_the_end_is_told_and_the_next_record_stands_alone(tmp_path: Path) -> None:
    folder = tmp_path / "s" / "folder"
    whole = line(1) + line(2)
    for length in range(len(line(1)) + 1, len(whole) - 1):
        shutil.rmtree(tmp_path / "s", ignore_errors=True)
        one_file(folder, whole[:length])
        assert [(d.line, d.kind) for d in read_journal(folder).damages] == [(2, "torn")], length
        append(folder, {"n": 3}, now=NOW + 1)
        found = read_journal(folder)
        assert [record["n"] for record in found.records] == [1, 3]
        assert [(d.line, d.kind) for d in found.damages] == [(2, "garbage")]


def test_a_last_record_that_lacks_only_its_line_break_counts(tmp_path: Path) -> None:
    folder = tmp_path / "s" / "folder"
    one_file(folder, line(1).removesuffix(b"\n"))
    append(folder, {"n": 2}, now=NOW + 1)
    found = read_journal(folder)
    assert ([record["n"] for record in found.records], found.damages) == ([1, 2], ())


GARBAGE = [
    b"\x00\xff", b"{", b"[]", b"1", b'"x"', b"{}", b"null", b'{"v":1}', b'{"v":true,"id":"x"}', b"[" * 100_000,
    line(3, id="not one"), line(3, v="1"), line(3, v=0.5), b'{"v":1,"id":["a"]}', b"\xef\xbb\xbf{}", b"<<<<<<< HEAD",
    b"=======", b">>>>>>> other", line(3, text="\ud800"),
]  # fmt: skip


@pytest.mark.parametrize("garbage", GARBAGE, ids=lambda raw: repr(raw[:20]))
def test_garbage_is_counted_and_hides_no_record(tmp_path: Path, garbage: bytes) -> None:
    folder = tmp_path / "s" / "folder"
    one_file(folder, line(1) + garbage.removesuffix(b"\n") + b"\n" + line(2))
    found = read_journal(folder)
    assert [record["n"] for record in found.records] == [1, 2]
    assert [(damage.line, damage.kind) for damage in found.damages] == [(2, "garbage")]


def test_a_record_of_a_newer_version_is_told_from_garbage(tmp_path: Path) -> None:
    folder = tmp_path / "s" / "folder"
    one_file(folder, line(1) + line(2, v=7))
    assert [damage[1:] for damage in read_journal(folder).damages] == [(2, "newer", 7)]


def test_blank_lines_and_carriage_returns_mean_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "s" / "folder"
    one_file(folder, line(1).replace(b"\n", b"\r\n") + b"\r\n\n" + line(2))
    found = read_journal(folder)
    assert ([record["n"] for record in found.records], found.damages) == ([1, 2], ())


def test_a_record_that_stands_there_twice_counts_once_and_two_of_one_name_are_told(tmp_path: Path) -> None:
    folder = tmp_path / "s" / "folder"
    one_file(folder, line(1) + line(2) + line(1) + line(2, text="other"))
    found = read_journal(folder)
    assert [record["n"] for record in found.records] == [1, 2]
    assert [(damage.line, damage.kind) for damage in found.damages] == [(4, "garbage")]


def test_links_and_other_files_are_not_read(tmp_path: Path) -> None:
    folder = tmp_path / "s" / "folder"
    real = one_file(folder, line(1))
    secret = tmp_path / "secret.jsonl"
    secret.write_bytes(line(2))
    (folder / f"{make_ulid(NOW + 5)}.jsonl").symlink_to(secret)
    (folder / "notes.txt").write_bytes(line(3))
    append(folder, {"n": 4}, now=NOW + 9)
    assert [record["n"] for record in read_journal(folder).records] == [1, 4]
    assert secret.read_bytes() == line(2)
    assert real.read_bytes().count(b"\n") == 2


def test_a_journal_of_another_size_of_thing_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "MOST_BYTES", 1000)
    folder = tmp_path / "s" / "folder"
    one_file(folder, line(1) * 40)
    with pytest.raises(GuardrailsError, match="no journal of ours"):
        read_journal(folder)
    with pytest.raises(GuardrailsError, match="too long"):
        append(folder, {"text": "x" * 300_000}, now=NOW)


def test_names_sort_as_they_were_given_even_when_the_clock_is_set_back() -> None:
    names = [make_ulid(NOW)]
    for second in (0, 0, -3600, 5, -86_400 * 365):
        names.append(make_ulid(NOW + second, names[-1]))
    assert names == sorted(set(names))
    # Two branches that go on from one name, on machines whose clocks lag behind it, meet in a merge.
    assert len({make_ulid(NOW - 3600, names[-1]) for _ in range(1000)}) == 1000
    assert all(map(is_ulid, names))
    assert make_ulid(0.0, chance=bytes(10)) == "0" * 26
    # The example of the specification: 1469918176.385 s is 01ARYZ6S41 in its first ten characters.
    assert make_ulid(1469918176.385)[:10] == "01ARYZ6S41"
    for wrong in ("x", "8" + "0" * 25, "0" * 25, "0" * 25 + "U"):
        assert not is_ulid(wrong)
        with pytest.raises(ValueError, match="is no ULID"):
            make_ulid(NOW, wrong)
    with pytest.raises(ValueError, match="no name follows"):
        make_ulid(NOW, "7" + "Z" * 25)


# --- branches ---


class Ticking:
    """A clock that goes on by a second each time it is read."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        self.now += 1
        return self.now


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    folder = new(tmp_path / "repo")
    commit(folder, {"a.py": "1\n"}, "first")
    return folder


clock = Ticking()


def log_of(repo: Path) -> SessionLog:
    return SessionLog(open_repository(repo), clock)


def conflicts(repo: Path) -> list[str]:
    return git(repo, "diff", "--name-only", "--diff-filter=U").decode().splitlines()


def texts(repo: Path) -> list[str]:
    (kept,) = log_of(repo).read()
    assert kept.damages == ()
    return [note["text"] for note in kept.session.notes]


def test_two_branches_that_went_on_with_one_session_merge_without_a_conflict(repo: Path) -> None:
    log_of(repo).start("both", BY)
    log_of(repo).record("note", BY, text="before")
    commit(repo, {}, "begin")
    git(repo, "branch", "other")
    log_of(repo).record("note", BY, text="on main")
    log_of(repo).add_item("task", "mine", BY)
    commit(repo, {}, "on main")
    git(repo, "checkout", "-q", "other")
    log_of(repo).record("note", BY, text="on other")
    log_of(repo).add_item("task", "theirs", BY)
    commit(repo, {}, "on other")
    git(repo, "checkout", "-q", "main")
    git(repo, "merge", "-q", "other", "-m", "merge")
    assert conflicts(repo) == []
    assert texts(repo) == ["before", "on main", "on other"]
    (kept,) = log_of(repo).read()
    # Both gave the number 1, and neither tick can mean the other's task.
    assert [(item.ref, item.text) for item in kept.session.items] == [("T1", "mine"), ("T1b", "theirs")]
    log_of(repo).change_item("tick", "t1B", BY)
    assert log_of(repo).add_item("task", "third", BY).ref == "T2"
    (kept,) = log_of(repo).read()
    assert [item.state for item in kept.session.items] == ["open", "done", "open"]


def test_sessions_of_two_branches_merge_without_a_conflict(repo: Path) -> None:
    git(repo, "branch", "other")
    for branch in ("main", "other"):
        git(repo, "checkout", "-q", branch)
        log_of(repo).start(f"on {branch}", BY)
        log_of(repo).record("note", BY, text=branch)
        commit(repo, {}, branch)
    git(repo, "merge", "-q", "main", "-m", "merge")
    assert conflicts(repo) == []
    assert {kept.session.name for kept in log_of(repo).read()} == {"on main", "on other"}


def test_a_file_that_is_in_a_commit_is_never_written_again(repo: Path) -> None:
    log_of(repo).start("one", BY)
    commit(repo, {}, "begin")
    sealed = {path: path.read_bytes() for path in (repo / FOLDER).rglob("*.jsonl")}
    for text in ("a", "b"):
        log_of(repo).record("note", BY, text=text)
    assert {path: path.read_bytes() for path in sealed} == sealed
    assert len(list((repo / FOLDER).rglob("*.jsonl"))) == 2
    assert texts(repo) == ["a", "b"]


def test_conflict_markers_that_somebody_committed_hide_nothing_and_are_told(repo: Path) -> None:
    log_of(repo).start("one", BY)
    (file,) = (repo / FOLDER).rglob("*.jsonl")
    first, second = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"<<<<<<< HEAD\n" + first + b"=======\n" + first + second + b">>>>>>> other\n")
    (kept,) = log_of(repo).read()
    assert (kept.session.state, [damage.line for damage in kept.damages]) == ("active", [1, 3, 6])


def test_what_is_committed_is_the_session_and_nothing_of_this_machine(repo: Path) -> None:
    log_of(repo).start("one", BY)
    listed = git(repo, "ls-files", "--others", "--exclude-standard").decode().splitlines()
    assert [Path(name).parts[:2] for name in listed] == [(".guardrails", "sessions")]
    assert (repo / LOCK).exists()


@pytest.mark.parametrize("place", [".guardrails", ".guardrails/sessions", ".guardrails/cache"])
def test_links_in_the_way_are_refused(repo: Path, tmp_path: Path, place: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (repo / place).parent.mkdir(exist_ok=True)
    (repo / place).symlink_to(outside)
    with pytest.raises(GuardrailsError, match="a link could lead out of the repository"):
        log_of(repo).start("one", BY)
    assert list(outside.iterdir()) == []


def test_a_pointer_that_is_a_link_is_not_written_through(repo: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (repo / ".guardrails" / "cache").mkdir(parents=True)
    (repo / ".guardrails" / "cache" / "session").symlink_to(victim)
    log_of(repo).start("one", BY)
    assert victim.read_text() == "mine"


def test_two_processes_that_start_at_once_leave_one_session_running(repo: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from guardrails.reports.repository import open_repository\n"
        "from guardrails.reports.session_log import SessionLog; from guardrails.errors import GuardrailsError\n"
        "log = SessionLog(open_repository(Path(sys.argv[1])))\n"
        "try:\n log.start(sys.argv[2], {'kind': 'human', 'name': 'a'})\n"
        "except GuardrailsError as exc:\n sys.exit(str(exc))\n"
    )
    every = [subprocess.Popen([sys.executable, "-c", code, repo, f"s{n}"], stderr=subprocess.PIPE) for n in range(4)]
    said = [process.communicate(timeout=60)[1].decode() for process in every]
    assert sorted(process.returncode for process in every) == [0, 1, 1, 1], said
    assert [text for text in said if text and "runs here: `guardrails session pause`" not in text] == []
    assert [kept.session.state for kept in log_of(repo).read()] == ["active"]


@pytest.fixture(autouse=True)
def _fresh_clock() -> None:
    clock.now = NOW
