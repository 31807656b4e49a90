"""`guardrails json lint`: what JSON cannot keep of an object, or what is wrong with JSON text, each with its place."""

from __future__ import annotations

import os
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from guardrails.cli.printing import say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from guardrails.jsonlint.findings import Finding, Outcome

LINE_FILES = (".jsonl", ".ndjson")
# Who reads text is not known beyond this; the other profiles say how an object is written.
TEXT_PROFILES = ("js", "pg")
SHOW_AFTER = 1.0
VERDICTS = {0: ("passed", "PASSED"), 1: ("failed", "FAILED"), 3: ("unknown", "COULD NOT FIND OUT")}


@click.group("json", short_help="Find what JSON cannot keep.", epilog="Example: guardrails json lint frame.json")
def command() -> None:
    """Find what JSON cannot keep, in objects and in files."""


@command.command(
    "lint",
    short_help="List each place where JSON loses something.",
    epilog="Example: guardrails json lint --profile pg app/events.py:SAMPLE",
)
@click.argument("target", metavar="FILE.py:OBJECT|FILE.json|-")
@click.option(
    "--profile",
    type=click.Choice(["js", "pg", "log", "wire", "hash"]),
    default="js",
    show_default=True,
    help="Who reads it, as in jsonsafe.dumps. For text: js or pg (no U+0000).",
)
@click.option("--lines", is_flag=True, help="One value a line, whatever the name; so for .jsonl and .ndjson anyway.")
@click.option("--format", "form", type=click.Choice(["human", "json"]), default="human", show_default=True)
@click.option(
    "--timeout",
    type=click.FloatRange(0.1, 3600),
    default=60,
    show_default=True,
    metavar="SECONDS",
    help="For import, call and look together; raise it for code that is slow to import.",
)
def lint(target: str, profile: str, lines: bool, form: str, timeout: float) -> None:  # noqa: FBT001
    """List each place where JSON loses something. Paths and types are shown, never values.

    FILE.py:OBJECT (or package.module:OBJECT) is imported in a process of its own; OBJECT may be dotted, and a
    function or class that needs no arguments is called. FILE.json, or - for standard input, is read strictly.
    Exit status: 0 nothing found, 1 findings, or the code of the object crashed, 2 usage error (no such file or
    object), 3 could not find out.
    """
    python = _object_target(target)
    if python is not None:
        if lines:
            raise click.UsageError("--lines is for text, and this is an object")
        outcome = _object(*python, profile, timeout)
    else:
        if profile not in TEXT_PROFILES:
            raise click.UsageError(f"--profile {profile} is for objects; text is read as {' or '.join(TEXT_PROFILES)}")
        outcome = _text(target, profile, timeout, lines=lines)
    outcome = outcome.without_secrets()
    status = 1 if outcome.findings else 3 if outcome.unknown is not None else 0
    if form == "json":
        say(_as_json(outcome, target, profile, status))
    else:
        say("\n".join(_as_text(outcome, target, profile, status)) + "\n")
    sys.exit(status)


def _object_target(target: str) -> tuple[str, str] | None:
    """File or module, and the object; None for text."""
    # os.path: Path.exists raises for a name that is too long.
    if target == "-" or (os.path.exists(target) and not target.endswith(".py")):  # noqa: PTH110
        return None
    place, colon, name = target.rpartition(":")
    if target.endswith(".py") or (place.endswith(".py") and not name):
        raise click.UsageError(f"which object of {target.rstrip(':')}? Write {target.rstrip(':')}:NAME")
    if not colon or not (place.endswith(".py") or re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*", place)):
        return None
    if not all(step.isidentifier() for step in name.split(".")):
        raise click.UsageError(f"{name!r} is no name of an object: write {place}:NAME or {place}:NAME.ATTRIBUTE")
    return place, name


def _object(place: str, name: str, profile: str, limit: float) -> Outcome:
    from guardrails.jsonlint.objects import NoSuchObject, lint_object, source_of

    file = Path(place) if place.endswith(".py") else None
    if file is not None and not file.is_file():
        raise click.UsageError(f"{place}: no such file")
    try:
        return lint_object(source_of(file, "" if file else place, name), profile, limit)
    except NoSuchObject as exc:
        raise click.UsageError(str(exc)) from exc


def _text(target: str, profile: str, limit: float, *, lines: bool) -> Outcome:
    from contextlib import nullcontext

    from guardrails.jsonlint.text import lint_lines, lint_value

    path = Path(target)
    try:
        opened = nullcontext(sys.stdin.buffer) if target == "-" else path.open("rb")
    except OSError as exc:
        raise click.UsageError(f"{target}: {exc.strerror}. Give FILE.json, FILE.py:OBJECT, or - for stdin") from exc
    read = lint_lines if lines or path.suffix in LINE_FILES else lint_value
    watch = _Watch(limit)
    with opened as stream:
        try:
            return read(stream, nul=profile != "pg", tick=watch.tick)
        finally:
            watch.clear()


class _Watch:
    """Ends the reading when its time is over, and shows somebody who watches that it goes on."""

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.begun = time.monotonic()
        self.shown = False

    def tick(self, offset: int) -> None:
        from guardrails.jsonlint.text import OutOfTime

        passed = time.monotonic() - self.begun
        if passed > self.limit:
            raise OutOfTime(f"the {self.limit:g} s of --timeout ran out")
        if passed > SHOW_AFTER and sys.stderr.isatty():
            self.shown = True
            click.echo(f"\rread {offset / 2**20:,.1f} MiB", nl=False, err=True)

    def clear(self) -> None:
        if self.shown:
            click.echo("\r\033[K", nl=False, err=True)


def _as_json(outcome: Outcome, target: str, profile: str, status: int) -> str:
    import json

    said = {
        "lint_version": 1,
        "target": target,
        "profile": profile,
        "verdict": VERDICTS[status][0],
        "exit_code": status,
        "findings": [found._asdict() for found in outcome.findings],
        "omitted": outcome.omitted,
        "unknown": outcome.unknown,
        "notes": outcome.notes,
    }
    return json.dumps(said, indent=2) + "\n"


def _as_text(outcome: Outcome, target: str, profile: str, status: int) -> Iterator[str]:
    from guardrails.mdtext import visible

    for found in outcome.findings:
        yield from map(visible, _lines(found, target))
        yield ""
    if outcome.omitted:
        yield f"… and {outcome.omitted:,} more"
    for note in outcome.notes:
        yield visible(f"note  {note}")
    if outcome.unknown is not None:
        yield visible(f"not looked at  {outcome.unknown}")
    count = len(outcome.findings) + outcome.omitted
    yield visible(f"{VERDICTS[status][1]}  {count:,} finding{'s' * (count != 1)} · {target} · profile {profile}")


def _lines(found: Finding, target: str) -> Iterator[str]:
    place = "" if found.line is None else f"{target}:{found.line}:{found.column}  "
    yield f"error {found.reason}  {place}{found.path}"
    yield f"  {found.message}" + (f" ({found.type})" if found.type else "")
    if found.first_line is not None:
        yield f"  first   line {found.first_line}"
    if found.instead is not None:
        yield f"  instead {found.instead}"
    yield f"  fix     {found.fix}"
