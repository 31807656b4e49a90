"""The corpus: small projects as text, with the findings that the gate must report written where they belong.

    === defect: what is wrong            a case; `clean` is one in which nothing may be found
    --- app/chats.py                     a file of it
    @router.get("/{id}")  #! GR-ROUTE-001            a finding in this line
    @router.get("/{id}")  #! GR-ROUTE-001 warning    of another severity than the rule's own, waived or known
    --- profile.py  #! GR-SHADOW-002     a finding about the file as a whole

Lines above the first case are prose. A case with a `.gitignore` becomes a checkout. The marks are taken off
before the gate sees the files.
"""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from guardrails.config import load_config
from guardrails.preflight import catalogue, run_gate
from guardrails.preflight.baseline import Baseline
from guardrails.testing import VirtualClock

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from guardrails.evidence import Finding, GateRecord

BASELINE = "baseline.jsonl"
CORPUS = Path(__file__).parent / "corpus"
SEVERITIES = {rule.id: rule.severity.value for rule in catalogue()}
MARK = re.compile(r"\s*#! (GR-[A-Z]+-\d{3})(?: (error|warning|info|waived|known))?$")
# 2025-06-15: between the dates that the waivers of the corpus bear.
TODAY = 1_750_000_000.0


class Expected(NamedTuple):
    """A finding, as far as the corpus says what it must be."""

    path: str
    line: int | None
    rule: str
    level: str


class Case(NamedTuple):
    rule: str
    kind: str
    name: str
    files: Mapping[str, str]
    findings: tuple[Expected, ...]

    @property
    def id(self) -> str:
        return f"{self.rule}-{self.kind}-{self.name.replace(' ', '_')}"


def corpus() -> list[Case]:
    """Every case of every rule."""
    return [case for file in sorted(CORPUS.glob("*.txt")) for case in cases_of(file.stem, file.read_text("utf-8"))]


def cases_of(rule: str, text: str) -> Iterator[Case]:
    for part in re.split(r"^=== ", text, flags=re.MULTILINE)[1:]:
        title, _, body = part.partition("\n")
        kind, _, name = title.partition(": ")
        yield Case(rule, kind, name.strip(), *_files(body))


def _files(body: str) -> tuple[dict[str, str], tuple[Expected, ...]]:
    files: dict[str, str] = {}
    findings: list[Expected] = []
    for part in re.split(r"^--- ", body, flags=re.MULTILINE)[1:]:
        head, *lines = part.rstrip("\n").split("\n")
        path = MARK.sub("", head).strip()
        for number, line in enumerate([head, *lines]):
            for rule, level in MARK.findall(line):
                findings.append(Expected(path, number or None, rule, level or SEVERITIES[rule]))
        if path != ".":
            files[path] = "".join(MARK.sub("", line) + "\n" for line in lines)
    return files, tuple(sorted(findings, key=str))


def write_files(folder: Path, files: Mapping[str, str]) -> Path:
    """Put a project on the disk."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        if text.startswith("#!"):
            path.chmod(0o755)
    if ".gitignore" in files:
        subprocess.run(["git", "init", "--quiet", str(folder)], check=True)
    return folder


def gate(folder: Path, wall: float = TODAY) -> GateRecord:
    """Run the gate over a folder as the command would, whatever the environment of this process says."""
    file = folder / BASELINE
    baseline = Baseline.read(file, folder) if file.exists() else None
    config = load_config(folder, environ={})
    return run_gate(folder, config=config, baseline=baseline, clock=VirtualClock(wall=wall), jobs=1)


def found(record: GateRecord) -> tuple[Expected, ...]:
    """What a run found, in the words of the corpus."""
    return tuple(sorted((_expected(finding) for finding in record.findings), key=str))


def _expected(finding: Finding) -> Expected:
    level = "waived" if finding.waived else "known" if finding.known else finding.severity.value
    return Expected(finding.path, finding.line, finding.rule, level)


def counts() -> Counter[tuple[str, str]]:
    """(rule, kind) -> the number of cases."""
    return Counter((case.rule, case.kind) for case in corpus())
