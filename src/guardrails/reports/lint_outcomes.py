"""All is said to be well, and is not: passes beside failures, "no errors" beside errors, a pass where no test ran.

A claim counts where it is said to be so, and now: not denied, wished for, quoted, past, or an open task.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from guardrails.reports.lint_facts import (
    COUNT,
    MODAL,
    NEGATED,
    NUMBER,
    PAST,
    at,
    error,
    number,
    sentences,
    shown,
    vagueness,
)
from guardrails.reports.lint_status import LATER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from guardrails.reports.lint_document import Document, Item
    from guardrails.reports.lint_facts import Found, Scopes, Sentence

OUTCOME = "GR-REPORT-005"

_ALL_WELL = re.compile(
    r"\b(?:all|every|100\s?%(?:\s+of)?)\s+(?:of\s+)?(?:the\s+|our\s+)?(?:\d[\d,]*\s+)?(?:(?:unit|integration"
    r"|automated|regression|existing|backend|our)\s+)?"
    r"(?:tests?|checks|suites?|test\s+cases|specs?)\s*(?:are|is|have|has|now|:|still|currently|=|\u2014|\u2013|-"
    r"|\s)*\s*(?:now\s+|all\s+)?(?:pass|passes|passed|passing|green|succeed|succeeded|successful|ok)\b"
    r"|\b(?:all|100\s?%)\s+(?:tests?\s+)?(?:green|passing|pass)\b"
    r"|\b(?:no|zero|0)\s+(?:test\s+)?(?:failures|failing\s+tests|failed\s+tests|tests?\s+(?:failed|failing"
    r"|fail))\b|\b0\s+failed\b"
    r"|\b(?:усі|всі|все)\s+(?:\d+\s+)?тест\w*\s+(?:успішно\s+|успешно\s+)?(?:проход\w+|пройш\w+|пройден\w+|прошли"
    r"|зелен\w+)",
    re.IGNORECASE,
)
_FAILING = re.compile(
    rf"(?P<n>{COUNT})\s+(?:of\s+(?:the\s+)?{COUNT}\s+|out\s+of\s+{COUNT}\s+)?(?:unit\s+|integration\s+|e2e\s+"
    rf"|existing\s+|flaky\s+)?(?:tests?\s+|test\s+cases\s+|checks\s+|specs?\s+)?(?:are\s+|is\s+|still\s+"
    rf"|currently\s+)*"
    r"(?:failing|failed|fail|fails|failures?|red|broken\s+tests?)\b"
    rf"|\b(?:failed|failing|failures|тестів\s+впало|провалено)\s*(?:tests?)?\s*[:=]\s*(?P<n2>{COUNT})"
    rf"|(?P<n3>{COUNT})\s+(?:тест\w*)\s+(?:не\s+проход\w+|не\s+пройш\w+|впал\w+|провален\w+|пада\w+|упал\w+"
    rf"|не\s+прош\w+)",
    re.IGNORECASE,
)
_NO_RUN = re.compile(
    r"\b(?:no tests ran|collected 0 items|ran 0 tests|0 tests (?:ran|run|executed|collected)|0 passed|zero tests "
    r"(?:ran|run|executed)|no tests (?:were )?(?:run|executed|collected)"
    r"|tests (?:were |have )?not (?:been )?(?:run|executed)|жоден тест не запускався|тести не запускал\w+|тесты "
    r"не запускал\w+)\b"
    r"|^=*\s*(?:\d+ (?:skipped|deselected),? ?)+(?:, \d+ warnings?)? in [\d.]+ ?s|--collect-only|\btests? "
    r"collected in\b",
    re.IGNORECASE | re.MULTILINE,
)
_OUTPUT_FAILED = re.compile(
    r"(?:^|[=,]\s*)[1-9]\d* failed\b|^FAILED(?: \(|\s\S+::)|^Tests:\s+[1-9]\d* failed|^FAIL\s+\S", re.MULTILINE
)
_THING = (
    r"(?:errors|warnings|overhead|downtime|regressions|breaking\s+changes|data\s+loss|known\s+issues"
    r"|open\s+issues|critical\s+issues|blockers"
    r"|vulnerabilities|помилок|попереджень|простою|ошибок|предупреждений)"
)
_ABSENT = re.compile(
    rf"\b(?P<no>no|zero|0|without\s+any|нуль|жодних|немає|ноль|нет)\s+(?:performance\s+|runtime\s+|additional\s+"
    rf"|new\s+)?(?P<thing>{_THING})\b",
    re.IGNORECASE,
)
_PRESENT = re.compile(
    rf"(?P<n>{NUMBER})\s?(?P<unit>ms|s|sec|seconds|min|minutes|h|hours|%|хв|мс)?\s+(?:of\s+)?(?:performance\s+"
    rf"|runtime\s+|additional\s+|new\s+)?(?P<thing>{_THING})\b",
    re.IGNORECASE,
)
_FREED = re.compile(
    r"\s+(?:in|for|from|on|when|while|during|with|if|at|under|of|to|other|beyond|besides|except|since|per|у|в|під"
    r"|для|при)\b",
    re.IGNORECASE,
)
_THINGS = {"помилок": "помилки", "ошибок": "ошибки", "попереджень": "попередження", "предупреждений": "предупреждения"}
_READY = re.compile(
    r"\b(?:production[\s-]ready|ready\s+for\s+(?:production|prod|deployment|release)|ready\s+to\s+(?:ship|deploy"
    r"|release)"
    r"|готов\w*\s+(?:до|к)\s+(?:продакшн\w*|продакшен\w*|прод\w*|релізу|релизу|розгортання|випуску))\b",
    re.IGNORECASE,
)
_VALIDATION = re.compile(
    r"\b(?:valid\w+|test\w*|verif\w+|check\w*|qa|accept\w+|criteria|перевір\w*|тест\w*|приймальн\w*|провер\w*)\b",
    re.IGNORECASE,
)
_NOTHING = re.compile(r"\W*(?:none|no|n/a|nothing|0|zero|немає|жодн\w+|нет)\b", re.IGNORECASE)
_TITLE_SIGNS = re.compile(r"^\W*(?:remaining|current|outstanding|detected|залишкові)\s+|\s*\(\d+\)$|^\W+|\W+$")
_MENDED = re.compile(r"\b(?:fixed|resolved)\b|~~|\u2705")


def check(doc: Document, scopes: Scopes) -> Iterator[Found]:
    """Claims that all is well, and what denies them."""
    yield from _outcomes(doc, scopes)
    yield from _absences(doc, scopes)


def stands(sentence: Sentence, begun: int, ended: int, over: re.Pattern[str] = PAST) -> bool:
    """Whether what is said there is said to be so, and now: neither denied, nor wished, nor `over`."""
    text = sentence.text
    clause = re.split(r"[;\u2014\u2013]|,\s+(?:but|and then|so)\b", text[:begun])[-1]
    return not (
        MODAL.search(text[:begun])
        or NEGATED.search(clause)
        or over.search(clause)
        or re.match(r"[^.;]{0,12}\?", text[ended:])
    )


def claims(
    doc: Document, pattern: re.Pattern[str], scopes: Scopes, over: re.Pattern[str] = PAST
) -> Iterator[tuple[Sentence, re.Match[str], int]]:
    """Where something is said to be so, with its scope: not an open task, not a heading of what is to come."""
    open_tasks = {item.line for item in doc.items if item.box in {" ", "-", "~"}}
    for passage in doc.passages():
        if passage.line in open_tasks or scopes.of(passage.line) == -1 or not pattern.search(passage.text):
            continue
        if any(
            LATER.search(doc.sections[index].title) and index != scopes.title
            for index in doc.path_of(doc.section_of[passage.line])
        ):
            continue
        for sentence in sentences(passage):
            for found in pattern.finditer(sentence.text):
                quoted = re.search(
                    r"[\"\u201c\u201e\u00ab'\u2018][^\"\u201d\u00bb\u2019']*$", sentence.text[: found.start()]
                ) and re.match(r"[^\"\u201d\u00bb]{0,40}[\"\u201d\u00bb]", sentence.text[found.end() :])
                if (
                    not quoted
                    and stands(sentence, found.start(), found.end(), over)
                    and not re.match(
                        r"\s*(?:before|if|when|once|unless)\b", sentence.text[found.end() :], re.IGNORECASE
                    )
                ):
                    yield sentence, found, scopes.of(passage.line)


def failures(doc: Document, scopes: Scopes) -> Iterator[tuple[int, int, str]]:
    """Scope, line and text of what is said, or shown by a command's output, to fail now."""
    for passage in doc.passages():
        if scopes.of(passage.line) == -1 or not _FAILING.search(passage.text):
            continue
        for sentence in sentences(passage):
            for found in _FAILING.finditer(sentence.text):
                value = number(found["n"] or found["n2"] or found["n3"] or "0").value
                over = (
                    PAST.search(sentence.text)
                    or MODAL.search(sentence.text[: found.start()])
                    or re.search(r"\b(?:xfail\w*|retr\w+|not)\b", sentence.text)
                )
                if (
                    value > 0
                    and not over
                    and not re.match(
                        r"\s*(?:logins?|requests?|attempts?|jobs?|calls?|over|times|back)\b",
                        sentence.text[found.end() :],
                    )
                ):
                    yield scopes.of(passage.line), sentence.place(found.start())[0], shown(sentence.text, 100)
    for fence in doc.fences:
        scope = scopes.of(fence.line)
        if (
            fence.language in {"", "text", "console", "bash", "sh", "shell", "log", "output", "plaintext"}
            and scope != -1
        ):
            for line in range(fence.line + 1, min(fence.end + 1, fence.line + 2_000)):
                if _OUTPUT_FAILED.search(doc.lines[line][:400]):
                    yield scope, line, shown(doc.lines[line], 100)
                    break


