"""Where the shapes of a chart stand: numbers only, which a template puts into SVG.

A chart is WIDTH units wide; a column that stands for more than nothing is at least one unit high, so that
little is not taken for none.
"""

from __future__ import annotations

from typing import NamedTuple

WIDTH = 720.0
HEIGHT = 120.0


class Bar(NamedTuple):
    """A rectangle: `x`, `y` of its upper left corner, `width`, `height`."""

    x: float
    y: float
    width: float
    height: float


class Mirrored(NamedTuple):
    """Columns `above` and `below` the line at `line`, in one scale."""

    above: list[Bar]
    below: list[Bar]
    line: float


def columns(values: list[int], height: float = HEIGHT) -> list[Bar]:
    """Columns that stand side by side on the line at `height`; the highest reaches 0."""
    sizes = _sizes(values, height / (max(values, default=0) or 1))
    return [_bar(place, len(values), size, height - size) for place, size in enumerate(sizes)]


def mirrored(up: list[int], down: list[int], height: float = HEIGHT) -> Mirrored:
    """Columns that stand on a line and hang from it; the highest and the deepest fill `height` together."""
    most, deepest = max(up, default=0), max(down, default=0)
    scale = height / (most + deepest or 1)
    line = most * scale
    return Mirrored(
        [_bar(place, len(up), size, line - size) for place, size in enumerate(_sizes(up, scale))],
        [_bar(place, len(down), size, line) for place, size in enumerate(_sizes(down, scale))],
        round(line, 1),
    )


def _sizes(values: list[int], scale: float) -> list[float]:
    return [max(1.0, value * scale) if value else 0.0 for value in values]


def _bar(place: int, count: int, size: float, y: float) -> Bar:
    step = WIDTH / count
    gap = min(3.0, step / 5)
    return Bar(round(place * step + gap / 2, 1), round(y, 1), round(step - gap, 1), round(size, 1))
