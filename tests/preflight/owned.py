"""What the tests of own checks share: projects with checks in them, run for real, and a look at what is left."""

from __future__ import annotations

import os
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING

from guardrails.config import Config, PreflightConfig
from guardrails.preflight import run_gate
from guardrails.preflight.own_checks import OwnChecks
from tests.preflight.cases import write_files

if TYPE_CHECKING:
    from collections.abc import Mapping

    from guardrails.evidence import GateRecord

HEAD = """\
import os, signal, subprocess, sys, time
from guardrails.preflight import check, fail, ok, skip
"""
FILES = "checks/*.py"


def source(text: str) -> str:
    """A file of checks, with what every one of them imports."""
    return HEAD + textwrap.dedent(text)


def owned(
    folder: Path, *texts: str, wait: float = 0.0, deadline: float = 60.0, select: tuple[str, ...] = ()
) -> OwnChecks:
    """The checks of these files, run alone."""
    write_files(folder, {f"checks/c{number}.py": source(text) for number, text in enumerate(texts)})
    own = OwnChecks(wait, deadline)
    own.run(folder, [FILES], select=select)
    return own


def gated(folder: Path, files: Mapping[str, str], *, own: OwnChecks | None = None, **given: object) -> GateRecord:
    """The whole gate over a project of these files, whose checks lie in checks/."""
    write_files(folder, {"app/__init__.py": "", **files})
    config = Config(plugins=(FILES,), preflight=PreflightConfig(record=False))
    return run_gate(folder, config=config, own=own, **given)  # type: ignore[arg-type]


def statuses(own: OwnChecks) -> dict[str, str]:
    return {result.id: result.status for result in own.results}


def reasons(own: OwnChecks) -> dict[str, str | None]:
    return {result.id: result.reason for result in own.results}


def alive(marker: str) -> list[int]:
    """The processes whose command line holds the marker; zombies have none."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if marker.encode() in entry.read_bytes() and int(entry.parent.name) != os.getpid():
                found.append(int(entry.parent.name))
        except OSError:  # it has just ended
            continue
    return found


def gone(marker: str, within: float = 10.0) -> bool:
    """Whether no process of that marker is left, soon."""
    end = time.monotonic() + within
    while alive(marker):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
