"""One reply, told on four wires as the providers tell it: a list of events to stream, or one body.

reply = Reply("Hello", tools=[Tool("look", {"at": "x"})])
events = streamed(wire, reply, request)      bytes; joined they are the body
body = whole(wire, reply, request)           what the same endpoint answers without `stream`
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from guardrails.core.completeness_wires import Wire

# What each endpoint's path ends with.
PATHS: dict[str, Wire] = {
    "/chat/completions": "openai-chat",
    "/responses": "openai-responses",
    "/messages": "anthropic",
    "/api/chat": "ollama",
}
CREATED, CREATED_AT = 1_760_000_000, "2025-10-09T08:53:20Z"


@dataclass(frozen=True)
class Tool:
    """A tool that the reply calls: its name, and its arguments as an object."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Reply:
    """What the model says. `thinking` comes first, then `text`, then `tools`.

    `finish`: the reason in OpenAI's words, default "stop", or "tool_calls" with tools; "length" is an answer that the
    model did not end. `piece`: characters in one event, 1 or more, default 5.
    """

    text: str = ""
    thinking: str = ""
    tools: Sequence[Tool] = ()
    finish: str = ""
    piece: int = 5

    @property
    def reason(self) -> str:
        """The finish reason in OpenAI's words."""
        return self.finish or ("tool_calls" if self.tools else "stop")

    @property
    def usage(self) -> tuple[int, int]:
        """Tokens in and out; the figures are made up, and the same for the same reply."""
        return 12, 1 + (len(self.text) + len(self.thinking)) // 4

    def cut(self, text: str) -> list[str]:
        """`text` in pieces as long as one event tells."""
        return [text[n : n + self.piece] for n in range(0, len(text), self.piece)]


def streamed(wire: Wire, reply: Reply, request: Mapping[str, Any]) -> list[bytes]:
    """The events of the reply, from the first to the terminator."""
    return STREAMED[wire](reply, request)


def whole(wire: Wire, reply: Reply, request: Mapping[str, Any]) -> bytes:
    """The reply to a request that does not stream."""
    return _dumped(WHOLE[wire](reply, request))


def error(wire: Wire, message: str, kind: str) -> dict[str, Any]:
    """An error as the provider's endpoint words it: the body of an error status, and data inside a stream."""
    if wire == "ollama":
        return {"error": message}
    if wire == "anthropic":
        return {"type": "error", "error": {"type": kind, "message": message}}
    return {"error": {"message": message, "type": kind, "param": None, "code": None}}


def error_event(wire: Wire, message: str, kind: str) -> bytes:
    """An error as an event of its own name, as Anthropic and OpenAI's Responses send it; elsewhere as plain data."""
    if wire == "openai-responses":
        return event({"type": "error", "code": kind, "message": message, "param": None, "sequence_number": 0}, "error")
    return line(error(wire, message, kind)) if wire == "ollama" else event(error(wire, message, kind), "error")


def error_data(wire: Wire, message: str, kind: str) -> bytes:
    """An error as data without a name."""
    return line(error(wire, message, kind)) if wire == "ollama" else event(error(wire, message, kind))


def keepalive(wire: Wire) -> bytes:
    """What keeps a connection alive and says nothing; Ollama has no word for it, so a line without content."""
    if wire == "ollama":
        return line({**_ollama_head({}), "message": {"role": "assistant", "content": ""}, "done": False})
    return event({"type": "ping"}, "ping") if wire == "anthropic" else b": keepalive\n\n"


def event(data: Mapping[str, Any], name: str = "") -> bytes:
    """One server-sent event."""
    return (f"event: {name}\n".encode() if name else b"") + b"data: " + _dumped(data) + b"\n\n"


def line(data: Mapping[str, Any]) -> bytes:
    """One line of JSON."""
    return _dumped(data) + b"\n"


def _dumped(data: object) -> bytes:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()


def _model(request: Mapping[str, Any]) -> str:
    return str(request.get("model") or "fault-model")


def _arguments(tool: Tool) -> str:
    return _dumped(dict(tool.arguments)).decode()


def _chat_head(request: Mapping[str, Any], kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "object": kind, "created": CREATED, "model": _model(request)}


def _chat_usage(reply: Reply) -> dict[str, int]:
    given, made = reply.usage
    return {"prompt_tokens": given, "completion_tokens": made, "total_tokens": given + made}


def _chat_deltas(reply: Reply) -> list[dict[str, Any]]:
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": "", "refusal": None}]
    deltas += [{"reasoning_content": piece} for piece in reply.cut(reply.thinking)]
    deltas += [{"content": piece} for piece in reply.cut(reply.text)]
    for n, tool in enumerate(reply.tools):
        call = {"index": n, "id": f"call_{n}", "type": "function", "function": {"name": tool.name, "arguments": ""}}
        deltas.append({"tool_calls": [call]})
        for piece in reply.cut(_arguments(tool)):
            deltas.append({"tool_calls": [{"index": n, "function": {"arguments": piece}}]})
    return deltas


