"""Texts, numbers and keys that no reader takes as they are."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import fractions
import pathlib
import time
import types
import uuid
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from guardrails import jsonsafe
from guardrails.jsonsafe import Encoder, Registry
from tests.jsonsafe.hostile import WRAPS, Box, LyingFloat, LyingInt, LyingText, Model, Pair, Plain, caused
from tests.jsonsafe.reading import both, strictly

if TYPE_CHECKING:
    from collections.abc import Callable

LANES = pytest.mark.parametrize("shared", [False, True], ids=["default", "shared"])


# Texts that no reader takes.


class Letter(enum.Enum):
    HALF = "a\ud800"
    NUL = "a\0"


SURROGATE_PLACES: dict[str, Callable[[str], Any]] = {
    "text": lambda text: text,
    "member": lambda text: {"k": [text]},
    "name": lambda text: {text: 1},
    "path": pathlib.PurePosixPath,
    "set": lambda text: {text},
    "text subclass": LyingText,
    "field": Box,
    "pydantic": lambda text: Model(inner=text),
    "message": ValueError,
    "namedtuple": Pair,
    "name of a name": lambda text: {(text, 1): 1},
    "attribute": lambda text: types.SimpleNamespace(**{text: 1}),
    "numpy": lambda text: np.array([text], dtype=object),
}


@pytest.mark.parametrize("wrap", SURROGATE_PLACES.values(), ids=SURROGATE_PLACES)
@pytest.mark.parametrize("half", ["\ud800", "\udfff", "\udc00\ud800", "\ud83d"])  # noqa: PT014 - to ruff they look alike
def test_half_a_pair_is_written_out_and_reported_wherever_it_stands(wrap: Callable[[str], Any], half: str) -> None:
    tree, reasons = both(wrap(f"a{half}"))
    assert set(reasons) == {"surrogate"}
    written = "".join(f"u{ord(letter):04x}" for letter in half)
    assert written in str(tree).replace("\\", "")


@pytest.mark.parametrize("wrap", SURROGATE_PLACES.values(), ids=SURROGATE_PLACES)
def test_a_zero_character_is_kept_for_browsers_and_written_out_for_postgres(wrap: Callable[[str], Any]) -> None:
    assert both(wrap("a\0b"))[1] == []
    tree, reasons = both(wrap("a\0b"), profile="pg")
    assert set(reasons) == {"nul"}
    assert "\0" not in str(tree)
    assert "au0000b" in str(tree).replace("\\", "")


def test_enums_of_bad_texts_are_written_out_too() -> None:
    assert both(Letter.HALF) == ("a\\ud800", ["surrogate"])
    assert both(Letter.NUL, profile="pg") == ("a\\u0000", ["nul"])


# Numbers.


DIGITS = 10**4_999 + 7


class Large(enum.Enum):
    MEMBER = DIGITS


class LargeInt(enum.IntEnum):
    MEMBER = DIGITS


TEXT = str(decimal.Decimal(DIGITS))


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (DIGITS, TEXT),
        (-DIGITS, f"-{TEXT}"),
        ({DIGITS: 1}, {TEXT: 1}),
        ([DIGITS] * 3, [TEXT] * 3),
        (Large.MEMBER, TEXT),
        (LargeInt.MEMBER, TEXT),
        (LyingInt(DIGITS), TEXT),
        (decimal.Decimal(DIGITS), TEXT),
        (Box(DIGITS), {"inner": TEXT}),
        (np.array([DIGITS], dtype=object), [TEXT]),
        ({DIGITS}, [TEXT]),
        ((DIGITS, 1), [TEXT, 1]),
    ],
    ids=[
        "int",
        "negative",
        "key",
        "items",
        "enum",
        "int enum",
        "subclass",
        "decimal",
        "field",
        "array",
        "set",
        "tuple",
    ],
)
def test_five_thousand_digits_are_all_kept(value: Any, written: Any) -> None:
    assert both(value) == (written, [])


def test_a_fraction_of_five_thousand_digits_is_kept() -> None:
    assert both(fractions.Fraction(DIGITS, 3))[0] == f"{TEXT}/3"
    assert both(fractions.Fraction(DIGITS, 3))[1] == []


@pytest.mark.parametrize("profile", ["js", "pg", "log", "hash"])
def test_five_thousand_digits_are_read_back(profile: Any) -> None:
    assert jsonsafe.loads(jsonsafe.dumps(DIGITS, profile=profile), type=int) == DIGITS
    assert jsonsafe.loads(jsonsafe.dumps(DIGITS, profile="wire"), tags=True) == DIGITS


def test_a_number_of_five_thousand_digits_that_comes_in_is_read_and_a_longer_one_refused() -> None:
    assert jsonsafe.loads(TEXT) == DIGITS
    assert jsonsafe.loads(f'[{{"a": -{TEXT}}}]') == [{"a": -DIGITS}]
    with pytest.raises(ValueError, match="20,000 digits"):
        jsonsafe.loads("9" * 30_000)


NO_NUMBERS: dict[str, Any] = {
    "NaN": float("nan"),
    "infinity": float("inf"),
    "minus infinity": float("-inf"),
    "float subclass": LyingFloat("nan"),
    "numpy scalar": np.float64("nan"),
    "numpy short scalar": np.float32("inf"),
    "numpy half scalar": np.float16("nan"),
    "numpy no time": np.datetime64("NaT", "s"),
    "numpy no duration": np.timedelta64("NaT", "s"),
    "pandas NaT": pd.NaT,
    "pandas NA": pd.NA,
    "pandas Timestamp of no time": pd.Timestamp("NaT"),
    "pandas Timedelta of no time": pd.Timedelta("NaT"),
}


@pytest.mark.parametrize("value", NO_NUMBERS.values(), ids=NO_NUMBERS)
@pytest.mark.parametrize("wrap", WRAPS.values(), ids=WRAPS)
def test_what_is_no_number_is_null_and_reported_wherever_it_stands(wrap: Callable[[Any], Any], value: Any) -> None:
    if wrap is caused:
        return
    _, reasons = both(wrap(value))
    assert [reason for reason in reasons if reason != "opaque"] == ["nan"]


@pytest.mark.parametrize(
    "make",
    [
        lambda: np.array([1.0, float("nan"), 3.0]),
        lambda: np.array([[1.0, float("inf")], [2.0, 3.0]], dtype="f4"),
        lambda: np.array(["2026-01-01", "NaT"], dtype="datetime64[s]"),
        lambda: np.array([1, "NaT"], dtype="timedelta64[s]"),
        lambda: pd.Series([1.0, None]),
        lambda: pd.Series([1, None], dtype="Int64"),
        lambda: pd.DataFrame({"a": [1.0, float("nan")]}),
        lambda: pd.DataFrame({"a": [pd.Timestamp("2026-01-01"), pd.NaT]}),
        lambda: pd.DatetimeIndex(["2026-01-01", None]),
        lambda: pd.array([1, None], dtype="Int64"),
        lambda: pd.Categorical(["a", None]),
    ],
    ids=["float", "matrix", "dates", "durations", "series", "integers", "frame", "stamps", "index", "array", "labels"],
)
def test_a_column_reports_its_one_missing_number(make: Callable[[], Any]) -> None:
    tree, reasons = both({"k": make()})
    assert reasons == ["nan"]
    assert "null" in jsonsafe.dumps_str({"k": make()})
    assert "NaT" not in str(tree)


# Keys that become one name.


class Same(enum.Enum):
    ONE = "1"


@pytest.mark.parametrize(
    "value",
    [
        {1: "a", "1": "b"},
        {"1": "a", 1: "b"},
        {b"1": "a", "1": "b", 1: "c", Same.ONE: "d", decimal.Decimal("1.0"): "e"},
        {None: "a", "null": "b"},
        {True: "a", "true": "b"},
        {uuid.UUID(int=1): "a", str(uuid.UUID(int=1)): "b"},
        {dt.date(2026, 1, 2): "a", "2026-01-02": "b"},
        {pathlib.PurePosixPath("a"): "a", "a": "b", b"a": "c"},
        {(1, 2): "a", "[1,2]": "b"},
        {"a\ud800": "a", "a\\ud800": "b"},
        {1: "a", "1": "b", "1#2": "c", "1#3": "d", b"1": "e"},
        {float("nan"): "a", float("nan") + 0: "b", "nan": "c"},
        {Plain(): "a", Plain(): "b"},
    ],
)
def test_keys_that_collide_are_all_kept_and_reported(value: dict[Any, str]) -> None:
    tree, reasons = both(value)
    assert sorted(tree.values()) == sorted(value.values())
    assert len(tree) == len(value)
    # Who was a text already keeps its name.
    assert all(tree[name] == value[name] for name in value if type(name) is str and name.isascii())
    assert "key" in reasons


def test_keys_that_collide_do_so_in_every_profile() -> None:
    value = {1: "a", "1": "b", "a\0": "c", "a\\u0000": "d"}
    for profile in ("js", "pg", "log", "hash"):
        encoded = jsonsafe.encode(value, profile=profile)  # type: ignore[arg-type]
        assert sorted(strictly(encoded.data).values()) == ["a", "b", "c", "d"]
        assert {entry.reason for entry in encoded.report.entries} >= {"key"}


class Twin:
    """Written under the same name as every other."""


def test_four_times_as_many_keys_that_collide_take_four_times_as_long() -> None:
    registry = Registry()
    registry.register(Twin, lambda _: "same")

    def seconds(count: int) -> float:
        value = {Twin(): number for number in range(count)}
        begun = time.process_time()
        encoded = Encoder(registry).encode(value)
        taken = time.process_time() - begun
        assert sorted(strictly(encoded.data).values()) == list(range(count))
        assert len(encoded.report.entries) + encoded.report.omitted == count - 1
        return taken

    assert seconds(4_000) < 8 * min(seconds(1_000) for _ in range(3))
