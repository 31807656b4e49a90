"""A server that speaks as LLM providers do, and fails as it is told: `FaultServer`.

    with FaultServer("Hello", fault=Fault.cut(at_byte=900)) as server:
        client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="any")
        ...
        server.asked[0].json["model"]        what came in; also .headers, .sent, .hung_up

/v1/chat/completions, /v1/responses, /v1/messages and /api/chat (Ollama), streamed and whole. It listens on 127.0.0.1,
in a thread of its own. By hand: `python -m guardrails.testing.faults --cut 0.9` prints its address.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from guardrails.core.ranges import Ranges
from guardrails.testing import fault_wires
from guardrails.testing.fault_plans import Fault
from guardrails.testing.fault_wires import PATHS, Reply, Tool
from guardrails.testing.serving import Serving

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from guardrails.core.completeness_wires import Wire

__all__ = ["Asked", "Fault", "FaultServer", "Reply", "Tool"]

Framing = Literal["chunked", "length", "close"]
TEXT = "The quick brown fox jumps over the lazy dog, and the dog does not mind at all. " * 8
HTML = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>\n"
STATUSES = {200: "OK", 400: "Bad Request", 404: "Not Found", 429: "Too Many Requests", 502: "Bad Gateway"}


@dataclass
class Asked:
    """One request, and what became of it.

    `wire`: None for a path that is none of ours. `fault`: what was done to it. `sent`: bytes of the body that went out.
    `hung_up`: the client closed the connection before the answer had ended. `answered`: we are done with it.
    """

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    wire: Wire | None = None
    fault: Fault | None = None
    sent: int = 0
    hung_up: bool = False
    answered: bool = False

    @property
    def json(self) -> dict[str, Any]:
        """The body; {} if it is no JSON object."""
        with contextlib.suppress(ValueError):
            value = json.loads(self.body)
            if isinstance(value, dict):
                return value
        return {}

    @property
    def streams(self) -> bool:
        """Whether it asks for a stream; Ollama streams unless told not to."""
        return bool(self.json.get("stream", self.wire == "ollama"))


@dataclass
class _Connection:
    """Both ends of a connection, and how the body that is under way says where it ends."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    framing: Framing
    closed: bool = False

    async def put(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def head(self, status: int, kind: str, length: int | None, *more: str) -> None:
        lines = [f"HTTP/1.1 {status} {STATUSES.get(status, 'Said')}", f"Content-Type: {kind}", *more]
        if length is not None:
            lines.append(f"Content-Length: {length}")
        else:
            lines.append("Connection: close" if self.framing == "close" else "Transfer-Encoding: chunked")
        await self.put(("\r\n".join(lines) + "\r\n\r\n").encode())

    async def send(self, asked: Asked, data: bytes) -> None:
        """More of the body."""
        if data:
            await self.put(f"{len(data):x}\r\n".encode() + data + b"\r\n" if self.framing == "chunked" else data)
            asked.sent += len(data)

    async def end(self) -> None:
        """The body is whole, as far as HTTP can say so."""
        if self.framing == "chunked":
            await self.put(b"0\r\n\r\n")
        elif self.framing == "close":
            self.close()

    async def wait(self, asked: Asked, seconds: float) -> None:
        """Let time pass. Raises ConnectionError when the client leaves meanwhile."""
        with contextlib.suppress(TimeoutError):
            # Nothing is expected of the client, so what comes is the end.
            await asyncio.wait_for(self.reader.read(1), max(0.0, seconds))
            raise ConnectionResetError(f"the client left after {asked.sent} bytes")

    async def keep_silent(self, asked: Asked, fault: Fault, keepalive: bytes) -> None:
        """Send nothing but keepalives, as long as the fault says."""
        left = fault.seconds
        while left > 0:
            await self.wait(asked, min(left, fault.every) if keepalive else left)
            left -= fault.every if keepalive else left
            await self.send(asked, keepalive)

    def reset(self) -> None:
        # Without lingering, closing sends RST in place of FIN.
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()
        self.closed = True

    def close(self) -> None:
        self.writer.close()
        self.closed = True


class FaultServer(Serving):
    """Answers each request with `reply`, and does to it what is planned.

    `reply`: a text, a Reply with tools and thinking, or a function that makes either from what was asked; default: some
    600 characters. `plan`: what happens to the first requests, one by one, None: nothing; `fault`: to all others,
    default nothing; a function says it of each. `pace`: seconds between two events, 0 to 3600, default 0. `framing`:
    how the body says where it ends: "chunked", the default, "length" (a `cut` announces the shorter length) or "close"
    (it does not say it). `port`: default 0, a free one. Raises ConfigError, a ValueError, if a number is out of range,
    and OSError if the port is taken.
    """

    def __init__(
        self,
        reply: str | Reply | Callable[[Asked], str | Reply] = TEXT,
        *,
        fault: Fault | Callable[[Asked], Fault | None] | None = None,
        plan: Sequence[Fault | None] = (),
        pace: float = 0.0,
        framing: Framing = "chunked",
        port: int = 0,
    ) -> None:
        ranges = Ranges()
        ranges.number("pace", pace, 0, 3600, "write seconds between two events")
        ranges.number("port", port, 0, 65_535, "write a port, or 0 for a free one", whole=True)
        ranges.demand(framing in ("chunked", "length", "close"), "framing", framing, "chunked, length, close", "choose")
        ranges.settle()
        super().__init__(port)
        self.reply = reply
        self.fault = fault
        self.plan = list(plan)
        self.pace = pace
        self.framing = framing
        self.asked: list[Asked] = []

    @property
    def url(self) -> str:
        """Where it listens, without a path."""
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """The requests of one connection."""
        connection = _Connection(reader, writer, self.framing)
        # So that what was sent has left before a connection is reset.
        writer.transport.set_write_buffer_limits(0)
        asked = None
        try:
            while not connection.closed:
                asked = await _read(reader)
                connection.framing = self.framing
                await self._answer(asked, connection)
                asked.answered = True
        except asyncio.CancelledError:
            # The server stops, and nobody waits for this task.
            pass
        except (ConnectionError, asyncio.IncompleteReadError):
            # Between two answers a client may leave.
            if asked is not None and not asked.answered:
                asked.hung_up = asked.answered = True
        finally:
            writer.close()
            # Cancelled here, too: the server may stop in the same moment.
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _answer(self, asked: Asked, connection: _Connection) -> None:
        number = len(self.asked)
        planned = self.plan[number] if number < len(self.plan) else self.fault
        fault = asked.fault = planned(asked) if callable(planned) else planned
        asked.wire = next((wire for path, wire in PATHS.items() if asked.path.partition("?")[0].endswith(path)), None)
        self.asked.append(asked)
        wire = asked.wire
        if wire is None:
            await _whole(connection, asked, 404, "text/plain", b"no such path: see guardrails.testing.faults")
        elif fault is not None and fault.kind in ("hang_up", "never"):
            if fault.kind == "never":
                await connection.keep_silent(asked, fault, b"")
            connection.close()
        elif fault is not None and fault.kind in ("status", "html"):
            await _refused(connection, asked, wire, fault)
        else:
            said = self.reply(asked) if callable(self.reply) else self.reply
            reply = Reply(said) if isinstance(said, str) else said
            await self._told(connection, asked, wire, reply, fault)

    async def _told(self, connection: _Connection, asked: Asked, wire: Wire, reply: Reply, fault: Fault | None) -> None:
        """The reply, and what goes wrong with it."""
        kind = "application/json"
        if asked.streams:
            kind = "application/x-ndjson" if wire == "ollama" else "text/event-stream"
            events = fault_wires.streamed(wire, reply, asked.json)
            events = events if fault is None else fault.inside(wire, events)
        else:
            body = fault_wires.whole(wire, reply, asked.json)
            events = [body if fault is None else fault.body(wire, body)]
        total = stop = sum(map(len, events))
        if fault is not None:
            kind = "text/plain" if fault.kind == "wrong_type" else kind
            stop = fault.stop(events)
        length = stop if fault is not None and fault.kind == "cut" else total
        await connection.head(200, kind, length if self.framing == "length" else None)
        await self._send(connection, asked, _up_to(stop, events), fault)
        await _end(connection, asked, wire, fault)
        if self.framing == "length" and asked.sent < length:
            connection.close()

    async def _send(self, connection: _Connection, asked: Asked, pieces: Sequence[bytes], fault: Fault | None) -> None:
        """The body, as far as it comes, and at its pace."""
        clock = asyncio.get_running_loop().time
        pace, until = self.pace, float("inf")
        if fault is not None and fault.kind == "slow":
            pace, body = fault.every, b"".join(pieces)
            pieces = [body[n : n + fault.size] for n in range(0, len(body), fault.size)]
        elif fault is not None and fault.at_time is not None:
            until = clock() + fault.at_time
        for n, piece in enumerate(pieces):
            if n and pace:
                await connection.wait(asked, min(pace, until - clock()))
            if clock() >= until:
                return
            await connection.send(asked, piece)
        if until < float("inf"):
            await connection.wait(asked, until - clock())


def _up_to(stop: int, events: Sequence[bytes]) -> list[bytes]:
    """The events as far as byte `stop`; the last may come by half."""
    pieces = []
    for event in events:
        if stop <= 0:
            break
        pieces.append(event[:stop])
        stop -= len(event)
    return pieces


async def _end(connection: _Connection, asked: Asked, wire: Wire, fault: Fault | None) -> None:
    """How the answer ends."""
    kind = "" if fault is None else fault.kind
    if kind == "rst":
        connection.reset()
    elif kind == "fin":
        connection.close()
    elif fault is not None and kind in ("stall", "ping_stall"):
        await connection.keep_silent(asked, fault, fault_wires.keepalive(wire) if kind == "ping_stall" else b"")
        connection.close()
    else:
        if fault is not None and kind == "linger":
            await connection.keep_silent(asked, fault, b"")
        await connection.end()


async def _refused(connection: _Connection, asked: Asked, wire: Wire, fault: Fault) -> None:
    """An error status in place of the answer."""
    kind, body = "text/html", HTML
    if fault.kind == "status":
        kind, body = "application/json", json.dumps(fault_wires.error(wire, fault.message, fault.error)).encode()
    more = [] if fault.retry_after is None else [f"Retry-After: {fault.retry_after:g}"]
    await _whole(connection, asked, fault.status_code, kind, body, *more)


async def _whole(connection: _Connection, asked: Asked, status: int, kind: str, body: bytes, *more: str) -> None:
    connection.framing = "length"
    await connection.head(status, kind, len(body), *more)
    await connection.send(asked, body)


async def _read(reader: asyncio.StreamReader) -> Asked:
    """The next request of a connection. Raises IncompleteReadError when there is none, ConnectionError at no HTTP."""
    try:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
        method, path, version = first.split(" ")
        int(version.removeprefix("HTTP/1."))  # no number is left of another protocol
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        while headers.get("transfer-encoding") == "chunked":
            size = int(await reader.readline(), 16)
            body += (await reader.readexactly(size + 2))[:-2]
            if not size:
                break
    except (ValueError, asyncio.LimitOverrunError) as exc:
        raise ConnectionAbortedError("the client does not speak HTTP/1.1") from exc
    return Asked(method, path, headers, body)


if __name__ == "__main__":
    from guardrails.testing.fault_command import main

    raise SystemExit(main())