def _outcomes(doc: Document, scopes: Scopes) -> Iterator[Found]:
    wrong = list(failures(doc, scopes))
    unrun = list(_unrun(doc, scopes))
    for sentence, found, scope in claims(doc, _ALL_WELL, scopes):
        line, column = sentence.place(found.start())
        part = _FAILING.search(sentence.text)
        if (
            part is not None
            and part.start() < found.start()
            and re.search(r"\b(?:unit|integration)\b", found[0], re.IGNORECASE)
        ):
            continue
        against = [item for item in wrong if item[0] == scope and not _apart(found[0], item[2])]
        word, why = "does not hold beside what fails", "correct the sentence, or name what is left out and why"
        if not against:
            against = [item for item in unrun if item[0] == scope]
            word, why = (
                "does not follow where no test ran",
                "run the tests and show what ran; zero tests are not a pass",
            )
        if against:
            _, other, text = against[0]
            yield error(
                OUTCOME, (line, column), sentence.text, f'"{shown(found[0])}" {word}', f"{at(other)}: {text}", why
            )
    for sentence, found, scope in claims(doc, _READY, scopes):
        yield from _ready(doc, sentence, found, [item for item in wrong if item[0] == scope])


def _apart(claim: str, failing: str) -> bool:
    """Whether they speak of different suites."""
    kinds = ("unit", "integration", "e2e", "smoke", "backend", "frontend")
    named = [kind for kind in kinds if kind in claim.lower()]
    others = [kind for kind in kinds if kind in failing.lower()]
    return bool(named and others) and not set(named) & set(others)


