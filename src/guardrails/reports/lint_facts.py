"""What the rules of the lint share: findings, numbers as people write them, sentences, and what belongs together.

Two statements are compared only where they speak of the same thing at the same time: within one `scope` (a
release of a changelog, a day of a log, one of several numbered issues), and neither about the past nor about
what should be. In doubt there is no finding.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from guardrails.evidence import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from guardrails.reports.lint_document import Document, Passage


class Found(NamedTuple):
    """One finding: what is said at this place, why that cannot be, what shows it, and the fix. Lines from 1."""

    rule: str
    severity: Severity
    line: int
    column: int
    claim: str
    why: str
    evidence: str
    fix: str


class Claim(NamedTuple):
    """A statement that was held against something, and what came of it. `line` from 1."""

    line: int
    text: str
    verdict: str


class Sentence(NamedTuple):
    """One sentence of a passage, and where it begins in it."""

    text: str
    offset: int
    passage: Passage

    def place(self, offset: int = 0) -> tuple[int, int]:
        """Line and column of a character of the sentence, from 0."""
        return self.passage.place(self.offset + offset)


class Number(NamedTuple):
    """`digits`: how many stand behind the decimal point; `vague`: "", or which way it may differ: `~`, `+`, `-`."""

    value: float
    digits: int
    vague: str = ""

    def allows(self, other: float) -> bool:
        """Whether `other` could be what was meant, given how the number was rounded."""
        slack = 10.0**-self.digits - 1e-9
        if self.vague == "~":
            slack = max(slack, abs(self.value) * 0.15, 2.0)
        if self.vague == "+" and other > self.value:
            return True
        if self.vague == "-" and other < self.value:
            return True
        return abs(self.value - other) < slack

    def __str__(self) -> str:
        return f"{self.value:,.{self.digits}f}"


# Not within a word, a version, a path or another number; thousands in groups.
NUMBER = r"(?<![\w.,/:#\-\u2013$\u20ac])(?:\d{1,3}(?:,\d{3})+(?![\d,])|\d{1,15})(?:\.\d{1,6})?(?![\w]|[.,:]\d|-\d)"
COUNT = r"(?<![\w.,/:#\-\u2013$\u20ac])(?:\d{1,3}(?:,\d{3})+|\d{1,12})(?![\w]|[.,:/]\d|-\d)"
_SENTENCE_END = re.compile(r"(?<=[.!?;\u2026])\s+(?=[^a-z\s])|\n(?=\s*\n)")
_VAGUE = {
    "~": r"(?:~|\u2248|about|around|approx(?:imately|\.)?|roughly|circa|nearly|almost|близько|приблизно|майже|около"
    r"|почти)",
    "+": r"(?:over|more than|at least|>|\u2265|>=|понад|більше ніж|щонайменше|более|больше|не менее)",
    "-": r"(?:under|less than|fewer than|at most|up to|<|\u2264|<=|менше ніж|не більше|до|менее|меньше|не более)",
}
_VAGUE_BEFORE = {sign: re.compile(rf"(?<!\w){words}\s*$", re.IGNORECASE) for sign, words in _VAGUE.items()}

PAST = re.compile(
    r"\b(?:previous(?:ly)?|before|was|were|had|used to|formerly|no longer|initial(?:ly)?|earlier|original(?:ly)?"
    r"|baseline|old|prior|yesterday|last (?:week|month|time|run|release)|until|from \d|then|at first|fixed|fixes"
    r"|resolved|after fixing"
    r"|раніше|було|були|спочатку|виправлено|попередн\w*|раньше|было|были|сначала|исправлен\w*|предыдущ\w*)\b"
    r"|\u2192|->|=>",
    re.IGNORECASE,
)
MODAL = re.compile(
    r"\b(?:if|when|whenever|once|until|unless|should|must|shall|need(?:s|ed)?|ensur\w+|make sure|verify|verifies"
    r"|check(?: that)?"
    r"|confirm|expect\w*|want|goals?|target|aims?|will|would|could|may|might|can|to be|to get|plan(?:s|ned)?"
    r"|requir\w+|so that"
    r"|assum\w+|claim\w*|hop\w+|towards?|before|after|whether|criteri\w+|next|todo|tbd|pending|says?|said|e\.g|example"
    r"|якщо|коли|має|мають|повин\w+|потрібно|треба|переконай\w*|щоб|буде|план\w*|очіку\w+|ціль|мета|доки|після"
    r"|перевір\w*"
    r"|если|когда|долж\w+|нужно|убеди\w*|чтобы|будет|ожида\w+|цель|пока|после|провер\w*)\b|\?",
    re.IGNORECASE,
)
NEGATED = re.compile(
    r"\b(?:not|no|never|nor|neither|cannot|without|none|isn't|aren't|wasn't|don't|doesn't|didn't|won't|can't"
    r"|haven't|hasn't"
    r"|far from|yet to|partially|partly|hardly|rather than|instead of|almost|nearly|un\w+ed"
    r"|не|ні|ще|без|жоден|частково|майже|нет|ни|еще|ещё|частично|почти)\b",
    re.IGNORECASE,
)
_VERSION = re.compile(
    r"^\W*v?\d+\.\d+[\w.]*\W*$|\bv\d+(?:\.\d+)*\b|\b\d+\.\d+\.\d+|^\W*[A-Za-z][\w-]* \d+\.\d+|\b(?:version"
    r"|release|unreleased|changelog|версія|версия)\b"
    r"|\b\d{4}-\d{2}-\d{2}\b|\b\d{1,2}[./]\d{1,2}[./]\d{2,4}\b"
    r"|\b(?:jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec)\w* \d{1,2}\b|\b\d{1,2}:\d{2}\b",
    re.IGNORECASE,
)
_SERIES = re.compile(
    r"^\W*(?:\d+[.)]\s*)?(?:issue|fix|phase|task|step|day|week|sprint|update|item|bug|problem|finding|incident"
    r"|session|part"
    r"|milestone|commit|iteration|run|round|stage|attempt|example|case|option|pr|ticket|story|feature|module|service"
    r"|проблема|задача|завдання|фаза|крок|етап|день|тиждень|сесія|помилка|шаг|этап|неделя|сессия|ошибка|пример|приклад)"
    r"\s*[#№]?\s*[A-Z]?-?\d+\b",
    re.IGNORECASE,
)
_OTHER_TIME = re.compile(
    r"\b(?:before|baseline|previous\w*|initial\w*|old|history|historical|original\w*|example\w*|template|sample"
    r"|usage|planned|expected"
    r"|targets?|goals?|раніше|до змін|було|приклад|шаблон|раньше|до изменений|пример)\b",
    re.IGNORECASE,
)


def number(text: str, vague: str = "") -> Number:
    """What NUMBER or COUNT matched."""
    plain = text.replace(",", "")
    return Number(float(plain), len(plain.partition(".")[2]), vague)


def vagueness(before: str, after: str = "") -> str:
    """How exact a number is meant, from what stands around it."""
    if re.match(r"\s?\+(?!\d)", after):
        return "+"
    tail = before[-30:]
    return next((sign for sign, words in _VAGUE_BEFORE.items() if words.search(tail)), "")


def sentences(passage: Passage) -> Iterator[Sentence]:
    """The sentences of a passage; what is not spoken does not count."""
    begun = 0
    for end in _SENTENCE_END.finditer(passage.text):
        yield Sentence(passage.text[begun : end.start()], begun, passage)
        begun = end.end()
    yield Sentence(passage.text[begun:], begun, passage)


class Scopes:
    """Which statements of a document may be compared with one another."""

    def __init__(self, doc: Document) -> None:
        self.doc = doc
        tops = [index for index, section in enumerate(doc.sections) if section.level == 1]
        self.title = tops[0] if len(tops) == 1 else -1
        self._cache: dict[int, int] = {}

    def of(self, line: int) -> int:
        """The section whose statements belong together, or 0 for the whole document; -1 compares with nothing."""
        section = self.doc.section_of[line]
        if section not in self._cache:
            self._cache[section] = self._find(section)
        return self._cache[section]

    def _find(self, section: int) -> int:
        for index in self.doc.path_of(section):
            title = self.doc.sections[index].title
            if index in {0, self.title}:
                continue
            if _OTHER_TIME.search(title):
                return -1
            if _VERSION.search(title) or _SERIES.search(title):
                return index
        return 0


def shown(text: str, most: int = 160) -> str:
    """Text of the report in one line, without filling."""
    plain = " ".join(text.replace("\0", "\u2026").split())
    return plain if len(plain) <= most else plain[: most - 1] + "\u2026"


def at(line: int) -> str:
    """How a finding names another line of the same text. `line` from 0."""
    return f"line {line + 1}"


def error(rule: str, place: tuple[int, int], claim: str, why: str, evidence: str, fix: str) -> Found:
    """A contradiction. `place`: line and column, from 0."""
    return Found(rule, Severity.ERROR, place[0] + 1, place[1] + 1, shown(claim), why, evidence, fix)


def warning(rule: str, place: tuple[int, int], claim: str, why: str, evidence: str, fix: str) -> Found:
    """What is not contradicted, and yet not sound. `place`: line and column, from 0."""
    return error(rule, place, claim, why, evidence, fix)._replace(severity=Severity.WARNING)
