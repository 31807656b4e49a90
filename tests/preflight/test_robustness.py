"""Code that is written to be slow to judge is judged in time; what cannot be read is told and is no crash."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from guardrails.preflight.checks import shadow
from guardrails.source.parse import CACHE_FOLDER
from tests.preflight.cases import found, gate, write_files

if TYPE_CHECKING:
    from pathlib import Path

# Each of them took minutes, or for ever, when every path through it was walked.
COUNT = 7
OTHERS = {n: [m for m in range(COUNT) if m != n] for n in range(COUNT)}
USE = "from functools import cache\n\n\n@cache\n@thing.get('/x')\ndef f(): ...\n"
WEBS = {
    "star imports": {
        **{f"m{n}.py": "".join(f"from m{m} import *\n" for m in OTHERS[n]) for n in OTHERS},
        "x.py": "from m0 import *\n" + USE,
    },
    "factories": {
        "x.py": "".join(
            f"def f{n}(x):\n" + "".join(f"    if x == {m}: return f{m}(x)\n" for m in range(COUNT))
            for n in range(COUNT)
        )
        + "thing = f0(1)\n"
        + USE
    },
    "a factory that calls itself": {
        "x.py": "def make(n):\n" + "    if n: return make(1)\n" * COUNT + "    return make(2)\nthing = make(1)\n" + USE
    },
    "base classes": {
        "x.py": "".join(f"class C{n}({', '.join(f'C{m}' for m in range(COUNT))}): ...\n" for n in range(COUNT))
        + "thing = C0()\n"
        + USE
    },
    "decorators": {
        "x.py": "".join(
            f"def d{n}(f):\n" + "".join(f"    if x: return d{m}(f)\n" for m in range(COUNT)) for n in range(COUNT)
        )
        + "from celery import shared_task\n\n\n@d0\n@shared_task\ndef f(): ...\n"
    },
    "prefixes": {
        "x.py": "from fastapi import APIRouter, FastAPI\n"
        "P0 = '/x'\n"
        + "".join(f"P{n} = P{n - 1}" + f" + P{n - 1}" * 4 + "\n" for n in range(1, 20))
        + "r = APIRouter(prefix=P19)\n\n\n@r.get('/')\ndef f(): ...\n\n\napp = FastAPI()\napp.include_router(r)\n"
    },
    "routers": {
        "x.py": "from fastapi import APIRouter, FastAPI\n"
        + "".join(f"r{n} = APIRouter()\n" for n in range(5))
        + "".join(f"r{n}.include_router(r{m}, prefix='/{n}')\n" for n in range(5) for m in range(5) if n != m)
        + "app = FastAPI()\napp.include_router(r0)\n\n\n@r0.get('/x')\ndef f(): ...\n"
    },
    "many routes": {
        "x.py": "from fastapi import APIRouter\n\nr = APIRouter()\n"
        + "".join(f"\n\n@r.get('/x{n}/{{id}}')\ndef f{n}(): ...\n" for n in range(700))
    },
    "many attributes": {
        "x.py": "class A:\n"
        + "".join(
            f"    def m{n}(self):\n        self.a{n} = self.a{n + 1}\n        self.b.include_router(self.a{n})\n"
            for n in range(500)
        )
    },
}
LIMIT = 60


@pytest.mark.parametrize("name", WEBS)
def test_code_that_refers_to_itself_in_circles_is_judged_in_time(tmp_path: Path, name: str) -> None:
    """In a process of its own: what never ends must not take the other tests with it."""
    write_files(tmp_path, WEBS[name])
    command = [sys.executable, "-m", "guardrails", "preflight", "--no-record", "--format", "json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=LIMIT, check=False)
    assert done.returncode in (0, 1)
    assert b"the check crashed" not in done.stdout


@pytest.mark.usefixtures("no_processes")
def test_pages_and_settings_that_are_gone_or_pipes_are_no_crash(tmp_path: Path) -> None:
    write_files(tmp_path, {"app/__init__.py": "", "app/main.py": "from fastapi import FastAPI\n\napp = FastAPI()\n"})
    (tmp_path / "README.md").symlink_to(tmp_path / "gone.md")
    (tmp_path / "docs").mkdir()
    for name in ("docs/guide.md", "setup.cfg", "requirements.txt", "Procfile"):
        os.mkfifo(tmp_path / name)
    record = gate(tmp_path)
    assert (record.verdict, found(record)) == ("passed", ())


@pytest.mark.usefixtures("no_processes")
def test_a_module_that_does_not_parse_shadows_all_the_same(tmp_path: Path) -> None:
    files = {"app/__init__.py": "", "app/x.py": "def (:\n", "app/x/__init__.py": "", "app/ok.py": "x = 1\n"}
    record = gate(write_files(tmp_path, files))
    assert [finding.path for finding in record.findings] == ["app/x.py"]
    assert [item.path for item in record.not_analysed] == ["app/x.py"]


@pytest.mark.usefixtures("no_processes")
def test_a_module_that_vanishes_under_the_gate_is_no_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"app/__init__.py": "", "app/x.py": "x = 1\n", "app/x/__init__.py": ""}
    write_files(tmp_path, files)
    check = shadow.check

    def late(context: object) -> object:
        (tmp_path / "app" / "x.py").unlink(missing_ok=True)
        return check(context)  # type: ignore[arg-type]

    monkeypatch.setattr(shadow, "check", late)
    assert gate(tmp_path).summary["checks_crashed"] == 0


@pytest.mark.usefixtures("no_processes")
def test_a_cache_that_lies_can_mislead_and_cannot_crash(tmp_path: Path) -> None:
    """It may come with a stranger's repository: whatever it says, the run ends with a verdict."""
    write_files(tmp_path, {"app.py": "x = 1\n", "b.py": "y = 2\n"})
    gate(tmp_path)
    cache = tmp_path / CACHE_FOLDER / "facts.jsonl"
    header, *lines, _ = cache.read_bytes().split(b"\n")
    for lie in (
        b'{"scopes": []}',
        b'{"scopes": 3}',
        b'{"scopes": [[]], "lines": "x"}',
        b'{"scopes": [["module", "", 1, -1, "", [], [], [], []]], "lines": 1, "binds": [[9, "", 1, "x", "y"]]}',
        b'{"scopes": [["module", "", 1, -1, "", [], [], [], []]], "lines": 1, "calls": [[0, "", 1, 3]]}',
        b'{"error": 3}',
    ):
        cache.write_bytes(b"\n".join([header, *(line[:33] + lie for line in lines), b""]))
        done = subprocess.run(
            [sys.executable, "-m", "guardrails", "preflight", "--format", "json"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode in (0, 1, 3)
        assert "Traceback" not in done.stderr
