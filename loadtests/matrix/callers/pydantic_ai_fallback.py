"""pydantic-ai's FallbackModel under an agent that streams, as its page on models sets it up."""

from __future__ import annotations

import importlib
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from loadtests.matrix.callers.serving import ASKED, Job, serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

pydantic_ai: Any = importlib.import_module("pydantic_ai")


def one(module: str, name: str) -> Any:
    """A class of one of its modules."""
    return getattr(importlib.import_module(f"pydantic_ai.{module}"), name)


def agent(job: Job) -> Any:
    """An agent with two models of one kind."""

    def model(url: str) -> Any:
        if job.wire == "anthropic":
            client = importlib.import_module("anthropic").AsyncAnthropic(base_url=url, api_key="any")
            provider = one("providers.anthropic", "AnthropicProvider")(anthropic_client=client)
            return one("models.anthropic", "AnthropicModel")("m", provider=provider)
        provider = one("providers.openai", "OpenAIProvider")(base_url=f"{url}/v1", api_key="any")
        name = "OpenAIResponsesModel" if job.wire == "openai-responses" else "OpenAIChatModel"
        return one("models.openai", name)("m", provider=provider)

    both = one("models.fallback", "FallbackModel")(model(job.url), model(job.fallback))
    return pydantic_ai.Agent(both, model_settings={"timeout": job.timeout})


def speak(job: Job) -> Iterator[str]:
    """In plain code."""
    yield from agent(job).run_stream_sync(ASKED).stream_text(delta=True, debounce_by=None)


async def aspeak(job: Job) -> AsyncIterator[str]:
    """In asyncio."""
    async with agent(job).run_stream(ASKED) as result:
        async for piece in result.stream_text(delta=True, debounce_by=None):
            yield piece


def own(error: Exception) -> bool:
    """Those of its module `exceptions`; where all models fail, a group of them."""
    return type(error).__module__ == "pydantic_ai.exceptions"


if __name__ == "__main__":
    names = ("pydantic-ai-slim", "openai", "anthropic", "httpx2")
    serve(speak, aspeak, own, ", ".join(f"{name} {version(name)}" for name in names))
