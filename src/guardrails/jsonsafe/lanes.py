"""The fast lane: orjson with nothing of ours called back; what it cannot write is found by halving and mended.

    clean            orjson                                     1.0 x orjson
    a few odd ones   halve, keep the good halves, walk the rest 2-4 x
    many odd ones    give up: the next lane takes it all

The caller promises that nothing changes the containers during the call. Enums and time zones written in
Python do run inside orjson; for values that other threads may change there is `shared=True`.
One thing orjson rounds without a word, and no look at the output tells it: the seconds of a time zone's offset,
which zones had before 1900 or so. The other lanes write the same instant in UTC.
"""

from __future__ import annotations

import enum
from itertools import count
from math import isfinite
from typing import TYPE_CHECKING, Any, NamedTuple

from guardrails.jsonsafe.kinds import must_pass
from guardrails.jsonsafe.report import MOST_ENTRIES
from guardrails.jsonsafe.writer import contains, engine

if TYPE_CHECKING:
    from collections.abc import Callable

    from guardrails.jsonsafe.profiles import Terms

    Path = tuple[str | int, ...]

# Strict integers: orjson refuses what JavaScript would round. Dataclasses: it leaves out fields with `_`.
OPTIONS = 0 if engine is None else engine.OPT_STRICT_INTEGER | engine.OPT_PASSTHROUGH_DATACLASS
# After so many odd values the next lane is the cheaper way.
MOST_FAILURES = 8
# Times in a row that neither half was good: so many mean that most members are odd.
MOST_IN_VAIN = 5
# Below this many members or bytes halving would not pay.
SMALL_MEMBERS = 48
SMALL_BYTES = 2048
# Halving goes by recursion, and the caller's stack may be nearly full.
MOST_LEVELS = 32

_NO_NAN = {str, int, bool, type(None)}
_CONTAINERS = (dict, list, tuple)
_SCALARS = {"UUID", "datetime", "date", "time", "NoneType"}


class GiveUp(Exception):
    """More is odd here than halving is good for."""


def raw(value: Any) -> bytes | None:
    """What orjson makes of `value`; None when it refuses."""
    try:
        data: bytes = engine.dumps(value, None, OPTIONS)
    except BaseException as exc:
        if must_pass(exc):
            raise
        return None
    return data


def attempt(value: Any, terms: Terms, *, nan: bool = True) -> bytes | None:
    """As `raw`; None as well when that would not be right."""
    data = raw(value)
    if data is None or not fitting(data, terms):
        return None
    if nan and contains(data, b"null"):
        lost = lost_floats(value, data)
        return data if lost is not None and lost.total == 0 else None
    return data


def fitting(data: bytes, terms: Terms) -> bool:
    """Whether this profile takes what orjson wrote."""
    if len(data) > terms.longest and _long_string(data, terms.longest):
        return False
    return terms.nul or not contains(data, b"\\u0000")


class Floats(NamedTuple):
    """Lost floats: where the first 100 stand, and how many there are."""

    paths: list[Path]
    total: int


def lost_floats(value: Any, data: bytes, path: Path = (), start: int = 0) -> Floats | None:
    """The NaN and infinities of `value` that orjson wrote as null in `data`; None where that cannot be told.

    `path`: where `value` stands. `start`: where its first member stands, if it is a part of a list.
    """
    kind = type(value)
    first, last = data.find(b"null"), data.rfind(b"null")
    if kind not in (dict, list) or len(value) < 2 or len(data) < SMALL_BYTES or last - first > len(data) // 4:
        return _scanned(value, path, start)
    # Nulls that stand close together are found by orjson itself, many times as fast as by looking at each value.
    names, middle = list(value) if kind is dict else [], len(value) // 2
    lost = Floats([], 0)
    for low, high in ((0, middle), (middle, len(value))):
        part = {name: value[name] for name in names[low:high]} if kind is dict else value[low:high]
        data = engine.dumps(part, None, OPTIONS)
        if not contains(data, b"null"):
            continue
        if high - low == 1:
            name = names[low] if kind is dict else start + low
            found = lost_floats(value[name if kind is dict else low], data, (*path, name))
        else:
            found = lost_floats(part, data, path, start + low)
        if found is None:
            return None
        lost = Floats((lost.paths + found.paths)[:MOST_ENTRIES], lost.total + found.total)
    return lost


