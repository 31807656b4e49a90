"""The 99 kinds of value, and by which rule each counts as kept: the same rule for every encoder.

The figures 4711, 8172, 2903 and 6655 stand in no other place of an output, so finding one means finding the value.
"""

from __future__ import annotations

import array
import collections
import datetime as dt
import enum
import fractions
import importlib
import ipaddress
import pathlib
import re
import threading
import types
import uuid
import zoneinfo
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, TypedDict

from loadtests.coverage.reading import (
    Found,
    binary,
    either,
    equals,
    every,
    goes_on,
    holds,
    in_order,
    lacks,
    members,
    names,
    says,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from loadtests.coverage.reading import Rule

U = uuid.UUID("0b6d3f2e-5a41-4c87-9d10-7e8f1a2b3c4d")
AT = dt.datetime(2026, 11, 20, 9, 30, 15, 250_000, tzinfo=dt.UTC)
LONG = 10**4999 + 4711
PASSWORD = "hunter2-4711"


class Color(enum.Enum):
    RED = "red-4711"


class Level(enum.StrEnum):
    HIGH = "high-4711"


class Code(enum.IntEnum):
    GONE = 4711


class Bits(enum.Flag):
    A = 1
    B = 2


class Ident(enum.Enum):
    ONE = U


class Point(NamedTuple):
    x: int
    y: int


class Typed(TypedDict):
    id: uuid.UUID
    name: str


@dataclass
class User:
    id: uuid.UUID
    name: str


@dataclass(slots=True)
class Slotted:
    owner: User
    tags: list[str] = field(default_factory=list)


@dataclass
class Late:
    name: str
    extra: str = field(init=False, default="")

    def __post_init__(self) -> None:
        self.extra = f"{self.name}-8172"


class Text(str):
    __slots__ = ()


class Table(dict[str, int]):
    pass


class Key:
    pass


class Node:
    def __init__(self) -> None:
        self.name = "node-4711"
        self.me = self


class Client:
    def __init__(self) -> None:
        self.host = "db-4711"
        self._pool = object()


class Bare:
    __slots__ = ("host",)

    def __init__(self) -> None:
        self.host = "db-4711"


class Lazy:
    def __init__(self) -> None:
        self.host = "db-4711"

    @cached_property
    def rows(self) -> NoReturn:
        raise RuntimeError("a query was sent")


class BadRepr:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


class BadAttributes:
    def __getattribute__(self, name: str) -> object:
        raise RuntimeError(name)


class BadMapping(Mapping[str, int]):
    def __getitem__(self, key: str) -> int:
        raise RuntimeError(key)

    def __iter__(self) -> Iterator[str]:
        return iter(["a"])

    def __len__(self) -> int:
        return 1


class ExitingRepr:
    def __repr__(self) -> str:
        raise SystemExit(3)


def forever() -> Iterator[int]:
    while True:
        yield 4711


async def work() -> None: ...


def cyclic() -> list[Any]:
    loop: list[Any] = ["before-4711"]
    loop.append(loop)
    return loop


def nested(depth: int, end: Any = "end-4711") -> Any:
    """`end` within `depth` lists."""
    value = end
    for _ in range(depth):
        value = [value]
    return value


def fail_here() -> NoReturn:
    raise ValueError("boom-4711")


def raised() -> ValueError:
    try:
        fail_here()
    except ValueError as exc:
        return exc


def _missing() -> NoReturn:
    raise KeyError("cause-2903")


def grouped() -> ExceptionGroup[Exception]:
    try:
        try:
            _missing()
        except KeyError as exc:
            raise ExceptionGroup("group-6655", [ValueError("part-4711"), OSError("part-8172")]) from exc
    except ExceptionGroup as group:
        return group


def _of(module: str, name: str, /, *args: Any, **named: Any) -> Any:
    return getattr(importlib.import_module(module), name)(*args, **named)


def _model(name: str, /, *args: Any, **named: Any) -> Any:
    return _of("loadtests.coverage.models", name, *args, **named)


def _noncontiguous() -> Any:
    return _of("numpy", "array", [[8172.5, 0.0, float("nan"), 0.0, 4711.5], [6655.5, 0.0, 1.0, 0.0, 2903.5]])[:, ::-2]


def _frame() -> Any:
    return _of("pandas", "DataFrame", {"first": [4711, 8172], "second": ["x-2903", "y-6655"]})


def moment(at: dt.datetime) -> Rule:
    """The instant, or the local time where there is no zone: ISO 8601, RFC 3339, seconds since 1970, or a repr."""
    local = at.strftime("%Y-%m-%d[T ]%H:%M:%S") + r"[.,]25(?:0+)?"
    fields = rf"{at.year}, {at.month}, {at.day}, {at.hour}, {at.minute}, {at.second}, 250000"
    if at.tzinfo is None:
        return says(local, fields)
    utc = at.astimezone(dt.UTC).strftime("%Y-%m-%d[T ]%H:%M:%S") + r"[.,]25(?:0+)?(?:Z| ?[+]00:?00| UTC)"
    zone = at.strftime("%z")
    offset = rf"{local}{re.escape(zone[:3])}:?{zone[3:]}"
    return says(utc, offset, f"^{at.timestamp():.2f}0*$", rf"{fields}, tzinfo=.*(?:UTC|utc|Paris)")


def _masked(found: Found) -> bool:
    return lacks(PASSWORD)(found) and says(r"(?i)\*{3,}|redacted|secret|mask|filtered")(found)


def _cut_in_the_open(found: Found) -> bool:
    """All 20 million characters, or the first thousand and a word that they are not all."""
    longest = max(found.texts, key=len, default="")
    if longest.count("x") >= 20_000_000:
        return True
    return longest.startswith("x" * 1000) and found.says_loss


class Kind(NamedTuple):
    """`make`: a new value of this kind. `kept`: whether an output holds what can be held of it."""

    make: Callable[[], Any]
    kept: Rule


# A UUID as text or as its 32 digits, as every reader of UUIDs takes it.
_IDENTITY = either(holds(str(U)), holds(U.hex))
_USER = either(members(str(U), "Ada-4711"), members(U.hex, "Ada-4711"))
_TWO = members("4711", "8172")

KINDS: dict[str, Kind] = {
    "uuid": Kind(lambda: U, _IDENTITY),
    "dt_aware_utc": Kind(lambda: AT, moment(AT)),
    "dt_aware_zoneinfo": Kind(
        lambda: AT.astimezone(zoneinfo.ZoneInfo("Europe/Paris")),
        moment(AT.astimezone(zoneinfo.ZoneInfo("Europe/Paris"))),
    ),
    "dt_naive": Kind(lambda: AT.replace(tzinfo=None), moment(AT.replace(tzinfo=None))),
    "date": Kind(AT.date, says("2026-11-20", r"2026, 11, 20")),
    "time": Kind(lambda: dt.time(9, 30, 15, 50_000), says(r"09:30:15[.,]05", r"9, 30, 15, 50000")),
    "timedelta": Kind(
        lambda: dt.timedelta(days=1, hours=2, seconds=3.5),
        says(
            r"P1DT0?2H0?0?M?0?3\.50*S",
            r"P1DT7203\.50*S",
            r"1 day, 0?2:00:03\.5",
            r"93603\.5",
            r"days=1, seconds=7203, .*500000",
        ),
    ),
    "decimal": Kind(lambda: Decimal("47.110"), equals(Decimal("47.11"))),
    "decimal_nan": Kind(lambda: Decimal("NaN"), says("(?i)nan")),
    "decimal_huge": Kind(lambda: Decimal("1E+500"), equals(Decimal("1E+500"))),
    "decimal_30digits": Kind(lambda: Decimal("1." + "3" * 29), equals(Decimal("1." + "3" * 29))),
    "enum": Kind(lambda: Color.RED, says("red-4711", r"Color\.RED")),
    "strenum": Kind(lambda: Level.HIGH, says("high-4711", r"Level\.HIGH")),
    "intenum": Kind(lambda: Code.GONE, says("4711", r"Code\.GONE")),
    "flag": Kind(lambda: Bits.A | Bits.B, says("^3$", r"A\|B|B\|A", r"Bits.*\b3\b")),
    "enum_value_uuid": Kind(lambda: Ident.ONE, either(_IDENTITY, says(r"Ident\.ONE"))),
    "path": Kind(lambda: pathlib.PurePosixPath("/srv/data-4711/a.txt"), holds("/srv/data-4711/a.txt")),
    "set": Kind(lambda: {8172, 4711}, _TWO),
    "frozenset_mixed": Kind(
        lambda: frozenset({"b-2903", 4711, ("a-6655", 8172)}), members("b-2903", "4711", "a-6655", "8172")
    ),
    "tuple": Kind(lambda: (4711, (8172,)), in_order("4711", "8172")),
    "namedtuple": Kind(lambda: Point(4711, 8172), in_order("4711", "8172")),
    "bytes_utf8": Kind(lambda: b"caf\xc3\xa9-4711", either(holds("café-4711"), binary(b"caf\xc3\xa9-4711"))),
    "bytes_binary": Kind(lambda: b"\xff\xfe\x00\x81ok", binary(b"\xff\xfe\x00\x81ok")),
    "bytearray": Kind(lambda: bytearray(b"abcd-4711"), binary(b"abcd-4711")),
    "memoryview": Kind(lambda: memoryview(b"abcd-4711")[1:], binary(b"bcd-4711")),
    "dataclass": Kind(lambda: User(U, "Ada-4711"), _USER),
    "dataclass_slots_nested": Kind(
        lambda: Slotted(User(U, "Ada-4711"), ["tag-8172"]), members(str(U), "Ada-4711", "tag-8172")
    ),
    "dataclass_noninit": Kind(lambda: Late("late-4711"), says("^late-4711-8172$")),
    "attrs": Kind(lambda: _model("Item", U, "Ada-4711"), _USER),
    "pydantic_v2": Kind(lambda: _model("Account", id=U, name="Ada-4711"), _USER),
    "pydantic_v2_any_lock": Kind(lambda: _model("holder"), says("^Ada-4711$")),
    "pydantic_v1": Kind(lambda: _model("OldAccount", id=U, name="Ada-4711"), _USER),
    "typeddict_uuid": Kind(lambda: Typed(id=U, name="Ada-4711"), _USER),
    "msgspec_struct": Kind(lambda: _model("Event", U, "Ada-4711"), _USER),
    "exception": Kind(raised, holds("ValueError", "boom-4711")),
    "exception_chain_group": Kind(grouped, holds("group-6655", "part-4711", "part-8172", "cause-2903")),
    "traceback": Kind(lambda: raised().__traceback__, holds("fail_here")),
    "generator": Kind(lambda: (n for n in (4711, 8172)), either(_TWO, names("generator"))),
    "iterator": Kind(lambda: iter([4711, 8172]), either(_TWO, names("iterator", "list_iterator"))),
    "range": Kind(lambda: range(4711, 4714), either(holds("range(4711, 4714)"), members("4711", "4712", "4713"))),
    "deque": Kind(lambda: collections.deque([4711, 8172]), in_order("4711", "8172")),
    "defaultdict": Kind(lambda: collections.defaultdict(list, a4711=[8172]), _TWO),
    "counter": Kind(lambda: collections.Counter({"a4711": 8172}), _TWO),
    "mappingproxy": Kind(lambda: types.MappingProxyType({"a4711": 8172}), _TWO),
    "chainmap": Kind(lambda: collections.ChainMap({"a": 4711}, {"b": 8172}), _TWO),
    "complex": Kind(lambda: 4711 + 8172j, either(holds("4711+8172j"), in_order("4711", "8172"))),
    "fraction": Kind(
        lambda: fractions.Fraction(4711, 8172), either(says(r"4711(?:/|, )8172"), in_order("4711", "8172"))
    ),
    "nan": Kind(lambda: float("nan"), says("(?i)nan")),
    "inf": Kind(lambda: float("inf"), says("(?i)inf")),
    "int_2p53p1": Kind(lambda: 2**53 + 1, says(rf"^{2**53 + 1}$")),
    "int_gt64": Kind(lambda: 2**70 + 1, says(rf"^{2**70 + 1}$")),
    "int_5000digits": Kind(lambda: LONG, holds(str(Decimal(LONG)))),
    "lone_surrogate": Kind(
        lambda: "a-4711\ud800", says("(?i)^a-4711(?:\ud800|.{0,2}ud800|.{0,2}xed.{0,2}xa0.{0,2}x80)$")
    ),
    "str_subclass": Kind(lambda: Text("a-4711"), says("^a-4711$")),
    "dict_subclass": Kind(lambda: Table(a4711=8172), _TWO),
    "key_uuid": Kind(lambda: {U: 4711}, members(str(U), "4711")),
    "key_int": Kind(lambda: {8172: 4711}, _TWO),
    "key_tuple": Kind(lambda: {(8172, "b-2903"): 4711}, every(says("8172.*b-2903"), says("^4711$"))),
    "key_none": Kind(lambda: {None: 4711}, every(says("^(?:null|None)$"), says("^4711$"))),
    "key_enum": Kind(lambda: {Code.GONE: 8172}, every(says("^4711$", "GONE"), says("^8172$"))),
    "key_datetime": Kind(lambda: {AT: 4711}, every(moment(AT), says("^4711$"))),
    "key_bytes": Kind(lambda: {b"key-8172": 4711}, every(binary(b"key-8172"), says("^4711$"))),
    "key_custom_obj": Kind(lambda: {Key(): 4711}, every(names("Key"), says("^4711$"))),
    'key_collide_1_"1"': Kind(lambda: {1: "a-4711", "1": "b-8172"}, members("a-4711", "b-8172")),
    "cycle": Kind(cyclic, every(says("^before-4711$"), lambda found: len(found.texts) > 1)),
    "cycle_object": Kind(Node, either(says("^node-4711$"), names("Node"))),
    "nest_200": Kind(lambda: nested(200), says("^end-4711$")),
    "nest_300": Kind(lambda: nested(300), goes_on),
    "nest_5000": Kind(lambda: nested(5000), goes_on),
    "nest_100k": Kind(lambda: nested(100_000), goes_on),
    "ipv4": Kind(lambda: ipaddress.ip_address("10.47.11.1"), holds("10.47.11.1")),
    "re_pattern": Kind(lambda: re.compile(r"a\d+4711"), says(r"a\\+d\+4711")),
    "plain_object": Kind(Client, either(says("^db-4711$"), names("Client"))),
    "plain_slots": Kind(Bare, either(says("^db-4711$"), names("Bare"))),
    "type_object": Kind(lambda: User, names("User")),
    "function": Kind(lambda: fail_here, names("fail_here", "function")),
    "secretstr": Kind(lambda: _of("pydantic", "SecretStr", PASSWORD), _masked),
    "np_int64": Kind(lambda: _of("numpy", "int64", 4711), holds("4711")),
    "np_float_nan": Kind(lambda: _of("numpy", "float64", "nan"), says("(?i)nan")),
    "np_array": Kind(
        lambda: _of("numpy", "array", [[4711, 8172], [2903, 6655]]), in_order("4711", "8172", "2903", "6655")
    ),
    "np_array_nan_noncontig": Kind(_noncontiguous, in_order("4711.5", "8172.5", "2903.5", "6655.5")),
    "np_datetime64": Kind(
        lambda: _of("numpy", "datetime64", "2026-11-20T09:30:15.250"), moment(AT.replace(tzinfo=None))
    ),
    "pd_timestamp": Kind(lambda: _of("pandas", "Timestamp", AT), moment(AT)),
    "pd_nat": Kind(
        lambda: importlib.import_module("pandas").NaT, lambda found: found.tree is None or says("NaT")(found)
    ),
    "pd_dataframe": Kind(_frame, members("4711", "8172", "x-2903", "y-6655")),
    "sa_row": Kind(lambda: _model("row"), in_order("4711", "Ada-Lovelace")),
    "sa_model": Kind(lambda: _model("person"), members("4711", "Ada-Lovelace")),
    "sa_model_detached": Kind(lambda: _model("detached"), members("4711", "Ada-Lovelace")),
    "lazy_property": Kind(Lazy, either(says("^db-4711$"), names("Lazy"))),
    "bad_repr": Kind(BadRepr, names("BadRepr")),
    "bad_getattribute": Kind(BadAttributes, names("BadAttributes")),
    "raising_mapping": Kind(BadMapping, names("BadMapping")),
    "repr_raises_SystemExit": Kind(ExitingRepr, names("ExitingRepr")),
    "huge_str_20MB": Kind(lambda: "x" * 20_000_000, _cut_in_the_open),
    "lock": Kind(threading.Lock, names("lock")),
    "infinite_generator": Kind(forever, either(in_order("4711", "4711"), names("generator"))),
    "coroutine": Kind(work, names("coroutine", "work")),
    "url_pydantic": Kind(
        lambda: _of("pydantic", "AnyUrl", "https://example.com/a-4711"), holds("https://example.com/a-4711")
    ),
    "array_array": Kind(lambda: array.array("i", [4711, 8172]), in_order("4711", "8172")),
}
