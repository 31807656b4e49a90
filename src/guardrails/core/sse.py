"""Server-sent events out of bytes, however those were cut: `parser.feed(chunk)` gives the events that are whole now.

    parser = SseParser()
    for chunk in body:
        for event in parser.feed(chunk):
            event.name, event.data, event.id     as the standard says; event.end: where it ends in the body
    parser.finish()      the events that only the end of the body completes: none, unless lines end with a lone CR
    parser.rest          data that has come and never became an event: the body was cut in it

After the WHATWG HTML standard, section "Parsing an event stream". Lines end with LF, CRLF or CR. How the bytes are cut
into chunks changes nothing, `end` included: a CR that ends a chunk waits for the next byte, which may be its LF.
"""

from __future__ import annotations

from typing import NamedTuple

from guardrails.core.ranges import Ranges

BOM = b"\xef\xbb\xbf"
# The last event of OpenAI's Responses repeats the whole answer, in which images of several megabytes may lie.
LARGEST = 16 * 1024 * 1024
LF, CR, COLON = b"\n\r:"
# Half the time of calling the class.
_new = tuple.__new__


class Event(NamedTuple):
    """One event. `name`: its type, "message" unless the stream says otherwise. `data`: its lines, joined by LF.

    `end`: how many bytes of the body have gone when it ends, its blank line included. `id`: the last event id that the
    stream has set, "" without one. Bytes that are no UTF-8 have become U+FFFD.
    """

    name: str
    data: str
    end: int
    id: str = ""


class EventTooLarge(ValueError):
    """An event is larger than the parser may keep. Has `limit`, in bytes, and `at`: where the line too much began."""

    def __init__(self, limit: int, at: int) -> None:
        super().__init__(limit, at)
        self.limit = limit
        self.at = at

    def __str__(self) -> str:
        return (
            f"an event is larger than {self.limit} bytes; the line too much begins at byte {self.at} of the body. "
            "If this server may send such events, give the parser a larger `largest`"
        )


