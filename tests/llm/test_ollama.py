"""Ollama's own wire is healed as the others are: under its official client, and under plain httpx."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import ollama
import pytest

from guardrails import errors
from guardrails.llm import Capability, StreamPolicy, healing, healing_client, last_heal
from guardrails.testing.faults import Fault, FaultServer, Tool
from tests.llm.speakers import ASKED, FAST, PREFILL, TEXT, Model

WAYS = ("sync", "async")
# The name that is on the server's lines without content, too.
MODEL = "fault-model"
ONLY = FAST._replace(on_fault=())
FAULTS = {
    "cut at 10 %": Fault.cut(at=0.1),
    "cut at 90 %": Fault.cut(at=0.9),
    "fin": Fault.fin(at=0.5),
    "rst": Fault.rst(at=0.5),
    "stall": Fault.stall(at=0.5),
    "lines without content": Fault.ping_stall(every=0.1, at=0.5),
    "error": Fault.error_event(at=0.5),
    "error first": Fault.error_first(),
    "529": Fault.h529(),
    "linger": Fault.linger(),
    "slow": Fault.slow(0.001, 256),
    "garbage": Fault.garbage(at=0.5),
    "half a line": Fault.truncated(at=0.5),
    "no answer": Fault.hang_up(),
}
UNBROKEN = {"linger", "slow"}
LONG = Model(thinking="Let me see.", tools=[Tool("look", {"at": "Dom"}), Tool("wait")])


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits for a server that is overloaded are drawn from nothing to half a second: draw nothing."""
    monkeypatch.setattr("guardrails.clock.SystemClock.chance", lambda clock: 0.0)


class Heard:
    """What a user makes of the parts of a chat."""

    def __init__(self) -> None:
        self.text = self.thinking = ""
        self.calls: list[Any] = []
        self.ends: list[tuple[bool | None, str | None]] = []
        self.models: set[str | None] = set()

    def part(self, part: ollama.ChatResponse) -> None:
        message = part.message
        self.text += message.content or ""
        self.thinking += message.thinking or ""
        self.calls += [(call.function.name, dict(call.function.arguments)) for call in message.tool_calls or ()]
        self.models.add(part.model)
        if part.done:
            self.ends.append((part.done, part.done_reason))

    @property
    def told(self) -> tuple[Any, ...]:
        return self.text, self.thinking, self.calls, self.ends, self.models


def heard(url: str, way: str = "sync", policy: StreamPolicy = FAST, **settings: Any) -> Heard:
    """A chat with the official client, through healing."""
    told = Heard()
    rows = settings.pop("rows", ())
    said: dict[str, Any] = {"model": MODEL, "messages": ASKED, **settings}

    async def listen() -> None:
        transport = healing(httpx.AsyncHTTPTransport(verify=False), policy, capabilities=rows)
        try:
            async for part in await ollama.AsyncClient(url, transport=transport).chat(**said, stream=True):
                told.part(part)
        finally:
            await transport.aclose()

    if way == "async":
        asyncio.run(listen())
        return told
    with healing(httpx.HTTPTransport(verify=False), policy, capabilities=rows) as transport:
        for part in ollama.Client(url, transport=transport).chat(**said, stream=True):
            told.part(part)
    return told


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("fault", FAULTS)
def test_what_breaks_is_told_as_if_it_had_not(fault: str, way: str) -> None:
    with FaultServer(LONG, plan=[None, FAULTS[fault]]) as server:
        whole = heard(server.url, way)
        assert heard(server.url, way).told == whole.told
        assert len(server.asked) == (2 if fault in UNBROKEN else 3)
    calls = [("look", {"at": "Dom"}), ("wait", {})]
    assert whole.told == (TEXT, "Let me see.", calls, [(True, "stop")], {MODEL})


@pytest.mark.slow  # a request for each byte
def test_no_cut_before_the_last_line_is_taken_for_an_answer() -> None:
    model = Model(thinking="Hm.", tools=[Tool("look", {"at": "Dom"})], text=TEXT[:40] + " Grüße 😀")
    said = {"model": "m", "messages": ASKED}
    with FaultServer(model) as server, healing_client(httpx.Client, ONLY, verify=False) as client:
        body = client.post(f"{server.url}/api/chat", json=said).content
        last = body.rindex(b"{", 0, body.rindex(b'"message"'))
        for at in range(len(body)):
            server.plan, server.asked[:] = [Fault.cut(at_byte=at)], []
            got, error = b"", None
            with client.stream("POST", f"{server.url}/api/chat", json=said) as response:
                try:
                    for chunk in response.iter_raw():
                        got += chunk
                except httpx.RemoteProtocolError as exc:
                    error = exc
            if at == len(body) - 1:
                # Only the last line feed adds nothing.
                assert (got, error) == (body[:-1], None)
                continue
            assert isinstance(error, errors.Truncated), at
            # Whole lines, and none of them says that it is done.
            assert body.startswith(got), at
            assert got.endswith(b"\n") or not got, at
            assert len(got) <= last, at


def test_no_cut_anywhere_loses_or_doubles_a_character_or_tells_half_a_tool_call() -> None:
    model = Model(thinking="Hm.", tools=[Tool("look", {"at": "Dom"})], text=TEXT[:120] + " 😀")
    with FaultServer(model) as server:
        whole = heard(server.url).told
        for at in range(1, server.asked[0].sent, 41):
            server.plan, server.asked[:] = [Fault.cut(at_byte=at)], []
            assert heard(server.url).told == whole, at


