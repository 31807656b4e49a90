"""TAP 14, for `prove` and other harnesses: a check or a finding is a test point, with the rest as YAML.

What is excused is `not ok … # TODO`, which TAP has for what is known not to work; a skipped check is `# SKIP`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from guardrails.mdtext import visible
from guardrails.preflight.outputs.points import points

if TYPE_CHECKING:
    from collections.abc import Iterator

    from guardrails.evidence import GateRecord
    from guardrails.preflight.outputs.points import Point

# `#` begins a directive. Its escape is known to readers of TAP 14 alone: to others a failing file whose name holds
# `# SKIP` would be skipped. The name as it is stands in the YAML.
_ESCAPES = str.maketrans({"\\": "\\\\", "#": "\N{FULLWIDTH NUMBER SIGN}"})
_DIRECTIVES = {"skipped": "SKIP", "excused": "TODO"}


def render(record: GateRecord) -> str:
    """The record as a TAP stream."""
    return "\n".join(_lines(record)) + "\n"


def _lines(record: GateRecord) -> Iterator[str]:
    all_points = points(record)
    yield "TAP version 14"
    yield f"1..{len(all_points)}"
    for number, point in enumerate(all_points, 1):
        yield from _point(number, point)
    for note in record.notes:
        yield f"# note: {visible(note)}"
    yield f"# {record.verdict}"


def _point(number: int, point: Point) -> Iterator[str]:
    ok = "ok" if point.outcome in ("passed", "skipped") else "not ok"
    directive = _DIRECTIVES.get(point.outcome)
    told = f" # {directive} {point.reason.translate(_ESCAPES)}" if directive else ""
    yield f"{ok} {number} - {point.name.translate(_ESCAPES)}{told}"
    details = [("outcome", point.outcome), ("reason", point.reason), ("file", point.path), *point.details]
    if point.reason:
        yield "  ---"
        # A JSON string is a YAML one, whatever it holds.
        yield from (f"  {name}: {json.dumps(text, ensure_ascii=False)}" for name, text in details if text)
        if point.line:
            yield f"  line: {point.line}"
        yield "  ..."
