"""The wheel holds the library, the checks and the runbooks as they are in git, and nothing else."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from typing import TYPE_CHECKING

import pytest

import guardrails
from tests.support import ROOT

if TYPE_CHECKING:
    from pathlib import Path

HOMES = {
    "src/guardrails/": "guardrails/",
    "src/pytest_guardrails.py": "pytest_guardrails.py",
    "checks/": "guardrails/_checks/",
    "runbooks/": "guardrails/_runbooks/",
}
BUILT_FROM = ("pyproject.toml", "README.md", ".gitignore")


def sources() -> list[str]:
    """What git holds of this checkout, and what would be added next: everything that is not ignored."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *HOMES, *BUILT_FROM],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return sorted(name for name in listed.split("\0") if name and (ROOT / name).is_file())


def expected_members() -> list[str]:
    return sorted(
        home + name.removeprefix(folder)
        for name in sources()
        for folder, home in HOMES.items()
        if name.startswith(folder)
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the sources without what lies around them."""
    folder = tmp_path / "checkout"
    for name in sources():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target)
    return folder


def build(checkout: Path) -> Path:
    argv = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", "out"]
    subprocess.run(argv, cwd=checkout, check=True, capture_output=True)
    (wheel,) = (checkout / "out").glob("*.whl")
    return wheel


def members(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return sorted(name for name in archive.namelist() if ".dist-info/" not in name)


def test_the_wheel_holds_the_sources_and_nothing_else(checkout: Path) -> None:
    assert members(build(checkout)) == expected_members()


def test_a_file_that_git_ignores_does_not_get_into_the_wheel(checkout: Path) -> None:
    for name in ("checks/secrets.db", "checks/__pycache__/x.cpython-311.pyc", "runbooks/build/draft.md"):
        planted = checkout / name
        planted.parent.mkdir(parents=True, exist_ok=True)
        planted.write_text("not for the world", encoding="utf-8")
    (checkout / "checks" / "planted.toml").touch()  # shows that the folder is read at all
    assert members(build(checkout)) == sorted([*expected_members(), "guardrails/_checks/planted.toml"])


def test_the_installed_wheel_offers_the_command(checkout: Path, tmp_path: Path) -> None:
    target = tmp_path / "installed"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target"]
    subprocess.run([*pip, str(target), str(build(checkout))], check=True, capture_output=True)
    (installed,) = metadata.distributions(path=[str(target)])
    (command,) = installed.entry_points.select(group="console_scripts")
    assert (command.name, command.value) == ("guardrails", "guardrails.cli:main")
    code = "import guardrails; print(guardrails.__file__, guardrails.__version__)"
    shown = subprocess.run(
        [sys.executable, "-c", code], cwd=target, check=True, capture_output=True, text=True
    ).stdout.split()
    assert shown == [str(target / "guardrails" / "__init__.py"), installed.version]


def test_the_version_of_the_library_is_the_version_of_the_distribution() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert guardrails.__version__ == project["version"]
