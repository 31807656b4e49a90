"""The circuit opens for given reasons, tries again with exactly the permitted calls, and believes no late result."""

from __future__ import annotations

import json

import pytest

from guardrails.core.breaker import REJECTED, Circuit, Snapshot, State, Transition
from guardrails.core.settings import Breaker
from guardrails.errors import ConfigError
from tests.core.circuits import STATES, THREE, admit, circuit_in, run, settle

HALF = Breaker(failure_rate=0.5, consecutive=None, minimum_calls=4, window_calls=8, cooldown=10)
SLOW = Breaker(failure_rate=None, consecutive=None, slow_after=2.0, slow_rate=0.5, minimum_calls=4, window_calls=8)


def moves(transitions: list[Transition]) -> list[tuple[State, State]]:
    return [(move.before, move.after) for move in transitions]


# Opening.


@pytest.mark.parametrize(
    ("outcomes", "state"),
    [
        # Nothing is said before the minimum is there.
        ("FFF", "closed"),
        ("FFFF", "open"),
        ("SSFF", "open"),
        ("SSSF", "closed"),
        # The share that is named is enough; below it, not.
        ("SSSSFFF", "closed"),
        ("SSSSFFFF", "open"),
        # A success that completes the minimum decides too.
        ("FFSS", "open"),
        ("FFS", "closed"),
        # Ignored calls do not complete it, and do not dilute it.
        ("FFFIIII", "closed"),
        ("FIFISIF", "open"),
        # Old successes are pushed out of the window.
        ("SSSSSSSSFFF", "closed"),
        ("SSSSSSSSFFFF", "open"),
        # Slow calls are no failures, and slow failures are.
        ("LLLLLLLL", "closed"),
        ("XXXX", "open"),
        ("SSSSSSSS", "closed"),
    ],
)
def test_a_failure_rate_opens_once_the_minimum_of_calls_is_there(outcomes: str, state: State) -> None:
    circuit = Circuit(HALF, 0.0)
    run(circuit, outcomes)
    assert circuit.state == state


@pytest.mark.parametrize(
    ("outcomes", "state"),
    [
        ("LLL", "closed"),
        ("LLLL", "open"),
        ("SSLL", "open"),
        ("LLSS", "open"),
        ("SSSL", "closed"),
        ("XXSS", "open"),
        ("FFFF", "closed"),
    ],
)
def test_a_slow_rate_opens_whether_slow_calls_fail_or_not(outcomes: str, state: State) -> None:
    circuit = Circuit(SLOW, 0.0)
    run(circuit, outcomes)
    assert circuit.state == state


@pytest.mark.parametrize(
    ("outcomes", "state"),
    [
        ("FF", "closed"),
        ("FFF", "open"),
        ("FFSFF", "closed"),
        ("FFLFF", "closed"),
        ("SSSSSSSSSSSSFFF", "open"),
        ("XXX", "open"),
        # An ignored call neither prolongs the row nor ends it.
        ("FFIF", "open"),
        ("FFIIIIF", "open"),
        ("IIIIII", "closed"),
    ],
)
def test_failures_in_a_row_open_at_any_traffic(outcomes: str, state: State) -> None:
    circuit = Circuit(THREE, 0.0)
    # A quarter of an hour between calls: every window is empty by then.
    run(circuit, outcomes, step=900.0)
    assert circuit.state == state


def test_four_errors_in_five_calls_open_although_no_five_are_in_a_row() -> None:
    circuit = Circuit(Breaker(consecutive=5), 0.0)
    run(circuit, "FFFFS" * 40, step=0.1)
    assert circuit.state == "open"


def test_no_rule_opens_a_circuit_without_rules() -> None:
    circuit = Circuit(Breaker(failure_rate=None, consecutive=None), 0.0)
    run(circuit, "X" * 200)
    assert circuit.state == "closed"


@pytest.mark.parametrize("rate", [0.55, 0.07, 0.29, 0.57, 0.58])
def test_a_rate_that_binary_fractions_only_approach_is_met_exactly(rate: float) -> None:
    circuit = Circuit(Breaker(failure_rate=rate, consecutive=None, minimum_calls=100, window_calls=100), 0.0)
    failures = round(rate * 100)
    run(circuit, "S" * (100 - failures) + "F" * (failures - 1))
    assert circuit.state == "closed"
    run(circuit, "F")
    assert circuit.state == "open"


