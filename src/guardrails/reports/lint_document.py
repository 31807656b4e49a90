"""A Markdown text as sections, tables, list items and prose: what the rules of the lint look at, read line by line.

    parse(text) -> Document

Every view keeps the columns of the file: in `prose` all that is not said (code, addresses, comments, struck
text) is filled up with U+0000, and emphasis with blanks. Linear in the size of the text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

FILL = "\0"
# A line beyond this is data, not prose: its facts are not looked for.
LONGEST_LINE = 4_000
# Lines of one paragraph; a longer one is read as several.
LONGEST_PASSAGE = 40

_HEADING = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*$")
_UNDERLINE = re.compile(r" {0,3}(=+|-{2,})[ \t]*$")
_FENCE = re.compile(r"[ \t]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)?(`{3,}|~{3,})([^`]*)$")
_QUOTE = re.compile(r" {0,3}>[ \t]?")
_RULE = re.compile(r" {0,3}(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})$")
_ITEM = re.compile(r"([ \t]*)([-*+]|\d{1,9}[.)])[ \t]+(?:\[([ xX~-])\][ \t]+)?(.*)$")
_DELIMITER = re.compile(r"[ \t]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$")
_SPAN = re.compile(r"(?<!`)(`+)(?!`).{1,400}?(?<!`)\1(?!`)")
_SILENT = re.compile(
    r"(?<=\]\()[^()\s]*+(?:\([^()\s]*+\)[^()\s]*+)*(?:\s+\"[^\"\n]*\")?(?=\))|<!--.*?(?:-->|$)|</?[A-Za-z][^<>]*>"
    r"|~~[^~]+~~|\bhttps?://[^\s<>)\]|]+|^\s*\[[^\]\n]+\]:\s+\S+"
)
# `**Label:** value` or `Label: value` begins something new, whatever stands above it.
_FIELD = re.compile(r"[ \t>]*(?:\*\*|__|[A-Z\u0400-\u042f\u0490][^:|`]{1,30}:\s)")
_EMPHASIS = re.compile(r"\*{1,3}|(?<!\w)_{1,3}(?=\S)|(?<=\S)_{1,3}(?!\w)")


class Section(NamedTuple):
    """What stands under one heading; the first is what stands above all headings, of level 0. Lines from 0."""

    level: int
    title: str
    line: int
    parent: int


class Cell(NamedTuple):
    """One cell of a table: its text as it is read, as it is written, and the column where it begins, from 0."""

    text: str
    raw: str
    column: int


class Table(NamedTuple):
    """Header and rows; `lines[n]` is the line of `rows[n]`."""

    line: int
    header: tuple[Cell, ...]
    rows: tuple[tuple[Cell, ...], ...]
    lines: tuple[int, ...]


class Item(NamedTuple):
    """One item of a list; `box` is what stands between the brackets of a task, or None."""

    line: int
    indent: int
    marker: str
    box: str | None
    text: str
    column: int


class Fence(NamedTuple):
    """A block of code, from its opening line to its closing one."""

    line: int
    end: int
    language: str
    closed: bool


class Passage(NamedTuple):
    """A paragraph, a list item with the lines that go on, a heading or a table cell: what holds whole sentences.

    `starts`: for each of its lines the offset in `text`, the line and the column, from 0.
    """

    text: str
    kind: str
    starts: tuple[tuple[int, int, int], ...]

    @property
    def line(self) -> int:
        """The line where it begins."""
        return self.starts[0][1]

    def place(self, offset: int) -> tuple[int, int]:
        """Line and column of a character of `text`."""
        begun, line, column = next(start for start in reversed(self.starts) if start[0] <= offset)
        return line, column + offset - begun


class Document(NamedTuple):
    """`prose[n]` is line n as it is read; empty where the line is code. `kinds[n]` says what the line is."""

    lines: list[str]
    prose: list[str]
    kinds: list[str]
    sections: list[Section]
    section_of: list[int]
    tables: list[Table]
    items: list[Item]
    fences: list[Fence]
    known: list[Passage]

    def passages(self) -> list[Passage]:
        """All prose, in the order of the text; read once."""
        if not self.known:
            self.known.extend(self._passages())
        return self.known

    def _passages(self) -> Iterator[Passage]:
        tables = {line: cells for table in self.tables for line, cells in _table_lines(table)}
        number = 0
        while number < len(self.lines):
            kind = self.kinds[number]
            if kind == "table":
                for cell in tables.get(number, ()):
                    yield Passage(cell.text, kind, ((0, number, cell.column),))
            elif kind in {"text", "item", "heading"}:
                passage = self._passage(number, kind)
                number += len(passage.starts) - 1
                yield passage
            number += 1

    def _passage(self, number: int, kind: str) -> Passage:
        parts: list[str] = []
        starts = []
        offset = 0
        line = number
        while line == number or (kind != "heading" and line - number < LONGEST_PASSAGE and self._goes_on(line)):
            starts.append((offset, line, 0))
            parts.append(self.prose[line])
            offset += len(self.prose[line]) + 1
            line += 1
            if line == len(self.lines):
                break
        return Passage("\n".join(parts), kind, tuple(starts))

    def _goes_on(self, line: int) -> bool:
        """Whether a line goes on with the sentence of the one above it."""
        return (
            self.kinds[line] == "text"
            and not self.lines[line - 1].endswith(("  ", "\\"))
            and not _FIELD.match(self.lines[line])
        )

    def path_of(self, section: int) -> list[int]:
        """The section and those around it, innermost first."""
        path = [section]
        while self.sections[path[-1]].parent != path[-1]:
            path.append(self.sections[path[-1]].parent)
        return path

    def span(self, section: int) -> range:
        """The lines of a section with those of its sub-sections, its heading included."""
        own = self.sections[section]
        for later in self.sections[section + 1 :]:
            if later.level <= own.level:
                return range(own.line, later.line)
        return range(own.line, len(self.lines))


class _Reader:
    def __init__(self, text: str) -> None:
        self.lines = text.split("\n")
        count = len(self.lines)
        self.kinds = ["text"] * count
        self.prose = [""] * count
        self.sections = [Section(0, "", 0, 0)]
        self.section_of = [0] * count
        self.tables: list[Table] = []
        self.items: list[Item] = []
        self.fences: list[Fence] = []
        self.open: list[int] = [0]
        self.comment = False

    def read(self) -> Document:
        number = self._front_matter()
        while number < len(self.lines):
            number = self._block(number)
        return Document(
            self.lines,
            self.prose,
            self.kinds,
            self.sections,
            self.section_of,
            self.tables,
            self.items,
            self.fences,
            [],
        )

    def _front_matter(self) -> int:
        if self.lines[0].rstrip() not in {"---", "+++"}:
            return 0
        for number in range(1, min(len(self.lines), 200)):
            if self.lines[number].rstrip() == self.lines[0].rstrip():
                self.kinds[: number + 1] = ["front"] * (number + 1)
                return number + 1
        return 0

    def _block(self, number: int) -> int:
        """Read what begins at this line and return the line behind it."""
        line = self.lines[number]
        if self.comment:
            return self._commented(number)
        fence = _FENCE.match(_unquoted(line)) if "```" in line or "~~~" in line else None
        if fence is not None:
            return self._fence(number, fence[1], fence[2].strip())
        if self._is_code(number):
            return self._mark(number, "code")
        if not line.strip():
            return self._mark(number, "blank")
        heading = _HEADING.match(line)
        if heading is not None:
            return self._heading(number, len(heading[1]), heading[2] or "")
        if self._is_table(number):
            return self._table(number)
        if _RULE.match(line):
            return self._mark(number, "rule")
        if self._is_underlined(number):
            self._heading(number, 1 if "=" in self.lines[number + 1] else 2, line.strip())
            return self._mark(number + 1, "underline")
        self.prose[number] = spoken(line)
        if "<!--" in line and line.rfind("-->") < line.rfind("<!--"):
            self.comment = True
        item = _ITEM.match(_unquoted(line))
        if item is None:
            return self._mark(number, "text")
        before = len(line) - len(_unquoted(line))
        text = self.prose[number][before + item.start(4) :]
        indent = len(item[1].expandtabs(4))
        self.items.append(Item(number, indent, item[2], item[3], text, before + item.start(4)))
        return self._mark(number, "item")

    def _mark(self, number: int, kind: str) -> int:
        self.kinds[number] = kind
        self.section_of[number] = self.open[-1]
        return number + 1

    def _commented(self, number: int) -> int:
        self.comment = "-->" not in self.lines[number]
        return self._mark(number, "comment")

    def _fence(self, number: int, ticks: str, language: str) -> int:
        closing = re.compile(rf"[ \t]*{re.escape(ticks[0])}{{{len(ticks)},}}[ \t]*$")
        quoted = _QUOTE.match(self.lines[number]) is not None
        end, closed = number + 1, False
        while end < len(self.lines):
            if quoted and not _QUOTE.match(self.lines[end]):
                closed, end = True, end - 1
                break
            if closing.match(_unquoted(self.lines[end]) if quoted else self.lines[end]):
                closed = True
                break
            end += 1
        end = min(end, len(self.lines) - 1)
        self.fences.append(Fence(number, end, language.split(" ", maxsplit=1)[0].lower(), closed))
        for inside in range(number, end + 1):
            self._mark(inside, "fence")
        return end + 1

    def _is_code(self, number: int) -> bool:
        line = self.lines[number]
        if not line.startswith(("    ", "\t")) or not line.strip():
            return False
        before = self.kinds[number - 1] if number else "blank"
        if before == "code":
            return True
        if before != "blank":
            return False
        # Behind an empty line an indented one belongs to the list above it, if there is one.
        for above in range(number - 1, max(-1, number - 50), -1):
            if self.kinds[above] == "item":
                return False
            if self.kinds[above] in {"heading", "rule", "table"} or (
                self.kinds[above] == "text" and not self.lines[above].startswith((" ", "\t"))
            ):
                return True
        return True

    def _heading(self, number: int, level: int, title: str) -> int:
        while len(self.open) > 1 and self.sections[self.open[-1]].level >= level:
            self.open.pop()
        self.sections.append(Section(level, spoken(title).replace(FILL, "").strip(), number, self.open[-1]))
        self.open.append(len(self.sections) - 1)
        self.prose[number] = spoken(self.lines[number])
        return self._mark(number, "heading")

    def _is_underlined(self, number: int) -> bool:
        above = self.kinds[number - 1] if number else "blank"
        below = self.lines[number + 1] if number + 1 < len(self.lines) else ""
        return (
            above in {"blank", "front", "rule"}
            and bool(_UNDERLINE.match(below))
            and not _ITEM.match(self.lines[number])
        )

    def _is_table(self, number: int) -> bool:
        line = self.lines[number]
        if "|" not in line or number + 1 >= len(self.lines) or len(line) > LONGEST_LINE:
            return False
        below = self.lines[number + 1]
        if "-" not in below or len(below) > LONGEST_LINE or not _DELIMITER.match(_unquoted(below)):
            return False
        return len(cells(_unquoted(line))) == len(cells(_unquoted(below)))

    def _table(self, number: int) -> int:
        before = len(self.lines[number]) - len(_unquoted(self.lines[number]))
        header = cells(_unquoted(self.lines[number]), before)
        self._mark(number, "table")
        self.prose[number] = spoken(self.lines[number])
        self._mark(number + 1, "table")
        rows, places = [], []
        end = number + 2
        while end < len(self.lines) and "|" in self.lines[end] and not _HEADING.match(self.lines[end]):
            line = self.lines[end]
            self.prose[end] = spoken(line)
            rows.append(cells(_unquoted(line), len(line) - len(_unquoted(line))))
            places.append(end)
            end = self._mark(end, "table")
        self.tables.append(Table(number, header, tuple(rows), tuple(places)))
        return end


def _table_lines(table: Table) -> Iterator[tuple[int, tuple[Cell, ...]]]:
    yield table.line, table.header
    yield from zip(table.lines, table.rows, strict=True)


def parse(text: str) -> Document:
    """Read a Markdown text; line breaks are `\\n`. Nothing is refused: what is no Markdown is prose."""
    return _Reader(text).read()


def spoken(line: str) -> str:
    """The line as it is read, each character in its column."""
    if len(line) > LONGEST_LINE:
        return ""
    if "`" in line:
        line = _SPAN.sub(_filled, line)
    if "(" in line or "<" in line or "~~" in line or "://" in line or "]:" in line:
        line = _SILENT.sub(_filled, line)
    if "*" in line or "_" in line:
        line = _EMPHASIS.sub(_blank, line)
    return line.replace("\u00a0", " ").replace("\u202f", " ")


def cells(line: str, before: int = 0) -> tuple[Cell, ...]:
    """The cells of a row. `before`: characters in front of it, so that columns are those of the file."""
    body = line.rstrip()
    start = len(body) - len(body.lstrip())
    start += body[start : start + 1] == "|"
    end = len(body) - (len(body) > start and body.endswith("|") and not body.endswith("\\|"))
    found: list[Cell] = []
    for part in re.finditer(r"((?:[^|\\]|\\.?)*)(?:\||$)", body[start:end]):
        if part.start() == end - start and found:
            break
        raw = part[1]
        column = before + start + part.start() + len(raw) - len(raw.lstrip())
        found.append(Cell(spoken(raw.strip()), raw.strip(), column))
    return tuple(found)


def _unquoted(line: str) -> str:
    """Without the marks of the quotes around it."""
    while line.lstrip(" ").startswith(">"):
        mark = _QUOTE.match(line)
        if mark is None:
            break
        line = line[mark.end() :]
    return line


def _filled(found: re.Match[str]) -> str:
    return FILL * len(found[0])


def _blank(found: re.Match[str]) -> str:
    return " " * len(found[0])
