"""Route patterns against Starlette's own: what the gate says of two paths holds for the expressions that match them."""

from __future__ import annotations

import re
from typing import NamedTuple

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from starlette.routing import compile_path

from guardrails.preflight.checks.matching import could_match, covers, from_flask, parse, shown

KINDS = ("str", "int", "float", "uuid", "path")
UUID = "01234567-89ab-cdef-0123-456789abcdef"
WORDS = st.sampled_from(["a", "b", "export", "42", "1.5", "1.5.2", UUID, "v1", "{", "{0}", "{a b}", "}", ""])
# What a parameter of each kind may take, chosen so that another kind's expression may match it, too.
VALUES = {
    "str": st.sampled_from(["a", "b", "export", "42", "1.5", UUID, "{", "x.y"]),
    "int": st.sampled_from(["0", "42", "007"]),
    "float": st.sampled_from(["0", "42", "1.5"]),
    "uuid": st.sampled_from([UUID, UUID.replace("-", "")]),
    "path": st.sampled_from(["", "a", "a/b", "/", "42/export/", "export"]),
}


PIECES = st.one_of(WORDS, st.sampled_from([f"{{}}{kind}" for kind in KINDS]))
# One segment as pieces: fixed text, or `{}` and the kind of its parameter. Most hold one piece.
SEGMENTS = st.one_of(PIECES.map(lambda piece: [piece]), st.lists(PIECES, min_size=1, max_size=3))


class Pattern(NamedTuple):
    """A path as written, and the pieces from which requests for it are made."""

    text: str
    pieces: tuple[str, ...]

    @classmethod
    def of(cls, segments: list[list[str]]) -> Pattern:
        pieces = tuple(piece for segment in segments for piece in ("/", *segment)) or ("/",)
        return cls("".join(_written(number, piece) for number, piece in enumerate(pieces)), pieces)


def _written(number: int, piece: str) -> str:
    if not piece.startswith("{}"):
        return piece
    kind = piece.removeprefix("{}")
    return f"{{p{number}}}" if kind == "str" else f"{{p{number}:{kind}}}"


PATTERNS = st.lists(SEGMENTS, max_size=3).map(Pattern.of)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Pattern, Pattern]:
    """Two patterns of which the second keeps some segments of the first, as routes of one router do."""
    first = draw(st.lists(SEGMENTS, max_size=3))
    later = [segment if draw(st.booleans()) else draw(SEGMENTS) for segment in first]
    later += draw(st.lists(SEGMENTS, max_size=1))
    return Pattern.of(first), Pattern.of(later)


@st.composite
def requests(draw: st.DrawFn, pattern: Pattern) -> str:
    return "".join(draw(VALUES[p.removeprefix("{}")]) if p.startswith("{}") else p for p in pattern.pieces)


def expression(path: str) -> re.Pattern[str]:
    return compile_path(path)[0]


def anonymous(path: str) -> str:
    """Starlette's expression without the names of its parameters."""
    return re.sub(r"\?P<\w+>", "", expression(path).pattern)


@given(pairs(), st.data())
@example((Pattern.of([["{}str"]]), Pattern.of([["v", "{}path"]])), None)
def test_a_covered_route_gets_no_request_that_the_first_does_not_match(
    two: tuple[Pattern, Pattern], data: st.DataObject | None
) -> None:
    first, later = two
    if not covers(parse(first.text), parse(later.text)):
        return
    asked = data.draw(requests(later)) if data else "/va/b"
    assume(expression(later.text).match(asked))
    assert expression(first.text).match(asked)


@given(pairs())
def test_equal_patterns_are_one_expression(two: tuple[Pattern, Pattern]) -> None:
    first, later = two
    equal = parse(first.text) == parse(later.text)
    assert not equal or anonymous(first.text) == anonymous(later.text)


@given(PATTERNS)
def test_every_pattern_covers_itself(pattern: Pattern) -> None:
    assert covers(parse(pattern.text), parse(pattern.text))


@given(PATTERNS, st.data())
def test_a_request_that_a_route_answers_could_match_it(pattern: Pattern, data: st.DataObject) -> None:
    asked = data.draw(requests(pattern))
    assume(expression(pattern.text).match(asked))
    assert could_match(parse(pattern.text), asked)


