"""Real git in a folder of its own; the repositories are as hostile as their settings allow."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from guardrails import git
from guardrails.errors import GitError
from guardrails.git import Head, head, run_git, stream_git, tracked_files

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed: its use is not tested")

ROOT_ONLY = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away: not tested"
)


def sh(cwd: Path, *args: str, **env: str) -> str:
    """The user's own git, far from this machine's settings."""
    settings = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "protocol.file.allow=always"]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    clean |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", **env}
    done = subprocess.run(["git", *settings, *args], cwd=cwd, env=clean, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit(repo: Path, **files: str) -> str:
    for name, text in files.items():
        (repo / name).write_text(text, encoding="utf-8")
    sh(repo, "add", "--all")
    sh(repo, "commit", "--quiet", "--allow-empty", "-m", "x")
    return sh(repo, "rev-parse", "HEAD")


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    folder = tmp_path / "repo"
    folder.mkdir()
    sh(folder, "init", "--quiet", "--initial-branch=main")
    return folder


def test_a_command_returns_what_it_wrote(repo: Path) -> None:
    commit(repo, a="1")
    assert run_git(["cat-file", "-p", "HEAD:a"], repo) == b"1"
    assert run_git(["cat-file", "-p", "HEAD:a"], str(repo)) == b"1"


def test_input_is_handed_over_and_otherwise_closed(repo: Path) -> None:
    assert run_git(["hash-object", "--stdin"], repo, input=b"x" * 200_000) != b""
    empty = run_git(["hash-object", "--stdin"], repo, input=b"")
    assert run_git(["hash-object", "--stdin"], repo) == empty


def test_a_failure_tells_command_status_and_reason(repo: Path) -> None:
    with pytest.raises(
        GitError, match=r"^`git cat-file -p nonsense` ended with status 128: fatal: .*nonsense"
    ) as caught:
        run_git(["cat-file", "-p", "nonsense"], repo)
    assert caught.value.argv == ("git", "cat-file", "-p", "nonsense")
    assert caught.value.returncode == 128
    assert "fatal:" in caught.value.stderr


def test_what_git_complains_of_is_redacted(repo: Path) -> None:
    with pytest.raises(GitError) as caught:
        run_git(["ls-remote", "https://me:hunter2@host.invalid/x"], repo)
    assert "hunter2" not in caught.value.stderr


def test_a_folder_that_is_not_there_is_told_from_a_missing_git(tmp_path: Path) -> None:
    with pytest.raises(GitError, match="nowhere") as caught:
        run_git(["status"], tmp_path / "nowhere")
    assert caught.value.returncode == git.NOT_STARTED


def test_without_git_the_error_says_install_git(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(repo))
    with pytest.raises(GitError, match="status 127: git is not installed, or not on the PATH: install git") as caught:
        run_git(["status"], repo)
    assert caught.value.returncode == git.NOT_FOUND
    assert head(repo) is None
    assert tracked_files(repo) is None


@pytest.mark.parametrize("path", ["", ".", f"{os.pathsep}.{os.pathsep}bin"])
def test_a_program_called_git_in_the_repository_is_not_run(
    repo: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    for folder in (repo, repo / "bin"):
        program(folder, "git", "touch ran")
    monkeypatch.setenv("PATH", path)
    run_git(["--version"], repo)
    assert not (repo / "ran").exists()


# --- neutral settings ---


def program(folder: Path, name: str, script: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    "variable", ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_CONFIG_PARAMETERS", "GIT_TRACE"]
)
def test_the_variables_of_a_git_hook_do_not_lead_elsewhere(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    expected = commit(repo, a="1")
    monkeypatch.setenv(variable, str(tmp_path / "elsewhere"))
    assert head(repo) == Head(expected, dirty=False)
    assert tracked_files(repo) == ["a"]


def test_the_settings_of_user_and_system_are_not_read(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(repo, a="1")
    (tmp_path / ".gitconfig").write_text("[core]\n\texcludesFile = ~/ignore\n[status]\n\tshowUntrackedFiles = no\n")
    (tmp_path / "ignore").write_text("new\n")
    (tmp_path / ".config" / "git").mkdir(parents=True)
    (tmp_path / ".config" / "git" / "ignore").write_text("new\n")
    for variable in ("HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(variable, str(tmp_path))
    (repo / "new").touch()
    with pytest.raises(GitError, match=r"ended with status 1$"):
        run_git(["config", "--get", "status.showUntrackedFiles"], repo)
    assert tracked_files(repo) == ["a", "new"]
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / ".config"))
    assert tracked_files(repo) == ["a", "new"]
    found = head(repo)
    assert found is not None
    assert found.dirty is True


def test_messages_are_english_and_uncoloured(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit(repo, a="1")
    sh(repo, "config", "color.ui", "always")
    sh(repo, "config", "color.diff", "always")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    monkeypatch.setenv("LANGUAGE", "de")
    assert b"\x1b" not in run_git(["log", "-p"], repo)
    with pytest.raises(GitError, match="does not exist"):
        run_git(["cat-file", "-p", "HEAD:b"], repo)


HOSTILE = {
    "fsmonitor": "[core]\n\tfsmonitor = {}\n",
    "hooks": "[core]\n\thooksPath = {folder}\n",
    "pager": "[core]\n\tpager = {}\n[pager]\n\tlog = {}\n\tstatus = {}\n",
    "external diff": "[diff]\n\texternal = {}\n",
    "diff driver": '[diff "evil"]\n\tcommand = {}\n\ttextconv = {}\n',
    "clean filter": '[filter "evil"]\n\tclean = {}\n\tsmudge = {}\n\trequired = true\n',
    "process filter": '[filter "evil"]\n\tprocess = {}\n\trequired\n',
    "signature": "[log]\n\tshowSignature = true\n[gpg]\n\tprogram = {}\n",
    "alternates": "[core]\n\talternateRefsCommand = {}\n",
    "merge driver": '[merge "evil"]\n\tdriver = {}\n',
    "archive": '[tar "zip"]\n\tcommand = {}\n',
    "included": "[include]\n\tpath = more\n",
    "configured hook": '[hook "evil"]\n\tevent = post-index-change\n\tcommand = {}\n',
}
COMMANDS = [
    ["status", "--porcelain"],
    ["diff"],
    ["diff", "HEAD"],
    ["diff-index", "-p", "HEAD"],
    ["diff-files", "-p"],
    ["log", "-p"],
    ["log", "--format=%G?"],
    ["show"],
    ["blame", "f"],
    ["ls-files", "-m"],
    ["rev-list", "--all", "--alternate-refs"],
    ["grep", "ho"],
    ["stash", "list", "-p"],
    ["update-index", "--refresh", "-q"],
]  # fmt: skip


@pytest.mark.parametrize("setting", HOSTILE)
def test_no_program_named_by_the_repository_is_run(repo: Path, tmp_path: Path, setting: str) -> None:
    commit(repo, f="hi", g="1", **{".gitattributes": "* diff=evil filter=evil merge=evil\n"})
    marker = tmp_path / "ran"
    evil = program(tmp_path / "evil", "evil", f"touch {marker}; cat")
    for hook in ("post-index-change", "reference-transaction", "pre-auto-gc"):
        shutil.copy(evil, evil.parent / hook)
    settings = HOSTILE[setting].replace("{folder}", str(evil.parent)).replace("{}", str(evil))
    if setting == "signature":
        signed = sh(repo, "cat-file", "commit", "HEAD").replace(
            "\n\n", "\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n\n", 1
        )
        made = run_git(["hash-object", "-t", "commit", "-w", "--stdin"], repo, input=signed.encode())
        sh(repo, "update-ref", "HEAD", made.decode().strip())
    if setting == "alternates":
        shutil.copytree(repo / ".git", tmp_path / "other" / ".git")
        (repo / ".git" / "objects" / "info").mkdir(exist_ok=True)
        (repo / ".git" / "objects" / "info" / "alternates").write_text(f"{tmp_path}/other/.git/objects\n")
    if setting == "included":
        (repo / ".git" / "more").write_text(HOSTILE["clean filter"].replace("{}", str(evil)))
    with (repo / ".git" / "config").open("a") as config:
        config.write(settings)
    (repo / "f").write_text("ho")
    os.utime(repo / "g", (1, 1))
    found = head(repo)
    assert found is not None
    assert found.dirty is True
    assert tracked_files(repo) == [".gitattributes", "f", "g"]
    for command in COMMANDS:
        try:
            run_git(command, repo)
        except GitError:
            continue  # refusing is as good, running is not
    assert not marker.exists()


def test_the_hostile_settings_would_be_run_by_a_plain_git(repo: Path, tmp_path: Path) -> None:
    commit(repo, f="hi", **{".gitattributes": "* filter=evil\n"})
    evil = program(tmp_path, "evil", f"touch {tmp_path / 'ran'}; cat")
    sh(repo, "config", "filter.evil.clean", str(evil))
    (repo / "f").write_text("ho")
    sh(repo, "status")
    assert (tmp_path / "ran").exists()


def test_a_filter_with_an_awkward_name_is_silenced_too(repo: Path, tmp_path: Path) -> None:
    commit(repo, f="hi", **{".gitattributes": "* filter=a.b=c\n"})
    evil = program(tmp_path, "evil", f"touch {tmp_path / 'ran'}; cat")
    with (repo / ".git" / "config").open("a") as config:
        config.write(f'[filter "a.b=c"]\n\tclean = {evil}\n')
    (repo / "f").write_text("ho")
    assert b"+ho" in run_git(["diff"], repo)
    assert not (tmp_path / "ran").exists()


def test_a_partial_clone_fetches_nothing(repo: Path, tmp_path: Path) -> None:
    commit(repo, a="1")
    evil = program(tmp_path, "evil", f"touch {tmp_path / 'ran'}")
    for name, value in {
        "core.repositoryFormatVersion": "1",
        "extensions.partialClone": "origin",
        "remote.origin.url": f"ext::{evil}",
        "remote.origin.promisor": "true",
        "protocol.ext.allow": "always",
        "protocol.allow": "always",
    }.items():
        sh(repo, "config", name, value)
    blob = sh(repo, "rev-parse", "HEAD:a")
    (repo / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(GitError):
        run_git(["cat-file", "-p", "HEAD:a"], repo)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "address", ["ext::{}", "ssh://host.invalid/x", "git://host.invalid/x", "https://host.invalid/x"]
)
def test_nothing_is_asked_over_the_network(repo: Path, tmp_path: Path, address: str) -> None:
    evil = program(tmp_path, "evil", f"touch {tmp_path / 'ran'}")
    names = ["core.sshCommand", "core.gitProxy", "core.askPass", "credential.helper", "remote.origin.uploadpack"]
    for name in names:
        sh(repo, "config", name, str(evil))
    for protocol in ("ext", "ssh", "git", "https"):
        sh(repo, "config", f"protocol.{protocol}.allow", "always")
    sh(repo, "config", "remote.origin.url", address.replace("{}", str(evil)))
    with pytest.raises(GitError, match=r"transport '.*' not allowed"):
        run_git(["ls-remote", "origin"], repo)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("ignore", ["", "\tignore = none\n"])
def test_a_submodule_is_not_entered(repo: Path, tmp_path: Path, ignore: str) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    sh(inner, "init", "--quiet")
    commit(inner, f="hi", **{".gitattributes": "* filter=evil\n"})
    sh(repo, "submodule", "--quiet", "add", str(inner), "sub")
    with (repo / ".gitmodules").open("a") as modules:
        modules.write(ignore)
    expected = commit(repo, a="1")
    evil = program(tmp_path, "evil", f"touch {tmp_path / 'ran'}; cat")
    for name in ("core.fsmonitor", "filter.evil.clean"):
        sh(repo / "sub", "config", name, str(evil))
    (repo / "sub" / "f").write_text("ho")
    assert head(repo) == Head(expected, dirty=False)
    assert tracked_files(repo) == [".gitmodules", "a"]
    run_git(["diff"], repo)
    assert not (tmp_path / "ran").exists()


def test_replaced_history_is_not_believed(repo: Path) -> None:
    first = commit(repo, a="1")
    second = commit(repo, a="2")
    sh(repo, "replace", second, first)
    assert run_git(["rev-list", "--count", "HEAD"], repo) == b"2\n"


@ROOT_ONLY
def test_another_users_repository_can_be_read(repo: Path) -> None:
    expected = commit(repo, a="1")
    for path in [repo, *repo.rglob("*")]:
        os.chown(path, 12345, 12345)
    assert head(repo) == Head(expected, dirty=False)
    assert tracked_files(repo) == ["a"]


def test_a_read_only_command_leaves_the_index_alone(repo: Path) -> None:
    commit(repo, a="1")
    os.utime(repo / "a", (1, 1))
    before = (repo / ".git" / "index").read_bytes()
    head(repo)
    assert (repo / ".git" / "index").read_bytes() == before


# --- time-outs ---


def gone(pid: int) -> bool:
    """Whether a process has ended; what nobody has waited for yet is a zombie, and has."""
    status = Path(f"/proc/{pid}/stat")
    for _ in range(200):
        try:
            if Path("/proc/self/stat").exists():
                if status.read_text().rpartition(")")[2].split()[0] == "Z":
                    return True
            else:
                os.kill(pid, 0)
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.01)
    return False


@pytest.mark.parametrize("script", ["sleep 60 & echo $! > child; wait", "sleep 60 & echo $! > child"])
def test_a_time_out_kills_git_and_its_children(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    program(tmp_path / "bin", "git", f"echo $$ > leader; {script}")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    started = time.monotonic()
    with pytest.raises(GitError, match=r"^`git .*` did not end in time: killed after 0\.3 s$") as caught:
        run_git(["status"], tmp_path, timeout=0.3)
    assert time.monotonic() - started < 10
    assert caught.value.returncode is None
    for name in ("leader", "child"):
        assert gone(int((tmp_path / name).read_text())), name


def test_an_interrupt_kills_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "bin", "git", "echo $$ > leader; exec sleep 60")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)

    def interrupted(process: subprocess.Popen[bytes], *args: object) -> tuple[bytes, bytes]:
        while not (tmp_path / "leader").exists() or not (tmp_path / "leader").read_text():
            time.sleep(0.01)
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess.Popen, "communicate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_git(["status"], tmp_path)
    assert gone(int((tmp_path / "leader").read_text()))


def test_a_status_that_fails_leaves_the_commit(repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = commit(repo, a="1")
    real = shutil.which("git")
    failing = 'case "$*" in *" status "*) exit 1;; esac'
    program(tmp_path / "bin", "git", f'{failing}; exec {real} "$@"')
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    assert head(repo) == Head(expected, dirty=None)


def test_a_repository_that_cannot_be_read_is_not_taken_for_none(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (repo / ".git" / "config").write_text("[core\n")
    assert head(repo) == Head(None, None)
    with pytest.raises(GitError, match="bad config"):
        tracked_files(repo)


# --- head ---


def test_head_of_a_clean_repository(repo: Path) -> None:
    expected = commit(repo, a="1")
    assert head(repo) == Head(commit=expected, dirty=False)
    assert head(repo) == (expected, False)
    (repo / "folder").mkdir()
    assert head(repo / "folder") == Head(expected, dirty=False)


def test_head_outside_a_repository_starts_no_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "Popen", lambda *args, **kwargs: pytest.fail("git was started"))
    assert head(tmp_path) is None
    assert tracked_files(tmp_path) is None
    assert head(tmp_path / "nowhere") is None


def test_what_only_looks_like_a_repository_is_none(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    assert head(tmp_path) is None
    assert tracked_files(tmp_path) is None


def test_head_of_an_empty_repository_has_no_commit(repo: Path) -> None:
    assert head(repo) == Head(None, dirty=False)
    (repo / "a").touch()
    assert head(repo) == Head(None, dirty=True)
    assert tracked_files(repo) == ["a"]


def test_a_detached_head_has_its_commit(repo: Path) -> None:
    first = commit(repo, a="1")
    commit(repo, a="2")
    sh(repo, "checkout", "--quiet", "--detach", first)
    assert head(repo) == Head(first, dirty=False)


@pytest.mark.parametrize(
    ("change", "dirty"),
    [
        (lambda repo: (repo / "a").write_text("2"), True),
        (lambda repo: (repo / "a").unlink(), True),
        (lambda repo: (repo / "new").touch(), True),
        (lambda repo: sh(repo, "rm", "--quiet", "--cached", "a"), True),
        (lambda repo: (repo / "a").chmod(0o755), True),
        (lambda repo: (repo / "ignored.log").touch(), False),
        (lambda repo: (repo / "empty").mkdir(), False),
        (lambda repo: os.utime(repo / "a", (1, 1)), False),
    ],
    ids=["changed", "deleted", "untracked", "unstaged", "made executable", "ignored", "empty folder", "touched"],
)
def test_what_makes_a_repository_dirty(repo: Path, change: object, dirty: bool) -> None:
    expected = commit(repo, a="1", **{".gitignore": "*.log\n"})
    assert callable(change)
    change(repo)
    assert head(repo) == Head(expected, dirty=dirty)


def test_the_repository_is_dirty_as_a_whole(repo: Path) -> None:
    (repo / "folder").mkdir()
    expected = commit(repo, a="1")
    (repo / "elsewhere").touch()
    assert head(repo / "folder") == Head(expected, dirty=True)


def test_a_worktree_has_its_own_head(repo: Path, tmp_path: Path) -> None:
    first = commit(repo, a="1")
    second = commit(repo, a="2")
    sh(repo, "worktree", "add", "--quiet", "--detach", str(tmp_path / "tree"), first)
    (tmp_path / "tree" / "new").touch()
    assert head(tmp_path / "tree") == Head(first, dirty=True)
    assert head(repo) == Head(second, dirty=False)
    assert tracked_files(tmp_path / "tree") == ["a", "new"]


def test_a_bare_repository_has_no_files(repo: Path, tmp_path: Path) -> None:
    expected = commit(repo, a="1")
    sh(tmp_path, "clone", "--quiet", "--bare", str(repo), str(tmp_path / "bare" / ".git"))
    assert head(tmp_path / "bare") == Head(expected, dirty=None)
    assert tracked_files(tmp_path / "bare") is None
    assert head(repo / ".git") == Head(expected, dirty=None)


# --- tracked_files ---


def test_files_are_tracked_or_not_ignored_and_there(repo: Path) -> None:
    (repo / "pkg").mkdir()
    commit(repo, b="1", a="1", deleted="1", **{".gitignore": "*.log\nbuild/\n", "pkg/m.py": "1", "kept.log": "1"})
    sh(repo, "add", "--force", "kept.log")
    (repo / "deleted").unlink()
    (repo / "build").mkdir()
    for name in ("new", "ignored.log", "build/x", "pkg/new.py"):
        (repo / name).touch()
    assert tracked_files(repo) == [".gitignore", "a", "b", "kept.log", "new", "pkg/m.py", "pkg/new.py"]
    assert tracked_files(repo / "pkg") == ["m.py", "new.py"]
    assert tracked_files(f"{repo / 'pkg'}/") == ["m.py", "new.py"]
    assert tracked_files(repo / "build") == []


def test_a_relative_path_is_taken_from_the_working_folder(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit(repo, a="1")
    monkeypatch.chdir(repo.parent)
    assert tracked_files("repo") == ["a"]
    monkeypatch.chdir(repo)
    assert tracked_files(".") == ["a"]


def test_a_file_in_conflict_is_listed_once(repo: Path) -> None:
    commit(repo, a="1")
    sh(repo, "checkout", "--quiet", "-b", "other")
    commit(repo, a="2")
    sh(repo, "checkout", "--quiet", "main")
    commit(repo, a="3")
    with pytest.raises(subprocess.CalledProcessError):
        sh(repo, "merge", "other")
    assert tracked_files(repo) == ["a"]


def test_a_nested_repository_is_not_entered(repo: Path) -> None:
    commit(repo, a="1")
    (repo / "nested").mkdir()
    sh(repo / "nested", "init", "--quiet")
    (repo / "nested" / "x").touch()
    assert tracked_files(repo) == ["a"]
    assert tracked_files(repo / "nested") == ["x"]


def test_links_are_listed_and_not_followed(repo: Path) -> None:
    (repo / "folder").mkdir()
    commit(repo, **{"folder/x": "1"})
    (repo / "link").symlink_to("folder")
    (repo / "broken").symlink_to("nowhere")
    assert tracked_files(repo) == ["broken", "folder/x", "link"]


@pytest.mark.skipif(sys.platform != "linux", reason="other file systems refuse such names: not tested")
def test_any_name_that_a_file_can_bear(repo: Path) -> None:
    names = [
        b"with space",
        b"new\nline",
        b"quote\"and'",
        b"back\\slash",
        b"tab\t",
        "\u00e9t\u00e9".encode(),
        b"-x",
        b":(top)",
    ]
    names += [b"\xff\xfe latin", b"\xe9"]
    for name in names:
        Path(os.fsdecode(os.fsencode(repo) + b"/" + name)).touch()
    sh(repo, "add", "--all")
    (repo / "unt\nracked").touch()
    listed = tracked_files(repo)
    assert listed == sorted([*map(os.fsdecode, names), "unt\nracked"])
    assert all((repo / name).exists() for name in listed)


def test_importing_starts_nothing_heavy() -> None:
    program = "import guardrails.git, sys; print(sorted({'subprocess', 'typing', 're', 'pathlib'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}; {program}"],
                          check=True, capture_output=True, text=True)  # fmt: skip
    assert done.stdout.strip() == "[]"


# --- streams ---


def test_a_stream_yields_what_stands_before_each_nul(repo: Path) -> None:
    names = ["a", "b c", "é", "new\nline"]
    commit(repo, **dict.fromkeys(names, "1"))
    pieces = list(stream_git(["ls-tree", "-z", "--name-only", "HEAD"], repo / ".git"))
    assert sorted(pieces) == sorted(name.encode() for name in names)


def test_a_stream_takes_more_input_than_a_pipe_holds(repo: Path) -> None:
    name = commit(repo, a="1")
    asked = f"{name}\n".encode() * 20_000
    argv = ["log", "-z", "--format=%H", "--no-walk=unsorted", "--stdin"]
    assert list(stream_git(argv, repo / ".git", input=asked)) == [name.encode()]


def test_a_stream_of_lines_is_parted_at_line_breaks(repo: Path) -> None:
    names = [commit(repo, a="1"), commit(repo, a="2")]
    assert list(stream_git(["rev-list", "HEAD"], repo / ".git", separator=b"\n")) == [n.encode() for n in names[::-1]]


def test_a_stream_is_not_flushed_commit_by_commit(repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "bin", "git", 'printf "%s\\0" "$GIT_FLUSH"')
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    assert list(stream_git(["rev-list", "HEAD"], repo / ".git")) == [b"0"]


def test_a_stream_that_fails_says_so_after_what_it_gave(repo: Path) -> None:
    commit(repo, a="1")
    given = []
    with pytest.raises(GitError, match="nonsense") as caught:
        given.extend(stream_git(["log", "-z", "--format=%H", "HEAD", "nonsense"], repo / ".git"))
    assert (given, caught.value.returncode) == ([], 128)


def test_a_long_piece_is_cut_and_the_next_is_whole(repo: Path) -> None:
    commit(repo, a="x" * (3 * git.LONGEST_PIECE) + "\0end")
    long, end = stream_git(["cat-file", "blob", "HEAD:a"], repo / ".git")
    assert git.LONGEST_PIECE <= len(long) < 2 * git.LONGEST_PIECE
    assert end == b"end"


def endless(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a git on the PATH that answers, then goes on without an end; the file holds its number."""
    script = f'case "$*" in *config*) exit 0;; esac\necho $$ > {folder}/pid\nprintf "a\\0"\nexec sleep 60'
    program(folder / "bin", "git", script)
    monkeypatch.setenv("PATH", f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}")
    return folder / "pid"


