"""What a reader finds in a piece of JSON: the words that the rules of `loadtests.coverage` speak of.

Every rule is a function of the parsed output alone. It sees scalars and names as text, numbers as they stand there
digit by digit, and nothing that holds the address of an object.
"""

from __future__ import annotations

import base64
import json
import re
import sys
import threading
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Rule = Callable[["Found"], bool]

ADDRESS = re.compile(r"\bat 0x[0-9A-Fa-f]+")
NUMBERS = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
# What an encoder may write where it left something out.
SAID = re.compile(
    r"\$lost|\$unloaded|cycl|circular|recurs|depth|truncat|redact|serializable|omitted|…|\.\.\.|^<[\w.]+>$",
    re.IGNORECASE,
)
# Deep output is read on a stack of its own; Python's usual limit would refuse it.
DEEP_STACK = 256 * 1024 * 1024
DEEP_LIMIT = 150_000


class Number(str):
    """A number or a boolean as it stands in the output."""

    __slots__ = ()


class Found:
    """One output, parsed. `tree`: what stands under `k`; `texts`: its names and scalars in their order."""

    def __init__(self, tree: Any) -> None:
        self.tree = tree
        self.texts = [text for text in _texts(tree) if not ADDRESS.search(text)]

    @property
    def says_loss(self) -> bool:
        """Whether the output itself says that something is missing."""
        return any(SAID.search(text) for text in self.texts)


def read(data: bytes | str) -> Any:
    """`data` as a strict reader takes it. Raises ValueError for what is not JSON by RFC 8259."""
    text = data.decode("utf-8") if isinstance(data, bytes) else data.encode("utf-8").decode("utf-8")
    done: list[Any] = []

    def parse() -> None:
        limit = sys.getrecursionlimit()
        sys.setrecursionlimit(DEEP_LIMIT)
        try:
            try:
                done.append(_decoder().decode(text))
            except RecursionError:
                # From Python 3.12 on, what is written in C has a limit that nothing raises.
                done.append(_decoder(in_python=True).decode(text))
        except (ValueError, RecursionError) as exc:
            done.append(exc)
        finally:
            sys.setrecursionlimit(limit)

    before = threading.stack_size(DEEP_STACK)
    try:
        thread = threading.Thread(target=parse)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(before)
    if isinstance(done[0], Exception):
        raise ValueError(f"no JSON: {done[0]}") from done[0]  # noqa: TRY004 - as every refusal
    return done[0]


def _decoder(*, in_python: bool = False) -> json.JSONDecoder:
    decoder: Any = json.JSONDecoder(parse_constant=_refuse, parse_float=Number, parse_int=Number)
    if in_python:
        library: Any = json.decoder
        decoder.parse_object, decoder.parse_array = library.JSONObject, library.JSONArray
        decoder.parse_string = library.py_scanstring
        decoder.scan_once = library.scanner.py_make_scanner(decoder)
    return decoder  # type: ignore[no-any-return]


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _texts(tree: Any) -> Iterator[str]:
    todo = [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, dict):
            for name, value in reversed(node.items()):
                todo += (value, name)
        elif isinstance(node, list):
            todo.extend(reversed(node))
        elif isinstance(node, bool):
            yield Number(str(node).lower())
        elif node is not None:
            yield node


# Rules. Each is the same for every encoder.


def says(*spellings: str) -> Rule:
    """One of these regular expressions is found in some text."""
    patterns = [re.compile(spelling) for spelling in spellings]
    return lambda found: any(pattern.search(text) for text in found.texts for pattern in patterns)


def holds(*parts: str) -> Rule:
    """Each of these texts is found, wherever it stands."""
    return lambda found: all(any(part in text for text in found.texts) for part in parts)


def members(*parts: str) -> Rule:
    """Each of these is found in a text of its own: a structure that became one long text is no structure."""

    def rule(found: Found) -> bool:
        return all(any(_alone(part, text, parts) for text in found.texts) for part in parts)

    return rule


def in_order(*parts: str) -> Rule:
    """As `members`, and one after another."""

    def rule(found: Found) -> bool:
        texts = iter(found.texts)
        return all(any(_alone(part, text, parts) for text in texts) for part in parts)

    return rule


def _alone(part: str, text: str, parts: tuple[str, ...]) -> bool:
    return part in text and not any(other in text for other in parts if other not in part)


def names(*words: str) -> Rule:
    """The type is named, without an address."""
    patterns = [re.compile(rf"(?<![A-Za-z]){re.escape(word)}(?![A-Za-z])") for word in words]
    return lambda found: any(pattern.search(text) for text in found.texts for pattern in patterns)


def equals(number: Decimal) -> Rule:
    """A number of exactly this value is found, as a number or as text."""

    def rule(found: Found) -> bool:
        return any(_decimal(token) == number for text in found.texts for token in NUMBERS.findall(text))

    return rule


def _decimal(token: str) -> Decimal | None:
    try:
        return Decimal(token)
    except InvalidOperation:
        return None


def binary(data: bytes) -> Rule:
    """The bytes are found as text, base64, base85, hexadecimal, escapes, Latin-1, surrogates or a list of numbers."""
    spelled = {
        base64.b64encode(data).decode().rstrip("="),
        base64.urlsafe_b64encode(data).decode().rstrip("="),
        base64.b85encode(data).decode(),
        data.hex(),
        repr(data)[2:-1],
        data.decode("latin-1"),
        data.decode("utf-8", "backslashreplace"),
        data.decode("utf-8", "surrogateescape"),
    }
    numbers = [str(byte) for byte in data]

    def rule(found: Found) -> bool:
        listed = any(found.texts[start : start + len(data)] == numbers for start in range(len(found.texts)))
        return listed or any(part in text for text in found.texts for part in spelled)

    return rule


def either(*rules: Rule) -> Rule:
    return lambda found: any(rule(found) for rule in rules)


def every(*rules: Rule) -> Rule:
    return lambda found: all(rule(found) for rule in rules)


def lacks(secret: str) -> Rule:
    return lambda found: not any(secret in text for text in found.texts)


def goes_on(found: Found) -> bool:
    """In the innermost container stands a text: what was cut there is said, and no empty place hides it."""
    node = found.tree
    while isinstance(node, list | dict):
        inner = list(node.values()) if isinstance(node, dict) else node
        if not inner:
            return False
        node = next((part for part in inner if isinstance(part, list | dict)), inner[0])
    return isinstance(node, str)
