"""A stated number beside the list, the table or the sections that it counts.

Fixed 5 issues:        and four items under it
## Completed (5)       and four items under it
All 4 issues are fixed and headings Issue 1 to Issue 5
"""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import TYPE_CHECKING

from guardrails.reports.lint_facts import COUNT, MODAL, at, error, number, vagueness
from guardrails.reports.lint_tables import lists

if TYPE_CHECKING:
    from collections.abc import Iterator

    from guardrails.reports.lint_document import Document, Item, Passage
    from guardrails.reports.lint_facts import Found, Scopes

RULE = "GR-REPORT-004"
# Nobody announces a longer list by its number.
_LONGEST_LIST = 500

_BY_NUMBER = (
    "one",
    "two два дві две",
    "three три",
    "four чотири четыре",
    "five п'ять пять",
    "six шість шесть",
    "seven сім семь",
    "eight вісім восемь",
    "nine дев'ять девять",
    "ten десять",
    "eleven",
    "twelve",
)
_WORDS = {word: value for value, words in enumerate(_BY_NUMBER, start=1) for word in words.split()}
_NOUN = (
    r"(?:issues|bugs|fixes|commits|files|tasks|phases|steps|changes|problems|errors|warnings|findings|features"
    r"|improvements|risks|items"
    r"|actions|incidents|prs|pull\s+requests|services|modules|endpoints|components|migrations|decisions|updates"
    r"|goals|criteria|blockers"
    r"|achievements|defects|failures|regressions|vulnerabilities|tickets|deliverables|root\s+causes|causes"
    r"|scenarios|questions|limitations"
    r"|failing\s+tests|failed\s+tests|tests\s+fail(?:ed)?"
    r"|проблем[иі]?|помил(?:ки|ок)|задач[іи]?|завдан(?:ня|ь)|файл(?:и|ів|а|ов)?|коміт(?:и|ів)?|зміни?|кроки"
    r"|кроків|етап(?:и|ів)|виправлен(?:ня|ь)"
    r"|ошиб(?:ки|ок)|изменени[яй]|коммит(?:а|ов|ы)|шаг(?:а|ов|и)|исправлени[яй])"
)
_NUMBER = rf"(?P<n>{COUNT}|{'|'.join(sorted(_WORDS, key=len, reverse=True))})"
# What may stand before a number that counts; behind any other word (`Python 3`, `phase 2`) it may be a name.
_LEADING = re.compile(
    r"(?:all|the|these|those|following|fixed|added|resolved|completed|closed|found|identified|implemented|created"
    r"|made|delivered|shipped|merged|addressed|total|last|latest|recent|has|have|had|are|were|is|there|of"
    r"|contains|contain|with|changed|modified|updated|removed|deleted|by|in|into|major|main|key|critical|fix|add"
    r"|resolve|address|includes|include|discovered|remaining|open|and|solved|solves|covers|covering|only"
    r"|виправлено|додано|вирішено|знайдено|усі|всі|останні|змінено|виконано|закрито|усього|всього|исправлено"
    r"|добавлено|найдено|все|последние)$",
    re.IGNORECASE,
)
_STATED = re.compile(
    rf"(?:^|(?P<lead>[^\W\d][\w'’-]*)?[\s(:*>#-]+){_NUMBER}\s+(?P<adjectives>(?:[^\W\d][\w/'’-]*\s+){{0,3}}?)(?P<noun>{_NOUN})\b",
    re.IGNORECASE,
)
_PARTIAL = re.compile(
    r"\b(?:includ\w+|such\s+as|e\.g|for\s+example|among|top|some|mostly|mainly|highlights?|notabl[ey]|especially"
    r"|most|first|of\s+which|examples?"
    r"|зокрема|наприклад|деякі|основні|перші|например|некоторые)\b",
    re.IGNORECASE,
)
_IN_TITLE = re.compile(rf"[(\[]\s*(?P<n>{COUNT})(?:\s+(?:{_NOUN}|total|done|open))?\s*[)\]]\W*$", re.IGNORECASE)
_TITLE_WORD = re.compile(
    rf"\b(?:{_NOUN}|completed?|done|open|remaining|failed|failing|passed|pending|blocked|deferred|resolved|fixed"
    rf"|closed|tests|виконано|відкрит\w+|залишил\w+)\b",
    re.IGNORECASE,
)
_JOINED = re.compile(
    r"^[^:.\u2014(]{0,80}?(?:,|&|\s/\s|\s(?:and|та|і|и)\s|\.\.|\d\s?[-\u2013]\s?\d)|^\W*\x00+\s*(?:,|and|/)",
    re.IGNORECASE,
)
_NUMBERED = re.compile(
    r"^\W*(?P<word>issue|fix|bug|problem|phase|task|finding|incident|проблема|помилка|завдання|задача|фаза"
    r"|етап)\s*[#№]?\s*(?P<n>\d{1,3})\b",
    re.IGNORECASE,
)
_PLURALS = {
    "issue": "issues",
    "fix": "fixes",
    "bug": "bugs",
    "problem": "problems",
    "phase": "phases",
    "task": "tasks",
    "finding": "findings",
    "incident": "incidents",
    "проблема": "проблем",
    "помилка": "помилок",
    "завдання": "завдань",
    "задача": "задач",
    "фаза": "фаз",
    "етап": "етапів",
}
_DONE = r"(?:fixed|resolved|addressed|identified|found|solved|completed|closed|виправлено|вирішено|знайдено|виконано)"


