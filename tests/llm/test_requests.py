"""A question in no provider's words: every wire can ask it, and what a client has asked can be asked of another."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anthropic
import httpx2
import openai
import pytest

from guardrails.errors import ConfigError
from guardrails.llm.request import Request, Tool
from guardrails.llm.targets import Target
from guardrails.llm.wires.requests import TRANSLATIONS, ask, read
from guardrails.testing.faults import FaultServer

if TYPE_CHECKING:
    from collections.abc import Callable

WIRES = tuple(TRANSLATIONS)
CALL = {"id": "call_0", "type": "function", "function": {"name": "look", "arguments": '{"at": "x"}'}}
HISTORY: list[dict[str, Any]] = [
    {"role": "user", "content": "Where?"},
    {"role": "assistant", "content": "I look.", "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "call_0", "content": "there"},
    {"role": "assistant", "content": "There."},
    {"role": "user", "content": "And now?"},
]
SCHEMA = {"type": "object", "properties": {"at": {"type": "string"}}}
FULL = Request(
    HISTORY,
    max_tokens=77,
    temperature=0.5,
    top_p=0.9,
    tools=[Tool("look", SCHEMA, "Looks")],
    schema=SCHEMA,
)


def target(wire: Any, url: str = "http://127.0.0.1:1", **more: Any) -> Target:
    return Target(url, wire=wire, model="m", **more)


@pytest.mark.parametrize("wire", WIRES)
def test_what_is_asked_on_a_wire_is_read_back_as_it_was(wire: Any) -> None:
    asked = json.loads(json.dumps(ask(FULL, target(wire)).body))
    assert read(wire, asked) == FULL


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("other", WIRES)
def test_what_is_asked_on_one_wire_can_be_asked_on_another(wire: Any, other: Any) -> None:
    once = read(wire, ask(FULL._replace(system="Be brief."), target(wire)).body)
    assert once is not None
    again = read(other, ask(once, target(other)).body)
    assert again is not None
    # Where the words of the system stand is the wire's.
    system = [one["content"] for one in again.messages if one["role"] == "system"]
    assert [again.system, *system][again.system == ""] == "Be brief."
    rest = [one for one in again.messages if one["role"] != "system"]
    assert again._replace(messages=rest, system="") == FULL


@pytest.mark.parametrize("wire", WIRES)
def test_a_plain_question_brings_nothing_that_was_not_said(wire: Any) -> None:
    plain = Request([{"role": "user", "content": "Hello?"}])
    body = ask(plain, target(wire)).body
    assert body["stream"] is True
    names = {"temperature", "top_p", "tools", "system", "instructions", "format", "response_format", "options", "text"}
    assert names & set(body) == set()


def test_the_words_of_the_system_stand_where_each_wire_has_them() -> None:
    request = Request([{"role": "user", "content": "Hello?"}], system="Be brief.")
    bodies = {wire: ask(request, target(wire)).body for wire in WIRES}
    assert bodies["openai-chat"]["messages"][0] == {"role": "system", "content": "Be brief."}
    assert bodies["ollama"]["messages"][0] == {"role": "system", "content": "Be brief."}
    assert bodies["anthropic"]["system"] == "Be brief."
    assert bodies["openai-responses"]["instructions"] == "Be brief."


def test_results_of_one_turn_stand_in_one_message_for_anthropic() -> None:
    calls = [{**CALL, "id": f"c{n}"} for n in range(2)]
    results = [{"role": "tool", "tool_call_id": f"c{n}", "content": str(n)} for n in range(2)]
    history = [HISTORY[0], {"role": "assistant", "content": "", "tool_calls": calls}, *results]
    messages = ask(Request(history), target("anthropic")).body["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "user"]
    assert [block["tool_use_id"] for block in messages[2]["content"]] == ["c0", "c1"]
    # It refuses a block of text that is empty.
    assert [block["type"] for block in messages[1]["content"]] == ["tool_use", "tool_use"]


@pytest.mark.parametrize(
    ("url", "wire", "endpoint"),
    [
        ("https://api.openai.com", "openai-chat", "https://api.openai.com/v1/chat/completions"),
        ("https://api.openai.com/v1/", "openai-chat", "https://api.openai.com/v1/chat/completions"),
        ("https://openrouter.ai/api/v1", "openai-chat", "https://openrouter.ai/api/v1/chat/completions"),
        ("https://api.deepseek.com/beta", "openai-chat", "https://api.deepseek.com/beta/chat/completions"),
        ("https://gw/x/chat/completions?api=2", "openai-chat", "https://gw/x/chat/completions?api=2"),
        ("https://api.openai.com/v1", "openai-responses", "https://api.openai.com/v1/responses"),
        ("https://api.anthropic.com", "anthropic", "https://api.anthropic.com/v1/messages"),
        ("https://api.anthropic.com/v1", "anthropic", "https://api.anthropic.com/v1/messages"),
        ("https://gw.example/claude", "anthropic", "https://gw.example/claude/v1/messages"),
        ("http://127.0.0.1:11434", "ollama", "http://127.0.0.1:11434/api/chat"),
        ("http://127.0.0.1:11434/api", "ollama", "http://127.0.0.1:11434/api/chat"),
    ],
)
def test_an_address_is_what_the_providers_own_client_takes(url: str, wire: Any, endpoint: str) -> None:
    assert target(wire, url).endpoint == endpoint


def test_keys_are_sent_as_the_wire_wants_them_and_own_headers_stand_over_them() -> None:
    request = Request(HISTORY[:1])
    sent = {wire: ask(request, target(wire, api_key="k")).headers for wire in WIRES}
    assert {wire: sent[wire].get("authorization") for wire in WIRES} == {
        "openai-chat": "Bearer k",
        "openai-responses": "Bearer k",
        "anthropic": None,
        "ollama": "Bearer k",
    }
    assert sent["anthropic"]["x-api-key"] == "k"
    assert "anthropic-version" in sent["anthropic"]
    own = ask(request, target("openai-chat", api_key="k", headers={"Authorization": "mine"})).headers
    assert own["authorization"] == "mine"
    assert "authorization" not in ask(request, target("openai-chat")).headers


def test_newer_models_of_openai_get_the_limit_under_its_new_name() -> None:
    request = Request(HISTORY[:1], max_tokens=9)
    theirs = ask(request, target("openai-chat", "https://api.openai.com/v1")).body
    others = ask(request, target("openai-chat", "https://api.groq.com/openai/v1")).body
    assert (theirs["max_completion_tokens"], "max_tokens" in theirs) == (9, False)
    assert (others["max_tokens"], "max_completion_tokens" in others) == (9, False)


def test_fields_of_one_provider_stand_over_ours_and_join_what_is_a_group() -> None:
    extra = {"options": {"num_ctx": 16384}, "keep_alive": "5m", "stream": True}
    body = ask(Request(HISTORY[:1], max_tokens=9), target("ollama", extra=extra)).body
    assert (body["options"], body["keep_alive"]) == ({"num_predict": 9, "num_ctx": 16384}, "5m")


def test_a_target_shows_no_secret() -> None:
    one = Target("https://me:pass@gw.example/v1", model="m", api_key="sk-1", headers={"X-Key": "sk-2"})
    for shown in (repr(one), str(one), f"{one}"):
        assert not any(secret in shown for secret in ("sk-1", "sk-2", "pass"))
        assert "gw.example" in shown
    with pytest.raises(ConfigError) as caught:
        Target("ftp://me:pass@gw.example", wire="soap", api_key=b"sk-1", headers=["sk-2"])  # type: ignore[arg-type]
    assert [problem.partition(":")[0] for problem in caught.value.problems] == ["url", "wire", "api_key", "headers"]
    assert not any(secret in str(caught.value) for secret in ("sk-1", "sk-2", "pass"))
    for key in ("sk-1…", "sk-1\n"):
        with pytest.raises(ConfigError, match="api_key: 'str', allowed: a text in plain ASCII") as caught:
            Target("https://gw.example", api_key=key)
        assert "sk-1" not in str(caught.value)


def test_a_request_that_is_wrong_is_named_without_its_words() -> None:
    with pytest.raises(ConfigError) as caught:
        Request(
            [
                {"role": "robot", "content": "secret"},
                {"role": "user", "content": [{"type": "image"}]},
                {"role": "tool", "content": "secret"},
                {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "x", "arguments": "{secret"}}]},
            ],
            max_tokens=0,
            temperature=3,
            tools=["secret"],  # type: ignore[list-item]
        )
    names = [problem.partition(":")[0] for problem in caught.value.problems]
    assert names == [*(f"messages[{n}]" for n in range(4)), "max_tokens", "temperature", "tools"]
    assert "secret" not in str(caught.value)
    with pytest.raises(ConfigError, match="messages: 'str', allowed: a list of at least one message"):
        Request("Hello?")  # type: ignore[arg-type]


QUESTION: list[Any] = [{"role": "user", "content": "Hello?"}]


def chat(client: openai.OpenAI, **more: Any) -> Any:
    return client.chat.completions.create(model="m", messages=QUESTION, stream=True, **more)


def responses(client: openai.OpenAI, **more: Any) -> Any:
    return client.responses.create(model="m", input="Hello?", stream=True, **more)


def messages(client: anthropic.Anthropic, **more: Any) -> Any:
    return client.messages.create(**{"model": "m", "max_tokens": 9, "messages": QUESTION, "stream": True, **more})


def sent(wire: str, how: Callable[..., Any], **more: Any) -> dict[str, Any]:
    """What the official client sends."""
    with FaultServer("Hi") as server, httpx2.Client(verify=False) as http_client:
        if wire == "anthropic":
            client: Any = anthropic.Anthropic(base_url=server.url, api_key="any", http_client=http_client)
        else:
            client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="any", http_client=http_client)
        how(client, **more).close()
        return server.asked[0].json


def test_what_the_official_clients_send_can_be_asked_of_others() -> None:
    plain = Request([{"role": "user", "content": "Hello?"}])
    tool = {"name": "look", "description": "Looks", "parameters": SCHEMA}
    tools = (Tool("look", SCHEMA, "Looks"),)
    asked = sent("openai-chat", chat, seed=3, user="u", tools=[{"type": "function", "function": tool}], n=1)
    assert read("openai-chat", asked) == plain._replace(tools=list(tools))
    asked = sent("openai-responses", responses, instructions="Be brief.", max_output_tokens=9, reasoning={})
    assert read("openai-responses", asked) == plain._replace(system="Be brief.", max_tokens=9, tools=[])
    block = {"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}
    asked = sent("anthropic", messages, system=[block], tools=[{"name": "look", "input_schema": SCHEMA}])
    assert read("anthropic", asked) == plain._replace(max_tokens=9, system="Be brief.", tools=[Tool("look", SCHEMA)])


IMAGE = {"type": "image_url", "image_url": {"url": "data:,"}}


@pytest.mark.parametrize(
    ("wire", "body"),
    [
        ("openai-chat", {"n": 2}),
        ("openai-chat", {"logprobs": True}),
        ("openai-chat", {"tool_choice": "required"}),
        ("openai-chat", {"response_format": {"type": "json_object"}}),
        ("openai-chat", {"tools": [{"type": "custom", "custom": {"name": "x"}}]}),
        ("openai-chat", {"stop": ["END"]}),
        ("openai-chat", {"messages": [{"role": "user", "content": [IMAGE]}]}),
        ("openai-chat", {"messages": "none"}),
        ("openai-chat", {"what_is_new": True}),
        ("openai-responses", {"input": "x", "previous_response_id": "r"}),
        ("openai-responses", {"input": [{"type": "web_search_call"}]}),
        ("openai-responses", {"input": "x", "tools": [{"type": "web_search"}]}),
        ("openai-responses", {"messages": QUESTION}),
        ("anthropic", {"messages": [{"role": "user", "content": [{"type": "image"}]}], "max_tokens": 9}),
        ("anthropic", {"max_tokens": 9, "tools": [{"type": "web_search_20250305", "name": "web_search"}]}),
        ("anthropic", {"max_tokens": 9, "stop_sequences": ["END"]}),
        ("ollama", {"messages": [{"role": "user", "content": "x", "images": ["eA=="]}]}),
        ("ollama", {"format": "json"}),
        ("ollama", {"messages": [{"role": "tool", "content": "of no call"}]}),
    ],
)
def test_what_others_cannot_be_told_is_no_neutral_request(wire: Any, body: dict[str, Any]) -> None:
    asked = {"model": "m", "stream": True, **body}
    if wire != "openai-responses":
        asked.setdefault("messages", QUESTION)
    assert read(wire, asked) is None


@pytest.mark.parametrize("wire", WIRES)
def test_whatever_a_body_is_reading_it_raises_nothing(wire: Any) -> None:
    for body in ({}, {"messages": None}, {"input": 3}, {"messages": [None]}, {"messages": [[]], "max_tokens": "x"}):
        assert read(wire, body) is None


def test_thoughts_stay_with_their_own_provider() -> None:
    thought = {"type": "thinking", "thinking": "Hm.", "signature": "x"}
    said = [*QUESTION, {"role": "assistant", "content": [thought, {"type": "text", "text": "There."}]}]
    request = read("anthropic", {"max_tokens": 9, "messages": said})
    assert request is not None
    assert request.messages[-1] == {"role": "assistant", "content": "There."}
    items = [{"role": "user", "content": "x"}, {"type": "reasoning", "id": "r", "summary": []}]
    request = read("openai-responses", {"input": items})
    assert request is not None
    assert len(request.messages) == 1
