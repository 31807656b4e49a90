"""Which distribution owns which name: read from metadata, nothing imported."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from guardrails.preflight.checks import distributions
from guardrails.preflight.checks.distributions import guessed_import_name, owners, site_packages

if TYPE_CHECKING:
    from pathlib import Path


def installed(folder: Path, name: str, *lines: str) -> None:
    info = folder / f"{name}.dist-info"
    info.mkdir(parents=True)
    (info / "RECORD").write_text("".join(f"{line}\n" for line in lines))


@pytest.mark.parametrize(
    ("distribution", "name"),
    [
        ("redis", "redis"),
        ("prometheus-client", "prometheus_client"),
        ("Prometheus_Client", "prometheus_client"),
        ("PyYAML", "yaml"),
        ("python-dotenv", "dotenv"),
        ("guardrails-ai", "guardrails"),
        ("guardrails-ops", "guardrails"),
    ],
)
def test_the_import_name_is_guessed_from_the_distribution_s(distribution: str, name: str) -> None:
    assert guessed_import_name(distribution) == name


def test_modules_and_regular_packages_have_owners(tmp_path: Path) -> None:
    installed(tmp_path, "a-1.0", "a/__init__.py,sha256=x,1", "a/deep/__init__.py,sha256=y,1", "b.py,sha256=z,1")
    installed(tmp_path, "c_d-2", "a/__init__.py,sha256=w,1", "ns/c/__init__.py,sha256=v,1", "e-f/__init__.py,,")
    found = {
        name: [(one.distribution, one.version, one.digest) for one in owned] for name, owned in owners(tmp_path).items()
    }
    assert found == {
        "a": [("a", "1.0", "sha256=x"), ("c_d", "2", "sha256=w")],
        "b": [("a", "1.0", "sha256=z")],
    }


def test_one_name_is_looked_for_alone(tmp_path: Path) -> None:
    installed(tmp_path, "a-1", "a/__init__.py,sha256=x,1", "b/__init__.py,sha256=x,1")
    installed(tmp_path, "b-1", "b/__init__.py,sha256=y,1")
    assert sorted(owners(tmp_path, only="b")) == ["b"]
    assert len(owners(tmp_path, only="b")["b"]) == 2


def test_a_record_that_cannot_be_read_owns_nothing(tmp_path: Path) -> None:
    (tmp_path / "a-1.dist-info" / "RECORD").mkdir(parents=True)
    (tmp_path / "b-1.dist-info").mkdir()
    (tmp_path / "b-1.dist-info" / "RECORD").write_bytes(b"\xff\xfe,\nb.py,sha256=x,1\n")
    assert sorted(owners(tmp_path)) == ["b"]


@pytest.mark.parametrize(
    ("folder", "python"),
    [
        (".venv/lib/python3.12/site-packages", None),
        ("venv/lib/python3.9/site-packages", None),
        ("venv/Lib/site-packages", None),
        ("env/lib/python3.11/site-packages", "env/bin/python"),
    ],
)
def test_the_environment_of_a_project_is_found(tmp_path: Path, folder: str, python: str | None) -> None:
    (tmp_path / folder).mkdir(parents=True)
    assert site_packages(tmp_path, python) == tmp_path / folder


def test_a_project_without_an_environment_has_none(tmp_path: Path) -> None:
    assert site_packages(tmp_path, None) is None
    assert site_packages(tmp_path, "env/bin/python") is None


def test_this_environment_has_no_two_owners_of_a_name() -> None:
    """A real one, of more than fifty distributions: a finding here would be a false alarm."""
    from pathlib import Path

    import pydantic

    home = Path(pydantic.__file__).parent.parent
    found = owners(home)
    assert len(found) > 50
    assert {name for name, owned in found.items() if len({one.distribution for one in owned}) > 1} <= {"tests", "docs"}


def test_nothing_is_imported_to_find_out() -> None:
    code = "import sys; from pathlib import Path; from guardrails.preflight.checks.distributions import owners\n"
    code += "before = set(sys.modules); owners(Path(sys.argv[1])); print(sorted(set(sys.modules) - before))"
    home = str(next(path for path in sys.path if path.endswith("site-packages")))
    done = subprocess.run([sys.executable, "-c", code, home], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert distributions.__doc__
