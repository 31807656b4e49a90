"""A session is a fold of its events: nothing about it is stored twice, so nothing about it can disagree.

    planned ──start──► active ◄──resume── paused          active, paused, planned ──end──► complete, abandoned
                          └─────pause──────►

Events that do not fit the state they meet, as after a merge of two branches, change nothing and are counted. An item
is open, done, blocked or deferred, and stands in one list only: that of its last event.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from guardrails.reports.session_events import EVENTS, ITEMS, seconds_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

PLANNED, ACTIVE, PAUSED, COMPLETE, ABANDONED = "planned", "active", "paused", "complete", "abandoned"
OVER = (COMPLETE, ABANDONED)
_FROM = {"start": {PLANNED}, "resume": {PAUSED}, "pause": {ACTIVE}, "end": {PLANNED, ACTIVE, PAUSED}}
_AS_RECORDED = ("number", "kind", "text", "priority", "estimate", "owner", "at", "by")
_ITEM_STATES = {"tick": "done", "untick": "open", "block": "blocked", "defer": "deferred"}


class Item(NamedTuple):
    """Something to do, to reach, to pay off, or next. `at`, `by`, `reason` are of its last change.

    `ref`: as people call it, T3; two branches may have given one number twice, and then the later is T3b. `estimate`:
    minutes.
    """

    id: str
    ref: str
    number: int
    kind: str
    text: str
    state: str
    priority: str | None
    estimate: int | None
    owner: str | None
    at: str
    by: dict[str, str]
    reason: str | None = None
    evidence: tuple[str, ...] = ()
    commits: tuple[str, ...] = ()
    cause: str | None = None


class Metric(NamedTuple):
    """A figure before and after; each side is `{"value", "at", "by", "evidence"}`, None when not taken."""

    name: str
    unit: str | None
    better: str | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class Session(NamedTuple):
    """One session as it stood at `until`. `active` and `wall` are seconds; `misfits`: events that met a state in which
    they mean nothing; `clock_back`: events that are dated before the one they follow.
    """

    id: str
    name: str
    goal: str | None
    approach: str | None
    state: str
    reason: str | None
    created: str
    started: str | None
    changed: str
    ended: str | None
    branch: str | None
    base: str | None
    tip: str | None
    active: int
    wall: int
    items: tuple[Item, ...]
    notes: tuple[dict[str, Any], ...]
    decisions: tuple[dict[str, Any], ...]
    artifacts: tuple[dict[str, Any], ...]
    metrics: tuple[Metric, ...]
    actors: tuple[dict[str, Any], ...]
    misfits: int
    clock_back: int
    newest: str

    @property
    def progress(self) -> tuple[int, int]:
        """Tasks done, of those that are to be done: what was deferred counts in neither."""
        states = [item.state for item in self.of_kind("task") if item.state != "deferred"]
        return states.count("done"), len(states)

    def of_kind(self, *kinds: str) -> list[Item]:
        return [item for item in self.items if item.kind in kinds]


def fold(session_id: str, events: Sequence[dict[str, Any]], until: float) -> Session | None:
    """The session after these events, oldest first, at `until` (seconds since 1970, for one that still runs).

    None when no event created it.
    """
    created = next((event for event in events if event["type"] == "create"), None)
    if created is None:
        return None
    course = _course(events, until)
    texts: dict[str, Any] = {"goal": None, "approach": None}
    for event in events:
        if event["type"] in {"create", "change"}:
            texts |= {name: event[name] for name in texts if event.get(name)}
    return Session(
        id=session_id,
        name=created["name"],
        created=created["at"],
        items=_items(events),
        notes=tuple(_plain(event) for event in events if event["type"] == "note"),
        decisions=tuple(_plain(event) for event in events if event["type"] == "decide"),
        artifacts=_artifacts(events),
        metrics=_metrics(events),
        actors=_actors(events),
        clock_back=sum(late["at"] < early["at"] for early, late in pairwise(events)),
        newest=events[-1]["id"],
        **texts,
        **course,
    )


def who(by: dict[str, str]) -> str:
    """An actor as people write it: a human by the name alone, others with their kind before it."""
    return by["name"] if by["kind"] == "human" else f"{by['kind']}:{by['name']}"


def _course(events: Iterable[dict[str, Any]], until: float) -> dict[str, Any]:
    """The state, and the times: active is the sum of the stretches, wall runs from the first start to the end."""
    said: dict[str, Any] = dict.fromkeys(("reason", "started", "ended", "branch", "base", "tip"))
    state, active, misfits, since = PLANNED, 0, 0, 0
    changed = ""
    for event in events:
        kind = event["type"]
        changed = changed or event["at"]
        if kind not in _FROM:
            continue
        if state not in _FROM[kind]:
            misfits += 1
            continue
        at = seconds_of(event["at"]) or 0
        if state == ACTIVE:
            active += max(0, at - since)
        state = {"start": ACTIVE, "resume": ACTIVE, "pause": PAUSED}.get(kind) or event["outcome"]
        since, changed = at, event["at"]
        said["reason"] = event.get("text")
        if kind == "start":
            said |= {"started": event["at"], "base": event.get("commit")}
        said |= {"branch": event.get("branch"), "tip": None if state == ACTIVE else event.get("commit")}
        said["ended"] = event["at"] if state in OVER else None
    if state == ACTIVE:
        active += max(0, int(until) - since)
    last = seconds_of(said["ended"]) if said["ended"] else int(until)
    wall = max(0, (last or 0) - (seconds_of(said["started"]) or 0)) if said["started"] else 0
    return {**said, "state": state, "active": active, "wall": wall, "misfits": misfits, "changed": changed}


def _items(events: Sequence[dict[str, Any]]) -> tuple[Item, ...]:
    items: dict[str, Item] = {}
    used: dict[str, int] = {}
    for event in events:
        if event["type"] == "item":
            called = f"{ITEMS[event['kind']]}{event['number']}"
            used[called] = used.get(called, 0) + 1
            said: dict[str, Any] = {name: event.get(name) for name in _AS_RECORDED}
            items[event["id"]] = Item(
                id=event["id"],
                ref=called + _letter(used[called]),
                state="open",
                **said,
            )
        elif event["type"] in _ITEM_STATES and event["item"] in items:
            items[event["item"]] = items[event["item"]]._replace(
                state=_ITEM_STATES[event["type"]],
                at=event["at"],
                by=event["by"],
                reason=event.get("text"),
                evidence=tuple(event.get("evidence") or ()),
                commits=tuple(event.get("commits") or ()),
                cause=event.get("cause"),
            )
    return tuple(items.values())


def _letter(times: int) -> str:
    """Nothing for the first, then b, c, …, z, and numbers for what no two branches will ever do."""
    return "" if times == 1 else chr(ord("a") + times - 1) if times <= 26 else f"-{times}"


def _artifacts(events: Iterable[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    """By path, as last recorded."""
    found = {event["path"]: _plain(event) for event in events if event["type"] == "artifact"}
    return tuple(found[path] for path in sorted(found))


def _metrics(events: Iterable[dict[str, Any]]) -> tuple[Metric, ...]:
    found: dict[str, Metric] = {}
    for event in events:
        if event["type"] == "metric":
            name = event["name"]
            old = found.get(name, Metric(name, None, None, None, None))
            new = old._replace(unit=event.get("unit") or old.unit, better=event.get("better") or old.better)
            side = {key: event.get(key) for key in ("value", "at", "by", "evidence")}
            found[name] = new._replace(before=side) if event["side"] == "before" else new._replace(after=side)
    return tuple(found.values())


def _actors(events: Iterable[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    """Who did how much, and from when to when; agents are told from people."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for event in events:
        key = (event["by"]["kind"], event["by"]["name"])
        row = found.setdefault(key, {"by": dict(zip(("kind", "name"), key, strict=True)), "events": 0, "ticks": 0})
        row["events"] += 1
        row["ticks"] += event["type"] == "tick"
        row.setdefault("first", event["at"])
        row["last"] = event["at"]
    return tuple(found[key] for key in sorted(found))


def _plain(event: dict[str, Any]) -> dict[str, Any]:
    """The fields that its kind has, and no others that somebody may have added."""
    must, may = EVENTS[event["type"]]
    return {name: event.get(name) for name in ("id", "at", "by", "commit", *must, *may)}


def spell(seconds: int) -> str:
    """`2 h 05 min`, `7 min`, `40 s`: as people read a duration."""
    if seconds < 60:
        return f"{seconds} s"
    minutes = seconds // 60
    return f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min"
