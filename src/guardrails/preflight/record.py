"""`.guardrails/gate/last.json`: what the last run found, for reports, on-call and the status page."""

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
    temporary = file.with_name(f"last.{os.getpid()}.tmp")
    try:
        make_private_folder(file.parent.parent)
        file.parent.mkdir(exist_ok=True)
        temporary.write_text(record.to_json(), encoding="utf-8")
        temporary.replace(file)
    except OSError as exc:
        return f"the record {RECORD} could not be written: {exc.strerror}"
    return None
