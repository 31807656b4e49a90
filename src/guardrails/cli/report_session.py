"""`guardrails report session` and `report progress`: pages made of the working log and of the history."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from guardrails.cli.report_frame import cache_of, now, page_options, write_pages
from guardrails.cli.session_frame import open_log

if TYPE_CHECKING:
    from guardrails.reports.session_log import SessionLog


@click.command(
    "session",
    short_help="One session, from its working log.",
    epilog="Example: guardrails report session triage",
)
@click.argument("name", required=False)
@page_options
def session_page(name: str | None, no_cache: bool, **page: Any) -> None:  # noqa: FBT001
    """The session NAME (default: the one that runs here, else the last): what was done, by whom, on which evidence.

    Exit status: 0 written, 1 with --strict a claim is contradicted, 2 usage (no such session), 3 git failed, or with
    --strict a figure could not be found out.
    """

    def facts() -> dict[str, Any]:
        from guardrails.reports.session_report import session_report

        log = open_log(now)
        return session_report(log.repository, log.find(log.read(), name), **_given(log, no_cache=no_cache))

    write_pages(facts, **page)


@click.command(
    "progress",
    short_help="A dated log of all sessions, with what is open.",
    epilog="Example: guardrails report progress --since 2w",
)
@click.option(
    "--since",
    default="2w",
    show_default=True,
    metavar="WHEN",
    help="Begin: an age (36h, 2w), a date or a revision.",
)
@click.option("--until", metavar="WHEN", help="End, written likewise. Default: now, and HEAD.")
@page_options
def progress_page(since: str, until: str | None, no_cache: bool, **page: Any) -> None:  # noqa: FBT001
    """Day by day what was decided, done and found in a period, and what is open at its end.

    Exit status: 0 written, 1 with --strict a claim is contradicted, 2 usage, 3 git failed, or with --strict a figure
    could not be found out.
    """

    def facts() -> dict[str, Any]:
        from guardrails.reports.progress import progress_report

        log = open_log(now)
        return progress_report(log, since=since, until=until, **_given(log, no_cache=no_cache))

    write_pages(facts, **page)


def _given(log: SessionLog, *, no_cache: bool) -> dict[str, Any]:
    from guardrails import __version__

    cache = None if no_cache else cache_of(log.repository)
    return {"project": Path(), "cache": cache, "now": log.clock(), "version": __version__}
