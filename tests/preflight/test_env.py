"""GR-ENV beyond its corpus: no value is ever shown, odd files crash nothing, and the tables say what they should."""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from guardrails.preflight.checks import env, env_owners
from guardrails.preflight.checks.env_keys import is_slip
from guardrails.preflight.context import Context
from guardrails.preflight.outputs import WRITERS, render
from guardrails.source import load_project
from tests.preflight.cases import found, gate, write_files
from tests.preflight.test_secrets import FORMS, drawn

if TYPE_CHECKING:
    from pathlib import Path

    from guardrails.evidence import GateRecord

APP = 'import os\nURL = os.environ["DATABASE_URL"]\nLEVEL = os.getenv("LOG_LEVEL", "info")\n'


def planted(rng: random.Random) -> tuple[str, list[str]]:
    """An env file with a secret in every place where a value or a comment may stand."""
    makers = [*FORMS.values(), *(lambda rng, n=n: drawn(rng, n) for n in (8, 20, 40))]
    secrets = [rng.choice(makers)(rng) for _ in range(16)]
    text = (
        "DATABSE_URL=postgres://app:{}@db/x\nUNREAD_KEY={}\nUNREAD_QUOTED=\"{}\"\nTWICE_SET='{}'\nTWICE_SET={} # {}\n"
        'export UNREAD_EXPORTED={}\nUNREAD_WRAPPED="{}\n{}\n{}="\nUNREAD_OPEN="{}\n{}=\n{}={}\nLOOSE {}\n{}\n'
    )
    return text.format(*secrets), secrets


def leaks(record: GateRecord, secrets: list[str]) -> list[str]:
    texts = [render(record, form=form) for form in WRITERS]
    plain = [text.replace("\\", "").replace("&#8203;", "").replace("\u200b", "") for text in texts]
    return [secret for secret in secrets if any(secret in text for text in (*texts, *plain))]


@pytest.mark.usefixtures("no_processes")
@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("redacts", [True, False])
def test_no_output_shows_a_value_of_an_env_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, redacts: bool
) -> None:
    if not redacts:  # so that it is the rule which keeps silent, not the redaction behind it
        monkeypatch.setattr("guardrails.preflight.engine.redacted", lambda text: text)
    text, secrets = planted(random.Random(seed))
    value = secrets[0]
    compose = f"services:\n  api:\n    build: .\n    environment:\n      UNREAD_THERE: {value}\n      - LOOSE={value}\n"
    image = f"FROM python:3.11\nENV UNREAD_HERE={value} OTHER_HERE='{value}'\nARG THIRD_HERE={value}\n"
    files = {".env": text, "prod.env": text, "compose.yaml": compose, "Dockerfile": image, "app.py": APP}
    record = gate(write_files(tmp_path, files))
    rules = {finding.rule for finding in record.findings}
    assert {"GR-ENV-001", "GR-ENV-003", "GR-ENV-004"} <= rules
    assert leaks(record, secrets) == []


@pytest.mark.usefixtures("no_processes")
def test_what_the_tests_above_look_for_would_be_seen(tmp_path: Path) -> None:
    """A name takes the way that a value must not take, and the search finds it."""
    record = gate(write_files(tmp_path, {".env": "SOME_ODD_NAME=1\n", "app.py": APP}))
    assert leaks(record, ["SOME_ODD_NAME"]) == ["SOME_ODD_NAME"]


