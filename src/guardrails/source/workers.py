"""Child processes that turn paths into facts: extract.py, alone, under an interpreter of one's choice.

Answers come in the order of the questions. When a child dies or hangs, the file in flight is therefore
known: it is reported as not analysed, and a new child goes on behind it.
"""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from guardrails.source import extract

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

BATCH = 32
# A child that says nothing for so long is stuck; the largest admitted file parses in about a second.
BATCH_LIMIT = 60.0


def run(
    executable: str,
    feature: tuple[int, int] | None,
    base: Path,
    names: Sequence[str],
    *,
    jobs: int,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, bytes]:
    """Facts as JSON for each name below `base`, from at most `jobs` children at a time."""
    pending = [names[start : start + BATCH] for start in range(0, len(names), BATCH)]
    pending.reverse()
    results: dict[str, bytes] = {}
    failures: list[BaseException] = []

    def drive() -> None:
        worker = Worker(executable, feature)
        try:
            while (batch := _next(pending)) is not None:
                results.update(worker.answers(base, batch))
        except BaseException as exc:  # noqa: BLE001 - raised again in the caller's thread
            failures.append(exc)
        finally:
            worker.end()

    threads = [threading.Thread(target=drive, daemon=True) for _ in range(max(1, min(jobs, len(pending))))]
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive():
            thread.join(0.1)
            if progress is not None:
                progress(len(results), len(names))
    if failures:
        raise failures[0]
    return results


def _next(pending: list[Sequence[str]]) -> Sequence[str] | None:
    try:
        return pending.pop()
    except IndexError:  # another thread took the last one
        return None


class Worker:
    """One child process that turns paths into facts, started at first use and again after a crash."""

    def __init__(self, executable: str, feature: tuple[int, int] | None) -> None:
        self.executable = executable
        self.feature = feature
        self.process: Any = None

    def answers(self, base: Path, names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """(name, facts as JSON) for each name, in order."""
        rest = list(names)
        while rest:
            done = 0
            for name, raw in self._ask(base, rest):
                yield name, raw
                done += 1
            if done < len(rest):
                ended = self.end()
                reason = f"the parser did not survive it (exit status {ended})"
                yield rest[done], json.dumps({"error": reason}).encode()
                done += 1
            rest = rest[done:]

    def _ask(self, base: Path, names: list[str]) -> Iterator[tuple[str, bytes]]:
        if self.process is None:
            self._start()
        stuck = threading.Timer(BATCH_LIMIT, self.process.kill)
        stuck.start()
        try:
            request = {"paths": [str(base / name) for name in names], "feature": self.feature}
            # json carries file names that are no UTF-8.
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
            self.process.stdin.flush()
            for name in names:
                raw = self.process.stdout.readline()
                if not raw.endswith(b"\n"):
                    return
                yield name, raw[:-1]
        except BrokenPipeError:
            return
        finally:
            stuck.cancel()

    def _start(self) -> None:
        import subprocess

        self.process = subprocess.Popen(
            [self.executable, "-I", "-S", extract.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def end(self) -> int:
        """Close the child and return its exit status."""
        process, self.process = self.process, None
        if process is None:
            return 0
        with suppress(BrokenPipeError):
            process.stdin.close()
        process.stdout.close()
        return int(process.wait())
