"""A neutral request as Ollama has it, and back. Its calls have no ids: they are numbered, and known by their names."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from guardrails.llm.request import Request, ToolCall, calls_in, saying
from guardrails.llm.wires.chat_request import headers, read_tool

if TYPE_CHECKING:
    from guardrails.llm.targets import Target

__all__ = ["body", "headers", "read"]

OPTIONS = {"max_tokens": "num_predict", "temperature": "temperature", "top_p": "top_p"}


def body(request: Request, target: Target) -> dict[str, Any]:
    """What is asked."""
    messages: list[dict[str, Any]] = [{"role": "system", "content": request.system}] if request.system else []
    names: dict[str, str] = {}
    for message in request.messages:
        said: dict[str, Any] = {"role": message["role"], "content": message["content"] or ""}
        calls = calls_in(message)
        names |= {call.id: call.name for call in calls}
        if calls:
            said["tool_calls"] = [{"function": {"name": call.name, "arguments": call.arguments}} for call in calls]
        if message["role"] == "tool":
            said["tool_name"] = names.get(message["tool_call_id"], "")
        messages.append(said)
    asked: dict[str, Any] = {"model": target.model, "messages": messages, "stream": True}
    options = {name: getattr(request, field) for field, name in OPTIONS.items() if getattr(request, field) is not None}
    if options:
        asked["options"] = options
    if request.tools:
        asked["tools"] = [
            {
                "type": "function",
                "function": {
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": dict(tool.parameters),
                },
            }
            for tool in request.tools
        ]
    if request.schema is not None:
        asked["format"] = dict(request.schema)
    return asked


def read(asked: dict[str, Any]) -> dict[str, Any]:
    """What a request says, as the fields of a neutral one; what it cannot say is left in `asked`."""
    options = asked.pop("options", None) or {}
    schema = asked.pop("format", None) or None
    if isinstance(schema, str):
        raise ValueError(schema)  # noqa: TRY004 - a form of answer that is not neutral, and no programming error
    messages: list[dict[str, Any]] = []
    waiting: list[str] = []
    number = itertools.count()
    for message in asked.pop("messages"):
        if message.get("images"):
            raise ValueError("images")
        role, text = message["role"], message.get("content") or ""
        if role == "assistant":
            functions = [call["function"] for call in message.get("tool_calls") or ()]
            calls = [ToolCall(f"call_{next(number)}", one["name"], one["arguments"]) for one in functions]
            waiting = [call.id for call in calls]
            messages.append(saying(text, calls))
        elif role == "tool":
            messages.append({"role": "tool", "tool_call_id": waiting.pop(0), "content": text})
        else:
            messages.append({"role": role, "content": text})
    return {
        "messages": messages,
        **{field: options[name] for field, name in OPTIONS.items() if name in options},
        "tools": [read_tool(tool["function"], tool["type"]) for tool in asked.pop("tools", None) or ()],
        "schema": schema,
    }
