"""One request, several targets, one answer: whatever fails on the way, and however the reader leaves."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import httpx
import httpx2
import pytest

from guardrails import listen
from guardrails.errors import (
    CircuitOpen,
    ConfigError,
    ConnectionLost,
    IdleTimeout,
    ProviderError,
    StreamDeadlineExceeded,
    StreamFault,
    Truncated,
)
from guardrails.llm import (
    Attempt,
    Capability,
    Done,
    Request,
    Result,
    StreamPolicy,
    Target,
    Text,
    Tool,
    ToolCall,
    Usage,
    last_heal,
    stream_with_fallback,
)
from guardrails.policies import Budget, guards
from guardrails.testing import fault_wires
from guardrails.testing.faults import Fault, FaultServer, Reply
from guardrails.testing.faults import Tool as Called
from tests.llm.speakers import FAST as SHORT
from tests.llm.speakers import TEXT, Model

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from guardrails.llm import Event
    from guardrails.testing.faults import Asked

WIRES = ("openai-chat", "anthropic", "openai-responses", "ollama")
WAYS = ("sync", "async")
ASK = Request([{"role": "user", "content": "Hello?"}])
# Where silence is not what is tested, a machine that is busy has time.
FAST = SHORT._replace(first_token=10.0, idle=10.0)
# One attempt at each target, so that the next one is asked.
ONCE = FAST._replace(on_fault=("switch", "non_stream", "partial"))
HEALING = FAST._replace(on_fault=("restart", "resume", "switch"))


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits for a provider that is overloaded are drawn from nothing to half a second: draw nothing."""
    monkeypatch.setattr("guardrails.clock.SystemClock.chance", lambda clock: 0.0)


def target(server: FaultServer, wire: Any = "openai-chat", **more: Any) -> Target:
    return Target(server.url, wire=wire, model="m", **more)


def told(way: str, targets: Sequence[Any], policy: StreamPolicy = FAST, ask: Request = ASK, **more: Any) -> Told:
    """All events of a stream, its result, and the error that its reader got."""
    return (_told if way == "sync" else lambda *args: asyncio.run(_atold(*args)))(targets, policy, ask, more)


