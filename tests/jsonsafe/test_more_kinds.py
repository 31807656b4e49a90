"""Values beside the 99 kinds: further forms of them, exceptions, iterators, and the report itself."""

from __future__ import annotations

import datetime as dt
import inspect
from typing import TYPE_CHECKING, Any

import pytest

from guardrails import jsonsafe
from tests.jsonsafe.reading import strictly
from tests.jsonsafe.values import KEPT, LOST, failure, nested, work

if TYPE_CHECKING:
    from tests.jsonsafe.conftest import Counted


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize(("value", "written"), [row[1:] for row in KEPT], ids=[row[0] for row in KEPT])
def test_this_kind_is_kept(value: Any, written: Any, shared: bool, counted: Counted) -> None:
    encoded = jsonsafe.encode({"k": value}, shared=shared)
    assert strictly(encoded.data) == {"k": written}
    assert encoded.report.entries == ()
    assert not encoded.report.lossy
    assert counted == []


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize(("value", "written", "reasons"), [row[1:] for row in LOST], ids=[row[0] for row in LOST])
def test_this_kind_is_lost_in_the_open(
    value: Any, written: Any, reasons: list[str], shared: bool, counted: Counted
) -> None:
    encoded = jsonsafe.encode({"k": value}, shared=shared)
    tree = strictly(encoded.data)
    if written is not None or reasons == ["nan"]:
        assert tree == {"k": written}
    assert [entry.reason for entry in encoded.report.entries] == reasons
    assert all(entry.path.startswith("$.k") for entry in encoded.report.entries)
    assert encoded.report.lossy
    assert counted == [("json_lossy_total", 1.0, {"profile": "js", "reason": reasons[0]})]


def test_what_is_too_deep_ends_in_a_text_that_says_so() -> None:
    text = jsonsafe.dumps_str(nested(300))
    assert text.count("[") == 254
    assert '"$lost: depth"' in text


def test_an_offset_with_seconds_becomes_utc_because_rfc_3339_has_none() -> None:
    stamp = dt.datetime(1880, 1, 1, tzinfo=dt.timezone(dt.timedelta(seconds=561)))
    assert jsonsafe.dumps(stamp, shared=True) == b'"1879-12-31T23:50:39+00:00"'


def test_a_time_keeps_its_microseconds() -> None:
    for microsecond in (0, 1, 9_999, 10_000, 50_000, 99_999, 100_000, 999_999):
        time = dt.time(1, 2, 3, microsecond)
        for shared in (False, True):
            assert jsonsafe.loads(jsonsafe.dumps(time, shared=shared), type=dt.time) == time


def test_a_string_that_is_too_long_keeps_its_beginning() -> None:
    text = jsonsafe.loads(jsonsafe.dumps("x" * 2_000_000))
    assert text == "x" * 2**20 + "… [$lost: size, 2000000 characters]"


def test_an_exception_keeps_type_message_notes_cause_and_where_it_was_raised() -> None:
    encoded = jsonsafe.encode(failure())
    tree = jsonsafe.loads(encoded.data)
    assert encoded.report.entries == ()
    assert [tree["type"], tree["message"], tree["notes"]] == ["ValueError", "outer", ["seen at boot"]]
    assert [tree["cause"]["type"], tree["cause"]["message"]] == ["KeyError", "'inner'"]
    assert tree["traceback"].endswith("in failure")


def test_a_group_of_exceptions_keeps_each_of_them() -> None:
    tree = jsonsafe.loads(jsonsafe.dumps(ExceptionGroup("two", [OSError(2, "gone"), ValueError("bad")])))
    assert [part["message"] for part in tree["exceptions"]] == ["[Errno 2] gone", "bad"]


def test_an_exception_without_a_message_says_why() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise SystemExit

    tree = jsonsafe.loads(jsonsafe.dumps(Mute()))
    assert tree["message"]["$error"] == "SystemExit"


def test_a_long_traceback_keeps_its_innermost_frames() -> None:
    def fall(levels: int) -> None:
        if levels == 0:
            raise ValueError("bottom")
        fall(levels - 1)

    with pytest.raises(ValueError, match="bottom") as caught:
        fall(400)
    text = jsonsafe.loads(jsonsafe.dumps(caught.value.__traceback__))
    assert 7_000 < len(text) < 9_000
    assert text.startswith("… ")
    assert text.endswith(".fall")


def test_a_coroutine_is_opaque_and_not_touched() -> None:
    coroutine = work()
    assert jsonsafe.loads(jsonsafe.dumps(coroutine)) == {"$lost": "opaque", "$type": "coroutine"}
    assert inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED
    coroutine.close()


def test_an_iterator_is_left_alone_unless_it_is_asked_for() -> None:
    stream = iter([1, 2])
    jsonsafe.dumps(stream)
    assert list(stream) == [1, 2]
    assert jsonsafe.dumps(iter([1, 2]), iterables=True) == b"[1,2]"


def test_an_iterator_without_end_stops_at_ten_thousand() -> None:
    encoded = jsonsafe.encode(iter(int, 1), iterables=True)
    items = jsonsafe.loads(encoded.data)
    assert len(items) == 10_001
    assert items[-1] == {"$lost": "size", "$type": "callable_iterator", "$kept": "10000"}
    assert encoded.report.lossy


def test_several_reasons_are_one_event(counted: Counted) -> None:
    jsonsafe.dumps([float("nan"), object(), object()])
    assert counted == [("json_lossy_total", 1.0, {"profile": "js", "reason": "several"})]


def test_a_report_is_bounded_and_says_how_much_it_leaves_out() -> None:
    report = jsonsafe.encode([float("nan")] * 1000).report
    assert (len(report.entries), report.omitted, report.lossy) == (100, 900, True)


def test_paths_are_written_as_jsonpath_has_them() -> None:
    report = jsonsafe.encode({"user": [{"it's": object()}], 3: {"a b": object()}}).report
    assert [entry.path for entry in report.entries] == ["$.user[0]['it\\'s']", "$['3']['a b']"]


def test_the_outermost_value_is_called_a_dollar() -> None:
    assert jsonsafe.encode(object()).report.entries[0].path == "$"
