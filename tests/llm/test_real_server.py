"""Against a real server: what was cut anywhere and taken up again is, byte for byte, what was never cut."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import openai
import pytest

from guardrails.llm import Capability, StreamPolicy, Target, healing, last_heal
from guardrails.policies import Budget
from tests.support import need

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

POLICY = StreamPolicy(budget=Budget(1.0, floor=1000))
# Letters and blanks, so that each token is a character; as long as it is told to be.
ASKED: dict[str, Any] = {
    "model": "tiny",
    "stream": True,
    "temperature": 0,
    "extra_body": {"grammar": "root ::= [a-z ]+", "ignore_eos": True},
}


class CutBody(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """A body that ends early, cleanly, in the middle of whatever it is in."""

    def __init__(self, body: Any, left: int) -> None:
        self.body = body
        self.left = left

    def _take(self, chunk: bytes) -> bytes:
        taken = chunk[: self.left]
        self.left -= len(taken)
        return taken

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self.body:
            yield self._take(chunk)
            if not self.left:
                return

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self.body:
            yield self._take(chunk)
            if not self.left:
                return

    def close(self) -> None:
        self.body.close()

    async def aclose(self) -> None:
        await self.body.aclose()


class Cutting(httpx2.BaseTransport, httpx2.AsyncBaseTransport):
    """Cuts the next answer after `at` bytes. It is of httpx2 by its base classes alone, which openai renames."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.at: int | None = None
        self.size = 0

    def _cut(self, response: Any) -> Any:
        if self.at is not None:
            response.stream, self.at = CutBody(response.stream, self.at), None
        return response

    def handle_request(self, request: Any) -> Any:
        return self._cut(self.inner.handle_request(request))

    async def handle_async_request(self, request: Any) -> Any:
        return self._cut(await self.inner.handle_async_request(request))

    def close(self) -> None:
        self.inner.close()

    async def aclose(self) -> None:
        await self.inner.aclose()


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    need("xllamacpp", "healing against llama.cpp")
    need("gguf", "healing against llama.cpp")
    command = [sys.executable, str(Path(__file__).with_name("tiny_llama.py")), str(tmp_path_factory.mktemp("model"))]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.kill()


def asked(number: int, tokens: int) -> dict[str, Any]:
    return {**ASKED, "max_tokens": tokens, "messages": [{"role": "user", "content": f"Tell me {number}"}]}


def read(chunk: Any) -> str:
    return "".join(choice.delta.content or "" for choice in chunk.choices)


def cut_and_whole(url: str, cuts: int, tokens: int) -> None:
    chance = random.Random(cuts)
    transport = Cutting(httpx2.HTTPTransport(verify=False))
    healed: list[Any] = []
    with openai.OpenAI(
        base_url=f"{url}/v1", api_key="any", http_client=httpx2.Client(transport=healing(transport, POLICY))
    ) as client:
        for number in range(cuts):
            said = asked(number, tokens)
            whole = "".join(map(read, client.chat.completions.create(**said)))
            assert len(whole) == tokens
            # Some 230 bytes an event.
            transport.at = chance.randint(1, tokens * 220)
            chunks = list(client.chat.completions.create(**said))
            assert transport.at is None
            assert "".join(map(read, chunks)) == whole
            assert len({chunk.id for chunk in chunks}) == 1
            assert chunks[-1].choices[0].finish_reason == "length"
            healed.append(last_heal())
    assert {heal.outcome for heal in healed} == {"healed"}
    assert [heal.seams for heal in healed if heal.rungs == ("resume",)] == [("continued",)] * sum(
        heal.rungs == ("resume",) for heal in healed
    )


async def acut_and_whole(url: str, cuts: int, tokens: int) -> None:
    chance = random.Random(cuts)
    transport = Cutting(httpx2.AsyncHTTPTransport(verify=False))
    async with openai.AsyncOpenAI(
        base_url=f"{url}/v1", api_key="any", http_client=httpx2.AsyncClient(transport=healing(transport, POLICY))
    ) as client:
        for number in range(cuts):
            said = asked(number, tokens)
            whole = "".join([read(chunk) async for chunk in await client.chat.completions.create(**said)])
            transport.at = chance.randint(1, tokens * 220)
            told = "".join([read(chunk) async for chunk in await client.chat.completions.create(**said)])
            assert (told, transport.at) == (whole, None)


@pytest.mark.slow  # forty answers of a real model
def test_twenty_cuts_are_healed_byte_for_byte(llama: str) -> None:
    cut_and_whole(llama, 20, 120)


@pytest.mark.slow  # forty answers of a real model
def test_twenty_cuts_are_healed_byte_for_byte_in_asyncio(llama: str) -> None:
    asyncio.run(acut_and_whole(llama, 20, 120))


@pytest.mark.long
def test_two_hundred_cuts_are_healed_byte_for_byte(llama: str) -> None:
    cut_and_whole(llama, 200, 300)


@pytest.mark.long
def test_two_hundred_cuts_are_healed_byte_for_byte_in_asyncio(llama: str) -> None:
    asyncio.run(acut_and_whole(llama, 200, 300))


@pytest.mark.slow  # twenty answers of a real model
def test_ten_cuts_are_taken_up_by_a_fallback_byte_for_byte(llama: str) -> None:
    """The fallback is the same model at the same server, so that what was never cut is known."""
    chance = random.Random(7)
    transport = Cutting(httpx2.HTTPTransport(verify=False))
    policy = POLICY._replace(on_fault=("switch",))
    rows = [Capability("prefill", host="127.0.0.1*", continues=True)]
    healed = healing(transport, policy, [Target(llama, model="tiny")], capabilities=rows)
    with openai.OpenAI(base_url=f"{llama}/v1", api_key="any", http_client=httpx2.Client(transport=healed)) as client:
        for number in range(10):
            said = asked(number, 60)
            whole = "".join(map(read, client.chat.completions.create(**said)))
            transport.at = chance.randint(60 * 40, 60 * 200)
            chunks = list(client.chat.completions.create(**said))
            assert ("".join(map(read, chunks)), transport.at) == (whole, None)
            assert len({chunk.id for chunk in chunks}) == 1
            heal = last_heal()
            assert heal is not None
            assert (heal.rungs, heal.seams) == (("switch",), ("continued",))
