"""Cut at any byte, an answer is whole if and only if its contract is met, and its text is what had come."""

from __future__ import annotations

import copy
import itertools
import json
import random
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails.core.completeness import STRICT, Answer, decode
from guardrails.core.completeness_wires import ANSWERS, PARSERS, Wire
from guardrails.testing import fault_wires
from guardrails.testing.fault_plans import Fault
from guardrails.testing.fault_wires import Reply, Tool

WIRES: list[Wire] = ["openai-chat", "openai-responses", "anthropic", "ollama"]
DONE = {"type": "[DONE]"}
# What is written like an end is none when the model says it.
WORDS = [
    *("a quick fox", " ", "\n\n", "\r\n", "Grüße", "日本語", "😀", "👩‍👩‍👧", "é", "\u2028", '"', "\\", "\x00", "ﬁ"),
    *("data: [DONE]\n\n", "[DONE]", '"finish_reason":"stop"', "event: message_stop\ndata: {}\n\n", '{"done":true}'),
]


class Stream(NamedTuple):
    """A body, and what is true of it: how many bytes must come until it is whole, ended or failed; `NEVER`."""

    body: bytes
    texts: list[tuple[int, str]]
    whole_at: int
    ended_at: int
    failed_at: int
    choices: int


NEVER = 10**9


def text_in(wire: Wire, data: dict[str, Any]) -> str:
    """What an event says, in the plainest reading of the provider's documentation."""
    if wire == "openai-chat":
        return "".join(c["delta"].get("content") or "" for c in data.get("choices", ()) if c["index"] == 0)
    if wire == "openai-responses":
        return data["delta"] if data.get("type") == "response.output_text.delta" else ""
    if wire == "anthropic":
        return data["delta"].get("text", "") if data["type"] == "content_block_delta" else ""
    return data.get("message", {}).get("content", "")


def finishes(wire: Wire, data: dict[str, Any]) -> int:
    """How many choices an event finishes."""
    if wire == "openai-chat":
        return sum(choice["finish_reason"] is not None for choice in data.get("choices", ()))
    if wire == "anthropic":
        return int(data["type"] == "message_delta")
    return int(data.get("done") is True or data.get("type") in ("response.completed", "response.incomplete"))


def made(wire: Wire, seed: int) -> Stream:
    """The stream of that number: what is said, in which pieces, with what between, and what goes wrong."""
    chance = random.Random(f"{wire} {seed}")
    reply = Reply(
        "".join(chance.choices(WORDS, k=chance.randrange(7))),
        thinking="".join(chance.choices(WORDS, k=chance.choice([0, 0, 2]))),
        tools=[Tool(f"tool{n}", {"said": chance.choice(WORDS)}) for n in range(chance.choice([0, 0, 0, 1, 2]))],
        finish=chance.choice(["", "", "length"]),
        piece=chance.choice([2, 5, 9, 20]),
    )
    choices = chance.choice([1, 1, 1, 2]) if wire == "openai-chat" else 1
    request = {"n": choices, "stream_options": {"include_usage": chance.random() < 0.5}}
    events = fault_wires.streamed(wire, reply, request)
    oddity = chance.choice(["", "", "", "error", "error, done", "no finish, done", "no end"])
    if oddity.startswith("error"):
        make = chance.choice([Fault.error_event, Fault.error_data])
        events = make(at=chance.random()).inside(wire, events)
        events += [b"data: [DONE]\n\n"] if oddity == "error, done" and wire != "ollama" else []
    elif oddity == "no finish, done":
        events = [event for event in events if not finishes(wire, data_of(event))]
        events += [b"data: [DONE]\n\n"] if wire == "openai-responses" else []
    elif oddity == "no end" and wire in ("openai-chat", "anthropic"):
        events.pop()
    return laid_out(wire, events, chance, choices)


def json_in(event: bytes) -> bytes:
    return (event if event.startswith(b"{") else event.partition(b"data: ")[2]).strip()


def data_of(event: bytes) -> dict[str, Any]:
    data = json_in(event)
    return DONE if data.startswith(b"[DONE]") else json.loads(data)


def laid_out(wire: Wire, events: list[bytes], chance: random.Random, choices: int) -> Stream:
    """The events as bytes in one of the ways that servers have, with the truth beside them."""
    newline = chance.choice([b"\n", b"\n", b"\r\n"] if wire == "ollama" else [b"\n", b"\n", b"\r\n", b"\r"])
    escaped, unspaced, noisy = chance.random() < 0.3, chance.random() < 0.2, chance.random() < 0.4
    noise = [b"\n", b" \n\n"] if wire == "ollama" else [b": ping\n\n", b": one\n: two\n", b"\n", b"id: 7\nretry: 3\n\n"]
    body = b"\xef\xbb\xbf" if chance.random() < 0.1 else b""
    text, texts, finished = "", [], 0
    whole_at = ended_at = failed_at = NEVER
    for event in events:
        data, lines = data_of(event), event
        if escaped and data != DONE:
            lines = lines.replace(json_in(event), json.dumps(data).encode())
        if unspaced and lines.startswith(b"data: "):
            lines = lines.replace(b"data: ", b"data:", 1)
        if noisy and chance.random() < 0.3:
            body += chance.choice(noise).replace(b"\n", newline)
        body += lines.replace(b"\n", newline)
        text += text_in(wire, data)
        texts.append((len(body), text))
        finished += finishes(wire, data)
        if "error" in (data.get("type"), *data):
            failed_at = min(failed_at, len(body))
        if finished == choices:
            whole_at = min(whole_at, len(body))
            if data == DONE or data.get("type") == "message_stop" or wire in ("openai-responses", "ollama"):
                ended_at = min(ended_at, len(body))
    return Stream(body, texts, whole_at, ended_at, failed_at, choices)


