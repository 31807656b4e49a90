"""`guardrails session`: the working log, kept while the work is done, from which a session report is made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from guardrails.cli.session_frame import changes, session_option
from guardrails.cli.session_task import task
from guardrails.cli.session_view import list_sessions, status

if TYPE_CHECKING:
    from guardrails.reports.session_log import SessionLog
    from guardrails.reports.sessions import Session


@click.group(
    "session",
    short_help="Keep the working log from which reports are made.",
    epilog='Example: guardrails session start "cut streams" --goal "no answer is lost"',
)
def command() -> None:
    """Keep the working log of this repository: goal, tasks, decisions, figures, each with who and when.

    It lies in .guardrails/sessions/, to be committed with the work. `guardrails report session` makes a page of it.
    """


for one in (task, list_sessions, status):
    command.add_command(one)


@command.command(
    "plan", short_help="Write down a session before it begins.", epilog='Example: guardrails session plan "cut streams"'
)
@click.argument("name")
@click.option("--goal", default="", metavar="TEXT", help="What shall be so in the end.")
@click.option("--approach", default="", metavar="TEXT", help="How it is to be reached.")
@changes
def plan(log: SessionLog, by: dict[str, str], name: str, goal: str, approach: str) -> tuple[Session, str]:
    """Write down the session NAME without starting its clock; tasks are added with --session NAME."""
    session = log.create(name, by, goal=goal, approach=approach)
    return session, f"planned  {session.name}{_unless_committed(log)}"


@command.command(
    "start",
    short_help="Begin a session.",
    epilog='Example: guardrails session start "cut streams" --goal "none is lost"',
)
@click.argument("name")
@click.option("--goal", default="", metavar="TEXT", help="What shall be so in the end.")
@click.option("--approach", default="", metavar="TEXT", help="How it is to be reached.")
@changes
def start(log: SessionLog, by: dict[str, str], name: str, goal: str, approach: str) -> tuple[Session, str]:
    """Begin the session NAME, planned or new. One runs in a working tree at a time."""
    session = log.start(name, by, goal=goal, approach=approach)
    return session, f"started  {session.name}{_on(session)}{_unless_committed(log)}"


@command.command("pause", short_help="Stop its clock.", epilog='Example: guardrails session pause --reason "lunch"')
@click.option("--reason", default="", metavar="TEXT", help="Stands in the report until it goes on.")
@session_option
@changes
def pause(log: SessionLog, by: dict[str, str], reason: str, name: str | None) -> tuple[Session, str]:
    """Stop the clock of the session."""
    from guardrails.reports.sessions import spell

    session = log.pause(by, name, reason=reason)
    return session, f"paused  {session.name}, active for {spell(session.active)}"


@command.command("resume", short_help="Go on with it.", epilog='Example: guardrails session resume "cut streams"')
@click.argument("name", required=False)
@changes
def resume(log: SessionLog, by: dict[str, str], name: str | None) -> tuple[Session, str]:
    """Go on with the paused session NAME; without a name, with the one paused last."""
    session = log.resume(name, by)
    return session, f"resumed  {session.name}{_on(session)}"


@command.command("end", short_help="End it.", epilog="Example: guardrails session end")
@click.option("--abandoned", is_flag=True, help="It stays incomplete, and that is how it is shown.")
@click.option("--reason", default="", metavar="TEXT", help="Why, or with what result.")
@session_option
@changes
def end(
    log: SessionLog,
    by: dict[str, str],
    abandoned: bool,  # noqa: FBT001
    reason: str,
    name: str | None,
) -> tuple[Session, str]:
    """End the session. It is complete when no task and no criterion is open, and cannot be while one is."""
    from guardrails.reports.sessions import spell

    session = log.end(by, name, abandoned=abandoned, text=reason)
    return session, f"{session.state}  {session.name}, active for {spell(session.active)} of {spell(session.wall)}"


@command.command(
    "set", short_help="Change the goal.", epilog='Example: guardrails session set --goal "no answer is lost"'
)
@click.option("--goal", default="", metavar="TEXT")
@click.option("--approach", default="", metavar="TEXT")
@session_option
@changes
def change(log: SessionLog, by: dict[str, str], goal: str, approach: str, name: str | None) -> tuple[Session, str]:
    """Say anew what the session is for, or how that is to be reached."""
    if not goal and not approach:
        raise click.UsageError("nothing to set: give --goal or --approach")
    session, _ = log.record("change", by, name, goal=goal, approach=approach)
    return session, f"set  {session.name}"


@command.command(
    "note", short_help="Write down a finding.", epilog='Example: guardrails session note "it is the proxy"'
)
@click.argument("text")
@session_option
@changes
def note(log: SessionLog, by: dict[str, str], text: str, name: str | None) -> tuple[Any, str]:
    """Write down what was found or happened. Secrets do not reach the file."""
    _, event = log.record("note", by, name, text=text)
    return event, f"noted  {event['text']}"


@command.command("decide", short_help="Record a decision.", epilog='Example: guardrails session decide "retry once"')
@click.argument("text")
@click.option("--why", default="", metavar="TEXT")
@session_option
@changes
def decide(log: SessionLog, by: dict[str, str], text: str, why: str, name: str | None) -> tuple[Any, str]:
    """Write down what was decided, and why."""
    _, event = log.record("decide", by, name, text=text, why=why)
    return event, f"decided  {event['text']}"


@command.command(
    "artifact",
    short_help="Record a file with its digest.",
    epilog="Example: guardrails session artifact build/report.html",
)
@click.argument("path", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@session_option
@changes
def artifact(log: SessionLog, by: dict[str, str], path: Path, name: str | None) -> tuple[Any, str]:
    """Record the file at PATH, so that a report can tell whether it is still the same."""
    from guardrails.reports.session_facts import digest_of

    try:
        inside = path.resolve().relative_to(log.top.resolve())
        sha256, size = digest_of(path)
    except ValueError as exc:
        raise click.UsageError(f"{path} lies outside the repository: copy it in") from exc
    except OSError as exc:
        raise click.UsageError(f"{path} cannot be read: {exc.strerror}") from exc
    _, event = log.record("artifact", by, name, path=inside.as_posix(), sha256=sha256, size=size)
    return event, f"recorded  {event['path']}  sha256 {sha256[:12]}…, {size:,} bytes"


@command.command(
    "metric",
    short_help="Record a figure before or after.",
    epilog="Example: guardrails session metric p95 --before 2.4 --unit s --better lower",
)
@click.argument("metric")
@click.option("--before", type=float, metavar="NUMBER")
@click.option("--after", type=float, metavar="NUMBER")
@click.option("--unit", default="", metavar="TEXT", help="Such as s, MiB, errors a minute.")
@click.option("--better", type=click.Choice(["lower", "higher"]), help="Which way is an improvement.")
@click.option("--evidence", default="", metavar="ID", help="The record of the measurement.")
@session_option
@changes
def metric(
    log: SessionLog,
    by: dict[str, str],
    metric: str,
    before: float | None,
    after: float | None,
    unit: str,
    better: str | None,
    evidence: str,
    name: str | None,
) -> tuple[Any, str]:
    """Record METRIC as it was before the work, or as it is after it: one of the two at a time, each when measured."""
    if (before is None) == (after is None):
        raise click.UsageError("give --before or --after, one at a time: each has its own measurement")
    side, value = ("before", before) if before is not None else ("after", after)
    if not abs(value or 0) <= 10**15:
        raise click.UsageError(f"{value} is no figure that can be compared: at most 10^15")
    said = {"unit": unit, "better": better, "evidence": evidence}
    session, _ = log.record("metric", by, name, side=side, value=value, **said, name=metric)
    found = next(one for one in reversed(session.metrics) if one.name == metric.strip())
    return found, f"{side}  {found.name}: {value:g}{f' {found.unit}' if found.unit else ''}"


def _on(session: Session) -> str:
    return f" on {session.branch}" if session.branch else ""


def _unless_committed(log: SessionLog) -> str:
    note = "\nnote: git ignores .guardrails/sessions/ here, so the session stays on this machine"
    return note if log.ignored else ""
