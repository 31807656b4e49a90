"""A neutral request as OpenAI's Responses have it, and back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from guardrails.llm.request import Request, calls_in
from guardrails.llm.wires.chat_request import headers, read_schema, read_tool, text_in

if TYPE_CHECKING:
    from guardrails.llm.targets import Target

__all__ = ["body", "headers", "read"]


def body(request: Request, target: Target) -> dict[str, Any]:
    """What is asked."""
    asked: dict[str, Any] = {
        "model": target.model,
        "input": [item for message in request.messages for item in _items(message)],
        "stream": True,
        # Who asks several providers keeps the history himself.
        "store": False,
    }
    if request.system:
        asked["instructions"] = request.system
    if request.max_tokens is not None:
        asked["max_output_tokens"] = request.max_tokens
    if request.tools:
        asked["tools"] = [
            {
                "type": "function",
                "name": tool.name,
                "description": tool.description,
                "parameters": dict(tool.parameters),
            }
            for tool in request.tools
        ]
    if request.schema is not None:
        form = {"type": "json_schema", "name": "answer", "schema": dict(request.schema), "strict": True}
        asked["text"] = {"format": form}
    return asked


def _items(message: Any) -> list[dict[str, Any]]:
    said = message["content"]
    if message["role"] == "tool":
        return [{"type": "function_call_output", "call_id": message["tool_call_id"], "output": said}]
    items = [{"role": message["role"], "content": said}] if said or not message.get("tool_calls") else []
    for call in calls_in(message):
        called = {"type": "function_call", "call_id": call.id, "name": call.name}
        items.append({**called, "arguments": json.dumps(call.arguments)})
    return items


def read(asked: dict[str, Any]) -> dict[str, Any]:
    """What a request says, as the fields of a neutral one; what it cannot say is left in `asked`."""
    given, settings = asked.pop("input"), dict(asked.pop("text", None) or {})
    form = settings.pop("format", None) or {"type": "text"}
    items = [{"role": "user", "content": given}] if isinstance(given, str) else given
    messages: list[dict[str, Any]] = []
    for item in items:
        _read(item, messages)
    return {
        "messages": messages,
        "max_tokens": asked.pop("max_output_tokens", None),
        "system": asked.pop("instructions", None) or "",
        "tools": [read_tool(tool, tool["type"]) for tool in asked.pop("tools", None) or ()],
        "schema": read_schema(form, form),
    }


def _read(item: Any, messages: list[dict[str, Any]]) -> None:
    """Add an item to the messages that came before it."""
    kind = item.get("type", "message")
    if kind == "message":
        role = "system" if item["role"] == "developer" else item["role"]
        text = text_in(item["content"], ("input_text", "output_text"))
        messages.append({"role": role, "content": text})
    elif kind == "function_call":
        if not messages or messages[-1]["role"] != "assistant":
            messages.append({"role": "assistant", "content": ""})
        call = {"id": item["call_id"], "function": {"name": item["name"], "arguments": item["arguments"]}}
        messages[-1].setdefault("tool_calls", []).append({**call, "type": "function"})
    elif kind == "function_call_output":
        text = text_in(item["output"], ("input_text",))
        messages.append({"role": "tool", "tool_call_id": item["call_id"], "content": text})
    elif kind != "reasoning":
        # What a model has thought is for its own provider.
        raise ValueError(kind)
