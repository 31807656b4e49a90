"""What an HTTP answer says about the service: success, failure, throttled, or nothing.

Duck type: an answer has a `status_code`, an error one of its own or a `response`; errors of httpx and httpx2 are known
by the names of their classes. So no client is imported.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from guardrails.clock import SystemClock
from guardrails.policies.outcomes import FAILURE, IGNORED, SUCCESS, Outcome, throttled

if TYPE_CHECKING:
    from collections.abc import Collection

FAMILIES = ("httpx", "httpx2")
# Errors that say something about the client alone: what it asked for, or how many of its connections are busy.
OWN_FAULTS = {"InvalidURL", "LocalProtocolError", "PoolTimeout", "StreamError", "UnsupportedProtocol"}
# A server that cannot serve now; 529 is what some LLM providers send for "overloaded".
BUSY = (503, 529)

_clock = SystemClock()


def kinds_of(what: object, families: Collection[str]) -> set[str]:
    """The names of the classes that `what` is of, as far as they come from these packages."""
    return {kind.__name__ for kind in type(what).__mro__ if kind.__module__.partition(".")[0] in families}


def status_of(what: Any) -> int | None:
    """The HTTP status of an answer, or of the answer that an error is about; None: there is none."""
    for holder in (getattr(what, "response", None), what) if isinstance(what, BaseException) else (what,):
        status = getattr(holder, "status_code", None)
        if isinstance(status, int):
            return status
    return None


def headers_of(what: Any) -> dict[str, str]:
    """The headers of an answer, or of the answer that an error is about, with names in lower case."""
    # The last: litellm keeps those of the answer apart from its own error's.
    places = ((getattr(what, "response", None), "headers"), (what, "headers"), (what, "litellm_response_headers"))
    for holder, name in places:
        headers = getattr(holder, name, None)
        if headers and isinstance(headers, Mapping):
            return {str(name).lower(): str(value) for name, value in headers.items()}
    return {}


def outcome_of_answer(what: Any) -> Outcome | None:
    """The rule for HTTP; see `guardrails.policies.outcome_of`."""
    status = status_of(what)
    if status is not None:
        return outcome_of_status(status, what)
    kinds = kinds_of(what, FAMILIES)
    if kinds & OWN_FAULTS:
        return IGNORED
    return FAILURE if "TransportError" in kinds else None


def outcome_of_status(status: int, what: Any) -> Outcome:
    """The same for a status; `what`: where its headers are looked for."""
    if status < 400:
        return SUCCESS
    if status == 429 or status in BUSY:
        seconds = retry_after(headers_of(what), _clock.wall())
        if status == 429 or seconds is not None:
            return throttled(seconds)
    return IGNORED if status < 500 or status == 501 else FAILURE


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds until the server wants to be asked again, by its Retry-After; None: it does not say so, or not readably.

    A date is compared with the server's own Date, so that two clocks that disagree do no harm; with `now`, seconds
    since 1970 in UTC, where it sends none. `retry-after-ms`, which LLM providers send, is finer and comes first.
    """
    fine = headers.get("retry-after-ms", "").strip()
    if re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,9})?", fine):
        return float(fine) / 1000
    text = headers.get("retry-after", "").strip()
    # Decimals are not in the standard, but on the wire.
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text):
        return float(text)
    until = _seconds(text)
    since = _seconds(headers.get("date", ""))
    return None if until is None else max(0.0, until - (now if since is None else since))


def _seconds(date: str) -> float | None:
    from email.utils import parsedate_to_datetime

    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, OverflowError):
        return None
