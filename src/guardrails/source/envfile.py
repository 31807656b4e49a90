"""Env files: which keys they set, and in which line; a value never leaves this module.

Read is what python-dotenv, docker, compose and a shell agree on: `KEY=value`, `export KEY=value`, comments, quotes,
values over several lines. A line that none of them would understand sets nothing, nor does one whose name might be a
piece of a value that was wrapped: those are neither in one case nor like words.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAME = re.compile(
    r"\.env([._-][\w.-]+)?|\.envrc|[\w-]+\.env([._-](example|sample|template|dist|defaults?))?"
    r"|(dot)?_?env[._-](example|sample|template|dist|defaults?)(\.txt)?"
)
# What is called `.env.something` and is a program, a document or a template of another language.
_NO_ENV_FILE = re.compile(
    r".*\.(py|[cm]?[jt]sx?|json|ya?ml|toml|md|rst|sh|d\.ts|j2|jinja2?|tmpl|tpl|erb|vault|enc|gpg)"
)
_EXAMPLE = re.compile(r"(^|[._-])(example|sample|template|dist|defaults?)([._-]|$)")
_LINE = re.compile(
    r"[ \t]*(?:export[ \t]+)?([A-Z][A-Z0-9]*(?:_+[A-Z0-9]+)+|[a-z][a-z0-9]*(?:_+[a-z0-9]+)+|[A-Z]{2,20}|[a-z]{2,20})"
    r"[ \t]*=[ \t]*(.*)"
)
_USE = re.compile(r"(?<!\\)\$\{?([A-Za-z_][A-Za-z0-9_]*)")
# A quoted value that has not ended by then is no quoted value.
LONGEST_VALUE = 200
_END = {'"': re.compile(r'((?:[^"\\]|\\.)*)"[ \t]*(?:#.*)?$'), "'": re.compile(r"([^']*)'[ \t]*(?:#.*)?$")}
_END["`"] = re.compile(r"([^`]*)`[ \t]*(?:#.*)?$")


class Entry(NamedTuple):
    """A key and its line. Equal marks mean equal values. `uses`: the keys that the value is made of."""

    key: str
    line: int
    mark: int
    uses: tuple[str, ...]


def is_env_file(path: str) -> bool:
    """Whether a file of this name sets environment keys: `.env`, `.env.example`, `prod.env`, `.envrc`."""
    name = path.rpartition("/")[2].lower()
    return _NAME.fullmatch(name) is not None and _NO_ENV_FILE.fullmatch(name) is None


def is_example(path: str) -> bool:
    """Whether an env file is there to be copied."""
    return _EXAMPLE.search(path.rpartition("/")[2].lower()) is not None


def used_in(text: str) -> tuple[str, ...]:
    """The keys that a text refers to as `$KEY` or `${KEY…}`."""
    return tuple(_USE.findall(text))


def read_env(text: str) -> tuple[Entry, ...]:
    """What an env file sets, in the order of its lines. Nothing for a template, whose lines are not yet keys."""
    if "{{" in text or "{%" in text or "<%" in text:
        return ()
    return tuple(_entries(text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")))


def _entries(lines: list[str]) -> Iterator[Entry]:
    number = 0
    while number < len(lines):
        match = _LINE.fullmatch(lines[number])
        number += 1
        if match is None:
            continue
        key, rest = match.groups()
        value, taken = _value(rest, lines[number : number + LONGEST_VALUE])
        uses = () if rest.startswith("'") else used_in(value)
        yield Entry(key, number, hash(value), uses)
        number += taken


def _value(rest: str, below: list[str]) -> tuple[str, int]:
    """A value, and how many of the lines below belong to it."""
    end = _END.get(rest[:1])
    if end is not None:
        text = rest[1:]
        if (match := end.match(text)) is not None:
            return match[1], 0
        for count, line in enumerate(below, 1):
            # Only the part of the last line is looked at: a quote in a line between would end the value.
            if (match := end.match(line)) is not None:
                return "\n".join([text, *below[: count - 1], match[1]]), count
            if rest[0] in line.replace("\\" + rest[0], ""):
                break
    return re.sub(r"[ \t]+#.*", "", rest).strip(), 0
