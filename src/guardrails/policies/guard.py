"""`Guard`: the named thing that users hold, for sync and async callers alike.

    search = Guard("search", timeout=5, attempt_timeout=2, retry=Retry(on=ConnectionError))
    @search                                               def, async def, generators; methods too
    search.call(fn, *args), await search.acall(fn, *args)
    with search.permit() as permit: ...                   or `async with`

From the outside to the inside: deadline, retry, circuit, bulkhead, rate limit, attempt timeout, hedge, the call. So
the circuit sees each attempt, a timeout of an attempt is a failure to it, and what the bulkhead refuses is none.
"""

from __future__ import annotations

import sys
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple, ParamSpec, TypeVar

from guardrails.core.ranges import Ranges
from guardrails.core.settings import Breaker
from guardrails.errors import ConfigError
from guardrails.policies.calls import for_function
from guardrails.policies.engine import Engine
from guardrails.policies.keys import Keyed
from guardrails.policies.living import Living
from guardrails.policies.permit import Permit
from guardrails.policies.settings import Budget, Settings, fitted
from guardrails.policies.wrapping import applied, awaited, guarded, shell_for

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable
    from typing import Never, Self, Unpack

    import pybreaker

    from guardrails.clock import Clock
    from guardrails.core.breaker import Snapshot, State
    from guardrails.policies.limits import AdaptiveLimit, Hedge, RateLimit
    from guardrails.policies.outcomes import Outcome
    from guardrails.policies.presets import Changes
    from guardrails.policies.settings import Bulkhead, Retry

P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F", bound="Callable[..., Any] | staticmethod[..., Any] | classmethod[Any, ..., Any]")


class _Unsaid(Enum):
    """Where None says something, this says nothing."""

    UNSAID = "unsaid"


UNSAID: Final = _Unsaid.UNSAID


class GuardSnapshot(NamedTuple):
    """What a guard knows now, as plain data. `circuit`: see `guardrails.core.breaker.Snapshot`.

    `last`: the name of the last failure's class, or "". `affordable`: retries that the budget can pay now, None:
    no budget. `active`, `waiting`: calls in the bulkhead and before it, None: no bulkhead. `keys`: guards by key.
    `limit`: places of the bulkhead, which an adaptive one has found. `hedge_after`: seconds after which a second call
    begins; None: too little is known, or no hedge.
    """

    name: str
    circuit: Snapshot
    last: str
    affordable: float | None
    active: int | None
    waiting: int | None
    keys: int
    limit: int | None
    hedge_after: float | None


