"""One argument to the official client, and an answer that breaks still arrives whole."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

import httpx
import httpx2
import pytest

from guardrails.llm import Capability, StreamPolicy, healing, healing_client, last_heal
from guardrails.policies import Budget
from guardrails.testing.faults import Fault, FaultServer, Reply, Tool
from tests.llm.speakers import CALM, FAST, PATHS, PREFILL, TEXT, WIRES, Model, alistened, asked, listened, made, told_by

if TYPE_CHECKING:
    from collections.abc import Iterator

WAYS = ("sync", "async")
FAULTS = {
    "cut at 10 %": Fault.cut(at=0.1),
    "cut at 50 %": Fault.cut(at=0.5),
    "cut at 90 %": Fault.cut(at=0.9),
    "fin": Fault.fin(at=0.5),
    "rst": Fault.rst(at=0.5),
    "stall": Fault.stall(at=0.5),
    "ping stall": Fault.ping_stall(every=0.1, at=0.5),
    "error event": Fault.error_event(at=0.5),
    "error first": Fault.error_first(),
    "error data": Fault.error_data(at=0.5),
    "529": Fault.h529(),
    "linger": Fault.linger(),
    "slow": Fault.slow(0.001, 256),
    "garbage": Fault.garbage(at=0.5),
    "half an event": Fault.truncated(at=0.5),
    "a page with status 200": Fault.html(200),
    "no answer": Fault.hang_up(),
}
UNBROKEN = {"linger", "slow"}


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits for a provider that is overloaded are drawn from nothing to half a second: draw nothing."""
    monkeypatch.setattr("guardrails.clock.SystemClock.chance", lambda clock: 0.0)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("wire", WIRES)
def test_what_is_whole_is_told_as_it_came(wire: str, way: str) -> None:
    model = Model(thinking="Let me see.", tools=[Tool("look", {"at": "Dom"})])
    with FaultServer(model) as server:
        told = told_by(way)(wire, server.url)
        assert (told.text, told.others) == (TEXT, ("Let me see.", '{"at":"Dom"}'))
        assert len(server.asked) == 1
    assert last_heal() is None


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("wire", WIRES)
def test_what_breaks_is_told_as_if_it_had_not(wire: str, fault: str, way: str) -> None:
    model = Model(thinking="Let me see.", tools=[Tool("look", {"at": "Dom"}), Tool("wait")])
    policy = FAST if "stall" in fault else CALM
    with FaultServer(model, plan=[None, FAULTS[fault]]) as server:
        whole = told_by(way)(wire, server.url, policy)
        assert told_by(way)(wire, server.url, policy) == whole
        assert whole.text == TEXT
        assert len(server.asked) == (2 if fault in UNBROKEN else 3)


@pytest.mark.parametrize("family", [httpx, httpx2])
@pytest.mark.parametrize("way", WAYS)
def test_both_families_of_clients_are_healed(way: str, family: Any) -> None:
    with FaultServer(Model(), fault=None, plan=[Fault.fin(at=0.9)]) as server:
        assert told_by(way)("chat", server.url, family=family).text == TEXT


@pytest.mark.parametrize("continues", ["plainly", "with an echo", "anew"])
@pytest.mark.parametrize("wire", WIRES)
def test_a_server_may_take_up_a_prefill_in_three_ways(wire: str, continues: Any) -> None:
    for at in (0.3, 0.6, 0.9):
        with FaultServer(Model(continues), plan=[Fault.cut(at=at)]) as server:
            told = listened(wire, server.url, rows=PREFILL)
            heal = last_heal()
            assert heal is not None
            assert (told.text, heal.outcome) == (TEXT, "healed")
            seams = {"plainly": "continued", "with an echo": "echoed", "anew": "restarted"}
            # A letter that overlaps by chance is a mismatch, and then the model is told what to repeat.
            assert heal.seams in ((seams[continues],), ("mismatch", "echoed"))