def _unrun(doc: Document, scopes: Scopes) -> Iterator[tuple[int, int, str]]:
    """Where it shows that no test ran, unless another place shows that some did."""
    ran = re.compile(r"\b[1-9]\d* passed\b|\bRan [1-9]\d* tests?\b|^ok \d+", re.MULTILINE)
    lines = range(min(len(doc.lines), 50_000))
    if any(ran.search(doc.lines[line][:400]) for line in lines if doc.kinds[line] in {"fence", "code"}):
        return
    for line in lines:
        found = (
            _NO_RUN.search(doc.lines[line][:400])
            if doc.kinds[line] in {"fence", "code", "text", "item", "table"}
            else None
        )
        if found is not None and scopes.of(line) != -1:
            yield scopes.of(line), line, shown(doc.lines[line], 100)


def _ready(
    doc: Document, sentence: Sentence, found: re.Match[str], wrong: list[tuple[int, int, str]]
) -> Iterator[Found]:
    place = sentence.place(found.start())
    behind = sentence.text[found.end() : found.end() + 2]
    if (
        re.match(r"\s\w", behind)
        and not re.match(r"[^\n]*:\s*$", sentence.text[: found.start()])
        and found[0].lower().startswith("production")
    ):
        return  # of a thing in general: `production-ready images`
    boxes = [
        item
        for item in doc.items
        if item.box == " "
        and _VALIDATION.search(doc.sections[doc.section_of[item.line]].title)
        and not re.search(r"\b(?:post|optional|future)\b", doc.sections[doc.section_of[item.line]].title, re.IGNORECASE)
    ]
    if wrong:
        _, other, text = wrong[0]
    elif boxes:
        other, text = boxes[0].line, f"[ ] {boxes[0].text}"
    else:
        return
    yield error(
        OUTCOME,
        place,
        sentence.text,
        f'"{shown(found[0])}" does not hold beside {"what fails" if wrong else "a check that is open"}',
        f"{at(other)}: {shown(text, 100)}",
        "finish the check, or say what is not ready",
    )


