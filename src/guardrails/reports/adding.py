"""Records of what was not run here: files of test results and coverage, the gate's last record, a page, a person.

A file proves nothing of a state of the code that it does not name. JUnit may name a commit; coverage names none; a
person names themself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from guardrails.errors import ConfigError
from guardrails.evidence import GateRecord, Rung
from guardrails.reports import tree as trees
from guardrails.reports.ledger import stamp
from guardrails.reports.measures import measure
from guardrails.reports.recording import blank, counts_of, digest_of, said_of, tests_of, unsound
from guardrails.reports.repository import commit_of
from guardrails.reports.results import MOST_BYTES, read_coverage, read_junit

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from guardrails.evidence import EvidenceRecord
    from guardrails.reports.logcount import Counter
    from guardrails.reports.recording import Scene

GATE = ".guardrails/gate/last.json"
MOST_OF_PAGE = 2**20


def of_junit(scene: Scene, check: str, file: Path, now: float) -> EvidenceRecord:
    """What a JUnit file says, of the commit that it names. Raises ConfigError for a file that is none."""
    data = _read(file)
    try:
        cases = read_junit(data)
    except ValueError as exc:
        raise ConfigError([f"{file}: {exc}"]) from exc
    record = blank(scene, check, "junit", now)
    doubts = unsound(cases)
    commit = commit_of(cases.commit, scene.repository) if cases.commit else None
    if not cases.commit:
        doubts.append("the file does not say on which commit the tests ran")
    elif commit is None:
        doubts.append(f"the file names {cases.commit[:12]}, which is no commit of this repository")
    else:
        of_commit = trees.commit_tree(commit, scene.repository.git_dir)
        record = record._replace(commit=commit, dirty=None, tree=trees.digest(of_commit, without=scene.ledger.products))
    digest = digest_of(data)
    for other in scene.ledger.records:
        begun = (other.facts.get("junit") or {}).get("begun")
        if cases.begun and begun == cases.begun and other.facts.get("sha256") not in {None, digest}:
            doubts.append(f"{other.id} holds other results of the same run: one of both was edited")
    return record._replace(
        outcome="failed" if cases.bad else "unknown" if doubts else "passed",
        rung=Rung.TESTED if cases.bad or not doubts else Rung.EXISTS,
        summary=said_of(cases),
        doubts=tuple(doubts),
        facts={"junit": counts_of(cases), "sha256": digest, "file": file.name},
        **tests_of(cases, scene, check),
        products=_product(scene, file),
    )


def of_coverage(scene: Scene, check: str, file: Path, now: float) -> EvidenceRecord:
    """What a coverage file says; it never says of which commit. Raises ConfigError for a file that is none."""
    data = _read(file)
    try:
        found = read_coverage(data)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as exc:
        raise ConfigError([f"{file}: {type(exc).__name__}: {exc}"]) from exc
    return blank(scene, check, "coverage", now)._replace(
        rung=Rung.EXISTS,
        summary=f"{found.percent:.1f} % of {found.valid} lines",
        doubts=("the file does not say on which commit the lines were covered",),
        facts={
            "coverage": {"percent": round(found.percent, 2), "covered": found.covered, "valid": found.valid},
            "sha256": digest_of(data),
            "file": file.name,
        },
        products=_product(scene, file),
    )


def of_preflight(scene: Scene, check: str, folder: Path) -> EvidenceRecord:
    """The gate's last record in this folder. Raises ConfigError where there is none."""
    from guardrails.errors import GuardrailsError

    file = next((place / GATE for place in (folder, scene.top) if (place / GATE).is_file()), None)
    if file is None:
        raise ConfigError([f"{GATE}: no such record: run `guardrails preflight` first"])
    try:
        gate = GateRecord.from_json(_read(file))
        record = blank(scene, check, "preflight", 0.0)._replace(started=_utc(gate.evidence.started))
    except (GuardrailsError, ValueError, TypeError) as exc:
        raise ConfigError([f"{file}: {exc}"]) from exc
    evidence, doubts = gate.evidence, []
    if evidence.commit != record.commit:
        doubts.append(f"the gate ran on {(evidence.commit or 'no commit')[:12]}")
    elif evidence.dirty is not False or record.dirty is not None:
        doubts.append("the gate ran, or runs now, on uncommitted changes")
    outcome = gate.verdict if not doubts or gate.verdict == "failed" else "unknown"
    errors = sum(finding.severity.value == "error" and not finding.excused for finding in gate.findings)
    return record._replace(
        duration=evidence.duration,
        outcome=outcome,
        rung=Rung.EXISTS if doubts else evidence.rung,
        summary=f"the gate {gate.verdict}, {errors} errors",
        doubts=tuple(doubts),
        facts={"does": "checked by the gate"},
        versions=dict(evidence.versions),
    )


