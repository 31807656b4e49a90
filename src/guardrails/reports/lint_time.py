"""Days and hours: days that do not exist, weekdays that are others, an end before its start, a duration that is none.

A timeline is held to its order only under a heading that calls it one. Durations are compared with the times
beside them; a pause makes the working time shorter than the time that passed, never longer.
"""

from __future__ import annotations

import datetime as dt
import re
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from guardrails.reports.lint_facts import at, error, shown
from guardrails.reports.lint_status import fields

if TYPE_CHECKING:
    from collections.abc import Iterator

    from guardrails.reports.lint_document import Document, Passage
    from guardrails.reports.lint_facts import Found, Scopes

RULE = "GR-REPORT-007"

_MONTHS = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1
    )
}
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_UK_DAYS = ("понеділок", "вівторок", "середа", "четвер", "п'ятниця", "субота", "неділя")
_MONTH = (
    r"(?P<month>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sep(?:t(?:ember)?)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_DATE = (
    r"(?:(?<![\w./-])(?P<y>(?:19|20)\d\d)-(?P<m>\d\d)-(?P<d>\d\d)(?![\w-])"
    rf"|\b{_MONTH}\s+(?P<d2>\d{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<y2>(?:19|20)\d\d)\b"
    rf"|(?<![\w./-])(?P<d3>\d{{1,2}})(?:st|nd|rd|th)?\s+{_MONTH.replace('month', 'month2')},?\s+(?P<y3>(?:19"
    rf"|20)\d\d)\b)"
)
_A_DATE = re.compile(_DATE, re.IGNORECASE)
_TIME = re.compile(
    r"(?<![\d:.-])(?:T|\b)?(?P<h>[01]?\d|2[0-4]):(?P<m>[0-5]\d)(?::(?P<s>[0-5]\d))?(?![\d:])\s*(?P<half>[ap]\.?m\b)?",
    re.IGNORECASE,
)
_WEEKDAY = re.compile(
    rf"\b(?P<day>{'|'.join(_DAYS)}|mon|tues?|wed|thu(?:rs)?|fri|sat|sun|{'|'.join(_UK_DAYS)})\b\.?,?\s+(?:the\s+)?$",
    re.IGNORECASE,
)
_WEEKDAY_BEHIND = re.compile(
    rf"\s*[(,]\s*(?P<day>{'|'.join(_DAYS)}|mon|tues?|wed|thu(?:rs)?|fri|sat|sun|{'|'.join(_UK_DAYS)})\b", re.IGNORECASE
)
_RANGE = re.compile(r"\s*(?:[\u2014\u2013\u2192]|->|\.\.|\bto\b|\s-\s|\bdo\b|\bпо\b|\bдо\b)\s*", re.IGNORECASE)

_START = re.compile(
    r"^(?:session )?(?:start(?:ed)?|began|begin|start (?:time|date)|created|from|opened|detected|початок"
    r"|розпочато|почато|створено|начало|начато|создано)(?: at| on)?$"
)
_END = re.compile(
    r"^(?:session )?(?:end(?:ed)?|finish(?:ed)?|complet(?:ed|ion)(?: date| time)?|paused|stopped|closed|resolved"
    r"|end (?:time|date)|until|last updated|updated"
    r"|кінець|завершено|закінчено|призупинено|оновлено|вирішено|конец|окончено|приостановлено|обновлено)(?: at| on)?$"
)
_DURATION = re.compile(
    r"^(?:total |session |wall |elapsed |active |overall )?(?:duration|time|time spent|elapsed|working time|час"
    r"|тривалість|загальний час|длительность|время)$"
)
_SPAN = re.compile(
    r"(?P<vague>[~\u2248]\s?|about\s|близько\s|около\s)?(?:(?P<h>\d{1,4}(?:[.,]\d{1,2})?)\s?(?:h|hrs?|hours?"
    r"|год(?:ин[аи]?)?|час(?:а|ов)?|ч)(?![^\W\d]))?\s*(?:and\s+)?"
    r"(?:(?P<m>\d{1,5}(?:[.,]\d)?)\s?(?:m|mins?|minutes?|хв(?:илин\w*)?|мин(?:ут\w*)?)(?![^\W\d]))?",
    re.IGNORECASE,
)


class Moment(NamedTuple):
    """`exact`: the time of the day is known."""

    when: dt.datetime
    exact: bool


def check(doc: Document, scopes: Scopes) -> Iterator[Found]:
    """What cannot be, of days, hours and durations."""
    for passage in doc.passages():
        if re.search(r"\d", passage.text):
            yield from _days(passage)
            yield from _ranges(passage)
            yield from _spans(passage)
    yield from _fields(doc, scopes)
    yield from _timelines(doc)


