"""A permit guards a block that somebody else runs: it says how it went, or the error that leaves it does."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from guardrails.errors import AttemptTimeout, BulkheadFull, CircuitOpen, DeadlineExceeded
from guardrails.policies import Breaker, Bulkhead, Guard, Permit, Retry, remaining
from guardrails.testing import VirtualClock
from tests.policies.loops import run


def guard(clock: VirtualClock | None = None, **more: Any) -> Guard:
    return Guard("permit", clock=clock or VirtualClock(), **more)


def block(permit: Permit, said: str, error: BaseException | None, *, asynchronous: bool) -> None:
    def inside() -> None:
        if said == "failure":
            permit.failure(ConnectionError())
        elif said == "throttled":
            permit.throttled(20)
        elif said:
            getattr(permit, said)()
        if error is not None:
            raise error

    async def main() -> None:
        async with permit:
            inside()

    if asynchronous:
        run(VirtualClock(), main())
    else:
        with permit:
            inside()


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize(
    ("said", "error", "counts"),
    [
        ("", None, (1, 0)),
        ("success", None, (1, 0)),
        ("failure", None, (1, 1)),
        ("ignore", None, (0, 0)),
        ("", ConnectionError(), (1, 1)),
        ("", KeyboardInterrupt(), (0, 0)),
        ("success", ConnectionError(), (1, 0)),
        ("failure", KeyboardInterrupt(), (1, 1)),
        ("ignore", ConnectionError(), (0, 0)),
    ],
)
def test_what_is_said_counts_and_otherwise_the_error(
    said: str, error: BaseException | None, counts: tuple[int, int], asynchronous: bool
) -> None:
    found = guard(bulkhead=Bulkhead(1))
    if error is None:
        block(found.permit(), said, error, asynchronous=asynchronous)
    else:
        with pytest.raises(type(error)) as caught:
            block(found.permit(), said, error, asynchronous=asynchronous)
        assert caught.value is error
    snapshot = found.snapshot()
    assert (snapshot.circuit.calls, snapshot.circuit.failed) == counts
    assert snapshot.active == 0


def test_a_failure_that_was_said_is_named_in_the_rejection() -> None:
    found = guard(breaker=Breaker(consecutive=1))
    block(found.permit(), "failure", None, asynchronous=False)
    with pytest.raises(CircuitOpen) as caught:
        found.call(print)
    assert caught.value.last == "ConnectionError"


def test_a_throttled_block_opens_the_circuit() -> None:
    found = guard()
    block(found.permit(), "throttled", None, asynchronous=False)
    assert found.snapshot().circuit.retry_after == 20


def test_an_open_circuit_and_a_full_bulkhead_refuse_the_block() -> None:
    found = guard(bulkhead=Bulkhead(1))
    with found.permit(), pytest.raises(BulkheadFull), found.permit():
        pytest.fail("the block ran")
    found.isolate("maintenance")
    with pytest.raises(CircuitOpen), found.permit():
        pytest.fail("the block ran")
    assert found.snapshot().active == 0


@pytest.mark.parametrize(
    ("limits", "error"), [({"timeout": 5}, DeadlineExceeded), ({"attempt_timeout": 5}, AttemptTimeout)]
)
def test_an_asynchronous_block_is_cancelled_in_time(limits: dict[str, Any], error: type[Exception]) -> None:
    clock = VirtualClock()
    found = guard(clock, **limits)

    async def main() -> None:
        async with found.permit():
            assert remaining() == 5
            await asyncio.sleep(3600)

    with pytest.raises(error):
        run(clock, main())
    assert clock.monotonic() == pytest.approx(5, abs=0.01)
    assert found.snapshot().circuit.failed == 1


def test_a_block_is_not_tried_again_but_those_inside_it_may_be() -> None:
    clock = VirtualClock()
    outer, inner = guard(clock, retry=Retry(on=ConnectionError)), guard(clock, retry=Retry(on=ConnectionError))
    errors = [ConnectionError()]

    def flaky() -> str:
        if errors:
            raise errors.pop()
        return "answer"

    with outer.permit():
        assert inner.call(flaky) == "answer"


def test_a_permit_is_for_one_block() -> None:
    permit = guard().permit()
    with permit:
        pass
    with pytest.raises(RuntimeError, match="is for one block: ask for another"), permit:
        pytest.fail("the block ran")


def test_a_block_that_outlives_the_operation_around_it_hands_nothing_down_afterwards() -> None:
    found, permits = guard(timeout=5), []

    def leaves_one_open() -> None:
        permit = found.permit()
        permit.__enter__()
        permits.append(permit)

    found.call(leaves_one_open)
    permits[0].__exit__(None, None, None)
    assert remaining() is None


def test_asking_for_a_permit_admits_nothing() -> None:
    found = guard(bulkhead=Bulkhead(1))
    found.permit()
    assert found.snapshot().active == 0
