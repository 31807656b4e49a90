"""A report beside the history of its repository: commits, figures, files, lines and functions that it names.

A report was written some time ago. So a file counts if it ever was there, a line if it was there at HEAD or at a
commit that the report names, and a figure if it is right in any of the ways in which one may count: the commit,
the sum of the commits named, the difference from the first to the last. Only what is right in none is a finding.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, NamedTuple

from guardrails.errors import GuardrailsError
from guardrails.reports.lint_facts import Claim, Found, error, shown
from guardrails.reports.lint_words import is_report

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from guardrails.reports.lint_document import Document
    from guardrails.reports.lint_history import Changes, Commit, History

HASH, COMMIT = "GR-REPORT-020", "GR-REPORT-021"

_HASH = re.compile(r"(?<![\w/#:@-])(?<![^.]\.)(?P<hash>(?=[a-f]*\d)[0-9a-f]{7,40})(?![\w-]|\.\w)")
_RANGE = re.compile(r"(?<![\w./-])([0-9a-f]{7,40})\s?\.{2,3}\s?([0-9a-f]{7,40})(?!\w)")
_NAMES_COMMITS = re.compile(
    r"\b(?:commit\w*|sha-?1?|hash\w*|revision|rev|merged?|cherry|rebased?|git|коміт\w*|коммит\w*)\b", re.IGNORECASE
)
_OTHER_IDS = re.compile(
    r"\b(?:digest|sha-?256|sha-?512|md5|checksum|container|image|trace|request|session|user|token|etag|uuid|guid"
    r"|key|build|job|run|id|blob|tree|address|mac|color|colour)\b|https?://",
    re.IGNORECASE,
)
# A name within a sentence right before "commit": of another project, as in `was run on PostgreSQL commit f4ad0021af`.
_OTHERS = re.compile(r"[a-z,]\s+(?:(?!Git\b|HEAD\b)[A-Z][\w.+-]*|upstream|kernel)(?:'s)?\s+commit\s+\W?$")
_DATED = re.compile(r"(?<![\w./-])((?:19|20)\d\d-\d\d-\d\d)(?![\w-])")
_NOT_ITS_DATE = re.compile(
    r"\b(?:deploy\w*|due|until|since|releas\w*|report\w*|verified|reverted|merged|review\w*|plan\w*|on\s+call)\b",
    re.IGNORECASE,
)


class Mention(NamedTuple):
    """A commit that the report names: where, and what it is here; `sha` None where it is not."""

    name: str
    line: int
    column: int
    sha: str | None


class Anchors(NamedTuple):
    """The commits that a report names, and what may be said of them."""

    history: History
    tip: str
    mentions: list[Mention]
    commits: dict[str, Commit]
    ranges: list[tuple[str, str]]

    def of_lines(self, lines: Iterable[int]) -> list[Commit]:
        """The known commits that are named in these lines, each once."""
        wanted = set(lines)
        shas = dict.fromkeys(mention.sha for mention in self.mentions if mention.line in wanted and mention.sha)
        return [self.commits[sha] for sha in shas if sha in self.commits]

    @property
    def whole(self) -> bool:
        """Whether every commit that is named is known: else what they changed is not."""
        return all(mention.sha for mention in self.mentions)

    def points(self) -> list[str]:
        """Commits at which the report may have been written, HEAD first."""
        return list(dict.fromkeys((self.tip, *(mention.sha for mention in self.mentions if mention.sha))))[:20]


class Seen(NamedTuple):
    """What came of it."""

    findings: list[Found]
    claims: list[Claim]
    unknown: list[str]


def check(doc: Document, folder: Path) -> Seen:
    """Hold the report against the repository around `folder`. Nothing is raised: what git cannot say is unknown."""
    from guardrails.redact import redacted
    from guardrails.reports import lint_diffs, lint_files, lint_ranges
    from guardrails.reports.lint_history import History
    from guardrails.reports.repository import open_repository

    seen = Seen([], [], [])
    try:
        repository = open_repository(folder)
        if repository.tip is None:
            return Seen([], [], ["the repository has no commit yet: nothing was held against it"])
        anchors = _anchors(
            doc,
            History(repository.top or repository.git_dir),
            repository.tip,
            seen,
            truncated=repository.shallow or repository.partial,
        )
        seen.findings.extend(_lines(doc, anchors, seen.claims))
        if repository.shallow:
            return seen
        lint_diffs.check(doc, anchors, seen.findings, seen.claims)
        lint_ranges.check(doc, anchors, seen.findings, seen.claims)
        if anchors.mentions or is_report(doc):
            lint_files.check(doc, anchors, folder, seen.findings, seen.claims)
    except GuardrailsError as exc:
        seen.unknown.append(f"not held against the repository: {shown(redacted(str(exc)), 300)}")
    return seen


def _anchors(doc: Document, history: History, tip: str, seen: Seen, *, truncated: bool) -> Anchors:
    places = list(_hashes(doc))
    known = history.resolve(dict.fromkeys(name for name, _, _, _ in places))
    mentions = []
    for name, line, column, sure in places:
        sha = known.get(name)
        if name not in known or sha == "" or (sha is None and not sure):
            continue
        mentions.append(Mention(name, line, column, sha))
        if sha is not None:
            seen.claims.append(Claim(line + 1, f"commit {name}", "SUPPORTED"))
    commits = history.commits(mention.sha for mention in mentions if mention.sha)
    lost = [mention for mention in mentions if mention.sha is None]
    if lost and truncated:
        names = ", ".join(sorted({mention.name for mention in lost})[:5])
        seen.unknown.append(
            f"HISTORY TRUNCATED: the clone is shallow or partial, so these may exist elsewhere: {names}. "
            "Run: git fetch --unshallow"
        )
    elif lost:
        elsewhere = _of_submodules(doc, history.links(tip), lost)
        if elsewhere:
            names = ", ".join(sorted({mention.name for mention in elsewhere})[:5])
            seen.unknown.append(f"a submodule has a history of its own, which was not looked at: {names}")
        seen.findings.extend(_lost(doc, history, [mention for mention in lost if mention not in elsewhere]))
    seen.findings.extend(_unreachable(doc, history, mentions, commits))
    ranges = [
        (known[a] or "", known[b] or "")
        for line in doc.lines
        for a, b in _RANGE.findall(line[:4_000])
        if known.get(a) and known.get(b)
    ]
    return Anchors(history, tip, mentions, commits, ranges)


def _hashes(doc: Document) -> Iterator[tuple[str, int, int, bool]]:
    """What may be the hash of a commit, and whether it can hardly be anything else."""
    heads = {line: (table, row) for table in doc.tables for line, row in zip(table.lines, table.rows, strict=True)}
    logs = {line for fence in doc.fences for line in _log_lines(doc, fence.line, fence.end)}
    for number, line in enumerate(doc.lines):
        if len(line) > 4_000 or (doc.kinds[number] in {"fence", "code", "comment"} and number not in logs):
            continue
        for found in _HASH.finditer(line):
            name = found["hash"]
            around = doc.sections[doc.section_of[number]].title + " " + line[: found.start()] + line[found.end() :]
            sure = number in logs
            if number in heads:
                table, row = heads[number]
                column = max((index for index, cell in enumerate(row) if cell.column <= found.start()), default=0)
                around = table.header[column].text if column < len(table.header) else ""
            elif re.match(r"\W*$", line[: found.start()].replace("x", "")) and not _OTHER_IDS.search(line):
                sure = sure or line[found.start() - 1] == "`" or bool(re.search(r"[a-f]", name))
            sure = sure or bool(_NAMES_COMMITS.search(around) and not _OTHER_IDS.search(around))
            if line[: found.start()].endswith("sha256:"):
                sure = False
            if name.isdigit() and not line[: found.start()].endswith(("`", "commit ")):
                continue
            yield name, number, found.start(), sure and not _OTHERS.search(line[: found.start()][-80:])


def _log_lines(doc: Document, begun: int, end: int) -> list[int]:
    """The lines of a block that are the output of a log of git."""
    lines = range(begun + 1, end)
    entries = [
        line for line in lines if re.match(r"(?:[*|/\\ ]*)(?:commit )?[0-9a-f]{7,40}(?:\s|$)", doc.lines[line][:400])
    ]
    asked = any(
        re.search(r"\bgit (?:log|show|rev-list|rev-parse|cherry-pick)\b", doc.lines[line][:400]) for line in lines
    )
    return entries if asked or (entries and len(entries) >= 0.6 * len(lines)) else []


def _of_submodules(doc: Document, links: dict[str, str], lost: list[Mention]) -> list[Mention]:
    """Those that are, or may be, commits of a submodule: it stands at them, or the line names it."""
    names = [re.compile(rf"(?<![\w-]){re.escape(path.rpartition('/')[2])}(?![\w-])", re.IGNORECASE) for path in links]
    return [
        mention
        for mention in lost
        if any(sha.startswith(mention.name) for sha in links.values())
        or any(name.search(doc.lines[mention.line][:4_000]) for name in names)
    ]


def _lost(doc: Document, history: History, lost: list[Mention]) -> Iterator[Found]:
    subjects = history.subjects()
    by_text: dict[str, str] = {}
    for sha, subject in subjects.items():
        by_text.setdefault(_plain(subject), sha)
    for mention in lost:
        text = _plain(_said_of(doc, mention))
        now = by_text.get(text) or next(
            (sha for subject, sha in by_text.items() if len(subject) >= 12 and subject in text), None
        )
        if now is None and len(text) >= 20:
            now = next((sha for subject, sha in by_text.items() if subject.startswith(text)), None)
        near = next((sha for sha in subjects if sha[:5] == mention.name[:5]), None)
        why = "there is no such commit here, and none with this subject"
        fix = "name a commit that exists; fetch the branch it is on, if it is on another"
        if now is not None:
            why = f"there is no such commit; one with this subject is {now[:10]}: rebased, amended or picked"
            fix = f"write {now[:10]}"
        elif near is not None:
            why, fix = f"there is no such commit; {near[:10]} begins alike", f"is {near[:10]} meant?"
        evidence = f"git cat-file -e {mention.name} fails; git log --all has {len(subjects):,} commits"
        yield error(HASH, (mention.line, mention.column), doc.lines[mention.line], why, evidence, fix)


def _said_of(doc: Document, mention: Mention) -> str:
    line = doc.lines[mention.line]
    rest = line[mention.column + len(mention.name) :]
    if "|" in rest:
        return max((part.strip() for part in rest.split("|")), key=len)
    return rest if len(_plain(rest)) >= 8 else line[: mention.column]


def _plain(text: str) -> str:
    return re.sub(r"[\W_]+", " ", text).strip().lower()


def _unreachable(
    doc: Document, history: History, mentions: list[Mention], commits: dict[str, Commit]
) -> Iterator[Found]:
    """Commits that still lie in this clone, and on no branch any more."""
    if not commits:
        return
    subjects = history.subjects()
    for mention in mentions:
        if mention.sha is None or mention.sha in subjects or mention.sha not in commits:
            continue
        now = next((sha for sha, subject in subjects.items() if subject == commits[mention.sha].subject), None)
        if now is not None:
            yield error(
                HASH,
                (mention.line, mention.column),
                doc.lines[mention.line],
                f"the commit is on no branch; one with its subject is {now[:10]}: rebased, amended or picked",
                f"git branch --all --contains {mention.name} is empty",
                f"write {now[:10]}",
            )


def _lines(doc: Document, anchors: Anchors, claims: list[Claim]) -> Iterator[Found]:
    """Subject and date beside a hash."""
    per_line: dict[int, list[Mention]] = {}
    for mention in anchors.mentions:
        per_line.setdefault(mention.line, []).append(mention)
    known = {_plain(commit.subject): commit for commit in anchors.commits.values()}
    for line, mentions in per_line.items():
        commit = anchors.commits.get(mentions[0].sha or "") if len(mentions) == 1 else None
        if commit is None:
            continue
        text = doc.lines[line]
        said = _plain(_said_of(doc, mentions[0]))
        own = _plain(commit.subject)
        other = next(
            (
                entry
                for subject, entry in known.items()
                if subject == said or (len(said) >= 20 and subject.startswith(said))
            ),
            None,
        )
        if other is None and len(said) >= 12 and not own.startswith(said[:12]) and said not in own:
            sha = next((sha for sha, subject in anchors.history.subjects().items() if _plain(subject) == said), None)
            other = anchors.history.commits([sha])[sha] if sha is not None else None
        if other is not None and other.sha != commit.sha and _plain(other.subject) != own and not own.startswith(said):
            yield error(
                COMMIT,
                (line, mentions[0].column),
                text,
                f"this is the subject of {other.sha[:10]}; {mentions[0].name} is {shown(commit.subject, 80)!r}",
                f"git log -1 --format=%s {mentions[0].name}",
                f"write {other.sha[:10]}, or the subject of {mentions[0].name}",
            )
        if doc.kinds[line] in {"table", "item"}:  # elsewhere a date may be of the report, or of a period
            yield from _date(text, line, mentions[0], commit, claims)


def _date(text: str, line: int, mention: Mention, commit: Commit, claims: list[Claim]) -> Iterator[Found]:
    dates = list(_DATED.finditer(text))
    if len(dates) != 1 or _NOT_ITS_DATE.search(text):
        return
    said = dates[0][1]
    # The zone in which the author wrote is unknown, so a day more or less is the same.
    days = [abs((when.date() - _day(said)).days) for when in (commit.authored, commit.committed)]
    if min(days) <= 1:
        claims.append(Claim(line + 1, f"{mention.name} is of {said}", "SUPPORTED"))
        return
    yield error(
        COMMIT,
        (line, dates[0].start()),
        text,
        f"{mention.name} was written on {commit.authored.date()} and committed on {commit.committed.date()}",
        f"git log -1 --format='%as %cs' {mention.name}",
        f"write {commit.authored.date()}",
    )


def _day(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        return dt.date.min


def total(changes: Changes) -> tuple[int, int, int]:
    """Files, insertions and deletions."""
    return len(changes), sum(added for added, _ in changes.values()), sum(removed for _, removed in changes.values())
