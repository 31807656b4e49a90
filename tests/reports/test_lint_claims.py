"""Overclaims are never borne out, honest words about failure are never held against anybody."""

from __future__ import annotations

from pathlib import Path

import pytest

from guardrails.reports.lint import lint

OVERCLAIMS = [
    # denied by what the same text shows
    "All tests pass.\n\n3 tests are failing.",
    "All tests pass.\n\n```\n$ pytest --collect-only\n31 tests collected in 0.1s\n```",
    "All tests pass.\n\n```\n$ pytest\nno tests ran in 0.01s\n```",
    "All tests pass.\n\n```\n$ pytest\n31 skipped in 0.01s\n```",
    "All tests pass.\n\n```\n$ python -m unittest\nRan 0 tests in 0.000s\n```",
    "All 31 tests passed.\n\n```\n$ pytest\n1 failed, 30 passed in 2s\n```",
    "All checks are green.\n\n2 checks failed.",
    "100 % of tests pass.\n\n4 of 50 tests failed.",
    "No failing tests.\n\n- Failed: 2",
    "Zero failures.\n\n2 failures remain: `pytest` says so.",
    "All tests are passing; ran with `pytest`.\n\nTests: failed: 3",
    "Усі тести проходять.\n\n3 тести не проходять.",
    "**Verdict:** production ready\n\n1 test is failing.",
    "It is production ready.\n\n## Validation\n\n- [ ] load test",
    "Ready for production.\n\n## Test checklist\n\n- [ ] smoke",
    "**Status:** Complete\n\n## Tasks\n\n- [ ] write the tests",
    "## Migration ✅ Complete\n\n- [ ] copy the data",
    "No errors.\n\n## Errors\n\n- KeyError in `load`",
    "No breaking changes.\n\n## Breaking changes\n\n- `get` is gone",
    "Zero downtime.\n\nWe had 5 min of downtime.",
    "No overhead.\n\nIt costs 2 ms overhead.",
    "52 of 50 tests passed.",
    "45 of 50 tests passed (100 %).",
    "50 tests: 45 passed, 3 failed.",
    # nothing bears them out
    "The service is production ready.",
    "Ready for production.",
    "Готово до продакшну.",
    "100 % complete.",
    "Everything is 100% tested.",
    "The module is fully tested.",
    "It was thoroughly verified.",
    "Повністю протестовано.",
    "Timeouts were eliminated.",
    "Zero errors since then.",
    "The API is 60 % faster.",
    "Queries are significantly faster.",
    "Latency was reduced by 40 %.",
    "All tests pass.",
    "All tests pass.\n\n```bash\npython -m py_compile app.py\n```",
    "All tests pass.\n\n```bash\npytest --version\ngrep -rn pytest .\n```",
    "Battle-tested and bulletproof.",
]
HONEST = [
    "3 tests failed.",
    "The tests do NOT pass yet.",
    "Not tested.",
    "This is not production ready.",
    "It is far from production ready: 3 tests are failing.",
    "No tests were run.",
    "Only byte-compiled; nothing was executed.",
    "41 of 44 tests passed; 3 fail for lack of a broker.",
    "Once all tests pass we deploy. 3 tests are failing.",
    "- [ ] all tests pass\n- [ ] production ready\n\n2 tests failing.",
    "Make sure that all tests pass. 3 tests are failing.",
    "We could not make it faster.",
    "Timeouts were not eliminated.",
    "**Status:** Partial\n\n## Tasks\n\n- [x] code\n- [ ] tests",
    "Previously 3 tests were failing. Now all tests pass:\n\n```\n$ pytest -q\n44 passed in 2.1s\n```",
    "There are 4 errors left.\n\n## Errors\n\n- KeyError in `load`\n- three of a kind in `save`",
    "Coverage fell from 81 % to 79 %.",
    "Тести ще не проходять: 3 впало.",
    "Before this change all tests passed; now 2 tests fail.",
    "The goal is zero errors. Today there were 12 errors.",
    "Latency: 200 ms → 80 ms (-60 %), measured with `wrk`.",
]


def test_there_are_enough_of_them() -> None:
    assert len(OVERCLAIMS) >= 40
    assert len(HONEST) >= 20


@pytest.mark.parametrize("text", OVERCLAIMS)
def test_an_overclaim_is_found_and_never_supported(text: str) -> None:
    outcome = lint(f"# Status report\n\n{text}\n".encode(), Path("nowhere/r.md"), repository=None)
    assert outcome.claims != ()
    assert {claim.verdict for claim in outcome.claims} <= {"CONTRADICTED", "UNSUPPORTED"}


@pytest.mark.parametrize("text", HONEST)
def test_an_honest_word_is_not_held_against_anybody(text: str) -> None:
    outcome = lint(f"# Status report\n\n{text}\n".encode(), Path("nowhere/r.md"), repository=None)
    assert [(found.rule, found.claim, found.why, found.evidence) for found in outcome.findings] == []
