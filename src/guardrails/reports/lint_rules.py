"""The rules of the lint of reports: why each matters, a text that breaks it and one that does not, and the fix.

In the examples `4f2a91c` is a commit of the repository, and `deadbee1` is none. 001 to 012 need the text alone.
"""

from __future__ import annotations

from typing import NamedTuple


class LintRule(NamedTuple):
    """One kind of contradiction or doubt. `severity`: the worst that a finding of it can have."""

    id: str
    title: str
    severity: str
    why: str
    bad: str
    good: str
    fix: str
    verify: str = "guardrails report lint REPORT.md"
    runbook: str = "report-contradicted"


_TABLE = "| Suite | Passed |\n|---|---:|\n| unit | 40 |\n| api | 10 |\n| Total | {} |"

RULES = {
    rule.id: rule
    for rule in (
        LintRule(
            "GR-REPORT-001",
            "a total differs from its parts",
            "error",
            "One of the two is wrong, and a reader cannot tell which: the sum that decides may be the made-up one.",
            _TABLE.format(52),
            _TABLE.format(50),
            "Add the parts again; correct the total, or the part that is wrong. Better: let a command print both.",
        ),
        LintRule(
            "GR-REPORT-002",
            "a share or a change is not what its figures give",
            "error",
            "A percentage is what people quote. It was typed, not computed, or its figures changed afterwards.",
            "47 of 50 tests (96 %) pass.",
            "47 of 50 tests (94 %) pass.",
            "Compute the share from the figures beside it, or take it out.",
        ),
        LintRule(
            "GR-REPORT-003",
            "one thing has two figures",
            "error",
            "A text that was edited in one place only: what rests on the other figure is wrong.",
            "**Coverage:** 87 %\n\n## Tests\n\nCoverage: 91 %",
            "**Coverage:** 91 %\n\n## Tests\n\nCoverage: 91 %",
            "Find the command that gives the figure, run it, write its answer in one place.",
        ),
        LintRule(
            "GR-REPORT-004",
            "an announced number differs from the list under it",
            "error",
            "Something was left out of the list, or never existed.",
            "3 issues:\n\n- the queue grows\n- the socket leaks",
            "2 issues:\n\n- the queue grows\n- the socket leaks",
            "Complete the list, or correct the number.",
        ),
        LintRule(
            "GR-REPORT-005",
            "all is said to be well, and something is not",
            "error",
            "Who reads the summary alone deploys what the details say is broken.",
            "All tests pass.\n\n3 tests are failing.",
            "47 tests pass, 3 are failing.",
            "Say in the summary what is not well, or show that it is mended by the run that proves it.",
        ),
        LintRule(
            "GR-REPORT-006",
            "status words or boxes disagree",
            "error",
            "Work that is open is taken for done, or is done twice.",
            "**Status:** Complete\n\n## Tasks\n\n- [x] write it\n- [ ] test it",
            "**Status:** In progress\n\n## Tasks\n\n- [x] write it\n- [ ] test it",
            "Let one place say the status; tick what is done, and call nothing complete beside an open box.",
        ),
        LintRule(
            "GR-REPORT-007",
            "days, hours or durations cannot be",
            "error",
            "A time that was estimated is told as measured; what follows from it (impact, cost) is wrong too.",
            "**Started:** 2025-11-05 10:00\n**Ended:** 2025-11-05 12:30\n**Duration:** 4 h",
            "**Started:** 2025-11-05 10:00\n**Ended:** 2025-11-05 12:30\n**Duration:** 2 h 30 min",
            "Compute the duration from both times, and write times in UTC.",
        ),
        LintRule(
            "GR-REPORT-008",
            "a word lacks the evidence that it needs",
            "warning",
            '"Tested" needs a run, "faster" a figure before and one after, "production ready" all of it.',
            "# Status report\n\nThe API is much faster now.",
            "# Status report\n\nThe API answers in 80 ms at the median, before the change in 140 ms.",
            "Put the figure and its command beside the word, or say what is known instead.",
        ),
        LintRule(
            "GR-REPORT-009",
            "headings, tables, fences or boxes do not render",
            "error",
            "What does not render is not read: a fence that is never closed turns the rest of the report into code.",
            "Run it:\n\n```sh\nmake test\n\nIt passes.",
            "Run it:\n\n```sh\nmake test\n```\n\nIt passes.",
            "Close the fence, give each row as many cells as its header, and write boxes as `- [ ]`.",
        ),
        LintRule(
            "GR-REPORT-010",
            "a link leads nowhere",
            "error",
            "The evidence behind the link cannot be looked at.",
            "See [the log](gone.md).",
            "See [the log](report.md).",
            "Correct the path, relative to the report, or put the file there.",
        ),
        LintRule(
            "GR-REPORT-011",
            "the encoding is damaged",
            "error",
            "Names and signs are lost a little more each time the file is saved.",
            "\u00e2\u0153\u2026 \u00d0\u00b3\u00d0\u00be\u00d1\u201a\u00d0\u00be\u00d0\u00b2\u00d0\u00be",
            "\u2705 \u0433\u043e\u0442\u043e\u0432\u043e",
            "Run `guardrails report lint --fix-encoding REPORT.md`, and save texts as UTF-8.",
        ),
        LintRule(
            "GR-REPORT-012",
            "a command does not do what it is there for",
            "warning",
            "`restart` keeps the container that was made of the old image: the fix is built and not deployed.",
            "```sh\ndocker compose build api\ndocker compose restart api\n```",
            "```sh\ndocker compose build api\ndocker compose up -d api\n```",
            "Write `docker compose up -d` behind a build.",
        ),
        LintRule(
            "GR-REPORT-020",
            "a commit is not in the repository",
            "error",
            "It was made up, mistyped, or rebased away: nobody can look at what it is said to have done.",
            "Fixed in commit `deadbee1`.",
            "Fixed in commit `4f2a91c`.",
            "Take the hash from `git log`; after a rebase write the new one.",
        ),
        LintRule(
            "GR-REPORT-021",
            "a commit is not what is said of it",
            "error",
            "The change is looked for, or reverted, in the wrong commit.",
            "- `4f2a91c` (2024-01-01) fix: count the total once",
            "- `4f2a91c` (2025-11-03) fix: count the total once",
            "Compare with `git show --stat`, and write its subject, date and files.",
        ),
        LintRule(
            "GR-REPORT-022",
            "files, insertions or deletions are others",
            "error",
            "By the size of a change it is reviewed. The combined column of a diffstat is no number of insertions.",
            "`4f2a91c`: 2 files changed, 9 insertions(+)",
            "`4f2a91c`: 2 files changed, 8 insertions(+), 1 deletion(-)",
            "Write what `git show --shortstat` says, with the command.",
        ),
        LintRule(
            "GR-REPORT-023",
            "a file never was in the repository",
            "error",
            "Work is claimed in a file that no commit ever had.",
            "# Status report\n\nChanged `src/coupons.py` in `4f2a91c`.",
            "# Status report\n\nChanged `src/cart.py` in `4f2a91c`.",
            "Correct the path, or commit the file.",
        ),
        LintRule(
            "GR-REPORT-024",
            "a line reference points behind the end of its file",
            "error",
            "Without a commit a line moves with every change; behind the end it never was there.",
            "# Status report\n\nSee `src/cart.py:99` in `4f2a91c`.",
            "# Status report\n\nSee `src/cart.py:6` in `4f2a91c`.",
            "Look the line up, and name the commit beside it.",
        ),
        LintRule(
            "GR-REPORT-025",
            "a function, class or test is not in the file named",
            "error",
            "What is said to be implemented or tested is not there, or bears another name.",
            "# Status report\n\n`refund()` in `src/cart.py` does it (`4f2a91c`).",
            "# Status report\n\n`total()` in `src/cart.py` does it (`4f2a91c`).",
            "Write the name as the code has it, with its file.",
        ),
        LintRule(
            "GR-REPORT-026",
            "the number of commits is another",
            "error",
            "A report over a period that leaves a commit out hides just what its reader should see.",
            "# Status report\n\nTotal commits: 900, the last is `4f2a91c`.",
            "# Status report\n\nTotal commits: 3, the last is `4f2a91c`.",
            "Write what `git rev-list --count` says, and the range.",
        ),
    )
}
