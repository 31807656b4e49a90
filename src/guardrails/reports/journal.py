"""A journal of JSON lines that outlives a killed writer, and that two branches never fight over.

    folder/<ULID>.jsonl    one record a line, sorted keys; a name is given once and by nobody else

Appending is one write to the end of a file and one fsync, under a lock of the working tree; who comes back from
`append` has it on the disk. A file that is in a commit is *sealed*: what comes later goes to a new file, so
branches that both went on with a folder add files of different names, and a merge of them has no conflict.

Reading takes every record that is whole and names every line that is not: cut off, no record, of a newer version.
Records are in the order of their names; one that stands there twice, as after a merge by hand, counts once.
"""

from __future__ import annotations

import errno
import json
import os
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from guardrails.errors import GuardrailsError
from guardrails.reports.ulid import is_ulid, make_ulid

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from pathlib import Path

VERSION = 1
LONGEST_RECORD = 2**18
MOST_BYTES = 2**26
_SUFFIX = ".jsonl"


class Damage(NamedTuple):
    """A line that is no record. `kind`: torn (the writer was cut off), garbage, newer (`version` says which)."""

    file: str
    line: int
    kind: str
    version: int = 0


class Journal(NamedTuple):
    """What a folder holds: its records, oldest first, and the lines that are none."""

    records: tuple[dict[str, Any], ...]
    damages: tuple[Damage, ...]


def read_journal(folder: Path, accepts: Callable[[dict[str, Any]], bool] = lambda _record: True) -> Journal:
    """Everything in `folder`; empty where there is none. `accepts`: whether a record has the fields of its kind.

    Raises GuardrailsError for a file that cannot be read, or is larger than 64 MiB.
    """
    found: dict[str, dict[str, Any]] = {}
    damages: list[Damage] = []
    for file in _files(folder):
        data = _bytes_of(file)
        *lines, last = data.split(b"\n")
        for number, line in enumerate([*lines, last] if last else lines, 1):
            if not line.strip():
                continue
            record, damage = _parsed(line, accepts)
            if record is not None:
                known = found.setdefault(record["id"], record)
                if known != record:
                    found[record["id"]] = min(known, record, key=_as_line)
                    damages.append(Damage(file.name, number, "garbage"))
            else:
                torn = damage == ("garbage", 0) and number > len(lines)
                damages.append(Damage(file.name, number, "torn" if torn else damage[0], damage[1]))
    return Journal(tuple(found[name] for name in sorted(found)), tuple(damages))


def append(
    folder: Path, record: dict[str, Any], *, now: float, sealed: Collection[str] = (), newest: str = ""
) -> dict[str, Any]:
    """Write one record, and return it as it now stands on the disk; call it inside `locked`.

    It gets the version and an `id`, made from `now` (seconds since 1970 UTC) and greater than `newest`. `sealed`: names
    of files that are in a commit. Raises GuardrailsError when it could not be written, and then nothing of it is there.
    """
    whole = {**record, "v": VERSION, "id": make_ulid(now, newest)}
    line = _as_line(whole)
    if len(line) > LONGEST_RECORD:
        raise GuardrailsError(f"a record of {len(line):,} bytes is too long: at most {LONGEST_RECORD:,}. Shorten it")
    try:
        _make_folder(folder)
        open_files = [f for f in _files(folder) if f.name not in sealed and f.stat().st_size < MOST_BYTES // 2]
        file = open_files[-1] if open_files else folder / f"{whole['id']}{_SUFFIX}"
        _write(file, line)
        if not open_files:
            _sync_folder(folder)
    except OSError as exc:
        raise GuardrailsError(f"{folder}: nothing was recorded: {exc.strerror}") from exc
    return whole


@contextmanager
def locked(file: Path, timeout: float = 10.0) -> Iterator[None]:
    """Hold the lock `file` so that no other process decides or appends meanwhile.

    `timeout`: seconds to wait for it, default 10: others hold it for milliseconds. It ends with the process that holds
    it. Raises GuardrailsError where it is not to be had, and where the system has no such locks (Windows).
    """
    try:
        import fcntl
    except ModuleNotFoundError as exc:
        raise GuardrailsError("sessions need the file locks of Linux or macOS, which this system lacks") from exc
    try:
        holder = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
    except OSError as exc:
        raise GuardrailsError(f"{file}: cannot be locked: {exc.strerror}") from exc
    try:
        end = time.monotonic() + timeout
        while True:
            try:
                fcntl.flock(holder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as exc:
                if exc.errno not in {errno.EWOULDBLOCK, errno.EACCES, errno.EINTR}:
                    raise GuardrailsError(f"{file}: cannot be locked: {exc.strerror}") from exc
            if time.monotonic() > end:
                raise GuardrailsError(f"{file}: another process has held it for {timeout:g} s: end that one, try again")
            time.sleep(0.005)
        yield
    finally:
        os.close(holder)


def _parsed(line: bytes, accepts: Callable[[dict[str, Any]], bool]) -> tuple[dict[str, Any] | None, tuple[str, int]]:
    try:
        record = json.loads(line)
        json.dumps(record, ensure_ascii=False).encode()  # halves of surrogate pairs could not be printed
    except (ValueError, RecursionError):
        return None, ("garbage", 0)
    if not isinstance(record, dict) or type(record.get("v")) is not int:
        return None, ("garbage", 0)
    if record["v"] > VERSION:
        return None, ("newer", record["v"])
    return (record, ("", 0)) if is_ulid(record.get("id")) and accepts(record) else (None, ("garbage", 0))


def _files(folder: Path) -> Sequence[Path]:
    try:
        # No links: what comes with a repository must not lead out of it.
        return sorted(f for f in folder.iterdir() if f.suffix == _SUFFIX and f.is_file() and not f.is_symlink())
    except (FileNotFoundError, NotADirectoryError):
        return ()


def _bytes_of(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            data = stream.read(MOST_BYTES + 1)
    except OSError as exc:
        raise GuardrailsError(f"{file}: cannot be read: {exc.strerror}") from exc
    if len(data) > MOST_BYTES:
        raise GuardrailsError(f"{file}: larger than {MOST_BYTES // 2**20} MiB: no journal of ours")
    return data


def _as_line(record: dict[str, Any]) -> bytes:
    # ASCII, so that no editor, merge or code page can change what is meant.
    return json.dumps(record, sort_keys=True, separators=(",", ":")).encode("ascii") + b"\n"


def _write(file: Path, line: bytes) -> None:
    holder = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
    try:
        size = os.fstat(holder).st_size
        # Whoever was cut off in the middle of a line must not take this one with it.
        before = b"\n" if size and os.pread(holder, 1, size - 1) != b"\n" else b""
        try:
            _write_whole(holder, before + line)
            os.fsync(holder)
        except OSError:
            with suppress(OSError):
                os.ftruncate(holder, size)
                if size == 0:
                    file.unlink()
            raise
    finally:
        os.close(holder)


def _write_whole(holder: int, data: bytes) -> None:
    if os.write(holder, data) != len(data):
        raise OSError(errno.ENOSPC, "the disk took only a part of it: make room, and try again")


def _make_folder(folder: Path) -> None:
    if folder.is_dir():
        return
    folder.parent.mkdir(exist_ok=True)
    folder.mkdir(exist_ok=True)
    for made in (folder.parent, *folder.parent.parents[:2]):
        _sync_folder(made)


def _sync_folder(folder: Path) -> None:
    """A new name is as lasting as its folder."""
    holder = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(holder)
    finally:
        os.close(holder)
