"""Names that somebody else chose: they neither change the shape of a report nor reach a terminal as commands."""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from guardrails.config import Config, WaiverEntry
from guardrails.evidence import GateRecord
from guardrails.preflight import run_gate, write_record
from guardrails.preflight.outputs import human, markdown
from guardrails.source import workers
from guardrails.testing import VirtualClock
from tests.preflight.cases import TODAY
from tests.preflight.conftest import InProcess

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from markdown_it.token import Token

HOSTILE = [
    "new\nline",
    "carriage\rreturn",
    "tab\there",
    "back`tick``s```",
    "pi|pe \\| |",
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07",
    "\x9b2J",
    "bell\x07\x08\x7f",
    "\u202egnp.exe",
    "zero\u200bwidth\ufeff",
    "line\u2028separator\x85",
    "<script>alert(1)</script>",
    "<!-- comment",
    "[a](javascript:alert(1))",
    "![x](http://example.org)",
    "# heading",
    "- item",
    "1. item",
    "> quote",
    "---",
    "~~~",
    "| a | b |",
    "@somebody #1 GH-2",
    "$(reboot); `reboot` & \"quoted\" 'single'",
    "&amp; &#96;",
    "\\",
    "*star* _under_ ~~gone~~",
    " leading and trailing ",
    "ünïcödé 漢字 🎉",
    "\udce9\udcff not utf-8",
]
PLAIN = "plain"


def findings_about(name: str) -> GateRecord:
    """A run in which the name is a file's, a folder's, a route's, a waiver's and a pattern's."""
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder) / "service"
        write(base, {f"app/{name}.py": b"x = 1\n", f"app/{name}/__init__.py": b"", f"app/{name}_.py": b"def (\n"})
        routes = "".join(f"@app.get({'/' + name!a})\ndef {handler}(): ...\n" for handler in ("a", "b"))
        write(base, {"app/main.py": f"from fastapi import FastAPI\n\napp = FastAPI()\n{routes}".encode()})
        until = VirtualClock(wall=TODAY)
        config = Config(
            exclude=(f"nowhere/{name}",),
            waiver=(
                WaiverEntry("GR-ROUTE-001", "app/*", f"because {name}", name, day(until, 1)),
                WaiverEntry("GR-SHADOW-001", "app/*", name, f"team {name}", day(until, -1)),
                WaiverEntry("GR-DECO-001", f"gone/{name}", name, name, day(until, 1)),
            ),
        )
        return run_gate(base, config=config, argv=["guardrails", name], clock=until)


def write(base: Path, files: Mapping[str, bytes]) -> None:
    for name, data in files.items():
        path = base / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def day(clock: VirtualClock, later: int) -> object:
    import datetime as dt

    return dt.datetime.fromtimestamp(clock.wall(), dt.UTC).date() + dt.timedelta(days=later)


@pytest.fixture(scope="module", autouse=True)
def no_processes() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workers, "Worker", InProcess)
        yield


def skeleton(text: str) -> list[tuple[str, str, int]]:
    """The blocks of a document, with the kinds of what stands in each line; text itself does not count."""
    return [line for token in MarkdownIt("commonmark").enable("table").parse(text) for line in _shape(token)]


def _shape(token: Token) -> Iterator[tuple[str, str, int]]:
    yield token.type, token.tag, token.level
    for child in token.children or ():
        # A code span that held a pipe is two, with the pipe as text between them.
        if child.type not in ("text", "code_inline"):
            yield child.type, child.tag, child.level


def unprintable(text: str) -> list[str]:
    return sorted({char for char in text if not char.isprintable() and char != "\n"})


ANYTHING = st.text(st.characters(blacklist_characters="/\0", blacklist_categories=["Cs"]), min_size=1, max_size=40)
# A plain word may mean something to the gate: `.tox` is skipped, `tests` weighs less.
NAMES = ANYTHING.filter(lambda name: not re.fullmatch(r"[\w.-]*", name) and len(name.encode()) < 200)


@given(NAMES)
@example("|")
@example("`")
def test_no_name_changes_the_shape_of_the_markdown(name: str) -> None:
    assert skeleton(markdown.render(findings_about(name))) == skeleton(markdown.render(findings_about(PLAIN)))


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_known_hostile_names_change_nothing(name: str) -> None:
    record = findings_about(name)
    assert [finding.rule for finding in record.findings] == [f.rule for f in findings_about(PLAIN).findings]
    assert skeleton(markdown.render(record)) == skeleton(markdown.render(findings_about(PLAIN)))


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_no_name_reaches_a_terminal_as_a_command(name: str) -> None:
    record = findings_about(name)
    for text in (human.render(record), markdown.render(record)):
        assert unprintable(text) == []
        text.encode()


@given(NAMES)
def test_no_name_adds_a_line_for_the_terminal(name: str) -> None:
    lines = human.render(findings_about(name)).count("\n")
    assert lines == human.render(findings_about(PLAIN)).count("\n")


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_the_json_is_utf_8_and_is_read_back_the_same(name: str, tmp_path: Path) -> None:
    record = findings_about(name)
    data = record.to_json().encode()
    assert json.loads(data) == record.to_dict()
    assert GateRecord.from_json(data) == record
    assert write_record(record, tmp_path) is None


@pytest.mark.long
def test_no_name_changes_a_report_however_long_one_tries() -> None:
    """Long: `make test-long` sets the number of examples to 3,000."""
    test_no_name_changes_the_shape_of_the_markdown()
    test_no_name_adds_a_line_for_the_terminal()


def test_a_name_that_is_no_utf_8_is_still_told_apart() -> None:
    paths = {finding.path for finding in findings_about("caf\udce9").findings}
    assert any("caf" in path and "e9" in path for path in paths)
