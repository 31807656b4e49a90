"""Any object graph: strictly valid, reported, the same bytes twice, the same in both lanes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guardrails import jsonsafe
from tests.jsonsafe.graphs import GRAPHS
from tests.jsonsafe.reading import strictly

PROFILES = ("js", "pg", "log", "wire", "hash")


def around(value: Any, place: int) -> list[Any]:
    """A table of clean rows with one value in it: what the fast lane has to mend."""
    rows: list[Any] = [{"id": number, "name": "clean", "scores": [1.5, 2.5]} for number in range(40)]
    rows[place]["odd"] = value
    return rows


@pytest.mark.parametrize("profile", PROFILES)
@given(graph=GRAPHS)
def test_any_graph_is_valid_and_gives_the_same_bytes_twice(profile: Any, graph: Any) -> None:
    first = jsonsafe.encode(graph, profile=profile)
    strictly(first.data)
    assert jsonsafe.encode(graph, profile=profile) == first


@given(graph=GRAPHS)
def test_the_fast_lane_says_what_the_walker_says(graph: Any) -> None:
    fast, slow = jsonsafe.encode(graph), jsonsafe.encode(graph, shared=True)
    assert strictly(fast.data) == strictly(slow.data)
    assert fast.report == slow.report


@given(graph=GRAPHS, place=st.integers(0, 39), profile=st.sampled_from(["js", "pg"]))
def test_a_mended_table_is_what_the_walker_makes_of_it(graph: Any, place: int, profile: Any) -> None:
    table = {"rows": around(graph, place), "note": None}
    fast, slow = jsonsafe.encode(table, profile=profile), jsonsafe.encode(table, profile=profile, shared=True)
    assert strictly(fast.data) == strictly(slow.data)
    assert fast.report == slow.report


@given(graph=GRAPHS)
def test_what_is_reported_is_what_a_strict_caller_is_refused(graph: Any) -> None:
    report = jsonsafe.encode(graph).report
    if not report.lossy:
        assert jsonsafe.dumps(graph, policy="strict") == jsonsafe.dumps(graph)
        return
    with pytest.raises(jsonsafe.EncodeError) as refused:
        jsonsafe.dumps(graph, policy="strict")
    paths = [entry.path for entry in report.entries if entry.lossy]
    assert [problem.partition(": ")[0] for problem in refused.value.problems] == paths


@given(graph=GRAPHS)
def test_explaining_finds_what_encoding_reports(graph: Any) -> None:
    entries = jsonsafe.explain(graph)
    report = jsonsafe.encode(graph).report
    assert entries[:100] == report.entries
    assert len(entries) == len(report.entries) + report.omitted


@pytest.mark.long
@pytest.mark.timeout(1800)  # some minutes
@settings(max_examples=25_000)
@given(graph=GRAPHS)
def test_twenty_five_thousand_graphs_are_valid_reported_and_the_same_twice(graph: Any) -> None:
    first = jsonsafe.encode(graph)
    strictly(first.data)
    again = jsonsafe.encode(graph, shared=True)
    assert (strictly(again.data), again.report) == (strictly(first.data), first.report)
    assert jsonsafe.encode(graph) == first
