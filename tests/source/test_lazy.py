"""A module's `__getattr__` is trusted to serve only what its tables hold where its code shows that it does."""

from __future__ import annotations

import textwrap

import pytest

from guardrails.source.lazy import served

TABLE = '_LAZY = {"Client": "client"}\n'
SHAPES = {
    "tested, then refused": """
        def __getattr__(name):
            if name in _LAZY:
                return load(name)
            raise AttributeError(name)
        """,
    "refused first": """
        def __getattr__(name):
            "Serve lazily."
            if name not in _LAZY:
                raise AttributeError(f"no {name}")
            return load(_LAZY[name])
        """,
    "looked up": """
        def __getattr__(name):
            import importlib
            where = _LAZY.get(name)
            if where is None:
                raise AttributeError
            return getattr(importlib.import_module(where), name)
        """,
    "looked up in the test": """
        def __getattr__(name: str) -> object:
            if (where := _LAZY.get(name)) is not None:
                return load(where)
            raise AttributeError(name)
        """,
    "with a subscript": """
        def __getattr__(name):
            try:
                where = _LAZY[name]
            except KeyError:
                raise AttributeError(name) from None
            return load(where)
        """,
    "a chain": """
        def __getattr__(name):
            if name == "other":
                return 1
            elif name in _LAZY.keys() or name in ("a", "b"):
                return 2
            else:
                raise AttributeError(name)
        """,
}
LAST = "    raise AttributeError(name)\n"
OPEN = {
    "no refusal": "def __getattr__(name):\n    return load(name)\n",
    "another test": "def __getattr__(name):\n    if name.islower():\n        return 1\n" + LAST,
    "another error": "def __getattr__(name):\n    if name in _LAZY:\n        return 1\n    raise KeyError(name)\n",
    "a fall-back": "def __getattr__(name):\n    if name in _LAZY:\n        return 1\n    return getattr(inner, name)\n",
    "a loop": "def __getattr__(name):\n    for m in modules:\n        return m\n" + LAST,
    "two tests": "def __getattr__(name):\n    if name in _LAZY or ok:\n        return 1\n" + LAST,
    "decorated": "@cache\ndef __getattr__(name):\n    if name in _LAZY:\n        return 1\n" + LAST,
}
ASKS = "def __getattr__(name):\n    if name in _LAZY:\n        return 1\n    raise AttributeError(name)\n"
ELSEWHERE = {
    "imported": "from x import _LAZY\n",
    "updated": '_LAZY = {"Client": 1}\n_LAZY.update(more)\n',
    "filled": '_LAZY = {"Client": 1}\n_LAZY[f"{x}"] = 1\n',
    "extended": '_LAZY = ["Client"]\n_LAZY += more\n',
    "computed": '_LAZY = {f"{x}Client": 1 for x in ("a", "b")}\n',
    "spread": "_LAZY = {**other}\n",
    "from a call": "_LAZY = find_all()\n",
    "split": '_LAZY = set("Client Server".split())\n',
    "from another's values": "_LAZY = {name: 1 for name in other.names}\n",
    "twice": '_LAZY = {"Client": 1}\n_LAZY = other\n',
    "globals": '_LAZY = {"Client": 1}\nglobals()["x"] = 1\n',
}


def strings_of(source: str) -> frozenset[str] | None:
    return served(source.encode())


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_that_refuses_the_rest_serves_the_strings_of_the_file(shape: str) -> None:
    strings = strings_of(TABLE + textwrap.dedent(SHAPES[shape]))
    assert strings is not None
    assert "Client" in strings
    assert "Server" not in strings


@pytest.mark.parametrize("shape", OPEN)
def test_any_other_shape_may_serve_any_name(shape: str) -> None:
    assert strings_of(TABLE + OPEN[shape]) is None


@pytest.mark.parametrize("table", ELSEWHERE)
def test_a_table_that_is_not_written_out_may_hold_any_name(table: str) -> None:
    assert strings_of(ELSEWHERE[table] + ASKS) is None


def test_tables_may_be_made_of_tables() -> None:
    source = (
        '_GROUPS = {"client": ["Client"], "server": ("Server",)}\n'
        "_BY_NAME: dict[str, str] = {name: module for module, names in _GROUPS.items() for name in names}\n"
        '_LAZY = frozenset(_BY_NAME) | {"Extra"}\n'
    )
    strings = strings_of(source + ASKS)
    assert strings is not None
    assert {"Client", "Server", "Extra"} <= strings


def test_what_all_promises_is_not_what_is_served() -> None:
    assert "Gone" not in (strings_of('__all__ = ["Client", "Gone"]\n' + TABLE + ASKS) or {"Gone"})


def test_the_promises_of_all_are_served_where_they_are_the_table() -> None:
    hook = (
        "def __getattr__(name):\n    if name in __all__:\n        return load(name)\n    raise AttributeError(name)\n"
    )
    assert served(f'__all__ = ("Client", "Other")\n{hook}'.encode()) == {"Client", "Other"}
    made_of_it = '__all__ = ("Client",)\nTABLE = (*__all__, "old")\n' + hook.replace("in __all__", "in TABLE")
    assert served(made_of_it.encode()) == {"Client", "old"}


def test_a_hook_may_keep_what_it_served() -> None:
    hook = ASKS.replace("return 1", "globals()[name] = value = 1\n        return value")
    assert strings_of(TABLE + hook + "def __dir__():\n    return sorted(globals())\n") is not None


@pytest.mark.parametrize("source", ["def f(:", "", "\0", "x = 1"])
def test_what_has_no_hook_or_is_no_python_may_serve_any_name(source: str) -> None:
    assert strings_of(source) is None
