"""Many processes count as one: forks, killed workers, gunicorn with preload, Celery's prefork pool."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families as parsed

from tests.servers import free_port, running, serving, wait_for
from tests.support import ROOT, need

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GUIDE = ROOT / "docs" / "guides" / "metrics.md"
FOLDER = "PROMETHEUS_MULTIPROC_DIR"
WAIT = 30
# What each program begins with: `shown` is what a scrape of all processes says.
BEGIN = """
import os, shutil, signal, sys, threading, time
from guardrails import Guard, hooks, metrics

def shown(name, **labels):
    return metrics.registry_to_serve().get_sample_value("guardrails_" + name, labels)

def forked(work):
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        work()
        status = 0
    finally:
        os._exit(status)

guard = Guard("db")
"""


def printed(code: str, folder: Path | None) -> str:
    """What a program prints that counts into this folder; None: in its own memory. Fails where it fails, or hangs."""
    environment = {name: value for name, value in os.environ.items() if name != FOLDER}
    if folder is not None:
        environment[FOLDER] = str(folder)
    # From Python 3.12 on a fork beside threads is warned of; it is what is tested here.
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", BEGIN + code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout


def recipe(heading: str) -> str:
    """The Python block under this heading of the guide."""
    text = GUIDE.read_text(encoding="utf-8")
    (found,) = re.findall(rf"^## {heading}\n.*?^```(?:py|python)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    code: str = found
    return code


# Forks.


def test_counters_add_up_over_forks_and_a_killed_child_and_count_what_the_parent_did_once(tmp_path: Path) -> None:
    code = """
metrics.install()
for _ in range(5):
    guard.call(int)

def work():
    metrics.install()  # once more, as in worker_process_init
    guard.call(int)
    guard.call(int)
    if number == 0:
        os.kill(os.getpid(), signal.SIGKILL)

for number in range(3):
    os.waitpid(forked(work), 0)
print(shown("calls_total", guard="db", outcome="success"))
"""
    assert printed(code, tmp_path) == "11.0\n"


def test_who_installs_in_the_child_alone_counts_in_the_child(tmp_path: Path) -> None:
    code = """
guard.call(int)

def work():
    metrics.install()
    guard.call(int)

os.waitpid(forked(work), 0)
print(shown("calls_total", guard="db", outcome="success"))
"""
    assert printed(code, tmp_path) == "1.0\n"


def test_circuits_are_those_of_the_living_however_the_others_ended(tmp_path: Path) -> None:
    code = """
metrics.install()
guard.isolate("held before the fork")
isolated = dict(guard="db", state="isolated")
ready, told = os.pipe()

def work():
    os.write(told, b"x")
    time.sleep(60)

children = [forked(work) for _ in range(3)]
for _ in children:
    os.read(ready, 1)
said = [shown("circuits", **isolated)]
for child, how in zip(children, (signal.SIGKILL, signal.SIGTERM)):
    os.kill(child, how)
    os.waitpid(child, 0)
    said.append(shown("circuits", **isolated))
guard.release()
said.append(shown("circuits", **isolated))
os.kill(children[-1], signal.SIGKILL)
print(said, shown("breaker_transitions_total", guard="db", before="closed", after="isolated"))
"""
    assert printed(code, tmp_path) == "[4.0, 3.0, 2.0, 1.0] 1.0\n"


def test_durations_add_up_over_forks_and_a_killed_child(tmp_path: Path) -> None:
    code = """
metrics.install()
took = lambda seconds: hooks.emit("call_seconds", seconds, {"guard": "db", "outcome": "success"})
took(0.02)

def work():
    took(0.02)
    took(90)
    if number == 0:
        os.kill(os.getpid(), signal.SIGKILL)

for number in range(3):
    os.waitpid(forked(work), 0)
ok = dict(guard="db", outcome="success")
print([shown("call_seconds_bucket", le=until, **ok) for until in ("0.01", "0.025", "60.0", "120.0", "+Inf")])
print(shown("call_seconds_count", **ok), round(shown("call_seconds_sum", **ok), 2))
"""
    assert printed(code, tmp_path) == "[0.0, 4.0, 4.0, 7.0, 7.0]\n7.0 270.08\n"


@pytest.mark.parametrize("shared", [True, False], ids=["a shared folder", "memory"])
def test_calls_in_a_bulkhead_are_those_of_the_living_and_a_child_begins_with_none(tmp_path: Path, shared: bool) -> None:
    code = """
