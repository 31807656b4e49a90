"""The load run: what its sums say, that it measures what happens, and that nothing of it stays behind."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from itertools import pairwise

import httpx
import pytest
from click.testing import CliRunner

from loadtests.load.__main__ import main
from loadtests.load.figures import Asked, Figures, Run, figures, longest_gap, quantile, well_again
from loadtests.load.memory import Plan
from loadtests.load.processes import CouldNotMeasure, running
from loadtests.load.running import DELAY, run
from loadtests.load.table import table
from tests.support import ROOT, need


def fine(at: float, took: float = 0.1) -> Asked:
    return Asked(at, took, "", degraded=False)


def degraded(at: float, took: float = 0.1) -> Asked:
    return Asked(at, took, "", degraded=True)


def failed(at: float, took: float) -> Asked:
    return Asked(at, took, "OSError: gone", degraded=False)


# The sums.


def test_a_run_is_summed_up():
    asked = [fine(0), fine(1), degraded(2, 0.5), failed(2.5, 3), degraded(3, 2.5), fine(6), fine(7)]

    summed = figures(Run(tuple(reversed(asked)), slow_from=2, slow_until=4))

    assert summed == Figures(
        questions=7,
        failed=1,
        degraded=2,
        good=5,
        per_second=pytest.approx(7 / 7.1),
        p50=0.1,
        p95=3,
        p99=3,
        slow_questions=3,
        slow_good=1,
        slow_degraded=1,
        longest_without=pytest.approx(6.1 - 2.5),
        well_again=pytest.approx(1.5),
    )


def test_a_run_without_a_question_is_no_result():
    with pytest.raises(ValueError, match="no question was asked"):
        figures(Run((), 0, 1))


def test_the_quantile_is_a_time_that_was_measured():
    assert [quantile([1, 2, 3, 4], share) for share in (0.01, 0.5, 0.51, 0.99, 1)] == [1, 2, 3, 4, 4]


def test_the_longest_gap_is_between_neighbours():
    assert longest_gap([3, 0, 1]) == 2


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ([fine(1), fine(9.5)], None),  # ends before anything was seen to be calm
        ([fine(10.2), fine(11)], 0),
        ([degraded(10.2), degraded(10.7), fine(11), fine(12)], 0.8),
        ([fine(10.2), failed(9, 5), fine(14.2), fine(16)], 4),  # somebody waits in vain until 14
        ([fine(10.2), fine(11), degraded(15)], 0),  # what comes later has another reason
        ([degraded(10.2), degraded(12), degraded(14)], None),
    ],
)
def test_all_is_well_again_when_nobody_waits_for_a_bad_answer_for_a_second(asked, expected):
    found = well_again(asked, 10, max(one.ended for one in asked))

    assert found == (None if expected is None else pytest.approx(expected))


def test_a_search_is_slow_from_the_beginning_of_the_plan_until_before_its_end():
    plan = Plan(begins=10, ends=20, delay=7)

    assert [plan.wait(now) for now in (9.9, 10, 19.9, 20)] == [0, 7, 7, 0]


# The runs themselves.


@pytest.mark.slow  # two runs of nine seconds, and the start of six processes
def test_guarded_the_sample_answers_all_the_time_says_so_and_is_well_again_and_unguarded_it_does_not():
    """One test, because several workers of xdist would each make the runs."""
    need("locust", "the sample backend under load")
    without, guarded = run(9, 10, guarded=False), run(9, 10, guarded=True)
    off, on = figures(without), figures(guarded)

    # While the memory is slow, what is asked is answered. Not all of it degraded: who asks just before the end is not.
    assert on.failed <= on.questions / 20
    assert on.slow_questions >= 10
    assert on.slow_good >= 0.9 * on.slow_questions
    assert on.slow_degraded >= 0.8 * on.slow_questions
    # Before it, and when it is over, nothing is.
    before = [one for one in guarded.asked if one.ended < guarded.slow_from]
    after = sorted(guarded.asked, key=lambda one: one.ended)[-10:]
    assert len(before) >= 10
    assert [one for one in before + after if one.degraded or one.error] == []
    assert on.well_again is not None
    # Far more than without.
    assert on.slow_good >= 3 * max(1, off.slow_good)
    assert on.longest_without < off.longest_without

    # Without, an answer takes as long as the client's own timeout, or the comparison would be with something else.
    stuck = [one for one in without.asked if without.slow_from <= one.at < without.slow_until - 1]
    assert stuck
    assert [one for one in stuck if one.error or not one.degraded or not 4.9 < one.took < DELAY / 2] == []


def test_the_table_shows_both_runs_side_by_side():
    off = figures(Run((fine(0), fine(1, 6), fine(7)), slow_from=1, slow_until=3))
    on = figures(Run((fine(0), degraded(1), degraded(2), failed(8, 1)), slow_from=1, slow_until=3))

    shown = table(off, on, 12, 10).splitlines()

    assert shown[0] == (
        "10 users for 12 s; from 3 s to 7 s each search of the memory takes 20 s, writes are as quick as ever."
    )
    assert [re.split(" {2,}", line.strip()) for line in shown[2:16]] == [
        ["guards off", "guards on"],
        ["questions asked", "3", "4"],
        ["a second", "0.4", "0.4"],
        ["without a whole answer", "0", "1"],
        ["answered without memories, and told so", "0", "2"],
        ["good: a whole answer within 2 s", "2", "3"],
        ["time to the end of an answer, p50", "100 ms", "100 ms"],
        ["p95", "6.0 s", "1.0 s"],
        ["p99", "6.0 s", "1.0 s"],
        ["asked while the memory was slow", "1", "2"],
        ["good", "0", "2"],
        ["good, without memories", "0", "2"],
        ["longest time without a good answer", "7.0 s", "6.9 s"],
        ["all well again, after the slow time", "not seen", "not seen"],
    ]
    assert {len(line) for line in shown[2:16]} == {74}


@pytest.mark.slow  # a service has to start before it can be interrupted
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_nothing_behind(tmp_path, number):
    need("locust", "the end of an interrupted load run")
    process = subprocess.Popen(
        [sys.executable, "-m", "loadtests.load", "--seconds", "60"],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        ports = wait_for_ports(tmp_path, process)
        process.send_signal(number)
        process.wait(60)
    finally:
        process.kill()
        process.wait()

    assert [port for port in ports if listens(port)] == []
    assert list(tmp_path.iterdir()) == []


def wait_for_ports(folder, process) -> list[int]:
    """Of both servers, once Locust has begun as well."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        assert process.poll() is None, f"ended with {process.returncode}"
        said = {log.stem: log.read_text() for log in folder.glob("load-*/*.log")}
        found = [re.search(r"running on http://127\.0\.0\.1:(\d+)", said.get(name, "")) for name in ("memory", "agent")]
        if all(found) and "locust" in said:
            return [int(match[1]) for match in found]
        time.sleep(0.02)
    raise AssertionError("the servers did not start")


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


