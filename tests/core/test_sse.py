"""Events come out of bytes as the WHATWG standard says, however the bytes were cut, and memory stays bounded."""

from __future__ import annotations

import itertools
import re
import tracemalloc
from typing import NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from guardrails.core.ndjson import NdjsonParser
from guardrails.core.sse import Event, EventTooLarge, SseParser
from guardrails.errors import ConfigError


def parsed(body: bytes) -> list[Event]:
    parser = SseParser()
    return parser.feed(body) + parser.finish()


def lines_of(body: bytes) -> list[Event]:
    parser = NdjsonParser()
    return parser.feed(body) + parser.finish()


def data(body: bytes) -> list[str]:
    return [event.data for event in parsed(body)]


class Told(NamedTuple):
    """What the standard's own steps come to, for a whole body."""

    events: list[Event]
    retry: int | None


def by_the_standard(body: bytes) -> Told:
    """The steps of the standard, one after the other: decode all, take lines, take fields. Slow and plain."""
    text = body.decode("utf-8", "surrogateescape")
    begin = 1 if text.startswith("\ufeff") else 0
    events, name, lines, id_, retry = [], "", None, "", None
    for match in re.finditer(r"([^\r\n]*)(\r\n|\r|\n)", text[begin:]):
        line = match[1].encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        if line == "":
            end = len(text[: begin + match.end()].encode("utf-8", "surrogateescape"))
            if lines is not None:
                events.append(Event(name or "message", "\n".join(lines), end, id_))
            name, lines = "", None
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            name = value
        elif field == "data":
            lines = [*(lines or []), value]
        elif field == "id" and "\0" not in value:
            id_ = value
        elif field == "retry" and re.fullmatch("[0-9]{1,19}", value):
            retry = int(value)
    return Told(events, retry)


PIECES = st.sampled_from(
    [
        *(b"data", b"data:", b"data: ", b"event: delta\n", b"event:\n", b"id: 7", b"id:\0", b"id\n", b"retry: 30"),
        *(b"retry: -5\n", b": ping", b":", b"\n", b"\n\n", b"\r", b"\r\n", b"\r\n\r\n", b"x", b'{"a": 1}', b" "),
        *(
            "ü€😀\u2028\x85\x0b\x0c".encode(),
            b"\xf0\x9f",
            b"\xff",
            b"\xed\xa0\x80",
            b"\xef\xbb\xbf",
            b"\x00",
            b"[DONE]",
        ),
        *(
            b"data: one\n\n",
            b"event: a\ndata: two\n\n",
            b"data: x\r\n\r\n",
            b"data: a\ndata: b\n\n",
            b"dat",
            b"nothing",
        ),
    ]
)
BODIES = st.lists(PIECES, max_size=30).map(b"".join) | st.binary(max_size=60)


@given(BODIES)
@example(b"\xef\xbb\xbfdata: after a mark\n\n")
@example(b"data: \xef\xbb\xbf\n\n\xef\xbb\xbfdata: no field\n\n")
@example(b"event: a\ndata: x\n\ndata: y\n\n")
@example(b"id: 7\n\ndata: x\n\n")
@example(b"data: x\n\n\ndata: y\n\n")
def test_it_says_what_the_steps_of_the_standard_come_to(body: bytes) -> None:
    parser = SseParser()
    events = parser.feed(body) + parser.finish()
    assert Told(events, parser.retry) == by_the_standard(body)


@given(BODIES, st.lists(st.integers(0, 200)))
@example(b"event: delta\n\n\n", [1])
@example(b"data: x\n\n\ndata: y\n\n", [3])
def test_how_the_body_is_cut_into_chunks_changes_nothing(body: bytes, cuts: list[int]) -> None:
    for kind in (SseParser, NdjsonParser):
        whole, cut = kind(), kind()
        expected = whole.feed(body)
        places = [0, *sorted(min(place, len(body)) for place in cuts), len(body)]
        events = [event for a, b in itertools.pairwise(places) for event in cut.feed(body[a:b])]
        assert (events, cut.rest, cut.fed) == (expected, whole.rest, whole.fed)
        assert cut.finish() == whole.finish()


