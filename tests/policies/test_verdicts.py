"""Why an attempt is made again or not: words of a closed set; what a timeout costs; what an error says of itself."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import httpx
import httpx2
import pytest
import tenacity

from guardrails import hooks
from guardrails.errors import AttemptTimeout, CircuitOpen
from guardrails.policies import FAILURE, IGNORED, SUCCESS, Backoff, Breaker, Budget, Guard, Retry, throttled
from guardrails.policies.retrying import VERDICTS
from guardrails.testing import VirtualClock
from tests.support import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

AT_ONCE = Backoff(base=0)


def raising(error: BaseException) -> Callable[[], None]:
    def fails() -> None:
        raise error

    return fails


def isolating(clock: VirtualClock, guard: Guard) -> Callable[[], None]:
    def fails() -> None:
        guard.isolate("maintenance")
        raise ConnectionError

    return fails


# Settings of the guard with which an attempt comes to each verdict, and what the note on the error ends with.
WAYS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "attempts": ({"attempts": 2}, {}, "all attempts are made"),
    "stopped": ({"attempts": tenacity.stop_after_attempt(2)}, {}, "tenacity's stop has said so"),
    "wait": ({}, {"classify": lambda what: throttled(600)}, "the server asked for too long a wait: 600 s"),
    "open": ({}, {"breaker": Breaker(consecutive=1)}, "the circuit is open"),
    "isolated": ({}, {"breaker": Breaker()}, "the circuit is isolated"),
    "late": ({"within": 0.5, "backoff": Backoff(base=1)}, {}, "too late: no attempt begins after 0.5 s"),
    "deadline": ({"backoff": Backoff(base=1)}, {"timeout": 0.5}, "the deadline comes first"),
    "budget": ({"attempts": 9}, {"budget": Budget(0, floor=0.1)}, "the retry budget is spent"),
    "broken": ({"backoff": tenacity.wait_exception(lambda error: 1 / 0)}, {}, "a strategy of tenacity has failed"),
}


@pytest.mark.parametrize("word", WAYS)
def test_a_verdict_is_a_word_to_prometheus_and_a_sentence_on_the_error(
    word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[str] = []
    listener = lambda name, value, labels: name == "retries_total" and heard.append(labels["verdict"])  # noqa: E731
    monkeypatch.setattr(hooks, "_listeners", ((listener,),))
    clock = VirtualClock()
    clock.chance = lambda: 0.9  # type: ignore[method-assign]
    said, more, sentence = WAYS[word]
    retry = Retry(on=ConnectionError, **{"backoff": AT_ONCE, **said})
    guard = Guard("db", retry=retry, clock=clock, **{"breaker": None, **more})
    call = isolating(clock, guard) if word == "isolated" else raising(ConnectionError())
    with pytest.raises(ConnectionError) as caught:
        guard.call(call)
    assert (heard[-1], set(heard[:-1])) == (word, {"retried"} if word in ("attempts", "stopped", "budget") else set())
    assert caught.value.__notes__[0].endswith(f"; no other: {sentence}")


def test_every_verdict_is_shown_here_and_in_the_guide() -> None:
    assert {*WAYS, "retried"} == set(VERDICTS)
    guide = (ROOT / "docs" / "guides" / "metrics.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \|$", guide, re.MULTILINE)
    assert rows == ["verdict", *VERDICTS]


def test_a_note_has_no_number_of_attempts_where_tenacity_counts_them() -> None:
    guard = Guard("db", retry=Retry(on=ConnectionError, attempts=tenacity.stop_after_attempt(2), backoff=AT_ONCE))
    with pytest.raises(ConnectionError) as caught:
        guard.call(raising(ConnectionError()))
    assert caught.value.__notes__[0].startswith("guardrails: 'db': attempt 2 in ")


# Timeouts.


class APITimeoutError(Exception):
    """As LLM clients have one."""


TIMEOUTS = [
    TimeoutError(),
    AttemptTimeout("db", 1.0, 1),
    APITimeoutError(),
    *(kind("late") for kind in (httpx.ReadTimeout, httpx.ConnectTimeout, httpx2.ReadTimeout, httpx2.WriteTimeout)),
]


@pytest.mark.parametrize(
    ("error", "calls"),
    [*((error, 25) for error in TIMEOUTS), (ConnectionError(), 30), (httpx.ConnectError("refused"), 30)],
    ids=lambda what: type(what).__module__ + "." + type(what).__name__,
)
def test_a_retry_after_a_timeout_of_any_library_costs_double(error: Exception, calls: int) -> None:
    made = 0

    def fails() -> None:
        nonlocal made
        made += 1
        raise error

    retry = Retry(on=Exception, attempts=2, backoff=AT_ONCE)
    guard = Guard("db", retry=retry, breaker=None, budget=Budget(0, floor=1, seconds=10), clock=VirtualClock())
    for _ in range(20):
        with pytest.raises(type(error)):
            guard.call(fails)
    assert made == calls


# Outcomes that an error brings along.


class Judged(Exception):
    """An error that says what it says about the dependency."""

    def __init__(self, outcome: object) -> None:
        super().__init__("judged")
        self.outcome = outcome


@pytest.mark.parametrize(
    ("outcome", "calls", "failed"),
    [(SUCCESS, 1, 0), (FAILURE, 1, 1), (IGNORED, 0, 0), (throttled(None), 1, 1), ("success", 1, 1), (None, 1, 1)],
)
def test_an_error_is_judged_by_the_outcome_it_carries(outcome: object, calls: int, failed: int) -> None:
    guard = Guard("db")
    with pytest.raises(Judged):
        guard.call(raising(Judged(outcome)))
    assert (guard.snapshot().circuit.calls, guard.snapshot().circuit.failed) == (calls, failed)


def test_the_wait_that_an_error_carries_is_waited_for() -> None:
    clock = VirtualClock()
    errors: list[Exception] = [Judged(throttled(20))]
    guard = Guard("db", retry=Retry(on=Judged), clock=clock)

    def busy() -> str:
        if errors:
            raise errors.pop()
        return "answer"

    assert guard.call(busy) == "answer"
    assert 20 <= clock.monotonic() <= 21
    guard.update(retry=None)
    errors.append(Judged(throttled(30)))
    with pytest.raises(Judged):
        guard.call(busy)
    with pytest.raises(CircuitOpen) as caught:
        guard.call(busy)
    assert (caught.value.retry_after, caught.value.reason) == (30, "throttled by the server for 30 s")


def test_what_the_user_says_of_an_error_stands_above_what_it_carries() -> None:
    ignoring = Guard("db", ignore=Judged)
    classifying = Guard("db", classify=lambda what: IGNORED)
    for guard in (ignoring, classifying):
        with pytest.raises(Judged):
            guard.call(raising(Judged(FAILURE)))
        assert guard.snapshot().circuit.calls == 0


def test_an_error_whose_outcome_cannot_be_read_is_a_failure_and_counted() -> None:
    class Broken(Exception):
        @property
        def outcome(self) -> object:
            raise ZeroDivisionError

    guard, before = Guard("db"), hooks.failures()
    with pytest.raises(Broken):
        guard.call(raising(Broken()))
    assert (guard.snapshot().circuit.failed, hooks.failures() - before) == (1, 1)
