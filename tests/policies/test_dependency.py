"""A dependency has a health for reads and one for writes, a mode, and fallbacks that are labelled and counted."""

from __future__ import annotations

import asyncio
import inspect
import pickle
import subprocess
import sys
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, get_args

import pytest

from guardrails import hooks, policies
from guardrails.core.breaker import State
from guardrails.errors import (
    AttemptTimeout,
    BulkheadFull,
    CircuitOpen,
    ConfigError,
    DeadlineExceeded,
    NoEventLoop,
    Refused,
    Rejected,
    Unguardable,
)
from guardrails.policies import (
    FAILURE,
    IGNORED,
    SUCCESS,
    Answer,
    Backoff,
    Breaker,
    Bulkhead,
    Dependency,
    Guard,
    Retry,
    guards,
    throttled,
)
from guardrails.testing import VirtualClock
from tests.policies.loops import run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from guardrails.policies.dependency import Side

FIVE = Breaker(failure_rate=None, consecutive=5, cooldown=30, cooldown_growth=1, permitted_calls=1)
Heard = list[tuple[str, dict[str, str]]]


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Heard:
    found: Heard = []
    monkeypatch.setattr(hooks, "_listeners", ((lambda name, value, labels: found.append((name, dict(labels))),),))
    return found


def dependency(clock: VirtualClock | None = None, **more: Any) -> Dependency:
    return Dependency("zep", **{"breaker": FIVE, "clock": clock or VirtualClock(), **more})


def changes(heard: Heard) -> list[tuple[str, str]]:
    return [(said["before"], said["after"]) for name, said in heard if name == "dependency_mode_changes_total"]


def fallbacks(heard: Heard) -> list[tuple[str, str, str]]:
    return [tuple(said.values()) for name, said in heard if name == "fallbacks_total"]  # type: ignore[misc]


def fail(error: BaseException | None = None) -> None:
    raise error or ConnectionError("lost")


def failing(side: Side, times: int = 5) -> None:
    for _ in range(times):
        with pytest.raises(ConnectionError):
            side.guard.call(fail)


# Health and mode.


def test_reads_that_are_slow_open_their_circuit_whatever_the_writes_do(clock: VirtualClock) -> None:
    async def reads_and_writes(read: Guard, write: Guard) -> int:
        """How many of 600 slow reads are let through, when two quick writes follow each."""
        slow = 0
        for _ in range(600):
            try:
                await read.acall(asyncio.sleep, 3600)
            except AttemptTimeout:
                slow += 1
            except CircuitOpen:
                break
            for _ in range(2):
                await write.acall(asyncio.sleep, 0)
        return slow

    one = Guard("zep", attempt_timeout=2, breaker=Breaker(consecutive=5), clock=clock)
    assert run(clock, reads_and_writes(one, one)) == 600
    memory = dependency(clock, attempt_timeout=2)
    assert run(clock, reads_and_writes(memory.read.guard, memory.write.guard)) == 5
    assert memory.mode == "WRITE_ONLY"


@pytest.mark.parametrize(("read", "write", "mode"), [
    (False, False, "FULL"), (False, True, "READ_ONLY"), (True, False, "WRITE_ONLY"), (True, True, "OFFLINE"),
])  # fmt: skip
def test_the_mode_says_which_side_is_down(*, read: bool, write: bool, mode: str) -> None:
    memory = dependency()
    for down, side in ((read, memory.read), (write, memory.write)):
        if down:
            failing(side)
    assert memory.mode == mode
    assert repr(memory) == f"<Dependency 'zep': {mode}>"
    assert memory.snapshot() == ("zep", mode, memory.read.guard.snapshot(), memory.write.guard.snapshot())


def test_a_side_is_down_until_its_circuit_has_closed(clock: VirtualClock, heard: Heard) -> None:
    memory = dependency(clock)
    failing(memory.read)
    clock.advance(30)
    assert memory.mode == "WRITE_ONLY", "nobody has tried yet"
    with memory.read.guard.permit():
        assert (memory.read.guard.state, memory.mode) == ("half-open", "WRITE_ONLY")
    assert memory.mode == "FULL"
    assert changes(heard) == [("FULL", "WRITE_ONLY"), ("WRITE_ONLY", "FULL")]


