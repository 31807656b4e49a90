"""Count the lines of a log that match patterns: those that must be none, those that must come, those that may.

    [[pattern]]
    name = "not serializable"
    literal = "is not JSON serializable"       # or regex = "..."
    expect = "zero"                            # "zero", "some", or a number: at most so many

Read in blocks that end at the end of a line, each searched as a whole: the lines are never taken apart. A literal is
sought as it stands; a regex is tried only in blocks that hold its longest literal part.
"""

from __future__ import annotations

import re
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from guardrails.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

BLOCK = 2**20
# A line longer than this is looked at in parts.
LONGEST_LINE = 2**20
MOST_PATTERNS = 100
_STAMP = re.compile(rb"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,6}))?(Z|[+-]\d\d:?\d\d)?")


class Pattern(NamedTuple):
    """What to count. `most`: how many lines may match; None where at least one must."""

    name: str
    found: re.Pattern[bytes]
    literal: bytes
    most: int | None
    plain: bool = False

    def holds(self, count: int) -> bool:
        """Whether so many are as expected."""
        return count > 0 if self.most is None else count <= self.most


def read_patterns(file: Path) -> list[Pattern]:
    """The patterns in a TOML file. Raises ConfigError naming each mistake."""
    import tomllib

    try:
        data = tomllib.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as exc:
        raise ConfigError([f"{file}: {exc}"]) from exc
    listed = data.get("pattern")
    if not isinstance(listed, list) or not 0 < len(listed) <= MOST_PATTERNS or set(data) != {"pattern"}:
        raise ConfigError([f"{file}: write 1 to {MOST_PATTERNS} tables [[pattern]] and nothing else"])
    found, mistakes = [], []
    for place, table in enumerate(listed, 1):
        try:
            found.append(_pattern(table))
        except (ValueError, TypeError, AttributeError) as exc:
            mistakes.append(f"{file}: pattern {place}: {exc}")
    if len({pattern.name for pattern in found}) < len(found):
        mistakes.append(f"{file}: two patterns bear one name")
    if mistakes:
        raise ConfigError(mistakes)
    return found


class Counter:
    """Takes a log piece by piece; memory stays within a few blocks."""

    def __init__(self, patterns: list[Pattern]) -> None:
        self.patterns = patterns
        self.counts = [0] * len(patterns)
        self.size = 0
        self.first: float | None = None
        self.last: float | None = None
        self._rest = b""

    def add(self, data: bytes) -> None:
        """Take what follows; it may begin and end within a line."""
        self.size += len(data)
        begin, end = data.find(b"\n") + 1, data.rfind(b"\n") + 1
        if not end:
            self._rest += data
            if len(self._rest) >= LONGEST_LINE:
                self.finish()
            return
        # Only the line that was begun before is copied; the others are looked at where they are.
        self._count(self._rest + data[:begin], 0, len(self._rest) + begin)
        self._count(data, begin, end)
        self._rest = data[end:]

    def finish(self) -> None:
        """The last line may lack its end."""
        self._count(self._rest, 0, len(self._rest))
        self._rest = b""

    def read(self, stream: IO[bytes]) -> None:
        """All that is left of a stream."""
        while data := stream.read(BLOCK):
            self.add(data)

    @property
    def window(self) -> float | None:
        """Seconds between the first and the last line that bear a time."""
        return None if self.first is None or self.last is None else self.last - self.first

    def _count(self, block: bytes, begin: int, end: int) -> None:
        if begin == end:
            return
        for place, pattern in enumerate(self.patterns):
            count = _with if pattern.literal else _regex
            self.counts[place] += count(block, begin, end, pattern)
        if (first := _moment(_STAMP.search(block, begin, min(end, begin + 4096)))) is not None:
            self.first = first if self.first is None else self.first
            stamps = [_moment(match) for match in _STAMP.finditer(block, max(begin, end - 4096), end)]
            self.last = next((moment for moment in reversed(stamps) if moment is not None), first)


def _with(block: bytes, begin: int, end: int, pattern: Pattern) -> int:
    """How many lines match, of those that hold what every match holds."""
    count = 0
    while (place := block.find(pattern.literal, begin, end)) >= 0:
        start = block.rfind(b"\n", 0, place) + 1
        begin = _end_of_line(block, place, end)
        count += pattern.plain or pattern.found.search(block[start:begin]) is not None
    return count


def _regex(block: bytes, begin: int, end: int, pattern: Pattern) -> int:
    count = 0
    while begin < end and (match := pattern.found.search(block, begin, end)) is not None:
        start = block.rfind(b"\n", 0, match.start()) + 1
        line_end = _end_of_line(block, match.start(), end)
        # A pattern that crosses the end of a line would match no line by itself.
        count += match.end() <= line_end or pattern.found.search(block[start:line_end]) is not None
        begin = line_end + 1
    return count


def _end_of_line(block: bytes, place: int, end: int) -> int:
    found = block.find(b"\n", place, end)
    return end if found < 0 else found


def _moment(match: re.Match[bytes] | None) -> float | None:
    import datetime as dt

    if match is None:
        return None
    day, time, fraction, zone = (part.decode() if part else "" for part in match.groups())
    try:
        moment = dt.datetime.fromisoformat(f"{day}T{time}.{(fraction or '0').ljust(6, '0')}{zone or '+00:00'}")
    except ValueError:
        return None
    return moment.timestamp()


def _pattern(table: dict[str, Any]) -> Pattern:
    strange = set(table) - {"name", "literal", "regex", "expect"}
    if strange:
        raise ValueError(f"no such key: {', '.join(sorted(strange))}; there are name, literal, regex, expect")
    name, literal, regex, expect = (table.get(key) for key in ("name", "literal", "regex", "expect"))
    if not isinstance(name, str) or not name.strip():
        raise ValueError("name is missing")
    if (literal is None) == (regex is None) or not isinstance(literal if regex is None else regex, str):
        raise ValueError("write either literal or regex, as text")
    if expect not in {"zero", "some"} and (type(expect) is not int or expect < 0):
        raise ValueError(f"expect is {expect!r}: write 'zero', 'some', or the most lines that may match")
    most = expect if isinstance(expect, int) else 0 if expect == "zero" else None
    if literal is not None:
        data = literal.encode("utf-8")
        if not data or b"\n" in data:
            raise ValueError("literal is empty, or more than a line")
        return Pattern(name, re.compile(re.escape(data)), data, most, plain=True)
    try:
        compiled = re.compile(str(regex).encode("utf-8"), re.MULTILINE)
    except re.error as exc:
        raise ValueError(f"{regex!r} is no regular expression: {exc}") from exc
    if compiled.search(b"") is not None:
        raise ValueError(f"{regex!r} matches every line, even an empty one")
    return Pattern(name, compiled, _needed(str(regex)).encode("utf-8"), most)


def _needed(regex: str) -> str:
    """A text that every match holds; empty where that is not plain to see."""
    best = run = ""
    for part, repeated in re.findall(r"(\\.|\[\^?\]?(?:\\.|[^\]])*\]|.)((?:[*?+]|\{[^}]*\})\??)?", regex):
        if part in {"(", "|"}:
            return ""
        plain = len(part) == 1 and part not in ".^$"
        if plain and repeated[:1] in {"", "+"}:
            run += part
        if not plain or repeated:
            best, run = max(best, run, key=len), ""
    return max(best, run, key=len)
