"""JSON text, read strictly: the same verdict as strict parsers, and each fault at its place."""

from __future__ import annotations

import io
import json
import tracemalloc
from typing import TYPE_CHECKING

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from guardrails import jsonsafe
from guardrails.jsonlint import scan
from guardrails.jsonlint import text as reader
from guardrails.jsonlint.findings import MOST_FINDINGS, path_text
from guardrails.jsonlint.places import BLOCK, Places

if TYPE_CHECKING:
    from guardrails.jsonlint.findings import Finding, Outcome

# What makes a text no JSON; the other reasons are of valid texts that lose something on the way.
INVALID = {"syntax", "nan", "encoding"}


def lint(text: str | bytes, *, nul: bool = True) -> Outcome:
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    return reader.lint_value(io.BytesIO(data), nul=nul, tick=lambda _: None)


def lines(text: str) -> Outcome:
    return reader.lint_lines(io.BytesIO(text.encode()), nul=True, tick=lambda _: None)


def place(found: Finding) -> tuple[str, int | None, int | None, str]:
    return found.reason, found.line, found.column, found.path


# text -> (reason, line, column, path) of each finding, and a word of the fix of the first
FAULTS = {
    '{"a":[1,2,{"b":NaN}]}': ([("nan", 1, 16, "$.a[2].b")], "write null"),
    "[Infinity,\n -Infinity,nan]": (
        [("nan", 1, 2, "$[0]"), ("nan", 2, 2, "$[1]"), ("nan", 2, 12, "$[2]")],
        "write null",
    ),
    "[1,2,]": ([("syntax", 1, 5, "$")], "remove the comma"),
    '{"a":{"b":1 , }}': ([("syntax", 1, 13, "$.a")], "remove the comma"),
    "[1,,2]": ([("syntax", 1, 4, "$[1]")], "remove the comma"),
    '{"a":}': ([("syntax", 1, 6, "$.a")], "write the value"),
    "\ufeff{}": ([("syntax", 1, 1, "$")], "without BOM"),
    "{'a':'b'}": ([("syntax", 1, 2, "$"), ("syntax", 1, 6, "$.a")], "double quotes"),
    "{a:1}": ([("syntax", 1, 2, "$")], "double quotes"),
    "[True,None,undefined]": ([("syntax", 1, 2, "$[0]"), ("syntax", 1, 7, "$[1]"), ("syntax", 1, 12, "$[2]")], "true"),
    "[1, /* one */ 2] // end": ([("syntax", 1, 5, "$[1]"), ("syntax", 1, 18, "$")], "remove it"),
    '["a\tb\x01"]': ([("syntax", 1, 4, "$[0]")], "write \\t"),
    '["a\nb"]': ([("syntax", 1, 4, "$[0]")], "\\n"),
    '["C:\\dir"]': ([("syntax", 1, 5, "$[0]")], "\\\\ for a backslash"),
    '{"a":{},"b\\q":1}': ([("syntax", 1, 11, "$")], "\\\\ for a backslash"),
    '["\\u12"]': ([("syntax", 1, 3, "$[0]")], "4 hex digits"),
    "[01,+1,.5,1.,0x1F,1_0,-]": (
        [("syntax", 1, column, f"$[{i}]") for i, column in enumerate((2, 5, 8, 11, 14, 19, 23))],
        "zero",
    ),
    "[1\u00a0]": ([("syntax", 1, 3, "$[0]")], "U+0020"),
    '{"a" 1}': ([("syntax", 1, 6, "$.a")], '"name": value'),
    '[{"é":"x" "y"}]': ([("syntax", 1, 11, "$[0].é")], "write the comma"),
    "[1}": ([("syntax", 1, 3, "$[0]")], "close with ]"),
    "[1]]": ([("syntax", 1, 4, "$")], "remove it"),
    '{"a":[{"b":1}': ([("syntax", 1, 14, "$.a[0]")], "close the 2 open containers"),
    '["abc': ([("syntax", 1, 2, "$[0]")], "was the text cut?"),
    "[nul]": ([("syntax", 1, 2, "$[0]")], "double quotes"),
    "[“a”]": ([("syntax", 1, 2, "$[0]")], "straight double quotes"),
    "1 2": ([("syntax", 1, 3, "$")], ".jsonl"),
    "": ([("syntax", 1, 1, "$")], "null"),
    '{"a":1,\n"\\u0061":2}': ([("duplicate", 2, 1, "$.a")], "rename"),
    "[9007199254740991,9007199254740992,-9007199254740993]": (
        [("integer", 1, 19, "$[1]"), ("integer", 1, 36, "$[2]")],
        "as a string",
    ),
    "[1e999,-1e400,1e-400,0e-999]": (
        [("range", 1, 2, "$[0]"), ("range", 1, 8, "$[1]"), ("range", 1, 15, "$[2]")],
        "unit",
    ),
    '["\\ud800","\\ud83d\\ude00","x\\ude00"]': (
        [("surrogate", 1, 3, "$[0]"), ("surrogate", 1, 28, "$[2]")],
        "both halves",
    ),
    '{"a":{"$lost":"opaque","$type":"app.Client"}}': ([("lost", 1, 6, "$.a")], "FILE.py:OBJECT"),
    '["$lost: depth","ab… [$lost: size, 9 characters]","$lost"]': (
        [("lost", 1, 2, "$[0]"), ("lost", 1, 17, "$[1]")],
        "FILE.py:OBJECT",
    ),
}


