"""The progress line: late, for somebody who watches, and gone in the end."""

from __future__ import annotations

import sys

import pytest

from guardrails.cli import bar
from guardrails.cli.bar import Bar


@pytest.mark.parametrize(
    ("watched", "after", "drawn"),
    [
        (True, -1.0, "\rreading [###############---------------] 1,500 of 3,000 commits\r\033[K"),
        (True, 3600.0, ""),
        (False, -1.0, ""),
    ],
)
def test_a_line_is_drawn_late_and_for_a_terminal_only(
    watched: bool,
    after: float,
    drawn: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(bar, "BAR_AFTER", after)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: watched)
    line = Bar("reading", "commits")
    line.show(1_500, 3_000)
    line.clear()
    line.clear()
    assert capsys.readouterr().err.replace("\x1b", "\033") == drawn
