"""The claims that people made in a period, with their verdicts for the commit reported, and the records behind them."""

from __future__ import annotations

import shlex
import time
from typing import TYPE_CHECKING, Any

from guardrails.errors import GitError
from guardrails.reports.ledger import read_ledger, seconds_of
from guardrails.reports.tree import commit_tree
from guardrails.reports.verdicts import ORDER, Bench

if TYPE_CHECKING:
    from guardrails.evidence import EvidenceRecord
    from guardrails.reports.repository import Repository

LISTED = 100


def statements_of(repository: Repository, tip: str, since: float | None, until: float | None) -> dict[str, Any]:
    """Claims made between `since` and `until`, in seconds since 1970, judged for the commit `tip`; the worst first."""
    found: dict[str, Any] = {"statements": [], "statements_omitted": 0, "records": [], "damaged": []}
    if repository.top is None or not tip:
        return found
    ledger = read_ledger(repository.top)
    claims = [one for one in ledger.claims if _inside(seconds_of(one.at), since, until)]
    if not claims and not ledger.damaged:
        return found
    try:
        tree = commit_tree(tip, repository.git_dir)
    except GitError:
        if not repository.partial:
            raise
        tree = {}  # of what this clone leaves out, nothing holds
    # By the clock, not by the moment that a report is dated with: a record is of the future or it is not.
    bench = Bench(ledger, tree, time.time())
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
