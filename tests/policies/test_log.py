"""What the log says of a circuit: one line when it begins to reject calls, one when that is over."""

from __future__ import annotations

import logging

import pytest

from guardrails import hooks
from guardrails.policies import Breaker, Guard
from guardrails.testing import VirtualClock


def fails() -> None:
    raise ConnectionError("password=hunter2")


def called(guard: Guard, times: int) -> None:
    for _ in range(times):
        with pytest.raises(ConnectionError):
            guard.call(fails)


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[int, str]]:
    return [(record.levelno, record.getMessage()) for record in caplog.records if record.name == "guardrails"]


def test_an_outage_is_two_lines_however_often_the_trial_calls_fail(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    clock = VirtualClock()
    guard = Guard("zep", breaker=Breaker(consecutive=3, cooldown=10, permitted_calls=1), clock=clock)
    called(guard, 2)
    assert lines(caplog) == []
    called(guard, 1)
    opened = lines(caplog)
    assert len(opened) == 1
    level, text = opened[0]
    assert level == logging.WARNING
    assert text.startswith("'zep' is open for 0.0 s (3 calls in a row failed; last: ConnectionError). Retry in ")
    assert text.endswith(" s. Runbook: breaker-open")
    for _ in range(3):
        clock.advance(60)
        called(guard, 1)
    assert lines(caplog) == opened
    clock.advance(60)
    guard.call(int)
    assert lines(caplog) == [*opened, (logging.INFO, "'zep' is closed: calls go through again")]


def test_what_a_human_holds_is_not_logged_as_an_outage(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    guard = Guard("zep", clock=VirtualClock())
    guard.isolate("maintenance")
    guard.disable()
    guard.shadow()
    assert lines(caplog) == []


def test_a_handler_that_fails_replaces_no_error_and_is_counted() -> None:
    class Full(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise OSError(record.name)

    handler, failures = Full(), hooks.failures()
    logging.getLogger("guardrails").addHandler(handler)
    try:
        called(Guard("zep", breaker=Breaker(consecutive=1)), 1)
    finally:
        logging.getLogger("guardrails").removeHandler(handler)
    assert hooks.failures() == failures + 1


def test_a_key_that_is_a_secret_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    clock = VirtualClock()
    key = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789ABCD"
    guard = Guard("llm", breaker=Breaker(consecutive=1, permitted_calls=1), clock=clock).for_key(key)
    called(guard, 1)
    clock.advance(60)
    guard.call(int)
    said = [text for _, text in lines(caplog)]
    assert len(said) == 2
    assert all("'llm[" in text and "abcdef" not in text for text in said)


def test_a_circuit_that_rejected_nothing_is_not_said_to_let_calls_through_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    guard = Guard("zep", breaker=None)
    guard.update(breaker=Breaker())
    for hold in (guard.disable, guard.shadow):
        hold()
        guard.release()
        assert guard.state == "closed"
    assert lines(caplog) == []
