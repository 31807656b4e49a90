"""Which rule writes a class. A rule takes one step: it returns something simpler, and the walker goes on.

    UUID -> str     set -> Items     dataclass -> Pairs     lock -> Lost("opaque")

Classes of other libraries are known by their name (`numpy:ndarray`), so none is imported for it.
"""

from __future__ import annotations

import base64
import enum
from collections import deque
from collections.abc import Iterator, Mapping, Sequence, ValuesView
from collections.abc import Set as AbstractSet
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from guardrails.jsonsafe.profiles import Terms
    from guardrails.jsonsafe.report import Reason

from guardrails.jsonsafe.integers import ratio
from guardrails.jsonsafe.profiles import MOST_ITEMS


class Context:
    """What a rule may ask about the encoding it serves."""

    __slots__ = ("iterables", "terms")

    def __init__(self, terms: Terms, *, iterables: bool = False) -> None:
        self.terms = terms
        self.iterables = iterables


if TYPE_CHECKING:
    Rule = Callable[[Any, Context], object]


class Pairs:
    """A mapping in the making: names and values, not yet walked. `missing`: names that were left out, if any.

    `looked`: nobody described this object; we looked into it, so the walker is careful with what it found.
    """

    __slots__ = ("looked", "missing", "pairs")

    def __init__(self, pairs: list[tuple[Any, Any]], *, missing: int = 0, looked: bool = False) -> None:
        self.pairs = pairs
        self.missing = missing
        self.looked = looked


class Items:
    """A sequence in the making. `cut`: there were more. `sort`: the order means nothing, as in a set."""

    __slots__ = ("cut", "items", "sort")

    def __init__(self, items: list[Any], *, cut: bool = False, sort: bool = False) -> None:
        self.items = items
        self.cut = cut
        self.sort = sort


class Lost:
    """A value that cannot be kept. `extra`: what its marker says beside reason and type; `of`: whose type that is,
    where the marker does not stand in the place of the value itself."""

    __slots__ = ("extra", "of", "reason")

    def __init__(self, reason: Reason, of: object = None, **extra: str) -> None:
        self.reason = reason
        self.of = of
        self.extra = extra


def type_name(kind: type[Any]) -> str:
    """`module.Class` of a class; never runs code of the user's, never an address."""
    module, name = type.__getattribute__(kind, "__module__"), type.__getattribute__(kind, "__qualname__")
    text = name if module == "builtins" or type(module) is not str else f"{module}.{name}"
    return text.encode("ascii", "backslashreplace").decode()[:200]


def must_pass(error: BaseException) -> bool:
    """Whether an error is no answer of the value's but an order to the whole task or process."""
    if isinstance(error, KeyboardInterrupt | MemoryError):
        return True
    # By name: asyncio, trio and anyio each have their own, and none is imported for it.
    return any(base.__name__ in {"CancelledError", "Cancelled"} for base in type(error).__mro__)


def bounded(values: Iterable[Any]) -> tuple[list[Any], bool]:
    """The first 10,000, and whether there were more."""
    found = list(islice(iter(values), MOST_ITEMS + 1))
    return found[:MOST_ITEMS], len(found) > MOST_ITEMS


def resolve(kind: type[Any]) -> Rule:
    """The rule of a class that is not plain already."""
    if kind in (Pairs, Items, Lost):
        # What a rule made for a member of what it returned: its step is done.
        return lambda value, _: value
    mro: tuple[type[Any], ...] = type.__getattribute__(kind, "__mro__")
    if enum.Enum in mro:
        return lambda value, _: value._value_
    # Those that orjson writes by their base come first, as they do there.
    for base, rule in _BASES.items():
        if base in mro:
            return rule
    if BaseException in mro:
        from guardrails.jsonsafe.failures import failure

        return failure
    return _named(mro) or _described(mro) or _shaped(kind)


def _named(mro: tuple[type[Any], ...]) -> Rule | None:
    from guardrails.jsonsafe.foreign import FOREIGN

    for base in mro:
        module, name = type.__getattribute__(base, "__module__"), type.__getattribute__(base, "__qualname__")
        full = f"{str(module).partition('.')[0]}:{name}"
        rule = _STANDARD.get(full) or FOREIGN.get(full)
        if rule is not None:
            return rule
    return None


def _described(mro: tuple[type[Any], ...]) -> Rule | None:
    """Classes that list their own fields."""
    from guardrails.jsonsafe.records import DESCRIBED

    for mark, rule in DESCRIBED.items():
        if any(mark in type.__getattribute__(base, "__dict__") for base in mro):
            return rule
    return None


def _shaped(kind: type[Any]) -> Rule:
    """Classes known by what they can do, as their own registration with `collections.abc` says."""
    for shape, rule in _SHAPES.items():
        if issubclass(kind, shape):
            return rule
    from guardrails.jsonsafe.records import unknown

    return unknown


def _mapping(value: Mapping[Any, Any], _: Context) -> object:
    names, cut = bounded(value)
    return Pairs([(name, value[name]) for name in names], missing=int(cut))


def _sequence(value: Iterable[Any], _: Context) -> object:
    items, cut = bounded(value)
    return Items(items, cut=cut)


def _iterator(value: Iterator[Any], context: Context) -> object:
    # Draining a stream that the caller still wants to read would be a loss of its own.
    return _sequence(value, context) if context.iterables else Lost("opaque")


