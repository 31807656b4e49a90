"""Nesting and cycles through containers of every kind."""

from __future__ import annotations

import collections
import collections.abc
import dataclasses
import types
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
import pytest

from guardrails import jsonsafe
from tests.jsonsafe.hostile import WRAPS, AttrsBox, Box, Model, Plain, StructBox
from tests.jsonsafe.reading import both, strictly

if TYPE_CHECKING:
    from collections.abc import Callable

LANES = pytest.mark.parametrize("shared", [False, True], ids=["default", "shared"])


# Nesting.


@pytest.mark.parametrize("wrap", WRAPS.values(), ids=WRAPS)
@pytest.mark.parametrize("depth", [1000, 5000])
def test_containers_of_every_kind_may_be_thousands_deep(wrap: Callable[[Any], Any], depth: int) -> None:
    value: Any = wrap("end")
    for _ in range(depth):
        value = wrap(value)
    _, reasons = both(value)
    assert reasons
    # Of objects that nobody described only the outermost few are looked into; each of them is an entry.
    assert set(reasons) <= {"depth", "opaque"}
    text = jsonsafe.dumps_str(value)
    assert "$lost" in text
    while value:  # taken apart by hand: some of these classes would be freed by recursion
        value = unwrapped(value)


def unwrapped(value: Any) -> Any:
    if isinstance(value, list | tuple | collections.deque):
        return value[0]
    if isinstance(value, collections.abc.Mapping):
        return value["k"]
    if isinstance(value, BaseException):
        return value.__cause__
    return None if isinstance(value, str) else getattr(value, "k", None) or getattr(value, "inner", None)


# Cycles.


@dataclasses.dataclass(eq=False)
class Frozen:
    """Can be in a set, and holds it."""

    holder: Any = None


@attrs.define(eq=False)
class FrozenAttrs:
    holder: Any = None


def by_list(wrap: Callable[[Any], Any]) -> Any:
    loop: list[Any] = []
    loop.append(wrap(loop))
    return loop


def by_set() -> Any:
    member = Frozen()
    member.holder = {member}
    return member


def by_frozenset() -> Any:
    member = FrozenAttrs()
    member.holder = frozenset([member])
    return member


def by_deque() -> Any:
    loop: collections.deque[Any] = collections.deque()
    loop.append(loop)
    return loop


def by_ordered() -> Any:
    loop: dict[str, Any] = collections.OrderedDict()
    loop["k"] = loop
    return loop


def by_proxy() -> Any:
    inner: dict[str, Any] = {}
    inner["k"] = types.MappingProxyType(inner)
    return inner["k"]


def by_field(make: Callable[[], Any]) -> Callable[[], Any]:
    def made() -> Any:
        box = make()
        box.inner = box
        return box

    return made


def by_cause() -> Any:
    one, two = ValueError("one"), KeyError("two")
    one.__cause__, two.__cause__ = two, one
    return one


def by_context() -> Any:
    one, two = ValueError("one"), KeyError("two")
    one.__context__, two.__context__ = two, one
    return one


def by_group() -> Any:
    inner = ValueError("inner")
    group = ExceptionGroup("group", [inner])
    inner.__cause__ = group
    return group


def by_notes() -> Any:
    error = ValueError("noted")
    error.__notes__ = [error]
    return error


def by_numpy() -> Any:
    array = np.empty(1, dtype=object)
    array[0] = array
    return array


CYCLES: dict[str, Callable[[], Any]] = {
    **{f"list and {name}": (lambda wrap=wrap: by_list(wrap)) for name, wrap in WRAPS.items() if name != "exception"},
    "set of frozen objects": by_set,
    "frozenset of frozen objects": by_frozenset,
    "deque": by_deque,
    "ordered dict": by_ordered,
    "mapping proxy of itself": by_proxy,
    "dataclass of itself": by_field(lambda: Box(None)),
    "attrs of itself": by_field(lambda: AttrsBox(None)),
    "pydantic of itself": by_field(Model),
    "struct of itself": by_field(StructBox),
    "object of itself": by_field(Plain),
    "exceptions that cause one another": by_cause,
    "exceptions in each other's context": by_context,
    "group caused by itself": by_group,
    "exception with itself as a note": by_notes,
    "numpy array of itself": by_numpy,
}


@pytest.mark.parametrize("make", CYCLES.values(), ids=CYCLES)
def test_a_cycle_ends_where_it_begins(make: Callable[[], Any]) -> None:
    _, reasons = both(make())
    assert "cycle" in reasons
    assert set(reasons) <= {"cycle", "opaque"}
    assert len(jsonsafe.dumps(make())) < 1000


@pytest.mark.parametrize("make", CYCLES.values(), ids=CYCLES)
@pytest.mark.parametrize("profile", ["pg", "log", "wire", "hash"])
def test_a_cycle_ends_in_every_profile(make: Callable[[], Any], profile: Any) -> None:
    encoded = jsonsafe.encode(make(), profile=profile)
    strictly(encoded.data)
    assert {entry.reason for entry in encoded.report.entries} & {"cycle", "depth", "opaque"}
    assert len(encoded.data) < 50_000
