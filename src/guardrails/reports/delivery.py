"""How fast commits get out, as far as a repository tells: tags stand in for deployments, reverts for failures.

Two of the four DORA keys by a stand-in each (deployment frequency, lead time), a third one from below (change failure
rate: only what was reverted). The fourth, time to restore, needs incidents and is not guessed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from guardrails.reports.history import Commit
    from guardrails.reports.period import Period

# What git itself writes, and the convention.
REVERT = re.compile(r'Revert "|revert(?:\([^()]{1,60}\))?!?: ', re.IGNORECASE)
DAY = 86_400


def delivery(
    commits: Sequence[Commit], releases: Sequence[tuple[str, int, str]], period: Period | None
) -> dict[str, Any] | None:
    """The figures, each with its n; None where no tag lies in the period.

    `releases`: the tags on commits of the period: name, seconds since 1970, commit.
    """
    if period is None or not releases:
        return None
    waits = _waits(commits, releases)
    own = [commit for commit in commits if not commit.merge]
    first = period.since if period.since is not None and period.base else min(commit.committed for commit in commits)
    return {
        "tags": len(releases),
        "days": max(1, round((period.until - first) / DAY)),
        "lead_days": round(sorted(waits)[len(waits) // 2] / DAY, 1) if waits else None,
        "tagged": len(waits),
        "untagged": len(own) - len(waits),
        "reverts": sum(REVERT.match(commit.subject) is not None for commit in own),
        "commits": len(own),
    }


def _waits(commits: Sequence[Commit], releases: Sequence[tuple[str, int, str]]) -> list[int]:
    """Seconds from each commit to the first tag that holds it; merges bring nothing of their own."""
    known = {commit.hash: commit for commit in commits}
    waits = []
    for _, when, tagged in sorted(releases, key=lambda release: (release[1], release[0])):
        below = [tagged]
        while below:
            commit = known.pop(below.pop(), None)
            if commit is not None:
                below.extend(commit.parents)
                if not commit.merge:
                    waits.append(max(0, when - commit.committed))
    return waits
