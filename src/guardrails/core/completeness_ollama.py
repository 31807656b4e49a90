"""Ollama's own wire: one JSON object a line, the last with `"done": true`.

{"model": "…", "message": {"role": "assistant", "content": "Hel"}, "done": false}
{"model": "…", "message": {"content": ""}, "done": true, "done_reason": "stop", "eval_count": 12}
{"error": "…"}     in place of any line
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from guardrails.core.completeness import END, OTHER, UNKNOWN, Answer, Block, Step, content

if TYPE_CHECKING:
    from guardrails.core.completeness import BlockKind

MESSAGE: dict[str, BlockKind] = {"content": "text", "thinking": "thinking"}
USAGE = ("prompt_eval_count", "eval_count", "total_duration")


class OllamaAnswer(Answer):
    """An answer on the wire `ollama`. Finished and terminated by one line."""

    __slots__ = ()

    def _take(self, name: str, value: dict[str, Any]) -> Step:  # noqa: ARG002 - events have no names here
        done, message = value.get("done"), value.get("message")
        if not isinstance(done, bool):
            return self._not_readable(f"a line whose done is {type(done).__name__}")
        model = value.get("model")
        self.model = model if isinstance(model, str) else self.model
        pieces: list[tuple[Block, str]] = []
        before = self.unreadable
        if isinstance(message, dict):
            self._message(message, pieces)
        elif message is not None or not done:
            self._not_readable(f"a message that is {type(message).__name__}")
        if done:
            self.usage = {key: value[key] for key in USAGE if key in value}
            reason = value.get("done_reason")
            # Older servers give no reason; that it is done says enough.
            self._finish(reason if isinstance(reason, str) and reason else "stop")
            self.terminated = True
        if pieces:
            return content(*pieces)
        if done:
            return END
        return OTHER if self.unreadable == before else UNKNOWN

    def _message(self, message: dict[str, Any], pieces: list[tuple[Block, str]]) -> None:
        for key, kind in MESSAGE.items():
            said = message.get(key)
            if isinstance(said, str):
                if said:
                    pieces.append(self._grow(self._block(kind, kind), said))
            elif said is not None:
                self._not_readable(f"{key} that is {type(said).__name__}")
        calls = message.get("tool_calls")
        for call in calls if isinstance(calls, list) else ():
            function = call.get("function") if isinstance(call, dict) else None
            if not isinstance(function, dict) or not isinstance(function.get("arguments"), dict):
                self._not_readable(f"a tool call without a function: {call!r:.100}")
                continue
            name = function.get("name")
            block = Block("tool", 0, len(self.blocks))
            block.name = name if isinstance(name, str) else ""
            block.value = function["arguments"]
            self.blocks.append(block)
            pieces.append(self._grow(block, ""))
            block.closed = True
