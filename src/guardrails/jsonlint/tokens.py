"""What may be wrong with one token of JSON text: a string, a number, a word, a gap; each with its fix."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

# What JavaScript, I-JSON (RFC 7493) and the encoder's profile `js` keep exactly.
LARGEST_INT = 2**53 - 1

_GAP = re.compile(rb"[ \t\n\r]*+")
COMMENT = re.compile(rb"//[^\n]*+|#[^\n]*+|/\*.*?\*/", re.DOTALL).match
# Spaces that are none in JSON: form feed, vertical tab, no-break and typographic spaces, a byte order mark.
SPACE = re.compile(rb"(?:[\x0b\x0c]|\xc2[\x85\xa0]|\xe2\x80[\x80-\x8b\xa8\xa9\xaf]|\xe3\x80\x80|\xef\xbb\xbf)++").match
STRING = re.compile(rb'"((?:[^"\\]++|\\.)*+)"', re.DOTALL).match
SINGLE = re.compile(rb"'(?:[^'\\\n]++|\\.)*+'", re.DOTALL).match
WORD = re.compile(rb"[-+]?[A-Za-z_$][\w$]*+").match
NUMBERISH = re.compile(rb"[-+]?\.?[0-9][\w.]*+(?:(?<=[eE])[-+][\w.]*+)?|[-+.]+").match
_NUMBER = re.compile(rb"-?(?:0|[1-9][0-9]*+)(\.[0-9]++)?([eE][-+]?[0-9]++)?").fullmatch
_CONTROL = re.compile(rb"[\x00-\x1f]")
_ESCAPE = re.compile(rb"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_LOST_TEXT = re.compile(rb"\$lost: ([a-z]{2,12})\Z|.*\[\$lost: (size), [0-9]{1,20} characters\]\Z", re.DOTALL).match

_WORDS = {
    b"True": "true",
    b"False": "false",
    b"None": "null",
    b"undefined": "null",
    b"nil": "null",
    b"NULL": "null",
    b"TRUE": "true",
    b"FALSE": "false",
}
_NOT_A_NUMBER = {b"nan", b"inf", b"infinity"}


class Fault(NamedTuple):
    """What is wrong at `offset` of the text. `first`: where the same name stood before."""

    offset: int
    reason: str
    message: str
    fix: str
    type: str | None = None
    instead: str | None = None
    first: int | None = None


def syntax(offset: int, message: str, fix: str) -> Fault:
    return Fault(offset, "syntax", message, fix)


def behind_gap(data: bytes, pos: int) -> int:
    found = _GAP.match(data, pos)
    return pos if found is None else found.end()


def string_faults(data: bytes, start: int, end: int, *, nul: bool) -> Iterator[Fault]:
    """Of the string whose contents are `data[start:end]`; the first of each kind. `nul`: U+0000 may stand in it."""
    control = _CONTROL.search(data, start, end)
    if control is not None:
        byte = control[0][0]
        message = "a line break in a string" if byte in b"\r\n" else f"the control character U+{byte:04X} in a string"
        fix = "close the string, or write \\n" if byte in b"\r\n" else f"write {json.dumps(chr(byte))[1:-1]}"
        yield syntax(control.start(), message, fix)
    if data.find(b"\\", start, end) < 0:
        return
    bad = half = null = -1
    high = high_end = -1
    for found in _ESCAPE.finditer(data, start, end):
        code = -1 if found[1] is None else int(found[1], 16)
        if high >= 0 and (high_end != found.start() or not 0xDC00 <= code <= 0xDFFF):
            half = high if half < 0 else half
        elif high < 0 and 0xDC00 <= code <= 0xDFFF and half < 0:
            half = found.start()
        high, high_end = (found.start(), found.end()) if 0xD800 <= code <= 0xDBFF else (-1, -1)
        if code < 0 and found[2] not in b'"\\/bfnrt' and bad < 0:
            bad = found.start()
        elif code == 0 and null < 0:
            null = found.start()
    half = high if half < 0 else half
    if bad >= 0:
        yield syntax(bad, "a backslash that begins no escape of JSON", r"write \\ for a backslash, \u and 4 hex digits")
    if half >= 0:
        yield Fault(
            half,
            "surrogate",
            "half of a surrogate pair, which UTF-8 cannot hold",
            "write both halves, or cut the text between characters where it is made",
            "string",
            "U+FFFD or an error, as the reader has it",
        )
    if null >= 0 and not nul:
        yield Fault(
            null,
            "nul",
            "U+0000, which PostgreSQL's jsonb refuses",
            "remove it, or encode with jsonsafe.dumps(obj, profile='pg')",
            "string",
            "an error of PostgreSQL",
        )


def lost_reason(contents: bytes) -> str | None:
    """The reason in a string that an encoder left where a marker had no room: `$lost: depth`, or behind a cut text."""
    found = _LOST_TEXT(contents)
    return None if found is None else (found[1] or found[2]).decode()


def number_fault(token: bytes, offset: int) -> Fault | None:
    """Of what looks like a number."""
    parts = _NUMBER(token)
    if parts is None:
        return syntax(offset, *_malformed(token))
    whole = parts[1] is None and parts[2] is None
    digits = len(token.lstrip(b"-"))
    # Nothing is ever converted that is long: that takes time, and CPython refuses it.
    value = float(token) if digits <= 4000 else _long_value(token, whole=whole)
    mantissa = re.split(b"[eE]", token, maxsplit=1)[0]
    if math.isinf(value) or (value == 0.0 and mantissa.strip(b"-0.")):
        size = "large" if math.isinf(value) else "small"
        instead = "infinity or an error" if math.isinf(value) else "0"
        fix = "send it as a string, or in another unit"
        return Fault(offset, "range", f"a number too {size} for a double", fix, "number", instead)
    if whole and digits >= 16 and not (digits == 16 and abs(int(token)) <= LARGEST_INT):
        message = "an integer beyond 53 bits, which JavaScript and many readers round"
        return Fault(offset, "integer", message, "send it as a string", "number", "the nearest double")
    return None


def _long_value(token: bytes, *, whole: bool) -> float:
    if whole:
        return math.inf
    try:
        return float(token[:1_000_000])
    except ValueError:  # cut within its exponent
        return 1.0


def _malformed(token: bytes) -> tuple[str, str]:
    if token.startswith(b"+"):
        return "a number with a plus sign", "remove the plus sign"
    if re.match(rb"-?0[xXoObB]", token):
        return "a number that is not decimal", "write it in decimal digits"
    if re.match(rb"-?0[0-9]", token):
        return "a number with a leading zero", "remove the zero, or make it a string if it is an identifier"
    if re.match(rb"-?\.", token) or re.search(rb"\.(?![0-9])", token):
        return "a decimal point without a digit on both sides", "write the digit, as in 0.5 and 1.0"
    if b"_" in token:
        return "a number with an underscore", "remove the underscore"
    return "not a number of JSON", "write digits, or put it in double quotes"


def word_fault(token: bytes, offset: int) -> Fault | None:
    """Of a bare word where a value stands; None when the word could be anything."""
    if token.lstrip(b"+-").lower() in _NOT_A_NUMBER:
        return Fault(
            offset,
            "nan",
            "NaN or infinity, which JSON does not have",
            "write null; jsonsafe.dumps does so and reports it, json.dumps does neither",
            "number",
            "an error of every strict reader",
        )
    if token in _WORDS:
        return syntax(
            offset, f"{token.decode()} is no word of JSON", f"write {_WORDS[token]}; json.dumps, not str or repr"
        )
    return None
