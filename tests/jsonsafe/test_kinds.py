"""All 99 kinds of value in every lane: what is written, what marks a loss, what is reported, what is counted."""

from __future__ import annotations

import json
import types
from typing import TYPE_CHECKING, Any

import pytest

from guardrails import jsonsafe
from loadtests.coverage.judging import Ended, Verdict, judge
from loadtests.coverage.kinds import KINDS
from tests.jsonsafe.kinds import KEPT, LOST, expected
from tests.jsonsafe.reading import strictly
from tests.support import need

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.jsonsafe.conftest import Counted

ROWS = 1000
PLACE = 617


@pytest.fixture
def made(request: pytest.FixtureRequest) -> Iterator[Any]:
    """A new value of the kind."""
    for library in ("attrs", "msgspec", "numpy", "pandas", "pydantic", "sqlalchemy"):
        need(library, "the kinds of value of other libraries are")
    value = KINDS[request.param].make()
    yield value
    if type(value) is types.CoroutineType:
        value.close()  # nobody awaits it, and Python would say so


def table(value: Any) -> list[Any]:
    """A thousand clean rows with one value in them."""
    rows: list[Any] = [{"id": number, "name": "clean", "scores": [1.5, 2.5]} for number in range(ROWS)]
    rows[PLACE]["k"] = value
    return rows


def identity(value: Any) -> Any:
    return value


# What stands around the value: a name for it, how to wrap, how many containers that is, and the path.
AROUND = {
    "alone": (identity, 0, "$"),
    "a member": (lambda value: {"k": value}, 1, "$.k"),
    "one of a thousand": (table, 2, f"$[{PLACE}].k"),
}
NAMED = [pytest.param(name, name, id=name) for name in KINDS]


def events(entries: list[tuple[str, str, str, str]]) -> Counted:
    """What one encoding with this report counts: nothing, or one event."""
    reasons = {reason for _, reason, _, _ in entries if reason != "secret"}
    if not reasons:
        return []
    return [("json_lossy_total", 1.0, {"profile": "js", "reason": reasons.pop() if len(reasons) == 1 else "several"})]


@pytest.mark.parametrize("shared", [False, True], ids=["default", "shared"])
@pytest.mark.parametrize("place", AROUND)
@pytest.mark.parametrize(("name", "made"), NAMED, indirect=["made"])
def test_this_kind_is_written_reported_and_counted(
    name: str, made: Any, place: str, shared: bool, counted: Counted
) -> None:
    wrap, around, path = AROUND[place]
    written, entries = expected(name, around, path)
    encoded = jsonsafe.encode(wrap(made), shared=shared)
    assert strictly(encoded.data) == wrap(written)
    assert [(entry.path, entry.reason, entry.type, entry.action) for entry in encoded.report.entries] == entries
    assert encoded.report.lossy == bool(events(entries))
    assert counted == events(entries)


@pytest.mark.parametrize("shared", [False, True], ids=["default", "shared"])
@pytest.mark.parametrize(("name", "made"), NAMED, indirect=["made"])
def test_this_kind_is_a_name_where_it_is_a_key(name: str, made: Any, shared: bool, counted: Counted) -> None:
    try:
        value = {"first": 1, made: 2}
    except TypeError:
        with pytest.raises(TypeError):
            hash(made)
        return
    except RuntimeError:  # its `__hash__` raises
        return
    # Inside a name the value is alone: its nesting is counted from the mapping.
    written, entries = expected(name, 1, "$['<key>']")
    if type(made) is float:
        written, entries = repr(made), []  # as a name, NaN is a text like any other
    encoded = jsonsafe.encode(value, shared=shared)
    tree = strictly(encoded.data)
    text = next(key for key in tree if key != "first")
    assert tree == {"first": 1, text: 2}
    # What is no text of its own stands in the name as JSON.
    assert (text if isinstance(written, str) else json.loads(text)) == written
    assert [(entry.path, entry.reason, entry.type, entry.action) for entry in encoded.report.entries] == entries
    assert counted == events(entries)


@pytest.mark.parametrize(("name", "made"), NAMED, indirect=["made"])
def test_this_kind_counts_as_kept_by_the_rule_that_all_encoders_are_held_to(name: str, made: Any) -> None:
    encoded = jsonsafe.encode({"k": made})
    verdict = judge(Ended(encoded.data, encoded.report.lossy), KINDS[name])
    assert verdict == (Verdict.KEPT if name in KEPT else Verdict.ANNOUNCED)


def test_there_are_ninety_nine_kinds_and_at_least_ninety_six_are_kept() -> None:
    assert set(KEPT) | set(LOST) == set(KINDS)
    assert len(KINDS) == 99
    assert set(KEPT).isdisjoint(LOST)
    assert len(KEPT) >= 96
