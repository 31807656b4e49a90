"""What `loads` takes and refuses, and the types it makes."""

from __future__ import annotations

import datetime as dt
import decimal
import pathlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypedDict

import pytest

from guardrails import jsonsafe
from tests.jsonsafe.values import Color, Ident, nested


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (' \t\r\n[ 1 , "a" ]\n', [1, "a"]),
        ("null", None),
        ("-0", 0),
        ("1e5", 100000.0),
        ("1E+2", 100.0),
        ("0.5e-3", 0.0005),
        ('"\\ud83d\\ude00\\u0000\\/\\b"', "\U0001f600\0/\b"),
        ('"\x7f\u2028"', "\x7f\u2028"),
        ('{"":{"a":[]}}', {"": {"a": []}}),
        ('{"a":1,"a":2}', {"a": 2}),
        ("18446744073709551616", 2**64),
        ("-123456789012345678901234567890", -123456789012345678901234567890),
        ('["0000000000000000000000", 1.5]', ["0" * 22, 1.5]),
        ("[" * 250 + "]" * 250, nested(249, [])),
    ],
)
def test_what_json_allows_is_read(text: str, value: Any) -> None:
    tree = jsonsafe.loads(text)
    assert tree == value
    assert type(tree) is type(value)
    assert jsonsafe.loads(text.encode()) == tree


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            "NaN",
            "Infinity",
            "-Infinity",
            "nan",
            "+1",
            "01",
            "-",
            "1.",
            ".5",
            "1e",
            "1e+",
            "0x1",
            "1_0",
            "--1",
        ),
        *(
            "[1,]",
            "[,1]",
            "[1",
            "1]",
            "[1 2]",
            "{}}",
            "[]]",
            "{'a':1}",
            '{"a":1,}',
            '{"a"}',
            "{a:1}",
            "{1:1}",
            '{"a":}',
        ),
        *(
            '"',
            '"a',
            "'a'",
            '"\n"',
            '"\t"',
            '"\0"',
            '"\\x"',
            '"\\u12"',
            '"\\"',
            '"\\ud800"',
            '"\\udc00\\ud800"',
            '["\\ud800x"]',
        ),
        *(
            "tru",
            "True",
            "None",
            "nul",
            "[1]x",
            "1 2",
            "// c\n1",
            "/**/1",
            "[1]#",
            "\ufeff1",
            "\xa01",
            "\x0c1",
            "[",
            "{",
            "1e999",
        ),
        *("[" * 2000 + "]" * 2000, "[" * 100_000, "9" * 5_000 + "x", '"' + "0" * 20 + '\\ud800"'),
    ],
)
def test_what_json_does_not_allow_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each parser has its own words
        jsonsafe.loads(text)


@pytest.mark.parametrize("data", [b'"\xff"', b'"\xc0\xaf"', b'"\xed\xa0\x80"', b"\xff\xfe1\x00", b'"\xf4\x90\x80\x80"'])
def test_bytes_that_are_no_utf_8_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        jsonsafe.loads(data)


class Place(NamedTuple):
    name: str
    at: dt.date


class Options(TypedDict, total=False):
    limit: int


@dataclass
class Order:
    id: uuid.UUID
    at: dt.datetime
    price: decimal.Decimal
    color: Color
    path: pathlib.Path
    wait: dt.timedelta
    blob: bytes
    tags: set[str] = field(default_factory=set)
    parts: dict[int, list[Place]] = field(default_factory=dict)
    note: str | None = None
    kind: Literal["new", "old"] = "new"
    pair: tuple[int, str] = (0, "")
    options: Options = field(default_factory=Options)
    big: int = 0


ORDER = Order(
    uuid.UUID(int=7),
    dt.datetime(2026, 11, 20, tzinfo=dt.UTC),
    decimal.Decimal("1.10"),
    Color.RED,
    pathlib.Path("/a"),
    dt.timedelta(days=-1, seconds=1.5),
    b"\xff",
    {"a"},
    {1: [Place("x", dt.date(2026, 1, 2))]},
    None,
    "old",
    (1, "b"),
    {"limit": 3},
    2**70,
)


def test_a_dataclass_comes_back_with_all_its_types() -> None:
    assert jsonsafe.loads(jsonsafe.dumps(ORDER), type=Order) == ORDER


def test_types_are_found_within_containers() -> None:
    ids = [uuid.UUID(int=1), uuid.UUID(int=2)]
    assert jsonsafe.loads(jsonsafe.dumps(ids), type=list[uuid.UUID]) == ids
    assert jsonsafe.loads('{"1":2}', type=Mapping[int, float]) == {1: 2.0}
    assert jsonsafe.loads(jsonsafe.dumps(Ident.ONE), type=Ident) is Ident.ONE
    assert jsonsafe.loads('["a", 1]', type=list[int | str]) == ["a", 1]


@pytest.mark.parametrize(
    ("data", "kind", "message"),
    [
        ('{"id": 3}', Order, r"\$\.id: expected UUID, found int"),
        ('{"nope": 3}', Order, r"Order, which has no 'nope'"),
        ("[1, true]", list[int], r"\$\[1\]: expected int, found bool"),
        ("[1]", tuple[int, int], "expected 2 items"),
        ('"c"', Literal["a", "b"], "expected one of 'a', 'b'"),
        ('"x"', Color, "expected Color, found str"),
        ("{}", object.__class__, "no rule makes type"),
        ("1", int | None, None),
        ('"1"', int | None, "expected int or NoneType, found str"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_path(data: str, kind: Any, message: str | None) -> None:
    if message is None:
        assert jsonsafe.loads(data, type=kind) == 1
        return
    with pytest.raises(ValueError, match=message):
        jsonsafe.loads(data, type=kind)


def test_a_refusal_does_not_show_the_value() -> None:
    with pytest.raises(ValueError, match="expected int") as refused:
        jsonsafe.loads('"hunter2"', type=int)
    assert "hunter2" not in str(refused.value)
