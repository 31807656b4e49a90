"""`--output FORMAT=FILE`: what a command writes besides what it prints. Wrong files are found before the work."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable


def files_of(outputs: Iterable[str], forms: Collection[str]) -> dict[Path, str]:
    """What to write, by file. Raises BadParameter for what is no FORMAT=FILE and for two formats in one file."""
    files: dict[Path, str] = {}
    for output in outputs:
        form, _, name = output.partition("=")
        if form not in forms or not name:
            raise click.BadParameter(
                f"{output!r} is no FORMAT=FILE; formats are {', '.join(forms)}", param_hint="--output"
            )
        if Path(name) in files:
            raise click.BadParameter(f"{name} is named twice: one file holds one format", param_hint="--output")
        files[Path(name)] = form
    return files


def require_writable(files: Iterable[Path]) -> None:
    """Before the run: a minute of work must not end with nowhere to put it. Raises BadParameter."""
    for file in files:
        # Not needed where nothing is written, and not free.
        from guardrails.preflight.record import require_replaceable

        try:
            require_replaceable(file)
        except OSError as exc:
            raise click.BadParameter(f"cannot write {file}: {exc.strerror}") from exc


def write(file: Path, text: str) -> None:
    """Put this text in the place of what the file held, in one step. Raises BadParameter."""
    from guardrails.preflight.record import replace_file

    try:
        replace_file(file, text)
    except OSError as exc:
        raise click.BadParameter(f"cannot write {file}: {exc.strerror}") from exc