@pytest.mark.parametrize("text", FAULTS, ids=ascii)
def test_a_fault_is_told_with_reason_place_path_and_fix(text: str) -> None:
    expected, fix = FAULTS[text]
    found = lint(text).findings
    assert list(map(place, found)) == expected
    assert fix in found[0].fix


@pytest.mark.parametrize(
    ("data", "column", "said"),
    [
        (b'["a\xff"]', 4, "0xFF"),
        (b'["\xc3\xa9\xc3"]', 4, "0xC3"),
        (b'["\xed\xa0\x80"]', 3, "half of a surrogate pair"),
        ("[1]".encode("utf-16"), 1, "UTF-16"),
        ("[1]".encode("utf-16-be"), 1, "UTF-16"),
        ("[1]".encode("utf-32-le"), 1, "UTF-16 or UTF-32"),
        (b'["' + b"\xc3\xa9" * reader._CHUNK + b'\xff"]', 3 + reader._CHUNK, "0xFF"),
    ],
)
def test_what_is_not_utf_8_is_told_with_its_place(data: bytes, column: int, said: str) -> None:
    (found,) = lint(data).findings
    assert (found.reason, found.line, found.column) == ("encoding", 1, column)
    assert said in found.message


def test_characters_that_lie_across_two_pieces_are_whole() -> None:
    for shift in range(5):
        text = '"' + "a" * shift + "\U0001f600" * (reader._CHUNK // 2) + '"'
        assert lint(text).findings == ()


def test_a_duplicate_tells_the_line_of_the_first() -> None:
    (found,) = lint('{\n"a": 1,\n"b": 2,\n  "a": 3}').findings
    assert (place(found), found.first_line) == (("duplicate", 4, 3, "$.a"), 2)


def test_the_same_name_in_two_objects_is_no_duplicate() -> None:
    assert lint('[{"a":1},{"a":{"a":1}}]').findings == ()


def test_nul_is_a_fault_for_postgresql_alone() -> None:
    assert lint('["\\u0000"]').findings == ()
    assert list(map(place, lint('["a\\u0000"]', nul=False).findings)) == [("nul", 1, 4, "$[0]")]


def test_a_marker_tells_its_type_and_an_odd_one_is_still_told() -> None:
    plain, odd = lint('[{"$lost":"opaque","$type":"app.Client"},{"$lost":"sk live","$type":"a b"}]').findings
    assert (plain.type, "reason: opaque" in plain.message) == ("app.Client", True)
    assert (odd.type, "reason: unknown" in odd.message) == ("object", True)


def test_what_the_encoder_could_not_keep_is_found_in_its_output() -> None:
    value = {"ok": 1, "rows": [{"client": object()}, {"text": "x" * (2 << 20)}]}
    encoded = jsonsafe.encode(value)
    found = lint(encoded.data).findings
    marked = [entry.path for entry in encoded.report.entries if entry.action in ("marker", "cut")]
    assert [(each.reason, each.path) for each in found] == [("lost", path) for path in marked]
    assert len(marked) == 2


def test_depth_is_the_one_that_our_own_reader_takes() -> None:
    deepest = "[" * scan.DEEPEST + "]" * scan.DEEPEST
    assert lint(deepest).findings == ()
    jsonsafe.loads(deepest)
    (found,) = lint(f"[{deepest}]").findings
    assert (found.reason, found.column) == ("depth", scan.DEEPEST + 1)
    with pytest.raises(ValueError, match=r"deep|depth"):
        jsonsafe.loads(f"[{deepest}]")


def test_what_follows_an_unclear_fault_is_said_to_be_unread() -> None:
    assert lint('[1 2,\n{"a":NaN}]').notes == ("what follows line 1 was not looked at",)
    assert lint("[NaN,1]").notes == ()


def test_only_the_first_thousand_are_listed_and_the_others_counted() -> None:
    outcome = lint(json.dumps([float("nan")] * (MOST_FINDINGS + 5)))
    assert (len(outcome.findings), outcome.omitted) == (MOST_FINDINGS, 5)


def test_more_names_than_are_remembered_are_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "MOST_NAMES", 3)
    outcome = lint('{"a":{"b":1,"c":2,"d":3,"b":4},"e":5,"f":6,"g":7}')
    assert [found.path for found in outcome.findings] == ["$.a.b"]
    assert "names in open objects" in outcome.notes[0]
    assert lint('{"a":{"b":1},"e":5,"f":6}').notes == ()


