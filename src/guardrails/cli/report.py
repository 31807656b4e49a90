"""`guardrails report`: documents made of facts, each with the command that gave it."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from guardrails.cli.files import files_of, require_writable, write
from guardrails.cli.printing import say
from guardrails.cli.report_lint import lint

if TYPE_CHECKING:
    from guardrails.reports.repository import Repository

FORMS = ("markdown", "json", "html")
CACHE = ".guardrails/cache/commits"
FILE = click.Path(path_type=Path, dir_okay=False, exists=True)


@click.group(
    "report",
    short_help="Reports whose figures carry their evidence.",
    epilog="Example: guardrails report status --since 2w",
)
def command() -> None:
    """Reports whose figures carry their evidence: the command that gave them."""


command.add_command(lint)


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
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMS),
    default="markdown",
    metavar="FORMAT",
    help=f"What is printed: {', '.join(FORMS)}. Default: markdown.",
)
@click.option(
    "--output",
    "outputs",
    multiple=True,
    metavar="FORMAT=FILE",
    help="Also write a format to a file, such as html=status.html. Repeatable.",
)
@click.option(
    "--lang", type=click.Choice(["en", "uk"]), default="en", show_default=True, help="Language of the labels."
)
@click.option("--junit", type=FILE, help="The test results. Default: junit.xml and other usual places.")
@click.option(
    "--coverage", type=FILE, help="The coverage, as XML or JSON. Default: coverage.xml and other usual places."
)
@click.option("--strict", is_flag=True, help="Exit 1 when the gate or a test failed, 3 when a figure lacks.")
@click.option("--no-cache", is_flag=True, help="Leave nothing behind in .guardrails/, and count every commit anew.")
def status(
    path: Path,
    since: str,
    until: str | None,
    form: str,
    outputs: tuple[str, ...],
    lang: str,
    junit: Path | None,
    coverage: Path | None,
    strict: bool,  # noqa: FBT001
    no_cache: bool,  # noqa: FBT001
) -> None:
    """What changed in the repository at PATH (default: here), what is proven of it, and what is not.

    Exit status: 0 written, 1 with --strict the gate or a test failed on this commit, 2 usage (no repository, no such
    revision), 3 git failed, or with --strict a figure could not be found out.
    """
    import gc

    from guardrails import __version__
    from guardrails.errors import GitError
    from guardrails.reports.render import render
    from guardrails.reports.repository import open_repository
    from guardrails.reports.sources import gather

    # A long history is a million small objects that live until the process ends.
    gc.disable()
    files = files_of(outputs, FORMS)
    require_writable(files)
    try:
        repository = open_repository(path)
        cache = None if no_cache else _cache(repository)
        facts = gather(
            repository,
            path,
            since=since,
            until=until,
            junit=junit,
            coverage=coverage,
            cache=cache,
            now=_now(),
            version=__version__,
        )
    except GitError as exc:
        from guardrails.redact import redacted

        click.echo(f"guardrails: nothing was found out: {redacted(str(exc))}", err=True)
        sys.exit(3)
    say(render(facts, form, lang))
    for file, name in files.items():
        write(file, render(facts, name, lang))
    sys.exit(_verdict(facts) if strict else 0)


def _verdict(facts: dict[str, Any]) -> int:
    if any(claim["verdict"] == "CONTRADICTED" for claim in facts["claims"]):
        return 1
    return 3 if any(limit["hides"] for limit in facts["limits"]) else 0


def _now() -> float:
    """The time, or what SOURCE_DATE_EPOCH says it is, so that a report can be made again byte for byte."""
    given = os.environ.get("SOURCE_DATE_EPOCH", "")
    return float(given) if given.isdecimal() and len(given) < 12 else time.time()


def _cache(repository: Repository) -> Path | None:
    """The file of the cache, in a folder that is there; None where there is no place for it."""
    if repository.top is None:
        return None
    from guardrails.git import run_git
    from guardrails.source.parse import make_private_folder

    file = repository.top / CACHE
    try:
        make_private_folder(file.parent.parent)
        file.parent.mkdir(exist_ok=True)
    except OSError:
        return None
    # What comes with the repository is somebody else's, and would be believed.
    return None if run_git(["ls-files", "-z", "--", CACHE], repository.top) else file
