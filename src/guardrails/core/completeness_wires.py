"""The wires: for each, how its body is cut into events, and how an answer is read from those.

parser, answer = PARSERS[wire](), ANSWERS[wire](STRICT)
for event in parser.feed(chunk):
    step = answer.take(event.name, decode(event.data, json.loads))
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from guardrails.core.completeness_anthropic import AnthropicAnswer
from guardrails.core.completeness_chat import ChatAnswer
from guardrails.core.completeness_ollama import OllamaAnswer
from guardrails.core.completeness_responses import ResponsesAnswer
from guardrails.core.ndjson import NdjsonParser
from guardrails.core.sse import SseParser

if TYPE_CHECKING:
    from guardrails.core.completeness import Answer

Wire = Literal["openai-chat", "openai-responses", "anthropic", "ollama"]

PARSERS: dict[Wire, type[SseParser | NdjsonParser]] = {
    "openai-chat": SseParser,
    "openai-responses": SseParser,
    "anthropic": SseParser,
    "ollama": NdjsonParser,
}
ANSWERS: dict[Wire, type[Answer]] = {
    "openai-chat": ChatAnswer,
    "openai-responses": ResponsesAnswer,
    "anthropic": AnthropicAnswer,
    "ollama": OllamaAnswer,
}
