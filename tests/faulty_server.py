"""An HTTP server on 127.0.0.1 that fails as it is told, in a thread of its own; it remembers what it was asked.

/status/503?n=2&retry-after=7      that status twice, then 200; without n always
/echo        the headers that arrived, as JSON          /body/5      five chunks of ten bytes
/cut         ten bytes of a hundred, and hangs up       /stall       one chunk, and no more
/hang-up     no answer                                  /never       no answer, and does not hang up
/to?url=     a redirect                                 /upgrade     101, then each byte comes back
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK = b"0123456789"


class Asked(NamedTuple):
    """One request. `body`: as much as its Content-Length says."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Server:
    """`asked`: the requests so far. `hung_up`: a client has closed a connection that stood still."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.hung_up = threading.Event()
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def paths(self) -> list[str]:
        return [asked.path for asked in self.asked]

    def wait_for(self, path: str) -> None:
        """Wait until it was asked for `path`."""
        until = time.monotonic() + 10
        while path not in self.paths:
            assert time.monotonic() < until, f"nobody asked for {path}"
            time.sleep(0.005)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            try:
                asked = await self._read(reader)
                self.asked.append(asked)
                await self._answer(asked, reader, writer)
                await writer.drain()
            finally:
                writer.close()
                await writer.wait_closed()

    async def _read(self, reader: asyncio.StreamReader) -> Asked:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
        method, target, _ = first.split(" ")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        while headers.get("transfer-encoding") == "chunked":
            size = int(await reader.readline(), 16)
            body += (await reader.readexactly(size + 2))[:-2]
            if not size:
                break
        return Asked(method, target, headers, body)

    async def _answer(self, asked: Asked, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        parts = urlsplit(asked.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        kind, _, argument = parts.path.strip("/").partition("/")
        if kind == "status":
            status = int(argument)
            if self.paths.count(asked.path) > int(query.get("n", "1000000")):
                status = 200
            after = {"Retry_After": query["retry-after"]} if status != 200 and "retry-after" in query else {}
            writer.write(head(status, length=10, **after) + (b"" if asked.method == "HEAD" else CHUNK))
        elif kind == "echo":
            data = json.dumps(asked.headers).encode()
            writer.write(head(200, length=len(data)) + data)
        elif kind == "to":
            writer.write(head(302, length=0, Location=query["url"]))
        elif kind == "body":
            writer.write(head(200, length=10 * int(argument)))
            for _ in range(int(argument)):
                writer.write(CHUNK)
                await writer.drain()
                await asyncio.sleep(0.001)
        elif kind == "cut":
            writer.write(head(int(argument or 200), length=100) + CHUNK)
        elif kind == "upgrade":
            writer.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
            while data := await reader.read(100):
                writer.write(data)
        elif kind in ("stall", "never"):
            writer.write(head(200, length=100) + CHUNK if kind == "stall" else b"")
            await writer.drain()
            if await reader.read() == b"":
                self.hung_up.set()


def head(status: int, length: int, **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {length}", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


@contextlib.contextmanager
def faulty_server() -> Iterator[Server]:
    """A server until the block ends."""
    server, started, stop = Server(), threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def main() -> None:
        listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
        server.port = listening.sockets[0].getsockname()[1]
        started.set()
        await stop.wait()
        listening.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    thread = threading.Thread(target=lambda: loop.run_until_complete(main()))
    thread.start()
    assert started.wait(10), "the server did not start"
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()
