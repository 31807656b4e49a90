"""What several tests share."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SRC = ROOT / "src" / "guardrails"


def need(name: str, what: str) -> str:
    """The path of the program `name`, or `name` itself when it is a module that can be imported.

    Skips the test where there is neither, and says that `what` was not tested; fails it instead when
    GUARDRAILS_REQUIRE_ALL is set, because on a machine that promises everything a skip hides a gap.
    """
    beside = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
    program = shutil.which(name, path=beside)
    if program is not None:
        return program
    if importlib.util.find_spec(name) is not None:
        return name
    reason = f"{name} is not installed: {what} not tested"
    if os.environ.get("GUARDRAILS_REQUIRE_ALL"):
        pytest.fail(f"{reason} (GUARDRAILS_REQUIRE_ALL is set)", pytrace=False)
    pytest.skip(reason)
