"""Who is asked for one answer, one after another: the client's own provider, then the fallbacks, each at most in turn.

route.enter(place)      an attempt begins there; a refusal: its circuit is open
route.settle(outcome)   how it went; None: nobody knows
route.candidates()      those that could be asked and have not been, the open ones last and once
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from guardrails.errors import Rejected
from guardrails.policies import FAILURE, IGNORED, Outcome, throttled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from guardrails.llm.faults import Fault
    from guardrails.llm.places import Place
    from guardrails.llm.wires.requests import Ask
    from guardrails.policies.operation import Operation

# Held open by a human, a circuit is not asked, whatever becomes of the answer; else what it rejects may be tried.
HELD = "isolated"


class Candidate(NamedTuple):
    """A place that has been entered, and what is to be sent there."""

    place: Place
    ask: Ask


class Route:
    """The way of one answer. `own`: where it begins; `others`: what may come behind it; `moved`: what to send there."""

    def __init__(self, own: Place, others: Sequence[Place], moved: Callable[[Place], Ask | str]) -> None:
        self.own = self.place = own
        self.skipped: list[str] = []
        self._others = list(others)
        self._shut: list[Candidate] = []
        self._moved = moved
        self._known: dict[int, Ask | str] = {}
        self._turn: Operation | None = None

    @property
    def ends(self) -> bool:
        """Whether nobody else is left."""
        return not self._others and not self._shut

    @property
    def spare(self) -> int:
        """How many others could be asked."""
        fit = [place for place in self._others if not isinstance(self._ask(place), str)]
        return sum(1 for place in fit if place.guard is None or place.guard.state != HELD)

    def enter(self, place: Place) -> Rejected | None:
        """Begin an attempt there; or the refusal."""
        try:
            self._turn = place.turn()
        except Rejected as exc:
            return exc
        return None

    def candidates(self, *, last_resort: bool) -> Iterator[Candidate]:
        """Each is entered when it is given: it becomes the `place`, or is left again."""
        while self._others:
            place = self._others.pop(0)
            ask = self._ask(place)
            if isinstance(ask, str):
                self.skip(place, ask)
                continue
            refusal = self.enter(place)
            if refusal is None:
                yield Candidate(place, ask)
                continue
            state = "open" if place.guard is None else place.guard.state
            self.skip(place, f"its circuit is {state}")
            if state != HELD:
                self._shut.append(Candidate(place, ask))
        if last_resort and self._shut:
            # Nothing is known of it that is worse than an error.
            candidate, self._shut = self._shut[0], []
            yield candidate

    def end(self, why: str) -> None:
        """Nobody else is asked."""
        for place in self._others:
            ask = self._ask(place)
            self.skip(place, ask if isinstance(ask, str) else why)
        self._others, self._shut = [], []

    def skip(self, place: Place, why: str) -> None:
        """It is not asked."""
        self.settle(None)
        self.skipped.append(f"{place.name}: {why}")

    def flows(self) -> None:
        """An answer begins."""
        if self._turn is not None:
            self._turn.flows()

    def settle(self, outcome: Outcome | None, last: str = "") -> None:
        """The attempt is over."""
        turn, self._turn = self._turn, None
        if turn is not None:
            if outcome is not None:
                turn.finished(outcome, last)
            turn.end()

    def _ask(self, place: Place) -> Ask | str:
        known = self._known.get(id(place))
        if known is None:
            known = self._known[id(place)] = self._moved(place)
        return known


def verdict(fault: Fault) -> Outcome:
    """What a fault says about the place where it happened."""
    if fault.kind in ("seam", "open") or fault.own:
        # It has answered, or was not asked.
        return IGNORED
    if fault.status == 429 or (fault.retry_after is not None and fault.status in (503, 529)):
        return throttled(fault.retry_after)
    return FAILURE
