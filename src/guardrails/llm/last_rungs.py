"""What is left when no stream can be healed: a whole answer without streaming, a partial one, and at last an error.

In the order in which the policy names them; why "partial" comes last there: docs/decisions/0011-partial-is-last.md.
Written as a generator that yields requests and is sent what came of each, so that it is one for threads and asyncio.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from guardrails import hooks
from guardrails.errors import StreamDeadlineExceeded
from guardrails.llm.faults import CLASSES, Fault
from guardrails.llm.heals import log
from guardrails.llm.wires.answers import whole_in
from guardrails.llm.wires.requests import ask

if TYPE_CHECKING:
    from collections.abc import Generator

    from guardrails.errors import StreamFault
    from guardrails.llm.faults import Kind
    from guardrails.llm.neutral import Event
    from guardrails.llm.story import Story
    from guardrails.llm.targets import Target
    from guardrails.llm.wires.answers import Whole


def last_rungs(story: Story, fault: StreamFault, transport: Any) -> Generator[Any, bytes | None, list[Event]]:
    """The last events of a stream that ended in `fault`; raises it where there are none.

    Yields requests for `transport`; to be sent the body of a good answer, None for any other.
    """
    policy = story.home.policy
    story.fell()
    for rung in policy.on_fault:
        if rung == "non_stream" and _worth_it(fault):
            for target in _one_a_wire(story):
                if not _affordable(transport):
                    break
                _tell(story, fault, rung, f"asks {target.host} without streaming")
                body = yield _request(story, target, transport.family)
                whole = None if body is None else _read(target, body)
                story.asked(target, whole, answered=body is not None)
                if whole is not None:
                    return story.replaced(whole, kind_of(fault))
        elif rung == "partial" and len(story.text) > policy.partial_min_chars:
            _tell(story, fault, rung, f"takes the {len(story.text)} characters that came")
            return story.left()
    story.failed()
    raise fault


def kind_of(fault: StreamFault) -> Kind:
    """What is said of it in events and metrics."""
    return next(kind for kind, (ours, _, _) in CLASSES.items() if isinstance(fault, ours))


def _worth_it(fault: StreamFault) -> bool:
    """Whether another request may help: there is time, and the fault does not lie in what was asked."""
    status = getattr(fault, "status", None)
    mine = Fault("provider", "", getattr(fault, "kind", ""), status).own
    return not mine and not isinstance(fault, StreamDeadlineExceeded)


def _one_a_wire(story: Story) -> list[Target]:
    """Whom to ask: the transport goes on to those of the same wire by itself. Functions only stream."""
    home = story.home
    firsts: dict[str, Target] = {}
    for target in home.targets if "switch" in home.policy.on_fault else home.targets[:1]:
        if target.host not in home.functions:
            firsts.setdefault(target.wire, target)
    return list(firsts.values())


def _affordable(transport: Any) -> bool:
    """It is billed as another provider's answer would be."""
    with transport.lock:
        paid: bool = transport.places.switches.withdraw(transport.clock.monotonic())
    return paid


def _tell(story: Story, fault: StreamFault, rung: str, does: str) -> None:
    hooks.emit("heals_total", 1.0, {"wire": story.target.wire, "fault": kind_of(fault), "rung": rung})
    log.warning("stream of %s from %s did not heal: %s", story.target.model, story.target.host, does)


def _request(story: Story, target: Target, family: Any) -> Any:
    asked = ask(story.request, target)
    body = {**asked.body, "stream": False}
    body.pop("stream_options", None)
    return family.Request("POST", asked.url, headers=asked.headers, json=body)


def _read(target: Target, body: bytes) -> Whole | None:
    try:
        return whole_in(target.wire, json.loads(body))
    except (LookupError, TypeError, ValueError, AttributeError):
        return None
