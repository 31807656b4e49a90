"""Words that need evidence, and commands that do not do what the text says of them.

Read in reports only: a text that says so by its title or by fields such as `Status:` and `Branch:`. A word is
held against what the same text shows: the command that was run, what it printed, the figures before and after.
Each word has its rung: "tested" needs tests that ran (E3), "faster" a measurement before and after (E5).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from guardrails.reports.lint_facts import at, shown, warning
from guardrails.reports.lint_outcomes import claims
from guardrails.reports.lint_status import fields

if TYPE_CHECKING:
    from collections.abc import Iterator

    from guardrails.reports.lint_document import Document, Fence
    from guardrails.reports.lint_facts import Found, Scopes

WORD, COMMAND = "GR-REPORT-008", "GR-REPORT-012"

_TITLE = re.compile(
    r"\b(?:report|status|session|summary|implementation|incident|post-?mortem|fixes|progress|retrospective"
    r"|handoff|work ?log|dev(?:elopment)? log"
    r"|звіт|статус|сесія|підсумок|інцидент|виправлення|прогрес|впровадження|отч[её]т|сессия|итоги|инцидент"
    r"|исправления)\b",
    re.IGNORECASE,
)
_LABELS = {
    *(
        "status",
        "branch",
        "report period",
        "period",
        "session",
        "goal",
        "phase",
        "started",
        "paused",
        "reviewer",
        "severity",
        "commits",
    ),
    *("статус", "гілка", "період", "ціль", "фаза", "розпочато", "ветка", "период", "цель"),
}

_READY = (
    r"(?:(?:fully\s+|100\s?%\s+)?production[\s-]ready(?!\s+\w+(?:s|ing|ment|ion)\b)|ready\s+for\s+(?:production|prod)\b"
    r"|готов\w*\s+(?:до|к)\s+(?:продакшн\w*|продакшен\w*|прод[аіу]?\b))"
)
_WORDS = (
    (
        "E3, and the policy behind it",
        re.compile(
            rf"\b{_READY}|\b(?:battle[\s-]tested|bullet-?proof|rock[\s-]solid|bug[\s-]free|flawless(?:ly)?"
            rf"|enterprise[\s-]grade|100\s?%\s+(?:reliable|safe|secure|working|bug-free))\b",
            re.IGNORECASE,
        ),
        "say what was run in which environment and what came of it",
        "tests",
    ),
    (
        "E3: tests that ran",
        re.compile(
            r"\b100\s?%\s+(?:complete[d]?|done|finished|tested|verified|functional|готово|виконано|выполнено)\b"
            r"|\b(?:fully|thoroughly|completely|extensively|comprehensively|rigorously|повністю|ретельно|полностью"
            r"|тщательно)\s+(?:tested|verified|validated|functional|working|протестован\w*|перевірен\w*|провере\w*)\b"
            r"|(?:^|[:\u2014\u2013\u2705\u2714]\s*|\b(?:is|are|was|were|been|and)\s+)(?:tested|verified|протестовано"
            r"|перевірено|протестирован\w*|проверено)\b(?=\s*(?:[.!,;)]|$|and\b|\u2705|\u2714|in\b|on\b|end-to-end\b"
            r"|manually\b|locally\b))"
            r"|\ball\s+(?:the\s+|\d+\s+)?(?:unit\s+|integration\s+)?tests?\s+(?:are\s+|now\s+)?(?:pass|passed|passing"
            r"|green)\b"
            r"|\b(?:усі|всі|все)\s+(?:\d+\s+)?тест\w*\s+(?:успішно\s+)?(?:проход\w+|пройш\w+|пройден\w+|прошли)",
            re.IGNORECASE | re.MULTILINE,
        ),
        "show the command and what it printed: how many tests ran, how many failed",
        "tests",
    ),
    (
        "E5: measured before and after",
        re.compile(
            r"\b(?:completely\s+|fully\s+)?eliminat(?:ed|es)\b|\bzero\s+(?:errors|downtime|failures|latency|overhead)\b"
            r"|\b(?:much|significantly|dramatically|considerably|noticeably|drastically|vastly|way|far)\s+(?:faster"
            r"|better|improved|reduced|quicker|smoother)\b"
            r"|\b(?:\d+(?:\.\d+)?\s?(?:%|x|\u00d7)\s+(?:faster|quicker|slower|improvement|reduction|less|fewer|better))\b"
            r"|(?<=\s)faster\b|\b(?:improved|reduced|increased|decreased)\s+(?:[\w-]+\s+){0,4}by\s+~?\d+(?:\.\d+)?\s?%"
            r"|\b(?:значно|суттєво|набагато|значительно|гораздо)\s+(?:швидше|краще|покращен\w*|быстрее|лучше)",
            re.IGNORECASE,
        ),
        "give the figure before and the figure after, and the command that measured both",
        "figures",
    ),
)
# What was done is told in the past: "it was verified" is said of now.
_EARLIER = re.compile(
    r"\b(?:previous(?:ly)?|before|used to|formerly|no longer|earlier|originally|раніше|раньше)\b|\u2192|->",
    re.IGNORECASE,
)
_TESTS_RAN = re.compile(
    r"\b[1-9]\d* passed\b|\bRan [1-9]\d* tests?\b|^ok \d+|\btests? result: ok\. [1-9]|^ok\s+\S+\s+[\d.]+s"
    r"|^Tests:\s+.*\b[1-9]\d* passed|\b[1-9]\d* passing\b",
    re.MULTILINE,
)
_TEST_COMMAND = re.compile(
    r"^\s*(?:[$>#]\s*)?(?:\S+=\S+\s+)*(?:(?:uv|poetry|pdm|hatch|docker(?:\s|-)compose|docker|npx|pnpm|yarn"
    r"|just)\s+(?:run|exec)?\s*.*)?(?:\S*python\S*\s+-m\s+)?(?:pytest|unittest|tox|nox|npm\s+(?:run\s+)?test|jest"
    r"|vitest|go\s+test|cargo\s+test|make\s+test\S*|ctest|mvn\s+test|rspec"
    r"|\S*manage\.py\s+test)\b(?!.*(?:--collect-only|--co\b|--version|--help|-h\b))",
    re.MULTILINE,
)
_WEAK_COMMAND = re.compile(
    r"^\s*(?:[$>#]\s*)?(?:\S*python\S*\s+-m\s+(?:py_compile|compileall)|grep|rg|ruff|flake8|mypy|pyright|eslint"
    r"|pylint|tsc|(?:\S*\s)?pytest\s+.*--collect-only|ls|cat|find)\b",
    re.MULTILINE,
)
_MEASURE = re.compile(
    r"(?:\d\s?(?:ms|\u00b5s|s|sec|seconds|min|minutes|h|%|mb|gb|kb|mib|x|\u00d7|/s|rps|req|errors|requests"
    r"|queries|lines)?\+?\s*(?:\u2192|->|=>|\bto\b|\bvs\.?\b|до|против)\s*~?\d)|\bfrom\s+~?\d",
    re.IGNORECASE,
)
_BENCH = re.compile(
    r"\b(?:bench\w*|hyperfine|timeit|wrk|locust|k6|ab -n|EXPLAIN ANALYZE|grep -c|wc -l|promql|curl\s+-w|time\s+\S+)\b",
    re.IGNORECASE,
)
_REFERENCE = re.compile(r"\]\(\x00+\)|\]\[|https?://|\bsee\s+\S|\bE[1-5]\b")

_BEFORE_AFTER = re.compile(r"\W*(?:before|after|baseline|now|раніше|до|після|было|после|стало)\b", re.IGNORECASE)


def is_report(doc: Document) -> bool:
    """Whether the text tells of work that was done: by its title, or by two of the fields that such texts have."""
    titles = [section.title for section in doc.sections[1:4] if section.level <= 1 or section.line < 3]
    if any(_TITLE.search(title) for title in titles):
        return True
    body = next((section.line for section in doc.sections if section.level >= 2), len(doc.lines))
    return len({label for label, _, place in fields(doc) if label in _LABELS and place[0] <= body}) >= 2


def check(doc: Document, scopes: Scopes) -> Iterator[Found]:
    """Words without what they need, metrics without a command, commands that do something else."""
    yield from _traps(doc)
    if not is_report(doc):
        return
    shell = [
        fence
        for fence in doc.fences
        if fence.language in {"", "bash", "sh", "shell", "console", "text", "zsh", "output", "log"}
    ]
    texts = [_text(doc, fence) for fence in shell]
    spans = "\n".join(
        re.findall(
            r"`([^`\n]{4,200})`",
            "\n".join(line for line, kind in zip(doc.lines, doc.kinds, strict=True) if "`" in line and kind != "fence"),
        )
    )
    ran = any(_TESTS_RAN.search(text) or _TEST_COMMAND.search(text) for text in texts) or bool(
        _TEST_COMMAND.search(spans)
    )
    weak = next((fence for fence, text in zip(shell, texts, strict=True) if _WEAK_COMMAND.search(text)), None)
    for needs, pattern, fix, kind in _WORDS:
        for sentence, found, _ in claims(doc, pattern, scopes, _EARLIER):
            line, column = sentence.place(found.start() + len(found[0]) - len(found[0].lstrip()))
            if kind == "tests" and ran:
                continue
            if kind == "figures" and _measured(doc, line, sentence.text):
                continue
            evidence = "no command that runs tests and nothing it printed stands in this text"
            if kind == "figures":
                evidence = "no figure before and after, and no command that measured it, stands in this section"
            elif weak is not None:
                evidence = f"{at(weak.line)}: the commands shown compile, search or collect, and run no test"
            yield warning(WORD, (line, column), sentence.text, f'"{shown(found[0])}" needs {needs}', evidence, fix)
    yield from _metrics(doc)
    yield from _nobody(doc)


def _text(doc: Document, fence: Fence) -> str:
    return "\n".join(line[:400] for line in doc.lines[fence.line + 1 : min(fence.end, fence.line + 1_000)])


def _measured(doc: Document, line: int, sentence: str) -> bool:
    if _MEASURE.search(sentence) or _REFERENCE.search(sentence):
        return True
    section = doc.section_of[line]
    begun = doc.sections[section].line
    lines = [number for number in range(begun, min(len(doc.lines), begun + 2_000)) if doc.section_of[number] == section]
    return any(_MEASURE.search(doc.prose[number]) or _BENCH.search(doc.lines[number][:400]) for number in lines) or any(
        doc.section_of[table.line] == section and any(_BEFORE_AFTER.match(cell.text) for cell in table.header)
        for table in doc.tables
    )


def _metrics(doc: Document) -> Iterator[Found]:
    """A table of before and after, and nowhere in its section how it was measured."""
    for table in doc.tables:
        named = [cell for cell in table.header[1:] if _BEFORE_AFTER.match(cell.text)]
        if len(named) < 2 or not any(re.search(r"\d", cell.text) for row in table.rows for cell in row[1:]):
            continue
        section = doc.section_of[table.line]
        lines = [
            number
            for number in range(doc.sections[section].line, min(len(doc.lines), doc.sections[section].line + 2_000))
            if doc.section_of[number] == section
        ]
        if any(
            doc.kinds[number] == "fence"
            or "`" in doc.lines[number]
            or _BENCH.search(doc.lines[number][:400])
            or _REFERENCE.search(doc.prose[number])
            for number in lines
        ):
            continue
        yield warning(
            WORD,
            (table.line, named[0].column),
            " | ".join(cell.raw for cell in table.header),
            "figures before and after need the command that measured both (E5)",
            "no command, file or link stands in this section",
            "name the command, its window and where its output is kept",
        )


def _nobody(doc: Document) -> Iterator[Found]:
    for index, section in enumerate(doc.sections[1:], start=1):
        if not re.match(
            r"\W*(?:escalation|contacts?|contact\s*/\s*escalation|ескалація|контакти|эскалация|контакты)\W*(?:path"
            r"|information|info)?\W*$",
            section.title,
            re.IGNORECASE,
        ):
            continue
        text = "\n".join(doc.lines[number] for number in doc.span(index)[1:])[:4_000]
        named = re.search(
            r"@[\w-]{2,}|[\w.]+@[\w.]+|#[a-z][\w-]+|\+?\d[\d ()-]{7,}|https?://|\]\("
            r"|\b[A-Z\u0410-\u042f\u0404\u0406\u0407][\w'’]+\s+[A-Z\u0410-\u042f\u0404\u0406\u0407][\w'’]+",
            text,
        )
        if text.strip() and named is None:
            yield warning(
                WORD,
                (section.line, 0),
                section.title,
                "the section names nobody",
                "no person, channel, address or number stands in it",
                "name who is called, and how",
            )


def _traps(doc: Document) -> Iterator[Found]:
    """Commands that leave running what they were to replace."""
    for fence in doc.fences:
        if fence.language not in {"bash", "sh", "shell", "console", "zsh"}:
            continue
        built = None
        for line in range(fence.line + 1, fence.end):
            text = doc.lines[line][:400]
            if re.search(r"\bdocker[\s-]compose\s+(?:\S+\s+)*?build\b|\bdocker\s+build\b", text):
                built = line
            elif re.search(r"\bdocker[\s-]compose\s+(?:\S+\s+)*?up\b", text):
                built = None
            elif built is not None and (
                found := re.search(r"\bdocker[\s-]compose\s+(?:\S+\s+)*?restart\b|\bdocker\s+restart\b", text)
            ):
                yield warning(
                    COMMAND,
                    (line, found.start()),
                    text,
                    "restart keeps the container of the old image",
                    f"{at(built)}: {shown(doc.lines[built], 80)}",
                    "docker compose up -d SERVICE, which makes a new container",
                )
                built = None
