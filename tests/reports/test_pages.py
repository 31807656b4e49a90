"""The pages: of the facts and nothing else, the same bytes every time, whole in both languages."""

from __future__ import annotations

import json
import random
import shutil
import string
import tomllib
from html.parser import HTMLParser
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pytest

from guardrails.errors import GuardrailsError
from guardrails.reports import charts
from guardrails.reports.progress import LOGGED
from guardrails.reports.render import FORMS, LANGUAGES, render, spark
from guardrails.reports.session_events import OUTCOMES
from tests.reports.repositories import DAY, NOW, commit, facts, git, new

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed: reports are not tested")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = new(tmp_path_factory.mktemp("pages") / "repo")
    for number, kind in enumerate(["feat", "fix(core)", "docs", "feat!", "Whatever", "fix"]):
        name = f"{'tests' if number % 2 else 'src'}/f{number}.py"
        commit(folder, {name: "x\n" * (1000 * number + 1)}, f"{kind}: step {number}", at=NOW - (20 - 3 * number) * DAY)
    git(folder, "tag", "v1.0")
    return facts(folder, "2026-05-01")


def labels(language: str) -> dict[str, str]:
    text = (files("guardrails.reports") / "locale" / f"{language}.toml").read_text("utf-8")
    found: dict[str, str] = tomllib.loads(text)["text"]
    return found


def gaps(text: str) -> list[str]:
    return sorted(gap for _, gap, _, _ in string.Formatter().parse(text) if gap is not None)


def test_every_label_is_there_in_every_language_with_the_same_gaps() -> None:
    english = labels("en")
    for language in LANGUAGES:
        other = labels(language)
        assert {key: gaps(text) for key, text in other.items()} == {key: gaps(text) for key, text in english.items()}
        assert [key for key, text in other.items() if text.count("`") % 2] == []
    own = {key for key, text in labels("uk").items() if text == english[key]}
    assert own == {"title", "lines_value", "plus_minus", "footer"} & own


def test_every_label_is_used() -> None:
    folder = files("guardrails.reports") / "templates"
    templates = "".join(path.read_text("utf-8") for path in folder.iterdir() if path.name.endswith(".j2"))
    code = "".join(
        path.read_text("utf-8") for path in files("guardrails.reports").iterdir() if path.name.endswith(".py")
    )
    said = {key for key in labels("en") if f'"{key}"' in templates or f'"{key}"' in code}
    computed = {f"claim_{claim}" for claim in ("gate", "tests", "coverage")}
    computed |= {f"{claim}_none" for claim in ("tests", "coverage")}
    states = ("planned", "active", "paused", "complete", "abandoned", "blocked", "deferred")
    computed |= {f"state_{state}" for state in states}
    computed |= {f"log_{kind}" for kind in LOGGED if kind != "end"} | {f"log_end_{outcome}" for outcome in OUTCOMES}
    computed |= {f"artifact_{state}" for state in ("same", "changed", "missing", "unreadable_file")}
    computed |= {f"metric_{outcome}" for outcome in ("improved", "worse", "unchanged")}
    assert set(labels("en")) - said - computed == set()


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("form", ["markdown", "html"])
def test_a_page_is_made_of_the_json_twin_alone(found: dict[str, Any], form: str, language: str) -> None:
    twin = json.loads(render(found, "json"))
    assert render(twin, form, language) == render(found, form, language)


def test_a_hundred_renders_are_the_same_bytes(found: dict[str, Any]) -> None:
    chance = random.Random(3)

    def shuffled(value: Any) -> Any:
        if isinstance(value, dict):
            items = list(value.items())
            chance.shuffle(items)
            return {key: shuffled(item) for key, item in items}
        return [shuffled(item) for item in value] if isinstance(value, list) else value

    for form in FORMS:
        assert len({render(shuffled(found), form) for _ in range(34)}) == 1


def test_the_figures_stand_on_the_page(found: dict[str, Any]) -> None:
    page = render(found, "markdown")
    assert "| commits | 6; merges: 0, authors: 1 | H |" in page
    assert "| net change (both ends compared) | +15,006 −0 in 6 files | N |" in page
    assert "### Breaking: 1\n\n- feat!: step 3 (`" in page
    assert "### Fixes: 2" in page
    assert "| v1.0 | 2026-05-23 | `" in page
    assert "+15\xa0006 −0, файлів: 6" in render(found, "markdown", "uk")
    share = sum(area["percent"] for area in found["areas"])
    assert round(share, 6) == 100


class Balanced(HTMLParser):
    """Whether every element is closed in its turn, and the numbers that shapes have."""

    VOID = frozenset({"meta", "rect", "line"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.rows: list[int] = []
        self.heights: list[float] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "rect":
            self.heights.append(float(dict(attrs)["height"] or "nan"))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_html_page_is_whole(found: dict[str, Any], language: str) -> None:
    page = render(found, "html", language)
    parsed = Balanced(page)
    assert parsed.open == []
    assert page.startswith(f'<!DOCTYPE html>\n<html lang="{language}">')
    # A column that is felt, and one that is seen, for each day; two that are seen for lines.
    assert len(parsed.heights) == 5 * len(found["timeline"])
    assert all(0 <= height <= charts.HEIGHT for height in parsed.heights)


def test_columns_are_as_high_as_their_values() -> None:
    assert [bar.height for bar in charts.columns([0, 1, 5, 10], 100)] == [0, 10, 50, 100]
    assert [bar.y for bar in charts.columns([0, 1, 5, 10], 100)] == [100, 90, 50, 0]
    assert [bar.height for bar in charts.columns([1, 10**6], 100)] == [1, 100]
    assert charts.columns([]) == []
    assert [bar.height for bar in charts.columns([0, 0])] == [0, 0]


def test_mirrored_columns_share_one_scale() -> None:
    found = charts.mirrored([30, 0], [10, 5], 100)
    assert ([bar.height for bar in found.above], [bar.height for bar in found.below]) == ([75, 0], [25, 12.5])
    assert (found.line, found.above[0].y, found.below[0].y) == (75, 0, 75)
    assert charts.mirrored([0], [0]).above[0].height == 0


def test_a_spark_shows_little_as_more_than_nothing() -> None:
    assert spark([0, 1, 100, 50]) == "▁▂█▅"
    assert (spark([]), spark([0, 0])) == ("", "▁▁")


def test_a_language_there_is_not_is_named(found: dict[str, Any]) -> None:
    with pytest.raises(GuardrailsError, match="no labels in 'de': there are en, uk"):
        render(found, "markdown", "de")


def timeline(days: int, folder: Path) -> Iterator[dict[str, Any]]:
    repo = new(folder)
    for at in (NOW - days * DAY, NOW - 60):
        commit(repo, {"f": str(at)}, at=at)
    yield from facts(repo, f"{days + 1}d")["timeline"]


@pytest.mark.parametrize(("days", "width"), [(10, 1), (60, 7), (800, 30), (5000, 365)])
def test_columns_of_time_cover_the_period_and_hold_every_commit(tmp_path: Path, days: int, width: int) -> None:
    columns = list(timeline(days, tmp_path / "repo"))
    assert sum(column["commits"] for column in columns) == 2
    assert (days + 2) / width <= len(columns) + 1
    assert len(columns) <= 54
