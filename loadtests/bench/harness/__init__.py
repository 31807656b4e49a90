"""The machinery: contestants give samples, a figure pits two against each other, a report prints rows."""

from loadtests.bench.harness.contestants import (
    Call,
    Contestant,
    Ended,
    NotRun,
    Process,
    cpu_seconds,
    printed,
    version,
)
from loadtests.bench.harness.figures import Figure, Row, Verdict, discover, measure
from loadtests.bench.harness.report import markdown

__all__ = [
    "Call",
    "Contestant",
    "Ended",
    "Figure",
    "NotRun",
    "Process",
    "Row",
    "Verdict",
    "cpu_seconds",
    "discover",
    "markdown",
    "measure",
    "printed",
    "version",
]
