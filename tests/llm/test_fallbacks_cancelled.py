"""What a client gives up says nothing about a provider, and holds no place of a trial."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx2
import pytest

from guardrails.errors import StreamFault
from guardrails.llm import healing_client
from guardrails.testing.faults import Fault, FaultServer
from tests.llm.speakers import CALM, FAST, PATHS, TEXT, Model, asked, made
from tests.llm.test_fallbacks import target
from tests.llm.test_fallbacks_guarded import guard_of

STREAM = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "Hello?"}]}
WHOLE = {**STREAM, "stream": False}
# Before the head, in the middle of a stream, and of an answer in one piece.
GIVEN_UP = {
    "no head": (STREAM, Fault.never(5)),
    "no text": (STREAM, Fault.stall(at_event=1)),
    "a stream": (STREAM, Fault.stall(at=0.5)),
    "an answer in one piece": (WHOLE, Fault.stall(at=0.5)),
}


@pytest.mark.parametrize("name", GIVEN_UP)
def test_a_trial_that_is_cancelled_gives_its_place_back(name: str) -> None:
    said, fault = GIVEN_UP[name]

    async def give_up(client: Any, url: str) -> None:
        task = asyncio.ensure_future(client.post(url, json=said))
        while not own.asked or not (own.asked[-1].sent or fault.kind == "never"):  # noqa: ASYNC110 - in a thread
            await asyncio.sleep(0.005)
        assert guard_of(own, "m").snapshot().circuit.trials == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    async def run() -> None:
        async with healing_client(httpx2.AsyncClient, CALM, [target(other)], verify=False) as client:
            url = own.url + PATHS["chat"]
            assert (await client.post(url, json=said)).status_code == 200
            guard = guard_of(own, "m")
            guard.isolate("INC-7")
            guard.release("over")
            own.fault = fault
            own.asked.clear()
            await give_up(client, url)
            circuit = guard.snapshot().circuit
            assert (circuit.state, circuit.trials, circuit.trials_bad) == ("half-open", 0, 0)

    with FaultServer(Model()) as own, FaultServer(Model()) as other:
        asyncio.run(run())


def test_a_stream_that_is_closed_while_a_fallback_speaks_is_closed_there() -> None:
    with (
        FaultServer(Model(), fault=Fault.cut(at=0.3)) as own,
        FaultServer(Model(), pace=0.01) as other,
        made("chat", own.url, healing_client(httpx2.Client, CALM, [target(other, "anthropic")])) as client,
    ):
        stream, text = asked("chat", client), ""
        for chunk in stream:
            text += chunk.choices[0].delta.content or ""
            if len(text) > len(TEXT) * 0.6:
                break
        stream.close()
        assert TEXT.startswith(text)
        ends = time.monotonic() + 5
        while not other.asked[0].answered and time.monotonic() < ends:
            time.sleep(0.005)
        assert other.asked[0].hung_up


def test_a_stream_that_no_fallback_mends_ends_in_an_error_with_its_text() -> None:
    with (
        FaultServer(Model(), fault=Fault.cut(at=0.3)) as own,
        FaultServer(Model(), fault=Fault.stall(at=0.5)) as other,
        healing_client(httpx2.Client, FAST._replace(attempts=2), [target(other, "anthropic")]) as client,
        client.stream("POST", own.url + PATHS["chat"], json=STREAM) as response,
        pytest.raises(StreamFault) as caught,
    ):
        response.read()
    assert TEXT.startswith(caught.value.partial)
    assert len(caught.value.partial) > len(TEXT) * 0.5
    assert caught.value.provider == other.url.removeprefix("http://")