from guardrails import Bulkhead
from prometheus_client import REGISTRY
metrics.install()
full = Guard("full", bulkhead=Bulkhead(9))
here = lambda: REGISTRY.get_sample_value("guardrails_bulkhead_calls", {"guard": "full"})
ready, told = os.pipe()

def work():
    if not SHARED:
        assert here() == 0, here()
    with full.permit():
        if not SHARED:
            assert here() == 1, here()
        os.write(told, b"x")
        if number:
            time.sleep(60)

said = []
with full.permit(), full.permit():
    children = []
    for number in range(3):
        children.append(forked(work))
        os.read(ready, 1)
    os.waitpid(children[0], 0)
    said.append(shown("bulkhead_calls", guard="full"))
    for child in children[1:]:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    said.append(shown("bulkhead_calls", guard="full"))
said.append(shown("bulkhead_calls", guard="full"))
print(said)
"""
    code = code.replace("SHARED", str(shared))
    assert printed(code, tmp_path if shared else None) == ("[4.0, 2.0, 0.0]\n" if shared else "[2.0, 2.0, 0.0]\n")


@pytest.mark.parametrize("shared", [True, False], ids=["a shared folder", "memory"])
def test_a_fork_while_threads_count_and_scrape_leaves_no_child_hanging(tmp_path: Path, shared: bool) -> None:
    """A child has the parent's locks as they were: one that another thread held would be held for ever."""
    code = """
from prometheus_client import REGISTRY, generate_latest
metrics.install()
count = lambda: hooks.emit("calls_total", 1.0, {"guard": "db", "outcome": "success"})
sys.setswitchinterval(1e-6)
done = threading.Event()

def always(work):
    while not done.is_set():
        work()

scrape = lambda: generate_latest(REGISTRY)
threads = [threading.Thread(target=always, args=(work,)) for work in (count, count, scrape)]
for thread in threads:
    thread.start()

def work():
    signal.alarm(20)
    for _ in range(10):
        count()
    scrape()
    other = threading.Thread(target=count)
    other.start()
    other.join()

statuses = [os.waitpid(forked(work), 0)[1] for _ in range(60)]
done.set()
for thread in threads:
    thread.join()
print(sum(map(bool, statuses)))
"""
    assert printed(code, tmp_path if shared else None) == "0\n"


@pytest.mark.slow  # a fork waits for a second before it goes on
def test_a_fork_does_not_wait_for_ever_and_its_child_counts_on_without_what_is_the_parents() -> None:
    code = """
from prometheus_client import REGISTRY
metrics.install()
counting, go_on = threading.Event(), threading.Event()
count = lambda verdict, value=1.0: hooks.emit("gate_runs_total", value, {"verdict": verdict})
# Not by a scrape: it would wait in the child for the one value that the other thread was changing.
(runs,) = (one for one in metrics.EXPORTED if one.name == "gate_runs_total")
gate = lambda verdict: metrics._exporters[REGISTRY]._metrics[runs].labels(verdict)._value.get()

class Slow(float):
    def __radd__(self, other):
        count("later")
        counting.set()
        go_on.wait(30)
        return other + 1.0

thread = threading.Thread(target=count, args=("slow", Slow(1.0)))
thread.start()
counting.wait(30)

def work():
    signal.alarm(10)
    count("child")
    assert (gate("child"), gate("later")) == (1.0, 0.0), (gate("child"), gate("later"))

status = os.waitpid(forked(work), 0)[1]
go_on.set()
thread.join()
print(status, gate("slow"), gate("later"), gate("child"))
"""
    assert printed(code, None) == "0 1.0 1.0 0.0\n"


def test_what_is_emitted_in_the_middle_of_a_scrape_by_the_same_thread_holds_nobody_up() -> None:
    """A finalizer may run where prometheus_client copies the children of a metric under its lock: in that place."""
    code = """
from prometheus_client import REGISTRY, generate_latest
metrics.install()
count = lambda guard: hooks.emit("calls_total", 1.0, {"guard": guard, "outcome": "success"})
count("first")
emitted = 0

def in_the_copy(frame, event, what):
    global emitted
    if event == "c_call" and what.__name__ == "copy" and frame.f_code.co_name == "_multi_samples":
        emitted += 1
        count(f"new {emitted}")

signal.alarm(10)
sys.setprofile(in_the_copy)
generate_latest(REGISTRY)
sys.setprofile(None)
count("first")
calls = [s.value for family in REGISTRY.collect() for s in family.samples if s.name == "guardrails_calls_total"]
print(emitted > 3, sum(calls) == emitted + 2)
"""
    assert printed(code, None) == "True True\n"


