"""`emit(name, value, labels)`: a no-op until someone listens.

A listener is a callable that takes (name, value, labels). One that fails never replaces the result of
the call that emitted; its failures are counted under `hook_errors_total`, which the other listeners
receive, and in `failures()`.
"""

from __future__ import annotations

# Both are in every interpreter from its start.
import os
from _thread import RLock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Listener = Callable[[str, float, Mapping[str, str]], None]

# Replaced as a whole and never changed in place: emit() reads it without a lock. One entry a registration,
# so that ending one leaves another of the same listener.
_listeners: tuple[tuple[Listener], ...] = ()
_failures = 0
# Held to replace the tuple and to count; two threads that listen at once would else lose one of them. Its own thread
# may take it twice: the garbage collector may end a guarded generator, whose listeners may fail, inside it too.
_changing = RLock()


def listen(listener: Listener) -> Callable[[], None]:
    """Call `listener` for every emitted value from now on. Returns a function that ends it."""
    global _listeners  # noqa: PLW0603 - one process, one set of listeners
    entry = (listener,)
    with _changing:
        _listeners = (*_listeners, entry)

    def stop() -> None:
        global _listeners  # noqa: PLW0603
        with _changing:
            _listeners = tuple(other for other in _listeners if other is not entry)

    return stop


def emit(name: str, value: float = 1.0, labels: Mapping[str, str] | None = None) -> None:
    """Tell every listener that `name` happened. `value`: a count to add, or a measurement in base units."""
    for (listener,) in _listeners:
        try:
            listener(name, value, labels or {})
        except Exception as exc:  # noqa: BLE001 - a broken listener must not break the guarded call
            count_failure(listener, exc)


def failures() -> int:
    """How many times a listener failed since this process started."""
    return _failures


def count_failure(culprit: object, exc: Exception) -> None:
    """Count that `culprit`, a listener or another function of a user, failed; the other listeners hear of it."""
    failed = 1
    for (listener,) in _listeners:
        if listener is not culprit:
            try:
                listener("hook_errors_total", 1.0, {"error": type(exc).__name__})
            except Exception:  # noqa: BLE001 - a second broken listener is counted and must not loop
                failed += 1
    global _failures  # noqa: PLW0603
    with _changing:
        _failures += failed


def _after_fork_in_child() -> None:
    global _changing  # noqa: PLW0603 - whoever may hold the old one is not here
    _changing = RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
