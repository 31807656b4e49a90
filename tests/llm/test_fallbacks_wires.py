"""A fallback of another wire: its text, told in the client's own events, with the finish reason and the usage."""

from __future__ import annotations

from typing import Any

import anthropic
import httpx2
import ollama
import openai
import pytest

from guardrails.llm import healing_client, last_heal
from guardrails.testing.faults import Fault, FaultServer, Reply, Tool
from tests.llm.speakers import CALM, TEXT, WIRES, Listener, Model, asked, made
from tests.llm.test_fallbacks import ONE_EACH, WAYS, target, told_to

OTHERS = [(wire, there) for wire in WIRES for there in (*WIRES, "ollama") if wire != there]
LENGTHS = {"chat": "length", "anthropic": "max_tokens", "responses": None}
STOPS = {"chat": "stop", "anthropic": "end_turn", "responses": "completed"}


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("guardrails.clock.SystemClock.chance", lambda clock: 0.0)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("fault", [Fault.h529(), Fault.error_first(), Fault.cut(at=0.1), Fault.fin(at=0.6)])
@pytest.mark.parametrize(("wire", "there"), OTHERS)
def test_a_fallback_of_another_wire_is_heard_in_the_clients_own(wire: str, there: str, fault: Fault, way: str) -> None:
    with FaultServer(Model(), fault=fault) as own, FaultServer(Model(thinking="Hm, hm.")) as other:
        told = told_to(way, wire, own.url, [target(other, there)])
        assert (told.text, told.finish, told.error, len(told.ids)) == (TEXT, STOPS[wire], None, 1)
        assert (len(own.asked), len(other.asked)) == (1, 1)
        # What it has thought is no use to anybody here.
        assert told.others == ()


@pytest.mark.parametrize(("wire", "there"), OTHERS)
def test_no_cut_anywhere_loses_or_doubles_a_character_across_wires(wire: str, there: str) -> None:
    text = TEXT[:120] + " 😀"
    with FaultServer(Model(text=text)) as own, FaultServer(Model(text=text)) as other:
        told_to("sync", wire, own.url, [])
        size = own.asked[0].sent
        for at in range(1, size - 200, 331):
            own.asked.clear()
            own.plan = [Fault.cut(at_byte=at)]
            told = told_to("sync", wire, own.url, [target(other, there)])
            assert (told.text, told.finish, told.error) == (text, STOPS[wire], None), at


@pytest.mark.parametrize(("wire", "there"), OTHERS)
def test_an_answer_that_begins_on_another_wire_is_taken_up_by_a_third(wire: str, there: str) -> None:
    with (
        FaultServer(Model(), fault=Fault.h529()) as own,
        FaultServer(Model(), fault=Fault.cut(at=0.5)) as second,
        FaultServer(Model()) as third,
    ):
        told = told_to("sync", wire, own.url, [target(second, there), target(third, wire)], CALM)
        assert (told.text, told.finish, len(told.ids)) == (TEXT, STOPS[wire], 1)
    heal = last_heal()
    assert heal is not None
    assert (heal.faults, heal.rungs, heal.seams) == (("provider", "truncated"), ("switch", "switch"), ("echoed",))


@pytest.mark.parametrize(("wire", "there"), OTHERS)
def test_one_that_breaks_before_its_first_text_is_told_by_nobody(wire: str, there: str) -> None:
    with (
        FaultServer(Model(), fault=Fault.h529()) as own,
        FaultServer(Model(thinking="Hm. " * 9), fault=Fault.cut(at_event=5)) as second,
        FaultServer(Model()) as third,
    ):
        told = told_to("sync", wire, own.url, [target(second, there), target(third, wire)], CALM)
        assert (told.text, told.finish, len(told.ids)) == (TEXT, STOPS[wire], 1)


@pytest.mark.parametrize(("wire", "there"), OTHERS)
def test_an_answer_at_its_limit_ends_so_in_the_clients_words(wire: str, there: str) -> None:
    with FaultServer(fault=Fault.h529()) as own, FaultServer(Reply(TEXT, finish="length")) as other:
        told = told_to("sync", wire, own.url, [target(other, there)])
        assert (told.text, told.error) == (TEXT, None)
        assert told.finish == LENGTHS[wire]


@pytest.mark.parametrize("there", ["anthropic", "responses", "ollama"])
def test_usage_is_told_where_it_was_asked_for(there: str) -> None:
    with FaultServer(fault=Fault.h529()) as own, FaultServer(Model()) as other:
        fallbacks = [target(other, there)]
        with made("chat", own.url, healing_client(httpx2.Client, ONE_EACH, fallbacks)) as client:
            *_, last = asked("chat", client, stream_options={"include_usage": True})
            assert (last.choices, last.usage.completion_tokens > 50, last.usage.prompt_tokens > 0) == ([], True, True)
            assert all(chunk.usage is None for chunk in asked("chat", client))