HELD: dict[str, tuple[str, Callable[[Guard], object]]] = {
    "closed": ("FULL", lambda guard: guard.release()),
    "isolated": ("WRITE_ONLY", lambda guard: guard.isolate("x")),
    "disabled": ("FULL", lambda guard: guard.disable()),
    "shadow": ("FULL", lambda guard: guard.shadow()),
}


@pytest.mark.parametrize("state", [state for state in get_args(State) if state not in ("open", "half-open")])
def test_what_a_human_holds_counts_as_it_admits(state: str) -> None:
    memory = dependency()
    mode, hold = HELD[state]
    hold(memory.read.guard)
    assert (memory.read.guard.state, memory.mode) == (state, mode)


def test_each_change_of_the_mode_is_told_once(clock: VirtualClock, heard: Heard) -> None:
    memory = dependency(clock)
    failing(memory.write)
    memory.write.guard.isolate("maintenance")
    failing(memory.read)
    memory.write.guard.disable()
    memory.read.guard.update(breaker=None)
    memory.read.guard.update(breaker=FIVE)
    expected = [("FULL", "READ_ONLY"), ("READ_ONLY", "OFFLINE"), ("OFFLINE", "WRITE_ONLY"), ("WRITE_ONLY", "FULL")]
    assert changes(heard) == expected
    labels = [said for name, said in heard if name == "dependency_mode_changes_total"]
    assert {said["dependency"] for said in labels} == {"zep"}


def test_a_change_is_told_outside_the_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = dependency()
    free: list[bool] = []

    def listener(name: str, value: float, labels: object) -> None:
        def look() -> None:
            for side in (memory.read, memory.write):
                lock = side.guard._engine.lock
                taken = lock.acquire(blocking=False)
                free.append(taken)
                if taken:
                    lock.release()

        if name == "dependency_mode_changes_total":
            thread = threading.Thread(target=look)
            thread.start()
            thread.join()

    monkeypatch.setattr(hooks, "_listeners", ((listener,),))
    failing(memory.read)
    assert free == [True, True]


class Interrupted(Dependency):
    """Another thread runs whenever one has looked at the mode."""

    @property
    def mode(self) -> Any:
        mode = super().mode
        time.sleep(0.0001)
        return mode


