"""The entries that only an installed environment shows: the gate's live checks over each release, installed for real.

    entry ─► venv as of its day, with the release and what stands beside it ─► a backend of three files ─► the gate

The backend is the same for all: it depends on the release, names the module of the entry as critical, has a folder of
tests, and starts the entry's script where there is one. *Found*: a finding of GR-LIVE that names the line, the script
or the name of the entry. *Gone*: with the fixed release the module imports, and nothing names the script or the name;
or the fixed release refuses to be installed where it would fail. Code of strangers is executed: that is the point.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import click

SETTINGS = tomllib.loads(Path(__file__).with_name("live.toml").read_text("utf-8"))
EXPECTED = ("GR-IMPORT live", "distribution check")
# Seconds for one installation and for the imports of one environment.
INSTALL, IMPORT = 400, 90
TARGET = 0.7
# The very first run: found and gone, found, of so many; rules 011 and 012 did not exist.
FIRST_RUN = (15, 18, 28)
# What kept the others of that run from it, and what came of reading them.
FIRST_MISSES = {
    "backoff-tests, rq-tests, django-vite-tests, flask-appbuilder-tests": "no rule looked; GR-LIVE-012 does now",
    "inducoapi-main, langchain-server, dotdrop-main": "no rule looked; GR-LIVE-011 does now (the last could not be "
    "installed under this Python either)",
    "openelectricity-key": "found, but the gate said `KEY: [redacted]` where it meant that the key is missing, and "
    "named a line of pydantic; the fixed release no longer has the module of the entry",
    "libre-chat-settings": "found; in the fixed release the module has another name",
    "popmon-settings": "found; the fixed release needs setuptools, which the environment lacked",
    "openai-agents-function": "not measured: the fixed release refuses what stands beside it",
    "langfuse-langchain, codeboxapi-union": "another requirement was missing as well, and that failed first",
}
FAILS = ("GR-LIVE-001", "GR-LIVE-002", "GR-LIVE-003", "GR-LIVE-004")


class Result(NamedTuple):
    """One entry, what the gate said of it, and whether it went with the fix. `problem`: why it was not measured."""

    entry: dict[str, Any]
    at: dict[str, Any] | None = None
    gone: str = ""
    said: str = ""
    problem: str = ""

    @property
    def passed(self) -> bool:
        return self.at is not None and bool(self.gone)


def judge(entry: dict[str, Any], folder: Path) -> Result:
    """Install both releases, run the gate over both backends, and compare."""
    broken, problem = installed(entry, "broken", folder)
    if problem:
        return Result(entry, problem=f"the broken release: {problem}")
    fixed, refusal = installed(entry, "fixed", folder)
    if refusal and entry["fix"] != "metadata":
        return Result(entry, problem=f"the fixed release: {refusal}")
    return compare(entry, findings(broken), None if refusal else findings(fixed))


def compare(entry: dict[str, Any], broken: list[dict[str, Any]], fixed: list[dict[str, Any]] | None) -> Result:
    """`fixed` is None where the fixed release refuses this environment."""
    said = "; ".join(f"{f['rule']} {f['severity']}: {f['message']}" for f in broken) or "nothing"
    at = next((f for f in broken if is_meant(f, entry)), None)
    if fixed is None:
        return Result(entry, at, "refused", said)
    left = [f for f in fixed if is_meant(f, entry) or (not script(entry) and f["rule"] in FAILS)]
    return Result(entry, at, "" if left else "yes", said)


def is_meant(finding: dict[str, Any], entry: dict[str, Any]) -> bool:
    """Whether a finding tells the failure of the entry, and not another one."""
    message = finding["message"]
    if entry["kind"] == "shadow":
        return entry["name"].partition("/")[0] in message and same(entry["package"]) in same(message)
    if script(entry):
        return entry["name"] in message
    return finding["rule"] in FAILS and (f"{entry['file']}:{entry['line']}" in message or entry["name"] in message)


def same(name: str) -> str:
    return name.lower().replace("_", "-")


def script(entry: dict[str, Any]) -> str:
    """The console script that the entry is about."""
    return str(entry["package"]) if entry["kind"] == "entry-point" else ""


def module(entry: dict[str, Any]) -> str:
    """What the backend imports: the module of the entry; where its place is metadata, the package."""
    given = SETTINGS[entry["id"]].get("module")
    if given or script(entry):
        return str(given or entry["name"].partition(":")[0].partition(".")[0])
    path = PurePosixPath(entry["file"]).with_suffix("")
    return ".".join(path.parts[:-1] if path.name == "__init__" else path.parts)


def installed(entry: dict[str, Any], side: str, folder: Path) -> tuple[Path, str]:
    """A backend with the release in its `.venv`, made once; and why it could not be made, or ""."""
    home = folder.resolve() / f"{entry['id']}-{side}"
    done = home / "installed.txt"
    if not done.is_file():
        shutil.rmtree(home, ignore_errors=True)
        write_backend(home, entry, side)
        done.write_text(made(home, entry, side), encoding="utf-8")
    write_backend(home, entry, side)
    return home, done.read_text("utf-8")


def made(home: Path, entry: dict[str, Any], side: str) -> str:
    """Make the environment; "" or what the installer said. The fix may be to refuse what stands beside."""
    settings = SETTINGS[entry["id"]]
    version = settings.get("python", entry["python"])
    python = sys.executable if version == "any" else version
    then = ["--exclude-newer", str(settings[side])]
    # With pip, and below 3.12 setuptools, as `python -m venv` has them.
    problem = ran(home, ["uv", "venv", "--seed", *then, "--no-python-downloads", "--python", python, ".venv"])
    if problem:
        return problem
    install = ["uv", "pip", "install", *then, "--python", ".venv/bin/python"]
    install += [f"{entry['package']}=={entry[side]}", *settings.get("also", ())]
    if side == "broken" or not settings.get("alone"):
        problem = ran(home, [*install, *entry["beside"]])
        if not problem or side == "broken" or not entry["beside"]:
            return problem
    return ran(home, install)


def ran(home: Path, command: list[str]) -> str:
    """Run an installer; "" or why it failed."""
    try:
        done = subprocess.run(
            [*command, "--quiet"], cwd=home, capture_output=True, text=True, timeout=INSTALL, check=False
        )
    except FileNotFoundError:
        raise click.ClickException("--live installs by uv, which is not on the PATH: pip install uv") from None
    except subprocess.TimeoutExpired:
        return f"its installation takes over {INSTALL} s"
    if done.returncode:
        return " ".join(done.stderr.split()) or f"uv ended with status {done.returncode}"
    return ""


def write_backend(home: Path, entry: dict[str, Any], side: str) -> None:
    (home / "tests").mkdir(parents=True, exist_ok=True)
    (home / "tests" / "__init__.py").touch()
    (home / "main.py").write_text(f"import {module(entry)}\n", encoding="utf-8")
    if script(entry):
        (home / "Procfile").write_text(f"web: {script(entry)}\n", encoding="utf-8")
    (home / "pyproject.toml").write_text(
        f'[project]\nname = "backend"\nversion = "1"\ndependencies = ["{entry["package"]}=={entry[side]}"]\n\n'
        f'[tool.guardrails.imports]\ncritical = ["{module(entry)}"]\ndeadline = {IMPORT}\n',
        encoding="utf-8",
    )


def findings(home: Path) -> list[dict[str, Any]]:
    """What the live checks say, without side effects and conflicts, which say nothing of a failure."""
    command = [sys.executable, "-m", "guardrails", "preflight", "--select", "GR-LIVE", "--no-record"]
    done = subprocess.run([*command, "--format", "json", str(home)], capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise click.ClickException(f"{home}: the gate ended with status {done.returncode}: {done.stderr}")
    found: list[dict[str, Any]] = json.loads(done.stdout)["findings"]
    return [f for f in found if f["severity"] != "info" and f["rule"] not in ("GR-LIVE-005", "GR-LIVE-009")]


def exit_status(results: list[Result]) -> int:
    """0 at the target or above, 1 below it; what was not measured counts as missed."""
    return int(sum(result.passed for result in results) < TARGET * len(results))


def row(result: Result) -> str:
    """One line of the table."""
    entry, at = result.entry, result.at
    if result.problem:
        found = f"not measured: {result.problem[-160:]}"
    else:
        found = f"{at['rule']} {at['severity']}" if at else "**no**"
    release = f"{entry['package']} {entry['broken']} → {entry['fixed']}"
    own = {key: value for key, value in SETTINGS[entry["id"]].items() if key not in ("broken", "fixed")}
    special = ", ".join(f"{key} {value}" for key, value in own.items()).replace("[", "").replace("]", "") or "–"
    python = "" if entry["python"] == "any" else f" (Python {entry['python']})"
    return f"| {entry['id']} | {release}{python} | {entry['kind']} | {found} | {result.gone or '–'} | {special} |"


def report(results: list[Result]) -> str:
    """The Markdown page."""
    passed = [result for result in results if result.passed]
    errors = sum(result.at is not None and result.at["severity"] == "error" for result in passed)
    first, first_found, of = FIRST_RUN
    text = [
        "# Recall on released failures that only an installed environment shows",
        "",
        "Measured by `python -m loadtests.recall --live --write docs/recall-live.md`, which needs uv, the package",
        "index and a quarter of an hour. The entries are those of loadtests/recall/failures.toml that [the static",
        "rules](recall.md) cannot see. Each release is installed into an environment of its own, with nothing younger",
        "than it, and the gate runs over a backend that depends on it and names its module in",
        "`[tool.guardrails.imports]`. *Found*: a finding of GR-LIVE that names the line, the script or the name of the",
        "entry. *Gone*: the fixed release imports, or has no such finding; *refused*: it cannot be installed there.",
        "",
        f"**{len(passed)} of {len(results)}** entries are found and gone with the fix, {errors} of them at error level",
        f"(target: {TARGET:.0%}). **The first run, before any miss was read, had {first} of {of}**, and {first_found}",
        "found. What was read then became two rules that know no package, and better words; and it changed how some",
        "entries are installed, which stands in the last column and, with its reason, in loadtests/recall/live.toml.",
        "The first figure is the one to expect of code that nobody here has seen.",
        "",
        "A live import finds what it is told to import: a backend that names another module of the release than the",
        "one that fails, or none, sees nothing of an import that happens later.",
        "",
        "| entry | release | kind | found as | gone | installed with |",
        "|---|---|---|---|---|---|",
        *map(row, results),
        "",
        "## Misses of the first run",
        "",
        *(f"- {names}: {reason}." for names, reason in FIRST_MISSES.items()),
        "",
        "## Misses of today",
        "",
        *([f"- {r.entry['id']}: {r.problem or r.said}" for r in results if not r.passed] or ["None."]),
        "",
    ]
    return "\n".join(text)
