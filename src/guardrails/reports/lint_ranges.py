"""`a..b` beside a number of commits: what the history has between the two.

A number is right if it is in any usual way of counting: with merges or without, along the branch, with the first
commit or without it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from guardrails.reports.lint_facts import COUNT, MODAL, NEGATED, Claim, error, number, vagueness

if TYPE_CHECKING:
    from guardrails.reports.lint_document import Document
    from guardrails.reports.lint_facts import Found
    from guardrails.reports.lint_repository import Anchors

COUNTED = "GR-REPORT-026"
_RANGE = re.compile(r"(?<![\w./-])[0-9a-f]{7,40}\s?\.{2,3}\s?[0-9a-f]{7,40}(?!\w)")
# Nothing between the number and its noun: `12 merge commits` and `3 of 12 commits` count something else.
_COMMITS = re.compile(rf"({COUNT})\s+(?:commits?|комітів|коміти|коміт|коммитов|коммита|коммит)\b", re.IGNORECASE)
_PART = re.compile(r"\b(?:of|from|another|more|other|with|besides|plus|з|із|из|ще)\s*$", re.IGNORECASE)


def check(doc: Document, anchors: Anchors, findings: list[Found], claims: list[Claim]) -> None:
    """Every line that names one range, both of its ends known, and one number of commits."""
    for line, prose in enumerate(doc.prose):
        ends = [mention.sha for mention in anchors.mentions if mention.line == line]
        if len(ends) != 2 or not all(ends) or len(_RANGE.findall(doc.lines[line])) != 1:
            continue
        said = list(_COMMITS.finditer(prose))
        if len(said) != 1 or MODAL.search(prose) or NEGATED.search(prose) or _PART.search(prose[: said[0].start()]):
            continue
        told = number(said[0][1], vagueness(prose[: said[0].start()], prose[said[0].end(1) :]))
        between = f"{ends[0]}..{ends[1]}"
        options = ((), ("--no-merges",), ("--first-parent",), ("--first-parent", "--no-merges"))
        counts = {anchors.history.count(*some, between) for some in options}
        counts |= {anchors.history.count(*some, between.replace("..", "...")) for some in options}
        if any(told.allows(count) or told.allows(count + 1) for count in counts):
            claims.append(Claim(line + 1, said[0][0], "SUPPORTED"))
            continue
        counted = anchors.history.count(between)
        shown = f"{str(ends[0])[:10]}..{str(ends[1])[:10]}"
        findings.append(
            error(
                COUNTED,
                (line, said[0].start()),
                doc.lines[line],
                f"git counts {counted:,}",
                f"git rev-list --count {shown}",
                f"write {counted:,}, or name the range that was counted",
            )
        )
