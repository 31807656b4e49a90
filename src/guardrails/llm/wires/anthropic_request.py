"""A neutral request as Anthropic's Messages have it, and back.

The system's words have a place of their own there, before the conversation; results of tools are said by the user.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from guardrails.llm.request import Request, Tool, ToolCall, calls_in, saying
from guardrails.llm.wires.chat_request import read_schema, text_in

if TYPE_CHECKING:
    from guardrails.llm.targets import Target

VERSION = "2023-06-01"
# It wants to be told; other providers take what the model has.
MAX_TOKENS = 4096


def headers(target: Target) -> dict[str, str]:
    """What the endpoint wants beside the body."""
    key = {"x-api-key": target.api_key} if target.api_key else {}
    return {"anthropic-version": VERSION, **key}


def body(request: Request, target: Target) -> dict[str, Any]:
    """What is asked."""
    system = [request.system, *(said["content"] for said in request.messages if said["role"] == "system")]
    messages: list[dict[str, Any]] = []
    for message in request.messages:
        _say(message, messages)
    asked: dict[str, Any] = {
        "model": target.model,
        "max_tokens": request.max_tokens or MAX_TOKENS,
        "messages": messages,
        "stream": True,
    }
    if any(system):
        asked["system"] = "\n\n".join(filter(None, system))
    if request.tools:
        asked["tools"] = [
            {"name": tool.name, "description": tool.description, "input_schema": dict(tool.parameters)}
            for tool in request.tools
        ]
    if request.schema is not None:
        asked["output_config"] = {"format": {"type": "json_schema", "schema": dict(request.schema)}}
    return asked


def _say(message: Any, messages: list[dict[str, Any]]) -> None:
    """Add a message to those before it."""
    role, text = message["role"], message["content"]
    if role == "tool":
        result = {"type": "tool_result", "tool_use_id": message["tool_call_id"], "content": text}
        last = messages[-1] if messages else {}
        # The results of one turn belong together.
        if last.get("role") == "user" and isinstance(last["content"], list):
            last["content"].append(result)
        else:
            messages.append({"role": "user", "content": [result]})
    elif role != "system":
        calls = calls_in(message)
        blocks = [{"type": "text", "text": text}] if text else []
        blocks += [{"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments} for call in calls]
        messages.append({"role": role, "content": blocks if calls else text})


def read(asked: dict[str, Any]) -> dict[str, Any]:
    """What a request says, as the fields of a neutral one; what it cannot say is left in `asked`."""
    settings = asked.pop("output_config", None) or {}
    form = settings.get("format") or {"type": "text"}
    messages: list[dict[str, Any]] = []
    for message in asked.pop("messages"):
        messages += _read(message["role"], message["content"])
    return {
        "messages": messages,
        "max_tokens": asked.pop("max_tokens"),
        "system": text_in(asked.pop("system", None)),
        "tools": [_read_tool(tool) for tool in asked.pop("tools", None) or ()],
        "schema": read_schema(form, form),
    }


def _read_tool(tool: Any) -> Tool:
    # Those of the provider have a type of their own, and no schema.
    return Tool(tool["name"], tool["input_schema"], tool.get("description") or "")


def _read(role: str, said: Any) -> list[dict[str, Any]]:
    """The messages that one is."""
    blocks: list[dict[str, Any]] = [{"type": "text", "text": said}] if isinstance(said, str) else list(said)
    results = [block for block in blocks if block["type"] == "tool_result"]
    uses = [block for block in blocks if block["type"] == "tool_use"]
    # What a model has thought is for its own provider.
    others = ("tool_result", "tool_use", "thinking", "redacted_thinking")
    text = text_in([block for block in blocks if block["type"] not in others])
    if role == "assistant":
        return [saying(text, [ToolCall(block["id"], block["name"], block["input"]) for block in uses])]
    told = [
        {"role": "tool", "tool_call_id": block["tool_use_id"], "content": text_in(block.get("content"))}
        for block in results
    ]
    return told + ([{"role": role, "content": text}] if text or not told else [])
