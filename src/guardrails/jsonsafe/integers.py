"""Integers and fractions of any length as text, and back: beyond the limit that CPython sets to `str` and `int`."""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction

# More digits than this would take long to convert; such a number is written in base 16, which does not.
MOST_DECIMAL_BITS = 66_000
MOST_DIGITS = 20_000
_DECIMAL = re.compile(r"-?[0-9]+")
_SIXTEEN = re.compile(r"-?0x[0-9a-f]+")


def digits(number: int) -> str:
    """`number` in base 10; in base 16 where it has more than some 19,800 digits."""
    try:
        return str(number)
    except ValueError:  # CPython's limit, 4,300 digits
        return str(Decimal(number)) if number.bit_length() <= MOST_DECIMAL_BITS else hex(number)


def number(text: str) -> int:
    """The integer that `digits` wrote. Raises ValueError for every other text."""
    if len(text) <= MOST_DIGITS and _DECIMAL.fullmatch(text):
        return int(text) if len(text) < 640 else int(Decimal(text))  # 640: no limit can be set lower
    if _SIXTEEN.fullmatch(text):
        return int(text, 16)
    raise ValueError(f"no integer of at most {MOST_DIGITS:,} digits")


def ratio(value: Fraction) -> str:
    """A fraction; without a denominator where that is 1, as `str` has it."""
    below = f"/{digits(value.denominator)}" if value.denominator != 1 else ""
    return f"{digits(value.numerator)}{below}"


def fraction(text: str) -> Fraction:
    """The fraction that `ratio` wrote. Raises ValueError for every other text."""
    above, slash, below = text.partition("/")
    return Fraction(number(above), number(below) if slash else 1)
