"""The outcomes as a Markdown document: the same text on a terminal and in docs/stream-faults.md."""

from __future__ import annotations

import datetime as dt
import platform
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import loadtests.matrix
from loadtests.matrix.cells import FAULTS, LASTS, TEXT, WAYS, WIRES, Cell, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from loadtests.matrix.running import Caller

HEADS = {"once": "The server breaks once", "always": "The server breaks always; another is healthy"}
# What nobody may do to a user, and ours never does.
NEVER = (Outcome.FOREIGN, Outcome.SILENT, Outcome.DOUBLED, Outcome.HANG)


class Row(NamedTuple):
    """One caller. `versions`: what was measured; `failed`: why it was not."""

    caller: Caller
    cells: dict[Cell, tuple[Outcome, str]]
    versions: str = ""
    failed: str = ""

    def counts(self, lasts: str) -> Counter[Outcome]:
        """How often each outcome came."""
        return Counter(outcome for cell, (outcome, _) in self.cells.items() if cell.lasts == lasts)

    def healed(self, lasts: str) -> int:
        """Faults of which each cell ended with the whole text."""
        broken = {cell.fault for cell, (said, _) in self.cells.items() if cell.lasts == lasts and said != "whole"}
        tried = {cell.fault for cell in self.cells if cell.lasts == lasts}
        return len(tried - broken)


def misses(row: Row, lasts: Sequence[str]) -> list[str]:
    """What ours promises and did not reach: the whole text where it lasts so long, and never a loss in silence."""
    if row.failed:
        return [f"{row.caller.name} was not measured: {row.failed}"]
    return [
        f"{row.caller.name}: {' '.join(cell)}: {outcome} {error}".rstrip()
        for cell, (outcome, error) in row.cells.items()
        if outcome in NEVER or (cell.lasts in lasts and outcome != Outcome.WHOLE)
    ]


def document(rows: Sequence[Row], timeout: float) -> str:
    """The whole page."""
    cells = [line for lasts in LASTS for line in _cells(rows, lasts)]
    return "\n".join([*_head(timeout), *_summary(rows), "", *_setups(rows), "", *cells, *_method(), ""])


def _head(timeout: float) -> Iterator[str]:
    yield f"# {len(FAULTS)} faults of a streamed answer\n"
    yield (
        f"Measured by `python -m loadtests.matrix --write docs/stream-faults.md` on {dt.datetime.now(dt.UTC):%Y-%m-%d} "
        f"(UTC): CPython {platform.python_version()}, {platform.system()} {platform.machine()}; an answer of "
        f"{len(TEXT)} characters, timeouts of {timeout:g} s.\n"
    )


def _summary(rows: Sequence[Row]) -> Iterator[str]:
    yield f"| | caller | faults healed | {' | '.join(Outcome)} |"
    yield f"|---|---|---|{'---|' * len(Outcome)}"
    for lasts in LASTS:
        for row in rows:
            if row.failed:
                yield f"| {lasts} | {row.caller.name} | not run: {row.failed} |{' - |' * len(Outcome)}"
                continue
            counts = row.counts(lasts)
            numbers = " | ".join(str(counts[outcome]) for outcome in Outcome)
            yield f"| {lasts} | {row.caller.name} | {row.healed(lasts)} of {len(FAULTS)} | {numbers} |"
    yield "\n*Once*: the next request is served well. *Always*: each answer of that server breaks, another is healthy."
    yield "*Healed*: the whole text, in each cell of that fault."


def _setups(rows: Sequence[Row]) -> Iterator[str]:
    for row in rows:
        yield f"- **{row.caller.name}**: {row.caller.configuration}; {row.versions or row.failed}."


def _cells(rows: Sequence[Row], lasts: str) -> Iterator[str]:
    ran = [row for row in rows if row.cells]
    signs = ", ".join(f"`{outcome.sign}` {outcome}" for outcome in Outcome)
    yield f"## {HEADS[lasts]}\n"
    yield f"{signs}; in the order {', '.join(f'{wire} {way}' for wire in WIRES for way in WAYS)}.\n"
    yield f"| fault | {' | '.join(row.caller.name for row in ran)} |"
    yield f"|---|{'---|' * len(ran)}"
    for fault in FAULTS:
        yield f"| `{fault}` | {' | '.join(_signs(row, fault, lasts) for row in ran)} |"
    yield ""


def _signs(row: Row, fault: str, lasts: str) -> str:
    """A sign for each wire and way; where libraries of HTTP differ in it, one for each of them, joined by a slash."""
    groups = []
    for wire in WIRES:
        for way in WAYS:
            found = {
                cell.family: outcome.sign
                for cell, (outcome, _) in row.cells.items()
                if (cell.fault, cell.wire, cell.way, cell.lasts) == (fault, wire, way, lasts)
            }
            groups.append("/".join(found.values()) if len(set(found.values())) > 1 else "".join(set(found.values())))
    return f"`{' '.join(groups)}`"


def _method() -> Iterator[str]:
    text = (loadtests.matrix.__doc__ or "").partition("\n\n")[2].strip()
    before, _, after = text.partition("whole  ")
    listed, _, rules = f"whole  {after}".partition("\n\n")
    yield f"## Method\n\n{before.strip()}\n"
    for line in listed.replace("\n ", " ").splitlines():
        name, _, meaning = line.partition(" ")
        yield f"- **{name}**: {' '.join(meaning.split())}"
    yield f"\n{rules.strip()}"
