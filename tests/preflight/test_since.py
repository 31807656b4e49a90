"""`--since REV`: what was found at files that did not change is left out, and said."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from guardrails.config import Config, PreflightConfig
from guardrails.errors import ConfigError
from guardrails.preflight import run_gate
from guardrails.preflight.since import changes_since
from tests.preflight.cases import write_files
from tests.preflight.test_baseline import api

if TYPE_CHECKING:
    from pathlib import Path

    from guardrails.evidence import GateRecord

pytestmark = pytest.mark.usefixtures("no_processes")

IDENTITY = {f"GIT_{who}_{what}": "a@b.c" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


def git(cwd: Path, *argv: str) -> str:
    env = {**os.environ, **IDENTITY, "GIT_CONFIG_GLOBAL": os.devnull}
    return subprocess.run(["git", *argv], cwd=cwd, env=env, capture_output=True, text=True, check=True).stdout.strip()


def commit(repository: Path, files: dict[str, str]) -> str:
    write_files(repository, files)
    git(repository, "add", "--all")
    git(repository, "commit", "-q", "-m", "change")
    return git(repository, "rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Two services; both hold a defect in their first commit."""
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    commit(folder, {"svc/app/old.py": api("/a", "/a"), "svc/app/kept.py": "x = 1\n", "other/app.py": api("/o", "/o")})
    return folder


def gated(folder: Path, since: str | None, **settings: object) -> GateRecord:
    said = {"record": False, "select": ("GR-ROUTE",), **settings}
    return run_gate(folder, config=Config(preflight=PreflightConfig(**said)), since=since)  # type: ignore[arg-type]


def paths(record: GateRecord) -> list[str]:
    return sorted(finding.path for finding in record.findings)


def test_what_did_not_change_is_left_out_counted_and_fails_nothing(repository: Path) -> None:
    assert gated(repository / "svc", None).exit_code == 1
    record = gated(repository / "svc", "HEAD")
    assert (record.exit_code, paths(record), record.summary["left_out"]) == (0, [], 1)
    commit_ = git(repository, "rev-parse", "HEAD")[:12]
    assert f"since HEAD ({commit_}): files changed: 0; 1 finding at other files left out" in record.notes


@pytest.mark.parametrize("state", ["committed", "staged", "unstaged", "untracked"])
def test_a_change_counts_in_every_state(repository: Path, state: str) -> None:
    base = git(repository, "rev-parse", "HEAD")
    name = "new" if state == "untracked" else "kept"
    files = {f"svc/app/{name}.py": api("/k", "/k")}
    if state == "committed":
        commit(repository, files)
    else:
        write_files(repository, files)
    if state == "staged":
        git(repository, "add", "--all")
    record = gated(repository / "svc", base)
    assert (record.exit_code, paths(record), record.summary["left_out"]) == (1, [f"app/{name}.py"], 1)


def test_what_git_ignores_and_what_lies_outside_the_project_is_no_change(repository: Path) -> None:
    base = commit(repository, {".gitignore": "svc/app/ignored.py\n"})
    write_files(repository, {"svc/app/ignored.py": "x = 1\n", "other/app.py": api("/o")})
    assert changes_since(base, repository / "svc").files == frozenset()


def test_a_file_in_a_changed_folder_touches_the_folder_and_the_project(repository: Path) -> None:
    write_files(repository, {"svc/app/deep/new.py": "x = 1\n"})
    changes = changes_since("HEAD", repository / "svc")
    assert [changes.touch(path) for path in (".", "app", "app/deep", "app/deep/new.py", "app/old.py", "apple")] == [
        *(True, True, True, True),
        *(False, False),
    ]


def test_a_deleted_and_a_renamed_file_are_changes(repository: Path) -> None:
    git(repository, "mv", "svc/app/old.py", "svc/app/renamed.py")
    git(repository, "rm", "-q", "svc/app/kept.py")
    assert changes_since("HEAD", repository / "svc").files == {"app/old.py", "app/renamed.py", "app/kept.py"}


def test_a_branch_is_compared_with_the_point_where_it_left(repository: Path) -> None:
    git(repository, "switch", "-q", "-c", "topic")
    commit(repository, {"svc/app/topic.py": api("/t", "/t")})
    git(repository, "switch", "-q", "main")
    commit(repository, {"svc/app/kept.py": "x = 2\n"})
    git(repository, "switch", "-q", "topic")
    changes = changes_since("main", repository / "svc")
    assert changes.files == {"app/topic.py"}
    assert ", from where HEAD left it (" in changes.said


@pytest.mark.parametrize(
    "revision",
    ["nowhere", "", "-h", "--all", "--since=yesterday", "--glob=*", "HEAD:svc", "HEAD~9", "main..", "a\nb", "@{u}"],
)
def test_an_unknown_revision_is_a_mistake_with_its_fix(repository: Path, revision: str) -> None:
    with pytest.raises(ConfigError) as caught:
        changes_since(revision, repository / "svc")
    assert f"--since: no revision {revision!r} here: fetch it, or name a revision that" in str(caught.value)


def test_a_shallow_clone_is_named_as_the_reason(repository: Path, tmp_path: Path) -> None:
    base = git(repository, "rev-parse", "HEAD")
    commit(repository, {"svc/app/kept.py": api("/k", "/k")})
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{repository}", str(clone))
    with pytest.raises(ConfigError, match="this clone is shallow: fetch the history first"):
        changes_since(base, clone / "svc")
    git(clone, "fetch", "-q", "--depth", "1", "origin", base)
    changes = changes_since(base, clone / "svc")
    assert changes.files == {"app/kept.py"}
    assert changes.said.endswith("no common ancestor with HEAD is known: this clone is shallow")


def test_outside_a_repository_there_is_nothing_to_compare(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no git repository here: leave --since away"):
        changes_since("HEAD", tmp_path)


def test_a_repository_without_a_commit_has_no_revision(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    with pytest.raises(ConfigError, match="no revision 'HEAD' here"):
        changes_since("HEAD", tmp_path)


def test_names_that_are_not_utf_8_are_told_apart(repository: Path) -> None:
    for name in ("caf\udce9.py", "grün\n.py", '"quoted".py'):
        (repository / "svc" / "app" / name).write_text(api("/a", "/a"), encoding="utf-8")
    record = gated(repository / "svc", "HEAD")
    assert (len(record.findings), record.summary["left_out"]) == (3, 1)


def test_under_strict_only_a_changed_file_must_have_been_analysed(repository: Path) -> None:
    commit(repository, {"svc/app/template.py": "def (:\n"})
    record = gated(repository / "svc", "HEAD", strict=True)
    assert (record.exit_code, [item.path for item in record.not_analysed]) == (0, ["app/template.py"])
    write_files(repository, {"svc/app/template.py": "def ((:\n"})
    assert gated(repository / "svc", "HEAD", strict=True).exit_code == 3
