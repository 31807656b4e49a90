"""What went wrong with an attempt, and the error that its client gets: of its own httpx, and of its own SDK.

A client knows errors by their class, so each is made for the family that it uses: openai's turns `httpx2.ReadTimeout`
into APITimeoutError and other transport errors into APIConnectionError. Anthropic's lets them through as they are, so
there they are also of the classes that its users catch.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from guardrails.errors import (
    ConnectionLost,
    FirstTokenTimeout,
    IdleTimeout,
    ProviderError,
    SeamMismatch,
    StreamDeadlineExceeded,
    StreamFault,
    Truncated,
)

if TYPE_CHECKING:
    from guardrails.core.completeness import Failure

Kind = Literal["first_token", "idle", "deadline", "truncated", "provider", "connection", "seam", "open"]
# Ours, httpx's, and anthropic's.
CLASSES: dict[Kind, tuple[type[StreamFault], str, str]] = {
    "first_token": (FirstTokenTimeout, "ReadTimeout", "APITimeoutError"),
    "idle": (IdleTimeout, "ReadTimeout", "APITimeoutError"),
    "deadline": (StreamDeadlineExceeded, "ReadTimeout", "APITimeoutError"),
    "truncated": (Truncated, "RemoteProtocolError", "APIConnectionError"),
    "provider": (ProviderError, "RemoteProtocolError", "APIConnectionError"),
    "connection": (ConnectionLost, "ReadError", "APIConnectionError"),
    "seam": (SeamMismatch, "RemoteProtocolError", "APIConnectionError"),
    "open": (ConnectionLost, "ConnectError", "APIConnectionError"),
}


class Fault(NamedTuple):
    """What went wrong. `detail`: in words. Of a provider's error: `word`, its own for it, `status`, `retry_after`.

    `begun`: whether the provider may have begun with it.
    """

    kind: Kind
    detail: str
    word: str = ""
    status: int | None = None
    retry_after: float | None = None
    begun: bool = True

    @property
    def own(self) -> bool:
        """Whether it lies in the request, so that to ask again is of no use."""
        status = self.status
        return self._unpaid or (status is not None and 400 <= status < 500 and status not in (408, 409, 425, 429))

    @property
    def misasked(self) -> bool:
        """Whether it lies in what was asked, and not in the key or the model with which it was."""
        return not self._unpaid and self.status in (400, 413, 422)

    @property
    def _unpaid(self) -> bool:
        return self.word in ("billing_error", "billing_hard_limit_reached", "insufficient_quota")


def provider_fault(failure: Failure, retry_after: float | None = None) -> Fault:
    """The fault of an error that the provider has reported."""
    words = f"{failure.kind}: {failure.message}" if failure.kind else failure.message
    return Fault("provider", f"the provider reported {words:.300}", failure.kind, failure.status, retry_after)


_MADE: dict[tuple[type[StreamFault], Any, Any], type[StreamFault]] = {}


def error_for(fault: Fault, family: Any, request: Any, said: dict[str, Any]) -> StreamFault:
    """The error for a client of this family. `said`: what StreamFault has beside the detail."""
    ours, theirs, sdk = CLASSES[fault.kind]
    if fault.kind == "provider":
        said = {**said, "kind": fault.word, "status": fault.status, "retry_after": fault.retry_after}
    package = sys.modules.get("anthropic") if _is_anthropics(request) else None
    parents = [ours, *([getattr(package, sdk)] if package is not None else []), getattr(family, theirs)]
    key = (ours, getattr(family, theirs), package)
    if key not in _MADE:
        _MADE[key] = type(ours.__name__, tuple(parents), {"__doc__": ours.__doc__, "__reduce__": _plainly})
    error: Any = _MADE[key](fault.detail, **said)
    error.request = request
    if package is not None:
        error.message, error.body = str(error), None
    return error  # type: ignore[no-any-return]


def _is_anthropics(request: Any) -> bool:
    return "anthropic/" in request.headers.get("user-agent", "").lower()


def _plainly(error: StreamFault) -> tuple[Any, ...]:
    """For another process, which may have neither that family nor that SDK: the class of ours, without the request."""
    ours = next(kind for kind in type(error).__mro__ if kind.__module__ == "guardrails.errors")
    plain: Any = ours.__new__(ours, *error.args)
    plain.args = error.args
    plain.__dict__.update({k: v for k, v in vars(error).items() if k not in ("request", "_request", "message", "body")})
    plain.__cause__ = error.__cause__
    return plain.__reduce__()  # type: ignore[no-any-return]