def test_json_lines_are_read_one_by_one() -> None:
    outcome = lines('{"a":1}\r\n\n{"a":NaN\n  \n{"a":1,"a":2}\n[1] 2\n"x"')
    assert [(*place(found), found.first_line) for found in outcome.findings] == [
        ("nan", 3, 6, "$.a", None),
        ("syntax", 3, 9, "$.a", None),
        ("duplicate", 5, 8, "$.a", 5),
        ("syntax", 6, 5, "$", None),
    ]
    assert outcome.notes == ("lines of which the rest was not looked at: 1",)


def test_findings_are_bounded_over_all_lines() -> None:
    outcome = lines("[NaN,NaN,NaN]\n" * MOST_FINDINGS)
    assert (len(outcome.findings), outcome.omitted) == (MOST_FINDINGS, 2 * MOST_FINDINGS)


def test_a_value_or_a_line_that_does_not_fit_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MOST_BYTES", 1 << 20)
    long = '"' + "a" * (1 << 20) + '"'
    assert (lint(long).findings, lint(long).unknown) == ((), "it is larger than 1 MiB: split it, or write JSON Lines")
    outcome = lines(f"[NaN]\n{long}\n[NaN]\n")
    assert (len(outcome.findings), outcome.unknown) == (1, "line 2 is longer than 1 MiB")


def test_time_that_runs_out_keeps_what_was_found_and_says_where() -> None:
    def tick(offset: int) -> None:
        if offset > 0:
            raise reader.OutOfTime("over")

    data = b"[\nNaN,\n" + b"1,\n" * scan.STRIDE + b"1]"
    outcome = reader.lint_value(io.BytesIO(data), nul=True, tick=tick)
    assert [found.line for found in outcome.findings] == [2]
    behind = next(end for end in range(9, len(data), 3) if end > scan.STRIDE)
    line = data.count(b"\n", 0, behind) + 1
    assert outcome.unknown == f"over, at line {line:,}"
    outcome = reader.lint_lines(io.BytesIO(b"NaN\n1\n2\n"), nul=True, tick=tick)
    assert ([found.line for found in outcome.findings], outcome.unknown) == ([1], "over, at line 2")


# The verdict, against the strict reading of two parsers.

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=6),
    st.sampled_from(["$lost: depth", "\ud800", "\x00", '"\\/', "\u2028"]),
)
names = st.one_of(st.text(max_size=3), st.sampled_from(["a", "b", "$lost", "$type"]))
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4), max_leaves=12
)
PIECES = [
    *(b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b" ", b"\n", b"\r", b"\t", b"\x0b", b"\0", b"'", b"#", b"//"),
    *(b"/*", b"*/", b"0", b"1", b"-", b"+", b".", b"e", b"E5", b"_", b"x", b"true", b"null", b"nul", b"NaN"),
    *(b"Infinity", b"\\u", b"\\u0000", b"\\ud800", b"\\udc00", b"\\n", b"\xc3\xa9", b"\xff", b"\xed\xa0\x80"),
    *(b"\xc2\xa0", b"\xef\xbb\xbf", b"$lost"),
]


@st.composite
def texts(draw: st.DrawFn) -> bytes:
    """The JSON of some value, and up to three places of it changed."""
    text = json.dumps(draw(values), ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from([None, 1])))
    data = text.encode("utf-8", "surrogatepass")
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 2)))
        data = data[:start] + draw(st.sampled_from([b"", data[start:end] * 2, *PIECES])) + data[end:]
    return data


def refuse(name: str) -> object:
    raise ValueError(name)


def strictly_valid(data: bytes) -> bool:
    try:
        text = data.decode()
        json.loads(text, parse_constant=refuse)
    except ValueError:
        return False
    return not text.startswith("\ufeff")


@given(texts())
@example(b"\xef\xbb\xbf1")
@example(b'["\\ud800\\udc0"]')
@example(b"[1]\0")
@example(b"-")
@example(b'{"a":1,"a":2}')
def test_the_verdict_is_that_of_strict_parsers(data: bytes) -> None:
    reasons = {found.reason for found in lint(data).findings}
    assert (not reasons & INVALID) is strictly_valid(data)
    try:
        orjson.loads(data)
    except ValueError:
        # It also refuses what RFC 8259 allows and no UTF-8 or double can hold.
        assert reasons & (INVALID | {"surrogate", "range"})
    else:
        assert not reasons & INVALID


