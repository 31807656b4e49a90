"""Names that sort by the time at which they were given: ULIDs, 26 characters, the same in a path and in a report.

Format: https://github.com/ulid/spec. A name made after another one that its maker has seen is greater, even
when the clock was set back in between; so the order of names never puts an answer before its question.
"""

from __future__ import annotations

import os
import re

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's: no I, L, O, U
_ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
_CHANCE_BITS = 80
_HEADROOM_BITS = 12  # so many steps of full size fit into a millisecond
_MOST = (1 << 128) - 1


def make_ulid(now: float, after: str = "", chance: bytes | None = None) -> str:
    """A new name. `now`: seconds since 1970 UTC; `after`: the greatest name known; `chance`: 10 bytes, default random.

    Raises ValueError when `after` is no name, or the last one there can be.
    """
    drawn = int.from_bytes(os.urandom(10) if chance is None else chance, "big")
    value = (max(0, int(now * 1000)) << _CHANCE_BITS) | drawn
    if after:
        # By chance again: two branches may both go on from the same name.
        value = max(value, _number(after) + 1 + (drawn >> _HEADROOM_BITS))
    if value > _MOST:
        raise ValueError(f"no name follows {after or now}")
    return "".join(ALPHABET[(value >> shift) & 31] for shift in range(125, -1, -5))


def is_ulid(text: object) -> bool:
    return isinstance(text, str) and _ULID.fullmatch(text) is not None


def _number(ulid: str) -> int:
    if not is_ulid(ulid):
        raise ValueError(f"{ulid!r} is no ULID")
    value = 0
    for char in ulid:
        value = value << 5 | ALPHABET.index(char)
    return value
