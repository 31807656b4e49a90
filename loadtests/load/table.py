"""Both runs side by side, and what differs between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadtests.load.figures import CALM, CONTENT
from loadtests.load.running import CUT, DELAY, FAILING, GIVES_UP, WELL

if TYPE_CHECKING:
    from collections.abc import Callable

    from loadtests.load.figures import Figures
    from loadtests.load.running import Fault

Rows = tuple[tuple[str, "Callable[[Figures], str]"], ...]
ASKED: Rows = (
    ("questions asked", lambda it: f"{it.questions:,}"),
    ("  a second", lambda it: f"{it.per_second:.1f}"),
    ("  without a whole answer", lambda it: f"{it.failed:,}"),
)
GOOD: Rows = ((f"  good: a whole answer within {CONTENT:g} s", lambda it: f"{it.good:,}"),)
TOOK: Rows = (
    ("time to the end of an answer, p50", lambda it: seconds(it.p50)),
    ("  p95", lambda it: seconds(it.p95)),
    ("  p99", lambda it: seconds(it.p99)),
)
AFTERWARDS: Rows = (
    ("longest time without a good answer", lambda it: seconds(it.longest_without)),
    ("all well again, when that was over", lambda it: seconds(it.well_again)),
)
ROWS: dict[Fault, Rows] = {
    "memory": (
        *ASKED,
        ("  answered without memories, and told so", lambda it: f"{it.degraded:,}"),
        *GOOD,
        *TOOK,
        ("asked while the memory was slow", lambda it: f"{it.fault_questions:,}"),
        ("  good", lambda it: f"{it.fault_good:,}"),
        ("  good, without memories", lambda it: f"{it.fault_degraded:,}"),
        *AFTERWARDS,
    ),
    "model": (
        *ASKED,
        ("  healed, and told so", lambda it: f"{it.healed:,}"),
        *GOOD,
        ("time to the first word, p50", lambda it: seconds(it.first_p50)),
        ("  p95", lambda it: seconds(it.first_p95)),
        *TOOK,
        ("asked while the model cut its answers", lambda it: f"{it.fault_questions:,}"),
        ("  whole", lambda it: f"{it.fault_whole:,}"),
        *AFTERWARDS,
    ),
}
WHAT: dict[Fault, str] = {
    "memory": f"each search of the memory takes {DELAY:g} s, writes are as quick as ever.",
    "model": f"the model ends each answer at {CUT:.0%}; what is left of one comes when it is asked for.",
}
ALIKE = f"""\
Users are alike: two questions a second, one at a time, gone after {GIVES_UP:g} s. All is well again once, for
{CALM:g} s, nobody waits for an answer that is late, not whole, or without memories."""
DIFFERENCE: dict[Fault, str] = {
    "memory": f"""\
Off is the same application with AGENT_GUARDS=off: no time limit for the memory but the 5 s that httpx has by itself, no
circuit, no shedding. What it falls back on stays, so it too answers without memories, and says so, once those 5 s are
over.
{ALIKE}""",
    "model": f"""\
Off is the same application with AGENT_GUARDS=off: half an answer is told from a whole one, and neither asked for again
nor continued. Each continuation is billed.
{ALIKE}""",
}


def table(fault: Fault, off: Figures, on: Figures, total: float, users: int) -> str:
    """The whole report on one fault."""
    begins, ends = WELL * total, (WELL + FAILING) * total
    head = f"{users} users for {total:g} s; from {begins:.3g} s to {ends:.3g} s {WHAT[fault]}"
    lines = [f"{'':42}{'guards off':>16}{'guards on':>16}"]
    lines += [f"{what:42}{show(off):>16}{show(on):>16}" for what, show in ROWS[fault]]
    return "\n".join([head, "", *lines, "", DIFFERENCE[fault]])


def seconds(value: float | None) -> str:
    """As a reader wants it."""
    if value is None:
        return "not seen"
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"
