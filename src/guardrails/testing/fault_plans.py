"""What goes wrong with an answer, and where: `Fault.cut(at=0.9)`, `Fault.stall(at_event=3)`, `Fault.h529()`.

    the body ends early     cut          cleanly, as if that were all       fin   the connection closes in the middle
                            rst          the connection is reset
    silence                 stall        nothing more comes                 ping_stall   nothing but keepalives
                            linger       all came, and the body stays open  slow         a few bytes at a time
    something else inside   error_event  error_data   error_first           garbage   truncated   duplicate
    something else instead  status       h529   html   wrong_type           hang_up   never

Where: `at` (share of the body, 0 to 1), `at_byte`, `at_event` (so many events come whole) or `at_time` (seconds after
the head; for what ends the body early). Default: half of the body. What is put inside comes between two events.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypedDict

from guardrails.core.ranges import Ranges
from guardrails.testing import fault_wires

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Unpack

    from guardrails.core.completeness_wires import Wire

Early = Literal["cut", "fin", "rst", "stall", "ping_stall"]
Inside = Literal["error_event", "error_data", "garbage", "truncated", "duplicate"]
Instead = Literal["linger", "slow", "status", "html", "wrong_type", "hang_up", "never"]
# Silence ends some time, so that a client without a timeout ends, too.
LONGEST_SILENCE = 60.0
GARBAGE = b'{"choices":[{"del\x00\xff\xfe\xf0\x9f ta":: }\xc3('
STATUSES = {
    400: ("invalid_request_error", "This cannot be read"),
    401: ("authentication_error", "This key is not known"),
    429: ("rate_limit_error", "Too many requests"),
    529: ("overloaded_error", "Overloaded"),
}
ERROR, MESSAGE = STATUSES[529]


class Where(TypedDict, total=False):
    """At most one of these."""

    at: float
    at_byte: int
    at_event: int
    at_time: float


@dataclass(frozen=True)
class Fault:
    """One fault; made by the methods below. Raises ConfigError, a ValueError, if a number is out of range."""

    kind: Early | Inside | Instead
    at: float | None = None
    at_byte: int | None = None
    at_event: int | None = None
    at_time: float | None = None
    seconds: float = LONGEST_SILENCE
    every: float = 0.2
    size: int = 16
    status_code: int = 200
    retry_after: float | None = None
    message: str = MESSAGE
    error: str = ERROR
    then_done: bool = False

    def __post_init__(self) -> None:
        ranges = Ranges()
        none = "half of the body"
        ranges.number("at", self.at, 0, 1, "write a share of the body", none=none)
        ranges.number("at_byte", self.at_byte, 0, 2**31, "write how many bytes come", whole=True, none=none)
        ranges.number("at_event", self.at_event, 0, 2**31, "write how many events come", whole=True, none=none)
        ranges.number("at_time", self.at_time, 0, 3600, "write seconds after the head", none=none)
        places = [self.at, self.at_byte, self.at_event, self.at_time]
        given = [place for place in places if place is not None]
        ranges.demand(len(given) < 2, "at", given, "one place", "choose one of at, at_byte, at_event and at_time")
        ranges.number("seconds", self.seconds, 0, 3600, "write how long the silence lasts")
        ranges.number("every", self.every, 0.001, 3600, "write the seconds between two")
        ranges.number("size", self.size, 1, 2**20, "write bytes at a time", whole=True)
        ranges.number("status_code", self.status_code, 200, 599, "write an HTTP status", whole=True)
        ranges.settle()

    @classmethod
    def cut(cls, **where: Unpack[Where]) -> Fault:
        """The body ends early and cleanly: to HTTP all is well."""
        return cls("cut", **where)

    @classmethod
    def fin(cls, **where: Unpack[Where]) -> Fault:
        """The connection closes before the body has ended. Without chunks and length that is the same as `cut`."""
        return cls("fin", **where)

    @classmethod
    def rst(cls, **where: Unpack[Where]) -> Fault:
        """The connection is reset."""
        return cls("rst", **where)

    @classmethod
    def stall(cls, seconds: float = LONGEST_SILENCE, **where: Unpack[Where]) -> Fault:
        """Nothing more comes for `seconds`; then the connection closes."""
        return cls("stall", seconds=seconds, **where)

    @classmethod
    def ping_stall(cls, every: float = 0.2, seconds: float = LONGEST_SILENCE, **where: Unpack[Where]) -> Fault:
        """For `seconds` nothing comes but a keepalive, `every` so many seconds; then the connection closes."""
        return cls("ping_stall", every=every, seconds=seconds, **where)

    @classmethod
    def linger(cls, seconds: float = LONGEST_SILENCE) -> Fault:
        """All comes, the terminator too, and the body stays open for `seconds`."""
        return cls("linger", seconds=seconds)

    @classmethod
    def slow(cls, every: float = 0.01, size: int = 16) -> Fault:
        """All comes, `size` bytes `every` so many seconds."""
        return cls("slow", every=every, size=size)

    @classmethod
    def error_event(cls, message: str = MESSAGE, error: str = ERROR, **where: Unpack[Where]) -> Fault:
        """An event called "error", in the wire's own words, and then the end."""
        return cls("error_event", message=message, error=error, **where)

    @classmethod
    def error_data(
        cls,
        message: str = MESSAGE,
        error: str = ERROR,
        *,
        then_done: bool = False,
        **where: Unpack[Where],
    ) -> Fault:
        """An error as plain data, and then the end; `then_done`: after `[DONE]`, as if all were well."""
        return cls("error_data", message=message, error=error, then_done=then_done, **where)

    @classmethod
    def error_first(cls, message: str = MESSAGE, error: str = ERROR) -> Fault:
        """An error is the first event of an answer with status 200."""
        return cls("error_data", message=message, error=error, at_event=0)

    @classmethod
    def garbage(cls, **where: Unpack[Where]) -> Fault:
        """An event that is neither JSON nor UTF-8; the others come."""
        return cls("garbage", **where)

    @classmethod
    def truncated(cls, **where: Unpack[Where]) -> Fault:
        """One event comes by half, and ends as if it were whole; the others come."""
        return cls("truncated", **where)

    @classmethod
    def duplicate(cls, **where: Unpack[Where]) -> Fault:
        """One event comes twice."""
        return cls("duplicate", **where)

    @classmethod
    def status(cls, code: int, retry_after: float | None = None) -> Fault:
        """An error status, with the provider's words in JSON. `retry_after`: seconds, sent as a header."""
        error, message = STATUSES.get(code, ("api_error", "It failed"))
        return cls("status", status_code=code, retry_after=retry_after, message=message, error=error)

    @classmethod
    def h529(cls, retry_after: float | None = None) -> Fault:
        """Status 529: overloaded."""
        return cls.status(529, retry_after)

    @classmethod
    def html(cls, code: int = 502) -> Fault:
        """A page for humans, as gateways send it; with code 200 too."""
        return cls("html", status_code=code)

    @classmethod
    def wrong_type(cls) -> Fault:
        """The body is right, and the head says that it is text/plain."""
        return cls("wrong_type")

    @classmethod
    def hang_up(cls) -> Fault:
        """The connection closes without an answer."""
        return cls("hang_up")

    @classmethod
    def never(cls, seconds: float = LONGEST_SILENCE) -> Fault:
        """No answer, and the connection stays open for `seconds`."""
        return cls("never", seconds=seconds)

    def byte(self, events: Sequence[bytes]) -> int:
        """How many bytes of these events come before the fault; `at_time` is not known here: all of them."""
        total = sum(map(len, events))
        if self.at_byte is not None:
            return min(self.at_byte, total)
        if self.at_event is not None:
            return sum(map(len, events[: self.at_event]))
        return total if self.at_time is not None else int(total * (0.5 if self.at is None else self.at))

    def stop(self, events: Sequence[bytes]) -> int:
        """How many bytes of the body are sent at all."""
        if self.kind == "ping_stall":
            return sum(map(len, events[: self.between(events)]))
        return self.byte(events) if self.kind in ("cut", "fin", "rst", "stall") else sum(map(len, events))

    def between(self, events: Sequence[bytes]) -> int:
        """How many events come whole before the fault."""
        return sum(end <= self.byte(events) for end in itertools.accumulate(map(len, events)))

    def inside(self, wire: Wire, events: Sequence[bytes]) -> list[bytes]:
        """The events with this fault among them, if it is one that lies inside."""
        place = self.between(events)
        before, after = list(events[:place]), list(events[place:])
        if self.kind == "error_event":
            return [*before, fault_wires.error_event(wire, self.message, self.error)]
        if self.kind == "error_data":
            done = [b"data: [DONE]\n\n"] if self.then_done and wire != "ollama" else []
            return [*before, fault_wires.error_data(wire, self.message, self.error), *done]
        if self.kind == "garbage":
            return [*before, GARBAGE + b"\n" if wire == "ollama" else b"data: " + GARBAGE + b"\n\n", *after]
        if self.kind == "truncated" and after:
            end = b"\n" if wire == "ollama" else b"\n\n"
            # In the last third, so that an event's name is not all that is left.
            return [*before, after[0][: len(after[0]) * 2 // 3] + end, *after[1:]]
        if self.kind == "duplicate" and after:
            return [*before, after[0], *after]
        return [*before, *after]

    def body(self, wire: Wire, whole: bytes) -> bytes:
        """A body that is no stream, with this fault in it, if it is one that lies inside."""
        if self.kind in ("error_event", "error_data"):
            return fault_wires.error_data(wire, self.message, self.error).removeprefix(b"data: ").strip()
        changed = {"garbage": GARBAGE, "truncated": whole[: len(whole) * 2 // 3], "duplicate": whole * 2}
        return changed.get(self.kind, whole)
