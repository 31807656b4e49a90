"""Presets: choices that go together, each explained, each replaceable; and what users say about a status."""

from __future__ import annotations

import contextlib
import inspect
import re
import socket
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from guardrails.errors import AttemptTimeout, ConfigError
from guardrails.middleware.httpx import guarded_transport
from guardrails.policies import (
    FAILURE,
    IGNORED,
    SUCCESS,
    Backoff,
    Breaker,
    Budget,
    Bulkhead,
    Dependency,
    Guard,
    Outcome,
    Retry,
    by_status,
    outcome_of,
    throttled,
    transient,
    untouched,
)
from guardrails.testing import VirtualClock
from tests.faulty_server import Server, faulty_server
from tests.servers import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PRESETS: dict[str, Callable[..., Guard]] = {
    "for_llm": Guard.for_llm,
    "for_http": Guard.for_http,
    "for_memory": Guard.for_memory,
    "for_sql": Guard.for_sql,
}
ALL = pytest.mark.parametrize("make", PRESETS.values(), ids=PRESETS)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with faulty_server() as found:
        yield found


@ALL
def test_every_choice_is_explained(make: Callable[..., Guard]) -> None:
    text = inspect.getdoc(make) or ""
    settings = make("x")._settings
    named = ("timeout", "attempt_timeout", "retry", "budget", "breaker", "bulkhead", "classify")
    assert [name for name in named if f"`{name}`" not in text] == []
    for name in ("timeout", "attempt_timeout"):
        seconds = getattr(settings, name)
        assert seconds is None or re.search(rf"`{name}`: {seconds:g} s\b", text), name
    assert settings.retry is None or f"{settings.retry.attempts} attempts `on={settings.retry.on.__name__}`" in text  # type: ignore[union-attr]
    longest = (
        settings.retry and isinstance(settings.retry.backoff, Backoff) and settings.retry.backoff.longest_retry_after
    )
    assert not longest or re.search(rf"Retry-After\s+of\s+more than {longest:g} s", text)


@ALL
def test_every_choice_can_be_replaced(make: Callable[..., Guard]) -> None:
    said: dict[str, Any] = {
        "timeout": 900,
        "attempt_timeout": 700,
        "retry": Retry(OSError),
        "budget": Budget(0.5),
        "breaker": Breaker(permit_expiry=800, max_half_open=900),
        "bulkhead": Bulkhead(3),
        "classify": transient,
        "ignore": KeyError,
        "clock": VirtualClock(),
        "most_keys": 5,
    }
    guard = make("x", **said)
    settings = guard._settings
    assert {name: getattr(settings, name) for name in said if name not in ("ignore", "clock", "most_keys")} == {
        name: value for name, value in said.items() if name not in ("ignore", "clock", "most_keys")
    }
    assert (settings.ignore, guard._clock, guard._keyed.most) == ((KeyError,), said["clock"], 5)


@ALL
def test_one_number_can_be_replaced_without_the_others_in_its_way(make: Callable[..., Guard]) -> None:
    assert make("x", timeout=0.5)._settings.attempt_timeout is None
    long = make("x", timeout=4000, attempt_timeout=4000)._settings
    assert long.breaker is not None
    assert (long.breaker.permit_expiry, long.attempt_timeout) == (4000, 4000)
    assert make("x", retry=None)._settings.retry is None
    with pytest.raises(ConfigError, match="timeout: 'long'"):
        make("x", timeout="long")


def test_a_memory_tries_reads_again_and_writes_only_where_nothing_has_happened() -> None:
    memory = Dependency.for_memory("zep", attempt_timeout=1)
    sides = [side.guard._settings for side in (memory.read, memory.write)]
    assert [side.retry and side.retry.on for side in sides] == [transient, untouched]
    assert [(side.attempt_timeout, side.timeout) for side in sides] == [(1, 5), (1, 5)]
    said = Dependency.for_memory("zep", retry=Retry(OSError))
    assert [side.guard._settings.retry for side in (said.read, said.write)] == [Retry(OSError)] * 2


def test_a_database_tries_nothing_again() -> None:
    database = Dependency.for_sql("orders")
    assert [side.guard._settings.retry for side in (database.read, database.write)] == [None, None]
    assert database.read.guard._settings == Guard.for_sql("orders")._settings


# What is tried again, with httpx and a real server.


def asked(server: Server, guard: Guard, path: str, url: str = "") -> int:
    """How often the server was asked for `path`."""
    before = server.paths.count(path)

    @guard
    def post() -> httpx.Response:
        return httpx.post((url or server.url) + path, timeout=0.2)

    with contextlib.suppress(httpx.TransportError):
        post()
    return server.paths.count(path) - before


