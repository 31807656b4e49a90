"""What attempts have cost, in tokens: as the provider has said, or where it has not, as a labelled estimate."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from guardrails.core.completeness_wires import Wire

# What was asked and what was answered; the further counts of what was asked, which Anthropic keeps apart.
NAMES: dict[Wire, tuple[tuple[str, ...], str]] = {
    "openai-chat": (("prompt_tokens",), "completion_tokens"),
    "openai-responses": (("input_tokens",), "output_tokens"),
    "anthropic": (("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"), "output_tokens"),
    "ollama": (("prompt_eval_count",), "eval_count"),
}
# Bytes of a request to a token: near enough in English, too few in other languages.
BYTES_A_TOKEN = 4


class Spent(NamedTuple):
    """What one attempt has cost. `provider`, `model`: who was asked. `estimated`: the provider has not said it.

    An estimate takes four bytes of the request, and an event of the answer, for a token. An attempt that was refused,
    or whose connection failed, has cost nothing.
    """

    provider: str
    model: str
    input_tokens: int
    output_tokens: int
    estimated: bool = False


def told(wire: Wire, usage: Mapping[str, Any] | None) -> tuple[int, int] | None:
    """The tokens asked and answered, as the provider says; None: it does not."""
    asked, answered = NAMES[wire]
    counts = [_count(usage, name) for name in asked]
    made = _count(usage, answered)
    return None if counts[0] is None or made is None else (sum(filter(None, counts)), made)


def told_in(wire: Wire, content: bytes) -> tuple[int, int] | None:
    """The same of an answer in one piece; None also where it cannot be read, as when it is compressed."""
    try:
        answer = json.loads(content)
    except ValueError:
        return None
    usage = answer.get("usage", answer) if isinstance(answer, dict) else None
    return told(wire, usage if isinstance(usage, dict) else None)


def _count(usage: Mapping[str, Any] | None, name: str) -> int | None:
    count = None if usage is None else usage.get(name)
    return count if isinstance(count, int) else None
