"""Answers in no provider's words: why they ended, what they cost, and those that came in one piece.

finish_of(reason)        "end_turn", "completed", "stop" are one
whole_in(wire, body)     an answer that was not streamed; raises for what is none
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from guardrails.llm.request import ToolCall, calls_in
from guardrails.llm.wires.chat_request import text_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from guardrails.core.completeness import Block
    from guardrails.core.completeness_wires import Wire

FINISH = {
    "completed": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "function_call": "tool_calls",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "max_output_tokens": "length",
    "model_context_window_exceeded": "length",
    "safety": "content_filter",
}


class Whole(NamedTuple):
    """An answer that came in one piece."""

    text: str
    finish: str
    tool_calls: tuple[ToolCall, ...]
    usage: Mapping[str, Any]
    thinking: str = ""


def finish_of(reason: str, *, calls: bool) -> str:
    """Why the model stopped. `calls`: whether it called tools, which not every wire says."""
    said = FINISH.get(reason, reason)
    return "tool_calls" if said == "stop" and calls else said


def call_of(block: Block) -> ToolCall:
    """A call that has come whole. Raises ValueError if its arguments are no JSON object."""
    arguments = block.value if block.value is not None else json.loads(block.text or "{}")
    if not isinstance(arguments, dict):
        raise ValueError(f"the arguments of {block.name!r:.60} are no object")  # noqa: TRY004 - the model's mistake
    return ToolCall(block.id or f"call_{block.index}", block.name, arguments)


def whole_in(wire: Wire, body: Any) -> Whole:
    """An answer that was not streamed. Raises LookupError, TypeError, ValueError or AttributeError for what is none."""
    return WHOLE[wire](body)


def _chat(body: Any) -> Whole:
    choice = body["choices"][0]
    message = choice["message"]
    return _whole(
        text_in(message.get("content")) or message.get("refusal") or "",
        "refusal" if message.get("refusal") else choice["finish_reason"] or "stop",
        calls_in(message),
        body.get("usage"),
        message.get("reasoning_content") or message.get("reasoning") or "",
    )


def _responses(body: Any) -> Whole:
    if body["status"] not in ("completed", "incomplete"):
        raise ValueError(body["status"])
    why = (body.get("incomplete_details") or {}).get("reason")
    text, thinking, calls = [], [], []
    for item in body["output"]:
        if item["type"] == "message":
            text += [part.get("text") or part.get("refusal") or "" for part in item["content"]]
            why = "refusal" if any(part["type"] == "refusal" for part in item["content"]) else why
        elif item["type"] == "function_call":
            calls.append(ToolCall(item["call_id"], item["name"], json.loads(item["arguments"] or "{}")))
        elif item["type"] == "reasoning":
            thinking += [part["text"] for part in item.get("summary") or ()]
    return _whole("".join(text), why or body["status"], calls, body.get("usage"), "".join(thinking))


def _anthropic(body: Any) -> Whole:
    blocks = body["content"]
    text = "".join([block["text"] for block in blocks if block["type"] == "text"])
    thinking = "".join([block["thinking"] for block in blocks if block["type"] == "thinking"])
    calls = [ToolCall(block["id"], block["name"], block["input"]) for block in blocks if block["type"] == "tool_use"]
    return _whole(text, body["stop_reason"], calls, body.get("usage"), thinking)


def _ollama(body: Any) -> Whole:
    if body["done"] is not True:
        raise ValueError("not done")
    message = body["message"]
    functions = [call["function"] for call in message.get("tool_calls") or ()]
    calls = [ToolCall(f"call_{n}", one["name"], one["arguments"]) for n, one in enumerate(functions)]
    return _whole(message["content"], body.get("done_reason") or "stop", calls, body, message.get("thinking") or "")


def _whole(text: str, reason: str, calls: list[ToolCall], usage: Any, thinking: str) -> Whole:
    finish = finish_of(reason, calls=bool(calls))
    # What was cut off by a limit may be half a call.
    said = tuple(calls) if finish == "tool_calls" else ()
    return Whole(text, finish, said, usage or {}, thinking)


WHOLE = {"openai-chat": _chat, "openai-responses": _responses, "anthropic": _anthropic, "ollama": _ollama}
