"""The lanes agree: whichever takes a value, the bytes and the report are the same."""

from __future__ import annotations

import datetime as dt
import inspect
import math
import os
import subprocess
import sys
import textwrap
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guardrails import jsonsafe
from guardrails.jsonsafe import lanes
from guardrails.jsonsafe.encoder import Encoder
from guardrails.jsonsafe.profiles import terms_of
from guardrails.jsonsafe.report import Ledger
from guardrails.jsonsafe.snapshot import snapshot

NAN = float("nan")
SCALARS = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats() | st.text(max_size=5)
TREES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=6)
        | st.dictionaries(st.text(max_size=4), inner, max_size=6)
        | st.lists(inner, max_size=3).map(tuple)
    ),
    max_leaves=40,
)


class Client:
    """Nobody described it: its public attributes are shown."""

    def __init__(self, inner: object = None) -> None:
        self.url, self.inner, self._hidden = "local", inner, 1


class Wallet(Client):
    def __init__(self) -> None:
        super().__init__(Client())
        self.api_key = "s3cret"


ODD = st.sampled_from(
    [
        Decimal("1.5"),
        uuid.UUID(int=7),
        {3, 1},
        {"b", "a"},
        object(),
        len,
        dt.date(2026, 1, 2),
        b"x",
        Client(),
        Client(Client(Client(Client(len)))),
        Wallet(),
    ]
)


def walked(value: object) -> jsonsafe.Encoded:
    """What the walker alone makes of it."""
    encoder = Encoder()
    run = jsonsafe.encoder._Run(encoder, terms_of("js", "safe"), nan="report", iterables=False)
    tree = run.walk(value)
    return jsonsafe.Encoded(run.bytes_of(tree), run.ledger.report())


@given(TREES)
def test_a_lost_float_is_reported_alike_by_every_lane(value: object) -> None:
    expected = walked(value)
    assert jsonsafe.encode(value) == expected
    assert jsonsafe.encode(value, shared=True) == expected


@given(st.lists(TREES | ODD | st.dictionaries(st.text(max_size=3), TREES | ODD, max_size=4), max_size=12))
def test_odd_values_are_written_and_reported_alike_by_every_lane(value: list[object]) -> None:
    expected = walked(value)
    assert jsonsafe.encode(value) == expected
    assert jsonsafe.encode(value, shared=True) == expected


def rows(count: int) -> list[dict[str, Any]]:
    return [{"id": n, "name": f"name {n}", "score": n * 1.5, "tags": ["a", "b"]} for n in range(count)]


@pytest.mark.parametrize("where", [0, 1, 499, 500, 998, 999])
def test_one_nan_among_a_thousand_rows_is_found_wherever_it_stands(where: int) -> None:
    table = rows(1000)
    table[where]["tags"] = ["a", {"deep": (1.0, NAN)}]
    encoded = jsonsafe.encode(table)
    assert [entry.path for entry in encoded.report.entries] == [f"$[{where}].tags[1].deep[1]"]
    assert encoded == walked(table)


def test_two_nans_at_the_ends_of_a_large_value_are_both_found() -> None:
    table = rows(1000)
    table[0]["score"] = -math.inf
    table[999]["score"] = NAN
    assert [entry.path for entry in jsonsafe.encode(table).report.entries] == ["$[0].score", "$[999].score"]


def test_a_container_that_stands_twice_is_reported_at_both_places() -> None:
    row = [NAN]
    assert [entry.path for entry in jsonsafe.encode({"a": row, "b": [row]}).report.entries] == ["$.a[0]", "$.b[0][0]"]


def test_a_column_of_nans_is_counted_whole_and_listed_to_the_limit() -> None:
    table = [{**row, "score": NAN} for row in rows(300)]
    report = jsonsafe.encode(table).report
    assert (len(report.entries), report.omitted) == (100, 200)
    assert report.entries[99].path == "$[99].score"
    assert report == walked(table).report


def test_nulls_that_are_none_are_no_loss() -> None:
    assert not jsonsafe.encode([{**row, "note": None} for row in rows(1000)]).report.lossy


def test_a_dense_table_is_not_halved_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    attempt = lanes.attempt
    monkeypatch.setattr(lanes, "attempt", lambda part, *a, **k: asked.append(len(part)) or attempt(part, *a, **k))
    table = [{**row, "cost": Decimal(1)} for row in rows(1000)]
    assert jsonsafe.encode(table) == walked(table)
    assert len(asked) <= 2 * lanes.MOST_IN_VAIN + 2