def _absences(doc: Document, scopes: Scopes) -> Iterator[Found]:
    present = [*_counted(doc, scopes), *_listed(doc, scopes)]
    for sentence, found, scope in claims(doc, _ABSENT, scopes):
        if _FREED.match(sentence.text[found.end() :]) or re.search(r"\d", sentence.text[: found.start()][-12:]):
            continue
        name = _name(found["thing"])
        names, here = {name, _THINGS.get(name, name)}, sentence.place(found.start())
        against = [item for item in present if item[0] == scope and item[1] in names and item[2] != here[0]]
        for _, _, line, text in against[:1]:
            yield error(
                OUTCOME,
                here,
                sentence.text,
                f'"{shown(found[0])}", and yet there is some',
                f"{at(line)}: {text}",
                "keep the one that was measured; say what differs if both are meant",
            )


def _counted(doc: Document, scopes: Scopes) -> Iterator[tuple[int, str, int, str]]:
    """Scope, name, line and text of what is said to be there, by its number."""
    for passage in doc.passages():
        for sentence in sentences(passage):
            if PAST.search(sentence.text) or MODAL.search(sentence.text):
                continue
            for found in _PRESENT.finditer(sentence.text):
                none = number(found["n"]).value <= 0 or vagueness(sentence.text[: found.start()]) == "-"
                if not none and not _FREED.match(sentence.text[found.end() :]):
                    line = sentence.place(found.start())[0]
                    yield scopes.of(passage.line), _name(found["thing"]), line, shown(sentence.text, 100)


def _listed(doc: Document, scopes: Scopes) -> Iterator[tuple[int, str, int, str]]:
    """The same of what has a section of its own with a list that is not empty."""
    by_section: dict[int, list[Item]] = {}
    for item in doc.items:
        if item.box not in {"x", "X"} and not _NOTHING.match(item.text):
            by_section.setdefault(doc.section_of[item.line], []).append(item)
    for index, items in by_section.items():
        section = doc.sections[index]
        title = _TITLE_SIGNS.sub("", section.title.lower())
        if not any(_MENDED.search(doc.lines[item.line]) for item in items):
            yield scopes.of(section.line), title, items[0].line, shown(items[0].text, 100)


def _name(thing: str) -> str:
    return re.sub(r"\s+", " ", thing.lower())
