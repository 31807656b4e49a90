"""Redis and NATS, the real servers: the guide's lines publish and store what their clients refuse."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import nats
import pytest
import redis
from nats.errors import MaxPayloadError

from guardrails import jsonsafe
from tests.middleware.guide import recipe

if TYPE_CHECKING:
    from collections.abc import Iterator

EVENT = {
    "id": uuid.UUID(int=7),
    "at": dt.datetime(2026, 11, 20, 9, 30, tzinfo=dt.UTC),
    "price": Decimal("0.10"),
    "wrong": float("nan"),
    "handle": object(),
}
RECEIVED = {
    "id": str(uuid.UUID(int=7)),
    "at": "2026-11-20T09:30:00+00:00",
    "price": "0.10",
    "wrong": None,
    "handle": {"$lost": "opaque", "$type": "object"},
}


@pytest.fixture
def client(redis_url: str) -> Iterator[Any]:
    with redis.Redis.from_url(redis_url.replace("/0", "/3")) as found:
        found.flushdb()
        yield found


def test_redis_streams_lists_and_channels_carry_an_event(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    options = client.connection_pool.connection_kwargs
    monkeypatch.setenv("REDIS_URL", f"redis://{options['host']}:{options['port']}/{options['db']}")
    with client.pubsub(ignore_subscribe_messages=True) as channel:
        channel.subscribe("news")
        channel.get_message(timeout=10)
        names: dict[str, Any] = {"event": EVENT}
        exec(recipe("Redis"), names)
        names["r"].close()
        message = channel.get_message(timeout=10)
    ((_, entry),) = client.xrange("events")
    assert jsonsafe.loads(entry[b"d"]) == RECEIVED
    assert jsonsafe.loads(client.lpop("jobs")) == RECEIVED
    assert jsonsafe.loads(message["data"]) == RECEIVED


def test_a_client_that_decodes_responses_reads_it_too(client: Any) -> None:
    client.set("event", jsonsafe.dumps(EVENT))
    options = client.connection_pool.connection_kwargs
    with redis.Redis(host=options["host"], port=options["port"], db=options["db"], decode_responses=True) as texts:
        assert jsonsafe.loads(texts.get("event")) == RECEIVED


def test_redis_refuses_the_event_itself_and_json_cannot_write_it(client: Any) -> None:
    """The control."""
    with pytest.raises(redis.DataError, match="Convert to a bytes, string, int or float first"):
        client.rpush("jobs", EVENT)
    with pytest.raises(TypeError):
        client.rpush("jobs", json.dumps(EVENT))


def with_nats(url: str, use: Any) -> Any:
    async def run() -> Any:
        client = await nats.connect(url)
        try:
            return await asyncio.wait_for(use(client), 30)
        finally:
            await client.close()

    return asyncio.run(run())


def test_nats_carries_an_event(nats_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NATS_URL", nats_url)
    names: dict[str, Any] = {}
    exec(recipe("NATS"), names)

    async def use(client: Any) -> Any:
        subscription = await client.subscribe("events")
        await client.flush()
        await names["publish"](EVENT)
        return (await subscription.next_msg(timeout=10)).data

    assert jsonsafe.loads(with_nats(nats_url, use)) == RECEIVED


def test_jetstream_stores_an_event(nats_url: str) -> None:
    async def use(client: Any) -> Any:
        stream = client.jetstream()
        await stream.add_stream(name="orders", subjects=["orders.*"])
        await stream.publish("orders.new", jsonsafe.dumps(EVENT))
        return (await stream.get_last_msg("orders", "orders.new")).data

    assert jsonsafe.loads(with_nats(nats_url, use)) == RECEIVED


def test_nats_refuses_the_event_itself_and_json_cannot_write_it(nats_url: str) -> None:
    """The control."""
    with pytest.raises(TypeError):
        with_nats(nats_url, lambda client: client.publish("events", EVENT))
    with pytest.raises(TypeError):
        with_nats(nats_url, lambda client: client.publish("events", json.dumps(EVENT).encode()))


def test_what_is_larger_than_nats_takes_is_refused_unless_it_is_trimmed(nats_url: str) -> None:
    large = {"id": 7, "rows": ["x" * 1000] * 2000}
    with pytest.raises(MaxPayloadError):
        with_nats(nats_url, lambda client: client.publish("events", jsonsafe.dumps(large)))

    async def use(client: Any) -> Any:
        subscription = await client.subscribe("events")
        await client.publish("events", jsonsafe.dumps(large, policy="lossy"))
        return (await subscription.next_msg(timeout=10)).data

    data = with_nats(nats_url, use)
    assert len(data) <= 256 * 1024
    assert jsonsafe.loads(data)["id"] == 7
