"""Chat completions, as OpenAI, vLLM, Groq, OpenRouter, DeepSeek, Mistral and llama.cpp stream them.

{"choices": [{"index": 0, "delta": {"content": "Hel"}, "finish_reason": null}]}    …, the last with "stop"
{"choices": [], "usage": {…}}     only if asked for
[DONE]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from guardrails.core.completeness import ERROR, OTHER, UNKNOWN, Answer, Block, Failure, Step, content

if TYPE_CHECKING:
    from guardrails.core.completeness import BlockKind

# Where servers put what the model thinks; DeepSeek and vLLM the first, OpenRouter and Groq the second.
DELTAS: dict[str, BlockKind] = {
    "content": "text",
    "reasoning_content": "thinking",
    "reasoning": "thinking",
    "refusal": "refusal",
}


class ChatAnswer(Answer):
    """An answer on the wire `openai-chat`. Finished when each choice has its finish reason."""

    __slots__ = ()

    def _take(self, name: str, value: dict[str, Any]) -> Step:  # noqa: ARG002 - events have no names here
        choices = value.get("choices")
        if not isinstance(choices, list):
            return self._not_known(f"a chunk without choices: {list(value)[:5]}")
        if not self.id:
            self._head(value)
        usage = value.get("usage")
        if isinstance(usage, dict):
            self.usage = usage
        pieces: list[tuple[Block, str]] = []
        unreadable, failed = self.unreadable, self.failure
        for choice in choices:
            self._choice(choice, pieces)
        if pieces:
            return content(*pieces)
        if self.failure is not failed:
            return ERROR
        return OTHER if self.unreadable == unreadable else UNKNOWN

    def _head(self, value: dict[str, Any]) -> None:
        id_, model = value.get("id"), value.get("model")
        self.id = id_ if isinstance(id_, str) else ""
        self.model = model if isinstance(model, str) else ""

    def _choice(self, choice: Any, pieces: list[tuple[Block, str]]) -> None:
        if not isinstance(choice, dict):
            self._not_readable(f"a choice that is {type(choice).__name__}")
            return
        number = choice.get("index")
        number = number if isinstance(number, int) else 0
        delta = choice.get("delta")
        if isinstance(delta, dict):
            for key, said in delta.items():
                kind = DELTAS.get(key)
                if said is None or said == "" or key == "role":
                    continue
                if kind is not None and isinstance(said, str):
                    pieces.append(self._grow(self._block((number, kind), kind, number), said))
                else:
                    self._rare(number, key, said, pieces)
        elif delta is not None:
            self._not_readable(f"a delta that is {type(delta).__name__}")
        reason = choice.get("finish_reason")
        if isinstance(reason, str) and reason:
            self._finish(reason, number)
            if reason == "error":
                # OpenRouter's; the error itself mostly stands beside the choices, and was found before.
                self._fail(Failure("error", "the finish reason is error"))
        elif reason:
            self._not_readable(f"a finish reason that is {type(reason).__name__}")

    def _rare(self, choice: int, key: str, said: Any, pieces: list[tuple[Block, str]]) -> None:
        """What a delta holds beside plain words."""
        if key == "tool_calls" and isinstance(said, list):
            for call in said:
                self._tool_call(choice, call, pieces)
        elif key == "function_call" and isinstance(said, dict):
            self._tool_call(choice, {"index": 0, "function": said}, pieces)
        elif key == "content" and isinstance(said, list):
            for part in said:
                self._part(choice, part, pieces)
        elif key in DELTAS or key in ("tool_calls", "function_call"):
            self._not_readable(f"{key} that is {type(said).__name__}")
        elif key == "audio":
            pieces.append(self._grow(self._block((choice, "other"), "other", choice), str(said)))

    def _part(self, choice: int, part: Any, pieces: list[tuple[Block, str]]) -> None:
        """A part of a content that is a list, as Mistral's thinking models send it."""
        kind: BlockKind = "text" if isinstance(part, dict) and part.get("type") == "text" else "thinking"
        said = part.get("text") if kind == "text" else str(part)
        if isinstance(said, str):
            pieces.append(self._grow(self._block((choice, kind), kind, choice), said))
        else:
            self._not_readable(f"a part whose text is {type(said).__name__}")

    def _tool_call(self, choice: int, call: Any, pieces: list[tuple[Block, str]]) -> None:
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(function, dict):
            self._not_readable(f"a tool call without a function: {call!r:.100}")
            return
        id_, name, arguments = call.get("id"), function.get("name"), function.get("arguments")
        block = self._called(choice, call.get("index"), id_ if isinstance(id_, str) else "")
        if isinstance(name, str) and not block.name:
            block.name = name
        if arguments is None or isinstance(arguments, str):
            # Without arguments as yet: the name of a tool is content, too.
            pieces.append(self._grow(block, arguments or ""))
        else:
            self._not_readable(f"arguments that are {type(arguments).__name__}")

    def _called(self, choice: int, index: Any, id_: str) -> Block:
        """The block of a tool call. Some servers leave out its index, and some give each call the same one."""
        last = self._blocks.get((choice, "tool"))
        block = self._blocks.get((choice, "tool", index)) if isinstance(index, int) else last
        if block is None or (id_ and block.id and id_ != block.id):
            if last is not None:
                last.closed = True
            block = Block("tool", choice, index if isinstance(index, int) else len(self.blocks))
            self.blocks.append(block)
        self._blocks[choice, "tool"] = self._blocks[choice, "tool", index if isinstance(index, int) else -1] = block
        block.id = block.id or id_
        return block