def test_what_the_garbage_collector_emits_at_any_moment_holds_nobody_up(tmp_path: Path) -> None:
    """It ends a guarded generator wherever it likes: also where a lock of prometheus_client is held."""
    code = """
import gc
from prometheus_client import REGISTRY
metrics.install()

class Guarded:
    def __init__(self):
        self.me = self
    def __del__(self):
        global ended
        ended += 1
        hooks.emit("calls_total", 1.0, {"guard": f"g{ended % 90}", "outcome": "success"})

ended = 0
signal.alarm(30)
gc.set_threshold(1, 1, 1)
for number in range(60):
    garbage = [Guarded() for _ in range(3)]
    del garbage
    hooks.emit("calls_total", 1.0, {"guard": f"g{number % 90}", "outcome": "failure"})
gc.collect()
gc.set_threshold(0)
samples = [s for family in REGISTRY.collect() for s in family.samples if s.name == "guardrails_calls_total"]
print(ended, sum(s.value for s in samples))
"""
    assert printed(code, tmp_path) == "180 240.0\n"


def test_a_folder_that_is_gone_harms_no_call_and_is_counted_by_the_hooks(tmp_path: Path) -> None:
    code = f"""
metrics.install()
guard.call(int)
shutil.rmtree(os.environ["{FOLDER}"])

def work():
    assert [guard.call(int, "7") for _ in range(3)] == [7, 7, 7]
    assert hooks.failures() == 6, hooks.failures()  # that it was called, and how long it took

print(os.waitpid(forked(work), 0)[1], guard.call(int, "7"))
"""
    folder = tmp_path / "metrics"
    folder.mkdir()
    assert printed(code, folder) == "0 7\n"


# Servers.