@pytest.mark.parametrize("where", [0, 500, 999])
def test_one_odd_value_costs_few_attempts(where: int, monkeypatch: pytest.MonkeyPatch) -> None:
    bytes_written: list[int] = []
    raw = lanes.raw

    def counted(part: object) -> bytes | None:
        data = raw(part)
        bytes_written.append(len(data or b""))
        return data

    monkeypatch.setattr(lanes, "raw", counted)
    table = rows(1000)
    table[where]["client"] = object()
    encoded = jsonsafe.encode(table)
    assert encoded == walked(table)
    assert sum(bytes_written) < 1.5 * len(encoded.data)


@pytest.mark.parametrize("value", [NAN, {"a": [object.__new__(type("Client", (), {}))]}, "x" * (1024 * 1024 + 1)])
def test_the_snapshot_leaves_to_the_walker_what_it_cannot_say(value: object) -> None:
    ledger = Ledger()
    data = snapshot(value, terms_of("js", "safe"), jsonsafe.Registry(), ledger)
    assert (data, ledger.entries) == (None, []) or data == walked(value).data


def test_the_snapshot_gives_up_on_a_value_that_shares_itself_endlessly() -> None:
    value: list[Any] = ["x"]
    for _ in range(60):
        value = [value, value]
    assert snapshot(value, terms_of("js", "safe"), jsonsafe.Registry(), Ledger()) is None


FAULTY = """
    # A stand-in for orjson 3.12.0 and later: the real one, but it takes tuples of any depth, and tells what it sees.
    import importlib.util, sys
    spec = importlib.util.spec_from_file_location("orjson", {path!r}, submodule_search_locations=[{folder!r}])
    real = importlib.util.module_from_spec(spec)
    stand_in = sys.modules.pop("orjson")
    sys.modules["orjson"] = real
    spec.loader.exec_module(real)
    sys.modules["orjson"] = stand_in
    globals().update({{name: getattr(real, name) for name in dir(real) if not name.startswith("__")}})
    seen = []

    def dumps(value, default=None, option=None):
        if isinstance(value, tuple) and not seen:
            return b"[]"
        seen.append(value)
        return real.dumps(value, default, option)
"""
PROGRAM = """
    import datetime as dt
    import orjson
    from guardrails import jsonsafe
    from guardrails.jsonsafe.writer import SOUND
    assert not SOUND
    cycle = {}
    cycle["children"] = [(cycle, dt.time(1, 2, 3, 12345))]
    seen = orjson.seen
    seen.clear()
    seen.append(None)
    data = jsonsafe.dumps(cycle)
    def holds(node):
        if type(node) in (tuple, dt.time):
            return True
        return any(map(holds, node.values() if type(node) is dict else node if type(node) is list else ()))
    assert not any(map(holds, seen)), seen
    print(data.decode())
"""


def test_a_faulty_engine_sees_neither_tuples_nor_times(tmp_path: Path) -> None:
    import orjson

    path = orjson.__file__
    stand_in = textwrap.dedent(FAULTY).format(path=path, folder=str(Path(path).parent))
    (tmp_path / "orjson.py").write_text(stand_in, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM)],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() == '{"children":[[{"$lost":"cycle","$type":"dict"},"01:02:03.012345"]]}'


@settings(max_examples=30)
@given(st.integers(2, 200), st.integers(0, 3))
def test_deep_tuples_are_cut_where_deep_lists_are(depth: int, more: int) -> None:
    value: Any = 1
    for _ in range(depth + 60 * more):
        value = (value,)
    assert jsonsafe.encode(value) == walked(value)


@pytest.mark.parametrize("shared", [False, True])
def test_a_nearly_full_stack_costs_no_value_and_no_entry(shared: bool) -> None:
    value: Any = NAN
    for _ in range(60):
        value = {"a": value}
    value = {"filling": "x" * 3000, "first": None, "deep": value}
    expected = walked(value)

    def encoded(frames: int) -> jsonsafe.Encoded:
        return encoded(frames - 1) if frames else jsonsafe.encode(value, shared=shared)

    # From where nothing is scarce to where only the walker has room.
    used = len(inspect.stack(0))
    for left in range(140, 40, -1):
        assert encoded(sys.getrecursionlimit() - used - left) == expected
