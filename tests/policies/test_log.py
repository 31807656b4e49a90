"""What the log says of a circuit: one line when it begins to reject calls, one when that is over."""

from __future__ import annotations

import logging

import pytest

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
