"""What a tick stands on: the evidence that it names, held against the code that it speaks of.

A tick that names nothing is asserted (E0), and so is one that names what is not there. Else it stands as the checks of
its records stand (`verdicts`): a failure that nothing answered contradicts it, even when the record it names passed.
Of several the worst verdict counts, and the lowest rung.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from guardrails.evidence import Rung
from guardrails.reports.ledger import read_ledger
from guardrails.reports.measures import compared
from guardrails.reports.tree import commit_tree, working_tree
from guardrails.reports.verdicts import ORDER, Bench

if TYPE_CHECKING:
    from collections.abc import Sequence

    from guardrails.evidence import EvidenceRecord
    from guardrails.reports.ledger import Ledger
    from guardrails.reports.repository import Repository
    from guardrails.reports.sessions import Metric


class Vouched(NamedTuple):
    """`verdict` and `rung` of something that leans on records; `reason`: a key of the labels, `said` for its gaps."""

    verdict: str
    rung: Rung
    reason: str
    said: dict[str, Any]


class Voucher:
    """Judges what leans on the evidence of one repository.

    `commit`: the code it speaks of; None for the working tree as it is. `now`: seconds since 1970 UTC.
    """

    def __init__(self, repository: Repository, commit: str | None, now: float) -> None:
        self._repository = repository
        self._commit = commit
        self._now = now
        self._read: Ledger | None = None
        self._asked: Bench | None = None

    def judge(self, names: Sequence[str]) -> Vouched:
        """What these records, or the checks of these names, show together. Raises GitError."""
        if not names:
            return Vouched("UNSUPPORTED", Rung.ASSERTED, "tick_asserted", {})
        found = [self._one(name) for name in names]
        worst = min(found, key=lambda one: (ORDER.index(one.verdict), one.rung))
        return worst._replace(rung=min(one.rung for one in found))

    def measured(self, metric: Metric) -> bool:
        """Whether both figures stand in records that were taken by one method, and can be compared."""
        if metric.before is None or metric.after is None:
            return False
        sides = []
        for side in (metric.before, metric.after):
            record = self._ledger.find(side["evidence"]) if side["evidence"] else None
            if record is None or record.measure is None or record.measure["value"] != side["value"]:
                return False
            sides.append(record)
        before, after = sides
        return before.id != after.id and not compared(before.measure or {}, after.measure or {}).why_not

    @property
    def _ledger(self) -> Ledger:
        if self._read is None:
            from guardrails.reports.ledger import Ledger

            self._read = read_ledger(self._repository.top) if self._repository.top else Ledger()
        return self._read

    def _one(self, name: str) -> Vouched:
        record: EvidenceRecord | None = self._ledger.find(name)
        check = name if self._ledger.of(name) else record.check if record else None
        if check is None:
            return Vouched("UNSUPPORTED", Rung.ASSERTED, "tick_no_record", {"id": name})
        standing = self._bench().standing(check)
        return Vouched(standing.verdict, standing.rung, standing.reason, standing.said)

    def _bench(self) -> Bench:
        if self._asked is None:
            top, commit = self._repository.top, self._commit
            if commit is not None:
                tree = commit_tree(commit, self._repository.git_dir)
            else:
                tree = {} if top is None else working_tree(top)
            self._asked = Bench(self._ledger, tree, self._now)
        return self._asked
