"""Imports that crash, hang, exit, flood or tamper: each is named, the others are reported, nothing is left behind."""

# ruff: noqa: E501 - a case reads best on one line

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path

import pytest

from guardrails.preflight import contained
from tests.preflight.lively import MARKER, gone, live, marked, note, only, rules, told
from tests.support import SRC

pytestmark = pytest.mark.skipif(not contained.WHERE, reason="imports are contained by fork")

SLEEPER = "import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']{})\n"


@pytest.fixture
def marker(monkeypatch: pytest.MonkeyPatch) -> str:
    value = uuid.uuid4().hex
    monkeypatch.setenv(MARKER, value)
    return value


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import faulthandler\nfaulthandler._sigsegv()", "kills the process by SIGSEGV (culprit.py:2)"),
        ("import ctypes\nctypes.string_at(0)", f"kills the process by SIGSEGV (python3.{sys.version_info[1]}/ctypes/__init__.py:"),
        ("import os\nos.abort()", "kills the process by SIGABRT (culprit.py:2)"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "kills the process by SIGKILL, mostly for want of memory"),
        ("import os\nos._exit(0)", "ends the process with status 0, past every handler"),
        ("import os\nos._exit(3)", "ends the process with status 3, past every handler"),
        ("import sys\nsys.exit(0)", "ends the process by SystemExit(0) (culprit.py:2)"),
        ("raise SystemExit", "ends the process by SystemExit() (culprit.py:1)"),
        ("import os\nos.closerange(0, 1024)", "closes file descriptors that are not its own"),
        ("import os\nfor fd in range(3, 1024):\n    try:\n        os.close(fd)\n    except OSError:\n        pass\nopen('/dev/null'); open('/dev/null'); open('/dev/null')", "closes file descriptors that are not its own"),
        ("import resource, os\nos.execv('/bin/true', ['true'])", "ends the process with status 0, past every handler"),
    ],
)  # fmt: skip
def test_a_module_that_takes_the_process_along_is_named(tmp_path: Path, code: str, said: str) -> None:
    record = live(tmp_path, {"culprit.py": code}, "json", "culprit", "email.message")
    assert (record.verdict, record.exit_code) == ("failed", 1)
    failed = [text for rule, text in told(record) if rule == "003"]
    assert len(failed) == 1
    assert failed[0].startswith(f"importing culprit {said}")
    assert note(record).startswith("imports: 2 of 3 work")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("def f():\n    return f()\nf()", "raises RecursionError: maximum recursion depth exceeded"),
        ("import resource\nresource.setrlimit(resource.RLIMIT_AS, (1 << 29, 1 << 29))\nx = bytearray(1 << 30)", "raises MemoryError"),
        ("input('password: ')", "raises EOFError: EOF when reading a line (culprit.py:1); it printed 10 bytes"),
        ("raise KeyboardInterrupt", "raises KeyboardInterrupt (culprit.py:1)"),
        ("raise BaseException('odd')", "raises BaseException: odd (culprit.py:1)"),
        ("class E(Exception):\n    def __str__(self):\n        1 / 0\nraise E", "raises culprit.E (culprit.py:4)"),
        ("x = (", "raises SyntaxError: '(' was never closed (culprit.py, line 1) (culprit.py:1)"),
        ("from json import nothing", "raises ImportError: cannot import name 'nothing' from 'json'"),
        ("import no_such_library", "raises ModuleNotFoundError: No module named 'no_such_library' (culprit.py:1)"),
        ("import yaml_, dotenv_\n", "raises ModuleNotFoundError: No module named 'yaml_' (culprit.py:1)"),
    ],
)  # fmt: skip
def test_an_error_is_told_with_its_line_and_the_next_import_goes_on(tmp_path: Path, code: str, said: str) -> None:
    record = live(tmp_path, {"culprit.py": code}, "json", "culprit", "email.message")
    failed = [text for rule, text in told(record) if rule == "002"]
    assert len(failed) == 1
    assert failed[0].startswith(f"importing culprit {said}")
    assert note(record).startswith("imports: 2 of 3 work")


