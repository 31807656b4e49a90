"""Texts that contradict themselves, each with a twin that differs in the one thing that was wrong.

Class -> rule, and pairs of a wrong text and its sound twin. The twin has no finding of any rule.
"""

from __future__ import annotations

from textwrap import dedent

REPORT = "# Status report\n\n"


def table(*rows: str) -> str:
    """A table of rows whose cells are separated by commas; the first is the header."""
    lines = [f"| {' | '.join(row.split(','))} |" for row in rows]
    return "\n".join([lines[0], "|" + " --- |" * (rows[0].count(",") + 1), *lines[1:]]) + "\n"


def swap(text: str, *pairs: tuple[str, str]) -> tuple[str, str]:
    """The text and its twin, in which each first part is replaced by the second."""
    text = dedent(text).lstrip("\n")
    twin = text
    for wrong, right in pairs:
        assert wrong in twin, (wrong, text)
        twin = twin.replace(wrong, right)
    return text, twin


CASES: dict[str, tuple[str, list[tuple[str, str]]]] = {
    "more than there are": (
        "GR-REPORT-002",
        [
            swap("12 of 10 tests passed.", ("12 of 10", "10 of 12")),
            swap("- Progress: 7/5 tasks", ("7/5", "5/7")),
            swap("We migrated 31 out of 30 services.", ("31 out of 30", "30 out of 31")),
            swap("Виконано 9 з 7 завдань.", ("9 з 7", "7 з 9")),
        ],
    ),
    "percentage of n of m": (
        "GR-REPORT-002",
        [
            swap("45 of 50 tests passed (95 %).", ("95", "90")),
            swap("Pass rate: 45/50 = 92%", ("92", "90")),
            swap("80 % complete (36/50 tasks).", ("80", "72")),
            swap("Пройдено 45 з 60 перевірок (80 %).", ("80", "75")),
            swap("Two thirds: 2 of 3 (60 %).", ("60", "67")),
        ],
    ),
    "change from before to after": (
        "GR-REPORT-002",
        [
            swap("Latency: 200 ms → 50 ms (-60 %), measured with `wrk`.", ("60", "75")),
            swap("Start-up went from 8.0 s to 2.0 s (6x), by `hyperfine`.", ("6x", "4x")),
            swap("Errors: 120 → 30 (−50%)", ("50", "75")),
            swap("Satisfaction: 5 → 8 (+80%)", ("80", "60")),
        ],
    ),
    "change in a table": (
        "GR-REPORT-002",
        [
            swap(
                "Measured with `wrk`:\n\n" + table("Metric,Before,After,Change", "p95,200 ms,50 ms,-60%"), ("60", "75")
            ),
            swap("By `grep -c`:\n\n" + table("Metric,Before,After,Change", "errors,120,30,-90%"), ("90", "75")),
            swap("By `time`:\n\n" + table("Metric,Before,After,Improvement", "build,90 s,30 s,5x"), ("5x", "3x")),
        ],
    ),
    "parts and total in a sentence": (
        "GR-REPORT-001",
        [
            swap("50 tests: 45 passed, 3 failed, 1 skipped.", ("1 skipped", "2 skipped")),
            swap("Total: 20 (15 passed, 6 failed)", ("6", "5")),
            swap("45 passed, 3 failed, 2 skipped (55 total)", ("55", "50")),
            swap("12 files changed (5 modified, 3 added, 2 deleted).", ("2 deleted", "4 deleted")),
            swap("The sum is 12 + 30 = 45 lines.", ("45", "42")),
            swap("50 тестів: 45 пройдено, 4 впало.", ("4 впало", "5 впало")),
        ],
    ),
    "total of a column": (
        "GR-REPORT-001",
        [
            swap(table("Suite,Tests", "unit,40", "api,12", "**Total**,**54**"), ("54", "52")),
            swap(table("Task,Minutes", "a,20 min", "b,35 min", "c,10 min", "Total,75 min"), ("75", "65")),
            swap(table("Файл,Рядків", "a,10", "b,25", "Разом,36"), ("36", "35")),
            swap(
                table("File,Added,Deleted", "a.py,\\+12,-3", "b.py,\\+8,-4", "Total,\\+21,-7").replace("\\", ""),
                ("21", "20"),
            ),
            swap(table("Area,Hours", "a,1.5", "b,2.25", "Subtotal,3.75", "c,1", "Total,6.00"), ("6.00", "4.75")),
        ],
    ),
    "total of a list": (
        "GR-REPORT-001",
        [
            swap("- Passed: 45\n- Failed: 3\n- Skipped: 2\n- Total: 52", ("52", "50")),
            swap("- Total tests: 20\n- Passed: 15\n- Failed: 4", ("20", "19")),
            swap("- a: 20 min\n- b: 40 min\n- Total: 65 min", ("65", "60")),
        ],
    ),
    "total beside a row": (
        "GR-REPORT-001",
        [
            swap(
                table("Suite,Passed,Failed,Total", "a,3,1,4", "b,5,0,5", "c,2,2,5"), ("| 2 | 2 | 5 |", "| 2 | 2 | 4 |")
            ),
            swap(table("Day,Opened,Moved,Total", "1,10,2,12", "2,11,3,14", "3,7,1,9"), ("| 9 |", "| 8 |")),
            swap(table("Team,High,Low,Sum", "x,1,1,2", "y,0,4,4", "z,3,3,7"), ("| 7 |", "| 6 |")),
        ],
    ),
    "share and rate in a table": (
        "GR-REPORT-002",
        [
            swap(table("Suite,Passed,Total,Rate", "unit,45,50,95%"), ("95", "90")),
            swap(table("Area,Commits,Share", "api,50,50%", "ui,30,30%", "docs,20,25%"), ("25%", "20%")),
            swap(table("Module,Done,Total,Progress", "a,3,4,70%"), ("70", "75")),
        ],
    ),
    "announced number and list": (
        "GR-REPORT-004",
        [
            swap("Fixed 3 issues:\n\n- the timeout\n- the leak", ("3", "2")),
            swap("## Completed (4)\n\n- one thing\n- another thing\n- a third thing", ("4", "3")),
            swap("The following five files were changed:\n\n1. `a.py`\n2. `b.py`", ("five", "two")),
            swap("## Last 3 commits\n\n" + table("Commit,Subject", "`a`,x", "`b`,y"), ("3", "2")),
            swap("Виправлено 3 помилки:\n\n- тайм-аут\n- витік", ("3", "2")),
            swap("## Fixed 2 bugs\n\n- a leak\n- a race\n- a typo", ("2", "3")),
        ],
    ),
    "announced number and sections": (
        "GR-REPORT-004",
        [
            swap(
                "All 4 issues are fixed.\n\n## Issue 1: a\n\nx\n\n## Issue 2: b\n\nx\n\n## Issue 3: c\n\nx", ("4", "3")
            ),
            swap("All two bugs are gone.\n\n## Bug 1\n\nx\n\n## Bug 2\n\nx\n\n## Bug 3\n\nx", ("two", "three")),
            swap("5 phases completed.\n\n## Phase 1\n\nx\n\n## Phase 2\n\nx", ("5", "2")),
        ],
    ),
    "two figures for one thing": (
        "GR-REPORT-003",
        [
            swap("**Total tests:** 45\n\n## Results\n\n- Total tests: 47", ("47", "45")),
            swap("12 files changed.\n\n## Summary\n\n14 files changed.", ("14", "12")),
            swap("Coverage: 81%\n\n## Metrics\n\n" + table("Metric,Value", "Coverage,84%"), ("84", "81")),
            swap("45 tests passed.\n\n## Testing\n\n46 tests passed.", ("46", "45")),
            swap("Total duration: 2 h\n\n## End\n\nTotal duration: 3 h", ("3 h", "2 h")),
        ],
    ),
    "all pass beside failures": (
        "GR-REPORT-005",
        [
            swap(
                "All tests pass.\n\n3 tests are failing. Ran with `pytest`.",
                ("3 tests are failing.", "3 tests were failing before."),
            ),
            swap(
                "All 45 tests passing.\n\n## Results\n\n```\n$ pytest -q\n2 failed, 43 passed in 1.2s\n```",
                ("2 failed, 43 passed", "45 passed"),
            ),
            swap("100 % of tests are green, by `pytest`.\n\n- Failed: 2", ("Failed: 2", "Failed: 0")),
            swap("No failing tests.\n\n4 of 50 tests failed.", ("4 of 50 tests failed", "50 of 50 tests passed")),
            swap(
                "Усі тести проходять.\n\n3 тести не проходять.", ("3 тести не проходять", "Раніше 3 тести не проходили")
            ),
        ],
    ),
    "all pass where none ran": (
        "GR-REPORT-005",
        [
            swap(
                "All tests pass.\n\n```\n$ pytest\ncollected 0 items\nno tests ran in 0.01s\n```",
                ("collected 0 items\nno tests ran", "collected 9 items\n9 passed"),
            ),
            swap(
                "All tests pass.\n\n```\n$ pytest --collect-only\n31 tests collected in 0.2s\n```",
                (" --collect-only\n31 tests collected", "\n31 passed"),
            ),
            swap("All tests pass.\n\n```\n$ pytest\n12 skipped in 0.02s\n```", ("12 skipped", "12 passed")),
        ],
    ),
    "none beside some": (
        "GR-REPORT-005",
        [
            swap(
                "No breaking changes.\n\n## Breaking changes\n\n- `get` returns a tuple",
                ("- `get` returns a tuple", "- None"),
            ),
            swap("Zero errors.\n\n## Errors\n\n- ValueError in `load`", ("- ValueError in `load`", "None.")),
            swap("There is no overhead.\n\nWe measured ~2 ms overhead.", ("~2 ms overhead", "it with `perf`")),
            swap("0 warnings.\n\nThe build printed 12 warnings.", ("printed 12 warnings", "was quiet")),
        ],
    ),
    "production ready beside what is not": (
        "GR-REPORT-005",
        [
            swap(
                "**Verdict:** production ready.\n\n2 tests are failing. See `pytest`.",
                ("production ready", "in review"),
            ),
            swap("It is ready for production.\n\n## Validation\n\n- [ ] load test", ("[ ]", "[x]")),
            swap(
                "The service is now production-ready.\n\n## Test checklist\n\n- [x] unit\n- [ ] restart of the broker",
                ("[ ]", "[x]"),
            ),
        ],
    ),
    "status words": (
        "GR-REPORT-006",
        [
            swap(
                "# Session\n\n**Status:** Paused\n\n## Work\n\nx\n\n---\n\n**Status:** Complete", ("Complete", "Paused")
            ),
            swap(
                "# Session\n\n**Status:** ✅ Completed\n\n## Work\n\nx\n\n---\n\nStatus: in progress",
                ("in progress", "done"),
            ),
            swap(
                "# Сесія\n\n**Статус:** Завершено\n\n## Робота\n\nx\n\n---\n\n**Статус:** призупинено",
                ("призупинено", "завершено"),
            ),
        ],
    ),
    "done beside open boxes": (
        "GR-REPORT-006",
        [
            swap("**Status:** Complete\n\n## Work\n\n- [x] code\n- [ ] docs", ("[ ]", "[x]")),
            swap("## Phase A ✅ Complete\n\n- [x] code\n- [ ] docs", ("[ ]", "[x]")),
            swap("Progress: 3/3\n\n## Todo\n\n- [x] a\n- [x] b\n- [ ] c", ("3/3", "2/3")),
        ],
    ),
    "ticked and not ticked": (
        "GR-REPORT-006",
        [
            swap("## Todo\n\n- [x] write the migration\n\n## Criteria\n\n- [ ] Write the migration", ("[ ]", "[x]")),
            swap(
                "- [x] test on staging server\n- [ ] test on staging server",
                ("- [ ] test on staging server", "- [ ] test on the target"),
            ),
            swap("## План\n\n- [ ] оновити схему бази\n\n## Зроблено\n\n- [x] Оновити схему бази", ("- [ ]", "- [x]")),
        ],
    ),
    "days that are none": (
        "GR-REPORT-007",
        [
            swap("Deployed on 2025-02-30.", ("02-30", "02-28")),
            swap("Date: Monday, November 5, 2025", ("Monday", "Wednesday")),
            swap("Period: 2025-11-10 – 2025-11-05", ("2025-11-05", "2025-11-15")),
        ],
    ),
    "end before start": (
        "GR-REPORT-007",
        [
            swap("**Started:** 2025-11-05 12:00\n**Ended:** 2025-11-05 10:00", ("10:00", "14:00")),
            swap("Created: 2025-11-05\nLast updated: 2025-11-01", ("11-01", "11-09")),
            swap("Розпочато: 2025-11-05\nЗавершено: 2025-11-04", ("11-04", "11-06")),
            swap("## Timeline\n\n- 10:00 alert\n- 10:20 found\n- 10:15 fixed\n- 10:40 closed", ("10:15", "10:25")),
        ],
    ),
    "durations": (
        "GR-REPORT-007",
        [
            swap("Started: 2025-11-05 10:00\nEnded: 2025-11-05 12:30\nDuration: 4 h", ("4 h", "2 h 30 min")),
            swap("- 10:00–12:30 (3 h) review", ("3 h", "2.5 h")),
            swap("Started: 2025-11-05 09:00\nPaused: 2025-11-05 10:00\nActive time: 2 h", ("2 h", "45 min")),
        ],
    ),
    "code that never ends": (
        "GR-REPORT-009",
        [
            swap("```bash\nls\n\n## Next\n\nx", ("ls\n", "ls\n```\n")),
            swap("- step\n\n  ~~~\n  x\n", ("  x\n", "  x\n  ~~~\n")),
            swap("````\n```\nx\n```\n", ("x\n```\n", "x\n```\n````\n")),
        ],
    ),
}

