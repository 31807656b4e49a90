"""Console blocks: the commands behind `$` are run, and what they print is compared with what is shown.

The commands of a block run in one shell, so `$ echo $?` shows the status of the one before. They start
in a fresh copy of examples/, with this environment's `guardrails` on the PATH. `...` in the expected
output stands for any text, over lines too. What installs or clones is not run; a `make` target must exist.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.support import ROOT

LIMIT = 60.0  # seconds for a whole block
NOT_RUN = re.compile(r"(git clone|make|(uv |python3? -m )?pip install|uv (add|sync|tool)|docker)\b")
BETWEEN = "\x1eguardrails-console\x1e"
# Says which command begins and keeps the status of the one before for `echo $?`.
MARK = f"mark() {{ local status=$?; printf '%s' '{BETWEEN}'; return $status; }}"


@dataclass(frozen=True)
class Step:
    """A command and the output that the document shows for it."""

    command: str
    shown: str


def steps(block: str) -> list[Step]:
    """Split a block at its `$` prompts; a command goes on after a backslash at the end of its line."""
    found: list[Step] = []
    continued = False
    for line in block.rstrip().splitlines():
        if line.startswith("$ ") and not continued:
            found.append(Step(line[2:], ""))
        elif not found:
            raise ValueError(f"a console block begins with a `$ ` prompt, not with {line!r}")
        elif continued:
            found[-1] = Step(f"{found[-1].command}\n{line}", "")
        else:
            found[-1] = Step(found[-1].command, f"{found[-1].shown}{line}\n")
        continued = found[-1].shown == "" and line.endswith("\\")
    return found


def differences(block: str, examples: Path = ROOT / "examples") -> list[str]:
    """What a reader who follows the block would see otherwise; empty when the block is true."""
    every = steps(block)
    wrong = [f"`{step.command}`: the Makefile has no such target" for step in every if _unknown_target(step)]
    to_run = [step for step in every if not NOT_RUN.match(step.command)]
    if to_run:
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder)
            if examples.is_dir():
                ignored = shutil.ignore_patterns("__pycache__", ".guardrails", ".venv*")
                shutil.copytree(examples, home, ignore=ignored, dirs_exist_ok=True)
            printed = _run([step.command for step in to_run], home)
        pairs = zip(to_run, printed, strict=True)
        wrong += [_difference(step, text) for step, text in pairs if not matches(step.shown, text)]
    return wrong


def matches(shown: str, printed: str) -> bool:
    """Whether the output is the one shown; `...` is any text, spaces at the end of a line do not count."""
    pattern = r".*?".join(re.escape(part) for part in _normal(shown).split("..."))
    return re.fullmatch(pattern, _normal(printed), re.DOTALL) is not None


def _normal(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip("\n").splitlines())


def _difference(step: Step, printed: str) -> str:
    return f"`{step.command}`\nthe document shows:\n{step.shown.rstrip()}\nit prints:\n{printed.rstrip()}\n"


def _unknown_target(step: Step) -> bool:
    target = re.match(r"make ([\w-]+)", step.command)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    return target is not None and re.search(rf"^{target[1]}:", makefile, re.MULTILINE) is None


def _run(commands: list[str], home: Path) -> list[str]:
    """Run the commands in one shell; returns what each printed, both streams as they came."""
    script = "\n".join([MARK, *(f"mark\n{command}" for command in commands)])
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=home,
        env=_environment(home),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        timeout=LIMIT,
        check=False,
    )
    printed = done.stdout.split(BETWEEN)[1:]
    return printed + ["(the shell had ended)"] * (len(commands) - len(printed))


def _environment(home: Path) -> dict[str, str]:
    """A reader's terminal: no colours, 100 columns, nothing of ours but the commands."""
    hidden = ("PYTHON", "PYTEST", "GUARDRAILS_", "COV_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    path = os.pathsep.join((str(Path(sys.executable).parent), kept.get("PATH", os.defpath)))
    return kept | {"PATH": path, "HOME": str(home), "NO_COLOR": "1", "COLUMNS": "100", "PYTHONUTF8": "1"}
