"""`python -m loadtests.coverage`: 99 kinds of value through our encoder and its peers, as a table.

Exit status: 0 measured, 1 with `--fail` when ours misses its figures, 2 wrong usage, 3 an encoder could not be called.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from loadtests.coverage.encoders import ENCODERS, Encoder
from loadtests.coverage.running import Failed, cells
from loadtests.coverage.table import Row, document, misses

if TYPE_CHECKING:
    from collections.abc import Sequence


def measured(encoder: Encoder, limit: float) -> Row:
    click.echo(f"{encoder.name} ...", err=True)
    try:
        return Row(encoder, cells(encoder, limit))
    except Failed as exc:
        return Row(encoder, {}, str(exc) or "it ended before it began")


@click.command(epilog="Example: python -m loadtests.coverage --only langfuse")
@click.option("--only", default="", help="Only encoders whose name holds this text.")
@click.option("--limit", type=click.FloatRange(0.1, 600), default=6.0, show_default=True, help="Seconds for a cell.")
@click.option("--write", type=click.Path(path_type=Path), help="Write the table to this Markdown file.")
@click.option("--fail", is_flag=True, help="Exit 1 when ours is not always valid, raises, hangs, or loses in silence.")
def main(only: str, limit: float, write: Path | None, fail: bool) -> None:  # noqa: FBT001 - click's way
    """Put 99 kinds of value through every encoder."""
    chosen = [encoder for encoder in ENCODERS if only in encoder.name]
    if not chosen:
        raise click.UsageError(f"no encoder's name holds {only!r}")
    rows = [measured(encoder, limit) for encoder in chosen]
    text = document(rows, limit)
    click.echo(text)
    if write is not None:
        write.write_text(text, encoding="utf-8")
    sys.exit(exit_status(rows, fail=fail))


def exit_status(rows: Sequence[Row], *, fail: bool) -> int:
    """0, or 1 where ours misses and that was asked for, or 3 where something was not measured."""
    found = [miss for row in rows if row.encoder.call == ENCODERS[0].call for miss in misses(row)]
    for miss in found:
        click.echo(f"missed: {miss}", err=True)
    if fail and found:
        return 1
    return 3 if any(row.failed for row in rows) else 0


if __name__ == "__main__":
    main()
