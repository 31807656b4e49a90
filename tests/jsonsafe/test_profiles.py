"""What each profile and policy promises to the reader it is named after."""

from __future__ import annotations

import datetime as dt
import decimal
import fractions
import json
import pathlib
import pickle
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails import jsonsafe
from guardrails.jsonsafe.writer import number_text
from tests.jsonsafe.values import Point

SECRET = "Zq81kQw92LmN4v7TtY0bA3xx"


def test_postgres_gets_no_zero_character_in_values_or_names() -> None:
    encoded = jsonsafe.encode({"a\0": ["b\0c"], "d": "\\u0000"}, profile="pg")
    assert b"\\u0000" not in encoded.data.replace(b"\\\\", b"")
    assert jsonsafe.loads(encoded.data) == {"a\\u0000": ["b\\u0000c"], "d": "\\u0000"}
    assert [entry.reason for entry in encoded.report.entries] == ["nul", "nul"]


def test_browsers_do_get_it() -> None:
    assert jsonsafe.loads(jsonsafe.dumps("a\0")) == "a\0"


def test_a_masked_secret_is_reported_and_no_loss() -> None:
    report = jsonsafe.encode({"password": SECRET}, profile="log").report
    assert [(entry.path, entry.action) for entry in report.entries] == [("$.password", "masked")]
    assert not report.lossy
    assert jsonsafe.dumps({"password": SECRET}, profile="log", policy="strict") == b'{"password":"[redacted]"}'


def test_what_only_sounds_like_a_secret_stays_in_the_log() -> None:
    line = {"max_tokens": 512, "token_count": 3, "key": "a", "id": str(uuid.UUID(int=5)), "password_set": True}
    assert jsonsafe.loads(jsonsafe.dumps(line, profile="log")) == line


WIRE = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.binary(max_size=8)
    | st.uuids()
    | st.datetimes(timezones=st.just(dt.UTC) | st.none())
    | st.dates()
    | st.times()
    | st.timedeltas()
    | st.decimals(allow_nan=False)
    | st.fractions()
    | st.complex_numbers(allow_nan=False)
    | st.sampled_from([pathlib.Path("a/b"), pathlib.PureWindowsPath("c:/d")])
)
FROZEN = st.integers() | st.text(max_size=4) | st.uuids() | st.dates() | st.tuples(st.integers(), st.uuids())
WIRED = st.recursive(
    WIRE,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=4) | st.just("$g") | FROZEN, inner, max_size=4)
        | st.sets(FROZEN, max_size=4)
        | st.frozensets(FROZEN, max_size=4)
    ),
    max_leaves=12,
)


@given(value=WIRED)
def test_what_goes_over_the_wire_comes_back_as_it_was(value: Any) -> None:
    encoded = jsonsafe.encode(value, profile="wire")
    again = jsonsafe.loads(encoded.data, tags=True)
    assert again == value
    assert type(again) is type(value)
    assert encoded.report.entries == ()


def test_a_tag_in_the_users_data_is_data() -> None:
    forged = {"$g": "uuid", "v": str(uuid.UUID(int=1))}
    assert jsonsafe.loads(jsonsafe.dumps(forged, profile="wire"), tags=True) == forged


def test_tags_are_read_only_on_request() -> None:
    data = jsonsafe.dumps(decimal.Decimal("1.10"), profile="wire")
    assert jsonsafe.loads(data) == {"$g": "decimal", "v": "1.10"}
    assert jsonsafe.loads(data, tags=True) == decimal.Decimal("1.10")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ('{"$g": "os.system", "v": "id"}', "nobody registered the tag 'os.system'"),
        ('{"$g": "uuid", "v": "x"}', "the payload of the tag 'uuid' cannot be read: ValueError"),
        ('{"$g": "uuid"}', "holds '\\$g' and 'v' and nothing else"),
        ('{"$g": ["uuid"], "v": 1}', "holds '\\$g' and 'v' and nothing else"),
        ('{"$g": "dict", "v": [[1]]}', "cannot be read: TypeError"),
        ('{"$g": "set", "v": "ab"}', "cannot be read: TypeError"),
    ],
)
def test_a_forged_tag_is_refused(data: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        jsonsafe.loads(data, tags=True)


def test_equal_values_hash_alike() -> None:
    one = {"b": [1.0, {"y": 1, "x": fractions.Fraction(1, 2)}], "a": {3, 1, 2}, "é": Point(1, 2)}
    two = {"é": Point(1, 2), "a": {1, 2, 3}, "b": [1, {"x": fractions.Fraction(1, 2), "y": 1.0}]}
    assert jsonsafe.dumps(one, profile="hash") == jsonsafe.dumps(two, profile="hash")
    assert jsonsafe.dumps(one, profile="hash") == '{"a":[1,2,3],"b":[1,{"x":"1/2","y":1}],"é":[1,2]}'.encode()


def test_names_are_ordered_by_their_utf_16_code_units() -> None:
    # U+1F600 begins with the unit D83D, which lies below FB33.
    names = {"\ufb33": 1, "\U0001f600": 2, "a": 3, "": 4, "A": 5}
    text = jsonsafe.dumps_str(names, profile="hash")
    assert list(json.loads(text)) == ["", "A", "a", "\U0001f600", "\ufb33"]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (1.0, "1"),
        (-1.5, "-1.5"),
        (1e21, "1e+21"),
        (1e20, "100000000000000000000"),
        (123456789012345680000.0, "123456789012345680000"),
        (1e-6, "0.000001"),
        (1e-7, "1e-7"),
        (1.5e-9, "1.5e-9"),
        (5e-324, "5e-324"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
        (333333333.33333329, "333333333.3333333"),
        (4.5, "4.5"),
        (2e-3, "0.002"),
        (1e23, "1e+23"),
    ],
)
def test_numbers_are_written_as_ecmascript_has_them(number: float, text: str) -> None:
    assert number_text(number) == text


@given(number=st.floats(allow_nan=False, allow_infinity=False))
def test_a_canonical_number_is_the_same_number(number: float) -> None:
    assert float(number_text(number)) == number


def test_canonical_text_escapes_what_rfc_8785_escapes_and_nothing_else() -> None:
    text = '\u20ac$\x0f\nA\'B"\\\\"/\x7f\u2028'
    assert jsonsafe.dumps(text, profile="hash") == '"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/\x7f\u2028"'.encode()


def test_a_strict_caller_hears_of_every_place_at_once() -> None:
    with pytest.raises(jsonsafe.EncodeError) as refused:
        jsonsafe.dumps({"a": [object()], "b": float("nan")}, policy="strict")
    assert refused.value.problems == ("$.a[0]: opaque (object)", "$.b: nan (float)")
    assert str(refused.value).startswith("JSON cannot keep 2 values exactly:")
    assert isinstance(refused.value, TypeError)


def test_a_refusal_survives_pickling() -> None:
    error = jsonsafe.EncodeError(["$.a: opaque (object)"], omitted=2)
    again = pickle.loads(pickle.dumps(error))
    assert (again.problems, again.omitted, str(again)) == (error.problems, 2, str(error))


def test_not_looking_for_nan_is_a_choice() -> None:
    assert jsonsafe.encode([float("nan"), None], nan="null").report.entries == ()
    assert jsonsafe.encode([float("nan"), object()], nan="null", shared=True).data.startswith(b"[null,")


@pytest.mark.parametrize("names", [{"profile": "xml"}, {"policy": "lax"}])
def test_an_unknown_name_is_refused(names: Any) -> None:
    with pytest.raises(ValueError, match="there is no"):
        jsonsafe.dumps({}, **names)
