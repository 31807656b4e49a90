"""JUnit XML, for the test reports of GitLab, Jenkins, Azure and others: a check or a finding is a test case.

JUnit has no word for what is excused: it is skipped, with the waiver for a reason.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from guardrails.mdtext import visible
from guardrails.preflight.outputs.points import points

if TYPE_CHECKING:
    from collections.abc import Iterator

    from guardrails.evidence import GateRecord
    from guardrails.preflight.outputs.points import Point

_ELEMENTS = {"failed": "failure", "error": "error", "skipped": "skipped", "excused": "skipped"}
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"})


def render(record: GateRecord) -> str:
    """The record as an XML document with one suite for each check."""
    return "\n".join(_lines(record)) + "\n"


def _lines(record: GateRecord) -> Iterator[str]:
    all_points = points(record)
    seconds = f"{record.evidence.duration:.3f}"
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield f'<testsuites name="guardrails preflight" {_counts(all_points)} time="{seconds}">'
    started = _text(record.evidence.started.removesuffix("Z"))
    for suite in dict.fromkeys(point.check for point in all_points):
        inside = [point for point in all_points if point.check == suite]
        spent = sum(point.duration for point in inside)
        yield f'  <testsuite name="{_text(suite)}" {_counts(inside)} time="{spent:.3f}" timestamp="{started}">'
        if record.notes and suite == all_points[0].check:
            notes = (f'<property name="note" value="{_text(note)}"/>' for note in record.notes)
            yield f"    <properties>{''.join(notes)}</properties>"
        for point in inside:
            yield from _case(point)
        yield "  </testsuite>"
    yield "</testsuites>"


def _case(point: Point) -> Iterator[str]:
    place = f' file="{_text(point.path)}"' if point.path else ""
    place += f' line="{point.line}"' if point.line else ""
    head = f'    <testcase classname="{_text(point.check)}" name="{_text(point.name)}" time="{point.duration:.3f}"'
    told = "\n".join(_text(f"{name}: {text}") for name, text in point.details)
    if point.outcome == "passed" and not told:
        yield f"{head}{place}/>"
        return
    yield f"{head}{place}>"
    if point.outcome == "passed":
        yield f"      <system-out>{_text(point.reason)}\n{told}</system-out>"
    else:
        element = _ELEMENTS[point.outcome]
        yield f'      <{element} message="{_text(point.reason)}">{told}</{element}>'
    yield "    </testcase>"


def _counts(inside: list[Point]) -> str:
    counts = Counter(_ELEMENTS.get(point.outcome, "") for point in inside)
    return (
        f'tests="{len(inside)}" failures="{counts["failure"]}" errors="{counts["error"]}" skipped="{counts["skipped"]}"'
    )


def _text(text: str) -> str:
    """Text for an attribute or an element: what XML forbids is shown as its escape, so `]]>` cannot end anything."""
    return visible(text).translate(_ENTITIES)
