"""Figures within a sentence: n of m, the percentage beside it, the change from one figure to another, parts and total.

47 of 45 tests passed        more than there are
45 of 50 (95 %)              it is 90 %
200 ms -> 50 ms (-60 %)      it is 75 %
50 tests: 45 passed, 3 failed
12 + 30 = 45
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from guardrails.reports.lint_facts import COUNT, Number, error, number, sentences, shown, vagueness

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from guardrails.reports.lint_document import Document
    from guardrails.reports.lint_facts import Found, Sentence

SUM, SHARE = "GR-REPORT-001", "GR-REPORT-002"

_SLASHED = r"(?<![\w.,/:#$-])\d{1,7}"
_OF = re.compile(
    rf"(?P<n>{COUNT})\s+(?:out\s+of|of|із|из|з)\s+(?:the\s+|all\s+|our\s+|these\s+|those\s+"
    rf"|its\s+)?(?:total\s+)?(?P<m>{COUNT})"
    rf"|(?P<n2>{_SLASHED})\s?/\s?(?P<m2>\d{{1,7}})(?![\w/%]|[.,:]\d|-\w)",
    re.IGNORECASE,
)
_COUNTED = (
    r"(?:tests?|checks?|cases?|tasks?|items?|files?|issues?|steps?|phases?|jobs?|bugs?|passed|passing|pass"
    r"|complete[d]?|done|fixed"
    r"|resolved|closed|failed|failing|green|ok|merged|migrated|covered|succeeded|successful|criteria|goals?"
    r"|modules?|services?"
    r"|endpoints?|тест\w*|задач\w*|завдан\w*|перевір\w*|пройд\w*|пройш\w*|викона\w*|готов\w*|провер\w*|файл\w*)"
)
_COUNTED_NEXT = re.compile(rf"\s*(?:\w+\s+)?{_COUNTED}\b", re.IGNORECASE)
_COUNTED_LABEL = re.compile(rf"\b(?:progress|{_COUNTED}|прогрес\w*)\s*[:=]\s*$", re.IGNORECASE)
# Before these numbers nothing is counted: `Table 12 of 3 documents`, `May 5 of 3 years`.
_NO_COUNT = re.compile(
    r"\b(?:table|figure|fig\.?|section|chapter|issue|version|rfc|pep|article|rule|line|page|level|day|class|type"
    r"|port|year|row|column|grade"
    r"|jan\w*|feb\w*|mar\w*|apr\w*|may|june?|july?|aug\w*|sep\w*|oct\w*|nov\w*|dec\w*)\s*$|\bv$|[#@]$",
    re.IGNORECASE,
)
_PERCENT = r"(?P<vague>~|\u2248|about\s|близько\s|около\s)?\s?(?P<pct>\d{1,3}(?:[.,]\d{1,3})?)\s?%"
_SHARE_WORD = re.compile(
    rf"[ \t]*\n|\s*(?:[)\],.;:!]|$|\u2705|\u2713|{_COUNTED}\b|(?:success|pass|completion|rate|of|share)\b)",
    re.IGNORECASE,
)
_PERCENT_AFTER = re.compile(
    rf"(?P<what>(?:\s+[^\W\d]+){{0,4}})\s*(?:\(|\[|=|:|,|\s[\u2014\u2013-]\s)\s*=?\s*{_PERCENT}", re.IGNORECASE
)
_PERCENT_BEFORE = re.compile(
    r"(?<![\w.,+\u2212-])(?P<pct>\d{1,3}(?:[.,]\d{1,3})?)\s?%\s*(?:[^\W\d]+\s+){0,3}[(\[]\s*$", re.IGNORECASE
)

_UNIT = (
    r"(?:\s?(?P<u{0}>ms|\u00b5s|us|ns|s|sec|secs|seconds|m|min|mins|minutes|h|hours|hrs?|days?|[kmgt]?i?b|%|lines"
    r"|errors(?:/min)?|req/s|rps|мс|с|хв|год))?(?![\w.])"
)
_PLAIN = r"(?<![\w.,/:#\-$\u20ac])(?P<{0}>\d{{1,3}}(?:,\d{{3}})+|\d{{1,12}}(?:\.\d{{1,6}})?)"
_CHANGE = re.compile(
    rf"{_PLAIN.format('a')}{_UNIT.format(1)}\s*(?:\u2192|->|=>|\u27f6|\bto\b)\s*{_PLAIN.format('b')}{_UNIT.format(2)}"
    r"\s*(?:[(,:]|\s[\u2014\u2013-]\s)\s*(?:an?\s+"
    r"|by\s+)?(?P<sign>[-+\u2212\u2013~\u2248\u2193\u2191]?)\s?(?P<by>\d{1,6}(?:\.\d{1,3})?)\s?"
    r"(?P<kind>%|[x\u00d7](?!\w))(?P<rest>\s*[^\W\d]*)",
    re.IGNORECASE,
)

_STATE = (
    r"(?:passed|passing|pass|passes|failed|failing|fail|failures?|skipped|errors?|errored|xfailed|xpassed|pending"
    r"|blocked|open|closed"
    r"|done|completed?|remaining|in\s+progress|fixed|resolved|deferred|modified|changed|added|deleted|created"
    r"|removed|renamed|updated|new"
    r"|critical|high|medium|low|minor|major|trivial|ok|successful|succeeded|unsuccessful|unit|integration|e2e"
    r"|end-to-end|smoke"
    r"|deselected|ignored|merged|rejected|cancelled|timed\s+out|warnings?"
    r"|пройдено|пройшли|пройшло|успішн\w+|впал[оаи]|провален\w+|невдал\w+|пропущен\w+|помил\w+|відкрит\w+"
    r"|закрит\w+|виконан\w+"
    r"|прошл[оаи]|упал[оаи]|ошиб\w+|открыт\w+|успешн\w+)"
)
_A_STATE = re.compile(rf"\b{_STATE}\b", re.IGNORECASE)
_THING = (
    r"(?:tests?|test\s+cases|checks|cases|files|issues|items|tasks|jobs|commits|bugs|findings|endpoints|requests"
    r"|runs|steps|builds|problems"
    r"|тест\w*|перевір\w*|файл\w*|задач\w*|завдан\w*|провер\w*|проблем\w*)"
)
_PART = rf"(?:{COUNT}\s+(?:[a-z]+\s+)?{_STATE}\b(?:\s+{_THING}\b)?|{_STATE}\s*[:=]\s*{COUNT})"
_PARTS = rf"{_PART}(?:\s*(?:,|;|/|\||\+|\u00b7|&)?\s*(?:and\s+|plus\s+|та\s+|і\s+|и\s+)?{_PART}){{1,9}}"
_TOTAL_FIRST = re.compile(
    rf"(?P<total>{COUNT})\s+(?:total\s+)?(?:[a-z]+\s+)?{_THING}\b(?:\s+(?:total|in\s+total|run|ran|executed"
    rf"|changed|found|collected|всього))?"
    rf"\s*(?P<sep>[:(=\[]|\s[\u2014\u2013-]\s|,|of\s+which|\bwith\b|з\s+них"
    rf"|из\s+них)\s*(?:of\s+which\s+)?(?P<parts>{_PARTS})(?P<behind>.{{0,40}})",
    re.IGNORECASE,
)
_LABEL_FIRST = re.compile(
    rf"\b(?:total|всього|усього|разом|всего|итого)(?:\s+{_THING})?\s*[:=]\s*(?P<total>{COUNT})\s*(?P<sep>[(,;"
    rf"|\u00b7]|\s[\u2014\u2013-]\s)\s*(?P<parts>{_PARTS})"
    r"(?P<behind>.{0,40})",
    re.IGNORECASE,
)
_TOTAL_LAST = re.compile(
    rf"(?P<parts>{_PARTS})\s*(?:(?P<sep>[(,;=|\u00b7]|\u2192|\s[\u2014\u2013-]\s|\s)\s*(?:total\s*[:=]?\s*|of\s+"
    rf"|out\s+of\s+)"
    rf"(?P<total>{COUNT})|[(,;=]\s*(?P<total2>{COUNT})\s+(?:{_THING}\s+)?(?:in\s+)?total)(?P<behind>.{{0,40}})",
    re.IGNORECASE,
)
_PARTIAL = re.compile(
    r"\b(?:includ\w+|among|incl|only|also|other|others|rest|remaining are|etc|such as|rerun|retried|зокрема|інші"
    r"|остальн\w*)\b|\u2026|\.\.\.",
    re.IGNORECASE,
)
# One of these must be among the parts before a sum that is too small is one: else the rest may well be the good ones.
_MAJORITY = re.compile(
    r"\b(?:pass\w*|ok|succe\w+|successful|done|complete\w*|closed|fixed|resolved|modified|changed|low|unit|merged"
    r"|пройд\w+|пройш\w+|успішн\w+"
    r"|закрит\w+|виконан\w+|прошл\w+|успешн\w+)\b",
    re.IGNORECASE,
)
_ADDITION = re.compile(
    rf"(?<![+*/=^\u2212-]\s)(?P<parts>{COUNT}(?:\s*[^\W\d]*)(?:\s*\+\s*{COUNT}(?:\s*[^\W\d]*)){{1,12}})\s*=\s*(?P<total>{COUNT})(?P<unit>\s*[^\W\d]*)(?!\s*[+*/%^\u2212-])"
)


def check(doc: Document) -> Iterator[Found]:
    """What does not add up within one sentence."""
    for passage in doc.passages():
        if not re.search(r"\d", passage.text):
            continue
        for sentence in sentences(passage):
            yield from _shares(sentence)
            yield from _changes(sentence)
            yield from _sums(sentence)
            yield from _additions(sentence)


def _shares(sentence: Sentence) -> Iterator[Found]:
    text = sentence.text
    for found in _OF.finditer(text):
        slashed = found["n2"] is not None
        n, m = number(found["n2"] or found["n"]), number(found["m2"] or found["m"])
        before, after = text[: found.start()], text[found.end() :]
        if _NO_COUNT.search(before) or vagueness(before, after):
            continue
        counted = not slashed or _COUNTED_NEXT.match(after) or _COUNTED_LABEL.search(before)
        stated, place = _stated(before, after, found)
        if stated is not None and m.value and (counted or n.value <= m.value):
            exact = 100 * n.value / m.value
            if not stated.allows(exact) and not stated.allows(100 - exact):
                yield error(
                    SHARE,
                    sentence.place(place),
                    text,
                    f"{n} of {m} is {_percent(exact)}, not {stated} %",
                    f"{n} / {m} = {exact:.2f} %",
                    f"write {_percent(exact)}, or the counts that give {stated} %",
                )
            continue
        if n.value > m.value and counted and (n.value, m.value) not in {(24, 7), (365, 7), (365, 24)}:
            yield error(
                SHARE,
                sentence.place(found.start()),
                text,
                f"{n} of {m} is more than there are",
                f"{n} > {m}",
                "write the count that was meant first, then the whole",
            )


def _stated(before: str, after: str, found: re.Match[str]) -> tuple[Number | None, int]:
    """The percentage that is said of n of m, and where it stands in the sentence."""
    behind = _PERCENT_AFTER.match(after)
    if behind is not None and _SHARE_WORD.match(after, behind.end()):
        return _as_percent(behind["pct"], "~" if behind["vague"] else ""), found.end() + behind.start("pct")
    ahead = _PERCENT_BEFORE.search(before)
    if ahead is not None and re.match(rf"(?:\s+{_COUNTED})*\s*[)\],;]", after, re.IGNORECASE):
        return _as_percent(ahead["pct"], vagueness(before[: ahead.start("pct")])), ahead.start("pct")
    return None, 0


def _as_percent(text: str, vague: str) -> Number:
    return number(text.replace(",", "."), vague)


def _percent(value: float) -> str:
    return f"{value:.1f} %".replace(".0 %", " %")


def _changes(sentence: Sentence) -> Iterator[Found]:
    for found in _CHANGE.finditer(sentence.text):
        units = {(found[name] or "").lower() for name in ("u1", "u2")} - {""}
        before, after = number(found["a"]), number(found["b"])
        if len(units) > 1 or vagueness(sentence.text[: found.start()]) or before.value == 0:
            continue
        unit = next(iter(units), "")
        yield from change(
            sentence.place(found.start("by")),
            sentence.text,
            (before, after),
            unit,
            found["by"],
            found["kind"],
            found["sign"],
        )


def change(
    place: tuple[int, int], text: str, figures: tuple[Number, Number], unit: str, by: str, kind: str, sign: str = ""
) -> Iterator[Found]:
    """Whether `by` is a change from one figure to the other, by any of the ways in which people count it."""
    before, after = figures
    stated = number(by, "~" if sign in {"~", "\u2248"} else "")
    ways = _ways(before.value, after.value, kind)
    points = [after.value - before.value] if unit == "%" else []
    if any(stated.allows(abs(value)) for value in (*ways, *points)):
        return
    if unit and unit != "%" and before.value < 10 and _in_reach(stated, before, after, kind):
        return
    sign = "%" if kind == "%" else "x"
    yield error(
        SHARE,
        place,
        text,
        f"from {before} to {after} is {abs(ways[0]):.1f} {sign}, not {stated} {sign}",
        f"({after} - {before}) / {before} = {100 * (after.value - before.value) / before.value:+.1f} %",
        f"write {abs(ways[0]):.1f} {sign}, or the figures that were measured",
    )


def _in_reach(stated: Number, before: Number, after: Number, kind: str) -> bool:
    """Whether a change computed before the figures were rounded may have been this one."""
    reach = [
        abs(_ways(before.value + a * 10.0**-before.digits, after.value + b * 10.0**-after.digits, kind)[0])
        for a in (-0.5, 0.5)
        for b in (-0.5, 0.5)
        if before.value + a * 10.0**-before.digits > 0
    ]
    return bool(reach) and min(reach) - 1 <= stated.value <= max(reach) + 1


def _ways(old: float, new: float, kind: str) -> list[float]:
    """The change as it is most often counted, and then in the other ways. `old` is not 0."""
    if kind == "%":
        ways = [100 * (new - old) / old, 100 * new / old]
        return [*ways, 100 * (old - new) / new, 100 * old / new] if new else ways
    larger, smaller = max(abs(old), abs(new)), min(abs(old), abs(new))
    return [larger / smaller, larger / smaller - 1] if smaller else [float("inf")]


def _sums(sentence: Sentence) -> Iterator[Found]:
    seen: set[int] = set()
    if not _A_STATE.search(sentence.text):
        return
    for pattern in (_TOTAL_FIRST, _LABEL_FIRST, _TOTAL_LAST):
        for found in pattern.finditer(sentence.text):
            name = "total" if found["total"] else "total2"
            if found.start(name) in seen:
                continue
            seen.add(found.start(name))
            yield from _sum(sentence, found, name)


def _sum(sentence: Sentence, found: re.Match[str], name: str) -> Iterator[Found]:
    total = number(found[name])
    parts = [number(part) for part in re.findall(COUNT, found["parts"])]
    made = sum(part.value for part in parts)
    around = sentence.text[max(0, found.start() - 40) : found.start()] + found["behind"]
    vague = vagueness(sentence.text[: found.start(name)], sentence.text[found.end(name) :])
    if made == total.value or vague or re.match(r"\s*%", found["behind"]):
        return
    if made < total.value:
        partial = _PARTIAL.search(around) or re.match(r"\s*(?:,|and|та|і|и)\s*\d", found["behind"])
        if partial or not _MAJORITY.search(found["parts"]) or (found.re is _TOTAL_FIRST and found["sep"] == ","):
            return
    elif re.search(r"\b(?:warnings?|new)\b", found["parts"], re.IGNORECASE):
        return  # a warning is no test of its own, and what is new may be counted twice
    yield error(
        SUM,
        sentence.place(found.start(name)),
        found[0],
        f"the parts make {made:,.0f}, not {total}",
        f"{' + '.join(map(str, parts))} = {made:,.0f}",
        "count again; name what is missing, or correct the total",
    )


def _additions(sentence: Sentence) -> Iterator[Found]:
    for found in _ADDITION.finditer(sentence.text):
        parts = [number(part) for part in re.findall(COUNT, found["parts"])]
        units = {word.lower() for word in re.findall(r"\d\s*([^\W\d]+)", found["parts"] + found["unit"])}
        made = sum(part.value for part in parts)
        if made == number(found["total"]).value or len(units & _CLOCK) > 1:
            continue
        yield error(
            SUM,
            sentence.place(found.start("total")),
            found[0],
            f"the sum is {made:,.0f}, not {found['total']}",
            f"{' + '.join(map(str, parts))} = {made:,.0f}",
            "correct the sum, or the part that is wrong",
        )


_CLOCK = {
    "h",
    "hr",
    "hrs",
    "hour",
    "hours",
    "m",
    "min",
    "mins",
    "minutes",
    "s",
    "sec",
    "ms",
    "d",
    "days",
    "day",
    "год",
    "хв",
    "с",
}


def listed(values: Iterable[object]) -> str:
    """Values as a finding shows them, the first twelve."""
    texts = [shown(str(value), 40) for value in values]
    return " + ".join(texts[:12]) + (" + \u2026" if len(texts) > 12 else "")
