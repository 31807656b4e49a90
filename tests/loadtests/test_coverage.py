"""The table of encoders: the judge favours nobody, a crash is no pass, and a miss of ours fails the run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from loadtests.coverage.__main__ import exit_status, main
from loadtests.coverage.encoders import ENCODERS, Encoder
from loadtests.coverage.judging import Ended, Verdict, judge
from loadtests.coverage.kinds import AT, KINDS, PASSWORD, U
from loadtests.coverage.reading import read
from loadtests.coverage.running import Failed, cells
from loadtests.coverage.table import Row, document, misses

if TYPE_CHECKING:
    from pathlib import Path

HEX = U.hex


def verdict(kind: str, value: Any, *, reported: bool = False) -> Verdict:
    return judge(Ended(json.dumps({"k": value}).encode("utf-8", "surrogatepass"), reported), KINDS[kind])


# One row for each form that a reasonable encoder may choose.
KEPT: list[tuple[str, Any]] = [
    ("uuid", str(U)),
    ("uuid", HEX),
    ("uuid", f"UUID('{U}')"),
    ("uuid", {"__type__": "uuid", "__value__": {"hex": HEX}}),
    ("dt_aware_utc", "2026-11-20T09:30:15.250000+00:00"),
    ("dt_aware_utc", "2026-11-20T09:30:15.25Z"),
    ("dt_aware_utc", "2026-11-20 09:30:15.250000+00:00"),
    ("dt_aware_utc", AT.timestamp()),
    ("dt_aware_utc", repr(AT)),
    ("dt_aware_zoneinfo", "2026-11-20T09:30:15.250000Z"),
    ("timedelta", "P1DT2H3.5S"),
    ("timedelta", "1 day, 2:00:03.500000"),
    ("timedelta", 93603.5),
    ("decimal", "47.110"),
    ("decimal", 47.11),
    ("decimal", "Decimal('47.110')"),
    ("enum", "Color.RED"),
    ("bytes_binary", "//4AgW9r"),
    ("bytes_binary", "__4AgW9r"),
    ("bytes_binary", "fffe00816f6b"),
    ("bytes_binary", [255, 254, 0, 129, 111, 107]),
    ("bytes_binary", "b'\\xff\\xfe\\x00\\x81ok'"),
    ("set", [8172, 4711]),
    ("set", {"py/set": [4711, 8172]}),
    ("dataclass", [str(U), "Ada-4711"]),
    ("exception", "ValueError('boom-4711')"),
    ("generator", [4711, 8172]),
    ("generator", "<generator>"),
    ("nan", "NaN"),
    ("int_gt64", 2**70 + 1),
    ("int_gt64", str(2**70 + 1)),
    ("lone_surrogate", "a-4711\ud800"),
    ("lone_surrogate", "a-4711\\ud800"),
    ("cycle", ["before-4711", "..."]),
    ("nest_300", [["..."]]),
    ("secretstr", "**********"),
    ("pd_nat", None),
    ("np_array_nan_noncontig", [[4711.5, None, 8172.5], [2903.5, 1.0, 6655.5]]),
    ("lock", "<lock>"),
    ("huge_str_20MB", "x" * 20_000_000),
    ("huge_str_20MB", "x" * 1000 + "..."),
]
LOST: list[tuple[str, Any, Verdict]] = [
    ("uuid", "<UUID>", Verdict.ANNOUNCED),
    ("uuid", None, Verdict.SILENT),
    ("dt_aware_utc", "2026-11-20T09:30:15.250000", Verdict.SILENT),
    ("dt_naive", "2026-11-20", Verdict.SILENT),
    ("decimal_30digits", 1.3333333333333333, Verdict.SILENT),
    ("set", "{8172, 4711}", Verdict.SILENT),
    ("dataclass", f"User(id=UUID('{U}'), name='Ada-4711')", Verdict.SILENT),
    ("exception", "boom-4711", Verdict.SILENT),
    ("exception", {}, Verdict.SILENT),
    ("nan", None, Verdict.SILENT),
    ("inf", 1e308, Verdict.SILENT),
    ("int_2p53p1", 2**53, Verdict.SILENT),
    ("lone_surrogate", "a-4711?", Verdict.SILENT),
    ("lone_surrogate", "a-4711", Verdict.SILENT),
    ('key_collide_1_"1"', {"1": "b-8172"}, Verdict.SILENT),
    ("plain_object", "<loadtests.coverage.kinds.Client object at 0x7fbb91cde390>", Verdict.SILENT),
    ("lock", "<unlocked _thread.lock object at 0x7fbb91cde390>", Verdict.SILENT),
    ("nest_300", [[[]]], Verdict.SILENT),
    ("nest_200", [["..."]], Verdict.ANNOUNCED),
    ("secretstr", PASSWORD, Verdict.SILENT),
    ("np_array_nan_noncontig", [[8172.5, None, 4711.5]], Verdict.SILENT),
    ("huge_str_20MB", "x" * 1000, Verdict.SILENT),
    ("bytes_binary", "ok", Verdict.SILENT),
    ("bad_repr", {}, Verdict.SILENT),
]


@pytest.mark.parametrize(("kind", "value"), KEPT, ids=[f"{number}-{kind}" for number, (kind, _) in enumerate(KEPT)])
def test_information_counts_in_any_reasonable_form(kind: str, value: Any) -> None:
    assert verdict(kind, value) is Verdict.KEPT


@pytest.mark.parametrize(
    ("kind", "value", "expected"), LOST, ids=[f"{number}-{kind}" for number, (kind, *_) in enumerate(LOST)]
)
def test_a_loss_is_a_loss_and_is_silent_unless_the_output_or_a_report_says_so(
    kind: str, value: Any, expected: Verdict
) -> None:
    assert verdict(kind, value) is expected
    assert verdict(kind, value, reported=True) is Verdict.ANNOUNCED


@pytest.mark.parametrize("name", KINDS)
def test_null_an_empty_object_and_an_address_keep_nothing(name: str) -> None:
    if name != "pd_nat":
        assert verdict(name, None) is Verdict.SILENT
    assert verdict(name, {}) is not Verdict.KEPT
    assert verdict(name, "<object at 0x7fbb91cde390>") is not Verdict.KEPT or name.startswith("nest_")


@pytest.mark.parametrize(
    "data", [b'{"k": NaN}', b'{"k": Infinity}', b'{"k": "\xff"}', b'{"k": 1', b"", b'{"k": "\xed\xa0\x80"}']
)
def test_what_is_no_json_is_invalid_whatever_it_holds(data: bytes) -> None:
    assert judge(Ended(data), KINDS["nan"]) is Verdict.INVALID


def test_deep_json_is_read_and_judged() -> None:
    tree = read(b"[" * 50_000 + b'"end"' + b"]" * 50_000)
    for _ in range(50_000):
        tree = tree[0]
    assert tree == "end"


def encoder(name: str) -> Encoder:
    return Encoder(name, f"tests.loadtests.coverage_encoders:{name}", "", "")


@pytest.mark.slow  # a process each, and one that hangs for its whole time
@pytest.mark.parametrize(
    ("name", "expected", "why"),
    [
        ("keeps", Verdict.KEPT, ""),
        ("raises", Verdict.RAISES, "SystemExit"),
        ("hangs", Verdict.HANGS, "over 2 s"),
        ("dies", Verdict.DIES, "SIGSEGV"),
        ("invalid", Verdict.INVALID, ""),
        ("silent", Verdict.SILENT, ""),
        ("reports", Verdict.ANNOUNCED, ""),
        ("chatty", Verdict.KEPT, ""),
    ],
)
def test_what_an_encoder_does_is_seen_and_the_next_kind_is_tried(name: str, expected: Verdict, why: str) -> None:
    assert cells(encoder(name), 1.0, ["uuid", "date"]) == {"uuid": (expected, why), "date": (expected, why)}


@pytest.mark.slow  # a process
def test_an_encoder_that_cannot_be_called_is_not_measured() -> None:
    with pytest.raises(Failed, match="no such library"):
        cells(encoder("broken"), 1.0, ["uuid"])


def ours(**verdicts: Verdict) -> Row:
    found = dict.fromkeys(KINDS, (Verdict.KEPT, ""))
    return Row(ENCODERS[0], found | {kind: (verdict, "") for kind, verdict in verdicts.items()})


def test_ours_passes_with_three_kinds_announced_and_fails_with_four() -> None:
    three = {"nan": Verdict.ANNOUNCED, "inf": Verdict.ANNOUNCED, "np_float_nan": Verdict.ANNOUNCED}
    assert misses(ours(**three)) == []
    assert misses(ours(**three, uuid=Verdict.ANNOUNCED)) == ["95 of 99 kinds kept, at least 96 are promised"]


@pytest.mark.parametrize("bad", [Verdict.SILENT, Verdict.INVALID, Verdict.RAISES, Verdict.HANGS, Verdict.DIES])
def test_one_bad_cell_of_ours_fails_the_run_and_one_of_a_peer_does_not(bad: Verdict) -> None:
    assert misses(ours(uuid=bad)) == [f"uuid: {bad}"]
    assert exit_status([ours(uuid=bad)], fail=True) == 1
    assert exit_status([ours(uuid=bad)], fail=False) == 0
    assert exit_status([ours(uuid=bad)._replace(encoder=ENCODERS[1])], fail=True) == 0


def test_an_encoder_that_was_not_measured_is_no_pass() -> None:
    assert exit_status([Row(ENCODERS[1], {}, "not installed")], fail=True) == 3
    assert exit_status([Row(ENCODERS[0], {}, "not installed")], fail=True) == 1


def test_the_document_has_a_row_an_encoder_and_a_row_a_kind() -> None:
    text = document([ours(nan=Verdict.ANNOUNCED), Row(ENCODERS[1], {}, "not installed")], 6.0)
    assert "| `jsonsafe.encode(x)` | 98 | 1 | 0 | 0 | 0 | 0 | 0 |" in text
    assert "| json | not run: not installed | - | - | - | - | - | - | - |" in text
    assert "| `nan` | a |" in text
    assert sum(line.startswith("| `") for line in text.splitlines()) == len(KINDS)


@pytest.mark.slow  # 99 kinds in a process
def test_the_command_measures_ours_and_writes_the_document(tmp_path: Path) -> None:
    file = tmp_path / "coverage.md"
    result = CliRunner().invoke(main, ["--only", "guardrails", "--write", str(file)])
    assert result.exit_code == 0
    assert file.read_text(encoding="utf-8") in result.output
    counts = next(line for line in result.output.splitlines() if line.startswith("| guardrails")).split(" | ")[2:]
    # Kept and announced are all there is.
    assert [count.strip(" |") for count in counts[2:]] == ["0"] * 5


def test_a_name_that_nobody_has_is_wrong_usage() -> None:
    assert CliRunner().invoke(main, ["--only", "nobody"]).exit_code == 2
