"""One run: the memory, the sample backend and Locust, each a process of its own, and what Locust saw.

Locust replaces the standard library's sockets in its process, so it never runs in ours.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import tempfile
import time
from pathlib import Path

import httpx

from loadtests.load.figures import Asked, Run
from loadtests.load.processes import CouldNotMeasure, Running, running

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "examples" / "agent_backend"
# The memory is well for a quarter of the run, slow for a third, and well again to the end.
WELL, SLOW = 1 / 4, 1 / 3
# Seconds that a slow search takes, and for which a user waits before he leaves.
DELAY, GIVES_UP = 20.0, 10.0


def run(seconds: float, users: int, *, guarded: bool) -> Run:
    """Let `users` ask for so many seconds. Raises CouldNotMeasure."""
    if importlib.util.find_spec("locust") is None:
        raise CouldNotMeasure("Locust is not installed: pip install 'guardrails-ops[load]'")
    with tempfile.TemporaryDirectory(prefix="load-") as name:
        folder = Path(name)
        serve = [sys.executable, "-m", "loadtests.load.memory"]
        with running("memory", serve, folder, ROOT) as memory:
            remembers = memory.address()
            serve = [sys.executable, "-m", "uvicorn", "app.main:app", "--host", "127.0.0.1", "--port", "0"]
            serve += ["--no-access-log", "--timeout-graceful-shutdown", "1"]
            settings = {
                "AGENT_DB": str(folder / "agent.db"),
                "AGENT_MEMORY_URL": remembers,
                "AGENT_GUARDS": "on" if guarded else "off",
                "AGENT_LOG_LEVEL": "WARNING",
            }
            with running("agent", serve, folder, SAMPLE, **settings) as agent:
                return _asked(agent.address(), remembers, folder, seconds, users)


def _asked(agent: str, memory: str, folder: Path, seconds: float, users: int) -> Run:
    seen = folder / "seen.jsonl"
    locust = [sys.executable, "-m", "locust", "--locustfile", str(ROOT / "loadtests" / "locustfile.py"), "--headless"]
    locust += ["--host", agent, "--users", str(users), "--spawn-rate", str(users), "--run-time", f"{seconds:g}s"]
    # Who still waits is waited for: an answer that does not come counts.
    locust += ["--stop-timeout", f"{GIVES_UP + 5:g}", "--only-summary", "--exit-code-on-error", "0"]
    told = {"LOAD_SEEN": str(seen), "LOAD_GIVES_UP": str(GIVES_UP)}
    with running("locust", locust, folder, ROOT, **told) as users_of_it:
        users_of_it.wait_until(lambda: _records(seen), "the first question is answered")
        began = _records(seen)[0].at
        plan = {"begins": began + WELL * seconds, "ends": began + (WELL + SLOW) * seconds, "delay": DELAY}
        httpx.post(f"{memory}/plan", json=plan, timeout=5, trust_env=False).raise_for_status()
        late = time.time() - plan["begins"]
        if late > 0:
            raise CouldNotMeasure(f"this machine is too slow for {seconds:g} s: the plan came {late:.1f} s late")
        _wait(users_of_it, seconds + GIVES_UP + 30)
    return Run(tuple(_records(seen)), plan["begins"], plan["ends"])


def _wait(locust: Running, within: float) -> None:
    locust.wait_until(lambda: locust.process.poll() is not None, "Locust ends", within)
    if locust.process.returncode:
        raise CouldNotMeasure(f"Locust ended with status {locust.process.returncode}\n{locust.text()[-3000:]}")


def _records(seen: Path) -> list[Asked]:
    """What Locust has written; a last line that is not whole yet is left out."""
    if not seen.exists():
        return []
    return [Asked(**json.loads(line)) for line in seen.read_text(encoding="utf-8").split("\n")[:-1]]
