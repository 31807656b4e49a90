"""Under threads and forks: no record is lost, no call waits for another, no child inherits a held lock."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, ClassVar

import pytest

from guardrails.policies import Backoff, Breaker, Bulkhead, Guard, Retry, calls
from guardrails.policies.engine import Engine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from guardrails.policies.settings import Settings

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


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork: keys after a fork not tested")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.usefixtures("_busy")
def test_a_child_can_make_guards_by_key_while_its_parent_does() -> None:
    found, stop = Guard("keys"), threading.Event()

    def make() -> None:
        for key in itertools.takewhile(lambda _: not stop.is_set(), itertools.count()):
            found.for_key(key)

    thread = threading.Thread(target=make)
    thread.start()
    try:
        statuses = []
        for _ in range(20):
            child = os.fork()
            if child == 0:
                # Not for ever: where a lock is held, this ends the child.
                signal.signal(signal.SIGALRM, signal.SIG_DFL)
                signal.alarm(5)
                found.for_key("the child's")
                os._exit(0)
            statuses.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    finally:
        stop.set()
        thread.join()
    assert statuses == [0] * 20


TWO_FORKS = """
import os, sys, threading
from guardrails import Guard

sys.setswitchinterval(1e-6)
found = [Guard(str(number)) for number in range(30)]
statuses = []

def fork():
    for _ in range(20):
        child = os.fork()
        if child == 0:
            for guard in found:
                guard.call(int)
            os._exit(0)
        statuses.append(os.waitpid(child, 0)[1])

threads = [threading.Thread(target=fork) for _ in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
for guard in found:
    guard.call(int)
print(statuses == [0] * 60)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork: two forks at once not tested")
def test_threads_may_fork_at_once() -> None:
    # In a process of its own, since what fails here are locks that are held for ever.
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", TWO_FORKS]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("True\n", "")


class Updated(Engine):
    """One whose settings another thread takes away and gives back between any two looks at them."""

    __slots__ = ()
    looks = 0


def _seen(name: str) -> property:
    slot = getattr(Engine, name)

    def look(engine: Updated) -> object:
        # Whoever holds the lock sees what was said last, as often as he looks.
        held: bool = engine.lock._is_owned()  # type: ignore[attr-defined]
        Updated.looks += not held
        return None if held or Updated.looks % 2 == 0 else slot.__get__(engine)

    return property(look)


for setting in ("attempt_timeout", "budget"):
    setattr(Updated, setting, _seen(setting))


@pytest.mark.parametrize("looks", [0, 1])
@pytest.mark.parametrize("name", ["attempt_timeout", "budget"])
def test_no_call_falls_between_two_settings_of_an_update(
    name: str, looks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(Updated, {"budget": "attempt_timeout", "attempt_timeout": "budget"}[name])
    retry = Retry(on=ConnectionError, attempts=2, backoff=Backoff(base=0))
    found = Guard("updated", attempt_timeout=5, retry=retry, breaker=None)
    # Put back at the end: other tests reach every engine that is alive.
    monkeypatch.setattr(found._engine, "__class__", Updated)
    Updated.looks = looks
    for _ in range(3):
        assert found.call(answer) == 3
        with pytest.raises(ConnectionError):
            found.call(fail)
    assert Updated.looks > looks


def test_an_update_in_the_midst_of_another_is_not_lost() -> None:
    found = Guard("updated")

    def meanwhile(said: Settings) -> Settings:
        del found._configured  # type: ignore[method-assign]
        found.update(attempt_timeout=1)
        return said

    found._configured = meanwhile  # type: ignore[method-assign]
    found.update(timeout=5)
    assert (found._settings.timeout, found._settings.attempt_timeout) == (5, 1)


def test_no_call_falls_into_the_end_of_tracing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Ended:
        operation = None
        said: ClassVar = [lambda operation, *, current: None]

        @property
        def spans(self) -> object:
            return self.said.pop() if self.said else None

    guarded = Guard("traced", timeout=1)(answer)
    monkeypatch.setattr(calls, "SWITCH", Ended())
    assert [guarded(), guarded()] == [3, 3]


def _in_child(found: Guard) -> int:
    """Nothing of pytest may run here. 0: the guard works."""
    if not found._engine.lock.acquire(timeout=5):
        return 1
    found._engine.lock.release()
    return 0 if found.call(lambda: 3) == 3 and found.snapshot().active == 0 else 2
