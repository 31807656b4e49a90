"""When each check runs: behind those it needs, beside all others, again while it may, and never past the deadline.

    needs passed ──► an attempt ──► passed, skipped ────────────► settled
         │              ▲   └──► failed, error ──► time left? ──► settled
         └► skipped     └──────────── pause ◄──────────┘

Knows neither processes nor files: an attempt is any coroutine function that says how it went.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from guardrails.preflight.plugins import Answer, OwnCheck

    Attempt = Callable[[OwnCheck], Awaitable[Answer]]

# Attempts at one time: a check mostly waits, but each is a process.
AT_ONCE = 32
# Pauses between attempts double from the first to the longest, in seconds: short, because somebody waits for the start.
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 1.0
_SAID = {"failed": "failed", "error": "could not be run to its end", "skipped": "was skipped"}


class Settled(NamedTuple):
    """How a check went in the end. `attempts`: 0 where it never began; `duration`: seconds from its first attempt."""

    answer: Answer
    attempts: int = 0
    duration: float = 0.0


async def settle(
    checks: Sequence[OwnCheck],
    attempt: Attempt,
    report: Callable[[OwnCheck, Settled], None],
    *,
    wait: float = 0.0,
    deadline: float = 60.0,
) -> None:
    """Run all checks and report each as soon as it is settled.

    `wait`: seconds from now for which every check is repeated until it passes, or longer by its own `retry_for`.
    `deadline`: seconds for all of it; what has no answer by then is an error. The checks that one needs are among
    `checks`, or it is skipped; none may wait for itself.
    """
    run = _Run(checks, attempt, report, wait, deadline)
    async with asyncio.TaskGroup() as tasks:
        for own in checks:
            tasks.create_task(run.settle(own))


class _Run:
    def __init__(
        self,
        checks: Sequence[OwnCheck],
        attempt: Attempt,
        report: Callable[[OwnCheck, Settled], None],
        wait: float,
        deadline: float,
    ) -> None:
        self.attempt = attempt
        self.report = report
        self.deadline = deadline
        now = asyncio.get_running_loop().time()
        self.end, self.patient_until = now + deadline, now + wait
        self.places = asyncio.Semaphore(AT_ONCE)
        self.over = {own.id: asyncio.Event() for own in checks}
        self.status: dict[str, str] = {}
        # What the last attempt said, for a check that runs into the deadline between two of them.
        self.latest: dict[str, Answer] = {}
        self.attempts: dict[str, int] = dict.fromkeys(self.over, 0)
        self.begun: dict[str, float] = {}

    async def settle(self, own: OwnCheck) -> None:
        try:
            async with asyncio.timeout_at(self.end):
                answer = await self._answer(own)
        except TimeoutError:
            answer = self.latest.get(own.id) or _error(f"the deadline of {self.deadline:g} s for all checks came first")
        now = asyncio.get_running_loop().time()
        duration = now - self.begun.get(own.id, now)
        self.status[own.id] = answer.status
        self.over[own.id].set()
        self.report(own, Settled(answer, self.attempts[own.id], duration))

    async def _answer(self, own: OwnCheck) -> Answer:
        for need in own.needs:
            if need not in self.over:
                return _skipped(f"because {need}, which it needs, could not be loaded")
            await self.over[need].wait()
            if self.status[need] != "passed":
                return _skipped(f"because {need} {_SAID[self.status[need]]}")
        patience = max(own.retry_for, self.patient_until - asyncio.get_running_loop().time())
        return await (self._patiently(own, patience) if patience > 0 else self._once(own))

    async def _patiently(self, own: OwnCheck, patience: float) -> Answer:
        from tenacity import AsyncRetrying, retry_if_result, stop_before_delay, wait_exponential

        retrying = AsyncRetrying(
            sleep=asyncio.sleep,
            stop=stop_before_delay(patience),
            wait=wait_exponential(multiplier=FIRST_PAUSE, max=LONGEST_PAUSE),
            retry=retry_if_result(lambda answer: answer.status in ("failed", "error")),
            retry_error_callback=lambda _: self.latest[own.id],
        )
        answer: Answer = await retrying(self._once, own)
        return answer

    async def _once(self, own: OwnCheck) -> Answer:
        async with self.places:
            self.begun.setdefault(own.id, asyncio.get_running_loop().time())
            self.attempts[own.id] += 1
            self.latest[own.id] = answer = await self.attempt(own)
        return answer


def _error(reason: str) -> Answer:
    from guardrails.preflight.plugins import Answer

    return Answer("error", reason)


def _skipped(reason: str) -> Answer:
    from guardrails.preflight.plugins import skip

    return skip(reason)
