"""`guardrails session`, `report session` and `report progress` as a user runs them."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from guardrails.cli import main
from tests.cli.command import guardrails
from tests.cli.contract import COUNT, TEXT, closed
from tests.reports.repositories import NOW, commit, git, new

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed: sessions are not tested")


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = new(tmp_path / "repo")
    git(folder, "config", "user.name", "Ada Example")
    commit(folder, {"a.py": "1\n"}, "first")
    monkeypatch.chdir(folder)
    for name in ("GIT_AUTHOR_NAME", "GIT_CONFIG_GLOBAL", "GUARDRAILS_DEBUG", "SOURCE_DATE_EPOCH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return folder


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def session(*arguments: str) -> str:
    done = run("session", *arguments)
    assert (done.exit_code, done.stderr) == (0, "")
    return done.stdout


def test_a_session_from_its_start_to_its_page(repo: Path) -> None:
    assert session("start", "cut streams", "--goal", "none is lost") == "started  cut streams on main\n"
    assert session("task", "add", "bound it", "--priority", "P1", "--estimate", "30", "--owner", "Ada") == (
        "open  T1 bound it (P1, 30 min, Ada)\n"
    )
    assert session("task", "add", "--kind", "criterion", "none in 10 min") == "open  C1 none in 10 min\n"
    assert session("task", "tick", "T1", "--commit", "HEAD") == (
        "done  T1 bound it (P1, 30 min, Ada)  (asserted: no --evidence)\n"
    )
    assert session("note", "it is the proxy", "--by", "agent:reviewer") == "noted  it is the proxy\n"
    assert session("decide", "retry once", "--why", "cheap") == "decided  retry once\n"
    assert session("metric", "p95", "--before", "2.5", "--unit", "s") == "before  p95: 2.5 s\n"
    assert session("artifact", "a.py").startswith("recorded  a.py  sha256 4355a46b19d3…, 2 bytes")
    assert session("set", "--goal", "another") == "set  cut streams\n"
    assert session("pause", "--reason", "lunch").startswith("paused  cut streams, active for ")
    assert session("resume") == "resumed  cut streams on main\n"
    assert session("task", "defer", "c1", "--reason", "later") == "deferred  C1 none in 10 min\n"
    assert session("end").startswith("complete  cut streams, active for ")
    page = run("report", "session", "cut streams")
    assert page.exit_code == 0
    assert "# Session: cut streams" in page.stdout
    assert "ticked by Ada Example" in page.stdout
    assert "| agent:reviewer | 1 | 0 |" in page.stdout
    assert "**completed**" in run("report", "progress").stdout


def test_the_list_marks_what_runs_here(repo: Path) -> None:
    assert session("list") == "no session yet: guardrails session start NAME\n"
    session("plan", "later")
    session("start", "now")
    lines = session("list").splitlines()
    assert [line[:11].split() for line in lines] == [["*", "active"], ["planned"]]


def test_mistakes_end_with_2_and_the_next_command(repo: Path) -> None:
    for arguments, said in {
        ("note", "x"): "no session runs here: `guardrails session start NAME` begins one",
        ("pause",): "no session runs here",
        ("resume",): "no session is paused",
        ("resume", "gone"): "there is no session here yet",
        ("status",): "there is no session here yet",
        ("start", " "): "NAME is empty",
        ("note", "x", "--by", "agent:"): "names nobody: write NAME, agent:NAME or ci:NAME",
        ("metric", "p95"): "give --before or --after, one at a time",
        ("metric", "p95", "--before", "nan"): "no figure that can be compared",
        ("metric", "p95", "--before", "1e99"): "no figure that can be compared",
        ("set",): "nothing to set: give --goal or --approach",
        ("task", "tick", "T1", "--commit", "gone"): "no commit 'gone' here",
        ("task", "add", "x", "--estimate", "0"): "not in the range",
        ("artifact", "gone"): "does not exist",
        ("artifact", "/etc/hostname"): "lies outside the repository",
        ("gone",): "No such command 'gone'",
    }.items():
        done = run("session", *arguments)
        assert (done.exit_code, done.stdout) == (2, ""), (arguments, done.output)
        assert said in done.stderr, arguments
    for name in ("session", "progress"):
        done = run("report", name, *(["gone"] if name == "session" else ["--since", "gone"]))
        assert (done.exit_code, done.stdout) == (2, "")
    session("start", "cut streams")
    assert "did you mean 'cut streams'?" in run("report", "session", "cut straem").stderr


def test_without_a_repository_or_a_name_the_message_says_what_to_do(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(repo, "config", "--unset", "user.name")
    done = run("session", "start", "x")
    assert (done.exit_code, "git does not know your name: --by NAME" in done.stderr) == (2, True)
    (tmp_path / ".gitconfig").write_text("[user]\n name = From Home\n")
    session("start", "x")
    assert json.loads(session("note", "y", "--format", "json"))["by"] == {"kind": "human", "name": "From Home"}
    monkeypatch.setenv("GIT_AUTHOR_NAME", "From Environment")
    assert json.loads(session("note", "y", "--format", "json"))["by"]["name"] == "From Environment"
    monkeypatch.chdir(tmp_path)
    done = run("session", "start", "x")
    assert (done.exit_code, "no git repository here or above" in done.stderr) == (2, True)


def test_a_session_that_git_ignores_is_told(repo: Path) -> None:
    assert "note:" not in session("start", "seen")
    session("end")
    (repo / ".gitignore").write_text(".guardrails/\n")
    assert "note: git ignores .guardrails/sessions/ here" in session("start", "unseen")


def test_a_git_that_fails_ends_with_3(repo: Path) -> None:
    session("start", "x")
    (repo / ".git" / "config").write_text("[core\n")
    done = run("session", "note", "y")
    assert (done.exit_code, done.stdout, "Traceback" in done.stderr) == (3, "", False)
    assert "nothing was found out" in done.stderr


def test_a_terminal_is_shown_no_control_characters_and_no_secrets(repo: Path) -> None:
    session("start", "x\x1b[2J\u202ey")
    token = "ghp" + "_" + "Zk3vQ9xT1mB7cD5eF2gH8jK4lM6nP0qR9sT3"
    shown = session("note", f"\x1b]0;title\x07 {token}") + session("status") + session("list")
    assert {char for char in shown if not char.isprintable()} == {"\n"}
    assert token not in shown
    assert token not in "".join(file.read_text() for file in (repo / ".guardrails").rglob("*.jsonl"))


BY = closed(kind={"enum": ["human", "agent", "ci"]}, name=TEXT)
MAYBE = {"type": ["string", "null"]}
ITEM = closed(
    id=TEXT, ref={"type": "string", "pattern": "^[TCDN][0-9]+"}, number=COUNT,
    kind={"enum": ["task", "criterion", "debt", "next"]}, text=TEXT,
    state={"enum": ["open", "done", "blocked", "deferred"]},
    priority=MAYBE, estimate={"type": ["integer", "null"]}, owner=MAYBE, at=TEXT, by=BY, reason=MAYBE,
    evidence={"type": "array", "items": TEXT}, commits={"type": "array", "items": TEXT}, cause=MAYBE,
)  # fmt: skip
LISTED = closed(
    id=TEXT, name=TEXT, state=TEXT, created=TEXT, started=MAYBE, ended=MAYBE, branch=MAYBE, active=COUNT, wall=COUNT,
    goal=MAYBE, done=COUNT, of=COUNT, damaged=COUNT, current={"type": "boolean"},
)  # fmt: skip
SESSION = closed(
    **dict.fromkeys(("id", "name", "state", "created", "changed", "newest"), TEXT),
    **dict.fromkeys(("goal", "approach", "reason", "started", "ended", "branch", "base", "tip"), MAYBE),
    **dict.fromkeys(("active", "wall", "misfits", "clock_back"), COUNT),
    **{name: {"type": "array"} for name in ("notes", "decisions", "artifacts", "metrics", "actors")},
    items={"type": "array", "items": ITEM},
)


def mistakes(schema: dict[str, Any], text: str) -> list[str]:
    return [
        f"{list(error.path)}: {error.message}" for error in Draft202012Validator(schema).iter_errors(json.loads(text))
    ]


def test_the_json_for_machines_keeps_its_shape(repo: Path) -> None:
    assert mistakes(SESSION, session("start", "x", "--goal", "g", "--format", "json")) == []
    assert mistakes(ITEM, session("task", "add", "one", "--format", "json")) == []
    assert (
        mistakes(ITEM, session("task", "tick", "T1", "--evidence", "01A", "--commit", "HEAD", "--format", "json")) == []
    )
    session("task", "add", "--kind", "next", "two", "--estimate", "5")
    listed = closed(sessions={"type": "array", "items": LISTED}, unreadable={"type": "array", "items": TEXT})
    assert mistakes(listed, session("list", "--format", "json")) == []
    shown = closed(session=SESSION, damaged={"type": "array"})
    assert mistakes(shown, session("status", "--format", "json")) == []


def test_pages_are_written_beside_what_is_printed_and_strict_tells_the_verdict(repo: Path) -> None:
    session("start", "x")
    session("task", "add", "one")
    session("task", "tick", "T1")
    done = run(
        "report", "session", "--format", "json", "--output", "html=a.html", "--output", "markdown=a.md", "--strict"
    )
    facts = json.loads(done.stdout)
    assert (done.exit_code, facts["kind"], facts["claims"][0]["verdict"]) == (0, "session", "UNSUPPORTED")
    assert (repo / "a.html").read_text().startswith('<!DOCTYPE html>\n<html lang="en">')
    assert (repo / "a.md").read_text().startswith("# Session: x")
    (file,) = (repo / ".guardrails" / "sessions").rglob("*.jsonl")
    file.write_bytes(file.read_bytes() + b"garbage\n")
    assert run("report", "session").exit_code == 0
    assert run("report", "session", "--strict").exit_code == 3
    assert run("report", "progress", "--strict").exit_code == 3


def test_the_command_itself_leaves_no_traceback_whatever_lies_in_the_folder(repo: Path) -> None:
    session("start", "x")
    (folder,) = (repo / ".guardrails" / "sessions").iterdir()
    for name, data in {
        "a.jsonl": b"\xff\xfe",
        "b.jsonl": b"[]\n" * 50,
        "c.jsonl": b'{"v":1}',
        "d.jsonl": b"\0" * 99,
    }.items():
        (folder / name).write_bytes(data)
    for arguments in (["list"], ["status"], ["note", "y"], ["status", "--format", "json"]):
        done = guardrails("session", *arguments, cwd=repo)
        assert (done.returncode, done.stderr) == (0, ""), arguments
    done = guardrails("report", "session", cwd=repo, SOURCE_DATE_EPOCH=str(int(NOW) + 10**9))
    assert (done.returncode, done.stderr, "SESSION DAMAGED" in done.stdout) == (0, "", True)


def test_every_command_has_an_example_in_its_help() -> None:
    for arguments in (["session"], ["session", "task"], ["report", "session"], ["report", "progress"]):
        done = run(*arguments, "--help")
        assert "Example: guardrails " in done.stdout, arguments
    names = [
        line.split()[0] for line in run("session", "--help").stdout.split("Commands:")[1].splitlines() if line.strip()
    ]
    for name in names[: names.index("Example:")]:
        assert "Example: guardrails session " in run("session", name, "--help").stdout, name
