"""Answers cut at any byte, and taken up with any echo, on every wire: no character is lost, and none comes twice."""

from __future__ import annotations

import json
import random
from collections import Counter
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from guardrails.core.completeness import STRICT, decode
from guardrails.core.completeness_wires import ANSWERS, PARSERS
from guardrails.errors import StreamFault
from guardrails.llm import Capability, StreamPolicy, healing
from guardrails.llm.policy import CONTINUE
from guardrails.policies import Budget
from guardrails.testing import fault_wires
from guardrails.testing.fault_wires import PATHS, Reply

if TYPE_CHECKING:
    from collections.abc import Iterator

    from guardrails.core.completeness_wires import Wire

POLICY = StreamPolicy(budget=Budget(1.0, floor=1000))
WORDS = ["stream", "answer", "provider", "window", "budget", "a", "token", "request", "the", "client", "is", "break"]


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits before a third attempt are drawn from nothing to half a second: draw nothing."""
    monkeypatch.setattr("guardrails.clock.SystemClock.chance", lambda clock: 0.0)


class Provider(httpx2.BaseTransport):
    """Says `text`, and stops at any byte of the first answer; asked for the rest, it first repeats `echo` characters.

    In memory: of ten thousand cuts the sockets would take minutes, and how bytes are cut into chunks is up to us here.
    """

    def __init__(self, wire: Wire, chance: random.Random) -> None:
        self.wire = wire
        self.chance = chance
        self.text = " ".join(chance.choices(WORDS, k=chance.randint(2, 90))) + chance.choice(
            ["", " é", " 😀👩‍👩‍👧", "\n"]
        )
        self.echo = chance.randint(0, 200)
        self.size = chance.randint(1, 400)
        self.piece = chance.randint(1, 12)
        self.asked = 0

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        asked = json.loads(request.read())
        turns = asked.get("messages") or asked["input"]
        turns = turns if isinstance(turns, list) else [{"role": "user", "content": turns}]
        said = next((turn["content"] for turn in turns if turn["role"] == "assistant"), "")
        assert self.text.startswith(said)
        tail = turns[-1]["content"].removeprefix(CONTINUE.partition("{tail}")[0])
        # Words that it was told to repeat, or those that it repeats by itself.
        echo = len(tail) if said and turns[-1]["role"] == "user" else min(self.echo, len(said))
        body = b"".join(fault_wires.streamed(self.wire, Reply(self.text[len(said) - echo :], piece=self.piece), asked))
        self.asked += 1
        body = body[: self.chance.randrange(len(body))] if self.asked == 1 else body
        chunks = [body[at : at + self.size] for at in range(0, len(body), self.size)]
        kind = "application/x-ndjson" if self.wire == "ollama" else "text/event-stream"
        return httpx2.Response(200, headers={"content-type": kind}, stream=Chunks(chunks))


class Chunks(httpx2.SyncByteStream):
    def __init__(self, chunks: list[bytes]) -> None:
        self.chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.chunks)


def told(provider: Provider, how: Any) -> tuple[str, StreamFault | None]:
    """The text in what a client gets, and the error."""
    path = next(path for path, wire in PATHS.items() if wire == provider.wire)
    body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "Hello?"}], "input": "Hello?"}
    body.pop("messages" if provider.wire == "openai-responses" else "input")
    parser, answer = PARSERS[provider.wire](), ANSWERS[provider.wire](STRICT)
    error: StreamFault | None = None
    rows = [Capability(how)]
    with (
        httpx2.Client(transport=healing(provider, POLICY, capabilities=rows)) as client,
        client.stream("POST", f"http://model.test/v1{path}", json=body) as response,
    ):
        try:
            for chunk in response.iter_raw():
                for event in parser.feed(chunk):
                    answer.take(event.name, decode(event.data, json.loads))
        except StreamFault as exc:
            error = exc
    for event in parser.finish():
        answer.take(event.name, decode(event.data, json.loads))
    assert answer.notes == []
    assert error is not None or answer.state in ("complete", "unterminated")
    return answer.text, error


def fuzzed(cuts: int) -> Counter[str]:
    """How so many cuts ended; each ends with the whole text, or with an error and a beginning of it."""
    chance = random.Random(cuts)
    ends: Counter[str] = Counter()
    for number in range(cuts):
        wire = list(PATHS.values())[number % len(PATHS)]
        provider = Provider(wire, chance)
        text, error = told(provider, chance.choice(["prefill", "user_turn"]))
        if error is None:
            assert text == provider.text, number
        else:
            assert provider.text.startswith(text), number
            assert error.partial == text, number
        ends["whole" if provider.asked == 1 else "healed" if error is None else type(error).__name__] += 1
    return ends


def test_four_hundred_cuts_lose_and_double_nothing() -> None:
    ends = fuzzed(400)
    assert ends["healed"] > 0.9 * 400
    assert set(ends) <= {"whole", "healed", "SeamMismatch", "Truncated"}


@pytest.mark.long
def test_ten_thousand_cuts_lose_and_double_nothing() -> None:
    ends = fuzzed(10_000)
    assert sum(ends.values()) == 10_000
    assert ends["healed"] > 0.9 * 10_000
