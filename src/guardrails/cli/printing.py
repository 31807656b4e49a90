"""Printing that survives a reader who has gone: `guardrails explain | head -1`."""

from __future__ import annotations

import os
import sys

import click


def say(text: str, *, color: bool | None = None) -> None:
    """Print without adding a newline. A closed pipe ends the printing and changes no exit status."""
    try:
        click.echo(text, nl=False, color=color)
        sys.stdout.flush()
    except BrokenPipeError:
        # What is left in the buffer would fail again when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