@pytest.mark.parametrize(
    ("path", "safe", "twice"),
    [
        ("/status/200", 1, 1),
        ("/status/404", 1, 1),
        ("/status/429", 3, 3),
        ("/status/429?retry-after=9", 1, 1),
        ("/status/500", 1, 3),
        ("/status/503?retry-after=0.01", 3, 3),
        ("/hang-up", 1, 3),
        ("/never", 1, 3),
    ],
)
def test_without_a_word_only_what_the_service_has_not_begun_is_tried_again(
    server: Server, path: str, safe: int, twice: int
) -> None:
    backoff = Backoff(base=0, longest_retry_after=5)
    quick = [Retry(on, attempts=3, backoff=backoff) for on in (untouched, transient)]
    preset = Guard.for_http("x")._settings.retry
    assert preset is not None
    assert preset._replace(backoff=backoff) == quick[0]
    assert [asked(server, Guard.for_http("x", retry=retry), path) for retry in quick] == [safe, twice]


def test_a_connection_that_was_refused_is_tried_again() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    attempts: list[int] = []
    guard = Guard.for_http("x", retry=Retry(untouched, backoff=Backoff(base=0)))

    @guard
    def post() -> None:
        attempts.append(1)
        httpx.post(url)

    with pytest.raises(httpx.ConnectError):
        post()
    assert len(attempts) == 3


def test_the_preset_guards_a_transport_too(server: Server) -> None:
    guard = Guard.for_http("x", retry=Retry(transient, backoff=Backoff(base=0)))
    with httpx.Client(transport=guarded_transport(guard)) as client:
        before = len(server.asked)
        statuses = [client.request(method, f"{server.url}/status/500").status_code for method in ("GET", "POST")]
    assert (statuses, len(server.asked) - before) == ([500, 500], 3 + 1)


@pytest.mark.parametrize(
    ("error", "again", "safe"),
    [
        (ConnectionRefusedError(), True, True),
        (ConnectionResetError(), True, False),
        (TimeoutError(), True, False),
        (AttemptTimeout("x", 1.0, 1), True, False),
        (socket.gaierror(), True, True),
        (OSError(), False, False),
        (ValueError(), False, False),
        (httpx.ConnectTimeout(""), True, True),
        (httpx.ReadTimeout(""), True, False),
        (httpx.PoolTimeout(""), False, False),
    ],
    ids=repr,
)
def test_what_may_pass_and_what_has_not_begun(error: Exception, again: bool, safe: bool) -> None:
    assert (transient(error), untouched(error)) == (again, safe)


def test_an_error_that_was_raised_from_a_refused_connection_has_not_begun_and_one_beside_it_has() -> None:
    class OwnError(Exception):
        pass

    raised: list[Exception] = []
    for explicit in (True, False):
        try:
            try:
                raise ConnectionRefusedError  # noqa: TRY301 - the case
            except ConnectionRefusedError as exc:
                if explicit:
                    raise OwnError from exc
                raise OwnError  # noqa: B904 - the case
        except OwnError as exc:
            raised.append(exc)
    assert [untouched(error) for error in raised] == [True, False]


# What users say themselves.


def test_a_status_may_be_an_answer(server: Server) -> None:
    guard = Guard.for_memory("zep", classify=by_status({404: SUCCESS}))

    @guard
    def facts(path: str) -> list[str]:
        httpx.get(server.url + path).raise_for_status()
        return []

    for path in ("/status/500", "/status/500", "/status/404", "/status/400"):
        with pytest.raises(httpx.HTTPStatusError):
            facts(path)
    snapshot = guard.snapshot().circuit
    assert (snapshot.calls, snapshot.failed) == (3, 2)


def test_a_status_is_judged_in_answers_and_in_errors_and_everything_else_as_before() -> None:
    classify = by_status({404: SUCCESS, 409: FAILURE, 503: throttled(3)})
    request = httpx.Request("GET", "http://a")
    for status, expected in ((404, SUCCESS), (409, FAILURE), (503, throttled(3)), (400, IGNORED), (500, FAILURE)):
        response = httpx.Response(status, request=request)
        assert classify(response) == classify(httpx.HTTPStatusError("", request=request, response=response)) == expected
    assert (classify(ValueError()), classify("text")) == (None, None)
    assert by_status({404: SUCCESS}, otherwise=lambda what: IGNORED)(ValueError()) == IGNORED


def test_wrong_statuses_are_told_at_once() -> None:
    wrong: Any = {4040: SUCCESS, "404": SUCCESS, 404: "success"}
    with pytest.raises(ConfigError) as caught:
        by_status(wrong)
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"status_code": 404}, IGNORED),
        ({"status_code": 500, "headers": {}}, FAILURE),
        ({"status_code": 429, "headers": {"Retry-After": "7"}}, throttled(7.0)),
        ({"status_code": 429, "headers": None}, throttled(None)),
        ({"status_code": "429"}, None),
        ({"response": SimpleNamespace(status_code=429, headers={"retry-after": "8"})}, throttled(8.0)),
        ({"response": None, "status_code": 503}, FAILURE),
        ({"outcome": IGNORED}, IGNORED),
    ],
)
def test_errors_of_generated_clients_carry_a_status_of_their_own(
    said: dict[str, Any], expected: Outcome | None
) -> None:
    class ApiError(Exception):
        pass

    error = ApiError()
    vars(error).update(said)
    assert outcome_of(error) == expected
