"""The claims that people made in a period, with their verdicts for the commit reported, and the records behind them."""

from __future__ import annotations

import shlex
import time
from typing import TYPE_CHECKING, Any

from guardrails.errors import GitError
from guardrails.evidence import ClaimRecord
from guardrails.reports.ledger import read_ledger, seconds_of
from guardrails.reports.tree import commit_tree
from guardrails.reports.verdicts import ORDER, Bench

if TYPE_CHECKING:
    from guardrails.evidence import EvidenceRecord
    from guardrails.reports.repository import Repository
    from guardrails.reports.verdicts import Judgement

LISTED = 100


def bench_of(repository: Repository, tip: str) -> Bench | None:
    """What judges claims about the commit `tip`; None where nothing was ever recorded. Raises GitError."""
    if repository.top is None or not tip:
        return None
    ledger = read_ledger(repository.top)
    if not (ledger.records or ledger.claims or ledger.damaged):
        return None
    try:
        tree = commit_tree(tip, repository.git_dir)
    except GitError:
        if not repository.partial:
            raise
        tree = {}  # of what this clone leaves out, nothing holds
    # By the clock, not by the moment that a report is dated with: a record is of the future or it is not.
    return Bench(ledger, tree, time.time())


def tests_of(bench: Bench) -> Judgement | None:
    """What the records say of all tests; None: nothing."""
    judged = bench.judge(ClaimRecord("", "All tests pass", (), ""))
    return judged if judged.records and judged.verdict != "MANUAL" else None


def statements_of(bench: Bench | None, since: float | None, until: float | None) -> dict[str, Any]:
    """Claims made between `since` and `until`, in seconds since 1970; the worst first."""
    if bench is None:
        return {"statements": [], "statements_omitted": 0, "records": [], "damaged": []}
    ledger = bench.ledger
    claims = [one for one in ledger.claims if _inside(seconds_of(one.at), since, until)]
    judged = sorted(map(bench.judge, claims), key=lambda one: (ORDER.index(one.verdict), one.id))
    shown = judged[:LISTED]
    cited = {name for one in shown for name in one.records}
    return {
        "statements": [{**one._asdict(), "records": list(one.records), "overclaims": one.overclaims} for one in shown],
        "statements_omitted": len(judged) - len(shown),
        "records": [_shown(record) for record in ledger.records if record.id in cited],
        "damaged": [{"file": name, "why": why} for name, why in ledger.damaged[:LISTED]],
    }


def _inside(moment: float | None, since: float | None, until: float | None) -> bool:
    return moment is not None and (since is None or moment >= since) and (until is None or moment <= until)


def _shown(record: EvidenceRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "check": record.check,
        "kind": record.kind,
        "outcome": record.outcome,
        "rung": record.rung.value,
        "started": f"{record.started[:19]}Z",
        "commit": record.commit or "",
        "dirty": record.dirty is not None,
        "command": shlex.join((record.command or {}).get("argv", ())),
        "summary": record.summary,
        "doubts": list(record.doubts),
    }
