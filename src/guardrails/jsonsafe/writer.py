"""A tree of plain values as text: by orjson where it is installed, else by the standard library.

Only exact `str`, `int`, `float`, `bool`, `None`, `dict` and `list` come here, made by the walker and seen by
nobody else: no code of the user's runs inside a C encoder, and no other thread can change what it reads.
"""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# None where orjson is not installed.
engine: Any = None
try:
    import orjson
except ModuleNotFoundError as missing:
    if missing.name != "orjson":
        raise
else:
    engine = orjson


def _sound() -> bool:
    """Whether orjson may see values that are not ours. In 3.12.0 and 3.13.0 tuples do not count towards its depth, so
    that a cycle through one kills the process; from 3.11.8 on `time` loses a zero of its microseconds."""
    if engine is None:
        return False
    deep: Any = ()
    for _ in range(300):
        deep = (deep,)
    try:
        engine.dumps(deep)
    except TypeError:
        return bool(engine.dumps(dt.time(microsecond=10_000)) == b'"00:00:00.010000"')
    return False


# See docs/decisions/0006-a-faulty-orjson-sees-copies-only.md.
SOUND = _sound()


def _searcher() -> Callable[[bytes, bytes], object]:
    """Whether one text holds another: by the C library, whose vector code is 10 to 30 times as fast as Python's."""
    try:
        import ctypes

        found = ctypes.PyDLL(None).strstr
    except (ImportError, AttributeError, OSError, TypeError):  # Windows, or a build without ctypes
        return bytes.__contains__
    found.restype = ctypes.c_void_p
    return found


# `contains(data, part)`: true or false. Both must hold no zero byte, as JSON never does.
contains = _searcher()
_string = json.encoder.encode_basestring


# Levels that orjson may be given: behind 126 lists that end together it writes past its buffer, in every release.
TALL = 100


def plain_bytes(tree: Any, *, tall: bool = False) -> bytes:
    """The tree as compact UTF-8. `tall`: it has more than `TALL` levels."""
    if engine is not None and not tall:
        data: bytes = engine.dumps(tree)
        return data
    try:
        text = json.dumps(tree, ensure_ascii=False, separators=(",", ":"), allow_nan=False, check_circular=False)
    except RecursionError:  # the caller's stack is nearly full
        text = "".join(_pieces(tree, ordered=False))
    return text.encode()


def canonical_bytes(tree: Any) -> bytes:
    """The tree as RFC 8785 has it: names in the order of their UTF-16 code units, numbers as ECMAScript writes them."""
    return "".join(_pieces(tree, ordered=True)).encode()


def _pieces(root: Any, *, ordered: bool) -> Iterator[str]:
    # A list of what is still to write, last first, instead of recursion: the caller's stack may be nearly full.
    todo: list[Any] = [root]
    while todo:
        node = todo.pop()
        kind = type(node)
        if kind is _Raw:
            yield node
        elif kind is str:
            yield _string(node)
        elif kind is dict:
            todo.append(_Raw("}"))
            names = sorted(node, key=_utf16, reverse=True) if ordered else list(reversed(node))
            for number, name in enumerate(names, 1 - len(names)):
                todo += (node[name], _Raw(f"{',' if number else ''}{_string(name)}:"))
            todo.append(_Raw("{"))
        elif kind is list:
            todo.append(_Raw("]"))
            for number in range(len(node) - 1, -1, -1):
                todo += (node[number], _Raw("," if number else ""))
            todo.append(_Raw("["))
        else:
            yield number_text(node) if kind is float else json.dumps(node)


class _Raw(str):
    """Text that is written as it is."""

    __slots__ = ()


def _utf16(name: str) -> bytes:
    return name.encode("utf-16-be")


def number_text(number: float) -> str:
    """A finite float as ECMAScript's `Number.prototype.toString` writes it: 1e21, 0.000001, 1e-7, 100."""
    if number == 0:
        return "0"
    sign = "-" if number < 0 else ""
    mantissa, _, exponent = repr(abs(number)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    # Where the point stands, counted from the first digit that is not zero.
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0")
    count = len(digits)
    if count <= point <= 21:
        return sign + digits.ljust(point, "0")
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    power = point - 1
    tail = f".{digits[1:]}" if count > 1 else ""
    return f"{sign}{digits[0]}{tail}e{'+' if power > 0 else '-'}{abs(power)}"
