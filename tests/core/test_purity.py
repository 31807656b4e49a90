"""The room is pure: it reads no clock and rolls no dice, so a wall clock may jump and a day costs under a second."""

from __future__ import annotations

import ast
import subprocess
import sys
import time

import pytest

from guardrails.core.breaker import Circuit
from guardrails.core.budget import RetryBudget
from guardrails.core.rate import Pace
from guardrails.core.settings import Breaker
from tests.support import SRC

MODULES = sorted((SRC / "core").glob("*.py"))
# What the standard library offers here: types alone.
ALLOWED = {"__future__", "typing", "guardrails.errors"}


def imported(source: str) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


@pytest.mark.parametrize("name", [path.name for path in MODULES])
def test_no_module_imports_what_could_read_a_clock(name: str) -> None:
    names = imported((SRC / "core" / name).read_text("utf-8"))
    assert {name for name in names if not name.startswith("guardrails.core.")} <= ALLOWED


def test_an_import_of_a_clock_would_be_found() -> None:
    assert imported("def f():\n    import time\n    from random import random") == {"time", "random"}


def test_loading_the_circuit_loads_no_clock_of_python() -> None:
    code = (
        "import sys; import typing, guardrails.errors; before = set(sys.modules); import guardrails.core.breaker; "
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert [name for name in done.stdout.split() if not name.startswith("guardrails.")] == []


@pytest.mark.parametrize("said", [Breaker(slow_after=2.0), Breaker(window_calls=100)])
def test_a_simulated_day_costs_less_than_a_second(said: Breaker) -> None:
    """A call every two seconds, one hour of outage, and the budget and the pace beside it."""
    circuit, budget, pace = Circuit(said, 0.0), RetryBudget(), Pace(1.0)
    began, now, rejected = time.process_time(), 0.0, 0
    while now < 86_400:
        now += 2.0
        token = circuit.pass_ or circuit.admit(now, 0.5)[0]
        rejected += not token
        if token and 40_000 <= now < 43_600:
            circuit.failure(token, now, 0.5)
            budget.withdraw(now)
        elif token:
            circuit.success(token, now)
        budget.deposit(now)
        pace.take(now)
    assert time.process_time() - began < 1.0
    assert 1000 < rejected < 1900
    assert circuit.state == "closed"


def test_nothing_asks_where_the_clock_began() -> None:
    """Monotonic clocks start anywhere: the same story, told a thousand days later, has the same moves."""

    def story(start: float) -> list[object]:
        circuit = Circuit(Breaker(), start)
        told: list[object] = []
        for second in range(200):
            now = start + second
            token, moved = (circuit.pass_, None) if circuit.pass_ else circuit.admit(now, 0.5)
            told.append(moved)
            if token:
                failing = 50 <= second < 90
                told.append(circuit.failure(token, now, 0.5) if failing else circuit.success(token, now))
        return told

    assert story(0.0) == story(86_400_000.0)
