"""Run a command as if nobody watched, and know afterwards what it was: output, exit status, signals, terminal.

    stdin                inherited
    stdout, stderr       a pump each: read, pass on at once, keep an excerpt; a terminal where we have one
    SIGTERM, SIGHUP ...  handed to the command; what a terminal sends to all in the foreground is not sent twice
    the end              of the command, not of those whom it left behind with its output

Memory stays bounded for output of any length, and a reader who is slow or gone is the command's to deal with.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

from guardrails.reports.excerpts import Excerpt

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

CHUNK = 2**16
# How long output is waited for that a child of the ended command may still write.
LINGER = 0.5
_HANDED_ON = ("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2")
_FROM_TERMINAL = ("SIGINT", "SIGQUIT", "SIGHUP")


class Ran(NamedTuple):
    """How a command went. `status`: its exit status, or minus the signal that ended it; times in seconds."""

    status: int
    started: float
    duration: float
    stdout: Excerpt
    stderr: Excerpt


def run_wrapped(program: str, argv: Sequence[str], environ: Mapping[str, str]) -> Ran:
    """Run `program` under the name and with the arguments `argv`; comes back when it has ended.

    Raises OSError when it cannot be started.
    """
    pumps = [_Pump(1), _Pump(2)]
    started, begun = time.time(), time.monotonic()
    handing = _Handing(pumps)
    with handing.on():
        try:
            process = subprocess.Popen(argv, executable=program, env=environ, stdout=pumps[0].end, stderr=pumps[1].end)
        except OSError:
            for pump in pumps:
                pump.close()
            raise
        handing.start(process.pid)
        for pump in pumps:
            pump.start()
        status = process.wait()
        handing.pid = None
        duration = time.monotonic() - begun
        for pump in pumps:
            pump.finish()
    return Ran(status, started, duration, pumps[0].excerpt, pumps[1].excerpt)


class _Pump(threading.Thread):
    """Carries one stream of the command to ours."""

    def __init__(self, number: int) -> None:
        super().__init__(daemon=True)
        self.number = number
        self.excerpt = Excerpt()
        self._seen = time.monotonic()
        self._ended = threading.Event()
        self._terminal = os.isatty(number)
        self._source, self.end = _terminal_like(number) if self._terminal else os.pipe()
        self.resize()

    def start(self) -> None:
        os.close(self.end)  # else the end of the stream would never come
        super().start()

    def close(self) -> None:
        os.close(self.end)
        os.close(self._source)

    def run(self) -> None:
        while piece := self._read():
            self._seen = time.monotonic()
            self.excerpt.add(piece)
            if not self._pass_on(piece):
                break
        # The command learns of a reader who has gone as it would without us.
        with suppress(OSError):
            os.close(self._source)
        self._ended.set()

    def resize(self) -> None:
        """Make the command's terminal as wide as ours."""
        if self._terminal:
            import fcntl
            import termios

            with suppress(OSError):
                fcntl.ioctl(self._source, termios.TIOCSWINSZ, fcntl.ioctl(self.number, termios.TIOCGWINSZ, b"\0" * 8))

    def finish(self) -> None:
        """Wait for the rest; not for those who inherited the stream and stay silent."""
        ended = time.monotonic()
        while not self._ended.wait(0.02):
            if time.monotonic() - max(ended, self._seen) > LINGER:
                return

    def _read(self) -> bytes:
        try:
            return os.read(self._source, CHUNK)
        except OSError:  # a terminal whose last user has gone
            return b""

    def _pass_on(self, piece: bytes) -> bool:
        rest = memoryview(piece)
        while rest:
            try:
                rest = rest[os.write(self.number, rest) :]
            except BlockingIOError:  # somebody made the stream we inherited non-blocking
                time.sleep(0.005)
            except OSError:
                return False
        return True


class _Handing:
    """Hands signals on to a command, those too that come before it has started."""

    def __init__(self, pumps: Sequence[_Pump]) -> None:
        self.pid: int | None = None
        self._early: list[int] = []
        self._pumps = pumps

    def start(self, pid: int) -> None:
        self.pid = pid
        for number in self._early:
            self._hand_on(number, None)

    @contextmanager
    def on(self) -> Iterator[None]:
        numbers = [getattr(signal, name) for name in _HANDED_ON]
        # What whoever started us ignores stays ignored, for the command too.
        heard = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
        before = {number: signal.signal(number, self._hand_on) for number in heard}
        before[signal.SIGWINCH] = signal.signal(signal.SIGWINCH, self._resize)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _hand_on(self, number: int, _: object) -> None:
        if signal.Signals(number).name in _FROM_TERMINAL and _in_foreground():
            return  # the terminal has told the command itself
        if self.pid is None:
            self._early.append(number)
            return
        # Not by Popen, whose lock the interrupted main thread may hold.
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def _resize(self, _number: int, _: object) -> None:
        for pump in self._pumps:
            pump.resize()


def _in_foreground() -> bool:
    for number in (0, 1, 2):
        with suppress(OSError):
            return os.tcgetpgrp(number) == os.getpgrp()
    return False


def _terminal_like(number: int) -> tuple[int, int]:
    """Two ends of a terminal that changes no byte: ours does with them what terminals do."""
    import pty
    import termios

    ours, theirs = pty.openpty()
    settings = termios.tcgetattr(number)
    settings[1] &= ~termios.OPOST
    termios.tcsetattr(theirs, termios.TCSANOW, settings)
    return ours, theirs
