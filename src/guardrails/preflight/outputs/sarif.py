"""SARIF 2.1.0, for code scanning: results with rules, stable fingerprints, and suppressions for what is excused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from guardrails.mdtext import fence, visible
from guardrails.preflight.families import catalogue
from guardrails.preflight.outputs.points import excuse, in_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from guardrails.evidence import Finding, GateRecord
    from guardrails.preflight.rule import Rule

_LEVELS = {"error": "error", "warning": "warning", "info": "note"}
_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def render(record: GateRecord) -> str:
    """The record as a SARIF log of one run."""
    named = {finding.rule for finding in record.findings}
    rules = [rule for rule in catalogue() if rule.id in named]
    evidence = record.evidence
    invocation = {
        "executionSuccessful": record.verdict != "unknown",
        "exitCode": record.exit_code,
        "arguments": [visible(word) for word in evidence.argv[1:]],
        "startTimeUtc": evidence.started,
        "toolExecutionNotifications": list(_notifications(record)),
    }
    driver = {
        "name": "guardrails",
        "semanticVersion": evidence.versions.get("guardrails", "0.0.0"),
        "rules": [_rule(rule) for rule in rules],
    }
    run = {
        "tool": {"driver": driver},
        "invocations": [invocation],
        "results": [_result(finding, record, [rule.id for rule in rules]) for finding in record.findings],
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False) + "\n"


def _rule(rule: Rule) -> dict[str, Any]:
    text = f"{rule.why}\nFix: {rule.fix}\nBad:\n{rule.bad}\nGood:\n{rule.good}"
    page = f"{rule.why}\n\nFix: {rule.fix}\n\nBad\n\n{fence(rule.bad)}\n\nGood\n\n{fence(rule.good)}\n"
    return {
        "id": rule.id,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.why},
        "help": {"text": text, "markdown": page},
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
    }


def _result(finding: Finding, record: GateRecord, rules: list[str]) -> dict[str, Any]:
    said = "\n".join(visible(text) for text in (finding.message, finding.why, f"Fix: {finding.fix}"))
    return {
        "ruleId": finding.rule,
        **({"ruleIndex": rules.index(finding.rule)} if finding.rule in rules else {}),
        "level": _LEVELS[finding.severity],
        # A name must not become one of the links that a message may hold.
        "message": {"text": said.replace("](", "] (")},
        "locations": [_location(in_folder(record, finding.path), finding.line)],
        "partialFingerprints": {"guardrails/v1": finding.fingerprint},
        # Empty where nothing excuses it: the standard wants all results to have the key, or none.
        "suppressions": [{"kind": "external", "justification": visible(excuse(finding))}] if finding.excused else [],
        "properties": {"verify": visible(finding.verify), "runbook": finding.runbook},
    }


def _location(path: str, line: int | None) -> dict[str, Any]:
    place: dict[str, Any] = {"artifactLocation": {"uri": quote(visible(path)), "uriBaseId": "%SRCROOT%"}}
    return {"physicalLocation": {**place, "region": {"startLine": line}} if line else place}


def _notifications(record: GateRecord) -> Iterator[dict[str, Any]]:
    for item in record.not_analysed:
        where = [_location(in_folder(record, item.path), None)]
        yield {"level": "warning", "message": {"text": f"not analysed: {visible(item.reason)}"}, "locations": where}
    for check in record.checks:
        if check.status in ("error", "skipped"):
            word, level = ("crashed", "error") if check.status == "error" else ("skipped", "note")
            yield {"level": level, "message": {"text": visible(f"{check.id} {word}: {check.reason}")}}
    yield from ({"level": "note", "message": {"text": visible(note)}} for note in record.notes)
