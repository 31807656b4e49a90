"""What is kept of an output of any length: its size, a digest, the first and the last lines, without secrets.

A secret may stand where the excerpt is cut, and half of one is one. So more is looked at than is kept: whole
windows are redacted, and then cut at the end of a line.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from guardrails.redact import Redactor

HEAD, TAIL = 2_000, 6_000
# The longest secret, a private key, is a fraction of it.
WINDOW = 2**14


class Excerpt:
    """Takes an output piece by piece; holds three windows of it at most."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._head = bytearray()
        self._tail = bytearray()
        self.size = 0

    def add(self, piece: bytes) -> None:
        self._hash.update(piece)
        self.size += len(piece)
        if len(self._head) < WINDOW:
            self._head += piece[: WINDOW - len(self._head)]
        self._tail += piece[-WINDOW:]
        if len(self._tail) > 2 * WINDOW:
            del self._tail[:-WINDOW]

    def kept(self, redactor: Redactor) -> dict[str, Any]:
        """As it is stored. `sha256` is that of the bytes; of the redacted text where a secret was in so short a whole,
        since a digest of little more than a secret lets it be guessed."""
        digest = self._hash.hexdigest()
        if self.size <= WINDOW:
            raw = _text(self._head)
            text = redactor.text(raw)
            if text != raw:
                digest = hashlib.sha256(text.encode("utf-8")).hexdigest()
            if len(text) <= HEAD + TAIL:
                return {"bytes": self.size, "sha256": digest, "redacted": text != raw, "head": text, "tail": ""}
            head, tail = _first(text), _last(text)
            return {"bytes": self.size, "sha256": digest, "redacted": text != raw, "head": head, "tail": tail}
        raw_head, raw_tail = _text(self._head), _text(self._tail[-WINDOW:])
        head, tail = redactor.text(raw_head), redactor.text(raw_tail)
        changed = (head, tail) != (raw_head, raw_tail)
        return {"bytes": self.size, "sha256": digest, "redacted": changed, "head": _first(head), "tail": _last(tail)}


def _text(data: bytes | bytearray) -> str:
    return bytes(data).decode("utf-8", "backslashreplace")


def _first(text: str) -> str:
    cut = text.rfind("\n", 0, HEAD) + 1
    return text[: cut or HEAD]


def _last(text: str) -> str:
    cut = text.find("\n", len(text) - TAIL) + 1
    return text[cut or len(text) - TAIL :]
