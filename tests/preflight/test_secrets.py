"""A secret that lies about in a project leaves the gate in no output. Each is made up when the tests run."""

from __future__ import annotations

import datetime as dt
import random
import string
from functools import partial
from typing import TYPE_CHECKING

import pytest

from guardrails.config import Config, WaiverEntry
from guardrails.preflight import run_gate, write_record
from guardrails.preflight.baseline import Baseline, baseline_text
from guardrails.preflight.checks import routes
from guardrails.preflight.outputs import WRITERS, render
from guardrails.testing import VirtualClock
from tests.cli.command import SOUND, guardrails, project
from tests.preflight.cases import TODAY, write_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from guardrails.evidence import Finding, GateRecord

ALNUM = string.ascii_letters + string.digits
FORMS: dict[str, Callable[[random.Random], str]] = {
    "openai": lambda rng: "sk-" + drawn(rng, 48),
    "github": lambda rng: "ghp" + "_" + drawn(rng, 36),
    "aws": lambda rng: "AKIA" + drawn(rng, 16, string.ascii_uppercase + string.digits),
    "slack": lambda rng: f"xoxb-{drawn(rng, 12, string.digits)}-{drawn(rng, 24)}",
    "google": lambda rng: "AIza" + drawn(rng, 35),
    "stripe": lambda rng: "sk" + "_live_" + drawn(rng, 24),
}
FORMATS: dict[str, Callable[[GateRecord], str]] = {name: partial(render, form=name) for name in WRITERS}
# Where a secret stands in a text, for those that only their surroundings tell.
TEXTS: dict[str, Callable[[str], str]] = {
    "url": lambda secret: f"connects to postgres://app:{secret}@db/orders at import",
    "variable": lambda secret: f"DB_PASSWORD={secret} is read here",
    "header": lambda secret: f"sends Authorization: Bearer {secret}",
    "json": lambda secret: f'posts {{"api_key": "{secret}"}}',
    "query": lambda secret: f"asks for /models?access_token={secret}&page=2",
    "excerpt": lambda secret: f"`client = Client(api_key='{secret}')` has no timeout",
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
    planted = list(secrets(form, 12))
    (name, inside, unread, route, constant, reason, owner, where, pattern, word, service, old) = planted
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
    project = write_files(folder / service, files)
    (folder / "known").write_text(
        '{"guardrails_baseline": 1}\n'
        f'{{"path": "{old}.py", "rule": "GR-DECO-001", "fingerprint": "0123456789abcdef"}}\n',
        encoding="utf-8",
    )
    baseline = Baseline.read(folder / "known", project)
    clock = VirtualClock(wall=TODAY)
    return run_gate(project, config=config, baseline=baseline, argv=argv, clock=clock), planted


@pytest.mark.usefixtures("no_processes")
@each_form
def test_no_planted_secret_leaves_in_any_format(tmp_path: Path, form: str) -> None:
    record, planted = planted_everywhere(tmp_path, form)
    rules = {"GR-SHADOW-001", "GR-ROUTE-001", "GR-WAIVER-001", "GR-WAIVER-002", "GR-WAIVER-003"}
    assert rules <= {finding.rule for finding in record.findings}
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
    assert counts["json"] >= 10
    assert counts.pop("prometheus") == 1  # the project's name is all that it shows
    assert min(counts.values()) >= 6


def thousand_findings() -> tuple[list[Finding], list[str]]:
    """200 findings with a secret in each of five texts: known by its own form, or by what stands around it."""
    rng = random.Random(1000)
    kinds: list[tuple[Callable[[random.Random], str], Callable[[str], str]]] = [
        *((form, "a call with {} in it".format) for form in FORMS.values()),
        *((lambda rng: drawn(rng, 24), text) for text in TEXTS.values()),
    ]
    planted: list[str] = []

    def text() -> str:
        make, around = kinds[len(planted) % len(kinds)]
        planted.append(make(rng))
        return around(planted[-1])

    findings = [
        routes.DUPLICATE.at(f"app/{text()}.py", number, text(), fix=text(), verify=text())._replace(why=text())
        for number in range(1, 201)
    ]
    return findings, planted


@pytest.mark.usefixtures("no_processes")
@pytest.mark.parametrize("redacts", [True, False])
def test_a_thousand_secrets_leave_in_none_of_eight_formats(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, redacts: bool
) -> None:
    findings, planted = thousand_findings()
    monkeypatch.setattr(routes, "check", lambda _: findings)
    if not redacts:  # so that we know that each format would have shown them
        monkeypatch.setattr("guardrails.preflight.engine.redacted", lambda text: text)
    record = run_gate(write_files(tmp_path, {"app.py": "x = 1\n"}), config=Config(), clock=VirtualClock(wall=TODAY))
    found = {name: leaks(render(record), planted) for name, render in FORMATS.items()}
    assert len(set(planted)) == 1000
    if redacts:
        assert found == NO_LEAKS
        known = tuple(finding._replace(known=True) for finding in record.findings)
        assert leaks(baseline_text(record._replace(findings=known)), planted) == []
    else:
        counts = {name: len(secrets) for name, secrets in found.items() if name != "prometheus"}
        assert min(counts.values()) >= 200, counts


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
