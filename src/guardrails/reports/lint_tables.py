"""Tables and lists whose rows are added up: the total below them, the total beside them, the share, the change.

A column is added up only where a row calls itself the total. What is no amount stays out: averages, rates,
largest values, versions, years. A relation between columns (share, change, total of a row) is held against a
row only where the header names it, or where most other rows show it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from guardrails.reports.lint_facts import Number, error, number
from guardrails.reports.lint_numbers import SHARE, SUM, change, listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from guardrails.reports.lint_document import Cell, Document, Item, Table
    from guardrails.reports.lint_facts import Found

_TOTAL = re.compile(
    r"\W*(?:grand\s+)?(?:total|totals|sum|разом|усього|всього|сума|підсумок|загалом|итого|всего"
    r"|сумма)\W*(?:\(\s*\d*\s*\w*\s*\))?\W*$",
    re.IGNORECASE,
)
_SUBTOTAL = re.compile(r"\W*sub-?\s?total|\W*проміжн|\W*промежуточ", re.IGNORECASE)
_NOT_ADDED = re.compile(
    r"\b(?:avg|average|mean|median|max|min|maximum|minimum|peak|p\d{2,3}|rate|ratio|cover\w*|percent\w*|share"
    r"|score|version|year|latency"
    r"|speed|throughput|rps|qps|ops|temperature|level|rank|id|no|priority|port|date|time|when|age|factor|speedup"
    r"|quantile|std\w*|stddev|dev"
    r"|per|density|complexity|grade|index|unique|distinct|threshold|limit|target|rating|average\w*"
    r"|середн\w*|макс\w*|мін\w*|версія|рік|відсот\w*|частка|покрит\w*|средн\w*|мин\w*|версия|год|процент\w*"
    r"|доля)\b|%|#|№|\u2116",
    re.IGNORECASE,
)
# The same thing may stand in several rows, and is one in the total.
_SHARED = re.compile(
    r"\b(?:files?|authors?|contributors?|users?|customers?|people|hosts?|modules?|файл\w*|автор\w*|користувач\w*)\b",
    re.IGNORECASE,
)
_STATISTIC = re.compile(
    r"\b(?:avg|average|mean|median|max\w*|min\w*|peak|p\d{2,3}|rate|coverage|time|duration|середн\w*|средн\w*)\b|%",
    re.IGNORECASE,
)
_SHARE_HEAD = re.compile(r"%|\b(?:share|percent\w*|pct|частка|відсот\w*|доля|процент\w*)\b", re.IGNORECASE)
_RATE_HEAD = re.compile(
    r"\b(?:rate|cover\w*|pass\w*|success\w*|complete\w*|progress|done|change|delta|diff|growth|improvement|зміна"
    r"|покрит\w*)\b",
    re.IGNORECASE,
)
_BEFORE = re.compile(r"\W*(?:before|baseline|old|previous|раніше|до|було|было)\b", re.IGNORECASE)
_AFTER = re.compile(r"\W*(?:after|now|new|current|після|зараз|стало|после)\b", re.IGNORECASE)
_CHANGE = re.compile(
    r"\W*(?:change|delta|diff\w*|improvement|reduction|gain|\u0394|\u2206|зміна|покращення|різниця|изменение"
    r"|улучшение)",
    re.IGNORECASE,
)
_VALUE = re.compile(
    r"[\s*~\u2248]*(?P<sign>[-+\u2212\u2013]?)\s?[$\u20ac\u00a3]?(?P<number>\d{1,3}(?:[, ]\d{3})+"
    r"|\d{1,15})(?P<rest>[.]\d{1,9})?\s*(?P<unit>[^\W\d]*|%)\s*[*]*$"
)
_EMPTY = re.compile(r"[\s\0*]*(?:[-\u2013\u2014\u2212]|n/a|none)?[\s*]*$", re.IGNORECASE)
_STATES = re.compile(
    r"\W*(?:tests?\s+)?(?:passed|passing|failed|failing|failures?|skipped|errors?|xfailed|xpassed|pending|blocked"
    r"|open|closed|done|completed?|remaining"
    r"|in progress|fixed|resolved|deferred|critical|high|medium|low|пройдено|впало|провалено|пропущено|помилок"
    r"|відкрито|закрито|виконано"
    r"|прошло|упало|пропущено|ошибок|открыто|закрыто)(?:\s+tests?)?\W*$",
    re.IGNORECASE,
)


class Value(NamedTuple):
    """A cell that is one figure."""

    number: Number
    unit: str
    signed: bool


def check(doc: Document) -> Iterator[Found]:
    """What does not add up in tables, and in lists of `label: figure`."""
    # With a comma for decimals, `1,234` may be either.
    commas = re.search("[\u0400-\u04ff]", "".join(doc.prose[:400])) is None
    for table in doc.tables:
        yield from _totals_below(table, commas=commas)
        yield from _totals_beside(table, commas=commas)
        yield from _shares(table, commas=commas)
        yield from _rates(table, commas=commas)
        yield from _changes(table, commas=commas)
    for group in lists(doc):
        yield from _list_total(group)


def figure(text: str, *, commas: bool = True) -> Value | None:
    """A cell that is one figure with at most a unit; None otherwise."""
    found = _VALUE.match(text)
    if found is None or len(text) > 60 or (not commas and "," in found["number"]):
        return None
    plain = re.sub("[, ]", "", found["number"]) + (found["rest"] or "")
    value = number(plain)
    negative = found["sign"] in {"-", "\u2212", "\u2013"} and found["sign"] != ""
    return Value(
        value._replace(value=-value.value if negative else value.value), found["unit"].lower(), bool(found["sign"])
    )


def _totals_below(table: Table, *, commas: bool) -> Iterator[Found]:
    start = 0
    for index, row in enumerate(table.rows):
        if not row or not _TOTAL.match(row[0].text) or not row[0].text.strip("\0 "):
            continue
        above = [other for other in table.rows[start:index] if len(other) > 1]
        lines = table.lines[index]
        if not above and index == 0 and all(_STATES.match(other[0].text) for other in table.rows[1:] if other):
            above = [other for other in table.rows[1:] if len(other) > 1]
        if any(_STATISTIC.search(other[0].text) for other in above) or len(above) < 2:
            continue
        for column in range(1, min(len(row), len(table.header))):
            yield from _column(table, above, row, column, lines, commas=commas)
        start = index + 1


def _column(
    table: Table, above: Sequence[tuple[Cell, ...]], row: tuple[Cell, ...], column: int, line: int, *, commas: bool
) -> Iterator[Found]:
    head = table.header[column].text
    total = figure(row[column].text, commas=commas)
    cells = [other[column].text if column < len(other) else "" for other in above]
    values = [figure(cell, commas=commas) for cell in cells if not _EMPTY.match(cell)]
    if total is None or len(values) < 2 or None in values:
        return
    known = [value for value in values if value is not None]
    if {value.unit for value in known} - {total.unit} and any(value.unit for value in known):
        return
    if total.unit == "%" or known[0].unit == "%":
        if _RATE_HEAD.search(head) or not _is_share(known, total):
            return
    elif _NOT_ADDED.search(head):
        return
    made, subtotals = _made(above, column, commas=commas)
    slack = (
        0.5 * 10.0**-total.number.digits
        + sum(0.5 * 10.0**-value.number.digits for value in known if value.number.digits or total.unit == "%")
        + 1e-6
    )
    slack = slack if any(value.number.digits for value in known) or total.number.digits or total.unit == "%" else 1e-6
    if any(abs(sum_ - total.number.value) <= slack for sum_ in (made, *subtotals)):
        return
    if _SHARED.search(head) and max(value.number.value for value in known) <= total.number.value < made:
        return
    yield error(
        SUM,
        (line, row[column].column),
        f"{row[0].raw}: {row[column].raw}" + (f" ({head.strip()})" if head.strip() else ""),
        f"the rows make {_plain(made)}, not {total.number}",
        f"{listed(value.number for value in known)} = {_plain(made)}",
        "add the column again; correct the total, or the row that is wrong",
    )


def _is_share(parts: Sequence[Value], total: Value) -> bool:
    made = sum(part.number.value for part in parts)
    return total.number.value == 100 and all(part.number.value < 100 for part in parts) and 80 <= made <= 120


def _made(above: Sequence[tuple[Cell, ...]], column: int, *, commas: bool) -> tuple[float, list[float]]:
    """The sum of the rows, and the sums that count where there are subtotals among them."""
    plain = sub = 0.0
    for row in above:
        value = figure(row[column].text, commas=commas) if column < len(row) else None
        if value is not None and _SUBTOTAL.match(row[0].text):
            sub += value.number.value
        elif value is not None:
            plain += value.number.value
    return plain, [sub] if sub else []


def _plain(value: float) -> str:
    return f"{round(value, 6):,g}" if abs(value) < 1e6 else f"{value:,.0f}"


def _rows(table: Table) -> Iterator[tuple[int, tuple[Cell, ...]]]:
    for line, row in zip(table.lines, table.rows, strict=True):
        if len(row) == len(table.header):
            yield line, row


def _totals_beside(table: Table, *, commas: bool) -> Iterator[Found]:
    """The last column is called a total, and most rows are the sum of the columns before it."""
    last = len(table.header) - 1
    if (
        last < 3
        or not _TOTAL.match(table.header[last].text)
        or any(_NOT_ADDED.search(cell.text) for cell in table.header[1:])
    ):
        return
    right, wrong = 0, []
    for line, row in _rows(table):
        values = [figure(cell.text, commas=commas) for cell in row[1:]]
        if None in values:
            continue
        *parts, total = [value.number.value for value in values if value is not None]
        if abs(sum(parts) - total) < 1e-6:
            right += 1
        else:
            wrong.append((line, row, parts))
    if right < 2 or len(wrong) > right // 2:
        return
    for line, row, parts in wrong:
        yield error(
            SUM,
            (line, row[last].column),
            f"{row[0].raw}: {row[last].raw} ({table.header[last].text.strip()})",
            f"the columns make {_plain(sum(parts))}; in {right} other rows they make the total",
            f"{listed(map(_plain, parts))} = {_plain(sum(parts))}",
            "add the row again; correct its total, or the column that is wrong",
        )


def _shares(table: Table, *, commas: bool) -> Iterator[Found]:
    """A column of percentages that are each a row's part of another column's total."""
    for column, head in enumerate(table.header):
        if not _SHARE_HEAD.search(head.text) or _RATE_HEAD.search(head.text):
            continue
        body = [(line, row) for line, row in _rows(table) if not _TOTAL.match(row[0].text)]
        for other in range(1, len(table.header)):
            if other != column:
                yield from _share_of(body, column, other, commas=commas)


def _share_of(body: list[tuple[int, tuple[Cell, ...]]], column: int, other: int, *, commas: bool) -> Iterator[Found]:
    read = [(line, row, figure(row[column].text), figure(row[other].text, commas=commas)) for line, row in body]
    if any(share is None or count is None or count.unit for _, _, share, count in read):
        return
    pairs = [(line, row, share.number, count.number.value) for line, row, share, count in read if share and count]
    whole = sum(count for _, _, _, count in pairs)
    if whole <= 0:
        return
    wrong = [pair for pair in pairs if not pair[2].allows(100 * pair[3] / whole)]
    if len(pairs) < 3 or len(wrong) > (len(pairs) - 1) // 2:
        return
    for line, row, share, count in wrong:
        exact = 100 * count / whole
        yield error(
            SHARE,
            (line, row[column].column),
            f"{row[0].raw}: {row[column].raw}",
            f"{_plain(count)} of {_plain(whole)} is {exact:.1f} %, not {share} %",
            f"{_plain(count)} / {_plain(whole)} = {exact:.2f} %",
            "compute the share again, or correct the count",
        )


_PASSED_HEAD = re.compile(
    r"\W*(?:passed|passing|done|completed?|fixed|covered|closed|ok|пройдено|виконано|прошло)\W*$", re.IGNORECASE
)
_WHOLE_HEAD = re.compile(r"\W*(?:total|tests|all|of|count|planned|всього|усього|тестів|всего)\W*$", re.IGNORECASE)
_RATE = re.compile(
    r"\W*(?:pass\s*)?(?:rate|%|percent\w*|coverage|progress|success(?:\s+rate)?|pass\s*%|відсоток|процент)\W*$",
    re.IGNORECASE,
)


def _rates(table: Table, *, commas: bool) -> Iterator[Found]:
    """Passed, total and rate beside one another, by their headers."""
    columns = []
    for pattern in (_PASSED_HEAD, _WHOLE_HEAD, _RATE):
        matching = [index for index, cell in enumerate(table.header) if index and pattern.match(cell.text)]
        if len(matching) != 1:
            return
        columns += matching
    for line, row in _rows(table):
        values = [figure(row[column].text, commas=commas) for column in columns]
        if None in values:
            continue
        part, whole, rate = [value for value in values if value is not None]
        if rate.unit != "%" or whole.number.value <= 0 or part.unit or whole.unit:
            continue
        exact = 100 * part.number.value / whole.number.value
        if not rate.number.allows(exact):
            yield error(
                SHARE,
                (line, row[columns[2]].column),
                f"{row[0].raw}: {part.number} of {whole.number}, {row[columns[2]].raw}",
                f"{part.number} of {whole.number} is {exact:.1f} %, not {rate.number} %",
                f"{part.number} / {whole.number} = {exact:.2f} %",
                "compute the rate again, or correct the counts",
            )


def _changes(table: Table, *, commas: bool) -> Iterator[Found]:
    """Before, after and change beside one another, by their headers."""
    columns = []
    for pattern in (_BEFORE, _AFTER, _CHANGE):
        matching = [index for index, cell in enumerate(table.header) if index and pattern.match(cell.text)]
        if len(matching) != 1:
            return
        columns += matching
    for line, row in _rows(table):
        old, new = (figure(row[column].text, commas=commas) for column in columns[:2])
        said = re.match(
            r"\W*?([-+\u2212\u2013~\u2248\u2193\u2191]?)\s?(\d{1,6}(?:\.\d{1,3})?)\s?(%|[x\u00d7])(?!\w)",
            row[columns[2]].text,
        )
        if old is None or new is None or said is None or old.number.value == 0 or old.unit != new.unit:
            continue
        if any(re.search(r"[~\u2248+]", row[column].text) for column in columns[:2]):
            continue
        text = " | ".join(cell.raw for cell in row)
        yield from change(
            (line, row[columns[2]].column), text, (old.number, new.number), old.unit, said[2], said[3], said[1]
        )


def lists(doc: Document) -> Iterator[list[Item]]:
    """Items that follow one another at one depth."""
    group: list[Item] = []
    for item in doc.items:
        near = group and item.line - group[-1].line <= 2 and doc.section_of[item.line] == doc.section_of[group[-1].line]
        if group and (item.indent != group[0].indent or not near):
            yield group
            group = []
        group.append(item)
    if group:
        yield group


def _list_total(group: list[Item]) -> Iterator[Found]:
    """`- Passed: 45`, `- Failed: 3`, `- Total: 50`."""
    pairs = []
    for item in group:
        label, colon, rest = item.text.partition(":")
        value = figure(rest) if colon else None
        if value is None:
            return
        pairs.append((item, label, value))
    totals = [
        pair for pair in pairs if _TOTAL.match(pair[1]) or re.match(r"\W*total tests\W*$", pair[1], re.IGNORECASE)
    ]
    if len(totals) != 1 or totals[0] not in (pairs[0], pairs[-1]):
        return
    item, label, total = totals[0]
    parts = [pair for pair in pairs if pair is not totals[0]]
    if len(parts) < 2 or any(_STATISTIC.search(part[1]) or part[2].unit != total.unit for part in parts):
        return
    if not all(_STATES.match(part[1]) for part in parts) and not _TOTAL.match(label):
        return
    made = sum(part[2].number.value for part in parts)
    if abs(made - total.number.value) < 1e-6 or total.unit == "%":
        return
    yield error(
        SUM,
        (item.line, item.column),
        item.text,
        f"the items make {_plain(made)}, not {total.number}",
        f"{listed(part[2].number for part in parts)} = {_plain(made)}",
        "count again; name what is missing, or correct the total",
    )
