"""JSON text as it lies in a file: one value, or JSON Lines; every fault with path, line and column."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from guardrails.jsonlint.findings import MOST_FINDINGS, Finding, Outcome, path_text
from guardrails.jsonlint.places import Places
from guardrails.jsonlint.scan import MOST_NAMES, Scan
from guardrails.jsonlint.tokens import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from guardrails.jsonlint.scan import Frame

# Of a file with one value, or of one line; all of it is in memory.
MOST_BYTES = 256 * 1024 * 1024
_CHUNK = 1 << 20
FORGOT = f"more than {MOST_NAMES:,} names in open objects: the others were compared with these alone"
_UTF_16 = re.compile(rb"\xff\xfe|\xfe\xff|.\0|\0.|\0\0", re.DOTALL).match


class OutOfTime(Exception):
    """What `tick` raises when the reading has to end."""


class Collector:
    """Faults become findings; those beyond the first 1,000 are counted."""

    def __init__(self, first_line: int = 1) -> None:
        self.first_line = first_line
        self.faults: list[tuple[Fault, str]] = []
        self.omitted = 0

    def add(self, fault: Fault, frames: Sequence[Frame]) -> None:
        if len(self.faults) < MOST_FINDINGS:
            self.faults.append((fault, path_text([step for frame in frames for step in frame.steps()])))
        else:
            self.omitted += 1

    def findings(self, data: bytes) -> list[Finding]:
        places = Places(data)
        above = self.first_line - 1
        return [
            Finding(
                path,
                fault.reason,
                fault.message,
                fault.fix,
                fault.type,
                fault.instead,
                line=above + places.line(fault.offset),
                column=places.column(fault.offset),
                first_line=None if fault.first is None else above + places.line(fault.first),
            )
            for fault, path in sorted(self.faults, key=lambda pair: pair[0].offset)
        ]


class Reading(NamedTuple):
    """How one value was read. `unread`: the line behind which nothing was looked at; `late`: where time ran out."""

    unread: int | None = None
    forgot: bool = False
    late: str | None = None


def lint_value(stream: BinaryIO, *, nul: bool, tick: Callable[[int], None]) -> Outcome:
    """One value. `nul`: its reader takes U+0000. `tick(offset)` is called now and then, and may raise OutOfTime."""
    data = stream.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        return Outcome(unknown=f"it is larger than {MOST_BYTES // 2**20} MiB: split it, or write JSON Lines")
    collector = Collector()
    reading = _read(data, collector, nul=nul, tick=tick)
    notes = [] if reading.unread is None else [f"what follows line {reading.unread:,} was not looked at"]
    notes += [FORGOT] if reading.forgot else []
    return Outcome(tuple(collector.findings(data)), collector.omitted, tuple(notes), reading.late)


def lint_lines(stream: BinaryIO, *, nul: bool, tick: Callable[[int], None]) -> Outcome:
    """JSON Lines: a value on each line; empty lines are passed over. A path begins at the value of its line."""
    findings: list[Finding] = []
    omitted = offset = number = unread = 0
    forgot = False
    late: str | None = None
    while late is None and (line := stream.readline(MOST_BYTES + 1)):
        number += 1
        if len(line) > MOST_BYTES:
            late = f"line {number:,} is longer than {MOST_BYTES // 2**20} MiB"
            break
        begun, offset = offset, offset + len(line)
        # The line break is the file's; with it, an early end would seem to lie on the next line.
        value = line.rstrip(b"\r\n")
        if not value.strip(b" \t\r"):
            continue

        def within(pos: int, begun: int = begun) -> None:
            tick(begun + pos)

        collector = Collector(number)
        reading = _read(value, collector, nul=nul, tick=within)
        forgot, late = forgot or reading.forgot, reading.late
        unread += reading.unread is not None
        if collector.faults:
            room = MOST_FINDINGS - len(findings)
            omitted += collector.omitted + max(0, len(collector.faults) - room)
            findings += collector.findings(value)[: max(0, room)]
    notes = [f"lines of which the rest was not looked at: {unread:,}"] if unread else []
    return Outcome(tuple(findings), omitted, (*notes, *([FORGOT] if forgot else [])), late)


def _read(data: bytes, collector: Collector, *, nul: bool, tick: Callable[[int], None]) -> Reading:
    bad = bad_utf8(data)
    if bad is not None:
        collector.add(bad, [])
        if _UTF_16(data):
            return Reading()
    scan = Scan(data, collector.add, nul=nul, tick=tick)
    above = collector.first_line - 1
    try:
        tick(0)
        scan.run()
    except OutOfTime as exc:
        return Reading(late=f"{exc}, at line {above + Places(data).line(scan.read):,}")
    unread = None
    if scan.stopped is not None and data[scan.stopped :].strip():
        unread = above + Places(data).line(scan.stopped)
    return Reading(unread, scan.forgot)


def bad_utf8(data: bytes) -> Fault | None:
    """The first place that is not UTF-8. Decodes piece by piece: the whole might take four times its size."""
    if _UTF_16(data):
        return Fault(0, "encoding", "not UTF-8: it looks like UTF-16 or UTF-32", "save it as UTF-8")
    if data.isascii():
        return None
    start = 0
    while start < len(data):
        end = min(start + _CHUNK, len(data))
        # Not between the bytes of one character, which are four at most.
        while end < len(data) and data[end] & 0xC0 == 0x80 and end > start + _CHUNK - 4:
            end -= 1
        try:
            data[start:end].decode()
        except UnicodeDecodeError as exc:
            return _bad_byte(data, start + exc.start)
        start = end
    return None


def _bad_byte(data: bytes, offset: int) -> Fault:
    if data[offset] == 0xED:
        message = "half of a surrogate pair as bytes, which is not UTF-8"
        return Fault(offset, "encoding", message, "encode the text without errors='surrogatepass'")
    fix = "save it as UTF-8; is it Latin-1, compressed or cut within a character?"
    return Fault(offset, "encoding", f"not UTF-8: the byte 0x{data[offset]:02X}", fix)
