"""pybreaker's names over our circuit: change one import.

    from guardrails.compat.pybreaker import CircuitBreaker, CircuitBreakerError
    breaker = CircuitBreaker(fail_max=5, reset_timeout=60)
    @breaker                                       def, async def, generators of both kinds
    breaker.call(fn, *args), await breaker.call_async(fn, *args)
    with breaker.calling(): ...

What changes with it: calls run side by side, because the lock covers decisions only; coroutines are guarded; in
half-open `success_threshold` trial calls go and others are rejected; cancellation and interrupts count for nothing, nor
do late results; the open time does not follow the wall clock; a listener that raises harms no call.
Each difference and its reason: docs/decisions/0008-where-we-differ-from-pybreaker-and-interlock.md
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload
from weakref import WeakKeyDictionary, ref

from pybreaker import STATE_CLOSED, STATE_HALF_OPEN, STATE_OPEN, CircuitMemoryStorage, CircuitRedisStorage

from guardrails.clock import SystemClock
from guardrails.compat.calls import BEGUN, Calls, CircuitBreakerState, followed
from guardrails.compat.rules import LOCK, STATES, Rules
from guardrails.core.ranges import Ranges
from guardrails.errors import Unguardable
from guardrails.policies.adopting import CallRejected, CircuitBreakerError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator

    from guardrails.clock import Clock

    Exclusion = type[BaseException] | Callable[[Any], object]

__all__ = [
    "STATE_CLOSED",
    "STATE_HALF_OPEN",
    "STATE_OPEN",
    "CallRejected",
    "CircuitBreaker",
    "CircuitBreakerError",
    "CircuitBreakerListener",
    "CircuitBreakerState",
    "CircuitMemoryStorage",
    "CircuitRedisStorage",
]

P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F", bound="Callable[..., Any]")


class CircuitBreakerListener:
    """What to do at the events of a breaker. Called outside its lock; a method that raises counts as a failed hook.

    Any object with these four methods will do, such as a listener of pybreaker's own class.
    """

    def before_call(self, cb: CircuitBreaker, func: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """`cb` is about to call `func`."""

    def failure(self, cb: CircuitBreaker, exc: BaseException) -> None:
        """A call has failed with `exc`."""

    def success(self, cb: CircuitBreaker) -> None:
        """A call has succeeded, or raised an error that is excluded."""

    def state_change(self, cb: CircuitBreaker, old_state: CircuitBreakerState, new_state: CircuitBreakerState) -> None:
        """`cb` has gone from one state to another."""


class CircuitBreaker:
    """A breaker that takes what pybreaker's takes.

    `fail_max`: failures in a row that open it, 1 to 10,000, default 5. `reset_timeout`: seconds until a trial call may
    go, 0 to 604,800, default 60. `success_threshold`: trial calls that must succeed to close it, 1 to 1000, default 1.
    `exclude`: classes of exceptions, or functions that are given one; such a call is a success, since the dependency
    has answered. `listeners`: see `CircuitBreakerListener`. `state_storage`: a CircuitMemoryStorage that says in which
    state to begin and is kept up to date. `name`: for errors, metrics and listeners. `throw_new_error_on_trip`: whether
    the call that opens it raises CircuitBreakerError with its own error as the cause, which is pybreaker's default;
    False: its own error. `clock`: for tests.

    Raises ConfigError, a ValueError, that lists every mistake; also for a storage that is not in memory, or is another
    breaker's, because the two would seem to share a state and would not.
    """

    def __init__(
        self,
        fail_max: int = 5,
        reset_timeout: float = 60,
        success_threshold: int = 1,
        exclude: Iterable[Exclusion] | None = None,
        listeners: Iterable[CircuitBreakerListener] | None = None,
        state_storage: CircuitMemoryStorage | None = None,
        name: str | None = None,
        throw_new_error_on_trip: bool = True,  # noqa: FBT001, FBT002 - pybreaker's signature
        *,
        clock: Clock | None = None,
    ) -> None:
        _check(fail_max=fail_max, reset_timeout=reset_timeout, success_threshold=success_threshold)
        storage = CircuitMemoryStorage(STATE_CLOSED) if state_storage is None else state_storage
        _own(storage, self)
        self._rules = rules = Rules(fail_max, reset_timeout, success_threshold, storage, clock or SystemClock())
        self._calls = Calls(self, rules, name, throw_new_error_on_trip=throw_new_error_on_trip)
        self._calls.exclude = tuple(exclude or ())
        self._calls.listeners = tuple(listeners or ())

    def __repr__(self) -> str:
        return f"<CircuitBreaker {self._calls.label!r}: {self.current_state}>"

    # Calls.

    def call(self, func: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call `func`. If it returns a coroutine or a generator, what comes back is one too, and is guarded to its end.

        Raises CallRejected when the breaker is open, or all its trial calls are under way.
        """
        calls = self._calls
        token = calls.admit(func, args, kwargs)
        try:
            result = func(*args, **kwargs)
        except BaseException as exc:
            calls.failed(token, exc)
            raise
        if result.__class__ in BEGUN:
            result = followed(calls, token, result)
        else:
            calls.succeeded(token)
        return result

    async def call_async(self, func: Callable[P, Awaitable[R]], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call a coroutine function, or whatever returns an awaitable, and await it. Raises what `call` raises."""
        calls = self._calls
        token = calls.admit(func, args, kwargs)
        try:
            result = await func(*args, **kwargs)
        except BaseException as exc:
            calls.failed(token, exc)
            raise
        calls.succeeded(token)
        return result

    @contextlib.contextmanager
    def calling(self) -> Iterator[None]:
        """Guard a block, also one of a coroutine. Raises what `call` raises."""
        calls = self._calls
        token = calls.admit(self.calling, (), {})
        try:
            yield
        except BaseException as exc:
            calls.failed(token, exc)
            raise
        calls.succeeded(token)

    @overload
    def __call__(self, func: F, /, **options: bool) -> F: ...
    @overload
    def __call__(self, /, **options: bool) -> Callable[[F], F]: ...
    def __call__(self, func: F | None = None, /, **options: bool) -> F | Callable[[F], F]:
        """Decorate a function; `@breaker` and `@breaker()` are the same.

        `__pybreaker_call_async=True`: it is no `async def`, but returns something to await.
        """
        asynchronous = options.pop("__pybreaker_call_async", False)
        if options:
            raise TypeError(f"a breaker takes __pybreaker_call_async, not {', '.join(options)}")

        def decorate(fn: F) -> F:
            if not callable(fn):
                fix = "decorate the function itself: @classmethod, @staticmethod or @property above, the breaker below"
                raise Unguardable(self._calls.label, f"{fn!r:.80}", fix)
            wrapped: F = (self._async_wrapper if asynchronous or inspect.iscoroutinefunction(fn) else self._wrapper)(fn)
            return wrapped

        return decorate if func is None else decorate(func)

    def _wrapper(self, fn: Callable[..., Any]) -> Any:
        @functools.wraps(fn)
        def inner(*args: Any, **kwargs: Any) -> Any:
            return self.call(fn, *args, **kwargs)

        return inner

    def _async_wrapper(self, fn: Callable[..., Any]) -> Any:
        @functools.wraps(fn)
        async def inner(*args: Any, **kwargs: Any) -> Any:
            return await self.call_async(fn, *args, **kwargs)

        return inner

    # What is known, and what humans ask for.

    def open(self) -> None:
        """Reject calls for `reset_timeout` seconds from now on."""
        self._go(STATE_OPEN)

    def half_open(self) -> None:
        """Let the next calls go on trial."""
        self._go(STATE_HALF_OPEN)

    def close(self) -> None:
        """Let calls go as usual, and forget the failures."""
        self._go(STATE_CLOSED)

    def _go(self, state: str) -> None:
        self._calls.tell(self._rules.force(state, self._calls.tick()))

    @property
    def state(self) -> CircuitBreakerState:
        """The state, with its `name`. May be set to a name, which is `open()`, `half_open()` or `close()`."""
        return CircuitBreakerState(self.current_state)

    @state.setter
    def state(self, name: str) -> None:
        if name not in STATES:
            raise ValueError(f"state: {name!r}, allowed: {', '.join(STATES)}; write one of these")
        self._go(name)

    @property
    def current_state(self) -> str:
        """The name of the state: closed, open or half-open."""
        return self._rules.circuit.state

    @property
    def fail_counter(self) -> int:
        """Failures since the last success."""
        return self._rules.storage.counter

    @property
    def success_counter(self) -> int:
        """Trial calls that have succeeded; 0 when it is not half-open."""
        return self._rules.storage.success_counter

    @property
    def fail_max(self) -> int:
        """Failures in a row that open it."""
        return self._rules.fail_max

    @fail_max.setter
    def fail_max(self, number: int) -> None:
        _check(fail_max=number)
        self._rules.update(number, self.success_threshold, self._calls.tick())

    @property
    def success_threshold(self) -> int:
        """Trial calls that must succeed to close it. To set it in half-open begins the trial anew."""
        return self._rules.success_threshold

    @success_threshold.setter
    def success_threshold(self, threshold: int) -> None:
        _check(success_threshold=threshold)
        self._rules.update(self.fail_max, threshold, self._calls.tick())

    @property
    def reset_timeout(self) -> float:
        """Seconds until a trial call may go. An open breaker obeys another one at once."""
        return self._rules.reset_timeout

    @reset_timeout.setter
    def reset_timeout(self, timeout: float) -> None:
        _check(reset_timeout=timeout)
        self._rules.reset_timeout = timeout

    @property
    def name(self) -> str | None:
        """What errors, metrics and listeners call it."""
        return self._calls.name

    @name.setter
    def name(self, name: str) -> None:
        self._calls.name = name

    @property
    def _state_storage(self) -> CircuitMemoryStorage:
        """Where users of pybreaker read `opened_at`: it has no public name for it."""
        return self._rules.storage

    # Exceptions that are none to it.

    @property
    def excluded_exceptions(self) -> tuple[Exclusion, ...]:
        """Classes and functions, in the order in which they are asked."""
        return self._calls.exclude

    def add_excluded_exception(self, exception: Exclusion) -> None:
        """Exclude one more."""
        self.add_excluded_exceptions(exception)

    def add_excluded_exceptions(self, *exceptions: Exclusion) -> None:
        """Exclude more."""
        with LOCK:
            self._calls.exclude += exceptions

    def remove_excluded_exception(self, exception: Exclusion) -> None:
        """Exclude it no longer. Raises ValueError if it was not."""
        with LOCK:
            self._calls.exclude = _without(exception, self._calls.exclude)

    def is_system_error(self, exception: BaseException) -> bool:
        """Whether nothing excludes it."""
        return self._calls.is_system_error(exception)

    # Who is told.

    @property
    def listeners(self) -> tuple[CircuitBreakerListener, ...]:
        """Those who are told, in this order."""
        return self._calls.listeners

    def add_listener(self, listener: CircuitBreakerListener) -> None:
        """Tell one more."""
        self.add_listeners(listener)

    def add_listeners(self, *listeners: CircuitBreakerListener) -> None:
        """Tell more."""
        with LOCK:
            self._calls.listeners += listeners

    def remove_listener(self, listener: CircuitBreakerListener) -> None:
        """Tell it no longer. Raises ValueError if it was not told."""
        with LOCK:
            self._calls.listeners = _without(listener, self._calls.listeners)


def _check(**said: object) -> None:
    """Raise ConfigError for what is out of range."""
    ranges = Ranges()
    for name, value in said.items():
        low, high, fix, whole = _RANGES[name]
        ranges.number(name, value, low, high, fix, whole=whole)
    ranges.settle()


_RANGES = {
    "fail_max": (1, 10_000, "write a count", True),
    "reset_timeout": (0, 604_800, "write seconds", False),
    "success_threshold": (1, 1000, "write a count", True),
}

# Whose a storage is, for as long as both live.
_OWNERS: WeakKeyDictionary[CircuitMemoryStorage, ref[CircuitBreaker]] = WeakKeyDictionary()


def _own(storage: CircuitMemoryStorage, breaker: CircuitBreaker) -> None:
    """Take a storage for this breaker alone. Raises ConfigError."""
    ranges = Ranges()
    kind: object = type(storage)
    fix = "this breaker shares no state: keep pybreaker's own for a storage that others read"
    if ranges.demand(kind is CircuitMemoryStorage, "state_storage", storage, "a CircuitMemoryStorage, or None", fix):
        with LOCK:
            owner = _OWNERS.get(storage)
            free = owner is None or owner() is None
            if free:
                _OWNERS[storage] = ref(breaker)
        ranges.demand(free, "state_storage", storage, "one for each breaker", "share the breaker itself")
    ranges.settle()


def _without(one: Any, several: tuple[Any, ...]) -> tuple[Any, ...]:
    left = list(several)
    left.remove(one)
    return tuple(left)
