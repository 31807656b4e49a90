"""Most events need not be read to be understood; the answer is the one that reading them all gives."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guardrails.core.completeness import STRICT
from guardrails.llm.shape import shape_of
from guardrails.llm.whole import First
from guardrails.testing import fault_wires
from guardrails.testing.faults import Reply, Tool

WIRES: list[Any] = ["openai-chat", "anthropic", "openai-responses"]
REPLY = Reply('Grüße, a plain "text" with \\ and\nlines. ' * 8, thinking="Hm.", tools=[Tool("look", {"at": "Dom"})])


def heard(wire: Any, chunks: list[bytes], *, reads_all: bool) -> tuple[Any, ...]:
    """What a part makes of these chunks."""
    part = First(wire, STRICT, 1, structured=False)
    if reads_all:
        part._guesses = 0
    out = [part.feed(chunk) for chunk in chunks]
    answer = part.answer
    counts = (answer.events, answer.contents, answer.state, answer.finish, part.parser.fed, part.done)
    blocks = [(block.kind, block.index, block.text, block.closed) for block in answer.blocks]
    return out, part.text, part.fault, counts, blocks


def dump(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def filled(wire: str, said: str, n: int) -> bytes:
    """An event with a filler, as OpenAI and Anthropic send them."""
    if wire == "anthropic":
        head = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
        head += b'"delta":{"type":"text_delta","text":'
        return head + dump(said) + b"}" + b" " * (n % 7) + b"}\n\n"
    head = b'data: {"id":"c","choices":[{"index":0,"delta":{"content":'
    return head + dump(said) + b'},"finish_reason":null}],"obfuscation":' + dump("x" * (n % 9)) + b"}\n\n"


@pytest.mark.parametrize("wire", WIRES)
def test_a_whole_stream_is_understood_as_if_each_event_was_read(wire: Any) -> None:
    chunks = fault_wires.streamed(wire, REPLY, {"model": "m"})
    assert heard(wire, chunks, reads_all=False) == heard(wire, chunks, reads_all=True)


def test_events_of_one_shape_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    read = []
    monkeypatch.setattr("guardrails.llm.whole.loads", lambda data: read.append(data) or json.loads(data))
    chunks = fault_wires.streamed("openai-chat", Reply("abcde" * 100), {"model": "m"})
    assert heard("openai-chat", chunks, reads_all=False)[1] == "abcde" * 100
    assert len(read) < 10


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("size", [1, 7, 150, 301])
def test_however_it_is_cut_into_chunks(wire: Any, size: int) -> None:
    body = b"".join(fault_wires.streamed(wire, REPLY, {"model": "m"}))
    chunks = [body[at : at + size] for at in range(0, len(body), size)]
    assert heard(wire, chunks, reads_all=False) == heard(wire, chunks, reads_all=True)


@settings(deadline=None)
@given(words=st.lists(st.text(max_size=6), max_size=30), wire=st.sampled_from(["openai-chat", "anthropic"]))
def test_whatever_the_words_are_and_the_fillers(words: list[str], wire: Any) -> None:
    words = [word for word in words if word.isascii() or not any("\ud800" <= one <= "\udfff" for one in word)]
    chunks = [filled(wire, "Hello", 3), *(filled(wire, word, n) for n, word in enumerate(words))]
    fast, slow = (heard(wire, chunks, reads_all=reads) for reads in (False, True))
    assert fast == slow


@pytest.mark.parametrize("wire", ["openai-chat", "anthropic"])
def test_events_with_fillers_are_of_one_shape(wire: str) -> None:
    shape = shape_of(filled(wire, "Hello", 5), "Hello")
    assert shape is not None
    assert [shape.words(filled(wire, word, n)) for n, word in enumerate(["a", "ü b", "😀"])] == ["a", "ü b", "😀"]


def test_an_event_that_is_cut_or_says_more_is_of_no_known_shape() -> None:
    first = filled("openai-chat", "Hello", 5)
    shape = shape_of(first, "Hello")
    assert shape is not None
    others = [
        first[:-1],
        first[:-9] + b"\n\n",
        first.replace(b"null", b'"stop"'),
        first.replace(b'"Hello"', b'"He\\"llo"'),
        first.replace(b'"Hello"', b'"Hel\xff"'),
        first.replace(b'"Hello"', b'""'),
        first.replace(b'"Hello"', b'"a\x01"'),
        first.replace(b'"Hello"', b'"a","b":"c"'),
        first.replace(b'"xxxxx"', b'"x","error":"y"'),
        first + b"data: [DONE]\n\n",
    ]
    assert [shape.words(other) for other in others] == [None] * len(others)


def test_words_that_stand_there_twice_make_no_shape() -> None:
    assert shape_of(b'data: {"id":"c","x":{"content":"c"}}\n\n', "c") is None
