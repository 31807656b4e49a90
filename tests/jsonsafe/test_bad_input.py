"""Bad input: what user code does wrong, and what must come of it."""

from __future__ import annotations

import asyncio
import collections
import collections.abc
import itertools
import pathlib
from typing import TYPE_CHECKING, Any

import pytest

from guardrails import jsonsafe
from tests.jsonsafe.hostile import (
    Claims,
    EndlessMapping,
    EndlessSet,
    LyingBytes,
    LyingDeque,
    LyingDict,
    LyingFloat,
    LyingInt,
    LyingList,
    LyingSet,
    LyingText,
    LyingTuple,
    Watched,
    failing,
)
from tests.jsonsafe.reading import both, strictly

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LANES = pytest.mark.parametrize("shared", [False, True], ids=["default", "shared"])


# Code that must not run at all.


@LANES
@pytest.mark.parametrize("profile", ["js", "pg", "log", "wire", "hash"])
@pytest.mark.parametrize(
    "around",
    [lambda it: it, lambda it: [it], lambda it: {"k": it}, lambda it: {it: 1}, lambda it: ((it,), [it])],
    ids=["alone", "item", "member", "key", "twice"],
)
def test_no_method_of_an_object_nobody_described_is_called(around: Any, profile: Any, shared: bool) -> None:
    Watched.called = []
    value = around(Watched())
    encoded = jsonsafe.encode(value, profile=profile, shared=shared)
    assert Watched.called == []
    assert "opaque" in {entry.reason for entry in encoded.report.entries}


def test_a_repr_that_calls_itself_for_ever_is_not_called() -> None:
    class Endless:
        def __repr__(self) -> str:
            return repr(self)

    assert both([Endless()])[1] == ["opaque"]


# Lies about length and content.


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (LyingList([1, 2]), [1, 2]),
        (LyingTuple((1, 2)), [1, 2]),
        (LyingDict(a=1), {"a": 1}),
        (LyingText("a"), "a"),
        (LyingSet({1}), [1]),
        (LyingInt(3), 3),
        (LyingFloat(1.5), 1.5),
        (LyingBytes(b"a"), "a"),
        (LyingDeque([1, 2]), [1, 2]),
    ],
    ids=["list", "tuple", "dict", "str", "set", "int", "float", "bytes", "deque"],
)
def test_a_subclass_that_lies_is_written_as_what_it_is(value: Any, written: Any) -> None:
    assert both({"k": value}) == ({"k": written}, [])


@pytest.mark.parametrize("length", [0, 2, 10**12])
def test_a_sequence_is_as_long_as_its_items(length: int) -> None:
    assert both(Claims(length, 3)) == ([0, 1, 2], [])


def test_a_sequence_that_never_ends_is_cut_and_reported() -> None:
    tree, reasons = both(Claims(0, 10**12))
    assert (len(tree), tree[-1]["$lost"], reasons) == (10_001, "size", ["size"])


def test_a_mapping_that_never_ends_is_cut_and_reported() -> None:
    tree, reasons = both(EndlessMapping())
    assert (len(tree), reasons) == (10_000, ["size"])


def test_a_set_that_never_ends_is_cut_and_reported() -> None:
    tree, reasons = both(EndlessSet())
    assert (len(tree), reasons) == (10_001, ["size"])


# Iterators.


@LANES
@pytest.mark.parametrize(
    "make",
    [
        lambda: iter([1, 2]),
        lambda: (n for n in (1, 2)),
        lambda: map(int, ["1", "2"]),
        lambda: zip([1], [2], strict=True),
        lambda: filter(None, [1, 2]),
        lambda: iter({1: 2}.items()),
        lambda: reversed([1, 2]),
        lambda: enumerate([1, 2]),
        lambda: itertools.chain([1], [2]),
    ],
    ids=["list", "generator", "map", "zip", "filter", "items", "reversed", "enumerate", "chain"],
)
def test_an_iterator_is_not_drained(make: Callable[[], Any], shared: bool) -> None:
    stream, whole = make(), list(make())
    encoded = jsonsafe.encode({"k": stream}, shared=shared)
    assert [(entry.path, entry.reason) for entry in encoded.report.entries] == [("$.k", "opaque")]
    assert list(stream) == whole