def _days(passage: Passage) -> Iterator[Found]:
    for found in _A_DATE.finditer(passage.text):
        day = _date(found)
        if day is None:
            yield error(
                RULE, passage.place(found.start()), found[0], "there is no such day", "the calendar", "correct the date"
            )
            continue
        named = _WEEKDAY.search(passage.text[max(0, found.start() - 16) : found.start()]) or _WEEKDAY_BEHIND.match(
            passage.text, found.end()
        )
        if named is not None and not named["day"].lower().startswith(
            (_DAYS[day.weekday()][:3], _UK_DAYS[day.weekday()][:4])
        ):
            fix = "correct the weekday or the date"
            yield error(
                RULE,
                passage.place(found.start()),
                f"{named['day']} {found[0]}",
                f"{found[0]} was a {_DAYS[day.weekday()].capitalize()}",
                "the calendar",
                fix,
            )


def _date(found: re.Match[str]) -> dt.date | None:
    name = found["month"] or found["month2"]
    month = _MONTHS[name[:3].lower()] if name else int(found["m"])
    try:
        return dt.date(
            int(found["y"] or found["y2"] or found["y3"]), month, int(found["d"] or found["d2"] or found["d3"])
        )
    except ValueError:
        return None


def _ranges(passage: Passage) -> Iterator[Found]:
    found = list(_A_DATE.finditer(passage.text))
    for first, second in pairwise(found):
        between = _RANGE.fullmatch(passage.text[first.end() : second.start()])
        a, b = _date(first), _date(second)
        if between is None or a is None or b is None or b >= a:
            continue
        if re.search(
            r"\b(?:updat\w+|chang\w+|mov\w+|renam\w+|fix\w*|correct\w*|postpon\w*|typo)\b",
            passage.text[: first.start()],
            re.IGNORECASE,
        ):
            continue  # from one value to another, not a period
        yield error(
            RULE,
            passage.place(first.start()),
            passage.text[first.start() : second.end()],
            f"the period ends on {b}, {(a - b).days} days before it begins",
            f"{b} < {a}",
            "correct one of the two dates",
        )


def _spans(passage: Passage) -> Iterator[Found]:
    """`10:00-12:30 (3 h)`"""
    times = list(_TIME.finditer(passage.text))
    for first, second in pairwise(times):
        between = passage.text[first.end() : second.start()]
        behind = re.match(
            r"\s*(?:UTC|GMT|EET|EEST|[A-Z]{3,4})?\s*[(,:=]\s*(?:duration:?\s*|total:?\s*)?(?P<span>[^)\n,;]{1,24})",
            passage.text[second.end() :],
        )
        if not re.fullmatch(r"\s*(?:[\u2014\u2013\u2192-]|->|to|до)\s*", between) or behind is None:
            continue
        said, vague = minutes(behind["span"])
        passed = (_clock(second) - _clock(first)) % (24 * 60)
        if said is None or _fits(said, passed, vague=vague) or (bool(first["half"]) != bool(second["half"])):
            continue
        yield error(
            RULE,
            passage.place(second.end() + behind.start("span")),
            passage.text[first.start() : second.end() + behind.end()],
            f"from {first[0].strip()} to {second[0].strip()} it is {_told(passed)}, not {_told(said)}",
            f"{second[0].strip()} - {first[0].strip()} = {_told(passed)}",
            "correct the duration, or one of the times",
        )


def _clock(found: re.Match[str]) -> float:
    hour = int(found["h"])
    if found["half"]:
        hour = hour % 12 + (12 if found["half"].lower().startswith("p") else 0)
    return hour * 60 + int(found["m"]) + int(found["s"] or 0) / 60


def minutes(text: str) -> tuple[float | None, bool]:
    """A duration in minutes, and whether it is meant roughly; None when the text is not one."""
    found = _SPAN.match(text.strip())
    if (
        found is None
        or (found["h"] is None and found["m"] is None)
        or re.match(r"\s*(?:[-\u2013+/]|to)\s*\d?", text.strip()[found.end() :])
    ):
        return None, False
    hours = float((found["h"] or "0").replace(",", "."))
    vague = bool(found["vague"]) or (found["m"] is None and hours % 0.25 != 0 and hours % 0.1 != 0)
    return hours * 60 + float((found["m"] or "0").replace(",", ".")), vague


def _fits(said: float, passed: float, *, vague: bool) -> bool:
    return abs(said - passed) <= (max(10.0, 0.2 * passed) if vague else max(2.0, 0.03 * passed))


def _told(value: float) -> str:
    whole = round(value)
    return f"{whole // 60} h {whole % 60:02d} min" if whole >= 60 else f"{whole} min"


def _moment(text: str, day: dt.date | None = None) -> Moment | None:
    found = _A_DATE.search(text)
    date = _date(found) if found is not None else day
    if date is None:
        return None
    time = _TIME.search(text, found.end() if found is not None else 0)
    if time is None:
        return Moment(dt.datetime.combine(date, dt.time(), dt.UTC), exact=False)
    return Moment(dt.datetime.combine(date, dt.time(), dt.UTC) + dt.timedelta(minutes=_clock(time)), exact=True)


