"""What is measured: a callable in this process, or a whole process. Both give one sample at a time.

    contestant.ready(work)    sets up, warms up, calibrates; returns the sampler
    sampler()                 one sample in the figure's unit: seconds of CPU, a count

A contestant that gives no number raises; the reason is printed where the number would stand.
"""

from __future__ import annotations

import gc
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import timeit
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class NotRun(Exception):
    """No number, and the message says why: what is measured crashed, or is not installed."""


class Contestant(Protocol):
    """One side of a figure."""

    @property
    def name(self) -> str:
        """What a reader calls it."""
        ...

    @property
    def command(self) -> str:
        """How to run it by hand, without paths of this machine."""
        ...

    @property
    def distribution(self) -> str | None:
        """The distribution whose version belongs in the report."""
        ...

    def ready(self, work: Path) -> Callable[[], float]:
        """Set up, below `work` where files are needed, and return the sampler."""
        ...


@dataclass(frozen=True, kw_only=True)
class Call:
    """A callable in this process; a sample is the CPU time of one call.

    `setup` returns the callable. It is called in a loop that lasts `at_least` seconds of CPU, so that the
    clock's resolution does not show, with the garbage collector emptied before and switched off meanwhile.
    """

    name: str
    setup: Callable[[], Callable[[], object]]
    distribution: str | None = None
    at_least: float = 0.02
    clock: Callable[[], float] = time.process_time

    @property
    def command(self) -> str:
        return f"in process: {self.setup.__module__}.{self.setup.__qualname__}"

    def ready(self, work: Path) -> Callable[[], float]:  # noqa: ARG002 - a callable needs no files
        timer = timeit.Timer(self.setup(), timer=self.clock)
        loops = 1
        while timer.timeit(loops) < self.at_least:
            loops *= 2

        def sample() -> float:
            gc.collect()
            return timer.timeit(loops) / loops

        return sample


@dataclass(frozen=True)
class Ended:
    """How a process ended. `cpu`: seconds, user and system, of it and of the children it waited for."""

    status: int
    stdout: str
    stderr: str
    cpu: float


def cpu_seconds(ended: Ended) -> float:
    """What most figures compare."""
    return ended.cpu


def printed(ended: Ended) -> float:
    """The number on the last line of standard output: for figures that count instead of timing."""
    return float(ended.stdout.split()[-1])


@dataclass(frozen=True, kw_only=True)
class Process:
    """A whole process, run to its end for each sample.

    `project` fills an empty folder, once in a run, and says in a few words what it put there; that folder
    is the working directory. `before` gets the folder before each process and is not measured.
    `statuses` are the exit statuses of a process that did its work, and `shows` is in what it then prints;
    anything else, a traceback on standard error and a run over `limit` seconds are crashes. `reads` makes
    the sample.
    """

    name: str
    argv: tuple[str, ...]
    distribution: str | None = None
    project: Callable[[Path], str] | None = None
    before: Callable[[Path], None] | None = None
    statuses: frozenset[int] = frozenset({0})
    shows: str = ""
    reads: Callable[[Ended], float] = cpu_seconds
    limit: float = 300.0

    @property
    def command(self) -> str:
        program, *arguments = self.argv
        name = "python" if program == sys.executable else Path(program).name
        return shlex.join([name, *arguments])

    def ready(self, work: Path) -> Callable[[], float]:
        folder = work
        if self.project is not None:
            folder = work / self.project.__name__
            caption = work / f"{folder.name}.caption"
            if not caption.exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                caption.write_text(self.project(folder), encoding="utf-8")
        self._sample(folder)  # byte code and caches are written now
        return lambda: self._sample(folder)

    def _sample(self, folder: Path) -> float:
        if self.before is not None:
            self.before(folder)
        ended = self._run(folder)
        if ended.status not in self.statuses or "Traceback (most recent call last)" in ended.stderr:
            last = (ended.stderr.strip() or "nothing on standard error").splitlines()[-1]
            raise NotRun(f"exit status {ended.status}: {last}")
        if self.shows not in ended.stdout:
            raise NotRun(f"exit status {ended.status}, and {self.shows!r} is not in what it printed")
        return self.reads(ended)

    def _run(self, folder: Path) -> Ended:
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            try:
                process = subprocess.Popen(
                    self.argv,
                    cwd=folder,
                    env=_environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=err,
                )
            except OSError as exc:
                raise NotRun(f"cannot start {self.argv[0]}: {exc.strerror}") from exc
            watchdog = threading.Timer(self.limit, process.kill)
            watchdog.start()
            try:
                _, status, usage = os.wait4(process.pid, 0)
            finally:
                watchdog.cancel()
            process.returncode = os.waitstatus_to_exitcode(status)
            out.seek(0)
            err.seek(0)
            said, complained = (stream.read().decode(errors="replace") for stream in (out, err))
            return Ended(process.returncode, said, complained, usage.ru_utime + usage.ru_stime)


def version(distribution: str) -> str:
    """`name version` of an installed distribution, or that it is absent."""
    try:
        return f"{distribution} {metadata.version(distribution)}"
    except metadata.PackageNotFoundError:
        return f"{distribution} (not installed)"


def _environment() -> dict[str, str]:
    """Ours without what would change a Python process or the gate behind the reader's back."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "GUARDRAILS_"))}
