"""Real servers for tests: `redis_url`, `nats_url`, `postgres_url`, one of each a test process, on free ports.

A server listens on 127.0.0.1 and lives in a folder of its own. It is up when its own log says so: then it is ours, and
no stranger's on the same port. It ends with the test session, or with the process that started it. `running` does the
same for a worker process. Where the binary is absent the tests are skipped, or fail under GUARDRAILS_REQUIRE_ALL.
`make services` installs the binaries.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import need

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

# How long a server or a worker may take until it is up; a loaded machine needs seconds for PostgreSQL.
UP_WITHIN = 60.0
# Two test processes may be given the same free port; the loser takes another.
ATTEMPTS = 3


class DidNotStart(Exception):
    """A server or worker ended, or said nothing in time; holds the end of its log."""


@contextlib.contextmanager
def running(
    command: Sequence[str],
    folder: Path,
    ready: str,
    *,
    environment: Mapping[str, str] | None = None,
    user: str | None = None,
) -> Iterator[Path]:
    """Run `command` in `folder` until the block ends. Gives its log, in which `ready` stands already.

    `environment`: added to ours. `user`: whom to run as, where we are root. Raises DidNotStart.
    """
    log = folder / "log.txt"
    as_user: dict[str, Any] = {}
    if user is not None:
        import pwd  # not everywhere

        as_user = {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}
    # If this process is killed, nobody else would end the child. Linux only; elsewhere a killed test run leaves it.
    setpriv = shutil.which("setpriv")
    prefix = [setpriv, "--pdeathsig", "TERM"] if setpriv else []
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*prefix, *command],
            cwd=folder,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            **as_user,
        )
    try:
        wait_for(ready, log, process)
        yield log
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(words: str, log: Path, process: subprocess.Popen[bytes] | None = None, within: float = UP_WITHIN) -> str:
    """The log, as soon as it holds `words`. Raises DidNotStart when `process` ends before, or time runs out."""
    until = time.monotonic() + within
    while True:
        ended = process is not None and process.poll() is not None
        text = log.read_text(encoding="utf-8", errors="replace")
        if words in text and not ended:
            return text
        if ended or time.monotonic() > until:
            what = "the process ended" if ended else f"{within:.0f} s went by"
            raise DidNotStart(f"{what} and the log does not say {words!r}:\n{text[-4000:]}")
        time.sleep(0.02)


def binary(name: str, what: str) -> str:
    """The path of a server's binary; Debian keeps some out of the PATH of ordinary users, or of everybody."""
    versions = Path("/usr/lib/postgresql").glob("*/bin")
    newest_first = sorted(versions, key=lambda folder: folder.parent.name.zfill(4), reverse=True)
    places = [os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin", *map(str, newest_first)]
    return shutil.which(name, path=os.pathsep.join(places)) or need(name, what)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def serving(template: Sequence[str], folder: Path, ready: str, user: str | None = None) -> Iterator[int]:
    """Run a server whose command says `{port}`; gives the port."""
    with contextlib.ExitStack() as stack:
        for left in reversed(range(ATTEMPTS)):
            port = free_port()
            command = [part.format(port=port, folder=folder) for part in template]
            try:
                stack.enter_context(running(command, folder, ready, user=user))
            except DidNotStart:
                if not left:
                    raise
                continue
            yield port
            return


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Redis server that keeps nothing on disk, with 16 databases."""
    server = binary("redis-server", "what goes through Redis")
    command = [server, "--port", "{port}", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    with serving(command, tmp_path_factory.mktemp("redis"), "Ready to accept connections") as port:
        yield f"redis://127.0.0.1:{port}/0"


@pytest.fixture(scope="session")
def nats_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a NATS server with JetStream."""
    server = binary("nats-server", "what goes through NATS")
    command = [server, "--addr", "127.0.0.1", "--port", "{port}", "--jetstream", "--store_dir", "{folder}/jetstream"]
    with serving(command, tmp_path_factory.mktemp("nats"), "Server is ready") as port:
        yield f"nats://127.0.0.1:{port}"


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The address of a PostgreSQL server without durability, database and user `postgres`, no password."""
    initdb = binary("initdb", "what goes into PostgreSQL")
    postgres = binary("postgres", "what goes into PostgreSQL")
    # PostgreSQL refuses root, and an ordinary user cannot enter the folders that pytest makes for root.
    user = "nobody" if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="postgres-") as name:
        folder = Path(name)
        if user is not None:
            shutil.chown(folder, user)
        make = [initdb, "--pgdata", f"{folder}/data", "--username", "postgres", "--auth", "trust"]
        make += ["--encoding", "UTF8", "--no-locale", "--no-sync"]
        made = subprocess.run(
            make,
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            user=user,
            extra_groups=None if user is None else [],
        )
        if made.returncode != 0:
            raise DidNotStart(f"initdb failed:\n{made.stdout}{made.stderr}")
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
            "max_connections": "50",
        }
        command = [
            postgres,
            "-D",
            "{folder}/data",
            "-p",
            "{port}",
            *(f"--{key}={value}" for key, value in settings.items()),
        ]
        with serving(command, folder, "ready to accept connections", user) as port:
            yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
