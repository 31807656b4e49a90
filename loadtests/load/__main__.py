"""`python -m loadtests.load`: the sample backend while its memory is slow, with guards and without, side by side.

Exit status: 0 measured, 2 wrong usage, 3 could not be measured (Locust is missing, a server did not start).
"""

from __future__ import annotations

import signal
import sys
from typing import NoReturn

import click

from loadtests.load.figures import figures
from loadtests.load.processes import CouldNotMeasure
from loadtests.load.running import run
from loadtests.load.table import table


@click.command(epilog="Example: python -m loadtests.load --seconds 20 --users 20")
@click.option("--seconds", type=click.IntRange(8, 3600), default=60, show_default=True, help="Of each of the two runs.")
@click.option("--users", type=click.IntRange(1, 200), default=10, show_default=True, help="Asking at the same time.")
def main(seconds: int, users: int) -> None:
    """Ask the sample backend while its memory is slow, with its guards off and on."""
    summed = {}
    try:
        for guarded in (False, True):
            click.echo(f"guards {'on' if guarded else 'off'}, {seconds} s ...", err=True)
            summed[guarded] = figures(run(seconds, users, guarded=guarded))
    except CouldNotMeasure as exc:
        click.echo(f"COULD NOT MEASURE  {exc}", err=True)
        sys.exit(3)
    click.echo(table(summed[False], summed[True], seconds, users))


def _end(number: int, _: object) -> NoReturn:
    sys.exit(128 + number)


if __name__ == "__main__":
    # As an interrupt: all that was started ends.
    signal.signal(signal.SIGTERM, _end)
    main()
