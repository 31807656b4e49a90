"""The command as a user runs it, in a process of its own, and the projects that the tests give it."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SOUND = {
    "app/__init__.py": "",
    "app/main.py": "from fastapi import FastAPI\n\napp = FastAPI()\n\n\n@app.get('/a')\ndef a(): ...\n",
}
# GR-ROUTE-001 in line 10: an error.
BROKEN = {**SOUND, "app/main.py": SOUND["app/main.py"] + "\n\n@app.get('/a')\ndef again(): ...\n"}
# GR-SHADOW-002 where nothing says how the project is started: a warning.
DOUBTFUL = {**SOUND, "statistics.py": "def mean(): ...\n"}
UNREADABLE = {"broken.py": "def (:\n"}
WAIVER = """
[[tool.guardrails.waiver]]
id = "{id}"
where = "{where}"
reason = "{reason}"
owner = "{owner}"
until = {until}
"""


def guardrails(*arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command there, under an environment that holds no setting of this toolkit but `variables`."""
    ours = ("GUARDRAILS_", "NO_COLOR", "FORCE_COLOR", "COV")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return subprocess.run(
        [sys.executable, "-m", "guardrails", *arguments],
        cwd=cwd,
        env={**kept, "PYTHONUTF8": "1", **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


def project(folder: Path, files: Mapping[str, str], settings: str = "") -> Path:
    """A project on the disk; `settings` is its pyproject.toml."""
    for name, text in {**files, **({"pyproject.toml": settings} if settings else {})}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def waiver(**said: str) -> str:
    """One waiver as TOML, of GR-ROUTE-001 in app/main.py until 2099 where `said` does not differ."""
    given = {
        "id": "GR-ROUTE-001",
        "where": "app/main.py",
        "reason": "goes with v1",
        "owner": "@api",
        "until": "2099-12-31",
    }
    return WAIVER.format(**{**given, **said})
