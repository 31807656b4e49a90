"""How the text is built: fences left open, headings, tables and task boxes that do not render, links to nowhere."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING
from urllib.parse import unquote

from guardrails.reports.lint_document import cells
from guardrails.reports.lint_facts import at, error, shown, warning

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from guardrails.reports.lint_document import Document, Section
    from guardrails.reports.lint_facts import Found

BUILD, LINK = "GR-REPORT-009", "GR-REPORT-010"

_BOX = re.compile(
    r"[ \t]*[-*+][ \t]*(?P<box>\[(?:[ ]{2,}|[xX][ ]+|[ ]+[xX]|[\u2713\u2714\u2705vV])?\])(?=[ \t]|\w)(?!\()"
)
_GLUED = re.compile(r"[ \t]*[-*+](?P<box>\[[ xX]\])[ \t]")
_NUMBERED = re.compile(r"^\W*(?P<number>\d{1,2})[.)](?!\d)\s")
_LINK = re.compile(
    r"(?<!\\)!?\[(?P<text>[^\[\]\n]{0,300})\]\((?P<to><[^<>\n]*>"
    r"|[^()\s]*(?:\([^()\s]*\)[^()\s]*)*)(?:\s+\"[^\"\n]*\")?\)"
)
_ANCHOR = re.compile(r"<[^<>]*\b(?:id|name)\s*=\s*[\"']?([\w.:-]+)|\{[^{}\n]*#([\w-]+)[^{}\n]*\}", re.IGNORECASE)
# Anything else is a name that a documentation tool resolves.
_FILE = re.compile(
    r"\.{1,2}/|.*/$|.*\.(?:py|pyi|ipynb|jsx?|tsx?|go|rs|java|kt|rb|php|c|cc|cpp|h|hpp|cs|swift|sh|sql|toml|ya?ml"
    r"|json|jsonl|md|rst|txt|log|cfg|ini|x?html?|css"
    r"|vue|tf|proto|csv|xml|png|jpe?g|gif|svg|webp|pdf|zip|gz|patch|diff|lock|env)(?:\?.*)?$",
    re.IGNORECASE,
)
_FOREIGN = re.compile(r"[a-z][a-z0-9+.-]*:|//", re.IGNORECASE)


def check(doc: Document, path: Path, *, complete: bool) -> Iterator[Found]:
    """What a reader will not see as it was meant. `complete`: all that the text may point to lies around `path`."""
    yield from _fences(doc)
    yield from _headings(doc)
    yield from _tables(doc)
    yield from _tasks(doc)
    yield from _links(doc, path, complete=complete)


def _fences(doc: Document) -> Iterator[Found]:
    for fence in doc.fences:
        if not fence.closed:
            text = doc.lines[fence.line]
            yield error(
                BUILD,
                (fence.line, len(text) - len(text.lstrip())),
                text,
                f"the block of code is never closed: all {len(doc.lines) - fence.line:,} lines from here on are code",
                f"no closing {text.strip()[:3]} below {at(fence.line)}",
                "close the block; a longer fence is needed where the code itself holds one",
            )


def _headings(doc: Document) -> Iterator[Found]:
    jumps: dict[tuple[int, int], list[Section]] = {}
    for above, section in zip(doc.sections[1:], doc.sections[2:], strict=False):
        if section.level > above.level + 1:
            jumps.setdefault((above.level, section.level), []).append(section)
    for (level, deeper), sections in jumps.items():
        # Once for each kind: a text that does so throughout has one habit, not a hundred faults.
        yield warning(
            BUILD,
            (sections[0].line, 0),
            doc.lines[sections[0].line],
            f"a heading of level {deeper} follows one of level {level}",
            f"no level {level + 1} between them, here and in {len(sections) - 1} more places",
            f"make it level {level + 1}, or add what is missing above it",
        )
    siblings: dict[tuple[int, int], list[Section]] = {}
    for section in doc.sections[1:]:
        siblings.setdefault((section.parent, section.level), []).append(section)
    for sections in siblings.values():
        numbered = [
            (int(found["number"]), section) for section in sections if (found := _NUMBERED.match(section.title))
        ]
        # A list of its own begins at 1 again; a single one is a name.
        for (number, section), (following, other) in pairwise(numbered):
            if following not in {number + 1, 1, 0}:
                yield warning(
                    BUILD,
                    (other.line, 0),
                    doc.lines[other.line],
                    f"number {following} follows number {number}",
                    f"{at(section.line)}: {shown(section.title, 80)}",
                    "number the headings again, or restore the missing one",
                )


def _tables(doc: Document) -> Iterator[Found]:
    for table in doc.tables:
        for line, row in zip(table.lines, table.rows, strict=True):
            if len(row) > len(table.header) and any(cell.raw for cell in row[len(table.header) :]):
                yield warning(
                    BUILD,
                    (line, row[len(table.header)].column),
                    doc.lines[line],
                    f"the row has {len(row)} cells, and {len(table.header)} are shown",
                    f"{at(table.line)}: the header has {len(table.header)}",
                    "write a pipe within a cell as \\|, or give the header the column",
                )
    number = 0
    while number < len(doc.lines):
        end = number
        while (
            end < len(doc.lines)
            and doc.kinds[end] == "text"
            and re.match(r"[ \t]*\|.*\|[ \t]*$", doc.lines[end][:2_000])
        ):
            end += 1
        widths = {len(cells(doc.lines[line])) for line in range(number, end)}
        if end - number >= 3 and len(widths) == 1 and widths != {1}:
            yield warning(
                BUILD,
                (number, 0),
                doc.lines[number],
                "rows of a table without its second line are shown as text",
                f"{end - number} rows from {at(number)}",
                f"put |{'---|' * widths.pop()} under the first row",
            )
        number = max(end, number + 1)


def _tasks(doc: Document) -> Iterator[Found]:
    if not any(item.box is not None for item in doc.items):
        return
    for number, line in enumerate(doc.lines):
        if doc.kinds[number] not in {"item", "text"} or "[" not in line:
            continue
        found = _BOX.match(line[:400]) or _GLUED.match(line[:400])
        if found is not None:
            yield warning(
                BUILD,
                (number, found.start("box")),
                line,
                "the box is shown as text: the task counts neither as done nor as open",
                "a task is `- [ ]` or `- [x]`, with one space on each side of the box",
                "write `- [x]` or `- [ ]`",
            )


def _links(doc: Document, path: Path, *, complete: bool) -> Iterator[Found]:
    anchors: set[str] | None = None
    for number, line in enumerate(doc.lines):
        if (
            "](" not in line
            or doc.kinds[number] in {"fence", "code", "comment", "blank", "front"}
            or not doc.prose[number]
        ):
            continue
        for found in _LINK.finditer(line):
            if doc.prose[number][found.start("text") - 1] != "[":
                continue  # within a code span
            to = found["to"].strip("<>")
            if not to or _FOREIGN.match(to) or to.startswith(("/", "{", "%")) or "{{" in to or "<" in to:
                continue
            file, _, anchor = to.partition("#")
            if not file:
                anchors = _anchors(doc) if anchors is None else anchors
                if anchor and not _leads(anchor, anchors):
                    yield warning(
                        LINK,
                        (number, found.start("to")),
                        found[0],
                        "no heading has this anchor",
                        f"#{anchor}",
                        f"link to one of this text: {_near(anchor, anchors)}",
                    )
            elif _FILE.match(file) and not _exists(path.parent, file):
                make = error if complete else warning
                fix = "correct the path, or add the file; a link is relative to the folder of this text"
                yield make(
                    LINK,
                    (number, found.start("to")),
                    found[0],
                    "there is no such file",
                    shown(f"{file}, from the folder of this text"),
                    fix,
                )


def _exists(folder: Path, file: str) -> bool:
    for name in (file, unquote(file), unquote(file.partition("?")[0])):
        try:
            if (folder / name).exists():
                return True
        except (OSError, ValueError):  # a name that no file can have
            return False
    return False


def _anchors(doc: Document) -> set[str]:
    """The anchors that GitHub, and others with other rules for blanks and signs, give to headings."""
    found: set[str] = set()
    counts: dict[str, int] = {}
    for section in doc.sections[1:]:
        slug = _slug(
            section.title
            if "\0" not in doc.prose[section.line]
            else re.sub(r"[`*]", "", doc.lines[section.line].strip("# "))
        )
        counts[slug] = counts.get(slug, -1) + 1
        found.add(f"{slug}-{counts[slug]}" if counts[slug] else slug)
    for line, kind in zip(doc.lines, doc.kinds, strict=True):
        if kind != "fence" and ("<" in line or "{" in line):
            found.update(group for match in _ANCHOR.finditer(line[:4_000]) for group in match.groups() if group)
    return found | {_bare(anchor.lower()) for anchor in found} | {"="}


def _slug(title: str) -> str:
    title = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", title)
    return re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-")


def _leads(anchor: str, anchors: set[str]) -> bool:
    wanted = unquote(anchor)
    if (
        wanted in anchors
        or wanted.lower() in anchors
        or wanted.lower() in {"top", "readme"}
        or re.fullmatch(r"L\d+(-L\d+)?", wanted)
    ):
        return True
    return _bare(wanted.lower()) in anchors


def _bare(anchor: str) -> str:
    """Without signs: renderers differ in what they do with them, so what is the same but for them leads somewhere."""
    return "=" + re.sub(r"[\W_]+", "", anchor)


def _near(anchor: str, anchors: set[str]) -> str:
    import difflib

    known = sorted(known for known in anchors if not known.startswith("="))
    close = difflib.get_close_matches(anchor, known[:200], n=1)
    return f"#{shown(close[0], 60)}" if close else "none is alike"