@pytest.mark.parametrize(
    ("calls", "state"),
    [
        # (second, outcome), window of 10 s, half of at least 4 must fail.
        ([(0, "F"), (1, "F"), (2, "S"), (3, "S")], "open"),
        ([(0, "F"), (1, "F"), (2, "S"), (12, "S")], "closed"),
        # What is older than the window neither accuses nor excuses.
        ([(0, "F"), (0, "F"), (0, "F"), (10, "F"), (10, "S"), (10, "S")], "closed"),
        ([(0, "S")] * 50 + [(10, "F"), (10, "F"), (10, "S"), (10, "F")], "open"),
        ([(0, "S")] * 5 + [(9, "F")] * 4, "closed"),
        ([(0, "S")] * 5 + [(9, "F")] * 5, "open"),
        # Across many windows, one call in each, nothing is ever known.
        ([(11 * n, "F") for n in range(50)], "closed"),
        # The window slides: it does not start anew at fixed instants.
        ([(8, "F"), (9, "F"), (11, "F"), (12, "F")], "open"),
    ],
)
def test_a_time_window_judges_the_calls_of_its_seconds(calls: list[tuple[float, str]], state: State) -> None:
    circuit = Circuit(Breaker(failure_rate=0.5, consecutive=None, minimum_calls=4, window=10), 0.0)
    for now, outcome in calls:
        run(circuit, outcome, now=float(now))
    assert circuit.state == state


@pytest.mark.parametrize(
    ("said", "outcomes", "reason"),
    [
        (Breaker(consecutive=None), "SSSFFFFFFF", "7 of 10 calls failed in 30 s"),
        (HALF, "SSFF", "2 of 4 calls failed (window: 8 calls)"),
        (SLOW, "SLLL", "3 of 4 calls took over 2 s (window: 8 calls)"),
        (THREE, "SFFF", "3 calls in a row failed"),
        (THREE, "ST", "throttled by the server for 20 s"),
    ],
)
def test_the_reason_carries_the_numbers(said: Breaker, outcomes: str, reason: str) -> None:
    circuit = Circuit(said, 0.0)
    (moved,) = run(circuit, outcomes)
    assert (moved.before, moved.after, moved.reason) == ("closed", "open", reason)
    assert moved.open_for > 0
    assert circuit.reason == reason


def test_after_opening_nothing_of_the_past_is_held_against_the_dependency() -> None:
    circuit = Circuit(HALF, 0.0)
    run(circuit, "FFFF")
    run(circuit, "SS", now=20.0)
    assert circuit.state == "closed"
    run(circuit, "FFF", now=21.0)
    assert circuit.state == "closed"


# The time for which it stays open.


def opened_for(circuit: Circuit, now: float, u: float) -> float:
    """Fail until it opens, from closed or after its cooldown."""
    for _ in range(20):
        token, _ = circuit.admit(now, u)
        moved = circuit.failure(token, now, u)
        if moved is not None:
            assert moved.after == "open"
            assert circuit.open_until == now + moved.open_for
            return moved.open_for
    raise AssertionError("it does not open")


@pytest.mark.parametrize(("u", "seconds"), [(0.0, 5.0), (0.5, 7.5), (0.999999, pytest.approx(10.0, abs=1e-4))])
def test_the_first_cooldown_is_drawn_between_half_and_all_of_it(u: float, seconds: float) -> None:
    assert opened_for(Circuit(THREE, 0.0), 0.0, u) == seconds


def test_failed_recoveries_lengthen_the_cooldown_up_to_its_cap_and_a_recovery_resets_it() -> None:
    said = THREE._replace(cooldown_growth=2.0, cooldown_cap=60.0)
    circuit, now, longest = Circuit(said, 0.0), 0.0, []
    for _ in range(6):
        longest.append(opened_for(circuit, now, 0.999999999))
        now = circuit.open_until
    assert longest == pytest.approx([10, 20, 40, 60, 60, 60])
    run(circuit, "SS", now=now)
    assert circuit.state == "closed"
    assert opened_for(circuit, now, 0.999999999) == pytest.approx(10)


def test_the_shortest_draw_never_grows_so_that_some_process_tries_early() -> None:
    circuit, now = Circuit(THREE, 0.0), 0.0
    for _ in range(4):
        assert opened_for(circuit, now, 0.0) == 5.0
        now = circuit.open_until


