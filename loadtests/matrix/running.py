"""Callers as processes: one that hangs or dies is replaced, and the next cell goes on with a new one."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from guardrails.testing.faults import FaultServer
from loadtests.matrix.cells import LASTS, SOUND, WAYS, WIRES, Cell, Outcome, Told, fault_of, judged, says

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

ROOT = Path(__file__).parents[2]
# A library of two megabytes of code takes its time on a busy machine.
STARTS_WITHIN = 300.0


class Failed(Exception):
    """A caller did not start, and the message says why."""


@dataclass(frozen=True)
class Caller:
    """Who asks. `argv`: its module and arguments; `requires`: what is installed for it, () if it runs here.

    `families`: libraries of HTTP by wire, where there is a choice; `configuration`: how it is set up, in code.
    """

    name: str
    argv: tuple[str, ...]
    configuration: str
    requires: tuple[str, ...] = ()
    families: Callable[[str], tuple[str, ...]] = lambda wire: ("httpx",)  # noqa: ARG005 - there is no choice


class Child:
    """A caller that runs. `versions`: what it says that it measures."""

    def __init__(self, caller: Caller, python: str) -> None:
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        keep = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        self._process = subprocess.Popen(
            [python, "-m", *caller.argv],
            cwd=ROOT,
            env={**keep, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        first = self._line(STARTS_WITHIN)
        if not first:
            self.kill()
            why = "has ended" if first == "" else f"did not start within {STARTS_WITHIN:g} s"
            raise Failed(f"{' '.join(caller.argv)} {why}")
        self.versions = str(json.loads(first))

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._lines.put(line)
        self._lines.put("")

    def _line(self, seconds: float) -> str | None:
        """What it says next; "": it has ended; None: nothing in time."""
        with contextlib.suppress(queue.Empty):
            return self._lines.get(timeout=seconds)
        return None

    def ask(self, job: dict[str, Any], seconds: float) -> Told | None:
        """What it was told; None: it did not say so in time, and is ended."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(job) + "\n")
            self._process.stdin.flush()
        line = self._line(seconds)
        if line:
            return Told(**json.loads(line))
        self.kill()
        return None if line is None else Told("", "the process ended")

    @property
    def alive(self) -> bool:
        """Whether it can be asked again."""
        return self._process.poll() is None

    def kill(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        self._reader.join()
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def cells_of(caller: Caller, faults: Sequence[str], lasts: Sequence[str] = LASTS) -> Iterator[Cell]:
    """Every cell of one caller."""
    for way in WAYS:
        for fault in faults:
            for wire in WIRES:
                for family in caller.families(wire):
                    for last in lasts:
                        yield Cell(fault, wire, way, family, last)


def outcomes(
    caller: Caller, cells: Sequence[Cell], timeout: float, python: str = sys.executable
) -> tuple[str, dict[Cell, tuple[Outcome, str]]]:
    """The versions that were measured; and of each cell what became of it, and the error's name.

    Raises Failed, also where a caller is not told the whole text of a server that does not break.
    """
    found: dict[Cell, tuple[Outcome, str]] = {}
    with _Children(caller, python) as children:
        for cell in cells:
            told = tried(children.ready(cell), cell, timeout)
            if told is None:
                # A busy machine may be as slow: once more, in a new process, and for longer.
                told = tried(children.ready(cell), cell, timeout, 15.0)
            found[cell] = (judged(told), "" if told is None else told.error)
        return children.versions, found


class _Children(contextlib.ExitStack):
    """The processes of a caller, one after another."""

    def __init__(self, caller: Caller, python: str) -> None:
        super().__init__()
        self._caller = caller
        self._python = python
        self._child: Child | None = None
        # What this one has done once, and so has loaded.
        self._known: set[tuple[str, str, str]] = set()
        self.versions = ""

    def ready(self, cell: Cell) -> Child:
        """A process that has shown that it can do this without a fault. Raises Failed."""
        child = self._child
        if child is None or not child.alive:
            child = self._child = self.enter_context(Child(self._caller, self._python))
            self.versions = child.versions
            self._known.clear()
        known = (cell.wire, cell.way, cell.family)
        if known not in self._known:
            sound = tried(child, cell._replace(fault=SOUND), STARTS_WITHIN / 10)
            if judged(sound) != Outcome.WHOLE:
                raise Failed(f"without a fault {cell.wire} {cell.way} came to {judged(sound)}: {sound}")
            self._known.add(known)
        return child


def tried(child: Child, cell: Cell, timeout: float, limit: float = 10.0) -> Told | None:
    """What a caller is told in one cell, within `limit` times the timeout."""
    fault = fault_of(cell)
    once = cell.lasts == "once"
    with (
        FaultServer(says, plan=[fault] if once else (), fault=None if once else fault) as broken,
        FaultServer(says) as healthy,
    ):
        given = {"wire": cell.wire, "way": cell.way, "family": cell.family, "timeout": timeout}
        return child.ask({**given, "url": broken.url, "fallback": healthy.url}, limit * timeout)
