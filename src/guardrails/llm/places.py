"""Who may be asked: the client's own provider, and behind it the fallbacks; each with its own circuit and budget.

places = Places(policy, [Target(...)])
places.own(host, wire, model)      the provider that the client asks
places.fallbacks                   in the order in which the user named them
place.turn()                       one attempt, of which its circuit hears; raises CircuitOpen

The circuits are guards: `llm:api.anthropic.com[claude-sonnet-4-5]` in metrics, and in `guardrails breaker list`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from guardrails.core.completeness import Learned
from guardrails.core.settings import Breaker
from guardrails.policies import Guard
from guardrails.policies.engine import SWITCH
from guardrails.policies.operation import Operation
from guardrails.policies.settings import fitted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from guardrails.core.budget import RetryBudget
    from guardrails.core.completeness_wires import Wire
    from guardrails.llm.policy import StreamPolicy
    from guardrails.llm.targets import Target

# As the preset for language models has it.
BREAKER = Breaker(window=60.0, consecutive=5, cooldown=5.0)
# Endpoints (host, wire, model) that are remembered, and hosts with a guard of their own: users may name any.
MOST, MOST_HOSTS = 1000, 100


class Place:
    """One model at one provider. `target`: None for the client's own; `guard`: None where there is no other place."""

    __slots__ = ("budget", "guard", "host", "learned", "model", "target", "wire")

    def __init__(
        self, wire: Wire, host: str, model: str, guard: Guard | None, budget: RetryBudget, target: Target | None = None
    ) -> None:
        self.wire = wire
        self.host = host
        self.model = model
        self.guard = guard
        self.budget = budget
        self.target = target
        # What whole answers of this endpoint bring.
        self.learned = Learned()

    @property
    def name(self) -> str:
        """The host and the model."""
        return f"{self.host} {self.model}".rstrip()

    def turn(self) -> Operation | None:
        """An attempt; None: nobody counts them here. Raises CircuitOpen."""
        if self.guard is None:
            return None
        kind: Any = SWITCH.operation or Operation
        turn: Operation = kind(self.guard._engine, retry=False)
        turn.begin()
        return turn


class Spending(NamedTuple):
    """What a transport has asked for. `answers`: that its client wanted; `requests`: made for them, each billed.

    `retries`: requests that it could make now to ask the client's own provider once more; `switches`: to ask fallbacks.
    Below 0 for a while when what has paid for them is too long ago.
    """

    answers: int
    requests: int
    retries: float
    switches: float


class Places:
    """All of them. `policy`: see StreamPolicy; each place has a budget after it. `targets`: the fallbacks."""

    def __init__(self, policy: StreamPolicy, targets: Sequence[Target]) -> None:
        self._policy = policy
        # Answers that were asked for, and requests that were made for them.
        self.answers = self.requests = 0
        self.budget = policy.budget.machine()
        # What may be spent on asking somebody else.
        self.switches = policy.switches.machine()
        self._guards: dict[str, Guard] = {}
        self._own: dict[tuple[str, Wire, str], Place] = {}
        self._guarded = bool(targets)
        self.fallbacks = [
            Place(one.wire, one.host, one.model, self._guard(one.host, one.model), policy.budget.machine(), one)
            for one in targets
        ]

    def spending(self, now: float) -> Spending:
        """What has been asked for, and what can be afforded now."""
        return Spending(self.answers, self.requests, self.budget.balance(now), self.switches.balance(now))

    def own(self, host: str, wire: Wire, model: str) -> Place:
        """The place that a client asks."""
        key = (host, wire, model)
        place = self._own.get(key)
        if place is None:
            if len(self._own) >= MOST:
                self._own.clear()
            guard = self._guard(host, model) if self._guarded else None
            place = self._own[key] = Place(wire, host, model, guard, self.budget)
        return place

    def _guard(self, host: str, model: str) -> Guard:
        name = host if host in self._guards or len(self._guards) < MOST_HOSTS else "others"
        guard = self._guards.get(name)
        if guard is None:
            breaker = fitted(BREAKER, self._policy.timeout, None)
            guard = self._guards.setdefault(name, Guard(f"llm:{name}", breaker=breaker, budget=None))
        return guard.for_key(model if name == host else f"{host} {model}")


def spending(holder: object) -> Spending:
    """What a healing transport, or a client that has one, has asked for, and what it can afford now.

    Raises TypeError for anything else.
    """
    told = getattr(getattr(holder, "_transport", holder), "spending", None)
    if not callable(told) or isinstance(holder, type):
        raise TypeError(f"{holder!r:.80} heals nothing: give it what `healing` or `healing_client` returned")
    found: Spending = told()
    return found
