"""Every exception of the toolkit.

    GuardrailsError                     catch this to catch all of ours
    ├── ConfigError (ValueError)        a setting or a waiver is wrong; lists every problem at once
    ├── NotAProject (ValueError)        the path given holds no Python project
    ├── InterpreterError (OSError)      a Python interpreter that was asked for cannot be used
    ├── GitError (RuntimeError)         git answered with an error, or not in time
    ├── UnknownRule (LookupError)       no rule of that id; names the nearest
    ├── EncodeError (TypeError)         JSON cannot keep a value, and the policy is `strict`; names every path
    ├── Rejected (RuntimeError)         a guard did not make the call: nothing has happened over there
    │   ├── CircuitOpen                 the dependency failed too often; says for how long it is left alone
    │   ├── BulkheadFull                too many calls are under way
    │   ├── RateLimited                 too many calls have begun lately; says how long to wait
    │   └── Refused                     there was nothing to do: `accepts` said so
    ├── DeadlineExceeded (TimeoutError) the whole operation did not end in time
    ├── AttemptTimeout (TimeoutError)   one attempt did not end in time
    ├── NoEventLoop (RuntimeError)      asyncio is needed and does not run here
    ├── Unguardable (TypeError)         what was given to a guard is no callable that it can guard
    ├── StreamFault                     a streamed answer did not arrive whole; has the text that did
    │   ├── FirstTokenTimeout (TimeoutError)  nothing of the answer came in time
    │   ├── IdleTimeout (TimeoutError)  nothing more of it came in time; keepalives do not count
    │   ├── StreamDeadlineExceeded      the whole stream did not end in time; a DeadlineExceeded, too
    │   ├── Truncated (EOFError)        it ended, or could not be read, before it was whole
    │   ├── ProviderError (RuntimeError)  the provider reported an error, in the stream or in place of it
    │   ├── ConnectionLost (ConnectionError)  the connection failed
    │   └── SeamMismatch (ValueError)   a continuation did not join on to what was delivered
    └── CircuitBreakerError             in `compat`, pybreaker's own error too: a call has opened a breaker, or
        └── CallRejected                was rejected by it, and this is a CircuitOpen as well

Each message says what happened, the numbers and the next step; the same facts are attributes.
Every class survives pickling with its attributes and its cause, because task queues send
exceptions between processes.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


class GuardrailsError(Exception):
    """Base of all errors that the toolkit raises itself."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _revive, (type(self), self.args, dict(self.__dict__), _portable(self.__cause__))


