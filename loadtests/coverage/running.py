"""All kinds through one encoder, in child processes that may hang or die."""

from __future__ import annotations

import json
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loadtests.coverage.judging import Ended, Verdict, judge
from loadtests.coverage.kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from loadtests.coverage.encoders import Encoder

ROOT = Path(__file__).resolve().parents[2]
# Seconds for the imports of an encoder, and for making one value.
START = 120.0


class Failed(Exception):
    """The encoder could not be tried: it is not installed, or its adapter is wrong."""


class Child:
    """One process. `ask` gives it a kind and waits."""

    def __init__(self, call: str, file: Path) -> None:
        self.file = file
        # A file, since a pipe that nobody reads would make a library that warns look like one that hangs.
        self.noise = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `end`
        command = [sys.executable, "-m", "loadtests.coverage.child", call, str(file)]
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.noise
        )
        self.unread = b""
        if self.line(START) is None:
            why = self.errors()
            self.end()
            raise Failed(why)

    def line(self, limit: float) -> dict[str, Any] | None:
        """The next answer; None where the process hangs or is gone."""
        assert self.process.stdout is not None
        end = time.monotonic() + limit
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            while b"\n" not in self.unread:
                if not selector.select(max(0.0, end - time.monotonic())):
                    return None
                part = self.process.stdout.read1(65_536)  # type: ignore[attr-defined]
                if not part:
                    self.process.wait()
                    return None
                self.unread += part
        line, _, self.unread = self.unread.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def ask(self, kind: str, limit: float) -> Ended:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{kind}\n".encode())
        self.process.stdin.flush()
        if self.line(START) is None:
            raise Failed(f"the value {kind!r} could not be made: {self.errors()}")
        answer = self.line(limit)
        if answer is None:
            status = self.process.poll()
            if status is None:
                return Ended(otherwise=Verdict.HANGS, why=f"over {limit:g} s")
            return Ended(otherwise=Verdict.DIES, why=signal.Signals(-status).name if status < 0 else f"status {status}")
        if "raised" in answer:
            return Ended(otherwise=Verdict.RAISES, why=answer["raised"])
        return Ended(self.file.read_bytes(), answer["reported"])

    def errors(self) -> str:
        """The last line that it wrote on standard error; it is over."""
        self.process.kill()
        self.process.wait()
        self.noise.seek(0)
        return self.noise.read().decode(errors="replace").strip().rpartition("\n")[2] or "no answer"

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        for file in (self.process.stdin, self.process.stdout, self.noise):
            if file is not None:
                file.close()


def cells(encoder: Encoder, limit: float, kinds: Iterable[str] = KINDS) -> dict[str, tuple[Verdict, str]]:
    """The verdict on each kind, and why. Raises Failed where the encoder cannot be called at all."""
    found: dict[str, tuple[Verdict, str]] = {}
    child: Child | None = None
    with tempfile.TemporaryDirectory(prefix="coverage-") as folder:
        file = Path(folder) / "output"
        try:
            for kind in kinds:
                child = child or Child(encoder.call, file)
                ended = child.ask(kind, limit)
                if ended.otherwise is Verdict.HANGS:
                    # On a busy machine slow looks like hanging: a second process gets twice the time.
                    child.end()
                    child = Child(encoder.call, file)
                    ended = child.ask(kind, 2 * limit)
                found[kind] = (judge(ended, KINDS[kind]), ended.why)
                if found[kind][0] in (Verdict.HANGS, Verdict.DIES):
                    child.end()
                    child = None
        finally:
            if child is not None:
                child.end()
    return found
