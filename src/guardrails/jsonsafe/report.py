"""What an encoding could not keep: one entry for each place, and how the encoding ended.

reason      what was there                                      action taken
nan         NaN, infinity, NaT                                  null
opaque      an object nobody described: a lock, a client        marker, or attributes (those without `_`)
raised      user code failed while its value was read           marker
cycle       a container that holds itself                       marker
depth       more than 254 containers deep                       marker
size        too long, too many, too large                       cut, or marker
deadline    the time for one message ran out                    marker
surrogate   half a UTF-16 pair, which UTF-8 cannot hold         escaped
nul         U+0000, which PostgreSQL's jsonb refuses            escaped
key         two keys of one mapping became the same name        renamed
secret      a password, a token                                 masked
unloaded    a column that a database row has not loaded         omitted
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

Reason = Literal[
    "nan",
    "opaque",
    "raised",
    "cycle",
    "depth",
    "size",
    "deadline",
    "surrogate",
    "nul",
    "key",
    "secret",
    "unloaded",
]
Action = Literal["null", "marker", "attributes", "cut", "escaped", "renamed", "masked", "omitted"]

# More would make the report of a damaged table larger than the table.
MOST_ENTRIES = 100


class Entry(NamedTuple):
    """One place that was not kept exactly.

    `path`: where, in the names of the output: `$.user.sessions[2]`. `reason`: what was there; the table on
    top of this module. `type`: the Python class, without any value. `action`: what stands there instead.
    """

    path: str
    reason: Reason
    type: str
    action: Action

    @property
    def lossy(self) -> bool:
        """Whether a reader lost something. A masked secret is no loss: it was never meant to be read."""
        return self.reason != "secret"


class Report(NamedTuple):
    """What happened to one value. `entries`: at most 100, in the order of the output; `omitted`: how many more."""

    entries: tuple[Entry, ...] = ()
    omitted: int = 0

    @property
    def lossy(self) -> bool:
        """Whether anything was lost; False when the output holds all that the value held."""
        return self.omitted > 0 or any(entry.lossy for entry in self.entries)


class Encoded(NamedTuple):
    """`data`: strictly valid JSON in UTF-8. `report`: what it could not keep."""

    data: bytes
    report: Report


CLEAN = Report()


class Ledger:
    """Collects entries during one encoding."""

    __slots__ = ("entries", "most", "omitted")

    def __init__(self, most: int | None = MOST_ENTRIES) -> None:
        self.entries: list[Entry] = []
        self.omitted = 0
        self.most = most

    def add(self, path: Sequence[str | int], reason: Reason, kind: str, action: Action) -> None:
        if self.most is not None and len(self.entries) >= self.most:
            self.omitted += 1
        else:
            self.entries.append(Entry(written(path), reason, kind, action))

    def clear(self) -> None:
        """Forget what a lane noted that did not come to an end."""
        self.entries.clear()
        self.omitted = 0

    def report(self) -> Report:
        return Report(tuple(self.entries), self.omitted) if self.entries else CLEAN


def written(path: Sequence[str | int]) -> str:
    """`["user", "sessions", 2]` as `$.user.sessions[2]`; other names stand in brackets, as JSONPath has it."""
    return "".join(["$", *map(_step, path)])


def _step(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    if step.isidentifier() and len(step) <= 100:
        return f".{step}"
    name = step if len(step) <= 100 else step[:99] + "…"
    quoted = name.replace("\\", "\\\\").replace("'", "\\'")
    return f"['{quoted}']"
