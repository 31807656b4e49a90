"""The middle lane: one quick copy of a value, for as long as it is simple.

    dict, list, tuple -> copied        UUID, UTC time -> as they are, orjson writes them
    Decimal, set, model -> their rule  a lock, an object nobody described -> marked, reported
    a cycle, a huge text, a secret, a lone surrogate -> Odd: the walker takes it all

What comes out was made here and is seen by nobody else, so orjson may read it whatever other threads do.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Any

from guardrails.jsonsafe.integers import digits
from guardrails.jsonsafe.kinds import Context, Items, Lost, Pairs, must_pass, type_name
from guardrails.jsonsafe.profiles import LARGEST_INT
from guardrails.jsonsafe.text import names_secret
from guardrails.jsonsafe.writer import canonical_bytes, contains, engine

if TYPE_CHECKING:
    from collections.abc import Iterable

    from guardrails.jsonsafe.profiles import Terms
    from guardrails.jsonsafe.registry import Registry
    from guardrails.jsonsafe.report import Action, Ledger, Reason

    Lack = tuple[Reason, str, Action]

# It goes by recursion, and the caller's stack may be nearly full; the walker needs no stack.
MOST_LEVELS = 64
# A rule that returns an object for which a rule returns an object ... ends here.
MOST_STEPS = 16
# An object nobody described may lead to the whole application.
MOST_LOOKED = 3
# Names and halves of surrogate pairs: orjson refuses what is not as it should be.
OPTIONS = 0 if engine is None else engine.OPT_STRICT_INTEGER


class Odd(Exception):
    """Something is here that must be marked, bounded or reported."""


def snapshot(value: object, terms: Terms, registry: Registry, ledger: Ledger, *, nan: bool = True) -> bytes | None:
    """`value` as JSON; None where the walker is needed, which then says why. `nan`: whether a lost float is told."""
    if engine is None:
        return None
    copy = _Copy(terms, registry)
    try:
        tree = copy.listed([value], 0)
        data: bytes = engine.dumps(tree[0], None, OPTIONS)
        if len(data) > terms.most_bytes or (not terms.nul and contains(data, b"\\u0000")):
            return None
        untold = len(copy.lost) + copy.floats * nan
        if untold:
            _tell(tree, (), copy.lost, untold, ledger, nan=nan)
            ledger.omitted = untold - len(ledger.entries)
    except BaseException as exc:
        if must_pass(exc):
            raise
        return None
    return data


def _tell(
    node: Any, path: tuple[str | int, ...], lost: dict[int, Lack], untold: int, ledger: Ledger, *, nan: bool
) -> None:
    """Reports the markers, opened objects and lost floats in `node`, in the order of the output, until all are told."""
    for name, member in node.items() if type(node) is dict else enumerate(node):
        kind = type(member)
        # The first step leads into the list that was put around the root.
        if kind is dict or kind is list:
            if id(member) in lost:
                ledger.add((*path, name)[1:], *lost[id(member)])
            _tell(member, (*path, name), lost, untold, ledger, nan=nan)
        elif nan and kind is float and member - member != 0.0:
            ledger.add((*path, name)[1:], "nan", "float", "null")
        if len(ledger.entries) in (untold, ledger.most):
            return


class _Copy:
    """One copy. `left`: bytes that its output may still have, so that sharing cannot make it endless."""

    __slots__ = (
        "context",
        "floats",
        "leaves",
        "left",
        "longest",
        "looking",
        "lost",
        "native",
        "open",
        "registry",
        "rules",
    )

    def __init__(self, terms: Terms, registry: Registry) -> None:
        self.context = Context(terms)
        self.leaves = registry.leaves
        self.left = terms.most_bytes
        self.longest = terms.longest
        self.registry = registry
        self.rules = registry.rules
        # Markers and the attributes of objects nobody described: by their identity, what is to be reported of them.
        self.lost: dict[int, Lack] = {}
        # Those that orjson will write as null.
        self.floats = 0
        self.looking = 0
        self.open: set[int] = set()
        # What orjson may write by itself, as long as nobody registered a rule for it.
        self.native = _NATIVE if registry.fast else frozenset()

    # Two loops of one shape, and what is common inlined: a call for each value would cost more than the rest.

    def named(self, out: dict[Any, Any], level: int) -> dict[Any, Any]:
        """`out`, which is a copy already, with plain values."""
        size, leaves, native = 2 + 2 * len(out), self.leaves, self.native
        for name, value in out.items():
            kind = type(value)
            if kind is str:
                size += len(value)
            elif kind is float:
                self.floats += value - value != 0.0
            elif kind is int:
                if value > LARGEST_INT or value < -LARGEST_INT:
                    out[name] = text = digits(value)
                    size += len(text)
            elif kind is bool or value is None:
                continue
            elif kind is dict and level < MOST_LEVELS:
                out[name] = self.named(value.copy(), level + 1)
            elif kind in leaves and kind not in native:
                out[name] = text = leaves[kind](value)
                size += len(text)
            else:
                out[name] = self.simpler(kind, value, level)
        self.left -= size
        if self.left < 0 or size > self.longest:
            self.bounded(out.values())
        return out

    def listed(self, out: list[Any], level: int) -> list[Any]:
        """`out`, which is a copy already, with plain members."""
        size, leaves, native = 2 + 2 * len(out), self.leaves, self.native
        for place, value in enumerate(out):
            kind = type(value)
            if kind is str:
                size += len(value)
            elif kind is float:
                self.floats += value - value != 0.0
            elif kind is int:
                if value > LARGEST_INT or value < -LARGEST_INT:
                    out[place] = text = digits(value)
                    size += len(text)
            elif kind is bool or value is None:
                continue
            elif kind is dict and level < MOST_LEVELS:
                out[place] = self.named(value.copy(), level + 1)
            elif kind in leaves and kind not in native:
                out[place] = text = leaves[kind](value)
                size += len(text)
            else:
                out[place] = self.simpler(kind, value, level)
        self.left -= size
        if self.left < 0 or size > self.longest:
            self.bounded(out)
        return out

    def bounded(self, members: Iterable[Any]) -> None:
        """Raises Odd where the whole, or one text of many, is too long."""
        if self.left < 0 or any(type(text) is str and len(text) > self.longest for text in members):
            raise Odd

    def simpler(self, kind: type[Any], value: Any, level: int) -> Any:
        """What stands for a value that is not plain."""
        if level == MOST_LEVELS:
            raise Odd
        if kind is list or kind is tuple:
            return self.listed(list(value), level + 1)
        if kind in self.native and (kind is uuid.UUID or value.tzinfo is dt.UTC):
            self.left -= 38
            return value
        leaf = self.leaves.get(kind)
        return self.ruled(kind, value, level) if leaf is None else self.text(leaf(value))

    def text(self, text: str) -> str:
        size = len(text)
        self.left -= size
        if size > self.longest:
            raise Odd
        return text

    def ruled(self, kind: type[Any], value: Any, level: int) -> Any:
        """A value whose rule must be asked, until what it returns is plain."""
        origin = value
        for _ in range(MOST_STEPS):
            value = (self.rules.get(kind) or self.registry.rule(kind, self.rules))(value, self.context)
            kind = type(value)
            if kind is str:
                return self.text(value)
            if kind is Pairs:
                out = dict(value.pairs)
                if len(out) < len(value.pairs) or (value.missing and not value.looked):
                    raise Odd
                return self.looked(out, origin, level) if value.looked else self.named(out, level + 1)
            if kind is Items:
                if value.cut:
                    raise Odd
                return self.sorted(value.items, level) if value.sort else self.listed(value.items, level + 1)
            if kind is Lost and value.reason != "secret":
                return self.marker(value, origin)
            if kind in _PLAIN:
                if kind is float and value - value != 0.0:
                    raise Odd  # what it was before is to be told
                return self.listed([value], level)[0]
        raise Odd

    def marker(self, value: Lost, origin: object) -> dict[str, str]:
        name = type_name(type(origin if value.of is None else value.of))
        marker = {"$lost": value.reason, "$type": name, **value.extra}
        self.lost[id(marker)] = (value.reason, name, "marker")
        return marker

    def looked(self, out: dict[Any, Any], origin: object, level: int) -> Any:
        """The attributes of an object that nobody described."""
        if self.looking == MOST_LOOKED:
            return self.marker(Lost("opaque"), origin)
        if id(origin) in self.open or any(map(names_secret, out)):
            raise Odd
        self.looking += 1
        self.open.add(id(origin))
        self.lost[id(out)] = ("opaque", type_name(type(origin)), "attributes")
        out = self.named(out, level + 1)
        self.looking -= 1
        self.open.discard(id(origin))
        return out

    def sorted(self, items: list[Any], level: int) -> list[Any]:
        """Items whose order means nothing, in the order of their text."""
        native, self.native = self.native, frozenset()
        items = self.listed(items, level + 1)
        self.native = native
        items.sort(key=canonical_bytes)
        return items


_NATIVE = frozenset({uuid.UUID, dt.datetime})
_PLAIN = {int, float, bool, type(None), dict, list, tuple}
