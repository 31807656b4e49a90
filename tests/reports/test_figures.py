"""The figures of a status report against git's own, by the commands that the report names."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guardrails.reports import history, kept
from guardrails.reports.history import Change, numstat
from guardrails.reports.period import LOOK_FURTHER, cut
from guardrails.reports.status import areas_of, percents
from tests.reports.repositories import DAY, NOW, commit, data, facts, git, imported, new, raw_sums

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed: reports are not tested")

LINES = "".join(f"line {number}\n" for number in range(40))


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """A root commit, edits, a rename, a deletion, a binary file, odd names, and a merge that changes more."""
    folder = new(tmp_path / "repo")
    commit(folder, {"a.py": LINES, "docs/über.md": "x\n", "gone.txt": LINES}, "feat: begin", at=NOW - 60 * DAY)
    commit(folder, {"a.py": LINES.replace("line 7\n", "seven\nand more\n"), "gone.txt": None}, at=NOW - 50 * DAY)
    git(folder, "branch", "side")
    git(folder, "mv", "a.py", "moved.py")
    commit(folder, {"bin.dat": b"\0\1\2" * 100}, "fix: move", at=NOW - 9 * DAY)
    git(folder, "checkout", "-q", "side")
    commit(folder, {"tests/test_b.py": LINES}, "test: side", at=NOW - 40 * DAY)
    git(folder, "checkout", "-q", "main")
    git(folder, "merge", "-q", "--no-commit", "side")
    commit(folder, {"moved.py": "merged otherwise\n"}, "Merge side", at=NOW - 3 * DAY)
    commit(folder, {"odd\tname\n\x01.txt": "1\n2\n", "b|c.md": "x"}, "chore: odd names", at=NOW - 2 * DAY)
    return folder


def evidence(found: dict[str, Any], name: str) -> list[str]:
    return next(row["argv"] for row in found["evidence"] if row["id"] == name)


def lines(sums: dict[str, int]) -> dict[str, int]:
    return {"added": sums["added"], "deleted": sums["deleted"]}


@pytest.mark.parametrize("since", ["1990-01-01", "30d", "1w", "HEAD~1", "36h"])
def test_net_and_churn_are_what_the_named_commands_say(repo: Path, since: str) -> None:
    found = facts(repo, since)
    assert lines(found["totals"]["churn"]) == raw_sums(repo, evidence(found, "C"))
    assert lines(found["totals"]["net"]) == raw_sums(repo, evidence(found, "N"))
    count = len(git(repo, *evidence(found, "H")[1:]).split())
    assert found["totals"]["commits"] + found["totals"]["merges"] == count


def test_all_of_it_by_hand(repo: Path) -> None:
    totals = facts(repo)["totals"]
    assert (totals["commits"], totals["merges"], totals["authors"]) == (5, 1, 1)
    # 40 + 1 + 40, 2 of an edit, 40 of the side, 2 + 1 of odd names; the merge's own line is not counted.
    assert totals["churn"] == {"added": 126, "deleted": 41, "files": 8, "binary": 1, "renamed": 1}
    assert totals["net"] == {"added": 1 + 1 + 40 + 2 + 1, "deleted": 0, "files": 6, "binary": 1, "renamed": 0}


HOSTILE = {
    "core.attributesFile": "/dev/zero",
    "core.bigFileThreshold": "1",
    "core.pager": "false",
    "core.quotePath": "true",
    "diff.algorithm": "patience",
    "diff.external": "false",
    "diff.orderFile": "/nowhere",
    "diff.relative": "true",
    "diff.renameLimit": "1",
    "diff.renames": "false",
    "i18n.logOutputEncoding": "UTF-16",
    "log.date": "relative",
    "log.diffMerges": "separate",
    "log.mailmap": "false",
    "log.showRoot": "false",
    "log.showSignature": "true",
    "mailmap.file": "/dev/zero",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_setting_changes_a_figure(repo: Path, name: str) -> None:
    expected = facts(repo)
    git(repo, "config", name, HOSTILE[name])
    assert facts(repo) == expected


def test_attributes_and_replaced_history_change_no_figure(repo: Path) -> None:
    expected = facts(repo)
    (repo / ".gitattributes").write_text("* -diff\n*.py binary\n", encoding="utf-8")
    git(repo, "replace", "HEAD~1", "HEAD~2")
    (repo / ".git" / "info" / "grafts").write_text(git(repo, "rev-parse", "HEAD~1").decode() + "\n", encoding="utf-8")
    found = facts(repo)
    assert (found["totals"], found["commits"]) == (expected["totals"], expected["commits"])


def test_a_bare_clone_and_a_linked_working_tree_say_the_same(repo: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", "--bare", "repo", "bare.git")
    git(repo, "worktree", "add", "-q", "--detach", "../linked")
    expected = facts(repo)
    for path in (tmp_path / "bare.git", tmp_path / "linked", repo / "docs", repo / ".git"):
        found = facts(path)
        assert (found["totals"], found["commits"], found["areas"]) == (
            expected["totals"],
            expected["commits"],
            expected["areas"],
        )


def test_people_are_counted_as_the_mailmap_of_the_project_knows_them(repo: Path) -> None:
    commit(repo, {"x": "1"}, GIT_AUTHOR_NAME="Ann", GIT_AUTHOR_EMAIL="ann@old.example")
    assert facts(repo)["totals"]["authors"] == 2
    commit(repo, {".mailmap": "Both <a@b.c> <ann@old.example>\n"})
    assert facts(repo)["totals"]["authors"] == 1


# --- the period ---


def test_what_was_written_before_and_merged_in_the_period_belongs_to_it(repo: Path) -> None:
    found = facts(repo, "1w")
    assert [c["subject"] for c in found["commits"]] == ["chore: odd names", "test: side"]
    assert (found["totals"]["commits"], found["totals"]["merges"]) == (2, 1)
    assert found["period"]["earlier"] == 1
    assert found["timeline"][0] == {"from": None, "commits": 1, "merges": 0, "added": 40, "deleted": 0}
    assert found["period"]["base"] == git(repo, "rev-parse", "HEAD~2").decode()


def test_until_looks_at_the_branch_as_it_was_then(repo: Path) -> None:
    found = facts(repo, "1990-01-01", until="10d")
    assert [c["subject"] for c in found["commits"]] == ["change", "feat: begin"]
    assert found["period"]["tip"] == git(repo, "rev-parse", "HEAD~3").decode()
    assert facts(repo, until="HEAD~3")["totals"] == found["totals"]
    assert facts(repo, until="HEAD~3")["period"]["until"] == "2026-04-08T20:26:40Z"


def test_a_day_counts_to_its_end(repo: Path) -> None:
    assert len(facts(repo, until="2026-05-26")["commits"]) == 5
    assert len(facts(repo, until="2026-05-25")["commits"]) == 4


def test_a_revision_beside_the_branch_counts_from_where_they_parted(repo: Path) -> None:
    git(repo, "checkout", "-q", "-b", "other", "HEAD~1")
    commit(repo, {"elsewhere": LINES})
    git(repo, "checkout", "-q", "main")
    found = facts(repo, "other")
    assert found["totals"]["net"] == {"added": 3, "deleted": 0, "files": 2, "binary": 0, "renamed": 0}
    assert [limit["reason"] for limit in found["limits"]] == ["parted"]


@pytest.mark.parametrize(
    ("line", "base", "strays"),
    [
        ([], None, 0),
        ([50, 40, 30], 40, 0),
        ([60, 55, 50], None, 0),
        ([40, 30], 40, 0),
        ([60, 10, 59, 58, 40, 30], 40, 1),  # a clock that was slow
        ([60, 59, 40, 99, 30, 20, 10], 40, 1),  # a clock that was fast
        ([60, 59, *range(40, 0, -1), 99, *range(40, 0, -1)], 40, 1),
    ],
)
def test_a_line_is_cut_where_the_fewest_are_on_the_wrong_side(line: list[int], base: int | None, strays: int) -> None:
    found, wrong = cut(((when, str(when)) for when in line), 50)
    assert (found, wrong) == (None if base is None else str(base), strays)


def test_no_more_of_a_long_line_is_read_than_needed() -> None:
    read = 0

    def line() -> Iterator[tuple[int, str]]:
        nonlocal read
        for number in range(10**6):
            read += 1
            yield 10**6 - number, str(number)

    assert cut(line(), 10**6 - 99) == ("100", 0)
    assert read <= LOOK_FURTHER + 102


def test_clocks_that_disagree_are_said(repo: Path) -> None:
    commit(repo, {"x": "1"}, "slow clock", at=NOW - 900 * DAY)
    commit(repo, {"x": "2"}, at=NOW - DAY)
    found = facts(repo, "1w")
    assert "slow clock" in [c["subject"] for c in found["commits"]]
    assert {"reason": "strays", "hides": False, "said": {"count": 1}} in found["limits"]


# --- what a reader would take for something else ---


def test_lock_files_are_an_area_of_their_own(tmp_path: Path) -> None:
    repo = new(tmp_path / "repo")
    locks = {"Cargo.lock": LINES, "web/package-lock.json": LINES, "go.sum": LINES}
    commit(repo, {**locks, "src/locks.py": "1\n", "lock": "1\n"})
    rows = [(row["area"], row["locks"], row["added"]) for row in facts(repo)["areas"]]
    assert rows == [(None, True, 120), ("", False, 1), ("src", False, 1)]


def test_a_revert_is_one_by_the_words_of_git_too(tmp_path: Path) -> None:
    repo = new(tmp_path / "repo")
    for subject in ('Revert "feat: x"', "revert: feat: x", "Reverting is hard", "feat: revert button"):
        commit(repo, {}, subject)
    assert {group["kind"]: group["count"] for group in facts(repo)["groups"]} == {"revert": 2, "feat": 1, "other": 1}


def test_delivery_is_told_by_tags_and_reverts_with_their_n(tmp_path: Path) -> None:
    repo = new(tmp_path / "repo")
    commit(repo, {"a": "1"}, "first", at=NOW - 20 * DAY)
    assert facts(repo)["delivery"] is None
    for day, subject in ((9, "two"), (8, "three"), (5, 'Revert "two"')):
        commit(repo, {"a": subject}, subject, at=NOW - day * DAY)
    when = {"GIT_COMMITTER_DATE": f"{int(NOW - 4 * DAY)} +0000"}
    git(repo, "tag", "-a", "-m", "v1", "v1", **when)
    git(repo, "tag", "again", "HEAD~1")  # a tag without a date of its own has its commit's
    commit(repo, {"b": "1"}, "after", at=NOW - DAY)
    assert facts(repo, "10d")["delivery"] == {
        "tags": 2,
        "days": 10,
        "lead_days": 1.0,  # 1, 0, and 1 for the revert
        "tagged": 3,
        "untagged": 1,
        "reverts": 1,
        "commits": 4,
    }


# --- parsing ---


def test_no_name_of_a_file_is_taken_for_anything_else() -> None:
    one, two = "1" * 40, "2" * 40
    pieces = [
        b"\x01" + one.encode(), b"\n1\t2\ta\tb\n", b"-\t-\t\x01bin", b"3\t0\t", b"\x01" + b"3" * 40, b"\n9\t9\tnew",
        b"\x01" + two.encode(), b"\x01" + b"4" * 40,
    ]  # fmt: skip
    assert {head[0].decode(): changes for head, changes in numstat(pieces)} == {
        one: (
            Change(1, 2, "a\tb\n"),
            Change(None, None, "\x01bin"),
            Change(3, 0, "\n9\t9\tnew", "\x01" + "3" * 40),
        ),
        two: (),
        "4" * 40: (),
    }


NAMES = st.sampled_from(["a", "b/c", "b/d.py", "tests/t.py", "é", "-", "x\ty"])
BODIES = st.one_of(st.lists(st.sampled_from(["1", "2", "3", ""]), max_size=6).map("\n".join), st.just("\0"))
STEPS = st.lists(st.dictionaries(NAMES, st.one_of(st.none(), BODIES), min_size=1, max_size=3), min_size=1, max_size=8)


@given(steps=STEPS)
@settings(max_examples=25)
def test_any_history_adds_up_to_what_git_says(steps: list[dict[str, str | None]]) -> None:
    def stream() -> Iterator[bytes]:
        for number, step in enumerate(steps):
            yield b"commit refs/heads/main\ncommitter A <a@b.c> %d +0000\n" % (NOW - 10**6 + 60 * number) + data(b"x")
            for name, body in step.items():
                quoted = b'"%s"' % name.replace("\t", "\\t").encode()
                if body is None:
                    yield b"D " + quoted + b"\n"
                else:
                    yield b"M 100644 inline " + quoted + b"\n" + data(body.encode())

    with tempfile.TemporaryDirectory() as folder:
        repo = imported(Path(folder, "repo"), stream())
        found = facts(repo)
        assert lines(found["totals"]["churn"]) == raw_sums(repo, evidence(found, "C"))
        assert lines(found["totals"]["net"]) == raw_sums(repo, evidence(found, "N"))
        assert found["totals"]["commits"] == len(steps)


# --- shares ---


@given(st.lists(st.integers(0, 10**7), max_size=30))
def test_shares_add_up_to_a_hundred(counts: list[int]) -> None:
    shares = percents(counts)
    assert round(sum(shares), 6) == (100 if sum(counts) else 0)
    total = sum(counts) or 1
    assert all(abs(share - 100 * count / total) < 0.1 + 1e-9 for share, count in zip(shares, counts, strict=True))


def test_an_area_that_holds_most_is_divided_as_long_as_that_tells_more() -> None:
    lines = {"src/pkg": 10, "src/pkg/core": 40, "src/pkg/web": 20, "docs": 15, "": 5, "tests": 30}
    assert areas_of(lines) == {
        "src/pkg": "src/pkg/*",
        "src/pkg/core": "src/pkg/core",
        "src/pkg/web": "src/pkg/web",
        "docs": "docs",
        "": "",
        "tests": "tests",
    }
    assert areas_of({}) == {}
    assert areas_of({"": 7}) == {"": ""}


def test_progress_is_told_while_commits_are_read(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, int]] = []
    monkeypatch.setattr(history, "SHOW_EACH", 2)
    facts(repo, progress=lambda done, total: told.append((done, total)))
    assert told == [(2, 6), (4, 6), (6, 6)]


# --- what is kept ---


def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many commits git was asked for their lines, call by call."""
    calls: list[int] = []
    stream = history.stream_git

    def counting(args: list[str], *rest: Any, **given: Any) -> Iterator[bytes]:
        if "--stdin" in args:
            calls.append(given["input"].count(b"\n"))
        return stream(args, *rest, **given)

    monkeypatch.setattr(history, "stream_git", counting)
    return calls


