"""Where a project's imports start, which Python it is for, and what it depends on."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from guardrails.source.files import list_files
from guardrails.source.layout import Layout, Pin, lower_bound, normalised, read_layout
from tests.source.projects import write

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

APP = {"app/__init__.py": "", "app/main.py": ""}
BUILD = '[project]\nname = "svc"\nversion = "1"\n\n[build-system]\nrequires = []\nbuild-backend = "x"\n'


def layout(folder: Path, files: Mapping[str, str], src: tuple[str, ...] = ()) -> Layout:
    return read_layout(list_files(write(folder, files)), src)


def roots(folder: Path, files: Mapping[str, str], src: tuple[str, ...] = ()) -> dict[str, str]:
    return {root.folder: root.kind for root in layout(folder, files, src).roots}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (APP, {"": "assumed"}),
        ({**APP, "Procfile": "web: uvicorn app.main:app\n"}, {"": "entry"}),
        ({"backend/manage.py": "", "backend/shop/__init__.py": ""}, {"backend": "entry"}),
        ({"a/b/c/d/manage.py": ""}, {"": "assumed"}),
        ({**APP, "alembic.ini": "[alembic]\nprepend_sys_path = .\n"}, {"": "assumed"}),
        ({"src/svc/__init__.py": "", "pyproject.toml": BUILD}, {"src": "installed"}),
        ({"svc/__init__.py": "", "pyproject.toml": BUILD}, {"": "assumed"}),
        ({"src/svc/__init__.py": "", "pyproject.toml": "[tool.ruff]\n"}, {"": "assumed"}),
        ({"src/__init__.py": "", "pyproject.toml": BUILD}, {"": "assumed"}),
        (
            {"src/svc/__init__.py": "", "pyproject.toml": BUILD, "Procfile": "web: uvicorn --app-dir src svc:app\n"},
            {"src": "entry"},
        ),
        (
            {"api/src/a/__init__.py": "", "api/pyproject.toml": BUILD, "web/manage.py": ""},
            {"web": "entry", "api/src": "installed"},
        ),
        (
            {"lib/a/__init__.py": "", "pyproject.toml": BUILD + '[tool.setuptools.package-dir]\n"" = "lib"\n'},
            {"lib": "installed"},
        ),
        (
            {"lib/a/__init__.py": "", "pyproject.toml": BUILD + '[tool.setuptools.packages.find]\nwhere = ["lib"]\n'},
            {"lib": "installed"},
        ),
        (
            {"py/a/__init__.py": "", "pyproject.toml": '[tool.poetry]\npackages = [{include = "a", from = "py"}]\n'},
            {"py": "installed"},
        ),
        (
            {"py/a/__init__.py": "", "pyproject.toml": BUILD + '[tool.uv.build-backend]\nmodule-root = "py"\n'},
            {"py": "installed"},
        ),
        (
            {
                "py/a/__init__.py": "",
                "pyproject.toml": BUILD + '[tool.hatch.build.targets.wheel]\npackages = ["py/a"]\n',
            },
            {"py": "installed"},
        ),
        ({"a/__init__.py": "", "a-1.0.dist-info/METADATA": "Name: a\n"}, {"": "installed"}),
    ],
)
def test_import_roots_are_found_from_the_project_s_own_files(
    tmp_path: Path, files: dict[str, str], expected: dict[str, str]
) -> None:
    assert roots(tmp_path, files) == expected


def test_configured_roots_are_entries_besides_those_that_are_found(tmp_path: Path) -> None:
    files = {"backend/app.py": "", "tools/x.py": "", "manage.py": ""}
    assert roots(tmp_path, files, ("./backend", "tools/")) == {"backend": "entry", "tools": "entry", "": "entry"}


def test_a_root_says_how_it_is_known(tmp_path: Path) -> None:
    (root,) = layout(tmp_path, {**APP, "Procfile": "# x\nweb: uvicorn app.main:app\n"}).roots
    assert (root.place, root.command) == ("Procfile:2", "uvicorn app.main:app")


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, None),
        ({".python-version": "3.12.1\n"}, Pin((3, 12), True, ".python-version")),
        ({".python-version": "\n"}, None),
        ({".python-version": "pypy3.10-7.3\n"}, None),
        ({"runtime.txt": "python-3.11.4\n"}, Pin((3, 11), True, "runtime.txt")),
        ({"Dockerfile": "FROM python:3.12\n"}, Pin((3, 12), True, "Dockerfile")),
        (
            {"pyproject.toml": '[project]\nname = "x"\nrequires-python = ">=3.10,<4"\n'},
            Pin((3, 10), False, "pyproject.toml"),
        ),
        (
            {"pyproject.toml": '[tool.poetry.dependencies]\npython = "^3.11"\n'},
            Pin((3, 11), False, "pyproject.toml"),
        ),
        (
            {"pyproject.toml": '[project]\nrequires-python = ">=3.10"\n', "Dockerfile": "FROM python:3.12\n"},
            Pin((3, 12), True, "Dockerfile"),
        ),
        (
            {"Dockerfile": "FROM python:3.12\n", "tools/Dockerfile": "FROM python:3.8\n"},
            Pin((3, 12), True, "Dockerfile"),
        ),
        # A sandbox on a Python that the project itself refuses says nothing about the project.
        (
            {"pyproject.toml": '[project]\nrequires-python = ">=3.12"\n', "sandbox/Dockerfile": "FROM python:3.8\n"},
            Pin((3, 12), False, "pyproject.toml"),
        ),
        (
            {"a-1.dist-info/METADATA": "Name: a\nRequires-Python: >=3.9\n"},
            Pin((3, 9), False, "a-1.dist-info/METADATA"),
        ),
    ],
)
def test_the_python_of_a_project_is_read_from_what_pins_it(
    tmp_path: Path, files: dict[str, str], expected: Pin | None
) -> None:
    assert layout(tmp_path, {**APP, **files}).pin == expected


@pytest.mark.parametrize(
    ("specifier", "expected"),
    [
        (">=3.11", (3, 11)),
        (">=3.11,<4", (3, 11)),
        (">= 3.9, != 3.9.1", (3, 9)),
        ("~=3.12", (3, 12)),
        ("==3.12.*", (3, 12)),
        ("^3.10", (3, 10)),
        (">3.10", (3, 10)),
        (">=3.8,>=3.10", (3, 10)),
        ("<3.14", None),
        (">=3", None),
        ("", None),
        ("*", None),
    ],
)
def test_the_oldest_python_of_a_specifier(specifier: str, expected: tuple[int, int] | None) -> None:
    assert lower_bound(specifier) == expected


REQUIREMENTS = """\
# comment
redis>=5  # why
fastapi[standard] == 0.115
Typing.Extensions
a_b; python_version < "3.12"
direct @ https://example.org/direct.whl
hashed==1 \\
    --hash=sha256:00
