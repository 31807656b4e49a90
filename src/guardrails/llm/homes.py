"""What all streams to the same targets share: their circuits and budgets, and what whole answers of each bring.

home = Home(targets, policy, capabilities)
home.transport(None, asynchronous=True)      a healing transport for one stream; None: with a connection of its own
"""

from __future__ import annotations

import copy
import json
import threading
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from guardrails.http.families import family_of
from guardrails.llm.clients import healing
from guardrails.llm.targets import Target

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from guardrails.llm.capabilities import Capability
    from guardrails.llm.functions import Function
    from guardrails.llm.policy import StreamPolicy

# Transports that are remembered; users may make targets with a key for each of their customers.
MOST = 256
_SHARED: dict[object, dict[tuple[str, bool], Any]] = {}
_LOCK = threading.Lock()


class Home:
    """What streams with the same targets, policy and capabilities have in common."""

    def __init__(
        self, targets: Sequence[Target | Function], policy: StreamPolicy, capabilities: Collection[Capability]
    ) -> None:
        self.policy = policy
        self.capabilities = tuple(capabilities)
        self.functions: dict[str, Function] = {}
        self.targets = [self._target(one) for one in targets]

    def _target(self, one: Target | Function) -> Target:
        if isinstance(one, Target):
            return one
        from guardrails.llm.functions import target_of

        target = target_of(one)
        self.functions[target.host] = one
        return target

    def transport(self, given: Any, *, asynchronous: bool) -> Any:
        """The healing transport of one stream. Raises TypeError for a transport of the other kind."""
        name = "handle_async_request" if asynchronous else "handle_request"
        if given is not None and not hasattr(given, name):
            use = "with" if asynchronous else "async with"
            raise TypeError(f"{type(given).__name__} serves the other kind of client: write `{use} …`, or give another")
        inner = _connection(asynchronous=asynchronous) if given is None else given
        family = family_of(inner)
        if self.functions:
            from guardrails.llm.functions import beside

            inner = beside(inner, self.functions)
        made = copy.copy(self._shared(inner, family, asynchronous=asynchronous))
        made.inner = inner
        return made

    def _shared(self, inner: Any, family: Any, *, asynchronous: bool) -> Any:
        """The transport that those of all streams are copies of."""
        key = (self.policy, self.capabilities, *map(_key, self.targets))
        kind = (family.__name__, asynchronous)
        with _LOCK:
            if key not in _SHARED and len(_SHARED) >= MOST:
                _SHARED.clear()
            kinds = _SHARED.setdefault(key, {})
            if kind not in kinds:
                made: Any = healing(inner, self.policy, self.targets[1:], capabilities=self.capabilities)
                # Each stream brings its own.
                made.inner = None
                for twin in kinds.values():
                    made.places, made.lock = twin.places, twin.lock
                kinds[kind] = made
            return kinds[kind]


def _key(target: Target) -> object:
    extra = json.dumps(dict(target.extra), sort_keys=True, default=repr)
    return (*target[:4], tuple(sorted(target.headers.items())), extra)


class _Settings(NamedTuple):
    httpx: Any
    context: Any


@cache
def _settings() -> _Settings:
    """Reading the certificates takes as long as a short answer: once for all streams."""
    import httpx

    return _Settings(httpx, httpx.create_ssl_context())


def _connection(*, asynchronous: bool) -> Any:
    httpx, context = _settings()
    return (httpx.AsyncHTTPTransport if asynchronous else httpx.HTTPTransport)(verify=context)
