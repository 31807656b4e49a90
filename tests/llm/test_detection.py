"""What nobody may heal, or nothing could, is told: as an error of the client's own, with the text that came."""

from __future__ import annotations

import asyncio
import pickle
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import anthropic
import httpx
import httpx2
import openai
import pytest

from guardrails import Guard, errors
from guardrails.llm import StreamPolicy, healing_client, last_heal
from guardrails.testing.faults import Fault, FaultServer, Reply, Tool
from tests.llm.speakers import FAST, PATHS, TEXT, WIRES, Model, asked, listened, made, told_by

if TYPE_CHECKING:
    from collections.abc import Callable

WAYS = ("sync", "async")
ONLY = FAST._replace(on_fault=())
FAULTS: dict[str, tuple[Fault, type[errors.StreamFault]]] = {
    "cut": (Fault.cut(at=0.5), errors.Truncated),
    "fin": (Fault.fin(at=0.5), errors.ConnectionLost),
    "rst": (Fault.rst(at=0.5), errors.ConnectionLost),
    "stall": (Fault.stall(at=0.5), errors.IdleTimeout),
    "ping stall": (Fault.ping_stall(every=0.1, at=0.5), errors.IdleTimeout),
    "error event": (Fault.error_event(at=0.5), errors.ProviderError),
    "error data": (Fault.error_data(at=0.5, then_done=True), errors.ProviderError),
    "error first": (Fault.error_first(), errors.ProviderError),
    "garbage": (Fault.garbage(at=0.5), errors.Truncated),
    "a page": (Fault.html(200), errors.Truncated),
}
TIMEOUTS = (errors.FirstTokenTimeout, errors.IdleTimeout, errors.StreamDeadlineExceeded)


def fault_in(error: BaseException | None) -> errors.StreamFault:
    """The StreamFault that an error of the client is, or was made of."""
    while error is not None and not isinstance(error, errors.StreamFault):
        error = error.__cause__
    assert error is not None
    return error


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("wire", WIRES)
def test_without_healing_each_fault_is_an_error_of_the_clients_own(wire: str, name: str, way: str) -> None:
    fault, kind = FAULTS[name]
    with FaultServer(Model(), fault=fault) as server:
        told = told_by(way)(wire, server.url, ONLY if "stall" in name else ONLY._replace(first_token=20.0, idle=20.0))
        assert len(server.asked) == 1
    package: Any = anthropic if wire == "anthropic" else openai
    expected = package.APITimeoutError if issubclass(kind, TIMEOUTS) else package.APIConnectionError
    assert isinstance(told.error, expected)
    found = fault_in(told.error)
    assert isinstance(found, kind)
    assert TEXT.startswith(told.text)
    assert (found.partial, found.chars, found.attempt) == (told.text, len(told.text), 1)
    assert found.provider == server.url.removeprefix("http://")
    if kind is errors.ProviderError:
        assert isinstance(found, errors.ProviderError)
        assert (found.kind, found.status) == ("overloaded_error", 529)


@pytest.mark.parametrize("family", [httpx, httpx2])
def test_the_error_is_of_the_clients_own_httpx(family: Any) -> None:
    kinds = {Fault.cut(at=0.5): family.RemoteProtocolError, Fault.stall(at=0.5): family.ReadTimeout}
    for fault, kind in kinds.items():
        with FaultServer(TEXT, fault=fault) as server, healing_client(family.Client, ONLY) as client:
            said = {"model": "m", "stream": True, "messages": []}
            with client.stream("POST", server.url + PATHS["chat"], json=said) as response:
                with pytest.raises(kind) as caught:
                    response.read()
                assert isinstance(caught.value, errors.StreamFault)
                assert caught.value.request.url.path == PATHS["chat"]


def test_an_error_travels_to_another_process_as_one_of_ours() -> None:
    with FaultServer(TEXT, fault=Fault.cut(at=0.5)) as server:
        found = fault_in(listened("anthropic", server.url, ONLY).error)
    revived = pickle.loads(pickle.dumps(found))
    assert type(revived) is errors.Truncated
    assert (str(revived), revived.partial) == (str(found), found.partial)


@pytest.mark.parametrize("way", WAYS)
def test_silence_is_noticed_in_time_though_keepalives_flow(way: str) -> None:
    policy = StreamPolicy(first_token=2, idle=0.3, timeout=10, on_fault=())
    with FaultServer(TEXT, fault=Fault.ping_stall(every=0.02, at=0.5)) as server:
        began = time.monotonic()
        told = told_by(way)("anthropic", server.url, policy)
        assert time.monotonic() - began < 2.0
    assert "no content for 0.3 s" in str(fault_in(told.error))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("fault", [Fault.never(), Fault.stall(at_event=1), Fault.ping_stall(every=0.05, at_event=1)])
def test_a_first_token_that_does_not_come_is_noticed(fault: Fault, way: str) -> None:
    policy = StreamPolicy(first_token=0.3, idle=5, timeout=10, on_fault=())
    with FaultServer(TEXT, fault=fault) as server:
        told = told_by(way)("chat", server.url, policy)
    assert isinstance(told.error, openai.APITimeoutError)
    assert isinstance(fault_in(told.error), errors.FirstTokenTimeout)


@pytest.mark.parametrize("way", WAYS)
def test_the_whole_stream_has_a_deadline_however_lively_it_is(way: str) -> None:
    policy = StreamPolicy(first_token=0.4, idle=0.4, timeout=0.4)
    with FaultServer(TEXT, pace=0.02) as server:
        found = fault_in(told_by(way)("chat", server.url, policy).error)
    assert isinstance(found, errors.StreamDeadlineExceeded)
    assert found.timeout == pytest.approx(0.4)
    assert found.elapsed >= 0.4
    assert TEXT.startswith(found.partial)


