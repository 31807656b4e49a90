"""Route patterns against Starlette's own: what the gate says of two paths holds for the expressions that match them."""

from __future__ import annotations

import re

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


@st.composite
def segments(draw: st.DrawFn) -> list[str]:
    """One segment as pieces: fixed text, or `{}` and the kind of its parameter."""
    pieces = draw(st.integers(min_value=1, max_value=3))
    return [draw(st.one_of(WORDS, st.sampled_from([f"{{}}{kind}" for kind in KINDS]))) for _ in range(pieces)]


@st.composite
def patterns(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A path as written, and its pieces, from which requests are made."""
    pieces: list[str] = []
    for segment in draw(st.lists(segments(), max_size=3)):
        pieces += ["/", *segment]
    text = ""
    for number, piece in enumerate(pieces or ["/"]):
        kind = piece.removeprefix("{}")
        text += piece if not piece.startswith("{}") else f"{{p{number}}}" if kind == "str" else f"{{p{number}:{kind}}}"
    return text, pieces or ["/"]


@st.composite
def requests(draw: st.DrawFn, pieces: list[str]) -> str:
    return "".join(draw(VALUES[p.removeprefix("{}")]) if p.startswith("{}") else p for p in pieces)


def expression(path: str) -> re.Pattern[str]:
    return compile_path(path)[0]


def anonymous(path: str) -> str:
    """Starlette's expression without the names of its parameters."""
    return re.sub(r"\?P<\w+>", "", expression(path).pattern)


@given(patterns(), patterns(), st.data())
@example(("/{p}", ["/", "{}str"]), ("/v{p:path}", ["/", "v", "{}path"]), None)
def test_a_covered_route_gets_no_request_that_the_first_does_not_match(
    first: tuple[str, list[str]], later: tuple[str, list[str]], data: st.DataObject | None
) -> None:
    if not covers(parse(first[0]), parse(later[0])):
        return
    asked = data.draw(requests(later[1])) if data else "/va/b"
    assume(expression(later[0]).match(asked))
    assert expression(first[0]).match(asked)


@given(patterns(), patterns())
def test_equal_patterns_are_one_expression(first: tuple[str, list[str]], later: tuple[str, list[str]]) -> None:
    equal = parse(first[0]) == parse(later[0])
    assert not equal or anonymous(first[0]) == anonymous(later[0])


@given(patterns())
def test_every_pattern_covers_itself(pattern: tuple[str, list[str]]) -> None:
    assert covers(parse(pattern[0]), parse(pattern[0]))


@given(patterns(), st.data())
def test_a_request_that_a_route_answers_could_match_it(pattern: tuple[str, list[str]], data: st.DataObject) -> None:
    asked = data.draw(requests(pattern[1]))
    assume(expression(pattern[0]).match(asked))
    assert could_match(parse(pattern[0]), asked)


@given(patterns(), st.data())
def test_a_request_whose_values_are_unknown_could_match_what_it_would_match(
    pattern: tuple[str, list[str]], data: st.DataObject
) -> None:
    asked = data.draw(requests(pattern[1]))
    assume(expression(pattern[0]).match(asked) and "{" not in asked)
    start = data.draw(st.integers(min_value=1, max_value=max(1, len(asked))))
    # What an f-string inserts at the end of a path may hold slashes; in its middle it is one segment.
    assert could_match(parse(pattern[0]), asked[:start] + "{}")
    middle = re.sub(r"(?<=/)[^/]+(?=/)", "{}", asked, count=1)
    assert could_match(parse(pattern[0]), middle)


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