def _chat_events(reply: Reply, request: Mapping[str, Any]) -> list[bytes]:
    head = _chat_head(request, "chat.completion.chunk")
    number = request.get("n")
    choices = range(number if isinstance(number, int) else 1)

    def chunk(index: int, delta: dict[str, Any], reason: str | None = None) -> bytes:
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": reason}
        return event({**head, "choices": [choice]})

    events = [chunk(index, delta) for delta in _chat_deltas(reply) for index in choices]
    events += [chunk(index, {}, reply.reason) for index in choices]
    if (request.get("stream_options") or {}).get("include_usage"):
        events.append(event({**head, "choices": [], "usage": _chat_usage(reply)}))
    return [*events, b"data: [DONE]\n\n"]


def _chat_whole(reply: Reply, request: Mapping[str, Any]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": reply.text or None, "refusal": None}
    if reply.thinking:
        message["reasoning_content"] = reply.thinking
    if reply.tools:
        message["tool_calls"] = [
            {"id": f"call_{n}", "type": "function", "function": {"name": tool.name, "arguments": _arguments(tool)}}
            for n, tool in enumerate(reply.tools)
        ]
    number = request.get("n")
    choices = range(number if isinstance(number, int) else 1)
    told = [{"index": n, "message": message, "logprobs": None, "finish_reason": reply.reason} for n in choices]
    return {**_chat_head(request, "chat.completion"), "choices": told, "usage": _chat_usage(reply)}


def _anthropic_head(reply: Reply, request: Mapping[str, Any]) -> dict[str, Any]:
    usage = {"input_tokens": reply.usage[0], "output_tokens": 1}
    fixed = {"id": "msg_1", "type": "message", "role": "assistant", "model": _model(request), "content": []}
    return {**fixed, "stop_reason": None, "stop_sequence": None, "usage": usage}


def _anthropic_reason(reply: Reply) -> str:
    return {"stop": "end_turn", "tool_calls": "tool_use", "length": "max_tokens"}.get(reply.reason, reply.reason)


def _anthropic_blocks(reply: Reply) -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Each block as it begins, and its deltas."""
    blocks: list[tuple[dict[str, Any], list[dict[str, Any]]]] = []
    if reply.thinking:
        deltas = [{"type": "thinking_delta", "thinking": piece} for piece in reply.cut(reply.thinking)]
        signed = {"type": "signature_delta", "signature": "c2lnbmVk"}
        blocks.append(({"type": "thinking", "thinking": "", "signature": ""}, [*deltas, signed]))
    if reply.text:
        deltas = [{"type": "text_delta", "text": piece} for piece in reply.cut(reply.text)]
        blocks.append(({"type": "text", "text": ""}, deltas))
    for n, tool in enumerate(reply.tools):
        pieces = ["", *reply.cut(_arguments(tool))]
        deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
        blocks.append(({"type": "tool_use", "id": f"toolu_{n}", "name": tool.name, "input": {}}, deltas))
    return blocks


def _anthropic_events(reply: Reply, request: Mapping[str, Any]) -> list[bytes]:
    told: list[dict[str, Any]] = [{"type": "message_start", "message": _anthropic_head(reply, request)}]
    for index, (began, deltas) in enumerate(_anthropic_blocks(reply)):
        told.append({"type": "content_block_start", "index": index, "content_block": began})
        if not index:
            told.append({"type": "ping"})
        told += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        told.append({"type": "content_block_stop", "index": index})
    stop = {"stop_reason": _anthropic_reason(reply), "stop_sequence": None}
    told.append({"type": "message_delta", "delta": stop, "usage": {"output_tokens": reply.usage[1]}})
    told.append({"type": "message_stop"})
    return [event(data, data["type"]) for data in told]


def _anthropic_whole(reply: Reply, request: Mapping[str, Any]) -> dict[str, Any]:
    content: list[dict[str, Any]] = []
    if reply.thinking:
        content.append({"type": "thinking", "thinking": reply.thinking, "signature": "c2lnbmVk"})
    if reply.text:
        content.append({"type": "text", "text": reply.text})
    for n, tool in enumerate(reply.tools):
        content.append({"type": "tool_use", "id": f"toolu_{n}", "name": tool.name, "input": dict(tool.arguments)})
    usage = {"input_tokens": reply.usage[0], "output_tokens": reply.usage[1]}
    head = _anthropic_head(reply, request)
    return {**head, "content": content, "stop_reason": _anthropic_reason(reply), "usage": usage}


def _responses_items(reply: Reply) -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Each item as it ends, and the events between its beginning and its end."""
    items: list[tuple[dict[str, Any], list[dict[str, Any]]]] = []
    if reply.thinking:
        place = {"item_id": "rs_0", "summary_index": 0}
        part: dict[str, Any] = {"type": "summary_text", "text": reply.thinking}
        name = "response.reasoning_summary_text"
        told: list[dict[str, Any]] = [
            {"type": "response.reasoning_summary_part.added", **place, "part": {**part, "text": ""}}
        ]
        told += [{"type": f"{name}.delta", **place, "delta": piece} for piece in reply.cut(reply.thinking)]
        told.append({"type": f"{name}.done", **place, "text": reply.thinking})
        told.append({"type": "response.reasoning_summary_part.done", **place, "part": part})
        items.append(({"id": "rs_0", "type": "reasoning", "summary": [part]}, told))
    if reply.text:
        place = {"item_id": "msg_0", "content_index": 0}
        part = {"type": "output_text", "annotations": [], "logprobs": [], "text": reply.text}
        told = [{"type": "response.content_part.added", **place, "part": {**part, "text": ""}}]
        for piece in reply.cut(reply.text):
            told.append({"type": "response.output_text.delta", **place, "delta": piece, "logprobs": []})
        told.append({"type": "response.output_text.done", **place, "text": reply.text, "logprobs": []})
        told.append({"type": "response.content_part.done", **place, "part": part})
        message = {"id": "msg_0", "type": "message", "status": "completed", "role": "assistant", "content": [part]}
        items.append((message, told))
    for n, tool in enumerate(reply.tools):
        arguments, id_ = _arguments(tool), f"fc_{n}"
        name = "response.function_call_arguments"
        told = [{"type": f"{name}.delta", "item_id": id_, "delta": piece} for piece in reply.cut(arguments)]
        told.append({"type": f"{name}.done", "item_id": id_, "name": tool.name, "arguments": arguments})
        call = {"id": id_, "type": "function_call", "status": "completed", "call_id": f"call_{n}", "name": tool.name}
        items.append(({**call, "arguments": arguments}, told))
    return items


def _responses_whole(reply: Reply, request: Mapping[str, Any]) -> dict[str, Any]:
    given, made = reply.usage
    details = {"input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}
    cut = reply.reason == "length"
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": CREATED,
        "model": _model(request),
        "status": "incomplete" if cut else "completed",
        "error": None,
        "instructions": None,
        "metadata": {},
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "output": [item for item, _ in _responses_items(reply)],
        "usage": {"input_tokens": given, "output_tokens": made, "total_tokens": given + made, **details},
    }


def _responses_events(reply: Reply, request: Mapping[str, Any]) -> list[bytes]:
    done = _responses_whole(reply, request)
    begun = {**done, "status": "in_progress", "output": [], "usage": None, "incomplete_details": None}
    told: list[dict[str, Any]] = [
        {"type": f"response.{what}", "response": begun} for what in ("created", "in_progress")
    ]
    for n, (item, between) in enumerate(_responses_items(reply)):
        # As it begins, its parts are empty.
        fresh: dict[str, Any] = {"content": [], "summary": [], "arguments": "", "status": "in_progress"}
        began = {key: fresh.get(key, part) for key, part in item.items()}
        told.append({"type": "response.output_item.added", "output_index": n, "item": began})
        told += [{**data, "output_index": n} for data in between]
        told.append({"type": "response.output_item.done", "output_index": n, "item": item})
    told.append({"type": f"response.{done['status']}", "response": done})
    return [event({**data, "sequence_number": n}, data["type"]) for n, data in enumerate(told)]


def _ollama_head(request: Mapping[str, Any]) -> dict[str, Any]:
    return {"model": _model(request), "created_at": CREATED_AT}


def _ollama_calls(reply: Reply) -> list[dict[str, Any]]:
    return [{"function": {"name": tool.name, "arguments": dict(tool.arguments)}} for tool in reply.tools]


def _ollama_last(reply: Reply) -> dict[str, Any]:
    given, made = reply.usage
    reason = "length" if reply.reason == "length" else "stop"
    spent = {"total_duration": 4_000_000, "load_duration": 1_000_000, "prompt_eval_duration": 1, "eval_duration": 2}
    return {"done": True, "done_reason": reason, **spent, "prompt_eval_count": given, "eval_count": made}


def _ollama_events(reply: Reply, request: Mapping[str, Any]) -> list[bytes]:
    head = _ollama_head(request)
    said: list[dict[str, Any]] = [{"content": "", "thinking": piece} for piece in reply.cut(reply.thinking)]
    said += [{"content": piece} for piece in reply.cut(reply.text)]
    said += [{"content": "", "tool_calls": [call]} for call in _ollama_calls(reply)]
    lines = [{**head, "message": {"role": "assistant", **message}, "done": False} for message in said]
    last = {**head, "message": {"role": "assistant", "content": ""}, **_ollama_last(reply)}
    return [line(data) for data in (*lines, last)]


def _ollama_whole(reply: Reply, request: Mapping[str, Any]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": reply.text}
    if reply.thinking:
        message["thinking"] = reply.thinking
    if reply.tools:
        message["tool_calls"] = _ollama_calls(reply)
    return {**_ollama_head(request), "message": message, **_ollama_last(reply)}


STREAMED: dict[Wire, Callable[[Reply, Mapping[str, Any]], list[bytes]]] = {
    "openai-chat": _chat_events,
    "openai-responses": _responses_events,
    "anthropic": _anthropic_events,
    "ollama": _ollama_events,
}
WHOLE: dict[Wire, Callable[[Reply, Mapping[str, Any]], dict[str, Any]]] = {
    "openai-chat": _chat_whole,
    "openai-responses": _responses_whole,
    "anthropic": _anthropic_whole,
    "ollama": _ollama_whole,
}
