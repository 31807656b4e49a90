"""The wires that are healed, one module each; a wire says how to ask for the rest, and how it is told as one stream.

WIRES[path]       by what the path of a request ends with
wire.choices      how many answers are asked for         wire.structured   whether the text must be one JSON value
wire.continued    the request for the rest               wire.Splicer      its events, as the client is to see them

How an answer is read stands in `guardrails.core`: `PARSERS` and `ANSWERS`, under the same names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from guardrails.llm.wires import anthropic, ollama, openai_chat, openai_responses

if TYPE_CHECKING:
    from collections.abc import Callable

    from guardrails.core.completeness import Block
    from guardrails.core.completeness_wires import Wire as Name
    from guardrails.llm.capabilities import How


class Splicer(Protocol):
    """Tells the continuation of one stream in the terms of its beginning."""

    def resumed(self, text: str, spent: int, position: int | None) -> None:
        """A continuation begins. `text`: all that the client has; `spent`: an estimate of its tokens; `position`: the
        last sequence number that the client has of the beginning; None: it has heard of a continuation since.
        """
        ...

    def event(self, value: Any, new: str) -> bytes:
        """An event of the continuation, with `new` in place of its text; b"" for one that is not for the client."""
        ...

    def text(self, new: str) -> bytes:
        """An event of nothing but text."""
        ...


class Wire(NamedTuple):
    """What is known of one wire. A splicer is made of `begun`, the events without content that the client had before
    the first text, and that text; and of the blocks that it has. `types`: what a body may say that it is, besides what
    streams of events do; `unasked`: it streams unless it is told not to.
    """

    name: Name
    choices: Callable[[dict[str, Any]], int]
    structured: Callable[[dict[str, Any]], bool]
    continued: Callable[[dict[str, Any], str, How, str], dict[str, Any]]
    splicer: Callable[[list[Any], list[Block]], Splicer]
    types: tuple[str, ...] = ()
    unasked: bool = False


WIRES = {
    "/chat/completions": Wire(
        "openai-chat",
        openai_chat.choices,
        openai_chat.structured,
        openai_chat.continued,
        openai_chat.ChatSplicer,
    ),
    "/messages": Wire(
        "anthropic",
        anthropic.choices,
        anthropic.structured,
        anthropic.continued,
        anthropic.AnthropicSplicer,
    ),
    "/responses": Wire(
        "openai-responses",
        openai_responses.choices,
        openai_responses.structured,
        openai_responses.continued,
        openai_responses.ResponsesSplicer,
    ),
    "/api/chat": Wire(
        "ollama",
        ollama.choices,
        ollama.structured,
        ollama.continued,
        ollama.OllamaSplicer,
        ollama.TYPES,
        unasked=True,
    ),
}
