"""Files, insertions, deletions and numbers of commits that a report states, beside what git counts.

A figure belongs to the commit on its line, else to the commits of its section, else to those of the report. A
number that is the sum of insertions and deletions, as the combined column of a diffstat shows it, is no number of
insertions.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from guardrails.reports.lint_facts import Claim, Number, error, number, vagueness
from guardrails.reports.lint_repository import total

if TYPE_CHECKING:
    from collections.abc import Iterator

    from guardrails.reports.lint_document import Document
    from guardrails.reports.lint_facts import Found
    from guardrails.reports.lint_history import Changes, Commit
    from guardrails.reports.lint_repository import Anchors

FIGURES, COMMIT, COUNTED = "GR-REPORT-022", "GR-REPORT-021", "GR-REPORT-026"

_N = r"(\d{1,3}(?:,\d{3})+|\d{1,9})(?![\w%]|[.,:]\d)"
_FILES = re.compile(
    rf"(?<![\w.,+/-]){_N}\s+(?:source\s+)?files?\s+(?:were\s+|are\s+)?(?:changed|modified|touched)\b"
    rf"|(?<![^\W\d]\s)\b(?:total\s+)?files\s+(?:changed|modified|touched)\W{{1,6}}{_N}",
    re.IGNORECASE,
)
_ADDED = re.compile(
    rf"(?<![\w.,+/-]){_N}\s+(?:insertions?|(?:lines?\s+)?(?:of\s+code\s+)?(?:added|inserted)\b|additions?)"
    rf"|\b(?:insertions|additions|lines\s+added)\W{{1,6}}{_N}|(?<![\w+*^])\+\s?{_N}(?=\s*(?:$|[/,;"
    rf"|)\]\u2212\u2013-]|lines?\b|insertions?\b|\s[-\u2212\u2013]\d))",
    re.IGNORECASE,
)
_REMOVED = re.compile(
    rf"(?<![\w.,+/-]){_N}\s+(?:deletions?|(?:lines?\s+)?(?:removed|deleted)\b|removals?)|\b(?:deletions"
    rf"|lines\s+(?:removed|deleted))\W{{1,6}}{_N}|(?<=\d[\s/,;|])\s*[-\u2212\u2013]\s?{_N}(?=\s*(?:$|[/,;|)\]]"
    rf"|lines?\b|deletions?\b))|(?<=\dlines[\s/,;|])\s*[-\u2212\u2013]\s?{_N}",
    re.IGNORECASE,
)
_PATH = re.compile(r"(?<![\w/.@-])((?:[\w.@+-]+/)*[\w@+-][\w.@+-]*\.[A-Za-z][A-Za-z0-9]{0,7})(?![\w/])")
_FIELD = re.compile(r"\bcommits?\b[\W_]{0,8}[0-9a-f]{7}|\bкоміт\w*[\W_]{0,8}[0-9a-f]{7}", re.IGNORECASE)
_FILE_LABEL = re.compile(
    r"\bfiles?\s+(?:changed|modified|touched|updated)\b|\b(?:changed|modified)\s+files\b|^\W*files?\W*$"
    r"|\bзмінені\s+файли\b|\bфайл\w*\W*$",
    re.IGNORECASE,
)
_NOT_CHANGED = re.compile(
    r"\b(?:not|no|without|unchanged|untouched|next|todo|will|should|later|see|deleted|removed|renamed|moved)\b",
    re.IGNORECASE,
)
_RANGE_TITLE = re.compile(r"\b(?:last|latest|recent)\s+\d+\s+commits\b|[0-9a-f]{7}", re.IGNORECASE)
_LAST = re.compile(
    r"\b(?:last|latest|recent|останні|последние)\s+(\d{1,4})\s+(?:commits|коміт\w*|коммит\w*)\b", re.IGNORECASE
)
_ALL_COMMITS = re.compile(
    rf"\b(?:total\s+commits|commits\s+in\s+total|commits\s+total)\W{{1,6}}{_N}"
    rf"|(?<![\w.,/-]){_N}\s+commits\s+(?:in\s+(?:the\s+)?(?:repository|history|total)|in\s+all|on\s+main)\b",
    re.IGNORECASE,
)


class Said(NamedTuple):
    """What a line says was changed; a part that it does not say is None."""

    files: Number | None
    added: Number | None
    removed: Number | None
    column: int

    def fits(self, counted: tuple[int, int, int]) -> bool:
        """Whether every part is right."""
        return all(said is None or said.allows(value) for said, value in zip(self[:3], counted, strict=True))


def check(doc: Document, anchors: Anchors, findings: list[Found], claims: list[Claim]) -> None:
    """Every line that states what was changed, and every number of commits."""
    for line, prose in enumerate(doc.prose):
        text = doc.lines[line]
        if not prose or not any(char.isdigit() for char in prose):
            continue
        said = _said(doc, line)
        paths = [path for path in _PATH.findall(text[:4_000]) if _candidates(anchors, path)]
        if said is not None and len(paths) <= 1 and not re.search(r"\u2192|->|=>", prose):
            findings.extend(_held(doc, anchors, line, said, paths[0] if paths else "", claims))
    findings.extend(_credited(doc, anchors, claims))
    findings.extend(_last(doc, anchors, claims))
    findings.extend(_all(doc, anchors, claims))


def _said(doc: Document, line: int) -> Said | None:
    prose = doc.prose[line].replace("**", "  ")
    if doc.kinds[line] == "table":
        cells = _columns(doc, line)
        if cells is not None:
            return cells
    found = [pattern.search(prose) for pattern in (_FILES, _ADDED, _REMOVED)]
    if not any(found):
        return None
    parts = []
    for match in found:
        text = next((group for group in match.groups() if group), "") if match else ""
        parts.append(
            number(text, vagueness(prose[: match.start()].rstrip("+"), prose[match.end() :]))
            if match and text
            else None
        )
    column = min(match.start() for match in found if match)
    return Said(parts[0], parts[1], parts[2], column)


def _columns(doc: Document, line: int) -> Said | None:
    """The cells of a row whose headers say what they count."""
    for table in doc.tables:
        if line not in table.lines:
            continue
        row = table.rows[table.lines.index(line)]
        parts: list[Number | None] = [None, None, None]
        column = 0
        heads = (
            r"\W*files?(?:\s+changed)?\W*$",
            r"\W*(?:\+|added|insertions?|additions?|lines\s+added|\+\s*lines)\W*$|\s*\+\s*$",
            r"\W*(?:removed|deletions?|lines\s+(?:removed|deleted)|deleted)\W*$|\s*[-\u2212\u2013]\s*$",
        )
        for cell, head in zip(row, table.header, strict=False):
            for index, pattern in enumerate(heads):
                found = re.match(rf"[\s*]*[-+\u2212\u2013]?\s?{_N}[\s*]*$", cell.text)
                if found is not None and re.match(pattern, head.text, re.IGNORECASE):
                    parts[index], column = number(found[1]), column or cell.column
        if any(parts):
            return Said(parts[0], parts[1], parts[2], column)
        return None
    return None


def _candidates(anchors: Anchors, path: str) -> list[str]:
    """The paths of the history that the report may mean by this one."""
    known = {name for commit in anchors.commits.values() for name in commit.changes}
    return [name for name in known if name == path or name.endswith("/" + path)]


def _levels(doc: Document, anchors: Anchors, line: int) -> Iterator[list[Commit]]:
    """The commits to which a line may belong: its own, those of its sections from the inside out, all."""
    own = anchors.of_lines([line])
    if own:
        yield own
        return
    for section in doc.path_of(doc.section_of[line]):
        named = anchors.of_lines(doc.span(section) if section else range(len(doc.lines)))
        if named:
            yield named
    if anchors.commits:
        yield list(anchors.commits.values())


def _is_tied(doc: Document, anchors: Anchors, line: int, path: str) -> bool:
    """Whether the line says of which commits it speaks, all of them known: itself, or by a field of its section.

    A row of a table counts for one thing among several, so it needs a commit or a file of its own.
    """
    own = [mention for mention in anchors.mentions if mention.line == line]
    if own:
        return all(mention.sha for mention in own)
    if doc.kinds[line] == "table" and not path:
        return False
    for section in doc.path_of(doc.section_of[line]):
        named = [mention for mention in anchors.mentions if doc.section_of[mention.line] == section]
        if named:
            fields = any(_FIELD.search(doc.lines[mention.line][:400].replace("`", "")) for mention in named)
            return all(mention.sha for mention in named) and (
                fields or bool(_RANGE_TITLE.search(doc.sections[section].title))
            )
    return False


def _counts(anchors: Anchors, commits: list[Commit], path: str) -> Iterator[tuple[int, int, int]]:
    """Every way in which one may count what these commits changed."""
    for changes in _changes(anchors, commits):
        kept = {name: lines for name, lines in changes.items() if not path or name == path or name.endswith("/" + path)}
        if kept or not path:
            yield total(kept)
    summed = [
        total(
            {
                name: lines
                for name, lines in commit.changes.items()
                if not path or name == path or name.endswith("/" + path)
            }
        )
        for commit in commits
    ]
    names = {name for commit in commits for name in commit.changes}
    files, added, removed = (sum(part[index] for part in summed) for index in range(3))
    yield files, added, removed
    yield len(names), added, removed


def _changes(anchors: Anchors, commits: list[Commit]) -> Iterator[Changes]:
    for commit in commits:
        yield commit.changes
    ordered = sorted(commits, key=lambda commit: commit.committed)
    pairs = [*anchors.ranges]
    if len(ordered) > 1 and ordered[0].parents:
        pairs.append((ordered[0].parents[0], ordered[-1].sha))
    pairs += [(ordered[0].sha, ordered[-1].sha)] if len(ordered) > 1 else []
    for old, new in pairs[:20]:
        yield anchors.history.diff(old, new)


def _held(doc: Document, anchors: Anchors, line: int, said: Said, path: str, claims: list[Claim]) -> Iterator[Found]:
    levels = list(_levels(doc, anchors, line))
    if not levels or not _is_tied(doc, anchors, line, path):
        return
    text = doc.lines[line]
    counts = [count for level in levels for count in _counts(anchors, level, path)]
    counts += _of_last(doc, anchors, line)
    if any(said.fits(count) for count in counts):
        claims.append(Claim(line + 1, text.strip()[:160], "SUPPORTED"))
        return
    nearest = min(_counts(anchors, levels[0], path), key=lambda count: _distance(said, count))
    combined = next(
        (count for count in counts if said.added is not None and count[2] and said.added.value == count[1] + count[2]),
        None,
    )
    why = f"git counts {_told(nearest, path)}"
    if combined is not None and said.added is not None:
        why = f"{said.added} is the combined column: {combined[1]} insertions and {combined[2]} deletions"
        nearest = combined
    names = " ".join(commit.sha[:10] for commit in levels[0][:4])
    yield error(
        FIGURES,
        (line, said.column),
        text,
        why,
        f"git show --numstat --format=%h {names}" + (f" -- {path}" if path else ""),
        f"write {_told(nearest, path)}, with the command that counts them",
    )


def _distance(said: Said, counted: tuple[int, int, int]) -> float:
    return sum(abs(part.value - value) for part, value in zip(said[:3], counted, strict=True) if part is not None)


def _told(counted: tuple[int, int, int], path: str) -> str:
    files, added, removed = counted
    lines = f"{added:,} insertions and {removed:,} deletions"
    return lines if path else f"{files:,} file{'s' * (files != 1)}, {lines}"


def _of_last(doc: Document, anchors: Anchors, line: int) -> list[tuple[int, int, int]]:
    """Where the line or its headings say `last N commits`, what those changed."""
    titles = [doc.sections[index].title for index in doc.path_of(doc.section_of[line])]
    counts = []
    for found in (match for text in (doc.prose[line], *titles) for match in _LAST.finditer(text)):
        for tip in anchors.points():
            shas = anchors.history.last(int(found[1]) + 1, tip)
            if len(shas) > int(found[1]) > 0:
                counts.append(total(anchors.history.diff(shas[-1], shas[0])))
                counts += _counts(anchors, list(anchors.history.commits(shas[:-1]).values()), "")
    return counts


def _credited(doc: Document, anchors: Anchors, claims: list[Claim]) -> Iterator[Found]:
    """Files that a section lists as changed by its commit, and that the commit does not touch."""
    for index, section in enumerate(doc.sections):
        lines = [line for line in range(section.line, len(doc.lines)) if doc.section_of[line] == index] if index else []
        fields = [line for line in lines if _FIELD.search(doc.lines[line][:400].replace("`", ""))]
        named = [mention for mention in anchors.mentions if mention.line in set(fields)]
        commits = anchors.of_lines(fields)
        if not commits or len(commits) != len({mention.name for mention in named}):
            continue
        touched = {name for commit in commits for name in commit.changes}
        names = [commit.sha[:10] for commit in commits[:3]]
        label = ""
        for line in lines:
            text = doc.lines[line][:4_000]
            if doc.kinds[line] in {"text", "heading"} and text.strip():
                label = text
            if not (
                _FILE_LABEL.search(label.split(":")[0].strip("*# "))
                or _FILE_LABEL.search(text.split(":")[0].strip("*-# "))
            ):
                continue
            if _NOT_CHANGED.search(text) or doc.kinds[line] in {"fence", "code"}:
                continue
            for found in _PATH.finditer(text):
                path = found[1]
                if any(name == path or name.endswith("/" + path) for name in touched):
                    claims.append(Claim(line + 1, f"{path} is of {commits[0].sha[:10]}", "SUPPORTED"))
                elif any(name == path or name.endswith("/" + path) for name in anchors.history.ever()):
                    yield error(
                        COMMIT,
                        (line, found.start()),
                        text,
                        f"{' and '.join(names)} {'do' if len(commits) > 1 else 'does'} not touch {path}",
                        f"git show --stat {commits[0].sha[:10]}",
                        "name the commit that changed the file, or take the file out",
                    )


def _last(doc: Document, anchors: Anchors, claims: list[Claim]) -> Iterator[Found]:
    """A list under `last N commits` that leaves out one between its first and its last."""
    for index, section in enumerate(doc.sections[1:], start=1):
        found = _LAST.search(section.title)
        commits = anchors.of_lines(doc.span(index))
        if found is None or int(found[1]) != len(commits) or len(commits) < 2 or not anchors.whole:
            continue
        listed = {commit.sha for commit in commits}
        tips = sorted(commits, key=lambda commit: commit.committed)[-3:]
        ways = [
            set(anchors.history.last(len(listed), tip.sha, *options))
            for tip in tips
            for options in ((), ("--first-parent",), ("--no-merges",))
        ]
        if listed in ways:
            claims.append(Claim(section.line + 1, found[0], "SUPPORTED"))
            continue
        missing = min((way - listed for way in ways if len(way) == len(listed)), key=len, default=set())
        if missing and len(missing) < len(listed):
            sha = min(missing)
            yield error(
                COUNTED,
                (section.line, 0),
                doc.lines[section.line],
                f"they are not the last {len(listed)}: {sha[:10]} is among those and not listed",
                f"git log -{len(listed)} {tips[-1].sha[:10]}",
                "list it too, or say by what the commits were chosen",
            )


def _all(doc: Document, anchors: Anchors, claims: list[Claim]) -> Iterator[Found]:
    for line, prose in enumerate(doc.prose):
        for found in _ALL_COMMITS.finditer(prose):
            said = number(
                next(group for group in found.groups() if group),
                vagueness(prose[: found.start()], prose[found.end() :]),
            )
            points = anchors.points()[:8]
            counts = [
                anchors.history.count(*options, tip)
                for tip in points
                for options in ((), ("--no-merges",), ("--first-parent",))
            ]
            counts += [
                anchors.history.count("--all"),
                len(anchors.commits),
                sum(mention.sha is not None for mention in anchors.mentions),
            ]
            counts += _in_period(doc, anchors)
            # A history grows: a figure between nothing and today's was right at some time, unless the tip is named.
            if any(said.allows(value) for value in counts) or (
                said.value < counts[0] and anchors.tip not in {mention.sha for mention in anchors.mentions}
            ):
                claims.append(
                    Claim(
                        line + 1,
                        found[0].strip(),
                        "SUPPORTED" if any(said.allows(value) for value in counts) else "UNSUPPORTED",
                    )
                )
                continue
            yield error(
                COUNTED,
                (line, found.start()),
                doc.lines[line],
                f"git counts {counts[0]:,}",
                "git rev-list --count HEAD",
                f"write {counts[0]:,}",
            )


def _in_period(doc: Document, anchors: Anchors) -> list[int]:
    days = sorted(
        {day for line in doc.prose[:400] for day in re.findall(r"(?<![\w./-])20\d\d-[01]\d-[0-3]\d(?![\w-])", line)}
    )
    if len(days) < 2:
        return []
    return [
        anchors.history.count(f"--since={days[0]}T00:00:00Z", f"--until={days[-1]}T23:59:59Z", *options, "HEAD")
        for options in ((), ("--no-merges",))
    ]
