"""Writers: one record in, one text out. Each tells what is excused or left out, skipped and not analysed."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from guardrails.evidence import GateRecord

# Name -> module beside this one that holds `render`. JSON is the record itself.
WRITERS = {
    "human": "human",
    "markdown": "markdown",
    "json": "",
    "junit": "junit",
    "sarif": "sarif",
    "github": "github",
    "tap": "tap",
    "prometheus": "prometheus",
}


def render(record: GateRecord, form: str) -> str:
    """The record in one of the formats of WRITERS, without colours; ends with a line break."""
    if form == "json":
        return record.to_json()
    text: str = import_module(f"guardrails.preflight.outputs.{WRITERS[form]}").render(record)
    return text
