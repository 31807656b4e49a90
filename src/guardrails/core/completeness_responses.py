"""OpenAI's Responses: numbered events, of items that hold parts; the last one repeats the whole answer.

response.created   (response.output_item.added   …_text.delta …   …_text.done   response.output_item.done) …
response.completed, or response.incomplete with the reason, or response.failed with the error; no [DONE]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from guardrails.core.completeness import END, OTHER, PING, Answer, Block, Failure, Step, content, failure_in

if TYPE_CHECKING:
    from guardrails.core.completeness import BlockKind

# What a delta adds to, by its type less `response.` and `.delta`; the key under which its `.done` repeats all.
DELTAS: dict[str, tuple[BlockKind, str]] = {
    "output_text": ("text", "text"),
    "refusal": ("refusal", "refusal"),
    "reasoning_text": ("thinking", "text"),
    "reasoning_summary_text": ("thinking", "text"),
    "function_call_arguments": ("tool", "arguments"),
}
LAST = {"response.completed": "completed", "response.incomplete": "incomplete"}


class ResponsesAnswer(Answer):
    """An answer on the wire `openai-responses`. Finished and terminated by one event. `position`: to resume after."""

    __slots__ = ()

    def _take(self, name: str, value: dict[str, Any]) -> Step:
        kind = value.get("type")
        kind = kind if isinstance(kind, str) else name
        number = value.get("sequence_number")
        if isinstance(number, int):
            self.position = number
        part, dot, what = kind.removeprefix("response.").rpartition(".")
        if dot and what == "delta":
            return self._delta(part, value)
        if part in DELTAS and what == "done":
            return self._done(part, value)
        if kind in LAST:
            return self._last(LAST[kind], value)
        if kind in ("response.failed", "response.cancelled"):
            return self._failed(kind, value)
        if kind == "response.output_item.added":
            return self._item(value)
        if kind in ("response.created", "response.in_progress", "response.queued"):
            return self._head(value)
        if kind == "keepalive":
            return PING
        # The family grows: searches, images, code under way.
        return OTHER if kind.startswith("response.") else self._not_known(f"an event of type {kind}")

    def _key(self, value: dict[str, Any]) -> tuple[int, int]:
        output, part = value.get("output_index"), value.get("content_index", value.get("summary_index"))
        return output if isinstance(output, int) else 0, part if isinstance(part, int) else 0

    def _part(self, part: str, value: dict[str, Any]) -> Block:
        kind = DELTAS[part][0] if part in DELTAS else "other"
        output, index = self._key(value)
        # Arguments belong to the item, which has begun with the name of the tool.
        return self._block((output, "tool") if kind == "tool" else (output, part, index), kind, 0, output)

    def _delta(self, part: str, value: dict[str, Any]) -> Step:
        said = value.get("delta")
        if not isinstance(said, str):
            if part in DELTAS:
                return self._not_readable(f"{part} whose delta is {type(said).__name__}")
            said = str(said)
        return content(self._grow(self._part(part, value), said)) if said else OTHER

    def _done(self, part: str, value: dict[str, Any]) -> Step:
        """A part has ended. If none of it has come before, as some servers have it, all of it comes now."""
        block = self._part(part, value)
        said = value.get(DELTAS[part][1])
        if not isinstance(said, str):
            return self._not_known(f"{part} whose end holds {type(said).__name__}")
        step = OTHER
        if said and not block.chars:
            step = content(self._grow(block, said))
        elif block.text != said:
            step = self._not_readable(f"{part} is not what its deltas came to")
        block.closed = True
        return step

    def _item(self, value: dict[str, Any]) -> Step:
        item = value.get("item")
        if not isinstance(item, dict):
            return self._not_readable(f"an item that is {type(item).__name__}")
        if item.get("type") == "function_call":
            id_, name = item.get("call_id"), item.get("name")
            block = self._part("function_call_arguments", value)
            block.id = id_ if isinstance(id_, str) else ""
            block.name = name if isinstance(name, str) else ""
        return OTHER

    def _head(self, value: dict[str, Any]) -> Step:
        response = value.get("response")
        if isinstance(response, dict):
            id_, model = response.get("id"), response.get("model")
            self.id = id_ if isinstance(id_, str) else self.id
            self.model = model if isinstance(model, str) else self.model
        return OTHER

    def _last(self, said: str, value: dict[str, Any]) -> Step:
        response = value.get("response")
        if not isinstance(response, dict) or response.get("status", said) != said:
            return self._not_known(f"response.{said} that does not hold a response which is {said}")
        usage, why = response.get("usage"), response.get("incomplete_details")
        if isinstance(usage, dict):
            self.usage = usage
        reason = why.get("reason") if isinstance(why, dict) and said == "incomplete" else None
        self._finish(reason if isinstance(reason, str) else said)
        self.terminated = True
        return END

    def _failed(self, kind: str, value: dict[str, Any]) -> Step:
        response = value.get("response")
        said = failure_in("", response) if isinstance(response, dict) else None
        return self._fail(said or Failure(kind.removeprefix("response."), kind))
