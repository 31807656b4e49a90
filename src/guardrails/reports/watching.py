"""Watch a log while it grows, for a fixed time, through rotation and truncation.

path, other inode     the old file is read to its end, then the new one from its beginning
file, now shorter     read from its beginning; what was cut away before it was read is lost, and that is said
"""

from __future__ import annotations

import os
import time
from typing import IO, TYPE_CHECKING, NamedTuple

from guardrails.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from guardrails.reports.logcount import Counter

POLL = 0.2


class Watched(NamedTuple):
    """How it went: when it began, for how many seconds, what happened to the file."""

    started: float
    duration: float
    rotated: int
    truncated: int


def watch_log(
    file: Path,
    counter: Counter,
    seconds: float,
    *,
    sleep: Callable[[float], None] = time.sleep,
    shown: Callable[[float], None] = lambda _left: None,
) -> Watched:
    """Count what is written to `file` from now on for `seconds`.

    `shown`: told the seconds that are left, for a progress line. Raises ConfigError where the file cannot be read.
    """
    started, begun = time.time(), time.monotonic()
    rotated = truncated = 0
    stream = _open(file)
    stream.seek(0, os.SEEK_END)
    try:
        while True:
            left = begun + seconds - time.monotonic()
            counter.read(stream)
            if (new := _successor(file, stream)) is not None:
                counter.read(stream)  # what came between the last look and the rotation
                counter.finish()
                stream.close()
                stream, rotated = new, rotated + 1
                continue
            if os.fstat(stream.fileno()).st_size < stream.tell():
                counter.finish()
                stream.seek(0)
                truncated += 1
                continue
            if left <= 0:
                break
            shown(left)
            sleep(min(POLL, left))
    finally:
        stream.close()
    counter.finish()
    return Watched(started, time.monotonic() - begun, rotated, truncated)


def _open(file: Path) -> IO[bytes]:
    try:
        stream = file.open("rb", buffering=0)
    except OSError as exc:
        raise ConfigError([f"{file}: {exc.strerror}"]) from exc
    return stream


def _successor(file: Path, stream: IO[bytes]) -> IO[bytes] | None:
    """The file that now bears the name, if it is another one; None also while there is none."""
    now = os.fstat(stream.fileno())
    try:
        there = file.stat()
        if (there.st_dev, there.st_ino) == (now.st_dev, now.st_ino):
            return None
        return file.open("rb", buffering=0)
    except OSError:
        return None
