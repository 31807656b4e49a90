"""What healing adds to a stream that needs none: the official clients, against a server in a process of its own."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import time
from functools import cache
from typing import TYPE_CHECKING, Any

from loadtests.bench.harness import Call, Figure, Process

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


def typed() -> Any:
    """Reads the JSON of an event into types of its own, of which nothing else is made."""
    import msgspec

    delta = msgspec.defstruct("Delta", [("content", str | None, None)])
    choice_ = msgspec.defstruct("Choice", [("delta", delta)])
    return msgspec.json.Decoder(msgspec.defstruct("Chunk", [("choices", list[choice_])])).decode  # type: ignore[valid-type]


def plain() -> tuple[str, int, bytes]:
    """Where to ask, and the bytes to send."""
    host, _, port = served().removeprefix("http://").partition(":")
    body = json.dumps({"model": "m", "messages": ASKED, "stream": True}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n\r\n"
    return host, int(port), head.encode() + body


def raw() -> Callable[[], object]:
    """The least that a reader can do: a socket, the chunks of HTTP, and typed JSON."""
    decode = typed()
    host, port, request = plain()
    connection = socket.create_connection((host, port))

    def read() -> int:
        connection.sendall(request)
        count = 0
        text: list[str] = []
        with connection.makefile("rb") as answer:
            while answer.readline() != b"\r\n":
                pass
            while size := int(answer.readline(), 16):
                event = answer.read(size)
                answer.readline()
                if event.startswith(b"data: {"):
                    for choice in decode(event[6:]).choices:
                        text.append(choice.delta.content or "")
                        count += 1
            answer.readline()
        assert len("".join(text)) == 5 * EVENTS
        return count

    return read


def raw_in_asyncio() -> Callable[[], object]:
    """The same with asyncio's own streams."""
    decode = typed()
    host, port, request = plain()
    loop = asyncio.new_event_loop()
    answer, connection = loop.run_until_complete(asyncio.open_connection(host, port))

    async def read() -> int:
        connection.write(request)
        count = 0
        text: list[str] = []
        await answer.readuntil(b"\r\n\r\n")
        while size := int(await answer.readline(), 16):
            event = (await answer.readexactly(size + 2))[:-2]
            if event.startswith(b"data: {"):
                for choice in decode(event[6:]).choices:
                    text.append(choice.delta.content or "")
                    count += 1
        await answer.readline()
        assert len("".join(text)) == 5 * EVENTS
        return count

    return lambda: loop.run_until_complete(read())


def own() -> Callable[[], object]:
    """Our iterator, over a connection that is kept as the others keep theirs."""
    import httpx

    from guardrails.llm import Request, Target, Text, stream_with_fallback

    transport, targets = httpx.HTTPTransport(), [Target(served(), model="m")]
    request = Request(ASKED)

    def read() -> int:
        with stream_with_fallback(request, targets, transport=transport) as stream:
            count = sum(len(event.text) for event in stream if isinstance(event, Text))
        assert (count, stream.result.outcome) == (5 * EVENTS, "complete")
        return count

    return read


def own_in_asyncio() -> Callable[[], object]:
    """The same with `async for`."""
    import httpx

    from guardrails.llm import Request, Target, Text, stream_with_fallback

    transport, targets = httpx.AsyncHTTPTransport(), [Target(served(), model="m")]
    request = Request(ASKED)
    loop = asyncio.new_event_loop()

    async def read() -> int:
        async with stream_with_fallback(request, targets, transport=transport) as stream:
            count = sum([len(event.text) async for event in stream if isinstance(event, Text)])
        assert (count, stream.result.outcome) == (5 * EVENTS, "complete")
        return count

    return lambda: loop.run_until_complete(read())


def sse() -> Callable[[], object]:
    """For comparison: httpx alone, its lines and the standard library's JSON."""
    import httpx

    client = httpx.Client()

    def read() -> int:
        body = {"model": "m", "messages": ASKED, "stream": True}
        with client.stream("POST", f"{served()}/v1/chat/completions", json=body) as response:
            found = [json.loads(line[6:]) for line in response.iter_lines() if line.startswith("data: {")]
        count = sum(len(choice["delta"].get("content") or "") for chunk in found for choice in chunk["choices"])
        assert count == 5 * EVENTS
        return count

    return read


ITERATORS = [
    Figure(
        id="stream-own",
        what="`stream_with_fallback`, 1,000 events, none broken, against a raw socket and typed JSON: CPU",
        target=6.0,
        ours=Call(name="with `for`", setup=own),
        baseline=Call(name="a socket and msgspec", setup=raw, distribution="msgspec"),
        peers=(
            Call(name="ours with `async for`", setup=own_in_asyncio),
            Call(name="httpx, its lines and json", setup=sse, distribution="httpx"),
        ),
    ),
    Figure(
        id="stream-own-async",
        what="the same in asyncio, against its own streams and typed JSON: CPU",
        target=6.0,
        ours=Call(name="with `async for`", setup=own_in_asyncio),
        baseline=Call(name="asyncio's streams and msgspec", setup=raw_in_asyncio, distribution="msgspec"),
    ),
    Figure(
        id="stream-own-openai",
        what="`stream_with_fallback`, against `openai.OpenAI` bare: CPU",
        target=1 / 7,
        ours=Call(name="with `for`", setup=own),
        baseline=whole("the bare client", chat, bare, "openai"),
    ),
    Figure(
        id="stream-import",
        what="`import guardrails.llm`, against `import httpx`",
        target=1.5,
        ours=Process(name="guardrails.llm", argv=(sys.executable, "-I", "-c", "import guardrails.llm")),
        baseline=Process(name="httpx", argv=(sys.executable, "-I", "-c", "import httpx")),
    ),
]
FIGURES = [
    *ITERATORS,
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
