"""Breaker and budget together keep an outage from outliving itself; without them it does."""

from __future__ import annotations

import pytest

from guardrails.core.settings import Breaker
from tests.core.storm import OFFERED, simulate

SEEDS = range(10)


@pytest.mark.parametrize("clients", [1, 4, 8])
def test_with_breaker_and_budget_an_outage_is_over_ten_seconds_after_its_end_at_most(clients: int) -> None:
    storms = [simulate(clients, 4, Breaker(), budget=True, seed=seed) for seed in SEEDS]
    assert max(storm.recovered for storm in storms) <= 10
    assert max(storm.amplification for storm in storms) <= 1.0


@pytest.mark.parametrize("clients", [1, 4])
def test_with_breaker_and_budget_no_second_sees_more_load_than_was_offered(clients: int) -> None:
    storms = [simulate(clients, 4, Breaker(), budget=True, seed=seed) for seed in SEEDS]
    assert max(storm.peak for storm in storms) <= 1.1


def test_without_them_the_outage_never_ends() -> None:
    storm = simulate(1, 4, None, budget=False, seed=0)
    assert storm.recovered == float("inf")
    assert storm.peak > 3


def test_without_retries_the_queue_drains_but_slowly() -> None:
    storm = simulate(1, 1, None, budget=False, seed=0)
    assert storm.peak == 1.0
    assert 30 < storm.recovered < 50


def test_many_processes_with_little_traffic_each_may_spend_what_they_have_saved_before_their_circuits_open() -> None:
    # Ten calls a second each: a second passes before ten have failed, and the floor of each budget pays retries.
    storm = simulate(8, 4, Breaker(), budget=True, seed=0)
    assert 1.1 < storm.peak <= 2.0
    assert max(storm.sent[second] for second in range(22, 30)) <= 0.5 * OFFERED


def test_the_budget_alone_bounds_the_load() -> None:
    storm = simulate(1, 4, None, budget=True, seed=0)
    assert storm.amplification <= 1.1
    assert storm.recovered < float("inf")
