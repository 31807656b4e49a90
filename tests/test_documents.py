"""Documentation that lies fails: each kind of block is shown true and false."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import click
import pytest

from tests.command_lines import command_lines, mistakes
from tests.consoles import Step, differences, matches, steps
from tests.documents import documents, settings_mistake
from tests.support import ROOT

if TYPE_CHECKING:
    from pathlib import Path


def test_a_console_block_that_shows_what_is_printed_is_true(tmp_path: Path) -> None:
    assert differences("$ echo one; echo two >&2\none\ntwo\n$ printf three\nthree\n", tmp_path) == []


def test_a_console_block_that_shows_something_else_is_false(tmp_path: Path) -> None:
    (wrong,) = differences("$ echo one\none\n$ echo two\ndeux\n", tmp_path)
    assert wrong == "`echo two`\nthe document shows:\ndeux\nit prints:\ntwo\n"


def test_output_that_is_not_shown_is_a_difference(tmp_path: Path) -> None:
    assert len(differences("$ echo one\n", tmp_path)) == 1


def test_the_commands_of_a_block_share_a_shell_and_its_last_exit_status(tmp_path: Path) -> None:
    assert differences("$ word=kept; false\n$ echo $? $word\n1 kept\n", tmp_path) == []


def test_a_block_that_ends_its_shell_is_false_from_there_on(tmp_path: Path) -> None:
    (wrong,) = differences("$ exit 1\n$ echo two\ntwo\n", tmp_path)
    assert wrong.endswith("it prints:\n(the shell had ended)\n")


def test_commands_start_in_a_fresh_copy_of_the_examples(tmp_path: Path) -> None:
    (tmp_path / "agent_backend").mkdir()
    (tmp_path / "agent_backend" / "app.py").touch()
    assert differences("$ rm agent_backend/app.py; ls\nagent_backend\n", tmp_path) == []
    assert (tmp_path / "agent_backend" / "app.py").exists()


def test_the_command_of_this_environment_is_found(tmp_path: Path) -> None:
    assert differences(f"$ command -v python\n{sys.prefix}/bin/python\n", tmp_path) == []


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("2 findings in ... s", "2 findings in 0.31 s", True),
        ("first\n...\nlast", "first\nsecond\nthird\nlast", True),
        ("...", "", True),
        ("one.  \n", "one.", True),
        ("one.", "onex", False),
        ("first\n...", "zeroth\nfirst\n", False),
    ],
)
def test_an_ellipsis_stands_for_any_text(shown: str, printed: str, same: bool) -> None:
    assert matches(shown, printed) is same


def test_a_command_goes_on_after_a_backslash() -> None:
    assert steps("$ echo a \\\n  b\na b\nc\n") == [Step("echo a \\\n  b", "a b\nc\n")]


def test_a_console_block_without_a_prompt_is_refused() -> None:
    with pytest.raises(ValueError, match="begins with a `\\$ ` prompt, not with 'guardrails preflight'"):
        steps("guardrails preflight\n")


def test_what_installs_is_not_run_and_what_is_made_must_exist(tmp_path: Path) -> None:
    block = "$ git clone https://example.org/x.git\n$ pip install guardrails-ops\n$ make test\n... passed\n"
    assert differences(block, tmp_path) == []
    assert differences("$ make coffee\n", tmp_path) == ["`make coffee`: the Makefile has no such target"]


@pytest.mark.parametrize(
    ("text", "argv"),
    [
        ("      - run: guardrails preflight --strict", ["preflight", "--strict"]),
        ("RUN pip install x && .venv/bin/guardrails preflight --static || exit 1", ["preflight", "--static"]),
        ('CMD ["guardrails", "run", "--", "gunicorn", "app:app"]', ["run", "--", "gunicorn", "app:app"]),
        ('command: ["/venv/bin/guardrails", "run"]', ["run"]),
        ("entry: python -m guardrails explain GR-TIME-001  # why", ["explain", "GR-TIME-001"]),
        ("sh -c 'guardrails preflight .' --", ["preflight", "."]),
        ("web: guardrails run --wait 60s \\\n  -- gunicorn", ["run", "--wait", "60s", "--", "gunicorn"]),
        ("guardrails preflight --format json > record.json", ["preflight", "--format", "json"]),
    ],
)
def test_command_lines_are_found_where_they_are_written(text: str, argv: list[str]) -> None:
    assert list(command_lines(text)) == [argv]


@pytest.mark.parametrize(
    "text",
    [
        "# guardrails preflight --nope",
        "- name: guardrails in CI",
        "image: guardrails:1",
        "pip install guardrails-ops",
    ],
)
def test_what_is_no_command_line_is_left_alone(text: str) -> None:
    assert list(command_lines(text)) == []


@click.group()
def tool() -> None: ...


@tool.command()
@click.argument("path", default=".")
@click.option("--format", type=click.Choice(["text", "json"]))
@click.option("--strict", is_flag=True)
def preflight(path: str, format: str, strict: bool) -> None: ...  # noqa: A002


@tool.command(context_settings={"ignore_unknown_options": True})
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def run(command: tuple[str, ...]) -> None: ...


@tool.command()
@click.argument("rule")
def explain(rule: str) -> None: ...


@pytest.mark.parametrize(
    "line", ["preflight . --strict", "preflight --format json", "run -- gunicorn -w 2", "preflight --help"]
)
def test_a_command_line_that_the_tool_takes_is_true(line: str) -> None:
    assert mistakes(f"run: guardrails {line}", tool) == []


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("preflihgt", "No such command 'preflihgt'"),
        ("preflight --stric", "No such option '--stric'"),
        ("preflight --format xml", "Invalid value for '--format': 'xml' is not one of 'text', 'json'"),
        ("preflight one two", "unexpected: two"),
        ("explain", "Missing argument 'RULE'"),
        ("run", "Missing argument 'COMMAND...'"),
    ],
)
def test_a_command_line_that_the_tool_refuses_is_false(line: str, reason: str) -> None:
    (mistake,) = mistakes(f"run: guardrails {line}", tool)
    assert mistake.startswith(f"`guardrails {line}`: {reason}")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[tool.guardrails.preflight]\nstrict = true\n", None),
        ("[tool.other]\nstrct = true\n", None),
        ("[tool.guardrails.preflight]\nstrct = true\n", "tool.guardrails.preflight.strct: no such key"),
    ],
)
def test_settings_are_true_when_the_configuration_takes_them(text: str, problem: str | None) -> None:
    found = settings_mistake(text)
    assert found is None if problem is None else problem in (found or "")


TRUE = """\
```python
answer = 41
```

