"""Guards on virtual time, and guards as new.

    with virtual_time() as clock:     guards behave in full, and their waits take no time
        clock.advance(30)             a cooldown is over
    reset()                           every guard as it was made

What a guard remembers is taken away at the beginning of the block and put back at its end, because no instant of one
clock means anything on the other.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, NamedTuple

from guardrails.clock import SystemClock
from guardrails.core.breaker import Circuit, Transition
from guardrails.policies import guards
from guardrails.policies.engine import _ENGINES, OBEYED, REMEMBERED, SWITCH
from guardrails.testing.clock import VirtualClock

if TYPE_CHECKING:
    from guardrails.policies.engine import Engine
    from guardrails.policies.guard import Guard

_turning = threading.Lock()
_blocks: list[Era] = []


def reset() -> None:
    """Make every living guard as new: a closed circuit, an empty window, a full budget, free places, no guards by key.

    For guards of a module, which outlive the test that has opened them. Settings stay, those of `update` too: they are
    no trace of calls. A call under way goes on, and its result counts for nothing. A breaker of pybreaker that a guard
    has adopted is closed. Breakers of `guardrails.compat` are no guards.
    """
    for guard in guards():
        guard._keyed.exchange(OrderedDict())
    for engine in _ENGINES.all():
        engine.renew()


def virtual_time() -> VirtualTime:
    """Let every guard live by a clock that the test moves: `with virtual_time() as clock:` gives a `VirtualClock`.

    It holds for guards that exist and those that are made meanwhile, in every thread and task, but for those that were
    given a clock. Waits between attempts take no time, jitter is the same in each run, `clock.advance(30)` ends a
    cooldown, and `clock.elapsed` says how long the guards would have waited. Inside, each guard begins as new;
    afterwards each is what it was before, or as new if its settings were changed. The clock starts at the host's time.

    In asyncio a timeout comes when virtual time has come so far, by waits of guards, by `clock.advance` or by
    `clock.asleep`; at the latest when the host's clock has. By the host's clock go threads that wait for a place in a
    bulkhead, and the open time of a breaker of pybreaker that a guard has adopted; that one is not made as new.
    """
    return VirtualTime()


class VirtualTime:
    """See `virtual_time`. Blocks inside one another, or in several threads, share one clock, and the last ends it."""

    def __enter__(self) -> VirtualClock:
        with _turning:
            _blocks.append(_blocks[0] if _blocks else Era())
            return _blocks[0].clock

    def __exit__(self, *raised: object) -> None:
        with _turning:
            era = _blocks.pop()
            if not _blocks:
                era.end()


class Era:
    """The time between the first block that is entered and the last that is left."""

    def __init__(self) -> None:
        self.clock = SWITCH.clock = VirtualClock(time.monotonic(), time.time())
        self._keys: dict[Guard, OrderedDict[Any, Guard]] = {
            guard: guard._keyed.exchange(OrderedDict()) for guard in guards()
        }
        self._memories = {
            engine: Memory.of(engine) for engine in _ENGINES.all() if isinstance(engine.clock, SystemClock)
        }
        for engine in self._memories:
            _run_by(self.clock, engine)

    def end(self) -> None:
        """Put everything back; what was made meanwhile is new."""
        SWITCH.clock = None
        for guard in guards():
            guard._keyed.exchange(self._keys.get(guard, OrderedDict()))
        for engine in _ENGINES.all():
            if engine.clock is self.clock:
                _run_by(SystemClock(), engine)
                if engine in self._memories:
                    self._memories[engine].back(engine)


class Memory(NamedTuple):
    """What an engine remembered, and the settings under which it did."""

    settings: list[Any]
    engine: dict[str, Any]
    circuit: dict[str, Any]

    @classmethod
    def of(cls, engine: Engine) -> Memory:
        """It is not copied: `Engine.renew` makes other objects."""
        slots = Circuit.__slots__ if engine.adopted is None else ()
        with engine.lock:
            return cls(
                _settings(engine),
                {name: getattr(engine, name) for name in REMEMBERED},
                {name: getattr(engine.circuit, name) for name in slots},
            )

    def back(self, engine: Engine) -> None:
        """Let it remember this, and nothing else; nothing, if its settings are others by now."""
        if self.settings != _settings(engine):
            return
        circuit = engine.circuit
        with engine.lock:
            before = circuit.state
            for name, value in self.circuit.items():
                # A number that was given to a call meanwhile must not be given to another.
                setattr(circuit, name, max(value, circuit._serial) if name == "_serial" else value)
            after = circuit.state
        if before != after:
            engine.moved(Transition(before, after, "the end of virtual time"), engine.tick())
        with engine.lock:
            for name, value in self.engine.items():
                setattr(engine, name, value)


def _settings(engine: Engine) -> list[Any]:
    return [getattr(engine, name) for name in (*OBEYED, "said_budget")]


def _run_by(clock: Any, engine: Engine) -> None:
    """Let an engine live by this clock, as new."""
    with engine.lock:
        engine.run_by(clock)
        engine.weigh()
    # What pybreaker's remembers could not be put back.
    engine.renew(adopted=False)