def test_changes_from_many_threads_add_up_to_the_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = Interrupted("zep")
    heard: Heard = []
    monkeypatch.setattr(hooks, "_listeners", ((lambda name, value, labels: heard.append((name, labels)),),))

    def toggle(guard: Guard) -> None:
        for _ in range(50):
            guard.isolate("x")
            guard.disable()

    threads = [
        threading.Thread(target=toggle, args=(side.guard,)) for side in (memory.read, memory.write) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(changes(heard)) > 2
    assert [change for change in changes(heard) if change[0] == change[1]] == []
    # A walk that ends where it began enters each mode as often as it leaves it.
    assert memory.mode == "FULL"
    assert Counter(before for before, _ in changes(heard)) == Counter(after for _, after in changes(heard))


# Settings.


def test_what_is_said_once_holds_for_both_sides_each_with_its_own() -> None:
    memory = dependency(bulkhead=Bulkhead(1))
    assert [side.guard.name for side in (memory.read, memory.write)] == ["zep.read", "zep.write"]
    assert {"zep.read", "zep.write"} <= {guard.name for guard in guards()}
    with memory.read.guard.permit():
        assert memory.write.guard.call(int, "1") == 1
        with pytest.raises(BulkheadFull):
            memory.read.guard.call(int, "1")


def test_one_side_may_be_told_something_else(clock: VirtualClock) -> None:
    memory = dependency(clock, attempt_timeout=2)
    memory.write.guard.update(attempt_timeout=10)

    @memory.read()
    async def recall() -> None:
        await asyncio.sleep(5)

    @memory.write()
    async def remember() -> None:
        await asyncio.sleep(5)

    run(clock, remember())
    with pytest.raises(AttemptTimeout):
        run(clock, recall())


def test_every_mistake_is_listed_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        Dependency(" ", timeout=-1, retry=3)  # type: ignore[arg-type]
    assert [problem.split(":")[0] for problem in caught.value.problems] == ["name", "timeout", "retry"]
    with pytest.raises(ConfigError, match="name: 5"):
        Dependency(5)  # type: ignore[arg-type]


def test_a_side_says_its_state() -> None:
    memory = dependency()
    assert repr(memory.write) == "<zep.write: closed>"


def test_a_guard_alone_does_not_load_it_and_a_wrong_name_is_an_error() -> None:
    code = "import sys; from guardrails import Guard; print('guardrails.policies.dependency' in sys.modules)"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
    with pytest.raises(AttributeError, match=r"module 'guardrails\.policies' has no attribute 'Dependancy'"):
        policies.Dependancy  # type: ignore[attr-defined] # noqa: B018


# What is decorated.


class Client:
    memory = Dependency("client")

    def __init__(self, host: str) -> None:
        self.host = host

    @memory.read(fallback_for=lambda self, key: f"{self.host} has no {key}")
    def get(self, key: str) -> str:
        """Gets."""
        return fail() or self.host

    @memory.write()
    async def put(self, key: str, *, value: int = 1) -> str:
        return f"{self.host}: {key}={value}"

    @staticmethod
    @memory.read()
    def ping(times: int) -> int:
        return times


def test_methods_are_bound_plain_and_with_their_outcome() -> None:
    client = Client("h")
    assert client.get("k") == Client.get(client, "k") == client.get.outcome("k").value == "h has no k"
    assert run(VirtualClock(), client.put("k", value=2)) == "h: k=2"
    assert run(VirtualClock(), client.put.outcome("k")).value == "h: k=1"
    assert Client.ping(3) == client.ping(3) == client.ping.outcome(3).value == 3
    assert str(inspect.signature(client.get)) == "(key: 'str') -> 'str'"
    assert (client.get.__name__, client.get.__doc__) == ("get", "Gets.")  # type: ignore[attr-defined]


READ = Dependency("module")


@READ.read(fallback=list)
def recall(user: str, limit: int = 3) -> list[str]:
    """Recalls."""
    return [user] * limit


@READ.read()
async def arecall(user: str, limit: int = 3) -> list[str]:
    return [user] * limit


def test_a_function_keeps_kind_name_and_signature() -> None:
    assert (inspect.iscoroutinefunction(arecall), asyncio.iscoroutinefunction(arecall)) == (True, True)
    assert (inspect.iscoroutinefunction(recall), recall("bob", limit=2)) == (False, ["bob", "bob"])
    assert run(VirtualClock(), arecall("bob", limit=1)) == ["bob"]
    assert str(inspect.signature(recall)) == "(user: 'str', limit: 'int' = 3) -> 'list[str]'"
    assert (recall.__name__, recall.__doc__, recall.__module__) == ("recall", "Recalls.", __name__)  # type: ignore[attr-defined]
    assert "recall" in repr(recall)
    with pytest.raises(AttributeError, match="outcomes"):
        recall.outcomes  # type: ignore[attr-defined] # noqa: B018


def test_fastapi_calls_both_kinds() -> None:
    from fastapi import FastAPI
    from fastapi.testclient import TestClient

    app = FastAPI()
    app.get("/sync/{user}")(recall)
    app.get("/async/{user}")(arecall)
    with TestClient(app) as client:
        assert client.get("/sync/bob?limit=1").json() == ["bob"]
        assert client.get("/async/bob?limit=2").json() == ["bob", "bob"]


def test_celery_makes_a_task_of_it() -> None:
    from celery import Celery

    task = Celery("x", broker="memory://").task(recall)
    assert task.name.endswith(".recall")
    assert task.apply(args=("bob",), kwargs={"limit": 1}).get() == ["bob"]


def test_it_is_pickled_by_name_as_functions_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, __name__, sys.modules.get(__name__, inspect.getmodule(dependency)))
    assert pickle.loads(pickle.dumps(recall)) is recall
    assert pickle.loads(pickle.dumps(Client("h").get))("k") == "h has no k"


