"""One run: the memory, the sample backend and Locust, each a process of its own, a model, and what Locust saw.

Locust replaces the standard library's sockets in its process, so it never runs in ours.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import httpx

from guardrails.testing import faults
from guardrails.testing.stand_in import asks_for_rest, repeats
from loadtests.load.figures import Asked, Run
from loadtests.load.processes import CouldNotMeasure, Running, running

if TYPE_CHECKING:
    from collections.abc import Callable

# What fails: the memory is slow, or the model cuts its answers.
Fault = Literal["memory", "model"]
FAULTS: tuple[Fault, ...] = get_args(Fault)
ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "examples" / "agent_backend"
# All is well for a quarter of the run, then something fails for a third, and all is well again to the end.
WELL, FAILING = 1 / 4, 1 / 3
# Seconds that a slow search takes, and for which a user waits before he leaves.
DELAY, GIVES_UP = 20.0, 10.0
# The share of an answer after which the model ends it, and seconds between two of its words.
CUT, PACE = 0.9, 0.005


def run(seconds: float, users: int, *, fault: Fault, guarded: bool) -> Run:
    """Let `users` ask for so many seconds. Raises CouldNotMeasure."""
    if importlib.util.find_spec("locust") is None:
        raise CouldNotMeasure("Locust is not installed: pip install 'guardrails-ops[load]'")
    with tempfile.TemporaryDirectory(prefix="load-") as name, faults.FaultServer(repeats, pace=PACE) as model:
        folder = Path(name)
        serve = [sys.executable, "-m", "loadtests.load.memory"]
        with running("memory", serve, folder, ROOT) as memory:
            remembers = memory.address()

            def fail(begins: float, ends: float) -> None:
                if fault == "memory":
                    slow = {"begins": begins, "ends": ends, "delay": DELAY}
                    httpx.post(f"{remembers}/plan", json=slow, timeout=5, trust_env=False).raise_for_status()
                else:
                    model.fault = lambda asked: cut(asked) if begins <= time.time() < ends else None

            serve = [sys.executable, "-m", "uvicorn", "app.main:app", "--host", "127.0.0.1", "--port", "0"]
            serve += ["--no-access-log", "--timeout-graceful-shutdown", "1"]
            settings = {
                "AGENT_DB": str(folder / "agent.db"),
                "AGENT_LLM_URL": f"{model.url}/v1",
                "AGENT_MEMORY_URL": remembers,
                "AGENT_GUARDS": "on" if guarded else "off",
                "AGENT_LOG_LEVEL": "WARNING",
            }
            with running("agent", serve, folder, SAMPLE, **settings) as agent:
                return _asked(agent.address(), fail, folder, seconds, users)


def cut(asked: faults.Asked) -> faults.Fault | None:
    """As a proxy that ends connections after so many seconds: what is left of an answer comes through."""
    return None if asks_for_rest(asked) else faults.Fault.cut(at=CUT)


def _asked(agent: str, fail: Callable[[float, float], None], folder: Path, seconds: float, users: int) -> Run:
    seen = folder / "seen.jsonl"
    locust = [sys.executable, "-m", "locust", "--locustfile", str(ROOT / "loadtests" / "locustfile.py"), "--headless"]
    locust += ["--host", agent, "--users", str(users), "--spawn-rate", str(users), "--run-time", f"{seconds:g}s"]
    # Who still waits is waited for: an answer that does not come counts.
    locust += ["--stop-timeout", f"{GIVES_UP + 5:g}", "--only-summary", "--exit-code-on-error", "0"]
    told = {"LOAD_SEEN": str(seen), "LOAD_GIVES_UP": str(GIVES_UP)}
    with running("locust", locust, folder, ROOT, **told) as users_of_it:
        users_of_it.wait_until(lambda: _records(seen), "the first question is answered")
        began = _records(seen)[0].at
        begins, ends = began + WELL * seconds, began + (WELL + FAILING) * seconds
        fail(begins, ends)
        late = time.time() - begins
        if late > 0:
            raise CouldNotMeasure(f"this machine is too slow for {seconds:g} s: the plan came {late:.1f} s late")
        _wait(users_of_it, seconds + GIVES_UP + 30)
    return Run(tuple(_records(seen)), begins, ends)


def _wait(locust: Running, within: float) -> None:
    locust.wait_until(lambda: locust.process.poll() is not None, "Locust ends", within)
    if locust.process.returncode:
        raise CouldNotMeasure(f"Locust ended with status {locust.process.returncode}\n{locust.text()[-3000:]}")


def _records(seen: Path) -> list[Asked]:
    """What Locust has written; a last line that is not whole yet is left out."""
    if not seen.exists():
        return []
    return [Asked(**json.loads(line)) for line in seen.read_text(encoding="utf-8").split("\n")[:-1]]
