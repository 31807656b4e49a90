"""What a healed stream is read as does not depend on how it comes: in which chunks, and with what between them."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest

from guardrails.llm.reading import GUESSES, Reader
from guardrails.testing import fault_wires
from guardrails.testing.faults import Reply, Tool

WIRES: list[Any] = ["openai-chat", "anthropic", "openai-responses", "ollama"]
TEXT = 'Grüße, a plain "text" with \\ and\nlines, and words that are plain. ' * 9
REPLY = Reply(TEXT, thinking="Hm.", tools=[Tool("look", {"at": "Dom"})])


def heard(wire: Any, chunks: list[bytes], guesses: int = GUESSES) -> tuple[Any, ...]:
    reader = Reader(wire)
    reader._guesses = guesses
    told = "".join([reader.feed(chunk) for chunk in chunks]) + reader.ended()
    answer = reader.answer
    counts = (answer.events, answer.contents, answer.state, answer.usage, reader._parser.fed)
    return told, reader.text, reader.thinking, reader.tool_calls, reader.finish, counts


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("size", [0, 1, 7, 150, 301, 100_000])
def test_however_it_is_cut_into_chunks(wire: Any, size: int) -> None:
    chunks = fault_wires.streamed(wire, REPLY, {"model": "m", "stream_options": {"include_usage": True}})
    body = b"".join(chunks)
    cut = [body[at : at + size] for at in range(0, len(body), size)] if size else chunks
    told = heard(wire, cut)
    assert told == heard(wire, [body], guesses=0)
    assert told[0] == told[1] == TEXT
    assert (told[2], [call.arguments for call in told[3]], told[4]) == ("Hm.", [{"at": "Dom"}], "tool_calls")


@pytest.mark.parametrize("wire", ["openai-chat", "anthropic", "openai-responses"])
def test_keepalives_between_events_are_no_text(wire: Any) -> None:
    chunks = fault_wires.streamed(wire, REPLY, {"model": "m"})
    kept = [piece for chunk in chunks for piece in (fault_wires.keepalive(wire), chunk)]
    told, plain = heard(wire, kept), heard(wire, chunks)
    assert told[:5] == plain[:5]


def test_events_of_one_shape_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    loads = Reader.__init__.__globals__["loads"]
    monkeypatch.setattr("guardrails.llm.reading.loads", lambda data: read.append(data) or loads(data))
    chunks = fault_wires.streamed("openai-chat", Reply("abcde" * 100), {"model": "m"})
    assert heard("openai-chat", chunks)[0] == "abcde" * 100
    assert len(read) < 10


def test_the_events_of_a_second_block_are_not_read_either(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    loads = Reader.__init__.__globals__["loads"]
    monkeypatch.setattr("guardrails.llm.reading.loads", lambda data: read.append(data) or loads(data))
    head, block = fault_wires.streamed("anthropic", Reply("abcde" * 50), {})[:1], []
    for n in range(2):
        block += [
            piece.replace(b'"index":0', b'"index":%d' % n)
            for piece in fault_wires.streamed("anthropic", Reply("abcde" * 50), {})[1:-2]
        ]
    assert heard("anthropic", [*head, *block])[0] == "abcde" * 100
    assert len(read) < 20


def test_an_event_behind_half_a_comment_is_part_of_the_comment() -> None:
    chunks = fault_wires.streamed("openai-chat", Reply("abcde" * 10), {"model": "m"})
    told = heard("openai-chat", [*chunks[:5], b": keep", *chunks[5:]])
    assert told[0] == "abcde" * 9


@pytest.mark.slow  # two hundred thousand events
def test_a_megabyte_of_text_takes_little_more_than_itself() -> None:
    event = fault_wires.streamed("openai-chat", Reply("abcde"), {"model": "m"})[1]
    reader = Reader("openai-chat")
    tracemalloc.start()
    try:
        for _ in range(200_000):
            reader.feed(event)
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(reader.text) == 1_000_000
    assert size < 2_000_000
