"""One verdict for one cell, by the same function for every encoder."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, NamedTuple

from loadtests.coverage.reading import Found, read

if TYPE_CHECKING:
    from loadtests.coverage.kinds import Kind


class Verdict(enum.StrEnum):
    """What became of one value in one encoder. The letter stands in the large table."""

    KEPT = "kept"
    ANNOUNCED = "announced"
    SILENT = "silent"
    INVALID = "invalid"
    RAISES = "raises"
    HANGS = "hangs"
    DIES = "dies"

    @property
    def sign(self) -> str:
        return {"kept": "+", "announced": "a", "silent": "L", "invalid": "I", "raises": "x", "hangs": "H", "dies": "C"}[
            self.value
        ]


class Ended(NamedTuple):
    """How one call ended. `data`: what it returned; `reported`: its own report says that something is missing.

    `otherwise`: the verdict where it returned nothing; `why`: the exception, the signal.
    """

    data: bytes | None = None
    reported: bool = False
    otherwise: Verdict | None = None
    why: str = ""


def judge(ended: Ended, kind: Kind) -> Verdict:
    """The verdict, by the rules in the docstring of `loadtests.coverage`."""
    if ended.data is None:
        return ended.otherwise or Verdict.RAISES
    try:
        tree = read(ended.data)
    except ValueError:
        return Verdict.INVALID
    found = Found(tree["k"] if isinstance(tree, dict) and "k" in tree else tree)
    if kind.kept(found):
        return Verdict.KEPT
    return Verdict.ANNOUNCED if ended.reported or found.says_loss else Verdict.SILENT