def test_several_cuts_in_one_answer_are_healed_one_after_another() -> None:
    plan = [Fault.cut(at=0.5)] * 3
    policy = CALM._replace(attempts=5)
    for wire in WIRES:
        with FaultServer(Model(tools=[Tool("look", {"at": "Dom"})]), plan=plan) as server:
            told = listened(wire, server.url, policy)
            assert (told.text, told.others, len(told.ids)) == (TEXT, ('{"at":"Dom"}',), 1)
            assert len(server.asked) == 4


@pytest.mark.parametrize("wire", WIRES)
def test_no_cut_anywhere_loses_or_doubles_a_character_or_tells_half_a_tool_call(wire: str) -> None:
    model = Model(thinking="Hm.", tools=[Tool("look", {"at": "Dom"})], text=TEXT[:120] + " 😀")
    with FaultServer(model) as server, made(wire, server.url, healing_client(httpx2.Client, CALM)) as client:
        from tests.llm.speakers import Listener

        def told() -> Any:
            listener = Listener()
            for event in asked(wire, client):
                getattr(listener, wire)(event)
            return listener.told()

        whole = told()
        size = server.asked[0].sent
        for at in range(1, size, 61):
            server.asked.clear()
            server.plan = [Fault.cut(at_byte=at)]
            assert told() == whole, at


def test_the_bytes_of_a_whole_stream_are_those_of_the_provider() -> None:
    for wire, path in PATHS.items():
        with FaultServer(Model(thinking="Hm.", tools=[Tool("look")])) as server:
            bodies = []
            for client in (httpx2.Client(), healing_client(httpx2.Client)):
                with client:
                    said = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "Hello?"}]}
                    said = said if wire != "responses" else {"model": "m", "stream": True, "input": "Hello?"}
                    with client.stream("POST", server.url + path, json=said) as response:
                        bodies.append((response.status_code, b"".join(response.iter_raw())))
            assert bodies[0] == bodies[1]


def test_what_asks_no_model_goes_straight_through() -> None:
    with FaultServer(Model(), fault=Fault.html(502)) as server, healing_client(httpx2.Client) as client:
        # Many a service has messages.
        assert client.post(server.url + "/channels/7/messages", json={"content": "x"}).status_code == 502
        assert client.get(server.url + "/health").status_code == 404
        assert len(server.asked) == 2
    assert "identity" not in server.asked[0].headers["accept-encoding"]


def test_structured_output_is_told_whole_or_asked_for_again() -> None:
    answer = json.dumps({"words": TEXT.split()})
    form = {"type": "json_object"}
    with FaultServer(answer, plan=[Fault.cut(at=0.9)]) as server:
        told = listened("chat", server.url, response_format=form)
        assert told.text == answer
        assert [len(one.json["messages"]) for one in server.asked] == [1, 1]


def test_half_a_surrogate_pair_is_never_told() -> None:
    """Some servers split a character of two code units between two events."""

    class Halves:
        def chunks(self) -> list[bytes]:
            words = ["a" * 30, "\ud83d", "\ude00", " and the end"]
            head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
            told = [
                {**head, "choices": [{"index": 0, "delta": {"content": word}, "finish_reason": None}]} for word in words
            ]
            return [f"data: {json.dumps(chunk)}\n\n".encode() for chunk in told]

    from guardrails.core.completeness import STRICT
    from guardrails.llm.whole import First

    part = First("openai-chat", STRICT, 1, structured=False)
    out = [part.feed(chunk) for chunk in Halves().chunks()]
    assert [bool(piece) for piece in out] == [True, False, True, True]


