"""What `Dependency` makes of a function: it answers with a fallback where the dependency does not, and says so.

recall("bob")               the value
recall.outcome("bob")       an `Answer`: the value, whether it is the fallback's, and what happened

accepts ── no ──► Refused ─────────┐
   │                               ▼
  yes ──► the guard ── error ──► is it the dependency's? ── yes ──► the fallback ── error ──► the first error
             │                     │                                   │
             ▼                     no: the error                       ▼
         the value                                              the fallback's value, counted
"""

from __future__ import annotations

import functools
from types import MethodType
from typing import TYPE_CHECKING, Any, Concatenate, Generic, Literal, NamedTuple, ParamSpec, TypeVar, overload

from guardrails import hooks
from guardrails.errors import BulkheadFull, DeadlineExceeded, NoEventLoop, RateLimited, Refused, Rejected
from guardrails.policies.calls import checked
from guardrails.policies.engine import SWITCH, hook_failed
from guardrails.policies.operation import text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Self

    from guardrails.policies.guard import Guard

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")

Mode = Literal["FULL", "READ_ONLY", "WRITE_ONLY", "OFFLINE"]
Reason = Literal["", "circuit", "bulkhead", "rate", "deadline", "failure", "refused"]

WHY: dict[str, str] = {
    "circuit": "its circuit rejected the call",
    "bulkhead": "its bulkhead had no free place",
    "rate": "its rate limit had no free turn",
    "deadline": "the deadline came first",
    "failure": "the call failed",
    "refused": "there was nothing to do",
}


class Answer(NamedTuple, Generic[R]):
    """What one call came to. `value`: what the plain call would have returned.

    `degraded`: whether that is the fallback's value, and not the dependency's. `reason`: "" if it is not degraded, else
    "circuit", "bulkhead" or "rate" (rejected), "deadline", "failure" (the call was made, and all attempts failed), or
    "refused" by `accepts`. `guard`: the guard's name. `mode`: of the dependency, after the call. `attempts`: how often
    the function was called, hedges included. `waited`: seconds of `took` outside the attempts: for a place, for a turn,
    between them, for the fallback. `took`: seconds in all. `error`: what the fallback stands for, as one line without
    secrets, or "".
    """

    guard: str
    value: R
    degraded: bool
    reason: Reason
    mode: Mode
    attempts: int
    waited: float
    took: float
    error: str

    def explain(self) -> str:
        """A few lines for a log or a human: who answered, why, in how many attempts, and the mode."""
        tries = "1 attempt" if self.attempts == 1 else f"{self.attempts} attempts"
        lines = [f"{self.guard!r} answered."]
        if self.degraded:
            lines = [f"{self.guard!r} did not answer, the value is the fallback's: {WHY[self.reason]}.", self.error]
        lines.append(f"{tries} in {self.took:.2f} s, {self.waited:.2f} s of it waiting. Mode: {self.mode}.")
        return "\n".join(lines)


class _Answering:
    """What stands for the function: what it does not know itself, the function knows. Each method access makes one."""

    def __init__(self, plain: Callable[..., Any], outcome: Callable[..., Any]) -> None:
        self._plain = plain
        self._outcome = outcome
        # All others are asked of the function; these two every object has.
        self.__doc__ = plain.__doc__
        self.__module__ = plain.__module__

    # Hidden from type checkers: they are to find misspelt names.
    if not TYPE_CHECKING:

        def __getattr__(self, name):
            # Of a bound method this would be the function without its object, whose signature is another.
            return self._plain if name == "__wrapped__" else getattr(self._plain, name)

    def __repr__(self) -> str:
        return f"<guarded {self._plain!r}>"

    def __reduce__(self) -> Any:
        """As functions are pickled: by name."""
        if isinstance(self._plain, MethodType):
            return getattr, (self._plain.__self__, self._plain.__name__)
        return self._plain.__qualname__

    def bound(self, instance: Any) -> Self:
        """The method of this object."""
        return type(self)(MethodType(self._plain, instance), MethodType(self._outcome, instance))


