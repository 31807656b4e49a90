"""Anthropic's Messages: blocks that begin, grow and end, one by one.

message_start   (content_block_start   content_block_delta …   content_block_stop) …
message_delta   with the stop reason, and the usage so far          message_stop
ping            anywhere; other types may be added, and are to be ignored
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from guardrails.core.completeness import END, OTHER, PING, Answer, Step, content

if TYPE_CHECKING:
    from guardrails.core.completeness import BlockKind

BLOCKS: dict[str, BlockKind] = {"text": "text", "thinking": "thinking", "tool_use": "tool"}
# What a delta of each type adds to; where its words stand.
DELTAS: dict[str, tuple[BlockKind, str]] = {
    "text_delta": ("text", "text"),
    "thinking_delta": ("thinking", "thinking"),
    "input_json_delta": ("tool", "partial_json"),
}


class AnthropicAnswer(Answer):
    """An answer on the wire `anthropic`. Finished when it has a stop reason and each block has ended."""

    __slots__ = ()

    def _take(self, name: str, value: dict[str, Any]) -> Step:
        kind = value.get("type")
        kind = kind if isinstance(kind, str) else name
        if kind == "content_block_delta":
            return self._delta(value)
        if kind == "content_block_start":
            return self._start(value)
        if kind == "content_block_stop":
            return self._stop(value)
        if kind == "message_delta":
            return self._message_delta(value)
        if kind == "message_start":
            return self._message_start(value)
        if kind == "message_stop":
            self.terminated = True
            return END
        return PING if kind == "ping" else self._not_known(f"an event of type {kind}")

    def _delta(self, value: dict[str, Any]) -> Step:
        index, delta = value.get("index"), value.get("delta")
        type_ = delta.get("type") if isinstance(delta, dict) else None
        if not isinstance(delta, dict) or not isinstance(index, int) or not isinstance(type_, str):
            return self._not_readable(f"{value!r:.100}")
        kind, key = DELTAS.get(type_, ("other", ""))
        # Signatures, citations and what is new: kept whole, since nothing is known of their parts.
        said = delta.get(key) if key else str({key: part for key, part in delta.items() if key != "type"})
        if not isinstance(said, str):
            return self._not_readable(f"{type_} whose {key} is {type(said).__name__}")
        if not said:
            return OTHER
        block = self._block(index if kind != "other" else (index, kind), kind, 0, index)
        return content(self._grow(block, said))

    def _stop(self, value: dict[str, Any]) -> Step:
        index = value.get("index")
        ended = [block for block in self.blocks if block.index == index]
        for block in ended:
            block.closed = True
        return OTHER if ended else self._not_known("the end of a block that did not begin")

    def _start(self, value: dict[str, Any]) -> Step:
        index, began = value.get("index"), value.get("content_block")
        type_ = began.get("type") if isinstance(began, dict) else None
        if not isinstance(began, dict) or not isinstance(index, int) or not isinstance(type_, str):
            return self._not_readable(f"{value!r:.100}")
        block = self._block(index, BLOCKS.get(type_, "other"), 0, index)
        id_, name = began.get("id"), began.get("name")
        block.id = id_ if isinstance(id_, str) else ""
        block.name = name if isinstance(name, str) else ""
        said = began.get(type_)
        return content(self._grow(block, said)) if isinstance(said, str) and said else OTHER

    def _message_start(self, value: dict[str, Any]) -> Step:
        message = value.get("message")
        if not isinstance(message, dict):
            return self._not_known(f"a message_start whose message is {type(message).__name__}")
        id_, model, usage = message.get("id"), message.get("model"), message.get("usage")
        self.id = id_ if isinstance(id_, str) else ""
        self.model = model if isinstance(model, str) else ""
        if isinstance(usage, dict):
            self.usage = dict(usage)
        return OTHER

    def _message_delta(self, value: dict[str, Any]) -> Step:
        delta, usage = value.get("delta"), value.get("usage")
        if isinstance(usage, dict):
            # The counts are of the whole answer so far; the input stood in message_start.
            self.usage = {**(self.usage or {}), **{key: count for key, count in usage.items() if count is not None}}
        reason = delta.get("stop_reason") if isinstance(delta, dict) else None
        if isinstance(reason, str) and reason:
            self.finish[0] = reason
        return OTHER