@given(PATTERNS, st.data())
def test_a_request_whose_values_are_unknown_could_match_what_it_would_match(
    pattern: Pattern, data: st.DataObject
) -> None:
    asked = data.draw(requests(pattern))
    assume(expression(pattern.text).match(asked) and "{" not in asked)
    start = data.draw(st.integers(min_value=1, max_value=max(1, len(asked))))
    # What an f-string inserts at the end of a path may hold slashes; in its middle it is one segment.
    assert could_match(parse(pattern.text), asked[:start] + "{}")
    middle = re.sub(r"(?<=/)[^/]+(?=/)", "{}", asked, count=1)
    assert could_match(parse(pattern.text), middle)


@pytest.mark.long
def test_patterns_and_starlette_agree_however_long_one_tries() -> None:
    """Long: `make test-long` sets the number of examples to 3,000."""
    test_a_covered_route_gets_no_request_that_the_first_does_not_match()
    test_equal_patterns_are_one_expression()
    test_a_request_that_a_route_answers_could_match_it()
    test_a_request_whose_values_are_unknown_could_match_what_it_would_match()


@pytest.mark.parametrize(
    ("first", "later", "expected"),
    [
        ("/{a}", "/export", True),
        ("/{a}", "/{b}", True),
        ("/{a}", "/{b:int}", True),
        ("/{a}", "/{b}.csv", True),
        ("/{a:int}", "/export", False),
        ("/{a:int}", "/42", True),
        ("/{a:int}", "/{b}", False),
        ("/{a:float}", "/{b:int}", True),
        ("/{a:uuid}", f"/{UUID}", True),
        ("/{a:path}", "/x/y/z", True),
        ("/x/{a:path}", "/x", False),
        ("/x/{a:path}", "/x/", True),
        ("/{a}", "/{b:path}", False),
        ("/{a}", "/", False),
        ("/{a}", "/x/", False),
        ("/{a}.csv", "/{b}.csv", True),
        ("/{a}.csv", "/x.csv", False),
        ("/{a:own}", "/{a:own}", True),
        ("/{a:own}", "/x", False),
        ("/\0settings.x\0/{a}", "/\0settings.x\0/b", True),
        ("/{a}", "/\0settings.x\0", False),
        ("/{a}/{b:path}", "/\0settings.x\0/y/z", False),
    ],
)
def test_one_pattern_covers_another(first: str, later: str, expected: bool) -> None:
    assert covers(parse(first), parse(later)) is expected


@pytest.mark.parametrize(
    ("pattern", "asked", "expected"),
    [
        ("/chats/{id}", "/chats/42", True),
        ("/chats/{id}", "/chats", False),
        ("/chats/{id:int}", "/chats/x", False),
        ("/chats/{id}/messages", "/chats/{}/messages", True),
        ("/chats/{id}/messages", "/chats/{}/history", False),
        ("/chats/{id}/messages", "/chats{}", True),
        ("/chats/{id}/messages", "/users{}", False),
        ("/chats/{id}/messages", "/{}", True),
        ("/chats/{id}/messages", "/chats/x-{}/messages", True),
        ("/chats", "/chats/{}", False),
        ("/files/{path:path}", "/files/a/b", True),
        ("/files/{path:path}", "/files", False),
        ("/{day:date}/x", "/today/y/z", True),
    ],
)
def test_an_asked_path_could_be_meant_for_a_route(pattern: str, asked: str, expected: bool) -> None:
    assert could_match(parse(pattern), asked) is expected


@pytest.mark.parametrize(
    ("flask", "starlette"),
    [
        ("/x", "/x"),
        ("/<name>", "/{name:str}"),
        ("/<int:n>/<path:rest>", "/{n:int}/{rest:path}"),
        ("/<default:n>-<uuid:key>", "/{n:str}-{key:uuid}"),
        ("/<own:n>", "/{n:own}"),
        ("/<any(a, b):n>", "/{n:any(a, b)}"),
    ],
)
def test_flask_rules_are_read_as_starlette_paths(flask: str, starlette: str) -> None:
    assert from_flask(flask) == starlette


def test_flask_parameters_with_arguments_are_equal_only_to_themselves() -> None:
    two, three = (parse(from_flask(f"/<string(length={n}):code>")) for n in (2, 3))
    assert two == parse(from_flask("/<string(length=2):code>"))
    assert two != three
    assert not covers(parse("/{code:int}"), two)


def test_a_path_is_shown_as_a_reader_would_write_it() -> None:
    assert shown("/\0settings.api\0/{id}") == "/<settings.api>/{id}"
    assert shown("") == "/"
