"""What a host shows of the guards in its process, and lets an operator do with them; `asgi` serves it.

state_of_guards()                                            plain data without secrets
control_guards("guard=search&action=isolate&reason=INC-7")   (200, what became of it)
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from guardrails.clock import SystemClock
from guardrails.policies import guards
from guardrails.redact import redacted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from guardrails.policies import Guard

# Guards by key may be thousands; those in trouble are shown first.
MOST_KEYS = 200
LONGEST_REASON = 200

_clock = SystemClock()


def state_of_guards() -> dict[str, Any]:
    """Every guard of this process as plain data; of each guard's children by key at most 200, its `keys` counts all.

    `version` of this shape, `pid`, `at` in seconds since 1970 UTC, `guards`: see `GuardSnapshot`. Names and reasons
    are redacted: a key may be anything, a token too.
    """
    shown = []
    for name, guard in _named():
        found = guard.snapshot()
        circuit = found.circuit._replace(reason=redacted(found.circuit.reason))
        shown.append({**found._asdict(), "name": name, "circuit": circuit._asdict()})
    return {"version": 1, "pid": os.getpid(), "at": _clock.wall(), "guards": shown}


def control_guards(query: str) -> tuple[int, dict[str, Any]]:
    """Obey `guard=NAME&action=isolate|release&reason=WHY` for all guards of that name. Returns status and answer.

    The name of a dependency stands for both of its guards.
    """
    from urllib.parse import parse_qs

    asked = {name: values[0] for name, values in parse_qs(query).items()}
    wanted, action = asked.get("guard", ""), asked.get("action", "")
    if action not in ("isolate", "release"):
        return 400, {"detail": "action: isolate or release"}
    found = [guard for name, guard in _named() if name in (wanted, f"{wanted}.read", f"{wanted}.write")]
    if not found:
        return 404, {"detail": "no guard of that name in this process"}
    # It ends in logs and messages: one line, and not a long one.
    why = "".join(letter if letter.isprintable() else " " for letter in asked.get("reason", ""))[:LONGEST_REASON]
    for guard in found:
        (guard.isolate if action == "isolate" else guard.release)(why or f"{action}d by a human")
    return 200, {"pid": os.getpid(), "changed": len(found), "states": sorted({guard.state for guard in found})}


def _named() -> Iterator[tuple[str, Guard]]:
    for guard in guards():
        children = sorted(guard.by_key().values(), key=lambda child: child.state == "closed")
        yield from ((redacted(one.name), one) for one in (guard, *children[:MOST_KEYS]))
