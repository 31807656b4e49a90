"""`guardrails session list` and `status`: what there is, and what comes next."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from guardrails.cli import session_frame as frame
from guardrails.cli.printing import say
from guardrails.errors import GitError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from guardrails.reports.session_log import SessionLog
    from guardrails.reports.session_store import Kept


@click.command("list", short_help="All sessions.", epilog="Example: guardrails session list")
@frame.form_option
def list_sessions(form: str) -> None:
    """All sessions of this repository, the last one first; `*` runs here."""
    log, kept = _read()
    current = log.current(kept)
    strangers = log.strangers()
    if form == "json":
        rows = [{**_row(one), "current": one is current} for one in kept]
        say(json.dumps({"sessions": rows, "unreadable": strangers}, indent=2, ensure_ascii=False) + "\n")
        return
    lines = [
        f"{'*' if one is current else ' '} {one.session.state:<9} {_progress(one):>7}  {one.session.created[:10]}"
        f"  {one.session.name}{_damage(one)}"
        for one in kept
    ]
    lines += [f"! unreadable: .guardrails/sessions/{name} holds no session" for name in strangers]
    say("".join(f"{frame.clean(line)}\n" for line in lines or ["no session yet: guardrails session start NAME"]))


@click.command("status", short_help="One session.", epilog="Example: guardrails session status")
@click.argument("name", required=False)
@frame.form_option
def status(name: str | None, form: str) -> None:
    """The session NAME: without a name, the one that runs here, else the last one."""
    log, kept = _read()
    chosen = log.find(kept, name)
    if form == "json":
        found = {"session": frame.plain(chosen.session), "damaged": frame.plain(chosen.damages)}
        say(json.dumps(found, indent=2, ensure_ascii=False, sort_keys=True) + "\n")
    else:
        say("".join(f"{frame.clean(line)}\n" for line in _lines(chosen)))


def _read() -> tuple[SessionLog, Sequence[Kept]]:
    try:
        log = frame.open_log()
        return log, log.read()
    except GitError as exc:
        frame.not_found_out(exc)


def _row(one: Kept) -> dict[str, Any]:
    session = one.session
    done, of = session.progress
    fields = ("id", "name", "state", "created", "started", "ended", "branch", "active", "wall", "goal")
    return {name: getattr(session, name) for name in fields} | {"done": done, "of": of, "damaged": len(one.damages)}


def _progress(one: Kept) -> str:
    done, of = one.session.progress
    return f"{done}/{of}"


def _damage(one: Kept) -> str:
    if one.newer:
        return f"  (partly written by a newer guardrails, version {one.newer}: upgrade)"
    return f"  ({len(one.damages)} unreadable line{'s' * (len(one.damages) != 1)})" if one.damages else ""


def _lines(one: Kept) -> Iterator[str]:
    from guardrails.reports.sessions import spell

    session = one.session
    yield f"{session.state}  {session.name}{_damage(one)}"
    for label, text in (("goal", session.goal), ("approach", session.approach), ("reason", session.reason)):
        if text:
            yield f"  {label:<9} {text}"
    yield f"  time      {spell(session.active)} active of {spell(session.wall)}"
    yield f"  progress  {_progress(one)}"
    for item in session.items:
        said = f": {item.reason}" if item.reason else ""
        yield f"  {frame.told(item)}{said if item.state in {'blocked', 'deferred'} else ''}"
    for damage in one.damages:
        yield f"  ! {damage.file}:{damage.line} is {'cut off' if damage.kind == 'torn' else damage.kind}"