class Answering(_Answering, Generic[P, R]):
    """A plain function, or a method, that is guarded and may have a fallback; see `Side`."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """The value, the dependency's or the fallback's. Raises the error for which there is no fallback."""
        value: R = self._plain(*args, **kwargs)
        return value

    def outcome(self, *args: P.args, **kwargs: P.kwargs) -> Answer[R]:
        """The same call with an account of it. Raises what the plain call raises."""
        answer: Answer[R] = self._outcome(*args, **kwargs)
        return answer

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(
        self: Callable[Concatenate[Any, Q], R], instance: object, owner: type | None = None
    ) -> Answering[Q, R]: ...
    def __get__(self, instance: object, owner: type | None = None) -> Any:
        return self if instance is None else self.bound(instance)


class AsyncAnswering(_Answering, Generic[P, R]):
    """The twin of `Answering` for a coroutine function; it stays one to `inspect` and to hosts."""

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """The value, the dependency's or the fallback's. Raises the error for which there is no fallback."""
        value: R = await self._plain(*args, **kwargs)
        return value

    async def outcome(self, *args: P.args, **kwargs: P.kwargs) -> Answer[R]:
        """The same call with an account of it. Raises what the plain call raises."""
        answer: Answer[R] = await self._outcome(*args, **kwargs)
        return answer

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(
        self: Callable[Concatenate[Any, Q], Coroutine[Any, Any, R]], instance: object, owner: type | None = None
    ) -> AsyncAnswering[Q, R]: ...
    def __get__(self, instance: object, owner: type | None = None) -> Any:
        return self if instance is None else self.bound(instance)


class Plan(NamedTuple):
    """What a decorator was told. `given`: whether the fallback gets the arguments of the call."""

    guard: Guard
    mode: Callable[[], Mode]
    fallback: Callable[..., Any] | None
    given: bool
    accepts: Callable[..., object] | None

    def check(self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Raise Refused, and count it, if there is nothing to do."""
        if self.accepts is None:
            return
        try:
            accepted = self.accepts(*args, **kwargs)
        except Exception as exc:  # noqa: BLE001 - a broken predicate must not keep work from being done
            hook_failed(exc)
            return
        if not accepted:
            hooks.emit("rejections_total", 1.0, {"guard": self.guard.name, "reason": "refused"})
            raise Refused(self.guard.name, getattr(fn, "__qualname__", type(fn).__name__))

    def reason(self, error: Exception) -> Reason:
        """Why the fallback answers instead of this error; "": it does not."""
        if self.fallback is None or isinstance(error, NoEventLoop):
            return ""
        if isinstance(error, Refused):
            # What somebody inside has refused is an error of the function, no lack of an answer.
            return "refused" if error.name == self.guard.name else ""
        if SWITCH.operation is not None:
            return ""
        if isinstance(error, Rejected):
            if isinstance(error, RateLimited):
                return "rate"
            return "bulkhead" if isinstance(error, BulkheadFull) else "circuit"
        if isinstance(error, DeadlineExceeded):
            return "deadline"
        kind = self.guard._engine.verdict(error).kind
        return "failure" if kind in ("failure", "throttled") else ""

    def made(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What the fallback returns."""
        if self.fallback is None:
            raise AssertionError("there is no reason for a fallback where there is none")
        return self.fallback(*args, **kwargs) if self.given else self.fallback()

    def answered(self, reason: Reason, result: Literal["answered", "raised"]) -> None:
        """Count one use of the fallback."""
        hooks.emit("fallbacks_total", 1.0, {"guard": self.guard.name, "reason": reason, "result": result})

    def failed(self, reason: Reason, error: Exception, failure: Exception) -> None:
        """Count a fallback that raised, and say so in a note of the error that it did not stand for."""
        self.answered(reason, "raised")
        head = f"guardrails: the fallback of {self.guard.name!r} failed too:"
        # An error object that is raised again and again must not gather notes.
        notes = getattr(error, "__notes__", None)
        if notes is not None:
            notes[:] = [note for note in notes if not str(note).startswith(head)]
        error.add_note(f"{head} {text_of(failure)}")


class Account:
    """What one call of `outcome` saw of its attempts."""

    def __init__(self, plan: Plan, fn: Callable[..., Any]) -> None:
        self._plan = plan
        self._fn = fn
        self._tick = plan.guard._engine.tick
        self._began = self._tick()
        self._inside = 0.0
        self._attempts = 0

    def attempt(self, *args: Any, **kwargs: Any) -> Any:
        """One attempt of a plain function."""
        self._attempts += 1
        began = self._tick()
        try:
            return self._fn(*args, **kwargs)
        finally:
            self._inside += self._tick() - began

    async def aattempt(self, *args: Any, **kwargs: Any) -> Any:
        """One attempt of a coroutine function."""
        self._attempts += 1
        began = self._tick()
        try:
            return await self._fn(*args, **kwargs)
        finally:
            self._inside += self._tick() - began

    def answer(self, value: Any, reason: Reason, error: Exception | None) -> Answer[Any]:
        """All of it."""
        took = self._tick() - self._began
        text = "" if error is None else text_of(error)
        waited = max(0.0, took - self._inside)
        plan = self._plan
        return Answer(plan.guard.name, value, bool(reason), reason, plan.mode(), self._attempts, waited, took, text)


def answering(plan: Plan, fn: Callable[..., Any]) -> Answering[..., Any]:
    """The shell of a plain function."""
    guarded = plan.guard(fn)

    def tried(
        call: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Any, Reason, Exception | None]:
        try:
            plan.check(fn, args, kwargs)
            return call(*args, **kwargs), "", None
        except Exception as exc:
            reason = plan.reason(exc)
            if not reason:
                raise
            try:
                value = checked(plan.guard._engine, plan.made(args, kwargs))
            except Exception as failure:  # noqa: BLE001 - the first error says more, and goes out below
                plan.failed(reason, exc, failure)
            else:
                plan.answered(reason, "answered")
                return value, reason, exc
            raise

    def plain(*args: Any, **kwargs: Any) -> Any:
        return tried(guarded, args, kwargs)[0]

    def outcome(*args: Any, **kwargs: Any) -> Answer[Any]:
        account = Account(plan, fn)
        return account.answer(*tried(functools.partial(plan.guard.call, account.attempt), args, kwargs))

    return Answering(functools.update_wrapper(plain, guarded), outcome)


def async_answering(plan: Plan, fn: Callable[..., Any]) -> AsyncAnswering[..., Any]:
    """The shell of a coroutine function, the twin of `answering`."""
    guarded = plan.guard(fn)

    async def tried(
        call: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Any, Reason, Exception | None]:
        try:
            plan.check(fn, args, kwargs)
            return await call(*args, **kwargs), "", None
        except Exception as exc:
            reason = plan.reason(exc)
            if not reason:
                raise
            try:
                value = plan.made(args, kwargs)
                if hasattr(value, "__await__"):
                    value = await value
            except Exception as failure:  # noqa: BLE001 - the first error says more, and goes out below
                plan.failed(reason, exc, failure)
            else:
                plan.answered(reason, "answered")
                return value, reason, exc
            raise

    async def plain(*args: Any, **kwargs: Any) -> Any:
        return (await tried(guarded, args, kwargs))[0]

    async def outcome(*args: Any, **kwargs: Any) -> Answer[Any]:
        account = Account(plan, fn)
        return account.answer(*await tried(functools.partial(plan.guard.acall, account.aattempt), args, kwargs))

    return AsyncAnswering(functools.update_wrapper(plain, guarded), outcome)
