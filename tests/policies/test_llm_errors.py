"""The real clients of openai and anthropic against a provider that fails: what that says, and what is tried again."""

from __future__ import annotations

import asyncio
import functools
import importlib
from typing import TYPE_CHECKING, Any

import pytest

from guardrails.errors import CircuitOpen
from guardrails.middleware.httpx import guarded_transport
from guardrails.policies import (
    FAILURE,
    IGNORED,
    SUCCESS,
    Backoff,
    Guard,
    Outcome,
    Retry,
    outcome_of,
    throttled,
    transient,
)
from tests.policies.provider import COMPLETION, Provider, provider
from tests.support import need

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="module")
def server() -> Iterator[Provider]:
    with provider() as found:
        yield found


@pytest.fixture(params=["openai", "anthropic"])
def wire(request: pytest.FixtureRequest) -> str:
    return need(request.param, f"what {request.param}'s client raises").rpartition("/")[2]


KINDS = {"openai": "OpenAI", "anthropic": "Anthropic"}


def client_of(wire: str, server: Provider, prefix: str = "", **said: Any) -> tuple[Any, Callable[..., Any]]:
    """A real client, and its function that asks a model."""
    base = server.url if wire == "anthropic" else f"{server.url}/v1"
    options = {"api_key": "none", "base_url": base, "max_retries": 0, "timeout": 5, **said}
    client = getattr(importlib.import_module(wire), prefix + KINDS[wire])(**options)
    create = client.messages.create if wire == "anthropic" else client.chat.completions.create
    return client, functools.partial(create, max_tokens=9, messages=[{"role": "user", "content": "Is it?"}])


@pytest.fixture(params=["sync", "async"])
def asking(request: pytest.FixtureRequest, wire: str, server: Provider) -> Callable[..., Callable[..., Any]]:
    """Makes a function of the real client, plain or a coroutine function, that asks the model of a name."""

    def make(**said: Any) -> Callable[..., Any]:
        def ask(model: str) -> Any:
            client, create = client_of(wire, server, **said)
            with client:
                return create(model=model)

        async def aask(model: str) -> Any:
            client, create = client_of(wire, server, "Async", **said)
            async with client:
                return await create(model=model)

        return ask if request.param == "sync" else aask

    return make


def met(function: Callable[..., Any], *args: Any) -> Any:
    """What a call came to: its value or its error."""
    try:
        return asyncio.run(function(*args)) if asyncio.iscoroutinefunction(function) else function(*args)
    except Exception as exc:
        return exc


@pytest.mark.parametrize(
    ("model", "expected", "again"),
    [
        ("200", None, False),
        ("400 code=content_filter", IGNORED, False),
        ("400 code=invalid_request_error", IGNORED, False),
        ("401", IGNORED, False),
        ("403", IGNORED, False),
        ("404", IGNORED, False),
        ("408", FAILURE, True),
        ("413", IGNORED, False),
        ("429", throttled(None), True),
        ("429 retry-after=7", throttled(7.0), True),
        ("429 retry-after-ms=1500 retry-after=2", throttled(1.5), True),
        ("429 retry-after=7 x-should-retry=false", throttled(7.0), False),
        ("429 code=insufficient_quota", IGNORED, False),
        ("429 code=insufficient_quota retry-after=7", IGNORED, False),
        ("429 code=rate_limit_error retry-after=7", throttled(7.0), True),
        ("500", FAILURE, True),
        ("501", IGNORED, False),
        ("503", FAILURE, True),
        ("503 retry-after=7", throttled(7.0), True),
        ("529 code=overloaded_error", FAILURE, True),
        ("529 code=overloaded_error retry-after=7", throttled(7.0), True),
        ("drop", FAILURE, True),
    ],
)
def test_what_the_provider_does_is_told_apart(
    asking: Callable[..., Callable[..., Any]], model: str, expected: Outcome | None, again: bool
) -> None:
    what = met(asking(), model)
    assert isinstance(what, Exception) == (model != "200")
    assert (outcome_of(what), transient(what)) == (expected, again)


def test_no_answer_in_time_is_a_failure(asking: Callable[..., Callable[..., Any]], wire: str) -> None:
    what = met(asking(timeout=0.05), "silent")
    assert type(what).__name__ == "APITimeoutError"
    assert (outcome_of(what), transient(what)) == (FAILURE, True)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("stream", FAILURE),
        ("stream code=overloaded_error", throttled(None)),
        ("stream code=rate_limit_exceeded", throttled(None)),
        ("stream code=insufficient_quota", IGNORED),
        ("stream code=invalid_request_error", IGNORED),
    ],
)
def test_an_error_in_the_middle_of_a_stream_is_told_apart_by_its_code(
    wire: str, server: Provider, model: str, expected: Outcome
) -> None:
    guard = Guard.for_llm("llm")
    seen: list[Any] = []

    @guard
    def tokens() -> Iterator[Any]:
        client, create = client_of(wire, server)
        with client:
            yield from create(model=model, stream=True)

    before = len(server.asked)
    what = met(lambda: seen.extend(tokens()))
    assert outcome_of(what) == expected
    assert (len(seen), len(server.asked) - before) == (1, 1)
    assert guard.snapshot().circuit.failed == (expected != IGNORED)


