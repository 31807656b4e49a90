"""The circuit does what a naive model of it does, whatever happens in whatever order, on virtual time."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, get_args

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from guardrails.core.breaker import Circuit, Snapshot, State
from guardrails.core.settings import Breaker
from tests.core.naive_circuit import Call, NaiveCircuit

if TYPE_CHECKING:
    from collections.abc import Callable

    from guardrails.core.breaker import Transition

OUTCOMES = ("success", "failed", "failed slowly", "slow", "ignored", "throttled")
HOLDS = ("isolated", "disabled", "shadow")
# Steps of time around every duration in the settings below.
STEPS = (0.0, 0.01, 0.05, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 3600.0)


def settings_from(pick: Callable[[list], object]) -> Breaker:
    """Small figures, so that every rule is met within a few calls."""
    window_calls = pick([None, 3, 6])
    permitted = pick([1, 2, 3, 4])
    cooldown = pick([0.05, 1.0, 4.0])
    expiry = pick([0.5, 2.0])
    return Breaker(
        failure_rate=pick([None, 0.3, 0.5, 1.0]),
        consecutive=pick([None, None, 2, 4]),
        slow_after=pick([None, 1.0, 2.0]),
        slow_rate=pick([0.5, 1.0]),
        minimum_calls=pick([1, 2, 3]),
        window=None if window_calls is not None else pick([None, 1.0, 10.0]),
        window_calls=window_calls,
        cooldown=cooldown,
        cooldown_growth=pick([1.0, 2.0]),
        cooldown_cap=pick([cooldown, 20.0]),
        permitted_calls=permitted,
        success_threshold=pick([None, 1, permitted]),
        permit_expiry=expiry,
        max_half_open=pick([expiry, 5.0]),
    )


class Pair:
    """The circuit and its model, driven together; `check` compares all that can be seen of them."""

    def __init__(self, said: Breaker) -> None:
        self.now = 1000.0
        self.circuit = Circuit(said, self.now)
        self.model = NaiveCircuit(said)
        self.moves: list[Transition] = []
        self.open_calls: list[tuple[int, Call]] = []

    def told(self, moved: Transition | None) -> None:
        if moved is not None:
            self.moves.append(moved)

    def begin(self, u: float) -> None:
        token, moved = (self.circuit.pass_, None) if self.circuit.pass_ else self.circuit.admit(self.now, u)
        self.told(moved)
        call = self.model.admit(self.now, u)
        assert (token != 0) == (call is not None)
        if call is not None:
            self.open_calls = [*self.open_calls[-30:], (token, call)]

    def settle(self, which: int, how: str, u: float, retry_after: float | None) -> None:
        """Not forgotten afterwards: a result may come twice."""
        token, call = self.open_calls[which % len(self.open_calls)]
        circuit, now = self.circuit, self.now
        if how == "success":
            self.told(circuit.success(token, now))
        elif how == "slow":
            self.told(circuit.slow(token, now, u))
        elif how == "ignored":
            circuit.ignored(token, now)
        elif how == "throttled":
            self.told(circuit.throttled(token, now, u, retry_after))
        else:
            self.told(circuit.failure(token, now, u, slow=how == "failed slowly"))
        # A success takes its chance from the failures before it.
        self.model.settle(call, now, how, circuit._u, retry_after)

    def hold(self, state: str) -> None:
        holds = {"isolated": self.circuit.isolate, "disabled": self.circuit.disable, "shadow": self.circuit.shadow}
        self.told(holds[state](self.now, "by hand"))
        self.model.hold(state, self.now)

    def release(self) -> None:
        self.told(self.circuit.release(self.now, "by hand"))
        self.model.release(self.now)

    def trip(self, seconds: float) -> None:
        self.told(self.circuit.trip(self.now, seconds, "elsewhere"))
        self.model.trip(self.now, seconds)

    def update(self, said: Breaker) -> None:
        self.circuit.update(said, self.now)
        self.model.update(said, self.now)

    def check(self) -> None:
        circuit, model = self.circuit, self.model
        assert [(move.before, move.after) for move in self.moves] == model.told
        snapshot = circuit.snapshot(self.now)
        seen = model.remembered(self.now)
        under_way, good, bad, lost = model.trials(self.now)
        # Expired calls are given up when the next one asks for a place.
        assert snapshot.trials + snapshot.trials_lost == under_way + lost
        assert (snapshot.state, snapshot.trials_good, snapshot.trials_bad) == (model.state, good, bad)
        assert (snapshot.calls, snapshot.failed, snapshot.slow, snapshot.streak) == (
            len(seen),
            sum(o[1] for o in seen),
            sum(o[2] for o in seen),
            model.streak,
        )
        assert snapshot.recoveries_failed == model.recoveries_failed
        assert (snapshot.late, snapshot.would_have_opened) == (model.late, model.would_have_opened)
        assert bool(circuit.pass_) == (model.state in ("closed", "disabled", "shadow"))
        if model.state == "open":
            assert circuit.open_until == pytest.approx(model.opens_until)
        assert snapshot.trials <= circuit.settings.permitted_calls
        assert Snapshot(**json.loads(json.dumps(snapshot._asdict(), allow_nan=False))) == snapshot


CHANCE = st.floats(0, 1, exclude_max=True)


class Circuits(RuleBasedStateMachine):
    steps = 0

    @initialize(data=st.data())
    def begin_with(self, data: st.DataObject) -> None:
        self.pair = Pair(settings_from(lambda options: data.draw(st.sampled_from(options))))

    @rule(u=CHANCE, count=st.integers(1, 5))
    def calls_begin(self, u: float, count: int) -> None:
        for _ in range(count):
            self.pair.begin(u)

    @precondition(lambda self: self.pair.open_calls)
    @rule(
        which=st.integers(-5, 30),
        how=st.sampled_from(OUTCOMES),
        u=CHANCE,
        retry_after=st.sampled_from([None, -1.0, 0.0, 0.01, 3.0, float("inf"), float("nan")]),
    )
    def a_call_ends(self, which: int, how: str, u: float, retry_after: float | None) -> None:
        self.pair.settle(which, how, u, retry_after)

    @rule(how=st.sampled_from(OUTCOMES[:4]), u=CHANCE, count=st.integers(1, 6))
    def calls_begin_and_end(self, how: str, u: float, count: int) -> None:
        for _ in range(count):
            before = len(self.pair.open_calls)
            self.pair.begin(u)
            if len(self.pair.open_calls) > before:
                self.pair.settle(-1, how, u, None)

    @rule(seconds=st.sampled_from(STEPS))
    def time_passes(self, seconds: float) -> None:
        self.pair.now += seconds

    @rule(state=st.sampled_from(HOLDS))
    def a_human_holds(self, state: str) -> None:
        self.pair.hold(state)

    @rule()
    def a_human_releases(self) -> None:
        self.pair.release()

    @rule(seconds=st.sampled_from([0.0, 3.0, 1e9]))
    def another_process_has_opened(self, seconds: float) -> None:
        self.pair.trip(seconds)

    @rule(data=st.data())
    def settings_change(self, data: st.DataObject) -> None:
        self.pair.update(settings_from(lambda options: data.draw(st.sampled_from(options))))

    @invariant()
    def both_agree(self) -> None:
        type(self).steps += 1
        self.pair.check()


def test_the_circuit_agrees_with_its_model() -> None:
    run_state_machine_as_test(Circuits, settings=settings(max_examples=60, stateful_step_count=40))


@pytest.mark.timeout(900)  # a busy machine needs more than the usual limit
@pytest.mark.long  # a minute of CPU time
def test_the_circuit_agrees_with_its_model_over_a_hundred_thousand_steps() -> None:
    Circuits.steps = 0
    run_state_machine_as_test(Circuits, settings=settings(max_examples=1200, stateful_step_count=100))
    assert Circuits.steps >= 100_000


def walk(pair: Pair, roll: random.Random, steps: int) -> set[str]:
    """At random but as in life: mostly calls, of which few fail for a while, then many. Returns the states met."""
    ill, met = 0.1, set()
    for step in range(steps):
        pair.now += roll.expovariate(2.0)
        if step % 50 == 0:
            ill = roll.choice([0.0, 0.1, 0.9])
        chance = roll.random()
        if chance < 0.5:
            pair.begin(roll.random())
        elif chance < 0.97:
            if pair.open_calls:
                how = roll.choice(OUTCOMES[1:]) if roll.random() < ill else "success"
                pair.settle(-roll.randint(1, 4), how, roll.random(), roll.choice([None, 2.0]))
        elif chance < 0.98:
            pair.release()
        elif chance < 0.985:
            pair.hold(roll.choice(HOLDS))
        elif chance < 0.99:
            pair.update(settings_from(roll.choice))
        else:
            pair.now += roll.choice(STEPS)
        pair.check()
        met.add(pair.circuit.state)
        # What has been compared is let go: to compare all moves each time would cost the square of the steps.
        pair.moves.clear()
        pair.model.told.clear()
    return met


def test_a_random_walk_meets_every_state_and_agrees_with_its_model() -> None:
    roll = random.Random(1)
    met: set[str] = set()
    for _ in range(100):
        met |= walk(Pair(settings_from(roll.choice)), roll, 200)
    assert met == set(get_args(State))
