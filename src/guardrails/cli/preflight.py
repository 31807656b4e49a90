"""`guardrails preflight`: run the gate, print what it found, exit by the contract."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from guardrails.cli.printing import say

if TYPE_CHECKING:
    from guardrails.config import Config
    from guardrails.evidence import GateRecord

STYLES = {
    "error": {"fg": "red", "bold": True},
    "warning": {"fg": "yellow", "bold": True},
    "info": {"fg": "cyan"},
    "good": {"fg": "green", "bold": True},
    "dim": {"dim": True},
    "path": {"bold": True},
}
BAR_AFTER = 1.0


@click.command(
    "preflight",
    short_help="Run the gate over a project.",
    epilog="Example: guardrails preflight --static --format json path/to/backend",
)
@click.argument("path", type=click.Path(path_type=Path), default=".")
@click.option(
    "--static",
    is_flag=True,
    help="Only checks that execute nothing of the project. Today that is all of them.",
)
@click.option("--format", "form", type=click.Choice(["human", "json", "markdown"]), default="human", show_default=True)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write to this file instead of the terminal.",
)
@click.option(
    "--select",
    multiple=True,
    metavar="RULE",
    help="Run this rule's family only (GR-ROUTE, GR-DECO-001 …). Repeatable.",
)
@click.option("--profile", metavar="NAME", help="A shipped profile: ci (warnings fail) or entrypoint (writes nothing).")
@click.option("--strict", is_flag=True, default=None, help="Warnings and files that could not be analysed fail too.")
@click.option("--jobs", type=click.IntRange(1, 256), help="Parser processes. Default: one a core.")
@click.option(
    "--no-record", is_flag=True, help="Leave nothing behind: neither the record nor the cache in .guardrails/."
)
def command(
    path: Path,
    static: bool,  # noqa: ARG001, FBT001 - accepted so that pipelines can fix it before live checks exist
    form: str,
    output: Path | None,
    select: tuple[str, ...],
    profile: str | None,
    strict: bool | None,  # noqa: FBT001
    jobs: int | None,
    no_record: bool,  # noqa: FBT001
) -> None:
    """Find what would break a deployment of the project in PATH (default: here).

    Needs no configuration and executes nothing of the project. Exit status: 0 passed (warnings allowed),
    1 a check failed, 2 usage or configuration error and nothing ran, 3 could not find out.
    """
    import gc

    from guardrails.preflight.engine import run_gate

    # The model of a large project is millions of small objects that live until the process ends:
    # looking for cycles among them took half of the run.
    gc.disable()
    if output is not None:
        _require_writable(output)
    config = _config(path, profile, no_record=no_record)
    bar = _Bar()
    argv = ["guardrails", *sys.argv[1:]]
    record = run_gate(path, strict=strict, select=select, jobs=jobs, config=config, argv=argv, progress=bar.show)
    bar.clear()
    text = _render(record, form, coloured=output is None)
    if output is None:
        say(text, color=_wants_colour())
    else:
        _write(output, text)
    if config.preflight.record:
        from guardrails.preflight.record import write_record

        problem = write_record(record, path)
        if problem:
            click.echo(f"guardrails: {problem}", err=True)
    sys.exit(record.exit_code)


def _config(path: Path, profile: str | None, *, no_record: bool) -> Config:
    from guardrails.config import load_config
    from guardrails.source import require_folder

    chosen = _profile(profile) if profile else None
    require_folder(path)
    config = load_config(path, profile=chosen)
    return config._replace(preflight=config.preflight._replace(record=False)) if no_record else config


def _profile(name: str) -> Path:
    from guardrails.shipped import shipped, shipped_names

    names = shipped_names("checks", ".toml")
    if name not in names:
        raise click.BadParameter(f"{name!r} is no profile; there are {', '.join(names)}", param_hint="--profile")
    return shipped("checks") / f"{name}.toml"


def _render(record: GateRecord, form: str, *, coloured: bool) -> str:
    if form == "json":
        return record.to_json()
    if form == "markdown":
        from guardrails.preflight.outputs import markdown

        return markdown.render(record)
    from guardrails.preflight.outputs import human

    return human.render(record, _paint if coloured and _wants_colour() else lambda text, _role: text)


def _wants_colour() -> bool:
    import os

    if os.environ.get("NO_COLOR"):
        return False
    return sys.stdout.isatty() or bool(os.environ.get("FORCE_COLOR"))


def _paint(text: str, role: str) -> str:
    return click.style(text, **STYLES[role])  # type: ignore[arg-type]


def _require_writable(output: Path) -> None:
    """Before the run: a minute of work must not end with nowhere to put it."""
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with output.open("a", encoding="utf-8"):
            pass
    except OSError as exc:
        raise click.BadParameter(f"cannot write {output}: {exc.strerror}", param_hint="--output") from exc


def _write(output: Path, text: str) -> None:
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise click.BadParameter(f"cannot write {output}: {exc.strerror}", param_hint="--output") from exc


class _Bar:
    """A progress line on standard error, once the work takes over a second and somebody is watching."""

    def __init__(self) -> None:
        self.begun = time.monotonic()
        self.shown = False

    def show(self, done: int, total: int) -> None:
        if sys.stderr.isatty() and time.monotonic() - self.begun > BAR_AFTER:
            self.shown = True
            filled = 30 * done // max(total, 1)
            click.echo(
                f"\rparsing [{'#' * filled}{'-' * (30 - filled)}] {done:,} of {total:,} files",
                nl=False,
                err=True,
            )

    def clear(self) -> None:
        if self.shown:
            click.echo("\r\033[K", nl=False, err=True)
