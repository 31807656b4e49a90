"""The pytest plugin, in test runs of their own, found as an installed one is: by its entry point."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from typing import TYPE_CHECKING

import pytest

from tests.support import ROOT

if TYPE_CHECKING:
    from pathlib import Path

# Each test is a test run of its own, with all plugins that are installed here.
pytestmark = pytest.mark.slow

GUARDS = """
from guardrails import Breaker, Guard, Retry
from guardrails.policies import Backoff
guard = Guard(
    "api", breaker=Breaker(consecutive=3), retry=Retry(on=ConnectionError, backoff=Backoff(base=8, growth=1, cap=8))
)
calls = []
@guard
def ask():
    calls.append(1)
    raise ConnectionError("refused")
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with guards in a module, and the plugin as an installation would announce it."""
    said = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    info = tmp_path / "site" / "guardrails_ops-0.dist-info"
    info.mkdir(parents=True)
    lines = [f"{name} = {value}" for name, value in said["entry-points"]["pytest11"].items()]
    (info / "entry_points.txt").write_text("\n".join(["[pytest11]", *lines]), encoding="utf-8")
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {said['name']}\nVersion: 0\n", encoding="utf-8")
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "app.py").write_text(GUARDS, encoding="utf-8")
    return folder


def run(project: Path, test: str, *options: str, ini: str = "") -> subprocess.CompletedProcess[str]:
    """`pytest` in the project, as a user starts it."""
    (project / "test_it.py").write_text(test, encoding="utf-8")
    (project / "pytest.ini").write_text(f"[pytest]\naddopts = -p no:cacheprovider\n{ini}", encoding="utf-8")
    path = os.pathsep.join((str(project.parent / "site"), str(ROOT / "src")))
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    for name in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTEST_DISABLE_PLUGIN_AUTOLOAD"):
        environment.pop(name, None)
    program = [sys.executable, "-m", "pytest", "-q", "-W", "error", "--strict-markers", *options]
    return subprocess.run(program, cwd=project, env=environment, capture_output=True, text=True, check=False)


def passed(done: subprocess.CompletedProcess[str], count: int) -> None:
    assert (done.returncode, f"{count} passed" in done.stdout) == (0, True), done.stdout + done.stderr


def test_a_test_may_have_guards_disabled(project: Path) -> None:
    test = """
import pytest
from app import ask, calls, guard

def test_disabled(guards_disabled):
    for _ in range(4):
        with pytest.raises(ConnectionError):
            ask()
    assert len(calls) == 4

def test_afterwards():
    assert guard.state == "closed" and guard.snapshot().circuit.calls == 0
"""
    passed(run(project, test), 2)


def test_a_test_may_have_the_clock(project: Path) -> None:
    test = """
import pytest
from app import ask, calls, guard

def test_clock(guards_clock):
    with pytest.raises(ConnectionError):
        ask()
    assert len(calls) == 3 and guards_clock.elapsed > 1
    assert guard.state == "open"
    guards_clock.advance(10)
    with pytest.raises(ConnectionError):
        ask()
    assert len(calls) > 3

def test_afterwards():
    assert guard.state == "closed"
"""
    passed(run(project, test), 2)


def test_a_suite_may_reset_guards_for_each_test_by_an_option_of_pytests_own(project: Path) -> None:
    test = """
import pytest
from app import guard

@pytest.mark.parametrize("time", [1, 2, 3])
def test_again(time):
    assert guard.state == "closed"
    guard.isolate("a test did that")
"""
    broken = run(project, test)
    assert (broken.returncode, "2 failed, 1 passed" in broken.stdout) == (1, True), broken.stdout
    passed(run(project, test, ini="usefixtures = guards_reset\n"), 3)


def test_the_test_after_one_that_resets_finds_guards_as_new(project: Path) -> None:
    test = """
from app import guard

def test_poisons():
    guard.isolate("a test did that")

def test_resets(guards_reset):
    assert guard.state == "closed"
    guard.isolate("a test did that")

def test_finds():
    assert guard.state == "closed"
"""
    passed(run(project, test), 3)


def test_in_a_suite_that_disables_guards_single_tests_may_have_them(project: Path) -> None:
    test = """
