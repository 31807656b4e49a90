"""A TCP proxy that is a bad network: `FaultProxy`, in front of Redis, a memory service, a model, a database.

    with FaultProxy("127.0.0.1:6379", Toxic(latency=0.2)) as proxy:
        client = redis.Redis(port=proxy.port)
        proxy.toxic = Toxic(end="hole")       from now on nothing passes, on open connections too
        proxy.toxic = None                    a good network again: what was held comes
        proxy.refuse(), proxy.accept()        down, and up again at the same port

It knows no protocol, runs in a thread of its own, and leaves what it stands in front of as it is. By hand:
`guardrails toxics 127.0.0.1:6379 --latency 0.2`.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import socket
import struct
from typing import Literal, NamedTuple

from guardrails.core.ranges import Checked, Ranges
from guardrails.testing.serving import Serving

Side = Literal["client", "server"]
End = Literal["fin", "rst", "hole"]
# Bytes that are read at once, and how many such reads one direction of a connection holds back at most.
READ, HELD = 65_536, 64
# A limited bandwidth is kept over so many seconds; between two slices there are so many, or they would arrive as one.
SMOOTH, BETWEEN_SLICES = 0.02, 0.001


class _Fields(NamedTuple):
    latency: float = 0.0
    jitter: float = 0.0
    bandwidth: float | None = None
    slice_bytes: int | None = None
    end: End | None = None
    after_bytes: int = 0
    towards: Literal["client", "server", "both"] = "client"


class Toxic(Checked, _Fields):
    """What is wrong with a network.

    `latency`: seconds that each piece comes later, 0 to 3600, default 0; `jitter`: up to so many more, by chance; the
    order stays. `bandwidth`: bytes a second in each connection, 1 or more, default None: as many as there are.
    `slice_bytes`: everything comes in pieces of at most so many bytes, default None: as it was sent. `end`: how each
    connection ends once `after_bytes` (default 0) of it have come through: "fin", closed in good order; "rst", reset;
    "hole", it stays open and nothing more passes. Default None: it does not. `towards`: who receives what is treated
    so: "client", the default, "server" or "both". Connecting is never slow: what follows is.

    Raises ConfigError, a ValueError, that lists every mistake.
    """

    __slots__ = ()

    def check(self, ranges: Ranges) -> None:
        """Tell `ranges` of every setting and what it may be."""
        ranges.number("latency", self.latency, 0, 3600, "write seconds")
        ranges.number("jitter", self.jitter, 0, 3600, "write seconds")
        ranges.number("bandwidth", self.bandwidth, 1, 1e12, "write bytes a second", none="unlimited")
        ranges.number("slice_bytes", self.slice_bytes, 1, READ, "write bytes", whole=True, none="as it was sent")
        ranges.demand(
            self.end in (None, "fin", "rst", "hole"), "end", self.end, "fin, rst, hole, or None", "choose one"
        )
        ranges.number("after_bytes", self.after_bytes, 0, 2**50, "write bytes", whole=True)
        idle = self.end is None and self.after_bytes
        ranges.demand(not idle, "after_bytes", self.after_bytes, "0 without an end", 'write end="fin", "rst" or "hole"')
        sides = ("client", "server", "both")
        ranges.demand(self.towards in sides, "towards", self.towards, ", ".join(sides), "choose one")


GOOD = Toxic()


class FaultProxy(Serving):
    """Listens on 127.0.0.1, and passes on what comes to `upstream`, and back, as the toxic says.

    `upstream`: "host:port". `toxic`: what is wrong from the beginning, default None: nothing; set it to change that, on
    open connections too. `port`: default 0, a free one. Where nobody listens at `upstream`, connections are closed at
    once. Raises ConfigError, a ValueError, for an address that is none, and OSError if the port is taken.
    """

    def __init__(self, upstream: str, toxic: Toxic | None = None, *, port: int = 0) -> None:
        host, _, number = upstream.rpartition(":")
        ranges = Ranges()
        good = bool(host) and number.isdecimal() and 0 < int(number) < 65_536
        ranges.demand(good, "upstream", upstream, "host:port", 'write "127.0.0.1:6379"')
        ranges.number("port", port, 0, 65_535, "write a port, or 0 for a free one", whole=True)
        ranges.settle()
        super().__init__(port)
        self._upstream = (host.strip("[]"), int(number))
        self._toxic = toxic
        self.changed = asyncio.Event()

    @property
    def address(self) -> str:
        """Where it listens: "127.0.0.1:port"."""
        return f"127.0.0.1:{self.port}"

    @property
    def toxic(self) -> Toxic | None:
        """What is wrong now."""
        return self._toxic

    @toxic.setter
    def toxic(self, toxic: Toxic | None) -> None:
        self._toxic = toxic
        if self._listening is not None:
            self.run(self._change())

    async def _change(self) -> None:
        before, self.changed = self.changed, asyncio.Event()
        before.set()

    def towards(self, side: Side) -> Toxic:
        """What is wrong now with what this side is sent."""
        toxic = self._toxic
        return toxic if toxic is not None and toxic.towards in (side, "both") else GOOD

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Both directions of one connection, until both or either has ended it."""
        try:
            upstream, to_upstream = await asyncio.open_connection(*self._upstream)
        except OSError:
            writer.close()
            return
        flows = (_Flow(self, "server", reader, to_upstream), _Flow(self, "client", upstream, writer))
        reset = False
        try:
            async with asyncio.TaskGroup() as tasks:
                for flow in flows:
                    tasks.create_task(flow.read())
                    tasks.create_task(flow.write())
        except* _Closed:
            pass
        except* ConnectionError:
            # By a toxic, or by one of the two: the other is to see it as well.
            reset = True
        finally:
            for end in (writer, to_upstream):
                await _end(end, reset=reset)


