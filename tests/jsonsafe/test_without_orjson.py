"""The standard library alone does: slower, the same JSON value."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support import ROOT

# Each group in a process of its own, so that they run side by side.
GROUPS = (
    ("kinds",),
    ("more_kinds", "bad_values", "bounds", "foreign"),
    ("loads", "profiles", "registry", "seams", "planned"),
)
MORE = ("bad_input", "graphs", "nesting", "oracles", "secrets")
BLOCKED = "import sys; sys.modules['orjson'] = None; "


def without_orjson(names: tuple[str, ...], marks: str) -> None:
    files = [f"tests/jsonsafe/test_{name}.py" for name in names]
    arguments = ["-q", "-p", "no:randomly", "-p", "no:xdist", "-m", marks, *files]
    code = f"{BLOCKED}import pytest; sys.exit(pytest.main({arguments!r}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:]


@pytest.mark.slow  # the suite of the room, once more in a process of its own
@pytest.mark.parametrize("names", GROUPS, ids=" ".join)
def test_the_room_passes_its_tests_without_orjson(names: tuple[str, ...]) -> None:
    without_orjson(names, "not long and not slow")


@pytest.mark.long
@pytest.mark.timeout(1800)  # the long tests of the room, once more
def test_the_room_passes_its_long_tests_without_orjson() -> None:
    without_orjson(MORE, "not long and not slow")
    without_orjson(("graphs", "planned"), "long")


def test_orjson_is_really_gone_there() -> None:
    code = f"{BLOCKED}from guardrails import jsonsafe; from guardrails.jsonsafe import writer; print(writer.engine)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "None\n"
