"""Under threads and forks: no record is lost, no call waits for another, no child inherits a held lock."""

from __future__ import annotations

import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from guardrails.policies import Breaker, Bulkhead, Guard, Retry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EIGHT = 8
# Never opens, and remembers everything.
ALL = Breaker(failure_rate=None, consecutive=None, window=3600)


@pytest.fixture
def _busy() -> Iterator[None]:
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def in_threads(work: Callable[[], object]) -> None:
    start = threading.Barrier(EIGHT)

    def begin() -> None:
        start.wait()
        work()

    with ThreadPoolExecutor(EIGHT) as pool:
        for done in [pool.submit(begin) for _ in range(EIGHT)]:
            done.result(120)


def answer() -> int:
    return 3


def fail() -> None:
    raise ConnectionError


def records(found: Guard, each: int) -> tuple[int, int]:
    """What 8 threads recorded that made `each` calls, every tenth of which failed."""
    good, bad = found(answer), found(fail)

    def work() -> None:
        for number in range(each):
            if number % 10:
                good()
            else:
                with pytest.raises(ConnectionError):
                    bad()

    in_threads(work)
    circuit = found.snapshot().circuit
    return circuit.calls, circuit.failed


@pytest.mark.usefixtures("_busy")
def test_no_record_is_lost_between_threads_that_switch_all_the_time() -> None:
    assert records(Guard("threads", breaker=ALL), 4000) == (32_000, 3200)


@pytest.mark.slow  # 800,000 calls
def test_no_record_of_800_000_is_lost_between_threads() -> None:
    assert records(Guard("threads", breaker=ALL), 100_000) == (800_000, 80_000)


@pytest.mark.usefixtures("_busy")
def test_no_place_and_no_record_is_lost_with_all_layers() -> None:
    said = Retry(on=ValueError)
    found = Guard("threads", breaker=ALL, timeout=60, retry=said, bulkhead=Bulkhead(EIGHT, waiting=EIGHT))
    assert records(found, 1000) == (8000, 800)
    assert found.snapshot().active == 0


def test_calls_do_not_wait_for_one_another() -> None:
    found = Guard("threads")
    inside = threading.Barrier(EIGHT)
    in_threads(lambda: found.call(inside.wait, 10))
    assert found.snapshot().circuit.calls == EIGHT


@pytest.mark.slow  # 9 rounds of 20 calls that take 5 ms, twice
def test_eight_threads_keep_their_throughput() -> None:
    def work() -> None:
        time.sleep(0.005)

    def seconds(call: Callable[[], object]) -> float:
        began = time.perf_counter()
        in_threads(lambda: [call() for _ in range(20)])
        return time.perf_counter() - began

    guarded = Guard("threads", breaker=Breaker(slow_after=1))(work)
    pairs = [(seconds(work), seconds(guarded)) for _ in range(9)]
    # The best of each side: what else runs on the machine only ever adds.
    assert min(bare for bare, _ in pairs) / min(ours for _, ours in pairs) >= 0.95


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork: locks after a fork not tested")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_child_finds_no_lock_held_and_all_places_free() -> None:
    found = Guard("fork", bulkhead=Bulkhead(1))
    stop, holding = threading.Event(), threading.Event()

    def hold() -> None:
        with found.permit():
            holding.set()
            while not stop.is_set():
                # As often as can be: a fork in this instant must not copy a held lock.
                with found._engine.lock:
                    pass

    thread = threading.Thread(target=hold)
    thread.start()
    holding.wait()
    try:
        statuses = []
        for _ in range(20):
            child = os.fork()
            if child == 0:
                os._exit(_in_child(found))
            statuses.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    finally:
        stop.set()
        thread.join()
    assert statuses == [0] * 20
    assert found.snapshot().active == 0


def _in_child(found: Guard) -> int:
    """Nothing of pytest may run here. 0: the guard works."""
    if not found._engine.lock.acquire(timeout=5):
        return 1
    found._engine.lock.release()
    return 0 if found.call(lambda: 3) == 3 and found.snapshot().active == 0 else 2
