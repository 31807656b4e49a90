"""The official clients, alone, or with healing around their transport.

python -m loadtests.matrix.callers.official bare | healing | fallbacks
"""

from __future__ import annotations

import importlib
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import anthropic
import openai

from loadtests.matrix.callers.serving import ASKED, MESSAGES, Job, serve, text_in

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

VARIANTS = ("bare", "healing", "fallbacks")


def http_client(variant: str, job: Job) -> Any:
    """The client of httpx or httpx2 that is given to the official one."""
    family: Any = importlib.import_module(job.family)
    kind = family.Client if job.way == "sync" else family.AsyncClient
    if variant == "bare":
        return kind(timeout=job.timeout)
    from guardrails.llm import StreamPolicy, healing_client

    policy = StreamPolicy(first_token=job.timeout, idle=job.timeout)
    if variant == "healing":
        return healing_client(kind, policy)
    from guardrails.llm import Target

    wire: Any = job.wire
    return healing_client(kind, policy, fallbacks=[Target(job.fallback, wire=wire, model="other", api_key="any")])


def made(variant: str, job: Job) -> Any:
    """The official client."""
    kind = "" if job.way == "sync" else "Async"
    given: dict[str, Any] = {"api_key": "any", "http_client": http_client(variant, job), "timeout": job.timeout}
    if job.wire == "anthropic":
        return getattr(anthropic, f"{kind}Anthropic")(base_url=job.url, **given)
    return getattr(openai, f"{kind}OpenAI")(base_url=f"{job.url}/v1", **given)


def asked(job: Job, client: Any) -> Any:
    """A stream from it."""
    if job.wire == "anthropic":
        return client.messages.create(model="m", max_tokens=999, messages=MESSAGES, stream=True)
    if job.wire == "openai-responses":
        return client.responses.create(model="m", input=ASKED, stream=True)
    return client.chat.completions.create(model="m", messages=MESSAGES, stream=True)


def main(variant: str) -> None:
    """Serve as one of the variants."""

    def speak(job: Job) -> Iterator[str]:
        with made(variant, job) as client:
            for event in asked(job, client):
                yield text_in(job.wire, event)

    async def aspeak(job: Job) -> AsyncIterator[str]:
        async with made(variant, job) as client:
            async for event in await asked(job, client):
                yield text_in(job.wire, event)

    names = ("openai", "anthropic", "httpx", "httpx2")
    trees = (openai.OpenAIError, anthropic.AnthropicError)
    serve(speak, aspeak, lambda error: isinstance(error, trees), ", ".join(f"{name} {version(name)}" for name in names))


if __name__ == "__main__":
    main(sys.argv[1])
