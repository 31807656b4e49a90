"""`make demo`, run as a newcomer runs it, and what it prints, parsed."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# What the page of the sample promises, not what the gate knows: a rule that is removed must be missed here.
RULES = re.findall(
    r"^\| (GR-\w+-\d+) \|", (ROOT / "examples/agent_backend_before/README.md").read_text("utf-8"), re.MULTILINE
)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "out"


@pytest.fixture(scope="module")
def demo(out: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "COV"))}
    return subprocess.run(
        [sys.executable, "examples/demo.py", "--out", str(out)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def part(demo: subprocess.CompletedProcess[str], number: int) -> str:
    """The lines under one of the four headings."""
    return re.split(r"^\d\. .*$", demo.stdout, flags=re.MULTILINE)[number]


def test_the_page_of_the_sample_promises_a_defect_for_every_rule_that_a_source_tree_can_show() -> None:
    """All but GR-SHADOW-004, which needs two distributions installed in one environment."""
    families = {"GR-SHADOW": 3, "GR-DECO": 4, "GR-ROUTE": 6}
    assert sorted(RULES) == sorted(f"{name}-{n:03}" for name, count in families.items() for n in range(1, count + 1))


def test_the_demo_succeeds_and_says_so_with_its_exit_status(demo: subprocess.CompletedProcess[str]) -> None:
    assert (demo.returncode, demo.stderr) == (0, "")


@pytest.mark.parametrize("rule", RULES)
def test_the_gate_finds_each_rule_once_in_the_broken_backend(demo: subprocess.CompletedProcess[str], rule: str) -> None:
    found = re.findall(rf"^(?:error|warning) +{rule} +\S+$", part(demo, 1), re.MULTILINE)
    assert len(found) == 1, part(demo, 1)


def test_the_gate_stops_the_broken_backend_and_passes_the_sound_one(
    demo: subprocess.CompletedProcess[str],
) -> None:
    verdicts = re.findall(r"^(\w+): (\d+) errors?, (\d+) warnings?, .* exit status (\d)$", demo.stdout, re.MULTILINE)
    assert [(word, status) for word, _, _, status in verdicts] == [("FAILED", "1"), ("PASSED", "0")]
    assert verdicts[1][1:3] == ("0", "0")


def test_each_symptom_shows_in_the_broken_service_and_is_gone_in_the_sound_one(
    demo: subprocess.CompletedProcess[str],
) -> None:
    rows = re.findall(r"^(GR-\w+-\d+) +(.{45}) (.{25}) (.+)$", part(demo, 3), re.MULTILINE)
    assert {rule: (before.strip(), now.strip()) for rule, _, before, now in rows} == {
        "GR-DECO-002": ("204 deleted by anybody", "401 refused"),
        "GR-ROUTE-001": ("200 []", "404 not found"),
        "GR-ROUTE-002": ("422 not reachable", "200 exported"),
        "GR-ROUTE-003": ("404", "200"),
        "GR-ROUTE-005": ("bare ids of version 1", "whole conversations"),
        "GR-SHADOW-001": ("2025-02", "2025-06"),
    }


def test_answers_that_the_model_cuts_are_kept_as_whole_by_the_broken_service_and_arrive_whole_in_the_sound_one(
    demo: subprocess.CompletedProcess[str], out: Path
) -> None:
    rows = re.findall(r"^(.{59}) (\d+ of \d+) +(\d+ of \d+)$", part(demo, 4), re.MULTILINE)
    assert {what.strip(): (before, now) for what, before, now in rows} == {
        "answers whole": ("0 of 20", "20 of 20"),
        "half an answer kept in the history as a whole one": ("20 of 20", "0 of 20"),
        "cut at each attempt: the user is told": ("0 of 3", "3 of 3"),
        "cut at each attempt: kept in the history as whole": ("3 of 3", "0 of 3"),
    }
    assert "those 20 answers took 20 requests to the model before, and take 40 now." in part(demo, 4)

    # The figures are counted of these.
    written = json.loads((out / "services.json").read_text("utf-8"))
    before, now = (written[sample]["cut_once"] for sample in ("agent_backend_before", "agent_backend"))
    assert [answer["meant"] for answer in before + now if "Where is parcel" not in answer["meant"]] == []
    assert [answer for answer in now if answer["came"] != answer["meant"] or answer["kept"] != answer["meant"]] == []
    lost = [len(answer["meant"]) - len(answer["kept"]) for answer in before]
    assert [count for count in lost if not 0 < count < 30] == []
    assert [answer["meant"].startswith(answer["kept"]) for answer in before] == [True] * 20


def test_the_reports_are_where_the_demo_says(demo: subprocess.CompletedProcess[str], out: Path) -> None:
    assert f"Written: {os.path.relpath(out, ROOT)}/" in demo.stdout
    for sample, verdict in (("agent_backend_before", "failed"), ("agent_backend", "passed")):
        record = json.loads((out / f"{sample}.json").read_text("utf-8"))
        assert record["verdict"] == verdict
        assert (out / f"{sample}.md").read_text("utf-8").startswith("# Gate: ")
