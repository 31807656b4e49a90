"""An import reaches the project's own files; what a closed folder lacks is missing; the rest is not known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from guardrails.source.extract import extract
from guardrails.source.reach import FOREIGN, Missing, Reach
from tests.source.projects import load

if TYPE_CHECKING:
    from pathlib import Path

FILES = {
    "app/__init__.py": "",
    "app/api/__init__.py": "",
    "app/api/chat.py": "",
    "app/db.py": "def connect(): ...\n",
    "app/plain/x.py": "",
    "corp/billing/__init__.py": "",
    "corp/billing/api.py": "",
    "main.py": "",
    "redis.py": "",
}


@pytest.fixture
def reach(tmp_path: Path) -> Reach:
    return Reach(load(tmp_path, FILES), {"redis"})


@pytest.mark.parametrize(
    ("folder", "level", "dotted", "path"),
    [
        ("", 0, "app", "app/__init__.py"),
        ("", 0, "app.api.chat", "app/api/chat.py"),
        ("app/api", 0, "app.db", "app/db.py"),
        ("app/api", 1, "", "app/api/__init__.py"),
        ("app/api", 1, "chat", "app/api/chat.py"),
        ("app/api", 2, "db", "app/db.py"),
        ("app", 0, "app.plain.x", "app/plain/x.py"),
        ("app/plain", 2, "db", "app/db.py"),
        ("", 0, "corp.billing.api", "corp/billing/api.py"),
        ("app", 0, "main", "main.py"),
    ],
)
def test_an_import_reaches_a_file(reach: Reach, folder: str, level: int, dotted: str, path: str) -> None:
    assert reach.target(folder, level, dotted) == (path,)


@pytest.mark.parametrize(
    ("folder", "level", "dotted", "missing"),
    [
        ("", 0, "app.cache", ("app", "cache", None, False)),
        ("app", 1, "cache.x", ("app", "cache", None, False)),
        ("app/api", 0, "app.db.pool", ("app/db", "pool", "app/db.py", False)),
        ("", 0, "app.plain.y", ("app/plain", "y", None, False)),
        ("app", 3, "x", ("", "x", None, True)),
        ("", 0, "corp.billing.gone", ("corp/billing", "gone", None, False)),
    ],
)
def test_what_a_closed_folder_lacks_is_missing(
    reach: Reach, folder: str, level: int, dotted: str, missing: tuple[str, str, str | None, bool]
) -> None:
    answer = reach.target(folder, level, dotted)
    assert isinstance(answer, Missing)
    assert (answer.folder, answer.name, answer.hidden_by, answer.beyond) == missing


@pytest.mark.parametrize(
    ("folder", "level", "dotted"),
    [("", 0, "corp.auth"), ("corp", 1, "x"), ("", 1, "x"), ("app", 0, "redis.asyncio"), ("", 0, "app.plain")],
)
def test_what_others_may_add_to_is_not_known(reach: Reach, folder: str, level: int, dotted: str) -> None:
    assert reach.target(folder, level, dotted) is None


@pytest.mark.parametrize("dotted", ["os.path", "httpx", "chat", "db.pool"])
def test_a_first_name_that_no_root_offers_is_foreign(reach: Reach, dotted: str) -> None:
    assert reach.target("app", 0, dotted) is FOREIGN


def test_a_star_brings_the_names_of_what_is_known(tmp_path: Path) -> None:
    files = {"a.py": "from b import *\nx = 1\n", "b.py": "from a import *\ny = 2\n", "c.py": "from lib import *\n"}
    reach = Reach(load(tmp_path, files))
    assert [reach.has("a.py", name) for name in ("x", "y", "z")] == [True, True, False]
    assert [reach.has("c.py", "z"), reach.has("gone.py", "z")] == [None, None]


def test_a_name_for_type_checkers_is_no_name(tmp_path: Path) -> None:
    source = "if TYPE_CHECKING:\n    import a\n    b: int = 1\n    class c: ...\nelse:\n    a = 1\n"
    offer = Reach(load(tmp_path, {"x.py": source})).offer("x.py")
    assert (offer.names, offer.typed) == ({"a"}, {"b", "c"})


def test_names_are_told_by_what_python_itself_binds(tmp_path: Path) -> None:
    """Every name that a module of the standard library's kind really has is offered."""
    source = (
        "import os.path, json as j\nfrom math import pi as p, e\na = b = 1\n(c, [d, *f]), g = (1, [2, 3]), 4\n"
        "for h, (i, k) in [(1, (2, 3))]: pass\nwith open(os.devnull) as l: pass\nif (m := 1): n: int = 2\n"
        "try: o = 1\nexcept E: q = 2\nelse: r = 3\nfinally: s = 4\n"
        "match [1, 2]:\n    case [t, *u]: pass\n"
        "def v():\n    global w\n    w = 1\nv()\nclass x: ...\nasync def y(): ...\nz = [aa := 1 for ab in [1]]\n"
    )
    space: dict[str, object] = {}
    exec(source, space)
    reach = Reach(load(tmp_path, {"x.py": source}))
    real = {name for name in space if not name.startswith("__")}
    assert real - reach.offer("x.py").names == set()
    assert reach.offer("x.py").names - real == {"q"}
    assert "error" not in extract(source.encode())
