"""Anthropic's Messages: the rest of an answer, as further deltas of the text block under way, and blocks after it.

content_block_delta   of the block that the client has open, with what is new
content_block_start   of each further block, under the next number
message_delta         with the tokens of the whole answer
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from guardrails.llm.wires.events import event

if TYPE_CHECKING:
    from guardrails.core.completeness import Block
    from guardrails.llm.capabilities import How


def choices(asked: dict[str, Any]) -> int:  # noqa: ARG001 - a wire's
    """There is always one answer."""
    return 1


def structured(asked: dict[str, Any]) -> bool:
    """Whether the text must be one JSON value."""
    settings = asked.get("output_config")
    return bool(asked.get("output_format") or (isinstance(settings, dict) and settings.get("format")))


def continued(asked: dict[str, Any], text: str, how: How, words: str) -> dict[str, Any]:
    """The request for what comes after `text`. `words`: what a user would ask for it with."""
    messages = [*asked["messages"], {"role": "assistant", "content": text}]
    if how == "user_turn":
        messages.append({"role": "user", "content": words})
    return {**asked, "messages": messages}


class AnthropicSplicer:
    """Events of the continuation as events of the first message. The client has a text block open: its end is held."""

    def __init__(self, begun: list[Any], blocks: list[Block]) -> None:  # noqa: ARG002 - a wire's
        self._open: int | None = blocks[-1].index
        self._next = max(block.index for block in blocks) + 1
        self._spent = 0
        # The client's number for each block of the continuation; None: it is not for the client.
        self._numbers: dict[int, int | None] = {}

    def resumed(self, text: str, spent: int, position: int | None) -> None:  # noqa: ARG002 - a wire's
        """A continuation begins."""
        self._spent = spent
        self._numbers = {}

    def text(self, new: str) -> bytes:
        """A delta of the text block under way; of a new one where the client has none open."""
        began = b""
        if self._open is None:
            self._open, self._next = self._next, self._next + 1
            block = {"type": "text", "text": ""}
            value = {"type": "content_block_start", "index": self._open, "content_block": block}
            began = event(value, "content_block_start")
        delta = {"type": "text_delta", "text": new}
        value = {"type": "content_block_delta", "index": self._open, "delta": delta}
        return began + event(value, "content_block_delta")

    def event(self, value: Any, new: str) -> bytes:
        """An event of the continuation, with `new` in place of its text."""
        told = self.text(new) if new else b""
        kind = value.get("type") if isinstance(value, dict) else None
        if kind in ("message_delta", "message_stop"):
            return told + self._closed() + event(self._spent_in(value), kind)
        index = value.get("index") if isinstance(value, dict) else None
        if not isinstance(index, int):
            return told
        if kind == "content_block_start":
            type_ = value["content_block"].get("type")
            if type_ in ("text", "thinking", "redacted_thinking"):
                # Text is told by `text`; the client has the thinking that led to the answer.
                self._numbers[index] = None
                return told
            told += self._closed()
            self._numbers[index], self._next = self._next, self._next + 1
        number = self._numbers.get(index)
        return told if number is None else told + event({**value, "index": number}, str(kind))

    def _closed(self) -> bytes:
        """The end of the text block that the client has open."""
        if self._open is None:
            return b""
        ended = event({"type": "content_block_stop", "index": self._open}, "content_block_stop")
        self._open = None
        return ended

    def _spent_in(self, value: dict[str, Any]) -> dict[str, Any]:
        usage = value.get("usage")
        made = usage.get("output_tokens") if isinstance(usage, dict) else None
        if not isinstance(usage, dict) or not isinstance(made, int):
            return value
        return {**value, "usage": {**usage, "output_tokens": made + self._spent}}
