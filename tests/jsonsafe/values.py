"""Values beside the 99 kinds, and what becomes of each: kept, or lost in the open. And classes for other tests.

`KEPT`: kind, value, what it is written as. `LOST`: the same, and the reasons in the report, in order.
"""

from __future__ import annotations

import collections
import datetime as dt
import decimal
import enum
import ipaddress
import pathlib
import re
import types
import typing
import uuid
import zoneinfo
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

U = uuid.UUID("12345678-1234-5678-1234-567812345678")
AT = dt.datetime(2026, 11, 20, 9, 30, 0, 5, tzinfo=dt.UTC)
HERE = __name__


class Color(enum.Enum):
    RED = "red"


class Level(enum.StrEnum):
    HIGH = "high"


class Code(enum.IntEnum):
    GONE = 410


class Bits(enum.Flag):
    A = 1
    B = 2


class Ident(enum.Enum):
    ONE = U


class Loud(enum.Enum):
    NAN = float("nan")


class Point(typing.NamedTuple):
    x: int
    y: int


@dataclass
class User:
    id: uuid.UUID
    name: str
    _hint: int = 3


@dataclass(slots=True)
class Slotted:
    owner: User
    tags: list[str] = field(default_factory=list)


@dataclass
class Late:
    name: str
    extra: str = field(init=False)


class Text(str):
    __slots__ = ()


class Table(dict[str, int]):
    def __iter__(self) -> Iterator[str]:
        raise RuntimeError("lies")

    def items(self) -> Any:
        return [("lie", 1)]

    def __len__(self) -> int:
        return 10**9


class Whole(int):
    pass


class Real(float):
    __slots__ = ()


class Listed(list[int]):
    def __len__(self) -> int:
        return 10**9

    def __iter__(self) -> Iterator[int]:
        return iter([9, 9, 9])


class Client:
    def __init__(self) -> None:
        self.host = "db"
        self.api_key = "hunter2-hunter2"
        self._pool = object()

    @property
    def connection(self) -> object:
        raise AssertionError("a property must not run")


class Bare:
    __slots__ = ("host", "late")

    def __init__(self) -> None:
        self.host = "db"


class BadRepr:
    def __repr__(self) -> str:
        raise SystemExit(3)

    __str__ = __repr__


class BadAttributes:
    def __getattribute__(self, name: str) -> object:
        raise RuntimeError(name)


class BadMapping(Mapping[str, int]):
    def __getitem__(self, key: str) -> int:
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return iter(["a"])

    def __len__(self) -> int:
        return 1


class Endless(collections.abc.Sequence[int]):
    def __getitem__(self, index: Any) -> Any:
        return index

    def __len__(self) -> int:
        return 2**62


class ExitingPath(pathlib.PurePosixPath):
    def __str__(self) -> str:
        raise SystemExit(1)


def forever() -> Iterator[int]:
    number = 0
    while True:
        yield number
        number += 1


async def work() -> None: ...


def cyclic() -> list[Any]:
    loop: list[Any] = [1]
    loop.append({"again": loop})
    return loop


def nested(depth: int, end: Any = "end") -> Any:
    value = end
    for _ in range(depth):
        value = [value]
    return value


def failure() -> BaseException:
    try:
        try:
            {}["inner"]
        except KeyError as exc:
            raise ValueError("outer") from exc
    except ValueError as exc:
        exc.add_note("seen at boot")
        return exc


def lost(reason: str, kind: str, **extra: str) -> dict[str, str]:
    return {"$lost": reason, "$type": kind, **{f"${name}": value for name, value in extra.items()}}


KEPT: list[tuple[str, Any, Any]] = [
    ("time with a zone", dt.time(1, 2, 3, tzinfo=dt.UTC), "01:02:03+00:00"),
    ("negative timedelta", dt.timedelta(seconds=-90), "-PT1M30S"),
    ("no time at all", dt.timedelta(0), "PT0S"),
    ("path", pathlib.PurePosixPath("/a/b"), "/a/b"),
    ("real path", pathlib.Path("a"), "a"),
    ("bytearray", bytearray(b"ok"), "ok"),
    ("memoryview", memoryview(b"abcd")[::2], "ac"),
    ("dataclass with a field not set yet", Late("Ada"), {"name": "Ada"}),
    ("ordered dict", collections.OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
    ("namespace", types.SimpleNamespace(a=1, _b=2), {"a": 1, "_b": 2}),
    ("keys", {"a": 1}.keys(), ["a"]),
    ("values", {"a": 1}.values(), [1]),
    ("items", {"a": 1}.items(), [["a", 1]]),
    ("largest safe integer", 2**53 - 1, 2**53 - 1),
    ("integer that JavaScript rounds", 2**53, "9007199254740992"),
    ("smallest integer beyond", -(2**53), "-9007199254740992"),
    ("integer of 50,000 digits", 16**50_000, "0x1" + "0" * 50_000),
    ("dict that lies", Table(a=1), {"a": 1}),
    ("list that lies", Listed([1, 2]), [1, 2]),
    ("integer subclass", Whole(3), 3),
    ("float subclass", Real(1.5), 1.5),
    ("IPv6 network", ipaddress.ip_network("2001:db8::/32"), "2001:db8::/32"),
    ("pattern with flags", re.compile("a", re.IGNORECASE | re.MULTILINE), "(?im)a"),
    ("zone", zoneinfo.ZoneInfo("Europe/Paris"), "Europe/Paris"),
    ("254 containers", nested(253), nested(253)),
    ("key: large integer", {2**70: 1}, {str(2**70): 1}),
    ("key: float", {1.5: 1}, {"1.5": 1}),
    ("key: boolean", {True: 1}, {"true": 1}),
    ("key: date", {dt.date(2026, 1, 2): 1}, {"2026-01-02": 1}),
    ("key: decimal", {decimal.Decimal("1.10"): 1}, {"1.10": 1}),
    ("key: path", {pathlib.PurePosixPath("/a"): 1}, {"/a": 1}),
    ("key: string subclass", {Text("a"): 1}, {"a": 1}),
]  # fmt: skip

LOST: list[tuple[str, Any, Any, list[str]]] = [
    ("infinity", float("-inf"), None, ["nan"]),
    ("enum of not a number", Loud.NAN, None, ["nan"]),
    ("path with a byte that is no text", pathlib.PurePosixPath("/a\udcff"), "/a\\udcff", ["surrogate"]),
    ("object", object(), lost("opaque", "object"), ["opaque"]),
    ("method", Client().__init__, lost("opaque", "method", name=f"{HERE}.Client.__init__"), ["opaque"]),
    ("class", User, lost("opaque", "type", name=f"{HERE}.User"), ["opaque"]),
    ("module", re, lost("opaque", "module", name="re"), ["opaque"]),
    (
        "object nobody described",
        Client(),
        {"$type": f"{HERE}.Client", "host": "db", "api_key": "[redacted]"},
        ["opaque", "secret"],
    ),
    ("path that ends the process", ExitingPath("a"), lost("raised", f"{HERE}.ExitingPath", error="SystemExit"),
     ["raised"]),
    ("255 containers", nested(254), None, ["depth"]),
    ("range without a useful end", range(10**9), None, ["size"]),
    ("sequence without end", Endless(), None, ["size"]),
    ("three keys that collide", {"1": "a", 1: "b", b"1": "c"}, {"1": "a", "1#2": "b", "1#3": "c"}, ["key", "key"]),
    ("key: lone surrogate", {"\udc00": 1}, {"\\udc00": 1}, ["surrogate"]),
]  # fmt: skip
