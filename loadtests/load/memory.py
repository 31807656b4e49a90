"""A memory service as the sample backend wants one, and a plan of when its searches are slow.

    python -m loadtests.load.memory --port 0
    POST /plan {"begins": 1700000000.0, "ends": 1700000020.0, "delay": 20}      seconds since 1970, and seconds

Only searches are slow: a store is often slow to read and quick to write, and a guard with one counter never sees it.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import time
from collections import defaultdict, deque
from typing import TYPE_CHECKING, NamedTuple

import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request

# Texts kept of each user, so that a search costs the same at the end of a run.
KEPT = 50


class Plan(NamedTuple):
    """From when to when, on the wall clock, each search waits for `delay` seconds."""

    begins: float
    ends: float
    delay: float

    def wait(self, now: float) -> float:
        """Seconds that a search waits that comes now."""
        return self.delay if self.begins <= now < self.ends else 0.0


def application() -> Starlette:
    """An empty memory that is well."""
    texts: dict[str, deque[str]] = defaultdict(lambda: deque(maxlen=KEPT))
    plan = Plan(0.0, 0.0, 0.0)

    async def search(request: Request) -> Response:
        await asyncio.sleep(plan.wait(time.time()))
        asked = request.query_params
        wanted = words(asked["q"])
        found = [text for text in texts[asked["user"]] if wanted & words(text)]
        return JSONResponse(found[: int(asked["limit"])])

    async def add(request: Request) -> Response:
        said = await request.json()
        texts[said["user"]].append(said["text"])
        return Response(status_code=204)

    async def obey(request: Request) -> Response:
        nonlocal plan
        plan = Plan(**await request.json())
        return Response(status_code=204)

    return Starlette(
        routes=[
            Route("/search", search),
            Route("/texts", add, methods=["POST"]),
            Route("/plan", obey, methods=["POST"]),
        ]
    )


def words(text: str) -> set[str]:
    """What two texts may share."""
    return set(re.findall(r"\w+", text.lower()))


def main() -> None:
    """Serve until told to end."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.load.memory", description="A memory that may be slow.")
    parser.add_argument("--port", type=int, default=0, help="0, the default: one that is free")
    port = parser.parse_args().port
    # Whoever still waits at the end waits for nothing.
    uvicorn.run(application(), host="127.0.0.1", port=port, access_log=False, timeout_graceful_shutdown=1)


if __name__ == "__main__":
    main()
