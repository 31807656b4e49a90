"""The verdicts as a Markdown document: the same text on a terminal and in docs/coverage.md."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import platform
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import loadtests.coverage
from loadtests.coverage.judging import Verdict
from loadtests.coverage.kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from loadtests.coverage.encoders import Encoder

# Of 99. Not among them: NaN and infinity, which the default profile writes as null, and reports.
LEAST_KEPT = 96
NEVER = (Verdict.INVALID, Verdict.RAISES, Verdict.HANGS, Verdict.DIES, Verdict.SILENT)


class Row(NamedTuple):
    """One encoder. `failed`: why it could not be called."""

    encoder: Encoder
    cells: dict[str, tuple[Verdict, str]]
    failed: str = ""

    @property
    def counts(self) -> Counter[Verdict]:
        return Counter(verdict for verdict, _ in self.cells.values())


def misses(row: Row) -> list[str]:
    """What an encoder that is to lose nothing silently did not reach."""
    if row.failed:
        return [f"not measured: {row.failed}"]
    found = [f"{kind}: {verdict}" for kind, (verdict, _) in row.cells.items() if verdict in NEVER]
    kept = row.counts[Verdict.KEPT]
    if kept < LEAST_KEPT:
        found.append(f"{kept} of {len(row.cells)} kinds kept, at least {LEAST_KEPT} are promised")
    return found


def document(rows: Sequence[Row], limit: float) -> str:
    return "\n".join([*_head(limit), *_summary(rows), "", *_raised(rows), "", *_cells(rows), "", *_method(), ""])


def _head(limit: float) -> Iterator[str]:
    yield f"# {len(KINDS)} kinds of value in JSON encoders\n"
    yield (
        f"Measured by `python -m loadtests.coverage --write docs/coverage.md` on {dt.datetime.now(dt.UTC):%Y-%m-%d} "
        f"(UTC): CPython {platform.python_version()}, {platform.system()} {platform.machine()}, "
        f"{limit:g} s for a cell.\n"
    )


def _summary(rows: Sequence[Row]) -> Iterator[str]:
    yield f"| encoder | called as | {' | '.join(Verdict)} |"
    yield f"|---|---|{'---|' * len(Verdict)}"
    for row in rows:
        if row.failed:
            yield f"| {_versioned(row.encoder)} | not run: {_cell(row.failed)} |{' - |' * len(Verdict)}"
            continue
        numbers = " | ".join(str(row.counts[verdict]) for verdict in Verdict)
        yield f"| {_versioned(row.encoder)} | `{_cell(row.encoder.configuration)}` | {numbers} |"


def _raised(rows: Sequence[Row]) -> Iterator[str]:
    yield "What was raised, and by which signal a process died:\n"
    for row in rows:
        whys = Counter(why for verdict, why in row.cells.values() if verdict in (Verdict.RAISES, Verdict.DIES))
        if whys:
            yield f"- {row.encoder.name}: {', '.join(f'{why} {count}' for why, count in whys.most_common())}"


def _cells(rows: Sequence[Row]) -> Iterator[str]:
    signs = ", ".join(f"`{verdict.sign}` {verdict}" for verdict in Verdict)
    yield f"## Cell by cell\n\n{signs}.\n"
    ran = [row for row in rows if row.cells]
    yield f"| kind | {' | '.join(row.encoder.name for row in ran)} |"
    yield f"|---|{'---|' * len(ran)}"
    for kind in KINDS:
        yield f"| `{kind}` | {' | '.join(row.cells[kind][0].sign for row in ran)} |"


def _method() -> Iterator[str]:
    text = (loadtests.coverage.__doc__ or "").partition("\n\n")[2].strip()
    before, _, after = text.partition("dies  ")
    listed, _, rules = f"dies  {after}".partition("\n\n")
    yield f"## Method\n\n{before.strip()}\n"
    for line in listed.splitlines():
        name, _, meaning = line.partition(" ")
        yield f"- **{name}**: {meaning.strip()}"
    yield f"\n{rules.strip()}"


def _versioned(encoder: Encoder) -> str:
    if not encoder.package:
        return encoder.name
    try:
        return f"{encoder.name} {importlib.metadata.version(encoder.package)}"
    except importlib.metadata.PackageNotFoundError:
        return encoder.name


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
