"""A progress line for commands that take a while."""

from __future__ import annotations

import sys
import time

import click

# Seconds after which somebody who waits wants to know how long.
BAR_AFTER = 1.0


class Bar:
    """A line on standard error, once the work takes over a second and somebody is watching.

    `doing`, `things`: the words around the numbers, as in `parsing [###---] 3 of 6 files`.
    """

    def __init__(self, doing: str, things: str) -> None:
        self.doing = doing
        self.things = things
        self.begun = time.monotonic()
        self.shown = False

    def show(self, done: int, total: int) -> None:
        """Draw it anew: `done` of `total`."""
        if sys.stderr.isatty() and time.monotonic() - self.begun > BAR_AFTER:
            self.shown = True
            filled = 30 * done // max(total, 1)
            drawn = "#" * filled + "-" * (30 - filled)
            click.echo(f"\r{self.doing} [{drawn}] {done:,} of {total:,} {self.things}", nl=False, err=True)

    def clear(self) -> None:
        """Leave nothing of it."""
        if self.shown:
            self.shown = False
            click.echo("\r\033[K", nl=False, err=True)
