"""Prometheus text, for the textfile collector: gauges of the last run, so that a gate that stands still is seen.

Each carries the project's name, because one collector reads the files of many projects. Write it with
`--output prometheus=FILE.prom`, which replaces the file in one step.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import TYPE_CHECKING

from guardrails.mdtext import visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from guardrails.evidence import GateRecord

_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


def render(record: GateRecord) -> str:
    """The record as gauges. Counts of findings are those that nothing excuses, unless the name says more."""
    s = record.summary
    verdicts = {verdict: int(record.verdict == verdict) for verdict in ("passed", "failed", "unknown")}
    severities = {"error": s["errors"], "warning": s["warnings"], "info": s["infos"]}
    excused = {"waived": s["waived"], "known": s["known"], "left_out": s["left_out"]}
    statuses = Counter(check.status for check in record.checks)
    checks = {status: statuses[status] for status in ("passed", "failed", "skipped", "error")}
    rules = Counter(finding.rule for finding in record.findings if not finding.excused)
    started = dt.datetime.fromisoformat(record.evidence.started).timestamp()
    name = visible(record.project).translate(_ESCAPES)
    lines = [
        *_gauge("verdict", "1 for the verdict of the last run, 0 for the others", name, "verdict", verdicts),
        *_gauge("findings", "Findings that nothing excuses, by severity", name, "severity", severities),
        *_gauge("rule_findings", "Findings that nothing excuses, by rule", name, "rule", dict(sorted(rules.items()))),
        *_gauge("excused_findings", "Findings that fail nothing, by the reason", name, "reason", excused),
        *_gauge("checks", "Checks by how they went", name, "status", checks),
        *_gauge("files", "Files that were analysed", name, "", {"": s["files"]}),
        *_gauge("not_analysed_files", "Files that could not be analysed", name, "", {"": s["not_analysed"]}),
        *_gauge("duration_seconds", "How long the last run took", name, "", {"": record.evidence.duration}),
        *_gauge("last_run_timestamp_seconds", "When the last run began", name, "", {"": started}),
    ]
    return "\n".join(lines) + "\n"


def _gauge(name: str, said: str, project: str, label: str, values: Mapping[str, float]) -> Iterator[str]:
    metric = f"guardrails_gate_{name}"
    yield f"# HELP {metric} {said}."
    yield f"# TYPE {metric} gauge"
    for value, number in values.items():
        more = f',{label}="{visible(value).translate(_ESCAPES)}"' if label else ""
        yield f'{metric}{{project="{project}"{more}}} {number}'
