"""A fallback takes over where the client's own provider gives up, and the client hears one answer."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import httpx
import httpx2
import pytest

from guardrails.llm import Capability, StreamPolicy, healing_client, last_heal
from guardrails.llm.targets import Target
from guardrails.testing.faults import Fault, FaultServer, Reply, Tool
from tests.llm.speakers import CALM, FAST, PATHS, PREFILL, TEXT, WIRES, Listener, Model, Told, asked, made

if TYPE_CHECKING:
    from collections.abc import Sequence

WAYS = ("sync", "async")
NAMES: dict[str, Any] = {"chat": "openai-chat", "anthropic": "anthropic", "responses": "openai-responses"}
# Twelve kinds of fault, before the first text and behind it.
FAULTS = {
    "cut": Fault.cut(at=0.5),
    "fin": Fault.fin(at=0.5),
    "rst": Fault.rst(at=0.5),
    "stall": Fault.stall(at=0.5),
    "ping stall": Fault.ping_stall(every=0.1, at=0.5),
    "error event": Fault.error_event(at=0.5),
    "error first": Fault.error_first(),
    "error data": Fault.error_data(at=0.5),
    "529": Fault.h529(),
    "garbage": Fault.garbage(at=0.5),
    "a page with status 200": Fault.html(200),
    "no answer": Fault.hang_up(),
}
# One attempt at each: what is tested is the switch.
ONE_EACH = CALM._replace(attempts=2)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("guardrails.clock.SystemClock.chance", lambda clock: 0.0)


def target(server: FaultServer, wire: str = "chat", **more: Any) -> Target:
    """A fallback there."""
    return Target(server.url, **{"wire": NAMES.get(wire, wire), "model": "other", "api_key": "their-key", **more})


def told_to(
    way: str,
    wire: str,
    url: str,
    fallbacks: Sequence[Target],
    policy: StreamPolicy = ONE_EACH,
    *,
    family: Any = httpx2,
    rows: Any = (),
    **more: Any,
) -> Told:
    """What a client is told, through healing with these fallbacks."""
    listener = Listener()

    def sync() -> None:
        http = healing_client(family.Client, policy, fallbacks, capabilities=rows, verify=False)
        with made(wire, url, http) as client:
            for event in asked(wire, client, **more):
                getattr(listener, wire)(event)

    async def asynchronously() -> None:
        http = healing_client(family.AsyncClient, policy, fallbacks, capabilities=rows, verify=False)
        async with made(wire, url, http) as client:
            async for event in await asked(wire, client, **more):
                getattr(listener, wire)(event)

    try:
        if way == "sync":
            sync()
        else:
            asyncio.run(asynchronously())
    except Exception as exc:
        return listener.told(exc)
    return listener.told()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("wire", WIRES)
def test_a_fallback_that_is_not_needed_changes_nothing(wire: str, way: str) -> None:
    model = Model(thinking="Let me see.", tools=[Tool("look", {"at": "Dom"})])
    with FaultServer(model) as own, FaultServer(model) as other:
        without = told_to(way, wire, own.url, [])
        assert told_to(way, wire, own.url, [target(other, wire)]) == without
        first, second = own.asked
        assert (first.headers, first.body, other.asked) == (second.headers, second.body, [])
    assert (without.text, last_heal()) == (TEXT, None)


@pytest.mark.parametrize("wire", WIRES)
def test_with_fallbacks_the_bytes_of_a_whole_stream_are_those_of_the_provider(wire: str) -> None:
    said = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "Hello?"}]}
    said = said if wire != "responses" else {"model": "m", "stream": True, "input": "Hello?"}
    with FaultServer(Model(thinking="Hm.", tools=[Tool("look")])) as own, FaultServer() as other:
        bodies = []
        for client in (httpx2.Client(), healing_client(httpx2.Client, CALM, [target(other, wire)])):
            with client, client.stream("POST", own.url + PATHS[wire], json=said) as response:
                bodies.append((response.status_code, b"".join(response.iter_raw())))
        assert bodies[0] == bodies[1]
        assert other.asked == []


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("wire", WIRES)
def test_whatever_breaks_the_fallback_tells_the_rest(wire: str, fault: str, way: str) -> None:
    model = Model(thinking="Let me see.", tools=[Tool("look", {"at": "Dom"}), Tool("wait")])
    with FaultServer(model, fault=FAULTS[fault]) as own, FaultServer(model) as other:
        policy = FAST._replace(attempts=2) if "stall" in fault else ONE_EACH
        told = told_to(way, wire, own.url, [target(other, wire)], policy)
        assert (told.text, told.others) == (TEXT, ("Let me see.", '{"at":"Dom"}', "{}"))
        assert (told.error, len(told.ids), len(own.asked), len(other.asked)) == (None, 1, 1, 1)
        assert other.asked[0].json["model"] == "other"


@pytest.mark.parametrize("family", [httpx, httpx2])
@pytest.mark.parametrize("way", WAYS)
def test_both_families_of_clients_have_fallbacks(way: str, family: Any) -> None:
    with FaultServer(Model(), fault=Fault.fin(at=0.9)) as own, FaultServer(Model()) as other:
        assert told_to(way, "chat", own.url, [target(other)], family=family).text == TEXT


@pytest.mark.parametrize("wire", WIRES)
def test_the_same_provider_is_asked_once_more_before_another(wire: str) -> None:
    with FaultServer(Model(), fault=Fault.cut(at=0.5)) as own, FaultServer(Model()) as other:
        told = told_to("sync", wire, own.url, [target(other, wire)], CALM)
        assert (told.text, len(told.ids), len(own.asked), len(other.asked)) == (TEXT, 1, 2, 1)
    heal = last_heal()
    assert heal is not None
    assert (heal.rungs, heal.faults) == (("resume", "switch"), ("truncated", "truncated"))
    host, another = own.url.removeprefix("http://"), other.url.removeprefix("http://")
    assert heal.targets == (f"{host} m", f"{host} m", f"{another} other")


def test_each_fallback_has_its_turn_within_the_attempts() -> None:
    with (
        FaultServer(Model(), fault=Fault.h529()) as own,
        FaultServer(Model(), fault=Fault.hang_up()) as second,
        FaultServer(Model()) as third,
    ):
        assert told_to("sync", "chat", own.url, [target(second), target(third)], CALM).text == TEXT
        assert [len(server.asked) for server in (own, second, third)] == [1, 1, 1]


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("row", [[], PREFILL])
def test_no_cut_anywhere_loses_or_doubles_a_character_at_a_switch(wire: str, row: Any) -> None:
    text = TEXT[:120] + " 😀"
    with FaultServer(Model(text=text)) as own, FaultServer(Model(text=text)) as other:
        whole = told_to("sync", wire, own.url, [])
        size = own.asked[0].sent
        for at in range(1, size, 89):
            own.asked.clear()
            own.plan = [Fault.cut(at_byte=at)]
            told = told_to("sync", wire, own.url, [target(other, wire)], rows=row)
            assert told == whole, at
        assert whole.text == text
        assert len(other.asked) > 10


@pytest.mark.parametrize("wire", WIRES)
def test_a_continuation_that_breaks_is_taken_up_by_the_next(wire: str) -> None:
    """Each has a part of the answer, and the events are numbered as those of one."""
    numbers: list[int] = []
    with (
        FaultServer(Model(), fault=Fault.cut(at=0.4)) as own,
        FaultServer(Model(), fault=Fault.cut(at=0.6)) as second,
        FaultServer(Model()) as third,
        made(wire, own.url, healing_client(httpx2.Client, CALM, [target(second, wire), target(third, wire)])) as client,
    ):
        listener = Listener()
        for event in asked(wire, client):
            numbers.append(getattr(event, "sequence_number", len(numbers)))
            getattr(listener, wire)(event)
        assert (listener.text, len(listener.ids)) == (TEXT, 1)
        assert [len(server.asked) for server in (own, second, third)] == [1, 1, 1]
    assert numbers == list(range(len(numbers)))


def test_a_model_that_says_something_else_is_left_for_the_next() -> None:
    class Strange(Model):
        def __call__(self, asked: Any) -> Reply:
            return Reply("Where was I? Ah, yes: quite another answer, which does not join on. " * 4)

    with (
        FaultServer(Model(), fault=Fault.cut(at=0.5)) as own,
        FaultServer(Strange()) as second,
        FaultServer(Model()) as third,
    ):
        assert told_to("sync", "chat", own.url, [target(second), target(third)], CALM).text == TEXT
    heal = last_heal()
    assert heal is not None
    assert (heal.faults, heal.seams) == (("truncated", "seam"), ("mismatch", "echoed"))


@pytest.mark.parametrize("wire", WIRES)
def test_tool_calls_and_structured_output_go_to_a_fallback_of_the_same_wire(wire: str) -> None:
    tools = [Tool("look", {"at": "Dom", "for": "an hour"})]
    with FaultServer(Model(tools=tools), fault=Fault.cut(at=0.95)) as own, FaultServer(Model(tools=tools)) as other:
        told = told_to("sync", wire, own.url, [target(other, wire)])
        assert (told.text, told.others) == (TEXT, ('{"at":"Dom","for":"an hour"}',))


def test_an_answer_in_two_versions_is_asked_for_anew_and_never_taken_up() -> None:
    with FaultServer(TEXT, fault=Fault.h529()) as own, FaultServer(TEXT) as other:
        # Both are told, letter by letter beside each other.
        assert sorted(told_to("sync", "chat", own.url, [target(other)], n=2).text) == sorted(TEXT + TEXT)
        assert len(other.asked) == 1
    with FaultServer(TEXT, fault=Fault.cut(at=0.5)) as own, FaultServer(TEXT) as other:
        told = told_to("sync", "chat", own.url, [target(other)], n=2)
        assert (told.error is None, other.asked) == (False, [])
    heal = last_heal()
    assert heal is not None
    assert [why.partition(": ")[2] for why in heal.skipped] == ["it cannot take this answer up"]


def test_what_lies_with_the_first_provider_is_asked_of_nobody_else() -> None:
    for more in ({"previous_response_id": "resp_0"}, {"conversation": "conv_0"}, {"background": True}):
        with FaultServer(TEXT, fault=Fault.h529()) as own, FaultServer(TEXT) as other:
            told = told_to("sync", "responses", own.url, [target(other, "responses")], **more)
            assert (told.error is None, other.asked) == (False, [])
        heal = last_heal()
        assert heal is not None
        assert re.search(rf"{next(iter(more))} belongs to the provider that was asked first", heal.skipped[0])


def test_without_the_rung_nobody_else_is_asked() -> None:
    policy = ONE_EACH._replace(on_fault=("restart", "resume"))
    with FaultServer(TEXT, fault=Fault.h529()) as own, FaultServer(TEXT) as other:
        assert told_to("sync", "chat", own.url, [target(other)], policy).error is not None
        assert (len(own.asked), other.asked) == (2, [])


def test_fallbacks_that_are_none_are_named() -> None:
    from guardrails.errors import ConfigError
    from guardrails.llm import healing

    one: Any = Target("http://127.0.0.1:1")
    for wrong in ("http://127.0.0.1", [one, "http://127.0.0.1"], one):
        with pytest.raises(ConfigError, match=r"fallbacks: .* allowed: a list of Target"):
            healing(httpx2.HTTPTransport(), StreamPolicy(), wrong)


def test_a_stream_during_which_the_provider_acts_is_not_asked_for_twice() -> None:
    tools = [{"type": "mcp", "server_label": "bank", "server_url": "http://bank.test"}]
    for fault, times in ((Fault.cut(at_event=3), 1), (Fault.cut(at=0.5), 1), (Fault.status(503), 3)):
        with FaultServer(TEXT, fault=fault) as own, FaultServer(TEXT) as other:
            told = told_to("sync", "responses", own.url, [target(other, "responses")], CALM, tools=tools)
            assert (told.error is None, len(own.asked), other.asked) == (False, times, [])


def test_each_provider_takes_an_answer_up_in_its_own_way() -> None:
    with FaultServer(Model(), fault=Fault.cut(at=0.4)) as own, FaultServer(Model()) as other:
        rows = [Capability("prefill", host=own.url.removeprefix("http://"))]
        assert told_to("sync", "chat", own.url, [target(other)], CALM, rows=rows).text == TEXT
        roles = [one.json["messages"][-1]["role"] for one in (*own.asked, *other.asked)]
        assert roles == ["user", "assistant", "user"]
