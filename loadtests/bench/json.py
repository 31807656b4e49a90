"""The safe encoder against raw orjson, where a payload is clean, and the standard library, where it is not."""

from __future__ import annotations

import datetime as dt
import decimal
import functools
import json
import pathlib
import uuid
from typing import TYPE_CHECKING, Any

from loadtests.bench.harness import Call, Figure

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = dt.datetime(2026, 11, 20, 9, 30, 0, 5, tzinfo=dt.UTC)
WORDS = "the quick brown fox jumps over a lazy dog; "
FRAME: dict[str, Any] = {
    "type": "message",
    "id": uuid.UUID(int=1),
    "session": uuid.UUID(int=2),
    "at": NOW,
    "role": "assistant",
    "text": WORDS * 2,
    "seq": 17,
    "final": False,
    "tokens": {"in": 12, "out": 33},
}
CHAT = [{"id": uuid.UUID(int=n), "at": NOW, "role": "user", "text": WORDS * 18, "seq": n} for n in range(110)]
ROWS = [
    {"id": n, "name": f"name {n}", "score": n * 1.5, "tags": ["a", "b"], "ok": True, "more": {"x": 1}}
    for n in range(1000)
]
PLAIN = [{"id": n, "name": f"name {n}", "scores": [1.5, 2.5, n], "ok": True, "text": "x" * 20} for n in range(11_000)]
NULLS = [{**row, "note": None} for row in ROWS]
LOG: dict[str, Any] = {
    "at": NOW,
    "id": uuid.UUID(int=3),
    "path": pathlib.Path("/srv/app"),
    "cost": decimal.Decimal("1.25"),
    "tags": {"a", "b"},
    "message": WORDS,
}
OBJECTS = [{"id": n, "client": object(), "name": f"name {n}"} for n in range(1000)]
NAN_COLUMN = [{**row, "score": float("nan")} for row in ROWS]
DECIMALS = [{"id": n, "cost": decimal.Decimal("1.25"), "name": f"name {n}"} for n in range(1000)]
DECIMALS_1M = [{**LOG, "tags": ["a"], "n": n} for n in range(5_000)]


def with_one(value: object, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    middle = len(rows) // 2
    return [*rows[:middle], {**rows[middle], "odd": value}, *rows[middle + 1 :]]


def ours(value: Any, **options: Any) -> Call:
    def guarded() -> Callable[[], object]:
        from guardrails import jsonsafe

        return functools.partial(jsonsafe.dumps, value, **options)

    return Call(name="jsonsafe.dumps", setup=guarded)


def raw(value: Any) -> Call:
    def orjson_alone() -> Callable[[], object]:
        import orjson

        return functools.partial(orjson.dumps, value)

    return Call(name="orjson.dumps", setup=orjson_alone, distribution="orjson")


def standard(value: Any) -> Call:
    def standard_library() -> Callable[[], object]:
        return functools.partial(json.dumps, value, default=str)

    return Call(name="json.dumps(default=str)", setup=standard_library)


def msgspec(value: Any) -> Call:
    def with_a_hook() -> Callable[[], object]:
        import msgspec

        return functools.partial(msgspec.json.Encoder(enc_hook=str).encode, value)

    return Call(name="msgspec.json.Encoder(enc_hook=str)", setup=with_a_hook, distribution="msgspec")


def pydantic(value: Any) -> Call:
    def at_its_most_patient() -> Callable[[], object]:
        from pydantic_core import to_json

        return functools.partial(to_json, value, serialize_unknown=True, bytes_mode="base64", inf_nan_mode="strings")

    return Call(name="pydantic_core.to_json", setup=at_its_most_patient, distribution="pydantic-core")


def structlog(value: Any) -> Call:
    def json_renderer() -> Callable[[], object]:
        from structlog.processors import JSONRenderer

        return functools.partial(JSONRenderer(), None, "info", {"payload": value})

    return Call(name="structlog JSONRenderer", setup=json_renderer, distribution="structlog")


def clean(name: str, what: str, target: float, value: Any, **more: Any) -> Figure:
    return Figure(
        id=f"json-clean-{name}",
        what=f"{what} without a null",
        target=target,
        ours=ours(value),
        baseline=raw(value),
        peers=(standard(value), msgspec(value), pydantic(value), structlog(value)),
        **more,
    )


def odd(name: str, what: str, value: object, rows: list[dict[str, Any]]) -> Figure:
    damaged = with_one(value, rows)
    return Figure(
        id=f"json-odd-{name}",
        what=f"{what} among {len(rows):,} rows, against the same rows without it",
        target=5,
        ours=ours(damaged),
        baseline=raw(rows),
        # The standard library raises on a key that is a tuple.
        peers=() if isinstance(value, dict) else (standard(damaged),),
    )


def worst(
    name: str, what: str, target: float, value: Any, *, known: float = 0.0, why: str = "", **options: Any
) -> Figure:
    return Figure(
        id=f"json-worst-{name}",
        what=what,
        target=target,
        ours=ours(value, **options),
        baseline=standard(value),
        peers=(msgspec(value), pydantic(value), structlog(value)),
        known=known,
        why=why,
    )


FIGURES = [
    clean(
        "frame",
        "a 0.3 KB frame",
        1.25,
        FRAME,
        known=2.6,
        why="a Python function that does nothing but call orjson with our two options is at 1.3x already, the "
        "defaults of five keyword arguments are 0.2, and the look for a null, which keeps a NaN from "
        "being dropped in silence, is 0.7. Only an encoder compiled by us could be faster.",
    ),
    clean("chat", "100 KB of chat", 1.1, CHAT),
    clean("rows", "1,000 rows", 1.1, ROWS),
    clean("plain", "1 MB of plain values", 1.1, PLAIN),
    Figure(
        id="json-nulls",
        what="1,000 rows with a null in each",
        target=0.6,
        ours=ours(NULLS),
        baseline=standard(NULLS),
    ),
    odd("object", "one object", object(), ROWS),
    odd("nan", "one NaN", float("nan"), ROWS),
    odd("decimal", "one Decimal", decimal.Decimal("1.25"), ROWS),
    odd("surrogate", "one lone surrogate", "\ud800", ROWS),
    odd("key", "one key that is a tuple", {(1, 2): 3}, ROWS),
    odd("object-1m", "one object", object(), PLAIN),
    worst("log", "a log record of which most is odd", 1.3, LOG),
    worst("decimals", "a Decimal in each of 1,000 rows", 1.3, DECIMALS),
    worst(
        "objects",
        "an object nobody described in each of 1,000 rows",
        1.3,
        OBJECTS,
        known=4.0,
        why="the standard library calls str() on each object, which writes its address; we look for attributes, write "
        "a marker and keep what is to be reported.",
    ),
    worst("nan-column", "a NaN in each of 1,000 rows", 1.3, NAN_COLUMN),
    worst("1m", "1 MB of log records", 3, DECIMALS_1M),
    worst("shared-chat", "100 KB of chat with shared=True", 1.3, CHAT, shared=True),
    worst("shared-plain", "1 MB of plain values with shared=True", 3, PLAIN, shared=True),
]
