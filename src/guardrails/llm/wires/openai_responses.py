"""OpenAI's Responses: the rest of an answer, as further deltas of the message under way; its end repeats all of it.

response.output_text.delta    of the part that the client has open, with what is new
response.….done               of that part and its message, with the whole text
response.completed            under the first one's id, with all items
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from guardrails.llm.wires.events import event

if TYPE_CHECKING:
    from guardrails.core.completeness import Block
    from guardrails.llm.capabilities import How

LAST = ("response.completed", "response.incomplete")


def choices(asked: dict[str, Any]) -> int:  # noqa: ARG001 - a wire's
    """There is always one answer."""
    return 1


def structured(asked: dict[str, Any]) -> bool:
    """Whether the text must be one JSON value."""
    settings = asked.get("text")
    form = settings.get("format") if isinstance(settings, dict) else None
    return isinstance(form, dict) and form.get("type") != "text"


def continued(asked: dict[str, Any], text: str, how: How, words: str) -> dict[str, Any]:
    """The request for what comes after `text`. `words`: what a user would ask for it with."""
    given = asked.get("input")
    turns = list(given) if isinstance(given, list) else [{"role": "user", "content": given}]
    turns.append({"role": "assistant", "content": text})
    if how == "user_turn":
        turns.append({"role": "user", "content": words})
    return {**asked, "input": turns}


class ResponsesSplicer:
    """Events of the continuation as events of the first response. The client has one text open: its end is held."""

    def __init__(self, begun: list[Any], blocks: list[Block]) -> None:  # noqa: ARG002 - a wire's
        told = [value for value in begun if isinstance(value, dict)]
        self._first: dict[str, Any] = next(
            (value["response"] for value in told if isinstance(value.get("response"), dict)), {}
        )
        # Those before the message: what the model has thought.
        self._items = [value["item"] for value in told if value.get("type") == "response.output_item.done"]
        delta = told[-1]
        self._place = {key: delta[key] for key in ("item_id", "output_index", "content_index") if key in delta}
        output = delta.get("output_index", 0)
        self._message = next(
            (dict(value["item"]) for value in told if "item" in value and value.get("output_index") == output),
            {"id": delta.get("item_id"), "type": "message", "role": "assistant"},
        )
        self._part = next(
            (dict(value["part"]) for value in told if value.get("item_id") == delta.get("item_id") and "part" in value),
            {"type": "output_text", "annotations": []},
        )
        self._next = output + 1
        self._open = True
        self._text, self._spent, self._number = "", 0, 0
        # The client's number for each item of the continuation.
        self._numbers: dict[Any, int] = {}

    def resumed(self, text: str, spent: int, position: int | None) -> None:
        """A continuation begins."""
        self._text, self._spent = text, spent
        if position is not None:
            # Else the numbers go on from those of the continuation before.
            self._number = position + 1
        self._numbers = {}

    def text(self, new: str) -> bytes:
        """A delta of the text under way."""
        self._text += new
        return self._told({"type": "response.output_text.delta", **self._place, "delta": new, "logprobs": []})

    def event(self, value: Any, new: str) -> bytes:
        """An event of the continuation, with `new` in place of its text."""
        told = self.text(new) if new else b""
        kind = value.get("type") if isinstance(value, dict) else None
        if kind in LAST:
            return told + self._closed() + self._last(value)
        output, item = (value.get("output_index"), value.get("item")) if isinstance(value, dict) else (None, None)
        type_ = item.get("type") if isinstance(item, dict) else None
        if kind == "response.output_item.added" and type_ not in ("message", "reasoning"):
            told += self._closed()
            self._numbers[output], self._next = self._next, self._next + 1
        if output not in self._numbers:
            return told
        if kind == "response.output_item.done":
            self._items.append(item)
        return told + self._told({**value, "output_index": self._numbers[output]})

    def _told(self, value: dict[str, Any]) -> bytes:
        number, self._number = self._number, self._number + 1
        return event({**value, "sequence_number": number}, value["type"])

    def _closed(self) -> bytes:
        """The end of the text and of its message, which repeat the text."""
        if not self._open:
            return b""
        self._open = False
        part = {**self._part, "text": self._text}
        item = {**self._message, "status": "completed", "content": [part]}
        self._items.append(item)
        output = self._place.get("output_index", 0)
        return (
            self._told({"type": "response.output_text.done", **self._place, "text": self._text, "logprobs": []})
            + self._told({"type": "response.content_part.done", **self._place, "part": part})
            + self._told({"type": "response.output_item.done", "output_index": output, "item": item})
        )

    def _last(self, value: dict[str, Any]) -> bytes:
        said = value.get("response")
        said = said if isinstance(said, dict) else {}
        kept = {key: self._first[key] for key in ("id", "created_at", "model") if key in self._first}
        response = {**said, **kept, "output": self._items}
        usage = said.get("usage")
        if isinstance(usage, dict):
            counts = {key: usage[key] for key in ("output_tokens", "total_tokens") if isinstance(usage.get(key), int)}
            response["usage"] = {**usage, **{key: count + self._spent for key, count in counts.items()}}
        return self._told({**value, "response": response})
