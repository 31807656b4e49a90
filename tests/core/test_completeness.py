"""What makes an answer whole on each wire, fact by fact, and what an engine can read from one that is not."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest

from guardrails.core.completeness import (
    DONE,
    LENIENT,
    NOTHING,
    STRICT,
    Answer,
    Contract,
    Failure,
    Learned,
    Unreadable,
    decode,
    failure_in,
)
from guardrails.core.completeness_wires import ANSWERS, PARSERS, Wire

Told = list[Any]


def taken(wire: Wire, events: Told, contract: Contract = STRICT, choices: int = 1) -> Answer:
    answer = ANSWERS[wire](contract, choices)
    for event in events:
        answer.take(event.get("type", "message") if isinstance(event, dict) else "message", event)
    return answer


def chat(delta: dict[str, Any] | None = None, finish: Any = None, index: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "id": "c1",
        "model": "m",
        "choices": [{"index": index, "delta": delta or {}, "finish_reason": finish}],
        **more,
    }


def said(text: str, index: int = 0) -> dict[str, Any]:
    return chat({"content": text}, index=index)


def call(arguments: str | None, index: Any = 0, id_: str | None = None, name: str | None = None) -> dict[str, Any]:
    one = {"index": index, "id": id_, "function": {"name": name, "arguments": arguments}}
    return chat({"tool_calls": [{key: value for key, value in one.items() if value is not None}]})


def part(kind: str, text: str, index: int = 0) -> dict[str, Any]:
    key = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "partial_json"}[kind]
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, key: text}}


def begun(kind: str, index: int = 0, **more: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": {"type": kind, **more}}


def ended(index: int = 0) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def stopped(reason: str = "end_turn", **usage: int) -> dict[str, Any]:
    return {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": usage}


STOP = {"type": "message_stop"}


def response(status: str, **more: Any) -> dict[str, Any]:
    return {"type": f"response.{status}", "response": {"id": "r1", "model": "m", "status": status, **more}}


def delta(what: str, text: str, output: int = 0, number: int = 0) -> dict[str, Any]:
    return {"type": f"response.{what}.delta", "output_index": output, "delta": text, "sequence_number": number}


def ollama(content: str = "", *, done: Any = False, **more: Any) -> dict[str, Any]:
    return {"model": "m", "message": {"role": "assistant", "content": content}, "done": done, **more}


WHOLE: list[tuple[Wire, Told, str]] = [
    ("openai-chat", [said("a"), chat(finish="stop"), DONE], "complete"),
    ("openai-chat", [said("a"), chat(finish="stop")], "unterminated"),
    ("openai-chat", [said("a"), chat(finish="length"), DONE], "complete"),
    ("openai-chat", [chat({"content": "a"}, "stop"), DONE], "complete"),
    ("openai-chat", [said("a"), chat(finish="stop"), {"choices": [], "usage": {"total_tokens": 3}}, DONE], "complete"),
    ("openai-chat", [{"choices": [], "prompt_filter_results": []}, said("a"), chat(finish="stop"), DONE], "complete"),
    ("openai-chat", [NOTHING, said("a"), NOTHING, chat(finish="stop"), DONE], "complete"),
    ("openai-chat", [chat({"refusal": "No."}), chat(finish="stop"), DONE], "complete"),
    ("openai-chat", [{"object": "ping"}, said("a"), chat(finish="stop"), DONE], "complete"),
    ("openai-chat", [chat(finish="stop"), DONE], "complete"),
    ("openai-responses", [delta("output_text", "a"), response("completed")], "complete"),
    ("openai-responses", [delta("output_text", "a"), response("completed"), DONE], "complete"),
    (
        "openai-responses",
        [delta("output_text", "a"), response("incomplete", incomplete_details={"reason": "x"})],
        "complete",
    ),
    ("anthropic", [begun("text"), part("text_delta", "a"), ended(), stopped(), STOP], "complete"),
    ("anthropic", [begun("text"), part("text_delta", "a"), ended(), stopped()], "unterminated"),
    ("anthropic", [begun("text"), {"type": "new thing"}, ended(), stopped("refusal"), STOP], "complete"),
    ("ollama", [ollama("a"), ollama(done=True, done_reason="stop")], "complete"),
    ("ollama", [ollama("a"), ollama(done=True)], "complete"),
    ("ollama", [ollama("a", done=True, done_reason="length")], "complete"),
]
CUT: list[tuple[Wire, Told, str]] = [
    ("openai-chat", [], "no finish reason"),
    ("openai-chat", [said("a"), DONE], "no finish reason"),
    ("openai-chat", [DONE], "no finish reason"),
    (
        "openai-chat",
        [said("a"), chat(finish=7), DONE],
        "1 of 3 events could not be read; first: not readable: a finish reason that is int",
    ),
    ("openai-chat", [said("a"), chat(finish=""), DONE], "no finish reason"),
    ("openai-chat", [said("a"), Unreadable('{"x'), chat(finish="stop"), DONE], "1 of 4 events could not be read"),
    ("openai-chat", [said("a"), chat(finish="stop"), said("b")], "no finish reason"),
    ("openai-responses", [delta("output_text", "a"), DONE], "no finish reason"),
    ("openai-responses", [delta("output_text", "a"), {"type": "response.completed"}], "no finish reason"),
    ("openai-responses", [{"type": "response.completed", "response": {"status": "in_progress"}}], "no finish reason"),
    ("anthropic", [begun("text"), part("text_delta", "a"), ended(), STOP], "no finish reason"),
    ("anthropic", [begun("text"), part("text_delta", "a"), stopped(), STOP], "block 0 (text) did not end"),
    (
        "anthropic",
        [begun("text"), ended(), {"type": "message_delta", "delta": {"stop_reason": None}}],
        "no finish reason",
    ),
    ("ollama", [ollama("a")], "no finish reason"),
    ("ollama", [ollama("a"), ollama(done="true")], "1 of 2 events could not be read"),
    ("ollama", [ollama("a"), ollama(done=1)], "1 of 2 events could not be read"),
]


@pytest.mark.parametrize(("wire", "events", "state"), WHOLE)
def test_an_answer_is_whole_when_its_contract_is_met(wire: Wire, events: Told, state: str) -> None:
    answer = taken(wire, events)
    assert (answer.state, answer.missing) == (state, "")


@pytest.mark.parametrize(("wire", "events", "missing"), CUT)
def test_an_answer_that_is_not_whole_says_what_is_missing(wire: Wire, events: Told, missing: str) -> None:
    answer = taken(wire, events)
    assert answer.state == "open"
    assert answer.missing.startswith(missing)


def test_each_of_several_choices_needs_its_own_finish_reason() -> None:
    events = [said("a"), said("b", 1), chat(finish="stop")]
    assert taken("openai-chat", events).missing == "a finish reason for 1 of 2 choices"
    # A choice that was asked for and has not begun is missing, too.
    assert taken("openai-chat", [said("a"), chat(finish="stop"), DONE], choices=2).state == "open"
    # The finish reason of another choice is none.
    assert taken("openai-chat", [said("a"), chat(finish="stop", index=5), DONE]).state == "open"
    answer = taken("openai-chat", [*events, chat(finish="length", index=1), DONE], choices=2)
    assert (answer.state, answer.text, answer.text_of(1)) == ("complete", "a", "b")


@pytest.mark.parametrize("wire", ["openai-chat", "openai-responses", "anthropic", "ollama"])
@pytest.mark.parametrize("contract", [STRICT, LENIENT])
def test_an_error_is_a_failure_whatever_follows(wire: Wire, contract: Contract) -> None:
    last: dict[Wire, Told] = {
        "openai-chat": [chat(finish="stop"), DONE],
        "openai-responses": [response("completed")],
        "anthropic": [stopped(), STOP],
        "ollama": [ollama(done=True)],
    }
    answer = taken(
        wire, [{"error": {"type": "server_error", "message": "boom"}}, {"error": "echo"}, *last[wire]], contract
    )
    assert (answer.state, answer.failure) == ("failed", Failure("server_error", "boom", 500))
    assert answer.missing == "the provider reported an error: boom"


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("message", {"error": {"message": "m", "type": "overloaded_error"}}, Failure("overloaded_error", "m", 529)),
        ("message", {"error": {"message": "m", "code": 502}, "choices": [{}]}, Failure("", "m", 502)),
        ("message", {"error": "out of memory"}, Failure("", "out of memory")),
        (
            "message",
            {"object": "error", "message": "m", "type": "BadRequestError", "code": 400},
            Failure("BadRequestError", "m", 400),
        ),
        (
            "error",
            {"type": "error", "code": "rate_limit_exceeded", "message": "m"},
            Failure("rate_limit_exceeded", "m", 429),
        ),
        ("error", {"type": "error", "error": {"type": "api_error", "message": "m"}}, Failure("api_error", "m", 500)),
        ("message", {"type": "error", "error": {"type": "new_kind", "message": "m"}}, Failure("new_kind", "m")),
        (
            "message",
            [{"error": {"code": 429, "message": "m", "status": "RESOURCE_EXHAUSTED"}}],
            Failure("RESOURCE_EXHAUSTED", "m", 429),
        ),
        ("message", [529, "m"], Failure("", "['m']", 529)),
        ("error", Unreadable("Internal error"), Failure("", "Internal error")),
        ("error", "m", Failure("", "m")),
        ("message", {"error": {"x": 1}}, Failure("", "{'x': 1}")),
        ("message", {"error": None}, None),
        ("message", {"error": {}}, None),
        ("message", {"type": "ping"}, None),
        ("message", [], None),
        ("message", [1, 2], None),
        ("message", 529, None),
        ("message", Unreadable("x"), None),
    ],
)
def test_an_error_is_known_in_every_shape(name: str, value: Any, expected: Failure | None) -> None:
    assert failure_in(name, value) == expected


def test_an_error_that_only_the_finish_reason_tells_is_one() -> None:
    assert taken("openai-chat", [said("a"), chat(finish="error"), DONE]).failure == Failure(
        "error", "the finish reason is error"
    )
    with_text = taken("openai-chat", [chat({"content": "a"}, "error"), DONE])
    assert (with_text.state, with_text.text) == ("failed", "a")


@pytest.mark.parametrize("kind", ["failed", "cancelled"])
def test_a_response_that_failed_says_why(kind: str) -> None:
    event = response(kind, error={"code": "server_error", "message": "m"})
    assert taken("openai-responses", [event]).failure == Failure("server_error", "m", 500)
    assert taken("openai-responses", [response(kind)]).failure == Failure(kind, f"response.{kind}")


def test_a_lenient_contract_takes_either_mark_but_not_silence() -> None:
    assert taken("openai-chat", [said("a"), DONE], LENIENT).state == "complete"
    assert taken("openai-chat", [said("a"), chat(finish="stop")], LENIENT).state == "unterminated"
    assert taken("openai-chat", [said("a")], LENIENT).missing == "no finish reason, and no terminator"
    assert taken("openai-chat", [DONE], LENIENT).missing == "nothing but a terminator"
    assert taken("openai-chat", [said("a"), Unreadable("x"), DONE], LENIENT).state == "complete"
    assert taken("anthropic", [begun("text"), part("text_delta", "a"), STOP], LENIENT).state == "complete"


def test_a_contract_may_ask_for_the_terminator() -> None:
    contract = Contract(terminator=True)
    assert taken("openai-chat", [said("a"), chat(finish="stop")], contract).missing == "no terminator"
    assert taken("openai-chat", [said("a"), chat(finish="stop"), DONE], contract).state == "complete"


def test_what_an_endpoint_has_sent_is_asked_for_from_then_on() -> None:
    learned = Learned()
    bare: Told = [said("a"), DONE]
    learned.learn(taken("openai-chat", bare, learned.contract))
    assert taken("openai-chat", bare, learned.contract).state == "complete"
    # What was cut, and what failed, teaches nothing.
    learned.learn(taken("openai-chat", [said("a"), chat(finish="stop"), said("b")], learned.contract))
    learned.learn(taken("openai-chat", [{"error": "x"}, chat(finish="stop"), DONE], learned.contract))
    assert learned.contract == Contract(finish=False)
    learned.learn(taken("openai-chat", [said("a"), chat(finish="stop"), DONE], learned.contract))
    assert taken("openai-chat", bare, learned.contract).state == "open"
    assert taken("openai-chat", [said("a"), chat(finish="stop")], learned.contract).state == "unterminated"


def test_where_every_chunk_has_a_finish_reason_the_terminator_is_asked_for() -> None:
    learned = Learned()
    events: Told = [chat({"content": "a"}, "stop"), chat({"content": "b"}, "stop"), DONE]
    answer = taken("openai-chat", events, learned.contract)
    assert (answer.state, answer.withdrawn) == ("complete", 1)
    learned.learn(answer)
    assert taken("openai-chat", events[:1], learned.contract).missing == "no terminator"
    assert taken("openai-chat", events, learned.contract).state == "complete"


def test_what_comes_after_the_terminator_is_not_part_of_the_answer() -> None:
    answer = taken("openai-chat", [said("a"), chat(finish="stop"), DONE, said("b"), {"error": "late"}])
    assert (answer.state, answer.text, answer.unknown) == ("complete", "a", 2)


def test_tool_calls_are_kept_apart_and_their_arguments_together() -> None:
    events = [
        *(call("", 0, "one", "look"), call('{"a"', 0), call(": 1}", 0)),
        *(call("", 1, "two", "go"), call("{", 1)),
    ]
    answer = taken("openai-chat", events)
    assert [(b.kind, b.id, b.name, b.text, b.closed) for b in answer.blocks] == [
        ("tool", "one", "look", '{"a": 1}', True),
        ("tool", "two", "go", "{", False),
    ]
    assert (answer.text, answer.contents) == ("", 5)
    answer.take("message", chat(finish="tool_calls"))
    assert ([b.closed for b in answer.blocks], answer.state) == ([True, True], "unterminated")


@pytest.mark.parametrize("indexes", [(0, 0), (None, None)])
def test_tool_calls_with_one_index_or_none_are_told_apart_by_their_ids(indexes: tuple[Any, Any]) -> None:
    one, two = indexes
    answer = taken("openai-chat", [call("{", one, "a", "f"), call("}", one), call("{", two, "b", "g"), call("1", two)])
    assert [(b.id, b.name, b.text) for b in answer.blocks] == [("a", "f", "{}"), ("b", "g", "{1")]


def test_the_old_function_call_is_a_tool_call() -> None:
    events = [chat({"function_call": {"name": "f", "arguments": ""}}), chat({"function_call": {"arguments": "{}"}})]
    assert [(b.name, b.text) for b in taken("openai-chat", events).blocks] == [("f", "{}")]


@pytest.mark.parametrize(
    ("given", "kinds"),
    [
        ({"reasoning_content": "hm"}, ["thinking"]),
        ({"reasoning": "hm", "content": "a"}, ["thinking", "text"]),
        ({"refusal": "No."}, ["refusal"]),
        ({"content": [{"type": "thinking", "thinking": []}, {"type": "text", "text": "a"}]}, ["thinking", "text"]),
        ({"audio": {"data": "AAAA"}}, ["other"]),
        ({"role": "assistant", "content": "", "refusal": None}, []),
        ({"annotations": []}, []),
    ],
)
def test_what_a_chat_delta_adds_has_its_kind(given: dict[str, Any], kinds: list[str]) -> None:
    answer = ANSWERS["openai-chat"]()
    step = answer.take("message", chat(given))
    assert (step.kind, [block.kind for block, _ in step.pieces]) == ("content" if kinds else "other", kinds)
    assert answer.text == ("a" if "text" in kinds else "")


def test_blocks_of_a_message_are_kept_apart() -> None:
    signed = {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "c2ln"}}
    events: Told = [
        {
            "type": "message_start",
            "message": {"id": "m1", "model": "c", "usage": {"input_tokens": 9, "output_tokens": 1}},
        },
        *(begun("thinking", 0, thinking=""), part("thinking_delta", "hm"), signed, ended(0)),
        *(begun("text", 1, text="a"), part("text_delta", "b", 1), ended(1)),
        *(begun("tool_use", 2, id="t1", name="look"), part("input_json_delta", '{"x', 2)),
    ]
    answer = taken("anthropic", events)
    assert [(b.kind, b.index, b.text, b.closed) for b in answer.blocks] == [
        ("thinking", 0, "hm", True),
        ("other", 0, "{'signature': 'c2ln'}", True),
        ("text", 1, "ab", True),
        ("tool", 2, '{"x', False),
    ]
    assert (answer.blocks[3].id, answer.blocks[3].name, answer.id, answer.model) == ("t1", "look", "m1", "c")
    answer.take("x", ended(2))
    answer.take("x", stopped("tool_use", output_tokens=30))
    assert (answer.finish, answer.usage) == ({0: "tool_use"}, {"input_tokens": 9, "output_tokens": 30})


def test_items_of_a_response_are_kept_apart_and_numbered() -> None:
    item = {"type": "function_call", "call_id": "c1", "name": "look"}
    events: Told = [
        response("created"),
        delta("reasoning_summary_text", "hm", 0, 4),
        delta("output_text", "a", 1, 5),
        {"type": "response.output_text.done", "output_index": 1, "text": "a"},
        {"type": "response.output_item.added", "output_index": 2, "item": item},
        delta("function_call_arguments", '{"x', 2, 9),
        delta("image_generation_call.partial", "AAAA", 3, 10),
    ]
    answer = taken("openai-responses", events)
    assert [(b.kind, b.index, b.name, b.text, b.closed) for b in answer.blocks] == [
        ("thinking", 0, "", "hm", False),
        ("text", 1, "", "a", True),
        ("tool", 2, "look", '{"x', False),
        ("other", 3, "", "AAAA", False),
    ]
    assert (answer.id, answer.position, answer.text) == ("r1", 10, "a")


def test_a_part_that_comes_only_when_it_is_done_is_content() -> None:
    answer = ANSWERS["openai-responses"]()
    step = answer.take("x", {"type": "response.output_text.done", "text": "abc"})
    assert (step.kind, [text for _, text in step.pieces], answer.blocks[0].closed) == ("content", ["abc"], True)


def test_a_part_that_is_not_what_its_deltas_came_to_has_lost_something() -> None:
    events: Told = [
        delta("output_text", "a"),
        {"type": "response.output_text.done", "text": "ab"},
        response("completed"),
    ]
    assert taken("openai-responses", events).missing.startswith("1 of 3 events could not be read")


def test_tool_calls_of_ollama_come_whole_as_objects() -> None:
    function = {"name": "look", "arguments": {"x": 1}}
    line = ollama(done=False)
    line["message"] |= {"thinking": "hm", "tool_calls": [{"function": function}]}
    answer = taken("ollama", [line])
    assert [(b.kind, b.name, b.text, b.value, b.closed) for b in answer.blocks] == [
        ("thinking", "", "hm", None, False),
        ("tool", "look", "", {"x": 1}, True),
    ]


@pytest.mark.parametrize(
    ("wire", "event", "kind"),
    [
        ("openai-chat", chat({"role": "assistant", "content": ""}), "other"),
        ("openai-chat", NOTHING, "ping"),
        ("openai-chat", DONE, "end"),
        ("openai-chat", {"choices": None}, "unknown"),
        ("openai-chat", {"error": "x"}, "error"),
        ("anthropic", {"type": "ping"}, "ping"),
        ("anthropic", begun("text"), "other"),
        ("anthropic", STOP, "end"),
        ("openai-responses", {"type": "keepalive"}, "ping"),
        ("openai-responses", {"type": "response.web_search_call.searching"}, "other"),
        ("openai-responses", response("completed"), "end"),
        ("ollama", ollama(), "other"),
        ("ollama", ollama("a", done=True), "content"),
        ("ollama", ollama(done=True), "end"),
    ],
)
def test_keepalives_and_the_shell_of_an_answer_are_no_content(wire: Wire, event: Any, kind: str) -> None:
    answer = ANSWERS[wire]()
    assert answer.take("message", event).kind == kind
    assert answer.contents == (kind == "content")


@pytest.mark.parametrize("name", ["response.completed", "message_stop"])
def test_an_event_without_a_type_is_what_its_name_says(name: str) -> None:
    wire: Wire = "anthropic" if name == "message_stop" else "openai-responses"
    answer = ANSWERS[wire]()
    answer.take(name, {"response": {"status": "completed"}})
    assert answer.terminated


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("[DONE]", DONE),
        (" [DONE] ", DONE),
        ("", NOTHING),
        (" \n", NOTHING),
        ('{"a": 1}', {"a": 1}),
        ('"[DONE]"', "[DONE]"),
        ("{", Unreadable("{")),
        ("1" * 5000, Unreadable("1" * 200)),
        ("[" * 100_000, Unreadable("[" * 200)),
    ],
)
def test_data_is_json_an_end_nothing_or_not_readable(data: str, expected: Any) -> None:
    assert decode(data, json.loads) == expected


def test_half_a_pair_of_surrogates_is_kept_as_it_came() -> None:
    events = [decode('{"choices": [{"delta": {"content": "\\ud83d"}}]}', json.loads), said("\ude00")]
    assert taken("openai-chat", events).text == "\ud83d\ude00"


def test_a_megabyte_of_text_takes_less_than_two() -> None:
    answer = ANSWERS["openai-chat"]()
    events = [said("abcd" * 16) for _ in range(10)]
    tracemalloc.start()
    for n in range(16_384):
        answer.take("message", events[n % 10])
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert (answer.blocks[0].chars, held < 2 * 2**20) == (2**20, True)


def test_every_wire_has_its_parser_and_its_answer() -> None:
    assert set(PARSERS) == set(ANSWERS) == {"openai-chat", "openai-responses", "anthropic", "ollama"}
