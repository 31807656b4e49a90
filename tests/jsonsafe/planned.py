"""Hypothesis: graphs of which is known beforehand what becomes of them, place by place.

A plan is a tree of kinds. `value` builds the object graph; `outcome` says what is written, and every entry of the
report with its path, by rules that know nothing of the encoder.
"""

from __future__ import annotations

import collections
import itertools
import types
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from guardrails.jsonsafe.kinds import type_name
from loadtests.coverage.kinds import KINDS
from tests.jsonsafe import hostile
from tests.jsonsafe.kinds import Expected, expected, opaque, shown
from tests.jsonsafe.values import lost

if TYPE_CHECKING:
    from collections.abc import Callable

Entries = list[tuple[str, str, str, str]]
ROWS = 60


def _raised(name: str, value: Any) -> Expected:
    """A marker in the place of the value, or of the one field of it that failed."""
    kind = type_name(type(value))
    # What pydantic makes of a serializer that raises has the error of the serializer as its cause.
    marker = lost("raised", kind, error="SystemExit")
    whole, field = {
        "computed field": ({"card": "c", "short": marker}, ".short"),
        "field": ({"name": marker}, ".name"),
    }.get(name, (marker, ""))
    return Expected(whole, ((field, "raised", kind, "marker"),))


_HOSTILE: dict[str, tuple[Any, Expected]] = {
    "watched": (hostile.Watched(), shown("tests.jsonsafe.hostile.Watched", host="db")),
    "lying list": (hostile.LyingList([1, 2]), Expected([1, 2])),
    "lying tuple": (hostile.LyingTuple((1, 2)), Expected([1, 2])),
    "lying dict": (hostile.LyingDict(a=1), Expected({"a": 1})),
    "lying text": (hostile.LyingText("a"), Expected("a")),
    "lying set": (hostile.LyingSet({1}), Expected([1])),
    "lying int": (hostile.LyingInt(3), Expected(3)),
    "lying bytes": (hostile.LyingBytes(b"a"), Expected("a")),
    "lying deque": (hostile.LyingDeque([1, 2]), Expected([1, 2])),
    "sequence that says it is empty": (hostile.Claims(0, 3), Expected([0, 1, 2])),
    "count without end": (itertools.count(), opaque("itertools.count")),
    "zero character": ("a\0b", Expected("a\0b")),
    "half a pair": ("\udfff", Expected("\\udfff", (("", "surrogate", "str", "escaped"),))),
    "colliding names": (
        {1: "a", "1": "b", b"1": "c"},
        Expected(
            {"1#2": "a", "1": "b", "1#3": "c"},
            (("['1#2']", "key", "int", "renamed"), ("['1#3']", "key", "bytes", "renamed")),
        ),
    ),
} | {
    f"failing {name}": (value, _raised(name, value))
    for name, value in hostile.failing(SystemExit).items()
    if name != "message"
}
# Made once: most of them are immutable, and what can be drained or awaited must come out untouched.
# Without the text of 20 MB, which takes its time in each of thousands of graphs, and without lists over 100 deep:
# orjson writes their brackets beyond the end of its buffer, which kills this process and not only the test.
LEFT_OUT = {"huge_str_20MB", "nest_200", "nest_300", "nest_5000", "nest_100k"}
POOL: dict[str, Any] = {name: kind.make() for name, kind in KINDS.items() if name not in LEFT_OUT}
POOL["coroutine"].close()
POOL |= {name: value for name, (value, _) in _HOSTILE.items()}


@dataclass(frozen=True)
class Kind:
    """One of the 99 kinds, or something hostile."""

    name: str

    def value(self) -> Any:
        return POOL[self.name]

    def outcome(self, around: int, path: str) -> tuple[Any, Entries]:
        if self.name not in _HOSTILE:
            return expected(self.name, around, path)
        written, entries = _HOSTILE[self.name][1]
        return written, [(f"{path}{below}", reason, kind, action) for below, reason, kind, action in entries]


@dataclass(frozen=True)
class Plain:
    """What JSON has."""

    content: Any

    def value(self) -> Any:
        return self.content

    def outcome(self, around: int, path: str) -> tuple[Any, Entries]:
        return self.content, []


