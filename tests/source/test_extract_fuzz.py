"""extract() never raises, and what it says is JSON that the other end can read: on any bytes, on any module."""

from __future__ import annotations

import json
import sysconfig
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from guardrails.source.model import Module
from tests.source.projects import facts_of

if TYPE_CHECKING:
    import random

NAMES = st.sampled_from(["a", "b.c", "self.x", "app", "client", "router", "ünï", "TYPE_CHECKING"])
TEXTS = st.text(st.characters(blacklist_characters="\0\r"), max_size=8).map(ascii)
NUMBERS = st.one_of(st.integers(), st.floats(), st.complex_numbers(), st.booleans(), st.none()).map(repr)
LEAVES = st.one_of(NAMES, TEXTS, NUMBERS, st.sampled_from(["...", "b'x'", "1e999", "lambda: 0", "(yield)"]))


def deeper(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    some = st.lists(inner, max_size=3)
    return st.one_of(
        st.tuples(inner, inner).map(" + ".join),
        st.tuples(inner, inner).map(" or ".join).map("({})".format),
        some.map(lambda items: f"[{', '.join(items)}]"),
        some.map(lambda items: f"f({', '.join(items)})"),
        st.tuples(inner, inner).map(lambda two: f"({two[0]}).get({two[1]}, k={two[0]}, **d)"),
        inner.map(lambda one: f"(await {one})"),
        inner.map(lambda one: f"({one})[{one}].x"),
        inner.map(lambda one: f"({one} if x else [*y])"),
        inner.map(lambda one: "f'a{(" + one.replace("'", '"').replace("\\", "") + ")}'"),
    )


EXPRESSIONS = st.recursive(LEAVES, deeper, max_leaves=8)
SIMPLE = st.one_of(
    EXPRESSIONS,
    st.tuples(NAMES, EXPRESSIONS).map(" = ".join),
    st.tuples(NAMES, EXPRESSIONS).map(" += ".join),
    EXPRESSIONS.map("return {}".format),
    EXPRESSIONS.map("yield {}".format),
    EXPRESSIONS.map(lambda e: f"x: {e} = {e}"),
    st.sampled_from(["import a.b as c", "from ..x import *", "from . import y as z", "pass", '"""@doc"""']),
)


def indented(block: list[str]) -> str:
    return "".join(f"    {line}\n" for statement in block or ["pass"] for line in statement.splitlines())


def compound(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    block = st.lists(inner, max_size=3).map(indented)
    return st.one_of(
        st.tuples(EXPRESSIONS, block, block).map(lambda p: f"if {p[0]}:\n{p[1]}elif x:\n{p[2]}else:\n{p[1]}"),
        st.tuples(block, block).map(lambda p: f"try:\n{p[0]}except E as e:\n{p[1]}finally:\n{p[0]}"),
        st.tuples(EXPRESSIONS, block).map(lambda p: f"for a, b.c in {p[0]}:\n{p[1]}"),
        st.tuples(EXPRESSIONS, block).map(lambda p: f"with ({p[0]}) as z:\n{p[1]}"),
        st.tuples(EXPRESSIONS, block).map(lambda p: f"@a.b\n@({p[0]})\nasync def f(x: {p[0]}, *, y=1):\n{p[1]}"),
        st.tuples(EXPRESSIONS, block).map(lambda p: f"@d\nclass A({p[0]}, k=1):\n{p[1]}"),
        st.tuples(EXPRESSIONS, block).map(lambda p: f"match {p[0]}:\n    case [1, *r]:\n{indented([p[1]])}"),
    )


MODULES = st.lists(st.recursive(SIMPLE, compound, max_leaves=6), max_size=5).map("\n".join)


def check(data: bytes | str, feature: tuple[int, int] | None = None) -> bool:
    """What must hold of any input. Returns whether it could be analysed."""
    facts = facts_of(data, feature)
    assert facts_of(data, feature) == facts
    assert orjson.loads(json.dumps(facts, ensure_ascii=True)) == facts
    if "error" in facts:
        assert facts["error"].strip()
        return False
    module = Module("app/x.py", facts)
    assert len(module.scopes) >= 1
    assert all(0 <= scope.parent < scope.number for scope in module.scopes[1:])
    assert all(0 <= item.scope < len(module.scopes) for item in (*module.binds, *module.calls, *module.imports))
    assert module.names is not None
    assert module.lines >= 0
    return True


@given(st.binary(max_size=200))
@example(b"# client\nx.get(*a)")
@example(b"\xef\xbb\xbf")
@example(b"# coding: utf-7\nx = '+AGE-'")
@example(b"# coding: rot13\nvzcbeg bf")
@example(b"# coding: idna\n")
@example(b"# coding: undefined\n")
@example(b"\x0c\n\\\n")
def test_any_bytes_are_answered(data: bytes) -> None:
    check(data)


@given(MODULES, st.sampled_from([None, (3, 8), (3, 10)]))
def test_any_module_is_answered(source: str, feature: tuple[int, int] | None) -> None:
    check("# client\n" + source, feature)


def test_most_made_up_modules_are_python() -> None:
    """Otherwise the test above would show nothing."""
    analysed: list[bool] = []

    @settings(max_examples=100, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(MODULES)
    def count(source: str) -> None:
        analysed.append(check(source))

    count()
    assert sum(analysed) > len(analysed) / 2


@cache
def library() -> list[Path]:
    """Files of the standard library, its own collection of bad ones among them."""
    home = Path(sysconfig.get_path("stdlib"))
    return sorted(path for path in home.rglob("*.py") if "site-packages" not in path.parts)


def mutated(data: bytes, rng: random.Random) -> bytes:
    """A real file with some of its bytes cut out, doubled, moved or replaced."""
    for _ in range(rng.randint(1, 4)):
        start, end = sorted(rng.randrange(len(data) + 1) for _ in range(2))
        end = min(end, start + rng.choice([1, 5, 200]))
        piece = rng.choice([b"", data[start:end] * 2, b"\\udcff", b"\n", b"    ", b"(", b"'", b"\xff", b"@", b"{%"])
        data = data[:start] + piece + data[end:]
    return data


@given(st.randoms(use_true_random=False))
def test_a_real_file_that_was_damaged_is_answered(rng: random.Random) -> None:
    data = rng.choice(library()).read_bytes()[:20_000]
    check(mutated(data, rng))


@pytest.mark.long
def test_every_input_is_answered_however_long_one_tries() -> None:
    """Long: `make test-long` sets the number of examples to 3,000."""
    test_any_bytes_are_answered()
    test_any_module_is_answered()
    test_a_real_file_that_was_damaged_is_answered()


@pytest.mark.parametrize("part", range(4))
@pytest.mark.long
def test_every_file_of_the_standard_library_is_answered(part: int) -> None:
    """Long: two thousand files."""
    analysed = [check(path.read_bytes()) for path in library()[part::4]]
    assert sum(analysed) > 0.97 * len(analysed)