-r other.txt
-e .
--index-url https://example.org
git+https://example.org/git/x.git#egg=x
https://example.org/y-1.whl
./local
"""


def test_requirements_are_read_by_their_names(tmp_path: Path) -> None:
    found = layout(tmp_path, {**APP, "requirements.txt": REQUIREMENTS}).requirements
    assert sorted(found) == ["a-b", "direct", "fastapi", "hashed", "redis", "typing-extensions"]
    assert found["redis"] == ["requirements.txt"]


def test_every_place_that_declares_a_library_is_kept(tmp_path: Path) -> None:
    pyproject = """\
        [project]
        name = "x"
        dependencies = ["httpx>=0.28", "PyYAML"]

        [project.optional-dependencies]
        queue = ["celery[redis]"]

        [tool.poetry.dependencies]
        python = "^3.11"
        dramatiq = { version = "1", extras = ["x"] }
        """
    files = {
        **APP,
        "pyproject.toml": pyproject,
        "requirements-dev.txt": "httpx\n",
        "a-1.dist-info/METADATA": "Requires-Dist: attrs (>=20) ; extra == 'x'\n",
    }
    assert layout(tmp_path, files).requirements == {
        "httpx": ["pyproject.toml", "requirements-dev.txt"],
        "pyyaml": ["pyproject.toml"],
        "celery": ["pyproject.toml"],
        "dramatiq": ["pyproject.toml"],
        "attrs": ["a-1.dist-info/METADATA"],
    }


@pytest.mark.parametrize(
    "text",
    [
        "[project\n",
        "project = 3\ntool = 4\n",
        "[project]\ndependencies = 3\noptional-dependencies = []\nrequires-python = 3\n",
        '[project]\ndependencies = "redis"\n[project.optional-dependencies]\na = "b"\nc = [1]\n',
        "[tool]\npoetry = 1\nsetuptools = 2\nhatch = 3\nuv = 4\n",
        '[tool.poetry]\ndependencies = ["a"]\npackages = ["b", {include = "c"}, {from = 3}]\n',
        '[build-system]\n[tool.setuptools]\npackage-dir = "src"\npackages = ["a"]\n',
        '[build-system]\n[tool.setuptools.packages]\nfind = 3\n[tool.hatch.build]\ntargets = "wheel"\n',
        '[build-system]\n[tool.setuptools.packages.find]\nwhere = "src"\n',
        '[build-system]\n[tool.hatch.build.targets.wheel]\npackages = "src/x"\n',
        "[build-system]\n[tool.uv.build-backend]\nmodule-root = []\n",
        "x = " + "[" * 20_000,
        "\ufeff[project]\n",
        "\0",
    ],
)
def test_a_stranger_s_pyproject_is_never_a_crash(tmp_path: Path, text: str) -> None:
    found = layout(tmp_path, {**APP, "vendor/pyproject.toml": text, "pyproject.toml": text})
    assert found.roots[0].folder in ("", ".")
    assert all(isinstance(name, str) for name in found.requirements)


def test_files_that_cannot_be_read_say_nothing(tmp_path: Path) -> None:
    write(tmp_path, APP)
    (tmp_path / "requirements.txt").write_bytes(b"\xff\xfer\0e\0d\0i\0s\0")
    (tmp_path / "Dockerfile").symlink_to(tmp_path / "gone")
    os.mkfifo(tmp_path / "Procfile")
    found = read_layout(list_files(tmp_path))
    assert (found.pin, found.requirements) == (None, {})


@pytest.mark.parametrize(("name", "expected"), [("Py_YAML", "py-yaml"), ("a.-_b", "a-b"), ("x", "x")])
def test_names_of_distributions_are_compared_as_packaging_does(name: str, expected: str) -> None:
    assert normalised(name) == expected
