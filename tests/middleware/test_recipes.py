"""No recipe is only shown: a block that the document tests leave out is run by a test of its host."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.documents import documents
from tests.middleware.guide import GUIDE, recipe


def left_out(text: str) -> list[str]:
    """The headings under which a block is marked `py`, which tests/documents.py does not run."""
    sections = re.split(r"^#+ ", text, flags=re.MULTILINE)
    return [section.partition("\n")[0] for section in sections for _ in re.findall(r"^```py$", section, re.MULTILINE)]


def test_every_recipe_that_needs_a_server_is_run_against_one() -> None:
    tests = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    taken = set(re.findall(r'\brecipe\("(.+?)"\)', tests))
    needed = left_out(GUIDE.read_text(encoding="utf-8"))
    assert sorted(needed) == sorted(set(needed) & taken)
    assert needed != []


def test_no_other_document_leaves_a_block_out() -> None:
    # That of metrics.md is run by tests/metrics.
    found = {path.name for path in documents() if left_out(path.read_text(encoding="utf-8"))}
    assert found == {GUIDE.name, "metrics.md"}


def test_a_heading_without_its_one_block_is_an_error() -> None:
    with pytest.raises(ValueError, match="unpack"):
        recipe("No such host")
