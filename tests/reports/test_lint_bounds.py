"""Any bytes are read, in bounded time and memory; hostile text changes no line; tables are judged by arithmetic."""

from __future__ import annotations

import itertools
import random
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from guardrails.reports.lint import MOST_BYTES, MOST_FINDINGS, Outcome, lint
from guardrails.reports.lint_document import parse
from guardrails.reports.lint_encoding import repaired


def read(text: str | bytes) -> Outcome:
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    return lint(data, Path("nowhere/report.md"), repository=None)


def rules(outcome: Outcome) -> list[str]:
    return [found.rule for found in outcome.findings]


# -- tables ---------------------------------------------------------------------------------------

counts = st.lists(st.integers(0, 99_999), min_size=2, max_size=30)


def column(values: list[int], total: int, *, unit: str, grouped: bool, bold: bool, language: str) -> str:
    """A table of one column and its total, as people lay tables out."""
    label, head = {"en": ("Total", "Lines"), "uk": ("Разом", "Рядків")}[language]
    written = [f"{value:,}" if grouped else str(value) for value in (*values, total)]
    stars = "**" if bold else ""
    rows = [f"| item {number} | {value}{unit} |" for number, value in enumerate(written[:-1])]
    return "\n".join(
        [
            f"| Part | {head} |",
            "|---|---:|",
            *rows,
            f"| {stars}{label}{stars} | {stars}{written[-1]}{unit}{stars} |",
            "",
        ]
    )


layouts = st.fixed_dictionaries(
    {
        "unit": st.sampled_from(["", " min", " MB"]),
        "grouped": st.booleans(),
        "bold": st.booleans(),
        "language": st.sampled_from(["en", "uk"]),
    }
)


@given(counts, layouts)
def test_a_table_that_adds_up_is_never_flagged(values: list[int], layout: dict[str, object]) -> None:
    assert rules(read(column(values, sum(values), **layout))) == []  # type: ignore[arg-type]


@example([1, 2], 1, {"unit": "", "grouped": True, "bold": True, "language": "en"})
@given(counts, st.integers(-5_000, 5_000).filter(bool), layouts)
def test_a_table_that_does_not_add_up_is_always_flagged(values: list[int], off: int, layout: dict[str, object]) -> None:
    total = sum(values) + off
    if total < 0 or (layout["language"] == "uk" and layout["grouped"]):
        return  # a comma there may be a decimal one
    assert rules(read(column(values, total, **layout))) == ["GR-REPORT-001"]  # type: ignore[arg-type]


@given(st.integers(1, 500), st.integers(0, 500), st.integers(0, 500), st.integers(-3, 3))
def test_parts_and_totals_in_a_sentence_are_judged_by_arithmetic(
    passed: int, failed: int, skipped: int, off: int
) -> None:
    total = passed + failed + skipped + off
    if total >= 0:
        found = rules(read(f"{total} tests: {passed} passed, {failed} failed, {skipped} skipped."))
        assert found == (["GR-REPORT-001"] if off else [])


@given(st.integers(0, 2_000), st.integers(1, 2_000), st.integers(0, 100))
def test_shares_are_judged_by_arithmetic(n: int, m: int, said: int) -> None:
    found = rules(read(f"{n} of {m} tests ({said} %)"))
    exact = 100 * n / m
    if abs(exact - said) < 0.999 or abs(100 - exact - said) < 0.999:
        assert found == []
    elif abs(exact - said) > 1.001 and abs(100 - exact - said) > 1.001:
        assert found == ["GR-REPORT-002"]


# -- anything at all ------------------------------------------------------------------------------