@pytest.mark.usefixtures("no_processes")
@pytest.mark.parametrize("start", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_byte_order_marks_and_line_ends_change_nothing(tmp_path: Path, start: str, end: str) -> None:
    lines = ["DATABASE_URL=x", "UNREAD_KEY='a", "b'", "LOG_LEVEL=1", "LOG_LEVEL=2"]
    write_files(tmp_path, {"app.py": APP})
    (tmp_path / ".env").write_bytes((start + end.join(lines) + end).encode())
    assert [(one.rule, one.line) for one in found(gate(tmp_path))] == [("GR-ENV-001", 2), ("GR-ENV-004", 5)]


TEXTS = st.text(alphabet=st.sampled_from(list("AB_ab1=\"'`$%{}#\\ \t\r\n:-[]<>&|*!~.\x00é\ufeff")), max_size=300)
PIECES = r"""
FROM python:3.11 AS a|FROM a|ENV A_B=c D_E=f|ENV A_B c|ARG A_B|ARG A_B=${C_D}|RUN python check_env.py|RUN \
CMD ["x|COPY . .|services:|  api:|    build: .|    build:|      context: ..|    environment:|      A_B: c
      - A_B=c|      - A_B|    environment: {A_B: c}|    env_file: .env|    env_file:|      - path: .env|    <<: *x
x-a: &x|~services:|A_B=c|A_B='c|export A_B=c|A_B=${C_D}|A_B="c\|{{ x }}=|  |# A_B=1|A_B=1
"""
LINES = st.lists(st.sampled_from(re.split(r"[|\n]", PIECES)), max_size=25).map(
    lambda lines: "\n".join(lines).replace("~", "\t")
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.one_of(TEXTS, LINES), st.one_of(TEXTS, LINES), st.one_of(TEXTS, LINES))
@example('A_B="' + "x\n" * 5000, "ENV " + "A=" * 5000, "services:\n" + " " * 5000 + "a:\n")
@example("A_B=" + "$" * 5000, "ENV A_B=" + "\\" * 5000, "services:\n  a:\n   environment:\n" + "    - A_B=c\n" * 5000)
def test_no_file_crashes_the_check(tmp_path_factory: pytest.TempPathFactory, one: str, two: str, three: str) -> None:
    folder = tmp_path_factory.mktemp("odd")
    files = {".env.example": one, "Dockerfile": two, "compose.yaml": three, "check_env.py": ""}
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8", newline="")
    for finding in env.check(Context(load_project(folder, cached=False))):
        assert finding.path in files
        assert re.fullmatch(r"[\x20-\x7e]+", finding.message)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("DATABSE_URL", "DATABASE_URL", True),
        ("DATABASE_ULR", "DATABASE_URL", False),
        ("LOGLEVEL", "LOG_LEVEL", True),
        ("ALLOWED_HOST", "ALLOWED_HOSTS", True),
        ("SMTP_HOST", "SMTP_PORT", False),
        ("DB_HOST", "DB_POST", False),
        ("NODE1_URL", "NODE2_URL", False),
        ("SIGNIGN_KEY", "SIGNING_KEY", True),
        ("REGION", "REASON", False),
    ],
)
def test_a_slip_of_the_pen_is_told_from_another_name(one: str, other: str, expected: bool) -> None:
    assert (is_slip(one, other), is_slip(other, one)) == (expected, expected)


@pytest.mark.parametrize(
    ("key", "library", "expected"),
    [
        ("OPENAI_API_KEY", "openai", True),
        ("OPENAI_MODEL", "openai", False),
        ("OPENAI_API_KEY", "flask", False),
        ("CELERY_BROKER_URL", "celery", True),
        ("REDIS_URL", "redis", False),
        ("LANGFUSE_HOST", "langfuse", True),
        ("QDRANT_URL", "qdrant_client", False),
        ("MEILI_MASTER_KEY", "meili", True),
        ("MEILI_MASTER_KEY", "redis", False),
        ("GROQ_API_KEY", "langchain_groq", True),
        ("DEEPSEEK_API_KEY", "litellm", True),
        ("CONFIG_PATH", "config", False),
    ],
)
def test_a_key_belongs_to_a_library_only_where_the_library_reads_it(key: str, library: str, expected: bool) -> None:
    assert env_owners.is_owned(key, [library]) == expected


@pytest.mark.parametrize("key", ["PATH", "TZ", "PYTHONPATH", "http_proxy", "PORT", "OTEL_EXPORTER", "AWS_REGION"])
def test_what_every_process_has_belongs_to_the_platform(key: str) -> None:
    assert env_owners.is_given_by_platform(key)


@pytest.mark.usefixtures("no_processes")
def test_what_is_excluded_still_reads(tmp_path: Path) -> None:
    files = {
        "pyproject.toml": '[tool.guardrails]\nexclude = ["generated"]\n',
        ".env": "ODD_LIMIT=1\nDATABASE_URL=\n",
        "generated/client.py": 'import os\nLIMIT = os.environ["ODD_LIMIT"]\n',
        "app.py": APP,
    }
    assert found(gate(write_files(tmp_path, files))) == ()


@pytest.mark.usefixtures("no_processes")
def test_a_file_that_does_not_parse_still_reads(tmp_path: Path) -> None:
    files = {".env": "ODD_LIMIT=1\n", "app.py": APP, "broken.py": 'import os\nos.environ["ODD_LIMIT"]\ndef (:\n'}
    assert [one.rule for one in found(gate(write_files(tmp_path, files))) if one.rule.startswith("GR-ENV")] == []