# What is not measured is said.


def test_a_process_that_ends_early_is_shown_with_what_it_said(tmp_path):
    command = [sys.executable, "-c", "print('no such thing'); raise SystemExit(4)"]

    with running("broken", command, tmp_path, tmp_path) as broken, pytest.raises(CouldNotMeasure) as caught:
        broken.address()

    assert str(caught.value) == "broken listens: the process ended with status 4\nno such thing\n"


def test_without_locust_the_run_says_what_to_install_and_that_nothing_was_measured(monkeypatch):
    monkeypatch.setattr("loadtests.load.running.importlib.util.find_spec", lambda name: None)

    done = CliRunner().invoke(main, ["--seconds", "8"])

    assert done.exit_code == 3
    assert "COULD NOT MEASURE  Locust is not installed: pip install 'guardrails-ops[load]'" in done.stderr


@pytest.mark.parametrize("arguments", [["--seconds", "7"], ["--seconds", "3601"], ["--users", "0"], ["--users", "201"]])
def test_how_long_and_how_many_are_bounded(arguments):
    assert CliRunner().invoke(main, arguments).exit_code == 2


def test_the_memory_keeps_what_it_is_told_and_is_slow_as_planned(tmp_path):
    command = [sys.executable, "-m", "loadtests.load.memory"]
    with (
        running("memory", command, tmp_path, ROOT) as memory,
        httpx.Client(base_url=memory.address(), trust_env=False, timeout=30) as http,
    ):
        for text in ("my train", "my hotel"):
            http.post("/texts", json={"user": "anna", "text": text}).raise_for_status()
        asked = {"user": "anna", "q": "the train", "limit": 3}
        moments = [time.monotonic()]
        found = [http.get("/search", params=asked).json()]
        moments.append(time.monotonic())
        now = time.time()
        http.post("/plan", json={"begins": now, "ends": now + 60, "delay": 0.05}).raise_for_status()
        found.append(http.get("/search", params=asked).json())
        moments.append(time.monotonic())

    assert found == [["my train"]] * 2
    assert [later - earlier for earlier, later in pairwise(moments)][1] >= 0.05