@given(values)
def test_what_our_encoder_writes_of_plain_values_is_never_invalid(value: object) -> None:
    for profile in ("js", "pg"):
        found = lint(jsonsafe.encode(value, profile=profile).data, nul=profile != "pg").findings
        assert {each.reason for each in found} <= {"lost"}


# The place, against a fault that was put there.

DEFECTS = {
    "NaN": "nan",
    "9007199254740993": "integer",
    "-1e999": "range",
    '"\\udc00"': "surrogate",
    "'x'": "syntax",
    "True": "syntax",
    "007": "syntax",
    '"\\x"': "syntax",
    "&": "syntax",
    '"$lost: cycle"': "lost",
}
# A defect that lies within its string is told there.
WITHIN = {'"\\udc00"': 1, '"\\x"': 1}
siblings = st.recursive(
    st.sampled_from([1, "é\U0001f600", "x\n", None, -2.5, True]),
    lambda inner: st.lists(inner, max_size=2),
    max_leaves=3,
)


@given(
    st.lists(st.tuples(st.one_of(st.text(max_size=4), st.integers(0, 3)), siblings), max_size=6),
    st.sampled_from(sorted(DEFECTS)),
    st.booleans(),
    st.sampled_from([None, 0, 2]),
)
def test_a_fault_is_told_where_it_was_put(
    steps: list[tuple[str | int, object]], defect: str, ascii_only: bool, indent: int | None
) -> None:
    value: object = "@here@"
    for step, sibling in reversed(steps):
        value = [*[sibling] * step, value, sibling] if isinstance(step, int) else {step: value, f"{step}~": sibling}
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    start = text.index('"@here@"')
    text = text.replace('"@here@"', defect)
    offset = start + WITHIN.get(defect, 0)
    line, column = text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)
    (found,) = lint(text).findings
    assert place(found) == (DEFECTS[defect], line, column, path_text([step for step, _ in steps]))


@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=120))
@example("a" * 100)
@example("a" * 101)
@example("it's \\ so")
def test_a_path_is_written_as_the_encoder_writes_it(name: str) -> None:
    (entry,) = jsonsafe.explain({name: [float("nan")]})
    assert path_text([name, 0]) == entry.path


@given(st.text(st.sampled_from("a\n é\U0001f600"), max_size=60), st.integers(0, 3))
def test_places_hold_across_blocks(text: str, blocks: int) -> None:
    whole = "é" * (BLOCK * blocks // 2) + text
    places = Places(whole.encode())
    for index in range(len(whole) - len(text), len(whole)):
        offset = len(whole[:index].encode())
        found = (places.line(offset), places.column(offset))
        assert found == (whole.count("\n", 0, index) + 1, index - whole.rfind("\n", 0, index))


# Bounds.

MIB = 1 << 20
HARD = {
    "brackets": (b"[" * (4 * MIB), "depth"),
    "an open string": (b'["' + b"a" * (4 * MIB), "syntax"),
    "an open string of escapes": (b'["' + b'\\"' * (2 * MIB), "syntax"),
    "open comments": (b"[" + b"/*" * (2 * MIB), "syntax"),
    "one number": (b"[" + b"1" * (4 * MIB) + b"]", "range"),
    "one fraction": (b"[0." + b"0" * (4 * MIB) + b"1]", "range"),
    "wrong escapes": (b'["' + b"\\x" * (2 * MIB) + b'"]', "syntax"),
    "spaces": (b" " * (4 * MIB), "syntax"),
    "minus signs": (b"[" + b"-" * (4 * MIB) + b"]", "syntax"),
    "one word": (b"[" + b"a" * (4 * MIB) + b"]", "syntax"),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", HARD)
def test_no_text_takes_more_than_its_length_in_time(name: str) -> None:
    data, reason = HARD[name]
    assert lint(data).findings[0].reason == reason


def test_a_large_text_takes_little_more_memory_than_its_bytes() -> None:
    row = json.dumps({"id": "7d9c2c1e-0b1c-4f0e", "user": {"name": "Ann\nB", "tags": ["a", "b"]}, "text": "ö" * 90})
    data = f"[{','.join([row] * (2 * MIB // len(row)))}]".encode()
    stream = io.BytesIO(data)
    tracemalloc.start()
    try:
        outcome = reader.lint_value(stream, nul=True, tick=lambda _: None)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert outcome.findings == ()
    assert peak < 2 * len(data) + MIB