def test_the_limit_of_an_answer_holds_for_all_its_attempts_together() -> None:
    with FaultServer(Model(), plan=[Fault.cut(at=0.5)]) as server:
        listened("chat", server.url, rows=PREFILL, max_completion_tokens=500)
        first, second = (one.json["max_completion_tokens"] for one in server.asked)
        # Five characters an event, an event a token.
        said = len(server.asked[1].json["messages"][1]["content"])
        assert (first, second) == (500, 500 - said // 5)


def test_an_event_whose_blank_line_is_cut_off_is_not_told_and_not_counted() -> None:
    with FaultServer(Model(text=TEXT[:100])) as server:
        listened("chat", server.url)
        size = server.asked[0].sent
        for at in range(size // 3, size // 3 + 260):
            server.plan, server.asked[:] = [Fault.cut(at_byte=at)], []
            assert listened("chat", server.url, rows=PREFILL, max_tokens=500).text == TEXT[:100]
            said = len(server.asked[1].json["messages"][1]["content"])
            assert server.asked[1].json["max_tokens"] == 500 - said // 5


def test_usage_is_that_of_the_whole_answer() -> None:
    with (
        FaultServer(Model(), plan=[None, Fault.cut(at=0.5)]) as server,
        made("chat", server.url, healing_client(httpx2.Client, CALM, capabilities=PREFILL)) as client,
    ):
        spent = []
        for _ in range(2):
            chunks = list(asked("chat", client, stream_options={"include_usage": True}))
            spent.append(chunks[-1].usage.completion_tokens)
    heal = last_heal()
    assert heal is not None
    # Four characters a token to the server, five an event to us.
    assert heal.tokens_estimated > 40
    assert abs(spent[1] - spent[0]) < 0.2 * spent[0]


def test_a_prefill_that_is_refused_is_asked_for_in_the_users_turn() -> None:
    class Refuses(Model):
        def __call__(self, asked: Any) -> Reply:
            if asked.json["messages"][-1]["role"] == "assistant":
                server.plan += [None]
            return super().__call__(asked)

    with FaultServer(Refuses(), plan=[Fault.cut(at=0.5), Fault.status(400)]) as server:
        told = listened("anthropic", server.url, rows=PREFILL)
        assert told.text == TEXT
        roles = [[turn["role"] for turn in one.json["messages"]] for one in server.asked]
        assert roles == [["user"], ["user", "assistant"], ["user", "assistant", "user"]]


def test_what_came_before_the_first_text_is_asked_for_again_and_told_once() -> None:
    with FaultServer(Model(thinking="Let me see. " * 5), plan=[Fault.cut(at_event=6)]) as server:
        told = listened("anthropic", server.url)
        assert (told.text, told.others) == (TEXT, ("Let me see. " * 5,))
        assert server.asked[0].json == server.asked[1].json


@pytest.mark.parametrize("way", WAYS)
def test_a_body_is_read_once_and_a_second_reading_asks_for_nothing(way: str) -> None:
    async def twice(url: str) -> tuple[bytes, bytes]:
        transport = healing(httpx2.AsyncHTTPTransport())
        said = {"model": "m", "stream": True, "messages": []}
        response = await transport.handle_async_request(httpx2.Request("POST", url + PATHS["chat"], json=said))
        first = b"".join([chunk async for chunk in response.stream])
        second = b"".join([chunk async for chunk in response.stream])
        await transport.aclose()
        return first, second

    def once(url: str) -> tuple[bytes, bytes]:
        with healing(httpx2.HTTPTransport()) as transport:
            said = {"model": "m", "stream": True, "messages": []}
            response = transport.handle_request(httpx2.Request("POST", url + PATHS["chat"], json=said))
            return b"".join(response.stream), b"".join(response.stream)

    with FaultServer("Hello") as server:
        first, second = once(server.url) if way == "sync" else asyncio.run(twice(server.url))
        assert first.endswith(b"data: [DONE]\n\n")
        assert (second, len(server.asked)) == (b"", 1)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("wire", ["anthropic", "responses"])
def test_a_body_that_stays_open_behind_a_whole_answer_is_not_waited_for(wire: str, way: str) -> None:
    with FaultServer(Model(), fault=Fault.linger()) as server:
        began = time.monotonic()
        assert told_by(way)(wire, server.url).text == TEXT
        assert time.monotonic() - began < 4.0


def test_an_answer_that_is_read_on_the_way_is_asked_for_without_compression() -> None:
    with FaultServer(Model(), plan=[Fault.cut(at=0.5)]) as server:
        listened("chat", server.url)
        assert [one.headers["accept-encoding"] for one in server.asked] == ["identity", "identity"]


def test_a_connection_serves_again_after_a_whole_stream() -> None:
    with FaultServer("Hello") as server, made("anthropic", server.url, healing_client(httpx2.Client)) as client:
        for _ in range(3):
            list(asked("anthropic", client))
        (connection,) = client._client._transport.inner._pool.connections
        assert "Request Count: 3" in repr(connection)


@pytest.mark.parametrize("wire", WIRES)
def test_a_client_that_stops_early_is_left_in_peace(wire: str) -> None:
    with (
        FaultServer(Model(), pace=0.005) as server,
        made(wire, server.url, healing_client(httpx2.Client, CALM)) as client,
    ):
        stream = asked(wire, client)
        for _ in stream:
            stream.close()
            break
        assert len(server.asked) == 1
    assert last_heal() is None


def test_each_task_hears_of_its_own_stream() -> None:
    async def heard(server: FaultServer) -> Any:
        await alistened("chat", server.url)
        return last_heal()

    async def both() -> list[Any]:
        with FaultServer(Model()) as sound, FaultServer(Model(), plan=[Fault.cut(at=0.9)]) as broken:
            return await asyncio.gather(heard(sound), heard(broken), heard(sound))

    first, second, third = asyncio.run(both())
    assert (first, third) == (None, None)
    assert (second.faults, second.rungs, second.attempts, second.outcome) == (("truncated",), ("resume",), 2, "healed")


@pytest.fixture
def said() -> Iterator[list[tuple[str, float, dict[str, str]]]]:
    from guardrails import listen

    heard: list[Any] = []
    stop = listen(lambda name, value, labels: heard.append((name, value, dict(labels))))
    yield heard
    stop()


def test_a_heal_is_counted_and_logged(said: list[Any], caplog: pytest.LogCaptureFixture) -> None:
    with FaultServer(Model(), plan=[Fault.cut(at=0.9)]) as server:
        listened("chat", server.url)
    labels = {"wire": "openai-chat", "fault": "truncated", "rung": "resume"}
    assert said == [("heals_total", 1.0, labels)]
    (record,) = caplog.records
    assert record.name == "guardrails.llm"
    assert "broke (truncated: it ended after" in record.getMessage()
    # What the model said is the user's.
    assert TEXT[:20] not in record.getMessage()


def test_a_budget_ends_the_healing_of_many() -> None:
    policy = FAST._replace(budget=Budget(0.0, floor=0.2))
    with FaultServer(Model(), fault=Fault.cut(at=0.5)) as server:
        with made("chat", server.url, healing_client(httpx2.Client, policy)) as client:
            import openai

            for _ in range(3):
                with pytest.raises(openai.APIConnectionError):
                    list(asked("chat", client))
        # Each alone would have asked three times; two more a budget of 0.2 a second over ten seconds bears.
        assert len(server.asked) == 3 + 2


def test_capabilities_and_policies_that_are_wrong_are_named() -> None:
    from guardrails.errors import ConfigError

    with pytest.raises(ConfigError, match=r"how: 'guess', allowed: prefill, prefix, final_message, user_turn"):
        Capability("guess")
    with pytest.raises(ConfigError) as caught:
        StreamPolicy(first_token=0, idle=0, attempts=0, on_fault=["resume"], contract="any", continue_words="go on")
    names = [problem.partition(":")[0] for problem in caught.value.problems]
    assert names == ["first_token", "idle", "attempts", "on_fault", "contract", "continue_words"]
    with pytest.raises(ConfigError) as caught:
        healing(httpx2.HTTPTransport(), "fast", capabilities=["prefill"])
    assert [problem.partition(":")[0] for problem in caught.value.problems] == ["policy", "capabilities"]
    with pytest.raises(TypeError, match="no transport of httpx or httpx2"):
        healing(object())
    with pytest.raises(TypeError, match="no client of httpx or httpx2"):
        healing_client(dict)
