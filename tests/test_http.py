"""What an answer says about a service, what goes out with a request, and that no library is loaded for another."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import httpx
import httpx2
import pytest

from guardrails.errors import ConfigError
from guardrails.http import outcome_of, retry_after
from guardrails.http.outgoing import OwnHosts
from guardrails.middleware.httpx import guarded_transport
from guardrails.policies import FAILURE, IGNORED, SUCCESS, Guard, throttled

BOTH = pytest.mark.parametrize("family", [httpx, httpx2], ids=["httpx", "httpx2"])
MONDAY = "Mon, 23 Nov 2026 10:00:00 GMT"
MONDAY_SECONDS = 1795428000.0


@BOTH
@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        (200, {}, SUCCESS),
        (204, {"Retry-After": "5"}, SUCCESS),
        (301, {}, SUCCESS),
        (400, {}, IGNORED),
        (404, {}, IGNORED),
        (408, {}, IGNORED),
        (429, {}, throttled(None)),
        (429, {"Retry-After": "7"}, throttled(7.0)),
        (500, {}, FAILURE),
        (500, {"Retry-After": "7"}, FAILURE),
        (501, {}, IGNORED),
        (503, {}, FAILURE),
        (503, {"Retry-After": "7"}, throttled(7.0)),
        (503, {"Retry-After": "soon"}, FAILURE),
        (529, {}, FAILURE),
    ],
)
def test_a_status_says_something_about_the_service(family: Any, status: int, headers: Any, expected: object) -> None:
    response = family.Response(status, headers=headers)
    request = family.Request("GET", "http://a")
    assert outcome_of(response) == expected
    assert outcome_of(family.HTTPStatusError("", request=request, response=response)) == expected


@BOTH
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ConnectError", FAILURE),
        ("ConnectTimeout", FAILURE),
        ("ReadError", FAILURE),
        ("ReadTimeout", FAILURE),
        ("RemoteProtocolError", FAILURE),
        ("ProxyError", FAILURE),
        ("PoolTimeout", IGNORED),
        ("LocalProtocolError", IGNORED),
        ("UnsupportedProtocol", IGNORED),
        ("InvalidURL", IGNORED),
        ("TooManyRedirects", None),
        ("DecodingError", None),
    ],
)
def test_an_error_of_the_client_says_something_or_not(family: Any, name: str, expected: object) -> None:
    assert outcome_of(getattr(family, name)("")) == expected


@BOTH
def test_a_stream_that_was_used_up_is_the_callers_own_fault(family: Any) -> None:
    assert outcome_of(family.StreamConsumed()) == IGNORED


@pytest.mark.parametrize(
    "what", [ValueError(), None, "text", SimpleNamespace(status_code="200"), type("ConnectTimeout", (Exception,), {})()]
)
def test_what_is_no_answer_and_no_error_of_theirs_is_left_to_the_guard(what: object) -> None:
    assert outcome_of(what) is None


@pytest.mark.parametrize(
    ("text", "date", "expected"),
    [
        ("0", "", 0.0),
        ("120", "", 120.0),
        (" 1.5 ", "", 1.5),
        ("Mon, 23 Nov 2026 10:00:30 GMT", "", 30.0),
        ("Mon, 23 Nov 2026 09:59:00 GMT", "", 0.0),
        ("Mon, 23 Nov 2026 12:00:30 +0200", "", 30.0),
        # Its clock is an hour behind ours: it means half a minute all the same.
        ("Mon, 23 Nov 2026 09:00:30 GMT", "Mon, 23 Nov 2026 09:00:00 GMT", 30.0),
        ("Mon, 23 Nov 2026 10:00:30 GMT", "no date", 30.0),
        ("", "", None),
        ("-5", "", None),
        ("1e9", "", None),
        ("inf", "", None),
        ("nan", "", None),
        ("9" * 400, "", None),
        ("٣", "", None),
        ("soon", "", None),
        ("Mon, 99 Nov 2026 10:00:30 GMT", "", None),
        ("Mon, 23 Nov 99999 10:00:30 GMT", "", None),
        ("x" * 100_000, "", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_or_nothing(text: str, date: str, expected: float | None) -> None:
    assert retry_after({"retry-after": text, "date": date}, MONDAY_SECONDS) == expected


def test_the_date_of_the_tests_is_what_it_says() -> None:
    assert retry_after({"retry-after": MONDAY}, MONDAY_SECONDS - 1) == 1.0


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("api.internal", True),
        ("svc.cluster.local", False),
        ("a.svc.cluster.local", True),
        ("b.a.svc.cluster.local", True),
        ("xapi.internal", False),
        ("api.internal.example.com", False),
        ("evilsvc.cluster.local", False),
        ("", False),
    ],
)
def test_only_hosts_that_were_named_are_our_own(host: str, expected: bool) -> None:
    assert (host in OwnHosts(["API.internal", ".svc.cluster.local"])) == expected


def test_every_mistake_is_told_at_once() -> None:
    wrong: Any = {
        "classify": "strict",
        "retry_methods": "POST",
        "own_hosts": ["https://api.internal", "api.internal:8000", "*.internal", 7, ""],
    }
    with pytest.raises(ConfigError) as caught:
        guarded_transport("search", **wrong)  # type: ignore[call-overload]
    names = [problem.partition(":")[0] for problem in caught.value.problems]
    assert names == ["guards", "classify", "retry_methods"] + ["own_hosts"] * 5


def test_a_transport_of_another_library_is_refused() -> None:
    with pytest.raises(TypeError, match="no transport of httpx or httpx2"):
        guarded_transport(Guard("search"), object())  # type: ignore[call-overload]


@BOTH
def test_what_comes_back_is_of_the_kind_and_library_of_the_transport(family: Any) -> None:
    guard = Guard("search")
    plain = guarded_transport(guard, family.HTTPTransport())
    asynchronous = guarded_transport(guard, family.AsyncHTTPTransport())
    mock = guarded_transport(guard, family.MockTransport(print))
    kinds = [
        (isinstance(one, family.BaseTransport), isinstance(one, family.AsyncBaseTransport))
        for one in (plain, asynchronous, mock)
    ]
    assert kinds == [(True, False), (False, True), (True, True)]
    plain.close()


def test_without_a_transport_it_is_that_of_httpx() -> None:
    with guarded_transport(Guard("search")) as transport:
        assert isinstance(transport, httpx.BaseTransport)


@pytest.mark.parametrize(("family", "other"), [("httpx", "httpx2"), ("httpx2", "httpx")])
def test_one_library_is_never_loaded_for_the_other(family: str, other: str) -> None:
    script = f"""
import sys
import {family}
from guardrails.middleware.httpx import guarded_transport
from guardrails.policies import Guard
guarded_transport(Guard("search"), {family}.HTTPTransport()).close()
print({other!r} in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_the_room_itself_loads_neither() -> None:
    script = "import sys, guardrails.middleware.httpx; print({'httpx', 'httpx2'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
