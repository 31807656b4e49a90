"""The tables of what the standard library lost and gained are held against the one that runs the tests."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from guardrails.preflight.checks import imports_tables as tables

# Says of each module and of each name in it whether it is there. Alone, because some warn and some start things.
LOOK = """
import importlib, json, sys, warnings
warnings.simplefilter("ignore")
def has(module, name=None):
    try:
        found = importlib.import_module(module)
        return name is None or hasattr(found, name)
    except ModuleNotFoundError as exc:
        return exc.name is not None and not (module + ".").startswith(exc.name + ".")
    except ImportError:
        return True
wanted = json.load(sys.stdin)
json.dump([has(*item) for item in wanted], sys.stdout)
"""
# Modules that are only built on some systems.
ELSEWHERE = {"msilib", "nis", "ossaudiodev", "spwd", "crypt", "_dummy_threading"}
RUNNING = sys.version_info[:2]


def there(wanted: list[list[str]]) -> list[bool]:
    command = [sys.executable, "-I", "-S", "-c", LOOK]
    done = subprocess.run(command, input=json.dumps(wanted), capture_output=True, text=True, check=True)
    answers: list[bool] = json.loads(done.stdout)
    return answers


def entries(modules: dict[str, Any], names: dict[str, dict[str, Any]]) -> list[tuple[list[str], tuple[int, int]]]:
    # A name of a module that is itself gone says nothing.
    below = [
        ([m, n], v) for m, found in names.items() if tables.GONE.get(m, (9, 9)) > RUNNING for n, v in found.items()
    ]
    return [([m], v) for m, v in modules.items() if m not in ELSEWHERE] + below


@pytest.mark.parametrize(
    ("kind", "listed"),
    [("gone", entries(tables.GONE, tables.NAMES_GONE)), ("new", entries(tables.NEW, tables.NAMES_NEW))],
)
def test_the_running_python_has_what_the_tables_say(kind: str, listed: list[tuple[list[str], tuple[int, int]]]) -> None:
    expected = {".".join(item): (version > RUNNING) == (kind == "gone") for item, version in listed}
    assert dict(zip(expected, there([item for item, _ in listed]), strict=True)) == expected


def test_all_that_is_listed_is_looked_for() -> None:
    listed = {
        name.partition(".")[0]
        for table in (tables.GONE, tables.NEW, tables.NAMES_GONE, tables.NAMES_NEW)
        for name in table
    }
    assert listed == tables.CONCERNED
