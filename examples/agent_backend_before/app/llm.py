"""The language model: whatever speaks OpenAI's chat completions at AGENT_LLM_URL, or a stand-in if there is none."""

import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import openai

URL = os.environ.get("AGENT_LLM_URL")
MODEL = os.environ.get("AGENT_LLM_MODEL", "stand-in")

client = openai.AsyncOpenAI(base_url=URL, api_key=os.environ.get("AGENT_LLM_KEY", "none"))


async def stream(messages: list[dict[str, str]]) -> AsyncGenerator[str]:
    """Answer the last of `messages`, piece by piece; they are what chat APIs take, system prompt first."""
    async with await client.chat.completions.create(model=MODEL, messages=messages, stream=True) as chunks:
        async for chunk in chunks:
            if chunk.choices and chunk.choices[0].delta.content:
                yield chunk.choices[0].delta.content


@asynccontextmanager
async def connected() -> AsyncIterator[None]:
    """While the service runs. The stand-in needs no network: it repeats the system prompt and the question."""
    async with AsyncExitStack() as stack:
        if not URL:
            from guardrails.testing.faults import FaultServer
            from guardrails.testing.stand_in import repeats

            client.base_url = f"{stack.enter_context(FaultServer(repeats)).url}/v1"
        await stack.enter_async_context(client)
        yield
