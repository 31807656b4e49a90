"""What a report says where not all can be found out: a clear message or an honest line, and no wrong figure."""

from __future__ import annotations

import json
import os
import shutil
import zlib
from typing import TYPE_CHECKING, Any

import pytest

from guardrails.errors import ConfigError, GitError
from guardrails.reports.render import FORMS, render
from tests.cli.command import guardrails
from tests.reports.repositories import DAY, NOW, commit, data, facts, git, imported, new, raw_sums

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed: reports are not tested")


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """Ten commits, one a day."""
    folder = new(tmp_path / "repo")
    for number in range(10):
        commit(folder, {f"f{number % 3}.py": "x\n" * (number + 1)}, f"step {number}", at=NOW - (11 - number) * DAY)
    git(folder, "config", "uploadpack.allowFilter", "true")
    return folder


def limits(found: dict[str, Any]) -> list[str]:
    return [limit["reason"] for limit in found["limits"]]


def pages(found: dict[str, Any]) -> dict[str, str]:
    return {form: render(found, form) for form in FORMS}


def status(cwd: Path, *arguments: str, **variables: str) -> Any:
    return guardrails("report", "status", *arguments, cwd=cwd, SOURCE_DATE_EPOCH=str(int(NOW)), **variables)


# --- no repository, nothing in it ---


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "no git repository here or above: name the folder of one"),
        (["nowhere"], "nowhere: no such folder"),
        (["file.txt"], "file.txt"),
        (["repo", "--since", "gone"], "--since: no revision 'gone' here: write an age such as 2w"),
        (["repo", "--since", "--help-me"], "--since: no revision '--help-me' here"),
        (["repo", "--since", "2026-13-45"], "--since: no revision '2026-13-45' here"),
        (["repo", "--since", "a\nb"], "--since: no revision"),
        (["repo", "--since", ""], "--since: no revision '' here"),
        (["repo", "--until", "gone"], "--until: no revision 'gone' here"),
        (["repo", "--since", "1d", "--until", "2d"], "--since 1d is later than --until 2d"),
        (["repo", "--format", "yaml"], "'yaml' is not one of"),
        (["repo", "--lang", "de"], "'de' is not one of"),
        (["repo", "--output", "report.md"], "'report.md' is no FORMAT=FILE; formats are markdown, json, html"),
        (["repo", "--output", "html=file.txt/x"], "cannot write file.txt/x"),
        (["repo", "--output", "html=a", "--output", "json=./a"], "a is named twice"),
        (["repo", "--junit", "gone.xml"], "gone.xml"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_ends_with_2_and_says_what_to_do(repo: Path, arguments: list[str], said: str) -> None:
    (repo.parent / "file.txt").touch()
    done = status(repo.parent, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_without_git_the_message_says_install_git(repo: Path, tmp_path: Path) -> None:
    done = status(repo, PATH=str(tmp_path / "none"))
    assert (done.returncode, done.stdout) == (2, "")
    assert "git is not installed, or not on the PATH: install git" in done.stderr


@pytest.mark.parametrize("form", FORMS)
def test_an_empty_repository_has_a_report_that_says_so(tmp_path: Path, form: str) -> None:
    folder = new(tmp_path / "empty")
    done = status(folder, "--format", form)
    assert (done.returncode, done.stderr) == (0, "")
    assert ("no_commits" if form == "json" else "There is no commit yet.") in done.stdout


def test_a_period_before_the_history_is_said(repo: Path) -> None:
    found = facts(repo, until="2020-01-01")
    assert (limits(found), found["totals"]["commits"]) == (["nothing_that_early"], 0)
    assert "The history begins after the end of the period." in pages(found)["markdown"]


def test_a_period_without_commits_is_said(repo: Path) -> None:
    found = facts(repo, "1h")
    assert found["totals"]["net"] == {"added": 0, "deleted": 0, "files": 0, "binary": 0, "renamed": 0}
    assert all("No commits in this period." in pages(found)[form] for form in ("markdown", "html"))


def test_a_detached_head_is_said(repo: Path) -> None:
    git(repo, "checkout", "-q", "--detach", "HEAD~2")
    found = facts(repo)
    assert (limits(found), found["totals"]["commits"]) == (["detached"], 8)


def test_uncommitted_changes_are_said_and_not_counted(repo: Path) -> None:
    (repo / "f0.py").write_text("changed\n")
    found = facts(repo)
    assert (limits(found), found["repository"]["dirty"]) == (["dirty"], True)


# --- clones that lack something ---


def test_a_shallow_clone_within_the_period_is_truncated_and_its_end_not_counted(repo: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", "--depth", "3", repo.as_uri(), "shallow")
    found = facts(tmp_path / "shallow")
    assert limits(found) == ["truncated", "net_unknown"]
    assert found["totals"]["net"] is None
    assert found["totals"]["commits"] == 3
    # Only the two whose parents are here; the third looks as if it had made the whole tree.
    assert found["totals"]["churn"]["added"] == raw_sums(repo, ["git", "log", "--numstat", "HEAD~2..HEAD"])["added"]
    assert found["commits"][-1]["added"] is None
    for form in ("markdown", "html"):
        assert (
            "HISTORY TRUNCATED: this clone is shallow and ends within the period. The lines of 1 " in pages(found)[form]
        )


def test_a_shallow_clone_that_holds_the_period_says_the_same_as_the_whole(repo: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", "--depth", "6", repo.as_uri(), "shallow")
    found, whole = facts(tmp_path / "shallow", "4d"), facts(repo, "4d")
    assert limits(found) == []
    assert found["totals"] == whole["totals"]
    assert found["commits"] == whole["commits"]


def test_a_truncated_history_ends_with_3_under_strict_only(repo: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", "--depth", "3", repo.as_uri(), "shallow")
    assert status(tmp_path / "shallow").returncode == 0
    assert status(tmp_path / "shallow", "--strict").returncode == 3
    assert status(repo, "--strict").returncode == 0


def test_a_base_that_a_shallow_clone_lacks_is_asked_for(repo: Path, tmp_path: Path) -> None:
    base = git(repo, "rev-parse", "HEAD~8").decode()
    git(tmp_path, "clone", "-q", "--depth", "3", repo.as_uri(), "shallow")
    with pytest.raises(ConfigError, match="this clone is shallow, `git fetch --unshallow` brings the rest"):
        facts(tmp_path / "shallow", base)


@pytest.mark.parametrize("kind", ["blob:none", "tree:0"])
def test_a_partial_clone_says_that_lines_are_unknown_and_fetches_nothing(repo: Path, tmp_path: Path, kind: str) -> None:
    git(tmp_path, "clone", "-q", "--no-checkout", f"--filter={kind}", repo.as_uri(), "partial")
    before = git(tmp_path / "partial", "count-objects", "-v")
    found = facts(tmp_path / "partial")
    assert limits(found)[:2] == ["partial", "net_unknown"]
    assert found["totals"] == {"commits": 10, "merges": 0, "authors": 1, "churn": None, "net": None}
    assert git(tmp_path / "partial", "count-objects", "-v") == before
    assert "LINES UNKNOWN" in pages(found)["markdown"]


def test_a_submodule_is_not_entered_and_its_commit_is_a_line(repo: Path, tmp_path: Path) -> None:
    git(repo, "submodule", "--quiet", "add", repo.as_uri(), "inner")
    commit(repo, {}, "add inner")
    commit(repo / "inner", {"f9.py": "x\n" * 50}, "inside")
    commit(repo, {}, "move inner")
    found = facts(repo, "HEAD~1")
    assert found["totals"]["net"] == {"added": 1, "deleted": 1, "files": 1, "binary": 0, "renamed": 0}
    assert [c["subject"] for c in found["commits"]] == ["move inner"]


def test_a_damaged_repository_ends_with_3_and_without_a_traceback(repo: Path) -> None:
    tree = git(repo, "rev-parse", "HEAD~4^{tree}").decode()
    damaged = repo / ".git" / "objects" / tree[:2] / tree[2:]
    damaged.chmod(0o644)
    damaged.write_bytes(b"damaged")
    done = status(repo, "--since", "1990-01-01")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("guardrails: nothing was found out: `git ")
    with pytest.raises(GitError):
        facts(repo)


# --- large, odd, hostile ---


def test_binary_and_large_files_are_files_without_or_with_lines(repo: Path) -> None:
    commit(
        repo,
        {"photo.raw": os.urandom(3_000_000), "huge.csv": b"1,2,3\n" * 1_000_000, "one-line.json": b"x" * 5_000_000},
    )
    found = facts(repo, "HEAD~1")
    assert found["totals"]["net"] == {"added": 1_000_001, "deleted": 0, "files": 3, "binary": 1, "renamed": 0}
    assert limits(found) == ["binary"]


def test_bytes_that_are_no_text_are_shown_and_lose_nothing(tmp_path: Path) -> None:
    def stream() -> Iterator[bytes]:
        who = b"Andr\xe9 \xff <a\xff@b.c> %d +0000" % (NOW - DAY)
        yield (
            b"commit refs/heads/main\nauthor "
            + who
            + b"\ncommitter "
            + who
            + b"\n"
            + data(b"\xff\xfe caf\xe9\n\nBREAKING CHANGE: \xff")
        )
        yield b'M 100644 inline "d\\377\\n/\\346.py"\n' + data(b"1\n")
        yield b"commit refs/heads/main\ncommitter A <a@b.c> 99999999999999 +0000\n" + data(b"")
        yield b"M 100644 inline plain\n" + data(b"1\n")
        yield b"tag v\xff\nfrom refs/heads/main\ntagger A <a@b.c> 1 +0000\n" + data(b"t")

    repo = imported(tmp_path / "repo", stream())
    git(repo, "branch", "-m", "main", "br\u202eanch")
    found = facts(repo)
    assert [c["subject"] for c in found["commits"]] == ["", "\\xff\\xfe caf\\xe9"]
    assert found["commits"][0]["date"] == "@99999999999999"
    assert found["groups"][0]["kind"] == "breaking"
    assert found["areas"][0]["area"] in {"", "d\\xff\n"}
    assert found["releases"][0]["name"] == "v\\xff"
    for page in pages(found).values():
        page.encode("utf-8")
    assert "\u202e" not in pages(found)["markdown"] + pages(found)["html"]


def test_a_gigantic_message_is_cut_and_costs_no_figure(tmp_path: Path) -> None:
    def stream() -> Iterator[bytes]:
        yield b"commit refs/heads/main\ncommitter A <a@b.c> 1700000000 +0000\n" + data(b"word " * 1_000_000)
        yield b"M 100644 inline f\n" + data(b"1\n")

    found = facts(imported(tmp_path / "repo", stream()))
    assert found["totals"]["churn"]["added"] == 1
    assert len(found["commits"][0]["subject"]) == 300


@pytest.mark.slow  # fifty thousand commits are written and read
def test_a_history_of_fifty_thousand_commits_is_counted_whole_and_the_page_stays_small(tmp_path: Path) -> None:
    count = 50_000

    def stream() -> Iterator[bytes]:
        for number in range(count):
            yield b"commit refs/heads/main\ncommitter A%d <a%d@b.c> %d +0000\n" % (
                number % 99,
                number % 99,
                1_500_000_000 + 60 * number,
            )
            yield data(b"fix: number %d" % number)
            yield b"M 100644 inline d%d/f%d\n" % (number % 30, number % 7) + data(b"%d\n" % number)

    repo = imported(tmp_path / "repo", stream())
    found = facts(repo, cache=tmp_path / "kept")
    assert (found["totals"]["commits"], found["totals"]["authors"]) == (count, 99)
    assert found["totals"]["churn"]["added"] == count
    assert (len(found["commits"]), found["commits_omitted"]) == (100, count - 100)
    assert {form: len(page) < 200_000 for form, page in pages(found).items()} == dict.fromkeys(FORMS, True)
    assert facts(repo, cache=tmp_path / "kept") == found


def test_what_a_secret_looks_like_is_in_no_page(repo: Path) -> None:
    token = "ghp_" + "a1B2" * 9
    commit(repo, {f"{token}/x.py": "1\n"}, f"use {token}", GIT_AUTHOR_NAME=f"A {token}")
    git(repo, "tag", f"v-{token}")
    assert [form for form, page in pages(facts(repo)).items() if token in page] == []


# --- the command ---


def test_the_command_writes_what_it_is_asked_for_and_keeps_lines_in_an_ignored_folder(repo: Path) -> None:
    done = status(repo, "--since", "1990-01-01", "--output", "html=out/s.html", "--output", "json=out/s.json")
    assert (done.returncode, done.stderr) == (0, "")
    found = facts(repo)
    assert (repo / ".guardrails" / "cache" / "commits").is_file()
    assert git(repo, "status", "--porcelain").decode().split() == ["??", "out/"]
    found["repository"]["dirty"] = False
    assert "# Status: repo" in done.stdout
    assert (repo / "out" / "s.html").read_text("utf-8").startswith("<!DOCTYPE html>")
    again = status(repo, "--since", "1990-01-01", "--no-cache")
    assert (
        again.stdout.replace("- The working tree has uncommitted changes, which are not counted.\n", "") == done.stdout
    )


def test_without_a_cache_nothing_is_left_behind(repo: Path) -> None:
    status(repo, "--no-cache")
    assert not (repo / ".guardrails").exists()


def test_a_cache_that_the_repository_carries_is_not_believed(repo: Path) -> None:
    expected = status(repo, "--since", "9d", "--format", "json").stdout
    cache = repo / ".guardrails" / "cache" / "commits"
    first, _, kept = cache.read_bytes().partition(b"\n")
    forged = kept.replace(b"[[3,", b"[[93,", 1)
    cache.write_bytes(first[:-8] + b"%08x" % zlib.crc32(forged) + b"\n" + forged)
    assert status(repo, "--since", "9d", "--format", "json").stdout != expected
    git(repo, "add", "--force", ".guardrails/cache/commits")
    git(repo, "commit", "-q", "-m", "carry", GIT_COMMITTER_DATE=f"{int(NOW)} +0000")
    git(repo, "tag", "carried")
    done = status(repo, "--since", "9d", "--until", "HEAD~1", "--format", "json")
    assert json.loads(done.stdout)["totals"] == json.loads(expected)["totals"]


def test_an_old_report_can_be_made_again_byte_for_byte(repo: Path) -> None:
    runs = {
        status(repo, "--no-cache", "--format", form, TZ=zone, LC_ALL=locale, PYTHONHASHSEED=seed).stdout
        for form in ("markdown",)
        for zone, locale, seed in (
            ("UTC", "C", "0"),
            ("Asia/Tokyo", "uk_UA.UTF-8", "1"),
            ("America/Lima", "tr_TR", "2"),
        )
    }
    assert len(runs) == 1
