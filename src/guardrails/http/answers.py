"""What an answer says about the service: success, failure, throttled, or nothing.

Duck type: a response has a `status_code`, an error of httpx or httpx2 the names of its classes, so neither is imported.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from guardrails.clock import SystemClock
from guardrails.policies import FAILURE, IGNORED, SUCCESS, Outcome, throttled

if TYPE_CHECKING:
    from collections.abc import Mapping

FAMILIES = ("httpx", "httpx2")
# Errors that say something about the client alone: what it asked for, or how many of its connections are busy.
OWN_FAULTS = {"InvalidURL", "LocalProtocolError", "PoolTimeout", "StreamError", "UnsupportedProtocol"}

_clock = SystemClock()


def outcome_of(what: Any) -> Outcome | None:
    """What a response, or an error of httpx or httpx2, says about the service. For `Guard(classify=outcome_of)` too.

    Failure: no answer, a timeout, an answer cut short, 5xx but 501. Throttled: 429, and 503 with Retry-After. Ignored:
    other 4xx, 501, and errors of the client's own making, such as a full connection pool. Success: the rest.
    None for what is neither a response nor an error of theirs: the guard's own rule holds.
    """
    said = getattr(what, "outcome", None)
    if isinstance(said, Outcome):
        return said
    response = getattr(what, "response", None) if isinstance(what, BaseException) else what
    status = getattr(response, "status_code", None)
    if isinstance(status, int):
        return _outcome_of_status(status, response)
    kinds = {kind.__name__ for kind in type(what).__mro__ if kind.__module__.partition(".")[0] in FAMILIES}
    if kinds & OWN_FAULTS:
        return IGNORED
    return FAILURE if "TransportError" in kinds else None


def _outcome_of_status(status: int, response: Any) -> Outcome:
    if status < 400:
        return SUCCESS
    if status in (429, 503):
        seconds = retry_after(response.headers, _clock.wall())
        if status == 429 or seconds is not None:
            return throttled(seconds)
    return IGNORED if status < 500 or status == 501 else FAILURE


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds until the server wants to be asked again, by its Retry-After; None: it does not say so, or not readably.

    A date is compared with the server's own Date, so that two clocks that disagree do no harm; with `now`, seconds
    since 1970 in UTC, where it sends none.
    """
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