# Rule of a warning, and pairs as above.
DOUBTS: dict[str, tuple[str, list[tuple[str, str]]]] = {
    "words without evidence": (
        "GR-REPORT-008",
        [
            swap(REPORT + "The service is production ready.", ("is production", "is not production")),
            swap(REPORT + "Everything is 100 % complete.", ("is 100 % complete", "was planned")),
            swap(REPORT + "The API is much faster now.", ("is much faster now", "answers in 20 ms")),
            swap(REPORT + "Retries eliminated all timeouts.", ("eliminated all", "should have eliminated all")),
            swap(REPORT + "It is fully tested.", ("fully tested.", "fully tested: `pytest -q` gave 45 passed.")),
        ],
    ),
    "tested where only compiled": (
        "GR-REPORT-008",
        [
            swap(
                REPORT + "All tests pass.\n\n```bash\npython -m py_compile app.py\n```",
                ("python -m py_compile app.py", "pytest -q"),
            ),
            swap(
                REPORT + "Fully tested.\n\n```bash\ngrep -c retry app.py\n```",
                ("grep -c retry app.py", "python -m pytest tests"),
            ),
            swap(REPORT + "Status of the module: tested.\n\n```bash\nruff check .\n```", ("ruff check .", "make test")),
        ],
    ),
    "metrics without a command": (
        "GR-REPORT-008",
        [
            swap(
                REPORT + table("Metric,Before,After", "errors,120,0"),
                ("# Status report", "# Status report\n\nCounted by `grep -c`."),
            ),
            swap(
                REPORT + "## Impact\n\n" + table("Metric,Before,After", "p95,2 s,1 s"),
                ("## Impact", "## Impact\n\nFrom [the run](https://example.com/run)."),
            ),
            swap(
                REPORT + "## Вплив\n\n" + table("Метрика,До,Після", "помилок,12,0"),
                ("## Вплив", "## Вплив\n\nЗа `grep -c`."),
            ),
        ],
    ),
    "headings, tables and boxes": (
        "GR-REPORT-009",
        [
            swap("# A\n\n### B\n\nx", ("###", "##")),
            swap("## 1. A\n\nx\n\n## 3. B\n\nx", ("3.", "2.")),
            swap("| a | b |\n| --- | --- |\n| 1 | 2 | 3 |\n", (" 3 |", "")),
            swap("| a | b |\n| 1 | 2 |\n| 3 | 4 |\n", ("| b |\n", "| b |\n| --- | --- |\n")),
            swap("- [x] a\n- [] b\n", ("[]", "[ ]")),
        ],
    ),
    "links to nowhere": (
        "GR-REPORT-010",
        [
            swap("See [the log](logs/run-1.md).", ("logs/run-1.md", "there.md")),
            swap("# A part\n\n[back](#apart-from)", ("#apart-from", "#a-part")),
            swap("![chart](charts/p95.svg)", ("charts/p95.svg", "https://example.com/p95.svg")),
        ],
    ),
    "mojibake": (
        "GR-REPORT-011",
        [
            swap("âœ… ready to read", ("âœ…", "✅")),
            swap("Ð³Ð¾Ñ‚Ð¾Ð²Ð¾ сьогодні", ("Ð³Ð¾Ñ‚Ð¾Ð²Ð¾", "готово")),
            swap("It isnâ€™t so.", ("â€™", "’")),
            swap("‚úÖ caf√©", ("‚úÖ", "✅"), ("√©", "é")),
            swap("РџСЂРёРІС–С‚", ("РџСЂРёРІС–С‚", "Привіт")),
        ],
    ),
    "commands that do something else": (
        "GR-REPORT-012",
        [
            swap("```bash\ndocker compose build api\ndocker compose restart api\n```", ("restart", "up -d")),
            swap("```sh\ndocker-compose build\ndocker-compose restart worker\n```", ("restart worker", "up -d worker")),
            swap("```bash\ndocker build -t app .\ndocker restart app\n```", ("docker restart app", "docker run app")),
        ],
    ),
    "nobody to call": (
        "GR-REPORT-008",
        [
            swap(REPORT + "## Escalation\n\nCall the team.", ("Call the team", "Call #backend")),
            swap(REPORT + "## Contact\n\nAsk whoever is there.", ("Ask whoever is there", "Ask ops@example.com")),
            swap(REPORT + "## Контакти\n\nЗверніться до команди.", ("до команди", "до @oncall")),
        ],
    ),
}
