"""Words that cannot both hold: two figures for one thing, all is well beside what is not, done beside open boxes.

figures   `Total tests: 45` above, `Total tests: 47` below
outcomes  "all tests pass" beside "3 failing", "no breaking changes" beside a list of them, no test that ran
status    "Complete" above and "Paused" below, or beside an open box; one task ticked and not ticked
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from guardrails.reports.lint_facts import (
    COUNT,
    MODAL,
    NEGATED,
    NUMBER,
    PAST,
    Number,
    at,
    error,
    number,
    sentences,
    shown,
    vagueness,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from guardrails.reports.lint_document import Document, Item
    from guardrails.reports.lint_facts import Found, Scopes

FIGURE, STATUS = "GR-REPORT-003", "GR-REPORT-006"

_FIELD = re.compile(r"^[\W\x00]*(?P<label>[^\W\d][^:|\n\x00]{1,50}?)\s*:\s*(?P<value>\S[^\n]*)", re.MULTILINE)
_MEASURE = re.compile(
    rf"(?P<vague>[~\u2248><\u2265\u2264]\s?)?(?P<n>{NUMBER})(?P<plus>\+)?\s*(?P<unit>%"
    rf"|[^\W\d]+(?:/[^\W\d]+)?)?(?P<rest>.*)$"
)
# A label that says by itself what is counted, and of what: of the whole.
_WHOLE = re.compile(
    r"^(?:total|overall|all|загальн\w*|всього|усього|итого|всего|общ\w+) \w"
    r"|^(?:tests?|files|commits|issues|lines)\s+(?:passed|passing|failed|failing|skipped|changed|modified|added"
    r"|deleted|removed|fixed|resolved|total|run)$"
    r"|^(?:insertions|deletions|test coverage|code coverage|coverage|lines added|lines removed|lines deleted|net "
    r"(?:lines|change))$",
    re.IGNORECASE,
)
_SUMMARY = re.compile(
    r"\b(?:summary|overview|conclusion|metrics|statistics|stats|totals?|results?|tl;?dr|key (?:figures|numbers"
    r"|facts)|highlights|achievements?|final"
    r"|testing|tests?|verification|validation|підсум\w*|огляд|висновк\w*|метрик\w*|статистик\w*|результат\w*"
    r"|тест\w*|итог\w*|обзор|вывод\w*)\b",
    re.IGNORECASE,
)
_SPOKEN = re.compile(
    rf"(?P<n>{COUNT})\s+(?P<what>tests?\s+(?:passed|passing|pass|failed|failing|fail|skipped)"
    rf"|files?\s+(?:were\s+)?changed|insertions?|deletions?|commits)\b",
    re.IGNORECASE,
)
_QUALIFIED = re.compile(
    r"\b(?:unit|integration|e2e|end-to-end|smoke|new|added|more|additional|backend|frontend|api|ui|module|package"
    r"|per|each|by|in|for|of|on|last|first|only"
    r"|latest|every|subset|slow|fast|flaky|other)\b|\x00",
    re.IGNORECASE,
)


LATER = re.compile(
    r"\b(?:next|future|remaining|deferred|follow\w*|backlog|out\s+of\s+scope|todo|to\s+do|recommend\w*|optional"
    r"|later|planned|roadmap|ideas?|template|post-?\w*"
    r"|deploy\w*|roll\w*|open|pending|approv\w+|review\w*|pre-?\w+|how\s+to|monitor\w*|наступн\w*|далі|майбутн\w*"
    r"|залишил\w*|відкладен\w*|план\w*|потім|следующ\w*|дальше|план\w*|оста\w+|отложен\w*)\b",
    re.IGNORECASE,
)

_CLASSES = (
    ("blocked", r"\b(?:blocked|failed|broken|aborted|cancel+ed|заблоковано|провалено|заблокирован\w*)\b|\u274c|\u26d4"),
    ("paused", r"\b(?:paused?|on\s+hold|suspended|призупинен\w*|на\s+паузі|приостановлен\w*|на\s+паузе)\b|\u23f8"),
    (
        "active",
        (
            r"\b(?:in[\s-]progress|ongoing|wip|active|started|under\s+way|underway|в\s+роботі|в\s+процесі|виконується"
            r"|в\s+работе|в\s+процессе)\b"
        ),
    ),
    ("planned", r"\b(?:planned|not\s+started|draft|proposed|заплановано|не\s+розпочато|чернетка|запланирован\w*)\b"),
    (
        "done",
        (
            r"\b(?:complete|completed|done|finished|closed|shipped|delivered|завершен\w*|виконано|готово|зроблено"
            r"|закінчен\w*|выполнен\w*|сделано)\b"
        ),
    ),
)
_STATUS_LABEL = re.compile(
    r"^(?:overall |session |project |final |current |report |implementation )?status$|^(?:загальний |поточний "
    r"|фінальний )?(?:статус|стан)$|^состояние$",
    re.IGNORECASE,
)
_MIXED = re.compile(
    r"\b(?:part\w*|phase|mostly|except|pending|awaiting|partial\w*|but|with|deferred|remaining|some|of|review"
    r"|testing|almost|\d+\s?%|частково|крім|фаза|етап|частично|кроме)\b"
    r"|\d\s?/\s?\d|[,;+&/\u2192|]",
    re.IGNORECASE,
)
_DONE_TITLE = re.compile(
    r"(?:[(\[\u2014\u2013-]\s*|:\s*|\u2705\s*|\u2714\ufe0f?\s*)(?:all\s+|100\s?%\s+)?(?:complete|completed|done"
    r"|finished|завершено|виконано|готово|выполнено)\W*$|^(?:\u2705|\u2714)",
    re.IGNORECASE,
)


class Fact(NamedTuple):
    """One figure for one label."""

    label: str
    unit: str
    number: Number
    place: tuple[int, int]
    text: str


def check(doc: Document, scopes: Scopes) -> Iterator[Found]:
    """Statements of one text that exclude one another."""
    yield from _figures(doc, scopes)
    yield from _statuses(doc, scopes)
    yield from _boxes(doc, scopes)
    yield from _twice(doc, scopes)


def fields(doc: Document) -> Iterator[tuple[str, str, tuple[int, int]]]:
    """Label, value and place of every `Label: value`, of lines and of tables with two columns."""
    for passage in doc.passages():
        if passage.kind in {"text", "item"}:
            for found in _FIELD.finditer(passage.text):
                label = re.sub(r"[\s*_]+", " ", found["label"]).strip().lower()
                yield label, found["value"].strip(), passage.place(found.start("value"))
    for table in doc.tables:
        if len(table.header) == 2:
            for line, row in zip(table.lines, table.rows, strict=True):
                if len(row) == 2 and row[1].text.strip():
                    yield (
                        re.sub(r"^\W+|[\W\x00]+$", "", row[0].text).lower(),
                        row[1].text.strip(),
                        (line, row[1].column),
                    )


def _figures(doc: Document, scopes: Scopes) -> Iterator[Found]:
    known: dict[tuple[int, str, str], Fact] = {}
    for fact in (*_labelled(doc), *_spoken(doc)):
        key = (scopes.of(fact.place[0]), fact.label, fact.unit)
        if key[0] == -1:
            continue
        first = known.setdefault(key, fact)
        if first.number.allows(fact.number.value) or fact.number.allows(first.number.value):
            continue
        above, below = sorted((first, fact), key=_place_of)
        yield error(
            FIGURE,
            below.place,
            below.text,
            f"{below.label} is {below.number} here and {above.number} in {at(above.place[0])}",
            f"{at(above.place[0])}: {above.text}",
            "keep the figure that was measured; say what differs if both are meant",
        )


def _labelled(doc: Document) -> Iterator[Fact]:
    for label, value, place in fields(doc):
        found = _MEASURE.match(value)
        if (
            found is None
            or not _WHOLE.search(label)
            or _QUALIFIED.search(label)
            or re.search(r"\u2192|->|=>|\bto\b|/", value)
        ):
            continue
        vague = "+" if found["plus"] else vagueness(found["vague"] or "")
        unit = (found["unit"] or "").lower()
        whole = unit if unit in {"%", "ms", "s", "min", "h", "mb", "kb", "gb", "hours", "minutes", "days"} else ""
        yield Fact(_canonical(label), whole, number(found["n"], vague), place, shown(f"{label}: {value}", 100))


def _canonical(label: str) -> str:
    """One spelling for what is the same."""
    label = re.sub(r"^(?:total number of|total|overall|number of)\s+(?=\w+\s+\w)", "", label)
    label = re.sub(r"\bpass(?:ing|es)?\b", "passed", label)
    label = re.sub(r"\bfail(?:ing|s)?\b", "failed", label)
    label = re.sub(r"\blines added\b", "insertions", re.sub(r"\blines (?:removed|deleted)\b", "deletions", label))
    return re.sub(
        r"\b(?:were|was) ", "", re.sub(r"\btest\b(?= \w+ed)", "tests", re.sub(r"\bfile\b(?= changed)", "files", label))
    )


def _spoken(doc: Document) -> Iterator[Fact]:
    for passage in doc.passages():
        section = doc.sections[doc.section_of[passage.line]]
        if passage.kind not in {"text", "item"} or (section.level > 1 and not _SUMMARY.search(section.title)):
            continue
        for sentence in sentences(passage):
            if PAST.search(sentence.text) or MODAL.search(sentence.text):
                continue
            spoken = list(_SPOKEN.finditer(sentence.text))
            for found in spoken:
                if sum(other["what"].lower() == found["what"].lower() for other in spoken) > 1:
                    continue  # of two things, both named in this sentence
                before, after = sentence.text[: found.start()], sentence.text[found.end() :]
                if _QUALIFIED.search(before) or _QUALIFIED.search(after) or re.search(r"\d", before[-3:]):
                    continue
                label = _canonical(re.sub(r"\s+", " ", found["what"].lower()))
                label = label if label.endswith("s") or " " in label else label + "s"
                vague = vagueness(before, sentence.text[found.end("n") :])
                yield Fact(
                    label, "", number(found["n"], vague), sentence.place(found.start()), shown(sentence.text, 100)
                )


def status_class(value: str) -> str | None:
    """What a status field says; None where it says several things, or none that is known."""
    found = [name for name, words in _CLASSES if re.search(words, value, re.IGNORECASE)]
    if len(found) != 1 or NEGATED.search(value):
        return None
    return found[0]


def _statuses(doc: Document, scopes: Scopes) -> Iterator[Found]:
    body = next((section.line for section in doc.sections if section.level >= 2), len(doc.lines))
    last_rule = max((line for line, kind in enumerate(doc.kinds) if kind == "rule"), default=len(doc.lines))
    footer = min(last_rule, max(body, len(doc.lines) - 15))
    said = []
    for label, value, place in fields(doc):
        if _STATUS_LABEL.match(label) and (place[0] < body or place[0] >= footer) and not _MIXED.search(value):
            name = status_class(value)
            if name is not None and (place[0] < body or scopes.of(place[0]) == 0):
                said.append((name, value, place))
    for name, value, place in said[1:]:
        if name != said[0][0]:
            yield error(
                STATUS,
                place,
                f"Status: {value}",
                f"the report is {name} here and {said[0][0]} in {at(said[0][2][0])}",
                f"{at(said[0][2][0])}: {shown(said[0][1], 100)}",
                "say one thing in both places",
            )
    if said and said[0][0] == "done":
        yield from _open_boxes(doc, range(len(doc.lines)), said[0][2], f"Status: {said[0][1]}")


def _open_boxes(doc: Document, lines: range, place: tuple[int, int], claim: str) -> Iterator[Found]:
    for item in doc.items:
        if item.box == " " and item.line in lines:
            titles = [doc.sections[index].title for index in doc.path_of(doc.section_of[item.line])]
            if not any(map(LATER.search, titles)) and not re.search(
                r"\b(?:optional|later|deferred|n/a|skip\w*|nice to have)\b|~~", doc.lines[item.line], re.IGNORECASE
            ):
                yield error(
                    STATUS,
                    place,
                    claim,
                    "it is said to be done, and a box is open",
                    f"{at(item.line)}: [ ] {shown(item.text, 100)}",
                    "tick the box with its evidence, move it to what comes next, or say what is not done",
                )
                return


def _boxes(doc: Document, scopes: Scopes) -> Iterator[Found]:
    for index, section in enumerate(doc.sections[1:], start=1):
        if (
            _DONE_TITLE.search(section.title)
            and not MODAL.search(section.title)
            and not NEGATED.search(section.title)
            and not LATER.search(section.title)
        ):
            yield from _open_boxes(doc, doc.span(index), (section.line, 0), section.title)
    ticked = sum(item.box in {"x", "X"} for item in doc.items)
    boxes = sum(item.box is not None for item in doc.items)
    for label, value, place in fields(doc):
        found = re.match(r"[^\d\n]{0,12}(\d{1,4})\s?(?:/|of|з|із|из)\s?(\d{1,4})\b(?!\s*[/%])", value)
        if (
            label not in {"progress", "прогрес", "прогресс", "tasks", "todo", "completed", "done"}
            or found is None
            or boxes < 2
        ):
            continue
        if int(found[2]) == boxes and int(found[1]) != ticked and scopes.of(place[0]) == 0:
            yield error(
                STATUS,
                place,
                f"{label}: {value}",
                f"{found[1]} of {found[2]} are said to be done, and {ticked} boxes are ticked",
                f"{ticked} ticked, {boxes - ticked} open",
                "tick the boxes that are done, or correct the progress",
            )


def _twice(doc: Document, scopes: Scopes) -> Iterator[Found]:
    """The same task with a tick in one place and without in another."""
    known: dict[tuple[int, str], list[Item]] = {}
    for item in doc.items:
        text = re.sub(r"[\W_]+", " ", item.text.replace("\0", "")).strip().lower()
        if (
            item.box is not None
            and item.box in " xX"
            and (len(text.split()) >= 3 or len(text) >= 18)
            and "\0" not in item.text[:3]
        ):
            known.setdefault((scopes.of(item.line), text), []).append(item)
    pairs = []
    for (scope, _), items in known.items():
        ticked = [item for item in items if item.box != " "]
        undone = [item for item in items if item.box == " "]
        if scope != -1 and ticked and undone:
            first, later = sorted((ticked[0], undone[0]), key=_line_of)
            pairs.append((first, later, (doc.section_of[first.line], doc.section_of[later.line])))
    shared = Counter(sections for _, _, sections in pairs)
    for first, later, sections in pairs:
        if sections[0] != sections[1] and shared[sections] > 1:
            continue  # one list of checks, gone through for several things
        yield error(
            STATUS,
            (later.line, later.column),
            later.text,
            f"the same task is {'ticked' if later.box != ' ' else 'open'} here and "
            f"{'ticked' if first.box != ' ' else 'open'} in {at(first.line)}",
            f"{at(first.line)}: [{first.box}] {shown(first.text, 100)}",
            "keep one of the two, with the evidence for its state",
        )


def _line_of(item: Item) -> int:
    return item.line


def _place_of(fact: Fact) -> tuple[int, int]:
    return fact.place
