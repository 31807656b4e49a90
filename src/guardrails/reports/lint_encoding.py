"""Mojibake: UTF-8 that was once read as another encoding, found run by run and repaired line by line.

    `âœ… Ð³Ð¾Ñ‚Ð¾Ð²Ð¾`  ->  `✅ готово`

A run of letters beyond ASCII is written back into the bytes of the encoding by which it was misread. Where those
are UTF-8 of characters that texts have, it was: what people write does not fit that by chance, and is left alone.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from guardrails.reports.lint_facts import shown, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from guardrails.reports.lint_document import Document
    from guardrails.reports.lint_facts import Found

RULE = "GR-REPORT-011"

# Read as these, UTF-8 looks as it most often does. macOS pastes give Mac Roman.
# Not cp866: in it letters are what continues a character of UTF-8, so whole words fit.
_CODECS = ("cp1252", "mac_roman", "cp1251", "cp1250")
_RUN = re.compile("[^\\x00-\\x7f]+(?:[^\\x00-\\x7f])")
_PLAUSIBLE = re.compile(
    "[\u00a0-\u00ff\u0100-\u017f\u0401-\u040f\u0410-\u044f\u0451-\u045f\u0490\u0491\u2010-\u2027\u202f\u2030-\u203a\u2044\u2070-\u209f\u20a0-\u20bf\u2100-\u214f"
    "\u2150-\u218b\u2190-\u23ff\u2460-\u27ff\u2900-\u2bff\u200b-\u200d\ufe0f\ufeff\U0001f000-\U0001faff]+"
)
_CLOSING = {"\u00bb": "\u00ab", "\u201d": "\u201c", "\u2019": "\u2018"}
# A byte that begins a character of Western Europe in UTF-8: of it, one pair is enough.
_WESTERN = re.compile(b"[\xc2-\xc5][\x80-\xbf]")
_CONTROL = re.compile("[\x80-\x9f]")
ROUNDS = 3
_LONGEST = 100_000
_SEVERAL = 3


@cache
def _table(codec: str) -> dict[str, int]:
    """Character to byte; control characters are the bytes that an encoding leaves out, and those that Latin-1 has."""
    table = {}
    for byte in range(0x80, 0x100):
        try:
            table[bytes([byte]).decode(codec)] = byte
        except UnicodeDecodeError:
            continue
    for byte in range(0x80, 0xA0):
        table.setdefault(chr(byte), byte)
    return table


def repaired(line: str, suspects: frozenset[str] | None = None) -> str:
    """The line with every damaged run as it was; the same line where none is.

    `suspects`: encodings of which the text shows damage elsewhere; of these, one damaged letter is enough. Default:
    those of which the line itself shows damage.
    """
    for _ in range(ROUNDS):
        known = suspects_of(line) if suspects is None else suspects
        better = _RUN.sub(lambda found: _read_anew(found[0], line[: found.start()], known)[0], line)  # noqa: B023
        if better == line:
            break
        line = better
    return line


def suspects_of(line: str) -> frozenset[str]:
    """The encodings as which this line was once read, beyond doubt."""
    return frozenset(
        codec for found in _RUN.finditer(line) if (codec := _read_anew(found[0], line[: found.start()], frozenset())[1])
    )


def _read_anew(run: str, before: str, suspects: frozenset[str]) -> tuple[str, str]:
    """The run as it was, and the encoding as which it was read; itself and "" where it was not."""
    for codec in _CODECS:
        table = _table(codec)
        try:
            data = bytes([table[char] for char in run])
            text = data.decode("utf-8")
            if _CONTROL.search(text):  # damaged twice, and no text in between
                text = text.encode("latin-1").decode("utf-8")
        except (KeyError, UnicodeError):
            continue
        if not _PLAUSIBLE.fullmatch(text) or not (codec in suspects or _is_certain(data, codec)):
            continue
        opened = _CLOSING.get(run[-1])
        if opened is not None and len(run) == 2 and before.count(opened) > before.count(run[-1]):
            continue  # a letter and the quote that closes
        return text, codec
    return run, ""


def _is_certain(data: bytes, codec: str) -> bool:
    """Whether so many bytes can hardly be UTF-8 by chance."""
    return len(data) >= 3 or (codec in {"cp1252", "cp1250"} and _WESTERN.fullmatch(data) is not None)


def check(doc: Document) -> Iterator[Found]:
    """Damaged lines. Code counts where prose is damaged in several places: else it may be about mojibake."""
    lines = [(number, line) for number, line in enumerate(doc.lines) if not line.isascii() and len(line) <= _LONGEST]
    suspects = frozenset(codec for _, line in lines for codec in suspects_of(line))
    damaged = [(number, line, better) for number, line in lines if (better := repaired(line, suspects)) != line]
    spoken = {number for number, _, _ in damaged if suspects_of(doc.prose[number])}
    for number, line, better in damaged:
        if number not in spoken and len(spoken) < _SEVERAL:
            continue
        pairs = enumerate(zip(line, better, strict=False))
        column = next((index for index, (a, b) in pairs if a != b), len(better))
        yield warning(
            RULE,
            (number, column),
            line,
            "UTF-8 that was read as another encoding",
            f"it was: {shown(better)}",
            "guardrails report lint --fix-encoding FILE.md repairs it, line by line",
        )


def repaired_text(text: str) -> tuple[str, int]:
    """The text with its damaged lines repaired, and how many those were; line breaks stay as they are."""
    lines = text.split("\n")
    suspects = frozenset(codec for line in lines if not line.isascii() for codec in suspects_of(line))
    better = [line if line.isascii() or len(line) > _LONGEST else repaired(line, suspects) for line in lines]
    return "\n".join(better), sum(a != b for a, b in zip(lines, better, strict=True))