def _scanned(root: Any, path: Path, start: int) -> Floats | None:
    """As `lost_floats`, by looking at each value."""
    todo, lost = [[root]], 0
    while todo:
        for value in _members(todo.pop()):
            kind = type(value)
            if kind in _NO_NAN:
                continue
            if kind is float:
                lost += value - value != 0.0
            elif kind is dict or kind is list or issubclass(kind, _CONTAINERS):
                todo.append(value)
            elif not _harmless(value):
                return None
    if type(root) is float:
        return Floats([path] * lost, lost)
    found: list[Path] = []
    if lost:
        _locate(root, path, found, min(lost, MOST_ENTRIES), start)
    return Floats(found, lost)


def _locate(node: Any, path: Path, found: list[Path], most: int, start: int = 0) -> None:
    """Adds where lost floats stand in `node`, in the order of the output, until there are `most`."""
    names = dict.keys(node) if isinstance(node, dict) else count(start)
    for name, value in zip(names, _members(node), strict=False):
        kind = type(value)
        if kind is float:
            if value - value != 0.0:
                found.append((*path, name))
        elif kind not in _NO_NAN and isinstance(value, _CONTAINERS):
            _locate(value, (*path, name), found, most)
        if len(found) == most:
            return


def _members(node: Any) -> Any:
    kind = type(node)
    if kind is dict:
        return node.values()
    if kind is list or kind is tuple:
        return node
    return dict.values(node) if isinstance(node, dict) else list.__iter__(node)


def _harmless(value: Any) -> bool:
    """Whether orjson writes this as something else than null."""
    inner = value._value_ if isinstance(value, enum.Enum) else value
    kind = type(inner)
    return kind.__name__ in _SCALARS or issubclass(kind, (str, int)) or (kind is float and isfinite(inner))


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
    """Whether a value is so small that halving it would not pay."""
    members, size, todo = 0, 0, [value]
    while todo:
        node = todo.pop()
        members += len(node)
        if members > SMALL_MEMBERS:
            return False
        for member in node.values() if type(node) is dict else node:
            kind = type(member)
            if kind is str:
                size += len(member)
            elif kind is dict or kind is list or kind is tuple:
                todo.append(member)
    return size <= SMALL_BYTES


class Repair:
    """Mends one value. `write(value, path, around)` writes what orjson could not, with all its entries."""

    def __init__(
        self,
        terms: Terms,
        write: Callable[[Any, Path, tuple[object, ...]], bytes],
        *,
        nan: bool,
    ) -> None:
        self.terms = terms
        self.write = write
        self.nan = nan
        self.left = MOST_FAILURES
        self.in_vain = 0

    def mended(self, value: Any, path: Path = (), around: tuple[object, ...] = ()) -> bytes:
        """`value`, of which is known that orjson fails on it, as JSON. Raises GiveUp."""
        kind = type(value)
        if kind not in _CONTAINERS or small(value):
            self.left -= 1
            if self.left < 0:
                raise GiveUp
            return self.write(value, path, around)
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
        path: Path,
        around: tuple[object, ...],
        *,
        named: bool = True,
    ) -> bytes:
        """The members from `start` to `end`, which are known to fail together, without brackets."""
        if end - start == 1:
            return self.member(members, start, path, around, named=named)
        middle = (start + end) // 2
        bounds = ((start, middle), (middle, end))
        parts = [dict(members[low:high]) if named else members[low:high] for low, high in bounds]
        # Both are tried before either is halved again: how often none is good says how dense the odd ones are.
        tried = [self.tried(part, len(around)) for part in parts]
        if tried == [None, None]:
            self.in_vain += 1
            if self.in_vain > MOST_IN_VAIN:
                raise GiveUp
        else:
            self.in_vain = 0
        written = [
            self.halves(members, low, high, path, around, named=named) if data is None else data[1:-1]
            for (low, high), data in zip(bounds, tried, strict=True)
        ]
        return b",".join(written)

    def member(
        self,
        members: list[Any],
        place: int,
        path: Path,
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