def generator() -> Iterator[int]:
    yield 1


async def agenerator() -> AsyncIterator[int]:
    yield 1


async def coroutine() -> list[int]:
    return []


@pytest.mark.parametrize(
    ("fn", "options", "text"),
    [
        (generator, {}, "the generator generator: decorate it with @zep.read.guard"),
        (agenerator, {}, "the generator agenerator: decorate it with @zep.read.guard"),
        (classmethod(fail), {}, "a classmethod: guard a function that it calls"),
        (staticmethod(fail), {}, "a staticmethod: give it the function in it: @staticmethod above"),
        (recall.__class__, {}, "the class Answering"),
        (fail, {"fallback": coroutine}, "a plain function with a coroutine function as fallback"),
        (fail, {"fallback_for": coroutine}, "a plain function with a coroutine function as fallback"),
        (fail, {"accepts": coroutine}, "a plain function with a coroutine function as accepts"),
        (coroutine, {"accepts": coroutine}, "with a coroutine function as accepts"),
    ],
)
def test_what_it_cannot_keep_its_word_for_is_refused_when_decorated(
    fn: Any, options: dict[str, Any], text: str
) -> None:
    with pytest.raises(TypeError) as caught:
        dependency().read(**options)(fn)
    assert text in str(caught.value)
    assert isinstance(caught.value, Unguardable)


def test_a_function_is_decorated_once_and_by_a_call() -> None:
    memory = dependency()
    with pytest.raises(Unguardable, match="twice"):
        memory.read()(memory.read()(fail))
    with pytest.raises(Unguardable, match=r"write @zep.read\(\), with parentheses"):
        memory.read(fail)  # type: ignore[call-overload]


def test_generators_are_guarded_by_the_guard_of_the_side() -> None:
    memory = dependency()
    assert list(memory.read.guard(generator)()) == [1]
    assert memory.read.guard.snapshot().circuit.calls == 1


def test_what_is_no_function_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        dependency().read(fallback=[], fallback_for=3, accepts="x")  # type: ignore[call-overload]
    assert [problem.split(":")[0] for problem in caught.value.problems] == [
        "fallback", "fallback_for", "accepts", "fallback_for",
    ]  # fmt: skip


# Fallbacks. Each case: what has happened before, the function, the reason, what is raised without a fallback.


def opened(memory: Dependency) -> None:
    failing(memory.read)


def late(memory: Dependency) -> None:
    memory.read.guard.update(timeout=1)


def crowded(memory: Dependency) -> None:
    memory.read.guard.update(bulkhead=Bulkhead(1))
    memory.read.guard.permit().__enter__()


def quiet(memory: Dependency) -> None:
    """Nothing."""


CASES = pytest.mark.parametrize(
    ("before", "error", "reason", "attempts"),
    [
        (quiet, ConnectionError("lost"), "failure", 1),
        (opened, CircuitOpen, "circuit", 0),
        (crowded, BulkheadFull, "bulkhead", 0),
        (late, DeadlineExceeded("zep", 1.0, 1.0, 1), "deadline", 1),
        (quiet, AttemptTimeout("zep", 1.0, 1), "failure", 1),
        (quiet, CircuitOpen("other", "open", 0.0, "x", "", 1.0), "circuit", 1),
    ],
)


