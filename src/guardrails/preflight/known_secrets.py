"""The secrets of an environment by their values: what a name calls a secret, and passwords in URLs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from guardrails.redact import SHORTEST_VALUE, redacted

if TYPE_CHECKING:
    from collections.abc import Iterable

# `pwd` means a password nearly everywhere; here a shell keeps its folder, which half of all messages name.
FOLDERS = frozenset({"PWD", "OLDPWD"})


def secret_values(pairs: Iterable[tuple[str, str]]) -> set[str]:
    """Of `(name, value)` the values to hide; those that are too short to be told from ordinary text are left out."""
    from urllib.parse import urlsplit

    found = set()
    for name, value in pairs:
        line = f"{name}={value}"
        if name in FOLDERS or redacted(line) == line:
            continue
        found.add(value)
        try:
            found.add(urlsplit(value).password or "")
        except ValueError:  # looks like a URL and is none
            continue
    return {value for value in found if len(value.strip()) >= SHORTEST_VALUE}
