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

_PARAMETER = r"\{(\w+)(?::(\w+))?\}"
_FLASK_PARAMETER = r"<(?:(\w+)(?:\([^)]*\))?:)?(\w+)>"
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
    return re.sub(_FLASK_PARAMETER, lambda m: f"{{{m[2]}:{_FLASK_CONVERTERS.get(m[1] or 'string', m[1])}}}", path)


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
    if "{" in text:
        return Segment("mixed", re.sub(_PARAMETER, lambda m: f"{{{m[2] or 'str'}}}", text))
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
    """Whether a request for `path` may be meant for this route. `{}` in `path` stands for any text."""
    asked = path.split("/")
    for index, segment in enumerate(pattern):
        if segment.kind == "path":
            return len(asked) > index
        if index >= len(asked):
            return False
        known = "{}" not in asked[index] and segment.kind == "static"
        if known and segment.text != asked[index]:
            return False
        if (
            segment.kind in _STATIC
            and "{}" not in asked[index]
            and not re.fullmatch(_STATIC[segment.kind], asked[index])
        ):
            return False
        if segment.kind == "static" and "{}" in asked[index]:
            shape = ".*".join(re.escape(part) for part in asked[index].split("{}"))
            if not re.fullmatch(shape, segment.text):
                return False
    return len(pattern) == len(asked)


def shown(path: str) -> str:
    """A path for messages: parts that are not known here read `<settings.API_PREFIX>`."""
    return re.sub(f"{SYMBOL}([^{SYMBOL}]*){SYMBOL}", r"<\1>", path) or "/"
