"""What was healed, told: to the task that asked, to the hooks, and in the log.

last_heal()     of the last stream of this task; None: it needed no healing
"""

from __future__ import annotations

import logging
from contextvars import ContextVar
from typing import TYPE_CHECKING, Literal, NamedTuple

from guardrails import hooks

if TYPE_CHECKING:
    from guardrails.llm.faults import Fault
    from guardrails.llm.usage import Spent

Outcome = Literal["under way", "healed", "failed"]
log = logging.getLogger("guardrails.llm")


class Heal(NamedTuple):
    """One answer that broke, or whose own provider was not asked.

    `faults`: what went wrong, one for each attempt that failed; "open": a circuit was. `rungs`: what was done about
    each: restart, resume, switch, or raised. `attempts`: requests that were made; each is billed. `seams`: how each
    continuation joined on. `tokens_estimated`: tokens of attempts that never told them, included in what the client was
    told. `targets`: who was asked, for each attempt; `skipped`: which fallbacks were not, and why. `usage`: what each
    attempt that was answered has cost; see Spent.
    """

    wire: str
    provider: str
    model: str
    outcome: Outcome
    attempts: int = 1
    faults: tuple[str, ...] = ()
    rungs: tuple[str, ...] = ()
    seams: tuple[str, ...] = ()
    tokens_estimated: int = 0
    targets: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    usage: tuple[Spent, ...] = ()


_LAST: ContextVar[Heal | None] = ContextVar("guardrails_last_heal", default=None)


def last_heal() -> Heal | None:
    """What the last healed transport did to the last stream that was asked for in this task, or this thread."""
    return _LAST.get()


def remember(heal: Heal | None) -> None:
    """What `last_heal` says from now on."""
    _LAST.set(heal)


def tell(heal: Heal, fault: Fault, rung: str, where: tuple[str, str], then: str = "") -> Heal:
    """A fault, and what is done about it: told to all who listen.

    `where`: the host and the model where it happened; `then`: who is asked next.
    """
    hooks.emit("heals_total", 1.0, {"wire": heal.wire, "fault": fault.kind, "rung": rung})
    did = {"restart": "asks again", "resume": "asks for the rest", "switch": f"asks {then}"}.get(rung, "raises")
    level = logging.ERROR if rung == "raised" else logging.WARNING
    host, model = where
    left_out = f" (not asked: {'; '.join(heal.skipped)})" if heal.skipped else ""
    log.log(level, "answer of %s from %s broke (%s: %s): %s%s", model, host, fault.kind, fault.detail, did, left_out)
    told = heal._replace(faults=(*heal.faults, fault.kind), rungs=(*heal.rungs, rung))
    told = told._replace(outcome="failed" if rung == "raised" else "under way")
    remember(told)
    return told
