"""The gate: reads the project once, runs every check over it, weighs what they find.

    configuration ─► source model ─► checks ─► waivers ─► verdict ─► GateRecord

A check that crashes is an error of its own and never a pass; the others still run.
"""

from __future__ import annotations

import datetime as dt
import os
import shlex
import sys
from typing import TYPE_CHECKING, Any

from guardrails import __version__
from guardrails.clock import SystemClock
from guardrails.config import load_config
from guardrails.evidence import CheckResult, Evidence, GateRecord, NotAnalysed, Rung
from guardrails.git import head
from guardrails.hooks import emit
from guardrails.preflight import families, waivers
from guardrails.preflight.context import Context
from guardrails.redact import redacted
from guardrails.source import load_project, require_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from guardrails.clock import Clock
    from guardrails.config import Config
    from guardrails.evidence import Finding, Verdict
    from guardrails.source import Project

PASSED, FAILED, UNUSABLE, UNKNOWN = 0, 1, 2, 3


def run_gate(
    path: Path,
    *,
    strict: bool | None = None,
    select: Sequence[str] = (),
    jobs: int | None = None,
    config: Config | None = None,
    argv: Sequence[str] = (),
    clock: Clock | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> GateRecord:
    """Run every static check over the project in `path` and say whether it may pass.

    Nothing of the project is executed. `strict`, `select` and `jobs` override the configuration where
    given; `config` replaces what `path` says of itself. `argv` is recorded as the command that was run.
    `progress(done, total)` is called while files are parsed. Raises ConfigError, NotAProject, UnknownRule
    and InterpreterError, in which cases nothing ran.
    """
    clock = clock or SystemClock()
    begun, started = clock.monotonic(), clock.wall()
    require_folder(path)
    config = _overridden(config or load_config(path), strict=strict, select=tuple(select), jobs=jobs)
    selected = families.selected_families(config.preflight.select)
    excuses = waivers.configured(config, families.catalogue)
    project = load_project(
        path,
        src=config.src,
        exclude=config.exclude,
        python=config.python,
        jobs=config.preflight.jobs,
        cached=config.preflight.record,
        progress=progress,
    )
    context = Context(project, config.python)
    findings: list[Finding] = []
    checks: list[CheckResult] = []
    for family in selected:
        result, found = _run(family, context, clock)
        checks.append(result)
        findings += found
    today = dt.datetime.fromtimestamp(started, dt.UTC).date()
    findings = waivers.apply(dict.fromkeys(findings), excuses, selected, today)
    findings.sort(key=lambda f: (f.severity.rank, f.waived is not None, f.path, f.line or 0, f.rule))
    not_analysed = tuple(NotAnalysed(_safe(name), _safe(reason)) for name, reason in project.not_analysed)
    verdict, exit_code = _weigh(
        findings, checks, not_analysed, strict=config.preflight.strict, analysed=len(project.modules)
    )
    emit("gate_runs_total", labels={"verdict": verdict})
    return GateRecord(
        verdict=verdict,
        findings=tuple(_presentable(finding, path) for finding in findings),
        checks=tuple(checks),
        not_analysed=not_analysed,
        summary=_summary(findings, checks, not_analysed, project.modules.values()),
        project=_safe(path.resolve().name),
        notes=tuple(_safe(note) for note in project.notes),
        evidence=_evidence(project, argv, exit_code, started, clock.monotonic() - begun),
    )


def _evidence(project: Project, argv: Sequence[str], exit_code: int, started: float, duration: float) -> Evidence:
    state = head(project.base)
    return Evidence(
        rung=Rung.STATIC,
        argv=tuple(_safe(word) for word in argv),
        exit_code=exit_code,
        started=dt.datetime.fromtimestamp(started, dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        duration=round(duration, 6),
        commit=state.commit if state else None,
        dirty=state.dirty if state else None,
        versions={
            "guardrails": __version__,
            "python": sys.version.partition(" ")[0],
            "target_python": _safe(f"{project.target.label} ({project.target.place})"),
            "platform": sys.platform,
        },
    )


def _overridden(config: Config, **given: Any) -> Config:
    said = {name: value for name, value in given.items() if value is not None and value != ()}
    return config._replace(preflight=config.preflight._replace(**said))


def _run(family: str, context: Context, clock: Clock) -> tuple[CheckResult, list[Finding]]:
    begun = clock.monotonic()
    if not context.project.modules:
        reason = "no Python file could be analysed" if context.project.python else "no Python file"
        return CheckResult(family, "skipped", 0.0, reason), []
    try:
        found = list(families.family_module(family).check(context))
    except Exception as exc:  # whatever a check raises, the others run and the verdict says so
        if os.environ.get("GUARDRAILS_DEBUG"):
            raise
        reason = _safe(f"the check crashed: {type(exc).__name__}: {exc}")
        return CheckResult(family, "error", clock.monotonic() - begun, reason), []
    failed = any(finding.severity == "error" for finding in found)
    return CheckResult(family, "failed" if failed else "passed", clock.monotonic() - begun), found


def _safe(text: str) -> str:
    """Foreign text as every output may show it: without secrets, and with control characters made visible."""
    text = redacted(text)
    if text.isprintable():
        return text
    from guardrails.mdtext import visible

    return visible(text)


def _presentable(finding: Finding, path: Path) -> Finding:
    """A finding whose texts are safe and whose command works from where the gate was called."""
    verify = finding.verify
    if str(path) != ".":
        folder = shlex.quote(str(path))
        verify = f"{verify} {folder}" if verify.startswith("guardrails ") else f"(cd {folder} && {verify})"
    waived = finding.waived
    if waived is not None:
        waived = waived._replace(where=_safe(waived.where), reason=_safe(waived.reason), owner=_safe(waived.owner))
    return finding._replace(
        path=_safe(finding.path),
        message=_safe(finding.message),
        fix=_safe(finding.fix),
        verify=_safe(verify),
        waived=waived,
    )


def _weigh(
    findings: Iterable[Finding],
    checks: Sequence[CheckResult],
    not_analysed: Sequence[NotAnalysed],
    *,
    strict: bool,
    analysed: int,
) -> tuple[Verdict, int]:
    """The verdict and the exit status of the contract. A failure outranks not knowing; not knowing, a pass."""
    failing = ("error", "warning") if strict else ("error",)
    if any(finding.severity in failing and finding.waived is None for finding in findings):
        return "failed", FAILED
    crashed = any(check.status == "error" for check in checks)
    if crashed or not analysed or (strict and not_analysed):
        return "unknown", UNKNOWN
    return "passed", PASSED


def _summary(
    findings: Sequence[Finding],
    checks: Sequence[CheckResult],
    not_analysed: Sequence[NotAnalysed],
    modules: Iterable[object],
) -> Mapping[str, int]:
    lines = [module.lines for module in modules]  # type: ignore[attr-defined]
    counts = dict.fromkeys(("error", "warning", "info"), 0)
    for finding in findings:
        if finding.waived is None:
            counts[finding.severity.value] += 1
    return {
        "errors": counts["error"],
        "warnings": counts["warning"],
        "infos": counts["info"],
        "waived": sum(finding.waived is not None for finding in findings),
        "checks_run": sum(check.status in ("passed", "failed") for check in checks),
        "checks_skipped": sum(check.status == "skipped" for check in checks),
        "checks_crashed": sum(check.status == "error" for check in checks),
        "files": len(lines),
        "lines": sum(lines),
        "not_analysed": len(not_analysed),
    }
