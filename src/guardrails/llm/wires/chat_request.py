"""A neutral request as chat completions have it, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from guardrails.llm.request import Request, Tool, calls_in, saying

if TYPE_CHECKING:
    from guardrails.llm.targets import Target

# Newer models of these refuse `max_tokens`, which is all that others know.
RENAMED = ("api.openai.com", ".openai.azure.com")
LIMITS = ("max_completion_tokens", "max_tokens")


def headers(target: Target) -> dict[str, str]:
    """What the endpoint wants beside the body."""
    return {"authorization": f"Bearer {target.api_key}"} if target.api_key else {}


def body(request: Request, target: Target) -> dict[str, Any]:
    """What is asked."""
    system = [{"role": "system", "content": request.system}] if request.system else []
    asked: dict[str, Any] = {
        "model": target.model,
        "messages": [*system, *map(_message, request.messages)],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if request.max_tokens is not None:
        asked[LIMITS[0] if target.host.endswith(RENAMED) else LIMITS[1]] = request.max_tokens
    if request.tools:
        asked["tools"] = [{"type": "function", "function": _tool(tool)} for tool in request.tools]
    if request.schema is not None:
        form = {"name": "answer", "schema": dict(request.schema), "strict": True}
        asked["response_format"] = {"type": "json_schema", "json_schema": form}
    return asked


def _message(message: Any) -> dict[str, Any]:
    calls = calls_in(message)
    if message["role"] == "tool":
        return {"role": "tool", "tool_call_id": message["tool_call_id"], "content": message["content"]}
    return saying(message["content"], calls) if calls else {"role": message["role"], "content": message["content"]}


def _tool(tool: Tool) -> dict[str, Any]:
    return {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}


def read(asked: dict[str, Any]) -> dict[str, Any]:
    """What a request says, as the fields of a neutral one; what it cannot say is left in `asked`."""
    limits = [asked.pop(name) for name in LIMITS if name in asked]
    form = asked.pop("response_format", None) or {"type": "text"}
    return {
        "messages": [_read(message) for message in asked.pop("messages")],
        "max_tokens": limits[0] if limits else None,
        "tools": [read_tool(tool["function"], tool["type"]) for tool in asked.pop("tools", None) or ()],
        "schema": read_schema(form, form.get("json_schema")),
    }


def read_tool(function: Any, kind: str) -> Tool:
    """A tool that is a function. Raises ValueError for any other."""
    if kind != "function":
        raise ValueError(kind)
    return Tool(function["name"], function.get("parameters") or {}, function.get("description") or "")


def read_schema(form: Any, holder: Any) -> Any:
    """The schema that an answer must have, None if none. Raises ValueError for another form than these."""
    if form["type"] == "text":
        return None
    if form["type"] != "json_schema":
        raise ValueError(form["type"])
    return holder["schema"]


def text_in(said: Any, kinds: tuple[str, ...] = ("text",)) -> str:
    """The text of a message, or of its parts. Raises ValueError where there is something else among them."""
    if said is None or isinstance(said, str):
        return said or ""
    if any(part["type"] not in kinds for part in said):
        raise ValueError("parts that are no text")
    return "".join([part["text"] for part in said])


def _read(message: Any) -> dict[str, Any]:
    role, text = message["role"], text_in(message.get("content"))
    if role == "assistant":
        return saying(text, calls_in(message))
    if role == "tool":
        return {"role": "tool", "tool_call_id": message["tool_call_id"], "content": text}
    return {"role": "system" if role == "developer" else role, "content": text}
