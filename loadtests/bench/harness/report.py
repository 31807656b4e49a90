"""Rows as a Markdown document: the same text on a terminal and in docs/benchmarks.md."""

from __future__ import annotations

import datetime as dt
import os
import platform
from typing import TYPE_CHECKING

from loadtests.bench.harness.contestants import version

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadtests.bench.harness.contestants import Contestant
    from loadtests.bench.harness.figures import Row

HEAD = ("figure", "what", "target", "median", "middle half", "rounds", "verdict")

METHOD = """\
A figure is the median, over interleaved rounds (A B A B ...), of what one contestant costs compared with
the baseline in the same round. Cost is CPU time, user and system: of a process and its children, or of a
call in a loop with the garbage collector emptied before and switched off meanwhile. Each contestant runs
once before the first round, so byte code and caches are there unless a figure says otherwise. Half of the
rounds lie within the middle half."""


def markdown(rows: Sequence[Row], *, command: str, captions: Sequence[str] = ()) -> str:
    """The whole document. `captions` say what the projects hold that were measured."""
    why = [f"- `{row.figure.id}`: {row.figure.why}" for row in rows if row.verdict == "MISSED" and row.figure.why]
    known = ["", "## Why some are missed", "", *why] if why else []
    lines = ["# Benchmarks", "", *_table(rows), "", *_method(command, captions), *known, "", "## Commands", ""]
    lines += dict.fromkeys(map(_command, rows))
    return "\n".join([*lines, ""])


def _table(rows: Sequence[Row]) -> list[str]:
    cells = [HEAD, tuple("---" for _ in HEAD), *(_cells(row) for row in rows)]
    return [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in cells]


def _cells(row: Row) -> tuple[str, ...]:
    verdict = f"not run: {row.reason}" if row.reason else row.verdict
    if row.target is None:
        what, target = f"{_versioned(row.contestant)}, against {_baseline(row)}", "-"
    else:
        what = f"{row.figure.what}, against {_baseline(row)}"
        target = f"<= {_number(row, row.target)}"
    if row.reason:
        return (row.figure.id, what, target, "-", "-", "0", verdict)
    low, high = row.quartiles
    spread = f"{_number(row, low)} to {_number(row, high)}"
    return (row.figure.id, what, target, _number(row, row.median), spread, str(len(row.values)), verdict)


def _command(row: Row) -> str:
    if row.target is None:
        return f"- {_versioned(row.contestant)}, for comparison: `{row.contestant.command}`"
    return f"- `{row.figure.id}`: `{row.contestant.command}` against `{row.figure.baseline.command}`"


def _number(row: Row, value: float) -> str:
    return f"{value:+g}" if row.figure.compare == "difference" else f"{value:.2f}x"


def _baseline(row: Row) -> str:
    name = row.figure.baseline.name
    return name if row.figure.floor is None else f"{name}, each less {row.figure.floor.name}"


def _versioned(peer: Contestant) -> str:
    return peer.name if peer.distribution is None else f"{peer.name} ({version(peer.distribution)})"


def _method(command: str, captions: Sequence[str]) -> list[str]:
    today = dt.datetime.now(dt.UTC).date().isoformat()
    machine = f"{os.cpu_count()} CPUs, {platform.python_implementation()} {platform.python_version()}"
    return [
        f"Measured by `{command}` on {today} (UTC): {machine}, {platform.system()} {platform.machine()}.",
        "",
        METHOD,
        *(["", "What the measured projects hold:", ""] if captions else []),
        *(f"- {caption}" for caption in captions),
    ]
