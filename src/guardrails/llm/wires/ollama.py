"""Ollama's own chat: the rest of an answer, as further lines of the message under way.

{"model": the first one's, "message": {"role": "assistant", "content": what is new}, "done": false}
{…, "done": true, "eval_count": that of the whole answer}
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from guardrails.llm.wires.anthropic import choices, continued

if TYPE_CHECKING:
    from guardrails.core.completeness import Block

__all__ = ["TYPES", "OllamaSplicer", "choices", "continued", "structured"]

# JSON lines; and one object, with which it answers a request that only loads the model.
TYPES = ("application/x-ndjson", "application/json")


def structured(asked: dict[str, Any]) -> bool:
    """Whether the text must be one JSON value."""
    return bool(asked.get("format"))


def line(value: dict[str, Any]) -> bytes:
    """One line. In ASCII: half a surrogate pair, which JSON can hold, has no UTF-8."""
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"


class OllamaSplicer:
    """Lines of the continuation as lines of the first message. Thinking is dropped: the client has what led to it."""

    def __init__(self, begun: list[Any], blocks: list[Block]) -> None:  # noqa: ARG002 - a wire's
        first = begun[-1]
        self._head: dict[str, Any] = {key: first[key] for key in ("model", "created_at") if key in first}
        self._spent = 0

    def resumed(self, text: str, spent: int, position: int | None) -> None:  # noqa: ARG002 - a wire's
        """A continuation begins."""
        self._spent = spent

    def text(self, new: str) -> bytes:
        """A line of nothing but text."""
        return line({**self._head, "message": {"role": "assistant", "content": new}, "done": False})

    def event(self, value: Any, new: str) -> bytes:
        """A line of the continuation, with `new` in place of its text."""
        if not isinstance(value, dict):
            return self.text(new) if new else b""
        # The model stays the first one's; the time is told as it goes on.
        if "created_at" in value:
            self._head["created_at"] = value["created_at"]
        told = self.text(new) if new else b""
        given = value.get("message")
        message = {"role": "assistant", "content": ""}
        if isinstance(given, dict) and given.get("tool_calls"):
            message["tool_calls"] = given["tool_calls"]
        if not value.get("done") and len(message) == 2:
            return told
        said = {**value, **self._head, "message": message}
        made = value.get("eval_count")
        if isinstance(made, int):
            said["eval_count"] = made + self._spent
        return told + line(said)
