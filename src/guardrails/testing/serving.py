"""A TCP server with a loop and a thread of its own, so that blocking and asynchronous code can be tested against it.

with server: ...                     listens on 127.0.0.1, at `server.port`
server.refuse(), server.accept()     down, and up again at the same port
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Coroutine

# Seconds within which the loop, which never waits for anybody, has done what it was told.
PROMPTLY = 30


class Serving(ABC):
    """What servers for tests share. `port`: 0 for a free one. Entering it raises OSError if the port is taken."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._listening: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="guardrails-testing", daemon=True)
        self._thread.start()
        try:
            self.accept()
        except OSError:
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.refuse()
        self._end()

    def refuse(self) -> None:
        """From now on connections are refused, and those that are open are closed."""
        self.run(self._stop_listening())

    def accept(self) -> None:
        """Listen, at the same port as before."""
        self.run(self._listen())

    def run(self, what: Coroutine[Any, Any, None]) -> None:
        """Have the loop do something, and wait until it is done."""
        asyncio.run_coroutine_threadsafe(what, self._loop).result(PROMPTLY)

    @abstractmethod
    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, from its beginning to its end; cancelled when the server stops."""

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PROMPTLY)
        self._loop.close()

    async def _listen(self) -> None:
        if self._listening is None:
            self._listening = await asyncio.start_server(self._accepted, "127.0.0.1", self.port)
            self.port = self._listening.sockets[0].getsockname()[1]

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = self._loop.create_task(self.serve(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)
        # One that is cancelled before it has begun closes nothing itself.
        connection.add_done_callback(lambda _: writer.transport.abort())

    async def _stop_listening(self) -> None:
        if self._listening is not None:
            # Nothing more is accepted. What just was gets a moment first, or asyncio (3.11) loses its socket.
            with contextlib.suppress(NotImplementedError):  # on Windows
                self._loop.remove_reader(self._listening.sockets[0].fileno())
            await asyncio.sleep(0)
            self._listening.close()
            self._listening = None
        # Again, because one that was just being accepted has become a connection meanwhile.
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            for connection in self._connections:
                connection.cancel()
            await asyncio.gather(*others, return_exceptions=True)