def test_ten_thousand_failed_recoveries_do_not_overflow() -> None:
    circuit, now = Circuit(THREE._replace(cooldown_growth=10.0), 0.0), 0.0
    for _ in range(10_000):
        opened_for(circuit, now, 0.5)
        now = circuit.open_until
    assert circuit.snapshot(now).recoveries_failed == 9_999
    assert circuit.open_until - circuit.snapshot(now).age <= now


@pytest.mark.parametrize("u", [0.0, 1e-300, 0.5])
def test_a_circuit_never_opens_for_no_time(u: float) -> None:
    assert opened_for(Circuit(THREE._replace(cooldown=0.05), 0.0), 0.0, u) >= 0.05
    assert Circuit(THREE, 0.0).trip(0.0, 0.0, "elsewhere") == Transition("closed", "open", "elsewhere", 0.05)


@pytest.mark.parametrize(
    ("asked", "seconds"), [(0.001, 0.05), (7.0, 7.0), (60.0, 60.0), (86_400.0, 60.0), (float("inf"), 60.0)]
)
@pytest.mark.parametrize("state", ["closed", "half-open"])
def test_a_throttling_server_says_for_how_long(state: State, asked: float, seconds: float) -> None:
    circuit = circuit_in(state)
    moved = circuit.throttled(admit(circuit, 0.0), 0.0, 0.5, asked)
    assert moved == Transition(state, "open", f"throttled by the server for {asked:.3g} s", seconds)
    assert circuit.retry_after(1.0) == max(0.0, seconds - 1.0)
    assert circuit.snapshot(0.0).recoveries_failed == (state == "half-open")


@pytest.mark.parametrize("asked", [None, 0.0, -5.0, float("nan")])
def test_a_throttling_server_that_names_no_time_has_failed(asked: float | None) -> None:
    circuit = Circuit(THREE, 0.0)
    told = [circuit.throttled(admit(circuit, 0.0), 0.0, 0.5, asked) for _ in range(3)]
    assert told == [None, None, Transition("closed", "open", "3 calls in a row failed", 7.5)]


def test_failures_that_come_back_late_do_not_prolong_the_cooldown() -> None:
    circuit = Circuit(THREE, 0.0)
    tokens = [admit(circuit, 0.0) for _ in range(10)]
    for token in tokens[:3]:
        circuit.failure(token, 1.0, 0.5)
    until = circuit.open_until
    assert [settle(circuit, token, letter, 3.0) for token, letter in zip(tokens[3:], "FXLTSIF", strict=True)] == [
        None
    ] * 7
    assert (circuit.state, circuit.open_until, circuit.snapshot(3.0).late) == ("open", until, 7)


# Half-open.


@pytest.mark.parametrize("permitted", [1, 3, 10])
def test_half_open_admits_only_the_permitted_number_of_calls(permitted: int) -> None:
    circuit = circuit_in("half-open", THREE._replace(permitted_calls=permitted))
    admitted = [token for token in (admit(circuit, 1.0) for _ in range(50)) if token]
    assert (len(admitted), len(set(admitted))) == (permitted, permitted)
    assert circuit.retry_after(1.0) is None


def test_the_call_that_ends_the_cooldown_is_a_trial_call() -> None:
    circuit = circuit_in("open")
    assert circuit.admit(9.999, 0.5) == REJECTED
    token, moved = circuit.admit(10.0, 0.5)
    assert token > 0
    assert moved == Transition("open", "half-open", "the cooldown is over: for the test")
    assert circuit.snapshot(10.0).trials == 1


