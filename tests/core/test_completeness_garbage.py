"""Whatever a server sends, nothing crashes, nothing is taken for an end that is none, and memory stays bounded."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails.core.completeness import LENIENT, STRICT, Answer, Contract, decode
from guardrails.core.completeness_wires import ANSWERS, PARSERS, Wire
from guardrails.testing import fault_wires
from guardrails.testing.fault_wires import Reply, Tool

WIRES: list[Wire] = ["openai-chat", "openai-responses", "anthropic", "ollama"]
REPLY = Reply("Hello, world", thinking="hm", tools=[Tool("look", {"x": [1, 2]})])
# How the events of each wire begin an end. Without one of these no answer is whole.
ENDS = {
    "openai-chat": ('"finish_reason":"tool_calls"', "[DONE]"),
    "openai-responses": ('"type":"response.completed"',),
    "anthropic": ('"stop_reason":"tool_use"', '"type":"message_stop"'),
    "ollama": ('"done":true',),
}
WORDS = [
    *("choices", "delta", "content", "index", "finish_reason", "tool_calls", "function", "arguments", "name", "id"),
    *(
        "type",
        "message",
        "error",
        "done",
        "response",
        "status",
        "usage",
        "item",
        "content_block",
        "text",
        "sequence_number",
    ),
    *(
        "stop",
        "completed",
        "response.completed",
        "content_block_delta",
        "content_block_start",
        "message_delta",
        "text_delta",
    ),
    *("response.output_text.delta", "response.output_text.done", "response.output_item.added", "content_block_stop"),
]
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-2, 600)
    | st.floats(allow_nan=True)
    | st.sampled_from(WORDS)
    | st.text(max_size=3)
)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4),
    max_leaves=12,
)


def events_of(wire: Wire) -> list[str]:
    body = b"".join(fault_wires.streamed(wire, REPLY, {}))
    return [event.data for event in PARSERS[wire]().feed(body)]


def fed(wire: Wire, datas: list[str], contract: Contract = STRICT) -> Answer:
    answer = ANSWERS[wire](contract)
    for data in datas:
        answer.take("message", decode(data, json.loads))
    return answer


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(deeper for key, one in inner for deeper in places(one, (*path, key)))]


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], new)
    return copy


@given(st.sampled_from(WIRES), st.lists(JSON, max_size=8), st.sampled_from(WORDS))
def test_no_json_crashes_an_answer(wire: Wire, values: list[Any], name: str) -> None:
    answer = ANSWERS[wire]()
    for value in values:
        answer.take(name, value)
        assert answer.state in ("open", "unterminated", "complete", "failed")
    assert (len(answer.notes) <= 8, isinstance(answer.text, str), answer.events) == (True, True, len(values))


@given(st.data())
def test_a_value_of_the_wrong_type_anywhere_crashes_nothing_and_ends_nothing(data: st.DataObject) -> None:
    wire = data.draw(st.sampled_from(WIRES))
    told = events_of(wire)
    at = data.draw(st.integers(0, len(told) - 1))
    event = decode(told[at], json.loads)
    if not isinstance(event, dict):
        return
    # The value under test, in place of the one that belongs there.
    path = data.draw(st.sampled_from(places(event)))
    new = data.draw(st.none() | st.integers() | st.lists(st.integers(), max_size=2) | st.just({}) | st.booleans())
    changed = json.dumps(replaced(event, path, new), separators=(",", ":"))
    answer = fed(wire, [*told[:at], changed])
    before = fed(wire, told[:at])
    if before.state == "open" and not any(end in told[at] + changed for end in ENDS[wire]):
        assert answer.state in ("open", "failed")
    assert answer.text.startswith(before.text)


@given(st.data())
def test_events_in_another_order_twice_or_not_at_all_end_nothing_without_an_end(data: st.DataObject) -> None:
    wire = data.draw(st.sampled_from(WIRES))
    told = data.draw(st.lists(st.sampled_from(events_of(wire)), max_size=30))
    for contract in (STRICT, LENIENT):
        answer = fed(wire, told, contract)
        if answer.state in ("unterminated", "complete"):
            assert any(end in one for one in told for end in ENDS[wire])


@given(st.sampled_from(WIRES), st.binary(max_size=300), st.sampled_from([STRICT, LENIENT]))
def test_random_bytes_are_never_an_answer(wire: Wire, body: bytes, contract: Contract) -> None:
    parser, answer = PARSERS[wire](), ANSWERS[wire](contract)
    for event in [*parser.feed(b"data: " + body), *parser.feed(body + b"\n\n"), *parser.finish()]:
        answer.take(event.name, decode(event.data, json.loads))
    assert answer.state in ("open", "failed")


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize(
    "value",
    [
        "no JSON",
        {"unheard": "of"},
        {"choices": [{"delta": 7}]},
        {"type": "content_block_delta", "index": "x"},
        ["x" * 10_000],
    ],
)
def test_a_stream_of_strange_events_fills_no_memory(wire: Wire, value: Any) -> None:
    answer = ANSWERS[wire]()
    data = value if isinstance(value, str) else json.dumps(value)
    tracemalloc.start()
    for _ in range(3000):
        answer.take("message", decode(data, json.loads))
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert (held < 50_000, answer.unknown + answer.unreadable, len(answer.notes)) == (True, 3000, 8)
    assert all(len(note) <= 200 for note in answer.notes)


@pytest.mark.parametrize("wire", WIRES)
def test_an_error_as_long_as_a_book_is_shortened(wire: Wire) -> None:
    answer = fed(wire, [json.dumps({"error": {"message": "x" * 10**6}})])
    assert answer.failure is not None
    assert len(answer.failure.message) == 2000
