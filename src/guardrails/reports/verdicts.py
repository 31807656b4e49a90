"""What the records say of a claim, for the code as it stands: SUPPORTED, STALE, CONTRADICTED, UNSUPPORTED or MANUAL.

    words ──► needs (ladder)        records of the checks it leans on ──► standing of each check
                    └───────────────────────────┬───────────────────────────┘
                                     one verdict, the worst of all needs

A failure stays until a run at least as strong ran what had failed. A record holds for the contents it was made of,
and only for those. NO_CLAIM: the sentence denies or admits something, which needs no evidence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from guardrails.evidence import ClaimRecord, EvidenceRecord, Rung
from guardrails.reports import tree as trees
from guardrails.reports.ladder import Need, honest, needs
from guardrails.reports.ledger import seconds_of
from guardrails.reports.measures import compared

if TYPE_CHECKING:
    from collections.abc import Sequence

    from guardrails.reports.ledger import Ledger
    from guardrails.reports.tree import Tree

ORDER = ("CONTRADICTED", "UNSUPPORTED", "STALE", "MANUAL", "SUPPORTED", "NO_CLAIM")
# Clocks of two machines may differ by so many seconds.
AHEAD = 300.0


class Judgement(NamedTuple):
    """A verdict. `reason` is a key of the labels, with `said` for its gaps. `text`: what may be said instead of the
    claim, or the claim. `records`: ids of the evidence that decided."""

    id: str
    claim: str
    verdict: str
    rung: Rung
    reason: str
    said: dict[str, Any]
    text: str
    records: tuple[str, ...] = ()

    @property
    def overclaims(self) -> bool:
        """Whether it says more than is shown."""
        return self.verdict in {"CONTRADICTED", "UNSUPPORTED", "STALE"}


class Standing(NamedTuple):
    """How one check stands, or one need of a claim; `record` is the one that decided."""

    verdict: str
    rung: Rung
    reason: str
    said: dict[str, Any]
    record: EvidenceRecord | None = None


class Bench:
    """Judges claims over one state of the code.

    `ledger`: the records; `tree`: what the code consists of; `now`: seconds since 1970.
    """

    def __init__(self, ledger: Ledger, tree: Tree, now: float) -> None:
        self.ledger = ledger
        self._tree = tree
        self._digests: dict[str | None, str] = {}
        # A moment that cannot be read is none that has been.
        moments = {record.id: seconds_of(record.started) for record in ledger.records}
        self._from_the_future = {name for name, moment in moments.items() if moment is None or moment > now + AHEAD}

    def judge(self, claim: ClaimRecord) -> Judgement:
        """The verdict over a claim."""
        wanted = needs(claim.text)
        if not wanted:
            return Judgement(claim.id, claim.text, "NO_CLAIM", Rung.ASSERTED, "st_no_claim", {}, claim.text)
        checks, unknown = self._checks(claim, wanted)
        if unknown:
            parts = [Standing("UNSUPPORTED", Rung.ASSERTED, "st_cites_nothing", {"name": unknown})]
        elif not checks and not any(need.policy for need in wanted):
            parts = [Standing("UNSUPPORTED", Rung.ASSERTED, "st_no_evidence", {})]
        else:
            parts = [self._part(need, checks) for need in wanted]
        worst = min(parts, key=lambda part: (ORDER.index(part.verdict), part.rung))
        does = str(worst.record.facts.get("does", "")) if worst.record is not None else ""
        weak = worst.verdict == "UNSUPPORTED"
        return Judgement(
            claim.id,
            claim.text,
            worst.verdict,
            worst.rung,
            worst.reason,
            worst.said,
            honest(claim.text, worst.rung, does, narrowed=worst.reason == "st_narrowed") if weak else claim.text,
            tuple(dict.fromkeys(part.record.id for part in parts if part.record is not None)),
        )

    def standing(self, check: str) -> Standing:
        """What the records of one check say of the code as it stands."""
        records = [r for r in self.ledger.of(check) if r.id not in self._from_the_future]
        seen = [r for r in records if r.kind != "manual"]
        if (failed := self._open_failure(seen)) is not None:
            return failed
        passed = [r for r in seen if r.outcome == "passed"]
        if fresh := [r for r in passed if self._fresh(r)]:
            best = max(fresh, key=lambda r: (r.rung, r.id))
            return _part("SUPPORTED", best.rung, "st_holds", best)
        doubtful = [r for r in seen if r.outcome == "unknown"]
        if passed and not any(self._fresh(r) for r in doubtful):
            return _part("STALE", Rung.EXISTS, "st_stale", passed[-1], commit=(passed[-1].commit or "?")[:12])
        if doubtful:
            last = doubtful[-1]
            why = last.doubts[0] if last.doubts else last.summary
            return _part("UNSUPPORTED", last.rung, "st_doubtful", last, why=why)
        manual = [r for r in records if r.kind == "manual"]
        if not manual:
            future = len(records) < len(self.ledger.of(check))
            return Standing("UNSUPPORTED", Rung.ASSERTED, "st_future" if future else "st_no_evidence", {})
        last = manual[-1]
        said = {"who": str(last.facts.get("who", "?")), "at": str(last.facts.get("at", last.started))}
        return _part("MANUAL" if self._fresh(last) else "STALE", Rung.ASSERTED, "st_manual", last, **said)

    def _checks(self, claim: ClaimRecord, wanted: Sequence[Need]) -> tuple[list[str], str]:
        """The checks to look at, and what is cited and not there."""
        names = list(dict.fromkeys(record.check for record in self.ledger.records))
        if any(need.policy for need in wanted):
            return names, ""
        found = []
        for cited in claim.on:
            record = None if cited in names else self.ledger.find(cited)
            if cited not in names and record is None:
                return [], cited
            found.append(cited if record is None else record.check)
        if not found and any(need.whole for need in wanted):
            return names, ""
        return list(dict.fromkeys(found)), ""

    def _part(self, need: Need, checks: Sequence[str]) -> Standing:
        if need.policy:
            return self._policy(checks)
        if need.rung is Rung.MEASURED:
            return max((self._measured(need, check) for check in checks), key=lambda part: ORDER.index(part.verdict))
        if need.new:
            return min((self._no_new(check) for check in checks), key=lambda part: ORDER.index(part.verdict))
        standings = [self.standing(check) for check in checks]
        if need.whole:
            every = dict.fromkeys(record.check for record in self.ledger.records)
            standings += [s for s in map(self.standing, every) if s.verdict == "CONTRADICTED" and s.rung >= need.rung]
        worst = min(standings, key=lambda part: ORDER.index(part.verdict))
        if worst.verdict == "CONTRADICTED":
            return worst
        best = max(standings, key=lambda part: (part.verdict == "SUPPORTED", part.rung))
        if best.verdict != "SUPPORTED":
            return min(standings, key=lambda part: (ORDER.index(part.verdict), part.rung))
        if best.rung < need.rung:
            return self._at_least(need.rung, best)
        return worst if worst.verdict == "STALE" else self._exactly(need, best)

    def _exactly(self, need: Need, best: Standing) -> Standing:
        """Whether the record holds the figure or the scope that the words name."""
        record = best.record
        if record is None:
            return best
        counts, cover = record.facts.get("junit") or {}, record.facts.get("coverage") or {}
        if need.whole and record.narrowed:
            said = {"check": record.check, "narrowed": record.narrowed, "id": record.id}
            return best._replace(verdict="UNSUPPORTED", reason="st_narrowed", said=said)
        if need.tests is not None and counts.get("passed", 0) < need.tests:
            said = {"check": record.check, "what": record.summary, "id": record.id}
            return best._replace(verdict="CONTRADICTED", reason="st_fewer", said=said)
        if need.covered is not None:
            if "percent" not in cover:
                said = {"check": record.check, "id": record.id}
                return best._replace(verdict="UNSUPPORTED", rung=Rung.EXISTS, reason="st_no_coverage", said=said)
            if cover["percent"] < need.covered - 0.5:
                said = {"check": record.check, "percent": f"{cover['percent']:.1f}", "id": record.id}
                return best._replace(verdict="CONTRADICTED", reason="st_covered", said=said)
        return best

    def _policy(self, checks: Sequence[str]) -> Standing:
        """Ready for production: nothing failing, all tests on this code, the gate, and a run in the target."""
        standings = [self.standing(check) for check in checks]
        for part in standings:
            if part.verdict == "CONTRADICTED":
                return part
        held = [part.record for part in standings if part.verdict == "SUPPORTED" and part.record is not None]
        wanted = {
            "tests (E3), none left out": any("junit" in r.facts and not r.narrowed for r in held),
            "the gate": any(r.kind == "preflight" for r in held),
            "a run in the target (E4)": any(r.rung is Rung.RUN_IN_TARGET for r in held),
        }
        lacking = [name for name, there in wanted.items() if not there]
        rung = max((r.rung for r in held), default=Rung.ASSERTED)
        if lacking:
            said = {"lacking": ", ".join(lacking)}
            return Standing("UNSUPPORTED", rung, "st_policy_lacks", said, held[0] if held else None)
        return Standing("SUPPORTED", Rung.RUN_IN_TARGET, "st_policy_holds", {"checks": ", ".join(checks)}, held[0])

    def _no_new(self, check: str) -> Standing:
        """No failure besides those that are known."""
        standing = self.standing(check)
        last = next((r for r in reversed(self.ledger.of(check)) if r.outcome != "unknown"), None)
        if last is None or standing.verdict != "CONTRADICTED" or last.doubts or not self._fresh(last):
            return self._at_least(Rung.TESTED, standing)
        counts = last.facts.get("junit") or {}
        new, known = counts.get("new"), counts.get("known")
        # With another status than 1 it was cut short, and what it did not come to may fail.
        if new is None or last.narrowed or (last.command or {}).get("exit_code") != 1:
            return standing
        verdict = "CONTRADICTED" if new or not known else "SUPPORTED"
        return _part(verdict, Rung.TESTED, "st_known", last, new=new, known=known)

    def _at_least(self, rung: Rung, part: Standing) -> Standing:
        if part.verdict != "SUPPORTED" or part.rung >= rung:
            return part
        return part._replace(verdict="UNSUPPORTED", reason="st_below", said={**part.said, "needed": rung.value})

    def _measured(self, need: Need, check: str) -> Standing:
        usable = [
            r
            for r in self.ledger.of(check)
            if r.measure is not None
            and r.id not in self._from_the_future
            and (r.outcome == "passed" or (r.kind == "logcount" and not r.doubts))
        ]
        after = next((r for r in reversed(usable) if self._fresh(r)), None)
        if after is None or after.measure is None:
            standing = self.standing(check)
            if standing.verdict in {"CONTRADICTED", "STALE"}:
                return standing
            return standing._replace(verdict="UNSUPPORTED", reason="st_not_measured", said={"check": check})
        earlier = [r for r in usable if r.started < after.started and not self._fresh(r) and r.tree != after.tree]
        if not earlier:
            return _part("UNSUPPORTED", min(after.rung, Rung.RUN_IN_TARGET), "st_no_before", after)
        change = compared(earlier[-1].measure or {}, after.measure)
        if change.why_not:
            rung = min(after.rung, Rung.RUN_IN_TARGET)
            return _part("UNSUPPORTED", rung, "st_not_comparable", after, why=change.why_not)
        percent = change.percent
        said = {"before": f"{change.before:g}", "after": f"{change.after:g}"}
        enough = change.improved
        if need.percent is not None:
            # A figure in words is rounded to the unit.
            enough = enough and percent is not None and abs(percent) >= need.percent - 0.5
        elif need.none:
            enough = change.after == 0
        elif need.gone:
            enough = enough and change.after == 0
        return _part("SUPPORTED" if enough else "CONTRADICTED", Rung.MEASURED, "st_measured", after, **said)

    def _open_failure(self, records: Sequence[EvidenceRecord]) -> Standing | None:
        """The newest failure that nothing has answered, if it concerns the code as it stands."""
        still: list[EvidenceRecord] = []
        for record in records:
            if record.outcome == "unknown":
                continue
            still = [failure for failure in still if not _answers(record, failure)]
            if record.outcome == "failed":
                still.append(record)
        if not still:
            return None
        current = [r.started for r in records if r.outcome != "unknown" and self._fresh(r)]
        concerns = [failure for failure in still if self._fresh(failure) or any(t > failure.started for t in current)]
        if concerns:
            last = concerns[-1]
            names = ", ".join(last.failing[:3]) or last.summary
            return _part("CONTRADICTED", last.rung, "st_failed", last, names=names)
        if current:
            return None
        return _part("STALE", Rung.EXISTS, "st_failed_elsewhere", still[-1], commit=(still[-1].commit or "?")[:12])

    def _fresh(self, record: EvidenceRecord) -> bool:
        if record.watched:
            return all(self._digest(item.pattern) == item.digest for item in record.watched)
        return self._digest(None) == record.tree

    def _digest(self, pattern: str | None) -> str:
        if pattern not in self._digests:
            self._digests[pattern] = trees.digest(self._tree, pattern, self.ledger.products)
        return self._digests[pattern]


def reason_of(judgement: Judgement) -> str:
    """Why the verdict is so, in English."""
    from guardrails.reports.render import label_text

    return label_text(judgement.reason, judgement.said)


def _answers(later: EvidenceRecord, failure: EvidenceRecord) -> bool:
    """Whether a later run is as strong and as wide as the one that failed, so that it says how things stand since."""
    if later.doubts or later.rung < failure.rung:
        return False
    if failure.failing and not failure.failing_omitted and set(failure.failing) <= {*later.confirmed, *later.failing}:
        return True
    if failure.failing and later.tree == failure.tree:
        return False
    return _as_wide(later, failure)


def _as_wide(later: EvidenceRecord, failure: EvidenceRecord) -> bool:
    if later.kind == failure.kind == "logcount":
        return later.measure is not None and not compared(failure.measure or later.measure, later.measure).why_not
    if later.kind == failure.kind == "http":
        return later.facts.get("url") == failure.facts.get("url")
    if later.kind == failure.kind == "preflight":
        return True
    if later.command is not None and failure.command is not None:
        same = ("argv", "cwd")
        if [later.command.get(name) for name in same] == [failure.command.get(name) for name in same]:
            return True
        if failure.command.get("exit_code") not in {0, 1}:
            return False  # it was cut short, so what it executed is not what it was to
    return not later.narrowed and 0 < _executed(failure) <= _executed(later)


def _executed(record: EvidenceRecord) -> int:
    return int((record.facts.get("junit") or {}).get("executed", 0))


def _part(verdict: str, rung: Rung, reason: str, record: EvidenceRecord, **said: Any) -> Standing:
    told = {"check": record.check, "what": record.summary, "id": record.id, **said}
    return Standing(verdict, rung, reason, told, record)