import pytest
from app import ask, calls, guard

@pytest.fixture(autouse=True)
def forget():
    calls.clear()

def test_disabled():
    with pytest.raises(ConnectionError):
        ask()
    assert len(calls) == 1

@pytest.mark.guards_enabled
def test_marked():
    guard.isolate("a test did that")
    with pytest.raises(Exception, match="isolated"):
        ask()
    guard.release()

def test_clock(guards_clock):
    with pytest.raises(ConnectionError):
        ask()
    assert len(calls) == 3
"""
    passed(run(project, test, ini="usefixtures = guards_disabled\n"), 3)


def test_workers_of_xdist_each_have_their_own(project: Path) -> None:
    test = """
import pytest
from app import ask, calls

@pytest.mark.parametrize("time", range(8))
def test_disabled(guards_disabled, time):
    calls.clear()
    with pytest.raises(ConnectionError):
        ask()
    assert len(calls) == 1

@pytest.mark.parametrize("time", range(8))
def test_clock(guards_clock, time):
    calls.clear()
    with pytest.raises(ConnectionError):
        ask()
    assert len(calls) == 3
"""
    passed(run(project, test, "-n", "2"), 16)


def test_a_test_may_have_a_server_that_fails_as_it_is_told(project: Path) -> None:
    test = """
import httpx
import pytest
from guardrails.testing import Fault

def ask(server):
    said = {"model": "m", "messages": [{"role": "user", "content": "Hello?"}]}
    return httpx.post(server.url + "/v1/chat/completions", json=said, trust_env=False)

def test_told(fault_server):
    fault_server.reply = "Hello!"
    fault_server.plan = [Fault.h529(retry_after=3)]
    refused, answered = ask(fault_server), ask(fault_server)
    assert (refused.status_code, refused.headers["retry-after"]) == (529, "3")
    assert answered.json()["choices"][0]["message"]["content"] == "Hello!"
    assert [one.json["model"] for one in fault_server.asked] == ["m", "m"]

servers = []

@pytest.mark.parametrize("time", [1, 2])
def test_each_test_has_one_of_its_own(fault_server, time):
    servers.append(fault_server.url)
    assert fault_server.asked == []
    assert ask(fault_server).status_code == 200

def test_afterwards_nobody_listens():
    for url in servers:
        with pytest.raises(httpx.ConnectError):
            httpx.get(url, trust_env=False)
"""
    passed(run(project, test), 4)


# Those who merely have it installed.


def test_it_loads_nothing_of_ours_and_nothing_that_pytest_has_not(project: Path) -> None:
    test = """
import sys

def test_loaded():
    assert "pytest_guardrails" in sys.modules
    ours = sorted(name for name in sys.modules if name.partition(".")[0] == "guardrails")
    assert ours == []
"""
    passed(run(project, test), 1)


def test_a_package_of_the_users_own_that_has_our_name_is_found(project: Path) -> None:
    (project / "guardrails").mkdir()
    (project / "guardrails" / "__init__.py").write_text("OWN = True\n", encoding="utf-8")
    passed(run(project, "import guardrails\n\ndef test_own():\n    assert guardrails.OWN\n"), 1)


def test_without_our_package_only_the_fixtures_fail(project: Path) -> None:
    (project / "guardrails.py").write_text('"""Another distribution owns the name."""\n', encoding="utf-8")
    test = """
def test_unguarded():
    pass

def test_guarded(guards_disabled):
    pass
"""
    done = run(project, test)
    assert (done.returncode, "1 passed, 1 error" in done.stdout) == (1, True), done.stdout + done.stderr
    assert "No module named 'guardrails.testing'" in done.stdout


def test_the_fixtures_and_the_marker_say_what_they_are_for(project: Path) -> None:
    listed = run(project, "", "--fixtures")
    assert "fixtures defined from pytest_guardrails" in listed.stdout
    for name in ("guards_disabled", "guards_clock", "guards_reset", "fault_server"):
        assert f"{name} -- " in listed.stdout
    assert "@pytest.mark.guards_enabled: guards work in this test" in run(project, "", "--markers").stdout