@pytest.mark.parametrize(
    ("permitted", "needed", "outcomes", "state"),
    [
        # One trial call decides alone.
        (1, 1, "S", "closed"),
        (1, 1, "F", "open"),
        (1, 1, "L", "open"),
        (1, 1, "X", "open"),
        (1, 1, "T", "open"),
        (1, 1, "I", "half-open"),
        # All must succeed.
        (2, 2, "S", "half-open"),
        (2, 2, "SS", "closed"),
        (2, 2, "SF", "open"),
        (2, 2, "F", "open"),
        # Any may succeed.
        (3, 1, "FF", "half-open"),
        (3, 1, "FFF", "open"),
        (3, 1, "FFS", "closed"),
        (3, 1, "S", "closed"),
        # Most must: decided as soon as it cannot change any more.
        (3, 2, "SF", "half-open"),
        (3, 2, "SFS", "closed"),
        (3, 2, "SFF", "open"),
        (3, 2, "FF", "open"),
        (3, 2, "SS", "closed"),
        (5, 3, "SSFF", "half-open"),
        (5, 3, "SSFFS", "closed"),
        (5, 3, "SSFFF", "open"),
        (10, 8, "SSSSSSSFF", "half-open"),
        (10, 8, "SSSSSSSFFS", "closed"),
        (10, 8, "SSSSSSSFFF", "open"),
        # Ignored calls are none, however many.
        (3, 2, "IIIIIIIIIIS", "half-open"),
        (3, 2, "IIIIIIIIIISIS", "closed"),
        (3, 2, "IFIIIF", "open"),
    ],
)
def test_trial_calls_decide_as_soon_as_their_sum_does(permitted: int, needed: int, outcomes: str, state: State) -> None:
    circuit = circuit_in("half-open", THREE._replace(permitted_calls=permitted, success_threshold=needed))
    run(circuit, outcomes, now=1.0)
    assert circuit.state == state


def test_recovery_and_relapse_are_told_with_their_numbers() -> None:
    assert run(circuit_in("half-open"), "SFS") == [Transition("half-open", "closed", "2 of 3 trial calls succeeded")]
    relapsed = Transition("half-open", "open", "2 of 3 trial calls failed or were slow", 10.0)  # 5 to 15
    assert run(circuit_in("half-open"), "FSF") == [relapsed]


def test_a_cancelled_trial_call_gives_its_place_back_and_decides_nothing() -> None:
    circuit = circuit_in("half-open", THREE._replace(permitted_calls=1))
    for _ in range(100):
        token = admit(circuit, 1.0)
        assert token
        assert admit(circuit, 1.0) == 0
        circuit.ignored(token, 1.0)
    assert circuit.state == "half-open"
    run(circuit, "S", now=1.0)
    assert circuit.state == "closed"


@pytest.mark.parametrize("letter", "SFLXTI")
def test_a_trial_call_settles_once(letter: str) -> None:
    circuit = circuit_in("half-open", THREE._replace(permitted_calls=5, success_threshold=3))
    token = admit(circuit, 1.0)
    settle(circuit, token, letter, 1.0)
    once = circuit.snapshot(1.0)
    for again in "SFLXTI":
        assert settle(circuit, token, again, 1.0) is None
    assert circuit.snapshot(1.0) == once._replace(late=6)


def test_a_trial_call_that_never_comes_back_gives_up_its_place_when_its_permit_expires() -> None:
    circuit = circuit_in("half-open", THREE._replace(permit_expiry=5.0, max_half_open=100.0))
    lost = [admit(circuit, 1.0) for _ in range(3)]
    assert admit(circuit, 5.999) == 0
    fresh = [admit(circuit, 6.0) for _ in range(4)]
    assert [bool(token) for token in fresh] == [True, True, True, False]
    assert circuit.snapshot(6.0).trials_lost == 3
    assert [circuit.success(token, 6.0) for token in lost] == [None] * 3
    assert circuit.state == "half-open"
    assert circuit.success(fresh[0], 6.0) is None
    assert circuit.success(fresh[1], 6.0) == Transition("half-open", "closed", "2 of 2 trial calls succeeded")


@pytest.mark.parametrize("letter", "SFLXTI")
def test_a_result_after_the_expiry_counts_for_nothing_even_if_nobody_has_asked_since(letter: str) -> None:
    circuit = circuit_in("half-open", THREE._replace(permitted_calls=1, permit_expiry=5.0))
    token = admit(circuit, 1.0)
    assert settle(circuit, token, letter, 6.0) is None
    snapshot = circuit.snapshot(6.0)
    assert (snapshot.state, snapshot.trials, snapshot.trials_lost, snapshot.late) == ("half-open", 0, 1, 1)