def scraped(address: str) -> dict[tuple[str, ...], float]:
    """What a page shows: name and label values to value."""
    answer = httpx.get(f"{address}/metrics/", timeout=WAIT).raise_for_status()
    return {
        (sample.name.removeprefix("guardrails_"), *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in parsed(answer.text)
        for sample in family.samples
    }


OPENED = ("breaker_transitions_total", "isolated", "closed", "db")
ROUTES = """
import os
from guardrails import Guard

guard = Guard("db")
for _ in range(5):
    guard.call(int)

@app.get("/work")
async def work():
    guard.call(int)
    return os.getpid()

@app.get("/isolate")
async def isolate():
    guard.isolate("maintenance")
    return os.getpid()

@app.get("/die")
async def die():
    os.kill(os.getpid(), 9)
"""


@pytest.fixture
def gunicorn(tmp_path: Path) -> Iterator[str]:
    """The address of the guide's application, loaded before two workers are forked."""
    program = need("gunicorn", "metrics over gunicorn's processes")
    shared, home = tmp_path / "metrics", tmp_path / "home"
    shared.mkdir()
    home.mkdir()
    (home / "shop.py").write_text(recipe("FastAPI") + ROUTES, encoding="utf-8")
    command = [program, "--worker-class", "asgi", "--preload", "--workers", "2", "--bind", "127.0.0.1:{port}"]
    environment = {FOLDER: str(shared), "HOME": str(home), "PYTHONPATH": f"{home}:{ROOT / 'src'}"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        with serving([*command, "shop:app"], home, "ASGI server listening") as port:
            yield f"http://127.0.0.1:{port}"


def until_both(address: str, path: str) -> list[int]:
    """Ask until two processes have answered; who answered, each time."""
    asked: list[int] = []
    for _ in range(400):
        # A connection of its own: one that is kept stays with one worker.
        asked.append(httpx.get(f"{address}{path}", timeout=WAIT).raise_for_status().json())
        if len(set(asked)) == 2:
            return asked
    raise AssertionError(f"only {set(asked)} answered")


@pytest.mark.slow  # gunicorn starts
def test_gunicorns_workers_and_its_master_count_as_one_and_a_killed_worker_loses_nothing(gunicorn: str) -> None:
    calls = 5 + len(until_both(gunicorn, "/work"))
    assert scraped(gunicorn)["calls_total", "db", "success"] == calls
    with contextlib.suppress(httpx.TransportError):
        httpx.get(f"{gunicorn}/die", timeout=WAIT)
    again = until_both(gunicorn, "/work")
    shown = scraped(gunicorn)
    assert shown["calls_total", "db", "success"] == calls + len(again)
    assert shown["call_seconds_count", "db", "success"] == calls + len(again)


@pytest.mark.slow  # gunicorn starts
def test_the_circuit_of_a_killed_worker_is_no_longer_shown(gunicorn: str) -> None:
    held = until_both(gunicorn, "/isolate")
    assert scraped(gunicorn)["circuits", "db", "isolated"] == 2.0
    moves = ("breaker_transitions_total", "isolated", "closed", "db")
    assert scraped(gunicorn)[moves] == 2.0
    with contextlib.suppress(httpx.TransportError):
        httpx.get(f"{gunicorn}/die", timeout=WAIT)
    until = time.monotonic() + WAIT
    # The master has to notice.
    while scraped(gunicorn)["circuits", "db", "isolated"] == 2.0 and time.monotonic() < until:
        time.sleep(0.02)
    shown = scraped(gunicorn)
    assert (shown["circuits", "db", "isolated"], shown[moves], len(set(held))) == (1.0, 2.0, 2)


TASKS = """
import os
from celery.signals import worker_process_init
from guardrails import Guard

app.conf.update(broker_url=os.environ["REDIS_URL"], result_backend=os.environ["REDIS_URL"])
app.conf.broker_connection_retry_on_startup = True
app.conf.worker_prefetch_multiplier = 1
worker_process_init.connect(lambda **_: metrics.install(), weak=False)
guard = Guard("db")
for _ in range(5):
    guard.call(int)

@app.task(name="work")
def work():
    guard.call(int)
    return os.getpid()

@app.task(name="isolate_and_die")
def isolate_and_die():
    guard.isolate("maintenance")
    os.kill(os.getpid(), 9)
"""


@contextlib.contextmanager
def celery_worker(folder: Path, redis_url: str, port: int) -> Iterator[Any]:
    """The guide's application with two child processes; gives a client's own."""
    from celery import Celery

    (folder / "metrics").mkdir()
    code = recipe("Celery")
    assert "9102" in code
    (folder / "shop.py").write_text(code.replace("9102", str(port)) + TASKS, encoding="utf-8")
    command = [sys.executable, "-m", "celery", "-A", "shop", "worker", "-c", "2", "-l", "INFO"]
    command += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    environment = {"REDIS_URL": redis_url, FOLDER: str(folder / "metrics"), "PYTHONPATH": f"{folder}:{ROOT / 'src'}"}
    with running(command, folder, " ready.", environment=environment):
        client = Celery("client", broker=redis_url, backend=redis_url, set_as_current=False)
        yield client
        client.close()


@pytest.mark.slow  # a worker process starts
def test_celerys_children_and_their_parent_count_as_one_and_a_killed_child_loses_nothing(
    redis_url: str, tmp_path: Path
) -> None:
    from celery.exceptions import WorkerLostError

    address = f"http://127.0.0.1:{(port := free_port())}"
    with celery_worker(tmp_path, redis_url.replace("/0", "/7"), port) as client:

        def work(times: int) -> set[int]:
            sent = [client.send_task("work") for _ in range(times)]
            return {result.get(timeout=WAIT, interval=0.02) for result in sent}

        children = work(60)
        assert scraped(address)["calls_total", "db", "success"] == 5 + 60
        with pytest.raises(WorkerLostError):
            client.send_task("isolate_and_die").get(timeout=WAIT, interval=0.02)
        wait_for("exited with 'signal 9", tmp_path / "log.txt", within=WAIT)
        children |= work(60)
        shown = scraped(address)
        assert shown["calls_total", "db", "success"] == 5 + 120
        assert shown["call_seconds_count", "db", "success"] == 5 + 120
        assert shown["breaker_transitions_total", "isolated", "closed", "db"] == 1.0
        assert shown.get(("circuits", "db", "isolated"), 0.0) == 0.0
        assert len(children) >= 2
