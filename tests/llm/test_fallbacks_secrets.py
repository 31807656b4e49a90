"""What one provider is told, another never hears: keys, cookies, names of organizations; nor do clients follow it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from guardrails.llm import healing_client
from guardrails.testing.faults import Fault, FaultServer
from tests.llm.speakers import TEXT, WIRES, Model
from tests.llm.test_fallbacks import NAMES, ONE_EACH, WAYS, target, told_to

if TYPE_CHECKING:
    from guardrails.testing.faults import Asked

OURS = "first-secret"
EXTRA = {
    "x-gateway-key": OURS,
    "cookie": f"session={OURS}",
    "openai-organization": OURS,
    "proxy-authorization": f"Basic {OURS}",
}


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("guardrails.clock.SystemClock.chance", lambda clock: 0.0)


def everything(asked: Asked) -> str:
    return f"{asked.path} {asked.headers} {asked.body!r}"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("fault", [Fault.h529(), Fault.cut(at=0.5)])
@pytest.mark.parametrize("there", [*WIRES, "ollama"])
@pytest.mark.parametrize("wire", WIRES)
def test_no_header_of_the_first_provider_goes_to_another(wire: str, there: str, fault: Fault, way: str) -> None:
    with FaultServer(Model(), fault=fault) as own, FaultServer(Model()) as other:
        fallback = target(other, there, headers={"x-theirs": "known-there"})
        told = told_to(way, wire, own.url, [fallback], extra_headers={**EXTRA, "authorization": f"Bearer {OURS}"})
        assert told.text == TEXT
        (first,), (second,) = own.asked, other.asked
    assert OURS in everything(first)
    assert OURS not in everything(second)
    assert "their-key" not in everything(first)
    assert "their-key" in everything(second)
    assert second.headers["x-theirs"] == "known-there"
    assert second.headers["host"] == other.url.removeprefix("http://")


def test_each_fallback_has_its_own_key_and_address() -> None:
    with (
        FaultServer(fault=Fault.h529()) as own,
        FaultServer(fault=Fault.h529()) as second,
        FaultServer(Model()) as third,
    ):
        chosen = [target(second, api_key="key-two"), target(third, "anthropic", api_key="key-three")]
        assert told_to("sync", "chat", own.url, chosen, ONE_EACH._replace(attempts=3)).text == TEXT
        assert second.asked[0].headers["authorization"] == "Bearer key-two"
        assert third.asked[0].headers["x-api-key"] == "key-three"
        assert ["key-two" in everything(server.asked[0]) for server in (own, third)] == [False, False]


@pytest.mark.parametrize("way", WAYS)
def test_a_fallback_that_sends_the_client_elsewhere_is_not_followed(way: str) -> None:
    """A client would go there with the key of its own provider, in a header that redirects do not strip."""
    with (
        FaultServer(fault=Fault.h529()) as own,
        FaultServer(fault=Fault.status(307)) as second,
        FaultServer(Model()) as third,
    ):
        chosen = [target(second, "anthropic"), target(third, "anthropic")]
        assert told_to(way, "anthropic", own.url, chosen, ONE_EACH._replace(attempts=3)).text == TEXT
        assert len(second.asked) == 1


def test_a_cookie_of_a_fallback_does_not_go_to_the_own_provider() -> None:
    class Baking(httpx2.BaseTransport):
        def __init__(self) -> None:
            self.inner = httpx2.HTTPTransport()

        def handle_request(self, request: Any) -> Any:
            response = self.inner.handle_request(request)
            response.headers["set-cookie"] = f"from={request.url.port}"
            return response

        def close(self) -> None:
            self.inner.close()

    from guardrails.llm import healing

    said = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "Hello?"}]}
    with (
        FaultServer(fault=Fault.hang_up()) as own,
        FaultServer(Model()) as other,
        httpx2.Client(transport=healing(Baking(), ONE_EACH, [target(other)])) as client,
    ):
        assert client.post(f"{own.url}/v1/chat/completions", json=said).status_code == 200
        assert dict(client.cookies) == {}


def test_a_target_is_asked_with_what_its_wire_wants() -> None:
    for wire in WIRES:
        with FaultServer(fault=Fault.h529()) as own, FaultServer(Model()) as other:
            fallback = target(other, wire, extra={"temperature": 0.5})
            assert told_to("sync", wire, own.url, [fallback]).text == TEXT
            (sent,) = other.asked
        assert (sent.json["temperature"], sent.wire) == (0.5, NAMES[wire])
        assert ("anthropic-version" in sent.headers) == (wire == "anthropic")
        assert sent.headers["accept-encoding"] == "identity"
        assert sent.headers["user-agent"]


def test_an_address_with_a_path_is_asked_there() -> None:
    with FaultServer(fault=Fault.h529()) as own, FaultServer(Model()) as other:
        client = healing_client(httpx2.Client, ONE_EACH, [target(other)._replace(url=f"{other.url}/gateway/v1")])
        with client:
            said = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "Hello?"}]}
            assert client.post(f"{own.url}/v1/chat/completions?api-version=7", json=said).status_code == 200
        assert other.asked[0].path == "/gateway/v1/chat/completions"


def test_the_name_that_a_certificate_must_have_is_that_of_each_provider() -> None:
    names: list[Any] = []

    class Watched(httpx2.HTTPTransport):
        def handle_request(self, request: Any) -> Any:
            names.append(request.extensions.get("sni_hostname"))
            return super().handle_request(request)

    from guardrails.llm import healing

    said = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "Hello?"}]}
    with (
        FaultServer(fault=Fault.h529()) as own,
        FaultServer(Model()) as other,
        httpx2.Client(transport=healing(Watched(), ONE_EACH, [target(other)])) as client,
    ):
        client.post(f"{own.url}/v1/chat/completions", json=said, extensions={"sni_hostname": "own.test"})
    assert names == ["own.test", None]
