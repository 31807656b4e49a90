"""An answer that does not stream: what fails for a moment is asked for again, or of a fallback of the same wire."""

from __future__ import annotations

import asyncio
import gzip
import json
from typing import TYPE_CHECKING, Any

import anthropic
import httpx
import httpx2
import openai
import pytest

from guardrails.llm import healing, healing_client, last_heal
from guardrails.policies import Budget
from guardrails.testing.faults import Fault, FaultServer
from tests.llm.speakers import ASKED, CALM, PATHS, TEXT, WIRES, Model, made
from tests.llm.test_fallbacks import ONE_EACH, WAYS, target

if TYPE_CHECKING:
    from collections.abc import Sequence

    from guardrails.llm import StreamPolicy
    from guardrails.llm.targets import Target

FAULTS = {
    "529": Fault.h529(),
    "503": Fault.status(503),
    "500": Fault.status(500),
    "429": Fault.status(429),
    "a page": Fault.html(502),
    "no answer": Fault.hang_up(),
    "half an answer": Fault.fin(at=0.5),
    "reset": Fault.rst(at=0.5),
}


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("guardrails.clock.SystemClock.chance", lambda clock: 0.0)


def asked(wire: str, client: Any, **more: Any) -> Any:
    if wire == "anthropic":
        return client.messages.create(model="m", max_tokens=999, messages=ASKED, **more)
    if wire == "responses":
        return client.responses.create(model="m", input="Hello?", **more)
    return client.chat.completions.create(model="m", messages=ASKED, **more)


def text_of(wire: str, answer: Any) -> str:
    if wire == "anthropic":
        return "".join([block.text for block in answer.content])
    return str(answer.output_text if wire == "responses" else answer.choices[0].message.content)


def answered(
    way: str,
    wire: str,
    url: str,
    policy: StreamPolicy = CALM,
    fallbacks: Sequence[Target] = (),
    family: Any = httpx2,
    **more: Any,
) -> str:
    """What a client gets in one piece."""

    async def asynchronously() -> Any:
        async with made(wire, url, healing_client(family.AsyncClient, policy, fallbacks, verify=False)) as client:
            return await asked(wire, client, **more)

    if way == "async":
        return text_of(wire, asyncio.run(asynchronously()))
    with made(wire, url, healing_client(family.Client, policy, fallbacks, verify=False)) as client:
        return text_of(wire, asked(wire, client, **more))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("wire", WIRES)
def test_what_fails_for_a_moment_is_asked_for_again(wire: str, fault: str, way: str) -> None:
    with FaultServer(Model(), plan=[FAULTS[fault]]) as server:
        assert answered(way, wire, server.url) == TEXT
        assert [one.headers.get("x-stainless-retry-count") for one in server.asked] == ["0", "0"]
    heal = last_heal()
    if way == "sync":
        assert heal is not None
        assert (heal.rungs, heal.outcome, heal.attempts) == (("restart",), "healed", 2)
        assert [(one.input_tokens, one.output_tokens > 50, one.estimated) for one in heal.usage] == [(12, True, False)]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("wire", WIRES)
def test_a_fallback_of_the_same_wire_answers_where_the_own_provider_does_not(wire: str, fault: str, way: str) -> None:
    with FaultServer(Model(), fault=FAULTS[fault]) as own, FaultServer(Model()) as other:
        assert answered(way, wire, own.url, ONE_EACH, [target(other, wire)]) == TEXT
        assert (len(own.asked), len(other.asked)) == (1, 1)
        assert other.asked[0].json["model"] == "other"
        assert "any" not in f"{other.asked[0].headers}"


@pytest.mark.parametrize("family", [httpx, httpx2])
@pytest.mark.parametrize("way", WAYS)
def test_both_families_of_clients_get_whole_answers(way: str, family: Any) -> None:
    with FaultServer(Model(), plan=[Fault.fin(at=0.5)]) as server:
        assert answered(way, "chat", server.url, family=family) == TEXT


def test_a_fallback_of_another_wire_is_not_asked_for_an_answer_in_one_piece() -> None:
    with FaultServer(fault=Fault.h529()) as own, FaultServer() as other:
        with pytest.raises(openai.InternalServerError):
            answered("sync", "chat", own.url, CALM, [target(other, "anthropic")])
        assert other.asked == []
    heal = last_heal()
    assert heal is not None
    assert "it speaks anthropic, and an answer in one piece is not translated" in heal.skipped[0]


