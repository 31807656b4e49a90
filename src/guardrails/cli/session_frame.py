"""What all commands of `guardrails session` share: who acts, on which session, and how the outcome is said."""

from __future__ import annotations

import json
import sys
import time
from functools import update_wrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from guardrails.cli.printing import say

if TYPE_CHECKING:
    from collections.abc import Callable

    from guardrails.reports.session_log import SessionLog
    from guardrails.reports.sessions import Item


def _by(_context: object, _parameter: object, value: str | None) -> dict[str, str] | None:
    if value is None:
        return None
    kind, colon, name = value.partition(":")
    if not colon or kind not in {"agent", "ci"}:
        kind, name = "human", value
    if not name.strip():
        raise click.BadParameter(f"{value!r} names nobody: write NAME, agent:NAME or ci:NAME")
    return {"kind": kind, "name": name.strip()}


by_option = click.option(
    "--by", callback=_by, metavar="WHO", help="NAME, agent:NAME or ci:NAME. Default: user.name of git."
)
form_option = click.option("--format", "form", type=click.Choice(["human", "json"]), default="human", show_default=True)
session_option = click.option("--session", "name", metavar="NAME", help="Another than the one that runs here.")
reason_option = click.option("--reason", required=True, metavar="TEXT", help="Stands in the report.")


def changes(function: Callable[..., tuple[Any, str]]) -> Callable[..., None]:
    """Make a command of what changes a session and returns it with what to say of it."""

    def run(by: dict[str, str] | None, form: str, **given: Any) -> None:
        from guardrails.errors import GitError

        try:
            log = open_log()
            changed, told = function(log, _actor(log, by), **given)
        except GitError as exc:
            not_found_out(exc)
        if form == "json":
            say(json.dumps(plain(changed), indent=2, ensure_ascii=False, sort_keys=True) + "\n")
        else:
            say(clean(told) + "\n")

    return form_option(by_option(update_wrapper(run, function)))


def open_log(clock: Callable[[], float] = time.time) -> SessionLog:
    """The sessions of the repository around this folder."""
    from guardrails.reports.repository import open_repository
    from guardrails.reports.session_log import SessionLog

    return SessionLog(open_repository(Path()), clock)


def not_found_out(exc: Exception) -> NoReturn:
    """git failed: neither the user's mistake nor a verdict."""
    click.echo(clean(f"guardrails: nothing was found out: {exc}"), err=True)
    sys.exit(3)


def _actor(log: SessionLog, by: dict[str, str] | None) -> dict[str, str]:
    if by is not None:
        return by
    from guardrails.reports.user_name import default_name

    name = default_name(log.top)
    if name is None:
        raise click.UsageError("git does not know your name: --by NAME, or `git config --global user.name NAME`")
    return {"kind": "human", "name": name}


def plain(value: Any) -> Any:
    """Named tuples as objects with those names."""
    if hasattr(value, "_asdict"):
        return {key: plain(item) for key, item in value._asdict().items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def clean(text: str) -> str:
    """For a terminal: no secrets, nothing hidden, lines kept."""
    from guardrails.mdtext import visible
    from guardrails.redact import redacted

    return "\n".join(map(visible, redacted(text).split("\n")))


def told(item: Item) -> str:
    """One line about an item, for a terminal."""
    parts = [item.priority or "", f"{item.estimate} min" if item.estimate else "", item.owner or ""]
    said = ", ".join(part for part in parts if part)
    return f"{item.state}  {item.ref} {item.text}{f' ({said})' if said else ''}"
