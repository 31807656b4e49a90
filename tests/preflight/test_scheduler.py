"""When checks run: beside one another, behind what they need, again while they may, never past the deadline."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails.preflight import fail, ok, scheduler, skip
from guardrails.preflight.plugins import Answer, OwnCheck
from guardrails.preflight.scheduler import AT_ONCE, settle

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from guardrails.preflight.scheduler import Settled

ANSWERS = {"passed": ok(), "failed": fail("down"), "skipped": skip("not here"), "error": Answer("error", "crashed")}


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(scheduler, "LONGEST_PAUSE", 0.001)


def own(name: str, *needs: str, retry_for: float = 0.0) -> OwnCheck:
    return OwnCheck(name, lambda _: ok(), "startup", needs, 10.0, retry_for, "error", "", 0)


def settled(
    *checks: OwnCheck, attempt: Callable[[OwnCheck], Awaitable[Answer]], wait: float = 0.0, deadline: float = 60.0
) -> dict[str, Settled]:
    """How each went, in the order in which they were settled."""
    found: dict[str, Settled] = {}

    def report(check: OwnCheck, how: Settled) -> None:
        assert check.id not in found
        found[check.id] = how

    asyncio.run(settle(checks, attempt, report, wait=wait, deadline=deadline))
    return found


def test_as_many_as_may_run_at_one_time_and_no_more() -> None:
    running, most = 0, 0

    async def attempt(_: OwnCheck) -> Answer:
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _round in range(10):
            await asyncio.sleep(0)
        running -= 1
        return ok()

    found = settled(*(own(str(number)) for number in range(2 * AT_ONCE)), attempt=attempt)
    assert (len(found), most) == (2 * AT_ONCE, AT_ONCE)


def test_checks_that_wait_for_others_take_no_place() -> None:
    async def attempt(_: OwnCheck) -> Answer:
        return ok()

    waiting = [own(f"w{number}", "last") for number in range(AT_ONCE)]
    found = settled(*waiting, own("last"), attempt=attempt)
    assert next(iter(found)) == "last"
    assert {how.answer.status for how in found.values()} == {"passed"}


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("failed", "because a failed"),
        ("error", "because a could not be run to its end"),
        ("skipped", "because a was skipped"),
    ],
)
def test_a_check_is_skipped_when_one_that_it_needs_has_not_passed(status: str, reason: str) -> None:
    tried: list[str] = []

    async def attempt(check: OwnCheck) -> Answer:
        tried.append(check.id)
        return ANSWERS[status]

    found = settled(own("c", "b"), own("b", "a"), own("a"), attempt=attempt)
    assert (found["b"].answer, found["b"].attempts) == (skip(reason), 0)
    assert found["c"].answer == skip("because b was skipped")
    assert tried == ["a"]


def test_a_need_that_is_not_among_them_skips_the_check() -> None:
    async def attempt(_: OwnCheck) -> Answer:
        return ok()

    found = settled(own("a", "lost"), attempt=attempt)
    assert found["a"].answer == skip("because lost, which it needs, could not be loaded")


@pytest.mark.parametrize("first", ["failed", "error"])
def test_what_may_be_repeated_is_until_it_passes(first: str) -> None:
    tried: Counter[str] = Counter()

    async def attempt(check: OwnCheck) -> Answer:
        tried[check.id] += 1
        return ok() if tried[check.id] == 4 else ANSWERS[first]

    found = settled(own("a", retry_for=60), own("b"), attempt=attempt)
    assert (found["a"].answer.status, found["a"].attempts) == ("passed", 4)
    assert (found["b"].answer.status, found["b"].attempts) == (first, 1)


def test_what_is_skipped_is_not_repeated() -> None:
    async def attempt(_: OwnCheck) -> Answer:
        return skip("not here")

    assert settled(own("a", retry_for=60), attempt=attempt)["a"].attempts == 1


def test_the_last_answer_counts_when_the_time_for_repeating_is_over() -> None:
    tried = 0

    async def attempt(_: OwnCheck) -> Answer:
        nonlocal tried
        tried += 1
        return fail(f"{tried}")

    how = settled(own("a", retry_for=0.02), attempt=attempt)["a"]
    assert how.answer == fail(str(how.attempts))
    assert how.attempts == tried > 1


def test_waiting_repeats_every_check_and_ends_for_all_at_one_instant() -> None:
    tried: Counter[str] = Counter()

    async def attempt(check: OwnCheck) -> Answer:
        tried[check.id] += 1
        await asyncio.sleep(0.03 if check.id == "a" else 0)
        return ok() if check.id == "a" else fail("down")

    # b begins when the time to wait is over, and is tried once all the same.
    found = settled(own("a"), own("b", "a"), attempt=attempt, wait=0.02)
    assert (found["b"].answer.status, tried["b"]) == ("failed", 1)
    assert settled(own("c"), attempt=attempt, wait=0.02)["c"].attempts > 1


def test_the_deadline_ends_what_runs_and_tells_the_attempt() -> None:
    ended: list[str] = []

    async def attempt(check: OwnCheck) -> Answer:
        if check.id == "quick":
            return ok()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(check.id)
        raise AssertionError

    found = settled(own("quick"), own("slow"), own("behind", "slow"), attempt=attempt, deadline=0.02)
    assert found["quick"].answer.status == "passed"
    assert found["slow"].answer == Answer("error", "the deadline of 0.02 s for all checks came first")
    assert (found["behind"].answer.status, ended) == ("error", ["slow"])


def test_the_deadline_leaves_what_was_said_before_it() -> None:
    async def attempt(_: OwnCheck) -> Answer:
        return fail("down")

    assert settled(own("a", retry_for=600), attempt=attempt, deadline=0.02)["a"].answer == fail("down")


@given(
    needs=st.lists(st.sets(st.integers(0, 7), max_size=3), min_size=1, max_size=8),
    statuses=st.lists(st.sampled_from(sorted(ANSWERS)), min_size=8, max_size=8),
)
def test_any_plan_settles_each_check_once_and_runs_none_before_its_needs(
    needs: list[set[int]], statuses: list[str]
) -> None:
    # A check needs only such as come before it: no circles, as `plugin_files.mistakes` sees to it.
    plan = [own(str(n), *(str(need) for need in sorted(wanted) if need < n)) for n, wanted in enumerate(needs)]
    begun: list[str] = []

    async def attempt(check: OwnCheck) -> Answer:
        assert set(check.needs) <= set(begun)
        begun.append(check.id)
        await asyncio.sleep(0)
        return ANSWERS[statuses[int(check.id)]]

    found = settled(*reversed(plan), attempt=attempt)
    assert sorted(found) == sorted(check.id for check in plan)
    for check in plan:
        free = all(found[need].answer.status == "passed" for need in check.needs)
        assert (found[check.id].attempts == 1) is free
        assert found[check.id].answer.status == (statuses[int(check.id)] if free else "skipped")
