"""Values that change while they are encoded: the raw C encoder dies, `shared=True` does not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

# Each child process mutates for this long; the C encoder dies within three seconds where it dies at all.
SECONDS = 5.0

RACE = """
import datetime as dt, enum, sys, threading, time
from guardrails import jsonsafe
kind, seconds, encode = sys.argv[1], float(sys.argv[2]), sys.argv[3]

class Zone(dt.tzinfo):
    def utcoffset(self, when): return dt.timedelta(hours=sum(range(9)) // 36)
    def tzname(self, when): return "zone"
    def dst(self, when): return None

class Color(enum.Enum):
    RED = "red"

class Hooked:
    def __init__(self): self.parts = [1, 2]

make = {"plain": lambda: ["x" * 50], "enum": lambda: Color.RED, "hooked": Hooked,
        "zone": lambda: dt.datetime(2026, 1, 2, tzinfo=Zone())}[kind]
shared = {"rows": [[make() for _ in range(20)] for _ in range(40)], "names": {}}
end = time.monotonic() + seconds
sys.setswitchinterval(1e-5)

def change():
    rows, names, number = shared["rows"], shared["names"], 0
    while time.monotonic() < end:
        number += 1
        row = rows[number % 40]
        del row[:]
        row.extend(make() for _ in range(number % 20))
        names[f"n{number % 97}"] = make()
        if number % 97 == 0: names.clear()

if encode == "raw":
    import orjson
    def dump(): orjson.dumps(shared, default=lambda value: vars(value))
else:
    def dump(): jsonsafe.loads(jsonsafe.dumps(shared, shared=True))
thread = threading.Thread(target=change)
thread.start()
count = 0
while time.monotonic() < end:
    count += 1
    try: dump()
    except Exception:
        if encode != "raw": raise
thread.join()
print(count)
"""

REENTRANT = """
import random, sys
from guardrails import jsonsafe

times, encode = int(sys.argv[1]), sys.argv[2]
chance = random.Random(3)
roots = []

class Bomb:
    def __init__(self, parts): self.parts = parts

def go_off(bomb):
    for part in chance.sample(bomb.parts, min(3, len(bomb.parts))):
        if chance.random() < 0.5: part.clear()
        elif isinstance(part, list): part.extend(["x" * 40] * chance.randrange(50))
        else: part.update({f"k{n}": ["y"] for n in range(chance.randrange(50))})
    return "gone"

def build(depth, parts):
    made = [] if chance.random() < 0.5 else {}
    parts.append(made)
    for number in range(chance.randrange(1, 6)):
        child = Bomb(parts) if chance.random() < 0.3 or depth == 0 else build(depth - 1, parts)
        if isinstance(made, list): made.append(child)
        else: made[f"c{number}"] = child
    return made

jsonsafe.register(Bomb, go_off)
for _ in range(times):
    value = build(4, [])
    if encode == "raw":
        import orjson
        try: orjson.dumps(value, default=go_off)
        except Exception: pass
    else:
        jsonsafe.loads(jsonsafe.dumps(value, shared=encode == "shared"))
print(times)
"""


def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


@pytest.mark.slow  # five seconds a kind: a race needs time to happen
@pytest.mark.parametrize("kind", ["plain", "enum", "hooked", "zone"])
def test_a_second_thread_that_changes_the_value_does_not_kill_the_process(kind: str) -> None:
    done = run(RACE, kind, str(SECONDS), "shared")
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) > 10


@pytest.mark.long  # a minute a kind
@pytest.mark.parametrize("kind", ["plain", "enum", "hooked", "zone"])
def test_a_minute_of_change_does_not_kill_the_process(kind: str) -> None:
    done = run(RACE, kind, "60", "shared")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow  # the control: what the tests above would look like if they could fail
def test_the_raw_encoder_dies_of_the_same() -> None:
    pytest.importorskip("orjson")
    assert any(run(RACE, "hooked", str(SECONDS), "raw").returncode == -signal.SIGSEGV for _ in range(3))


@pytest.mark.slow  # a thousand values, each torn apart while it is read
@pytest.mark.parametrize("lane", ["shared", "default"])
def test_code_that_tears_its_own_containers_apart_does_not_kill_the_process(lane: str) -> None:
    done = run(REENTRANT, "1000", lane)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1000\n", "")


@pytest.mark.long  # ten thousand of them
@pytest.mark.parametrize("lane", ["shared", "default"])
def test_ten_thousand_torn_values_do_not_kill_the_process(lane: str) -> None:
    done = run(REENTRANT, "10000", lane)
    assert (done.returncode, done.stdout, done.stderr) == (0, "10000\n", "")


@pytest.mark.slow  # the control
def test_the_raw_encoder_dies_of_torn_values() -> None:
    pytest.importorskip("orjson")
    assert run(REENTRANT, "1000", "raw").returncode < 0


ZONE = """
import datetime as dt, sys
from guardrails import jsonsafe
outcome, shared = sys.argv[1], sys.argv[2] == "shared"

class Zone(dt.tzinfo):
    def utcoffset(self, when):
        if outcome == "None": return None
        if outcome == "seconds": return dt.timedelta(seconds=561)
        if outcome == "too large": return dt.timedelta(hours=30)
        if outcome == "no duration": return 3
        raise {"ValueError": ValueError, "SystemExit": SystemExit}[outcome]
    def tzname(self, when): return "zone"
    def dst(self, when): return None

encoded = jsonsafe.encode({"a": 1, "k": dt.datetime(2026, 1, 2, tzinfo=Zone())}, shared=shared)
print(encoded.data.decode(), *(f"{entry.path}:{entry.reason}" for entry in encoded.report.entries))
"""
RAISED = '{"a":1,"k":{"$lost":"raised","$type":"datetime.datetime","$error":"%s"}} $.k:raised\n'
OUTCOMES = {
    "ValueError": RAISED % "ValueError",
    "SystemExit": RAISED % "SystemExit",
    "None": '{"a":1,"k":"2026-01-02T00:00:00"}\n',
    "seconds": '{"a":1,"k":"2026-01-01T23:50:39+00:00"}\n',
    "too large": RAISED % "ValueError",
    "no duration": RAISED % "TypeError",
}


@pytest.mark.slow  # a process for each
@pytest.mark.parametrize("lane", ["default", "shared"])
@pytest.mark.parametrize("outcome", OUTCOMES)
def test_a_zone_written_in_python_may_fail(outcome: str, lane: str, request: pytest.FixtureRequest) -> None:
    if lane == "default":
        reason = "orjson dies of a zone that raises, and takes its word for what datetime refuses"
        request.applymarker(pytest.mark.xfail(strict=True, reason=reason))
    done = run(ZONE, outcome, lane)
    assert (done.returncode, done.stdout) == (0, OUTCOMES[outcome])


# Python's own allocator puts guards behind each block and looks at them when it is given back.
BRACKETS = """
import sys
from guardrails import jsonsafe
levels, shared = int(sys.argv[1]), sys.argv[2] == "shared"
deep = 1
for _ in range(levels): deep = [deep]
for padding in range(200, 530):  # where its first buffer ends
    jsonsafe.encode([[1] * padding, deep], shared=shared)
print("whole")
"""


def run_guarded(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *arguments]
    guarded = {**os.environ, "PYTHONMALLOC": "debug"}
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, env=guarded)


@pytest.mark.slow  # hundreds of lengths of a value, since only some of them reach the end of a buffer
@pytest.mark.parametrize("lane", ["default", "shared"])
@pytest.mark.parametrize("levels", [125, 150, 400])
def test_nothing_is_written_beyond_the_end_of_a_buffer(levels: int, lane: str, request: pytest.FixtureRequest) -> None:
    if levels == 150 and lane == "default":
        reason = "orjson writes over 126 closing brackets in a row without looking whether there is room"
        request.applymarker(pytest.mark.xfail(strict=True, reason=reason))
    done = run_guarded(BRACKETS, str(levels), lane)
    assert (done.returncode, done.stdout) == (0, "whole\n"), done.stderr[-1000:]