HARMLESS = {
    "stdout": "import sys\nsys.stdout = None",
    "prints": "print('x' * 50_000_000)",
    "handler": "import atexit, time\natexit.register(time.sleep, 600)",
    "thread": "import threading, time\nthreading.Thread(target=time.sleep, args=(600,)).start()",
    "sleeper": SLEEPER.format(""),
    "hidden": SLEEPER.format(", start_new_session=True"),
    "forks": "import os\nos.fork()",
    "patches": "import sys, types, json\nsys.modules['json'] = types.ModuleType('json')",
    "moves": "import os\nos.chdir('/')",
    "takes": "import signal\nsignal.signal(signal.SIGTERM, lambda *_: None)",
    "writes": "import os\nos.environ['LEFT_BEHIND'] = '1'",
}


def test_what_an_import_does_to_its_process_stays_there_and_is_told(tmp_path: Path, marker: str) -> None:
    before = (
        Path.cwd(),
        signal.getsignal(signal.SIGTERM),
        sys.modules["json"],
        dict(os.environ),
        threading.active_count(),
    )
    files = {f"{name}.py": code for name, code in HARMLESS.items()}
    record = live(tmp_path, files, "json", *HARMLESS)
    assert (record.verdict, record.exit_code) == ("passed", 0)
    assert note(record).startswith(f"imports: {len(HARMLESS) + 1} of {len(HARMLESS) + 1} work")
    effects = {finding.path: finding.message for finding in record.findings}
    assert {(f.rule, f.severity.value) for f in record.findings} == {("GR-LIVE-005", "warning")}
    said = {
        "importing stdout has side effects: it replaced sys.stdout or sys.stderr",
        "importing thread leaves a thread running: Thread-1 (sleep)",
        f"importing sleeper starts a process: subprocess.Popen {Path(sys.executable).name} (sleeper.py:2)",
        f"importing hidden starts a process: subprocess.Popen {Path(sys.executable).name} (hidden.py:2)",
        "importing forks starts a process: os.fork (forks.py:2)",
        "importing patches has side effects: it replaced the module json",
        "importing moves has side effects: it changed the working directory to /",
        "importing takes has side effects: it took the signal SIGTERM",
        "importing writes changes the environment: os.putenv LEFT_BEHIND (writes.py:2)",
    }
    assert {finding.message for finding in record.findings} == said
    assert {"sleeper.py", "hidden.py", "forks.py", "writes.py"} <= set(effects)
    assert before == (
        Path.cwd(), signal.getsignal(signal.SIGTERM), sys.modules["json"], dict(os.environ), threading.active_count()
    )  # fmt: skip
    assert gone(marker)


def test_what_is_forbidden_is_an_error(tmp_path: Path) -> None:
    files = {
        "asks.py": "import socket\ntry:\n    socket.create_connection(('127.0.0.1', 9), timeout=1)\nexcept OSError:\n    pass"
    }
    assert only(live(tmp_path, files, "asks")).severity == "warning"
    finding = only(live(tmp_path, files, "asks", forbid=("network",)))
    assert (finding.severity, finding.path, finding.line) == ("error", "asks.py", 3)
    assert finding.message.startswith("importing asks uses the network: socket.getaddrinfo 127.0.0.1:9 (asks.py:3)")


def test_a_variable_that_has_its_old_value_again_is_no_effect(tmp_path: Path) -> None:
    code = "import os\nos.environ['FOR_A_MOMENT'] = '1'\ndel os.environ['FOR_A_MOMENT']"
    assert live(tmp_path, {"tidy.py": code}, "tidy").findings == ()


HANGS = {
    "loops": "while True: pass",
    "sleeps": "import time\ntime.sleep(600)",
    "waits": "import threading\nlock = threading.Lock()\nlock.acquire()\nlock.acquire()",
    "floods": "import os\nfor _ in range(3):\n    os.fork()\nwhile True: os.write(1, bytes(1 << 16))",
}


@pytest.mark.slow  # the deadline has to pass
def test_at_the_deadline_each_that_hangs_is_named_with_its_line_and_the_others_are_reported(
    tmp_path: Path, marker: str
) -> None:
    files = {f"{name}.py": code for name, code in HANGS.items()}
    begun = time.monotonic()
    record = live(tmp_path, files, "loops", "json", "sleeps", "waits", "floods", "email.message", deadline=6.0)
    assert time.monotonic() - begun < 6 + 2
    lines = {f.path: (f.rule, f.line) for f in record.findings if f.severity == "error"}
    assert lines == {
        "loops.py": ("GR-LIVE-004", 1),
        "sleeps.py": ("GR-LIVE-004", 2),
        "waits.py": ("GR-LIVE-004", 4),
        "floods.py": ("GR-LIVE-004", 4),
    }
    assert note(record).startswith("imports: 2 of 6 work")
    assert gone(marker)