class _Closed(Exception):
    """A toxic has ended the connection in good order."""


class _Flow:
    """One direction of a connection. What was read waits until it is due."""

    def __init__(
        self, proxy: FaultProxy, side: Side, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.proxy = proxy
        self.side: Side = side
        self.reader = reader
        self.writer = writer
        # So that what was sent has left before a connection is reset.
        writer.transport.set_write_buffer_limits(0)
        self.held: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(HELD)
        self.passed = 0

    async def read(self) -> None:
        """Take what is sent; b"" is its end."""
        now = asyncio.get_running_loop().time
        due = 0.0
        data = b"?"
        while data:
            data = await self.reader.read(READ)
            toxic = self.proxy.towards(self.side)
            # Chance is not to be guessed by anybody here.
            due = max(due, now() + toxic.latency + toxic.jitter * random.random())  # noqa: S311
            await self.held.put((due, data))

    async def write(self) -> None:
        """Pass it on when it is due. Raises _Closed or ConnectionError where the connection ends."""
        now = asyncio.get_running_loop().time
        while True:
            due, data = await self.held.get()
            await asyncio.sleep(due - now())
            if not data:
                break
            while data:
                await self._may_pass()
                data = await self._passed(data)
                # Not only when more is to be sent: that may be never.
                self._cut()
        await self._may_pass()
        self.writer.write_eof()

    def _room(self, toxic: Toxic) -> float:
        """Bytes that still come through."""
        return math.inf if toxic.end is None else toxic.after_bytes - self.passed

    def _cut(self) -> None:
        """Raises _Closed or ConnectionError where the connection ends here."""
        toxic = self.proxy.towards(self.side)
        if self._room(toxic) <= 0 and toxic.end == "fin":
            raise _Closed
        if self._room(toxic) <= 0 and toxic.end == "rst":
            raise ConnectionResetError

    async def _may_pass(self) -> None:
        """Wait as long as nothing passes. Raises as above."""
        while self._room(self.proxy.towards(self.side)) <= 0:
            self._cut()
            await self.proxy.changed.wait()

    async def _passed(self, data: bytes) -> bytes:
        """Pass on one piece of `data`. Returns the rest."""
        toxic = self.proxy.towards(self.side)
        most = min(self._room(toxic), len(data) if toxic.slice_bytes is None else toxic.slice_bytes)
        pause = 0.0 if toxic.slice_bytes is None else BETWEEN_SLICES
        if toxic.bandwidth is not None:
            most = min(most, max(1, toxic.bandwidth * SMOOTH))
            pause = max(pause, min(most, len(data)) / toxic.bandwidth)
        piece = data[: int(most)]
        self.writer.write(piece)
        await self.writer.drain()
        self.passed += len(piece)
        await asyncio.sleep(pause)
        return data[len(piece) :]


async def _end(writer: asyncio.StreamWriter, *, reset: bool) -> None:
    """Close it. All that was to be sent has been."""
    if reset:
        # Without lingering, closing sends RST in place of FIN. Who is gone has no socket any more.
        with contextlib.suppress(OSError):
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()
    # Whoever stops the server waits for nobody.
    with contextlib.suppress(OSError, asyncio.CancelledError):
        await writer.wait_closed()
