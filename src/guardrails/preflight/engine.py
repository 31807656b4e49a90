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
from guardrails.preflight import families, own_checks, waivers
from guardrails.preflight.context import CannotTell, Context, Skip
from guardrails.preflight.own_checks import OwnChecks
from guardrails.redact import redacted
from guardrails.source import load_project, require_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from guardrails.clock import Clock
    from guardrails.config import Config
    from guardrails.evidence import Finding, Verdict, Waiver
    from guardrails.preflight.baseline import Baseline
    from guardrails.preflight.since import Changes
    from guardrails.source import Project

PASSED, FAILED, UNUSABLE, UNKNOWN = 0, 1, 2, 3


def run_gate(
    path: Path,
    *,
    static: bool = False,
    strict: bool | None = None,
    select: Sequence[str] = (),
    jobs: int | None = None,
    config: Config | None = None,
    baseline: Baseline | None = None,
    since: str | None = None,
    own: OwnChecks | None = None,
    argv: Sequence[str] = (),
    clock: Clock | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> GateRecord:
    """Run every check over the project in `path` and say whether it may pass.

    What `[tool.guardrails.imports]` and `[tool.guardrails.environment]` name is executed, in processes of its own,
    and so are the checks of `plugins`; nothing else is, and nothing at all with `static`. `strict`, `select` and
    `jobs` override the configuration where given; `config` replaces what `path` says of itself. What `baseline`
    knows, or else the file that the configuration names, fails nothing. `since`: a git revision; what was found at
    files not changed since then is counted and left out. `own`: how long the project's own checks are repeated;
    afterwards it says more of them than the record. `argv` is recorded as the command that was run.
    `progress(done, total)` is called while files are parsed. Raises ConfigError, NotAProject, UnknownRule and
    InterpreterError, in which cases nothing ran.
    """
    clock = clock or SystemClock()
    begun, started = clock.monotonic(), clock.wall()
    require_folder(path)
    config = _overridden(config or load_config(path), strict=strict, select=tuple(select), jobs=jobs)
    selected = _selected(config)
    excuses = waivers.configured(config, families.catalogue)
    if baseline is None and config.preflight.baseline is not None:
        baseline = _configured_baseline(path, config.preflight.baseline)
    changes = _changes(since, path)
    project = load_project(
        path,
        src=config.src,
        exclude=config.exclude,
        python=config.python,
        jobs=config.preflight.jobs,
        cached=config.preflight.record,
        progress=progress,
    )
    context = Context(project, config)
    own = own or OwnChecks(deadline=config.preflight.deadline)
    checks, findings = _run_all(selected, own, context, clock, static=static)
    today = dt.datetime.fromtimestamp(started, dt.UTC).date()
    findings = _judged(findings, checks, project, excuses, baseline, today)
    notes, unread, left_out = (*project.notes, *context.notes), project.not_analysed, 0
    if changes is not None:
        findings, left_out = _changed(findings, changes)
        notes = (*notes, changes.note(left_out))
        unread = tuple(item for item in unread if changes.touch(item[0]))
    findings.sort(key=lambda f: (f.severity.rank, f.excused, f.path, f.line or 0, f.rule))
    strict = config.preflight.strict
    verdict, exit_code = _weigh(findings, checks, unread, strict=strict, analysed=len(project.modules))
    emit("gate_runs_total", labels={"verdict": verdict})
    return GateRecord(
        verdict=verdict,
        findings=tuple(_presentable(finding, path) for finding in findings),
        checks=tuple(checks),
        not_analysed=tuple(NotAnalysed(_safe(name), _safe(reason)) for name, reason in project.not_analysed),
        summary=_summary(findings, left_out, checks, project),
        project=_safe(path.resolve().name),
        notes=tuple(_safe(note) for note in notes),
        evidence=_evidence(project, argv, exit_code, started, clock.monotonic() - begun),
        folder=_safe(_folder(path)),
        strict=strict,
    )


def _run_all(
    selected: Iterable[str], own: OwnChecks, context: Context, clock: Clock, *, static: bool
) -> tuple[list[CheckResult], list[Finding]]:
    checks: list[CheckResult] = []
    findings: list[Finding] = []
    for family in selected:
        result, found = _run(family, context, clock, static=static)
        checks.append(result)
        findings += found
    hopeless = any(finding.severity == "error" for finding in findings)
    own.run_selected(context.config, context.project, static=static, hopeless=hopeless)
    checks += [check._replace(id=_safe(check.id), reason=check.reason and _safe(check.reason)) for check in own.results]
    return checks, [*findings, *own.findings]


def _selected(config: Config) -> list[str]:
    """The families to run: those that execute something only where they are configured, or asked for."""
    select, own = own_checks.split(config)
    if own and not select:
        return []
    live = families.selected_families(select, families.LIVE_FAMILIES)
    is_configured = bool(config.imports.critical or config.imports.optional or config.environment.settings)
    is_asked = any(item.strip().upper().startswith(tuple(live)) for item in select)
    return [*families.selected_families(select), *(live if is_configured or is_asked else ())]


def _changed(findings: Iterable[Finding], changes: Changes) -> tuple[list[Finding], int]:
    """The findings at changed files, those of a run wherever they show, and the number of the others."""
    executed = (*families.LIVE_FAMILIES, own_checks.FAMILY)
    live: list[Finding] = []
    static: list[Finding] = []
    for finding in findings:
        (live if finding.rule.rpartition("-")[0] in executed else static).append(finding)
    kept, left_out = changes.split(static)
    return [*kept, *live], left_out


def _configured_baseline(path: Path, file: str) -> Baseline:
    from guardrails.preflight.baseline import Baseline

    return Baseline.read(path / file, path)


def _changes(since: str | None, path: Path) -> Changes | None:
    if since is None:
        return None
    from guardrails.preflight.since import changes_since

    return changes_since(since, path)


def _judged(
    findings: Iterable[Finding],
    checks: Sequence[CheckResult],
    project: Project,
    excuses: Sequence[Waiver],
    baseline: Baseline | None,
    today: dt.date,
) -> list[Finding]:
    """Each finding once, with its fingerprint and what excuses it; and the findings about the excuses."""
    ran = [check.id for check in checks if check.status != "error" and not _is_live_skipped(check)]
    if own_checks.all_answered(checks):
        ran.append(own_checks.FAMILY)
    judged = waivers.apply(dict.fromkeys(findings), excuses, ran, today)
    if judged:
        from guardrails.preflight.fingerprint import fingerprinted

        judged = fingerprinted(judged, project.base)
    if baseline is not None:
        unread = {_safe(name) for name, _ in project.not_analysed}
        judged = list(baseline.apply(judged, ran, unread))
    return judged


def _is_live_skipped(check: CheckResult) -> bool:
    """Whether it may find something the next time, because it depends on more than the code."""
    return check.status == "skipped" and check.id in families.LIVE_FAMILIES


def _folder(path: Path) -> str:
    """The project's folder from where the gate was called, where it lies below; else nobody there can use it."""
    try:
        below = os.path.relpath(path).replace(os.sep, "/")
    except ValueError:  # another drive of Windows
        return "."
    return "." if below == ".." or below.startswith("../") else below


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


def _run(family: str, context: Context, clock: Clock, *, static: bool) -> tuple[CheckResult, list[Finding]]:
    begun = clock.monotonic()
    if static and family in families.LIVE_FAMILIES:
        return CheckResult(family, "skipped", 0.0, "--static executes nothing of the project"), []
    if not context.project.modules:
        reason = "no Python file could be analysed" if context.project.python else "no Python file"
        return CheckResult(family, "skipped", 0.0, reason), []
    found: list[Finding] = []
    try:
        found.extend(families.family_module(family).check(context))
    except Skip as exc:
        return CheckResult(family, "skipped", 0.0, _safe(str(exc))), []
    except CannotTell as exc:
        return CheckResult(family, "error", clock.monotonic() - begun, _safe(str(exc))), found
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
        why=_safe(finding.why),
        fix=_safe(finding.fix),
        verify=_safe(verify),
        waived=waived,
    )