@pytest.mark.slow  # the deadline has to pass
def test_what_there_was_no_time_for_is_told_and_no_pass(tmp_path: Path) -> None:
    names = [f"sleeps_{number}" for number in range(6)]
    files = {f"{name}.py": "import time\ntime.sleep(600)" for name in names}
    record = live(tmp_path, files, *names, "json", deadline=3.0)
    assert rules(record) == ["004"] * 6
    assert "not tried, because the deadline of 3 s was over: sleeps_5, json" in [text for _, text in told(record)]
    assert "not tried: sleeps_5, json" in note(record)


@pytest.mark.slow  # a whole gate is started, and killed while it works
@pytest.mark.parametrize(("victim", "status"), [("preflight", -signal.SIGKILL), ("warden.py", 3), ("live_child.py", 3)])
def test_nothing_is_left_when_the_gate_or_a_part_of_it_is_killed(
    tmp_path: Path, marker: str, victim: str, status: int
) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.guardrails.imports]\ncritical = ["hangs"]\n', encoding="utf-8")
    (tmp_path / "hangs.py").write_text(
        # Without the warden nobody finds what has gone to a session of its own.
        (SLEEPER.format(", start_new_session=True") if victim != "warden.py" else "")
        + "open('begun', 'w').close()\nwhile True: pass\n",
        encoding="utf-8",
    )
    gate = subprocess.Popen(
        [sys.executable, "-m", "guardrails", "preflight", "--no-record", str(tmp_path)], stdout=subprocess.DEVNULL
    )
    try:
        end = time.monotonic() + 30
        while not (tmp_path / "begun").exists():
            assert time.monotonic() < end
            time.sleep(0.02)
        lines = {pid: Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0") for pid in marked(marker)}
        programs = {pid: b" ".join(words[:5]) for pid, words in lines.items() if b"-c" not in words}
        # The overseer and not its fork, which is the younger one.
        os.kill(min(pid for pid, words in programs.items() if victim.encode() in words), signal.SIGKILL)
        assert gate.wait(10) == status
        assert gone(marker)
    finally:
        gate.kill()
        gate.wait()


def test_reading_what_never_ends_takes_its_turn() -> None:
    code = (
        "import os, live_child as child\n"
        "worker = child.Worker.__new__(child.Worker)\n"
        "worker.noise, worker.head, worker.tail, worker.size = os.open('/dev/zero', os.O_RDONLY), b'', b'', 0\n"
        "worker.hear()\n"
        "print(worker.size < 1 << 24, len(worker.head), len(worker.tail))"
    )
    environ = {**os.environ, "PYTHONPATH": str(SRC / "preflight" / "checks")}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, timeout=30, check=True
    )
    assert (done.stdout, done.stderr) == ("True 1000 3000\n", "")


def test_answers_come_until_a_command_fails() -> None:
    code = "import os, sys; os.write(int(sys.argv[1]), b'one\\ntwo\\nhalf'); sys.exit('a reason')"
    answers = contained.answers(lambda fd: [sys.executable, "-c", code, str(fd)], cwd=Path(), limit=10)
    assert [next(answers), next(answers)] == [b"one", b"two"]
    with pytest.raises(contained.Broken, match="it ended with status 1: a reason"):
        next(answers)


@pytest.mark.slow  # the limit has to pass
def test_a_command_that_does_not_end_is_ended(marker: str) -> None:
    begun = time.monotonic()
    with pytest.raises(contained.Broken, match="it did not end within 1 s"):
        list(contained.answers(lambda _: [sys.executable, "-c", "import time; time.sleep(600)"], cwd=Path(), limit=1.0))
    assert time.monotonic() - begun < 3
    assert gone(marker)


def test_a_caller_that_stops_listening_ends_the_command(marker: str) -> None:
    code = "import os, sys, time; os.write(int(sys.argv[1]), b'one\\n'); time.sleep(600)"
    answers = contained.answers(lambda fd: [sys.executable, "-c", code, str(fd)], cwd=Path(), limit=60)
    assert next(answers) == b"one"
    assert marked(marker)
    answers.close()  # type: ignore[attr-defined]
    assert gone(marker)
