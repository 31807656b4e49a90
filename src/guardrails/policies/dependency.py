"""`Dependency`: one service that is read and written, with a health for each, a mode, and fallbacks that are labelled.

    memory = Dependency("zep", attempt_timeout=2, breaker=Breaker(consecutive=5, cooldown=30))
    @memory.read(fallback=list)            reads down: an empty answer at once, and the mode is WRITE_ONLY
    @memory.write()                        writes down: CircuitOpen at once, and the mode is READ_ONLY

Two guards, because one counter for both is blind: where most calls are writes that succeed, no number of reads that
fail in between is a row, or half of the calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec, Protocol, TypeVar, overload

from guardrails import hooks
from guardrails.core.ranges import Ranges
from guardrails.errors import ConfigError, Unguardable
from guardrails.policies.answering import Plan, answering, async_answering
from guardrails.policies.guard import Guard

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Never, Self, TypedDict, Unpack

    from guardrails.clock import Clock
    from guardrails.core.breaker import State
    from guardrails.core.settings import Breaker
    from guardrails.policies.answering import Answering, AsyncAnswering, Mode
    from guardrails.policies.guard import GuardSnapshot
    from guardrails.policies.limits import AdaptiveLimit, Hedge, RateLimit
    from guardrails.policies.outcomes import Outcome
    from guardrails.policies.settings import Budget, Bulkhead, Retry

    class Both(TypedDict, total=False):
        """What both guards are told; see `Guard`."""

        timeout: float | None
        attempt_timeout: float | None
        retry: Retry | None
        budget: Budget | None
        breaker: Breaker | None
        bulkhead: Bulkhead | AdaptiveLimit | None
        rate_limit: RateLimit | None
        hedge: Hedge | None
        ignore: type[BaseException] | tuple[type[BaseException], ...]
        classify: Callable[[Any], Outcome | None] | None
        clock: Clock | None


P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F")
F_co = TypeVar("F_co", covariant=True)

# What rejects calls, or has not yet shown that it is well again.
DOWN = ("open", "half-open", "isolated")


class DependencySnapshot(NamedTuple):
    """What a dependency knows now, as plain data."""

    name: str
    mode: Mode
    read: GuardSnapshot
    write: GuardSnapshot


class Dependency:
    """One service that is read and written, such as a memory store.

    `name`: what errors and metrics call it; its guards are `<name>.read` and `<name>.write`. Everything else is what
    `Guard` takes (but `most_keys`) and holds for both guards, each with a circuit, a bulkhead and a budget of its own.
    But `hedge` is for the reads alone: for writes that may happen twice, `memory.write.guard.update(hedge=Hedge())`.
    Where one side needs another setting, such as more time for writes: `memory.write.guard.update(timeout=10)`.

    `read` and `write` are its two sides; see `Side`. Raises ConfigError, a ValueError, that lists every mistake.
    """

    def __init__(self, name: str, **settings: Unpack[Both]) -> None:
        text: object = name
        ranges = Ranges()
        named = isinstance(text, str) and text.strip() != ""
        ranges.demand(named, "name", name, "a text", "say what it is: errors and metrics begin with it")
        try:
            reads = Guard(f"{name}.read", **settings)
            settings["hedge"] = None
            writes = Guard(f"{name}.write", **settings)
        except ConfigError as exc:
            raise ConfigError([*ranges.problems, *exc.problems]) from None
        ranges.settle()
        self.name = name
        self.read = Side(self, reads)
        self.write = Side(self, writes)
        self._told: Mode = self.mode
        for guard in (reads, writes):
            guard._engine.watch = self._watch

    @classmethod
    def for_memory(cls, name: str, **changes: Unpack[Both]) -> Self:
        """A memory store, with the choices of `Guard.for_memory` on both sides but for one: what is retried.

        Reads are tried twice `on=transient`, for a read may happen twice; writes `on=untouched`, only where nothing has
        happened. `retry=` given here holds for both sides.
        """
        from guardrails.policies import presets

        made = cls(name, **presets.memory(changes))
        if "retry" not in changes:
            made.read.guard.update(retry=presets.READ_AGAIN)
        return made

    @classmethod
    def for_sql(cls, name: str, **changes: Unpack[Both]) -> Self:
        """A database, with the choices of `Guard.for_sql` on both sides: a replica for reads has its own health."""
        from guardrails.policies import presets

        return cls(name, **presets.sql(changes))

    def __repr__(self) -> str:
        return f"<Dependency {self.name!r}: {self.mode}>"

    @property
    def mode(self) -> Mode:
        """FULL; READ_ONLY: writes are down; WRITE_ONLY: reads are down; OFFLINE: both are.

        Down is a circuit that is open, on trial (half-open), or isolated by a human: until it has closed. Leave no call
        out because of it: only calls show that the dependency is back.
        """
        return _mode(self.read.guard.state, self.write.guard.state)

    def snapshot(self) -> DependencySnapshot:
        """What is known now, as plain data."""
        read, write = self.read.guard.snapshot(), self.write.guard.snapshot()
        return DependencySnapshot(self.name, _mode(read.circuit.state, write.circuit.state), read, write)

    def _watch(self) -> None:
        """Tell of a change of the mode, once, whichever circuit and thread brought it."""
        # Of the two locks that there are, because a fork looks after them.
        with self.read.guard._engine.lock:
            before, after = self._told, self.mode
            self._told = after
        if before != after:
            labels = {"dependency": self.name, "before": before, "after": after}
            hooks.emit("dependency_mode_changes_total", 1.0, labels)


class Side:
    """The reads, or the writes, of a dependency: a maker of decorators. `guard`: the `Guard` of this side.

    `@memory.read()` guards a function, a coroutine function, or a method of these, and keeps its kind and signature.
    What it makes is called as before, or as `recall.outcome(user)`, which returns an `Answer`. Generators are refused:
    what a consumer has seen cannot be taken back for a fallback; `@memory.read.guard` guards them.

    `fallback`: a function without arguments that makes the value to return where the dependency has none: the guard
    rejected the call (circuit, bulkhead, rate limit), the deadline came, or the call failed, after its last attempt;
    else the first callers of an outage would get an error and the later ones an answer. Not for what is ignored
    (`ignore`, `classify`, cancellation): that is the caller's, and goes through. `fallback_for`: the same, given the
    arguments of the call, in a method its object first. Two names and no look at the signature, because `list` takes an
    argument too.
    For a coroutine function either may be one too. It runs unguarded, so it must be quick. Default: none, the error
    goes through. Where the fallback raises, the first error goes out, with a note. Each use is counted in
    `fallbacks_total`.

    `accepts`: a function that is given the arguments of the call and says whether there is anything to do; where it
    says no, as for a blank message, nothing is called, recorded or tried again. The fallback answers, or Refused is
    raised, which is a `Rejected`. Counted in `rejections_total`. Where it raises, that is counted as a failed hook, and
    the call is made. Default: every call is.

    Raises ConfigError, a ValueError, for settings and Unguardable, a TypeError, for a function of the wrong kind.
    """

    def __init__(self, dependency: Dependency, guard: Guard) -> None:
        self._dependency = dependency
        self.guard = guard

    def __repr__(self) -> str:
        return f"<{self.guard.name}: {self.guard.state}>"

    @overload
    def __call__(self, *, accepts: Callable[..., object] | None = None) -> Decorates[Never]: ...
    @overload
    def __call__(
        self, *, fallback: Callable[[], Awaitable[F]], accepts: Callable[..., object] | None = None
    ) -> Decorates[F]: ...
    @overload
    def __call__(self, *, fallback: Callable[[], F], accepts: Callable[..., object] | None = None) -> Decorates[F]: ...
    @overload
    def __call__(
        self, *, fallback_for: Callable[..., Awaitable[F]], accepts: Callable[..., object] | None = None
    ) -> Decorates[F]: ...
    @overload
    def __call__(
        self, *, fallback_for: Callable[..., F], accepts: Callable[..., object] | None = None
    ) -> Decorates[F]: ...
    def __call__(
        self,
        *given: object,
        fallback: Callable[..., Any] | None = None,
        fallback_for: Callable[..., Any] | None = None,
        accepts: Callable[..., object] | None = None,
    ) -> Decorates[Any]:
        """A decorator; see `Side`."""
        if given:
            side = self.guard.name
            raise Unguardable(side, "a function that is given to it directly", f"write @{side}(), with parentheses")
        ranges = Ranges()
        functions = (("fallback", fallback), ("fallback_for", fallback_for), ("accepts", accepts))
        for name, function in functions:
            fine = function is None or callable(function)
            ranges.demand(fine, name, function, "a function", "write fallback=list, not its value")
        one = fallback is None or fallback_for is None
        ranges.demand(one, "fallback_for", fallback_for, "None beside fallback", "name one of the two")
        ranges.settle()
        chosen = fallback if fallback_for is None else fallback_for
        plan = Plan(self.guard, lambda: self._dependency.mode, chosen, fallback_for is not None, accepts)
        return lambda fn: _answering(plan, fn)


class Decorates(Protocol[F_co]):
    """A decorator: what it makes returns what the function returns, or what the fallback does."""

    @overload
    def __call__(self, fn: Callable[P, Awaitable[R]], /) -> AsyncAnswering[P, R | F_co]: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, fn: Callable[P, R], /) -> Answering[P, R | F_co]: ...


def _answering(plan: Plan, fn: Any) -> Any:
    # Here, because it is a third of what `from guardrails import Guard` would cost.
    import inspect

    name = plan.guard.name
    if isinstance(fn, staticmethod):
        raise Unguardable(name, "a staticmethod", "give it the function in it: @staticmethod above, this below")
    if isinstance(fn, classmethod):
        raise Unguardable(name, "a classmethod", "guard a function that it calls: `outcome` would not know its class")
    # Of the same kind as the function, whatever was wrapped around that.
    guarded = plan.guard(fn)
    if inspect.isgeneratorfunction(guarded) or inspect.isasyncgenfunction(guarded):
        fix = f"decorate it with @{name}.guard; what it has given cannot be taken back for a fallback"
        raise Unguardable(name, f"the generator {guarded.__qualname__}", fix)
    if inspect.iscoroutinefunction(guarded):
        if inspect.iscoroutinefunction(plan.accepts):
            raise Unguardable(name, "with a coroutine function as accepts", "a call waits for it: make it a plain one")
        return async_answering(plan, fn)
    for said, function in (("fallback", plan.fallback), ("accepts", plan.accepts)):
        if inspect.iscoroutinefunction(function):
            raise Unguardable(name, f"a plain function with a coroutine function as {said}", "make it a plain one")
    return answering(plan, fn)


def _mode(read: State, write: State) -> Mode:
    if read in DOWN:
        return "OFFLINE" if write in DOWN else "WRITE_ONLY"
    return "READ_ONLY" if write in DOWN else "FULL"