@CASES
def test_the_fallback_answers_where_the_dependency_does_not(
    heard: Heard, before: Callable[[Dependency], None], error: Any, reason: str, attempts: int
) -> None:
    memory = dependency()
    before(memory)

    @memory.read(fallback=list)
    def recall(user: str) -> list[str]:
        return fail(error) or [user]

    assert recall("bob") == []
    answer = recall.outcome("bob")
    assert (answer.value, answer.degraded, answer.reason, answer.attempts) == ([], True, reason, attempts)
    assert fallbacks(heard) == [("zep.read", reason, "answered")] * 2
    assert answer.error.startswith(getattr(error, "__name__", type(error).__name__))


@CASES
def test_the_fallback_answers_asynchronous_callers_too(
    heard: Heard, before: Callable[[Dependency], None], error: Any, reason: str, attempts: int
) -> None:
    memory = dependency()
    before(memory)

    @memory.read(fallback=list)
    async def recall(user: str) -> list[str]:
        return fail(error) or [user]

    async def main() -> tuple[list[str], Answer[list[str]]]:
        return await recall("bob"), await recall.outcome("bob")

    value, answer = run(VirtualClock(), main())
    assert (value, answer.value, answer.degraded, answer.reason, answer.attempts) == ([], [], True, reason, attempts)
    assert fallbacks(heard) == [("zep.read", reason, "answered")] * 2


@CASES
def test_without_a_fallback_the_error_goes_through(
    heard: Heard, before: Callable[[Dependency], None], error: Any, reason: str, attempts: int
) -> None:
    memory = dependency()
    before(memory)

    @memory.read()
    def recall() -> None:
        fail(error)

    for call in (recall, recall.outcome):
        with pytest.raises(error if isinstance(error, type) else type(error)):
            call()
    assert fallbacks(heard) == []


def test_a_real_deadline_is_answered(clock: VirtualClock) -> None:
    memory = dependency(clock, timeout=1)

    @memory.read(fallback=lambda: "late")
    async def recall() -> str:
        await asyncio.sleep(3600)
        return "never"

    answer = run(clock, recall.outcome())
    assert (answer.value, answer.reason, answer.took) == ("late", "deadline", pytest.approx(1))


def test_a_call_that_is_throttled_is_answered(heard: Heard) -> None:
    memory = dependency(classify=lambda what: throttled(5))
    assert memory.read(fallback=list)(fail)() == []
    assert fallbacks(heard) == [("zep.read", "failure", "answered")]


class Unwanted(Exception):
    pass


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"ignore": Unwanted}, Unwanted()),
        ({"classify": lambda what: IGNORED}, ConnectionError()),
        ({"classify": lambda what: SUCCESS}, ConnectionError()),
        ({}, Unguardable("other", "x", "y")),
        ({}, NoEventLoop("zep", "wait")),
        ({}, Refused("other", "x")),
        ({}, KeyboardInterrupt()),
        ({}, asyncio.CancelledError()),
    ],
)
def test_what_is_the_callers_own_goes_through(heard: Heard, settings: dict[str, Any], error: BaseException) -> None:
    memory = dependency(**settings)
    recall = memory.read(fallback=list)(fail)
    arecall = memory.read(fallback=list)(coroutine_of(error))
    for call in (recall, recall.outcome):
        with pytest.raises(type(error)) as caught:
            call(error)
        assert caught.value is error
    with pytest.raises(type(error)):
        arecall().send(None)
    assert fallbacks(heard) == []


def coroutine_of(error: BaseException) -> Any:
    async def raises() -> None:
        raise error

    return raises


def test_a_cancelled_caller_gets_no_fallback(clock: VirtualClock, heard: Heard) -> None:
    memory = dependency(clock)

    @memory.read(fallback=list)
    async def recall() -> None:
        await asyncio.sleep(3600)

    async def main() -> None:
        task = asyncio.create_task(recall())
        await asyncio.sleep(1)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        run(clock, main())
    assert fallbacks(heard) == []


