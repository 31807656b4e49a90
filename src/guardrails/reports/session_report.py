"""The facts of a session report: one session, the commits made in it, and what its ticks stand on.

    events of the session ──► fold ──┐
    git, base..tip of the session ───┼──► facts  ──►  Markdown, HTML
    records of evidence ─────────────┘

Every list is of one fold: an item that is open is not ticked anywhere else on the page.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from guardrails.evidence import Rung
from guardrails.git import run_git
from guardrails.reports import session_facts
from guardrails.reports.commit_change import commit_change
from guardrails.reports.repository import commit_of
from guardrails.reports.session_events import seconds_of
from guardrails.reports.session_store import FOLDER
from guardrails.reports.sessions import ABANDONED, ACTIVE, COMPLETE, who
from guardrails.reports.sources import gather
from guardrails.reports.verdicts import ORDER
from guardrails.reports.vouching import Voucher

if TYPE_CHECKING:
    from pathlib import Path

    from guardrails.reports.repository import Repository
    from guardrails.reports.session_store import Kept
    from guardrails.reports.sessions import Session

REPORT_VERSION = 1
LISTED = 200


def session_report(
    repository: Repository, kept: Kept, *, project: Path, cache: Path | None = None, now: float, version: str
) -> dict[str, Any]:
    """Fold one session and its history into the JSON twin.

    `project`: where the gate and the tests ran. `cache`, `now`, `version`: as in `gather`. Raises GitError.
    """
    session = kept.session
    since, until, gone = _ends(session, repository)
    history = gather(repository, project, since=since, until=until, cache=cache, now=now, version=version)
    tip = history["period"]["tip"]
    voucher = Voucher(repository, None if tip == repository.tip and session.state == ACTIVE else tip, now)
    rows = [
        session_facts.item_row(item, voucher) | {"changes": [commit_change(one, repository) for one in item.commits]}
        for item in session.items
    ]
    facts = {
        **{name: history[name] for name in ("version", "generated", "repository", "period", "totals")},
        **{name: history[name] for name in ("commits", "commits_omitted")},
        "report_version": REPORT_VERSION,
        "kind": "session",
        "session": _header(session, rows),
        "items": {kind: [row for row in rows if row["kind"] == kind] for kind in ("task", "criterion", "debt")},
        "next": session_facts.by_priority(_ahead(row) for row in rows if _is_ahead(row)),
        "metrics": [session_facts.metric_row(metric, voucher) for metric in session.metrics],
        "decisions": [_said(event) for event in session.decisions[:LISTED]],
        "decisions_omitted": max(0, len(session.decisions) - LISTED),
        "notes": [_said(event) for event in session.notes[:LISTED]],
        "notes_omitted": max(0, len(session.notes) - LISTED),
        "artifacts": [_artifact(event, repository.top) for event in session.artifacts],
        "actors": [{**row, "by": who(row["by"]), "kind": row["by"]["kind"]} for row in session.actors],
        "claims": [*_claims(session, rows), *session_facts.tick_claims(rows), *history["claims"]],
        "limits": [*session_facts.damages(kept), *gone, *history["limits"]],
        "evidence": [
            {"id": "S", "argv": [], "rung": Rung.ASSERTED.value, "source": f"{FOLDER}/{session.id}"},
            *history["evidence"],
        ],
    }
    clean: dict[str, Any] = session_facts.cleaned(facts)
    return clean


def _ends(session: Session, repository: Repository) -> tuple[str, str | None, list[dict[str, Any]]]:
    """Where the history of the session begins and ends; a commit that is gone is said, and replaced by its time."""
    gone = []

    def known(commit: str | None) -> str | None:
        if commit is not None and commit_of(commit, repository) is None:
            gone.append({"reason": "session_commit_gone", "hides": True, "said": {"commit": commit[:12]}})
            return None
        return commit

    base = known(session.base)
    branch = f"refs/heads/{session.branch}" if session.branch else "HEAD"
    until = known(session.tip) or commit_of(branch, repository) or repository.tip
    if base is not None or until is None or session.started is None:
        return base or "HEAD", until, gone
    said = run_git(["log", "-1", "--no-mailmap", "--format=%ct", until, "--"], repository.git_dir)
    # Where all commits are older than the session, none was made in it.
    older = int(said.strip() or 0) < (seconds_of(session.started) or 0)
    return until if older else session.started, until, gone


def _header(session: Session, rows: list[dict[str, Any]]) -> dict[str, Any]:
    done, of = session.progress
    names = ("id", "name", "goal", "approach", "state", "reason", "created", "started", "changed", "ended", "branch")
    return {name: getattr(session, name) for name in (*names, "active", "wall")} | {
        "done": done,
        "of": of,
        "percent": 100 * done // of if of else 0,
        "blockers": [{"ref": row["ref"], "reason": row["reason"]} for row in rows if row["state"] == "blocked"],
        "estimate": sum(row["estimate"] or 0 for row in rows if _is_ahead(row)),
        "quoted": shlex.quote(session.name),
        "over": session.state in {COMPLETE, ABANDONED},
    }


def _is_ahead(row: dict[str, Any]) -> bool:
    return row["state"] in {"open", "blocked"} and row["kind"] in {"task", "next"}


def _ahead(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ("id", "ref", "text", "state", "priority", "estimate", "owner")}


def _said(event: dict[str, Any]) -> dict[str, Any]:
    return {"at": event["at"], "by": who(event["by"]), "text": event["text"], "why": event.get("why")}


def _artifact(event: dict[str, Any], top: Path | None) -> dict[str, Any]:
    """The file as it was recorded, and whether it is still the same."""
    state = "missing"
    try:
        file = None if top is None else (top / event["path"]).resolve()
        # A path that was written by somebody else must not lead out of the repository.
        if file is not None and top is not None and file.is_relative_to(top.resolve()) and file.is_file():
            state = "same" if session_facts.digest_of(file)[0] == event["sha256"] else "changed"
    except (OSError, ValueError):
        state = "unreadable_file"
    return {name: event[name] for name in ("path", "sha256", "size", "at")} | {"state": state}


def _claims(session: Session, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """That the session is complete, where it says so."""
    claims = []
    due = [row for row in rows if row["kind"] in {"task", "criterion"} and row["state"] != "deferred"]
    if session.state == COMPLETE:
        left = [row["ref"] for row in due if row["vouched"] is None]
        verdicts = [row["vouched"]["verdict"] for row in due if row["vouched"] is not None]
        weak = sum(verdict not in {"SUPPORTED", "MANUAL"} for verdict in verdicts)
        worst = "CONTRADICTED" if left else min(verdicts, key=ORDER.index, default="UNSUPPORTED")
        rung = min((row["vouched"]["rung"] for row in due if row["vouched"]), default=Rung.ASSERTED.value)
        reason = "complete_open" if left else "complete_weak" if weak else "complete_supported"
        reason = reason if due else "complete_empty"
        said = {"refs": ", ".join(left), "count": weak, "of": len(verdicts)}
        claims.append(session_facts.claim("complete", worst, rung, reason, said))
    return claims
