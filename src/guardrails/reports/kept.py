"""Commits that were read before, in one file: because a commit never changes, nothing is read from git twice.

    guardrails commits 2 <what the reading depends on> <CRC-32>
    {"rows": [...], "paths": [...]}    one line for each report that met new commits

The file is believed only if git, the clone's attributes and the map of names are what they were, and every byte is.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from guardrails.reports.repository import commit_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from guardrails.reports.repository import Repository

_HEAD = "guardrails commits 2"
# A history of half a million commits; beyond it the file begins anew.
MOST_KEPT = 2**27
# To read so many bytes takes as long as to ask git for the lines of one commit.
BYTES_A_COMMIT = 20_000


class Kept:
    """The commits kept in `file`; None keeps none. `wanted`: how many the report is about."""

    def __init__(self, file: Path | None, repository: Repository, wanted: int) -> None:
        self.file = file
        self.rows = b""
        self.key = b""
        if file is None:
            return
        try:
            size = file.stat().st_size
        except OSError:
            size = 0
        if size > BYTES_A_COMMIT * max(wanted, 50):
            self.file = None
            return
        self.key = f"{_HEAD} {repository.version} {_attributes(repository)} {_mailmap(repository)}".encode()
        self.rows = _believed(file, self.key)

    def blocks(self) -> Iterator[tuple[list[list[Any]], list[str]]]:
        """What was added, as it was added."""
        for line in self.rows.splitlines():
            block = json.loads(line)
            yield block["rows"], block["paths"]

    def add(self, rows: list[list[Any]], paths: list[str]) -> None:
        """Keep these, too, in one step. A file that cannot be written costs time and no more."""
        if self.file is None or not rows:
            return
        import zlib

        block = json.dumps({"rows": rows, "paths": paths}, separators=(",", ":")).encode("ascii") + b"\n"
        kept = self.rows + block if len(self.rows) + len(block) < MOST_KEPT else block
        beside = self.file.with_name(f"{self.file.name}.{os.getpid()}.tmp")
        try:
            beside.write_bytes(b"%s %08x\n%s" % (self.key, zlib.crc32(kept), kept))
            beside.replace(self.file)
        except OSError:
            beside.unlink(missing_ok=True)


def _believed(file: Path, key: bytes) -> bytes:
    """What stands below the first line; nothing where it is absent, damaged, or depends on something else."""
    import zlib

    try:
        head, _, rows = file.read_bytes().partition(b"\n")
    except OSError:
        return b""
    return rows if head == b"%s %08x" % (key, zlib.crc32(rows)) else b""


def _attributes(repository: Repository) -> str:
    """A digest of the clone's own attributes, which git obeys even where it reads none from the tree."""
    try:
        attributes = (repository.common_dir / "info" / "attributes").read_bytes()
    except OSError:
        return "-"
    import hashlib

    return hashlib.sha256(attributes).hexdigest()[:16]


def _mailmap(repository: Repository) -> str:
    """The file that names people, by its hash."""
    return commit_file("HEAD", ".mailmap", repository) or "-"
