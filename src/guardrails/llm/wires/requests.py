"""Requests across wires: a neutral one as a target wants it, and that of any client as a neutral one.

ask(request, target)    address, headers and body of a request for a stream
read(wire, body)        the neutral request that this body is; None: it says what others cannot be told
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from guardrails.llm.request import Request
from guardrails.llm.wires import anthropic_request, chat_request, ollama_request, responses_request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from guardrails.core.completeness_wires import Wire
    from guardrails.llm.targets import Target


class Translation(NamedTuple):
    """Of one wire."""

    headers: Callable[[Target], dict[str, str]]
    body: Callable[[Request, Target], dict[str, Any]]
    read: Callable[[dict[str, Any]], dict[str, Any]]


TRANSLATIONS: dict[Wire, Translation] = {
    "openai-chat": Translation(chat_request.headers, chat_request.body, chat_request.read),
    "openai-responses": Translation(responses_request.headers, responses_request.body, responses_request.read),
    "anthropic": Translation(anthropic_request.headers, anthropic_request.body, anthropic_request.read),
    "ollama": Translation(ollama_request.headers, ollama_request.body, ollama_request.read),
}
# What changes nothing about what is asked: names for the bill, how it is told, and taste. Another model has its own.
LEFT_OUT = frozenset(
    {
        *("model", "stream", "stream_options", "user", "metadata", "store", "service_tier", "safety_identifier"),
        *("prompt_cache_key", "prompt_cache_retention", "cache_control", "keep_alive", "seed", "think", "thinking"),
        *("reasoning", "reasoning_effort", "verbosity", "frequency_penalty", "presence_penalty", "top_k", "include"),
        *("parallel_tool_calls", "truncation"),
    }
)
# What says the same as leaving it out.
PLAIN: dict[str, tuple[object, ...]] = {
    "n": (1,),
    "tool_choice": ("auto", {"type": "auto"}),
    "logprobs": (False,),
    "background": (False,),
}


class Ask(NamedTuple):
    """A request for a stream. `headers` in lower case; `body`: what is sent as JSON."""

    url: str
    headers: dict[str, str]
    body: dict[str, Any]


def ask(request: Request, target: Target) -> Ask:
    """What to send to a target; a target's own headers and fields stand over ours."""
    wire = TRANSLATIONS[target.wire]
    own = {name.lower(): value for name, value in target.headers.items()}
    headers = {"content-type": "application/json", **wire.headers(target), **own}
    body = wire.body(request, target)
    if target.wire != "ollama":
        body |= {
            name: getattr(request, name) for name in ("temperature", "top_p") if getattr(request, name) is not None
        }
    for name, value in target.extra.items():
        ours = body.get(name)
        body[name] = {**ours, **value} if isinstance(ours, dict) and isinstance(value, dict) else value
    return Ask(target.endpoint, headers, body)


def read(wire: Wire, body: Mapping[str, Any]) -> Request | None:
    """The neutral request; None where the body asks for what not every target has: images, several answers, a search.

    What is a matter of taste or of the bill is left out: seeds, penalties, how long to think, names.
    """
    left = dict(body)
    try:
        fields = {name: left.pop(name) for name in ("temperature", "top_p") if left.get(name) is not None}
        request = Request(**{**fields, **TRANSLATIONS[wire].read(left)})
    except (LookupError, TypeError, ValueError, AttributeError):
        return None
    strange = [name for name, value in left.items() if name not in LEFT_OUT and value is not None]
    return request if all(left[name] in PLAIN.get(name, ()) for name in strange) else None
