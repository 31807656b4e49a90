"""A secret that lies about in a project leaves the gate in no output. Each is made up when the tests run."""

from __future__ import annotations

import datetime as dt
import random
import string
from typing import TYPE_CHECKING

import pytest

from guardrails.config import Config, WaiverEntry
from guardrails.preflight import run_gate, write_record
from guardrails.preflight.checks import routes
from guardrails.preflight.outputs import human, markdown
from guardrails.testing import VirtualClock
from tests.cli.command import SOUND, guardrails, project
from tests.preflight.cases import TODAY, write_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from guardrails.evidence import GateRecord

ALNUM = string.ascii_letters + string.digits
FORMS: dict[str, Callable[[random.Random], str]] = {
    "openai": lambda rng: "sk-" + drawn(rng, 48),
    "github": lambda rng: "ghp" + "_" + drawn(rng, 36),
    "aws": lambda rng: "AKIA" + drawn(rng, 16, string.ascii_uppercase + string.digits),
    "slack": lambda rng: f"xoxb-{drawn(rng, 12, string.digits)}-{drawn(rng, 24)}",
    "google": lambda rng: "AIza" + drawn(rng, 35),
    "stripe": lambda rng: "sk" + "_live_" + drawn(rng, 24),
}
FORMATS: dict[str, Callable[[GateRecord], str]] = {
    "human": human.render,
    "markdown": markdown.render,
    "json": lambda record: record.to_json(),
}
NO_LEAKS: dict[str, list[str]] = {name: [] for name in FORMATS}
each_form = pytest.mark.parametrize("form", FORMS)


def drawn(rng: random.Random, length: int, alphabet: str = ALNUM) -> str:
    return "".join(rng.choice(alphabet) for _ in range(length))


def secrets(form: str, count: int) -> Iterator[str]:
    rng = random.Random(form)
    return (FORMS[form](rng) for _ in range(count))


def leaks(text: str, planted: list[str]) -> list[str]:
    # Renderers escape what Markdown would read; a secret is none the less out.
    plain = text.replace("\\", "").replace("&#8203;", "").replace("\u200b", "")
    return [secret for secret in planted if secret in text or secret in plain]


def planted_everywhere(folder: Path, form: str) -> tuple[GateRecord, list[str]]:
    """A run over a project that holds one secret in each place whose text the gate may repeat."""
    (name, inside, unread, route, constant, reason, owner, where, pattern, word) = planted = list(secrets(form, 10))
    decorator = constant if constant.isidentifier() else "cached"
    files = {
        f"app/{name}.py": "x = 1\n",
        f"app/{name}/__init__.py": "",
        f"lib/{inside}/app.py": 'from flask import Flask\n\napp = Flask("x")\n\n\n@app.route("/")\ndef a(): ...\n\n\n'
        '@app.route("/")\ndef b(): ...\n',
        f"app/{unread}.py": "def (:\n",
        "app/api.py": f"from functools import cache as {decorator}\n\nfrom fastapi import FastAPI\n\napp = FastAPI()\n"
        f'ADDRESS = "/hooks/{route}"\n\n\n@app.get(ADDRESS)\ndef first(): ...\n\n\n'
        f"@{decorator}\n@app.get(ADDRESS)\ndef second(): ...\n",
        f"deploy/{where}/Dockerfile": "FROM python:3.11\nCOPY . .\nCMD python run.py\n",
    }
    today = dt.datetime.fromtimestamp(TODAY, dt.UTC).date()
    config = Config(
        exclude=(f"{pattern}/*",),
        waiver=(
            WaiverEntry("GR-ROUTE-001", "app/api.py", f"the key {reason} must", owner, today),
            WaiverEntry("GR-DECO-001", f"{where}/*", reason, owner, today),
            WaiverEntry("GR-SHADOW-001", "app/*", reason, owner, today - dt.timedelta(days=9)),
        ),
    )
    argv = ["guardrails", "preflight", f"--output=https://ops:{word}@example.org/", word]
    clock = VirtualClock(wall=TODAY)
    return run_gate(write_files(folder, files), config=config, argv=argv, clock=clock), planted