def of_person(scene: Scene, check: str, text: str, who: str, when: float, now: float) -> EvidenceRecord:
    """What a person saw, and when. Raises ConfigError for a moment that is yet to come."""
    if when > now + 60:
        raise ConfigError([f"--at: {stamp(when)} is yet to come"])
    return blank(scene, check, "manual", now)._replace(
        outcome="passed", summary=text, facts={"who": who, "at": stamp(when)}
    )


def of_page(scene: Scene, check: str, url: str, target: str, now: float, *, attempts: int = 3) -> EvidenceRecord:
    """What a service answers; it runs this code when its answer names this commit.

    `attempts`: how often it is asked when it does not answer, 0.5 s apart and more. Raises ConfigError where httpx or
    tenacity cannot ask there at all.
    """
    import time

    import httpx
    from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

    record = blank(scene, check, "http", now)
    retrying = Retrying(
        retry=retry_if_exception_type(httpx.TransportError),
        stop=stop_after_attempt(attempts),
        wait=wait_exponential(multiplier=0.25, min=0.05, max=2),
        reraise=True,
    )
    begun = time.monotonic()
    try:
        status, page = retrying(_ask, url)
    except httpx.TransportError as exc:
        summary = f"no answer: {type(exc).__name__} in {attempts} attempts"
        return record._replace(outcome="failed", rung=Rung.RUN_IN_TARGET, summary=summary, facts=_facts(url, target))
    except (httpx.InvalidURL, httpx.HTTPError) as exc:
        raise ConfigError([f"{url}: {exc}"]) from exc
    doubts = []
    commit = record.commit or "none"
    if status // 100 == 2 and commit[:12] not in page.decode("utf-8", "replace"):
        doubts.append(f"its answer does not name {commit[:12]}, so it may run another commit")
    if record.dirty is not None:
        doubts.append("the code here has uncommitted changes, which no service runs")
    good = status // 100 == 2
    return record._replace(
        duration=round(time.monotonic() - begun, 3),
        outcome="failed" if not good else "unknown" if doubts else "passed",
        rung=Rung.EXISTS if good and doubts else Rung.RUN_IN_TARGET,
        summary=f"{target or url} answered {status}",
        doubts=tuple(doubts),
        facts=_facts(url, target, status=status, sha256=digest_of(page)),
    )


def _ask(url: str) -> tuple[int, bytes]:
    import httpx

    page = b""
    with httpx.stream("GET", url, timeout=10.0, follow_redirects=False) as answer:
        for piece in answer.iter_bytes(2**16):
            page += piece
            if len(page) > MOST_OF_PAGE:
                break
        return answer.status_code, page[:MOST_OF_PAGE]


def _facts(url: str, target: str, **more: Any) -> dict[str, Any]:
    return {"url": url, **({"target": target} if target else {}), **more}


def _product(scene: Scene, file: Path) -> tuple[str, ...]:
    try:
        return (scene.at(file),)
    except ValueError:
        return ()


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            data = stream.read(MOST_BYTES + 1)
    except OSError as exc:
        raise ConfigError([f"{file}: {exc.strerror}"]) from exc
    if len(data) > MOST_BYTES:
        raise ConfigError([f"{file}: larger than {MOST_BYTES // 2**20} MiB"])
    return data


def _utc(text: str) -> str:
    import datetime as dt

    return stamp(dt.datetime.fromisoformat(text).timestamp())


def of_log(
    scene: Scene, check: str, counter: Counter, started: float, window: float | None, *, logs: Sequence[Path]
) -> EvidenceRecord:
    """What was counted in a log: `window` is how many seconds it covers, None when it bears no times."""
    counts = [
        {"name": pattern.name, "count": count, "most": pattern.most, "holds": pattern.holds(count)}
        for pattern, count in zip(counter.patterns, counter.counts, strict=True)
    ]
    bad = sum(count for pattern, count in zip(counter.patterns, counter.counts, strict=True) if pattern.most == 0)
    wrong = [str(row["name"]) for row in counts if not row["holds"]]
    doubts = [] if counter.size else ["no line was seen"]
    # What was looked for and where; the words after `expect` change what is right, not what is counted.
    method = [[p.name, p.found.pattern.decode("utf-8"), p.most == 0] for p in counter.patterns]
    method.append([log.name for log in logs])
    said = f"{len(wrong)} of {len(counts)} patterns not as expected: {', '.join(wrong)}" if wrong else "all as expected"
    return blank(scene, check, "logcount", started)._replace(
        duration=0.0 if window is None else round(window, 3),
        outcome="failed" if wrong and counter.size else "unknown" if doubts else "passed",
        rung=Rung.STATIC,
        summary=f"{counter.size:,} bytes, {said}"[:500],
        doubts=tuple(doubts),
        facts={"patterns": counts, "bytes": counter.size, "logs": [log.name for log in logs], "does": "counted"},
        measure=measure(float(bad), counter.size, window, method),
    )