def check(doc: Document, scopes: Scopes) -> Iterator[Found]:
    """Where the list below a number has another length."""
    groups = {group[0].line: group for group in lists(doc)}
    tables = {table.line: len(table.rows) for table in doc.tables}
    for passage in doc.passages():
        if passage.kind == "table":
            continue
        stated = _stated(passage)
        if stated is None:
            continue
        values, offset, noun = stated
        below = _below(doc, passage.place(len(passage.text))[0] + 1)
        if below in groups:
            yield from _against_list(doc, groups, below, passage, values, offset)
        elif below in tables and noun and tables[below] >= 2:
            yield from _against_table(doc, below, passage, values, offset)
    yield from _series(doc, scopes)


def _stated(passage: Passage) -> tuple[list[int], int, str] | None:
    """The numbers of a passage that introduces something, where the first of them stands, and what it counts."""
    text = passage.text.rstrip(" \n*_")
    if passage.kind == "heading":
        ended = _IN_TITLE.search(text)
        if ended is not None and _TITLE_WORD.search(text[: ended.start("n")] + text[ended.end("n") :]):
            return [int(number(ended["n"]).value)], ended.start("n"), "title"
    elif not text.endswith(":"):
        return None
    last = re.split(r"(?<=[.!?])\s", text)[-1]
    begun = len(text) - len(last)
    found = [
        match
        for match in _STATED.finditer(last)
        if _LEADING.match(match["lead"] or "the") and not vagueness(last[: match.start("n")], last[match.end("n") :])
    ]
    if not found or _PARTIAL.search(last):
        return None
    values = [
        _WORDS.get(match["n"].lower()) or int(number(match["n"]).value)
        for match in found
        if match["n"].lower() in _WORDS or match["n"][0].isdigit()
    ]
    return values, begun + found[0].start("n"), found[0]["noun"]


def _below(doc: Document, line: int) -> int:
    while line < len(doc.lines) and doc.kinds[line] == "blank":
        line += 1
    return line


