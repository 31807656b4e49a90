"""Graphs whose outcome is known: every place is written as planned, and everything that is not kept has its entry."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from hypothesis import given, settings

from guardrails import jsonsafe
from tests.jsonsafe.hostile import Watched
from tests.jsonsafe.planned import PLANS, POOL
from tests.jsonsafe.reading import strictly


def holds(plan: Any) -> None:
    """One plan, in both lanes, twice."""
    written, entries = plan.outcome(0, "$")
    Watched.called = []
    graph = plan.value()
    first, second, again = (jsonsafe.encode(graph, shared=shared) for shared in (False, True, False))
    assert strictly(first.data) == written
    assert [(entry.path, entry.reason, entry.type, entry.action) for entry in first.report.entries] == entries[:100]
    assert first.report.omitted == max(0, len(entries) - 100)
    assert (strictly(second.data), second.report) == (written, first.report)
    assert again == first
    assert Watched.called == []
    assert inspect.getgeneratorstate(POOL["generator"]) == inspect.GEN_CREATED
    assert repr(POOL["count without end"]) == "count(0)"


@given(plan=PLANS)
def test_any_graph_becomes_what_was_planned(plan: Any) -> None:
    holds(plan)


@pytest.mark.long
@pytest.mark.timeout(1800)  # some minutes
@settings(max_examples=20_000)
@given(plan=PLANS)
def test_twenty_thousand_graphs_become_what_was_planned(plan: Any) -> None:
    holds(plan)
