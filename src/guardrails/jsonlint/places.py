"""Line and column of a place in a large text, without a table of all its lines."""

from __future__ import annotations

from itertools import accumulate

BLOCK = 1 << 16
# The bytes that do not begin a character.
_INNER = bytes(range(0x80, 0xC0))


class Places:
    """Positions in `data`, both counted from 1; a column counts characters, as editors do."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.lines: list[int] | None = None
        self.inner: list[int] | None = None
        # Findings come in order, and in a file of one line the way back to its start is long.
        self.last = (0, 0)

    def line(self, offset: int) -> int:
        if self.lines is None:
            blocks = range(0, len(self.data), BLOCK)
            self.lines = [0, *accumulate(self.data.count(b"\n", start, start + BLOCK) for start in blocks)]
        block = offset // BLOCK
        return 1 + self.lines[block] + self.data.count(b"\n", block * BLOCK, offset)

    def column(self, offset: int) -> int:
        start = self.start(offset)
        return 1 + offset - start - (self.inner_before(offset) - self.inner_before(start))

    def start(self, offset: int) -> int:
        """Where the line begins that holds `offset`."""
        asked, start = self.last if self.last[0] <= offset else (0, 0)
        found = self.data.rfind(b"\n", asked, offset)
        self.last = (offset, start if found < 0 else found + 1)
        return self.last[1]

    def inner_before(self, offset: int) -> int:
        if self.inner is None:
            blocks = range(0, len(self.data), BLOCK)
            ascii_only = self.data.isascii()
            counts = (0 if ascii_only else _inner(self.data[start : start + BLOCK]) for start in blocks)
            self.inner = [0, *accumulate(counts)]
        block = offset // BLOCK
        return self.inner[block] + _inner(self.data[block * BLOCK : offset])


def _inner(part: bytes) -> int:
    return len(part) - len(part.translate(None, _INNER))
