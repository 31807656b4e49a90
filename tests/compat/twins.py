"""pybreaker itself and its drop-in, driven side by side on one clock; what each did is told in the same words."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pybreaker as theirs

from guardrails.compat import pybreaker as ours
from guardrails.testing import VirtualClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest

Said = list[tuple[str, ...]]


class Broken(Exception):
    """The dependency has failed."""


class Refused(Exception):
    """The dependency has answered, and we do not like the answer."""


class Recorder(theirs.CircuitBreakerListener):
    """A listener as users have it today: of pybreaker's class."""

    def __init__(self) -> None:
        self.heard: Said = []

    def before_call(self, cb: Any, func: Any, *args: Any, **kwargs: Any) -> None:
        self.heard.append(("before_call", str(args)))

    def failure(self, cb: Any, exc: BaseException) -> None:
        self.heard.append(("failure", type(exc).__name__))

    def success(self, cb: Any) -> None:
        self.heard.append(("success",))

    def state_change(self, cb: Any, old_state: Any, new_state: Any) -> None:
        self.heard.append(("state_change", old_state.name, new_state.name))


def fine(value: object = None) -> object:
    return value


def broken(value: object = None) -> object:
    raise Broken(value)


def refused(value: object = None) -> object:
    raise Refused(value)


def items(ends: Callable[[], object]) -> Iterator[int]:
    yield 1
    yield 2
    ends()


def outcome(do: Callable[[], Any], library: Any) -> str:
    """What a call came to: its value, or the name of its error."""
    try:
        return f"returned {do()!r}"
    except library.CircuitBreakerError:
        return "CircuitBreakerError"
    except Exception as exc:
        return type(exc).__name__


@dataclass
class Twin:
    """One of the two, and what its listener has heard."""

    library: Any
    breaker: Any
    listener: Recorder = field(default_factory=Recorder)

    def __post_init__(self) -> None:
        self.breaker.add_listener(self.listener)

    def do(self, what: str, arg: float = 0) -> str:
        """Do one thing; see `OPERATIONS`."""
        breaker = self.breaker
        functions = {"fine": fine, "broken": broken, "refused": refused}
        kind, _, name = what.partition(" ")
        match kind:
            case "call":
                return outcome(lambda: breaker.call(functions[name], 7), self.library)
            case "block":
                return outcome(lambda: self.block(functions[name]), self.library)
            case "stream":
                return outcome(lambda: list(breaker.call(items, functions[name])), self.library)
            case "open" | "half_open" | "close":
                getattr(breaker, kind)()
            case "set":
                setattr(breaker, name, arg)
        return ""

    def block(self, function: Callable[[], object]) -> None:
        with self.breaker.calling():
            function()

    def seen(self) -> tuple[object, ...]:
        """All that can be seen of it."""
        breaker = self.breaker
        return breaker.current_state, breaker.state.name, breaker.fail_counter, breaker.success_counter


OPERATIONS = [
    *(f"{kind} {name}" for kind in ("call", "block", "stream") for name in ("fine", "broken", "refused")),
    "open",
    "half_open",
    "close",
]


class Stopped(dt.datetime):
    """The host's clock for pybreaker, which asks `datetime.now`."""

    clock: VirtualClock

    @classmethod
    def now(cls, tz: dt.tzinfo | None = None) -> dt.datetime:  # type: ignore[override]
        return dt.datetime.fromtimestamp(cls.clock.wall(), tz)


def stop_clock(monkeypatch: pytest.MonkeyPatch) -> VirtualClock:
    """A clock that pybreaker obeys, too."""
    clock = VirtualClock()
    monkeypatch.setattr(theirs, "datetime", type("Now", (Stopped,), {"clock": clock}))
    return clock


def twins(clock: VirtualClock, **said: Any) -> tuple[Twin, Twin]:
    """pybreaker's breaker and ours, of the same settings."""
    return (
        Twin(theirs, theirs.CircuitBreaker(**said)),
        Twin(ours, ours.CircuitBreaker(**said, clock=clock)),
    )