```python
answer += 1
assert answer == 42
open("written.txt", "w").close()
```

```console
$ echo "true"
true
```
"""


def checked(folder: Path, readme: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in a project which has our conftest.py and this README."""
    (folder / "tests").mkdir()
    for name in ("conftest.py", "pyproject.toml", "Makefile"):
        shutil.copy(ROOT / name, folder)
    for name in ("documents.py", "consoles.py", "command_lines.py", "support.py"):
        shutil.copy(ROOT / "tests" / name, folder / "tests")
    (folder / "README.md").write_text(readme, encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    argv = [sys.executable, "-m", "pytest", *options]
    return subprocess.run(argv, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow  # pytest starts two workers of its own
def test_the_examples_of_a_document_are_collected_and_stay_on_one_worker(tmp_path: Path) -> None:
    result = checked(tmp_path, TRUE, "-n", "2")
    assert "3 passed" in result.stdout, result.stdout
    assert not (tmp_path / "written.txt").exists()


@pytest.mark.slow  # a pytest run of its own
@pytest.mark.parametrize(
    "block",
    [
        "```console\n$ echo yes\nno\n```\n",
        "```python\nassert 1 == 2\n```\n",
        '```toml\n[tool.guardrails]\nno_such_setting = "x"\n```\n',
        "```yaml\nrun: guardrails preflihgt\n```\n",
    ],
    ids=["console", "python", "toml", "yaml"],
)
def test_a_false_example_fails_the_run(tmp_path: Path, block: str) -> None:
    result = checked(tmp_path, TRUE + block)
    assert "1 failed, 3 passed" in result.stdout, result.stdout


def test_the_documents_of_this_repository_are_the_ones_a_user_reads() -> None:
    names = {path.relative_to(ROOT).as_posix() for path in documents()}
    assert "README.md" in names
    assert [name for name in names if not name.endswith(".md")] == []
