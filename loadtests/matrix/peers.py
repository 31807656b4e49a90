"""Who is compared, each as its own documentation sets it up; and the environments of those that ours cannot hold."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Final

from loadtests.matrix.running import ROOT, Caller, Failed

if TYPE_CHECKING:
    from pathlib import Path

ENVIRONMENTS: Final = ROOT / "build" / "matrix"
OFFICIAL: Final = "loadtests.matrix.callers.official"


def both(wire: str) -> tuple[str, ...]:
    """The libraries of HTTP that an official client takes: anthropic's takes httpx2 alone."""
    return ("httpx2",) if wire == "anthropic" else ("httpx", "httpx2")


CALLERS: Final = (
    Caller("official clients", (OFFICIAL, "bare"), "`OpenAI(timeout=…)`, `Anthropic(timeout=…)`", families=both),
    Caller(
        "litellm Router",
        ("loadtests.matrix.callers.litellm_router",),
        '`Router(model_list=[main, spare], fallbacks=[{"main": ["spare"]}], timeout=…, stream_timeout=…)`, after '
        "docs.litellm.ai/docs/routing and /docs/proxy/reliability",
        # What its Responses import, and its metadata does not name.
        ("litellm==1.106.2", "mcp"),
    ),
    Caller(
        "pydantic-ai FallbackModel",
        ("loadtests.matrix.callers.pydantic_ai_fallback",),
        '`Agent(FallbackModel(main, spare), model_settings={"timeout": …})`, after ai.pydantic.dev/models',
        ("pydantic-ai-slim[anthropic,openai]==2.68.0",),
        lambda wire: ("httpx2",),  # noqa: ARG005 - there is no choice
    ),
    Caller(
        "ours, one server",
        (OFFICIAL, "healing"),
        "`healing_client(Client, StreamPolicy(first_token=…, idle=…))` under the official clients",
        families=both,
    ),
    Caller(
        "ours, one fallback",
        (OFFICIAL, "fallbacks"),
        "`healing_client(Client, StreamPolicy(first_token=…, idle=…), fallbacks=[Target(…)])`, likewise",
        families=both,
    ),
)


def interpreter(caller: Caller, folder: Path = ENVIRONMENTS) -> str:
    """The Python that has what a caller needs; made once, from the package index. Raises Failed."""
    if not caller.requires:
        return sys.executable
    place = folder / "-".join(caller.requires).replace("[", "-").replace("]", "-").replace(",", "-")
    python = place / "bin" / "python"
    stamp = place / "complete"
    if not stamp.exists():
        made = [[sys.executable, "-m", "venv", "--clear", str(place)], [str(python), "-m", "pip", "install", "-q"]]
        for command in (made[0], [*made[1], *caller.requires]):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise Failed(f"{' '.join(caller.requires)} cannot be installed: {done.stderr.strip()[-200:]}")
        stamp.touch()
    return str(python)
