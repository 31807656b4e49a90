"""The facts of a progress report: all sessions of a period as one dated log, and what is open at its end.

The log is a list of events as they were recorded, oldest first: what is written later stands below, and changes nothing
above. What is open and what is ticked is told by the same fold that a session report uses.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from guardrails.evidence import Rung
from guardrails.git import run_git
from guardrails.reports import session_facts
from guardrails.reports.session_events import seconds_of, stamp_of
from guardrails.reports.session_store import FOLDER
from guardrails.reports.sessions import ABANDONED, who
from guardrails.reports.sources import gather
from guardrails.reports.vouching import Voucher

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from guardrails.reports.session_log import SessionLog
    from guardrails.reports.session_store import Kept

REPORT_VERSION = 1
ENTRIES = 500
LISTED = 100
# The events that a reader of the log asks for; the others are the lists below it.
LOGGED = ("start", "pause", "resume", "end", "tick", "untick", "block", "defer", "decide", "note", "metric")


def progress_report(
    log: SessionLog,
    *,
    since: str,
    until: str | None = None,
    project: Path,
    cache: Path | None = None,
    now: float,
    version: str,
) -> dict[str, Any]:
    """Fold the sessions and the history of a period into the JSON twin.

    `since`, `until`, `cache`, `now`, `version`: as in `gather`. `project`: where the gate and the tests ran. Raises
    ConfigError for a period that cannot be found, GitError when git fails.
    """
    repository = log.repository
    history = gather(repository, project, since=since, until=until, cache=cache, now=now, version=version)
    begin, end = _ends(log, history["period"], now)
    kept = [one for one in log.read(until=end) if one.events]
    tip = history["period"]["tip"]
    voucher = Voucher(repository, None if tip == repository.tip else tip, now)
    rows = [
        {**session_facts.item_row(item, voucher), "session": one.session.name, "over": one.session.state == ABANDONED}
        for one in reversed(kept)
        for item in one.session.items
    ]
    entries = [entry for entry in _entries(kept) if entry["at"] >= stamp_of(begin)]
    still = [row for row in rows if row["state"] in {"open", "blocked"} and not row["over"]]
    ticked = [row for row in rows if row["state"] == "done" and row["at"] >= stamp_of(begin)]
    tasks = session_facts.by_priority(row for row in still if row["kind"] in {"task", "criterion"})
    debts = session_facts.by_priority(row for row in still if row["kind"] == "debt")
    following = session_facts.by_priority(row for row in still if row["kind"] == "next")
    facts = {
        **{name: history[name] for name in ("version", "generated", "repository", "period", "totals", "areas")},
        "report_version": REPORT_VERSION,
        "kind": "progress",
        "days": [
            {"date": date, "entries": list(of_day)}
            for date, of_day in groupby(entries[-ENTRIES:], key=lambda entry: entry["at"][:10])
        ],
        "entries_omitted": max(0, len(entries) - ENTRIES),
        "sessions": [_session(one) for one in kept if one.session.changed >= stamp_of(begin) or _recent(one, begin)],
        **_listed("ticked", ticked),
        **_listed("open", tasks),
        **_listed("debts", debts),
        **_listed("next", following),
        "claims": [*session_facts.tick_claims(ticked[:LISTED]), *history["claims"]],
        "limits": [*_limits(log, kept), *history["limits"]],
        "evidence": [
            {"id": "S", "argv": [], "rung": Rung.ASSERTED.value, "source": FOLDER},
            *history["evidence"],
        ],
    }
    clean: dict[str, Any] = session_facts.cleaned(facts)
    return clean


def _ends(log: SessionLog, period: dict[str, Any], now: float) -> tuple[float, float]:
    """The instants between which events count; where a revision was named, the time of its commit."""
    end = seconds_of(period["until"] or "")
    begin = seconds_of(period["since"] or "")
    if begin is None and period["base"] is not None:
        said = run_git(["log", "-1", "--no-mailmap", "--format=%ct", period["base"], "--"], log.repository.git_dir)
        begin = int(said.strip() or 0)
    return max(0, begin or 0), now if end is None else end


def _entries(kept: Sequence[Kept]) -> Iterator[dict[str, Any]]:
    """The events of all sessions in the order of their names, which no later event comes before."""
    events = [(event["id"], one, event) for one in kept for event in one.events if event["type"] in LOGGED]
    for _, one, event in sorted(events, key=lambda found: found[0]):
        item = next((item for item in one.session.items if item.id == event.get("item")), None)
        if item is None and event["type"] in {"tick", "untick", "block", "defer"}:
            continue
        text = event.get("text")
        if event["type"] == "metric":
            text = f"{event['value']:g}{' ' + event['unit'] if event.get('unit') else ''}"
        yield {
            "at": event["at"],
            "by": who(event["by"]),
            "session": one.session.name,
            "what": f"{event['type']}_{event['outcome']}" if event["type"] == "end" else event["type"],
            "ref": event["name"] if event["type"] == "metric" else item.ref if item else None,
            "side": event.get("side"),
            "item": item.text if item else None,
            "text": text,
            "why": event.get("why"),
            "evidence": list(event.get("evidence") or ()) if event["type"] == "tick" else [],
        }


def _session(one: Kept) -> dict[str, Any]:
    done, of = one.session.progress
    names = ("id", "name", "state", "active", "branch", "changed")
    return {name: getattr(one.session, name) for name in names} | {"done": done, "of": of}


def _recent(one: Kept, begin: float) -> bool:
    return any(event["at"] >= stamp_of(begin) for event in one.events)


def _listed(name: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {name: rows[:LISTED], f"{name}_omitted": max(0, len(rows) - LISTED)}


def _limits(log: SessionLog, kept: Sequence[Kept]) -> list[dict[str, Any]]:
    strangers = [
        {"reason": "session_stranger", "hides": True, "said": {"folder": f"{FOLDER}/{name}"}}
        for name in log.strangers()
    ]
    return [*strangers, *(limit for one in kept for limit in session_facts.damages(one))]
