"""One guard for each key (a tenant, a model, a region), as many as fit: whoever was asked for longest ago goes first.

A guard whose circuit is not closed is never forgotten, since that would close it; nor one with calls in its bulkhead,
or whose rate limit is not even. Where all are like that, there are more than `most` for a while.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Hashable

    from guardrails.policies.guard import Guard

# How many are looked at to find one that may go: a bound on what one call of a flood of new keys costs.
LOOKED_AT = 16


class Keyed:
    """Guards by key. `most`: how many are kept; `make`: makes the one for a key; `lock`: one that forks look after."""

    __slots__ = ("_guards", "_lock", "_make", "most")

    def __init__(self, most: int, make: Callable[[Hashable], Guard], lock: threading.RLock) -> None:
        self.most = most
        self._make = make
        self._guards: OrderedDict[Hashable, Guard] = OrderedDict()
        self._lock = lock

    def get(self, key: Hashable) -> Guard:
        """The guard for `key`, made at the first call."""
        with self._lock:
            guard = self._guards.get(key)
            if guard is None:
                guard = self._guards[key] = self._make(key)
                self._forget(guard)
            else:
                self._guards.move_to_end(key)
            return guard

    def all(self) -> dict[Hashable, Guard]:
        """The guards there are now, by key."""
        with self._lock:
            return dict(self._guards)

    def exchange(self, guards: OrderedDict[Hashable, Guard]) -> OrderedDict[Hashable, Guard]:
        """Keep these guards instead. Returns those that were kept."""
        with self._lock:
            before, self._guards = self._guards, guards
            return before

    def __len__(self) -> int:
        return len(self._guards)

    def _forget(self, fresh: Guard) -> None:
        for _ in range(LOOKED_AT):
            if len(self._guards) <= self.most:
                return
            key, guard = next(iter(self._guards.items()))
            # The one just made is idle too, and its caller is about to use it.
            if guard.idle and guard is not fresh:
                del self._guards[key]
            else:
                self._guards.move_to_end(key)
