"""`guardrails preflight`: run the gate, print what it found, exit by the contract."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
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
@click.option("--no-record", is_flag=True, help="Leave no .guardrails/gate/last.json behind.")
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

    from guardrails.config import Config, load_config
    from guardrails.preflight.engine import run_gate

    # The model of a large project is millions of small objects that live until the process ends:
    # looking for cycles among them took half of the run.
    gc.disable()

    chosen = _profile(profile) if profile else None
    config = load_config(path, profile=chosen) if path.is_dir() else Config()
    bar = _Bar()
    record = run_gate(
        path,
        strict=strict,
        select=select,
        jobs=jobs,
        config=config,
        argv=["guardrails", *sys.argv[1:]],
        progress=bar.show,
    )
    bar.clear()
    text = _render(record, form, coloured=output is None)
    if output is None:
        click.echo(text, nl=False, color=_wants_colour())
    else:
        _write(output, text)
    if config.preflight.record and not no_record:
        from guardrails.preflight.record import write_record

        problem = write_record(record, path)
        if problem:
            click.echo(f"guardrails: {problem}", err=True)
    sys.exit(record.exit_code)


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


def _write(output: Path, text: str) -> None:
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise click.FileError(str(output), hint=exc.strerror or str(exc)) from exc


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
