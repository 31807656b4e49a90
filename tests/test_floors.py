"""A room imports only from the floors below it; the contracts stand in pyproject.toml."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support import ROOT

LINT = str(Path(sys.executable).with_name("lint-imports"))


def lint(project: Path) -> subprocess.CompletedProcess[str]:
    """Check the contracts of `project` against the library in its own src/."""
    environment = {**os.environ, "PYTHONPATH": str(project / "src"), "PYTHONUTF8": "1", "COLUMNS": "120"}
    return subprocess.run(
        [LINT, "--no-cache", "--no-logo"],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


def copied(folder: Path) -> Path:
    """The library and its contracts in another place, where walls may be broken."""
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder / "src" / "guardrails"


def test_every_room_imports_only_from_the_floors_below() -> None:
    result = lint(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


def test_an_import_from_a_floor_above_is_reported(tmp_path: Path) -> None:
    library = copied(tmp_path)
    with (library / "redact.py").open("a", encoding="utf-8") as module:
        module.write("\ndef peek():\n    import guardrails.preflight\n")
    result = lint(tmp_path)
    assert result.returncode == 1
    assert "guardrails.redact is not allowed to import guardrails.preflight" in result.stdout


def test_a_room_without_a_floor_is_reported(tmp_path: Path) -> None:
    utils = copied(tmp_path) / "utils"
    utils.mkdir()
    (utils / "__init__.py").write_text('"""Whatever fits nowhere else."""\n', encoding="utf-8")
    result = lint(tmp_path)
    assert result.returncode == 1
    assert "guardrails.utils" in result.stdout


def test_a_third_party_import_where_none_is_allowed_is_reported(tmp_path: Path) -> None:
    library = copied(tmp_path)
    with (library / "redact.py").open("a", encoding="utf-8") as module:
        module.write("\ndef fetch():\n    import httpx\n")
    result = lint(tmp_path)
    assert result.returncode == 1
    assert "guardrails.redact is not allowed to import httpx" in result.stdout