class ConfigError(GuardrailsError, ValueError):
    """The configuration cannot be used. `problems` holds one line for each mistake: place, value, fix."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        head = "1 mistake in the configuration:" if count == 1 else f"{count} mistakes in the configuration:"
        super().__init__("\n".join([head, *(f"  {problem}" for problem in self.problems)]))


class NotAProject(GuardrailsError, ValueError):
    """The path does not hold a Python project. `path` is what was given, `reason` what is missing."""

    def __init__(self, path: str, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"{path}: {reason}")


class InterpreterError(GuardrailsError, OSError):
    """A Python interpreter cannot be used. `executable` is its path, `reason` what it did."""

    def __init__(self, executable: str, reason: str) -> None:
        self.executable = executable
        self.reason = reason
        super().__init__(f"cannot use the Python interpreter {executable}: {reason}")


class GitError(GuardrailsError, RuntimeError):
    """A git command failed. Has `argv`, `returncode` (None: it did not end in time) and `stderr`."""

    def __init__(self, argv: Sequence[str], returncode: int | None, stderr: str) -> None:
        self.argv = tuple(argv)
        self.returncode = returncode
        self.stderr = stderr
        ended = "did not end in time" if returncode is None else f"ended with status {returncode}"
        said = stderr.strip().splitlines()
        super().__init__(f"`{' '.join(self.argv)}` {ended}" + (f": {said[-1]}" if said else ""))


class UnknownRule(GuardrailsError, LookupError):
    """No rule or rule family bears this id. `near` lists ids that look like it."""

    def __init__(self, rule: str, near: Sequence[str] = ()) -> None:
        self.rule = rule
        self.near = tuple(near)
        hint = f" Did you mean {' or '.join(self.near)}?" if self.near else ""
        super().__init__(f"there is no rule {rule!r}.{hint} `guardrails explain` lists them.")


class EncodeError(GuardrailsError, TypeError):
    """JSON cannot keep a value exactly. `problems` holds one line for each place: path, reason, type.

    `omitted`: how many more places there are.
    """

    def __init__(self, problems: Sequence[str], omitted: int = 0) -> None:
        self.problems = tuple(problems)
        self.omitted = omitted
        count = len(self.problems) + omitted
        head = f"JSON cannot keep {count} {'value' if count == 1 else 'values'} exactly:"
        tail = [f"  and {omitted} more"] if omitted else []
        step = "Register the type, convert the value, or use the policy `safe`, which marks and reports it."
        super().__init__("\n".join([head, *(f"  {problem}" for problem in self.problems), *tail, step]))


class Rejected(GuardrailsError, RuntimeError):
    """A guard did not make the call: nothing has happened over there, so another answer or a later call is safe.

    `name` is the guard's. No TimeoutError and no ConnectionError, on purpose: who retries those elsewhere would
    hammer what is to be left alone.
    """

    @property
    def name(self) -> str:
        return str(self.args[0])


class CircuitOpen(Rejected):
    """The circuit of a guard rejects calls.

    `state`: "open", "half-open" when all trial calls are under way, or "isolated" by a human. `age`: seconds in it.
    `reason`: the numbers that led there. `last`: the name of the last failure's class, or "". `retry_after`:
    seconds until a trial call may go, None where no time says so.
    """

    # Rejections are what happens most when all is lost: no attribute is set, no text made, before somebody looks.

    @property
    def state(self) -> str:
        return str(self.args[1])

    @property
    def age(self) -> float:
        return float(self.args[2])

    @property
    def reason(self) -> str:
        return str(self.args[3])

    @property
    def last(self) -> str:
        return str(self.args[4])

    @property
    def retry_after(self) -> float | None:
        seconds = self.args[5]
        return None if seconds is None or seconds == float("inf") else float(seconds)

    def __str__(self) -> str:
        why = f"{self.reason}; last: {self.last}" if self.last else self.reason
        if self.retry_after is not None:
            step = f"Retry in {self.retry_after:.1f} s."
        elif self.state == "isolated":
            step = "A human holds it: release() lets calls go on trial."
        else:
            step = "All its trial calls are under way: retry when they are back."
        return f"{self.name!r} is {self.state} for {self.age:.1f} s ({why}). {step} Runbook: breaker-open"


class BulkheadFull(Rejected):
    """As many calls as allowed are under way. `limit`: how many; `waiting`: how many waited for a place already;
    `waited`: the seconds that this one has waited.
    """

    @property
    def limit(self) -> int:
        return int(self.args[1])

    @property
    def waiting(self) -> int:
        return int(self.args[2])

    @property
    def waited(self) -> float:
        return float(self.args[3])

    def __str__(self) -> str:
        queue = f"{self.waiting} waiting" + (f", this one for {self.waited:.2f} s" if self.waited else "")
        return f"{self.name!r} has no free place: {self.limit} of {self.limit} taken, {queue}. Runbook: bulkhead-full"


class RateLimited(Rejected):
    """As many calls as allowed have begun lately. `rate`: how many a second; `burst`: how many at once after a rest;
    `retry_after`: seconds until this one could have gone; `longest_wait`: the seconds that it was allowed to wait.
    """

    @property
    def rate(self) -> float:
        return float(self.args[1])

    @property
    def burst(self) -> int:
        return int(self.args[2])

    @property
    def retry_after(self) -> float:
        return float(self.args[3])

    @property
    def longest_wait(self) -> float:
        return float(self.args[4])

    def __str__(self) -> str:
        rate = f"{self.rate:.3f}".rstrip("0").rstrip(".")
        limit = f"{rate} calls a second" + (f", {self.burst} at once" if self.burst > 1 else "")
        wait = f", and this call may wait {self.longest_wait:.2f} s" if self.longest_wait else ""
        step = f"Retry in {self.retry_after:.2f} s."
        return f"{self.name!r} is limited to {limit}{wait}. {step} Runbook: rate-limited"


class Refused(Rejected):
    """A call with nothing to do, such as a blank message: to make it later, or again, would not help.

    `function`: the name of what was called; its arguments are not kept.
    """

    @property
    def function(self) -> str:
        return str(self.args[1])

    def __str__(self) -> str:
        step = "Ask before you call, or give a fallback."
        return f"{self.name!r} has nothing to do: `accepts` refused a call of {self.function}. {step}"


class DeadlineExceeded(GuardrailsError, TimeoutError):
    """The whole operation did not end in time; what was under way has been cancelled where that is possible.

    `name` is the guard's. `timeout`: the seconds it had, less than its own setting where a caller's deadline came
    sooner. `elapsed`: the seconds it took. `attempts`: how many were begun; 0: the time was over before the first,
    and nothing has happened over there. `last`: the last failure as text, or "".
    """

    def __init__(self, name: str, timeout: float, elapsed: float, attempts: int, last: str = "") -> None:
        self.name = name
        self.timeout = timeout
        self.elapsed = elapsed
        self.attempts = attempts
        self.last = last
        tried = f"{attempts} attempt" if attempts == 1 else f"{attempts} attempts"
        why = f"; last: {last}" if last else ""
        head = f"{name!r} did not end within {timeout:.3g} s: {tried} in {elapsed:.3g} s{why}."
        if not attempts:
            head = f"{name!r} was not begun: the time that was left for it, {timeout:.3g} s, is over."
        super().__init__(f"{head} Runbook: deadline-exceeded")


class AttemptTimeout(GuardrailsError, TimeoutError):
    """One attempt did not end in time and has been cancelled: whether it had an effect is not known.

    `name` is the guard's, `attempt_timeout` the seconds that the attempt had, `attempt` its number, from 1.
    """

    def __init__(self, name: str, attempt_timeout: float, attempt: int) -> None:
        self.name = name
        self.attempt_timeout = attempt_timeout
        self.attempt = attempt
        head = f"attempt {attempt} of {name!r} did not end within {attempt_timeout:.3g} s and was cancelled."
        super().__init__(f"{head} Runbook: deadline-exceeded")


class NoEventLoop(GuardrailsError, RuntimeError):
    """A guard has to wait or to keep time, and no asyncio loop runs here. `name` is the guard's, `what` its need."""

    def __init__(self, name: str, what: str) -> None:
        self.name = name
        self.what = what
        super().__init__(f"{name!r} cannot {what} here: no asyncio loop is running. trio and gevent are not supported")


