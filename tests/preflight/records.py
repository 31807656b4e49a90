"""Records as a run would make them, for the tests of the outputs."""

from __future__ import annotations

import datetime as dt

from guardrails.evidence import CheckResult, Evidence, Finding, GateRecord, NotAnalysed, Rung, Severity, Waiver

WAIVED = Waiver("GR-ROUTE-001", "app/*", "goes with v1", "@api", dt.date(2099, 12, 31), "pyproject.toml:3")


def finding(
    number: int = 1, severity: Severity = Severity.ERROR, waived: Waiver | None = None, *, known: bool = False
) -> Finding:
    return Finding(
        rule="GR-ROUTE-001",
        severity=severity,
        path=f"app/m{number}.py",
        line=number,
        message=f"message {number}",
        why="why it hurts.",
        fix=f"fix {number}.",
        verify="guardrails preflight",
        runbook="route-conflict",
        waived=waived,
        fingerprint=f"{number:016x}",
        known=known,
    )


def record(
    *findings: Finding,
    checks: tuple[CheckResult, ...] = (CheckResult("GR-ROUTE", "passed", 0.1),),
    not_analysed: int = 0,
    left_out: int = 0,
    notes: tuple[str, ...] = (),
    verdict: str = "passed",
    strict: bool = False,
) -> GateRecord:
    opened = [f.severity.value for f in findings if not f.excused]
    return GateRecord(
        verdict=verdict,  # type: ignore[arg-type]
        findings=findings,
        checks=checks,
        not_analysed=tuple(NotAnalysed(f"x{n}.py", f"reason {n}") for n in range(not_analysed)),
        evidence=Evidence(
            Rung.STATIC,
            ("guardrails", "preflight"),
            {"passed": 0, "failed": 1, "unknown": 3}[verdict],
            "2025-06-15T15:06:40Z",
            0.5,
            "ab" * 20,
            True,
            {"guardrails": "1.2.3"},
        ),
        summary={
            "errors": opened.count("error"),
            "warnings": opened.count("warning"),
            "infos": opened.count("info"),
            "waived": sum(f.waived is not None for f in findings),
            "known": sum(f.known for f in findings),
            "left_out": left_out,
            "checks_run": sum(check.status in ("passed", "failed") for check in checks),
            "checks_skipped": sum(check.status == "skipped" for check in checks),
            "checks_crashed": sum(check.status == "error" for check in checks),
            "files": 1234,
            "lines": 56789,
            "not_analysed": not_analysed,
        },
        project="svc",
        notes=notes,
        strict=strict,
    )
