"""What is proven of a commit: the gate's last record, a JUnit file, a coverage file; or why it is not.

A rung is given for what the file itself says, never for its name or its age: tests are E3 on a commit only
when the file names that commit, and no test executed is no pass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from guardrails.errors import GuardrailsError
from guardrails.evidence import GateRecord, Rung
from guardrails.reports.ledger import EVIDENCE
from guardrails.reports.results import read_coverage, read_junit

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from guardrails.reports.verdicts import Judgement

GATE = ".guardrails/gate/last.json"
# Where test runners and their documentation put it.
JUNIT_PLACES = ("junit.xml", "test-results.xml", "test-results/*.xml", "reports/junit*.xml")
COVERAGE_PLACES = ("coverage.xml", "coverage.json", "reports/coverage.xml")
MOST_BYTES = 2**26
SHOWN = 20


class Proof(NamedTuple):
    """One claim about the reported commit.

    `verdict`: SUPPORTED, CONTRADICTED, STALE (of another commit or a changed tree) or UNSUPPORTED. `reason` is a key
    of the labels, with `said` for its gaps. `source`: the file; `argv`: what made it, where that is known.
    """

    claim: str
    verdict: str
    rung: Rung
    reason: str
    said: dict[str, Any]
    source: str = ""
    argv: tuple[str, ...] = ()
    details: dict[str, Any] | None = None


def gate(folders: list[Path], tip: str, *, dirty: bool | None) -> Proof:
    """What the gate last found, and whether it speaks of this commit."""
    file = next((folder / GATE for folder in folders if (folder / GATE).is_file()), None)
    if file is None:
        return _nothing("gate", "gate_none", {"places": GATE})
    source = _shown(file, folders)
    try:
        record = GateRecord.from_json(_read(file))
        details = _of_record(record)
    except (OSError, GuardrailsError, AttributeError, TypeError, ValueError) as exc:
        return _nothing("gate", "unreadable", {"file": source, "why": _why(exc)}, source)
    evidence = record.evidence
    where = {"commit": (evidence.commit or "?")[:12], "errors": details["error"], "warnings": details["warning"]}
    found = Proof("gate", "STALE", Rung.EXISTS, "gate_other_commit", where, source, evidence.argv, details)
    if evidence.commit != tip:
        return found
    if evidence.dirty is not False or dirty is not False:
        return found._replace(reason="gate_dirty")
    if record.verdict == "passed":
        return found._replace(verdict="SUPPORTED", rung=evidence.rung, reason="gate_passed")
    if record.verdict == "failed":
        return found._replace(verdict="CONTRADICTED", rung=evidence.rung, reason="gate_failed")
    return found._replace(verdict="UNSUPPORTED", reason="gate_unknown")


def tests(folders: list[Path], given: Path | None, tip: str) -> Proof:
    """What a JUnit file says was executed, and on which commit."""
    return _from_xml("tests", folders, given, JUNIT_PLACES, lambda data: _judge_tests(_junit(data), tip))


def recorded(claim: str, judged: Judgement) -> Proof:
    """What the records of evidence say instead."""
    source = f"{EVIDENCE}/{judged.records[0]}.json"
    return Proof(claim, judged.verdict, judged.rung, judged.reason, judged.said, source)


def coverage(folders: list[Path], given: Path | None) -> Proof:
    """The share of lines that a coverage file says were executed; it never says on which commit."""
    return _from_xml("coverage", folders, given, COVERAGE_PLACES, _judge_coverage)


def _from_xml(
    claim: str, folders: list[Path], given: Path | None, places: tuple[str, ...], judge: Callable[[bytes], Proof]
) -> Proof:
    files = [given] if given is not None else _found(folders, places)
    if not files:
        return _nothing(claim, f"{claim}_none", {"places": ", ".join(places)})
    source = _shown(files[0], folders)
    if len(files) > 1:
        return _nothing(claim, "several", {"files": ", ".join(_shown(f, folders) for f in files[:5])}, source)
    try:
        return judge(_read(files[0]))._replace(source=source)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, ArithmeticError) as exc:
        return _nothing(claim, "unreadable", {"file": source, "why": _why(exc)}, source)


def _judge_tests(found: dict[str, Any], tip: str) -> Proof:
    executed, bad = found["tests"] - found["skipped"], found["failures"] + found["errors"]
    said = {"executed": executed, "failed": bad, "skipped": found["skipped"], "commit": found["commit"][:12] or "?"}
    if executed <= 0:
        return Proof("tests", "UNSUPPORTED", Rung.EXISTS, "tests_zero", said, details=found)
    if bad:
        return Proof("tests", "CONTRADICTED", Rung.TESTED, "tests_failed", said, details=found)
    if not found["commit"]:
        return Proof("tests", "UNSUPPORTED", Rung.EXISTS, "tests_no_commit", said, details=found)
    if found["commit"] != tip:
        return Proof("tests", "STALE", Rung.EXISTS, "tests_other_commit", said, details=found)
    return Proof("tests", "SUPPORTED", Rung.TESTED, "tests_passed", said, details=found)


def _junit(data: bytes) -> dict[str, Any]:
    cases = read_junit(data)
    return {
        **{name: getattr(cases, name) for name in ("tests", "failures", "errors", "skipped", "commit")},
        "failing": list(cases.failing[:SHOWN]),
        "failing_omitted": max(0, len(cases.failing) - SHOWN),
    }


def _judge_coverage(data: bytes) -> Proof:
    found = read_coverage(data)
    if found.valid == 0:
        return _nothing("coverage", "coverage_zero", {})
    said = {"percent": f"{found.percent:.1f}", "covered": found.covered, "valid": found.valid}
    return Proof("coverage", "UNSUPPORTED", Rung.EXISTS, "coverage_no_commit", said, details=said)


def _of_record(record: GateRecord) -> dict[str, Any]:
    evidence = record.evidence
    texts = (*evidence.argv, evidence.started, evidence.commit or "")
    if not all(isinstance(text, str) for text in texts) or evidence.dirty not in {True, False, None}:
        raise ValueError("its evidence has another shape")
    open_findings = [finding for finding in record.findings if not finding.excused]
    levels = [finding.severity.value for finding in open_findings]
    return {
        "verdict": record.verdict,
        "commit": evidence.commit,
        "started": evidence.started,
        "error": levels.count("error"),
        "warning": levels.count("warning"),
        "info": levels.count("info"),
        "not_analysed": len(record.not_analysed),
        "findings": [
            {"rule": f.rule, "severity": f.severity.value, "place": f.place, "message": f.message}
            for f in open_findings[:SHOWN]
        ],
        "findings_omitted": max(0, len(open_findings) - SHOWN),
    }


def _nothing(claim: str, reason: str, said: dict[str, Any], source: str = "") -> Proof:
    return Proof(claim, "UNSUPPORTED", Rung.ASSERTED, reason, said, source)


def _found(folders: list[Path], places: tuple[str, ...]) -> list[Path]:
    for folder in folders:
        for place in places:
            if files := sorted(path for path in folder.glob(place) if path.is_file()):
                return files
    return []


def _read(file: Path) -> bytes:
    with file.open("rb") as stream:
        data = stream.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise ValueError(f"larger than {MOST_BYTES // 2**20} MiB")
    return data


def _shown(file: Path, folders: list[Path]) -> str:
    """As a reader finds it: below the project, without this machine's folders above it."""
    for folder in folders:
        if file.resolve().is_relative_to(folder.resolve()):
            return file.resolve().relative_to(folder.resolve()).as_posix()
    return file.name


def _why(exc: Exception) -> str:
    if isinstance(exc, OSError):
        return exc.strerror or type(exc).__name__
    return f"{type(exc).__name__}: {exc}"[:200]
