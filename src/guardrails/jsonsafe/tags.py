"""The `wire` profile: types that come back. `{"$g": "uuid", "v": "..."}`, from a closed list and the registry.

No class is ever named, so nothing that was read can make Python import or call what was not registered.
A mapping of the user's that holds `$g` itself is written as a tagged list of pairs, and so is one whose
keys are no strings.
"""

from __future__ import annotations

import base64
import datetime as dt
import math
import pathlib
import re
import uuid
from decimal import Decimal
from fractions import Fraction
from itertools import islice
from typing import TYPE_CHECKING, Any

from guardrails.jsonsafe.integers import fraction, ratio
from guardrails.jsonsafe.kinds import Items, Pairs
from guardrails.jsonsafe.profiles import LARGEST_INT

if TYPE_CHECKING:
    from collections.abc import Callable

    from guardrails.jsonsafe.registry import Registry

TAG = "$g"
LOST = "$lost"
# More items than fit into what is written.
MOST_MADE = 1_000_000
# The end of a text that was too long to be written.
_CUT = re.compile(r"… \[\$lost: size, \d+ characters\]\Z")


class Tagged:
    """A value, the name of its tag, and what makes the payload."""

    __slots__ = ("name", "payload", "value")

    def __init__(self, name: str, value: Any, payload: Callable[[Any], object]) -> None:
        self.name = name
        self.value = value
        self.payload = payload


def tag(value: Any, registry: Registry) -> Tagged | None:
    """How to tag `value`; None when plain JSON keeps it, or nothing here could bring it back."""
    kind = type(value)
    if registry.types and (line := registry.find(kind)) is not None:
        return None if line.tag is None else Tagged(line.tag, value, line.encode)
    if kind is dict or kind is Pairs:
        pairs = value.pairs if kind is Pairs else list(value.items())
        clean = all(type(name) is str and name != TAG for name, _ in pairs)
        return None if clean else Tagged("dict", pairs, _pairs)
    if kind is int:
        return None if -LARGEST_INT <= value <= LARGEST_INT else Tagged("int", value, hex)
    if kind is float:
        return None if math.isfinite(value) else Tagged("float", value, repr)
    found = _WRITE.get(kind)
    if found is not None:
        return Tagged(found[0], value, found[1])
    if issubclass(kind, list) and kind.__iter__ is not list.__iter__:
        # It makes its items itself, as Celery's `regen` does; as a list it may be empty.
        return Tagged("list", value, _made)
    return None


def _pairs(pairs: list[tuple[Any, Any]]) -> Items:
    return Items([Items([name, content]) for name, content in pairs])


def _base64(value: bytes | bytearray) -> str:
    return base64.b64encode(value).decode()


def _items(value: Any) -> Items:
    return Items(list(value))


def _made(value: list[Any]) -> Items:
    # Its iteration may have no end.
    items = list(islice(value, MOST_MADE + 1))
    return Items(items[:MOST_MADE], cut=len(items) > MOST_MADE)


def _unordered(value: Any) -> Items:
    return Items(list(value), sort=True)


