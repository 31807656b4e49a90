"""Tasks for a real TaskIQ worker; the guide's own lines, written into `desk.py` by the test, make the broker."""

from __future__ import annotations

import math
import threading
import uuid  # noqa: TC003 - TaskIQ reads the annotation
from dataclasses import dataclass
from typing import Any

from desk import broker

from guardrails import jsonsafe
from guardrails.middleware.taskiq import SafeSerializer
from tests.middleware.list_broker import KeyResults

broker.with_result_backend(KeyResults(serializer=SafeSerializer()))


@dataclass(frozen=True)
class Money:
    cents: int
    currency: str


jsonsafe.register(Money, lambda money: [money.cents, money.currency], lambda parts: Money(*parts), tag="money")


class OrderRefused(Exception):
    """Its arguments are no JSON."""


@broker.task
async def echo(*args: Any, **kwargs: Any) -> Any:
    return args, kwargs


@broker.task
def names_of_types(*args: Any) -> list[str]:
    return [type(arg).__name__ for arg in args]


@broker.task
def name_of_type_within(holder: Any) -> str:
    return type(holder["in"]).__name__


@broker.task
async def version_of(number: uuid.UUID) -> int | None:
    return number.version


@broker.task
async def is_nan(number: float) -> bool:
    return math.isnan(number)


@broker.task
async def give_lock() -> Any:
    return {"lock": threading.Lock(), "money": Money(5, "EUR")}


@broker.task
async def give_text(length: int) -> str:
    return "x" * length


@broker.task
async def refuse(*args: Any) -> None:
    raise OrderRefused(*args)
