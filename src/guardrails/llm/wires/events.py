"""Server-sent events as they are written: what a spliced stream is made of."""

from __future__ import annotations

import json
from typing import Any

DONE = b"data: [DONE]\n\n"


def event(value: Any, name: str = "") -> bytes:
    """One event. In ASCII: half a surrogate pair, which JSON can hold, has no UTF-8."""
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(value, separators=(',', ':'))}\n\n".encode()
