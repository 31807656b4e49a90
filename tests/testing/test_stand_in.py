"""The model that repeats what it was told, under the official clients, cut and asked for the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import httpx2
import pytest

from guardrails.llm import Capability, StreamPolicy, healing_client
from guardrails.policies import Budget
from guardrails.testing.faults import Asked, Fault, FaultServer
from guardrails.testing.stand_in import asks_for_rest, repeats
from tests.llm.speakers import Listener, made

if TYPE_CHECKING:
    from collections.abc import Callable

SYSTEM, QUESTION = "Answer in a brief way, and say what you know of Anna.", "Is there a train to Köln 😀?"
WHOLE = f"{SYSTEM} You asked: {QUESTION}"
TURNS: list[Any] = [{"role": "user", "content": QUESTION}]
POLICY = StreamPolicy(budget=Budget(1.0))
ASKS: dict[str, Callable[[Any], Any]] = {
    "chat": lambda client: client.chat.completions.create(
        model="m", messages=[{"role": "system", "content": SYSTEM}, *TURNS], stream=True
    ),
    "anthropic": lambda client: client.messages.create(
        model="m", system=SYSTEM, max_tokens=999, messages=TURNS, stream=True
    ),
    "responses": lambda client: client.responses.create(model="m", instructions=SYSTEM, input=QUESTION, stream=True),
}
BOTH_WAYS = pytest.mark.parametrize("rows", [[], [Capability("prefill")]], ids=["user_turn", "prefill"])


def first_attempt(asked: Asked) -> Fault | None:
    return None if asks_for_rest(asked) else Fault.cut(at=0.8)


@BOTH_WAYS
@pytest.mark.parametrize("wire", ASKS)
def test_answer_that_is_cut_is_continued_where_it_was_cut(wire: str, rows: list[Capability]) -> None:
    listener = Listener()
    with (
        FaultServer(repeats, fault=first_attempt) as server,
        made(wire, server.url, healing_client(httpx2.Client, POLICY, capabilities=rows)) as client,
    ):
        for event in ASKS[wire](client):
            getattr(listener, wire)(event)

    assert listener.text == WHOLE
    assert [asked.fault and asked.fault.kind for asked in server.asked] == ["cut", None]
    assert [repeats(asked) == WHOLE for asked in server.asked] == [True, False]


def ask(body: dict[str, Any], path: str = "/v1/chat/completions") -> Asked:
    """What a server has been asked."""
    with FaultServer(repeats) as server:
        httpx.post(server.url + path, json=body, trust_env=False).raise_for_status()
    return server.asked[0]


def test_question_that_is_asked_again_is_answered_again() -> None:
    """Its words are the end of the answer before, as where the rest is asked for."""
    turns = [*TURNS, {"role": "assistant", "content": f"You asked: {QUESTION}"}, *TURNS]

    asked = ask({"model": "m", "messages": turns})

    assert (asks_for_rest(asked), repeats(asked)) == (False, f"You asked: {QUESTION}")


@pytest.mark.parametrize(
    "turns",
    [
        [{"role": "developer", "content": SYSTEM}, *TURNS],
        [{"role": "system", "content": [{"type": "text", "text": SYSTEM}]}, *TURNS],
        [{"role": "system", "content": SYSTEM}, {"role": "assistant", "content": None}, *TURNS],
    ],
)
def test_system_prompt_is_repeated_before_the_question(turns: list[Any]) -> None:
    assert repeats(ask({"model": "m", "messages": turns})) == WHOLE


def test_ollama_is_repeated_to_as_well() -> None:
    turns = [{"role": "system", "content": SYSTEM}, *TURNS]

    assert repeats(ask({"model": "m", "messages": turns, "stream": False}, "/api/chat")) == WHOLE


def test_request_without_a_question_is_answered() -> None:
    assert repeats(ask({"model": "m"})) == "You asked: "


def test_planned_faults_come_before_the_one_that_a_function_says() -> None:
    with FaultServer(repeats, plan=[Fault.h529(), None], fault=lambda asked: Fault.status(len(asked.body))) as server:
        url = f"{server.url}/v1/chat/completions"
        statuses = [httpx.post(url, content=b"x" * 404, trust_env=False).status_code for _ in range(3)]

    assert statuses == [529, 200, 404]
