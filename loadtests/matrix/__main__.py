"""`python -m loadtests.matrix`: twelve faults of a streamed answer, under the official clients, peers and ours.

Exit status: 0 measured, 1 with `--fail` when ours misses its figures, 2 wrong usage, 3 a caller could not be measured.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import click

from loadtests.matrix.cells import FAULTS, WAYS
from loadtests.matrix.peers import CALLERS, interpreter
from loadtests.matrix.running import Caller, Failed, cells_of, outcomes
from loadtests.matrix.table import Row, document, misses

if TYPE_CHECKING:
    from collections.abc import Sequence

# In which of the two cases a caller of ours promises the whole text.
PROMISES: dict[str, tuple[str, ...]] = {"ours, one server": ("once",), "ours, one fallback": ("once", "always")}


def measured(caller: Caller, faults: Sequence[str], timeout: float) -> Row:
    """One row of the table."""
    click.echo(f"{caller.name} ...", err=True)
    cells = list(cells_of(caller, faults))
    try:
        python = interpreter(caller)
        # In processes of their own: a client that keeps an event loop for one way of calling need not know the other.
        with ThreadPoolExecutor(len(WAYS)) as pool:
            parts = [[cell for cell in cells if cell.way == way] for way in WAYS]
            done = list(pool.map(lambda part: outcomes(caller, part, timeout, python), parts))
    except Failed as exc:
        return Row(caller, {}, "", str(exc))
    click.echo(f"{caller.name}: done", err=True)
    return Row(caller, {cell: told for _, found in done for cell, told in found.items()}, done[0][0])


@click.command(epilog="Example: python -m loadtests.matrix --only ours --fault cut")
@click.option("--only", default="", help="Only callers whose name holds this text.")
@click.option("--fault", type=click.Choice(list(FAULTS)), multiple=True, help="Only this fault; may be repeated.")
@click.option(
    "--timeout", type=click.FloatRange(0.2, 60), default=1.0, show_default=True, help="Seconds that all are given."
)
@click.option("--write", type=click.Path(path_type=Path), help="Write the table to this Markdown file.")
@click.option("--fail", is_flag=True, help="Exit 1 when ours loses, doubles or hangs anywhere, or does not heal.")
def main(only: str, fault: Sequence[str], timeout: float, write: Path | None, fail: bool) -> None:  # noqa: FBT001 - click's way
    """Break streamed answers in twelve ways, and see what their callers are told."""
    chosen = [caller for caller in CALLERS if only in caller.name]
    if not chosen:
        raise click.UsageError(f"no caller's name holds {only!r}")
    # Most of the time somebody waits for a timeout.
    with ThreadPoolExecutor(len(chosen)) as pool:
        rows = list(pool.map(lambda caller: measured(caller, fault or list(FAULTS), timeout), chosen))
    text = document(rows, timeout)
    click.echo(text)
    if write is not None:
        write.write_text(text, encoding="utf-8")
    sys.exit(exit_status(rows, fail=fail))


def exit_status(rows: Sequence[Row], *, fail: bool) -> int:
    """0, or 1 where ours misses and that was asked for, or 3 where something was not measured."""
    ours = [row for row in rows if row.caller.name in PROMISES]
    found = [miss for row in ours for miss in misses(row, PROMISES[row.caller.name])]
    for miss in found:
        click.echo(f"missed: {miss}", err=True)
    if fail and found:
        return 1
    return 3 if any(row.failed for row in rows) else 0


if __name__ == "__main__":
    main()
