"""What the tests of the live checks share: small projects that run, and a look at the processes that are left."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from guardrails.config import Config, EnvironmentConfig, ImportsConfig
from guardrails.preflight import run_gate
from tests.preflight.cases import write_files

if TYPE_CHECKING:
    from collections.abc import Mapping

    from guardrails.evidence import Finding, GateRecord

MARKER = "LIVE_CHECKS_TEST_MARKER"


def live(
    folder: Path,
    files: Mapping[str, str],
    *critical: str,
    optional: tuple[str, ...] = (),
    settings: str | None = None,
    python: str | None = None,
    **imports: object,
) -> GateRecord:
    """Run the live checks over a project of these files."""
    write_files(folder, {"app/__init__.py": "", **files})
    config = Config(
        imports=ImportsConfig(critical=critical, optional=optional, **imports),  # type: ignore[arg-type]
        environment=EnvironmentConfig(settings),
        python=python,
    )
    return run_gate(folder, config=config, select=["GR-LIVE"])


def told(record: GateRecord) -> list[tuple[str, str]]:
    """(rule, message) of each finding, without the family's name."""
    return sorted((finding.rule[-3:], finding.message) for finding in record.findings)


def rules(record: GateRecord) -> list[str]:
    return [rule for rule, _ in told(record)]


def only(record: GateRecord) -> Finding:
    (finding,) = record.findings
    return finding


def note(record: GateRecord) -> str:
    return next(text for text in record.notes if text.startswith("imports: "))


def marked(value: str) -> list[int]:
    """The processes whose environment holds the marker, the dead ones that nobody has waited for too."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environ = (folder / "environ").read_bytes()
        except OSError:
            continue
        if f"{MARKER}={value}".encode() in environ and folder.name != str(os.getpid()):
            found.append(int(folder.name))
    return found


def gone(value: str, within: float = 5.0) -> bool:
    """Whether no marked process is left, at the latest after so many seconds."""
    end = time.monotonic() + within
    while marked(value):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
