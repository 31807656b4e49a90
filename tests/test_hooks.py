"""Listeners hear what is emitted, and none of them can harm who emits it."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from guardrails import hooks
from guardrails.hooks import emit, failures, listen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Heard = list[tuple[str, float, dict[str, str]]]


@pytest.fixture(autouse=True)
def _nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "_listeners", ())


def recorder(heard: Heard) -> hooks.Listener:
    return lambda name, value, labels: heard.append((name, value, dict(labels)))


def broken(name: str, value: float, labels: Mapping[str, str]) -> None:
    raise ZeroDivisionError(name)


def test_emitting_to_nobody_does_nothing() -> None:
    before = failures()
    emit("calls_total")
    assert failures() == before


def test_every_listener_hears_name_value_and_labels() -> None:
    one: Heard = []
    two: Heard = []
    listen(recorder(one))
    listen(recorder(two))
    emit("calls_total")
    emit("call_seconds", 0.25, {"dependency": "db"})
    assert one == two == [("calls_total", 1.0, {}), ("call_seconds", 0.25, {"dependency": "db"})]


def test_who_has_stopped_hears_nothing_and_may_stop_again() -> None:
    heard: Heard = []
    stop = listen(recorder(heard))
    emit("a")
    stop()
    stop()
    emit("b")
    assert [name for name, _, _ in heard] == ["a"]


def test_ending_one_registration_leaves_another_of_the_same_listener() -> None:
    heard: Heard = []
    listener = recorder(heard)
    stop = listen(listener)
    listen(listener)
    emit("twice")
    stop()
    stop()
    emit("once")
    assert [name for name, _, _ in heard] == ["twice", "twice", "once"]


def test_a_failing_listener_is_counted_and_the_others_still_hear() -> None:
    heard: Heard = []
    before = failures()
    listen(broken)
    listen(recorder(heard))
    emit("a", 2.0)
    assert failures() == before + 1
    assert heard == [("hook_errors_total", 1.0, {"error": "ZeroDivisionError"}), ("a", 2.0, {})]


def test_a_failing_listener_does_not_replace_the_result() -> None:
    listen(broken)

    def guarded() -> str:
        try:
            return "result"
        finally:
            emit("calls_total")

    assert guarded() == "result"


def test_two_failing_listeners_do_not_loop() -> None:
    def broken_too(name: str, value: float, labels: Mapping[str, str]) -> None:
        raise ValueError(name)

    before = failures()
    listen(broken)
    listen(broken_too)
    emit("a")
    # Each fails at "a" and once more when it hears of the other.
    assert failures() == before + 4


def test_a_listener_that_emits_ends_in_a_counted_failure() -> None:
    before = failures()
    listen(lambda name, value, labels: emit(name))
    emit("a")
    assert failures() > before


@pytest.mark.parametrize("exception", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_is_not_swallowed(exception: type[BaseException]) -> None:
    def interrupted(name: str, value: float, labels: Mapping[str, str]) -> None:
        raise exception

    listen(interrupted)
    with pytest.raises(exception):
        emit("a")


def test_a_listener_may_listen_and_stop_while_it_hears() -> None:
    heard: Heard = []
    stops: list[Callable[[], None]] = []

    def once(name: str, value: float, labels: Mapping[str, str]) -> None:
        stops[0]()
        listen(recorder(heard))

    stops.append(listen(once))
    emit("first")
    emit("second")
    assert heard == [("second", 1.0, {})]


def test_no_registration_and_no_failure_is_lost_between_threads() -> None:
    before = failures()
    heard: Heard = []
    start = threading.Barrier(8)

    def work() -> None:
        start.wait()
        for _ in range(200):
            stop = listen(broken)
            listen(recorder(heard))
            stop()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    emit("a")
    assert len(heard) == 8 * 200
    assert failures() == before


def test_emitting_while_others_come_and_go_reaches_who_stays() -> None:
    heard: Heard = []
    listen(recorder(heard))
    start = threading.Barrier(4)

    def emitting() -> None:
        start.wait()
        for _ in range(500):
            emit("a")

    def coming_and_going() -> None:
        start.wait()
        for _ in range(500):
            listen(lambda name, value, labels: None)()

    threads = [threading.Thread(target=work) for work in (emitting, emitting, coming_and_going, coming_and_going)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(heard) == 2 * 500


def ran(code: str) -> str:
    """What a program prints. Fails where it fails, or hangs."""
    # From Python 3.12 on a fork beside threads is warned of; it is what is tested here.
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout


def test_a_fork_while_another_thread_begins_to_listen_leaves_no_child_hanging() -> None:
    """A child has the lock as it was at the fork, and not the thread that would open it."""
    code = """
import os, signal, threading
from guardrails import hooks

held, go_on = threading.Event(), threading.Event()

def hold():
    with hooks._changing:
        held.set()
        go_on.wait(30)

thread = threading.Thread(target=hold)
thread.start()
held.wait(30)
child = os.fork()
if not child:
    signal.alarm(5)
    hooks.listen(lambda *event: 1 / 0)()
    hooks.count_failure(None, ValueError())
    os._exit(hooks.failures())
go_on.set()
thread.join()
hooks.listen(print)()
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert ran(code) == "1\n"


def test_what_fails_while_the_same_thread_begins_to_listen_is_counted_after_all() -> None:
    """The garbage collector and signals run in the middle of everything, also where the lock is held."""
    code = """
import signal
from guardrails import hooks

signal.alarm(10)
with hooks._changing:
    hooks.count_failure(None, ValueError())
    hooks.listen(print)()
print(hooks.failures())
"""
    assert ran(code) == "1\n"


def test_whoever_listens_loads_nothing_that_an_interpreter_has_not_loaded() -> None:
    code = "import sys; before = set(sys.modules); import guardrails.hooks; print(sorted(set(sys.modules) - before))"
    assert ran(code) == "['__future__', 'guardrails', 'guardrails.hooks']\n"