@pytest.mark.slow  # a hundred thousand cuts
def test_every_short_body_cut_in_two_is_read_as_the_standard_says() -> None:
    for count in range(6):
        for pieces in itertools.product((b"\n", b"\r", b"data: x", b"event: a", b":"), repeat=count):
            body = b"".join(pieces)
            expected = by_the_standard(body).events
            for at in range(len(body) + 1):
                parser = SseParser()
                events = [*parser.feed(body[:at]), *parser.feed(body[at:]), *parser.finish()]
                assert (events, parser.fed) == (expected, len(body)), (body, at)


@given(BODIES)
def test_byte_by_byte_changes_nothing(body: bytes) -> None:
    for kind in (SseParser, NdjsonParser):
        parser = kind()
        events = [event for n in range(len(body)) for event in parser.feed(body[n : n + 1])]
        assert events == kind().feed(body)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"data: x\n\n", ["x"]),
        (b"data:x\r\n\r\n", ["x"]),
        (b"data: x\r\rdata: y\n\r\n", ["x", "y"]),
        (b"data:  two spaces \n\n", [" two spaces "]),
        (b"data: a\ndata: b\ndata\n\n", ["a\nb\n"]),
        (b"data\n\n", [""]),
        (b"data:\n\n", [""]),
        (b": ping\n\ndata: x\n\n", ["x"]),
        (b"event: only a name\n\nid: 3\n\n", []),
        (b"dataset: x\n data: y\nDATA: z\n\n", []),
        (b"data: no blank line\n", []),
        (b"data: nor here\r", []),
        (b"data: x\r\r", ["x"]),
        ("data: a\u2028b\x85c\x0bd\n\n".encode(), ["a\u2028b\x85c\x0bd"]),
        (b"data: \xf0\x9f\ndata: \x98\x80\n\n", ["\ufffd\n\ufffd\ufffd"]),
    ],
)
def test_a_line_is_read_as_the_standard_says(body: bytes, expected: list[str]) -> None:
    assert data(body) == expected


def test_a_name_holds_for_one_event_and_an_id_for_all_that_follow() -> None:
    body = b"event: delta\nid: 7\ndata: a\n\ndata: b\n\nid\ndata: c\n\n"
    assert parsed(body) == [Event("delta", "a", 28, "7"), Event("message", "b", 37, "7"), Event("message", "c", 49)]


def test_an_id_with_nul_and_a_retry_that_is_no_number_are_ignored() -> None:
    parser = SseParser()
    events = parser.feed(b"id: 5\nretry: 300\n\nid: 6\0\nretry: -5\nretry: 1.5\nretry:\ndata: x\n\n")
    assert ([event.id for event in events], parser.retry) == (["5"], 300)


def test_an_unheard_of_number_of_digits_is_no_retry() -> None:
    parser = SseParser()
    parser.feed(b"retry: " + b"9" * 10_000 + b"\n\n")
    assert parser.retry is None


def test_what_was_cut_is_no_event_but_can_be_asked_for() -> None:
    parser = SseParser()
    assert [event.data for event in parser.feed(b'data: a\n\nevent: end\ndata: {"x":')] == ["a"]
    assert parser.finish() == []
    assert parser.rest == Event("end", '{"x":', 31)
    assert parser.feed(b" 1}\n\n") == [Event("end", '{"x": 1}', 36)]
    assert parser.rest is None


@pytest.mark.parametrize(
    "body", [b"", b"data: x\n\n", b"data: x\n\n: comment", b"data: x\n\nevent: y\n", b"data: x\n\nda"]
)
def test_without_data_there_is_no_rest(body: bytes) -> None:
    parser = SseParser()
    parser.feed(body)
    assert parser.rest is None


def test_each_event_ends_where_the_next_begins() -> None:
    one, two = b"event: a\r\ndata: \xc3\xbc\r\n\r\n", b": ping\n\ndata: x\n\n"
    assert [event.end for event in parsed(one + two)] == [len(one), len(one + two)]


def test_the_lf_of_a_crlf_belongs_to_the_event_even_in_the_next_chunk() -> None:
    parser = SseParser()
    assert parser.feed(b"data: x\r\n\r") == []
    assert parser.feed(b"\n") == [Event("message", "x", 11)]


