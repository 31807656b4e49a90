"""The recipes of docs/guides/json-hosts.md that need a server, for the tests that run them against one.

They stand there in blocks marked `py`; blocks marked `python` need none and run with the other documents.
"""

from __future__ import annotations

import re

from tests.support import ROOT

GUIDE = ROOT / "docs" / "guides" / "json-hosts.md"
_BLOCK = re.compile(r"^```(py|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def recipe(heading: str) -> str:
    """The one Python block under this heading."""
    text = GUIDE.read_text(encoding="utf-8")
    (found,) = re.findall(rf"^## {re.escape(heading)}\n(.*?)(?=^#|^<!--|\Z)", text, re.MULTILINE | re.DOTALL)
    ((_, block),) = _BLOCK.findall(found)
    code: str = block
    return code
