"""The table of faults: the judge favours nobody, one that is set up wrongly is not measured, a miss of ours fails."""

from __future__ import annotations

from typing import Any

import pytest
from click.testing import CliRunner

from guardrails.testing.faults import Asked
from loadtests.matrix.__main__ import PROMISES, exit_status, main
from loadtests.matrix.cells import FAULTS, LASTS, TEXT, WAYS, Cell, Outcome, Told, judged, says
from loadtests.matrix.peers import CALLERS
from loadtests.matrix.running import Caller, Failed, cells_of, outcomes
from loadtests.matrix.table import Row, document, misses

CUT = Cell("cut", "openai-chat", "sync", "httpx", "always")


def caller(does: str) -> Caller:
    return Caller(does, ("tests.loadtests.matrix_caller", does), f"`{does}`")


def row(name: str, *cells: tuple[str, str, Outcome]) -> Row:
    """A row with these cells: fault, how long it lasts, outcome."""
    made = {CUT._replace(fault=fault, lasts=lasts): (outcome, "") for fault, lasts, outcome in cells}
    return Row(Caller(name, (), "`as it is`"), made, "1.0")


@pytest.mark.parametrize(
    ("told", "outcome"),
    [
        (Told(TEXT), Outcome.WHOLE),
        (Told(TEXT, "APIError", own=True), Outcome.ERROR),
        (Told(TEXT[:99], "APIError", own=True), Outcome.ERROR),
        (Told("", "ReadError"), Outcome.FOREIGN),
        (Told(TEXT[:99]), Outcome.SILENT),
        (Told(""), Outcome.SILENT),
        (Told(TEXT[:99] + TEXT[90:]), Outcome.DOUBLED),
        (Told(TEXT[:99] + TEXT), Outcome.DOUBLED),
        (Told(TEXT + TEXT[-5:]), Outcome.DOUBLED),
        (Told(TEXT[:99] + TEXT[:30], "APIError", own=True), Outcome.DOUBLED),
        (None, Outcome.HANG),
    ],
)
def test_the_judge_sees_the_text_and_the_error_alone(told: Told | None, outcome: Outcome) -> None:
    assert judged(told) == outcome


def body(*turns: tuple[str, Any], key: str = "messages") -> Asked:
    import json

    said = [{"role": role, "content": content} for role, content in turns]
    return Asked("POST", "/", {}, json.dumps({key: said}).encode())


def test_the_model_goes_on_with_what_it_is_shown_however_it_is_asked() -> None:
    user, begun = ("user", "Hello?"), TEXT[:200]
    parts = [{"type": "output_text", "text": TEXT[:150]}, {"type": "output_text", "text": TEXT[150:200]}]
    assert says(body(user)) == TEXT
    assert says(body(user, ("assistant", begun))) == TEXT[200:]
    assert says(body(user, ("assistant", begun), ("user", "Please go on."))) == TEXT[200:]
    assert says(body(user, ("assistant", parts), ("system", "Continue the answer."), key="input")) == TEXT[200:]
    assert says(body(user, ("assistant", begun), ("user", f"Repeat this, then go on:\n{TEXT[180:200]}"))) == TEXT[180:]
    # An answer of somebody else's is none that it has begun.
    assert says(body(user, ("assistant", "Good evening."), ("user", "And?"))) == TEXT


@pytest.mark.slow  # a process for each caller
def test_a_caller_that_hangs_or_dies_is_replaced_and_the_next_cell_goes_on() -> None:
    cells = [CUT._replace(fault=fault) for fault in ("cut", "slow", "cut")]
    expected = {"hangs": Outcome.HANG, "dies": Outcome.FOREIGN, "raises": Outcome.ERROR, "half": Outcome.SILENT}
    for does, outcome in expected.items():
        versions, found = outcomes(caller(does), cells, 0.2)
        assert versions == "caller 1.0"
        assert {cell.fault: said for cell, (said, _) in found.items()} == {"cut": outcome, "slow": Outcome.WHOLE}