PIECES = [
    *(
        "# ",
        "## Issue 1\n",
        "|",
        "---",
        "\n",
        "\n\n",
        "- ",
        "- [x] ",
        "- [ ] ",
        "```",
        "~~~\n",
        "`",
        "**",
        "12",
        " of ",
        "3/2",
        "%",
        "(90 %)",
        "Total",
        ": ",
    ),
    *(
        "All tests pass. ",
        "3 tests failing ",
        "Status: ",
        "done",
        "2025-02-30",
        "10:00–9:00 (3 h)",
        "[a](b)",
        "](#",
        "<!--",
        "-->",
        "â€™",
        "Ð³Ð¾",
        "é",
        "\u202e",
    ),
    *(
        "production ready",
        "no errors",
        "5 issues:",
        "1. ",
        "> ",
        "\t",
        "    ",
        "\\",
        "\x1b[31m",
        "\r",
        "\ud800",
        "+1/-2",
        "a.py:3",
        "0123abc9",
        "×",
        "→",
    ),
]


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=8), max_size=60).map("".join))
def test_any_text_is_read(text: str) -> None:
    outcome = read(text)
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    assert [found for found in outcome.findings if not 1 <= found.line <= len(lines) or found.column < 1] == []


@given(st.binary(max_size=300))
def test_any_bytes_are_read(data: bytes) -> None:
    outcome = read(data)
    assert outcome.unknown or isinstance(outcome.findings, tuple)


@given(st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=200))
def test_the_columns_of_prose_are_those_of_the_file(text: str) -> None:
    doc = parse(text)
    assert [
        (len(prose), len(line))
        for prose, line in zip(doc.prose, doc.lines, strict=True)
        if prose and len(prose) != len(line)
    ] == []


# -- bounds ---------------------------------------------------------------------------------------


def test_what_is_too_large_is_not_read_and_says_so() -> None:
    outcome = read(b"All tests pass. 3 tests failing.\n" * (50 * 2**20 // 33))
    assert outcome == Outcome(
        unknown=("it is larger than 8 MiB and was not read: split it, or lint the part with the claims",)
    )


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"a\0b", "it holds null bytes, so it is no text: give a Markdown file in UTF-8"),
        (random.Random(1).randbytes(5_000).replace(b"\0", b"x"), "bytes of it are not UTF-8"),
        (b"\xff\xfe" + b"a", "it begins like UTF-16 and is not: save it as UTF-8"),
    ],
)
def test_what_is_no_text_says_so(data: bytes, said: str) -> None:
    outcome = read(data)
    assert outcome.findings == ()
    assert said in outcome.unknown[0]


def test_a_byte_that_is_not_utf8_is_a_finding_and_the_rest_is_read() -> None:
    found = read(b"fine\ncaf\xe9 here\n\n12 of 10 tests passed.\n").findings
    assert [(item.rule, item.line, item.column) for item in found] == [("GR-REPORT-011", 2, 4), ("GR-REPORT-002", 4, 1)]


def test_utf16_and_a_byte_order_mark_are_read() -> None:
    text = "12 of 10 tests passed.\n"
    assert rules(read(text.encode("utf-16"))) == rules(read(b"\xef\xbb\xbf" + text.encode())) == ["GR-REPORT-002"]


