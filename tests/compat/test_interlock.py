"""Our circuit and interlock's breaker, driven side by side through the same calls on one clock.

They must be in the same state and admit the same calls, but for the differences below. A sequence ends at the first
of them, which must be the one that the rules of both predict. Why we differ: docs/decisions/0008.
"""

from __future__ import annotations

import contextvars
from collections import Counter
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guardrails.core.breaker import Circuit
from guardrails.core.settings import Breaker
from guardrails.testing import VirtualClock
from tests.support import need

if TYPE_CHECKING:
    from collections.abc import Iterable

EARLY = "a trial is over as soon as its end is certain"
SLOW = "a slow trial call is no success"
SUCCESS = "a success opens no circuit"
LOST = "a trial call that does not come back in time gives its place to another"

STATES = {
    "closed": "closed",
    "open": "open",
    "half_open": "half-open",
    "forced_open": "isolated",
    "disabled": "disabled",
    "metrics_only": "shadow",
}
EXPIRY = 30.0
# Our cooldown is drawn between a half and the whole; theirs is the whole.
WHOLE = 1.0

Operation = tuple[str, Any]


@dataclass
class Config:
    rate: float = 0.5
    minimum: int = 2
    slow_rate: float = 1.0
    trials: int = 1
    growth: float = 1.0
    # The last calls; None: the last 60 seconds, which both count second by second.
    calls: int | None = 5

    @property
    def needed(self) -> int:
        """How many successes leave too few calls to reach the failure rate."""
        return self.trials - ceil(self.rate * self.trials) + 1

    def ours(self) -> Breaker:
        return Breaker(
            failure_rate=self.rate,
            consecutive=None,
            slow_after=1.0,
            slow_rate=self.slow_rate,
            minimum_calls=self.minimum,
            window=60 if self.calls is None else None,
            window_calls=self.calls,
            cooldown=4.0,
            cooldown_growth=self.growth,
            cooldown_cap=20.0,
            permitted_calls=self.trials,
            success_threshold=self.needed,
            permit_expiry=EXPIRY,
            max_half_open=604_800,
        )

    def theirs(self, interlock: Any, clock: VirtualClock) -> Any:
        kinds = interlock.WindowType
        config = interlock.Config(
            failure_rate_threshold=self.rate,
            slow_call_duration_threshold=1.0,
            slow_call_rate_threshold=self.slow_rate,
            minimum_number_of_calls=self.minimum,
            window_type=kinds.TIME_BASED if self.calls is None else kinds.COUNT_BASED,
            window_size=self.calls or 60,
            wait_duration_in_open=4.0,
            wait_duration_backoff_multiplier=self.growth,
            wait_duration_in_open_max=20.0,
            permitted_calls_in_half_open=self.trials,
            max_concurrent_probes=self.trials,
        )
        return interlock.CircuitBreaker(name="twin", config=config, clock=clock)


@dataclass
class Call:
    """A call that both have admitted. `round`: of which trial it is a part, or None."""

    token: int
    context: contextvars.Context
    began: float
    round: list[tuple[bool, bool]] | None


class Failed(Exception):
    """What a failed call raises."""


ERRORS = {"ok": None, "failed": Failed(), "ignored": KeyboardInterrupt()}