def test_the_helpers_of_the_official_clients_see_a_whole_message() -> None:
    """They put events together, and know when one is missing."""
    with FaultServer(fault=Fault.h529()) as own, FaultServer(Model()) as other:
        with (
            made("anthropic", own.url, healing_client(httpx2.Client, ONE_EACH, [target(other, "chat")])) as client,
            client.messages.stream(model="m", max_tokens=9, messages=[{"role": "user", "content": "?"}]) as stream,
        ):
            message = stream.get_final_message()
        assert [block.text for block in message.content if isinstance(block, anthropic.types.TextBlock)] == [TEXT]
        assert (message.stop_reason, message.usage.output_tokens > 50) == ("end_turn", True)
        with (
            made("responses", own.url, healing_client(httpx2.Client, ONE_EACH, [target(other, "ollama")])) as client,
            client.responses.stream(model="m", input="?") as events,
        ):
            answer = events.get_final_response()
        assert (answer.output_text, answer.status, answer.usage.output_tokens > 50) == (TEXT, "completed", True)
        with (
            made("chat", own.url, healing_client(httpx2.Client, ONE_EACH, [target(other, "responses")])) as client,
            client.chat.completions.stream(model="m", messages=[{"role": "user", "content": "?"}]) as chunks,
        ):
            completion = chunks.get_final_completion()
        assert (completion.choices[0].message.content, completion.choices[0].finish_reason) == (TEXT, "stop")


@pytest.mark.parametrize("there", WIRES)
@pytest.mark.parametrize("fault", [Fault.h529(), Fault.cut(at=0.5)])
def test_ollamas_own_client_has_fallbacks_too(fault: Fault, there: str) -> None:
    with FaultServer(Model(), fault=fault) as own, FaultServer(Model()) as other:
        client = ollama.Client(host=own.url)
        client._client = healing_client(type(client._client), ONE_EACH, [target(other, there)], base_url=own.url)
        parts = list(client.chat("m", [{"role": "user", "content": "Hello?"}], stream=True))
        client._client.close()
        assert "".join([part.message.content or "" for part in parts]) == TEXT
        assert (parts[-1].done, parts[-1].done_reason, (parts[-1].eval_count or 0) > 30) == (True, "stop", True)


@pytest.mark.parametrize(
    "more",
    [
        {"tools": [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]},
        {"response_format": {"type": "json_object"}},
        {"n": 2},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}]},
    ],
)
def test_whoever_asks_for_more_than_text_is_not_translated(more: dict[str, Any], caplog: Any) -> None:
    client_asks = {"model": "m", "messages": [{"role": "user", "content": "?"}], "stream": True, **more}
    with FaultServer(TEXT, fault=Fault.h529()) as own, FaultServer(TEXT) as other:
        http = healing_client(httpx2.Client, ONE_EACH, [target(other, "anthropic")])
        with made("chat", own.url, http) as client, pytest.raises(openai.InternalServerError):
            client.chat.completions.create(**client_asks)
        assert other.asked == []
    heal = last_heal()
    assert heal is not None
    why = "it speaks anthropic, and more than text is asked for"
    assert heal.skipped == (f"{other.url.removeprefix('http://')} other: {why}",)
    assert why in caplog.text


def test_a_tool_that_nobody_has_given_it_is_a_fault() -> None:
    with (
        FaultServer(fault=Fault.h529()) as own,
        FaultServer(Reply("", tools=[Tool("look")])) as second,
        FaultServer(Model()) as third,
    ):
        told = told_to("sync", "chat", own.url, [target(second, "anthropic"), target(third)], CALM)
        assert (told.text, told.others) == (TEXT, ())


def test_a_listener_hears_the_first_text_at_once() -> None:
    """A stream that is translated is still a stream."""
    with FaultServer(fault=Fault.h529()) as own, FaultServer(Model(), pace=0.01) as other:
        listener = Listener()
        with made("chat", own.url, healing_client(httpx2.Client, CALM, [target(other, "anthropic")])) as client:
            for event in asked("chat", client):
                listener.chat(event)
                if len(listener.text) > 20:
                    assert not other.asked[0].answered
                    break


@pytest.mark.parametrize("there", ["chat", "anthropic", "ollama"])
def test_a_response_that_is_cut_at_its_limit_says_why(there: str) -> None:
    with (
        FaultServer(fault=Fault.h529()) as own,
        FaultServer(Reply(TEXT, finish="length")) as other,
        made("responses", own.url, healing_client(httpx2.Client, ONE_EACH, [target(other, there)])) as client,
    ):
        *_, last = asked("responses", client)
    assert (last.type, last.response.status) == ("response.incomplete", "incomplete")
    assert last.response.incomplete_details.reason == "max_output_tokens"


def test_the_head_of_a_translated_answer_says_what_its_body_is() -> None:
    said = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "Hello?"}]}
    kinds = {"/v1/chat/completions": "text/event-stream", "/api/chat": "application/x-ndjson"}
    with FaultServer(fault=Fault.h529()) as own, FaultServer(Model()) as other:
        for (path, kind), there in zip(kinds.items(), ("ollama", "chat"), strict=True):
            with healing_client(httpx2.Client, ONE_EACH, [target(other, there)]) as client:
                assert client.post(own.url + path, json=said).headers["content-type"] == kind


@pytest.mark.parametrize("wire", ["chat", "responses"])
def test_one_that_said_nothing_leaves_no_trace_in_what_the_next_begins(wire: str) -> None:
    with (
        FaultServer(Model(), fault=Fault.h529()) as own,
        FaultServer(Model(thinking="Hm. " * 9), fault=Fault.cut(at_event=5)) as second,
        FaultServer(Model(), plan=[Fault.cut(at=0.5)]) as third,
    ):
        fallbacks = [target(second, "anthropic"), target(third, wire)]
        policy = CALM._replace(attempts=4, on_fault=("resume", "switch"))
        told = told_to("sync", wire, own.url, fallbacks, policy)
        assert (told.text, told.finish, len(told.ids), len(third.asked)) == (TEXT, STOPS[wire], 1, 2)
