"""What a user writes, as strict type checkers see it: no line here may be reported."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, assert_type

import guardrails
from guardrails import (
    Clock,
    Config,
    ConfigError,
    Evidence,
    Finding,
    GateRecord,
    GitError,
    GuardrailsError,
    InterpreterError,
    NotAProject,
    Redactor,
    Rung,
    Severity,
    SystemClock,
    UnknownRule,
    Waiver,
    emit,
    listen,
    load_config,
    redacted,
    run_gate,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


def time_and_chance(clock: Clock | None = None) -> float:
    chosen: Clock = clock or SystemClock()
    assert_type(chosen.monotonic(), float)
    assert_type(chosen.wall(), float)
    return chosen.chance()


def settings(project: Path) -> list[str]:
    config = load_config(project)
    assert_type(config, Config)
    assert_type(config.preflight.strict, bool)
    assert_type(config.exclude, tuple[str, ...])
    return [waiver.owner for waiver in config.waiver]


def errors() -> list[GuardrailsError]:
    config = ConfigError(["pyproject.toml:3: wait: 'soon' is not a duration"])
    assert_type(config.problems, tuple[str, ...])
    git = GitError(["git", "log"], None, "")
    assert_type(git.returncode, int | None)
    unknown = UnknownRule("GR-NOPE", near=("GR-TIME",))
    assert_type(unknown.near, tuple[str, ...])
    return [
        config,
        git,
        unknown,
        InterpreterError("python3.9", "too old"),
        NotAProject("/srv", "no pyproject.toml"),
    ]


def builtin_parents(error: ConfigError) -> ValueError:
    return error


def findings() -> Finding:
    finding = Finding(
        rule="GR-TIME-001",
        severity=Severity.ERROR,
        path="app/llm.py",
        line=12,
        message="requests.get() has no timeout",
        why="a server that stops answering holds the worker for ever",
        fix="pass timeout=(3.05, 30)",
        verify="guardrails preflight --only GR-TIME",
        runbook="slow-dependency",
    )
    waiver = Waiver("GR-TIME-001", "app/*.py", reason="internal", owner="platform", until=dt.date(2030, 1, 1))
    assert_type(waiver.expired(dt.date(2029, 1, 1)), bool)
    assert_type(finding.severity.rank, int)
    assert_type(finding.place, str)
    return finding.waive(waiver)


def records(path: Path) -> str:
    record = GateRecord.from_json(path.read_bytes())
    assert_type(record, GateRecord)
    assert_type(record.evidence, Evidence)
    assert_type(record.evidence.rung, Rung)
    assert_type(record.findings, tuple[Finding, ...])
    if record.verdict == "failed":
        return "\n".join(finding.place for finding in record.findings if finding.severity is Severity.ERROR)
    return record.to_json()


def gate(project: Path) -> int:
    record = run_gate(project, strict=True, select=["GR-ROUTE"], jobs=2, clock=SystemClock())
    assert_type(record, GateRecord)
    return record.exit_code


def secrets(line: str) -> list[str]:
    redactor = Redactor(extra_keys=["pin"], values=["correct-horse-battery"])
    assert_type(redactor.text(line), str)
    return [redactor.text(line), redacted(line)]


def hooks() -> None:
    def count(name: str, value: float, labels: Mapping[str, str]) -> None:
        print(name, value, *labels.items())

    stop: Callable[[], None] = listen(count)
    emit("calls_total")
    emit("wait_seconds", 0.2, {"dependency": "memory"})
    stop()


def version() -> str:
    return guardrails.__version__