class Guard:
    """Guards the calls to one dependency: it remembers how they went, and makes no call that would only do harm.

    `name`: what errors and metrics call it. Two guards of one name are two: each has its own health, and metrics add
    up. That is no error, because a module that is loaded again makes its guards again while the old ones live on.
    `timeout`: seconds for the whole operation, 0.001 to a week, default None: endless. It becomes a deadline that
    nested guards keep too. An asynchronous call is cancelled at it; synchronous code is asked between attempts and
    may read `guardrails.policies.remaining()` for its client's timeout. `attempt_timeout`: the same for one attempt,
    at most `timeout`; what it cuts short is a failure, and is retried only if `retry` names TimeoutError.
    `retry`: see `Retry`; default None: one attempt. Inside a guard that retries, this one makes one attempt.
    `budget`: see `Budget`; on by default; None: retries without a bound on what they add up to.
    `breaker`: see `Breaker`; on by default; None: no circuit. A `pybreaker.CircuitBreaker` that you have already is
    adopted: its listeners, storage and `except CircuitBreakerError` keep working.
    `bulkhead`: see `Bulkhead`, and `AdaptiveLimit`, which finds its own size; default None.
    `rate_limit`: see `RateLimit`; default None. `hedge`: see `Hedge`; default None: only for what may happen twice.
    `ignore`: a class of exceptions, or several, that say nothing about the dependency, such as a bad request.
    Default: none; every Exception is a failure. What is no Exception is always ignored.
    `classify`: a function that is given what a call came to, an exception or a value, and returns an `Outcome`, or
    None for the rule above. One that fails is counted as a failed hook, and the rule holds. `clock`: for tests.
    `most_keys`: how many guards `for_key` keeps, 1 to 1,000,000, default 10,000.

    An open circuit is not retried, because to wait for it would hold the callers that it is there to set free; only a
    server that said when to come back is waited for, within the deadline.

    Raises ConfigError, a ValueError, that lists every mistake. A call raises what the function raises, or
    CircuitOpen, BulkheadFull, RateLimited (all `Rejected`), DeadlineExceeded, AttemptTimeout (both TimeoutError),
    NoEventLoop.
    """

    def __init__(
        self,
        name: str,
        *,
        timeout: float | None = None,
        attempt_timeout: float | None = None,
        retry: Retry | None = None,
        budget: Budget | None = Budget(),  # noqa: B008 - frozen
        breaker: Breaker | pybreaker.CircuitBreaker | _Unsaid | None = UNSAID,
        bulkhead: Bulkhead | AdaptiveLimit | None = None,
        rate_limit: RateLimit | None = None,
        hedge: Hedge | None = None,
        ignore: type[BaseException] | tuple[type[BaseException], ...] = (),
        classify: Callable[[Any], Outcome | None] | None = None,
        clock: Clock | None = None,
        most_keys: int = 10_000,
    ) -> None:
        ignored = ignore if isinstance(ignore, tuple) else (ignore,)
        foreign = breaker if _is_foreign(breaker) else None
        chosen: Any = fitted(Breaker(), timeout, attempt_timeout) if breaker is UNSAID else None if foreign else breaker
        settings = Settings(
            timeout, attempt_timeout, retry, budget, chosen, bulkhead, ignored, classify, rate_limit, hedge
        )
        ranges = Ranges()
        text: object = name
        named = isinstance(text, str) and text.strip() != ""
        ranges.demand(named, "name", name, "a text", "say what it guards: errors and metrics begin with it")
        ranges.number("most_keys", most_keys, 1, 1_000_000, "write a count", whole=True)
        ranges.problems += settings.problems()
        ranges.settle()
        self._begin(name, name, settings, clock, most_keys, foreign)
        # In this order, so that whoever configures meanwhile, in another thread, finds it or is obeyed.
        _GUARDS.add(self)
        self._obey()

    @classmethod
    def for_llm(cls, name: str, **changes: Unpack[Changes]) -> Self:
        """A guard for an LLM provider. Every choice may be replaced: the keywords are those of `Guard`.

        `attempt_timeout`: 60 s, until the first item of a stream, or the whole answer where it is none: the clients
        themselves wait for 600, and whoever asked has left by then. A model that thinks for minutes needs more.
        `timeout`: 300 s, to the end of a stream: long answers are written for minutes.
        `retry`: 3 attempts `on=transient` (connections, timeouts, 408, 429, 5xx, overloaded), because to ask twice
        costs tokens and nothing else; where a tool over there acts, or a file is made, say `retry=None`. None begins
        after 120 s: two attempts that time out are enough. Waits up to 0.5, 1 s, as the clients do; a Retry-After of
        more than 30 s ends it, since nobody watches an empty screen for longer.
        `budget`: the default, a tenth: a provider that turns everybody away recovers if it is asked less.
        `breaker`: 60 s to look back, because calls are long and the providers' limits are by the minute; 5 failures in
        a row, by chance once in ten billion at their error rates of 1 %, where ten attempts of 60 s would be ten
        minutes; 5 s of cooldown, because trial calls are billed.
        `bulkhead`: none. Streams hold their places for minutes, and how many your account may have, only you know.
        `classify`: `outcome_of`: throttled, overloaded, an empty account, a bad request are told apart; see
        `guardrails.policies.llm_errors`.

        One owner retries. The clients of openai and anthropic do so themselves, twice: give them `max_retries=0`, and
        litellm `num_retries=0`. Else 3 attempts of ours are up to 9 calls, the circuit counts one failure for three,
        the budget sees none of theirs, and their waits use up the time of our attempt.
        Models or tenants with limits of their own: `guard.for_key(model)`.
        """
        from guardrails.policies import presets

        return cls(name, **presets.llm(changes))

    @classmethod
    def for_http(cls, name: str, **changes: Unpack[Changes]) -> Self:
        """A guard for a service behind HTTP, around functions or in `guarded_transport`; keywords as for `Guard`.

        `attempt_timeout`: 5 s, over the slowest answer that is still one; `timeout`: 10 s, so that there is time for a
        second attempt before a proxy in front of you gives up, often after 30. `retry`: 3 attempts `on=untouched`: only
        what the service has not begun, because a guard does not know a POST from a GET. Where all calls may happen
        twice, `Retry(on=transient)`; `guarded_transport` sees the method and keeps to those that may. A Retry-After of
        more than 5 s ends it: the caller's time is up. `budget`, `breaker`: the defaults. `bulkhead`: none; it depends
        on the service. `classify`: `outcome_of`: 4xx are ignored, for they say something about the request. Where a
        404 is an answer: `classify=by_status({404: SUCCESS})`.
        """
        from guardrails.policies import presets

        return cls(name, **presets.http(changes))

    @classmethod
    def for_memory(cls, name: str, **changes: Unpack[Changes]) -> Self:
        """A guard for a memory store or a cache, over HTTP, Redis or SQL; keywords as for `Guard`.

        `attempt_timeout`: 2 s, because a model waits behind it and answers without memory too: slow is a failure here.
        `timeout`: 5 s, for two attempts. `retry`: 2 attempts `on=untouched`, which is safe for writes too; reads may
        say `Retry(on=transient)`, as those of `Dependency.for_memory` do. A Retry-After of more than 2 s ends it.
        `budget`: the default. `breaker`: 5 failures in a row instead of 10, because each has cost a user 2 s and an
        opening costs little where there is a fallback. `bulkhead`: none; it depends on the store. `classify`:
        `outcome_of`. Where "no such user" is a 404, that is an answer: `classify=by_status({404: SUCCESS})`.

        Clients of Redis retry themselves: give them `retry=None`, so that one owner does.
        """
        from guardrails.policies import presets

        return cls(name, **presets.memory(changes))

    @classmethod
    def for_sql(cls, name: str, **changes: Unpack[Changes]) -> Self:
        """A guard for a database, around whole transactions; keywords as for `Guard`.

        `timeout`: 10 s: a transaction that takes longer holds locks for which others queue. Synchronous drivers cannot
        be interrupted, so give the server its `statement_timeout` too. `attempt_timeout`: none, there is one attempt.
        `retry`: none. After an error a statement cannot be repeated alone, and when a connection is lost at the commit
        nobody knows whether it happened. Around a function that is a whole transaction, `Retry(on=rolled_back)` is
        safe: the database has said that it undid everything. `budget`, `breaker`: the defaults. `bulkhead`: none; the
        connection pool is one. `classify`: `outcome_of`: lost connections, exhausted resources, deadlocks and
        serialization failures are failures; constraints, bad statements and bad values are ignored.
        """
        from guardrails.policies import presets

        return cls(name, **presets.sql(changes))

    def _begin(
        self, name: str, label: str, settings: Settings, clock: Clock | None, most_keys: int, foreign: Any = None
    ) -> None:
        self.name = name
        self._clock = clock
        self._engine = Engine(name, label, clock)
        if foreign is not None:
            from guardrails.policies.adopting import Adopted

            # It has what a guard asks of a circuit.
            adopted: Any = Adopted(foreign, self._engine.tick)
            self._engine.circuit = self._engine.adopted = adopted
            settings = settings._replace(classify=adopted.judging(settings.classify))
        self._said = self._settings = settings
        self._engine.adopt(settings, new=True)
        self._call = for_function(self._engine, applied)
        self._acall: Callable[..., Awaitable[Any]] | None = None
        self._keyed = Keyed(most_keys, self._child, self._engine.lock)

    def __repr__(self) -> str:
        return f"<Guard {self.name!r}: {self.state}>"

    def __reduce__(self) -> Never:
        """A guard is what one process knows. Raises TypeError for who copies or pickles it."""
        raise TypeError(
            f"guard {self.name!r} cannot be copied or pickled: it is what this process knows of its calls; "
            "make it at module level, so that each process has its own, or pass on a function that it guards"
        )

    # Calls.

    def __call__(self, fn: F) -> F:
        """Decorate `fn`: a function, coroutine function, generator or asynchronous generator, or a method of these.

        What comes back is of the same kind and type. Raises Unguardable, a TypeError, for anything else.
        """
        wrapper: F = guarded(self._engine, fn)
        return wrapper

    def call(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the plain function `fn` with these arguments, guarded.

        Raises Unguardable where `fn` returns a coroutine or a generator: the work would begin without the guard.
        """
        result: R = self._call(fn, *args, **kwargs)
        return result

    async def acall(self, fn: Callable[P, Awaitable[R]], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the coroutine function `fn`, or a function that returns an awaitable, with these arguments, guarded."""
        acall = self._acall
        if acall is None:
            acall = self._acall = shell_for(awaited)(self._engine, awaited)
        result: R = await acall(fn, *args, **kwargs)
        return result

    def permit(self) -> Permit:
        """A guard around a block, for those who make the call themselves: `with` or `async with`. See `Permit`."""
        return Permit(self._engine)

    # What is known, and what humans ask for.

    @property
    def state(self) -> State:
        """Of the circuit: closed, open, half-open, isolated, disabled or shadow."""
        return self._engine.circuit.state

    @property
    def idle(self) -> bool:
        """Whether nothing would be lost with it: a closed circuit, no call in the bulkhead, an even rate limit."""
        places, pace = self._engine.places, self._engine.pace
        # To forget a rate limit would give its burst once more.
        busy = pace is not None and pace.debt(self._engine.tick()) > 0
        busy = busy or (places is not None and places.active + places.waiting > 0)
        # To forget a circuit that a human has disabled would enable it.
        return self.state == ("closed" if self._has_circuit else "disabled") and not busy

    def snapshot(self) -> GuardSnapshot:
        """What is known now, as plain data."""
        engine = self._engine
        now = engine.tick()
        with engine.lock:
            budget, places, hedge_delay = engine.budget, engine.places, engine.hedge_delay
            return GuardSnapshot(
                name=self.name,
                circuit=engine.circuit.snapshot(now),
                last=engine.last,
                affordable=None if budget is None else budget.balance(now),
                active=None if places is None else places.active,
                waiting=None if places is None else places.waiting,
                keys=len(self._keyed),
                limit=None if places is None else places.limit,
                hedge_after=None if hedge_delay is None else hedge_delay.delay(),
            )

    @property
    def _has_circuit(self) -> bool:
        return self._settings.breaker is not None or self._engine.adopted is not None

    def isolate(self, reason: str) -> None:
        """Reject every call until released. `reason` stands in what whoever is rejected reads."""
        self._engine.move(self._engine.circuit.isolate, reason)

    def release(self, reason: str = "released by a human") -> None:
        """End what a human holds, or an open time: what rejected goes on trial, what admitted is closed."""
        circuit = self._engine.circuit
        # Without a breaker nothing can go on trial.
        self._engine.move(circuit.release if self._has_circuit else circuit.disable, reason)

    def disable(self, reason: str = "disabled by a human") -> None:
        """Admit every call and record none, until released."""
        self._engine.move(self._engine.circuit.disable, reason)

    def shadow(self, reason: str = "shadow") -> None:
        """Admit every call, record, and say when the circuit would have opened, until released."""
        if self._has_circuit:
            self._engine.move(self._engine.circuit.shadow, reason)

    def update(
        self,
        *,
        timeout: float | _Unsaid | None = UNSAID,
        attempt_timeout: float | _Unsaid | None = UNSAID,
        retry: Retry | _Unsaid | None = UNSAID,
        budget: Budget | _Unsaid | None = UNSAID,
        breaker: Breaker | _Unsaid | None = UNSAID,
        bulkhead: Bulkhead | AdaptiveLimit | _Unsaid | None = UNSAID,
        rate_limit: RateLimit | _Unsaid | None = UNSAID,
        hedge: Hedge | _Unsaid | None = UNSAID,
    ) -> tuple[str, ...]:
        """Obey other settings from now on, here and in the guards by key; what is not named stays as it is.

        Operations under way keep the deadline and the retries that they began with. The circuit keeps state and,
        where the window allows, outcomes. What `guardrails.policies.configure` has set stands over what is said here.
        Returns what had to be forgotten and what stays as it is configured, each in a few words.
        Raises ConfigError, and changes nothing, if the settings would be wrong together.
        """
        said: dict[str, Any] = {
            "timeout": timeout,
            "attempt_timeout": attempt_timeout,
            "retry": retry,
            "budget": budget,
            "breaker": breaker,
            "bulkhead": bulkhead,
            "rate_limit": rate_limit,
            "hedge": hedge,
        }
        said = {name: value for name, value in said.items() if value is not UNSAID}
        while True:
            before = self._said
            settings = before._replace(**said)
            problems = settings.problems()
            if breaker is not UNSAID and self._engine.adopted is not None:
                problems.append("breaker: this guard has pybreaker's; change that one, or make another guard")
            if problems:
                raise ConfigError(problems)
            obeyed = self._configured(settings)
            with self._engine.lock:
                # Another thread may have updated something else meanwhile, which must not be lost.
                if self._said is before:
                    self._said = settings
                    break
        kept = [f"{name}: stays as it is configured" for name, value in said.items() if getattr(obeyed, name) != value]
        return *self._obey(), *kept

    # What is configured stands over what the code says, in all guards; `guardrails.policies.configured` sets it.
    _over: ClassVar[Callable[[Guard, Settings], Settings] | None] = None

    def _configured(self, said: Settings) -> Settings:
        """What holds where the code says this. Raises ConfigError where the two contradict each other."""
        over = Guard._over
        return said if over is None else over(self, said)

    def _obey(self) -> tuple[str, ...]:
        """Adopt what the code says and, over it, what is configured, as far as it is not adopted yet."""
        lost: tuple[str, ...] = ()
        settings = self._configured(self._said)
        if settings == self._settings:
            return lost
        while True:
            lost += self._adopt(settings)
            # Another thread may have said, or configured, something else meanwhile; whoever is last has seen both.
            adopted, settings = settings, self._configured(self._said)
            if settings == adopted:
                return lost

    def _adopt(self, settings: Settings) -> tuple[str, ...]:
        self._settings = settings
        lost = self._engine.adopt(settings)
        for guard in self._keyed.all().values():
            guard._said = settings
            guard._adopt(settings)
        return lost

    # One for each key.

    def for_key(self, key: Hashable) -> Guard:
        """The guard of the same settings for one tenant, model or region, with a health of its own.

        At most `most_keys` are kept; the one asked for longest ago is forgotten, unless its circuit is not closed,
        calls are in its bulkhead, or its rate limit is not even. Metrics carry the name without the key: there may be
        too many of those.
        Raises ConfigError where the guard has pybreaker's breaker: there is one of it.
        """
        if self._engine.adopted is not None:
            raise ConfigError(["for_key: one breaker of pybreaker has one health; give this guard a `Breaker` of ours"])
        return self._keyed.get(key)

    def by_key(self) -> dict[Hashable, Guard]:
        """The guards that `for_key` keeps now."""
        return self._keyed.all()

    def _child(self, key: Hashable) -> Guard:
        child = Guard.__new__(Guard)
        child._begin(f"{self.name}[{str(key)[:60]}]", self.name, self._settings, self._clock, 1)
        return child


def _is_foreign(breaker: object) -> bool:
    """Whether it is one of pybreaker's; that is imported already by whoever has one."""
    theirs = sys.modules.get("pybreaker")
    return theirs is not None and isinstance(breaker, theirs.CircuitBreaker)


_GUARDS: Living[Guard] = Living()


def guards() -> list[Guard]:
    """The guards of this process that somebody still holds, in the order in which they were made."""
    return _GUARDS.all()
