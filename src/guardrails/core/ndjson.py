"""Lines of JSON out of bytes, however those were cut: the sibling of `sse`, with the same events and the same bound.

    parser.feed(chunk)   the lines that are whole now; each is an Event called "message", its data not yet read as JSON
    parser.finish()      the last line, if its LF is missing: JSON says by itself whether it is whole

Empty lines, which some servers send to keep a connection alive, are no events.
"""

from __future__ import annotations

from guardrails.core.sse import BOM, Event, EventTooLarge, LineParser


class NdjsonParser(LineParser):
    """A body of JSON lines. A CR alone ends no line: to JSON it is a space."""

    __slots__ = ()

    def finish(self) -> list[Event]:
        """The body has ended. The line that was under way; that it was cut shows when it is read as JSON."""
        if self._too_large is not None:
            raise EventTooLarge(self.largest, self._too_large)
        line = bytes(self._line)
        self._line.clear()
        return self._read([line])

    @property
    def rest(self) -> Event | None:
        """The line under way."""
        data = bytes(self._line).strip()
        return Event("message", data.decode("utf-8", "replace"), self.fed) if data else None

    def _lines(self, chunk: bytes) -> list[bytes]:
        *whole, rest = chunk.split(b"\n")
        lines = [line + b"\n" for line in whole]
        return [*lines, rest] if rest else lines

    def _read(self, lines: list[bytes]) -> list[Event]:
        events = []
        end = self._line_began
        for line in lines:
            began, end = end, end + len(line)
            if len(line) > self.largest and len(line.rstrip(b"\r\n")) > self.largest:
                self._stop(began)
                break
            data = (line if began else line.removeprefix(BOM)).strip()
            if data:
                events.append(Event("message", data.decode("utf-8", "replace"), end))
        self._line_began = end
        return events