def test_several_cuts_in_one_answer_are_healed_one_after_another() -> None:
    with FaultServer(LONG, plan=[Fault.cut(at=0.5)] * 3) as server:
        told = heard(server.url, policy=FAST._replace(attempts=5))
        assert (told.text, len(told.calls), len(server.asked)) == (TEXT, 2, 4)


def test_the_rest_is_asked_for_in_the_users_turn() -> None:
    """What Ollama makes of an answer that has begun is a matter of each model's template."""
    with FaultServer(Model(), plan=[Fault.cut(at=0.5)] * 2) as server:
        assert heard(server.url).text == TEXT
        assert [turn["role"] for turn in server.asked[1].json["messages"]] == ["user", "assistant", "user"]


@pytest.mark.parametrize("continues", ["plainly", "with an echo", "anew"])
def test_models_that_go_on_with_what_they_have_begun_are_given_it(continues: Any) -> None:
    with FaultServer(Model(continues), plan=[Fault.cut(at=0.5)]) as server:
        assert heard(server.url, model="qwen3-coder:30b").text == TEXT
        assert [turn["role"] for turn in server.asked[1].json["messages"]] == ["user", "assistant"]


def test_a_users_own_row_says_which_others_do() -> None:
    rows = [Capability("prefill", wire="ollama", model="mine:*", continues=True)]
    with FaultServer(Model(), plan=[Fault.cut(at=0.5)]) as server:
        assert heard(server.url, rows=rows, model="mine:8b").text == TEXT
        assert server.asked[1].json["messages"][-1]["role"] == "assistant"
    heal = last_heal()
    assert heal is not None
    assert (heal.wire, heal.seams, heal.outcome) == ("ollama", ("continued",), "healed")


def test_a_stream_that_nobody_asked_for_is_one_all_the_same() -> None:
    """Unlike the others, Ollama streams where a request says nothing of it."""
    with (
        FaultServer(Model(), plan=[Fault.cut(at=0.5)]) as server,
        healing_client(httpx.Client, FAST, verify=False) as client,
    ):
        answer = client.post(f"{server.url}/api/chat", json={"model": "m", "messages": ASKED})
        lines = [json.loads(line) for line in answer.text.splitlines()]
        assert "".join(line["message"]["content"] for line in lines) == TEXT
        assert [line["done"] for line in lines] == [False] * (len(lines) - 1) + [True]
        assert len(server.asked) == 2


def test_what_does_not_stream_goes_straight_through() -> None:
    with FaultServer(Model(), fault=Fault.cut(at=0.5)) as server, healing_client(httpx.Client, FAST) as client:
        answer = client.post(f"{server.url}/api/chat", json={"model": "m", "messages": ASKED, "stream": False})
        assert (answer.text[:1], answer.text[-1:] == "}", len(server.asked)) == ("{", False, 1)


def test_a_service_that_has_the_same_address_is_left_alone() -> None:
    inner = httpx.MockTransport(lambda request: httpx.Response(200, text='{"reply": "hel'))
    with httpx.Client(transport=healing(inner, FAST)) as client:
        assert client.post("http://chat.test/api/chat", json={"text": "hello"}).text == '{"reply": "hel'


def test_an_answer_of_one_object_is_a_whole_one() -> None:
    """With it Ollama answers who only wants a model loaded, also where a stream was asked for."""
    loaded = {"model": "m", "message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "load"}
    kind, body = {"content-type": "application/json; charset=utf-8"}, json.dumps(loaded).encode()
    inner = httpx.MockTransport(lambda request: httpx.Response(200, headers=kind, content=iter([body])))
    with httpx.Client(transport=healing(inner, FAST)) as client:
        assert client.post("http://ollama.test/api/chat", json={"model": "m"}).json() == loaded


def test_a_form_of_answer_is_kept_or_asked_for_again() -> None:
    answer = json.dumps({"words": TEXT.split()})
    with FaultServer(answer, plan=[Fault.cut(at=0.9)]) as server:
        assert heard(server.url, format="json").text == answer
        assert [len(one.json["messages"]) for one in server.asked] == [1, 1]


def test_the_limit_of_an_answer_and_its_count_of_tokens_are_those_of_all_attempts() -> None:
    counts = []
    with FaultServer(Model(), plan=[None, Fault.cut(at=0.5)]) as server:
        for _ in range(2):
            with healing(httpx.HTTPTransport(), FAST, capabilities=PREFILL) as transport:
                options = {"num_predict": 500, "num_ctx": 4096}
                parts = ollama.Client(server.url, transport=transport).chat("m", ASKED, stream=True, options=options)
                counts.append([part.eval_count for part in parts][-1])
        said = len(server.asked[2].json["messages"][1]["content"])
        # Five characters an event, an event a token.
        assert server.asked[2].json["options"] == {"num_predict": 500 - said // 5, "num_ctx": 4096}
    assert None not in counts
    assert abs(counts[1] - counts[0]) < 0.2 * counts[0]


@pytest.mark.parametrize("way", WAYS)
def test_the_error_is_of_httpx_since_the_client_has_none_for_it(way: str) -> None:
    kinds = {Fault.cut(at=0.5): httpx.RemoteProtocolError, Fault.stall(at=0.5): httpx.ReadTimeout}
    for fault, kind in kinds.items():
        with FaultServer(TEXT, fault=fault) as server, pytest.raises(kind) as caught:
            heard(server.url, way, ONLY)
        assert isinstance(caught.value, errors.StreamFault)
        assert TEXT.startswith(caught.value.partial)
