"""The nouns that the gate produces and reports print: Finding, Waiver, GateRecord, EvidenceRecord, ClaimRecord.

Two tools share them and neither imports the other: the gate writes a GateRecord to a file, and
whoever reports on it reads that file through this module. An EvidenceRecord is what one command, file or
person said of one state of the code, and a ClaimRecord a sentence that leans on such records.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from guardrails.errors import GuardrailsError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping
    from typing import Any, Literal, Self

    Verdict = Literal["passed", "failed", "unknown"]
    CheckStatus = Literal["passed", "failed", "skipped", "error"]

__all__ = [
    "CheckResult",
    "ClaimRecord",
    "Evidence",
    "EvidenceRecord",
    "Finding",
    "GateRecord",
    "NotAnalysed",
    "Rung",
    "Severity",
    "Waiver",
    "Watched",
]

RECORD_VERSION = 1
_VERDICTS = ("passed", "failed", "unknown")
_STATUSES = ("passed", "failed", "skipped", "error")


class Severity(StrEnum):
    """How much a finding weighs: an `error` fails the gate, a `warning` only under --strict, an `info` never."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"

    @property
    def rank(self) -> int:
        """0 for the worst: findings are sorted by it."""
        return ("error", "warning", "info").index(self.value)


class Rung(StrEnum):
    """How strong a piece of evidence is, weakest first."""

    ASSERTED = "E0"
    EXISTS = "E1"
    STATIC = "E2"
    TESTED = "E3"
    RUN_IN_TARGET = "E4"
    MEASURED = "E5"


class Waiver(NamedTuple):
    """A dated, owned exception to one rule.

    `where` is a glob over paths relative to the project; `until` is the last day on which it holds.
    `place` says where it was written (`pyproject.toml:12`), so that a finding about it can point there.
    """

    id: str
    where: str
    reason: str
    owner: str
    until: dt.date
    place: str = ""

    def expired(self, today: dt.date) -> bool:
        """Whether its last day is over."""
        return today > self.until


class Finding(NamedTuple):
    """One defect at one place: what is wrong, why it hurts, the fix, and a command that proves the fix.

    `path` is relative to the project, with forward slashes; `line` counts from 1, and is None where a
    whole file or folder is meant. `fingerprint` stays when lines move; `known` says that the baseline holds
    it. A finding that is waived or known stays in every output and fails nothing.
    """

    rule: str
    severity: Severity
    path: str
    line: int | None
    message: str
    why: str
    fix: str
    verify: str
    runbook: str
    waived: Waiver | None = None
    fingerprint: str = ""
    known: bool = False

    @property
    def excused(self) -> bool:
        """Whether it fails nothing: a waiver or the baseline covers it."""
        return self.waived is not None or self.known

    @property
    def place(self) -> str:
        """`path:line`, as terminals and editors understand it."""
        return self.path if self.line is None else f"{self.path}:{self.line}"

    def waive(self, waiver: Waiver) -> Finding:
        """The same finding, excused."""
        return self._replace(waived=waiver)


class CheckResult(NamedTuple):
    """How one check went. `duration` in seconds; `reason` says why it was skipped or what crashed."""

    id: str
    status: CheckStatus
    duration: float
    reason: str | None = None


class NotAnalysed(NamedTuple):
    """A file that the gate could not read or parse: never counted as passed."""

    path: str
    reason: str


class Evidence(NamedTuple):
    """What was run, where, on which state of the code, and how strong a proof it is.

    `started` is UTC in ISO 8601; `duration` is in seconds; `commit` is None outside a repository and
    `dirty` None where git could not tell.
    """

    rung: Rung
    argv: tuple[str, ...]
    exit_code: int
    started: str
    duration: float
    commit: str | None
    dirty: bool | None
    versions: Mapping[str, str]