_WRITE: dict[type[Any], tuple[str, Callable[[Any], object]]] = {
    uuid.UUID: ("uuid", str),
    dt.datetime: ("datetime", dt.datetime.isoformat),
    dt.date: ("date", dt.date.isoformat),
    dt.time: ("time", dt.time.isoformat),
    dt.timedelta: ("timedelta", lambda value: [value.days, value.seconds, value.microseconds]),
    Decimal: ("decimal", str),
    Fraction: ("fraction", ratio),
    complex: ("complex", lambda value: [repr(value.real), repr(value.imag)]),
    bytes: ("bytes", _base64),
    bytearray: ("bytearray", _base64),
    tuple: ("tuple", _items),
    set: ("set", _unordered),
    frozenset: ("frozenset", _unordered),
    pathlib.PosixPath: ("path", str),
    pathlib.WindowsPath: ("path", str),
    pathlib.PurePosixPath: ("posix-path", str),
    pathlib.PureWindowsPath: ("windows-path", str),
}
BUILT_IN: dict[str, Callable[[Any], Any]] = {
    "uuid": uuid.UUID,
    "datetime": dt.datetime.fromisoformat,
    "date": dt.date.fromisoformat,
    "time": dt.time.fromisoformat,
    "timedelta": lambda parts: dt.timedelta(*parts),
    "decimal": Decimal,
    "fraction": fraction,
    "complex": lambda parts: complex(*map(float, parts)),
    "bytes": lambda text: base64.b64decode(text, validate=True),
    "bytearray": lambda text: bytearray(base64.b64decode(text, validate=True)),
    "list": list,
    "tuple": tuple,
    "set": lambda items: _collected(set, items),
    "frozenset": lambda items: _collected(frozenset, items),
    "path": pathlib.Path,
    "posix-path": pathlib.PurePosixPath,
    "windows-path": pathlib.PureWindowsPath,
    "int": lambda text: int(text, 16),
    "float": float,
    "dict": lambda pairs: _collected(dict, [_pair(pair) for pair in pairs]),
}


def _collected(kind: type[Any], items: Any) -> Any:
    """A set or dict of `items`; the list of them where one, a namedtuple or a dataclass, came back unhashable."""
    if type(items) is not list:
        raise TypeError("not a list")
    try:
        return kind(items)
    except TypeError:
        return items


def _was_cut(payload: Any) -> bool:
    """Whether a payload cannot be read because it was not written whole; better the rest of it than no message."""
    if type(payload) is list:
        return any(map(_was_cut, payload[-1:]))
    return LOST in payload if type(payload) is dict else type(payload) is str and _CUT.search(payload) is not None


def _pair(pair: Any) -> list[Any]:
    if type(pair) is not list or len(pair) != 2:
        raise TypeError("not a name and a value")
    return pair


def untagged(tree: Any, registry: Registry) -> Any:
    """The values of a tree that was written by the `wire` profile.

    What was not written whole comes back as its marker, or as what is left of it. Raises ValueError for a tag that
    nobody registered, and for a payload that is none of its kind.
    """
    # Children before parents, on a list of our own: what comes from outside may be deep.
    todo: list[tuple[Any, bool]] = [(tree, False)]
    done: list[Any] = []
    while todo:
        node, seen = todo.pop()
        if type(node) is list:
            if seen:
                done[len(done) - len(node) :] = [done[len(done) - len(node) :]] if node else [[]]
            else:
                todo.append((node, True))
                todo += [(child, False) for child in reversed(node)]
        elif type(node) is dict:
            if seen:
                count = len(node)
                values = done[len(done) - count :] if count else []
                del done[len(done) - count :]
                done.append(_untagged(dict(zip(node, values, strict=True)), registry))
            else:
                todo.append((node, True))
                todo += [(child, False) for child in reversed(list(node.values()))]
        else:
            done.append(node)
    return done[0]


def _untagged(node: dict[str, Any], registry: Registry) -> Any:
    if TAG not in node:
        return node
    name = node[TAG]
    payload = node.get("v")
    if LOST in node:
        # It was cut off between its two members.
        return node[LOST]
    if type(payload) is dict and LOST in payload:
        return payload
    if set(node) != {TAG, "v"} or type(name) is not str:
        raise ValueError(f"a tagged value holds {TAG!r} and 'v' and nothing else; this one has {len(node)} members")
    line = registry.tags.get(name)
    decode = BUILT_IN.get(name) if line is None else line.decode
    if decode is None:
        raise ValueError(f"nobody registered the tag {name[:64]!r}: call jsonsafe.register(..., tag={name[:64]!r})")
    try:
        return decode(payload)
    except Exception as exc:
        if _was_cut(payload):
            return payload
        raise ValueError(f"the payload of the tag {name!r} cannot be read: {type(exc).__name__}") from exc
