"""What the healing tests share: a model that can be asked for the rest, and clients that read what it says.

Three behaviours of real servers: the continuation begins where the text was cut, repeats its end, or all of it.
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import anthropic
import httpx
import httpx2
import openai

from guardrails.llm import Capability, StreamPolicy, healing_client
from guardrails.policies import Budget
from guardrails.testing.faults import Reply, Tool

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from guardrails.testing.faults import Asked

_chance = random.Random(3)
LETTERS = "abcdefghijklmnopqrstuvwxyz"
# No part of it comes twice, so that each seam is clear.
TEXT = " ".join("".join(_chance.choices(LETTERS, k=_chance.randint(2, 9))) for _ in range(70)) + " Grüße aus Köln 😀."
FAST = StreamPolicy(first_token=2.0, idle=0.3, timeout=30.0, budget=Budget(1.0, floor=1000))
# Where nothing is to stall: on a busy machine an event may take longer than that.
CALM = FAST._replace(first_token=20.0, idle=20.0)
PREFILL = [Capability("prefill")]
Continues = Literal["plainly", "with an echo", "anew"]


class Model:
    """A model with one thing to say, from where it is told that it was cut."""

    def __init__(
        self, continues: Continues = "plainly", *, thinking: str = "", tools: Sequence[Tool] = (), text: str = TEXT
    ) -> None:
        self.continues = continues
        self.thinking = thinking
        self.tools = tools
        self.text = text

    def __call__(self, asked: Asked) -> Reply:
        turns = asked.json.get("messages") or asked.json["input"]
        turns = turns if isinstance(turns, list) else [{"role": "user", "content": turns}]
        said = next((turn["content"] for turn in turns if turn["role"] == "assistant"), "")
        assert self.text.startswith(said)
        start = len(said)
        if said and turns[-1]["role"] == "user":
            # As it was told to.
            tail = turns[-1]["content"].rpartition("\n")[2]
            assert said.endswith(tail)
            start -= len(tail)
        elif self.continues == "with an echo":
            start -= min(40, start)
        elif self.continues == "anew":
            start = 0
        return Reply(self.text[start:], thinking=self.thinking, tools=self.tools)


class Told(NamedTuple):
    """What a client made of a stream: the text, what else there was, the finish reason, the ids, the error."""

    text: str
    others: tuple[str, ...] = ()
    finish: str | None = None
    ids: frozenset[str] = frozenset()
    error: BaseException | None = None


class Listener:
    """Reads the events of one wire as a client's user does."""

    def __init__(self) -> None:
        self.text, self.finish, self.ids = "", None, set()
        self.tools: dict[int, str] = {}
        self.thinking = ""

    def chat(self, chunk: Any) -> None:
        self.ids.add(chunk.id)
        for choice in chunk.choices or ():
            self.text += choice.delta.content or ""
            self.thinking += getattr(choice.delta, "reasoning_content", None) or ""
            self.finish = choice.finish_reason or self.finish
            for call in choice.delta.tool_calls or ():
                self.tools[call.index] = self.tools.get(call.index, "") + (call.function.arguments or "")

    def anthropic(self, event: Any) -> None:
        if event.type == "message_start":
            self.ids.add(event.message.id)
        elif event.type == "content_block_delta":
            self.text += getattr(event.delta, "text", "")
            self.thinking += getattr(event.delta, "thinking", "")
            if event.delta.type == "input_json_delta":
                self.tools[event.index] = self.tools.get(event.index, "") + event.delta.partial_json
        elif event.type == "message_delta":
            self.finish = event.delta.stop_reason

    def responses(self, event: Any) -> None:
        if event.type in ("response.created", "response.completed"):
            self.ids.add(event.response.id)
        if event.type == "response.output_text.delta":
            self.text += event.delta
        elif event.type == "response.reasoning_summary_text.delta":
            self.thinking += event.delta
        elif event.type == "response.function_call_arguments.delta":
            self.tools[event.output_index] = self.tools.get(event.output_index, "") + event.delta
        elif event.type == "response.completed":
            self.finish = event.response.status
            # What the last event repeats is what was streamed.
            assert event.response.output_text == self.text

    def told(self, error: BaseException | None = None) -> Told:
        others = (self.thinking, *(self.tools[index] for index in sorted(self.tools)))
        return Told(self.text, tuple(filter(None, others)), self.finish, frozenset(self.ids), error)


ASKED: list[Any] = [{"role": "user", "content": "Hello?"}]
WIRES = ("chat", "anthropic", "responses")
PATHS = {"chat": "/v1/chat/completions", "anthropic": "/v1/messages", "responses": "/v1/responses"}


def made(wire: str, url: str, http_client: Any, **settings: Any) -> Any:
    """The official client of this wire; `http_client` decides between its two kinds."""
    asynchronous = isinstance(http_client, httpx.AsyncClient | httpx2.AsyncClient)
    kind = "Async" if asynchronous else ""
    if wire == "anthropic":
        return getattr(anthropic, f"{kind}Anthropic")(base_url=url, api_key="any", http_client=http_client, **settings)
    return getattr(openai, f"{kind}OpenAI")(base_url=f"{url}/v1", api_key="any", http_client=http_client, **settings)


def asked(wire: str, client: Any, **more: Any) -> Any:
    """A stream from it."""
    if wire == "anthropic":
        return client.messages.create(model="m", max_tokens=999, messages=ASKED, stream=True, **more)
    if wire == "responses":
        return client.responses.create(model="m", input="Hello?", stream=True, **more)
    return client.chat.completions.create(model="m", messages=ASKED, stream=True, **more)


def listened(
    wire: str,
    url: str,
    policy: StreamPolicy = CALM,
    *,
    rows: Sequence[Capability] = (),
    family: Any = httpx2,
    **more: Any,
) -> Told:
    """What a blocking client is told through healing."""
    listener = Listener()
    with made(wire, url, healing_client(family.Client, policy, capabilities=rows, verify=False)) as client:
        try:
            for event in asked(wire, client, **more):
                getattr(listener, wire)(event)
        except (openai.OpenAIError, anthropic.AnthropicError) as exc:
            return listener.told(exc)
    return listener.told()


async def alistened(
    wire: str,
    url: str,
    policy: StreamPolicy = CALM,
    *,
    rows: Sequence[Capability] = (),
    family: Any = httpx2,
    **more: Any,
) -> Told:
    """What an asynchronous client is told through healing."""
    listener = Listener()
    async with made(wire, url, healing_client(family.AsyncClient, policy, capabilities=rows, verify=False)) as client:
        try:
            async for event in await asked(wire, client, **more):
                getattr(listener, wire)(event)
        except (openai.OpenAIError, anthropic.AnthropicError) as exc:
            return listener.told(exc)
    return listener.told()


def told_by(way: str) -> Callable[..., Told]:
    """The listener of this way of calling: "sync" or "async"."""
    return listened if way == "sync" else lambda *args, **more: asyncio.run(alistened(*args, **more))
