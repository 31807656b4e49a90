"""The language model, behind one function.

What stands here is a stand-in: no model, no network. It repeats the system prompt and the question, so that
the service runs on a laptop and answers the same every time. To use a provider, replace the body of `stream`.
"""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from app import guards


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of the answer. `finished` is true on the last piece only; a stream without it was cut."""

    text: str
    finished: bool = False


@guards.llm
async def stream(messages: list[dict[str, str]]) -> AsyncGenerator[Delta]:
    """Answer the last of `messages`, word by word; they are what chat APIs take, system prompt first."""
    words = f"{messages[0]['content']} You asked: {messages[-1]['content']}".split()
    for number, word in enumerate(words, start=1):
        await asyncio.sleep(0)  # as a provider would, let other requests run between two pieces
        yield Delta(word if number == 1 else f" {word}", finished=number == len(words))
