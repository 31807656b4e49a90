"""`guardrails preflight`: run the gate, print what it found, exit by the contract."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from guardrails.cli.bar import Bar
from guardrails.cli.files import files_of, require_writable, write
from guardrails.cli.printing import say
from guardrails.preflight.outputs import WRITERS, render

if TYPE_CHECKING:
    from guardrails.config import Config
    from guardrails.evidence import GateRecord
    from guardrails.preflight.baseline import Baseline

STYLES = {
    "error": {"fg": "red", "bold": True},
    "warning": {"fg": "yellow", "bold": True},
    "info": {"fg": "cyan"},
    "good": {"fg": "green", "bold": True},
    "dim": {"dim": True},
    "path": {"bold": True},
}
FILE = click.Path(path_type=Path, dir_okay=False)


def _show_schema(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:  # noqa: FBT001 - click's signature
    if wanted:
        from importlib.resources import files

        say((files("guardrails.preflight.outputs") / "record.schema.json").read_text("utf-8"))
        ctx.exit()


@click.command(
    "preflight",
    short_help="Run the gate over a project.",
    epilog="Example: guardrails preflight --static --output junit=gate.xml path/to/backend",
)
@click.argument("path", type=click.Path(path_type=Path), default=".")
@click.option(
    "--static",
    is_flag=True,
    help="Execute nothing of the project, whatever its configuration names.",
)
@click.option(
    "--select",
    multiple=True,
    metavar="RULE",
    help="Run this rule's family only (GR-ROUTE, GR-DECO-001 …). Repeatable.",
)
@click.option("--profile", metavar="NAME", help="A shipped profile: ci (warnings fail) or entrypoint (writes nothing).")
@click.option("--strict", is_flag=True, default=None, help="Warnings and files that could not be analysed fail too.")
@click.option("--baseline", type=FILE, help="What this file knows fails nothing: only new findings do.")
@click.option("--write-baseline", type=FILE, help="Write what is found now to this file, for --baseline.")
@click.option(
    "--since",
    metavar="REV",
    help="Only findings at files changed since this git revision, committed or not.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(list(WRITERS)),
    default="human",
    metavar="FORMAT",
    help=f"What is printed: {', '.join(WRITERS)}. Default: human.",
)
@click.option(
    "--output",
    "outputs",
    multiple=True,
    metavar="FORMAT=FILE",
    help="Also write a format to a file, such as junit=gate.xml. Repeatable.",
)
@click.option(
    "--schema",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_schema,
    help="Print the JSON Schema of the format json.",
)
@click.option("--jobs", type=click.IntRange(1, 256), help="Parser processes. Default: one a core.")
@click.option(
    "--no-record", is_flag=True, help="Leave nothing behind: neither the record nor the cache in .guardrails/."
)
def command(
    path: Path,
    static: bool,  # noqa: FBT001
    form: str,
    outputs: tuple[str, ...],
    select: tuple[str, ...],
    profile: str | None,
    strict: bool | None,  # noqa: FBT001
    baseline: Path | None,
    write_baseline: Path | None,
    since: str | None,
    jobs: int | None,
    no_record: bool,  # noqa: FBT001
) -> None:
    """Find what would break a deployment of the project in PATH (default: here).

    Needs no configuration. Executes nothing of the project but the imports, settings and checks that
    [tool.guardrails] names; with --static not even those. Exit status: 0 passed (warnings allowed), 1 a check failed,
    2 usage or configuration error and nothing ran, 3 could not find out.
    """
    import atexit
    import gc

    from guardrails.preflight.engine import run_gate

    # The model of a large project is millions of small objects that live until the process ends: looking for cycles
    # among them took half of the run, and at the end of a small one as long as its check.
    gc.disable()
    atexit.register(gc.freeze)
    files = files_of(outputs, WRITERS)
    require_writable([*files, *([write_baseline] if write_baseline else [])])
    known = _baseline(path, baseline, write_baseline, partial=bool(select or since))
    config = configured(path, profile, no_record=no_record)
    bar = Bar("parsing", "files")
    argv = ["guardrails", *sys.argv[1:]]
    record = run_gate(
        path,
        static=static,
        strict=strict,
        select=select,
        jobs=jobs,
        config=config,
        baseline=known,
        since=since,
        argv=argv,
        progress=bar.show,
    )
    bar.clear()
    say(_render(record, form), color=_wants_colour())
    for file, name in files.items():
        write(file, render(record, name))
    if write_baseline:
        _write_baseline(record, write_baseline)
    if config.preflight.record:
        from guardrails.preflight.record import write_record

        problem = write_record(record, path)
        if problem:
            click.echo(f"guardrails: {problem}", err=True)
    sys.exit(record.exit_code)


def configured(path: Path, profile: str | None, *, no_record: bool) -> Config:
    """The project's settings under those of a shipped profile. Raises BadParameter where there is none of that name."""
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


def _baseline(path: Path, file: Path | None, written: Path | None, *, partial: bool) -> Baseline | None:
    if file is None and written is None:
        return None
    from guardrails.preflight.baseline import Baseline

    if file is not None and written is not None:
        raise click.BadParameter("it replaces the baseline: leave --baseline away", param_hint="--write-baseline")
    if written is not None:
        if partial:
            raise click.BadParameter(
                "with --select or --since it would forget what these leave out", param_hint="--write-baseline"
            )
        return Baseline.anew(written, path)
    return Baseline.read(file, path) if file is not None else None


def _write_baseline(record: GateRecord, file: Path) -> None:
    from guardrails.preflight.baseline import baseline_text

    if record.summary["checks_crashed"]:
        click.echo(f"guardrails: {file} was not written: a check crashed, so not all is known", err=True)
        return
    write(file, baseline_text(record))
    known = record.summary["known"]
    click.echo(f"guardrails: {file}: findings known: {known}. Commit it and run with --baseline {file}", err=True)


def _render(record: GateRecord, form: str) -> str:
    if form == "human":
        from guardrails.preflight.outputs import human

        return human.render(record, _paint if _wants_colour() else lambda text, _role: text)
    return render(record, form)


def _wants_colour() -> bool:
    if os.environ.get("NO_COLOR"):
        return False
    return sys.stdout.isatty() or bool(os.environ.get("FORCE_COLOR"))


def _paint(text: str, role: str) -> str:
    return click.style(text, **STYLES[role])  # type: ignore[arg-type]
