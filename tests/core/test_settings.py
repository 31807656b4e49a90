"""A wrong setting is refused when it is written, together with all the others, with its range and a fix."""

from __future__ import annotations

import copy
import pickle

import pytest

from guardrails.core.backoff import Backoff
from guardrails.core.settings import Breaker
from guardrails.errors import ConfigError

NAN = float("nan")
WRONG: list[tuple[str, object]] = [
    ("failure_rate", 0),
    ("failure_rate", 1.01),
    ("failure_rate", -0.1),
    ("failure_rate", "0.5"),
    ("failure_rate", True),
    ("failure_rate", NAN),
    ("consecutive", 0),
    ("consecutive", 10_001),
    ("consecutive", 2.0),
    ("slow_after", 0.0009),
    ("slow_after", 3601),
    ("slow_rate", 0),
    ("slow_rate", 1.1),
    ("slow_rate", None),
    ("minimum_calls", 0),
    ("minimum_calls", 100_001),
    ("minimum_calls", None),
    ("window", 0.9),
    ("window", 86_401),
    ("window_calls", 0),
    ("window_calls", 100_001),
    ("cooldown", 0.049),
    ("cooldown", 3601),
    ("cooldown", NAN),
    ("cooldown_growth", 0.9),
    ("cooldown_growth", 10.1),
    ("cooldown_cap", 1.9),
    ("cooldown_cap", 86_401),
    ("permitted_calls", 0),
    ("permitted_calls", 1001),
    ("success_threshold", 0),
    ("success_threshold", 4),
    ("permit_expiry", 0.04),
    ("permit_expiry", 86_401),
    ("max_half_open", 59.9),
    ("max_half_open", 604_801),
]
RIGHT: list[dict[str, object]] = [
    {"failure_rate": 1},
    {"failure_rate": 1e-9, "slow_rate": 1e-9},
    {"failure_rate": None, "consecutive": None},
    {"consecutive": 1},
    {"consecutive": 10_000},
    {"slow_after": 0.001},
    {"slow_after": 3600, "slow_rate": 1},
    {"minimum_calls": 1},
    {"minimum_calls": 100_000},
    {"window": 1},
    {"window": 86_400},
    {"window_calls": 1, "minimum_calls": 1},
    {"window_calls": 100_000},
    {"cooldown": 0.05},
    {"cooldown": 3600},
    {"cooldown": 3600, "cooldown_cap": 3600},
    {"cooldown_growth": 1},
    {"cooldown_growth": 10},
    {"cooldown_cap": 2},
    {"cooldown_cap": 86_400},
    {"permitted_calls": 1},
    {"permitted_calls": 1000, "success_threshold": 1000},
    {"success_threshold": 1},
    {"permit_expiry": 0.05},
    {"permit_expiry": 86_400, "max_half_open": 86_400},
    {"max_half_open": 60},
    {"max_half_open": 604_800},
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_value_out_of_range_is_named_with_its_range_and_a_fix(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"{name}: ") as caught:
        Breaker(**{name: value})
    (problem,) = [line for line in caught.value.problems if line.startswith(f"{name}: {value!r}, allowed: ")]
    assert "; " in problem


@pytest.mark.parametrize("said", RIGHT)
def test_the_ends_of_each_range_are_allowed(said: dict[str, object]) -> None:
    assert {name: getattr(Breaker(**said), name) for name in said} == said


def test_all_mistakes_are_reported_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        Breaker(failure_rate=50, cooldown=0, minimum_calls=200, window_calls=100, window=30, permitted_calls=2.5)
    assert [problem.partition(":")[0] for problem in caught.value.problems] == [
        "failure_rate",
        "window",
        "minimum_calls",
        "cooldown",
        "permitted_calls",
    ]
    assert str(caught.value).splitlines()[:2] == [
        "5 mistakes in the configuration:",
        "  failure_rate: 50, allowed: a number from 0 to 1, or None: no such rule; write a share such as 0.5",
    ]


def test_settings_that_contradict_each_other_say_which() -> None:
    with pytest.raises(ConfigError) as caught:
        Breaker(minimum_calls=11, window_calls=10)
    assert caught.value.problems == ("minimum_calls: 11, allowed: at most window_calls, 10; it could never be reached",)
    with pytest.raises(ConfigError) as caught:
        Breaker(window=30.0, window_calls=100)
    assert caught.value.problems == ("window: 30.0, allowed: None beside window_calls; name one of the two",)


@pytest.mark.parametrize(("permitted", "needed"), [(1, 1), (2, 2), (3, 2), (4, 3), (10, 6)])
def test_more_than_half_of_the_trial_calls_must_succeed_unless_said_otherwise(permitted: int, needed: int) -> None:
    assert Breaker(permitted_calls=permitted).needed == needed
    assert Breaker(permitted_calls=permitted, success_threshold=1).needed == 1


@pytest.mark.parametrize(("said", "seconds"), [({}, 60), ({"cooldown": 90}, 90), ({"cooldown_cap": 5}, 5)])
def test_a_circuit_opens_for_a_minute_at_most_unless_said_otherwise(said: dict[str, float], seconds: float) -> None:
    assert Breaker(**said).longest_open == seconds


def test_a_changed_copy_is_checked_too() -> None:
    said = Breaker()
    assert said._replace(cooldown=5.0).cooldown == 5.0
    with pytest.raises(ConfigError, match="cooldown: 0"):
        said._replace(cooldown=0)
    with pytest.raises(ConfigError, match="base: -1"):
        Backoff()._replace(base=-1)


@pytest.mark.parametrize("said", [Breaker(consecutive=5), Backoff(base=1.0)])
def test_settings_are_frozen_and_travel(said: Breaker | Backoff) -> None:
    with pytest.raises(AttributeError):
        said.cooldown = 1.0
    with pytest.raises(AttributeError):
        said.base = 1.0
    assert pickle.loads(pickle.dumps(said)) == copy.deepcopy(said) == said
    assert type(pickle.loads(pickle.dumps(said))) is type(said)


def test_an_unknown_setting_is_an_error() -> None:
    with pytest.raises(TypeError, match="failrate"):
        Breaker(failrate=0.5)


@pytest.mark.parametrize(
    ("name", "step"),
    [("cooldwn", "did you mean 'cooldown'?"), ("zzz", "there are: failure_rate, consecutive, slow_after")],
)
def test_a_setting_that_does_not_exist_is_named_with_the_nearest_that_does(name: str, step: str) -> None:
    with pytest.raises(TypeError, match=r"^Breaker has no setting") as raised:
        Breaker(**{name: 3})
    assert step in str(raised.value)