def _set(value: Iterable[Any], _: Context) -> object:
    items, cut = bounded(value)
    return Items(items, cut=cut, sort=True)


def _whole_set(value: set[Any] | frozenset[Any], _: Context) -> object:
    base: Any = set if isinstance(value, set) else frozenset
    items = list(base.__iter__(value))
    kinds = set(map(type, items))
    if len(kinds) == 1 and kinds <= {str, int, bytes}:
        items.sort()
        return Items(items)
    return Items(items, sort=True)


def _binary(value: bytes | bytearray | memoryview, context: Context) -> object:
    # By a view: a subclass may say anything of its length and content.
    view = memoryview(value)
    if view.nbytes > context.terms.most_bytes:
        return Lost("size")
    data = view.tobytes()
    try:
        return data.decode()
    except UnicodeDecodeError:
        return {"$base64": base64.urlsafe_b64encode(data).decode()}


def stamp(value: Any, _: Context | None = None) -> str:
    """RFC 3339, as far as the value has a zone."""
    offset = value.utcoffset()
    if offset and (offset.seconds % 60 or offset.microseconds):
        # RFC 3339 knows no seconds in an offset; the same instant in UTC needs none.
        value = value.replace(tzinfo=None) - offset
        return f"{value.isoformat()}+00:00"
    text: str = value.isoformat()
    return text


def duration(value: Any, _: Context | None = None) -> str:
    """ISO 8601: `P1DT2H3M4.5S`; a negative one has its sign in front."""
    micros = (value.days * 86_400 + value.seconds) * 1_000_000 + value.microseconds
    sign, micros = ("-", -micros) if micros < 0 else ("", micros)
    seconds, fraction = divmod(micros, 1_000_000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    tail = f"{seconds}.{fraction:06d}".rstrip("0") if fraction else str(seconds)
    clock = f"{hours}H" * bool(hours) + f"{minutes}M" * bool(minutes) + f"{tail}S" * (tail != "0")
    return f"{sign}P{days}D" * bool(days) + ("" if days else f"{sign}P") + f"T{clock or '0S'}" * bool(clock or not days)


def _pattern(value: Any, _: Context) -> object:
    pattern = value.pattern
    text = pattern.decode("latin-1") if isinstance(pattern, bytes) else pattern
    letters = {2: "i", 4: "L", 8: "m", 16: "s", 64: "x", 256: "a"}
    flags = "".join(letter for bit, letter in letters.items() if value.flags & bit)
    return f"(?{flags}){text}" if flags and not text.startswith("(?") else text


def _text(value: object, _: Context) -> str:
    return str(value)


def _class(value: type[Any], _: Context) -> object:
    return Lost("opaque", **{"$name": type_name(value)})


def _function(value: Any, _: Context) -> object:
    return Lost("opaque", **{"$name": f"{value.__module__}.{value.__qualname__}"[:200]})


_BASES: dict[type[Any], Rule] = {
    str: lambda value, _: str.__str__(value),
    int: lambda value, _: int.__index__(value),
    dict: lambda value, _: Pairs(list(dict.items(value))),
    list: lambda value, _: list.__getitem__(value, slice(None)),
}
_STANDARD: dict[str, Rule] = {
    "builtins:float": lambda value, _: float.__float__(value),
    "builtins:tuple": lambda value, _: Items(list(tuple.__iter__(value))),
    "builtins:set": _whole_set,
    "builtins:frozenset": _whole_set,
    "builtins:bytes": _binary,
    "builtins:bytearray": _binary,
    "builtins:memoryview": _binary,
    "builtins:range": _sequence,
    "builtins:complex": lambda value, _: str(value).strip("()"),
    "builtins:mappingproxy": lambda value, _: Pairs(list(value.items())),
    "builtins:type": _class,
    "builtins:function": _function,
    "builtins:builtin_function_or_method": _function,
    "builtins:method": lambda value, context: _function(value.__func__, context),
    "builtins:module": lambda value, _: Lost("opaque", **{"$name": value.__name__[:200]}),
    "builtins:traceback": lambda value, _: _traceback(value),
    "array:array": _sequence,
    "collections:deque": lambda value, _: list(deque.__iter__(value)),
    "collections:ChainMap": lambda value, _: Pairs(list(value.items())),
    "datetime:datetime": stamp,
    "datetime:date": lambda value, _: value.isoformat(),
    "datetime:time": lambda value, _: value.isoformat(),
    "datetime:timedelta": duration,
    "datetime:tzinfo": _text,
    "decimal:Decimal": _text,
    "fractions:Fraction": lambda value, _: ratio(value),
    "ipaddress:_IPAddressBase": _text,
    "pathlib:PurePath": _text,
    "re:Pattern": _pattern,
    "types:SimpleNamespace": lambda value, _: Pairs(list(vars(value).items())),
    "uuid:UUID": _text,
    "zoneinfo:ZoneInfo": _text,
}
_SHAPES: dict[type[Any], Rule] = {
    Mapping: _mapping,
    AbstractSet: _set,
    Sequence: _sequence,
    ValuesView: _sequence,
    Iterator: _iterator,
}


def _traceback(value: TracebackType) -> object:
    from guardrails.jsonsafe.failures import frames

    return frames(value)
