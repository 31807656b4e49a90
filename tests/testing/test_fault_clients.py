"""What the official clients make of each fault today: the base against which healing is measured.

Each is as its documentation says, with two retries, and its read timeout short where silence is tested.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from guardrails.testing.faults import Fault, FaultServer, Reply, Tool
from tests.support import need

if TYPE_CHECKING:
    from collections.abc import Callable

TEXT = "Grüße aus Köln 😀, and a quick brown fox. " * 4
REPLY = Reply(TEXT, thinking="Let me see.", tools=[Tool("look", {"at": "Dom"})])
ASKED: list[Any] = [{"role": "user", "content": "Hello?"}]
FAST = 0.4


class Told(NamedTuple):
    """What a client told its user: the text, whether it named an end, and the error that was raised."""

    text: str
    ended: bool
    error: str

    @property
    def share(self) -> str:
        """`all` of the text, `part` of it, `none`, or `wrong`: what the model has not said."""
        if not TEXT.startswith(self.text):
            return "wrong"
        return "all" if self.text == TEXT else "part" if self.text else "none"

    @property
    def in_words(self) -> str:
        """How much of the text, `end` if an end was named, and the error if there was one."""
        return " ".join([self.share, *(["end"] if self.ended else []), *([self.error] if self.error else [])])


def chat_text(chunk: Any) -> tuple[str, bool]:
    choices = chunk.choices or []
    return "".join(c.delta.content or "" for c in choices), any(c.finish_reason for c in choices)


def responses_text(event: Any) -> tuple[str, bool]:
    return event.delta if event.type == "response.output_text.delta" else "", event.type == "response.completed"


def anthropic_text(event: Any) -> tuple[str, bool]:
    delta = getattr(event, "delta", None)
    return getattr(delta, "text", "") or "", event.type == "message_delta"


def ollama_text(chunk: Any) -> tuple[str, bool]:
    return chunk.message.content or "", bool(chunk.done)


def client(name: str, kind: str, url: str, read: float) -> Any:
    """A client of that package; `kind`: "" or "Async"."""
    need(name, "what its client makes of faults")
    if name == "openai":
        import httpx2
        import openai

        return getattr(openai, f"{kind}OpenAI")(
            base_url=f"{url}/v1", api_key="any", timeout=httpx2.Timeout(10, read=read)
        )
    if name == "anthropic":
        import anthropic
        import httpx2

        return getattr(anthropic, f"{kind}Anthropic")(
            base_url=url, api_key="any", timeout=httpx2.Timeout(10, read=read)
        )
    import httpx
    import ollama

    return getattr(ollama, f"{kind}Client")(host=url, timeout=httpx.Timeout(10, read=read))


def chat_asked(made: Any) -> Any:
    return made.chat.completions.create(model="m", messages=ASKED, stream=True)


def responses_asked(made: Any) -> Any:
    return made.responses.create(model="m", input="Hello?", stream=True)


def anthropic_asked(made: Any) -> Any:
    return made.messages.create(model="m", max_tokens=99, messages=ASKED, stream=True)


def ollama_asked(made: Any) -> Any:
    return made.chat(model="m", messages=ASKED, stream=True)


class Caller(NamedTuple):
    """How a user of a client asks, and reads what comes."""

    package: str
    ask: Callable[[Any], Any]
    read: Callable[[Any], tuple[str, bool]]


CALLERS = {
    "chat": Caller("openai", chat_asked, chat_text),
    "responses": Caller("openai", responses_asked, responses_text),
    "anthropic": Caller("anthropic", anthropic_asked, anthropic_text),
    "ollama": Caller("ollama", ollama_asked, ollama_text),
}


def told(caller: Caller, url: str, read: float = 10.0) -> Told:
    made = client(caller.package, "", url, read)
    text, ended = "", False
    try:
        for event in caller.ask(made):
            more, end = caller.read(event)
            text, ended = text + more, ended or end
    except Exception as exc:
        return Told(text, ended, type(exc).__name__)
    finally:
        getattr(made, "close", made)() if caller.package != "ollama" else made._client.close()
    return Told(text, ended, "")


async def atold(caller: Caller, url: str, read: float = 10.0) -> Told:
    made = client(caller.package, "Async", url, read)
    text, ended = "", False
    try:
        async for event in await caller.ask(made):
            more, end = caller.read(event)
            text, ended = text + more, ended or end
    except Exception as exc:
        return Told(text, ended, type(exc).__name__)
    finally:
        await (made.close() if caller.package != "ollama" else made._client.aclose())
    return Told(text, ended, "")


def both(name: str, server: FaultServer, read: float = 10.0) -> Told:
    """What the client told, called in both ways, which must not differ."""
    caller = CALLERS[name]
    blocking = told(caller, server.url, read)
    assert asyncio.run(atold(caller, server.url, read)) == blocking
    return blocking


@pytest.mark.parametrize("name", CALLERS)
def test_a_whole_answer_is_told_as_it_was_given(name: str) -> None:
    with FaultServer(REPLY) as server:
        assert both(name, server) == Told(TEXT, ended=True, error="")
        assert len(server.asked) == 2


# Fault; then what chat, responses, anthropic and ollama tell: how much, whether they name an end, and the error.
FACTS: dict[str, tuple[Fault, tuple[str, ...]]] = {
    # The answer is cut, and nobody says so.
    "cut between events": (Fault.cut(at_event=16), ("part", "part", "part", "part")),
    "cut in an event": (Fault.cut(at=0.3), ("part", "part", "part", "part JSONDecodeError")),
    "fin": (Fault.fin(at=0.3), ("part APIConnectionError",) * 2 + ("part RemoteProtocolError",) * 2),
    "rst": (Fault.rst(at=0.3), ("part APIConnectionError",) * 2 + ("part ReadError",) * 2),
    "error event": (Fault.error_event(at=0.3), ("part APIError", "part", "part APIStatusError", "part ResponseError")),
    "error data": (Fault.error_data(at=0.3), ("part APIError", "part APIError", "part", "part ResponseError")),
    "error, then [DONE]": (
        Fault.error_data(at=0.3, then_done=True),
        ("part APIError", "part APIError", "part", "part ResponseError"),
    ),
    "error first": (Fault.error_first(), ("none APIError", "none APIError", "none", "none ResponseError")),
    "garbage": (Fault.garbage(at=0.3), ("part UnicodeDecodeError",) * 3 + ("part JSONDecodeError",)),
    "duplicate": (Fault.duplicate(at_event=12), ("wrong end",) * 4),
    "wrong type": (Fault.wrong_type(), ("all end",) * 4),
    "slow": (Fault.slow(0.001, 512), ("all end",) * 4),
    "a page with status 200": (Fault.html(200), ("none", "none", "none", "none JSONDecodeError")),
}


@pytest.mark.parametrize("name", CALLERS)
@pytest.mark.parametrize("fault", FACTS)
def test_a_bare_client_tells_this(name: str, fault: str) -> None:
    with FaultServer(REPLY, fault=FACTS[fault][0]) as server:
        said = both(name, server)
        expected = FACTS[fault][1][list(CALLERS).index(name)]
        assert said.in_words == expected
        # Once the body has begun nothing is tried again.
        assert len(server.asked) == 2


SILENT: dict[str, tuple[Fault, tuple[str, ...]]] = {
    "stall": (Fault.stall(at=0.3), ("part APITimeoutError",) * 2 + ("part ReadTimeout",) * 2),
    # Keepalives pass for life until the server closes the connection.
    "ping stall": (
        Fault.ping_stall(every=FAST / 5, seconds=FAST * 1.5, at=0.3),
        ("part APIConnectionError",) * 2 + ("part RemoteProtocolError",) * 2,
    ),
    # The answer is whole, and most wait for the body to end all the same.
    "linger": (Fault.linger(), ("all end", "all end APITimeoutError", "all end ReadTimeout", "all end ReadTimeout")),
}


@pytest.mark.slow  # waits for the clients' read timeouts
@pytest.mark.parametrize("name", CALLERS)
@pytest.mark.parametrize("fault", SILENT)
def test_a_bare_client_tells_this_of_silence(name: str, fault: str) -> None:
    with FaultServer(REPLY, fault=SILENT[fault][0]) as server:
        said = both(name, server, FAST)
        expected = SILENT[fault][1][list(CALLERS).index(name)]
        assert said.in_words == expected


STATUSES = {
    429: ("RateLimitError", "RateLimitError", "RateLimitError", "ResponseError"),
    503: ("InternalServerError", "InternalServerError", "ServiceUnavailableError", "ResponseError"),
    529: ("InternalServerError", "InternalServerError", "OverloadedError", "ResponseError"),
}


@pytest.mark.parametrize("name", CALLERS)
@pytest.mark.parametrize("status", STATUSES)
def test_before_the_body_begins_a_bare_client_tries_three_times(name: str, status: int) -> None:
    with FaultServer(REPLY, fault=Fault.status(status, retry_after=0.001)) as server:
        assert both(name, server) == Told("", ended=False, error=STATUSES[status][list(CALLERS).index(name)])
        # In both ways of calling; ollama's client tries once.
        assert len(server.asked) == (2 if name == "ollama" else 6)


@pytest.mark.parametrize("name", ["chat", "responses", "anthropic"])
def test_a_second_try_that_is_answered_is_all_the_user_sees(name: str) -> None:
    with FaultServer(REPLY, plan=[Fault.h529(0.001), None, Fault.h529(0.001)]) as server:
        assert both(name, server) == Told(TEXT, ended=True, error="")


def test_helpers_that_gather_a_message_take_a_cut_one_for_whole() -> None:
    with FaultServer(TEXT, fault=Fault.cut(at=0.5)) as server:
        made = client("anthropic", "", server.url, 10.0)
        with made, made.messages.stream(model="m", max_tokens=99, messages=ASKED) as stream:
            message = stream.get_final_message()
        assert TEXT.startswith(message.content[0].text)
        assert message.stop_reason is None


def test_the_responses_helper_alone_complains_of_a_cut() -> None:
    with FaultServer(TEXT, fault=Fault.cut(at=0.5)) as server:
        made = client("openai", "", server.url, 10.0)
        complains = pytest.raises(RuntimeError, match=r"response\.completed")
        with made, made.responses.stream(model="m", input="Hello?") as stream, complains:
            stream.get_final_response()


@pytest.mark.parametrize("name", ["openai", "anthropic", "ollama"])
def test_without_stream_a_client_reads_what_the_model_said(name: str) -> None:
    with FaultServer(REPLY) as server:
        made = client(name, "", server.url, 10.0)
        if name == "openai":
            message = made.chat.completions.create(model="m", messages=ASKED).choices[0].message
            texts = [message.content, made.responses.create(model="m", input="Hello?").output_text]
            arguments: Any = json.loads(message.tool_calls[0].function.arguments)
            made.close()
        elif name == "anthropic":
            blocks = made.messages.create(model="m", max_tokens=99, messages=ASKED).content
            texts = ["".join(block.text for block in blocks if block.type == "text")]
            arguments = next(block.input for block in blocks if block.type == "tool_use")
            made.close()
        else:
            answer = made.chat(model="m", messages=ASKED).message
            texts, arguments = [answer.content], answer.tool_calls[0].function.arguments
            made._client.close()
    assert (set(texts), arguments) == ({TEXT}, {"at": "Dom"})