@pytest.mark.parametrize(
    ("wire", "kind"), [("chat", openai.InternalServerError), ("anthropic", anthropic.APIStatusError)]
)
def test_the_clients_own_retries_are_not_added_to_ours(wire: str, kind: type[Exception]) -> None:
    with FaultServer(fault=Fault.h529(0.01)) as server:
        with pytest.raises(kind) as caught:
            answered("sync", wire, server.url)
        assert len(server.asked) == 3
    assert "Overloaded" in str(getattr(caught.value, "body", ""))


def test_what_the_provider_wants_to_wait_for_is_waited_for() -> None:
    with FaultServer(Model(), plan=[Fault.status(429, retry_after=0.04)]) as server:
        assert answered("sync", "chat", server.url) == TEXT
    with FaultServer(Model(), fault=Fault.status(429, retry_after=60)) as server:
        with pytest.raises(openai.RateLimitError):
            answered("sync", "chat", server.url)
        assert len(server.asked) == 1


def test_a_refusal_of_the_request_is_handed_on_as_it_is() -> None:
    with FaultServer(fault=Fault.status(400)) as own, FaultServer() as other:
        with pytest.raises(openai.BadRequestError, match="400"):
            answered("sync", "chat", own.url, CALM, [target(other)])
        assert (len(own.asked), other.asked) == (1, [])
    assert last_heal() is None


def test_a_budget_bounds_what_is_asked_for_again() -> None:
    policy = CALM._replace(budget=Budget(0.0, floor=0.1))
    with FaultServer(fault=Fault.h529()) as server:
        with made("chat", server.url, healing_client(httpx2.Client, policy)) as client:
            for _ in range(3):
                with pytest.raises(openai.InternalServerError):
                    asked("chat", client)
        assert len(server.asked) == 3 + 1


def test_without_the_rung_nothing_is_asked_for_again() -> None:
    http = healing_client(httpx2.Client, CALM._replace(on_fault=()))
    with FaultServer(fault=Fault.h529()) as server, made("chat", server.url, http, max_retries=0) as client:
        with pytest.raises(openai.InternalServerError):
            asked("chat", client)
        assert len(server.asked) == 1


@pytest.mark.parametrize("more", [{"background": True}, {"conversation": "conv_0"}, {"tools": [{"type": "mcp"}]}])
def test_what_does_more_than_to_cost_is_not_asked_twice_once_it_may_have_begun(more: dict[str, Any]) -> None:
    said = {"model": "m", "input": "Hello?", **more}
    with (
        FaultServer(Model(), plan=[Fault.fin(at=0.5), None, Fault.h529(), None]) as server,
        healing_client(httpx2.Client, CALM) as client,
    ):
        with pytest.raises(httpx2.TransportError):
            client.post(server.url + PATHS["responses"], json=said)
        assert len(server.asked) == 1
        server.asked.append(server.asked[0])
        # Turned away, it has not begun.
        assert client.post(server.url + PATHS["responses"], json=said).status_code == 200
        assert len(server.asked) == 4


def test_the_answer_is_passed_on_as_it_came() -> None:
    said = {"model": "m", "messages": [{"role": "user", "content": "Hello?"}]}
    with FaultServer(Model()) as server:
        with httpx2.Client() as bare, healing_client(httpx2.Client, CALM, [target(server)]) as client:
            answers = [one.post(server.url + PATHS["chat"], json=said) for one in (bare, client)]
        assert answers[0].content == answers[1].content
        assert answers[0].headers == answers[1].headers
        assert server.asked[0].headers == server.asked[1].headers
        assert last_heal() is None


def test_what_is_compressed_stays_so_until_the_client_reads_it() -> None:
    body = gzip.compress(json.dumps({"choices": []}).encode())

    def handler(request: httpx2.Request) -> httpx2.Response:
        headers = {"content-encoding": "gzip", "content-type": "application/json"}
        return httpx2.Response(200, headers=headers, stream=httpx2.ByteStream(body))

    with httpx2.Client(transport=healing(httpx2.MockTransport(handler))) as client:
        answer = client.post("http://m.test/v1/chat/completions", json={"model": "m", "messages": []})
        assert (answer.json(), answer.headers["content-encoding"]) == ({"choices": []}, "gzip")


@pytest.mark.parametrize("way", WAYS)
def test_a_client_that_waits_no_longer_gets_its_own_timeout(way: str) -> None:
    policy = CALM._replace(attempts=2)
    with FaultServer(fault=Fault.never(5)) as server:
        with pytest.raises(openai.APITimeoutError):
            answered(way, "chat", server.url, policy, timeout=0.05)
        # Ours, and one each for the client's own two.
        assert len(server.asked) == 2 + 2
