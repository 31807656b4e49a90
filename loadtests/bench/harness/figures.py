"""A figure pits ours against a baseline: interleaved (A B A B ...), then the median over the rounds."""

from __future__ import annotations

import importlib
import operator
import pkgutil
import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from loadtests.bench.harness.contestants import Contestant, NotRun

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

Comparison = Literal["ratio", "difference"]
Verdict = Literal["met", "MISSED", "not run", "for comparison"]


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One promise: `ours` compared with `baseline` is at most `target`.

    `compare`: a ratio for costs, a difference for counts. `floor`: for wrappers, the same work without one, measured
    in the same rounds: it is taken off both sides, so that what they add is compared. `peers` are measured in the
    same rounds and printed for comparison; they have no target. `rounds`: samples of each contestant in a full run.
    `known`: how far a miss goes that we could not mend, and `why`: a full run fails on it all the same, and
    `--fail-beyond` counts from there.
    """

    id: str
    what: str
    target: float
    ours: Contestant
    baseline: Contestant
    peers: tuple[Contestant, ...] = ()
    compare: Comparison = "ratio"
    floor: Contestant | None = None
    rounds: int = 15
    known: float = 0.0
    why: str = ""

    def rounds_in(self, *, short: bool) -> int:
        """How many rounds a run makes: a third in a short one, and never fewer than three."""
        return max(3, self.rounds // 3) if short else self.rounds


@dataclass(frozen=True)
class Row:
    """What one contestant of a figure came to. Without a `target` it stands there for comparison."""

    figure: Figure
    contestant: Contestant
    target: float | None
    values: tuple[float, ...]
    reason: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def quartiles(self) -> tuple[float, float]:
        """Between these two lies the middle half of the rounds."""
        if len(self.values) == 1:
            return self.values[0], self.values[0]
        low, _, high = statistics.quantiles(self.values, n=4, method="inclusive")
        return low, high

    @property
    def verdict(self) -> Verdict:
        if self.reason:
            return "not run"
        if self.target is None:
            return "for comparison"
        return "MISSED" if self.median > self.target else "met"

    def misses(self, factor: float) -> bool:
        """Whether it is a miss that fails a run: over its target, or over `factor` times what is known of it."""
        if self.reason or self.target is None:
            return False
        return self.median > (self.target if factor == 1 else max(self.target, self.figure.known) * factor)


def discover(package: str = "loadtests.bench") -> Iterator[Figure]:
    """Every figure of every benchmark file, in the order of the files' names."""
    folder = importlib.import_module(package)
    for module in pkgutil.iter_modules(folder.__path__, f"{package}."):
        if not module.ispkg and not module.name.endswith(".__main__"):
            yield from importlib.import_module(module.name).FIGURES


def measure(figure: Figure, work: Path, rounds: int) -> list[Row]:
    """Run the contestants of one figure in turn, `rounds` times, and compare each with the baseline.

    One that gives no number leaves the race and the others go on; without a baseline nobody has a result.
    """
    ours, baseline = _Entrant(figure.ours), _Entrant(figure.baseline)
    floors = [] if figure.floor is None else [_Entrant(figure.floor)]
    peers = [_Entrant(peer) for peer in figure.peers]
    for entrant in (ours, baseline, *floors, *peers):
        entrant.get_ready(work)
    for _ in range(0 if any(entrant.reason for entrant in (baseline, *floors)) else rounds):
        for entrant in (ours, baseline, *floors, *peers):
            entrant.run()
    compare = _COMPARISONS[figure.compare]
    for floor in floors:
        for entrant in (ours, baseline, *peers):
            entrant.samples = list(map(operator.sub, entrant.samples, floor.samples))
        baseline.reason = baseline.reason or floor.reason
    return [
        Row(figure, ours.contestant, figure.target, *ours.against(baseline, compare)),
        *(Row(figure, peer.contestant, None, *peer.against(baseline, compare)) for peer in peers),
    ]


_COMPARISONS: dict[Comparison, Callable[[float, float], float]] = {
    "ratio": operator.truediv,
    "difference": operator.sub,
}


@dataclass
class _Entrant:
    """A contestant during its race; `reason` says why it left."""

    contestant: Contestant
    samples: list[float] = field(default_factory=list)
    reason: str = ""
    sampler: Callable[[], float] | None = None

    def get_ready(self, work: Path) -> None:
        try:
            self.sampler = self.contestant.ready(work)
        except Exception as exc:  # noqa: BLE001 - a crash is a result: it is printed and fails the run
            self._leave(exc)

    def run(self) -> None:
        if self.sampler is None:
            return
        try:
            self.samples.append(self.sampler())
        except Exception as exc:  # noqa: BLE001 - as above
            self._leave(exc)

    def _leave(self, exc: Exception) -> None:
        self.reason = str(exc) if isinstance(exc, NotRun) else f"{type(exc).__name__}: {exc}"
        self.sampler = None

    def against(self, baseline: _Entrant, compare: Callable[[float, float], float]) -> tuple[tuple[float, ...], str]:
        """The compared samples, round by round, and the reason why there are none."""
        reason = f"the baseline: {baseline.reason}" if baseline.reason else self.reason
        if reason:
            return (), reason
        return tuple(map(compare, self.samples, baseline.samples)), ""