class Unguardable(GuardrailsError, TypeError):
    """What was given to a guard cannot be guarded. `name` is the guard's, `what` was given, `fix` is the way out."""

    def __init__(self, name: str, what: str, fix: str) -> None:
        self.name = name
        self.what = what
        self.fix = fix
        super().__init__(f"{name!r} cannot guard {what}: {fix}")


class StreamFault(GuardrailsError):
    """A streamed answer did not arrive whole.

    `detail`: what happened, with its numbers. `provider`: the host. `attempt`: the number of the attempt that ended so,
    from 1; each has been billed. `partial`: the text that was delivered, `chars` its length. `last_event`: the name or
    type of the last event that came, "" if none did. `retry_after`: seconds after which the provider wants to be asked
    again, None where it does not say so.
    """

    # Raised inside a client, it is an error of that client's httpx, too, whose constructor takes something else.
    def __init__(
        self,
        detail: str,
        provider: str = "",
        attempt: int = 1,
        partial: str = "",
        last_event: str = "",
        retry_after: float | None = None,
    ) -> None:
        self.detail = detail
        self.provider = provider
        self.attempt = attempt
        self.partial = partial
        self.last_event = last_event
        self.retry_after = retry_after
        self.args = (self._told(),)

    @property
    def chars(self) -> int:
        return len(self.partial)

    def _told(self) -> str:
        where = f" from {self.provider}" if self.provider else ""
        tried = f"attempt {self.attempt}" + (f", last event {self.last_event}" if self.last_event else "")
        wait = "" if self.retry_after is None else f" Retry in {self.retry_after:.1f} s."
        head = f"the stream{where} is not whole: {self.detail} ({tried})."
        return f"{head} {self.chars} characters were delivered, see `.partial`.{wait} Runbook: stream-cut"

    def __str__(self) -> str:
        return str(self.args[0])


