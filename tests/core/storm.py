"""A retry storm on virtual time: clients with a timeout, a dependency with a queue, and an outage.

The dependency works off 100 requests a second, first come first served, and does not notice that a client has given
up. 80 requests a second are offered. From second 20 to 30 it stands still. Without care, retries then keep its queue
longer than the clients' patience for ever: every answer comes too late.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from guardrails.core.backoff import Backoff
from guardrails.core.breaker import Circuit
from guardrails.core.budget import RetryBudget

if TYPE_CHECKING:
    from collections.abc import Iterator

    from guardrails.core.settings import Breaker

OFFERED, CAPACITY, PATIENCE = 80, 100, 1.0
OUTAGE = (20.0, 30.0)
END = 100


@dataclass
class Dependency:
    free_at: float = 0.0

    def answered_at(self, now: float) -> float:
        """When a request that comes now has its answer, whether or not anybody still waits for it."""
        done = max(now, self.free_at) + 1 / CAPACITY
        if OUTAGE[0] < done < OUTAGE[1]:
            done = OUTAGE[1] + 1 / CAPACITY
        self.free_at = done
        return done


@dataclass
class Storm:
    """What happened, second by second."""

    sent: Counter[int] = field(default_factory=Counter)
    answered: Counter[int] = field(default_factory=Counter)

    @property
    def peak(self) -> float:
        """The most that was sent in one second, relative to what was offered."""
        return max(self.sent.values()) / OFFERED

    @property
    def amplification(self) -> float:
        """All that was sent from the outage on, relative to what was offered meanwhile."""
        begin = int(OUTAGE[0])
        return sum(sent for second, sent in self.sent.items() if second >= begin) / (OFFERED * (END - begin))

    @property
    def recovered(self) -> float:
        """Seconds after the outage from which 95 % of the requests are answered for good; infinite if never."""
        # The last second is cut short by the end of the simulation.
        bad = [s for s in range(int(OUTAGE[1]), END - 1) if self.answered[s] < 0.95 * OFFERED]
        if bad and bad[-1] == END - 2:
            return float("inf")
        return (bad[-1] + 1 if bad else OUTAGE[1]) - OUTAGE[1]


@dataclass
class Client:
    """One process, with its own circuit and budget, or without."""

    circuit: Circuit | None
    budget: RetryBudget | None
    attempts: int
    roll: random.Random

    def request(self, now: float, dependency: Dependency, storm: Storm) -> Iterator[float]:
        """One operation, as a shell would run it: yields the instants at which it goes on."""
        if self.budget is not None:
            self.budget.deposit(now)
        for attempt in range(1, self.attempts + 1):
            token = self.admitted(now)
            if not token:
                return
            storm.sent[int(now)] += 1
            answered = dependency.answered_at(now)
            in_time = answered - now <= PATIENCE
            now = answered if in_time else now + PATIENCE
            yield now
            if in_time:
                storm.answered[int(now)] += 1
            self.settle(token, now, good=in_time)
            if in_time or attempt == self.attempts or not self.may_retry(now):
                return
            now += Backoff().delay(attempt, self.roll.random()) or 0.0
            yield now

    def admitted(self, now: float) -> int:
        if self.circuit is None:
            return 1
        return self.circuit.pass_ or self.circuit.admit(now, self.roll.random())[0]

    def settle(self, token: int, now: float, *, good: bool) -> None:
        if self.circuit is not None and good:
            self.circuit.success(token, now)
        elif self.circuit is not None:
            self.circuit.failure(token, now, self.roll.random())

    def may_retry(self, now: float) -> bool:
        """An open circuit is looked at first: what cannot be sent is not paid for."""
        if self.circuit is not None and now < self.circuit.open_until:
            return False
        return self.budget is None or self.budget.withdraw(now, timeout=True)


def simulate(clients: int, attempts: int, breaker: Breaker | None, *, budget: bool, seed: int) -> Storm:
    """80 requests a second, dealt to so many clients in turn."""
    roll = random.Random(seed)
    pool = [
        Client(Circuit(breaker, 0.0) if breaker else None, RetryBudget() if budget else None, attempts, roll)
        for _ in range(clients)
    ]
    dependency, storm = Dependency(), Storm()
    # (when, order, what goes on then); the order keeps equal instants in sequence.
    agenda: list[tuple[float, int, Iterator[float]]] = []
    for number in range(OFFERED * END):
        began = number / OFFERED
        agenda.append((began, number, pool[number % clients].request(began, dependency, storm)))
    order = len(agenda)
    while agenda:
        now, _, operation = heapq.heappop(agenda)
        if now >= END:
            break
        following = next(operation, None)
        if following is not None:
            order += 1
            heapq.heappush(agenda, (following, order, operation))
    return storm
