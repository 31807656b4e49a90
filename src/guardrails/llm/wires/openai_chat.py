"""Chat completions: the rest of an answer, as further chunks of the completion that has begun.

{"id": the first one's, "created": the first one's, "choices": [{"index": 0, "delta": {"content": what is new}}]}
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from guardrails.core.completeness import DONE as TERMINATOR
from guardrails.llm.wires.events import DONE, event

if TYPE_CHECKING:
    from guardrails.core.completeness import Block
    from guardrails.llm.capabilities import How

# What the client has heard once, or what does not fit the text any more.
DROPPED = ("role", "content", "refusal", "reasoning_content", "reasoning")
IDENTITY = ("id", "created", "model", "service_tier", "system_fingerprint")


def choices(asked: dict[str, Any]) -> int:
    """How many answers are asked for."""
    number = asked.get("n")
    return number if isinstance(number, int) and number > 0 else 1


def structured(asked: dict[str, Any]) -> bool:
    """Whether the text must be one JSON value, or have a form that only the whole of it has."""
    form = asked.get("response_format")
    return isinstance(form, dict) and form.get("type") != "text"


def continued(asked: dict[str, Any], text: str, how: How, words: str) -> dict[str, Any]:
    """The request for what comes after `text`. `words`: what a user would ask for it with."""
    begun: dict[str, Any] = {"role": "assistant", "content": text}
    messages = [*asked["messages"], begun]
    if how == "prefix":
        begun["prefix"] = True
    if how == "final_message":
        return {**asked, "messages": messages, "continue_final_message": True, "add_generation_prompt": False}
    if how == "user_turn":
        messages.append({"role": "user", "content": words})
    return {**asked, "messages": messages}


class ChatSplicer:
    """Chunks of the continuation as chunks of the first completion."""

    def __init__(self, begun: list[Any], blocks: list[Block]) -> None:  # noqa: ARG002 - a wire's
        first = next((value for value in begun if isinstance(value, dict)), {})
        self._identity = {key: first[key] for key in IDENTITY if key in first}
        self._object = first.get("object", "chat.completion.chunk")
        self._spent = 0

    def resumed(self, text: str, spent: int, position: int | None) -> None:  # noqa: ARG002 - a wire's
        """A continuation begins."""
        self._spent = spent

    def text(self, new: str) -> bytes:
        """A chunk of nothing but text."""
        choice = {"index": 0, "delta": {"content": new}, "logprobs": None, "finish_reason": None}
        return event({**self._identity, "object": self._object, "choices": [choice]})

    def event(self, value: Any, new: str) -> bytes:
        """A chunk of the continuation, with `new` in place of its text."""
        told = self.text(new) if new else b""
        if value is TERMINATOR:
            return told + DONE
        if not isinstance(value, dict):
            return told
        chosen = [self._choice(choice) for choice in value.get("choices") or ()]
        usage = value.get("usage")
        if any(choice["delta"] or choice["finish_reason"] for choice in chosen) or isinstance(usage, dict):
            chunk = {**value, **self._identity, "choices": chosen}
            if isinstance(usage, dict):
                chunk["usage"] = self._usage(usage)
            told += event(chunk)
        return told

    def _choice(self, choice: dict[str, Any]) -> dict[str, Any]:
        kept = {key: said for key, said in (choice.get("delta") or {}).items() if key not in DROPPED and said}
        # Those of the tokens do not fit a text that was cut.
        return {**choice, "delta": kept, "logprobs": None, "finish_reason": choice.get("finish_reason")}

    def _usage(self, usage: dict[str, Any]) -> dict[str, Any]:
        """The tokens of the whole answer: those of its beginning were never told, and are counted by events."""
        made, all_ = usage.get("completion_tokens"), usage.get("total_tokens")
        counts = {"completion_tokens": made, "total_tokens": all_}
        return {**usage, **{key: count + self._spent for key, count in counts.items() if isinstance(count, int)}}