class FirstTokenTimeout(StreamFault, TimeoutError):
    """Nothing of the answer came in time."""


class IdleTimeout(StreamFault, TimeoutError):
    """Nothing more of the answer came in time; keepalives and pings do not count."""


class StreamDeadlineExceeded(StreamFault, DeadlineExceeded):
    """The whole stream did not end in time. Of a DeadlineExceeded it has `name`, `timeout`, `elapsed`, `attempts`."""

    def __init__(
        self,
        detail: str,
        provider: str = "",
        attempt: int = 1,
        partial: str = "",
        last_event: str = "",
        retry_after: float | None = None,
        timeout: float = 0.0,
        elapsed: float = 0.0,
    ) -> None:
        StreamFault.__init__(self, detail, provider, attempt, partial, last_event, retry_after)
        self.name = provider
        self.timeout = timeout
        self.elapsed = elapsed
        self.attempts = attempt
        self.last = detail


class Truncated(StreamFault, EOFError):
    """The answer ended before it was whole, or held an event that could not be read."""


class ProviderError(StreamFault, RuntimeError):
    """The provider reported an error, inside the stream or in place of it.

    `kind`: its own word, such as "overloaded_error", "" without one. `status`: the HTTP status that it sent, or that
    the kind stands for (overloaded: 529); None: neither.
    """

    def __init__(
        self,
        detail: str,
        provider: str = "",
        attempt: int = 1,
        partial: str = "",
        last_event: str = "",
        retry_after: float | None = None,
        kind: str = "",
        status: int | None = None,
    ) -> None:
        self.kind = kind
        self.status = status
        super().__init__(detail, provider, attempt, partial, last_event, retry_after)


class ConnectionLost(StreamFault, ConnectionError):
    """The connection failed before the answer was whole."""


class SeamMismatch(StreamFault, ValueError):
    """A continuation did not join on to what was delivered, or it could not be told whether it did."""


def _revive(
    cls: type[GuardrailsError], args: tuple[Any, ...], state: dict[str, Any], cause: BaseException | None
) -> GuardrailsError:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    error.__cause__ = cause
    return error


def _portable(cause: BaseException | None) -> BaseException | None:
    """The cause itself when it can be pickled, else a stand-in that keeps its type and text."""
    if cause is None:
        return None
    import pickle

    try:
        pickle.loads(pickle.dumps(cause))  # noqa: S301 - our own bytes, made in the same expression
    except Exception:  # noqa: BLE001 - a foreign __reduce__ may raise anything; the report must still travel
        return GuardrailsError(f"{type(cause).__name__}: {cause}")
    return cause


def nearest(word: str, known: Sequence[str], cutoff: float = 0.6) -> str | None:
    """What of `known` somebody may have meant by `word`, for messages; `cutoff`: how alike, of 1, they must be."""
    # Here, because only mistakes need it.
    import difflib

    return next(iter(difflib.get_close_matches(word, known, n=1, cutoff=cutoff)), None)
