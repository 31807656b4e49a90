"""Text that cannot change a document's structure: foreign text inside Markdown stays text.

    inline(text)   plain text within a line: paragraph, heading, list item, quote, link text
    cell(text)     the same between the pipes of a table
    code(text)     a code span, in a table too
    fence(text)    a block of code
    visible(text)  for a terminal: one line in which nothing is hidden

Holds for CommonMark and for what GitHub adds to it: tables, strikethrough, bare links, footnotes, emoji,
math, mentions, issue references and closing keywords. A bare commit hash may still become a link to that
commit. What cannot be seen is shown as its Python escape, `\\u202e` for one: line breaks, tabs, control,
bidirectional and zero-width characters, unusual spaces, halves of surrogate pairs.
"""

from __future__ import annotations

import re

# Takes no room on the screen, and yet str.isprintable() passes it. U+FE0E and U+FE0F stay as they are: they
# say whether a visible character is drawn as text or as emoji, and no more.
_INVISIBLE = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0"
    + "".join(map(chr, (*range(0xFE00, 0xFE0E), *range(0xE0100, 0xE01F0))))
)

# Where a bare link, a reference or an emoji would come alive. GitHub looks for them in the finished text, so
# escapes do not help; a zero-width space between the parts does.
_ALIVE = re.compile(
    r"(?<=:)(?=//)|(?<=www)(?=\.)|(?<=@)|(?<=[#!])(?=\d)|(?<=\bgh-)(?=\d)|(?<=:)(?=[a-z0-9_+-]++:)", re.IGNORECASE
)
_BREAK = "\0"  # cannot be in visible text
_ESCAPES = str.maketrans(
    {
        **{special: "\\" + special for special in "\\`*_~[]#"},
        # Entities where a backslash would not do: pipes beside a backslash, math, and renderers that pass HTML.
        "|": "&#124;",
        "$": "&#36;",
        "<": "&lt;",
        ">": "&gt;",
        "&": "&amp;",
        _BREAK: "&#8203;",
    }
)
# What starts a list, a heading's underline or a table's second row, if it comes first in a line.
_LINE_START = re.compile(r"(\d{1,9}(?=[.)])|(?=[-+=:]))")


def inline(text: str) -> str:
    """One line of plain text for any place within a line, first in it included.

    Rendered, it reads as `text`, but for zero-width spaces where a mention, a reference or a link was
    broken: show what will be copied by `code`. An empty text stays empty.
    """
    escaped = _ALIVE.sub(_BREAK, visible(text)).translate(_ESCAPES)
    # The last character must not join what the document puts behind it: `\|`, `![`, a hard line break.
    if text.endswith("\\"):
        escaped = escaped[:-2] + "&#92;"
    elif text.endswith("!"):
        escaped = escaped[:-1] + "\\!"
    elif text.endswith(" "):
        escaped = escaped[:-1] + "&#32;"
    if escaped.startswith(" "):
        return "&#32;" + escaped[1:]
    return _LINE_START.sub(r"\1\\", escaped, count=1) if _LINE_START.match(escaped) else escaped


def cell(text: str) -> str:
    """The same for a table cell, whose row it neither ends nor splits."""
    return inline(text)


def code(text: str) -> str:
    """A code span, not to be put right beside another backtick.

    A pipe stands outside, between two spans: inside, it would split the row of a table.
    """
    spans = [_span(part) if part else "" for part in visible(text).split("|")]
    return "&#124;".join(spans) or "` `"


def fence(text: str, language: str = "") -> str:
    """A block of code without a final line break; inside a list item, indent each of its lines.

    `language`: its first word colours the block; characters that no language has are dropped. Line breaks
    and tabs of `text` stay, `\\r\\n` becomes `\\n`; everything else invisible is shown as its escape.
    """
    lines = "\n".join("\t".join(map(visible, line.split("\t"))) for line in text.replace("\r\n", "\n").split("\n"))
    ticks = "`" * max(3, _longest_run(lines) + 1)
    word = re.sub(r"[^\w+.#-]", "", language, flags=re.ASCII)
    return f"{ticks}{word}\n{lines.removesuffix(chr(10))}\n{ticks}"


def visible(text: str) -> str:
    if text.isprintable() and _INVISIBLE.isdisjoint(text):
        return text
    return "".join(
        char if char.isprintable() and char not in _INVISIBLE else char.encode("unicode_escape").decode("ascii")
        for char in text
    )


def _span(text: str) -> str:
    ticks = "`" * (_longest_run(text) + 1)
    stripped = text[0] == text[-1] == " " and not text.isspace()  # a renderer takes one such space off each end
    space = " " if stripped or text[0] == "`" or text[-1] == "`" else ""
    return f"{ticks}{space}{text}{space}{ticks}"


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)