class LineParser:
    """What formats made of lines share: the line under way, its offset, and the bound on memory.

    `largest`: bytes that may be kept of one line, and of one event's data; 16 to 2**31, default 16 MiB. The events
    before one that is too large are returned; the next call raises EventTooLarge. Raises ConfigError, a ValueError, if
    `largest` is out of range. For one body, and one thread at a time.
    """

    __slots__ = ("_line", "_line_began", "_too_large", "largest")

    def __init__(self, largest: int = LARGEST) -> None:
        ranges = Ranges()
        ranges.number("largest", largest, 16, 2**31, "write the size of the largest event in bytes", whole=True)
        ranges.settle()
        self.largest = largest
        self._line = bytearray()
        self._line_began = 0
        # Where the line began that was too much. Not the error: one that is kept keeps its traceback alive.
        self._too_large: int | None = None

    @property
    def fed(self) -> int:
        """How many bytes of the body have come."""
        return self._line_began + len(self._line)

    def skip(self, size: int) -> None:
        """So many bytes of whole events have gone by unread. Only between two events."""
        self._line_began += size

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that are whole now, with the next bytes of the body; most chunks hold one, or none."""
        if self._too_large is not None:
            raise EventTooLarge(self.largest, self._too_large)
        line = self._line
        if line:
            waits = line[-1] == CR
            line += chunk
            # Without this a long line in small chunks would be copied again with each of them.
            if not waits and b"\n" not in chunk and b"\r" not in chunk:
                self._bound()
                return []
            chunk = bytes(line)
            line.clear()
        lines = self._lines(chunk)
        if lines and lines[-1][-1] != LF:
            line += lines.pop()
        events = self._read(lines)
        self._bound()
        return events

    def _lines(self, chunk: bytes) -> list[bytes]:
        """The lines, each with its end; the last may lack it."""
        return chunk.splitlines(keepends=True)

    def _read(self, lines: list[bytes]) -> list[Event]:
        """The events that these lines complete; moves `_line_began` on."""
        raise NotImplementedError

    def _bound(self) -> None:
        if len(self._line) - self._line.endswith(b"\r") > self.largest:
            self._stop(self._line_began)

    def _stop(self, at: int) -> None:
        self._too_large = at
        self._line.clear()


class SseParser(LineParser):
    """An event stream as bytes. `retry`: milliseconds that a client should wait before it reconnects, if told."""

    __slots__ = ("_data", "_id", "_name", "retry")

    def __init__(self, largest: int = LARGEST) -> None:
        super().__init__(largest)
        self.retry: int | None = None
        self._id = ""
        self._name = "message"
        self._data: bytes | bytearray | None = None

    def finish(self) -> list[Event]:
        """The body has ended. The event whose blank line is a CR that waited for its LF, if there is one."""
        if self._too_large is not None:
            raise EventTooLarge(self.largest, self._too_large)
        if not self._line.endswith(b"\r"):
            return []
        line = bytes(self._line)
        self._line.clear()
        return self._read([line])

    @property
    def rest(self) -> Event | None:
        """The data that has come since the last event; by the standard it is none, since its blank line is missing.

        Some servers leave out the last blank line, so a whole event may lie here; only its data can tell.
        """
        twin = SseParser(self.largest)
        twin._line_began, twin._name, twin._id = self._line_began, self._name, self._id
        twin._data = None if self._data is None else bytes(self._data)
        return next((event._replace(end=self.fed) for event in twin._read([bytes(self._line) + b"\n", b"\n"])), None)

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that are whole now, with the next bytes of the body; most chunks hold one, or none."""
        last = len(chunk) if chunk.endswith(b"\n\n") else chunk.rfind(b"\n\n") + 2
        if last < 2 or last > self.largest or chunk.find(b"\r") >= 0 or self._too_large is not None:
            return super().feed(chunk)
        events: list[Event] = []
        first = 0
        if self._line or self._data is not None or self._name != "message":
            if self._line.endswith(b"\r"):
                return super().feed(chunk)
            first = chunk.find(b"\n\n") + 2
            events = super().feed(chunk[:first])
            if self._too_large is not None:
                return events
        # Three LF in a row are two pairs, which share one.
        if last - first > 1:
            self._read_blocks(chunk[first : last - 2], events)
            first = last
        if first < len(chunk):
            events += super().feed(chunk[first:])
        return events

    def _read_blocks(self, chunk: bytes, events: list[Event]) -> None:
        """What nearly every chunk is made of, at less than half the price: events of one or two lines, all with LF."""
        end = self._line_began
        last_id = self._id
        for block in chunk.split(b"\n\n"):
            began = end
            end += len(block) + 2
            head, more, data = block.partition(b"\n")
            if not more and head.startswith(b"data: "):
                events.append(_new(Event, ("message", head[6:].decode("utf-8", "replace"), end, last_id)))
            elif head.startswith(b"event: ") and data.startswith(b"data: ") and data.find(b"\n") < 0:
                name = head[7:].decode("utf-8", "replace") or "message"
                events.append(_new(Event, (name, data[6:].decode("utf-8", "replace"), end, last_id)))
            else:
                self._line_began = began
                events += self._read((block + b"\n\n").splitlines(keepends=True))
                last_id = self._id
        self._line_began = end

    def _read(self, lines: list[bytes]) -> list[Event]:
        events = []
        end = self._line_began
        for line in lines:
            began, end = end, end + len(line)
            if line[0] <= CR and (line[0] == LF or line[0] == CR):
                if self._data is not None:
                    events.append(Event(self._name, self._data.decode("utf-8", "replace"), end, self._id))
                    self._data = None
                self._name = "message"
            elif end - began > self.largest and len(line.rstrip(b"\r\n")) > self.largest:
                self._stop(began)
                break
            elif self._data is None and line.startswith(b"data: "):
                self._data = line[6:].rstrip(b"\r\n")
            elif line[0] != COLON:
                self._field(line.rstrip(b"\r\n"), began)
                if self._too_large is not None:
                    break
        self._line_began = end
        return events

    def _field(self, line: bytes, began: int) -> None:
        field, _, value = (line if began else line.removeprefix(BOM)).partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            if self._data is None:
                self._data = value
            elif len(self._data) + 1 + len(value) > self.largest:
                self._stop(began)
            else:
                # A bytearray grows in place: a thousand lines are not copied a thousand times.
                self._data = self._data if isinstance(self._data, bytearray) else bytearray(self._data)
                self._data += b"\n"
                self._data += value
        elif field == b"event":
            self._name = value.decode("utf-8", "replace") or "message"
        elif field == b"id" and b"\0" not in value:
            self._id = value.decode("utf-8", "replace")
        # Longer than any wait, and longer than Python reads at all.
        elif field == b"retry" and value.isdigit() and len(value) < 20:
            self.retry = int(value)
