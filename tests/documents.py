"""Documentation examples as tests: what a reader may copy is run, loaded or parsed.

    python                     run; the blocks of one document share a namespace and an empty folder
    toml                       settings of `[tool.guardrails]` are loaded as a project's own
    console                    `$ commands` are run beside copies of the sample backends, output compared
    yaml, dockerfile, sh ...   every `guardrails` command line in them must parse

The root conftest.py hands the hooks below to pytest.
"""

from __future__ import annotations

import contextlib
import tempfile
import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sybil import Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser
from xdist.scheduler import LoadScopeScheduling

from tests.command_lines import mistakes
from tests.consoles import differences
from tests.support import ROOT

if TYPE_CHECKING:
    from sybil import Example
    from xdist.remote import Producer

DOCUMENTS = ("README.md", "docs/**/*.md", "runbooks/*.md", "examples/*/README.md")
COMMAND_LANGUAGES = ("yaml", "dockerfile", "sh", "bash", "procfile", "ini")


def settings_mistake(text: str) -> str | None:
    """What `[tool.guardrails]` in this pyproject.toml gets wrong; None when it is accepted or not there."""
    from guardrails import ConfigError, load_config

    if "guardrails" not in tomllib.loads(text).get("tool", {}):
        return None
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "pyproject.toml").write_text(text, encoding="utf-8")
        try:
            load_config(Path(folder), environ={})
        except ConfigError as exc:
            return str(exc)
    return None


def check_settings(example: Example) -> str | None:
    return settings_mistake(str(example.parsed))


def check_console(example: Example) -> str | None:
    return "\n".join(differences(str(example.parsed))) or None


def check_command_lines(example: Example) -> str | None:
    return "\n".join(mistakes(str(example.parsed))) or None


PARSERS = [
    PythonCodeBlockParser(),
    CodeBlockParser("toml", check_settings),
    CodeBlockParser("console", check_console),
    *(CodeBlockParser(language, check_command_lines) for language in COMMAND_LANGUAGES),
]


def enter_empty_folder(namespace: dict[str, Any]) -> None:
    """Python examples may write files: each document gets a folder of its own to do so."""
    stack = namespace["_folder"] = contextlib.ExitStack()
    folder = stack.enter_context(tempfile.TemporaryDirectory())
    stack.enter_context(contextlib.chdir(folder))


def leave_folder(namespace: dict[str, Any]) -> None:
    namespace["_folder"].close()


SYBIL = Sybil(parsers=PARSERS, pattern="*.md", path=str(ROOT), setup=enter_empty_folder, teardown=leave_folder)
_collect = SYBIL.pytest()


@cache
def documents() -> frozenset[Path]:
    return frozenset(path for pattern in DOCUMENTS for path in ROOT.glob(pattern))


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    return _collect(file_path, parent) if file_path in documents() else None


class WholeDocuments(LoadScopeScheduling):
    """The examples of a document share a namespace, so one worker runs them all; tests go anywhere.

    (xdist's own `loadgroup` renames tests to this end, which pytest 9.2 no longer lets it do.)
    """

    def _split_scope(self, nodeid: str) -> str:
        file, _, _ = nodeid.partition("::")
        return file if file.endswith(".md") else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> WholeDocuments:
    return WholeDocuments(config, log)