def test_the_fallback_answers_only_after_the_last_attempt(clock: VirtualClock, heard: Heard) -> None:
    memory = dependency(clock, retry=Retry(on=ConnectionError, attempts=3))
    made: list[str] = []

    @memory.read(fallback=lambda: made.append("fallback"))
    def recall() -> None:
        made.append("attempt")
        fail()

    recall()
    assert made == ["attempt", "attempt", "attempt", "fallback"]
    assert fallbacks(heard) == [("zep.read", "failure", "answered")]


def test_each_call_gets_a_fallback_of_its_own_and_the_second_name_gets_the_arguments() -> None:
    memory = dependency()
    recall = memory.read(fallback=list)(lambda user, limit=1: fail())
    assert recall("bob") == []
    assert recall("bob") is not recall("bob")
    cached = memory.read(fallback_for=lambda user, limit=1: [user] * limit)(lambda user, limit=1: fail())
    assert cached("bob", limit=2) == cached.outcome("bob", limit=2).value == ["bob", "bob"]


@pytest.mark.parametrize(("name", "value"), [("fallback", ["cached"]), ("fallback_for", ["cached", "bob"])])
def test_a_coroutine_function_may_have_one_as_its_fallback(name: str, value: list[str], heard: Heard) -> None:
    async def cached(*args: str) -> list[str]:
        await asyncio.sleep(0)
        return ["cached", *args]

    async def recall(user: str) -> list[str]:
        raise ConnectionError(user)

    options: dict[str, Any] = {name: cached}
    assert run(VirtualClock(), dependency().read(**options)(recall)("bob")) == value
    assert fallbacks(heard) == [("zep.read", "failure", "answered")]


def test_the_fallback_runs_unguarded(clock: VirtualClock) -> None:
    memory = dependency(clock, timeout=1, attempt_timeout=1)

    async def slow() -> str:
        await asyncio.sleep(2)
        return "slow"

    async def recall() -> str:
        return fail() or "never"

    answer = run(clock, memory.read(fallback=slow)(recall).outcome())
    assert (answer.value, answer.took, answer.waited) == ("slow", pytest.approx(2), pytest.approx(2))
    assert memory.read.guard.snapshot().circuit.calls == 1


def broken() -> list[str]:
    raise KeyError("password=hunter22")


@pytest.mark.parametrize("kind", ["plain", "coroutine"])
def test_a_fallback_that_raises_leaves_the_first_error_with_a_note(heard: Heard, kind: str) -> None:
    error = ConnectionError("lost")
    memory = dependency()
    recall: Any = memory.read(fallback=broken)(fail)
    arecall: Any = memory.read(fallback=broken)(coroutine_of(error))
    for _ in range(2):
        with pytest.raises(ConnectionError) as caught:
            recall(error) if kind == "plain" else run(VirtualClock(), arecall())
        assert caught.value is error
        assert error.__context__ is None
        (note,) = error.__notes__
        assert note.startswith("guardrails: the fallback of 'zep.read' failed too: KeyError: ")
        assert "hunter22" not in note
    assert fallbacks(heard) == [("zep.read", "failure", "raised")] * 2


class MakesCoroutine:
    def __call__(self) -> object:
        return coroutine()


def test_a_plain_function_whose_fallback_makes_a_coroutine_gets_the_first_error() -> None:
    recall: Any = dependency().read(fallback=MakesCoroutine())(fail)
    with pytest.raises(ConnectionError) as caught:
        recall()
    assert "returned a coroutine" in caught.value.__notes__[0]


# The account of a call.


def test_an_answer_of_the_dependency_says_so(clock: VirtualClock) -> None:
    memory = dependency(clock, retry=Retry(on=ConnectionError, attempts=3, backoff=Backoff(base=2)))
    errors = [ConnectionError(), ConnectionError()]

    @memory.read(fallback=list)
    async def recall(user: str) -> list[str]:
        await asyncio.sleep(0.5)
        if errors:
            raise errors.pop()
        return [user]

    answer = run(clock, recall.outcome("bob"))
    waited, took = answer.waited, answer.took
    assert answer == Answer("zep.read", ["bob"], False, "", "FULL", 3, waited, took, "")
    assert took - waited == pytest.approx(1.5)
    assert 0 < waited <= 2 + 4
    assert answer.explain() == (
        f"'zep.read' answered.\n3 attempts in {took:.2f} s, {waited:.2f} s of it waiting. Mode: FULL."
    )
    with pytest.raises(AttributeError):
        answer.value = []


