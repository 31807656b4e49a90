"""What a user writes, as strict type checkers see it: no line here may be reported."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Literal, assert_never, assert_type

import httpx
import tenacity

import guardrails
from guardrails import (
    AdaptiveLimit,
    AttemptTimeout,
    Breaker,
    Bulkhead,
    CircuitOpen,
    Clock,
    Config,
    ConfigError,
    DeadlineExceeded,
    Dependency,
    Evidence,
    Finding,
    GateRecord,
    GitError,
    Guard,
    GuardrailsError,
    Hedge,
    InterpreterError,
    NotAProject,
    RateLimit,
    Redactor,
    Rejected,
    Retry,
    Rung,
    Severity,
    SystemClock,
    UnknownRule,
    Waiver,
    emit,
    listen,
    load_config,
    redacted,
    run_gate,
)
from guardrails.llm import (
    Attempt,
    Done,
    Request,
    Result,
    Spending,
    StreamPolicy,
    Target,
    Text,
    ToolCall,
    Usage,
    healing,
    spending,
    stream_with_fallback,
)
from guardrails.policies import (
    FAILURE,
    SUCCESS,
    Answer,
    Backoff,
    Budget,
    Configured,
    Outcome,
    by_status,
    configure,
    guards,
    remaining,
    retried,
    rolled_back,
    taking,
    throttled,
    transient,
)
from guardrails.preflight import Answer as Verdict
from guardrails.preflight import Context, check, fail, ok, skip

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
    from pathlib import Path


def time_and_chance(clock: Clock | None = None) -> float:
    chosen: Clock = clock or SystemClock()
    assert_type(chosen.monotonic(), float)
    assert_type(chosen.wall(), float)
    return chosen.chance()


def settings(project: Path) -> list[str]:
    config = load_config(project)
    assert_type(config, Config)
    assert_type(config.preflight.strict, bool)
    assert_type(config.exclude, tuple[str, ...])
    return [waiver.owner for waiver in config.waiver]


def errors() -> list[GuardrailsError]:
    config = ConfigError(["pyproject.toml:3: wait: 'soon' is not a duration"])
    assert_type(config.problems, tuple[str, ...])
    git = GitError(["git", "log"], None, "")
    assert_type(git.returncode, int | None)
    unknown = UnknownRule("GR-NOPE", near=("GR-TIME",))
    assert_type(unknown.near, tuple[str, ...])
    return [
        config,
        git,
        unknown,
        InterpreterError("python3.9", "too old"),
        NotAProject("/srv", "no pyproject.toml"),
    ]


def builtin_parents(error: ConfigError) -> ValueError:
    return error


def findings() -> Finding:
    finding = Finding(
        rule="GR-TIME-001",
        severity=Severity.ERROR,
        path="app/llm.py",
        line=12,
        message="requests.get() has no timeout",
        why="a server that stops answering holds the worker for ever",
        fix="pass timeout=(3.05, 30)",
        verify="guardrails preflight --only GR-TIME",
        runbook="slow-dependency",
    )
    waiver = Waiver("GR-TIME-001", "app/*.py", reason="internal", owner="platform", until=dt.date(2030, 1, 1))
    assert_type(waiver.expired(dt.date(2029, 1, 1)), bool)
    assert_type(finding.severity.rank, int)
    assert_type(finding.place, str)
    return finding.waive(waiver)


def records(path: Path) -> str:
    record = GateRecord.from_json(path.read_bytes())
    assert_type(record, GateRecord)
    assert_type(record.evidence, Evidence)
    assert_type(record.evidence.rung, Rung)
    assert_type(record.findings, tuple[Finding, ...])
    if record.verdict == "failed":
        return "\n".join(finding.place for finding in record.findings if finding.severity is Severity.ERROR)
    return record.to_json()


def gate(project: Path) -> int:
    record = run_gate(project, strict=True, select=["GR-ROUTE"], jobs=2, clock=SystemClock())
    assert_type(record, GateRecord)
    return record.exit_code


def secrets(line: str) -> list[str]:
    redactor = Redactor(extra_keys=["pin"], values=["correct-horse-battery"])
    assert_type(redactor.text(line), str)
    return [redactor.text(line), redacted(line)]


def hooks() -> None:
    def count(name: str, value: float, labels: Mapping[str, str]) -> None:
        print(name, value, *labels.items())

    stop: Callable[[], None] = listen(count)
    emit("calls_total")
    emit("wait_seconds", 0.2, {"dependency": "memory"})
    stop()


def classify(what: Any) -> Outcome | None:
    if isinstance(what, ConnectionError):
        return throttled(retry_after=2.5)
    return FAILURE if what == "" else None


search = Guard(
    "search",
    timeout=5,
    attempt_timeout=2.0,
    retry=Retry(on=(ConnectionError, AttemptTimeout), attempts=3, within=10, backoff=Backoff(base=0.2)),
    budget=Budget(ratio=0.2),
    breaker=Breaker(failure_rate=0.5, window=60),
    bulkhead=Bulkhead(20, waiting=5, longest_wait=0.5),
    ignore=ValueError,
    classify=classify,
)


reads = Guard(
    "reads",
    bulkhead=AdaptiveLimit(lowest=2, highest=50, start=10, waiting=5),
    rate_limit=RateLimit(100 / 60, burst=5, longest_wait=0.2),
    hedge=Hedge(quantile=0.9),
)


@search
def find(query: str, *, limit: int = 10) -> list[str]:
    return [query] * limit


@search
async def afind(query: str) -> list[str]:
    return [query]


@search
def pages(query: str) -> Iterator[int]:
    yield len(query)


@search
async def tokens(query: str) -> AsyncIterator[str]:
    yield query


class Client:
    @search
    def get(self, path: str) -> bytes:
        return path.encode()

    @search
    @classmethod
    def named(cls, name: str) -> Client:
        return cls()

    @search
    @staticmethod
    def ping(times: int) -> int:
        return times


async def guarded() -> None:
    assert_type(find("x", limit=3), list[str])
    assert_type(await afind("x"), list[str])
    waiting: Coroutine[Any, Any, list[str]] = afind("x")
    waiting.close()
    assert_type(list(pages("x")), list[int])
    assert_type([token async for token in tokens("x")], list[str])
    assert_type(Client().get("/"), bytes)
    assert_type(Client.named("x"), Client)
    assert_type(Client.ping(1), int)
    assert_type(search.call(find, "x", limit=3), list[str])
    assert_type(await search.acall(afind, "x"), list[str])
    async with search.permit() as permit:
        permit.failure(ConnectionError())
    with search.permit() as permit:
        permit.success()
        permit.ignore()
    assert_type(remaining(), float | None)
    assert_type(search.for_key("eu"), Guard)
    assert_type(guards(), list[Guard])
    assert_type(search.update(retry=None, timeout=3.0), tuple[str, ...])
    assert_type(reads.update(bulkhead=Bulkhead(5), rate_limit=None, hedge=None), tuple[str, ...])
    assert_type(reads.snapshot().hedge_after, float | None)
    assert_type(search.snapshot().circuit.failed, int)


@check("memory.health", group="readiness", timeout=5, retry_for=30)
async def memory_is_healthy(ctx: Context) -> Verdict:
    """Chats without memory answer nonsense."""
    if "MEMORY_URL" not in ctx.environ:
        return skip("MEMORY_URL is not set")
    answer = await ctx.ahttp.get(ctx.environ["MEMORY_URL"])
    return ok() if answer.is_success else fail("no memory", fix="restart it")


@check("disk")
def disk_has_room(ctx: Context) -> Verdict:
    """A full disk loses the answers."""
    return ok() if ctx.project.exists() else fail("gone")


def presets() -> Configured:
    assert_type(Guard.for_llm("openai", timeout=5), Guard)
    assert_type(Guard.for_http("shop", classify=by_status({404: SUCCESS})), Guard)
    assert_type(Guard.for_sql("orders", retry=Retry(on=rolled_back)), Guard)
    assert_type(Dependency.for_memory("zep", retry=Retry(on=transient)), Dependency)
    Retry(
        on=tenacity.retry_if_exception_type(KeyError),
        attempts=tenacity.stop_after_delay(20),
        backoff=tenacity.wait_exponential(),
    )
    with taking(2.5, retried=True):
        assert_type(retried(), bool)
    return configure("guards.toml")


memory = Dependency("zep", attempt_timeout=2, breaker=Breaker(consecutive=5, cooldown=30), ignore=ValueError)


@memory.read(fallback=list[str])
async def recall(user: str, *, limit: int = 3) -> list[str]:
    return [user] * limit


@memory.read(fallback_for=lambda key: key.encode())
def load(key: str) -> bytes:
    return key.encode()


@memory.read(fallback=lambda: None)
def latest(user: str) -> str:
    return user


async def cached() -> int:
    return 0


@memory.read(fallback=cached)
async def number(user: str) -> int:
    return len(user)


@memory.write(accepts=lambda user, text: bool(text))
async def remember(user: str, text: str) -> None:
    return None


class Store:
    @memory.read()
    def get(self, key: str) -> bytes:
        return key.encode()

    @memory.write()
    async def put(self, key: str, value: bytes) -> int:
        return len(value)


async def dependencies(store: Store) -> str:
    assert_type(await recall("bob", limit=2), list[str])
    assert_type(await recall.outcome("bob"), Answer[list[str]])
    assert_type((await recall.outcome("bob")).value, list[str])
    assert_type(latest("bob"), str | None)
    assert_type(latest.outcome("bob").value, str | None)
    assert_type(await number("bob"), int)
    await remember("bob", "hello")
    assert_type(store.get("k"), bytes)
    assert_type(store.get.outcome("k"), Answer[bytes])
    assert_type(await store.put("k", b""), int)
    assert_type(await store.put.outcome("k", b""), Answer[int])
    assert_type(memory.write.guard, Guard)
    assert_type(memory.snapshot().write.name, str)
    if memory.mode == "OFFLINE":
        return load.outcome("k").explain()
    return load("k").decode()


def refusals(error: Rejected | DeadlineExceeded) -> float | None:
    if isinstance(error, DeadlineExceeded):
        builtin: TimeoutError = error
        print(builtin)
        return error.elapsed
    return error.retry_after if isinstance(error, CircuitOpen) else None


def version() -> str:
    return guardrails.__version__


def streamed(client: httpx.Client) -> Result:
    target = Target("https://models.example.com", model="m")
    assert_type(healing(httpx.HTTPTransport(), StreamPolicy(), [target]), httpx.BaseTransport)
    assert_type(spending(client), Spending)
    with stream_with_fallback(Request([{"role": "user", "content": "x"}]), [target]) as stream:
        for event in stream:
            match event:
                case Text(text):
                    assert_type(text, str)
                case ToolCall(_, _, arguments):
                    assert_type(arguments, dict[str, Any])
                case Attempt(number, _, superseded):
                    assert_type(number, int)
                    assert_type(superseded, bool)
                case Usage(asked):
                    assert_type(asked, int)
                case Done(outcome):
                    assert_type(outcome, Literal["complete", "partial"])
                case _:
                    assert_never(event)
    return stream.result
