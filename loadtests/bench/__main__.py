"""`python -m loadtests.bench`: measure all figures, print them, fail on a miss.

Exit status: 0 every figure is met, 1 one is missed, 2 wrong usage, 3 one could not be measured.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from loadtests.bench.harness import Figure, Row, discover, markdown, measure

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def main(argv: Sequence[str] | None = None, available: Iterable[Figure] | None = None) -> int:
    """Run the figures that the arguments choose from those `available` (default: all there are)."""
    arguments = sys.argv[1:] if argv is None else argv
    options = _parser().parse_args(arguments)
    chosen = [
        figure
        for figure in (discover() if available is None else available)
        if options.only.lower() in f"{figure.id} {figure.what}".lower()
    ]
    if not chosen:
        print(f"no figure contains {options.only!r} in its id or its text", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        work = Path(folder)
        rows = [row for figure in chosen for row in _measured(figure, work, short=options.short)]
        captions = [path.read_text(encoding="utf-8") for path in sorted(work.glob("*.caption"))]
    document = markdown(rows, command=shlex.join(["python", "-m", "loadtests.bench", *arguments]), captions=captions)
    print(document)
    if options.write is not None:
        options.write.parent.mkdir(parents=True, exist_ok=True)
        options.write.write_text(document, encoding="utf-8")
    return _exit_status(rows, options.fail_beyond)


def _measured(figure: Figure, work: Path, *, short: bool) -> list[Row]:
    rounds = figure.rounds_in(short=short)
    print(f"{figure.id}: {rounds} rounds ...", file=sys.stderr, flush=True)
    return measure(figure, work, rounds)


def _exit_status(rows: Sequence[Row], factor: float) -> int:
    if any(row.misses(factor) for row in rows):
        return 1
    return 3 if any(row.reason for row in rows) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m loadtests.bench", description="Measure every figure.")
    parser.add_argument("--short", action="store_true", help="a third of the rounds")
    parser.add_argument("--only", default="", metavar="TEXT", help="figures whose id or text contains TEXT")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the table as a Markdown document")
    parser.add_argument(
        "--fail-beyond",
        type=float,
        default=1.0,
        metavar="FACTOR",
        help="exit 1 over target x FACTOR (default 1.0)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
