"""Both runs side by side, and what differs between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadtests.load.figures import CALM, CONTENT
from loadtests.load.running import DELAY, GIVES_UP, SLOW, WELL

if TYPE_CHECKING:
    from collections.abc import Callable

    from loadtests.load.figures import Figures

ROWS: tuple[tuple[str, Callable[[Figures], str]], ...] = (
    ("questions asked", lambda it: f"{it.questions:,}"),
    ("  a second", lambda it: f"{it.per_second:.1f}"),
    ("  without a whole answer", lambda it: f"{it.failed:,}"),
    ("  answered without memories, and told so", lambda it: f"{it.degraded:,}"),
    (f"  good: a whole answer within {CONTENT:g} s", lambda it: f"{it.good:,}"),
    ("time to the end of an answer, p50", lambda it: seconds(it.p50)),
    ("  p95", lambda it: seconds(it.p95)),
    ("  p99", lambda it: seconds(it.p99)),
    ("asked while the memory was slow", lambda it: f"{it.slow_questions:,}"),
    ("  good", lambda it: f"{it.slow_good:,}"),
    ("  good, without memories", lambda it: f"{it.slow_degraded:,}"),
    ("longest time without a good answer", lambda it: seconds(it.longest_without)),
    (
        "all well again, after the slow time",
        lambda it: "not seen" if it.well_again is None else seconds(it.well_again),
    ),
)

DIFFERENCE = f"""\
Off is the same application with AGENT_GUARDS=off: no time limit for the memory but the 5 s that httpx has by itself, no
circuit, no shedding. What it falls back on stays, so it too answers without memories, and says so, once those 5 s are
over. Users are alike: two questions a second, one at a time, gone after {GIVES_UP:g} s. All is well again once, for
{CALM:g} s, nobody waits for an answer that is late or without memories."""


def table(off: Figures, on: Figures, total: float, users: int) -> str:
    """The whole report."""
    begins, ends = WELL * total, (WELL + SLOW) * total
    head = (
        f"{users} users for {total:g} s; from {begins:.3g} s to {ends:.3g} s each search of the memory takes "
        f"{DELAY:g} s, writes are as quick as ever."
    )
    lines = [f"{'':42}{'guards off':>16}{'guards on':>16}"]
    lines += [f"{what:42}{show(off):>16}{show(on):>16}" for what, show in ROWS]
    return "\n".join([head, "", *lines, "", DIFFERENCE])


def seconds(value: float) -> str:
    """As a reader wants it."""
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"