def test_an_answer_that_nobody_can_read_is_a_failure_and_not_asked_for_again(wire: str) -> None:
    library = importlib.import_module(wire)
    httpx2 = importlib.import_module("httpx2")
    response = httpx2.Response(200, request=httpx2.Request("POST", "http://a"))
    error = library.APIResponseValidationError(response=response, body=None)
    assert (outcome_of(error), transient(error)) == (FAILURE, False)


def test_an_answer_that_was_cut_is_an_answer() -> None:
    library = importlib.import_module(need("openai", "what openai's client raises").rpartition("/")[2])
    completion = library.types.chat.ChatCompletion.model_validate(COMPLETION["openai"])
    errors = [
        library.LengthFinishReasonError(completion=completion),
        library.ContentFilterFinishReasonError(),
    ]
    assert [outcome_of(error) for error in errors] == [SUCCESS, SUCCESS]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, throttled(None)),
        ({"litellm_response_headers": {"Retry-After": "7"}, "response": {}}, throttled(7.0)),
        ({"body": {"code": "insufficient_quota"}, "code": "429", "type": "throttling_error"}, IGNORED),
        ({"category": "litellm_rate_limit"}, IGNORED),
    ],
)
def test_errors_of_the_shape_of_litellms_are_told_apart(said: dict[str, Any], expected: Outcome) -> None:
    class RateLimitError(Exception):
        __module__ = "litellm.exceptions"
        status_code = 429

    error = RateLimitError("litellm.RateLimitError: no")
    vars(error).update(said)
    assert outcome_of(error) == expected


def test_a_client_that_is_not_set_up_says_nothing_about_the_provider(
    wire: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = importlib.import_module(wire)
    assert outcome_of(getattr(library, f"{KINDS[wire]}Error")("no key")) == IGNORED


def test_a_full_pool_of_the_clients_own_is_not_the_providers_fault(wire: str, server: Provider) -> None:
    httpx2 = importlib.import_module("httpx2")
    with httpx2.Client(limits=httpx2.Limits(max_connections=1), timeout=httpx2.Timeout(5, pool=0.01)) as pool:
        _, create = client_of(wire, server, http_client=pool, timeout=httpx2.Timeout(5, pool=0.01))
        with pool.stream("POST", f"{server.url}/v1/chat/completions", json={"model": "stream"}):
            what = met(lambda: create(model="200"))
    assert type(what).__name__ == "APITimeoutError"
    assert outcome_of(what) == IGNORED


def test_what_a_guard_in_the_clients_transport_refuses_is_not_the_providers_fault(wire: str, server: Provider) -> None:
    httpx2 = importlib.import_module("httpx2")
    inner = Guard("inner")
    transport = guarded_transport(lambda request: inner, httpx2.HTTPTransport())
    inner.isolate("maintenance")
    with httpx2.Client(transport=transport) as http:
        _, create = client_of(wire, server, http_client=http)
        outer = Guard.for_llm("outer")
        what = met(outer(lambda: create(model="200")))
    assert isinstance(what, Exception)
    assert outer.snapshot().circuit.calls == 0


QUICK = Retry(transient, attempts=3, backoff=Backoff(base=0))


@pytest.mark.parametrize(
    ("model", "calls"),
    [
        ("200", 1),
        ("400", 1),
        ("401", 1),
        ("429 code=insufficient_quota", 1),
        ("429 retry-after=31", 1),
        ("429 retry-after-ms=1", 3),
        ("500", 3),
        ("529", 3),
        ("drop", 3),
    ],
)
def test_what_may_pass_is_tried_again_and_nothing_else(
    asking: Callable[..., Callable[..., Any]], server: Provider, model: str, calls: int
) -> None:
    preset = Guard.for_llm("llm")._settings.retry
    assert preset is not None
    # Quicker than the preset; the rest of it is what is tried.
    guard = Guard.for_llm("llm", retry=preset._replace(backoff=preset.backoff._replace(base=0.0)))
    before = len(server.asked)
    what = met(guard(asking()), model)
    assert isinstance(what, Exception) == (model != "200")
    assert len(server.asked) - before == calls


def test_two_owners_multiply_and_one_does_not(asking: Callable[..., Callable[..., Any]], server: Provider) -> None:
    calls = []
    for clients_own in (2, 0):
        before = len(server.asked)
        met(Guard.for_llm("llm", retry=QUICK)(asking(max_retries=clients_own)), "500 retry-after-ms=1")
        calls.append(len(server.asked) - before)
    assert calls == [9, 3]


def test_an_outage_opens_the_circuit_and_an_empty_account_does_not(
    asking: Callable[..., Callable[..., Any]], server: Provider
) -> None:
    for model, expected in (("500", CircuitOpen), ("429 code=insufficient_quota", Exception)):
        guard = Guard.for_llm("llm", retry=None)
        ask = guard(asking())
        for _ in range(5):
            met(ask, model)
        assert guard.state == ("open" if expected is CircuitOpen else "closed")
        assert isinstance(met(ask, model), expected)