def _weigh(
    findings: Iterable[Finding],
    checks: Sequence[CheckResult],
    not_analysed: Sequence[object],
    *,
    strict: bool,
    analysed: int,
) -> tuple[Verdict, int]:
    """The verdict and the exit status of the contract. A failure outranks not knowing; not knowing, a pass."""
    failing = ("error", "warning") if strict else ("error",)
    if any(finding.severity in failing and not finding.excused for finding in findings):
        return "failed", FAILED
    crashed = any(check.status == "error" for check in checks)
    if crashed or not analysed or all(check.status == "skipped" for check in checks) or (strict and not_analysed):
        return "unknown", UNKNOWN
    return "passed", PASSED


def _summary(
    findings: Sequence[Finding], left_out: int, checks: Sequence[CheckResult], project: Project
) -> Mapping[str, int]:
    lines = [module.lines for module in project.modules.values()]
    counts = dict.fromkeys(("error", "warning", "info"), 0)
    for finding in findings:
        if not finding.excused:
            counts[finding.severity.value] += 1
    return {
        "errors": counts["error"],
        "warnings": counts["warning"],
        "infos": counts["info"],
        "waived": sum(finding.waived is not None for finding in findings),
        "known": sum(finding.known for finding in findings),
        "left_out": left_out,
        "checks_run": sum(check.status in ("passed", "failed") for check in checks),
        "checks_skipped": sum(check.status == "skipped" for check in checks),
        "checks_crashed": sum(check.status == "error" for check in checks),
        "files": len(lines),
        "lines": sum(lines),
        "not_analysed": len(project.not_analysed),
    }
