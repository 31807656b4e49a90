"""What session and progress reports share: items as rows with their verdict, figures with their change, safe texts."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from guardrails.evidence import Rung
from guardrails.redact import redacted
from guardrails.reports.sessions import who

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from guardrails.reports.session_store import Kept
    from guardrails.reports.sessions import Item, Metric
    from guardrails.reports.vouching import Voucher

NO_PRIORITY = "P9"


def item_row(item: Item, voucher: Voucher) -> dict[str, Any]:
    """An item as a page shows it; `vouched` is None for what is not ticked."""
    row = item._asdict() | {"by": who(item.by), "evidence": list(item.evidence), "commits": list(item.commits)}
    found = voucher.judge(item.evidence) if item.state == "done" else None
    row["vouched"] = None if found is None else found._asdict() | {"rung": found.rung.value}
    return row


def tick_claims(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each tick as a claim of the report."""
    return [
        claim(
            "ticked",
            row["vouched"]["verdict"],
            row["vouched"]["rung"],
            row["vouched"]["reason"],
            row["vouched"]["said"],
        )
        | {"ref": row["ref"] if "session" not in row else f"{row['ref']} ({row['session']})"}
        for row in rows
        if row["vouched"] is not None
    ]


def claim(about: str, verdict: str, rung: str, reason: str, said: dict[str, Any]) -> dict[str, Any]:
    """A claim as the facts of every report hold it."""
    return {"claim": about, "verdict": verdict, "rung": rung, "reason": reason, "said": said, "details": None}


def by_priority(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """P0 first; among equals, what was added first."""
    return sorted(rows, key=lambda row: (row["priority"] or NO_PRIORITY, row["id"]))


def metric_row(metric: Metric, voucher: Voucher) -> dict[str, Any]:
    """A figure before and after, with the change in per cent where there is one.

    It is measured (E5) only when both sides name records that hold these figures, taken by one method.
    """
    before, after = (None if side is None else side["value"] for side in (metric.before, metric.after))
    return {
        "name": metric.name,
        "before": _figure(before, metric.unit),
        "after": _figure(after, metric.unit),
        "change": change(before, after),
        "outcome": _outcome(before, after, metric.better),
        "rung": (Rung.MEASURED if voucher.measured(metric) else Rung.ASSERTED).value,
    }


def change(before: float | None, after: float | None) -> str | None:
    """`−50 %`; None where one side is missing, and from zero, of which there is no share."""
    if before is None or after is None or before == 0:
        return None
    percent = round(100 * (after - before) / abs(before), 1)
    sign = "−" if percent < 0 else "+" if percent > 0 else "±"
    return f"{sign}{abs(percent):g} %"


def damages(kept: Kept) -> list[dict[str, Any]]:
    """What of a session could not be read, or does not fit together, as limits of a report."""
    name = kept.session.name
    lines = [damage for damage in kept.damages if damage.kind != "newer"]
    places = ", ".join(f"{damage.file}:{damage.line}" for damage in lines[:5])
    possible: list[tuple[object, str, bool, dict[str, Any]]] = [
        (kept.newer, "session_newer", True, {"session": name, "version": kept.newer}),
        (lines, "session_lines", True, {"session": name, "count": len(lines), "places": places}),
        (kept.session.misfits, "session_misfits", False, {"session": name, "count": kept.session.misfits}),
        (kept.session.clock_back, "session_clock", False, {"session": name, "count": kept.session.clock_back}),
    ]
    return [{"reason": reason, "hides": hides, "said": said} for holds, reason, hides, said in possible if holds]


def cleaned(value: Any) -> Any:
    """Without secrets, wherever a text stands."""
    if isinstance(value, str):
        return redacted(str(value))
    if isinstance(value, dict):
        return {name: cleaned(item) for name, item in value.items()}
    return [cleaned(item) for item in value] if isinstance(value, list | tuple) else value


def digest_of(path: Path) -> tuple[str, int]:
    """SHA-256 and size of a file. Raises OSError."""
    with path.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
        return sha256, stream.tell()


def _figure(value: float | None, unit: str | None) -> str | None:
    return None if value is None else f"{value:g}{f' {unit}' if unit else ''}"


def _outcome(before: float | None, after: float | None, better: str | None) -> str | None:
    if before is None or after is None or better is None:
        return None
    if before == after:
        return "unchanged"
    return "improved" if (after < before) == (better == "lower") else "worse"
