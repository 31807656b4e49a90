"""`.guardrails/gate/last.json`: what the last run found, for reports, on-call and the status page.

And the way in which every file of the gate is written: whole, in one step.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from guardrails.source.parse import make_private_folder

if TYPE_CHECKING:
    from pathlib import Path

    from guardrails.evidence import GateRecord

RECORD = ".guardrails/gate/last.json"


def write_record(record: GateRecord, project: Path) -> str | None:
    """Replace the last record in one step. Returns why it could not be written, else None."""
    file = project / RECORD
    try:
        make_private_folder(file.parent.parent)
        file.parent.mkdir(exist_ok=True)
        replace_file(file, record.to_json())
    except OSError as exc:
        return f"the record {RECORD} could not be written: {exc.strerror}"
    return None


def replace_file(file: Path, text: str) -> None:
    """Put `text` in place of the file at once: whoever reads meanwhile finds the old or the new. Raises OSError.

    A link stays, and what it leads to is replaced; a pipe or a device is written to.
    """
    if _is_special(file):
        file.write_text(text, encoding="utf-8")
        return
    temporary = _beside(file)
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(file.resolve())
    finally:
        temporary.unlink(missing_ok=True)


def require_replaceable(file: Path) -> None:
    """Make the file's folder, and raise OSError now where `replace_file` would do so later."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.exists():
        with file.open("ab"):
            pass
    if not _is_special(file):
        temporary = _beside(file)
        temporary.touch()
        temporary.unlink()


def _is_special(file: Path) -> bool:
    return file.exists() and not file.is_file()


def _beside(file: Path) -> Path:
    target = file.resolve()
    return target.with_name(f".{target.name}.{os.getpid()}.tmp")
