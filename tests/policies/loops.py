"""An asyncio loop on virtual time: it never waits, it moves the clock to whatever comes next."""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from guardrails.testing import VirtualClock


class _Impatient(selectors.DefaultSelector):  # type: ignore[misc,valid-type] # chosen by the platform
    """Lets the time pass for which it is asked to wait."""

    clock: VirtualClock

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if not ready and timeout is None:
            raise AssertionError("the loop waits for something that no timer brings")
        if not ready and timeout:
            # A grain more: what rounding left of the wait would be waited for in ever smaller steps.
            self.clock.advance(timeout + 1e-9)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """`timers`: how many timers were ever set."""

    def __init__(self, clock: VirtualClock) -> None:
        selector = _Impatient()
        selector.clock = clock
        self._virtual = clock
        self.timers = 0
        super().__init__(selector)

    def time(self) -> float:
        return self._virtual.monotonic()

    def call_at(self, when: float, callback: Callable[..., Any], *args: Any, context: Any = None) -> Any:
        self.timers += 1
        return super().call_at(when, callback, *args, context=context)


def run(clock: VirtualClock, main: Coroutine[Any, Any, Any]) -> Any:
    """What `asyncio.run` does, on this clock."""
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(clock)) as runner:
        return runner.run(main)
