"""One call of a drop-in breaker, from its admission to what listeners are told.

    token = calls.admit(func, args, kwargs)     raises CallRejected
    calls.succeeded(token)                      or failed(token, error), which raises CircuitBreakerError on a trip

Nothing of a user's runs under the lock, and what a listener or an exclusion raises is counted and replaces nothing.
"""

from __future__ import annotations

import time
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import TYPE_CHECKING, Any, NamedTuple

from guardrails import hooks
from guardrails.clock import SystemClock
from guardrails.errors import Rejected
from guardrails.policies.adopting import CallRejected, CircuitBreakerError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Generator

    from guardrails.compat.rules import Moves, Rules


class CircuitBreakerState(NamedTuple):
    """A state, as listeners are told of it and as `CircuitBreaker.state` gives it."""

    name: str


class Calls:
    """The calls of one breaker. `breaker`: whom listeners are told about.

    `exclude`, `listeners`: replaced as a whole and never changed in place, so that calls read them without a lock.
    """

    __slots__ = ("breaker", "exclude", "listeners", "name", "rules", "throw_new_error_on_trip", "tick")

    def __init__(self, breaker: Any, rules: Rules, name: str | None, *, throw_new_error_on_trip: bool) -> None:
        self.breaker = breaker
        self.rules = rules
        self.name = name
        self.throw_new_error_on_trip = throw_new_error_on_trip
        # The host's clock without a frame of Python around it.
        self.tick = time.monotonic if type(rules.clock) is SystemClock else rules.clock.monotonic
        self.exclude: tuple[Any, ...] = ()
        self.listeners: tuple[Any, ...] = ()

    @property
    def label(self) -> str:
        """What errors and metrics call the breaker."""
        return self.name or "unnamed"

    def admit(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
        """The token of a call of `func`. Raises CallRejected."""
        token = self.rules.circuit.pass_ or self._ask()
        for listener in self.listeners:
            self._hear(listener.before_call, self.breaker, func, *args, **kwargs)
        return token

    def _ask(self) -> int:
        now = self.tick()
        token, moves = self.rules.admit(now)
        if moves:
            self.tell(moves)
        if not token:
            raise self._rejection(now)
        return token

    def succeeded(self, token: int) -> None:
        """A call has returned, or raised what is excluded."""
        moves = self.rules.success(token, self.tick())
        if moves:
            self.tell(moves)
        for listener in self.listeners:
            self._hear(listener.success, self.breaker)
        if hooks._listeners:
            self._count("success")

    def failed(self, token: int, error: BaseException) -> None:
        """A call has raised. Raises CircuitBreakerError from it if the breaker has opened with this call and says so.

        What is no Exception (cancellation, GeneratorExit, KeyboardInterrupt) and what another breaker or guard has
        rejected says nothing about the dependency.
        """
        if not isinstance(error, Exception) or isinstance(error, Rejected):
            self.rules.ignored(token, self.tick())
            self._count("ignored")
            return
        if not self.is_system_error(error):
            self.succeeded(token)
            return
        moves = self.rules.failure(token, self.tick(), type(error).__name__)
        for listener in self.listeners:
            self._hear(listener.failure, self.breaker, error)
        if moves:
            self.tell(moves)
        self._count("failure")
        if moves and self.throw_new_error_on_trip:
            rules = self.rules
            raise CircuitBreakerError(
                f"{self.label!r} has opened with this call, for {rules.reset_timeout:g} s: {rules.circuit.reason}; "
                f"last: {type(error).__name__}, the cause of this error. Runbook: breaker-open"
            ) from error

    def is_system_error(self, error: BaseException) -> bool:
        """Whether nothing excludes it."""
        for exclusion in self.exclude:
            if isinstance(exclusion, type):
                if isinstance(error, exclusion):
                    return False
            elif self._hear(exclusion, error):
                return False
        return True

    def tell(self, moves: Moves) -> None:
        """Tell listeners and metrics that the circuit has moved."""
        for before, after in moves:
            labels = {"guard": self.label, "before": before, "after": after}
            hooks.emit("breaker_transitions_total", 1.0, labels)
            for listener in self.listeners:
                self._hear(listener.state_change, self.breaker, CircuitBreakerState(before), CircuitBreakerState(after))

    def _hear(self, theirs: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Call a user's function; None if it fails."""
        try:
            return theirs(*args, **kwargs)
        except Exception as exc:  # noqa: BLE001 - it must not replace the result of the call
            hooks.count_failure(theirs, exc)
            return None

    def _count(self, outcome: str) -> None:
        hooks.emit("calls_total", 1.0, {"guard": self.label, "outcome": outcome})

    def _rejection(self, now: float) -> CallRejected:
        rules = self.rules
        circuit = rules.circuit
        if hooks._listeners:
            hooks.emit("rejections_total", 1.0, {"guard": self.label, "reason": circuit.state})
        seconds = rules.retry_after(now)
        return CallRejected(self.label, circuit.state, now - rules.since, circuit.reason, rules.last, seconds)


# What a call returns whose work has only begun.
BEGUN = frozenset({GeneratorType, CoroutineType, AsyncGeneratorType})


def followed(calls: Calls, token: int, work: Any) -> Any:
    """Guard work that has only begun, to its end."""
    if isinstance(work, GeneratorType):
        return _generator(calls, token, work)
    return _coroutine(calls, token, work) if isinstance(work, CoroutineType) else _async_generator(calls, token, work)


def _generator(calls: Calls, token: int, stream: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
    try:
        result = yield from stream
    except BaseException as exc:
        calls.failed(token, exc)
        raise
    calls.succeeded(token)
    return result


async def _coroutine(calls: Calls, token: int, work: Coroutine[Any, Any, Any]) -> Any:
    try:
        result = await work
    except BaseException as exc:
        calls.failed(token, exc)
        raise
    calls.succeeded(token)
    return result


async def _async_generator(calls: Calls, token: int, stream: AsyncGenerator[Any, Any]) -> AsyncGenerator[Any, Any]:
    try:
        item = await anext(stream)
        while True:
            try:
                given = yield item
            except GeneratorExit:
                await stream.aclose()
                raise
            except BaseException as exc:  # noqa: BLE001 - handed on to the stream
                item = await stream.athrow(exc)
            else:
                item = await stream.asend(given)
    except StopAsyncIteration:
        calls.succeeded(token)
    except BaseException as exc:
        calls.failed(token, exc)
        raise
