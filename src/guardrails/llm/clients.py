"""What users call: healing around the transport of a client, or a client that has one."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TypeVar, overload

from guardrails.llm.policy import StreamPolicy
from guardrails.llm.transport import transport_class
from guardrails.policies.answers import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Collection

    import httpx
    import httpx2

    from guardrails.llm.capabilities import Capability
    from guardrails.llm.targets import Target

C = TypeVar("C")
DEFAULT = StreamPolicy()
# What a client says of its transport where it makes it itself.
TRANSPORTS = ("verify", "cert", "http1", "http2", "limits", "trust_env", "proxy")


@overload
def healing(
    transport: httpx.BaseTransport,
    policy: StreamPolicy = ...,
    fallbacks: Collection[Target] = ...,
    *,
    capabilities: Collection[Capability] = ...,
) -> httpx.BaseTransport: ...
@overload
def healing(
    transport: httpx.AsyncBaseTransport,
    policy: StreamPolicy = ...,
    fallbacks: Collection[Target] = ...,
    *,
    capabilities: Collection[Capability] = ...,
) -> httpx.AsyncBaseTransport: ...
@overload
def healing(
    transport: httpx2.BaseTransport,
    policy: StreamPolicy = ...,
    fallbacks: Collection[Target] = ...,
    *,
    capabilities: Collection[Capability] = ...,
) -> httpx2.BaseTransport: ...
@overload
def healing(
    transport: httpx2.AsyncBaseTransport,
    policy: StreamPolicy = ...,
    fallbacks: Collection[Target] = ...,
    *,
    capabilities: Collection[Capability] = ...,
) -> httpx2.AsyncBaseTransport: ...
def healing(
    transport: Any,
    policy: StreamPolicy = DEFAULT,
    fallbacks: Collection[Target] = (),
    *,
    capabilities: Collection[Capability] = (),
) -> Any:
    """Put healing around `transport`; what comes back is of its kind and library, for `transport=` of a client.

    Streams of chat completions, of OpenAI's Responses, of Anthropic's Messages and of Ollama are watched: that they
    bring content in time, and all of it. One that breaks before any text was delivered is asked for again; after that
    the same model is asked for the rest, and what is new of it follows, under the ids of the first. Nothing is
    delivered that could be half: tool calls, thinking and structured output wait until they are whole. An answer in one
    piece is read here, and asked for again where the provider fails for a moment. Other requests go straight through.

    `policy`: see StreamPolicy. `fallbacks`: who is asked next, in this order, if the same model does not help; default:
    nobody. Each, and then the client's own provider too, has a circuit: the guard `llm:<host>`, for each model one. One
    of another wire is asked for text alone. Nothing of the client's headers goes there.
    `capabilities`: rows before those of the table of which server takes up an answer how.

    Where an answer cannot be healed, the client gets a StreamFault with the text that was delivered, which is an error
    of its own httpx as well: openai makes an APITimeoutError or APIConnectionError of it, with the StreamFault as its
    cause, and under anthropic's client it is one. Where humans hold all circuits open, it gets CircuitOpen. Raises
    ConfigError, a ValueError, that lists every mistake, and TypeError for a transport of another library.
    """
    made = transport_class(transport)
    return made(transport, policy, capabilities, fallbacks)


def healing_client(
    client: type[C],
    policy: StreamPolicy = DEFAULT,
    fallbacks: Collection[Target] = (),
    *,
    capabilities: Collection[Capability] = (),
    **settings: Any,
) -> C:
    """A client of this class, of httpx or httpx2, with healing around its transport.

    `settings`: what the class takes: timeouts, headers, and what concerns its transport (`verify`, `http2`, `limits`,
    `proxy` and so on). Proxies named by the environment alone are not seen: name them. The rest as for `healing`.
    """
    modules = [sys.modules[name] for name in FAMILIES if name in sys.modules]
    family: Any = next((one for one in modules if issubclass(client, one.Client | one.AsyncClient)), None)
    if family is None:
        raise TypeError(f"{client!r:.80} is no client of httpx or httpx2: give it Client or AsyncClient")
    kind = family.AsyncHTTPTransport if issubclass(client, family.AsyncClient) else family.HTTPTransport
    said = {name: settings.pop(name) for name in TRANSPORTS if name in settings}
    made: Any = client
    return made(transport=healing(kind(**said), policy, fallbacks, capabilities=capabilities), **settings)  # type: ignore[no-any-return]