def test_an_answer_of_the_fallback_explains_why(clock: VirtualClock) -> None:
    memory = dependency(clock)

    @memory.read(fallback=list)
    def recall(user: str) -> list[str]:
        clock.advance(0.25)
        raise ConnectionError(f"lost {user} token=abcdefghijklmnop")

    texts = [recall.outcome("bob").explain() for _ in range(6)]
    assert "abcdefghijklmnop" not in texts[0]
    assert texts[0].splitlines()[0] == "'zep.read' did not answer, the value is the fallback's: the call failed."
    assert texts[0].splitlines()[1].startswith("ConnectionError: lost bob")
    assert texts[0].splitlines()[2] == "1 attempt in 0.25 s, 0.00 s of it waiting. Mode: FULL."
    first, second, third = texts[5].splitlines()
    assert first == "'zep.read' did not answer, the value is the fallback's: its circuit rejected the call."
    assert second.startswith("CircuitOpen: 'zep.read' is open for 0.0 s (5 calls in a row failed")
    assert third == "0 attempts in 0.00 s, 0.00 s of it waiting. Mode: WRITE_ONLY."


def test_a_value_that_counts_as_a_failure_is_still_the_dependencys() -> None:
    memory = dependency(classify=lambda what: FAILURE if what == "" else None)
    recall = memory.read(fallback=lambda: "fallback")(lambda: "")
    answer = recall.outcome()
    assert (answer.value, answer.degraded, memory.read.guard.snapshot().circuit.failed) == ("", False, 1)


# Nothing to do.


def has_text(text: str) -> bool:
    return text.strip() != ""


def test_empty_work_is_refused_counted_and_never_tried_again(heard: Heard) -> None:
    memory = dependency(retry=Retry(on=(RuntimeError, Refused), attempts=3))
    made: list[str] = []
    remember = memory.write(accepts=has_text)(made.append)
    assert remember("hello") is None
    for call in (remember, remember.outcome):
        with pytest.raises(Refused, match=r"^'zep\.write' has nothing to do") as caught:
            call("  ")
        assert (caught.value.name, isinstance(caught.value, Rejected)) == ("zep.write", True)
    assert made == ["hello"]
    assert memory.write.guard.snapshot().circuit.calls == 1
    assert [said for name, said in heard if name == "rejections_total"] == [
        {"guard": "zep.write", "reason": "refused"}
    ] * 2


def test_a_guard_around_does_not_try_it_again_either() -> None:
    calls: list[str] = []
    remember = dependency().write(accepts=has_text)(calls.append)
    outer = Guard("job", retry=Retry(on=Exception), clock=VirtualClock())
    with pytest.raises(Refused):
        outer.call(remember, " ")
    assert (calls, outer.snapshot().circuit.failed) == ([], 0)


def test_the_fallback_answers_empty_work_and_the_label_says_why(heard: Heard) -> None:
    memory = dependency()

    @memory.read(fallback=list, accepts=has_text)
    async def search(text: str) -> list[str]:
        return [text]

    assert run(VirtualClock(), search("x")) == ["x"]
    answer = run(VirtualClock(), search.outcome(" "))
    assert (answer.value, answer.degraded, answer.reason, answer.attempts) == ([], True, "refused", 0)
    assert "there was nothing to do" in answer.explain()
    assert fallbacks(heard) == [("zep.read", "refused", "answered")]


def test_a_predicate_that_raises_lets_the_call_through_and_is_counted(heard: Heard) -> None:
    remember = dependency().write(accepts=lambda text: text.no_such_method())(len)
    assert remember("abc") == 3
    assert ("hook_errors_total", {"error": "AttributeError"}) in heard
