"""JSON that comes in: strictly parsed, and made into the type that the caller names."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from guardrails.jsonsafe import writer
from guardrails.jsonsafe.integers import number
from guardrails.jsonsafe.text import whole

if TYPE_CHECKING:
    from guardrails.jsonsafe.registry import Registry

# orjson reads longer integers as floats, without a word.
_DIGITS = bytes(48 if 48 <= byte <= 57 else 32 for byte in range(256))
_LONG = b"0" * 19
_TOO_LONG = b"0" * 640
# Deeper than any encoder of ours writes, and still far from what a parser's stack can take.
DEEPEST_READ = 1024
_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*+"|[\[{]|[\]}]', re.DOTALL)


def parsed(data: bytes | bytearray | memoryview | str) -> Any:
    """What `data` says. Raises ValueError for what is not JSON by RFC 8259."""
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else bytes(data)
    if writer.engine is not None and _LONG not in raw.translate(_DIGITS):
        return writer.engine.loads(raw)
    return parsed_slowly(raw)


def parsed_slowly(raw: bytes) -> Any:
    """By the standard library, which takes more than RFC 8259 does."""
    text = raw.decode()
    if text.startswith("\ufeff"):
        raise ValueError("JSON must not begin with a byte order mark")
    if _depth(text) > DEEPEST_READ:
        raise ValueError(f"more than {DEEPEST_READ} containers deep")
    try:
        # Asked of each integer, so only where one is longer than CPython reads by itself.
        whole_number = number if _TOO_LONG in raw.translate(_DIGITS) else None
        tree = json.loads(text, parse_constant=_refuse, parse_float=_finite, parse_int=whole_number)
    except RecursionError as exc:
        raise ValueError("too deep for the stack that is left") from exc
    if "\\u" in text and not _all_whole(tree):
        raise ValueError("a string holds half a surrogate pair")
    return tree


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _finite(text: str) -> float:
    number = float(text)
    if number - number != 0.0:
        raise ValueError(f"{text[:40]} is larger than a double can hold")
    return number


def _depth(text: str) -> int:
    deepest = depth = 0
    for found in _BRACKETS.finditer(text):
        if found[0] in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif found[0] in "]}":
            depth -= 1
    return deepest


def _all_whole(tree: Any) -> bool:
    todo = [tree]
    while todo:
        node = todo.pop()
        if type(node) is str:
            if not whole(node):
                return False
        elif type(node) is list:
            todo += node
        elif type(node) is dict:
            todo += node
            todo += node.values()
    return True


def converted(tree: Any, kind: Any, registry: Registry) -> Any:
    """`tree` as an instance of `kind`. Raises ValueError with the path of what does not fit."""
    from guardrails.jsonsafe.typed import Conversion

    return Conversion(registry).to(kind, tree, ())
