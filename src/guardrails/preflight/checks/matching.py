"""Paths of routes as patterns, and when one pattern takes every request meant for another.

Starlette (so FastAPI) tries routes in the order of registration, and `{name}` matches one or more
characters other than `/`; `{name:int}`, `{name:float}`, `{name:uuid}` and `{name:path}` match as their
names say (starlette.convertors). The comparison is conservative: where it cannot tell, nothing is covered.
"""

from __future__ import annotations

import re
from typing import NamedTuple

# A part of a path whose value is not known here, such as a prefix from the settings, between two of these.
SYMBOL = "\x00"

_PARAMETER = r"\{([a-zA-Z_][a-zA-Z0-9_]*)(?::([a-zA-Z_][a-zA-Z0-9_]*))?\}"
_FLASK_PARAMETER = r"<(?:(\w+)(\([^)]*\))?:)?(\w+)>"
# What a converter's language contains, as converters: a plain parameter takes all but paths.
_CONTAINS = {
    "str": {"str", "int", "float", "uuid", "mixed"},
    "int": {"int"},
    "float": {"float", "int"},
    "uuid": {"uuid"},
}
_STATIC = {
    "str": r"[^/]+",
    "int": r"[0-9]+",
    "float": r"[0-9]+(\.[0-9]+)?",
    "uuid": r"[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}",
}


class Segment(NamedTuple):
    """What stands between two slashes. `kind`: static, a converter's name, mixed, or unknown (own converter)."""

    kind: str
    text: str


def parse(path: str) -> tuple[Segment, ...]:
    """The segments of a Starlette path; parameter names do not count."""
    return tuple(_segment(text) for text in path.split("/"))


def from_flask(path: str) -> str:
    """`/x/<int:id>` as `/x/{id:int}`."""
    return re.sub(_FLASK_PARAMETER, _converted, path)


def _converted(match: re.Match[str]) -> str:
    kind, arguments, name = match[1] or "string", match[2] or "", match[3]
    # With arguments it matches less than its kind says: `<any(a, b):x>` is no parameter that anything here knows.
    return f"{{{name}:{kind}{arguments}}}" if arguments else f"{{{name}:{_FLASK_CONVERTERS.get(kind, kind)}}}"


_FLASK_CONVERTERS = {
    "string": "str",
    "default": "str",
    "int": "int",
    "float": "float",
    "uuid": "uuid",
    "path": "path",
}


def _segment(text: str) -> Segment:
    match = re.fullmatch(_PARAMETER, text)
    if match:
        kind = match[2] or "str"
        return Segment(
            kind if kind in (*_CONTAINS, "path") else "unknown", "" if kind in (*_CONTAINS, "path") else text
        )
    if SYMBOL in text:
        return Segment("unknown", text)
    kinds = {kind or "str" for _, kind in re.findall(_PARAMETER, text)}
    if kinds or "{" in text:
        # One that takes slashes, or of which nothing is known, makes the whole segment unknown.
        kind = "mixed" if kinds <= _CONTAINS.keys() else "unknown"
        return Segment(kind, re.sub(_PARAMETER, lambda m: f"{{{m[2] or 'str'}}}", text))
    return Segment("static", text)


def covers(first: tuple[Segment, ...], later: tuple[Segment, ...]) -> bool:
    """Whether every path that matches `later` also matches `first`."""
    for index, segment in enumerate(first):
        if segment.kind == "path" and index == len(first) - 1:
            # `.*` also matches the empty rest, but the slash before it must be there.
            return len(later) > index and not any(s.kind == "unknown" and SYMBOL in s.text for s in later[:index])
        if index >= len(later) or not _covers_segment(segment, later[index]):
            return False
    return len(first) == len(later)


def _covers_segment(first: Segment, later: Segment) -> bool:
    if first == later:
        return True
    if first.kind not in _CONTAINS:
        return False
    if later.kind == "static":
        return re.fullmatch(_STATIC[first.kind], later.text) is not None
    return later.kind in _CONTAINS[first.kind]


def could_match(pattern: tuple[Segment, ...], path: str) -> bool:
    """Whether a request for `path` may be meant for this route.

    `{}` in `path` is the value of an f-string: one segment where it stands alone in the middle, else any
    text, slashes included.
    """
    asked = path.split("/")
    for index, segment in enumerate(pattern):
        if segment.kind in ("path", "unknown"):
            return len(asked) > index
        if index >= len(asked):
            return False
        text = asked[index]
        if "{}" in text and (text != "{}" or index == len(asked) - 1):
            return segment.kind != "static" or segment.text.startswith(text.partition("{}")[0])
        if text != "{}" and not _fits(segment, text):
            return False
    return len(pattern) == len(asked)


def _fits(segment: Segment, text: str) -> bool:
    if segment.kind == "static":
        return segment.text == text
    return segment.kind not in _STATIC or re.fullmatch(_STATIC[segment.kind], text) is not None


def shown(path: str) -> str:
    """A path for messages: parts that are not known here read `<settings.API_PREFIX>`."""
    return re.sub(f"{SYMBOL}([^{SYMBOL}]*){SYMBOL}", r"<\1>", path) or "/"