def at_the_end(parser: Any, answer: Answer) -> Answer:
    """What the answer is when the body ends here."""
    twin = copy.deepcopy(answer)
    for event in copy.deepcopy(parser).finish():
        twin.take(event.name, decode(event.data, json.loads))
    return twin


def judged_rightly(stream: Stream, at: int, answer: Answer, slack: int) -> bool:
    """Whether its state after so many bytes is the truth, or becomes it within the next `slack` bytes."""
    truths = []
    for place in range(at, at + slack + 1):
        if place >= stream.failed_at:
            truths.append("failed")
        elif place >= stream.whole_at:
            truths.append("complete" if place >= stream.ended_at else "unterminated")
        else:
            truths.append("open")
    said = {next((text for end, text in reversed(stream.texts) if end <= at + n), "") for n in range(slack + 1)}
    assert answer.state in truths, f"cut at byte {at}: {answer.state}, {answer.missing or 'nothing is missing'}"
    assert answer.text in said, f"cut at byte {at}"
    return answer.state in ("complete", "unterminated")


def check_each_byte(wire: Wire, stream: Stream) -> int:
    """How many cuts leave the answer whole. Fails at the first that is judged wrongly."""
    parser, answer = PARSERS[wire](), ANSWERS[wire](STRICT, stream.choices)
    good = judged_rightly(stream, 0, answer, 0)
    whole = 0
    for at in range(1, len(stream.body) + 1):
        events = parser.feed(stream.body[at - 1 : at])
        for event in events:
            answer.take(event.name, decode(event.data, json.loads))
        # What waits for a last byte, an LF, is there already if the body ends instead.
        if stream.body[at - 1] in (b"}\r" if wire == "ollama" else b"\r"):
            good = judged_rightly(stream, at, at_the_end(parser, answer), 2)
        # Between two ends of events nothing changes.
        elif events or stream.body[at - 1] == 10:
            good = judged_rightly(stream, at, answer, 0)
        whole += good
    return whole


def check_streams(wire: Wire, seeds: range) -> None:
    streams = [made(wire, seed) for seed in seeds]
    whole = sum(check_each_byte(wire, stream) for stream in streams)
    cuts = sum(len(stream.body) + 1 for stream in streams)
    never = sum(stream.whole_at == NEVER for stream in streams)
    print(f"{wire}: {cuts} cuts of {len(seeds)} streams; {never} are never whole, and {whole} cuts fall after one was")
    # Enough of each kind, or the test says less than its name.
    assert (whole >= len(seeds) - never, 0.1 < never / len(seeds) < 0.9) == (True, True)


@pytest.mark.slow  # half a million cuts and more
@pytest.mark.parametrize("wire", WIRES)
def test_at_every_byte_of_two_hundred_streams_the_verdict_is_right(wire: Wire) -> None:
    check_streams(wire, range(200))


@pytest.mark.long
@pytest.mark.parametrize("wire", WIRES)
def test_at_every_byte_of_two_thousand_more_the_verdict_is_right(wire: Wire) -> None:
    check_streams(wire, range(200, 2200))


def test_a_verdict_that_comes_too_early_or_too_late_would_be_found() -> None:
    streams = (made("openai-chat", seed) for seed in range(50))
    stream = next(stream for stream in streams if stream.ended_at < NEVER and b"\r" not in stream.body)
    check_each_byte("openai-chat", stream)
    for wrong in (stream._replace(whole_at=stream.whole_at + 1), stream._replace(whole_at=stream.whole_at - 1)):
        with pytest.raises(AssertionError, match="cut at byte"):
            check_each_byte("openai-chat", wrong)
    with pytest.raises(AssertionError, match="cut at byte"):
        check_each_byte("openai-chat", stream._replace(texts=[(end, f"x{text}") for end, text in stream.texts]))


def facts(answer: Answer) -> list[Any]:
    """All that an answer knows."""
    blocks = [(b.kind, b.choice, b.index, b.id, b.name, b.text, b.chars, b.closed, b.value) for b in answer.blocks]
    own = {name: getattr(answer, name) for name in Answer.__slots__ if name not in ("_blocks", "blocks")}
    return [answer.state, answer.missing, blocks, own]


@given(st.sampled_from(WIRES), st.integers(0, 500), st.lists(st.integers(0, 5000), max_size=30))
def test_how_a_stream_is_cut_into_chunks_changes_nothing(wire: Wire, seed: int, places: list[int]) -> None:
    stream = made(wire, seed)
    cuts = [0, *sorted(min(place, len(stream.body)) for place in places), len(stream.body)]
    answers = []
    for ends in (itertools.pairwise(cuts), [(0, len(stream.body))]):
        parser, answer = PARSERS[wire](), ANSWERS[wire](STRICT, stream.choices)
        chunks = [stream.body[a:b] for a, b in ends]
        for event in [*(event for chunk in chunks for event in parser.feed(chunk)), *parser.finish()]:
            answer.take(event.name, decode(event.data, json.loads))
        answers.append(facts(answer))
    assert answers[0] == answers[1]