def _fields(doc: Document, scopes: Scopes) -> Iterator[Found]:
    """`Started`, `Ended` and `Duration` of one section."""
    sections: dict[tuple[int, int], dict[str, list[tuple[str, str, tuple[int, int]]]]] = {}
    for label, value, place in fields(doc):
        for kind, pattern in (("start", _START), ("end", _END), ("duration", _DURATION)):
            if pattern.match(label):
                key = (scopes.of(place[0]), doc.section_of[place[0]])
                sections.setdefault(key, {}).setdefault(kind, []).append((label, value, place))
    for said in sections.values():
        if len(said.get("start", ())) == 1 and said.get("end"):
            yield from _order(said)
    yield from _durations(said for said in sections.values())


def _order(said: dict[str, list[tuple[str, str, tuple[int, int]]]]) -> Iterator[Found]:
    label, value, place = said["start"][0]
    start = _moment(value)
    for other, text, where in said["end"]:
        end = _moment(text, start.when.date() if start is not None else None)
        if start is None or end is None:
            continue
        both = start.exact and end.exact
        before = end.when < start.when if both else end.when.date() < start.when.date()
        zones = re.search(r"[A-Z]{3,4}|[+-]\d\d:?\d\d", value) and re.findall(
            r"[A-Z]{3,4}|[+-]\d\d:?\d\d", value
        ) != re.findall(r"[A-Z]{3,4}|[+-]\d\d:?\d\d", text)
        if before and not (zones and abs((start.when - end.when).days) <= 1) and (_A_DATE.search(text) or not both):
            yield error(
                RULE,
                where,
                f"{other}: {text}",
                f"it is earlier than {label}",
                f"{at(place[0])}: {label}: {shown(value, 60)}",
                "correct one of the two",
            )
            continue
        if not both or not (_A_DATE.search(text) or end.when >= start.when):
            continue
        passed = (end.when - start.when).total_seconds() / 60
        for name, span, there in said.get("duration", ()):
            length, vague = minutes(span)
            # Work may pause; it cannot take longer than the time that passed.
            longer_only = "active" in name or "paus" in other or name in {"time", "time spent", "working time"}
            if (
                length is None
                or _fits(length, passed, vague=vague)
                or (longer_only and length < passed)
                or other.endswith("updated")
            ):
                continue
            yield error(
                RULE,
                there,
                f"{name}: {span}",
                f"from {label} to {other} it is {_told(passed)}, not {_told(length)}",
                f"{at(place[0])}: {shown(value, 40)}; {at(where[0])}: {shown(text, 40)}",
                "correct the duration, or one of the times",
            )


def _durations(sections: Iterator[dict[str, list[tuple[str, str, tuple[int, int]]]]]) -> Iterator[Found]:
    """The whole duration, said twice."""
    known: dict[str, tuple[float, bool, tuple[int, int], str]] = {}
    for said in sections:
        for label, value, place in said.get("duration", ()):
            length, vague = minutes(value)
            if length is None or label in {"time", "час", "время"}:
                continue
            first = known.setdefault(
                label.removeprefix("session ").removeprefix("overall "), (length, vague, place, value)
            )
            if not _fits(length, first[0], vague=vague or first[1]) and label.startswith(
                ("total", "session", "overall", "загальн")
            ):
                yield error(
                    "GR-REPORT-003",
                    place,
                    f"{label}: {value}",
                    f"{label} is {_told(length)} here and {_told(first[0])} in {at(first[2][0])}",
                    f"{at(first[2][0])}: {shown(first[3], 60)}",
                    "keep the one that was measured",
                )


def _timelines(doc: Document) -> Iterator[Found]:
    for index, section in enumerate(doc.sections[1:], start=1):
        if not re.search(r"\b(?:timeline|хронологія|хронология)\b", section.title, re.IGNORECASE):
            continue
        moments: list[tuple[int, Moment]] = []
        for line in doc.span(index):
            if doc.kinds[line] in {"item", "table"} and doc.prose[line]:
                moment = _line_moment(doc.prose[line], moments[-1][1].when.date() if moments else dt.date(2000, 1, 1))
                if moment is not None:
                    moments.append((line, moment))
        rises = sum(b[1].when > a[1].when for a, b in pairwise(moments))
        falls = [(a, b) for a, b in pairwise(moments) if b[1].when < a[1].when and b[1].exact == a[1].exact]
        if len(falls) > rises / 2:
            continue  # the newest first, or no order at all
        for (line, earlier), (below, later) in falls:
            if (earlier.when - later.when) > dt.timedelta(hours=12) and earlier.when.date() == later.when.date():
                continue  # past midnight
            yield error(
                RULE,
                (below, len(doc.prose[below]) - len(doc.prose[below].lstrip(" |*-"))),
                doc.prose[below],
                "it stands behind what came later",
                f"{at(line)}: {shown(doc.prose[line], 80)}",
                "put the entries in order, or correct the time",
            )


def _line_moment(text: str, day: dt.date) -> Moment | None:
    head = text.lstrip(" |*->+")[:40]
    dated = _A_DATE.match(head)
    if dated is None and not _TIME.match(head.lstrip("[(~")):
        return None
    return _moment(head.split("|")[0] if dated is None else head, day)
