"""Which files belong to a project: in a checkout, outside of one, and where names and links play tricks."""

from __future__ import annotations

import os
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest

from guardrails.source.files import Role, list_files, matches_glob, role_of, text_of
from tests.source.projects import write

if TYPE_CHECKING:
    from pathlib import Path

TREE = {
    "app/__init__.py": "",
    "app/main.py": "x = 1\n",
    "app/data.json": "{}",
    "README.md": "",
    "Dockerfile": "",
    "Dockerfile.dev": "",
    "deploy/api.dockerfile": "",
    "Procfile": "",
    "pyproject.toml": "",
    "compose.yaml": "",
    "setup.cfg": "",
    "alembic.ini": "",
    "requirements.txt": "",
    ".python-version": "",
    "stub.pyi": "",
    "notes.rst": "",
    ".venv/lib/x.py": "",
    "node_modules/x/setup.py": "",
    "app/__pycache__/main.py": "",
    ".guardrails/cache/x.py": "",
    "env/pyvenv.cfg": "",
    "env/lib/python3.11/os.py": "",
}
PYTHON = ("app/__init__.py", "app/main.py")
OTHERS = (
    ".python-version",
    "Dockerfile",
    "Dockerfile.dev",
    "Procfile",
    "README.md",
    "alembic.ini",
    "compose.yaml",
    "deploy/api.dockerfile",
    "pyproject.toml",
    "requirements.txt",
    "setup.cfg",
)


def git(folder: Path, *arguments: str) -> None:
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, env=environment, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "--quiet")
    return folder


def test_outside_a_checkout_the_folders_are_walked(tmp_path: Path) -> None:
    tree = list_files(write(tmp_path, TREE))
    assert (tree.python, tree.others, tree.left_out) == (PYTHON, OTHERS, ())


def test_in_a_checkout_tracked_and_new_files_count_and_ignored_ones_do_not(repository: Path) -> None:
    write(repository, {**TREE, ".gitignore": "ignored/\n*.secret.py\n", "ignored/x.py": "", "a.secret.py": ""})
    git(repository, "add", "app", "README.md")
    git(repository, "commit", "--quiet", "-m", "one")
    tree = list_files(repository)
    # What marks an environment is asked of the disk; git was told nothing of it here.
    assert [name for name in tree.python if not name.startswith("env/")] == list(PYTHON)
    assert set(OTHERS) <= set(tree.others)


def test_a_file_that_was_deleted_and_is_still_tracked_does_not_count(repository: Path) -> None:
    write(repository, {"a.py": "", "b.py": "", "README.md": ""})
    git(repository, "add", ".")
    for name in ("b.py", "README.md"):
        (repository / name).unlink()
    tree = list_files(repository)
    assert (tree.python, tree.others, tree.left_out) == (("a.py",), (), ())


def test_a_file_in_conflict_is_listed_once(repository: Path) -> None:
    write(repository, {"a.py": "x = 0\n"})
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "-m", "base")
    git(repository, "checkout", "--quiet", "-b", "other")
    write(repository, {"a.py": "x = 1\n"})
    git(repository, "commit", "--quiet", "-am", "theirs")
    git(repository, "checkout", "--quiet", "main")
    write(repository, {"a.py": "x = 2\n"})
    git(repository, "commit", "--quiet", "-am", "ours")
    with pytest.raises(subprocess.CalledProcessError):
        git(repository, "merge", "other")
    assert list_files(repository).python == ("a.py",)


def test_a_service_in_a_larger_repository_sees_its_own_files_alone(repository: Path) -> None:
    write(repository, {"api/a.py": "", "web/b.py": "", "c.py": "", ".gitignore": "api/gen.py\n", "api/gen.py": ""})
    git(repository, "add", ".")
    assert list_files(repository / "api").python == ("a.py",)


def test_a_folder_that_git_ignores_as_a_whole_is_walked(repository: Path) -> None:
    write(repository, {".gitignore": "build/\n", "build/a.py": "", "b.py": ""})
    assert list_files(repository / "build").python == ("a.py",)


@pytest.mark.parametrize(
    ("patterns", "left", "counts"),
    [
        (["app/gen"], ("app/main.py", "lib/x.py"), {"app/gen": 2}),
        (["app/gen/"], ("app/main.py", "lib/x.py"), {"app/gen/": 2}),
        (["*.py"], (), {"*.py": 4}),
        (["*/gen/*"], ("app/main.py", "lib/x.py"), {"*/gen/*": 2}),
        (["app/main.py"], ("app/gen/a.py", "app/gen/deep/b.py", "lib/x.py"), {"app/main.py": 1}),
        (["gen"], ("app/gen/a.py", "app/gen/deep/b.py", "app/main.py", "lib/x.py"), {"gen": 0}),
        (["lib", "app"], (), {"lib": 1, "app": 3}),
    ],
)
def test_what_is_excluded_is_left_out_and_counted(
    tmp_path: Path, patterns: list[str], left: tuple[str, ...], counts: dict[str, int]
) -> None:
    write(
        tmp_path, {"app/main.py": "", "app/gen/a.py": "", "app/gen/deep/b.py": "", "lib/x.py": "", "app/gen/r.md": ""}
    )
    tree = list_files(tmp_path, patterns)
    assert (tree.python, tree.excluded) == (left, counts)


