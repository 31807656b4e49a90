"""How to write, and read back, types of your own."""

from __future__ import annotations

import datetime as dt
import enum
import pathlib
import threading
import uuid
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

from guardrails.jsonsafe.kinds import resolve, stamp

if TYPE_CHECKING:
    from collections.abc import Callable

    from guardrails.jsonsafe.kinds import Rule

    T = TypeVar("T")
    Leaf = Callable[[Any], str]

# What orjson writes by itself; a rule of the user's for one of these keeps orjson from going first.
NATIVE = (str, int, float, dict, list, tuple, uuid.UUID, dt.date, dt.time, enum.Enum)
# What needs no rule.
PLAIN = frozenset({str, int, float, bool, type(None), dict, list, tuple})
# Value types whose text is all there is to them, so that the walker need not look for a rule.
LEAVES: dict[type[Any], Leaf] = {
    Decimal: str,
    dt.date: dt.date.isoformat,
    dt.datetime: stamp,
    pathlib.PosixPath: str,
    pathlib.PurePosixPath: str,
    uuid.UUID: str,
}
# Classes made on the fly must not fill the memory.
MOST_RULES = 4096


@dataclass(frozen=True, slots=True)
class Registered:
    """One line of the registry."""

    type: type[Any]
    encode: Callable[[Any], object]
    decode: Callable[[Any], Any] | None
    tag: str | None


class Registry:
    """Types that the user taught the encoder. A subclass follows its nearest registered parent."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.types: dict[type[Any], Registered] = {}
        self.tags: dict[str, Registered] = {}
        self.rules: dict[type[Any], Rule] = {}
        self.leaves = dict(LEAVES)
        self.fast = True

    def register(
        self,
        type: type[T],  # noqa: A002 - the word for it
        encode: Callable[[T], object],
        decode: Callable[[Any], T] | None = None,
        tag: str | None = None,
    ) -> None:
        """Write instances of `type`, and of its subclasses, as what `encode` returns.

        `encode`: returns anything that can be encoded, such as a dict of the fields; what it raises becomes
        a marker and a report entry. `decode`: makes the instance again from what was read; `loads(type=...)`
        uses it, and with a `tag` also `loads(tags=True)`. `tag`: the name of the type in the `wire` profile,
        1 to 64 characters; the default, None, writes the plain value. A type registered twice follows the
        last call. Raises ValueError for a tag that is taken or malformed or has no `decode`, and for a type that
        JSON has already.
        """
        from guardrails.jsonsafe.tags import BUILT_IN

        if tag is not None and (decode is None or not 1 <= len(tag) <= 64 or not tag.isascii()):
            raise ValueError(f"tag {tag!r}: give 1 to 64 ASCII characters and a `decode`, or no tag")
        if type in PLAIN:
            raise ValueError(f"{type.__name__} is JSON already: register a subclass of it")
        with self.lock:
            holder = self.tags.get(tag) if tag is not None else None
            if tag in BUILT_IN or (holder is not None and holder.type is not type):
                raise ValueError(f"tag {tag!r} is taken: choose another")
            line = Registered(type, encode, decode, tag)
            self.tags = {name: other for name, other in self.tags.items() if other.type is not type}
            if tag is not None:
                self.tags[tag] = line
            self.types[type] = line
            # Replaced as a whole: an encoding that runs meanwhile keeps the rules that it began with.
            self.rules = {}
            self.leaves = {kind: leaf for kind, leaf in LEAVES.items() if self.find(kind) is None}
            self.fast = self.fast and not issubclass(type, NATIVE)

    def rule(self, kind: type[Any], rules: dict[type[Any], Rule]) -> Rule:
        """The rule of a class; found ones are kept in `rules`, the `self.rules` of when the encoding began."""
        line = self.find(kind)
        if line is None:
            rule = resolve(kind)
        else:
            encode = line.encode
            rule = lambda value, _: encode(value)  # noqa: E731 - a rule that ignores its context
        if len(rules) >= MOST_RULES:
            rules.clear()
        rules[kind] = rule
        return rule

    def find(self, kind: type[Any]) -> Registered | None:
        """The line for `kind` or its nearest parent."""
        types = self.types
        if types:
            for base in type.__getattribute__(kind, "__mro__"):
                if base in types:
                    return types[base]
        return None


# What `guardrails.jsonsafe.register` fills.
SHARED = Registry()
