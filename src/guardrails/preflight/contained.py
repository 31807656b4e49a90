"""Runs a command that may crash, hang or flood, reads its answers line by line, and leaves no process behind.

    caller ── lifeline ──► warden ──► the command      answers come through a pipe of their own,
      ▲───────────────── answers ─────────┘            so whatever the command prints cannot garble them

The caller's own death ends the lifeline, and with it the command and all that it started.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from guardrails.preflight import warden

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

LONGEST_COMPLAINT = 300
# How long the warden may take to end what it guards.
PATIENCE = 2.0
WHERE = sys.platform != "win32"


class Broken(Exception):
    """The command gave no answer to its end; the text says why."""


def answers(
    command: Callable[[int], Sequence[str]], *, cwd: Path, limit: float, environ: Mapping[str, str] | None = None
) -> Iterator[bytes]:
    """The lines that a command writes to the pipe whose number it is given, as they come.

    `command(fd)`: the program and its arguments. `limit`: seconds until all of it is killed. Raises Broken where the
    command could not be started, failed or was killed; what it answered before has been yielded by then.
    """
    import subprocess
    import tempfile

    lifeline, held = os.pipe()
    source, sink = os.pipe()
    end = time.monotonic() + limit
    with tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", warden.__file__, str(lifeline), *command(sink)],
            pass_fds=(lifeline, sink),
            start_new_session=True,
            cwd=cwd,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=complaints,
        )
        os.close(lifeline)
        os.close(sink)
        late = True
        try:
            yield from _lines(source, end)
            # An end of its own comes first: with the lifeline gone the warden would kill what is just ending.
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, min(PATIENCE, end - time.monotonic())))
                late = False
        finally:
            os.close(source)
            os.close(held)
            _end(process)
        if late:
            raise Broken(f"it did not end within {limit:.0f} s")
        if process.returncode != 0:
            complaints.seek(0)
            said = complaints.read()[-LONGEST_COMPLAINT:].decode("utf-8", "replace").split("\n")
            last = next((line.strip() for line in reversed(said) if line.strip()), "nothing on standard error")
            raise Broken(f"it ended with status {process.returncode}: {last}")


def _lines(source: int, end: float) -> Iterator[bytes]:
    """Whole lines until the pipe or the time ends."""
    rest = b""
    while (left := end - time.monotonic()) > 0:
        if not select.select([source], [], [], left)[0]:
            continue
        data = os.read(source, 1 << 16)
        if not data:
            return
        *lines, rest = (rest + data).split(b"\n")
        yield from lines


def _end(process: subprocess.Popen[bytes]) -> None:
    import subprocess

    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
