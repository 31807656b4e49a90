"""`guardrails report`: documents made of facts, each with the command that gave it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from guardrails.cli.bar import Bar
from guardrails.cli.report_frame import cache_of, now, page_options, write_pages
from guardrails.cli.report_lint import lint
from guardrails.cli.report_session import progress_page, session_page

FILE = click.Path(path_type=Path, dir_okay=False, exists=True)


@click.group(
    "report",
    short_help="Reports whose figures carry their evidence.",
    epilog="Example: guardrails report status --since 2w",
)
def command() -> None:
    """Reports whose figures carry their evidence: the command that gave them."""


for one in (lint, session_page, progress_page):
    command.add_command(one)


@command.command(
    "status",
    short_help="What changed in a period, what is proven, what is not.",
    epilog="Example: guardrails report status --since 2w --output html=status.html",
)
@click.argument("path", type=click.Path(path_type=Path), default=".")
@click.option(
    "--since",
    default="2w",
    show_default=True,
    metavar="WHEN",
    help="Begin: an age (36h, 10d, 2w), a date (2026-01-31) or a revision (v1.2).",
)
@click.option("--until", metavar="WHEN", help="End, written likewise. Default: now, and HEAD.")
@click.option("--junit", type=FILE, help="The test results. Default: junit.xml and other usual places.")
@click.option(
    "--coverage", type=FILE, help="The coverage, as XML or JSON. Default: coverage.xml and other usual places."
)
@page_options
def status(
    path: Path,
    since: str,
    until: str | None,
    junit: Path | None,
    coverage: Path | None,
    no_cache: bool,  # noqa: FBT001
    **page: Any,
) -> None:
    """What changed in the repository at PATH (default: here), what is proven of it, and what is not.

    Exit status: 0 written, 1 with --strict the gate or a test failed on this commit, 2 usage (no repository, no such
    revision), 3 git failed, or with --strict a figure could not be found out.
    """
    import atexit
    import gc

    # A long history is a million small objects that live until the process ends.
    gc.disable()
    atexit.register(gc.freeze)

    def facts() -> dict[str, Any]:
        from guardrails import __version__
        from guardrails.reports.repository import open_repository
        from guardrails.reports.sources import gather

        repository = open_repository(path)
        cache = None if no_cache else cache_of(repository)
        bar = Bar("reading", "commits")
        try:
            return gather(
                repository,
                path,
                since=since,
                until=until,
                junit=junit,
                coverage=coverage,
                cache=cache,
                now=now(),
                version=__version__,
                progress=bar.show,
            )
        finally:
            bar.clear()

    write_pages(facts, **page)
