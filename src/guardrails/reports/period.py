"""Which commits belong to a period: those that reached the branch in it.

    since ──► base: the last commit on the first-parent line before the period
    until ──► tip:  the last one in it
    the period: base..tip, so that net and churn speak of the same commits

A commit that was written earlier and merged in the period belongs to it. Dates are those of the committer.
Clocks of different machines disagree, so the line is cut where the fewest commits lie on the wrong side,
and how many do is said.
"""

from __future__ import annotations

import datetime as dt
import re
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from guardrails.errors import ConfigError, GitError
from guardrails.git import run_git, stream_git
from guardrails.reports.repository import commit_of, text_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from guardrails.reports.repository import Repository

HOURS = {"h": 1, "d": 24, "w": 24 * 7}
# So far below the cut another commit of the other side is looked for: a day of a large project, or a year of one.
LOOK_FURTHER = 1000


class Period(NamedTuple):
    """`base..tip`, and how it came about.

    `since`, `until`: the instants asked for, seconds since 1970 UTC; `since` is None where a revision was named.
    `base` is None when the period begins with the history. `strays`: commits on the wrong side of a cut.
    `parted_from`: the revision asked for, where `base` is only its common ancestor with the tip.
    """

    since: float | None
    until: float
    base: str | None
    tip: str
    strays: int = 0
    parted_from: str | None = None

    @property
    def revisions(self) -> str:
        """As git takes it."""
        return self.tip if self.base is None else f"{self.base}..{self.tip}"


def find_period(repository: Repository, since: str, until: str | None, now: float) -> Period | None:
    """The period from `since` to `until`, each an age (`2w`, `10d`, `36h`), a date, or a revision.

    A date without a time means all of that day, in UTC. `until`: default is `now` and HEAD. None when there is
    no commit yet, or none that early. Raises ConfigError for what is none of the three.
    """
    if repository.tip is None:
        return None
    tip, end, strays = _end(repository, repository.tip, until, now)
    if tip is None:
        return None
    begin = _instant(since, now, end_of_day=False)
    if begin is None:
        asked = _commit(since, "--since", repository)
        base = _common_ancestor(asked, tip, since, repository)
        return Period(None, end, base, tip, strays, since if base != asked else None)
    if begin > end:
        raise ConfigError([f"--since {since} is later than --until {until or 'now'}: nothing lies between them"])
    base_found, more = _cut(repository, tip, begin)
    return Period(begin, end, base_found, tip, strays + more)


def _end(repository: Repository, head: str, until: str | None, now: float) -> tuple[str | None, float, int]:
    """The tip of the period, None when the history begins later; its instant; the strays."""
    if until is None:
        return head, now, 0
    end = _instant(until, now, end_of_day=True)
    if end is not None:
        tip, strays = _cut(repository, head, int(end) + 1)
        return tip, end, strays
    named = _commit(until, "--until", repository)
    committed = run_git(["log", "-1", "--no-mailmap", "--format=%ct", named, "--"], repository.git_dir)
    return named, float(committed.strip() or now), 0


def _instant(text: str, now: float, *, end_of_day: bool) -> float | None:
    """Seconds since 1970 of an age or a date; None for anything else, which must then be a revision."""
    if (age := re.fullmatch(r"(\d{1,5})([hdw])", text)) is not None:
        return now - int(age[1]) * HOURS[age[2]] * 3600
    if re.match(r"\d{4}-\d\d-\d\d", text, re.ASCII) is None:
        return None
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    if len(text) == len("2026-01-31") and end_of_day:
        found += dt.timedelta(days=1, seconds=-1)
    return found.replace(tzinfo=found.tzinfo or dt.UTC).timestamp()


def _cut(repository: Repository, tip: str, at: float) -> tuple[str | None, int]:
    """The first commit of the first-parent line from `tip` that is older than `at`, and the strays.

    None when all of the line is younger.
    """
    argv = ["rev-list", "--first-parent", "--timestamp", tip, "--"]
    pieces = stream_git(argv, repository.git_dir, separator=b"\n")
    with closing(pieces):  # type: ignore[type-var]
        return cut(((int(when), text_of(name)) for when, _, name in (p.partition(b" ") for p in pieces)), at)


def cut(line: Iterable[tuple[int, str]], at: float) -> tuple[str | None, int]:
    """Cut a line of commits, newest first, where the fewest lie on the wrong side of `at`.

    Returns the first one below the cut, None if that would be below the end, and how many are on the wrong
    side: older above it, or younger within LOOK_FURTHER commits below it.
    """
    found: str | None = None
    lowest = score = place = older = older_above = younger = 0
    for number, (when, name) in enumerate(line):
        if number == place:
            found = name
        elif number > place + LOOK_FURTHER:
            break
        if when < at:
            score, older = score + 1, older + 1
        else:
            score, younger = score - 1, younger + 1
            if score < lowest:
                lowest, place, found, older_above, younger = score, number + 1, None, older, 0
    return found, older_above + younger


def _commit(revision: str, option: str, repository: Repository) -> str:
    found = commit_of(revision, repository)
    if found is not None:
        return found
    fix = "write an age such as 2w, 10d or 36h, a date such as 2026-01-31, or a revision that `git rev-parse` knows"
    if repository.shallow:
        fix += "; this clone is shallow, `git fetch --unshallow` brings the rest"
    raise ConfigError([f"{option}: no revision {revision!r} here: {fix}"])


def _common_ancestor(commit: str, tip: str, asked: str, repository: Repository) -> str:
    try:
        return text_of(run_git(["merge-base", commit, tip], repository.git_dir))
    except GitError as exc:
        if exc.returncode != 1:
            raise
        reason = "they have no common ancestor"
        if repository.shallow:
            reason = "this clone is shallow and holds no common ancestor: `git fetch --unshallow` brings the rest"
        raise ConfigError([f"--since: {asked!r} cannot be compared with {tip[:12]}: {reason}"]) from exc
