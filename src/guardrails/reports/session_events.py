"""What can happen in a session, and which fields say it: one table, by which events are written and read.

Whoever reads a repository reads what others wrote into it, so an event whose fields are of another shape is none.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from guardrails.reports.ulid import is_ulid

ACTORS = ("human", "agent", "ci")
# What can be ticked, and the letter by which it is called: T3.
ITEMS = {"task": "T", "criterion": "C", "debt": "D", "next": "N"}
PRIORITIES = ("P0", "P1", "P2", "P3")
OUTCOMES = ("complete", "abandoned")
SIDES = ("before", "after")
BETTER = ("lower", "higher")
MOST_TEXT = 10_000
MOST_NUMBER = 10**15


def _text(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MOST_TEXT


def _texts(value: object) -> bool:
    return isinstance(value, list) and len(value) <= 100 and all(map(_text, value))


def _count(value: object) -> bool:
    return type(value) is int and 0 <= value <= MOST_NUMBER


def _number(value: object) -> bool:
    return type(value) in {int, float} and -MOST_NUMBER <= value <= MOST_NUMBER  # type: ignore[operator]


def _one_of(*names: str) -> Any:
    return lambda value: isinstance(value, str) and value in names


def _time(value: object) -> bool:
    return isinstance(value, str) and seconds_of(value) is not None


def _actor(value: object) -> bool:
    return isinstance(value, dict) and _one_of(*ACTORS)(value.get("kind")) and _text(value.get("name"))


_COMMON = {"at": _time, "by": _actor}
_MAYBE_COMMON = {"branch": _text, "commit": _text}
_OF_ITEM = {"item": is_ulid}
# For each kind of event: the fields it must have, and those it may have.
EVENTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "create": ({"name": _text}, {"goal": _text, "approach": _text}),
    "start": ({}, {}),
    "pause": ({}, {"text": _text}),
    "resume": ({}, {}),
    "end": ({"outcome": _one_of(*OUTCOMES)}, {"text": _text}),
    "change": ({}, {"goal": _text, "approach": _text}),
    "item": (
        {"kind": _one_of(*ITEMS), "number": _count, "text": _text},
        {"priority": _one_of(*PRIORITIES), "estimate": _count, "owner": _text},
    ),
    "tick": (_OF_ITEM, {"evidence": _texts, "commits": _texts, "cause": _text, "text": _text}),
    "untick": ({**_OF_ITEM, "text": _text}, {}),
    "block": ({**_OF_ITEM, "text": _text}, {}),
    "defer": ({**_OF_ITEM, "text": _text}, {}),
    "note": ({"text": _text}, {}),
    "decide": ({"text": _text}, {"why": _text}),
    "artifact": ({"path": _text, "sha256": _text, "size": _count}, {}),
    "metric": (
        {"name": _text, "side": _one_of(*SIDES), "value": _number},
        {"unit": _text, "better": _one_of(*BETTER), "evidence": _text},
    ),
}


def is_event(record: dict[str, Any]) -> bool:
    """Whether a record is an event of a kind that is known, with the fields of that kind."""
    kind = record.get("type")
    if not isinstance(kind, str) or kind not in EVENTS:
        return False
    must, may = EVENTS[kind]
    must, may = {**_COMMON, **must}, {**_MAYBE_COMMON, **may}
    # Fields that are not known say more, and change nothing of what the others say.
    return all(name in record and fits(record[name]) for name, fits in must.items()) and all(
        fits(record[name]) for name, fits in may.items() if record.get(name) is not None
    )


def seconds_of(stamp: str) -> int | None:
    """Seconds since 1970 of `2026-01-31T12:30:00Z`; None for anything else."""
    if len(stamp) != len("2026-01-31T12:30:00Z"):
        return None
    try:
        return int(dt.datetime.strptime(stamp, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=dt.UTC).timestamp())
    except ValueError:
        return None


def stamp_of(seconds: float) -> str:
    """`2026-01-31T12:30:00Z`, in UTC."""
    return dt.datetime.fromtimestamp(int(seconds), dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
