"""httpx and httpx2: a transport that a guard watches, to the last byte of each answer.

search = Guard("search", timeout=5, retry=Retry(on=httpx.TransportError))
client = httpx.Client(transport=guarded_transport(search))
client = httpx2.AsyncClient(transport=guarded_transport(search, httpx2.AsyncHTTPTransport()))
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

from guardrails.http import IDEMPOTENT, outcome_of, transport_class

if TYPE_CHECKING:
    from collections.abc import Collection

    import httpx
    import httpx2

    from guardrails.http import Classify, Guards

__all__ = ["guarded_transport", "outcome_of"]


@overload
def guarded_transport(
    guards: Guards,
    transport: httpx.BaseTransport | None = None,
    *,
    classify: Classify = ...,
    retry_methods: Collection[str] = ...,
    own_hosts: Collection[str] = ...,
) -> httpx.BaseTransport: ...
@overload
def guarded_transport(
    guards: Guards,
    transport: httpx.AsyncBaseTransport,
    *,
    classify: Classify = ...,
    retry_methods: Collection[str] = ...,
    own_hosts: Collection[str] = ...,
) -> httpx.AsyncBaseTransport: ...
@overload
def guarded_transport(
    guards: Guards,
    transport: httpx2.BaseTransport,
    *,
    classify: Classify = ...,
    retry_methods: Collection[str] = ...,
    own_hosts: Collection[str] = ...,
) -> httpx2.BaseTransport: ...
@overload
def guarded_transport(
    guards: Guards,
    transport: httpx2.AsyncBaseTransport,
    *,
    classify: Classify = ...,
    retry_methods: Collection[str] = ...,
    own_hosts: Collection[str] = ...,
) -> httpx2.AsyncBaseTransport: ...
def guarded_transport(
    guards: Guards,
    transport: Any = None,
    *,
    classify: Classify = outcome_of,
    retry_methods: Collection[str] = IDEMPOTENT,
    own_hosts: Collection[str] = (),
) -> Any:
    """Put a guard around `transport`: for `httpx.Client(transport=...)`, its asynchronous twin, and those of httpx2.

    `guards`: a Guard, of which each host (with its port, where it names one) gets one by `for_key`; or a mapping of
    host to Guard; or a function of the request. Hosts without a guard go past. They need no classifier: what goes
    through the transport brings its verdict along. A transport does not hedge: where the function that asks has a
    guard with `hedge`, give the transport another.
    `transport`: the one that sends; default: `httpx.HTTPTransport()`. What comes back is of its kind and library.
    `classify`: is given each response and each error of the transport and returns an Outcome, or None for the default
    rule, `outcome_of`. What it calls a failure, or throttled, reaches the guard and its `Retry` as HTTPStatusError;
    your client gets the last response all the same.
    `retry_methods`: what may be sent twice, if the guard has a Retry; default: what RFC 9110 calls idempotent. Name
    POST where your service bears it. A body that is not in memory (a file, an iterator) is sent once whatever you name.
    `own_hosts`: to whom the headers `guardrails-deadline` and `guardrails-retry-owner` go, so that your next service
    knows how much time is left, and that it is not to retry. Default: to nobody. `.internal` names all hosts below it.

    The time left for the operation bounds the request's timeouts. The call is over when the body is: read to its end,
    broken (a failure), or closed early (ignored). A failing status is settled at once. A stream that is neither read
    nor closed holds its place until it is garbage.

    Raises ConfigError, a ValueError, that lists every mistake, and TypeError for a transport of another library. A
    request raises what the transport raises, or what guards raise, which is no error of httpx's: CircuitOpen,
    BulkheadFull, RateLimited, DeadlineExceeded, AttemptTimeout.
    """
    if transport is None:
        import httpx

        transport = httpx.HTTPTransport()
    made = transport_class(transport)
    return made(guards, transport, classify=classify, retry_methods=retry_methods, own_hosts=own_hosts)