GROWING = {
    "rows": lambda n: "| a | b |\n|---|---|\n" + "| x | 1 |\n" * n + "| Total | 0 |\n",
    "columns": lambda n: (
        "|" + " a |" * (n // 20) + "\n|" + " --- |" * (n // 20) + "\n" + ("|" + " 1 |" * (n // 20) + "\n") * 20
    ),
    "depth": lambda n: "".join(f"{'  ' * (number % 300)}- [ ] item {number} of this list\n" for number in range(n)),
    "quotes": lambda n: ">" * 500 + "\n" + "> > x 12 of 13\n" * n,
    "headings": lambda n: "".join(
        f"{'#' * (1 + number % 6)} Part {number}\n\n{number} errors, no errors\n" for number in range(n)
    ),
    "issues": lambda n: (
        "All 3 issues are fixed.\n"
        + "".join(f"## Issue {number}\n\n- [x] do the same thing\n" for number in range(1, n))
    ),
    "fences": lambda n: "```\n3 failed\n```\n" * n,
    "anchors": lambda n: "".join(f"# h{number}\n[x](#nothing{number})\n" for number in range(n // 8)),
    "numbers": lambda n: "12 of 13, 3/4 passed + " * n,
    "one line": lambda n: "`" * n + "(" * n + "[" * n + "|" * n + "12 " * n,
    "claims": lambda n: "All tests pass. " * 3 + "\n\n" + "2 tests failing. No errors. 4 errors.\n\n" * n,
    "mojibake": lambda n: "âœ… Ð³Ð¾Ñ‚Ð¾Ð²Ð¾\n" * n + "é" * n,
    "spans": lambda n: ("`a " * 1_000 + "\n") * (n // 1_000),
    "dates": lambda n: "## Timeline\n" + "- 10:00–12:30 (3 h) 2025-02-30\n" * n,
}


@pytest.mark.slow  # a few seconds in all: large texts
@pytest.mark.parametrize("shape", GROWING)
def test_time_grows_with_the_text_and_not_with_its_square(shape: str) -> None:
    def spent(n: int) -> float:
        data = GROWING[shape](n).encode()
        best = float("inf")
        for _ in range(2):
            begun = time.process_time()
            lint(data, Path("nowhere/r.md"), repository=None)
            best = min(best, time.process_time() - begun)
        return best

    small, large = spent(500), spent(4_000)
    # Eight times the text; a square would be 64 times the time.
    assert large < 24 * small + 0.5


def test_findings_have_a_bound_and_the_rest_are_counted() -> None:
    outcome = read("12 of 10 tests passed.\n\n" * (MOST_FINDINGS + 7))
    assert (len(outcome.findings), outcome.omitted) == (MOST_FINDINGS, 7)


def test_memory_is_a_small_multiple_of_the_text() -> None:
    data = ("A line of prose with 12 of 13 tests and `code`.\n" * 5_000).encode()
    tracemalloc.start()
    try:
        read(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 40 * len(data)


def test_a_long_line_is_passed_over_and_said_to_be() -> None:
    outcome = read("12 of 10 tests passed. " + "x" * 5_000)
    assert (outcome.findings, outcome.notes) == (
        (),
        ("lines longer than 4,000 characters, whose facts were not looked for: 1",),
    )
    assert MOST_BYTES == 8 * 2**20


# -- damaged text ---------------------------------------------------------------------------------

SOUND = [
    "готово сьогодні, п'ять із шести – «так», ще й ґанок",
    "Ёлка, объём и № 5 — всё хорошо…",
    "“état—éternel” « être » — naïve café, œuvre",
    "¿Qué? ESPAÑA Ñ° «MAÇÃ» – São Paulo",
    "Größe: 5 µm ±2 °C, §4 © ® ™ €5 £3 ½ × ÷",
    "✅ ⚠️ 🚀 ━━━ → ≥ ≠ ∞ • …",
    "日本語 中文 한국어 עברית العربية ไทย",
    "Þórður Æsir Åse Øl Ł Š Ž Ő ű",
]
DAMAGE = ("cp1252", "mac_roman", "cp1251", "latin-1", "cp1250")


@pytest.mark.parametrize("text", SOUND)
def test_text_in_any_language_is_left_alone(text: str) -> None:
    assert [repaired(word) for word in (text, *text.split())] == [text, *text.split()]


@pytest.mark.parametrize(
    ("text", "codec"),
    [
        (text, codec)
        for text, codec in itertools.product(
            ["✅ готово", "Привіт, світе", "isn’t – it?", "café — naïve", "Перевірено: ⚠️ ні", "━━━ 80 %"], DAMAGE
        )
    ],
)
def test_damaged_text_is_restored(text: str, codec: str) -> None:
    damaged = text.encode().decode(codec, "surrogateescape")
    if any("\ud800" <= char <= "\udfff" for char in damaged):
        # Readers put the control character of that number where the encoding has nothing.
        damaged = "".join(chr(ord(char) - 0xDC00) if "\udc80" <= char <= "\udcff" else char for char in damaged)
    assert damaged != text
    assert repaired(damaged) == text


def test_text_that_was_damaged_twice_is_restored() -> None:
    text = "готово ✅"
    once = text.encode().decode("latin-1")
    assert repaired(once.encode().decode("latin-1")) == text


def test_mojibake_in_code_alone_is_an_example_and_beside_damaged_prose_it_is_damage() -> None:
    code = "```\nâœ… ok\n```\n\n"
    assert rules(read(code + "It is shown as `â€™`.\n")) == []
    assert rules(read(code + "âœ… a\n\nâœ… b\n\nâœ… c\n")) == ["GR-REPORT-011"] * 4