@dataclass(frozen=True)
class Form:
    """A container: how it is made of values, and what is written of it."""

    make: Callable[[list[Any]], Any]
    # For each part: the steps from the container to it.
    steps: Callable[[int], list[str | int]]
    # How many containers stand around a part.
    levels: int
    write: Callable[[list[Any]], Any]
    own: Callable[[int], Entries] = lambda count: []


def _named(values: list[Any]) -> dict[str, Any]:
    return {f"m{number}": value for number, value in enumerate(values)}


def _table(values: list[Any]) -> list[Any]:
    rows: list[Any] = [{"id": number, "name": "clean", "scores": [1.5, 2.5]} for number in range(ROWS)]
    for number, value in enumerate(values):
        rows[number * 11]["k"] = value
    return rows


def _looped(values: list[Any]) -> list[Any]:
    loop = list(values)
    loop.append(loop)
    return loop


def _items(count: int) -> list[str]:
    return [f"[{number}]" for number in range(count)]


def _members(count: int) -> list[str]:
    return [f".m{number}" for number in range(count)]


def _mapping(make: Callable[[dict[str, Any]], Any]) -> Form:
    return Form(lambda values: make(_named(values)), _members, 1, _named)


FORMS: dict[str, Form] = {
    "list": Form(list, _items, 1, list),
    "tuple": Form(tuple, _items, 1, list),
    "deque": Form(collections.deque, _items, 1, list),
    "dict": _mapping(dict),
    "ordered dict": _mapping(collections.OrderedDict),
    "default dict": _mapping(lambda named: collections.defaultdict(list, named)),
    "mapping proxy": _mapping(types.MappingProxyType),
    "namespace": _mapping(lambda named: types.SimpleNamespace(**named)),
    "chain": _mapping(collections.ChainMap),
    "user dict": _mapping(collections.UserDict),
    "dataclass": Form(
        hostile.Box, lambda count: [f".inner{step}" for step in _items(count)], 2, lambda values: {"inner": values}
    ),
    "attrs": Form(
        hostile.AttrsBox, lambda count: [f".inner{step}" for step in _items(count)], 2, lambda values: {"inner": values}
    ),
    "model": Form(
        lambda values: hostile.Model.model_construct(inner=values),
        lambda count: [f".inner{step}" for step in _items(count)],
        2,
        lambda values: {"inner": values},
    ),
    "table": Form(_table, lambda count: [f"[{number * 11}].k" for number in range(count)], 2, _table),
    "loop": Form(
        _looped,
        _items,
        1,
        lambda values: [*values, lost("cycle", "list")],
        lambda count: [(f"[{count}]", "cycle", "list", "marker")],
    ),
}


@dataclass(frozen=True)
class Node:
    """A container and its parts. `twice`: the same first part stands there once more."""

    form: str
    parts: tuple[Any, ...]
    twice: bool

    def planned(self) -> tuple[Any, ...]:
        return (*self.parts, self.parts[0]) if self.twice and self.parts else self.parts

    def value(self) -> Any:
        values = [part.value() for part in self.parts]
        if self.twice and values:
            values.append(values[0])
        return FORMS[self.form].make(values)

    def outcome(self, around: int, path: str) -> tuple[Any, Entries]:
        form, parts = FORMS[self.form], self.planned()
        written, entries = [], []
        for part, step in zip(parts, form.steps(len(parts)), strict=True):
            tree, own = part.outcome(around + form.levels, f"{path}{step}")
            written.append(tree)
            entries += own
        entries += [(f"{path}{below}", *rest) for below, *rest in form.own(len(parts))]
        return form.write(written), entries


PLAINS = st.builds(
    Plain,
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=8)
    | st.sampled_from(["null", "$lost", '"\\"', "x" * 300, "é" * 300]),
)
KINDS_OF = [Kind(name) for name in sorted(POOL)]
NAMES_OF = sorted(FORMS)
# By number: Hypothesis would write lists of a hundred kinds into the name of every strategy that holds them.
PLANS = st.recursive(
    st.integers(0, len(KINDS_OF) - 1).map(lambda number: KINDS_OF[number]) | PLAINS,
    lambda inner: st.builds(
        Node,
        st.integers(0, len(NAMES_OF) - 1).map(lambda number: NAMES_OF[number]),
        st.lists(inner, max_size=4).map(tuple),
        st.booleans(),
    ),
    max_leaves=20,
)
