"""Mistakes that every type checker must report, each on its line: the lazy front door hides none."""

from __future__ import annotations

import guardrails
from guardrails import (
    Breaker,
    ConfigError,
    Finding,
    GateRecord,
    GitError,
    Guard,
    Retry,
    Severity,
    Waiver,
    emit,
    listen,
    redacted,
    run_gate,
)

print(guardrails.Nope)  # error
print(guardrails.evidense)  # error
print(Severity.FATAL)  # error
ConfigError(3)  # error
GitError(["git"], "1", "")  # error
GateRecord.from_json(3)  # error
Finding("GR-TIME-001", Severity.ERROR, "app.py")  # error
Waiver("GR-TIME-001", "app.py", "because", "me", until="2030-01-01")  # error
emit("calls_total", "one")  # error
listen(print("no function"))  # error
redacted(b"token=abc")  # error
run_gate("backend")  # error
run_gate(strict=True)  # error
Retry(attempts=3)  # error
Retry(on="ConnectionError")  # error
Breaker(failure_rat=0.5)  # error
Guard("search", time_out=5)  # error
Guard("search", retry=3)  # error
guard = Guard("search")
guard(3)  # error
guard.call(len, 3)  # error
guard.call(len, [], [])  # error
guard.isolate()  # error
guard.state = "open"  # error


def misspell() -> object:
    from guardrails import Gaurd  # error

    return Gaurd


def misread(record: GateRecord, finding: Finding) -> int:
    record.verdict = "passed"  # error
    print(finding.severity.weight)  # error
    return finding.place  # error
