"""The benchmark harness: a miss fails, a crash is never a pass, and the arithmetic is right."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from loadtests.bench.__main__ import main
from loadtests.bench.harness import (
    Call,
    Contestant,
    Figure,
    NotRun,
    Process,
    discover,
    markdown,
    measure,
    printed,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass(frozen=True)
class Scripted:
    """Gives the samples it was told to give, writes down that it was asked, and crashes when they end."""

    name: str
    samples: tuple[float, ...]
    asked: list[str] = field(default_factory=list)
    distribution: str | None = None

    @property
    def command(self) -> str:
        return f"run-{self.name}"

    def ready(self, work: Path) -> Callable[[], float]:
        rest = iter(self.samples)

        def sample() -> float:
            self.asked.append(self.name)
            for value in rest:
                return value
            raise NotRun(f"{self.name} fell over")

        return sample


def figure(
    ours: Contestant, baseline: Contestant | None = None, peers: tuple[Contestant, ...] = (), **more: object
) -> Figure:
    options = {"id": "speed", "what": "doing it", "target": 2.0, "rounds": 3} | more
    return Figure(ours=ours, baseline=baseline or Scripted("base", (1.0,) * 9), peers=peers, **options)


def test_contestants_take_turns_in_every_round(tmp_path: Path) -> None:
    asked: list[str] = []
    ours, base, peer = (Scripted(name, (1.0,) * 9, asked) for name in ("ours", "base", "peer"))
    measure(figure(ours, base, (peer,)), tmp_path, rounds=3)
    assert asked == ["ours", "base", "peer"] * 3


def test_a_ratio_is_the_median_of_the_rounds_and_not_of_the_sides(tmp_path: Path) -> None:
    ours, base = Scripted("ours", (2.0, 30.0, 9.0)), Scripted("base", (1.0, 10.0, 3.0))
    (row,) = measure(figure(ours, base), tmp_path, rounds=3)
    assert (row.values, row.median, row.quartiles) == ((2.0, 3.0, 3.0), 3.0, (2.5, 3.0))


def test_a_difference_subtracts_the_baseline(tmp_path: Path) -> None:
    ours, base = Scripted("ours", (40.0,) * 3), Scripted("base", (34.0,) * 3)
    (row,) = measure(figure(ours, base, compare="difference", target=7), tmp_path, rounds=3)
    assert (row.median, row.verdict) == (6.0, "met")


def test_a_floor_is_taken_off_all_sides(tmp_path: Path) -> None:
    ours, base, peer = Scripted("ours", (7.0,) * 3), Scripted("base", (3.0,) * 3), Scripted("peer", (5.0,) * 3)
    row, other = measure(figure(ours, base, (peer,), floor=Scripted("bare", (1.0,) * 3)), tmp_path, rounds=3)
    assert (row.median, other.median) == (3.0, 2.0)


def test_without_its_floor_a_figure_has_no_result(tmp_path: Path) -> None:
    (row,) = measure(figure(Scripted("ours", (7.0,) * 3), floor=Scripted("bare", (1.0,))), tmp_path, rounds=3)
    assert row.reason == "the baseline: bare fell over"


def test_a_floor_is_named_in_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    main([], [figure(Scripted("ours", (4.0,) * 3), Scripted("base", (3.0,) * 3), floor=Scripted("bare", (1.0,) * 3))])
    assert "| speed | doing it, against base, each less bare | <= 2.00x | 1.50x |" in capsys.readouterr().out


def test_a_single_round_has_its_value_as_quartiles(tmp_path: Path) -> None:
    (row,) = measure(figure(Scripted("ours", (1.5,))), tmp_path, rounds=1)
    assert row.quartiles == (1.5, 1.5)


def test_a_slow_contestant_misses_and_fails_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    status = main([], [figure(Scripted("ours", (2.1,) * 3))])
    assert status == 1
    assert "| MISSED |" in capsys.readouterr().out


def test_a_miss_within_the_allowed_factor_is_printed_and_does_not_fail_the_run(
    capsys: pytest.CaptureFixture[str],
) -> None:
    status = main(["--fail-beyond", "1.5"], [figure(Scripted("ours", (2.1,) * 3))])
    assert status == 0
    assert "| MISSED |" in capsys.readouterr().out


def test_a_figure_that_is_met_passes(capsys: pytest.CaptureFixture[str]) -> None:
    status = main([], [figure(Scripted("ours", (2.0,) * 3))])
    assert status == 0
    assert "| speed | doing it, against base | <= 2.00x | 2.00x | 2.00x to 2.00x | 3 | met |" in (
        capsys.readouterr().out
    )


@pytest.mark.parametrize(
    ("ours", "base", "reason"),
    [
        (Scripted("ours", (1.0,)), Scripted("base", (1.0,) * 3), "ours fell over"),
        (Scripted("ours", (1.0,) * 3), Scripted("base", (1.0,)), "the baseline: base fell over"),
    ],
)
def test_a_crash_in_a_later_round_is_not_run_with_its_reason_and_fails(
    ours: Scripted, base: Scripted, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main([], [figure(ours, base)])
    assert status == 3
    assert f"| - | - | 0 | not run: {reason} |" in capsys.readouterr().out


def test_a_crashed_peer_fails_the_run_and_leaves_our_figure_standing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    status = main([], [figure(Scripted("ours", (1.0,) * 3), peers=(Scripted("peer", ()),))])
    shown = capsys.readouterr().out
    assert status == 3
    assert "| met |" in shown
    assert "not run: peer fell over" in shown


def test_a_peer_is_slower_than_any_target_and_misses_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    peer = Scripted("peer", (99.0,) * 3, distribution="pytest")
    status = main([], [figure(Scripted("ours", (1.0,) * 3), peers=(peer,))])
    shown = capsys.readouterr().out
    assert status == 0
    assert f"| speed | peer (pytest {pytest.__version__}), against base | - | 99.00x |" in shown
    assert f"- peer (pytest {pytest.__version__}), for comparison: `run-peer`" in shown


def test_the_document_names_its_command_and_the_commands_of_its_rows(tmp_path: Path) -> None:
    document = tmp_path / "docs" / "figures.md"
    main(["--short", "--write", str(document)], [figure(Scripted("ours", (1.0,) * 3))])
    text = document.read_text(encoding="utf-8")
    assert f"Measured by `python -m loadtests.bench --short --write {document}` on 2" in text
    assert "- `speed`: `run-ours` against `run-base`" in text


def test_a_bar_in_a_cell_does_not_break_the_table(tmp_path: Path) -> None:
    rows = measure(figure(Scripted("ours", ()), what="a | b"), tmp_path, rounds=1)
    assert "| a \\| b, against base |" in markdown(rows, command="x")


def test_only_the_figures_that_contain_the_text_are_measured(capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[str] = []
    available = [figure(Scripted(name, (1.0,) * 3, asked), id=name) for name in ("first", "second")]
    assert main(["--only", "SECOND"], available) == 0
    assert asked == ["second"] * 3


def test_a_text_that_no_figure_contains_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--only", "zebra"], [figure(Scripted("ours", ()))]) == 2
    assert capsys.readouterr().err == "no figure contains 'zebra' in its id or its text\n"


def test_a_short_run_makes_a_third_of_the_rounds_and_never_fewer_than_three() -> None:
    rounds = [figure(Scripted("ours", ()), rounds=n).rounds_in(short=True) for n in (30, 9, 3)]
    assert rounds == [10, 3, 3]


def test_a_callable_is_looped_until_the_clock_can_see_it_and_divided_again(tmp_path: Path) -> None:
    now = 0.0

    def cost_a_quarter() -> None:
        nonlocal now
        now += 0.25

    call = Call(name="call", setup=lambda: cost_a_quarter, at_least=1.0, clock=lambda: now)
    sampler = call.ready(tmp_path)
    before = now
    assert sampler() == 0.25
    assert now - before == 1.0


def test_a_callable_that_raises_is_not_run(tmp_path: Path) -> None:
    (row,) = measure(figure(Call(name="call", setup=lambda: lambda: 1 // 0)), tmp_path, rounds=1)
    assert (row.verdict, row.reason) == ("not run", "ZeroDivisionError: integer division or modulo by zero")


def process(code: str, **more: object) -> Process:
    return Process(name="a process", argv=(sys.executable, "-I", "-c", code), **more)


def test_a_process_is_charged_for_its_children(tmp_path: Path) -> None:
    spin = "import time\nwhile time.process_time() < 0.2: pass"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-I', '-c', {spin!r}])"
    assert process(parent).ready(tmp_path)() >= 0.2


def test_a_process_may_print_its_sample(tmp_path: Path) -> None:
    assert process("print('counted'); print(41)", reads=printed).ready(tmp_path)() == 41.0


def test_a_traceback_is_a_crash_even_with_an_allowed_status(tmp_path: Path) -> None:
    with pytest.raises(NotRun, match="exit status 1: ValueError: boom"):
        process("raise ValueError('boom')", statuses=frozenset({0, 1})).ready(tmp_path)


def test_an_exit_status_that_was_not_foreseen_is_a_crash(tmp_path: Path) -> None:
    with pytest.raises(NotRun, match="exit status 4: nothing on standard error"):
        process("raise SystemExit(4)").ready(tmp_path)


def test_a_process_that_does_not_show_its_work_has_not_done_it(tmp_path: Path) -> None:
    with pytest.raises(NotRun, match="exit status 0, and '12 files' is not in what it printed"):
        process("print('0 files')", shows="12 files").ready(tmp_path)


def test_a_process_that_does_not_end_is_killed_at_its_limit(tmp_path: Path) -> None:
    with pytest.raises(NotRun, match="exit status -9"):
        process("while True: pass", limit=0.05).ready(tmp_path)


def test_a_missing_program_is_not_run(tmp_path: Path) -> None:
    with pytest.raises(NotRun, match="cannot start no-such-program"):
        Process(name="none", argv=("no-such-program",)).ready(tmp_path)


def test_a_project_is_made_once_in_a_run_and_prepared_before_every_process(tmp_path: Path) -> None:
    made, prepared = [], []

    def sample_project(folder: Path) -> str:
        made.append(folder.name)
        return "One file."

    def prepare(folder: Path) -> None:
        prepared.append(folder.name)

    first = process("pass", project=sample_project, before=prepare)
    first.ready(tmp_path)()
    process("pass", project=sample_project).ready(tmp_path)
    assert (made, prepared) == (["sample_project"], ["sample_project"] * 2)
    assert (tmp_path / "sample_project.caption").read_text(encoding="utf-8") == "One file."


def test_nobody_is_measured_on_a_project_that_could_not_be_made(tmp_path: Path) -> None:
    def half_made(folder: Path) -> str:
        (folder / "first.py").touch()
        raise NotRun("only one file is there")

    ours, base = process("pass", project=half_made), process("pass", project=half_made)
    (row,) = measure(figure(ours, base), tmp_path, rounds=1)
    assert row.reason == "the baseline: only one file is there"


def test_a_command_shows_no_path_of_this_machine() -> None:
    assert process("pass").command == "python -I -c pass"
    assert Process(name="tool", argv=("/somewhere/bin/tool", "check")).command == "tool check"


def test_every_benchmark_file_is_found_and_no_id_is_used_twice() -> None:
    ids = [figure.id for figure in discover()]
    assert len(ids) == len(set(ids))
    assert {"front-door-import", "start-up-help", "source-cold"} <= set(ids)