class GateRecord(NamedTuple):
    """All that one run of the gate found, as it is stored and as every output prints it.

    `folder` leads from where the gate was called to the project, so that CI finds the files; `strict` says
    whether warnings and files that could not be analysed failed it too.
    """

    verdict: Verdict
    findings: tuple[Finding, ...]
    checks: tuple[CheckResult, ...]
    not_analysed: tuple[NotAnalysed, ...]
    evidence: Evidence
    summary: Mapping[str, int]
    project: str
    notes: tuple[str, ...] = ()
    folder: str = "."
    strict: bool = False

    @property
    def exit_code(self) -> int:
        """The exit status of the run: 0 passed, 1 failed, 3 could not find out."""
        return self.evidence.exit_code

    def to_dict(self) -> dict[str, Any]:
        """The published JSON contract, as plain data."""
        return {
            "record_version": RECORD_VERSION,
            "verdict": self.verdict,
            "exit_code": self.exit_code,
            "project": self.project,
            "summary": dict(self.summary),
            "findings": [_finding_to_dict(finding) for finding in self.findings],
            "checks": [
                {
                    "id": c.id,
                    "status": c.status,
                    "duration_ms": round(c.duration * 1000, 3),
                    "reason": c.reason,
                }
                for c in self.checks
            ],
            "not_analysed": [item._asdict() for item in self.not_analysed],
            "notes": list(self.notes),
            "evidence": {**self.evidence._asdict(), "argv": list(self.evidence.argv)},
            "folder": self.folder,
            "strict": self.strict,
        }

    def to_json(self) -> str:
        """The record as indented JSON text with a final newline; can always be written as UTF-8."""
        import json

        text = json.dumps(self.to_dict(), indent=2, ensure_ascii=False) + "\n"
        # The half of a surrogate pair, from a file name that is not UTF-8, as the escape that JSON has for it.
        return text.encode("utf-8", "backslashreplace").decode("utf-8")

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read a record back. Raises GuardrailsError naming what is wrong with it."""
        import json

        try:
            return cls._from_dict(json.loads(text))
        except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError) as exc:
            raise GuardrailsError(
                f"not a gate record of version {RECORD_VERSION}: {type(exc).__name__}: {exc}. "
                "Run `guardrails preflight` again to write a new one."
            ) from exc

    @classmethod
    def _from_dict(cls, data: dict[str, Any]) -> Self:
        if data["record_version"] != RECORD_VERSION:
            raise ValueError(f"record_version is {data['record_version']!r}")
        if data["verdict"] not in _VERDICTS:
            raise ValueError(f"verdict is {data['verdict']!r}, not one of {', '.join(_VERDICTS)}")
        for check in data["checks"]:
            if check["status"] not in _STATUSES:
                raise ValueError(f"status of {check['id']} is {check['status']!r}, not one of {', '.join(_STATUSES)}")
        evidence = data["evidence"]
        return cls(
            verdict=data["verdict"],
            findings=tuple(_finding_from_dict(item) for item in data["findings"]),
            checks=tuple(
                CheckResult(c["id"], c["status"], c["duration_ms"] / 1000, c["reason"]) for c in data["checks"]
            ),
            not_analysed=tuple(NotAnalysed(**item) for item in data["not_analysed"]),
            evidence=Evidence(**{**evidence, "rung": Rung(evidence["rung"]), "argv": tuple(evidence["argv"])}),
            summary=data["summary"],
            project=data["project"],
            notes=tuple(data["notes"]),
            # Absent from records that were written before they were known.
            folder=data.get("folder", "."),
            strict=data.get("strict", False),
        )


def _finding_to_dict(finding: Finding) -> dict[str, Any]:
    waived = finding.waived
    excuse = None if waived is None else {**waived._asdict(), "until": waived.until.isoformat()}
    return {**finding._asdict(), "waived": excuse}


def _finding_from_dict(data: dict[str, Any]) -> Finding:
    waived = data["waived"]
    if waived is not None:
        import datetime as dt

        waived = Waiver(**{**waived, "until": dt.date.fromisoformat(waived["until"])})
    return Finding(**{**data, "severity": Severity(data["severity"]), "waived": waived})


class Watched(NamedTuple):
    """What a pattern of paths covered: how many files, and one digest over all of them."""

    pattern: str
    files: int
    digest: str


class EvidenceRecord(NamedTuple):
    """What was seen once, by a command, in a file or by a person, and of which state of the code.

    `check`: what it speaks of; records of one check answer one another. `kind`: command, junit, coverage, preflight,
    logcount, http or manual. `started`: UTC in ISO 8601; `duration`: seconds. `tree`: a digest over the contents of
    all files, `dirty` one over what differs from `commit`; None when nothing does. `watched`: the files on which it
    depends; all, when empty. `outcome`: passed, failed, unknown. `rung`: the highest that it can carry; of a failure,
    what was tried. `doubts`: why it carries no more. `narrowed`: what kept a part of the tests out. `failing`: tests
    that failed, `confirmed`: those that had failed before and passed now. `command`: argv, cwd, exit_code, signal,
    stdout, stderr. `facts`: what was parsed. `measure`: value, n, window, method, better. `products`: files that
    the run wrote, and that belong to no state of the code.
    """

    id: str
    check: str
    kind: str
    started: str
    duration: float
    commit: str | None
    tree: str
    dirty: str | None
    outcome: Verdict
    rung: Rung
    summary: str
    watched: tuple[Watched, ...] = ()
    doubts: tuple[str, ...] = ()
    narrowed: str = ""
    failing: tuple[str, ...] = ()
    failing_omitted: int = 0
    confirmed: tuple[str, ...] = ()
    command: Mapping[str, Any] | None = None
    facts: Mapping[str, Any] = {}
    measure: Mapping[str, Any] | None = None
    products: tuple[str, ...] = ()
    versions: Mapping[str, str] = {}

    def to_dict(self) -> dict[str, Any]:
        """The stored form, with a digest that tells whether somebody changed it afterwards."""
        plain = {**self._asdict(), "watched": [item._asdict() for item in self.watched]}
        return _sealed(RECORD_VERSION, plain)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Read one back. Raises ValueError, TypeError or LookupError for what is none, or was changed."""
        fields = _unsealed(data)
        if fields["outcome"] not in _VERDICTS:
            raise ValueError(f"outcome is {fields['outcome']!r}, not one of {', '.join(_VERDICTS)}")
        float(fields["duration"])
        record = cls(
            **{
                **fields,
                "rung": Rung(fields["rung"]),
                "watched": tuple(Watched(**item) for item in fields["watched"]),
                **{name: tuple(map(str, fields[name])) for name in ("doubts", "failing", "confirmed", "products")},
            }
        )
        texts = (record.id, record.check, record.kind, record.started, record.tree, record.summary, record.narrowed)
        if not all(isinstance(text, str) for text in texts):
            raise TypeError("a text is none")
        return record


class ClaimRecord(NamedTuple):
    """A sentence and what it leans on: names of checks, or ids of records. `at`: UTC in ISO 8601."""

    id: str
    text: str
    on: tuple[str, ...]
    at: str
    by: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The stored form, sealed as evidence is."""
        return _sealed(RECORD_VERSION, self._asdict())

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Read one back; raises as `EvidenceRecord.from_dict` does."""
        fields = _unsealed(data)
        return cls(**{**fields, "text": str(fields["text"]), "on": tuple(map(str, fields["on"]))})


def _sealed(version: int, fields: dict[str, Any]) -> dict[str, Any]:
    return {"record_version": version, **fields, "digest": _digest(fields)}


def _unsealed(data: dict[str, Any]) -> dict[str, Any]:
    fields = {name: value for name, value in data.items() if name not in {"record_version", "digest"}}
    if data["record_version"] != RECORD_VERSION:
        raise ValueError(f"record_version is {data['record_version']!r}")
    if data["digest"] != _digest(fields):
        raise ValueError("it was changed after it was written")
    return fields


def _digest(fields: dict[str, Any]) -> str:
    """Not against a forger, who can make it anew: against a figure that somebody puts right by hand."""
    import hashlib
    import json

    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode("ascii")).hexdigest()