@pytest.mark.parametrize(
    ("outcomes", "lost", "state"),
    [
        # After 100 s: more good than bad and lost closes, else it opens.
        ("S", 0, "closed"),
        ("SS", 1, "closed"),
        ("SF", 0, "open"),
        ("S", 1, "open"),
        ("F", 0, "open"),
        ("", 1, "open"),
        # Nothing is known: tried on.
        ("", 0, "half-open"),
        ("III", 0, "half-open"),
    ],
)
def test_half_open_ends_at_its_greatest_age(outcomes: str, lost: int, state: State) -> None:
    said = THREE._replace(permitted_calls=5, success_threshold=3, permit_expiry=10.0, max_half_open=100.0)
    circuit = circuit_in("half-open", said)
    for _ in range(lost):
        admit(circuit, 1.0)
    run(circuit, outcomes, now=2.0)
    token, moved = circuit.admit(99.9, 0.5)
    assert (bool(token), moved) == (True, None)
    circuit.ignored(token, 99.9)
    token, moved = circuit.admit(100.0, 0.5)
    assert circuit.state == state
    assert bool(token) == (state != "open")
    assert (moved is None) == (state == "half-open")


def test_what_was_seen_until_the_greatest_age_is_told() -> None:
    said = THREE._replace(permitted_calls=5, success_threshold=3, permit_expiry=10.0, max_half_open=100.0)
    circuit = circuit_in("half-open", said, now=1000.0)
    admit(circuit, 1000.0)
    run(circuit, "SF", now=1001.0)
    _, moved = circuit.admit(1130.0, 0.5)
    seen = "after 130 s of trial 1 calls succeeded, 1 failed, 1 never came back"
    assert moved == Transition("half-open", "open", seen, 10.0)


def test_a_half_open_circuit_that_knows_nothing_starts_its_age_anew() -> None:
    circuit = circuit_in("half-open", THREE._replace(permit_expiry=10.0, max_half_open=100.0))
    token, _ = circuit.admit(150.0, 0.5)
    circuit.failure(token, 150.0, 0.5)
    assert circuit.admit(249.9, 0.5)[1] is None
    _, moved = circuit.admit(250.0, 0.5)
    assert moves([moved] if moved else []) == [("half-open", "open")]


# Generations.


@pytest.mark.parametrize("letter", "SFLXTI")
@pytest.mark.parametrize("state", ["open", "half-open", "isolated", "disabled", "shadow"])
def test_the_result_of_an_older_generation_changes_nothing(state: State, letter: str) -> None:
    circuit = Circuit(THREE, 0.0)
    old = admit(circuit, 0.0)
    circuit.restore(circuit_in(state if state != "half-open" else "open").snapshot(0.0), 0.0)
    if state == "half-open":
        circuit.release(0.0, "go")
    before = circuit.snapshot(0.0)
    for _ in range(20):
        assert settle(circuit, old, letter, 0.0) is None
    assert circuit.snapshot(0.0) == before._replace(late=0 if state == "disabled" else 20)


def test_a_result_from_before_the_outage_does_not_count_after_it() -> None:
    circuit = Circuit(THREE, 0.0)
    old = admit(circuit, 0.0)
    run(circuit, "FFF", now=0.0)
    run(circuit, "SS", now=20.0)
    assert circuit.state == "closed"
    for _ in range(3):
        assert circuit.failure(old, 21.0, 0.5) is None
    assert circuit.state == "closed"


def test_tokens_never_repeat() -> None:
    circuit, seen, now = Circuit(THREE, 0.0), [], 0.0
    for _ in range(50):
        seen.append(circuit.pass_)
        run(circuit, "FFF", now=now)
        now = circuit.open_until
        seen += [circuit.admit(now, 0.5)[0] for _ in range(3)]
        for token in seen[-3:]:
            circuit.success(token, now)
    assert len(set(seen)) == len(seen) == 200
    assert circuit.generation == 151


# What humans do.

HELD: dict[State, dict[str, State]] = {
    #             isolate                disable                shadow              release                trip
    "closed": {"isolate": "isolated", "disable": "disabled", "shadow": "shadow", "release": "closed", "trip": "open"},
    "open": {"isolate": "isolated", "disable": "disabled", "shadow": "shadow", "release": "half-open", "trip": "open"},
    "half-open": {
        "isolate": "isolated",
        "disable": "disabled",
        "shadow": "shadow",
        "release": "half-open",
        "trip": "open",
    },
    "isolated": {
        "isolate": "isolated",
        "disable": "disabled",
        "shadow": "shadow",
        "release": "half-open",
        "trip": "isolated",
    },
    "disabled": {
        "isolate": "isolated",
        "disable": "disabled",
        "shadow": "shadow",
        "release": "closed",
        "trip": "disabled",
    },
    "shadow": {
        "isolate": "isolated",
        "disable": "disabled",
        "shadow": "shadow",
        "release": "closed",
        "trip": "shadow",
    },
}


