"""The fast lane: orjson alone, without any callback; what it cannot write is found by halving and mended.

    clean            orjson                                     1.0 x orjson
    a few odd ones   halve, keep the good halves, walk the rest 3-4 x
    many odd ones    give up: the walker takes it all

The caller promises that nothing changes the containers during the call. Enums and time zones written in
Python do run inside orjson; for values that other threads may change there is `shared=True`.
Two things orjson writes wrongly without a word, and no look at the output tells them from right ones: an
offset with seconds is rounded to a minute, and in 3.13.0 a `datetime.time` of 10,000 to 99,999 microseconds
loses a zero. The walker writes both right.
"""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

from guardrails.jsonsafe.kinds import must_pass
from guardrails.jsonsafe.writer import contains, engine, plain_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from guardrails.jsonsafe.profiles import Terms

# Strict integers: orjson refuses what JavaScript would round. Dataclasses: it leaves out fields with `_`.
OPTIONS = 0 if engine is None else engine.OPT_STRICT_INTEGER | engine.OPT_PASSTHROUGH_DATACLASS
# After so many odd values the walker is the cheaper way.
MOST_FAILURES = 8
# Below this many members or bytes the walker is faster than halving.
SMALL_MEMBERS = 48
SMALL_BYTES = 2048
# Halving goes by recursion, and the caller's stack may be nearly full.
MOST_LEVELS = 32

_NO_NAN = {str, int, bool, type(None)}
_FLOAT = {float}
_NO_NAN_OR_FLOAT = {float, int, bool, type(None)}
_SCALARS = {"UUID", "datetime", "date", "time"}


class GiveUp(Exception):
    """More is odd here than halving is good for."""


def attempt(value: Any, terms: Terms, *, nan: bool = True) -> bytes | None:
    """What orjson makes of `value`; None when that would not be all, or would not be right."""
    if engine is None:
        return None
    try:
        data: bytes = engine.dumps(value, None, OPTIONS)
    except BaseException as exc:
        if must_pass(exc):
            raise
        return None
    return data if right(data, value, terms, nan=nan) else None


def right(data: bytes, value: Any, terms: Terms, *, nan: bool) -> bool:
    """Whether what orjson wrote is what this profile wants, and nothing fell out of it without a word."""
    if len(data) > terms.longest and _long_string(data, terms.longest):
        return False
    if not terms.nul and contains(data, b"\\u0000"):
        return False
    return not (nan and contains(data, b"null") and holds_nan(value))


def holds_nan(root: Any) -> bool:
    """Whether a NaN or an infinity may be in what orjson wrote. An unknown kind counts as one."""
    todo = [root]
    while todo:
        node = todo.pop()
        kind = type(node)
        if kind is dict:
            members = node.values()
        elif kind is list or kind is tuple:
            members = node
        else:
            members = _inside(node)
        # Vectors and columns: one kind all through, seen in C.
        if len(members) > 32 and (kinds := set(map(type, members))) <= _NO_NAN_OR_FLOAT:
            if float in kinds and not all(map(isfinite, filter(None, members) if kinds > _FLOAT else members)):
                return True
            continue
        for member in members:
            kind = type(member)
            if kind in _NO_NAN:
                continue
            if kind is float:
                if member - member != 0.0:
                    return True
            elif kind is dict or kind is list or kind is tuple or isinstance(member, dict | list):
                todo.append(member)
            elif not _harmless(member):
                return True
    return False


def _inside(node: Any) -> Any:
    if isinstance(node, dict):
        return list(dict.values(node))
    return list(list.__iter__(node)) if isinstance(node, list) else (node,)


def _harmless(value: Any) -> bool:
    kind = type(value)
    if kind.__name__ in _SCALARS or isinstance(value, str | int):
        return True
    inner = getattr(value, "_value_", value)
    return type(inner) in _NO_NAN or (type(inner) is float and isfinite(inner))


def _long_string(data: bytes, longest: int) -> bool:
    """Whether a string of more than `longest` bytes may be in it. Escapes count as longer than they are."""
    step = longest // 2
    for start in range(0, len(data) - step, step):
        # In most JSON a quote is never far, and then no string of that length has room.
        if data.find(b'"', start, start + step) < 0 or b'\\"' in data[start : start + step]:
            break
    else:
        return False
    parts = data.replace(b"\\\\", b"__").replace(b'\\"', b"__").split(b'"')
    return any(len(part) > longest for part in parts[1::2])


def small(value: Any) -> bool:
    """Whether a value is so small that walking it at once is the cheapest."""
    members, size, todo = 0, 0, [value]
    while todo:
        node = todo.pop()
        kind = type(node)
        if kind is dict or kind is list or kind is tuple:
            members += len(node)
            if members > SMALL_MEMBERS:
                return False
            todo.extend(node.values() if kind is dict else node)
        elif kind is str:
            size += len(node)
            if size > SMALL_BYTES:
                return False
    return True


class Repair:
    """Mends one value. `walk(value, path, around)` writes what orjson could not, with all its entries."""

    def __init__(
        self,
        terms: Terms,
        walk: Callable[[Any, tuple[str | int, ...], tuple[object, ...]], Any],
        *,
        nan: bool,
    ) -> None:
        self.terms = terms
        self.walk = walk
        self.nan = nan
        self.left = MOST_FAILURES

    def mended(self, value: Any, path: tuple[str | int, ...] = (), around: tuple[object, ...] = ()) -> bytes:
        """`value`, of which is known that orjson fails on it, as JSON. Raises GiveUp."""
        kind = type(value)
        if kind not in (dict, list, tuple) or small(value):
            self.left -= 1
            if self.left < 0:
                raise GiveUp
            return plain_bytes(self.walk(value, path, around))
        if len(around) >= MOST_LEVELS or any(value is outer for outer in around):
            raise GiveUp
        around = (*around, value)
        if kind is dict:
            pairs = list(value.items())
            return b"{%b}" % self.halves(pairs, 0, len(pairs), path, around)
        return b"[%b]" % self.halves(list(value), 0, len(value), path, around, named=False)

    def halves(
        self,
        members: list[Any],
        start: int,
        end: int,
        path: tuple[str | int, ...],
        around: tuple[object, ...],
        *,
        named: bool = True,
    ) -> bytes:
        """The members from `start` to `end`, which are known to fail together, without brackets."""
        if end - start == 1:
            return self.member(members, start, path, around, named=named)
        middle = (start + end) // 2
        parts = []
        for low, high in ((start, middle), (middle, end)):
            part = dict(members[low:high]) if named else members[low:high]
            data = self.tried(part, len(around))
            parts.append(self.halves(members, low, high, path, around, named=named) if data is None else data[1:-1])
        return b",".join(parts)

    def member(
        self,
        members: list[Any],
        place: int,
        path: tuple[str | int, ...],
        around: tuple[object, ...],
        *,
        named: bool,
    ) -> bytes:
        if not named:
            return self.mended(members[place], (*path, place), around)
        name, value = members[place]
        if type(name) is not str or (written := attempt(name, self.terms)) is None:
            # Its new name must not be taken, and only the walker sees all names of the mapping.
            raise GiveUp
        return b"%b:%b" % (written, self.mended(value, (*path, name), around))

    def tried(self, part: Any, depth: int) -> bytes | None:
        """`attempt` on a part that stands `depth` containers deep, so that orjson counts those as well."""
        if depth == 1:
            return attempt(part, self.terms, nan=self.nan)
        for _ in range(depth - 1):
            part = [part]
        data = attempt(part, self.terms, nan=self.nan)
        return None if data is None else data[depth - 1 : len(data) - depth + 1]
