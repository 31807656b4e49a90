"""An answer of another wire, told in the client's: how a stream of nothing but text begins there, and how it ends.

RENDERINGS[wire].opening(asked, model, now)     the events before the first text
RENDERINGS[wire].closing(asked, ended)          those after the last

What lies between tells the wire's splicer, which also puts into the ending what has come before.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from guardrails.core.completeness import DONE, Block
from guardrails.llm.wires.events import event

if TYPE_CHECKING:
    from collections.abc import Callable

    from guardrails.core.completeness_wires import Wire
    from guardrails.llm.wires import Splicer
    from guardrails.llm.wires import Wire as Told

# Why an answer ended, in the words of all wires, and in those of each.
REASONS = {
    "length": "length",
    "max_tokens": "length",
    "max_output_tokens": "length",
    "model_context_window_exceeded": "length",
    "content_filter": "filtered",
    "refusal": "filtered",
}
WORDS: dict[Wire, dict[str, str]] = {
    "openai-chat": {"filtered": "content_filter"},
    "openai-responses": {"length": "max_output_tokens", "filtered": "content_filter"},
    "anthropic": {"stop": "end_turn", "length": "max_tokens", "filtered": "refusal"},
    "ollama": {"filtered": "stop"},
}


class Ended(NamedTuple):
    """How an answer has ended. `reason`: stop, length or filtered; `asked`, `made`: tokens."""

    reason: str
    asked: int
    made: int


class Rendering(NamedTuple):
    """Of one wire."""

    opening: Callable[[dict[str, Any], str, float], list[dict[str, Any]]]
    closing: Callable[[dict[str, Any], Ended], list[Any]]


def reason_of(finish: str) -> str:
    """Why an answer ended, in the words of all wires."""
    return REASONS.get(finish, "stop")


def opened(wire: Told, asked: dict[str, Any], model: str, now: float) -> tuple[bytes, Splicer]:
    """How a stream begins on this wire, and what tells the rest of it. `now`: seconds since 1970."""
    begun = RENDERINGS[wire.name].opening(asked, model, now)
    names = wire.name in ("anthropic", "openai-responses")
    # The last is the shape of the first text, which is told by the splicer.
    head = b"".join([event(value, value["type"] if names else "") for value in begun[:-1]])
    splicer = wire.splicer(begun, [Block("text")])
    splicer.resumed("", 0, len(begun) - 2)
    return head, splicer


def _chat_opening(asked: dict[str, Any], model: str, now: float) -> list[dict[str, Any]]:  # noqa: ARG001 - a wire's
    fixed = {"id": f"chatcmpl-{uuid.uuid4().hex}", "object": "chat.completion.chunk"}
    delta = {"role": "assistant", "content": ""}
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}
    first = {**fixed, "created": int(now), "model": model, "choices": [choice]}
    return [first, first]


def _chat_closing(asked: dict[str, Any], ended: Ended) -> list[Any]:
    fixed = {"object": "chat.completion.chunk"}
    reason = WORDS["openai-chat"].get(ended.reason, ended.reason)
    told: list[Any] = [{**fixed, "choices": [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": reason}]}]
    if (asked.get("stream_options") or {}).get("include_usage"):
        total = ended.asked + ended.made
        usage = {"prompt_tokens": ended.asked, "completion_tokens": ended.made, "total_tokens": total}
        told.append({**fixed, "choices": [], "usage": usage})
    return [*told, DONE]


def _anthropic_opening(asked: dict[str, Any], model: str, now: float) -> list[dict[str, Any]]:  # noqa: ARG001
    fixed = {"id": f"msg_{uuid.uuid4().hex}", "type": "message", "role": "assistant", "model": model, "content": []}
    # What it has cost is known at the end.
    usage = {"input_tokens": 0, "output_tokens": 0}
    message = {**fixed, "stop_reason": None, "stop_sequence": None, "usage": usage}
    began = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    return [{"type": "message_start", "message": message}, began, {"type": "content_block_delta", "index": 0}]


def _anthropic_closing(asked: dict[str, Any], ended: Ended) -> list[Any]:  # noqa: ARG001 - a wire's
    delta = {"stop_reason": WORDS["anthropic"].get(ended.reason, ended.reason), "stop_sequence": None}
    usage = {"input_tokens": ended.asked, "output_tokens": ended.made}
    return [{"type": "message_delta", "delta": delta, "usage": usage}, {"type": "message_stop"}]


def _response(asked: dict[str, Any], status: str) -> dict[str, Any]:
    kept = ("instructions", "max_output_tokens", "metadata", "temperature", "top_p")
    said = {key: asked.get(key) for key in kept}
    fixed = {"object": "response", "status": status, "error": None, "incomplete_details": None}
    rest = {"output": [], "parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "usage": None}
    return {**fixed, **said, **rest}


def _responses_opening(asked: dict[str, Any], model: str, now: float) -> list[dict[str, Any]]:
    fixed = {"id": f"resp_{uuid.uuid4().hex}", "created_at": int(now), "model": model}
    response = {**_response(asked, "in_progress"), **fixed}
    id_ = f"msg_{uuid.uuid4().hex}"
    item = {"id": id_, "type": "message", "status": "in_progress", "role": "assistant", "content": []}
    place = {"item_id": id_, "output_index": 0, "content_index": 0}
    part = {"type": "output_text", "annotations": [], "logprobs": [], "text": ""}
    told: list[dict[str, Any]] = [
        {"type": "response.created", "response": response},
        {"type": "response.in_progress", "response": response},
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        {"type": "response.content_part.added", **place, "part": part},
        {"type": "response.output_text.delta", **place},
    ]
    return [{**value, "sequence_number": number} for number, value in enumerate(told)]


def _responses_closing(asked: dict[str, Any], ended: Ended) -> list[Any]:
    whole = ended.reason == "stop"
    status = "completed" if whole else "incomplete"
    details = {"input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}
    usage = {"input_tokens": ended.asked, "output_tokens": ended.made, "total_tokens": ended.asked + ended.made}
    response = {**_response(asked, status), "usage": {**usage, **details}}
    if not whole:
        response["incomplete_details"] = {"reason": WORDS["openai-responses"][ended.reason]}
    return [{"type": f"response.{status}", "response": response}]


def _ollama_opening(asked: dict[str, Any], model: str, now: float) -> list[dict[str, Any]]:  # noqa: ARG001 - a wire's
    return [{"model": model, "created_at": datetime.fromtimestamp(now, UTC).isoformat()}]


def _ollama_closing(asked: dict[str, Any], ended: Ended) -> list[Any]:  # noqa: ARG001 - a wire's
    reason = WORDS["ollama"].get(ended.reason, ended.reason)
    return [{"done": True, "done_reason": reason, "prompt_eval_count": ended.asked, "eval_count": ended.made}]


RENDERINGS: dict[Wire, Rendering] = {
    "openai-chat": Rendering(_chat_opening, _chat_closing),
    "openai-responses": Rendering(_responses_opening, _responses_closing),
    "anthropic": Rendering(_anthropic_opening, _anthropic_closing),
    "ollama": Rendering(_ollama_opening, _ollama_closing),
}
