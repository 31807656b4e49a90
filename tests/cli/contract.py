"""The published JSON of the command as JSON Schemas: of `preflight` the one that ships, and the parts of others."""

from __future__ import annotations

import json
from typing import Any

from tests.support import SRC

TEXT = {"type": "string", "minLength": 1}
COUNT = {"type": "integer", "minimum": 0}
RECORD: dict[str, Any] = json.loads((SRC / "preflight" / "outputs" / "record.schema.json").read_text("utf-8"))


def closed(**properties: Any) -> dict[str, Any]:
    """An object that has all of these properties and no other."""
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def closed_throughout(schema: Any) -> Any:
    """The same without room for more: what ships lets keys be added, which none may be without being described."""
    if isinstance(schema, list):
        return [closed_throughout(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: closed_throughout(value) for key, value in schema.items()}
    return {"additionalProperties": False, **inner} if "properties" in schema else inner