@pytest.mark.parametrize(
    ("before", "order", "after"),
    [(before, order, after) for before, row in HELD.items() for order, after in row.items()],
)
def test_orders_lead_from_every_state_to_one(before: State, order: str, after: State) -> None:
    circuit = circuit_in(before)
    generation = circuit.generation
    moved = circuit.trip(1.0, 5.0, "why") if order == "trip" else getattr(circuit, order)(1.0, "why")
    expected = None if before == after else Transition(before, after, "why", 5.0 if after == "open" else 0.0)
    assert moved == expected
    assert circuit.state == after
    assert circuit.generation == generation + (before != after)
    assert circuit.reason == (
        "for the test" if before == after and before != "closed" else "new" if before == after else "why"
    )


@pytest.mark.parametrize(
    ("before", "outcomes", "after"),
    [
        ("closed", "FFF", "open"),
        ("open", "FFF", "open"),
        ("half-open", "FF", "open"),
        ("half-open", "SS", "closed"),
        ("isolated", "SSSSS", "isolated"),
        ("disabled", "FFFFFFT", "disabled"),
        ("shadow", "FFFFFFT", "shadow"),
    ],
)
def test_outcomes_lead_from_every_state_to_one(before: State, outcomes: str, after: State) -> None:
    circuit = circuit_in(before)
    run(circuit, outcomes, now=1.0)
    assert circuit.state == after


@pytest.mark.parametrize("state", STATES)
def test_each_state_admits_or_rejects(state: State) -> None:
    circuit = circuit_in(state)
    free = state in ("closed", "disabled", "shadow")
    assert bool(circuit.pass_) == free
    assert bool(admit(circuit, 1.0)) == (free or state == "half-open")
    answers = {"open": 9.0, "half-open": None, "isolated": None}
    assert circuit.retry_after(1.0) == answers.get(state, 0.0)


@pytest.mark.parametrize(("hold", "failed"), [("isolate", 0), ("disable", 0), ("shadow", 0), (None, 5)])
def test_what_a_human_held_begins_anew_and_a_cooldown_cut_short_does_not(hold: str | None, failed: int) -> None:
    """After maintenance, the failed recoveries of the outage before it must not make the next cooldown long."""
    circuit, now = Circuit(THREE, 0.0), 0.0
    for _ in range(6):
        opened_for(circuit, now, 0.5)
        now = circuit.open_until
    if hold is not None:
        getattr(circuit, hold)(now, "maintenance")
    circuit.release(now, "done")
    assert circuit.snapshot(now).recoveries_failed == failed
    if circuit.state == "half-open":
        run(circuit, "SS", now=now)
    assert (circuit.state, circuit.snapshot(now).recoveries_failed) == ("closed", 0)
    assert opened_for(circuit, now, 0.999999999) == pytest.approx(10)


def test_time_alone_never_releases_an_isolated_circuit() -> None:
    circuit = circuit_in("isolated")
    assert circuit.admit(1e12, 0.5) == REJECTED
    assert circuit.open_until == float("inf")


def test_a_disabled_circuit_records_nothing() -> None:
    circuit = circuit_in("disabled")
    assert run(circuit, "FXLTSI" * 10) == []
    snapshot = circuit.snapshot(1.0)
    assert (snapshot.calls, snapshot.failed, snapshot.slow, snapshot.streak, snapshot.late) == (0, 0, 0, 0, 0)


def test_a_shadow_says_when_it_would_have_opened_and_then_waits_out_the_cooldown() -> None:
    circuit = circuit_in("shadow")
    would = Transition("shadow", "shadow", "would have opened: 3 calls in a row failed", 7.5)
    assert run(circuit, "FF", now=1.0) == []
    assert run(circuit, "F", now=1.0) == [would]
    assert run(circuit, "FFFFFF", now=8.49) == []
    assert run(circuit, "F", now=8.5) == [would._replace(reason="would have opened: 7 calls in a row failed")]
    assert circuit.snapshot(9.0).would_have_opened == 2
    assert run(circuit, "T", now=100.0) == [
        Transition("shadow", "shadow", "would have opened: throttled by the server for 20 s", 20.0)
    ]


