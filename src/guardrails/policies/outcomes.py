"""What a call came to: success, failure, ignored, or throttled by the server; and how a user says which.

    def classify(what):                               an exception that was raised, or a value that was returned
        match what:
            case httpx.Response(status_code=429):     return throttled(float(what.headers.get("retry-after", 0)))
            case httpx.Response() if what.is_server_error: return FAILURE
            case NotFound():                          return SUCCESS      it has answered
            case BadRequest():                        return IGNORED      our own fault
                                                      None: the rule without a classifier

Without a classifier every Exception is a failure and every value a success. What is no Exception (cancellation,
GeneratorExit, KeyboardInterrupt, SystemExit) and what guards refuse themselves is ignored, and no classifier is asked.
"""

from __future__ import annotations

from typing import Literal, NamedTuple


class Outcome(NamedTuple):
    """What a call came to. `retry_after`: seconds for which a server asked to be left alone, with "throttled" only."""

    kind: Literal["success", "failure", "ignored", "throttled"]
    retry_after: float | None = None


SUCCESS = Outcome("success")
FAILURE = Outcome("failure")
IGNORED = Outcome("ignored")


def throttled(retry_after: float | None = None) -> Outcome:
    """The server asked to be left alone: the circuit opens for `retry_after` seconds, a retry waits for as long.

    None, 0 and less: the server did not say for how long; the call is a failure like others.
    """
    return Outcome("throttled", retry_after)
