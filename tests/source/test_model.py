"""A file as a module: its records, the scopes that see one another, and branches that exclude one another."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails.source import Module
from guardrails.source.model import exclusive
from tests.source.projects import facts_of

SOURCE = """\
from a import *
import b

class K:
    x = 1
    def method(self):
        self.y = 1
        def inner(): ...
    def other(self):
        self.y = 2
        self.z = 3
        self.z = 4
x = 2
x = 3
"""


@pytest.fixture
def module() -> Module:
    return Module("app/routers/chat.py", facts_of(SOURCE))


def test_a_module_knows_its_folder_and_its_size(module: Module) -> None:
    assert (module.package, module.lines, module.role.value) == ("app/routers", 14, "app")


def test_a_place_is_named_by_the_scopes_around_it(module: Module) -> None:
    assert [module.path_to(scope.number) for scope in module.scopes] == [
        "",
        "K",
        "K.method",
        "K.method.inner",
        "K.other",
    ]


def test_methods_do_not_see_the_names_of_their_class(module: Module) -> None:
    assert [list(module.enclosing(number)) for number in range(5)] == [[0], [1, 0], [2, 0], [3, 2, 0], [4, 0]]


def test_names_are_listed_in_the_order_of_their_lines(module: Module) -> None:
    assert [item.line for item in module.names[0, "x"]] == [13, 14]
    assert [item.line for item in module.names[1, "x"]] == [5]
    assert (0, "*") not in module.names
    assert [star.module for star in module.stars] == ["a"]


def test_an_attribute_is_what_the_first_method_that_sets_it_sets_last(module: Module) -> None:
    assert module.attributes[1, "y"].line == 7
    assert module.attributes[1, "z"].line == 12


def test_only_what_bears_a_decorator_is_decorated() -> None:
    module = Module("x.py", facts_of("def a(): ...\n@d\ndef b(): ...\n@d\nclass C: ...\n"))
    assert [scope.name for scope in module.decorated] == ["b", "C"]
    assert Module("y.py", facts_of("def a(): ...\n")).decorated == []


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("", "", False),
        ("/1:0", "", False),
        ("/1:0", "/1:0", False),
        ("/1:0", "/1:1", True),
        ("/1:0", "/2:1", False),
        ("/1:0/2:0", "/1:0/2:1", True),
        ("/1:0/2:0", "/1:1", True),
        ("/1:1", "/1:10", True),
        ("/1:loop", "/1:loop", False),
        ("/1:types", "/1:1", True),
        ("/5:0/7:loop", "/5:1/9:0", True),
    ],
)
def test_two_arms_exclude_one_another_where_they_part(one: str, other: str, expected: bool) -> None:
    assert exclusive(one, other) is expected
    assert exclusive(other, one) is expected


@given(
    st.lists(st.tuples(st.integers(1, 9), st.sampled_from(["0", "1", "loop"])), max_size=4),
    st.lists(st.tuples(st.integers(1, 9), st.sampled_from(["0", "1", "loop"])), max_size=4),
)
def test_exclusion_is_mutual_and_never_with_oneself(one: list[tuple[int, str]], other: list[tuple[int, str]]) -> None:
    first, second = ("".join(f"/{line}:{label}" for line, label in dict(arms).items()) for arms in (one, other))
    assert exclusive(first, second) == exclusive(second, first)
    assert not exclusive(first, first)
