"""The checks that a project wrote itself, run beside those of the gate: what they answer becomes results and findings.

[tool.guardrails] plugins ──► a warden ──► plugin_host ──► a fork for each check
         findings, results ◄── lines of JSON ──┘
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from guardrails.config import PreflightConfig
from guardrails.errors import ConfigError
from guardrails.evidence import CheckResult, Severity
from guardrails.preflight.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from guardrails.config import Config
    from guardrails.evidence import Finding
    from guardrails.source import Project

FAMILY = "GR-CHECK"
STATIC = "--static executes nothing of the project"
HOST = "guardrails.preflight.plugin_host"
# Seconds that the import of one file may take.
LOAD_LIMIT = 15.0
# What loading and the end take beside the checks themselves, in seconds.
MARGIN = 20.0
NO_FIX = "The check names no fix: add `fix=` to its `fail(…)`."

FAILED = Rule(
    id="GR-CHECK-001",
    title="a check that the project wrote itself has failed",
    severity=Severity.ERROR,
    why="Whoever wrote the check wants to know this before the service starts.",
    fix=NO_FIX,
    verify="guardrails preflight --select GR-CHECK",
    bad='@check("memory.writable")\ndef writable(ctx):\n    return fail("HTTP 507")',
    good='@check("memory.writable")\ndef writable(ctx):\n    return fail("HTTP 507", fix="free space on the volume")',
    runbook="own-check-failed",
)
RULES = (FAILED,)


class OwnChecks:
    """One run of the checks that a project wrote itself.

    `wait`: seconds for which a check that fails is repeated. `deadline`: seconds for all checks, waiting not counted.
    After `run`, `results` and `findings` say how it went, and `optional` holds the ids of the checks whose failure is
    no error.
    """

    def __init__(self, wait: float = 0.0, deadline: float = PreflightConfig().deadline) -> None:
        self.wait = wait
        self.deadline = deadline
        self.optional: set[str] = set()
        self.results: list[CheckResult] = []
        self.findings: list[Finding] = []

    def run_selected(self, config: Config, project: Project, *, static: bool, hopeless: bool) -> None:
        """Run those of the checks that the configuration names which it also selects; none of them with `static`."""
        rules, words = split(config)
        named = FAMILY in {word.strip().upper()[: len(FAMILY)] for word in rules}
        if not config.plugins or (rules and not words and not named):
            return
        from guardrails.preflight import contained

        if static or not contained.WHERE:
            reason = STATIC if static else "checks run in forked processes, which this system does not have"
            self.results.append(CheckResult(FAMILY, "skipped", 0.0, reason))
            return
        roots = [root.folder for root in project.layout.roots]
        self.run(project.base, config.plugins, roots=roots, select=() if named else words, hopeless=hopeless)

    def run(
        self,
        path: Path,
        plugins: Sequence[str],
        *,
        roots: Sequence[str] = (),
        select: Sequence[str] = (),
        hopeless: bool = False,
    ) -> None:
        """Run what `plugins` names in the project at `path`.

        `roots`: folders below it from which the project's modules are imported. `select`: ids and groups; default
        all. `hopeless`: the gate has failed already, so that nothing is waited for. Raises ConfigError with all that
        is wrong with the checks themselves, in which case none ran.
        """
        base = path.resolve()
        wait = 0.0 if hopeless else self.wait
        order = {
            "plugins": list(plugins),
            "project": str(base),
            "roots": [str(base / root) for root in dict.fromkeys((".", *roots))],
            "select": list(select),
            "wait": wait,
            "deadline": self.deadline + wait,
            "load_limit": LOAD_LIMIT,
        }
        lost: dict[str, CheckResult] = {}
        while True:
            results, loading = self._host({**order, "without": list(lost)})
            if not loading:
                break
            lost[loading] = results[loading]
        self.results += [result for _, result in sorted({**lost, **results}.items())]

    def _host(self, order: dict[str, Any]) -> tuple[dict[str, CheckResult], str]:
        """Run the host once: results by id, and the source whose import it did not survive, or ""."""
        from guardrails.preflight import contained

        results: dict[str, CheckResult] = {}
        unanswered: dict[str, str] = {}
        loading, since, ended = "", time.monotonic(), "it ended with status 0"
        try:
            for answer in self._answers(order):
                if "loading" in answer:
                    loading, since = answer["loading"], time.monotonic()
                elif "broken" in answer:
                    results[loading] = _error(loading, f"cannot be imported: {answer['reason']}", since)
                elif "mistakes" in answer:
                    raise ConfigError(answer["mistakes"])
                elif "running" in answer:
                    loading = ""
                    self.optional = {name for name, severity in answer["running"].items() if severity != Severity.ERROR}
                    unanswered = dict(answer["running"])
                elif "result" in answer:
                    name = answer["result"]["id"]
                    results[name] = self._take(answer["result"])
                    del unanswered[name]
                else:
                    break
        except contained.Broken as exc:
            ended = str(exc)
        if loading:
            said = f"its import ended the process, or did not end within {LOAD_LIMIT:g} s: {ended}"
            results[loading] = _error(loading, said, since)
        for name in unanswered:
            results[name] = _error(name, f"the process that runs the checks was lost: {ended}", since)
        return results, loading

    def _answers(self, order: dict[str, Any]) -> Iterator[dict[str, Any]]:
        from guardrails.preflight import contained

        def command(pipe: int) -> list[str]:
            # -P: the folder it is started in is the project's and must not shadow the library.
            return [sys.executable, "-P", "-m", HOST, str(pipe), json.dumps(order)]

        for line in contained.answers(command, cwd=Path(order["project"]), limit=order["deadline"] + MARGIN):
            yield json.loads(line)

    def _take(self, said: dict[str, Any]) -> CheckResult:
        reason = said["reason"]
        if said["attempts"] > 1 and said["status"] in ("failed", "error"):
            reason += f" (tried {said['attempts']} times in {said['duration']:.1f} s)"
        if said["status"] == "failed":
            finding = FAILED.at(
                said["path"],
                said["line"],
                f"{said['id']}: {reason}",
                severity=Severity(said["severity"]),
                fix=said["fix"] or NO_FIX,
                verify=said["verify"] or f"guardrails preflight --select {said['id']}",
            )
            self.findings.append(finding._replace(why=said["why"] or finding.why))
        return CheckResult(said["id"], said["status"], said["duration"], reason or None)


def check_of(finding: Finding) -> str:
    """The id of the check that a finding comes from; of the gate's own ones, their family."""
    return finding.message.partition(":")[0] if finding.rule == FAILED.id else finding.rule.rpartition("-")[0]


def all_answered(checks: Sequence[CheckResult]) -> bool:
    """Whether there are own checks among these, and each has passed or failed."""
    own = [check.status for check in checks if not check.id.startswith("GR-")]
    return bool(own) and set(own) <= {"passed", "failed"}


def split(config: Config) -> tuple[Sequence[str], Sequence[str]]:
    """Of what the configuration selects the rules of the gate, and the ids and groups of own checks."""
    select = config.preflight.select
    # Where there are no own checks, what looks like one is a rule that was misspelt.
    words = [word for word in select if config.plugins and not word.strip().upper().startswith("GR-")]
    return [word for word in select if word not in words], words


def _error(name: str, reason: str, since: float) -> CheckResult:
    return CheckResult(name, "error", time.monotonic() - since, reason)