def test_the_deadline_of_a_guard_around_it_holds_as_well() -> None:
    guard = Guard("llm", timeout=0.4)
    with FaultServer(TEXT, pace=0.02) as server:
        found = fault_in(guard.call(listened, "chat", server.url, FAST).error)
    assert isinstance(found, errors.StreamDeadlineExceeded)
    assert found.timeout < 0.41


def test_a_stream_that_no_answer_heals_says_so_after_its_attempts() -> None:
    with FaultServer(Model(), fault=Fault.cut(at=0.5)) as server:
        told = listened("chat", server.url)
        found = fault_in(told.error)
        assert (len(server.asked), found.attempt) == (3, 3)
    assert TEXT.startswith(told.text)
    assert found.partial == told.text
    heal = last_heal()
    assert heal is not None
    assert (heal.outcome, heal.rungs) == ("failed", ("resume", "resume", "raised"))


def test_a_model_that_says_something_else_is_not_joined_on() -> None:
    def other(one: Any) -> Reply:
        return Reply(TEXT if len(one.json["messages"]) == 1 else "Sorry, what was the question? " * 20)

    with FaultServer(other, plan=[Fault.cut(at=0.5)]) as server:
        told = listened("chat", server.url)
    assert isinstance(fault_in(told.error), errors.SeamMismatch)
    assert TEXT.startswith(told.text)
    heal = last_heal()
    assert heal is not None
    assert heal.faults == ("truncated", "seam")


def test_an_answer_in_two_versions_is_not_taken_up() -> None:
    with FaultServer(Model(), fault=Fault.cut(at=0.5)) as server:
        told = listened("chat", server.url, n=2)
        assert isinstance(fault_in(told.error), errors.Truncated)
        assert len(server.asked) == 1


@pytest.mark.parametrize("wire", WIRES)
def test_half_a_tool_call_is_never_told(wire: str) -> None:
    tools = [Tool("look", {"at": "Dom", "for": "an hour"})]
    with FaultServer(Model(tools=tools)) as server:
        listened(wire, server.url)
        size = server.asked[0].sent
        for at in range(size * 3 // 4, size, 97):
            server.plan, server.asked[:] = [Fault.cut(at_byte=at)], []
            told = listened(wire, server.url, ONLY)
            assert told.others in ((), ('{"at":"Dom","for":"an hour"}',)), at


def test_a_refusal_of_the_request_is_handed_on_as_it_is() -> None:
    with FaultServer(TEXT, fault=Fault.status(401)) as server:
        assert isinstance(listened("chat", server.url).error, openai.AuthenticationError)
        assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("wire", "kind"), [("chat", openai.InternalServerError), ("anthropic", anthropic.APIStatusError)]
)
def test_the_clients_own_retries_are_not_added_to_ours(wire: str, kind: type[Exception]) -> None:
    with FaultServer(TEXT, fault=Fault.h529(0.01)) as server:
        assert isinstance(listened(wire, server.url).error, kind)
        assert len(server.asked) == 3


def test_the_clients_own_retries_make_one_attempt_each_where_there_is_no_answer() -> None:
    with FaultServer(TEXT, fault=Fault.hang_up()) as server:
        error = listened("chat", server.url).error
        assert isinstance(error, openai.APIConnectionError)
        # Ours, and the client's two.
        assert len(server.asked) == 3 + 2


def test_without_healing_the_clients_own_retries_stay_as_they_are() -> None:
    with FaultServer(TEXT, plan=[Fault.h529(0.01)]) as server:
        assert listened("chat", server.url, ONLY).text == TEXT
        assert len(server.asked) == 2


def test_a_cancelled_task_is_cancelled_and_not_healed() -> None:
    async def cancelled(url: str) -> None:
        async with made("chat", url, healing_client(httpx2.AsyncClient, FAST)) as client:
            stream = await asked("chat", client)
            task = asyncio.ensure_future(anext(aiter(stream)))
            await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    with FaultServer(TEXT, fault=Fault.stall(at_event=1)) as server:
        asyncio.run(cancelled(server.url))
        assert len(server.asked) == 1


def loaded(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_no_client_is_loaded_for_it() -> None:
    assert not loaded("import guardrails.llm") & {"openai", "anthropic", "httpx", "httpx2", "pydantic"}


def cpu(code: str) -> float:
    """The least CPU seconds of five processes."""
    program = f"import time; began = time.process_time(); {code}; print(time.process_time() - began)"
    runs = [
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True) for _ in range(5)
    ]
    return min(float(run.stdout) for run in runs)


@pytest.mark.slow  # ten processes
def test_its_import_costs_at_most_half_more_than_that_of_httpx() -> None:
    assert cpu("import guardrails.llm") < 1.5 * cpu("import httpx")


def test_an_alarm_that_was_moved_rings_once_at_the_last_instant() -> None:
    from guardrails.llm.watchdog import ThreadAlarm

    alarm = ThreadAlarm(None)
    began = alarm.now()
    alarm.move(began + 5.0)
    alarm.move(began + 0.02)
    alarm.move(began + 0.04)
    _until(lambda: alarm.rang)
    assert alarm.now() - began >= 0.04
    silent = ThreadAlarm(None)
    silent.move(silent.now() + 0.01)
    silent.end()
    other = ThreadAlarm(None)
    other.move(other.now() + 0.03)
    _until(lambda: other.rang)
    assert not silent.rang


def _until(true: Callable[[], bool]) -> None:
    ends = time.monotonic() + 10
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.002)
