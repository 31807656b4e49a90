"""Strings that every reader takes: no lone surrogates, no secrets, no U+0000 where it is refused, no megabytes."""

from __future__ import annotations

import re
from functools import lru_cache

from guardrails.redact import redacted

_SURROGATES = re.compile("[\ud800-\udfff]")
# A secret is looked for a little beyond the place where a text is cut, so that half a secret does not stay.
BEYOND = 1024
# Shorter than any secret that can be told from a word.
_SHORTEST = 8


def whole(text: str) -> bool:
    """Whether UTF-8 can hold `text`."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def escaped(text: str) -> str:
    """`text` with each lone surrogate written out, as in `\\ud800`: visible, and safe to send."""
    return _SURROGATES.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def without_nul(text: str) -> str:
    """`text` with each U+0000 written out."""
    return text.replace("\0", "\\u0000")


def shortened(text: str, longest: int) -> str:
    """The first `longest` characters, and how many there were."""
    return f"{text[:longest]}… [$lost: size, {len(text)} characters]"


def masked(text: str, longest: int) -> str:
    """`text` without secrets. What lies far beyond `longest` is not read: it will be cut."""
    if len(text) < _SHORTEST:
        return text
    if len(text) <= longest + BEYOND:
        return redacted(text)
    return redacted(text[: longest + BEYOND])[:longest] + text[longest + BEYOND :]


# What no rule could take for a placeholder, an expression or an ordinary word.
_PROBE = "q7Zx81kQw92LmN4v7TtY0bA3"


@lru_cache(maxsize=4096)
def names_secret(name: str) -> bool:
    """Whether a value under this name is a secret, by the rules of `guardrails.redact`."""
    if len(name) > 200 or not name.isprintable() or '"' in name or "\\" in name:
        return False
    return _PROBE not in redacted(f'{{"{name}": "{_PROBE}"}}')
