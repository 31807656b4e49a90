"""The records of evidence and the claims that lean on them: one file each, so no merge can have a conflict.

    .guardrails/evidence/<ULID>.json    what was seen            .guardrails/claims/<ULID>.json    what is said

A file is written under another name, forced to the disk and renamed, and never touched again. A record that
somebody changed afterwards, or that is none, is named and counts for nothing. No secret is written.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from guardrails.errors import GuardrailsError
from guardrails.evidence import ClaimRecord, EvidenceRecord
from guardrails.redact import Redactor
from guardrails.reports.ulid import is_ulid, make_ulid

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

EVIDENCE, CLAIMS = ".guardrails/evidence", ".guardrails/claims"
MOST_BYTES = 2**20


class Ledger(NamedTuple):
    """Everything recorded in a project, oldest first. `damaged`: files that are no record, and why."""

    records: tuple[EvidenceRecord, ...] = ()
    claims: tuple[ClaimRecord, ...] = ()
    damaged: tuple[tuple[str, str], ...] = ()

    @property
    def products(self) -> frozenset[str]:
        """What runs wrote beside the code."""
        return frozenset(path for record in self.records for path in record.products)

    def of(self, check: str) -> list[EvidenceRecord]:
        """The records of one check, oldest first."""
        return [record for record in self.records if record.check == check]

    def find(self, name: str) -> EvidenceRecord | None:
        """The record of this id, or of the one that begins so."""
        found = [record for record in self.records if record.id.startswith(name.upper())]
        return found[0] if len(found) == 1 else None


def read_ledger(top: Path) -> Ledger:
    """All records and claims of a project; an empty ledger where there are none."""
    damaged: list[tuple[str, str]] = []
    records = _read(top / EVIDENCE, EvidenceRecord.from_dict, damaged)
    claims = _read(top / CLAIMS, ClaimRecord.from_dict, damaged)
    # By the clock of whoever recorded; at the same instant, by name.
    return Ledger(tuple(sorted(records, key=lambda r: (r.started, r.id))), tuple(claims), tuple(damaged))


def write_record(top: Path, record: EvidenceRecord, redactor: Redactor | None = None) -> EvidenceRecord:
    """Put a record on the disk, under a new id and without secrets, and return it so. Raises GuardrailsError."""
    whole: EvidenceRecord = _cleaned(record._replace(id=make_ulid(time.time())), (redactor or Redactor()).text)
    _write(top / EVIDENCE, whole.id, whole.to_dict())
    return whole


def write_claim(top: Path, claim: ClaimRecord, redactor: Redactor | None = None) -> ClaimRecord:
    """The same of a claim."""
    whole: ClaimRecord = _cleaned(claim._replace(id=make_ulid(time.time())), (redactor or Redactor()).text)
    _write(top / CLAIMS, whole.id, whole.to_dict())
    return whole


def stamp(seconds: float) -> str:
    """UTC in ISO 8601 to the millisecond: texts that sort as the moments do."""
    import datetime as dt

    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds_of(text: str) -> float | None:
    """The moment that `stamp` wrote; None for anything else."""
    import datetime as dt

    try:
        return dt.datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None


def _read(folder: Path, parse: Callable[[dict[str, Any]], Any], damaged: list[tuple[str, str]]) -> list[Any]:
    found = []
    for file in sorted(folder.glob("*.json")) if folder.is_dir() else ():
        try:
            record = parse(json.loads(_bytes_of(file)))
            _require_name(file, record.id)
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as exc:
            damaged.append((file.name, f"{type(exc).__name__}: {exc}"[:200]))
        else:
            found.append(record)
    return found


def _bytes_of(file: Path) -> bytes:
    # No links: what comes with a repository must not lead out of it.
    with open(os.open(file, os.O_RDONLY | os.O_NOFOLLOW), "rb") as stream:  # noqa: PTH123
        data = stream.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise ValueError(f"larger than {MOST_BYTES // 2**20} MiB")
    return data


def _require_name(file: Path, name: str) -> None:
    if file.stem != name or not is_ulid(name):
        raise ValueError(f"it says that it is {name}")


def _cleaned(value: Any, redact: Callable[[str], str]) -> Any:
    """Without secrets, wherever they stand: in arguments, in output, in the names of tests."""
    if type(value) is str:
        return redact(value)
    if isinstance(value, dict):
        return {redact(name): _cleaned(item, redact) for name, item in value.items()}
    if hasattr(value, "_replace"):
        return value._replace(**{name: _cleaned(item, redact) for name, item in value._asdict().items()})
    return tuple(_cleaned(item, redact) for item in value) if isinstance(value, list | tuple) else value


def _write(folder: Path, name: str, data: dict[str, Any]) -> None:
    from guardrails.source.parse import make_private_folder

    beside = folder / f".{name}.tmp"
    try:
        make_private_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        text = json.dumps(data, indent=1, sort_keys=True) + "\n"
        if len(text) > MOST_BYTES:
            raise GuardrailsError(f"a record of {len(text):,} bytes is too long: at most {MOST_BYTES:,}")
        with beside.open("x", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.rename(folder / f"{name}.json")
        holder = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(holder)
        finally:
            os.close(holder)
    except OSError as exc:
        with suppress(OSError):
            beside.unlink()
        raise GuardrailsError(f"{folder}: nothing was recorded: {exc.strerror}") from exc
