"""A broker and a result backend for TaskIQ on a Redis list and Redis keys; `REDIS_URL` says where."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from redis.asyncio import Redis
from taskiq import AsyncBroker, AsyncResultBackend, BrokerMessage, TaskiqResult
from taskiq.serializers import JSONSerializer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from taskiq.abc.serializer import TaskiqSerializer


class ListBroker(AsyncBroker):
    def __init__(self) -> None:
        super().__init__()
        self.client = Redis.from_url(os.environ["REDIS_URL"])

    async def kick(self, message: BrokerMessage) -> None:
        await self.client.lpush("messages", message.message)

    async def listen(self) -> AsyncGenerator[bytes, None]:
        while True:
            found = await self.client.brpop(["messages"], timeout=1)
            if found is not None:
                yield found[1]

    async def shutdown(self) -> None:
        await super().shutdown()
        await self.client.aclose()


class KeyResults(AsyncResultBackend[Any]):
    def __init__(self, serializer: TaskiqSerializer | None = None) -> None:
        self.client = Redis.from_url(os.environ["REDIS_URL"])
        self.serializer = serializer or JSONSerializer()

    async def set_result(self, task_id: str, result: TaskiqResult[Any]) -> None:
        await self.client.set(f"result:{task_id}", self.serializer.dumpb(result.model_dump()))

    async def is_result_ready(self, task_id: str) -> bool:
        return bool(await self.client.exists(f"result:{task_id}"))

    async def get_result(self, task_id: str, with_logs: bool = False) -> TaskiqResult[Any]:
        data = await self.client.get(f"result:{task_id}")
        return TaskiqResult[Any].model_validate(self.serializer.loadb(data))

    async def shutdown(self) -> None:
        await self.client.aclose()