def test_a_stream_that_is_closed_early_ends_git(repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pid = endless(tmp_path, monkeypatch)
    pieces = stream_git(["log"], repo / ".git")
    assert next(pieces) == b"a"
    pieces.close()  # type: ignore[attr-defined]
    assert gone(int(pid.read_text()))


def test_a_stream_without_an_end_is_killed_in_time(repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pid = endless(tmp_path, monkeypatch)
    begun = time.monotonic()
    with pytest.raises(GitError, match=r"killed after 0\.5 s") as caught:
        list(stream_git(["log"], repo / ".git", timeout=0.5))
    assert caught.value.returncode is None
    assert time.monotonic() - begun < 30
    assert gone(int(pid.read_text()))


def test_reading_half_of_a_stream_leaves_no_git_behind(repo: Path) -> None:
    for _ in range(30):
        commit(repo)
    before = threading.active_count()
    pieces = stream_git(["log", "-z", "--format=%H"], repo / ".git")
    assert len(next(pieces)) == 40
    pieces.close()  # type: ignore[attr-defined]
    deadline = time.monotonic() + 30
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == before


def test_a_stream_runs_no_program_of_the_repository(repo: Path, tmp_path: Path) -> None:
    touch = program(tmp_path / "bin", "touch-it", f"touch {tmp_path}/ran\ncat")
    commit(repo, a="1", **{".gitattributes": "* diff=mine filter=mine"})
    for name in ("diff.external", "diff.mine.command", "diff.mine.textconv", "filter.mine.clean", "core.fsmonitor"):
        sh(repo, "config", name, str(touch))
    commit_again = ["log", "-z", "-p", "--numstat", "--format=%H"]
    assert list(stream_git(commit_again, repo / ".git")) != []
    assert not (tmp_path / "ran").exists()
