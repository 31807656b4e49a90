"""What a rule is, and how much a finding of it weighs where it was found."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from guardrails.evidence import Finding, Severity

if TYPE_CHECKING:
    from guardrails.source import Role


class Rule(NamedTuple):
    """One kind of defect: why it hurts, how to mend it, the bad and the good code.

    `severity` is the worst that a finding of this rule can have. `fix` and `verify` are what a finding
    says unless it knows better.
    """

    id: str
    title: str
    severity: Severity
    why: str
    fix: str
    verify: str
    bad: str
    good: str
    runbook: str

    @property
    def family(self) -> str:
        return self.id.rpartition("-")[0]

    def at(
        self,
        path: str,
        line: int | None,
        message: str,
        *,
        severity: Severity | None = None,
        fix: str | None = None,
        verify: str | None = None,
    ) -> Finding:
        """A finding of this rule."""
        return Finding(
            rule=self.id,
            severity=severity or self.severity,
            path=path,
            line=line,
            message=message,
            why=self.why,
            fix=fix or self.fix,
            verify=verify or self.verify,
            runbook=self.runbook,
        )


def weakened(severity: Severity, role: Role) -> Severity:
    """A defect outside the application's own code fails nobody's deployment.

    A wrong example is copied, so it warns; tests, templates and vendored code only inform.
    """
    if role == "app":
        return severity
    cap = Severity.WARNING if role == "example" else Severity.INFO
    return max(severity, cap, key=lambda s: s.rank)
