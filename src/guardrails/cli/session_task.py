"""`guardrails session task`: what is to be done, reached, paid off, or comes next, and who ticked it on what."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from guardrails.cli import session_frame as frame

if TYPE_CHECKING:
    from guardrails.reports.session_log import SessionLog
    from guardrails.reports.sessions import Item


@click.group(
    "task",
    short_help="What is to be done, and who ticked it on what.",
    epilog='Example: guardrails session task add "bound the wait" --priority P1 --estimate 30',
)
def task() -> None:
    """What is to be done (T1), reached (C1, a criterion of success), paid off (D1, a debt), or comes next (N1)."""


@task.command(
    "add", short_help="Add one.", epilog='Example: guardrails session task add "bound the wait" --priority P1'
)
@click.argument("text")
@click.option("--kind", type=click.Choice(["task", "criterion", "debt", "next"]), default="task", show_default=True)
@click.option("--priority", type=click.Choice(["P0", "P1", "P2", "P3"]), help="P0 comes first.")
@click.option("--estimate", type=click.IntRange(1, 100_000), metavar="MINUTES")
@click.option("--owner", metavar="NAME")
@frame.session_option
@frame.changes
def add(
    log: SessionLog,
    by: dict[str, str],
    text: str,
    kind: str,
    priority: str | None,
    estimate: int | None,
    owner: str | None,
    name: str | None,
) -> tuple[Item, str]:
    """Add TEXT to the session. Its number is printed: by it you tick it."""
    item = log.add_item(kind, text, by, name, priority=priority, estimate=estimate, owner=owner)
    return item, frame.told(item)


@task.command(
    "tick", short_help="Tick one, on evidence.", epilog="Example: guardrails session task tick T1 --evidence 01JABC"
)
@click.argument("ref")
@click.option("--evidence", multiple=True, metavar="ID", help="A record that shows it. Repeatable; without: asserted.")
@click.option("--cause", default="", metavar="TEXT", help="The root cause that was found.")
@click.option("--commit", "commits", multiple=True, metavar="REVISION", help="What did it. Repeatable.")
@click.option("--reason", default="", metavar="TEXT", help="Anything else to say of it.")
@frame.session_option
@frame.changes
def tick(
    log: SessionLog,
    by: dict[str, str],
    ref: str,
    evidence: tuple[str, ...],
    cause: str,
    commits: tuple[str, ...],
    reason: str,
    name: str | None,
) -> tuple[Item, str]:
    """Tick REF. Who did, when and on which evidence stands in the report; without evidence it says so."""
    from guardrails.reports.repository import commit_of

    found = [(revision, commit_of(revision, log.repository)) for revision in commits]
    unknown = [revision for revision, commit in found if commit is None]
    if unknown:
        raise click.UsageError(f"no commit {unknown[0]!r} here: name one that `git rev-parse` knows")
    hashes = [commit for _, commit in found if commit is not None]
    item = log.change_item("tick", ref, by, name, evidence=evidence, commits=hashes, cause=cause, text=reason)
    return item, f"{frame.told(item)}{'' if item.evidence else '  (asserted: no --evidence)'}"


@task.command(
    "untick", short_help="Open it again.", epilog='Example: guardrails session task untick T1 --reason "it came back"'
)
@click.argument("ref")
@frame.reason_option
@frame.session_option
@frame.changes
def untick(log: SessionLog, by: dict[str, str], ref: str, reason: str, name: str | None) -> tuple[Item, str]:
    """Open REF again, whatever it was."""
    item = log.change_item("untick", ref, by, name, text=reason)
    return item, frame.told(item)


@task.command(
    "block", short_help="Say what holds it up.", epilog='Example: guardrails session task block T2 --reason "no access"'
)
@click.argument("ref")
@frame.reason_option
@frame.session_option
@frame.changes
def block(log: SessionLog, by: dict[str, str], ref: str, reason: str, name: str | None) -> tuple[Item, str]:
    """Say what holds REF up. It stays open."""
    item = log.change_item("block", ref, by, name, text=reason)
    return item, frame.told(item)


@task.command(
    "defer", short_help="Put it off.", epilog='Example: guardrails session task defer T3 --reason "needs the new API"'
)
@click.argument("ref")
@frame.reason_option
@frame.session_option
@frame.changes
def defer(log: SessionLog, by: dict[str, str], ref: str, reason: str, name: str | None) -> tuple[Item, str]:
    """Put REF off, with the reason: the session can be complete without it, and the report lists it."""
    item = log.change_item("defer", ref, by, name, text=reason)
    return item, frame.told(item)