# Rejections, snapshots, other settings.


def test_a_rejection_makes_nothing_that_could_pile_up() -> None:
    circuit = circuit_in("open")
    assert all(circuit.admit(1.0, 0.5) is REJECTED for _ in range(100))
    assert circuit.snapshot(1.0) == circuit_in("open").snapshot(1.0)


@pytest.mark.parametrize("state", STATES)
def test_a_snapshot_is_plain_data(state: State) -> None:
    snapshot = circuit_in(state).snapshot(1.0)
    assert Snapshot(**json.loads(json.dumps(snapshot._asdict(), allow_nan=False))) == snapshot


def test_a_snapshot_tells_what_is_known() -> None:
    circuit = Circuit(HALF, 0.0)
    run(circuit, "SSSLX", now=1.0)
    assert circuit.snapshot(3.0)._asdict() == {
        "state": "closed",
        "reason": "new",
        "age": 3.0,
        "retry_after": 0.0,
        "recoveries_failed": 0,
        "generation": 1,
        "calls": 5,
        "failed": 1,
        "slow": 2,
        "streak": 1,
        "trials": 0,
        "trials_good": 0,
        "trials_bad": 0,
        "trials_lost": 0,
        "late": 0,
        "would_have_opened": 0,
    }
    assert circuit.snapshot(-1.0).age == 0.0
    assert circuit_in("isolated", now=1000.0).snapshot(1004.0).age == 4.0


def test_a_snapshot_forgets_what_is_too_old() -> None:
    circuit = Circuit(Breaker(), 0.0)
    run(circuit, "FFF", now=1.0)
    assert [circuit.snapshot(now).failed for now in (2.0, 40.0)] == [3, 0]


@pytest.mark.parametrize("state", STATES)
def test_a_restored_circuit_goes_on_in_its_state(state: State) -> None:
    old = circuit_in(state, now=500.0)
    snapshot = old.snapshot(504.0)._replace(recoveries_failed=2)
    circuit = Circuit(THREE, 9000.0)
    moved = circuit.restore(snapshot, 9000.0)
    after = "open" if state == "half-open" else state
    assert moved == (
        None if state == "closed" else Transition("closed", after, "for the test", 6.0 * (state == "open"))
    )
    assert circuit.snapshot(9000.0).recoveries_failed == 2
    assert circuit.reason == snapshot.reason
    if state == "open":
        assert circuit.retry_after(9001.0) == 5.0
    if state == "half-open":
        assert moves([circuit.admit(9000.0, 0.5)[1]]) == [("open", "half-open")]


@pytest.mark.parametrize(
    ("remaining", "seconds"), [(None, 0.0), (-5.0, 0.0), (1e9, 60.0), (float("nan"), 0.0), (float("inf"), 60.0)]
)
def test_a_restored_open_time_is_kept_within_bounds(remaining: float | None, seconds: float) -> None:
    snapshot = circuit_in("open").snapshot(0.0)._replace(retry_after=remaining, recoveries_failed=-3)
    circuit = Circuit(THREE, 0.0)
    circuit.restore(snapshot, 0.0)
    assert circuit.retry_after(0.0) == seconds
    assert circuit.snapshot(0.0).recoveries_failed == 0


def test_a_snapshot_of_an_unknown_state_is_refused_and_changes_nothing() -> None:
    circuit = Circuit(THREE, 0.0)
    before = circuit.snapshot(0.0)
    known = "closed, open, half-open, isolated, disabled, shadow"
    with pytest.raises(ConfigError) as caught:
        circuit.restore(before._replace(state="ajar"), 0.0)
    assert caught.value.problems == (f"state: 'ajar', allowed: {known}; write the snapshot anew",)
    assert circuit.snapshot(0.0) == before


