"""The walker's inner loops: what is plain already, or a value type, or a small container of those, is copied."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from guardrails.jsonsafe.kinds import must_pass
from guardrails.jsonsafe.profiles import LARGEST_INT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from guardrails.jsonsafe.walker import Walker

# Longer strings are counted, so that many references to one text cannot outgrow the bound.
INLINE = 200
# A container of so many members is copied on the way, at the price of a second look if it holds something odd.
MOST_NESTED = 64
# No value: what the loops return at the end, and `flat` for what is odd.
END = object()


def flat_pairs(walker: Walker, rest: Iterator[tuple[Any, Any]], out: dict[str, Any], *, nest: bool) -> Any:
    """Copy pairs as long as nothing is odd; returns the first odd pair, None at the end.

    `nest`: there is room for one container more; small ones that hold nothing odd are copied on the way.
    """
    for pair in rest:
        key, value = pair
        if type(key) is not str or not key.isascii() or len(key) > INLINE:
            return pair
        kind = type(value)
        if kind is str:
            if (len(value) > INLINE or not value.isascii()) and not walker.takes(value):
                return pair
        elif kind is int:
            if value > LARGEST_INT or value < -LARGEST_INT:
                return pair
        elif kind is float:
            if value - value != 0.0:
                return pair
        elif value is None or kind is bool:
            pass
        elif (value := flat(walker, kind, value, nest=nest)) is END:
            return pair
        out[key] = value
    return None


def flat_items(walker: Walker, rest: Iterator[Any], out: list[Any], *, nest: bool) -> Any:
    """Copy items as long as nothing is odd; returns the first odd item, `END` at the end."""
    for value in rest:
        kind, plain = type(value), value
        if kind is str:
            if (len(value) > INLINE or not value.isascii()) and not walker.takes(value):
                return value
        elif kind is int:
            if value > LARGEST_INT or value < -LARGEST_INT:
                return value
        elif kind is float:
            if value - value != 0.0:
                return value
        elif value is None or kind is bool:
            pass
        elif (plain := flat(walker, kind, value, nest=nest)) is END:
            return value
        out.append(plain)
    return END


def flat(walker: Walker, kind: type[Any], value: Any, *, nest: bool) -> Any:
    """The text of a value type, or the copy of a small container; `END` for what must be seen the slow way."""
    if kind is dict:
        named: dict[str, Any] = {}
        odd = not nest or len(value) > MOST_NESTED or flat_pairs(walker, iter(copied(value)), named, nest=False)
        walker.size += 2 + 2 * len(named)
        return END if odd else named
    if kind is list:
        listed: list[Any] = []
        odd = (
            not nest or len(value) > MOST_NESTED or flat_items(walker, iter(list(value)), listed, nest=False) is not END
        )
        walker.size += 2 + 2 * len(listed)
        return END if odd else listed
    leaf = walker.leaves.get(kind)
    if leaf is None:
        return END
    try:
        text = leaf(value)
    except BaseException as exc:
        if must_pass(exc):
            raise
        return END  # the slow way calls it again, and reports what it raises
    return text if len(text) <= INLINE and text.isascii() else END


def copied(value: dict[Any, Any]) -> list[tuple[Any, Any]]:
    """The entries of a dict as they were at one moment."""
    for _ in range(3):
        try:
            return list(value.items())
        except RuntimeError:  # another thread changed it between two entries
            continue
    return list(value.copy().items())