@pytest.mark.slow  # a process
def test_one_that_fails_without_a_fault_is_not_measured() -> None:
    with pytest.raises(Failed, match=r"without a fault openai-chat sync came to foreign.*LookupError"):
        outcomes(caller("wrong"), [CUT], 0.2)
    with pytest.raises(Failed, match="has ended"):
        outcomes(Caller("none", ("tests.loadtests.no_such_module",), ""), [CUT], 0.2)


@pytest.mark.slow  # two processes that load both official clients
def test_a_cut_is_silent_under_the_official_clients_and_healed_under_ours() -> None:
    expected = {"official clients": Outcome.SILENT, "ours, one fallback": Outcome.WHOLE}
    cell = CUT._replace(family="httpx2")
    seen = {one.name: outcomes(one, [cell], 1.0)[1][cell][0] for one in CALLERS if one.name in expected}
    assert seen == expected


def test_every_cell_is_tried() -> None:
    bare = list(cells_of(CALLERS[0], list(FAULTS)))
    # Anthropic's client takes httpx2 alone.
    assert len(bare) == len(set(bare)) == len(FAULTS) * len(WAYS) * (2 + 2 + 1) * 2
    assert len(FAULTS) == 12


def test_the_page_counts_and_shows_every_cell() -> None:
    rows = [
        row("theirs", *(("cut", lasts, Outcome.SILENT) for lasts in LASTS), ("rst", "once", Outcome.WHOLE)),
        row("ours, one server", ("cut", "once", Outcome.WHOLE), ("cut", "always", Outcome.ERROR)),
        Row(Caller("absent", (), ""), {}, failed="it cannot be installed"),
    ]
    page = document(rows, 1.0)
    assert "| once | theirs | 1 of 12 | 1 | 0 | 0 | 1 | 0 | 0 |" in page
    assert "| always | ours, one server | 0 of 12 | 0 | 1 | 0 | 0 | 0 | 0 |" in page
    assert "| always | absent | not run: it cannot be installed |" in page
    once, always = page.split("## The server breaks always")
    assert "| `cut` | `S     ` | `+     ` |" in once
    assert "| `cut` | `S     ` | `e     ` |" in always
    assert "- **silent**: no error, and the text is not all there" in page


def test_libraries_of_http_that_differ_are_shown_side_by_side() -> None:
    cells = {CUT._replace(family="httpx"): (Outcome.ERROR, ""), CUT._replace(family="httpx2"): (Outcome.WHOLE, "")}
    assert "| `cut` | `e/+     ` |" in document([Row(CALLERS[0], cells)], 1.0)


def test_a_miss_of_ours_fails_and_one_of_theirs_does_not() -> None:
    healed = row("ours, one server", ("cut", "once", Outcome.WHOLE), ("cut", "always", Outcome.ERROR))
    theirs = row("litellm Router", ("cut", "once", Outcome.HANG))
    assert exit_status([healed, theirs], fail=True) == 0
    for outcome in (Outcome.ERROR, Outcome.SILENT):
        assert exit_status([row("ours, one server", ("cut", "once", outcome))], fail=True) == 1
    assert exit_status([row("ours, one server", ("cut", "always", Outcome.DOUBLED))], fail=True) == 1
    assert exit_status([row("ours, one fallback", ("cut", "always", Outcome.ERROR))], fail=True) == 1
    assert exit_status([row("ours, one fallback", ("cut", "always", Outcome.ERROR))], fail=False) == 0
    assert exit_status([Row(CALLERS[1], {}, failed="no network")], fail=True) == 3
    assert misses(Row(CALLERS[3], {}, failed="it broke"), ("once",)) == ["ours, one server was not measured: it broke"]
    assert set(PROMISES) <= {one.name for one in CALLERS}


def test_a_caller_that_nobody_knows_is_wrong_usage() -> None:
    done = CliRunner().invoke(main, ["--only", "nobody"])
    assert (done.exit_code, "no caller's name holds 'nobody'" in done.output) == (2, True)
