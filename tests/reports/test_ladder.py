"""What words need, what is no claim, and what is written instead of a word that says too much."""

from __future__ import annotations

import pytest

from guardrails.evidence import EvidenceRecord, Rung
from guardrails.reports.ladder import honest, needs
from guardrails.reports.measures import compared, measure
from guardrails.reports.verdicts import _answers


@pytest.mark.parametrize(
    ("text", "rungs"),
    [
        ("Syntax ok", ["E2"]),
        ("The gate passes", ["E2"]),
        ("Renamed Foo to Bar", ["E1"]),
        ("The retry is tested", ["E3"]),
        ("The login loop is fixed", ["E3"]),
        ("Users keep their session after a reconnect", ["E3"]),
        ("Deployed to production", ["E4"]),
        ("It is live and healthy", ["E4"]),
        ("The service is live", ["E4"]),
        ("Errors eliminated", ["E5"]),
        ("No errors in production", ["E5"]),
        ("The stream is faster", ["E5"]),
        ("−30 % latency", ["E5"]),
        ("Reduced errors by 90 %", ["E5"]),
        ("Production ready", ["E5"]),
        ("Tested and deployed", ["E3", "E4"]),
        ("Tested, but not deployed", ["E3"]),
        ("No test fails", ["E3"]),
        ("Not a single test fails", ["E3"]),
        ("Усі помилки усунуто", ["E5"]),
        ("Чат протестовано", ["E3"]),
        ("Not tested", []),
        ("It was never deployed", []),
        ("Is it faster?", []),
        ("It is not production ready", []),
    ],
)
def test_a_word_needs_its_rung(text: str, rungs: list[str]) -> None:
    assert [need.rung.value for need in needs(text)] == rungs


def test_figures_and_scopes_are_taken_from_the_words() -> None:
    (need,) = needs("All 1,200 unit tests pass")
    assert (need.whole, need.tests) == (True, 1200)
    (need,) = needs("Coverage is now 87.5 %")
    assert need.covered == 87.5
    (need,) = needs("p95 is 40 % lower")
    assert need.percent == 40
    (need,) = needs("No regressions")
    assert need.new
    assert [(need.none, need.gone) for need in needs("Zero errors; timeouts are gone")] == [
        (True, False),
        (False, True),
    ]


@pytest.mark.parametrize(
    ("text", "reached", "does", "true"),
    [
        ("The retry is tested", Rung.STATIC, "byte-compiled", "The retry is [byte-compiled only]"),
        ("The retry is tested", Rung.STATIC, "linted", "The retry is [linted only]"),
        ("The retry is tested", Rung.EXISTS, "", "The retry is [only recorded]"),
        ("The retry is tested", Rung.ASSERTED, "", "The retry is [only asserted]"),
        ("Tested and deployed", Rung.TESTED, "", "Tested and [only tested]"),
        ("p95 is 40 % lower", Rung.RUN_IN_TARGET, "", "p95 is [only run in the target]"),
        ("Syntax ok, and tested", Rung.STATIC, "byte-compiled", "Syntax ok, and [byte-compiled only]"),
        ("Not tested", Rung.ASSERTED, "", "Not tested"),
        ("Tested", Rung.TESTED, "", "Tested"),
    ],
)
def test_what_is_true_stands_in_place_of_the_word(text: str, reached: Rung, does: str, true: str) -> None:
    assert honest(text, reached, does) == true


def test_of_chosen_tests_it_is_said_that_they_are_a_part() -> None:
    assert honest("All tests pass", Rung.TESTED, narrowed=True) == "[a part of the tests passed]"


def record(**given: object) -> EvidenceRecord:
    plain = EvidenceRecord("", "unit", "command", "", 0.0, None, "tree", None, "passed", Rung.TESTED, "")
    command = {"argv": ["pytest"], "cwd": ".", "exit_code": 1}
    whole = {"command": command, "facts": {"junit": {"executed": 9}}}
    return plain._replace(**{**whole, **given})


FAILURE = record(outcome="failed", failing=("a", "b"))


@pytest.mark.parametrize(
    ("later", "answers"),
    [
        (record(confirmed=("a", "b")), True),
        (record(confirmed=("a",)), False),
        (record(confirmed=("a", "b"), rung=Rung.STATIC), False),
        (record(confirmed=("a", "b"), doubts=("some",)), False),
        (record(confirmed=("a",), failing=("b",), outcome="failed"), True),
        # The same command on other code: a test that is no longer there cannot pass.
        (record(tree="other"), True),
        (record(tree="other", command={"argv": ["pytest", "x"], "cwd": ".", "exit_code": 0}), True),
        (record(tree="other", command={"argv": ["pytest", "-k"], "cwd": ".", "exit_code": 0}, narrowed="-k"), False),
        (
            record(tree="other", command={"argv": ["x"], "cwd": ".", "exit_code": 0}, facts={"junit": {"executed": 8}}),
            False,
        ),
    ],
)
def test_only_a_run_as_strong_and_as_wide_answers_a_failure(later: EvidenceRecord, answers: bool) -> None:
    assert _answers(later, FAILURE) is answers


def test_a_run_that_was_cut_short_is_answered_by_the_same_command_alone() -> None:
    killed = record(outcome="failed", command={"argv": ["pytest"], "cwd": ".", "exit_code": None}, facts={})
    other = {"argv": ["pytest", "tests"], "cwd": ".", "exit_code": 0}
    assert [_answers(record(), killed), _answers(record(command=other), killed)] == [True, False]


@pytest.mark.parametrize(
    ("before", "after", "why_not"),
    [
        (measure(9, 5, 600, "m"), measure(3, 5, 610, "m"), ""),
        (measure(9, 5, 600, "m"), measure(3, 5, 660, "m"), "the windows are 600 s and 660 s long"),
        (measure(9, 5, 600, "m"), measure(3, 5, None, "m"), "the windows are 600 s and unknown long"),
        (measure(9, 5, 600, "m"), measure(3, 5, 600, "n"), "measured in another way"),
        (measure(9, 5, 600, "m"), measure(0, 0, 600, "m"), "nothing was seen in a window"),
    ],
)
def test_figures_are_compared_when_one_method_gave_them(
    before: dict[str, object], after: dict[str, object], why_not: str
) -> None:
    assert compared(before, after).why_not == why_not


def test_from_nothing_there_is_no_percentage() -> None:
    assert compared(measure(0, 1, None, ""), measure(3, 1, None, "")).percent is None
    change = compared(measure(4, 1, None, ""), measure(3, 1, None, ""))
    assert (change.percent, change.improved) == (-25.0, True)
    assert compared(measure(4, 1, None, "", "higher"), measure(3, 1, None, "", "higher")).improved is False
