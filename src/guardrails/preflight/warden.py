"""Runs a command of which nothing survives: neither its own processes nor those that hid in a new session.

Started by its path as `warden.py LIFELINE PROGRAM ARGUMENT…`. LIFELINE is the read end of a pipe that its caller
holds open: when the caller ends the pipe or is killed, so does everything below here. On Linux orphans come to this
process, which ends them; elsewhere those of the command's own process group are found. Exit status: the command's.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
NOT_STARTED = 127
# How long orphans are looked for: one that is killed comes to light when its parent is gone.
SWEEP = 1.0
PAUSE = 0.05


def main() -> int:
    lifeline = int(sys.argv[1])
    os.set_inheritable(lifeline, False)  # noqa: FBT003 - the signature of os
    adopt_orphans()
    child = os.fork()
    if child == 0:
        run(sys.argv[2:])
    status = watch(child, lifeline)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    sweep()
    return status


def adopt_orphans() -> None:
    """What loses its parent below here becomes our child, even in a session of its own. Linux alone can."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def run(command: list[str]) -> None:
    try:
        os.setsid()
        os.execv(command[0], command)  # noqa: S606 - a shell is what is not wanted
    except OSError as exc:
        os.write(2, f"{exc.strerror}\n".encode())
    finally:
        os._exit(NOT_STARTED)


def watch(child: int, lifeline: int) -> int:
    """Wait for the child, and kill it when the lifeline ends."""
    while True:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == child:
            return os.waitstatus_to_exitcode(status) % 256
        if pid:
            continue  # an orphan that ended by itself
        if select.select([lifeline], [], [], PAUSE)[0]:
            os.killpg(child, signal.SIGKILL)


def sweep() -> None:
    """Kill and reap what is left below us, until there is nothing."""
    end = time.monotonic() + SWEEP
    while time.monotonic() < end:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            for orphan in children():
                with suppress(ProcessLookupError):
                    os.kill(orphan, signal.SIGKILL)
            time.sleep(PAUSE / 5)


def children() -> list[int]:
    me = os.getpid()
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # The name of a program may hold anything, a bracket too.
            parent = int(stat.read_text("utf-8", "replace").rpartition(")")[2].split()[1])
            if parent == me:
                found.append(int(stat.parent.name))
    return found


if __name__ == "__main__":
    sys.exit(main())
