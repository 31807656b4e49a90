"""Retries and hedges cost what first attempts have paid in, and no more, whatever the order of events."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from guardrails.core.budget import RetryBudget
from guardrails.errors import ConfigError


class Budgets(RuleBasedStateMachine):
    """Beside the budget, a list of everything that was ever paid in or out."""

    @initialize(
        ratio=st.sampled_from([0, 0.1, 0.2, 0.3, 1 / 3, 1]),
        floor=st.sampled_from([0, 0.5, 1]),
        seconds=st.sampled_from([1, 10]),
    )
    def begin(self, ratio: float, floor: float, seconds: float) -> None:
        self.budget = RetryBudget(ratio, floor, seconds)
        self.now = 500.0
        # (when, deposits, withdrawn)
        self.book: list[tuple[float, int, int]] = []

    def balance(self) -> float:
        width = self.budget.seconds / 10
        alive = [entry for entry in self.book if entry[0] // width > self.now // width - 10]
        paid_in = sum(entry[1] for entry in alive) * self.budget.ratio
        return paid_in + self.budget.floor * self.budget.seconds - sum(entry[2] for entry in alive)

    @rule(count=st.integers(1, 20))
    def calls_begin(self, count: int) -> None:
        for _ in range(count):
            self.budget.deposit(self.now)
        self.book.append((self.now, count, 0))

    @rule(timeout=st.booleans(), count=st.integers(1, 12))
    def retries_are_wanted(self, timeout: bool, count: int) -> None:
        for _ in range(count):
            price = 2 if timeout else 1
            affordable = self.balance() >= price - 1e-7
            assert self.budget.withdraw(self.now, timeout=timeout) == affordable
            if affordable:
                self.book.append((self.now, 0, price))

    @rule(seconds=st.one_of(st.floats(0, 3), st.sampled_from([0.1, 1.0, 9.9, 10.0, 1000.0])))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def the_balance_is_that_of_the_book(self) -> None:
        if hasattr(self, "budget"):
            assert self.budget.balance(self.now) == pytest.approx(self.balance(), abs=1e-6)


TestBudgets = Budgets.TestCase


@pytest.mark.long  # half a minute of CPU time
def test_the_budget_agrees_with_its_book_over_many_steps() -> None:
    from hypothesis import settings

    run_state_machine_as_test(Budgets, settings=settings(max_examples=500, stateful_step_count=100))


def withdrawn(budget: RetryBudget, now: float, *, timeout: bool = False) -> int:
    count = 0
    while budget.withdraw(now, timeout=timeout):
        count += 1
    return count


@pytest.mark.parametrize("ratio", [0.1, 0.2, 0.3, 0.7, 1.0])
def test_a_share_of_the_first_attempts_may_be_retried(ratio: float) -> None:
    budget = RetryBudget(ratio=ratio, floor=0)
    for _ in range(100):
        budget.deposit(0.0)
    assert withdrawn(budget, 0.0) == round(100 * ratio)


def test_ten_first_attempts_pay_for_one_retry_by_default() -> None:
    budget = RetryBudget(floor=0)
    for _ in range(9):
        budget.deposit(0.0)
    assert not budget.withdraw(0.0)
    budget.deposit(0.0)
    assert withdrawn(budget, 0.0) == 1


def test_a_retry_after_a_timeout_costs_two() -> None:
    budget = RetryBudget(ratio=0.2, floor=0)
    for _ in range(50):
        budget.deposit(0.0)
    assert withdrawn(budget, 0.0, timeout=True) == 5
    assert withdrawn(budget, 0.0) == 0


def test_the_floor_lets_thin_traffic_retry() -> None:
    budget = RetryBudget(floor=1)
    assert withdrawn(budget, 0.0) == 10
    assert withdrawn(budget, 8.9) == 0
    assert withdrawn(budget, 10.0) == 10


def test_what_was_paid_in_expires() -> None:
    budget = RetryBudget(ratio=1, floor=0)
    for _ in range(100):
        budget.deposit(0.0)
    assert budget.balance(8.9) == 100
    assert not budget.withdraw(10.0)


def test_a_failure_to_pay_costs_nothing() -> None:
    budget = RetryBudget(ratio=0.5, floor=0)
    budget.deposit(0.0)
    assert [budget.withdraw(0.0) for _ in range(5)] == [False] * 5
    budget.deposit(0.0)
    assert budget.withdraw(0.0)


@given(st.lists(st.floats(0, 0.2), min_size=50, max_size=200))
def test_in_the_long_run_the_load_stays_below_one_plus_ratio_and_floor(gaps: list[float]) -> None:
    budget, now, first, retried = RetryBudget(), 0.0, 0, 0
    for gap in gaps:
        now += gap
        first += 1
        budget.deposit(now)
        retried += sum(budget.withdraw(now) for _ in range(3))
    # Every ten seconds that have begun may spend their floor once.
    assert retried <= 0.1 * first + 10 * (now // 9 + 1)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ratio", -0.1),
        ("ratio", 1.1),
        ("floor", -1),
        ("floor", 1001),
        ("seconds", 0.9),
        ("seconds", 3601),
        ("ratio", None),
    ],
)
def test_a_setting_out_of_range_is_named(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"{name}: {value}, allowed: "):
        RetryBudget(**{name: value})
