"""`python -m loadtests.load`: the sample backend while its memory is slow, and while its model cuts answers.

With guards and without, side by side.

Exit status: 0 measured, 2 wrong usage, 3 could not be measured (Locust is missing, a server did not start).
"""

from __future__ import annotations

import signal
import sys
from typing import NoReturn

import click

from loadtests.load.figures import figures
from loadtests.load.processes import CouldNotMeasure
from loadtests.load.running import FAULTS, Fault, run
from loadtests.load.table import table


@click.command(epilog="Example: python -m loadtests.load --seconds 20 --users 20")
@click.option("--fault", type=click.Choice(FAULTS), help="Only this one; default: each in turn.")
@click.option(
    "--seconds", type=click.IntRange(8, 3600), default=30, show_default=True, help="Of each run, two a fault."
)
@click.option("--users", type=click.IntRange(1, 200), default=10, show_default=True, help="Asking at the same time.")
def main(fault: Fault | None, seconds: int, users: int) -> None:
    """Ask the sample backend while something that it leans on fails, with its guards off and on."""
    try:
        for number, one in enumerate([fault] if fault else FAULTS):
            summed = {}
            for guarded in (False, True):
                click.echo(f"{one}: guards {'on' if guarded else 'off'}, {seconds} s ...", err=True)
                summed[guarded] = figures(run(seconds, users, fault=one, guarded=guarded))
            click.echo(("\n\n" if number else "") + table(one, summed[False], summed[True], seconds, users))
    except CouldNotMeasure as exc:
        click.echo(f"COULD NOT MEASURE  {exc}", err=True)
        sys.exit(3)


def _end(number: int, _: object) -> NoReturn:
    sys.exit(128 + number)


if __name__ == "__main__":
    # As an interrupt: all that was started ends.
    signal.signal(signal.SIGTERM, _end)
    main()
