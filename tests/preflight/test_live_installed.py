"""What the live checks tell of installed distributions: commands without a target, folders that are the project's."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from guardrails.preflight import contained
from guardrails.preflight.checks.live_environment import bound_in
from tests.preflight.lively import live, only, told

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(not contained.WHERE, reason="imports are contained by fork")

ASKS = '[project]\nname = "backend"\ndependencies = ["acme-server>=1"]\n'


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """The folder of libraries of an environment of its own."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "env")], check=True)
    return next((tmp_path / "env").glob("lib/python3*/site-packages"))


def install(site: Path, files: dict[str, str], scripts: str = "", name: str = "acme_server") -> str:
    """A distribution with these files; answers the interpreter."""
    for path, text in files.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_text(text, encoding="utf-8")
    info = site / f"{name}-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n\nText.\n", encoding="utf-8")
    (info / "RECORD").write_text("".join(f"{path},sha256=x,1\n" for path in files), encoding="utf-8")
    if scripts:
        (info / "entry_points.txt").write_text(scripts, encoding="utf-8")
    return str(site.parents[2] / "bin" / "python")


@pytest.mark.parametrize(
    ("files", "target", "absent"),
    [
        ({"acme/__init__.py": ""}, "acme.server:main", "no module 'acme.server'"),
        ({"acme/__init__.py": ""}, "acme:main", "no 'main' in acme"),
        ({"acme/__init__.py": "from .cli import run\n", "acme/cli.py": "main = 1\n"}, "acme:main", "no 'main' in acme"),
        ({"acme/__init__.py": "def f():\n    main = 1\n"}, "acme : main.run", "no 'main' in acme"),
    ],
)  # fmt: skip
def test_a_command_that_points_to_nothing_is_told(
    tmp_path: Path, site: Path, files: dict[str, str], target: str, absent: str
) -> None:
    python = install(site, files, f"[console_scripts]\nacme-serve = {target}\n\n[other]\nx = nowhere:none\n")
    finding = only(live(tmp_path / "p", {"pyproject.toml": ASKS}, "json", python=python))
    assert (finding.rule, finding.severity, finding.path) == ("GR-LIVE-011", "warning", "pyproject.toml")
    assert finding.message == f"the command 'acme-serve' of acme_server-1.2 points to {target}: {absent}"


@pytest.mark.parametrize(
    "text",
    [
        "def main(): ...\n",
        "async def main(): ...\n",
        "class main: ...\n",
        "from .cli import main\n",
        "from .cli import run as main\n",
        "from .cli import *\n",
        "import main\n",
        "import os as main\n",
        "main = 1\n",
        "main: int = 1\n",
        "a, (main, b) = 1, (2, 3)\n",
        "if True:\n    main = 1\n",
        "try:\n    from x import main\nexcept ImportError:\n    def main(): ...\n",
        "with open('x') as main: ...\n",
        "for main in (1,): ...\n",
        "print(main := 1)\n",
        "def f():\n    global main\n    main = 1\nf()\n",
        "def __getattr__(name): ...\n",
        "globals()['main'] = 1\n",
        "import sys\nsys.modules[__name__] = object()\n",
    ],
)
def test_a_command_whose_function_may_be_there_is_not_told(tmp_path: Path, site: Path, text: str) -> None:
    files = {"acme/__init__.py": text, "acme/cli.py": "def main(): ...\nrun = main\n"}
    python = install(site, files, "[console_scripts]\nacme-serve = acme:main [extra]\n")
    assert told(live(tmp_path / "p", {"pyproject.toml": ASKS}, "json", python=python)) == []


def test_a_submodule_may_be_what_a_command_names(tmp_path: Path, site: Path) -> None:
    files = {"acme/__init__.py": "", "acme/main.py": ""}
    python = install(site, files, "[gui_scripts]\nacme-serve = acme:main.run\n")
    assert told(live(tmp_path / "p", {"pyproject.toml": ASKS}, "json", python=python)) == []


def test_commands_of_what_nobody_asked_for_are_not_told(tmp_path: Path, site: Path) -> None:
    python = install(site, {}, "[console_scripts]\nacme-serve = acme:main\n")
    assert told(live(tmp_path / "p", {"pyproject.toml": '[project]\nname = "backend"\n'}, "json", python=python)) == []


def test_a_command_of_the_project_s_own_is_judged_where_it_is_installed(tmp_path: Path, site: Path) -> None:
    python = install(site, {}, "[console_scripts]\nbackend = app.cli:main\n", name="backend")
    (site / "backend.pth").write_text(f"{tmp_path / 'p'}\n", encoding="utf-8")
    files = {"pyproject.toml": '[project]\nname = "backend"\n', "app/cli.py": "def run(): ...\n"}
    finding = only(live(tmp_path / "p", files, "json", python=python))
    assert finding.message == "the command 'backend' of backend-1.2 points to app.cli:main: no 'main' in app.cli"


@pytest.mark.parametrize("source", [b"def f(:\n", b"\xff\xfe", b"x = '\x00'\n"])
def test_a_command_in_a_module_that_cannot_be_read_is_not_told(tmp_path: Path, site: Path, source: bytes) -> None:
    python = install(site, {"acme.py": ""}, "[console_scripts]\nacme-serve = acme:main\n")
    (site / "acme.py").write_bytes(source)
    assert told(live(tmp_path / "p", {"pyproject.toml": ASKS}, "json", python=python)) == []


def test_a_folder_of_tests_that_a_library_installs_is_told_where_the_project_has_one_too(
    tmp_path: Path, site: Path
) -> None:
    python = install(site, {"acme/__init__.py": "", "tests/conf/a.py": "", "tests/b.py": "", "docs/conf.py": ""})
    files = {"pyproject.toml": ASKS, "tests/test_app.py": "", "docs/index.md": ""}
    finding = only(live(tmp_path / "p", files, "json", python=python))
    assert (finding.rule, finding.severity, finding.path) == ("GR-LIVE-012", "warning", "pyproject.toml")
    assert finding.message == (
        "acme_server-1.2 installs tests/conf/a.py beside libraries, and the project has a folder tests/ too"
    )


def test_a_library_s_own_package_and_data_are_no_such_folder(tmp_path: Path, site: Path) -> None:
    python = install(site, {"acme/tests/a.py": "", "tests/data.json": "", "xtests/a.py": ""})
    files = {"pyproject.toml": ASKS, "tests/test_app.py": "", "acme/x.py": ""}
    assert told(live(tmp_path / "p", files, "json", python=python)) == []


def test_names_are_those_that_an_import_binds() -> None:
    assert bound_in(b"import a.b\nfrom c import d as e\nx = y = [z for z in ()]\ndef f(): g = 1\n") == {
        *("a", "e", "x", "y", "z", "f")
    }