class Told:
    """What a reader was told."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.result = Result()
        self.error: Exception | None = None

    @property
    def text(self) -> str:
        """What stands on a page that strikes out what is void."""
        text = ""
        for event in self.events:
            if isinstance(event, Attempt) and event.superseded:
                text = ""
            text += event.text if isinstance(event, Text) else ""
        return text

    @property
    def others(self) -> list[Event]:
        return [event for event in self.events if not isinstance(event, Text)]


def _told(targets: Sequence[Any], policy: StreamPolicy, ask: Request, more: dict[str, Any]) -> Told:
    heard = Told()
    with stream_with_fallback(ask, targets, policy, **more) as stream:
        try:
            for event in stream:
                heard.events.append(event)
        except StreamFault as exc:
            heard.error = exc
    heard.result = stream.result
    return heard


async def left_behind() -> set[asyncio.Task[Any]]:
    """The tasks that go on. The loop ends generators that were let go; it takes a turn or two."""
    for _ in range(10):
        found = asyncio.all_tasks() - {asyncio.current_task()}
        if not found:
            break
        await asyncio.sleep(0)
    return found  # type: ignore[return-value]


async def _atold(targets: Sequence[Any], policy: StreamPolicy, ask: Request, more: dict[str, Any]) -> Told:
    heard = Told()
    async with stream_with_fallback(ask, targets, policy, **more) as stream:
        try:
            async for event in stream:
                heard.events.append(event)
        except StreamFault as exc:
            heard.error = exc
    heard.result = stream.result
    assert await left_behind() == set()
    return heard


# Nothing fails.


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("wire", WIRES)
def test_a_whole_answer_is_told_as_it_comes(wire: Any, way: str) -> None:
    with FaultServer(Model()) as server:
        heard = told(way, [target(server, wire)])
        assert len(server.asked) == 1
    usage = Usage(12, 1 + len(TEXT) // 4)
    assert heard.events[:-2] == [Text(TEXT[n : n + 5]) for n in range(0, len(TEXT), 5)]
    assert heard.events[-2:] == [usage, Done("complete", "stop")]
    assert heard.result == Result(TEXT, "complete", attempts=1, usage=usage, finish="stop")
    assert (heard.result.cacheable, heard.error) == (True, None)
    assert heard.result.message == {"role": "assistant", "content": TEXT}
    assert last_heal() is None


def pieces(request: Request) -> Iterator[str]:
    yield from ("You said: ", *(str(message["content"]) for message in request.messages))


async def apieces(request: Request) -> AsyncIterator[str]:
    for piece in pieces(request):
        yield piece


async def later(request: Request) -> AsyncIterator[str]:
    return apieces(request)


def at_once(request: Request) -> str:
    return "".join(pieces(request))


@pytest.mark.parametrize(
    ("way", "function"),
    [
        ("sync", pieces),
        ("sync", at_once),
        ("async", pieces),
        ("async", at_once),
        ("async", apieces),
        ("async", later),
    ],
)
def test_a_function_is_a_target_whatever_it_gives(way: str, function: Any) -> None:
    heard = told(way, [function])
    assert heard.result.text == heard.text == "You said: Hello?"
    assert (heard.result.outcome, heard.result.finish, heard.result.attempts) == ("complete", "stop", 1)


def test_a_function_may_tell_of_tools_and_tokens() -> None:
    def mine(request: Request) -> Iterator[Any]:
        yield Text("I look.")
        yield ToolCall("c1", "look", {"at": "Köln"})
        yield Usage(3, 4)

    events = told("sync", [mine]).events
    call = ToolCall("c1", "look", {"at": "Köln"})
    assert events == [Text("I look."), call, Usage(3, 4), Done("complete", "tool_calls")]


def test_a_stream_with_fallback_may_be_the_target_of_another() -> None:
    def inner(request: Request) -> Iterator[Any]:
        with stream_with_fallback(request, [pieces]) as stream:
            yield from stream

    assert told("sync", [inner]).result.text == "You said: Hello?"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("wire", WIRES)
def test_tool_calls_and_thoughts_come_whole(wire: Any, way: str) -> None:
    tools = [Called("look", {"at": "Köln", "deep": {"n": [1, 2]}}), Called("sing")]
    with FaultServer(Reply("I look.", thinking="Where is it?", tools=tools)) as server:
        heard = told(way, [target(server, wire)])
    calls = [event for event in heard.events if isinstance(event, ToolCall)]
    assert [(call.name, call.arguments) for call in calls] == [(one.name, dict(one.arguments)) for one in tools]
    assert len({call.id for call in calls}) == 2
    assert heard.result.tool_calls == tuple(calls)
    assert (heard.result.thinking, heard.result.finish) == ("Where is it?", "tool_calls")
    # It can be said again in the history.
    assert heard.result.message is not None
    again = Request([*ASK.messages, heard.result.message])
    assert len(again.messages[-1]["tool_calls"]) == 2


@pytest.mark.parametrize("wire", WIRES)
def test_what_must_have_a_schema_comes_in_one_piece(wire: Any) -> None:
    said = json.dumps({"at": "Köln" * 9}, ensure_ascii=False)
    with FaultServer(said) as server:
        ask = ASK._replace(schema={"type": "object", "properties": {"at": {"type": "string"}}})
        heard = told("sync", [target(server, wire)], ask=ask)
    sent = server.asked[0].json
    named = {"openai-chat": "response_format", "anthropic": "output_config", "openai-responses": "text"}
    assert sent[named.get(wire, "format")]
    assert "".join(event.text for event in heard.events if isinstance(event, Text)) == said
    assert len([event for event in heard.events if isinstance(event, Text)]) == 1


@pytest.mark.parametrize("wire", WIRES)
def test_an_answer_that_a_limit_has_ended_is_complete_and_not_for_the_cache(wire: Any) -> None:
    with FaultServer(Reply("As far as", finish="length")) as server:
        result = told("sync", [target(server, wire)], ask=ASK._replace(max_tokens=2)).result
    assert (result.outcome, result.finish, result.cacheable) == ("complete", "length", False)


@pytest.mark.parametrize("wire", ["openai-chat", "anthropic"])
def test_a_tool_call_that_a_limit_has_cut_is_not_told(wire: Any) -> None:
    with FaultServer(Reply("Hm.", tools=[Called("look", {"at": "x"})], finish="length")) as server:
        heard = told("sync", [target(server, wire)])
    assert [type(event) for event in heard.events] == [Text, Usage, Done]
    assert (heard.result.finish, heard.result.tool_calls) == ("length", ())


def test_tools_are_offered_and_answered_over_two_turns() -> None:
    def model(asked: Asked) -> Reply:
        if asked.json["messages"][-1]["role"] == "tool":
            return Reply("It is " + asked.json["messages"][-1]["content"])
        assert [tool["function"]["name"] for tool in asked.json["tools"]] == ["clock"]
        return Reply("", tools=[Called("clock", {"zone": "UTC"})])

    tools = [Tool("clock", {"type": "object", "properties": {"zone": {"type": "string"}}}, "What time it is")]
    with FaultServer(model) as server:
        first = told("sync", [target(server)], ask=ASK._replace(tools=tools)).result
        (call,) = first.tool_calls
        assert first.message is not None
        answered = {"role": "tool", "tool_call_id": call.id, "content": f"noon in {call.arguments['zone']}"}
        history = [*ASK.messages, first.message, answered]
        assert told("sync", [target(server)], ask=Request(history, tools=tools)).text == "It is noon in UTC"


# Each fault of a provider, with one sound target behind it.

FAULTS = {
    "cut at 10 %": Fault.cut(at=0.1),
    "cut at 90 %": Fault.cut(at=0.9),
    "fin": Fault.fin(at=0.5),
    "rst": Fault.rst(at=0.5),
    "stall": Fault.stall(at=0.5),
    "ping stall": Fault.ping_stall(every=0.1, at=0.5),
    "error event": Fault.error_event(at=0.5),
    "error first": Fault.error_first(),
    "error data": Fault.error_data(at=0.5),
    "529": Fault.h529(),
    "401": Fault.status(401),
    "garbage": Fault.garbage(at=0.5),
    "half an event": Fault.truncated(at=0.5),
    "a page with status 200": Fault.html(200),
    "no answer": Fault.hang_up(),
}
UNBROKEN = {"linger": Fault.linger(), "slow": Fault.slow(0.001, 256), "another type": Fault.wrong_type()}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("number", range(4))
def test_the_next_target_gives_what_is_missing(number: int, fault: str, way: str) -> None:
    first, second = WIRES[number], WIRES[number - 1]
    with FaultServer(Model(), fault=FAULTS[fault]) as broken, FaultServer(Model()) as sound:
        policy = ONCE._replace(idle=0.5) if "stall" in fault else ONCE
        heard = told(way, [target(broken, first), target(sound, second)], policy)
        assert (len(broken.asked), len(sound.asked)) == (1, 1)
    result = heard.result
    assert "".join(event.text for event in heard.events if isinstance(event, Text)) == TEXT == result.text
    assert (result.outcome, result.healed, result.attempts, result.finish) == ("complete", True, 2, "stop")
    assert heard.others == [Attempt(2, result.faults[0]), result.usage, Done("complete", "stop")]  # type: ignore[arg-type]
    assert len(result.faults) == 1


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("fault", UNBROKEN)
@pytest.mark.parametrize("wire", WIRES)
def test_what_is_only_odd_is_left_alone(wire: Any, fault: str, way: str) -> None:
    with FaultServer(Model(), fault=UNBROKEN[fault]) as server:
        heard = told(way, [target(server, wire)])
        assert len(server.asked) == 1
    assert (heard.result.text, heard.result.outcome, heard.result.healed) == (TEXT, "complete", False)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("wire", WIRES)
def test_the_same_target_is_asked_for_the_rest(wire: Any, way: str) -> None:
    with FaultServer(Model(), plan=[Fault.cut(at=0.5)]) as server:
        heard = told(way, [target(server, wire)], HEALING)
        assert len(server.asked) == 2
    assert (heard.text, heard.result.healed, heard.result.seams) == (TEXT, True, ("echoed",))
    assert heard.result.faults == ("truncated",)
    # Both attempts are billed, and nobody has told what the first one cost.
    assert heard.result.usage.estimated > 0
    assert heard.result.usage.input_tokens > 12


def test_of_three_targets_the_last_one_answers() -> None:
    with (
        FaultServer(fault=Fault.h529()) as one,
        FaultServer(Model(), fault=Fault.cut(at=0.5)) as two,
        FaultServer(Model()) as three,
    ):
        targets = [target(one, "anthropic"), target(two), target(three, "ollama")]
        heard = told("sync", targets, ONCE)
        assert [len(server.asked) for server in (one, two, three)] == [1, 1, 1]
    assert (heard.text, heard.result.attempts, heard.result.faults) == (TEXT, 3, ("provider", "truncated"))
    assert [event.number for event in heard.events if isinstance(event, Attempt)] == [2, 3]


@pytest.mark.parametrize("way", WAYS)
def test_a_function_takes_over_where_a_provider_breaks(way: str) -> None:
    def mine(request: Request) -> Iterator[str]:
        # Whom it asks for the rest is its own business; it is told as any provider is.
        model = Model()
        asked = type("Asked", (), {"json": {"messages": list(request.messages)}})()
        yield from model(asked).text.split(" ", 1)[0:1]
        yield " " + model(asked).text.split(" ", 1)[1]

    with FaultServer(Model(), fault=Fault.cut(at=0.5)) as broken:
        heard = told(way, [target(broken, "anthropic"), mine], ONCE)
    assert (heard.text, heard.result.healed, heard.result.attempts) == (TEXT, True, 2)


class Own(Exception):
    """An error of some library."""


@pytest.mark.parametrize("way", WAYS)
def test_a_provider_takes_over_where_a_function_raises(way: str) -> None:
    def mine(request: Request) -> Iterator[str]:
        yield TEXT[:200]
        raise Own("no route")

    with FaultServer(Model()) as sound:
        heard = told(way, [mine, target(sound, "anthropic")], ONCE)
    assert (heard.text, heard.result.faults) == (TEXT, ("connection",))


@pytest.mark.parametrize("way", WAYS)
def test_what_a_function_has_raised_is_the_cause(way: str) -> None:
    def mine(request: Request) -> Iterator[str]:
        raise Own("no route")
        yield ""

    heard = told(way, [mine], FAST._replace(on_fault=()))
    assert isinstance(heard.error, ConnectionLost)
    assert "Own: no route" in str(heard.error)
    causes = []
    cause: BaseException | None = heard.error
    while cause is not None:
        causes.append(type(cause))
        cause = cause.__cause__
    assert Own in causes


def test_a_function_that_blocks_does_not_block_the_event_loop() -> None:
    threads = []

    def mine(request: Request) -> Iterator[str]:
        threads.append(threading.get_ident())
        yield "Hi"

    assert told("async", [mine]).text == "Hi"
    assert threads != [threading.get_ident()]


def test_an_asynchronous_function_in_a_thread_is_named() -> None:
    with stream_with_fallback(ASK, [apieces]) as stream, pytest.raises(TypeError, match=r"apieces.* use `async with`"):
        list(stream)


def test_half_an_answer_of_an_inner_stream_is_not_taken_for_all() -> None:
    def inner(request: Request) -> Iterator[Any]:
        with stream_with_fallback(request, [target(broken)], FAST._replace(on_fault=("partial",))) as stream:
            yield from stream

    with FaultServer(Model(), fault=Fault.cut(at=0.5)) as broken, FaultServer(Model()) as sound:
        assert told("sync", [inner, target(sound)], ONCE).text == TEXT


# What is left when no stream can be healed.


class Breaking(FaultServer):
    """Breaks what streams, and answers all else."""

    async def _answer(self, asked: Asked, connection: Any) -> None:
        asked.wire = next(wire for path, wire in fault_wires.PATHS.items() if asked.path.endswith(path))
        before, self.fault = self.fault, self.fault if asked.streams else None
        try:
            await super()._answer(asked, connection)
        finally:
            self.fault = before


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("wire", WIRES)
def test_a_whole_answer_without_streaming_goes_on_where_it_begins_alike(wire: Any, way: str) -> None:
    with Breaking(Model(thinking="Hm.", tools=[Called("look", {"at": "x"})]), fault=Fault.cut(at=0.4)) as server:
        heard = told(way, [target(server, wire)], FAST._replace(on_fault=("non_stream",)))
        assert [one.streams for one in server.asked] == [True, False]
    result = heard.result
    assert "".join(event.text for event in heard.events if isinstance(event, Text)) == TEXT == result.text
    calls = [event for event in heard.events if isinstance(event, ToolCall)]
    assert [(call.name, call.arguments) for call in calls] == [("look", {"at": "x"})]
    assert [event for event in heard.others if isinstance(event, Attempt)] == [Attempt(2, "truncated")]
    assert (result.outcome, result.healed, result.attempts, result.finish) == ("complete", True, 2, "tool_calls")
    assert (result.thinking, result.tool_calls, result.faults) == ("Hm.", tuple(calls), ("truncated",))
    assert (result.usage.input_tokens > 12, result.usage.estimated > 0) == (True, True)


@pytest.mark.parametrize("way", WAYS)
def test_a_whole_answer_that_begins_otherwise_voids_what_was_told(way: str) -> None:
    said = iter(["One thing, said at length. " * 9, "Another thing."])
    with Breaking(lambda asked: next(said), fault=Fault.cut(at=0.5)) as server:
        heard = told(way, [target(server)], FAST._replace(on_fault=("non_stream",)))
    assert [event for event in heard.others if isinstance(event, Attempt)] == [Attempt(2, "truncated", True)]
    assert heard.text == heard.result.text == "Another thing."
    assert heard.result.message == {"role": "assistant", "content": "Another thing."}


def test_a_whole_answer_is_asked_of_each_wire_in_turn() -> None:
    called = []

    def mine(request: Request) -> Iterator[str]:
        called.append(request)
        raise Own("no route")
        yield ""

    policy = FAST._replace(on_fault=("switch", "non_stream"), attempts=10)
    with (
        FaultServer(fault=Fault.h529()) as one,
        FaultServer(fault=Fault.h529()) as two,
        Breaking(Model(), fault=Fault.h529()) as three,
    ):
        targets = [target(one, "anthropic"), target(two, "anthropic"), mine, target(three, "ollama")]
        heard = told("sync", targets, policy)
        asked = [[one.streams for one in server.asked] for server in (one, two, three)]
    # The second is asked by the transport, after the first; a function only streams.
    assert asked == [[True, False], [True, False], [True, False]]
    assert len(called) == 1
    assert (heard.text, heard.result.outcome, heard.result.attempts) == (TEXT, "complete", 7)
    assert heard.result.faults == ("provider", "provider", "connection", "provider", "provider", "provider")


def test_without_switching_a_whole_answer_is_asked_of_the_first_target_alone() -> None:
    with FaultServer(fault=Fault.h529()) as one, FaultServer("Hi") as two:
        targets = [target(one), target(two, "ollama")]
        heard = told("sync", targets, FAST._replace(on_fault=("non_stream",)))
        assert (len(one.asked), len(two.asked)) == (2, 0)
    assert heard.result.faults == ("provider", "provider")
    assert isinstance(heard.error, ProviderError)


def test_a_whole_answer_is_not_asked_for_where_the_request_itself_is_wrong() -> None:
    with FaultServer(fault=Fault.status(400)) as server:
        heard = told("sync", [target(server)])
        assert len(server.asked) == 1
    assert isinstance(heard.error, ProviderError)
    assert (heard.error.status, heard.error.kind) == (400, "invalid_request_error")
    assert "This cannot be read" in str(heard.error)
    assert (heard.result.outcome, heard.result.attempts, heard.result.faults) == ("failed", 1, ("provider",))


@pytest.mark.parametrize("way", WAYS)
def test_a_partial_answer_comes_last_and_is_called_so(way: str) -> None:
    with FaultServer(Model(), fault=Fault.cut(at=0.6)) as server:
        heard = told(way, [target(server)], FAST._replace(on_fault=("non_stream", "partial")))
        assert [one.streams for one in server.asked] == [True, False]
    result = heard.result
    assert heard.error is None
    assert heard.events[-1] == Done("partial")
    assert (result.outcome, result.healed, result.cacheable, result.message) == ("partial", False, False, None)
    assert result.faults == ("truncated", "truncated")
    assert TEXT.startswith(result.text)
    assert len(result.text) > 100
    assert result.text == heard.text


@pytest.mark.parametrize("way", WAYS)
def test_the_ladder_ends_in_an_error_with_the_partial_text(way: str) -> None:
    with FaultServer(Model(), fault=Fault.cut(at=0.5)) as server:
        heard = told(way, [target(server)], FAST._replace(on_fault=()))
        assert len(server.asked) == 1
    assert isinstance(heard.error, Truncated)
    assert heard.error.partial == heard.text == heard.result.text != ""
    assert (heard.result.outcome, heard.result.cacheable, heard.result.message) == ("failed", False, None)


@pytest.mark.parametrize(("characters", "requests", "outcome"), [(100, 2, "complete"), (101, 1, "partial")])
def test_the_classic_ladder_keeps_more_than_a_hundred_characters(characters: int, requests: int, outcome: str) -> None:
    # One event before the text, and one a character.
    with FaultServer(Reply("x" * characters, piece=1), fault=Fault.cut(at_event=1 + characters)) as server:
        heard = told("sync", [target(server)], StreamPolicy.classic())
        assert [asked.streams for asked in server.asked] == [True, False][:requests]
    assert (heard.result.outcome, len(heard.result.text)) == (outcome, characters)


def test_the_classic_ladder_asks_for_a_whole_answer_when_there_is_little() -> None:
    with Breaking(Model(), fault=Fault.cut(at=0.1)) as server:
        heard = told("sync", [target(server)], StreamPolicy.classic())
        assert [asked.streams for asked in server.asked] == [True, False]
    assert (heard.text, heard.result.outcome) == (TEXT, "complete")


def test_answers_in_one_piece_are_paid_from_the_budget_of_switches() -> None:
    policy = FAST._replace(on_fault=("non_stream",), switches=Budget(0.0, floor=0.2))
    with Breaking(Model(), fault=Fault.cut(at=0.5)) as server:
        outcomes = [told("sync", [target(server)], policy).result.outcome for _ in range(4)]
        # Two more a budget of 0.2 a second over ten seconds bears.
        assert len(server.asked) == 4 + 2
    assert outcomes == ["complete", "complete", "failed", "failed"]


def test_what_is_done_on_the_last_rungs_is_counted_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[Any] = []
    stop = listen(lambda name, value, labels: heard.append((name, dict(labels))))
    try:
        with FaultServer(Model(), fault=Fault.cut(at=0.6)) as server:
            told("sync", [target(server)], FAST._replace(on_fault=("non_stream", "partial")))
    finally:
        stop()
    named = {"wire": "openai-chat", "fault": "truncated"}
    rungs = [labels["rung"] for name, labels in heard if name == "heals_total"]
    assert heard[0] == ("heals_total", {**named, "rung": "raised"})
    assert [rung for rung in rungs if rung != "raised"] == ["non_stream", "partial"]
    assert "takes the" in caplog.records[-1].getMessage()
    assert not any(TEXT[:20] in record.getMessage() for record in caplog.records)


def test_a_ladder_on_which_half_answers_come_before_healing_is_refused() -> None:
    with pytest.raises(ConfigError, match="put non_stream and partial behind the others"):
        StreamPolicy(on_fault=("partial", "resume"))


@pytest.mark.parametrize("wire", ["openai-chat", "anthropic"])
def test_a_call_that_a_limit_has_cut_is_not_told_of_a_whole_answer_either(wire: Any) -> None:
    reply = Reply("Hm.", tools=[Called("look", {"at": "x"})], finish="length")
    with Breaking(reply, fault=Fault.cut(at=0.3)) as server:
        result = told("sync", [target(server, wire)], FAST._replace(on_fault=("non_stream",))).result
    assert (result.outcome, result.finish, result.tool_calls) == ("complete", "length", ())


def test_a_whole_answer_that_trickles_is_not_waited_for_any_longer() -> None:
    policy = FAST._replace(idle=0.3, timeout=0.5, on_fault=("non_stream",))
    with FaultServer(Model(), plan=[Fault.cut(at=0.5), Fault.slow(0.02, 1)]) as server:
        began = time.monotonic()
        heard = told("async", [target(server)], policy)
        assert time.monotonic() - began < 5.0
        assert len(server.asked) == 2
    assert isinstance(heard.error, Truncated)


def test_time_that_is_up_is_up_on_every_rung() -> None:
    policy = FAST._replace(idle=0.3, first_token=0.3, timeout=0.3, on_fault=("restart", "resume", "non_stream"))
    with FaultServer(Model(), fault=Fault.stall(at=0.5)) as server:
        began = time.monotonic()
        heard = told("sync", [target(server)], policy)
        assert time.monotonic() - began < 3.0
        assert len(server.asked) == 1
    assert isinstance(heard.error, StreamDeadlineExceeded | IdleTimeout)


@pytest.mark.parametrize("way", WAYS)
def test_a_server_that_is_not_there_is_a_connection_lost(way: str) -> None:
    with FaultServer() as server:
        server.refuse()
        heard = told(way, [target(server)], HEALING)
    assert isinstance(heard.error, ConnectionLost)
    assert heard.error.provider == f"127.0.0.1:{server.port}"
    assert (heard.events, heard.result.outcome, heard.result.attempts) == ([], "failed", 3)


def test_a_tool_call_that_is_no_json_is_not_told() -> None:
    events = fault_wires.streamed("openai-chat", Reply("", tools=[Called("look", {"at": "x"})]), {})
    broken = b"".join(events).replace(b'"}"', b'"]"')
    transport = httpx.MockTransport(
        lambda request: httpx.Response(200, headers={"content-type": "text/event-stream"}, content=broken)
    )
    heard = told("sync", [Target("http://x", model="m")], FAST._replace(on_fault=()), transport=transport)
    assert isinstance(heard.error, Truncated)
    assert "called a tool with what is no JSON object" in str(heard.error)
    assert heard.events == []


@pytest.mark.parametrize("wire", WIRES)
def test_no_cut_at_any_byte_is_taken_for_the_end(wire: Any) -> None:
    events = fault_wires.streamed(wire, Reply("Grüße!", piece=3, tools=[Called("look", {"at": "x"})]), {"model": "m"})
    body = b"".join(events)
    # What is cut in the terminator lacks nothing; the finish reason stands in the event before it.
    marks = {"openai-chat": 2, "anthropic": 2, "openai-responses": 1, "ollama": 1}
    needed = len(b"".join(events[: len(events) - marks[wire] + 1])) - 2
    policy = FAST._replace(on_fault=(), contract="strict")
    outcomes = {}
    places = [at for at in range(len(body) + 1) if at % 7 == 0 or at > needed - 50]
    for at in places:
        content = body[:at]
        transport = httpx.MockTransport(
            lambda request, content=content: httpx.Response(
                200, headers={"content-type": "text/event-stream"}, content=content
            )
        )
        heard = told("sync", [Target("http://x", wire=wire, model="m")], policy, transport=transport)
        outcomes[at] = heard.result.outcome
        assert all(call.arguments == {"at": "x"} for call in heard.events if isinstance(call, ToolCall))
    assert {outcome for at, outcome in outcomes.items() if at < needed} == {"failed"}
    assert {outcome for at, outcome in outcomes.items() if at >= needed + 2} == {"complete"}


# The reader leaves.


def wait_for(what: Callable[[], bool]) -> None:
    until = time.monotonic() + 5
    while not what():
        assert time.monotonic() < until
        time.sleep(0.005)


@pytest.mark.parametrize("wire", WIRES)
def test_a_break_closes_the_connection_and_asks_for_nothing_more(wire: Any) -> None:
    with FaultServer(Model(), pace=0.005) as server, FaultServer(Model()) as other:
        with stream_with_fallback(ASK, [target(server, wire), target(other)]) as stream:
            for _ in stream:
                break
        wait_for(lambda: server.asked[0].hung_up)
        assert (len(server.asked), len(other.asked)) == (1, 0)
    result = stream.result
    assert (result.text, result.outcome, result.message) == (TEXT[:5], "partial", None)
    assert list(stream) == []


@pytest.mark.parametrize("wire", WIRES)
def test_a_break_in_asyncio_leaves_no_task(wire: Any) -> None:
    async def left() -> Result:
        async with stream_with_fallback(ASK, [target(server, wire), target(other)]) as stream:
            async for _ in stream:
                break
        assert await left_behind() == set()
        return stream.result

    with FaultServer(Model(), pace=0.005) as server, FaultServer(Model()) as other:
        result = asyncio.run(left())
        wait_for(lambda: server.asked[0].hung_up)
        assert (len(server.asked), len(other.asked)) == (1, 0)
    assert (result.text, result.outcome) == (TEXT[:5], "partial")


@pytest.mark.parametrize("pace", [0.005, 30.0])
def test_a_cancelled_reader_is_cancelled_and_nothing_is_asked_again(pace: float) -> None:
    async def read(stream: Any, begun: asyncio.Event) -> None:
        async with stream:
            async for _ in stream:
                begun.set()

    async def cancelled() -> Result:
        stream = stream_with_fallback(ASK, [target(server), target(other)])
        begun = asyncio.Event()
        task = asyncio.create_task(read(stream, begun))
        await (begun.wait() if pace < 1 else asyncio.sleep(0.05))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await left_behind() == set()
        return stream.result

    # The first event has no text, so that nothing has come when it waits for the second.
    with FaultServer(Model(), pace=pace) as server, FaultServer(Model()) as other:
        result = asyncio.run(cancelled())
        wait_for(lambda: server.asked[0].hung_up)
        assert (len(server.asked), len(other.asked)) == (1, 0)
    assert result.outcome == "partial"


@pytest.mark.parametrize("way", WAYS)
def test_an_error_of_the_reader_is_the_readers(way: str) -> None:
    async def aread(stream: Any) -> None:
        async with stream:
            async for _ in stream:
                raise Own("in my code")

    def read(stream: Any) -> None:
        with stream:
            for _ in stream:
                raise Own("in my code")

    with FaultServer(Model(), pace=0.005) as server, FaultServer(Model()) as other:
        stream = stream_with_fallback(ASK, [target(server), target(other)])
        with pytest.raises(Own) as caught:
            read(stream) if way == "sync" else asyncio.run(aread(stream))
        assert (caught.value.__cause__, caught.value.__context__) == (None, None)
        wait_for(lambda: server.asked[0].hung_up)
        assert (len(server.asked), len(other.asked)) == (1, 0)
    assert stream.result.outcome == "partial"


@pytest.mark.parametrize("way", WAYS)
def test_a_function_whose_reader_leaves_is_closed(way: str) -> None:
    closed = []
    # Kept, so that it is not the garbage collector who closes it.
    kept: list[Any] = []

    def endless() -> Iterator[str]:
        try:
            while True:
                yield "more "
        finally:
            closed.append("plain")

    async def aendless() -> AsyncIterator[str]:
        try:
            while True:
                yield "more "
        finally:
            closed.append("async")

    def mine(request: Request) -> Iterator[str]:
        kept.append(endless())
        return kept[-1]  # type: ignore[no-any-return]

    def amine(request: Request) -> AsyncIterator[str]:
        kept.append(aendless())
        return kept[-1]  # type: ignore[no-any-return]

    async def left(function: Any) -> None:
        async with stream_with_fallback(ASK, [function]) as stream:
            async for _ in stream:
                break
        # A generator that is left to the garbage collector is ended by a task, from the next round of the loop on.
        await asyncio.sleep(0)
        assert await left_behind() == set()

    if way == "sync":
        with stream_with_fallback(ASK, [mine]) as stream:
            for _ in stream:
                break
        assert closed == ["plain"]
    else:
        asyncio.run(left(mine))
        asyncio.run(left(amine))
        assert closed == ["plain", "async"]


# Around it.


def test_streams_at_the_same_time_do_not_mix() -> None:
    async def all_of_them() -> list[Told]:
        kinds = [[target(sound)], [target(broken, "anthropic"), target(sound, "ollama")], [apieces]]
        return await asyncio.gather(*[read(targets) for targets in kinds * 4])

    async def read(targets: list[Any]) -> Told:
        heard = Told()
        async with stream_with_fallback(ASK, targets, ONCE) as stream:
            async for event in stream:
                heard.events.append(event)
        heard.result = stream.result
        return heard

    with FaultServer(Model()) as sound, FaultServer(Model(), fault=Fault.cut(at=0.5)) as broken:
        heard = asyncio.run(all_of_them())
    assert [one.text for one in heard] == [TEXT, TEXT, "You said: Hello?"] * 4
    assert [one.result.healed for one in heard] == [False, True, False] * 4


def test_streams_to_the_same_targets_share_their_circuits() -> None:
    policy = ONCE._replace(on_fault=("switch",))
    with FaultServer(fault=Fault.h529()) as broken, FaultServer("Hi") as sound:
        targets = [target(broken), target(sound)]
        for way in WAYS * 4:
            assert told(way, targets, policy).text == "Hi"
        # Five in a row open it; then it is left in peace.
        assert (len(broken.asked), len(sound.asked)) == (5, 8)
        # To those who call it otherwise it is another one.
        told("sync", [target(broken, api_key="mine"), target(sound)], policy)
        assert len(broken.asked) == 6


def test_a_circuit_that_humans_hold_open_is_said() -> None:
    with FaultServer("Hi") as server, FaultServer("Ho") as other:
        targets = [target(server), target(other)]
        assert told("sync", targets).text == "Hi"
        names = [f"llm:127.0.0.1:{port}" for port in (server.port, other.port)]
        held = [guard.for_key("m") for guard in guards() if guard.name in names]
        assert {guard.name for guard in held} == {f"{name}[m]" for name in names}
        for guard in held:
            guard.isolate("maintenance")
        try:
            with stream_with_fallback(ASK, targets, FAST) as stream:
                with pytest.raises(CircuitOpen):
                    next(stream)
                assert (list(stream), stream.result.outcome) == ([], "failed")
        finally:
            for guard in held:
                guard.release()


@pytest.mark.parametrize("family", [httpx, httpx2])
def test_a_transport_of_ones_own_keeps_its_connections(family: Any) -> None:
    with FaultServer("Hi") as server, family.HTTPTransport(verify=False) as transport:
        for _ in range(3):
            assert told("sync", [target(server)], transport=transport).text == "Hi"
        (connection,) = transport._pool.connections
        assert "Request Count: 3" in repr(connection)

    async def thrice() -> None:
        async with family.AsyncHTTPTransport(verify=False) as transport:
            for _ in range(3):
                assert (await _atold([target(server)], FAST, ASK, {"transport": transport})).text == "Hi"
            (connection,) = transport._pool.connections
            assert "Request Count: 3" in repr(connection)

    with FaultServer("Hi") as server:
        asyncio.run(thrice())


def test_a_transport_of_the_other_kind_is_named() -> None:
    stream = stream_with_fallback(ASK, [pieces], transport=httpx.AsyncHTTPTransport(verify=False))
    with pytest.raises(TypeError, match=r"AsyncHTTPTransport .*`async with"):
        stream.__enter__()


def test_what_is_no_target_and_no_policy_is_named_before_anything_is_sent() -> None:
    with pytest.raises(ConfigError) as caught:
        stream_with_fallback(ASK, [], "fast")  # type: ignore[arg-type]
    assert [problem.partition(":")[0] for problem in caught.value.problems] == ["targets", "policy"]
    with pytest.raises(ConfigError, match=r"targets: .*allowed: a list of at least one Target or function"):
        stream_with_fallback(ASK, Target("http://x"))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="targets"):
        stream_with_fallback(ASK, ["http://x"])  # type: ignore[list-item]
    with pytest.raises(ConfigError, match="request"):
        stream_with_fallback(ASK.messages, [pieces])  # type: ignore[arg-type]


def test_a_stream_is_read_inside_of_one_with() -> None:
    stream = stream_with_fallback(ASK, [pieces])
    with pytest.raises(RuntimeError, match="iterate inside of `with"):
        next(stream)
    with stream:
        assert stream.result == Result()
        list(stream)
    with pytest.raises(RuntimeError, match="for one `with`"), stream:
        pass


def test_an_answer_that_is_compressed_against_the_request_is_named() -> None:
    transport = httpx.MockTransport(
        lambda request: httpx.Response(200, headers={"content-encoding": "br", "content-type": "text/event-stream"})
    )
    heard = told("sync", [Target("http://x", model="m")], HEALING, transport=transport)
    assert isinstance(heard.error, Truncated)
    assert "compressed (br)" in str(heard.error)


def test_rows_of_ones_own_say_how_a_server_takes_an_answer_up() -> None:
    rows = [Capability("prefill")]
    with FaultServer(Model(), plan=[Fault.cut(at=0.5)]) as server:
        heard = told("sync", [target(server)], HEALING, capabilities=rows)
        assert server.asked[1].json["messages"][-1]["role"] == "assistant"
    assert heard.result.seams == ("continued",)


def test_no_client_of_a_provider_is_loaded() -> None:
    code = """
import sys
from guardrails.llm import Request, Text, stream_with_fallback
assert not {"httpx", "httpx2", "openai", "anthropic", "litellm"} & set(sys.modules), "at import"
with stream_with_fallback(Request([{"role": "user", "content": "x"}]), [lambda request: ["Hi"]]) as stream:
    assert next(stream) == Text("Hi")
assert not {"httpx2", "openai", "anthropic", "litellm"} & set(sys.modules), "in use"
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
