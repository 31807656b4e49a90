"""An instant that is handed down: by when the whole operation must be over, whatever layers lie between.

    deadline = earlier(outer, after(now, timeout))     the inner one may be sooner, never later
    remaining(deadline, now)                           seconds, 0 when it is over
    attempt_time(deadline, now, attempt_timeout)       what one attempt may take
    to_text(deadline, now), from_text(text, now)       over the wire: what is left, in whole milliseconds

An instant is a float on the monotonic clock, None where there is no end. On the wire goes a duration, because two hosts
agree on how long a second is and on nothing else; the time of travel is not taken off.
"""

from __future__ import annotations

from guardrails.core.ranges import Ranges

# A week: whoever needs a longer timeout wants none.
LONGEST = 604_800.0


def after(now: float, timeout: float | None) -> float | None:
    """The instant `timeout` seconds from now, over 0 to a week; None: endless. Raises ConfigError for other values."""
    if timeout is None:
        return None
    ranges = Ranges()
    if ranges.number("timeout", timeout, 0, LONGEST, "write seconds, or None for no end"):
        ranges.demand(timeout > 0, "timeout", timeout, "over 0", "no call can end in no time; None: no end")
    ranges.settle()
    return now + timeout


def earlier(outer: float | None, inner: float | None) -> float | None:
    """The deadline that holds where one lies within another."""
    if outer is None or inner is None:
        return inner if outer is None else outer
    return min(outer, inner)


def remaining(deadline: float | None, now: float) -> float | None:
    """Seconds left, 0 when it is over; None: endless."""
    return None if deadline is None else max(0.0, deadline - now)


def attempt_time(deadline: float | None, now: float, attempt_timeout: float | None) -> float | None:
    """Seconds that one attempt may take: what it asks for, or what is left if that is less; None: endless."""
    return earlier(remaining(deadline, now), attempt_timeout)


def check_ladder(timeout: float | None, attempt_timeout: float | None, shortest: float | None = None) -> None:
    """Raise ConfigError unless the shortest useful attempt <= attempt_timeout <= timeout; None: not said."""
    ranges = Ranges()
    steps = (("shortest", shortest), ("attempt_timeout", attempt_timeout), ("timeout", timeout))
    below: tuple[str, float] | None = None
    for name, seconds in steps:
        if seconds is None or not ranges.number(name, seconds, 0.001, LONGEST, "write seconds, or None"):
            continue
        if below is not None:
            fix = f"raise {name}, or lower {below[0]}"
            ranges.demand(seconds >= below[1], name, seconds, f"at least {below[0]}, {below[1]:g} s", fix)
        below = (name, seconds)
    ranges.settle()


def to_text(deadline: float, now: float) -> str:
    """What is left as decimal milliseconds, rounded down so that nobody below believes to have more."""
    return str(int(max(0.0, deadline - now) * 1000))


def from_text(text: str, now: float, longest: float = LONGEST) -> float:
    """The instant that a peer's text means here; more than `longest` seconds are cut to it.

    Raises ValueError for what is not 1 to 12 decimal digits: who reads a stranger's header decides whether to refuse
    the call or to go on without.
    """
    if not (1 <= len(text) <= 12 and text.isascii() and text.isdecimal()):
        raise ValueError(f"deadline: {text[:40]!r}, allowed: whole milliseconds, 1 to 12 digits; send what is left")
    return now + min(int(text) / 1000, longest)
