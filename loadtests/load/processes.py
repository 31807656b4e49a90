"""Processes that end with the block that started them, whatever ends the block, and where they listen."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

# Seconds for a start on a busy machine; it takes about one.
PATIENCE = 60.0
# What would reach into the sample from outside: its own settings, and pytest's.
FOREIGN = ("AGENT_", "COV_", "PYTEST_", "PROMETHEUS_")


class CouldNotMeasure(Exception):
    """A process did not start, or ended early; holds the end of what it said."""


class Running:
    """One process and its log."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self.log = log

    def wait_until(self, done: Callable[[], object], what: str, within: float = PATIENCE) -> None:
        """Return as soon as `done`. Raises CouldNotMeasure if the process ends before, or the time is over."""
        until = time.monotonic() + within
        while not done():
            ended = self.process.poll()
            if ended is not None or time.monotonic() > until:
                why = f"not within {within:g} s" if ended is None else f"the process ended with status {ended}"
                raise CouldNotMeasure(f"{what}: {why}\n{self.text()[-3000:]}")
            time.sleep(0.02)

    def address(self) -> str:
        """Where a server under uvicorn listens, once it does."""

        def found() -> re.Match[str] | None:
            return re.search(r"running on (http://127\.0\.0\.1:\d+)", self.text())

        self.wait_until(found, f"{self.log.stem} listens")
        match = found()
        return match[1] if match else ""

    def text(self) -> str:
        """What the process has said."""
        return self.log.read_text(encoding="utf-8", errors="replace")


@contextmanager
def running(name: str, command: Sequence[str], folder: Path, cwd: Path, **environment: str) -> Iterator[Running]:
    """Run `command` in `cwd` for one block, its log in `folder`; at the end it is asked to end, then made to."""
    log = folder / f"{name}.log"
    # Where this process is killed, nobody else ends its children. Linux alone can promise that they end with it.
    setpriv = shutil.which("setpriv")
    prefix = [setpriv, "--pdeathsig", "TERM"] if setpriv else []
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*prefix, *command],
            cwd=cwd,
            env=_environment(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield Running(process, log)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    # Nothing is written beside the sources.
    return {**kept, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1", **more}
