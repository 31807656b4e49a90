"""The servers of the tests are real, ours alone, and end with us."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import servers
from tests.servers import DidNotStart, running
from tests.support import ROOT, need

SAY_AND_WAIT = "import time; print('up', flush=True); time.sleep(60)"


def test_redis_answers(redis_url: str) -> None:
    import redis

    with redis.Redis.from_url(redis_url) as client:
        assert client.ping() is True


async def _nats_echo(url: str) -> bytes:
    import nats

    client = await nats.connect(url)
    try:
        subscription = await client.subscribe("echo")
        await client.publish("echo", b"heard")
        message = await subscription.next_msg(timeout=10)
        return message.data
    finally:
        await client.close()


def test_nats_answers(nats_url: str) -> None:
    import asyncio

    assert asyncio.run(_nats_echo(nats_url)) == b"heard"


def test_postgres_answers(postgres_url: str) -> None:
    import psycopg

    with psycopg.connect(postgres_url) as connection:
        assert connection.execute("select 'a' || 'b'").fetchone() == ("ab",)


def test_what_was_started_ends_when_the_block_fails(tmp_path: Path) -> None:
    program = "import os, time; print('pid', os.getpid(), 'up', flush=True); time.sleep(60)"
    pid = 0
    with pytest.raises(ZeroDivisionError), running([sys.executable, "-c", program], tmp_path, "up") as log:  # noqa: PT012
        pid = int(log.read_text().split()[1])
        os.kill(pid, 0)
        1 / 0  # noqa: B018
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_what_does_not_start_shows_its_log(tmp_path: Path) -> None:
    program = "print('no room on the disk'); raise SystemExit(3)"
    with (
        pytest.raises(DidNotStart, match=r"the process ended and .* 'up':\nno room on the disk"),
        running([sys.executable, "-c", program], tmp_path, "up"),
    ):
        pass


def test_a_server_that_loses_its_port_to_another_takes_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = servers.binary("redis-server", "what goes through Redis")
    command = [server, "--port", "{port}", "--bind", "127.0.0.1", "--save", ""]
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with servers.serving(command, tmp_path / "a", "Ready to accept") as taken:
        ports = iter([taken, servers.free_port()])
        monkeypatch.setattr(servers, "free_port", lambda: next(ports))
        with servers.serving(command, tmp_path / "b", "Ready to accept") as port:
            assert port != taken


def test_an_absent_binary_skips_and_fails_where_everything_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GUARDRAILS_REQUIRE_ALL", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no-such-server is not installed: nothing not tested"):
        servers.binary("no-such-server", "nothing")
    monkeypatch.setenv("GUARDRAILS_REQUIRE_ALL", "1")
    with pytest.raises(pytest.fail.Exception, match="GUARDRAILS_REQUIRE_ALL is set"):
        servers.binary("no-such-server", "nothing")


def test_what_was_started_ends_with_a_test_process_that_is_killed(tmp_path: Path) -> None:
    need("setpriv", "the end of servers whose test process is killed")
    program = (
        "import sys, pathlib, time; sys.path.insert(0, sys.argv[1])\n"
        "from tests.servers import running\n"
        "with running([sys.executable, '-c', sys.argv[3]], pathlib.Path(sys.argv[2]), 'up') as log:\n"
        "    print(log.read_text().split()[1], flush=True); time.sleep(60)"
    )
    child = "import os, time; print('pid', os.getpid(), 'up', flush=True); time.sleep(60)"
    command = [sys.executable, "-c", program, str(ROOT), str(tmp_path), child]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent.stdout:
        pid = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert _gone(pid, within=10)


def _gone(pid: int, within: float) -> bool:
    until = time.monotonic() + within
    while time.monotonic() < until:
        try:
            os.kill(pid, 0)
            # An orphan that ended stays a zombie until its new parent asks for it.
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.02)
    return False


SERVICES = ROOT / ".ci" / "services"


def test_where_all_servers_are_installed_nothing_is_changed() -> None:
    for name in ("redis-server", "nats-server", "initdb", "postgres", "promtool"):
        servers.binary(name, "`make services` where there is nothing to do")
    done = subprocess.run(["sh", str(SERVICES)], capture_output=True, text=True, check=False, timeout=10)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "Redis, NATS, PostgreSQL and promtool are here already.\n"


def test_where_they_cannot_be_installed_it_says_which_and_how(tmp_path: Path) -> None:
    # As on a machine without apt and without the servers.
    text = SERVICES.read_text(encoding="utf-8").replace("/usr/sbin", "/nowhere").replace("/usr/lib", "/nowhere")
    (tmp_path / "services").write_text(text, encoding="utf-8")
    shell = shutil.which("sh")
    assert shell is not None
    done = subprocess.run(
        [shell, str(tmp_path / "services")], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    missing, advice = done.stderr.splitlines()
    assert missing == "Not installed: redis-server nats-server postgresql prometheus. This machine has no apt-get."
    assert advice.startswith("Put redis-server, nats-server, initdb, postgres and promtool on the PATH;")


def test_ci_installs_them_before_it_requires_them() -> None:
    steps = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert steps.index("make services") < steps.index("GUARDRAILS_REQUIRE_ALL=1 make test")
