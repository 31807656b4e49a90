"""`guardrails breaker` against a real server: what it shows, what it does, and its exit status."""

from __future__ import annotations

import json
import os
import re
import socket
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from guardrails.cli.breaker import command
from guardrails.middleware.asgi import GuardMiddleware
from guardrails.policies import Dependency, Guard
from tests.middleware.conftest import serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRET = "correct-horse-battery"


async def other(scope: Any, receive: Any, send: Any) -> None:
    body = {"/text": b"hello", "/list": b"[1]", "/odd": b'{"pid": 1, "guards": [{"name": "x"}]}'}[scope["path"]]
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    app = GuardMiddleware(other, state_path="/guardrails/state", control=True, secret=SECRET)
    with serving(app) as address:
        yield f"http://{address}"


@pytest.fixture
def url(server: str) -> str:
    return f"{server}/guardrails/state"


@pytest.fixture
def secret(tmp_path: Path) -> str:
    path = tmp_path / "secret.txt"
    path.write_text(f"{SECRET}\n", encoding="utf-8")
    return str(path)


def breaker(*arguments: str, **more: Any) -> Result:
    # The tests' own server is asked, whatever proxy the environment names.
    return CliRunner().invoke(command, list(arguments), env={"NO_PROXY": "127.0.0.1"}, **more)


def test_a_guard_that_admits_calls_is_shown_with_0(url: str) -> None:
    guard = Guard("cli-closed")
    said = breaker("show", guard.name, "--url", url)
    assert (said.exit_code, said.stdout.splitlines()[0]) == (0, "closed     cli-closed")
    assert said.stdout.splitlines()[-1] == f"PASSED  1 shown · process {os.getpid()} of {url}"


def test_one_that_does_not_is_shown_with_1_first_and_with_its_reason(url: str) -> None:
    sound, held = Guard("cli-a-sound"), Guard("cli-b-held")
    held.isolate("INC-7")
    said = breaker("list", "--url", url)
    lines = said.stdout.splitlines()
    # Guards of other tests may be shown too.
    assert (said.exit_code, lines.index("isolated   cli-b-held  (INC-7)") < lines.index("closed     cli-a-sound")) == (
        1,
        True,
    )
    assert re.match(r"FAILED  \d+ of \d+ do not admit all calls", lines[-1])
    assert sound.state == "closed"


@pytest.mark.parametrize("how", ["disable", "shadow"])
def test_what_admits_calls_by_somebodys_will_is_no_trouble(url: str, how: str) -> None:
    guard = Guard(f"cli-{how}")
    getattr(guard, how)("test")
    assert breaker("show", guard.name, "--url", url).exit_code == 0


def test_a_machine_reads_the_same(url: str) -> None:
    guard = Guard("cli-json")
    guard.isolate("INC-8")
    said = breaker("show", guard.name, "--url", url, "--format", "json")
    found = json.loads(said.stdout)
    assert (said.exit_code, found["exit_code"], found["pid"]) == (1, 1, os.getpid())
    assert [(one["name"], one["circuit"]["reason"]) for one in found["guards"]] == [("cli-json", "INC-8")]


def test_a_guard_is_isolated_and_released(url: str, secret: str) -> None:
    guard = Guard("cli-control")
    said = breaker("isolate", guard.name, "--reason", "INC-9", "--secret-file", secret, "--url", url)
    assert (said.exit_code, said.stdout) == (0, f"cli-control is isolated in process {os.getpid()}\n")
    assert (guard.state, guard.snapshot().circuit.reason) == ("isolated", "INC-9")
    said = breaker("release", guard.name, "--secret-file", "-", "--url", url, input=SECRET)
    assert (said.exit_code, guard.state) == (0, "half-open")


def test_the_name_of_a_dependency_stands_for_both_of_its_guards(url: str, secret: str) -> None:
    notes, near = Dependency("cli-notes"), Guard("cli-notes.readers")
    said = breaker("show", "cli-notes", "--url", url, "--format", "json")
    assert sorted(one["name"] for one in json.loads(said.stdout)["guards"]) == ["cli-notes.read", "cli-notes.write"]
    said = breaker("isolate", "cli-notes", "--reason", "INC-10", "--secret-file", secret, "--url", url)
    assert (said.exit_code, notes.mode, near.state) == (0, "OFFLINE", "closed")


def test_a_wrong_secret_ends_with_2_and_changes_nothing(url: str) -> None:
    guard = Guard("cli-wrong")
    arguments = ("isolate", guard.name, "--reason", "x", "--secret-file", "-", "--url", url)
    said = breaker(*arguments, input="wrong-horse-battery")
    assert (said.exit_code, guard.state) == (2, "closed")
    assert "is the secret right?" in said.stderr
    assert "wrong-horse" not in said.output


def test_a_process_without_control_says_so(secret: str) -> None:
    guard = Guard("cli-off")
    with serving(GuardMiddleware(other, state_path="/state")) as address:
        url = f"http://{address}/state"
        said = breaker("isolate", guard.name, "--reason", "x", "--secret-file", secret, "--url", url)
    assert (said.exit_code, guard.state) == (2, "closed")
    assert "is control=True set?" in said.stderr


def test_a_guard_that_is_not_there_ends_with_2_and_names_those_that_are(url: str, secret: str) -> None:
    guard = Guard("cli-there")
    said = breaker("show", "cli-nowhere", "--url", url)
    assert (said.exit_code, guard.name in said.stderr) == (2, True)
    said = breaker("release", "cli-nowhere", "--secret-file", secret, "--url", url)
    assert said.exit_code == 2
    assert "no guard of that name" in said.stderr


@pytest.mark.parametrize("path", ["text", "list", "odd"])
def test_an_address_that_shows_something_else_ends_with_3(server: str, path: str) -> None:
    said = breaker("list", "--url", f"{server}/{path}")
    assert (said.exit_code, said.stdout) == (3, "")
    assert "no state of guards" in said.stderr


def test_a_server_that_does_not_answer_ends_with_3(secret: str) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}/state"
        said = [breaker("list", "--url", url), breaker("release", "x", "--secret-file", secret, "--url", url)]
    assert [one.exit_code for one in said] == [3, 3]
    assert "did not answer: ConnectError" in said[0].stderr


@pytest.mark.parametrize("url", ["ftp://a/state", "nowhere", "http://[::1", "http://a:b/"])
def test_what_is_no_address_ends_with_2(url: str) -> None:
    assert breaker("list", "--url", url).exit_code == 2


def test_a_password_in_the_address_is_not_printed() -> None:
    said = breaker("list", "--url", "http://ops:hunter2@127.0.0.1:9/state")
    assert (said.exit_code, "hunter2" in said.output) == (3, False)


def test_what_a_server_says_cannot_command_the_terminal() -> None:
    async def hostile(scope: Any, receive: Any, send: Any) -> None:
        name = "\x1b[2Jcleared\nFAILED"
        found = {"pid": 1, "guards": [{"name": name, "last": "", "circuit": {"state": "closed"}}]}
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": json.dumps(found).encode()})

    with serving(hostile) as address:
        said = breaker("list", "--url", f"http://{address}/")
    assert (said.exit_code, len(said.stdout.splitlines()), "\x1b" in said.stdout) == (0, 2, False)