def _against_list(
    doc: Document, groups: dict[int, list[Item]], below: int, passage: Passage, values: list[int], offset: int
) -> Iterator[Found]:
    first = groups[below]
    if passage.kind == "item" and first[0].indent == 0:
        return
    indent = first[0].indent
    section = doc.section_of[below]
    start = bisect_left(doc.items, below, key=lambda item: item.line)
    same = [item for item in doc.items[start : start + _LONGEST_LIST] if doc.section_of[item.line] == section]
    counts = _counts(doc, same, below, indent)
    direct = counts[0]
    if any(value in counts for value in values) or direct < 1 or (passage.kind == "heading" and direct < 2):
        return
    stated = values[0]
    if direct < stated and any(_JOINED.search(item.text) for item in same[: direct * 3]):
        return
    if re.search(
        r"\b(?:other|more|etc|\d+ more|інш\w+|другие)\b|\u2026|\.\.\.",
        same[min(direct, len(same)) - 1].text,
        re.IGNORECASE,
    ):
        return
    yield error(
        RULE,
        passage.place(offset),
        passage.text,
        f"{stated} are announced, and the list has {direct}",
        f"{direct} item{'s' * (direct != 1)} from {at(below)}",
        "correct the number, or complete the list",
    )


def _counts(doc: Document, items: list[Item], below: int, indent: int) -> list[int]:
    """How long the list is, in each way in which it might be counted; the plain one first."""
    direct, reach = 0, below
    ended = False
    for item in items:
        between = range(reach + 1, item.line)
        ended = ended or any(
            doc.kinds[line] == "text" and not doc.lines[line].startswith((" ", "\t")) for line in between
        )
        ended = ended or any(doc.kinds[line] == "rule" for line in between)
        reach = item.line
        if not ended and item.indent == indent:
            direct += 1
    top = sum(item.indent == indent for item in items)
    nested = sum(item.indent > indent for item in items)
    boxed = sum(item.box is not None for item in items)
    return [direct, top, nested, len(items), boxed]


def _against_table(doc: Document, below: int, passage: Passage, values: list[int], offset: int) -> Iterator[Found]:
    table = next(table for table in doc.tables if table.line == below)
    firsts = [row[0].raw.strip() for row in table.rows if row]
    rows = [
        first
        for first in firsts
        if not re.match(r"\W*(?:total|sum|разом|всього|усього|итого|\.\.\.|\u2026)", first, re.IGNORECASE)
    ]
    if len(set(rows)) != len(rows) or not all(rows) or any(value in {len(rows), len(firsts)} for value in values):
        return
    if any(_JOINED.search(first) for first in rows):
        return
    yield error(
        RULE,
        passage.place(offset),
        passage.text,
        f"{values[0]} are announced, and the table has {len(rows)} rows",
        f"the table at {at(below)}",
        "correct the number, or complete the table",
    )


def _series(doc: Document, scopes: Scopes) -> Iterator[Found]:
    """Headings `Issue 1` to `Issue 5`, and a sentence that says how many issues there are."""
    series: dict[str, list[tuple[int, int]]] = {}
    for section in doc.sections[1:]:
        found = _NUMBERED.match(section.title)
        if found is not None:
            series.setdefault(found["word"].lower(), []).append((int(found["n"]), section.line))
    for word, numbered in series.items():
        count = len(numbered)
        if [value for value, _ in numbered] != list(range(1, count + 1)) or count < 2:
            continue
        noun = _PLURALS[word]
        says = re.compile(
            rf"\b(?:all|{_DONE}|усі|всі)\s+(?P<n>{COUNT}|{'|'.join(_WORDS)})\s+(?P<adjective>\w+\s+)?{noun}\b"
            rf"|(?P<n2>{COUNT}|{'|'.join(_WORDS)})\s+{noun}\s+(?:were\s+|are\s+|have\s+been\s+)?{_DONE}\b",
            re.IGNORECASE,
        )
        for passage in doc.passages():
            for match in says.finditer(passage.text) if scopes.of(passage.line) == 0 else ():
                text = (match["n"] or match["n2"]).lower()
                value = _WORDS.get(text) or int(number(text).value)
                fewer = value < count and (
                    match["adjective"] or not re.match(r"(?:all|усі|всі)\b", match[0], re.IGNORECASE)
                )
                if value == count or fewer or MODAL.search(passage.text[: match.start()]):
                    continue
                yield error(
                    RULE,
                    passage.place(match.start()),
                    match[0],
                    f"{value} {noun} are counted, and {count} are described",
                    f"headings {word} 1 to {count}, from {at(numbered[0][1])}",
                    "correct the number, or describe those that are missing",
                )
