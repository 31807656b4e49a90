"""A body that any value can be: `content=` carries it by httpx and httpx2 to a real server."""

from __future__ import annotations

import asyncio
import datetime as dt
import math
import threading
import uuid
from decimal import Decimal
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import httpx
import httpx2
import pytest

from guardrails import jsonsafe

if TYPE_CHECKING:
    from collections.abc import Callable

JSON = {"content-type": "application/json"}
EVENT = {
    "id": uuid.UUID(int=1),
    "at": dt.datetime(2026, 1, 2, 3, tzinfo=dt.UTC),
    "cost": Decimal("1.10"),
    "file": PurePosixPath("/srv/a"),
    "tags": {2, 1},
    "score": math.nan,
    "client": threading.Lock(),
    "text": "a\ud800",
}
ARRIVED = {
    "id": "00000000-0000-0000-0000-000000000001",
    "at": "2026-01-02T03:00:00+00:00",
    "cost": "1.10",
    "file": "/srv/a",
    "tags": [1, 2],
    "score": None,
    "client": {"$lost": "opaque", "$type": "_thread.lock"},
    "text": "a\\ud800",
}


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answers with what it was sent, and with the type it was said to be."""
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message["body"], message["more_body"]
    headers = [(name, value) for name, value in scope["headers"] if name == b"content-type"]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture(scope="module")
def url(serve: Callable[[Any], str]) -> str:
    return f"http://{serve(echo)}/events"


@pytest.mark.parametrize("family", [httpx, httpx2])
def test_an_event_arrives(url: str, family: Any) -> None:
    with family.Client(trust_env=False) as client:
        answer = client.post(url, content=jsonsafe.dumps(EVENT), headers=JSON)
    assert (jsonsafe.loads(answer.content), answer.headers["content-type"]) == (ARRIVED, "application/json")


@pytest.mark.parametrize("family", [httpx, httpx2])
def test_an_event_arrives_from_asyncio(url: str, family: Any) -> None:
    async def post() -> Any:
        async with family.AsyncClient(trust_env=False) as client:
            return await client.post(url, content=jsonsafe.dumps(EVENT), headers=JSON)

    assert jsonsafe.loads(asyncio.run(post()).content) == ARRIVED


@pytest.mark.parametrize("family", [httpx, httpx2])
@pytest.mark.parametrize("name", EVENT)
def test_the_clients_own_encoding_fails(url: str, family: Any, name: str) -> None:
    with family.Client(trust_env=False) as client, pytest.raises((TypeError, ValueError)):
        client.post(url, json={name: EVENT[name]})