def test_a_second_run_asks_for_new_commits_only_and_says_the_same(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, cache = asked(monkeypatch), tmp_path / "kept"
    first = facts(repo, cache=cache)
    assert facts(repo, cache=cache) == first == facts(repo)
    commit(repo, {"new": "1\n"})
    assert facts(repo, cache=cache) == facts(repo)
    assert calls == [6, 6, 1, 7]


@pytest.mark.parametrize("damage", ["empty", "torn", "flipped", "another git", "noise"])
def test_a_damaged_cache_is_not_believed(repo: Path, tmp_path: Path, damage: str) -> None:
    cache = tmp_path / "kept"
    expected = facts(repo, cache=cache)
    whole = cache.read_bytes()
    flipped = whole.replace(b"[40,0,", b"[41,0,")
    assert flipped != whole
    cache.write_bytes(
        {
            "empty": b"",
            "torn": whole[:-30],
            "flipped": flipped,
            "another git": whole.replace(b"commits 2 ", b"commits 2 9", 1),
            "noise": bytes(range(256)) * 9,
        }[damage]
    )
    assert facts(repo, cache=cache) == expected
    assert cache.read_bytes() == whole


def test_a_cache_that_cannot_be_written_changes_nothing(repo: Path, tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    assert facts(repo, cache=tmp_path / "kept") == facts(repo)
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".tmp"] == []


def test_a_large_file_is_left_alone_for_few_commits(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "kept"
    expected = facts(repo, cache=cache)
    before = cache.read_bytes()
    commit(repo, {"new": "1\n"})
    monkeypatch.setattr(kept, "BYTES_A_COMMIT", 1)
    calls = asked(monkeypatch)
    assert facts(repo, cache=cache)["totals"]["commits"] == expected["totals"]["commits"] + 1
    assert (calls, cache.read_bytes()) == ([7], before)


def test_a_map_of_names_that_changed_parts_the_cache(repo: Path, tmp_path: Path) -> None:
    cache = tmp_path / "kept"
    commit(repo, {"x": "1"}, GIT_AUTHOR_NAME="Ann", GIT_AUTHOR_EMAIL="ann@old.example")
    facts(repo, cache=cache)
    commit(repo, {".mailmap": "Both <a@b.c> <ann@old.example>\n"})
    assert facts(repo, cache=cache) == facts(repo)


def test_the_end_of_a_shallow_clone_is_not_kept(repo: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", "--depth", "2", repo.as_uri(), "shallow")
    cut_off = facts(tmp_path / "shallow", cache=tmp_path / "kept")
    assert [limit["reason"] for limit in cut_off["limits"]] == ["truncated", "net_unknown"]
    git(tmp_path / "shallow", "fetch", "-q", "--unshallow")
    whole = facts(tmp_path / "shallow", cache=tmp_path / "kept")
    assert whole == facts(tmp_path / "shallow")
    assert whole["totals"] == facts(repo)["totals"]


def test_the_attributes_of_a_clone_part_its_cache_from_others(repo: Path, tmp_path: Path) -> None:
    cache = tmp_path / "kept"
    facts(repo, cache=cache)
    (repo / ".git" / "info" / "attributes").write_text("*.py -diff\n", encoding="utf-8")
    assert facts(repo, cache=cache) == facts(repo)
