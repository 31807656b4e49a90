"""What goes out with a request: no more time than is left, and what the next service is to know.

guardrails-deadline: 4200             milliseconds left for the operation
guardrails-retry-owner: caller        whoever called tries again himself: do not

Only hosts that the user has named as his own are told; a stranger has no business with either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from guardrails.core.deadline import earlier, to_text

if TYPE_CHECKING:
    from collections.abc import Collection

    from guardrails.policies.handed import Handed

# What is left for the operation, in whole milliseconds: `guardrails.core.deadline` reads and writes it.
DEADLINE_HEADER = "guardrails-deadline"
# Sent by whoever tries again himself, so that nobody below does: three layers of three attempts are 27 calls.
RETRY_OWNER_HEADER = "guardrails-retry-owner"
RETRY_OWNER = "caller"


class OwnHosts:
    """The hosts that the user named as his own; `.internal` names all below it."""

    def __init__(self, said: Collection[str]) -> None:
        self._hosts = frozenset(host.lower() for host in said if not host.startswith("."))
        self._domains = tuple(host.lower() for host in said if host.startswith("."))

    def __contains__(self, host: str) -> bool:
        return host in self._hosts or host.endswith(self._domains)


def sent_copy(
    request: Any, handed: Handed | None, own_hosts: OwnHosts, grain: float, *, owned: bool
) -> tuple[Any, dict[str, float | None] | None]:
    """A copy of `request` in what time is left, with our headers if its host is our own; and the copy's timeouts.

    `handed`: what is handed down here; `owned`: whether somebody retries. `grain`: seconds, see `bounded`.
    """
    seconds = left(handed, attempt=True)
    own = (seconds is not None or owned) and request.url.host in own_hosts
    if seconds is None and not own:
        return request, None
    timeouts = None
    headers, extensions = request.headers, request.extensions
    if seconds is not None:
        timeouts = bounded(request, seconds, grain)
        extensions = {**extensions, "timeout": timeouts}
    if own:
        headers = headers.copy()
        until = left(handed)
        if until is not None:
            headers[DEADLINE_HEADER] = to_text(until, 0.0)
        if owned:
            headers[RETRY_OWNER_HEADER] = RETRY_OWNER
    # A copy, because a client takes the headers of its own request along when it is redirected to a stranger.
    copy = type(request)(request.method, request.url, headers=headers, stream=request.stream, extensions=extensions)
    return copy, timeouts


def host_of(url: Any) -> str:
    """The host, with its port where that is not the scheme's own."""
    host: str = url.host
    return host if url.port is None else f"{host}:{url.port}"


def ends(handed: Handed | None) -> float | None:
    """The deadline of the operation, not that of the attempt: a body may be read for longer than an attempt takes."""
    return None if handed is None else getattr(handed, "ends", handed.deadline)


def left(handed: Handed | None, *, attempt: bool = False) -> float | None:
    """Seconds until the end of the operation, or of the attempt; None: endless."""
    # No attempt is endless in an operation that is not.
    if handed is None or handed.deadline is None:
        return None
    until = handed.deadline if attempt else ends(handed)
    return None if until is None else max(0.0, until - handed.clock.monotonic())


def bounded(request: Any, seconds: float | None, grain: float) -> dict[str, float | None]:
    """The request's own timeouts, none longer than these seconds and a grain."""
    said = request.extensions.get("timeout") or {}
    # Nought would mean at once to one transport and never to another.
    most = None if seconds is None else max(seconds, 0.001) + grain
    return {name: earlier(said.get(name), most) for name in ("connect", "read", "write", "pool")}
