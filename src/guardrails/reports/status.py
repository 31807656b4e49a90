"""The facts of a status report: one dictionary, which is the JSON twin, and from which every page is written.

    repository, period, history, proofs  ──►  facts  ──►  Markdown, HTML

A page can so state nothing that the JSON does not hold. A figure that could not be found out is None, and the
reason stands in `limits`. Foreign text leaves here without secrets.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from guardrails.redact import redacted
from guardrails.reports.delivery import REVERT, delivery

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from guardrails.reports.history import Change, Commit, History
    from guardrails.reports.period import Period
    from guardrails.reports.proofs import Proof
    from guardrails.reports.repository import Repository

REPORT_VERSION = 1
# What a page of a few screens and a file under 500 KB hold; how many are left out is said.
COMMITS_LISTED = 100
IN_A_GROUP = 15
AREAS = 8
RELEASES = 20
MOST_TEXT = 300
# Conventional Commits, the order in which a reader asks for them.
KINDS = ("breaking", "feat", "fix", "perf", "security", "revert", "refactor", "test", "docs", "build", "ci", "chore")
_ALIASES = {"feature": "feat", "bugfix": "fix", "hotfix": "fix", "tests": "test", "doc": "docs", "deps": "build"}
_TYPED = re.compile(r"(?P<type>[A-Za-z]{2,12})(?:\([^()]{1,60}\))?(?P<bang>!?): +\S")
_TEST_FILE = re.compile(
    r"(?:^|/)(?:tests?|t|spec|specs|__tests__|testing)/|(?:^|/)(?:test_[^/]*|[^/]*_test|[^/]*\.(?:test|spec)|conftest)\.\w+$"
)
_CODE_FILE = re.compile(
    r"\.(?:py|pyx|pyi|js|jsx|ts|tsx|go|rs|java|kt|rb|php|c|cc|cpp|h|hpp|cs|swift|scala|sh|sql|lua|ex|exs|clj|vue|svelte)$"
)
# Written by package managers: a bumped number may move hundreds of their lines.
_LOCK_FILE = re.compile(
    r"(?:^|/)(?:[\w.-]+\.lockb?|package-lock\.json|npm-shrinkwrap\.json|packages\.lock\.json|pnpm-lock\.yaml|go\.sum"
    r"|gradle\.lockfile)$"
)
# No folder can be named so.
LOCKS = "\0"
DAY = 86_400


def status_facts(
    repository: Repository,
    period: Period | None,
    history: History | None,
    proofs: Sequence[Proof],
    releases: Sequence[tuple[str, int, str]],
    statements: Mapping[str, Any],
    *,
    asked: tuple[str, str | None],
    now: float,
    version: str,
) -> dict[str, Any]:
    """Fold all into the JSON twin. `asked`: `--since` and `--until` as written; `now`: seconds since 1970."""
    commits = () if history is None else history.commits
    own = [commit for commit in commits if not commit.merge]
    facts = {
        "report_version": REPORT_VERSION,
        "kind": "status",
        "version": version,
        "generated": _iso(now),
        "repository": _place(repository),
        "period": _period(period, commits, asked),
        "totals": _totals(commits, own, history),
        "groups": _groups(own),
        "areas": _areas(own),
        "testing": _testing(own),
        "timeline": _timeline(commits, period),
        "releases": [{"name": n[:MOST_TEXT], "date": _iso(when), "commit": c} for n, when, c in releases[:RELEASES]],
        "releases_omitted": max(0, len(releases) - RELEASES),
        "delivery": delivery(commits, releases, period),
        "claims": [_claim(proof) for proof in proofs],
        **statements,
        "commits": [_listed(commit) for commit in own[:COMMITS_LISTED]],
        "commits_omitted": max(0, len(own) - COMMITS_LISTED),
        "limits": _limits(repository, period, history, own),
        "evidence": _evidence(repository, period, history, proofs),
    }
    cleaned: dict[str, Any] = _without_secrets(facts)
    return cleaned


def _place(repository: Repository) -> dict[str, Any]:
    return {
        "name": repository.name,
        "branch": repository.branch,
        "head": repository.tip,
        "dirty": repository.dirty,
        "shallow": repository.shallow,
        "partial": repository.partial,
    }


def _period(period: Period | None, commits: Sequence[Commit], asked: tuple[str, str | None]) -> dict[str, Any]:
    since = None if period is None else period.since
    return {
        "asked_since": asked[0],
        "asked_until": asked[1],
        "since": None if since is None else _iso(since),
        "until": None if period is None else _iso(period.until),
        "base": None if period is None else period.base,
        "tip": None if period is None else period.tip,
        # Written earlier, merged in the period.
        "earlier": sum(commit.committed < since for commit in commits) if since is not None else 0,
    }


def _totals(commits: Sequence[Commit], own: Sequence[Commit], history: History | None) -> dict[str, Any]:
    known = history is not None and history.lines_known
    changes = [change for commit in own for change in commit.changes or ()]
    people = {(email or author).casefold() for email, author in {(commit.email, commit.author) for commit in own}}
    return {
        "commits": len(own),
        "merges": len(commits) - len(own),
        "authors": len(people),
        "churn": _sums(changes) if known else None,
        "net": None if history is None or history.net is None else _sums(history.net),
    }


def _sums(changes: Iterable[Change]) -> dict[str, int]:
    """Lines, and each file once however often it changed."""
    added = deleted = 0
    files, binary, renamed = set(), set(), 0
    for more, less, path, old in changes:
        files.add(path)
        renamed += old is not None
        if more is None or less is None:
            binary.add(path)
        else:
            added += more
            deleted += less
    return {"added": added, "deleted": deleted, "files": len(files), "binary": len(binary), "renamed": renamed}


def kind_of(commit: Commit) -> str:
    """The kind that its author gave a commit by the convention `type(scope)!: subject`; else `other`."""
    found = _TYPED.match(commit.subject)
    if commit.breaking or (found is not None and found["bang"]):
        return "breaking"
    if REVERT.match(commit.subject):
        return "revert"
    if found is None:
        return "other"
    name = found["type"].lower()
    name = _ALIASES.get(name, name)
    return name if name in KINDS else "other"


def _groups(own: Sequence[Commit]) -> list[dict[str, Any]]:
    grouped = defaultdict(list)
    for commit in own:
        grouped[kind_of(commit)].append(commit)
    return [
        {
            "kind": kind,
            "count": len(grouped[kind]),
            "commits": [_listed(commit) for commit in grouped[kind][:IN_A_GROUP]],
            "omitted": max(0, len(grouped[kind]) - IN_A_GROUP),
        }
        for kind in (*KINDS, "other")
        if grouped[kind]
    ]


def _listed(commit: Commit) -> dict[str, Any]:
    changes = commit.changes
    return {
        "hash": commit.hash,
        "date": _iso(commit.committed),
        "author": commit.author[:MOST_TEXT],
        "subject": _short(commit.subject),
        "merge": commit.merge,
        "added": None if changes is None else sum(change.added or 0 for change in changes),
        "deleted": None if changes is None else sum(change.deleted or 0 for change in changes),
        "files": None if changes is None else len(changes),
    }


def _areas(own: Sequence[Commit]) -> list[dict[str, Any]]:
    """Where the churn was: by folder, and apart from them the lock files, which nobody wrote."""
    lines: dict[str, int] = defaultdict(int)
    added: dict[str, int] = defaultdict(int)
    touched: dict[str, set[str]] = defaultdict(set)
    folders: dict[str, str] = {}
    for commit in own:
        for more, less, path, _ in commit.changes or ():
            if path not in folders:
                folders[path] = LOCKS if _LOCK_FILE.search(path) else path.rpartition("/")[0]
            folder = folders[path]
            lines[folder] += (more or 0) + (less or 0)
            added[folder] += more or 0
            touched[folder].add(commit.hash)
    names = areas_of(lines)
    totals: Counter[str] = Counter()
    for folder, count in lines.items():
        totals[names[folder]] += count
    order = sorted(totals, key=lambda name: (-totals[name], name))
    # One more fits than a line that says "1 other".
    kept = order if len(order) <= AREAS + 1 else order[:AREAS]
    rows: dict[str | None, list[str]] = {name: [] for name in kept}
    for folder, name in names.items():
        rows.setdefault(name if name in rows else None, []).append(folder)
    shares = percents([sum(lines[folder] for folder in folders) for folders in rows.values()])
    return [
        {
            "area": None if name in {None, LOCKS} else _short(name or ""),
            "locks": name == LOCKS,
            "others": len(order) - len(kept) if name is None else 0,
            "added": sum(added[folder] for folder in folders),
            "deleted": sum(lines[folder] - added[folder] for folder in folders),
            "commits": len(set().union(*(touched[folder] for folder in folders))),
            "percent": share,
        }
        for (name, folders), share in zip(rows.items(), shares, strict=True)
    ]


def areas_of(lines: Mapping[str, int]) -> dict[str, str]:
    """The area of each folder: its first part, and as long as one area holds over a quarter, that one's parts.

    What lies in a divided folder itself is `folder/*`.
    """
    total = sum(lines.values())
    areas = {folder: folder.split("/")[0] for folder in lines}
    whole: set[str] = set()
    while True:
        sums: Counter[str] = Counter()
        for folder, count in lines.items():
            sums[areas[folder]] += count
        large = [area for area in sums if area not in whole and 4 * sums[area] > total]
        if not large:
            return areas
        area = max(large, key=lambda name: (sums[name], name))
        depth = area.count("/") + 2
        parts = {f: "/".join(f.split("/")[:depth]) if f != area else f"{f}/*" for f in areas if areas[f] == area}
        if set(parts.values()) == {f"{area}/*"}:
            whole.add(area)
        else:
            whole.add(f"{area}/*")
            areas |= parts


def percents(counts: Sequence[int]) -> list[float]:
    """Shares in per cent with one digit that add up to 100: the largest remainders are rounded up."""
    total = sum(counts)
    if total == 0:
        return [0.0 for _ in counts]
    tenths = [1000 * count // total for count in counts]
    largest = sorted(range(len(counts)), key=lambda i: (-(1000 * counts[i] % total), i))
    for place in largest[: 1000 - sum(tenths)]:
        tenths[place] += 1
    return [tenth / 10 for tenth in tenths]


def _testing(own: Sequence[Commit]) -> dict[str, Any]:
    """What history says of tests, by the names of files: which is no proof that one of them ran."""
    test_lines = code_lines = with_code = without_tests = 0
    # Whether a path is a test, code, or neither, asked once of each.
    kinds: dict[str, bool | None] = {}
    for commit in own:
        code = tests = False
        for more, less, path, _ in commit.changes or ():
            if path not in kinds:
                kinds[path] = _TEST_FILE.search(path) is not None if _CODE_FILE.search(path) else None
            if kinds[path] is None:
                continue
            size = (more or 0) + (less or 0)
            if kinds[path]:
                tests, test_lines = True, test_lines + size
            else:
                code, code_lines = True, code_lines + size
        with_code += code
        without_tests += code and not tests
    share = percents([test_lines, code_lines])[0]
    return {
        "test_lines": test_lines,
        "code_lines": code_lines,
        "percent": share,
        "test_files": sum(kind is True for kind in kinds.values()),
        "commits_with_code": with_code,
        "commits_without_tests": without_tests,
    }


def _timeline(commits: Sequence[Commit], period: Period | None) -> list[dict[str, Any]]:
    """Commits and churn by day, week, 30 days or year, whichever gives a readable number of columns.

    What was written before the period stands in a column of its own, without a date.
    """
    if period is None or not commits:
        return []
    first = period.since if period.since is not None else min(commit.committed for commit in commits)
    inside = [min(commit.committed, period.until) for commit in commits if commit.committed >= first]
    start = int(max(first, min(inside, default=period.until)) if period.base is None else first) // DAY * DAY
    days = max(1, (int(period.until) - start) // DAY + 1)
    width = next((n for n in (1, 7, 30, 365) if days <= 53 * n), 365)
    columns = [_column(_date(start + n * width * DAY)) for n in range((days + width - 1) // width)]
    before = _column(None)
    for commit in commits:
        place = min((commit.committed - start) // (width * DAY), len(columns) - 1)
        column = columns[place] if place >= 0 else before
        column["merges" if commit.merge else "commits"] += 1
        added = deleted = 0
        for more, less, _, _ in commit.changes or ():
            added += more or 0
            deleted += less or 0
        column["added"] += added
        column["deleted"] += deleted
    return [*([before] if before["commits"] or before["merges"] else []), *columns]


def _column(date: str | None) -> dict[str, Any]:
    return {"from": date, "commits": 0, "merges": 0, "added": 0, "deleted": 0}


def _claim(proof: Proof) -> dict[str, Any]:
    return {
        "claim": proof.claim,
        "verdict": proof.verdict,
        "rung": proof.rung.value,
        "reason": proof.reason,
        "said": proof.said,
        "details": proof.details,
    }


def _limits(
    repository: Repository, period: Period | None, history: History | None, own: Sequence[Commit]
) -> list[dict[str, Any]]:
    """What could not be found out, or differs from what a reader may expect. `hides`: a figure lacks by it."""
    if period is None or history is None:
        reason = "no_commits" if repository.tip is None else "nothing_that_early"
        return [{"reason": reason, "hides": repository.tip is not None, "said": {}}]
    binary = len({change.path for commit in own for change in commit.changes or () if change.added is None})
    parted = {"revision": period.parted_from, "base": (period.base or "")[:12]}
    possible: list[tuple[object, str, bool, dict[str, Any]]] = [
        (history.cut_off, "truncated", True, {"count": history.cut_off}),
        (not history.lines_known, "partial", True, {}),
        (history.net is None, "net_unknown", True, {}),
        (period.strays, "strays", False, {"count": period.strays}),
        (period.parted_from is not None, "parted", False, parted),
        (repository.branch is None, "detached", False, {}),
        (repository.dirty, "dirty", False, {}),
        (binary, "binary", False, {"count": binary}),
    ]
    return [{"reason": reason, "hides": hides, "said": said} for holds, reason, hides, said in possible if holds]


def _evidence(
    repository: Repository, period: Period | None, history: History | None, proofs: Sequence[Proof]
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []

    def row(name: str, argv: Sequence[str], rung: str, source: str = "") -> None:
        rows.append({"id": name, "argv": list(argv), "rung": rung, "source": source})

    if history is not None and period is not None:
        row("H", ("git", "log", "--format=%H", period.revisions, "--"), "E1", f"git {repository.version}")
        if history.lines_known:
            row("C", history.argv_churn, "E1", f"git {repository.version}")
        if history.argv_net is not None:
            row("N", history.argv_net, "E1", f"git {repository.version}")
    for name, proof in zip(("G", "T", "V"), proofs, strict=False):
        if proof.source:
            row(name, proof.argv, proof.rung.value, proof.source)
    return rows


def _short(text: str) -> str:
    return text if len(text) <= MOST_TEXT else text[: MOST_TEXT - 1] + "…"


def _iso(seconds: float) -> str:
    """UTC to the second; what no calendar holds, as a hostile commit may claim, as the number itself."""
    try:
        return dt.datetime.fromtimestamp(int(seconds), dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return f"@{int(seconds)}"


def _date(seconds: float) -> str:
    return _iso(seconds)[:10]


def _without_secrets(value: Any) -> Any:
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, dict):
        return {name: _without_secrets(item) for name, item in value.items()}
    return [_without_secrets(item) for item in value] if isinstance(value, list | tuple) else value
