"""No more calls run than there are places, none that waits is overtaken, and no place is lost."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from guardrails.core.bulkhead import Places
from guardrails.errors import ConfigError


class Bulkheads(RuleBasedStateMachine):
    """Two lists of names: who runs, and who waits in which order."""

    @initialize(limit=st.integers(1, 4), waiting=st.integers(0, 4))
    def begin(self, limit: int, waiting: int) -> None:
        self.places, self.limit, self.most_waiting = Places(limit, waiting), limit, waiting
        self.running = self.queued = 0

    @rule()
    def a_call_comes(self) -> None:
        if self.places.enter():
            assert self.running < self.limit
            self.running += 1
        else:
            assert self.running >= self.limit
            joined = self.places.queue()
            assert joined == (self.queued < self.most_waiting)
            self.queued += joined

    @precondition(lambda self: self.running)
    @rule()
    def a_call_ends(self) -> None:
        handed_over = self.places.leave()
        assert handed_over == (self.queued > 0 and self.running <= self.limit)
        self.running -= not handed_over
        self.queued -= handed_over

    @precondition(lambda self: self.queued)
    @rule()
    def a_waiter_gives_up(self) -> None:
        self.places.abandon()
        self.queued -= 1

    @rule(limit=st.integers(1, 4), waiting=st.integers(0, 4))
    def the_limits_change(self, limit: int, waiting: int) -> None:
        woken = self.places.resize(limit, waiting)
        assert woken == min(self.queued, max(0, limit - self.running))
        self.limit, self.most_waiting = limit, waiting
        self.running += woken
        self.queued -= woken

    @invariant()
    def nobody_waits_beside_a_free_place(self) -> None:
        assert (self.places.active, self.places.waiting) == (self.running, self.queued)
        assert self.queued == 0 or self.running >= self.limit


TestBulkheads = Bulkheads.TestCase


def test_without_a_queue_the_call_too_many_is_rejected_at_once() -> None:
    places = Places(2)
    assert [places.enter(), places.enter(), places.enter(), places.queue()] == [True, True, False, False]


def test_a_place_changes_hands_before_a_newcomer_can_take_it() -> None:
    places = Places(1, waiting=1)
    assert [places.enter(), places.enter(), places.queue()] == [True, False, True]
    assert places.leave()
    assert not places.enter()
    assert not places.leave()
    assert places.enter()


@pytest.mark.parametrize(
    ("name", "value"),
    [("limit", 0), ("limit", 100_001), ("waiting", -1), ("waiting", 100_001), ("limit", 2.5), ("waiting", 2.5)],
)
def test_a_setting_out_of_range_is_named_and_changes_nothing(name: str, value: int) -> None:
    places = Places(2, 3)
    with pytest.raises(ConfigError, match=f"{name}: {value}, allowed: "):
        places.resize(**{"limit": 5, name: value})
    assert (places.limit, places.most_waiting) == (2, 3)
