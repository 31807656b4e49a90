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
    return Asked(at, took, "", degraded=False, healed=False, first=took)


def degraded(at: float, took: float = 0.1) -> Asked:
    return Asked(at, took, "", degraded=True, healed=False, first=0.1)


def healed(at: float, first: float) -> Asked:
    return Asked(at, first + 0.1, "", degraded=False, healed=True, first=first)


def failed(at: float, took: float) -> Asked:
    return Asked(at, took, "OSError: gone", degraded=False, healed=False, first=None)


# The sums.


def test_a_run_is_summed_up():
    asked = [fine(0), fine(1), degraded(2, 0.5), failed(2.5, 3), degraded(3, 2.5), healed(6, 0.3), fine(7)]

    summed = figures(Run(tuple(reversed(asked)), fails_from=2, fails_until=4))

    assert summed == Figures(
        questions=7,
        failed=1,
        degraded=2,
        healed=1,
        good=5,
        per_second=pytest.approx(7 / 7.1),
        p50=0.4,
        p95=3,
        p99=3,
        first_p50=0.1,
        first_p95=0.3,
        fault_questions=3,
        fault_whole=2,
        fault_good=1,
        fault_degraded=1,
        longest_without=pytest.approx(6.4 - 2.5),
        well_again=pytest.approx(1.5),
    )


def test_a_run_without_a_word_has_no_time_to_the_first():
    summed = figures(Run((failed(0, 1), failed(1, 1)), fails_from=0, fails_until=2))

    assert (summed.first_p50, summed.first_p95, summed.well_again) == (None, None, None)


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


def test_a_search_is_fails_from_the_beginning_of_the_plan_until_before_its_end():
    plan = Plan(begins=10, ends=20, delay=7)

    assert [plan.wait(now) for now in (9.9, 10, 19.9, 20)] == [0, 7, 7, 0]


# The runs themselves.


@pytest.mark.slow  # two runs of nine seconds, and the start of six processes
def test_guarded_the_sample_answers_all_the_time_says_so_and_is_well_again_and_unguarded_it_does_not():
    """One test, because several workers of xdist would each make the runs."""
    need("locust", "the sample backend under load")
    without, guarded = (run(9, 10, fault="memory", guarded=on) for on in (False, True))
    off, on = figures(without), figures(guarded)

    # While the memory is slow, what is asked is answered. Not all of it degraded: who asks just before the end is not.
    assert on.failed <= on.questions / 20
    assert on.fault_questions >= 10
    assert on.fault_good >= 0.9 * on.fault_questions
    assert on.fault_degraded >= 0.8 * on.fault_questions
    # Before it, and when it is over, nothing is.
    before = [one for one in guarded.asked if one.ended < guarded.fails_from]
    after = sorted(guarded.asked, key=lambda one: one.ended)[-10:]
    assert len(before) >= 10
    assert [one for one in before + after if one.degraded or one.error] == []
    assert on.well_again is not None
    # Far more than without.
    assert on.fault_good >= 3 * max(1, off.fault_good)
    assert on.longest_without < off.longest_without

    # Without, an answer takes as long as the client's own timeout, or the comparison would be with something else.
    stuck = [one for one in without.asked if without.fails_from <= one.at < without.fails_until - 1]
    assert stuck
    assert [one for one in stuck if one.error or not one.degraded or not 4.9 < one.took < DELAY / 2] == []


@pytest.mark.slow  # two runs of eight seconds, and the start of six processes
def test_guarded_the_sample_gives_whole_answers_while_its_model_cuts_them_and_unguarded_it_does_not():
    need("locust", "the sample backend under load")
    without, guarded = (run(8, 5, fault="model", guarded=on) for on in (False, True))
    off, on = figures(without), figures(guarded)

    assert on.fault_questions >= 10
    assert on.fault_whole >= 0.95 * on.fault_questions
    assert on.healed >= 0.5 * on.fault_questions
    assert on.first_p95 is not None
    # Before it, nothing is.
    before = [one for one in guarded.asked if one.ended < guarded.fails_from]
    assert len(before) >= 5
    assert [one for one in before if one.healed or one.error] == []

    # Without, half an answer is told from a whole one. Who asks just before the end is answered after it.
    assert off.healed == 0
    early = [one for one in without.asked if without.fails_from <= one.at and one.ended < without.fails_until]
    assert len(early) >= 5
    assert {one.error for one in early} == {"CatchResponseError: the answer is not whole"}


def test_the_table_shows_both_runs_side_by_side():
    off = figures(Run((fine(0), fine(1, 6), fine(7)), fails_from=1, fails_until=3))
    on = figures(Run((fine(0), degraded(1), degraded(2), failed(8, 1)), fails_from=1, fails_until=3))

    shown = table("memory", off, on, 12, 10).splitlines()

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
        ["all well again, when that was over", "not seen", "not seen"],
    ]
    assert {len(line) for line in shown[2:16]} == {74}


def test_the_table_of_a_model_that_cuts_its_answers_says_how_many_were_whole_and_when_they_began():
    off = figures(Run((fine(0), failed(1, 1), failed(2, 1)), fails_from=1, fails_until=3))
    on = figures(Run((fine(0), healed(1, 0.4), healed(2, 0.2), fine(3), fine(4)), fails_from=1, fails_until=3))

    shown = table("model", off, on, 12, 10).splitlines()

    assert shown[0] == (
        "10 users for 12 s; from 3 s to 7 s the model ends each answer at 90%; "
        "what is left of one comes when it is asked for."
    )
    assert [re.split(" {2,}", line.strip()) for line in shown[2:17]] == [
        ["guards off", "guards on"],
        ["questions asked", "3", "5"],
        ["a second", "1.0", "1.2"],
        ["without a whole answer", "2", "0"],
        ["healed, and told so", "0", "2"],
        ["good: a whole answer within 2 s", "1", "5"],
        ["time to the first word, p50", "100 ms", "100 ms"],
        ["p95", "100 ms", "400 ms"],
        ["time to the end of an answer, p50", "1.0 s", "100 ms"],
        ["p95", "1.0 s", "500 ms"],
        ["p99", "1.0 s", "500 ms"],
        ["asked while the model cut its answers", "2", "2"],
        ["whole", "0", "2"],
        ["longest time without a good answer", "2.9 s", "1.4 s"],
        ["all well again, when that was over", "not seen", "0 ms"],
    ]
    assert {len(line) for line in shown[2:17]} == {74}


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
