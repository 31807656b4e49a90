"""Hypothesis: any object graph, built of every kind, with shared parts, cycles and hostile objects."""

from __future__ import annotations

import datetime as dt
from typing import Any

from hypothesis import strategies as st

from tests.jsonsafe.values import (
    BadMapping,
    Client,
    Code,
    Color,
    Level,
    Listed,
    Point,
    Real,
    Slotted,
    Table,
    Text,
    User,
    Whole,
    failure,
)

TEXT = st.text(st.characters(codec=None), max_size=12) | st.sampled_from(["\ud800", "a\0b", "null", '"\\"', "$lost"])
ZONES = st.sampled_from([None, dt.UTC, dt.timezone(dt.timedelta(hours=5, minutes=30))])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(2**53 - 2, 2**53 + 2)
    | st.floats()
    | TEXT
    | st.binary(max_size=8)
    | st.uuids()
    | st.datetimes(timezones=ZONES)
    | st.dates()
    # orjson 3.13.0 writes microsecond=10000 as `.10000`, and nothing in the output tells.
    | st.times().map(lambda time: time.replace(microsecond=time.microsecond // 100_000 * 100_000))
    | st.timedeltas()
    | st.decimals()
    | st.complex_numbers()
    | st.fractions()
    | st.sampled_from([*Color, *Level, *Code, BadMapping(), Client(), failure()])
    | st.builds(lambda text: User(text, text), TEXT)
    | st.builds(object)
    | st.builds(Text, TEXT)
    | st.builds(Whole, st.integers())
    | st.builds(Real, st.floats())
)
KEYS = TEXT | st.integers() | st.floats() | st.none() | st.booleans() | st.uuids() | st.dates() | st.binary(max_size=4)


def containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return (
        st.lists(inner, max_size=6)
        | st.dictionaries(KEYS, inner, max_size=6)
        | st.dictionaries(TEXT, inner, max_size=6)
        | st.lists(inner, max_size=4).map(tuple)
        | st.lists(inner, max_size=3).map(lambda items: Slotted(items, items))
        | st.builds(Point, inner, inner)
        | st.lists(inner, min_size=1, max_size=3).map(lambda items: [items[0]] * 3 + items)
        | st.frozensets(KEYS, max_size=5)
        | st.sets(st.integers() | TEXT, max_size=5)
        | st.dictionaries(TEXT, st.integers(), max_size=3).map(Table)
        | st.lists(st.integers(), max_size=3).map(Listed)
        | inner.map(looped)
    )


def looped(value: Any) -> list[Any]:
    loop: list[Any] = [value]
    loop.append({"self": loop})
    return loop


GRAPHS = st.recursive(SCALARS, containers, max_leaves=20)
