"""litellm's Router with `fallbacks`, as its page on reliability sets it up: a model group, and one to fall back to."""

from __future__ import annotations

import importlib
import os
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from loadtests.matrix.callers.serving import ASKED, MESSAGES, Job, Reported, serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

# Else it asks the network for prices.
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
litellm: Any = importlib.import_module("litellm")


def router(job: Job) -> Any:
    """Two groups of one deployment each."""

    def deployment(name: str, url: str) -> dict[str, Any]:
        model, base = ("anthropic/m", url) if job.wire == "anthropic" else ("openai/m", f"{url}/v1")
        given = {"model": model, "api_base": base, "api_key": "any"}
        return {"model_name": name, "litellm_params": given}

    return litellm.Router(
        model_list=[deployment("main", job.url), deployment("spare", job.fallback)],
        fallbacks=[{"main": ["spare"]}],
        timeout=job.timeout,
        stream_timeout=job.timeout,
    )


def said(job: Job, chunk: Any) -> str:
    """What a chunk says."""
    if job.wire != "openai-responses":
        return "".join(choice.delta.content or "" for choice in chunk.choices or ())
    kind = str(getattr(chunk.type, "value", chunk.type))
    if kind in ("error", "response.failed"):
        raise Reported(kind)
    return str(chunk.delta) if kind == "response.output_text.delta" else ""


def speak(job: Job) -> Iterator[str]:
    """In plain code."""
    made = router(job)
    if job.wire == "openai-responses":
        stream = made.responses(model="main", input=ASKED, stream=True)
    else:
        stream = made.completion(model="main", messages=MESSAGES, stream=True)
    for chunk in stream:
        yield said(job, chunk)


async def aspeak(job: Job) -> AsyncIterator[str]:
    """In asyncio."""
    made = router(job)
    if job.wire == "openai-responses":
        stream = await made.aresponses(model="main", input=ASKED, stream=True)
    else:
        stream = await made.acompletion(model="main", messages=MESSAGES, stream=True)
    async for chunk in stream:
        yield said(job, chunk)


def own(error: Exception) -> bool:
    """Its errors are made after openai's."""
    openai: Any = importlib.import_module("openai")
    return isinstance(error, openai.OpenAIError)


if __name__ == "__main__":
    serve(speak, aspeak, own, ", ".join(f"{name} {version(name)}" for name in ("litellm", "openai", "httpx")))