@pytest.mark.parametrize(
    ("before", "after", "kept", "dropped"),
    [
        # SSSLX before it: 5 calls, 1 failed, 2 slow, streak 1.
        (HALF, HALF._replace(failure_rate=0.9), (5, 1, 2, 1), ()),
        (HALF, HALF._replace(window_calls=100), (5, 1, 2, 1), ()),
        (HALF, HALF._replace(window_calls=4), (4, 1, 2, 1), ("1 of 5 outcomes",)),
        (HALF, Breaker(), (0, 0, 0, 1), ("5 of 5 outcomes",)),
        (Breaker(), HALF, (0, 0, 0, 1), ("5 of 5 outcomes",)),
        (Breaker(), Breaker(window=30.0), (5, 1, 2, 1), ()),
        (Breaker(), Breaker(window=600.0), (5, 1, 2, 1), ()),
        (Breaker(), Breaker(window=1.0), (0, 0, 0, 1), ("5 of 5 outcomes",)),
        (
            SLOW,
            SLOW._replace(slow_after=3.0, failure_rate=0.9),
            (5, 1, 0, 1),
            ("which of the outcomes were slow, since slow_after has changed",),
        ),
    ],
)
def test_other_settings_keep_what_they_can_and_say_what_they_drop(
    before: Breaker, after: Breaker, kept: tuple[int, ...], dropped: tuple[str, ...]
) -> None:
    circuit = Circuit(before._replace(slow_rate=1.0), 0.0)
    run(circuit, "SSSLX", now=1.0)
    token = circuit.pass_
    assert circuit.update(after, 3.0) == dropped
    snapshot = circuit.snapshot(3.0)
    assert (snapshot.calls, snapshot.failed, snapshot.slow, snapshot.streak) == kept
    assert (circuit.pass_, circuit.settings) == (token, after)
    assert circuit.slow_after == (after.slow_after or float("inf"))


def test_new_settings_hold_from_the_next_call_on() -> None:
    circuit = Circuit(THREE, 0.0)
    run(circuit, "FF")
    circuit.update(THREE._replace(consecutive=5), 0.0)
    run(circuit, "FF")
    assert circuit.state == "closed"
    circuit.update(THREE._replace(consecutive=2), 0.0)
    assert circuit.state == "closed"
    run(circuit, "F")
    assert circuit.state == "open"
    circuit.update(HALF._replace(minimum_calls=2), 0.0)
    run(circuit, "SS", now=100.0)
    run(circuit, "SF", now=100.0)
    assert circuit.state == "open"


def test_a_lower_cap_shortens_an_open_time_that_exceeds_it() -> None:
    circuit = circuit_in("open")
    assert circuit.update(THREE._replace(cooldown_cap=10.0), 4.0) == ()
    assert circuit.retry_after(4.0) == 6.0
    lower = THREE._replace(cooldown=1.0, cooldown_cap=2.0)
    assert circuit.update(lower, 4.0) == ("4 s of the open time",)
    assert circuit.retry_after(4.0) == 2.0
    assert circuit.update(lower._replace(cooldown_growth=2.0), 4.0) == ()


@pytest.mark.parametrize(
    ("changed", "anew"),
    [
        ({"permitted_calls": 4}, True),
        ({"success_threshold": 1}, True),
        ({"success_threshold": 2}, False),
        ({"permit_expiry": 30.0}, True),
        ({"max_half_open": 100.0}, True),
        ({"cooldown": 3.0}, False),
    ],
)
def test_other_terms_of_trial_begin_the_trial_anew(changed: dict[str, float], anew: bool) -> None:
    circuit = circuit_in("half-open")
    under_way = admit(circuit, 1.0)
    run(circuit, "S", now=1.0)
    dropped = circuit.update(THREE._replace(**changed), 2.0)
    assert dropped == (("2 trial calls: half-open begins anew",) if anew else ())
    moved = circuit.success(under_way, 2.0)
    assert moves([moved] if moved else []) == ([] if anew else [("half-open", "closed")])
    assert circuit.state == ("half-open" if anew else "closed")


def test_a_trial_that_begins_anew_tells_how_many_calls_it_forgets() -> None:
    circuit = circuit_in("half-open", THREE._replace(permitted_calls=5))
    under_way = admit(circuit, 1.0)
    run(circuit, "SF", now=1.0)
    assert circuit.update(THREE, 2.0) == ("3 trial calls: half-open begins anew",)
    assert circuit.success(under_way, 2.0) is None
    snapshot = circuit.snapshot(2.0)
    assert (snapshot.trials, snapshot.trials_good, snapshot.trials_bad, snapshot.late) == (0, 0, 0, 1)


def test_slow_is_what_the_settings_say() -> None:
    assert Circuit(THREE, 0.0).slow_after == float("inf")
    assert Circuit(SLOW, 0.0).slow_after == 2.0