@pytest.mark.parametrize(
    "body",
    [
        b"data: " + b"x" * 200,
        b"data: " + b"x" * 200 + b"\n\n",
        b"data: x\n" * 60 + b"\n",
        b"data\n" * 200,
        b": " + b"x" * 200 + b"\n",
        b"data: a\ndata: " + b"x" * 85 + b"\ndata: " + b"x" * 20 + b"\n\n",
    ],
)
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_what_is_larger_than_may_be_kept_ends_the_stream_after_the_events_before_it(body: bytes, size: int) -> None:
    parser = SseParser(largest=100)
    events = []
    fed = b"data: before\n\n" + body
    with pytest.raises(EventTooLarge, match=r"larger than 100 bytes; .* a larger `largest`") as caught:  # noqa: PT012
        for n in range(0, len(fed), size):
            events += parser.feed(fed[n : n + size])
        parser.finish()
    assert [event.data for event in events] == ["before"]
    assert 14 <= caught.value.at <= len(fed)
    with pytest.raises(EventTooLarge):
        parser.feed(b"data: after\n\n")


@given(st.integers(90, 110), st.sampled_from([b"\n", b"\r\n"]), st.integers(1, 120))
def test_the_bound_is_the_same_for_every_cut(length: int, newline: bytes, size: int) -> None:
    body = b"data: " + b"x" * (length - 6) + newline + newline + b"data: y\n\n"
    for kind, fits in (
        (SseParser, ["x" * (length - 6), "y"]),
        (NdjsonParser, ["data: " + "x" * (length - 6), "data: y"]),
    ):
        parser = kind(largest=100)
        got: list[str] = []
        too_large = None
        try:
            for n in range(0, len(body), size):
                got += [event.data for event in parser.feed(body[n : n + size])]
            parser.finish()
        except EventTooLarge as exc:
            too_large = exc.at
        assert (too_large, got) == ((None, fits) if length <= 100 else (0, []))


def test_comments_without_end_fill_no_memory() -> None:
    parser = SseParser(largest=1000)
    chunk = b": keepalive\n" * 1000
    tracemalloc.start()
    for _ in range(200):
        assert parser.feed(chunk) == []
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 500_000
    assert parser.feed(b"data: x\n\n")[0].data == "x"


def test_a_line_in_twenty_thousand_chunks_is_not_copied_with_each() -> None:
    parser = SseParser()
    parser.feed(b"data: ")
    tracemalloc.start()
    for _ in range(20_000):
        parser.feed(b"x" * 50)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # A copy of the line would double it.
    assert peak < 1_600_000
    assert len(parser.feed(b"\n\n")[0].data) == 1_000_000


def test_a_bound_out_of_range_is_named() -> None:
    with pytest.raises(ConfigError, match="largest: 15, allowed: a whole number from 16 to "):
        SseParser(largest=15)


def test_lines_of_json_are_events_too() -> None:
    body = b'\xef\xbb\xbf{"a": "\xc3\xbc"}\r\n\n \t\n{"b":\r1}\n[3]'
    assert lines_of(body) == [
        Event("message", '{"a": "ü"}', 16),
        Event("message", '{"b":\r1}', 29),
        Event("message", "[3]", 32),
    ]


def test_the_last_line_of_json_is_an_event_only_when_the_body_has_ended() -> None:
    parser = NdjsonParser()
    assert parser.feed(b'{"done": true}') == []
    assert parser.rest == Event("message", '{"done": true}', 14)
    assert parser.finish() == [Event("message", '{"done": true}', 14)]
    assert (parser.rest, parser.finish()) == (None, [])


@given(st.lists(st.sampled_from([b"{}", b"\n", b"\r", b"\r\n", b"\xff", b" ", b"x"]), max_size=20).map(b"".join))
def test_lines_of_json_are_what_lies_between_two_lf(body: bytes) -> None:
    assert [event.data for event in lines_of(body)] == [
        line.strip().decode("utf-8", "replace") for line in body.split(b"\n") if line.strip()
    ]
