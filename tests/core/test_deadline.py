"""An instant that is handed down only ever comes nearer, across layers and hosts, and nonsense is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails.core.deadline import LONGEST, after, attempt_time, check_ladder, earlier, from_text, remaining, to_text
from guardrails.errors import ConfigError

TIMEOUTS = st.one_of(st.none(), st.floats(0.001, 1000))
NOW = st.floats(0, 1e7)


@given(st.lists(TIMEOUTS, max_size=6), NOW)
def test_nested_deadlines_hold_the_earliest(timeouts: list[float | None], now: float) -> None:
    deadline = None
    for timeout in timeouts:
        deadline = earlier(deadline, after(now, timeout))
    said = [timeout for timeout in timeouts if timeout is not None]
    assert remaining(deadline, now) == (pytest.approx(min(said), abs=1e-6) if said else None)


@given(st.permutations([None, 3.0, 5.0, None]))
def test_the_order_of_layers_does_not_matter(timeouts: list[float | None]) -> None:
    deadline = None
    for timeout in timeouts:
        deadline = earlier(deadline, timeout)
    assert deadline == 3.0


def test_what_is_over_is_over() -> None:
    assert remaining(100.0, 100.0) == remaining(100.0, 101.0) == 0.0


@pytest.mark.parametrize(
    ("deadline", "attempt_timeout", "seconds"),
    [(None, None, None), (None, 2.0, 2.0), (105.0, None, 5.0), (105.0, 2.0, 2.0), (101.0, 2.0, 1.0), (99.0, 2.0, 0.0)],
)
def test_an_attempt_takes_no_more_than_is_left(
    deadline: float | None, attempt_timeout: float | None, seconds: float | None
) -> None:
    assert attempt_time(deadline, 100.0, attempt_timeout) == seconds


@given(st.floats(0.001, 600_000), NOW, NOW)
def test_a_hop_to_another_host_never_gains_time_and_loses_a_millisecond_at_most(
    timeout: float, here: float, there: float
) -> None:
    received = from_text(to_text(here + timeout, here), there) - there
    left = (here + timeout) - here
    assert left - 0.001 - 1e-6 <= received <= left + 1e-6


@pytest.mark.parametrize(
    ("deadline", "text"), [(101.0, "1000"), (100.0019, "1"), (100.0, "0"), (99.0, "0"), (100.0009, "0")]
)
def test_what_is_left_is_written_in_whole_milliseconds(deadline: float, text: str) -> None:
    assert to_text(deadline, 100.0) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        " 5",
        "5 ",
        "-5",
        "+5",
        "1.5",
        "1e3",
        "0x10",
        "five",
        "5_000",
        "\u0665",
        "\u00b2",
        "9" * 13,
        "5\n",
        "nan",
        "5" * 10_000,
    ],
)
def test_a_text_that_is_no_duration_is_refused_and_quoted_in_part(text: str) -> None:
    with pytest.raises(ValueError, match=r"deadline: .*allowed: whole milliseconds, 1 to 12 digits") as caught:
        from_text(text, 0.0)
    assert len(str(caught.value)) < 150


def test_a_stranger_cannot_ask_for_more_than_is_granted() -> None:
    assert from_text("999999999999", 10.0) == 10.0 + LONGEST
    assert from_text("60000", 10.0, longest=30.0) == 40.0
    assert from_text("0", 10.0) == 10.0


@pytest.mark.parametrize("timeout", [0, -1.0, LONGEST + 1, float("nan"), float("inf"), "5", True])
def test_a_timeout_that_makes_no_sense_is_refused(timeout: float) -> None:
    with pytest.raises(ConfigError, match=r"timeout: .*allowed: "):
        after(0.0, timeout)


def test_an_endless_operation_has_no_deadline() -> None:
    assert after(5.0, None) is None
    assert after(5.0, LONGEST) == 5.0 + LONGEST


@pytest.mark.parametrize(
    ("timeout", "attempt_timeout", "shortest"),
    [(None, None, None), (5, 2, 0.1), (5, 5, 5), (5, None, 1), (None, 2, None), (None, None, 3), (5, None, None)],
)
def test_a_ladder_that_goes_up_is_accepted(
    timeout: float | None, attempt_timeout: float | None, shortest: float | None
) -> None:
    check_ladder(timeout, attempt_timeout, shortest)


@pytest.mark.parametrize(
    ("timeout", "attempt_timeout", "shortest", "problem"),
    [
        (2, 5, None, "timeout: 2, allowed: at least attempt_timeout, 5 s; raise timeout, or lower attempt_timeout"),
        (2, None, 3, "timeout: 2, allowed: at least shortest, 3 s; raise timeout, or lower shortest"),
        (5, 1, 3, "attempt_timeout: 1, allowed: at least shortest, 3 s; raise attempt_timeout, or lower shortest"),
        (0, None, None, "timeout: 0, allowed: a number from 0.001 to 604800; write seconds, or None"),
        (5, -1, None, "attempt_timeout: -1, allowed: a number from 0.001 to 604800; write seconds, or None"),
    ],
)
def test_contradictory_times_are_named(
    timeout: float | None, attempt_timeout: float | None, shortest: float | None, problem: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        check_ladder(timeout, attempt_timeout, shortest)
    assert caught.value.problems == (problem,)