def test_links_that_go_round_in_circles_end(tmp_path: Path) -> None:
    write(tmp_path, {"app/main.py": "x = 1\n"})
    (tmp_path / "app" / "again").symlink_to(tmp_path / "app")
    (tmp_path / "app" / "up").symlink_to(tmp_path)
    (tmp_path / "itself").symlink_to(tmp_path / "itself")
    (tmp_path / "itself.py").symlink_to(tmp_path / "itself.py")
    (tmp_path / "README.md").symlink_to(tmp_path / "README.md")
    tree = list_files(tmp_path)
    assert tree.python == ("app/main.py",)
    assert tree.left_out == (("itself.py", "a broken link"),)


def test_a_link_to_a_folder_outside_is_told_and_not_followed(tmp_path: Path) -> None:
    base = write(tmp_path / "project", {"a.py": ""})
    write(tmp_path / "elsewhere", {"b.py": ""})
    (base / "linked").symlink_to(tmp_path / "elsewhere")
    (base / "linked.py").symlink_to(tmp_path / "elsewhere")
    tree = list_files(base)
    assert tree.python == ("a.py",)
    assert tree.left_out == (
        ("linked", "a link to a folder outside the project: not followed"),
        ("linked.py", "a link to a folder outside the project: not followed"),
    )


def test_a_linked_file_is_read_once_under_its_own_name(tmp_path: Path) -> None:
    base = write(tmp_path / "project", {"a.py": "", "bin/run": "x = 1\n"})
    write(tmp_path, {"outside.py": ""})
    (base / "second.py").symlink_to(base / "a.py")
    (base / "outside.py").symlink_to(tmp_path / "outside.py")
    (base / "run.py").symlink_to(base / "bin" / "run")
    # The last has no other name under which it would be read.
    assert list_files(base).python == ("a.py", "outside.py", "run.py")


def test_links_to_nothing_and_folders_called_like_files_are_no_files(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": "", "folder.py/b.py": "", "folder.md/c.txt": ""})
    (tmp_path / "broken.py").symlink_to(tmp_path / "gone.py")
    tree = list_files(tmp_path)
    assert tree.python == ("a.py", "folder.py/b.py")
    assert tree.left_out == (("broken.py", "a broken link"),)


def test_nothing_waits_for_a_pipe(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": ""})
    for name in ("pipe.py", "README.md", "pyproject.toml"):
        os.mkfifo(tmp_path / name)
    (tmp_path / "linked.py").symlink_to(tmp_path / "pipe.py")
    tree = list_files(tmp_path)
    assert tree.python == ("a.py",)
    assert [name for name, _ in tree.left_out] == ["linked.py", "pipe.py"]
    assert text_of(tmp_path / "README.md") == ""


def test_a_socket_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.py")
        assert list_files(tmp_path).left_out == (("socket.py", "a pipe, a socket or a device"),)


def test_names_of_any_bytes_are_listed(tmp_path: Path) -> None:
    names = sorted([os.fsdecode(b"caf\xe9.py"), "new\nline.py", "sp ace.py", "-dash.py", "ü.py"])
    for name in names:
        (tmp_path / name).write_text("")
    assert list(list_files(tmp_path).python) == names


def test_a_folder_that_cannot_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, {"a.py": "", "locked/b.py": ""})
    scandir = os.scandir

    def refused(path: str) -> object:
        if str(path).rstrip("/").endswith("locked"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refused)
    tree = list_files(tmp_path)
    assert (tree.python, tree.left_out) == (("a.py",), (("locked", "cannot be read: Permission denied"),))


@pytest.mark.parametrize(
    ("path", "role"),
    [
        ("app/main.py", Role.APP),
        ("main.py", Role.APP),
        ("app/testing.py", Role.APP),
        ("app/contest.py", Role.APP),
        ("latest/x.py", Role.APP),
        ("tests/x.py", Role.TEST),
        ("app/Tests/x.py", Role.TEST),
        ("app/test_x.py", Role.TEST),
        ("app/x_test.py", Role.TEST),
        ("conftest.py", Role.TEST),
        ("shop/tests.py", Role.TEST),
        ("docs/conf.py", Role.EXAMPLE),
        ("examples/app/main.py", Role.EXAMPLE),
        ("examples/tests/x.py", Role.EXAMPLE),
        ("cookiecutter/x.py", Role.TEMPLATE),
        ("{{ cookiecutter.name }}/main.py", Role.TEMPLATE),
        ("app/_vendor/x.py", Role.VENDORED),
    ],
)
def test_a_file_s_part_is_told_by_its_place(path: str, role: Role) -> None:
    assert role_of(path) is role


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("app", "app/x.py", True),
        ("app/", "app/x.py", True),
        ("app", "application/x.py", False),
        ("app/*.py", "app/deep/x.py", True),
        ("*.py", "x.py", True),
        ("APP", "app/x.py", False),
    ],
)
def test_a_glob_covers_a_path(pattern: str, path: str, expected: bool) -> None:
    assert matches_glob(pattern, path) is expected


def test_a_text_is_read_as_far_as_it_can_be(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"caf\xe9\n")
    assert text_of(tmp_path / "a.txt") == "caf\ufffd\n"
    assert (text_of(tmp_path / "gone"), text_of(tmp_path)) == ("", "")
