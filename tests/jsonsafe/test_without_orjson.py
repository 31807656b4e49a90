"""The standard library alone does: slower, the same JSON value."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support import ROOT

NAMES = (
    *("kinds", "more_kinds", "bad_input", "bad_values", "nesting", "bounds", "foreign", "loads", "profiles"),
    *("registry", "seams", "graphs", "planned", "oracles"),
)
FILES = [f"tests/jsonsafe/test_{name}.py" for name in NAMES]
BLOCKED = "import sys; sys.modules['orjson'] = None; "


@pytest.mark.slow  # the suite of the room, once more in a process of its own
def test_the_room_passes_its_tests_without_orjson() -> None:
    arguments = ["-q", "-p", "no:randomly", "-p", "no:xdist", "-m", "not long and not slow", *FILES]
    code = f"{BLOCKED}import pytest; sys.exit(pytest.main({arguments!r}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:]


def test_orjson_is_really_gone_there() -> None:
    code = f"{BLOCKED}from guardrails import jsonsafe; from guardrails.jsonsafe import writer; print(writer.engine)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "None\n"
