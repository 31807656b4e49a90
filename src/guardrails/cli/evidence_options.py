"""Options that several commands of `guardrails evidence` share, and how their values must look."""

from __future__ import annotations

import re
from pathlib import Path

import click

PATH = click.Path(path_type=Path, dir_okay=False)
FILE = click.Path(path_type=Path, dir_okay=False, exists=True)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def name_of(_ctx: click.Context, _param: click.Parameter, value: str) -> str:
    """A short name that stays one word in every output; empty where none was given."""
    if value and not _NAME.fullmatch(value):
        raise click.BadParameter(f"{value!r}: a name such as unit or smoke-eu: letters, digits, `.`, `_`, `-`")
    return value


check_option = click.option(
    "--check", required=True, callback=name_of, metavar="NAME", help="What this is evidence of: unit, lint, smoke."
)
watch_option = click.option(
    "--watch",
    "patterns",
    multiple=True,
    metavar="PATH",
    help="A file, folder or glob on which it depends. Repeatable. Default: all of the code.",
)
format_option = click.option(
    "--format", "form", type=click.Choice(["human", "json"]), default="human", show_default=True
)
