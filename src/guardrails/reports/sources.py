"""Where the facts of a report come from: git, the gate's record, test results; asked once, in this order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from guardrails.git import run_git
from guardrails.reports import proofs
from guardrails.reports.history import read_history
from guardrails.reports.period import find_period
from guardrails.reports.repository import text_of
from guardrails.reports.statements import bench_of, statements_of, tests_of
from guardrails.reports.status import status_facts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from guardrails.reports.history import History
    from guardrails.reports.repository import Repository


def gather(
    repository: Repository,
    project: Path,
    *,
    since: str,
    until: str | None = None,
    junit: Path | None = None,
    coverage: Path | None = None,
    cache: Path | None = None,
    now: float,
    version: str,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """The facts of a status report.

    `project`: the folder in which the gate and the tests ran; after it the top of the working tree is looked at.
    `since`, `until`: see `find_period`. `cache`: a file for the lines of commits, None for none. `now`: seconds since
    1970 UTC. `version`: of the tool, for the last line. `progress`: called now and then while commits are read: how
    many are done, of how many. Raises ConfigError for a period that cannot be found,
    GitError when git fails.
    """
    period = find_period(repository, since, until, now)
    history = None if period is None else read_history(repository, period, cache, progress)
    folders = [project, *([repository.top] if repository.top is not None else [])]
    tip = (period.tip if period is not None else repository.tip) or ""
    # The working tree is on HEAD: of an older tip it says nothing.
    dirty = repository.dirty if tip == repository.tip else None
    bench = bench_of(repository, tip)
    tests = proofs.tests(folders, junit, tip)
    # A file that names no commit says less than the record of the run that wrote it.
    if junit is None and tests.reason in ("tests_none", "tests_no_commit") and bench is not None:
        judged = tests_of(bench)
        if judged is not None:
            tests = proofs.recorded("tests", judged)
    found = [proofs.gate(folders, tip, dirty=dirty), tests, proofs.coverage(folders, coverage)]
    releases = _releases(repository, history)
    ends = (None, None) if period is None else (period.since, period.until if until is not None else None)
    said = statements_of(bench, *ends)
    asked = (since, until)
    return status_facts(repository, period, history, found, releases, said, asked=asked, now=now, version=version)


def _releases(repository: Repository, history: History | None) -> list[tuple[str, int, str]]:
    """The tags on the commits of the period: name, time, commit; newest first."""
    inside = {commit.hash for commit in history.commits} if history is not None else set()
    fields = "%(refname:strip=2)%00%(creatordate:unix)%00%(objectname)%00%(*objectname)"
    listing = run_git(["for-each-ref", "--sort=-creatordate", f"--format={fields}", "refs/tags"], repository.git_dir)
    found = []
    for line in listing.split(b"\n")[:-1]:
        name, when, tag, commit = map(text_of, line.split(b"\0"))
        if (commit or tag) in inside:
            found.append((name, int(when or 0), commit or tag))
    return found