class Pair:
    """Both of them. `differs`: the difference at which they parted."""

    def __init__(self, config: Config) -> None:
        import interlock

        self.config = config
        self.clock = VirtualClock(start=1000.0)
        self.ours = Circuit(config.ours(), self.clock.monotonic())
        self.theirs = config.theirs(interlock, self.clock)
        self.rejected: type[Exception] = interlock.CircuitOpenError
        self.calls: list[Call] = []
        # What came of the trial calls of this half-open period: (failed, slow).
        self.round: list[tuple[bool, bool]] = []
        self.differs = ""
        self.steps = 0

    def states(self) -> tuple[str, str]:
        return self.ours.state, STATES[self.theirs.state.value]

    def begin(self) -> None:
        now = self.clock.monotonic()
        token = self.ours.pass_ or self.ours.admit(now, WHOLE)[0]
        context = contextvars.copy_context()
        before = self.theirs.state
        try:
            context.run(self.theirs.__enter__)
        except self.rejected:
            admitted = False
        else:
            admitted = True
        ours, theirs = self.states()
        if theirs == "half-open" and before != self.theirs.state:
            self.round = []
        if (ours, bool(token)) == (theirs, admitted):
            if admitted:
                self.calls.append(Call(token, context, now, self.round if theirs == "half-open" else None))
            return
        waiting = [call for call in self.calls if call.round is self.round and now - call.began >= EXPIRY]
        if ours == theirs == "half-open" and token and not admitted and waiting:
            self.differs = LOST
        assert self.differs, f"ours is {ours}, admits: {bool(token)}; theirs is {theirs}, admits: {admitted}"

    def end(self, which: int, how: str) -> None:
        if not self.calls:
            return
        call = self.calls.pop(which % len(self.calls))
        now = self.clock.monotonic()
        slow, before = now - call.began >= 1.0, self.states()
        trial = call.round is self.round and before == ("half-open", "half-open")
        error = ERRORS[how]
        call.context.run(self.theirs.__exit__, error and type(error), error, None)
        if how == "ignored":
            self.ours.ignored(call.token, now)
        elif how == "failed":
            self.ours.failure(call.token, now, WHOLE, slow=slow)
        elif slow:
            self.ours.slow(call.token, now, WHOLE)
        else:
            self.ours.success(call.token, now)
        if trial and now - call.began >= EXPIRY:
            self.differs = LOST
            return
        if trial and how != "ignored":
            self.round.append((how == "failed", slow))
        ours, theirs = self.states()
        if ours != theirs:
            self.differs = self.explained(ours, theirs, before, good=how == "ok" and not slow)
            assert self.differs, f"ours went from {before[0]} to {ours}, theirs to {theirs}; trial: {self.round}"

    def explained(self, ours: str, theirs: str, before: tuple[str, str], *, good: bool) -> str:
        """The difference that leads from the same state to these two; "" if none does."""
        if before == ("half-open", "half-open"):
            tried, needed = len(self.round), self.config.needed
            fast = sum(not failed and not slow for failed, slow in self.round)
            certain = "closed" if fast >= needed else "open" if tried - fast > self.config.trials - needed else ""
            if theirs == "half-open" and tried < self.config.trials and ours == certain:
                return EARLY
            if tried == self.config.trials and ours == certain and any(slow and not bad for bad, slow in self.round):
                return SLOW
        if before == ("closed", "closed") and good and (ours, theirs) == ("closed", "open"):
            # The rule is met in our circuit, too: older successes are forgotten.
            window = self.ours.snapshot(self.clock.monotonic())
            if self.config.calls is None and window.calls > self.config.minimum:
                rates = window.failed / window.calls, window.slow / window.calls
                if rates[0] >= self.config.rate or rates[1] >= self.config.slow_rate:
                    return SUCCESS
        return ""

    def hold(self, state: str) -> None:
        now = self.clock.monotonic()
        match state:
            case "isolated":
                self.theirs.force_open()
                self.ours.isolate(now, "by hand")
            case "disabled":
                self.theirs.disable()
                self.ours.disable(now, "by hand")
            case "shadow":
                self.theirs.metrics_only()
                self.ours.shadow(now, "by hand")
            case "closed":
                self.theirs.reset()
                self.ours.disable(now, "by hand")
                self.ours.release(now, "by hand")

    def run(self, operations: Iterable[Operation]) -> str:
        """Do all this until they part. Returns the difference, or "" if they are as one to the end."""
        for what, arg in operations:
            self.steps += 1
            match what:
                case "wait":
                    self.clock.advance(arg)
                case "hold":
                    self.hold(arg)
                case "begin":
                    self.begin()
                case "end":
                    self.end(*arg)
                case "call":
                    before = len(self.calls)
                    self.begin()
                    if len(self.calls) > before:
                        self.end(-1, arg)
            if self.differs:
                return self.differs
            assert self.states()[0] == self.states()[1], what
        return ""


