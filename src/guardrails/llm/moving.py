"""A client's request, asked of somebody else: at his address, with his key, and with nothing that is not for him.

    moved(wire, asked, content, target)     where to send what; or, as a text, why it cannot be asked there

On the same wire the body goes as it is, under the target's model. On another it is translated, where it asks for
nothing but text. Of the headers none goes along: who knows in which of them a key stands?
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from guardrails.llm.wires.requests import TRANSLATIONS, Ask, ask, read

if TYPE_CHECKING:
    from guardrails.core.completeness_wires import Wire
    from guardrails.llm.targets import Target

# What a provider keeps, or does itself while it answers: to ask twice is not only billed twice.
ACTS = ("conversation", "background", "container", "mcp_servers")
MCP = b'"mcp"'
# What lies with the provider that was asked before, or is a key for it.
TIED = ("previous_response_id", "conversation", "prompt", "background", "container", "mcp_servers")
# The same, deep inside.
KEPT_THERE = (b'"file_id"', MCP)


def acts(asked: dict[str, Any], content: bytes) -> bool:
    """Whether an answer to it does more than to cost. `asked`: the client's body, in `content` as it was sent."""
    return any(asked.get(name) for name in ACTS) or MCP in content


def moved(wire: Wire, asked: dict[str, Any], content: bytes, target: Target, *, streams: bool) -> Ask | str:
    """What to send there; or why it cannot be. `asked`: the client's body, in `content` as it was sent."""
    # In a text these would stand with a stroke before the quotation mark.
    tied = [name for name in TIED if asked.get(name)] or [one.decode() for one in KEPT_THERE if one in content]
    if tied:
        return f"{tied[0]} belongs to the provider that was asked first"
    if wire == target.wire:
        return _alike(asked, target)
    if not streams:
        return f"it speaks {target.wire}, and an answer in one piece is not translated"
    request = read(wire, asked)
    if request is None or request.tools or request.schema is not None:
        return f"it speaks {target.wire}, and more than text is asked for"
    return ask(request, target)


def _alike(asked: dict[str, Any], target: Target) -> Ask:
    own = {name.lower(): value for name, value in target.headers.items()}
    headers = {"content-type": "application/json", **TRANSLATIONS[target.wire].headers(target), **own}
    body = {**asked, "model": target.model} if target.model else dict(asked)
    for name, value in target.extra.items():
        ours = body.get(name)
        body[name] = {**ours, **value} if isinstance(ours, dict) and isinstance(value, dict) else value
    return Ask(target.endpoint, headers, body)
