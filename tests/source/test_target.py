"""Which Python a project is for, and which interpreter knows its grammar."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from guardrails.errors import InterpreterError
from guardrails.source import target
from guardrails.source.layout import Pin
from guardrails.source.target import RUNNING, Target, choose_target, needs_newer, newest_interpreter, version_of

if TYPE_CHECKING:
    from collections.abc import Callable

NEXT = (RUNNING[0], RUNNING[1] + 1)


@pytest.fixture
def interpreter(tmp_path: Path) -> Callable[..., str]:
    """Make a program that answers as an interpreter would."""

    def make(said: str, name: str = "python", status: int = 0) -> str:
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\necho '{said}'\nexit {status}\n")
        path.chmod(0o755)
        return str(path)

    return make


@pytest.fixture
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No interpreter but those that a test puts into tmp_path/bin."""
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}/usr/bin{os.pathsep}/bin")
    monkeypatch.setattr(os, "get_exec_path", lambda: [str(tmp_path / "bin")])
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")


def test_an_interpreter_is_asked_for_its_version() -> None:
    assert version_of(sys.executable) == RUNNING


@pytest.mark.parametrize(
    ("said", "status", "reason"),
    [
        ("", 0, "it ended with status 0 and no version"),
        ("3 11", 1, "it ended with status 1 and no version"),
        ("three eleven", 0, "it ended with status 0 and no version"),
        ("3 11 7", 0, "it ended with status 0 and no version"),
    ],
)
def test_what_is_no_interpreter_is_refused_with_what_it_did(
    interpreter: Callable[..., str], said: str, status: int, reason: str
) -> None:
    executable = interpreter(said, status=status)
    with pytest.raises(InterpreterError) as caught:
        version_of(executable)
    assert (caught.value.executable, caught.value.reason) == (executable, reason)


def test_an_interpreter_that_is_not_there_says_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(InterpreterError, match=r"No such file or directory. Set \[tool.guardrails\] python"):
        version_of(str(tmp_path / "gone"))


def test_an_interpreter_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    import subprocess

    def hang(*_: object, **options: object) -> object:
        raise subprocess.TimeoutExpired("python", float(str(options["timeout"])))

    monkeypatch.setattr(subprocess, "run", hang)
    with pytest.raises(InterpreterError, match="it did not answer within 10 s"):
        version_of("python")


def test_the_configured_interpreter_outranks_what_the_project_pins(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    pin = Pin((3, 8), exact=True, place=".python-version")
    assert choose_target(pin, "bin/python", tmp_path) == Target(RUNNING, True, "[tool.guardrails] python")
    assert choose_target(pin, sys.executable, tmp_path).version == RUNNING
    assert choose_target(pin, None, tmp_path) == Target((3, 8), True, ".python-version")
    assert choose_target(None, None, tmp_path) == Target(RUNNING, False, "the running Python")


@pytest.mark.parametrize("said", ["version = 3.12.1", "version_info = 3.12.0.final.0", "home = /x\nversion_info=3.12"])
def test_an_environment_in_the_project_is_read_and_not_run(tmp_path: Path, said: str) -> None:
    python = program(tmp_path / "env" / "bin" / "python", tmp_path / "was-run")
    (tmp_path / "env" / "pyvenv.cfg").write_text(f"{said}\n")
    assert choose_target(None, str(python.relative_to(tmp_path)), tmp_path).version == (3, 12)
    assert not (tmp_path / "was-run").exists()


@pytest.mark.parametrize("about", [None, "home = /usr/bin\n"])
def test_another_program_of_the_project_is_refused_and_not_run(tmp_path: Path, about: str | None) -> None:
    python = program(tmp_path / "env" / "bin" / "python", tmp_path / "was-run")
    if about is not None:
        (tmp_path / "env" / "pyvenv.cfg").write_text(about)
    with pytest.raises(InterpreterError, match="it lies in the project and is no virtual environment"):
        choose_target(None, str(python.relative_to(tmp_path)), tmp_path)
    assert not (tmp_path / "was-run").exists()


def test_a_program_of_the_project_is_not_taken_for_a_newer_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path / "bin" / f"python3.{NEXT[1]}", tmp_path / "was-run")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "get_exec_path", lambda: ["bin", "./bin", ""])
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    assert newest_interpreter() is None
    assert not (tmp_path / "was-run").exists()


def program(path: Path, mark: Path) -> Path:
    """A program that leaves a mark when it is run, and then says what an interpreter would."""
    path.parent.mkdir(parents=True)
    path.write_text(f"#!/bin/sh\ntouch '{mark}'\necho 3 {NEXT[1]}\n")
    path.chmod(0o755)
    return path


@pytest.mark.usefixtures("bare_machine")
def test_the_newest_interpreter_on_the_path_is_taken(interpreter: Callable[..., str]) -> None:
    interpreter(f"3 {NEXT[1]}", f"python3.{NEXT[1]}")
    newest = interpreter(f"3 {NEXT[1] + 1}", f"python3.{NEXT[1] + 1}")
    assert newest_interpreter() == newest


@pytest.mark.usefixtures("bare_machine")
def test_a_version_manager_s_stub_that_runs_nothing_is_passed_over(interpreter: Callable[..., str]) -> None:
    interpreter("pyenv: version not installed", f"python3.{NEXT[1] + 1}", status=127)
    real = interpreter(f"3 {NEXT[1]}", f"python3.{NEXT[1]}")
    assert newest_interpreter() == real


@pytest.mark.usefixtures("bare_machine")
def test_interpreters_of_version_managers_are_found_where_they_put_them(
    interpreter: Callable[..., str], tmp_path: Path
) -> None:
    assert newest_interpreter() is None
    made = Path(interpreter(f"3 {NEXT[1]}"))
    home = tmp_path / "home" / ".pyenv" / "versions" / f"3.{NEXT[1]}.4" / "bin"
    home.mkdir(parents=True)
    shutil.move(made, home / "python")
    assert newest_interpreter() == str(home / "python")


@pytest.mark.usefixtures("bare_machine")
def test_a_user_without_a_home_is_no_reason_to_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    assert newest_interpreter() is None


@pytest.mark.parametrize(
    ("line", "message", "expected"),
    [
        ("type X = int", "invalid syntax", (3, 12)),
        ("def f[T](x: T): ...", "expected '('", (3, 12)),
        ("    class A[T]:", "invalid syntax", (3, 12)),
        ("def f[T = int](x): ...", "expected '('", (3, 13)),
        ("x = f'{a['b']}'", "f-string: unmatched '('", (3, 12)),
        ("x = t'{a}'", "invalid syntax", (3, 14)),
        ("except A, B:", "multiple exception types must be parenthesized", (3, 14)),
        ("", "Pattern matching is only supported in Python 3.10 and greater", (3, 10)),
        ("def f(:", "invalid syntax", None),
        ("typed = 1", "invalid syntax", None),
        ("", "", None),
    ],
)
def test_a_rejected_line_tells_which_python_it_needs(
    monkeypatch: pytest.MonkeyPatch, line: str, message: str, expected: tuple[int, int] | None
) -> None:
    monkeypatch.setattr(target, "RUNNING", (3, 11))
    assert needs_newer(line, message) == expected


def test_a_line_that_the_running_python_knows_needs_no_newer_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(target, "RUNNING", (3, 14))
    assert needs_newer("type X = int", "invalid syntax") is None


def test_a_broken_line_that_merely_holds_an_f_string_is_no_sign_of_a_newer_grammar() -> None:
    assert needs_newer("x = f'{a}' b", "invalid syntax") is None
