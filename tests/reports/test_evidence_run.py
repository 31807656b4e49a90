"""`evidence run` is not there: streams, exit status, signals and terminal of the command are as without it."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.reports.projects import copied, first

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.reports.projects import Project

EVIDENCE = (sys.executable, "-m", "guardrails", "evidence", "run", "--check", "unit", "--")
BOUND = 30.0


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return first(tmp_path_factory.mktemp("runs"))


@pytest.fixture
def project(origin: Path, tmp_path: Path) -> Project:
    return copied(origin, tmp_path)


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-u", "-c", code)


def run(project: Project, *command: str, **given: Any) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*EVIDENCE, *command], cwd=project.top, capture_output=True, check=False, **given)


def started(project: Project, *command: str) -> subprocess.Popen[bytes]:
    pipe = subprocess.PIPE
    return subprocess.Popen([*EVIDENCE, *command], cwd=project.top, stdout=pipe, stderr=pipe, stdin=pipe)


def stored(project: Project) -> dict[str, Any]:
    (file,) = (project.top / ".guardrails/evidence").glob("*.json")
    record: dict[str, Any] = json.loads(file.read_text())
    return record


@pytest.mark.parametrize("status", [0, 1, 5, 255])
def test_streams_and_status_are_those_of_the_command(project: Project, status: int) -> None:
    code = f"import os; os.write(1, bytes(range(256))); os.write(2, b'\\xff\\0no line end'); os._exit({status})"
    done = run(project, *python(code))
    assert (done.returncode, done.stdout, done.stderr) == (status, bytes(range(256)), b"\xff\0no line end")
    command = stored(project)["command"]
    assert (command["exit_code"], command["signal"], command["stdout"]["bytes"]) == (status, None, 256)


def test_output_is_passed_on_while_the_command_runs(project: Project) -> None:
    with started(project, *python("print('ready'); print(input())")) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.stdin.write(b"from stdin\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"from stdin\n"
        assert process.wait(BOUND) == 0


def test_the_command_sees_the_environment_that_we_were_given(project: Project) -> None:
    environ = {"PATH": os.environ["PATH"], "LC_ALL": "C", "ODD": "\udcff"}
    done = run(project, "env", "-0", env=environ)
    assert dict(pair.split(b"=", 1) for pair in done.stdout.split(b"\0")[:-1]) == {
        os.fsencode(name): os.fsencode(value) for name, value in environ.items()
    }


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGUSR1])
def test_a_signal_reaches_the_command_which_may_answer_it(project: Project, number: signal.Signals) -> None:
    code = f"import signal, sys; signal.signal({int(number)}, lambda *_: sys.exit(7)); print('ready'); signal.pause()"
    with started(project, *python(code)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(number)
        assert process.wait(BOUND) == 7
    assert stored(project)["command"]["exit_code"] == 7


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV, signal.SIGINT])
def test_who_waits_sees_the_signal_that_ended_the_command(project: Project, number: signal.Signals) -> None:
    done = run(project, "sh", "-c", f"echo before; kill -{int(number)} $$")
    assert (done.returncode, done.stdout) == (-number, b"before\n")
    record = stored(project)
    assert (record["outcome"], record["summary"]) == ("failed", f"killed by {number.name}")
    assert (record["command"]["exit_code"], record["command"]["signal"]) == (None, number)


def test_a_signal_without_a_name_is_recorded_by_its_number(project: Project) -> None:
    number = int(signal.SIGRTMIN) + 1
    assert run(project, "sh", "-c", f"kill -{number} $$").returncode == -number
    assert stored(project)["summary"] == f"killed by signal {number}"


def test_a_reader_who_goes_away_ends_the_command_as_always(project: Project) -> None:
    script = " ".join([*EVIDENCE, "yes", "|", "head", "-1"])
    done = subprocess.run(
        ["bash", "-c", f"{script}; exit ${{PIPESTATUS[0]}}"], cwd=project.top, capture_output=True, check=False
    )
    assert (done.stdout, done.returncode) == (b"y\n", 128 + signal.SIGPIPE)
    assert stored(project)["command"]["signal"] == signal.SIGPIPE


def test_one_whom_the_command_leaves_behind_is_not_waited_for(project: Project) -> None:
    before = time.monotonic()
    with started(project, "sh", "-c", "sleep 300 & echo $!") as process:
        assert process.stdout is not None
        left = int(process.stdout.readline())
        try:
            assert process.wait(BOUND) == 0
        finally:
            os.kill(left, signal.SIGKILL)
    assert time.monotonic() - before < BOUND


@pytest.mark.parametrize(
    ("command", "status", "said"),
    [
        (["no-such-program"], 127, b"not found on the PATH"),
        (["./src"], 126, b"is a folder"),
        (["./src/app.py"], 126, b"may not be executed"),
    ],
)
def test_what_cannot_be_run_ends_as_in_a_shell_and_leaves_no_record(
    project: Project, command: list[str], status: int, said: bytes
) -> None:
    done = run(project, *command)
    assert (done.returncode, done.stdout) == (status, b"")
    assert said in done.stderr
    assert not (project.top / ".guardrails").exists()


def test_nothing_runs_where_nothing_could_be_recorded(project: Project, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    done = subprocess.run([*EVIDENCE, "touch", "ran"], cwd=outside, capture_output=True, check=False)
    assert (done.returncode, list(outside.iterdir())) == (2, [])
    assert project.run("touch", "ran", options=("--watch", "nowhere")) == 2
    assert not (project.top / "ran").exists()


def test_a_record_that_cannot_be_written_changes_no_status(project: Project) -> None:
    (project.top / ".guardrails").write_text("in the way")
    done = run(project, *python("print('ran'); exit(4)"))
    assert (done.returncode, done.stdout) == (4, b"ran\n")
    assert b"guardrails: not recorded" in done.stderr


def test_memory_is_bounded_for_output_of_any_length(project: Project) -> None:
    command = [*EVIDENCE, "head", "-c", "400000000", "/dev/zero"]
    # Between it and this process stands a small one: before it is another program, a child is as large as its parent.
    measure = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    between = [sys.executable, "-c", measure, *command]
    peak = int(subprocess.run(between, cwd=project.top, capture_output=True, check=True).stdout)
    kept = stored(project)["command"]["stdout"]
    assert (kept["bytes"], len(kept["head"]) + len(kept["tail"]) <= 8000) == (400_000_000, True)
    assert peak < 100 * 1024  # KiB


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 33, 111, 0, 0))
    yield ours, theirs
    os.close(ours)


def test_on_a_terminal_the_command_has_one_too(project: Project, terminal: tuple[int, int]) -> None:
    ours, theirs = terminal
    code = "import os; print([os.isatty(n) for n in range(3)], *os.get_terminal_size(1)); print('two')"
    process = subprocess.Popen([*EVIDENCE, *python(code)], cwd=project.top, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""
    while select.select([ours], [], [], BOUND)[0]:
        try:
            shown += os.read(ours, 4096)
        except OSError:
            break
    assert process.wait(BOUND) == 0
    first_line, second, said, *_ = shown.decode().split("\r\n")
    assert (first_line, second) == ("[True, True, True] 111 33", "two")
    # To a person the record is named.
    record = stored(project)
    assert said.startswith(f"guardrails: {record['id']} unit passed E1")
    # What is kept are the command's own bytes, not those that a terminal makes of them.
    assert record["command"]["stdout"]["head"] == f"{first_line}\ntwo\n"


def test_what_ran_is_kept(project: Project) -> None:
    (project.top / "src" / "app.py").write_text("X = 2\n")
    done = subprocess.run([*EVIDENCE, "echo", "hi"], cwd=project.top / "src", capture_output=True, check=False)
    assert done.stdout == b"hi\n"
    record = stored(project)
    assert (record["kind"], record["check"], record["rung"], record["outcome"]) == ("command", "unit", "E1", "passed")
    assert (record["command"]["argv"], record["command"]["cwd"]) == (["echo", "hi"], "src")
    assert record["command"]["stdout"] == {
        "bytes": 3,
        "head": "hi\n",
        "redacted": False,
        "sha256": "98ea6e4f216f2fb4b69fff9b3a44842c38686ca685f3f55dc48c5d3fb1107be4",
        "tail": "",
    }
    assert record["dirty"] is not None
