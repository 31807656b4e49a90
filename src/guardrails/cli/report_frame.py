"""What all commands of `guardrails report` share: the options of a page, the time, the cache, the exit status."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Any, NoReturn

import click

from guardrails.cli.files import files_of, require_writable, write
from guardrails.cli.printing import say

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from guardrails.reports.repository import Repository

FORMS = ("markdown", "json", "html")
CACHE = ".guardrails/cache/commits"


def page_options(function: Callable[..., None]) -> Callable[..., None]:
    """The options that every report has."""
    for option in (
        click.option("--no-cache", is_flag=True, help="Leave nothing behind in .guardrails/cache/."),
        click.option("--strict", is_flag=True, help="Exit 1 when a claim is contradicted, 3 when a figure lacks."),
        click.option(
            "--lang", type=click.Choice(["en", "uk"]), default="en", show_default=True, help="Language of the labels."
        ),
        click.option(
            "--output",
            "outputs",
            multiple=True,
            metavar="FORMAT=FILE",
            help="Also write a format to a file, such as html=page.html. Repeatable.",
        ),
        click.option(
            "--format",
            "form",
            type=click.Choice(FORMS),
            default="markdown",
            metavar="FORMAT",
            help=f"What is printed: {', '.join(FORMS)}. Default: markdown.",
        ),
    ):
        function = option(function)
    return function


def write_pages(
    make: Callable[[], dict[str, Any]], *, form: str, outputs: tuple[str, ...], lang: str, strict: bool
) -> NoReturn:
    """Make the facts, print and write the pages of them, and end with the status that the commands promise."""
    from guardrails.errors import GitError
    from guardrails.redact import redacted
    from guardrails.reports.render import render

    files = files_of(outputs, FORMS)
    require_writable(files)
    try:
        facts = make()
    except GitError as exc:
        click.echo(f"guardrails: nothing was found out: {redacted(str(exc))}", err=True)
        sys.exit(3)
    say(render(facts, form, lang))
    for file, name in files.items():
        write(file, render(facts, name, lang))
    sys.exit(verdict_of(facts) if strict else 0)


def verdict_of(facts: dict[str, Any]) -> int:
    """0 all holds, 1 a claim is contradicted, 3 a figure could not be found out."""
    if any(claim["verdict"] == "CONTRADICTED" for claim in facts["claims"]):
        return 1
    if any(statement["overclaims"] for statement in facts.get("statements", ())):
        return 1
    return 3 if any(limit["hides"] for limit in facts["limits"]) else 0


def now() -> float:
    """The time, or what SOURCE_DATE_EPOCH says it is, so that a report can be made again byte for byte."""
    given = os.environ.get("SOURCE_DATE_EPOCH", "")
    return float(given) if given.isdecimal() and len(given) < 12 else time.time()


def cache_of(repository: Repository) -> Path | None:
    """The file of the cache, in a folder that is there; None where there is no place for it."""
    if repository.top is None:
        return None
    from guardrails.git import run_git

    file = repository.top / CACHE
    if not file.exists():
        from guardrails.source.parse import make_private_folder

        try:
            make_private_folder(file.parent.parent)
            file.parent.mkdir(exist_ok=True)
        except OSError:
            return None
    # What comes with the repository is somebody else's, and would be believed.
    return None if run_git(["ls-files", "-z", "--", CACHE], repository.top) else file
