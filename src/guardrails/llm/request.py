"""What is asked of a model, in no provider's words: the wires translate it, so that the next target may speak another.

Request([{"role": "user", "content": "Hello?"}], max_tokens=2000)
Request(history, system="Be brief.", tools=[Tool("look_up", {"type": "object", "properties": {…}}, "Finds a customer")])

Messages are as in chat completions, since that is how most histories are kept:

{"role": "user" | "system", "content": "…"}
{"role": "assistant", "content": "…", "tool_calls": [{"id": "…", "function": {"name": "…", "arguments": "{…}"}}]}
{"role": "tool", "tool_call_id": "…", "content": "…"}
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from guardrails.core.ranges import Checked, Ranges

Message = Mapping[str, Any]
ROLES = ("system", "user", "assistant", "tool")


class Tool(NamedTuple):
    """A function that the model may call. `parameters`: its arguments as a JSON Schema of an object."""

    name: str
    parameters: Mapping[str, Any]
    description: str = ""


class ToolCall(NamedTuple):
    """The model wants a function to be called. `arguments`: all of them."""

    id: str
    name: str
    arguments: dict[str, Any]


class _Fields(NamedTuple):
    messages: Sequence[Message]
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    system: str = ""
    tools: Sequence[Tool] = ()
    schema: Mapping[str, Any] | None = None


class Request(Checked, _Fields):
    """A question that any target can be asked. Text only: no images, no sound.

    `messages`: the conversation, at least one; see the top of the module.
    `max_tokens`: of the answer, 1 to 10,000,000, default what the provider has, where it has one; else 4,096.
    `temperature`: 0 to 2, and `top_p`: 0 to 1, default what the provider has; some models take none.
    `system`: what stands before the conversation. `tools`: what the model may call.
    `schema`: a JSON Schema that the answer must have; such an answer arrives in one piece, when it is whole.

    What only one provider knows belongs to `Target(extra=…)`. Raises ConfigError, a ValueError, that lists every
    mistake, without a word of what the messages say.
    """

    __slots__ = ()

    def check(self, ranges: Ranges) -> None:
        """Tell `ranges` of every setting and what it may be."""
        messages: object = self.messages
        good = isinstance(messages, Sequence) and not isinstance(messages, str) and len(messages) > 0
        fix = 'write [{"role": "user", "content": "…"}]'
        if ranges.demand(good, "messages", type(messages).__name__, "a list of at least one message", fix):
            for number, message in enumerate(self.messages):
                wrong = _wrong(message)
                ranges.demand(not wrong, f"messages[{number}]", wrong, "see guardrails.llm.request", "mend it")
        none = "the provider's default"
        ranges.number("max_tokens", self.max_tokens, 1, 10_000_000, "write a count", whole=True, none=none)
        ranges.number("temperature", self.temperature, 0, 2, "write 0 for the likeliest", none=none)
        ranges.number("top_p", self.top_p, 0, 1, "write a share", none=none)
        system: object = self.system
        ranges.demand(isinstance(system, str), "system", type(system).__name__, "a text", "write one")
        tools: object = self.tools
        good = isinstance(tools, Sequence) and all(isinstance(one, Tool) for one in tools)
        ranges.demand(good, "tools", type(tools).__name__, "a list of Tool", 'write [Tool("name", {…})]')
        schema: object = self.schema
        good = schema is None or isinstance(schema, Mapping)
        ranges.demand(good, "schema", type(schema).__name__, "a JSON Schema as a dict, or None", "write {…}")


def calls_in(message: Message) -> list[ToolCall]:
    """The tool calls of a message. Raises LookupError, TypeError or ValueError for what is none."""
    found = []
    for call in message.get("tool_calls") or ():
        function = call["function"]
        arguments = function["arguments"]
        arguments = json.loads(arguments or "{}") if isinstance(arguments, str) else arguments
        if not isinstance(arguments, dict):
            raise TypeError("arguments are no object")
        found.append(ToolCall(str(call["id"]), str(function["name"]), arguments))
    return found


def saying(text: str, calls: Sequence[ToolCall]) -> dict[str, Any]:
    """The assistant's message with this text and these calls."""
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if calls:
        message["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": json.dumps(call.arguments)},
            }
            for call in calls
        ]
    return message


def _wrong(message: object) -> str:
    """What is wrong with a message; "" if nothing is."""
    if not isinstance(message, Mapping):
        return type(message).__name__
    role, said = message.get("role"), message.get("content")
    if role not in ROLES:
        return f"role {role!r:.40}"
    if not isinstance(said, str) and not (said is None and role == "assistant" and message.get("tool_calls")):
        return f"content that is {type(said).__name__}"
    if role == "tool" and not isinstance(message.get("tool_call_id"), str):
        return "no tool_call_id"
    try:
        calls_in(message)
    except (LookupError, TypeError, ValueError) as exc:
        return f"tool_calls that cannot be read ({type(exc).__name__})"
    return ""
