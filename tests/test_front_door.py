"""The front door: explicit, lazy, cheap, and honest to type checkers."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

import guardrails
from tests.support import SRC

TREE = ast.parse((SRC / "__init__.py").read_text(encoding="utf-8"))


def imported_for_type_checkers() -> dict[str, str]:
    """What the `if TYPE_CHECKING:` block imports: name to module."""
    (block,) = (node for node in TREE.body if isinstance(node, ast.If))
    return {
        alias.name: (node.module or "").removeprefix("guardrails.")
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def test_type_checkers_see_the_names_that_are_loaded_from_the_same_places() -> None:
    assert imported_for_type_checkers() == guardrails._HOMES


def test_the_public_list_is_the_table() -> None:
    assert sorted(guardrails.__all__) == sorted(guardrails._HOMES)


def test_every_public_name_is_there() -> None:
    missing = {}
    for name in guardrails.__all__:
        try:
            getattr(guardrails, name)
        except (ImportError, AttributeError) as exc:
            missing[name] = str(exc)
    assert missing == {}


def test_every_public_name_is_listed_and_the_list_is_sorted() -> None:
    listed = dir(guardrails)
    assert set(guardrails.__all__) - set(listed) == set()
    assert listed == sorted(listed)


def test_a_name_that_does_not_exist_is_named_in_the_error() -> None:
    with pytest.raises(AttributeError, match="module 'guardrails' has no attribute 'Gaurd'"):
        guardrails.Gaurd  # noqa: B018


def in_a_fresh_interpreter(code: str) -> str:
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    return done.stdout


def test_an_import_adds_at_most_seven_modules_to_a_bare_interpreter() -> None:
    code = "import sys; before = set(sys.modules); import guardrails; print(*set(sys.modules) - before)"
    added = in_a_fresh_interpreter(code).split()
    assert len(added) <= 7, added


def test_a_name_is_looked_up_once() -> None:
    code = "import guardrails; guardrails.Finding; print('Finding' in vars(guardrails))"
    assert in_a_fresh_interpreter(code) == "True\n"


def test_an_error_does_not_cost_the_machinery_of_the_gate() -> None:
    code = "import sys; from guardrails import ConfigError; print('dataclasses' in sys.modules)"
    assert in_a_fresh_interpreter(code) == "False\n"