CONFIG = st.builds(
    Config,
    rate=st.sampled_from([0.25, 0.5, 1.0]),
    minimum=st.integers(1, 3),
    slow_rate=st.sampled_from([0.5, 1.0]),
    # One trial call decides in both at once, so those sequences go on for longest.
    trials=st.sampled_from([1, 1, 1, 2, 3]),
    growth=st.sampled_from([1.0, 2.0]),
    calls=st.sampled_from([None, 3, 5]),
)
HOW = st.sampled_from(["ok", "failed", "failed", "ignored"])
CALL = st.tuples(st.just("call"), HOW)
BEGIN = st.tuples(st.just("begin"), st.none())
END = st.tuples(st.just("end"), st.tuples(st.integers(-3, 3), HOW))
WAIT = st.tuples(st.just("wait"), st.sampled_from([0.25, 1.0, 4.0, 4.0, 4.0, 8.0, 30.0, 59.0]))
HOLD = st.tuples(st.just("hold"), st.sampled_from(["isolated", "disabled", "shadow", "closed"]))
# A life: calls of all kinds, failures until it opens, the wait, calls on trial; sometimes a human, then "closed".
OPENED: list[Operation] = [("call", "failed")] * 3 + [("wait", 4.0)]
SLOW_CALL: list[Operation] = [("begin", None), ("wait", 1.0), ("end", (-1, "ok"))]
# Successes, and failures that are too few beside them; then the successes are older than a minute.
FORGOTTEN: list[Operation] = [
    *[("call", "ok")] * 3,
    ("wait", 59.0),
    *[("call", "failed")] * 2,
    ("wait", 1.0),
    ("call", "ok"),
]
STEP = st.one_of(
    st.lists(CALL, min_size=1, max_size=4),
    st.just(OPENED),
    st.lists(st.one_of(BEGIN, END, WAIT, CALL), min_size=2, max_size=6),
    st.lists(st.one_of(BEGIN, END), min_size=2, max_size=6),
    st.tuples(HOLD, CALL, WAIT, st.just(("hold", "closed"))).map(list),
    st.just([("hold", "closed")]),
    st.just(SLOW_CALL),
    st.just(FORGOTTEN),
)
OPERATIONS = st.lists(STEP, min_size=4, max_size=16).map(lambda steps: [one for step in steps for one in step])
GIVEN = given(config=CONFIG, operations=OPERATIONS)
MET: Counter[str] = Counter()


def compare(config: Config, operations: list[Operation]) -> None:
    pair = Pair(config)
    MET[pair.run(operations)] += 1
    MET["steps"] += pair.steps


@pytest.mark.slow  # thousands of calls through interlock
@GIVEN
@settings(max_examples=200)
def test_both_do_the_same_up_to_the_first_difference_that_has_a_name(
    config: Config, operations: list[Operation]
) -> None:
    need("interlock", "our circuit against interlock's")
    compare(config, operations)


@pytest.mark.timeout(1200)  # minutes, more where the machine is busy
@pytest.mark.long  # twenty thousand sequences
def test_both_do_the_same_in_twenty_thousand_sequences() -> None:
    need("interlock", "our circuit against interlock's")
    MET.clear()
    GIVEN(settings(max_examples=20_000)(compare))()
    steps = MET.pop("steps")
    print(f"{steps} steps; {dict(MET)}")
    assert sum(MET.values()) >= 20_000
    assert set(MET) == {"", EARLY, SLOW, SUCCESS, LOST}


def calls(letters: str) -> list[Operation]:
    """Calls that end at once: `.` well, `F` failed, `_` wait for the whole cooldown of four seconds."""
    words: dict[str, Operation] = {".": ("call", "ok"), "F": ("call", "failed"), "_": ("wait", 4.0)}
    return [words[letter] for letter in letters]


@pytest.mark.parametrize(
    ("config", "operations", "difference"),
    [
        (Config(), calls("FF_.FF_F_."), ""),
        (Config(trials=3), calls("FF_.."), EARLY),
        (Config(trials=3), calls("FF_FF"), EARLY),
        (Config(trials=2), [*calls("FF_."), *SLOW_CALL], SLOW),
        (Config(calls=None), FORGOTTEN, SUCCESS),
        (Config(), [*calls("FF_"), ("begin", None), ("wait", EXPIRY), ("begin", None)], LOST),
        (Config(), [*calls("FF_"), ("begin", None), ("wait", EXPIRY), ("end", (-1, "ok"))], LOST),
        (Config(growth=2.0), [*calls("FF_F"), ("hold", "closed"), *calls("FF_.")], ""),
        (Config(growth=2.0), [*calls("FF_F"), ("hold", "closed"), *calls("FF__.F")], ""),
    ],
)
def test_each_difference_shows_where_the_record_says(
    config: Config, operations: list[Operation], difference: str
) -> None:
    need("interlock", "our circuit against interlock's")
    assert Pair(config).run(operations) == difference


def test_a_difference_without_a_name_would_be_found() -> None:
    need("interlock", "our circuit against interlock's")
    pair = Pair(Config())
    pair.ours = Circuit(Config(minimum=3).ours(), 1000.0)
    with pytest.raises(AssertionError, match="ours went from closed to closed, theirs to open"):
        pair.run(calls("FF"))
