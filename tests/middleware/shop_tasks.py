"""Tasks for a real Celery worker; the guide's own lines, written into `shop.py` by the test, make the application."""

from __future__ import annotations

import enum
import functools
import json
import math
import os
import threading
from dataclasses import dataclass
from typing import Any

from shop import app

from guardrails import jsonsafe
from guardrails.middleware.celery import register

app.conf.broker_transport_options = json.loads(os.environ.get("BROKER_OPTIONS", "{}"))
if policy := os.environ.get("POLICY"):
    register(policy)  # type: ignore[arg-type]

# Not shared: a shared task is announced to every Celery application that this process makes later.
task = functools.partial(app.task, shared=False)


class Colour(enum.Enum):
    RED = "red"


@dataclass(frozen=True)
class Point:
    x: int
    y: int


@dataclass(frozen=True)
class Money:
    cents: int
    currency: str


jsonsafe.register(Money, lambda money: [money.cents, money.currency], lambda parts: Money(*parts), tag="money")


class OrderRefused(Exception):
    """Its arguments are no JSON."""


@task
def echo(*args: Any, **kwargs: Any) -> Any:
    return args, kwargs


@task
def names_of_types(*args: Any) -> list[str]:
    return [type(arg).__name__ for arg in args]


@task
def opposite(number: float) -> float:
    return -number


@task
def is_nan(number: float) -> bool:
    return math.isnan(number)


@task
def give_lock() -> Any:
    return {"lock": threading.Lock(), "money": Money(5, "EUR")}


@task
def give_text(length: int) -> str:
    return "x" * length


@task
def refuse(*args: Any) -> None:
    raise OrderRefused(*args)


@task
def refuse_with_a_lock(*args: Any) -> None:
    raise OrderRefused(*args, threading.Lock())


@task(bind=True, max_retries=1, default_retry_delay=0)
def second_time(self: Any, value: Any) -> Any:
    if not self.request.retries:
        raise self.retry()
    return value


@task
def total(amounts: list[Any]) -> Any:
    return sum(amounts)


@task
def remember(request: Any, error: BaseException, _traceback: str, where: Any) -> None:
    where.write_text(f"{type(error).__name__} {error.args[0]}", encoding="utf-8")
