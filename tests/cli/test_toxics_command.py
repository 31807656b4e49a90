"""`guardrails toxics`, started for real in front of a server, and interrupted."""

from __future__ import annotations

import signal
import subprocess
import sys

import httpx
import pytest
from click.testing import CliRunner

from guardrails.cli import main
from guardrails.testing.faults import FaultServer
from guardrails.testing.stand_in import repeats

BODY = {"model": "m", "messages": [{"role": "user", "content": "Hello?"}]}


@pytest.mark.parametrize(
    ("options", "seen"), [(["--slice-bytes", "10"], "You asked: Hello?"), (["--end", "rst"], "ReadError")]
)
def test_a_network_stands_in_front_of_a_server_until_it_is_interrupted(options: list[str], seen: str) -> None:
    with FaultServer(repeats) as server:
        process = subprocess.Popen(
            [sys.executable, "-m", "guardrails", "toxics", f"127.0.0.1:{server.port}", *options],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdout is not None
            address, _, upstream = process.stdout.readline().rstrip().partition(" -> ")
            assert upstream == f"127.0.0.1:{server.port}"
            try:
                answer = httpx.post(f"http://{address}/v1/chat/completions", json=BODY, trust_env=False, timeout=30)
                told = answer.json()["choices"][0]["message"]["content"]
            except httpx.TransportError as error:
                told = type(error).__name__
            process.send_signal(signal.SIGINT)
            rest, _ = process.communicate(timeout=30)
        finally:
            process.kill()
            process.wait()

    assert (told, rest, process.returncode) == (seen, "", 0)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ([], "Missing argument 'HOST:PORT'"),
        (["6379"], "upstream: '6379'"),
        (["127.0.0.1:6379", "--latency", "-1"], "latency: -1"),
        (["127.0.0.1:6379", "--end", "never"], "'never' is not one of"),
        (["127.0.0.1:6379", "--after-bytes", "5"], "after_bytes: 5"),
    ],
)
def test_what_cannot_be_is_refused(arguments: list[str], why: str) -> None:
    done = CliRunner().invoke(main, ["toxics", *arguments])

    assert done.exit_code == 2
    assert why in done.stderr


def test_port_that_is_taken_is_refused() -> None:
    with FaultServer(repeats) as server:
        done = CliRunner().invoke(main, ["toxics", "127.0.0.1:6379", "--port", str(server.port)])

    assert done.exit_code == 2
    assert f"127.0.0.1:{server.port} cannot be listened at: Address already in use" in done.stderr
