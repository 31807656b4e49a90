"""What healing adds to a stream that needs none: the official clients, against a server in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import time
from functools import cache
from typing import TYPE_CHECKING, Any

from loadtests.bench.harness import Call, Figure

if TYPE_CHECKING:
    from collections.abc import Callable

EVENTS = 1000
SERVER = """
import sys
from guardrails.testing.faults import FaultServer
with FaultServer("abcde" * int(sys.argv[1])) as server:
    print(server.url, flush=True)
    sys.stdin.read()
"""
ASKED: list[Any] = [{"role": "user", "content": "Hello?"}]


@cache
def served() -> str:
    """The address of a server that ends with this process."""
    command = [sys.executable, "-c", SERVER, str(EVENTS)]
    # Kept by the cache's frame no longer than by its pipe, whose end is the server's.
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    _RUNNING.append(process)
    assert process.stdout is not None
    return process.stdout.readline().strip()


_RUNNING: list[Any] = []


def bare() -> Any:
    import httpx2

    return httpx2.Client()


def healed() -> Any:
    import httpx2

    from guardrails.llm import healing_client

    return healing_client(httpx2.Client)


def chat(made: Callable[[], Any]) -> Callable[[], Any]:
    """Asks openai's client for a stream."""
    import openai

    client = openai.OpenAI(base_url=f"{served()}/v1", api_key="any", http_client=made())
    return lambda: client.chat.completions.create(model="m", messages=ASKED, stream=True)


def messages(made: Callable[[], Any]) -> Callable[[], Any]:
    """Asks anthropic's client for a stream."""
    import anthropic

    client = anthropic.Anthropic(base_url=served(), api_key="any", http_client=made())
    return lambda: client.messages.create(model="m", max_tokens=9, messages=ASKED, stream=True)


def whole(name: str, ask: Callable[[Callable[[], Any]], Callable[[], Any]], made: Callable[[], Any], of: str) -> Call:
    """A stream of a thousand events, read to its end."""

    def setup() -> Callable[[], object]:
        asked = ask(made)

        def read() -> int:
            count = sum(1 for _ in asked())
            assert count > EVENTS
            return count

        return read

    return Call(name=name, setup=setup, distribution=of)


def first(name: str, made: Callable[[], Any]) -> Call:
    """The first event with content, on the clock on the wall."""

    def setup() -> Callable[[], object]:
        asked = chat(made)

        def read() -> None:
            stream = asked()
            for chunk in stream:
                if chunk.choices[0].delta.content:
                    break
            stream.close()

        return read

    return Call(name=name, setup=setup, distribution="openai", clock=time.perf_counter)


FIGURES = [
    Figure(
        id="stream-openai",
        what="a stream of 1,000 events, none broken, under `openai.OpenAI`: CPU",
        target=1.05,
        ours=whole("healing", chat, healed, "openai"),
        baseline=whole("the bare client", chat, bare, "openai"),
    ),
    Figure(
        id="stream-anthropic",
        what="a stream of 1,000 events, none broken, under `anthropic.Anthropic`: CPU",
        target=1.25,
        ours=whole("healing", messages, healed, "anthropic"),
        baseline=whole("the bare client", messages, bare, "anthropic"),
    ),
    Figure(
        id="stream-first-token",
        what="seconds to the first token under `openai.OpenAI`, more than with the bare client",
        target=0.001,
        compare="difference",
        ours=first("healing", healed),
        baseline=first("the bare client", bare),
    ),
]
