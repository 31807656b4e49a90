"""How soon a broken stream is noticed, and what an answer of a megabyte takes while it streams.

Servers run in processes of their own, so that only the client's side is measured.
"""

from __future__ import annotations

import asyncio
import logging
import math
import subprocess
import sys
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from loadtests.bench.harness import Figure

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SERVER = """
import sys
from guardrails.testing.faults import Fault, FaultServer, Reply
kind, characters, piece = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
made = {"sound": None, "pings": Fault.ping_stall(0.1, at=0.5), "rst": Fault.rst(at=0.5), "fin": Fault.fin(at=0.5)}
with FaultServer(Reply("abcde" * (characters // 5), piece=piece), fault=made[kind]) as server:
    print(server.url, flush=True)
    sys.stdin.read()
"""
IDLE = 0.3
STREAMS = 100
LARGE = 1_000_000
_RUNNING: list[Any] = []


@cache
def served(kind: str, characters: int = 500, piece: int = 5) -> str:
    """Where a server of this kind listens; it ends with this process."""
    command = [sys.executable, "-c", SERVER, kind, str(characters), str(piece)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    _RUNNING.append(process)
    assert process.stdout is not None
    return process.stdout.readline().strip()


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A number that a callable in this process returns."""

    name: str
    setup: Callable[[], Callable[[], float]]
    distribution: str | None = "httpx2"

    @property
    def command(self) -> str:
        return f"in process: {self.setup.__module__}.{self.setup.__qualname__}"

    def ready(self, work: Path) -> Callable[[], float]:  # noqa: ARG002 - a callable needs no files
        sample = self.setup()
        sample()
        return sample


def asked(url: str) -> dict[str, Any]:
    """A request for a stream."""
    said = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "Hello?"}]}
    return {"method": "POST", "url": f"{url}/v1/chat/completions", "json": said}


def client(kind: str) -> Any:
    """One of httpx2 that only says what is wrong."""
    import httpx2

    from guardrails.llm import StreamPolicy, healing_client

    # A line for each of the hundred.
    logging.getLogger("guardrails.llm").setLevel(logging.CRITICAL)
    policy = StreamPolicy(first_token=5, idle=IDLE, timeout=60, on_fault=())
    limits = httpx2.Limits(max_connections=None)
    return healing_client(getattr(httpx2, kind), policy, limits=limits, verify=False)


class Late:
    """The seconds from the last content of a stream to the error."""

    def __init__(self) -> None:
        self.last = 0.0

    def chunk(self, chunk: bytes) -> None:
        """More of the body. A keepalive is no content."""
        if not chunk.startswith(b":"):
            self.last = time.monotonic()

    def end(self) -> float:
        """The error is there."""
        return time.monotonic() - self.last


def one(http: Any, url: str) -> float:
    """How late a blocking client hears of a fault."""
    from guardrails.errors import StreamFault

    late = Late()
    with http.stream(**asked(url)) as response:
        try:
            for chunk in response.iter_raw():
                late.chunk(chunk)
        except StreamFault:
            return late.end()
    raise AssertionError("a broken stream was taken for a whole one")


async def aone(http: Any, url: str) -> float:
    """The same in asyncio."""
    from guardrails.errors import StreamFault

    late = Late()
    async with http.stream(**asked(url)) as response:
        try:
            async for chunk in response.aiter_raw():
                late.chunk(chunk)
        except StreamFault:
            return late.end()
    raise AssertionError("a broken stream was taken for a whole one")


def slowest(times: list[float]) -> float:
    """The time that 99 of 100 do not exceed."""
    return sorted(times)[math.ceil(0.99 * len(times)) - 1]


def sync(kind: str, at_once: int) -> Callable[[], Callable[[], float]]:
    """A hundred streams that break, in so many threads."""

    def setup() -> Callable[[], float]:
        url = served(kind)

        def sample() -> float:
            with client("Client") as http, ThreadPoolExecutor(at_once) as pool:
                return slowest(list(pool.map(lambda _: one(http, url), range(STREAMS))))

        return sample

    return setup


def tasks(kind: str, at_once: int) -> Callable[[], Callable[[], float]]:
    """A hundred streams that break, so many tasks at a time."""

    def setup() -> Callable[[], float]:
        url = served(kind)

        async def all_of_them() -> float:
            gate = asyncio.Semaphore(at_once)

            async def gated(http: Any) -> float:
                async with gate:
                    return await aone(http, url)

            async with client("AsyncClient") as http:
                return slowest(await asyncio.gather(*(gated(http) for _ in range(STREAMS))))

        return lambda: asyncio.run(all_of_them())

    return setup


def memory() -> Callable[[], float]:
    """The bytes that a stream of a million characters takes at most, its reader keeping none of it."""
    import httpx2

    from guardrails.llm import StreamPolicy, healing_client

    url = served("sound", LARGE, 50)
    # The server writes all of it before it sends the first.
    policy = StreamPolicy(first_token=600, idle=600, timeout=3600)

    def sample() -> float:
        with healing_client(httpx2.Client, policy, timeout=600, verify=False) as http:
            tracemalloc.start()
            try:
                with http.stream(**asked(url)) as response:
                    for chunk in response.iter_raw():
                        del chunk
                return float(tracemalloc.get_traced_memory()[1])
            finally:
                tracemalloc.stop()

    return sample


def exactly(name: str, value: float) -> Measured:
    """A number that is known."""
    return Measured(name=name, setup=lambda: lambda: value, distribution=None)


LIMIT = exactly(f"the time limit of {IDLE:g} s", IDLE)
LAST = exactly("the last bytes before it", 0.0)
FIGURES = [
    Figure(
        id="stream-idle",
        what=f"seconds without content until {STREAMS} blocking streams with keepalives are given up, p99",
        target=0.05,
        compare="difference",
        ours=Measured(name="healing", setup=sync("pings", 10)),
        baseline=LIMIT,
        rounds=5,
    ),
    Figure(
        id="stream-idle-asyncio",
        what=f"seconds without content until {STREAMS} streams with keepalives are given up in asyncio, p99",
        target=0.05,
        compare="difference",
        ours=Measured(name="healing", setup=tasks("pings", 10)),
        baseline=LIMIT,
        rounds=5,
    ),
    Figure(
        id="stream-reset",
        what=f"seconds until a reset connection is an error, of {STREAMS} streams, p99",
        target=0.02,
        compare="difference",
        ours=Measured(name="healing", setup=sync("rst", 1)),
        baseline=LAST,
        rounds=5,
    ),
    Figure(
        id="stream-closed",
        what=f"seconds until a connection that closes in the middle is an error in asyncio, of {STREAMS} streams, p99",
        target=0.02,
        compare="difference",
        ours=Measured(name="healing", setup=tasks("fin", 1)),
        baseline=LAST,
        rounds=5,
    ),
    Figure(
        id="stream-memory",
        what="bytes in use at most while an answer of 1,000,000 characters streams",
        target=2.0,
        ours=Measured(name="healing", setup=memory),
        baseline=exactly("its characters", float(LARGE)),
        rounds=3,
    ),
]
