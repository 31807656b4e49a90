"""What is tried: the faults, the wires, the model that speaks; and what the judge makes of what was told."""

from __future__ import annotations

import random
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from guardrails.testing.faults import Fault

if TYPE_CHECKING:
    from guardrails.testing.faults import Asked

_chance = random.Random(12)
LETTERS = "abcdefghijklmnopqrstuvwxyz"
TEXT = " ".join("".join(_chance.choices(LETTERS, k=_chance.randint(2, 9))) for _ in range(90)) + " Grüße 😀."
# Without a fault: who is not told the whole text then is set up wrongly, and not measured.
SOUND = "none"
# So long the server keeps silent: longer than any caller is waited for.
SILENCE = 60.0
FAULTS: dict[str, Fault] = {
    "cut": Fault.cut(at=0.5),
    "fin": Fault.fin(at=0.5),
    "rst": Fault.rst(at=0.5),
    "stall": Fault.stall(SILENCE, at=0.5),
    "ping_stall": Fault.ping_stall(0.2, SILENCE, at=0.5),
    "error_event": Fault.error_event(at=0.5),
    "error_first": Fault.error_first(),
    "error_data": Fault.error_data(at=0.5),
    "h529": Fault.h529(),
    "linger": Fault.linger(SILENCE),
    "slow": Fault.slow(0.002, 64),
    "garbage": Fault.garbage(at=0.5),
}
WIRES = ("openai-chat", "openai-responses", "anthropic")
WAYS = ("sync", "async")
LASTS = ("once", "always")


class Outcome(StrEnum):
    """What became of an answer; the meanings stand in the package's docstring."""

    WHOLE = "whole"
    ERROR = "error"
    FOREIGN = "foreign"
    SILENT = "silent"
    DOUBLED = "doubled"
    HANG = "hang"

    @property
    def sign(self) -> str:
        """One character for the table of cells."""
        return {"whole": "+", "error": "e", "foreign": "x", "silent": "S", "doubled": "D", "hang": "H"}[self]


class Cell(NamedTuple):
    """One thing to try. `lasts`: whether the server breaks once or always."""

    fault: str
    wire: str
    way: str
    family: str
    lasts: str


def fault_of(cell: Cell) -> Fault | None:
    """What the server does. An error comes in the provider's own words; `error_data` is one without a name, as gateways
    pass it on.
    """
    if cell.fault == "error_first" and cell.wire != "openai-chat":
        return Fault.error_event(at_event=0)
    return FAULTS.get(cell.fault)


class Told(NamedTuple):
    """What a caller told. `error`: the name of its class, "" without one; `own`: it is of the caller's own tree."""

    text: str
    error: str = ""
    own: bool = False


def says(asked: Asked) -> str:
    """The answer to a request, or the rest of it."""
    body = asked.json
    given = body.get("messages") or body.get("input") or ""
    turns = [{"role": "user", "content": given}] if isinstance(given, str) else given
    said = next((_text(turn) for turn in reversed(turns) if turn.get("role") == "assistant"), "")
    if not said or not TEXT.startswith(said):
        return TEXT
    tail = "" if turns[-1].get("role") == "assistant" else _text(turns[-1]).rpartition("\n")[2]
    echo = len(tail) if tail and said.endswith(tail) else 0
    return TEXT[len(said) - echo :]


def _text(turn: dict[str, Any]) -> str:
    content = turn.get("content") or ""
    return content if isinstance(content, str) else "".join(part.get("text") or "" for part in content)


def judged(told: Told | None) -> Outcome:
    """The outcome of a cell; None: nothing was told in time."""
    if told is None:
        return Outcome.HANG
    if not TEXT.startswith(told.text):
        return Outcome.DOUBLED
    if told.error:
        return Outcome.ERROR if told.own else Outcome.FOREIGN
    return Outcome.WHOLE if told.text == TEXT else Outcome.SILENT
