"""What several tests of the circuit share: settings, ways to fail it, and one to bring it into each state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from guardrails.core.breaker import Circuit, State, Transition
from guardrails.core.settings import Breaker

if TYPE_CHECKING:
    from collections.abc import Iterable

# Opens after three failures in a row for 5 to 10 s; two of three trial calls close it.
THREE = Breaker(failure_rate=None, consecutive=3, cooldown=10, cooldown_growth=1.5)
STATES: tuple[State, ...] = ("closed", "open", "half-open", "isolated", "disabled", "shadow")


def admit(circuit: Circuit, now: float, u: float = 0.5) -> int:
    """As a shell does it: one attribute, and a question only where that says so."""
    return circuit.pass_ or circuit.admit(now, u)[0]


def run(circuit: Circuit, outcomes: Iterable[str], now: float = 0.0, step: float = 0.0) -> list[Transition]:
    """Call once for each letter: S success, F failure, L slow success, X slow failure, I ignored, T throttled for 20 s.

    A call that is rejected does not happen. Returns the moves.
    """
    moves = []
    for letter in outcomes:
        token, moved = (circuit.pass_, None) if circuit.pass_ else circuit.admit(now, 0.5)
        moves += [moved] if moved else []
        if token:
            moved = settle(circuit, token, letter, now)
            moves += [moved] if moved else []
        now += step
    return moves


def settle(circuit: Circuit, token: int, letter: str, now: float, u: float = 0.5) -> Transition | None:
    match letter:
        case "S":
            return circuit.success(token, now)
        case "F":
            return circuit.failure(token, now, u)
        case "L":
            return circuit.slow(token, now, u)
        case "X":
            return circuit.failure(token, now, u, slow=True)
        case "T":
            return circuit.throttled(token, now, u, 20.0)
        case _:
            circuit.ignored(token, now)
            return None


def circuit_in(state: State, said: Breaker = THREE, now: float = 0.0) -> Circuit:
    """A circuit in this state; an open one is open until `now` + 10."""
    circuit = Circuit(said, now)
    if state in ("open", "half-open"):
        circuit.trip(now, 10.0, "for the test")
    if state == "half-open":
        circuit.release(now, "for the test")
    if state in ("isolated", "disabled", "shadow"):
        holds = {"isolated": circuit.isolate, "disabled": circuit.disable, "shadow": circuit.shadow}
        holds[state](now, "for the test")
    assert circuit.state == state
    return circuit
