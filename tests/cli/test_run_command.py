"""`guardrails run`: the gate first, then the command in its place, as a child and as process 1 of a container."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from guardrails.cli import main
from tests.cli.command import BROKEN, SOUND, guardrails, project
from tests.preflight.owned import gone, source
from tests.support import need

if TYPE_CHECKING:
    from collections.abc import Mapping

PLUGINS = '[tool.guardrails]\nplugins = ["checks/*.py"]\n'
RUN = [sys.executable, "-m", "guardrails", "run"]
linux = pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")

# Tells who it is, waits for a line, and ends as it is told.
TELLS = """
import json, os, signal, sys
signal.signal(signal.SIGTERM, lambda *_: os._exit(42))
print(json.dumps([os.getpid(), sys.argv[1:], dict(os.environ)]), flush=True)
line = sys.stdin.readline().strip()
print("heard", line, flush=True)
os.kill(os.getpid(), int(line[1:])) if line.startswith("-") else os._exit(int(line))
"""


def own(answer: str, **said: object) -> dict[str, str]:
    """A sound project with one check of its own."""
    words = "".join(f", {name}={value!r}" for name, value in said.items())
    return {**SOUND, "checks/a.py": source(f"@check('own'{words})\ndef own(ctx):\n    {answer}\n")}


def started(folder: Path, *options: str, prefix: tuple[str, ...] = (), **variables: str) -> subprocess.Popen[str]:
    """`guardrails run` with a command that tells who it is."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GUARDRAILS_", "COV"))}
    return subprocess.Popen(
        [*prefix, *RUN, *options, "--", sys.executable, "-c", TELLS, "a", "--", "-b"],
        cwd=folder,
        env={**kept, **variables},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def as_process_1() -> tuple[str, ...]:
    """What makes a command process 1 of a PID namespace, as a container does."""
    words = (need("unshare", "process 1"), "--pid", "--fork", "--mount-proc", "--kill-child")
    if subprocess.run([*words, "true"], capture_output=True, check=False).returncode != 0:
        # A right is nothing that can be installed, so no machine can be asked to have it.
        pytest.skip("no right to make a PID namespace: process 1 not tested")
    return words


@pytest.fixture(params=["a child", "process 1"])
def prefix(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """Before the command: nothing, or what makes it process 1."""
    if request.param == "a child":
        return ()
    words: tuple[str, ...] = request.getfixturevalue("as_process_1")
    return words


def inner(process: subprocess.Popen[str], prefix: tuple[str, ...]) -> int:
    """The process that `guardrails run` is, seen from here."""
    if not prefix:
        return process.pid
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if found := children.read_text().split():
            return int(found[0])
        time.sleep(0.01)
    raise AssertionError("nothing was started")


def test_the_command_takes_the_place_of_the_gate(tmp_path: Path, prefix: tuple[str, ...]) -> None:
    process = started(project(tmp_path, SOUND), prefix=prefix, MARK="kept")
    assert process.stdout is not None
    pid, arguments, environ = json.loads(process.stdout.readline())
    assert pid == (1 if prefix else process.pid)
    assert arguments == ["a", "--", "-b"]
    assert environ["MARK"] == "kept"
    out, err = process.communicate("7\n", timeout=60)
    assert (process.returncode, out) == (7, "heard 7\n")
    assert err.startswith("guardrails: PASSED  0 errors")


@pytest.mark.parametrize("status", [0, 7, 255])
def test_the_exit_status_of_the_command_is_kept(tmp_path: Path, status: int, prefix: tuple[str, ...]) -> None:
    process = started(project(tmp_path, SOUND), prefix=prefix)
    process.communicate(f"{status}\n", timeout=60)
    assert process.returncode == status


def test_the_signal_that_ends_the_command_is_kept(tmp_path: Path) -> None:
    process = started(project(tmp_path, SOUND))
    process.communicate("-9\n", timeout=60)
    assert process.returncode == -signal.SIGKILL


def test_a_signal_reaches_the_command(tmp_path: Path, prefix: tuple[str, ...]) -> None:
    process = started(project(tmp_path, SOUND), prefix=prefix)
    assert process.stdout is not None
    process.stdout.readline()
    os.kill(inner(process, prefix), signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 42


@pytest.mark.slow  # three processes are started before the signal
@linux
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_waiting_and_all_checks(
    tmp_path: Path, number: signal.Signals, prefix: tuple[str, ...]
) -> None:
    marker = uuid.uuid4().hex
    hang = f"open('began', 'w'); subprocess.run([sys.executable, '-c', 'import time; time.sleep(600)', '{marker}'])"
    process = started(project(tmp_path, own(hang, timeout=600), PLUGINS), "--wait", "1h", prefix=prefix)
    end = time.monotonic() + 60
    while not (tmp_path / "began").exists() and time.monotonic() < end:
        time.sleep(0.01)
    os.kill(inner(process, prefix), number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (128 + number, "")
    assert err == f"guardrails: ended by {number.name}; nothing was started\n"
    assert gone(marker)


@linux
def test_process_1_hands_no_zombies_to_the_command(tmp_path: Path, as_process_1: tuple[str, ...]) -> None:
    project(tmp_path, SOUND)
    states = (
        "import glob; print([open(p).read().rpartition(')')[2].split()[0] for p in glob.glob('/proc/[0-9]*/stat')])"
    )
    # The subshell leaves its child behind, which becomes process 1's and ends long before the command is started.
    script = '(sh -c "exit 3" &); exec "$@"'
    words = [*as_process_1, "sh", "-c", script, "sh", *RUN, "--", sys.executable, "-c", states]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "['R']\n"


def test_the_environment_is_handed_on_as_it_was(tmp_path: Path) -> None:
    project(tmp_path, SOUND)
    # Where the locale is C, the interpreter adds to the environment.
    given = {"PATH": os.environ["PATH"], "ONE": "1"}
    words = [*RUN, "--", "env"]
    done = subprocess.run(words, cwd=tmp_path, env=given, capture_output=True, text=True, check=True)
    assert dict(line.split("=", 1) for line in done.stdout.splitlines()) == given


@linux
def test_the_command_inherits_no_ignored_signal_and_no_open_file(tmp_path: Path) -> None:
    project(tmp_path, SOUND)
    plain = ["sh", "-c", "grep SigIgn /proc/self/status; ls /proc/self/fd"]
    expected = subprocess.run(plain, capture_output=True, text=True, check=True).stdout
    done = subprocess.run([*RUN, "--", *plain], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == expected


@linux
def test_what_was_ignored_before_stays_ignored(tmp_path: Path) -> None:
    project(tmp_path, SOUND)
    show = "grep SigIgn /proc/self/status"
    done = subprocess.run(
        ["sh", "-c", f'trap "" TERM INT; {show}; exec "$@"', "sh", *RUN, "--", "sh", "-c", show],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    before, after = done.stdout.splitlines()
    assert before == after


def test_a_failing_gate_starts_nothing_and_tells_it_on_standard_error(tmp_path: Path) -> None:
    done = guardrails("run", "--", "touch", "started", cwd=project(tmp_path, BROKEN))
    assert (done.returncode, done.stdout) == (1, "")
    assert "error GR-ROUTE-001  app/main.py:10" in done.stderr
    assert done.stderr.endswith("guardrails: touch was not started\n")
    assert not (tmp_path / "started").exists()
    assert not (tmp_path / ".guardrails").exists()


SECOND_TIME = "open('times', 'a').write('x'); return ok() if os.path.getsize('times') == 2 else fail('not yet')"


@pytest.mark.slow  # the gate and its checks
@pytest.mark.parametrize(("wait", "status"), [("0s", 1), ("10m", 0)])
def test_waiting_repeats_the_checks_until_they_pass(tmp_path: Path, wait: str, status: int) -> None:
    done = guardrails("run", "--wait", wait, "--", "true", cwd=project(tmp_path, own(SECOND_TIME), PLUGINS))
    assert done.returncode == status, done.stderr


@pytest.mark.slow  # the gate and its checks
def test_nothing_is_waited_for_when_the_code_is_wrong(tmp_path: Path) -> None:
    files = {**own("return fail('down')"), "app/main.py": BROKEN["app/main.py"]}
    begun = time.monotonic()
    done = guardrails("run", "--wait", "1h", "--", "true", cwd=project(tmp_path, files, PLUGINS))
    assert done.returncode == 1
    assert time.monotonic() - begun < 600


HANGS = "time.sleep(600)"
DEGRADED: Mapping[str, tuple[dict[str, str], list[str], int]] = {
    "an optional check crashed": (own(HANGS, severity="warning", timeout=0.1), [], 3),
    "an optional check crashed, and may": (own(HANGS, severity="warning", timeout=0.1), ["--degraded-ok"], 0),
    "an optional check failed": (own("return fail('x')", severity="warning"), [], 0),
    "an optional check failed where warnings do": (own("return fail('x')", severity="warning"), ["--profile", "ci"], 1),
    "the same, and may": (own("return fail('x')", severity="warning"), ["--profile", "ci", "--degraded-ok"], 0),
    "a check failed that is not optional": (own("return fail('x')"), ["--degraded-ok"], 1),
    "a check crashed that is not optional": (own("raise ValueError"), ["--degraded-ok"], 3),
    "the code is wrong as well": (
        {**own("return fail('x')", severity="warning"), "app/main.py": BROKEN["app/main.py"]},
        ["--degraded-ok"],
        1,
    ),
    "a file of checks is broken": ({**SOUND, "checks/a.py": "raise ValueError"}, ["--degraded-ok"], 3),
}


@pytest.mark.slow  # the gate and its checks
@pytest.mark.parametrize("name", DEGRADED)
def test_optional_checks_stop_the_start_unless_they_may_fail(tmp_path: Path, name: str) -> None:
    files, options, status = DEGRADED[name]
    done = guardrails("run", *options, "--", "touch", "started", cwd=project(tmp_path, files, PLUGINS))
    assert (done.returncode, (tmp_path / "started").exists()) == (status, status == 0), done.stderr
    assert ("DEGRADED: own" in done.stderr) is (status == 0)
    hinted = "--degraded-ok starts it, because only optional checks failed" in done.stderr
    assert hinted is (status != 0 and "--degraded-ok" not in options)


def script(path: Path, text: str, mode: int = 0o755) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)


@pytest.mark.parametrize(
    ("command", "status", "said"),
    [
        ("no-such-program", 127, "no-such-program: not found on the PATH"),
        ("./gone.sh", 127, "./gone.sh: no such file"),
        ("./plain.sh", 126, "./plain.sh may not be executed: chmod +x ./plain.sh"),
        ("./app", 126, "./app is a folder"),
        ("./no-interpreter.sh", 126, "the interpreter that its first line names does not exist"),
        ("./no-first-line.sh", 126, "./no-first-line.sh cannot be executed: Exec format error"),
    ],
)
def test_a_command_that_cannot_be_started_ends_with_126_or_127_and_says_why(
    tmp_path: Path, command: str, status: int, said: str
) -> None:
    project(tmp_path, SOUND)
    script(tmp_path / "plain.sh", "#!/bin/sh\n", 0o644)
    script(tmp_path / "no-interpreter.sh", "#!/no/such/interpreter\n")
    script(tmp_path / "no-first-line.sh", "echo\n")
    done = guardrails("run", "--", command, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (status, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_command_is_told_before_anything_is_checked(tmp_path: Path) -> None:
    done = guardrails("run", "--", "no-such-program", cwd=project(tmp_path, own("open('ran', 'w')"), PLUGINS))
    assert done.returncode == 127
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Missing argument 'CMD...'"),
        (["--"], "Missing argument 'CMD...'"),
        (["--wait", "soon", "--", "true"], "'soon' is no duration: write 45s, 2m or 1h"),
        (["--wait", "2h", "--", "true"], "2h is longer than 3600 s"),
        (["--wait", "-1", "--", "true"], "'-1' is no duration"),
        (["--profile", "nightly", "--", "true"], "'nightly' is no profile; there are ci, entrypoint"),
        (["--project", "nowhere", "--", "true"], "nowhere: no such folder"),
        (["--unheard-of", "--", "true"], "No such option"),
    ],
)
def test_a_mistake_in_the_call_ends_with_2(tmp_path: Path, arguments: list[str], said: str) -> None:
    done = guardrails("run", *arguments, cwd=project(tmp_path, SOUND))
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_a_mistake_in_the_checks_ends_with_2(tmp_path: Path) -> None:
    done = guardrails("run", "--", "true", cwd=project(tmp_path, own("return ok()", needs=["none"]), PLUGINS))
    assert done.returncode == 2
    assert "checks/a.py:3: check 'own': needs 'none', which is no check" in done.stderr


@pytest.mark.parametrize("dashes", [["--"], []])
def test_what_follows_the_command_is_its_own(tmp_path: Path, dashes: list[str]) -> None:
    done = guardrails("run", *dashes, "echo", "--wait", "--", "--help", cwd=project(tmp_path, SOUND))
    assert (done.returncode, done.stdout) == (0, "--wait -- --help\n")


def test_the_project_may_lie_elsewhere_and_the_command_starts_here(tmp_path: Path) -> None:
    project(tmp_path / "backend", BROKEN)
    project(tmp_path / "sound", SOUND)
    assert guardrails("run", "--project", "backend", "--", "true", cwd=tmp_path).returncode == 1
    done = guardrails("run", "--project", "sound", "--", "pwd", cwd=tmp_path)
    assert done.stdout == f"{tmp_path}\n"


def test_windows_is_told_what_to_do_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("guardrails.cli.run.sys.platform", "win32")
    done = CliRunner().invoke(main, ["run", "--", "true"])
    assert done.exit_code == 2
    assert "write `guardrails preflight && CMD` instead" in done.output


def test_the_help_shows_an_example() -> None:
    done = CliRunner().invoke(main, ["run", "--help"])
    assert done.exit_code == 0
    assert "Example: guardrails run --wait 60s -- gunicorn app.main:app" in done.output