@pytest.mark.usefixtures("no_processes")
@each_form
def test_no_planted_secret_leaves_in_any_format(tmp_path: Path, form: str) -> None:
    record, planted = planted_everywhere(tmp_path, form)
    assert {"GR-SHADOW-001", "GR-ROUTE-001", "GR-WAIVER-001", "GR-WAIVER-002"} <= {f.rule for f in record.findings}
    assert len(record.not_analysed) == 1
    assert {name: leaks(render(record), planted) for name, render in FORMATS.items()} == NO_LEAKS


@pytest.mark.usefixtures("no_processes")
def test_the_record_on_the_disk_holds_no_secret(tmp_path: Path) -> None:
    record, planted = planted_everywhere(tmp_path / "project", "openai")
    write_record(record, tmp_path)
    assert leaks((tmp_path / ".guardrails" / "gate" / "last.json").read_text(encoding="utf-8"), planted) == []


@pytest.mark.usefixtures("no_processes")
def test_the_plants_would_be_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same run without redaction: each format then leaks, so the tests above do look where secrets come out."""
    monkeypatch.setattr("guardrails.preflight.engine.redacted", lambda text: text)
    record, planted = planted_everywhere(tmp_path, "openai")
    counts = {name: len(leaks(render(record), planted)) for name, render in FORMATS.items()}
    assert counts["json"] >= 8
    assert min(counts.values()) >= 6


@pytest.mark.usefixtures("no_processes")
@each_form
def test_what_a_crashed_check_says_is_free_of_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    (secret,) = secrets(form, 1)

    def crash(_: object) -> object:
        raise RuntimeError(f"could not log in with {secret}")

    monkeypatch.setattr(routes, "check", crash)
    record = run_gate(write_files(tmp_path, {"app.py": "x = 1\n"}))
    assert record.exit_code == 3
    assert {name: leaks(render(record), [secret]) for name, render in FORMATS.items()} == NO_LEAKS


@each_form
def test_a_mistake_in_the_configuration_is_told_without_its_secret(tmp_path: Path, form: str) -> None:
    one, two, three = secrets(form, 3)
    settings = f'[tool.guardrails]\npython = 3\nsrc = "{one}"\n\n[tool.guardrails.preflight]\nstrict = "{two}"\n'
    project(tmp_path, SOUND, settings)
    done = guardrails("preflight", cwd=tmp_path, GUARDRAILS_PREFLIGHT__JOBS=three)
    assert done.returncode == 2
    assert leaks(done.stdout + done.stderr, [one, two, three]) == []
    assert "tool.guardrails.src" in done.stderr


def test_a_path_that_holds_a_secret_is_not_repeated(tmp_path: Path) -> None:
    (secret,) = secrets("openai", 1)
    done = guardrails("preflight", secret, cwd=tmp_path)
    assert done.returncode == 2
    assert leaks(done.stdout + done.stderr, [secret]) == []
    selected = guardrails("preflight", "--select", secret, cwd=project(tmp_path, SOUND))
    assert leaks(selected.stdout + selected.stderr, [secret]) == []


@pytest.mark.usefixtures("no_processes")
def test_a_fault_of_the_gate_itself_repeats_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from click.testing import CliRunner

    from guardrails.cli import main

    (secret,) = secrets("openai", 1)

    def crash(*_: object, **__: object) -> object:
        raise RuntimeError(secret)

    monkeypatch.setattr("guardrails.preflight.engine.load_project", crash)
    done = CliRunner().invoke(main, ["preflight", str(write_files(tmp_path, SOUND))])
    assert done.exit_code == 3
    assert leaks(done.output, [secret]) == []