@LANES
def test_an_endless_iterator_is_read_to_its_bound_when_iterables_are_asked_for(shared: bool) -> None:
    stream = itertools.count()
    encoded = jsonsafe.encode(stream, shared=shared, iterables=True)
    assert len(strictly(encoded.data)) == 10_001
    assert next(stream) == 10_001
    assert [entry.reason for entry in encoded.report.entries] == ["size"]


@LANES
def test_an_iterator_that_fails_half_way_costs_its_own_value(shared: bool) -> None:
    def failing() -> Iterator[int]:
        yield 1
        raise SystemExit

    encoded = jsonsafe.encode({"a": 1, "k": failing(), "b": 2}, shared=shared, iterables=True)
    assert strictly(encoded.data) == {
        "a": 1,
        "k": {"$lost": "raised", "$type": "generator", "$error": "SystemExit"},
        "b": 2,
    }


# User code that fails.


@LANES
@pytest.mark.parametrize("kind", failing(SystemExit))
@pytest.mark.parametrize("error", [SystemExit, GeneratorExit, RecursionError, AttributeError, StopIteration, OSError])
def test_what_user_code_raises_costs_its_value_only(kind: str, error: type[BaseException], shared: bool) -> None:
    value = {"before": 1, "k": failing(error)[kind], "after": [2]}
    encoded = jsonsafe.encode(value, shared=shared)
    tree = strictly(encoded.data)
    assert (tree["before"], tree["after"]) == (1, [2])
    if kind == "computed field" and error is AttributeError:
        return  # as for any class, this is how an attribute is absent
    if kind == "field" and error is AttributeError:
        return
    if kind.startswith("mapping") and error is StopIteration and kind != "mapping":
        return  # as for any iterator, this is how it ends
    if kind == "sequence" and error is StopIteration:
        return
    assert [entry.reason for entry in encoded.report.entries] == ["raised"]
    if (kind, error) != ("serializer", RecursionError):  # pydantic says "circular reference" instead
        assert error.__name__ in str(tree["k"])


@LANES
@pytest.mark.parametrize("kind", failing(SystemExit))
@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, asyncio.CancelledError])
def test_what_must_not_be_held_back_passes(kind: str, error: type[BaseException], shared: bool) -> None:
    for value in (
        failing(error)[kind],
        [failing(error)[kind]],
        [{"row": n} for n in range(500)] + [failing(error)[kind]],
    ):
        with pytest.raises(error):
            jsonsafe.encode(value, shared=shared)


# Values that change meanwhile.


@LANES
@pytest.mark.parametrize("change", ["clear", "grow", "replace"])
def test_a_value_that_changes_what_holds_it_changes_nothing_that_is_written(change: str, shared: bool) -> None:
    holder: dict[str, Any] = {}

    class Eraser(pathlib.PurePosixPath):
        def __str__(self) -> str:
            if change == "clear":
                holder.clear()
            elif change == "grow":
                holder["rows"].extend(range(100_000))
            else:
                holder["rows"][:] = ["other"]
            return "gone"

    holder.update(rows=[1, 2, 3], k=Eraser("a"), last=4)
    tree = strictly(jsonsafe.dumps(holder, shared=shared))
    assert (tree["rows"], tree["k"], tree["last"]) == ([1, 2, 3], "gone", 4)


@LANES
def test_a_mapping_that_grows_while_it_is_read_ends(shared: bool) -> None:
    class Growing(collections.UserDict[str, int]):
        def __getitem__(self, key: str) -> int:
            self.data[f"new {len(self.data)}"] = 1
            return super().__getitem__(key)

    encoded = jsonsafe.encode([Growing(a=1, b=2)], shared=shared)
    strictly(encoded.data)
    assert len(encoded.data) < 1_000_000
