"""httpx and httpx2, one implementation for both: a class of ours becomes one of the library's when it is needed."""

from __future__ import annotations

import sys
from functools import cache
from typing import Any

from guardrails.policies.answers import FAMILIES


def family_of(transport: Any) -> Any:
    """The module, httpx or httpx2, whose transport, or request, this is. Raises TypeError for what is neither's."""
    # Not by the names of the classes' modules: openai's client renames those that it offers as its own.
    for family in filter(None, map(sys.modules.get, FAMILIES)):
        if isinstance(transport, family.BaseTransport | family.AsyncBaseTransport | family.Request):
            return family
    raise TypeError(
        f"{transport!r:.80} is no transport of httpx or httpx2: give it HTTPTransport() or AsyncHTTPTransport() of the "
        "one that your client comes from"
    )


def class_around(transport: Any, name: str, doc: str, plain: tuple[type, type], asynchronous: tuple[type, type]) -> Any:
    """The class, of the library and the kind of this transport, of those that are put around it.

    `name`: what such a class is called, before "Transport" and "Body". `plain`, `asynchronous`: ours, the transport and
    the body of a response, which it finds as its `body` and `abody`. Mocks serve both kinds of client.
    """
    both = hasattr(transport, "handle_request"), hasattr(transport, "handle_async_request")
    return _made(family_of(transport), name, doc, plain if both[0] else None, asynchronous if both[1] else None)


@cache
def _made(
    family: Any, name: str, doc: str, plain: tuple[type, type] | None, asynchronous: tuple[type, type] | None
) -> Any:
    bases: tuple[Any, ...] = ()
    members: dict[str, Any] = {"__doc__": doc}
    if plain is not None:
        bases += (plain[0], family.BaseTransport)
        members["body"] = type(f"{name}Body", (plain[1], family.SyncByteStream), {})
    if asynchronous is not None:
        bases += (asynchronous[0], family.AsyncBaseTransport)
        members["abody"] = type(f"Async{name}Body", (asynchronous[1], family.AsyncByteStream), {})
    return type(f"{name}Transport" if plain is not None else f"Async{name}Transport", bases, members)
