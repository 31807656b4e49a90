"""The published JSON of `guardrails preflight --format json`, as a JSON Schema."""

from __future__ import annotations

from typing import Any

RULE = {"type": "string", "pattern": r"^GR-[A-Z]+-\d{3}$"}
TEXT = {"type": "string", "minLength": 1}
COUNT = {"type": "integer", "minimum": 0}
# Relative to the project: neither absolute nor with backslashes nor out of it.
PATH = {"type": "string", "pattern": r"^(?!/|\.\./)[^\\]+$"}


def closed(**properties: Any) -> dict[str, Any]:
    """An object that has all of these properties and no other."""
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


WAIVER = closed(
    id=RULE, where=TEXT, reason=TEXT, owner=TEXT, until={"type": "string", "format": "date"}, place={"type": "string"}
)
FINDING = closed(
    rule=RULE,
    severity={"enum": ["error", "warning", "info"]},
    path=PATH,
    line={"type": ["integer", "null"], "minimum": 1},
    message=TEXT,
    why=TEXT,
    fix=TEXT,
    verify=TEXT,
    runbook={"type": "string", "pattern": "^[a-z][a-z-]+$"},
    waived={"anyOf": [{"type": "null"}, WAIVER]},
)
CHECK = closed(
    id={"enum": ["GR-SHADOW", "GR-DECO", "GR-ROUTE"]},
    status={"enum": ["passed", "failed", "skipped", "error"]},
    duration_ms={"type": "number", "minimum": 0},
    reason={"type": ["string", "null"]},
)
SUMMARY = closed(
    errors=COUNT,
    warnings=COUNT,
    infos=COUNT,
    waived=COUNT,
    checks_run=COUNT,
    checks_skipped=COUNT,
    checks_crashed=COUNT,
    files=COUNT,
    lines=COUNT,
    not_analysed=COUNT,
)
EVIDENCE = closed(
    rung={"const": "E2"},
    argv={"type": "array", "items": {"type": "string"}},
    exit_code={"enum": [0, 1, 3]},
    started={"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"},
    duration={"type": "number", "minimum": 0},
    commit={"type": ["string", "null"], "pattern": "^[0-9a-f]{40}$"},
    dirty={"type": ["boolean", "null"]},
    versions={"type": "object", "additionalProperties": {"type": "string"}},
)
RECORD = closed(
    record_version={"const": 1},
    verdict={"enum": ["passed", "failed", "unknown"]},
    exit_code={"enum": [0, 1, 3]},
    project=TEXT,
    summary=SUMMARY,
    findings={"type": "array", "items": FINDING},
    checks={"type": "array", "items": CHECK, "minItems": 1},
    not_analysed={"type": "array", "items": closed(path=PATH, reason=TEXT)},
    notes={"type": "array", "items": {"type": "string"}},
    evidence=EVIDENCE,
)
