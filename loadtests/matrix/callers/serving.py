"""What the callers share: jobs come in, what was told goes out, each as a line of JSON."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

ASKED = "Hello?"
MESSAGES: list[Any] = [{"role": "user", "content": ASKED}]


class Job(NamedTuple):
    """One stream to ask for. `url`: the server that breaks; `fallback`: a healthy one; `timeout`: seconds."""

    wire: str
    way: str
    family: str
    url: str
    fallback: str
    timeout: float


class Reported(Exception):
    """An event said "error": to a careful user that is one."""


def serve(
    speak: Callable[[Job], Iterator[str]],
    aspeak: Callable[[Job], AsyncIterator[str]],
    own: Callable[[Exception], bool],
    versions: str,
) -> None:
    """Do jobs until standard input ends. `speak`, `aspeak`: the text, piece by piece; `own`: whether an error is of the
    caller's own tree; `versions`: what is measured, told first.
    """
    # What a library prints must not stand between the answers.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as out, asyncio.Runner() as runner:
        os.dup2(2, 1)

        def answer(value: object) -> None:
            out.write(json.dumps(value) + "\n")
            out.flush()

        answer(versions)
        for line in sys.stdin:
            job = Job(**json.loads(line))
            pieces: list[str] = []
            error: Exception | None = None
            try:
                if job.way == "sync":
                    pieces.extend(speak(job))
                else:
                    runner.run(_gathered(aspeak(job), pieces))
            except Exception as exc:  # noqa: BLE001 - it is what is measured
                error = exc
            mine = error is not None and (isinstance(error, Reported) or own(error))
            answer({"text": "".join(pieces), "error": "" if error is None else type(error).__name__, "own": mine})


async def _gathered(source: AsyncIterator[str], pieces: list[str]) -> None:
    async for piece in source:
        pieces += (piece,)


def text_in(wire: str, event: Any) -> str:
    """What an event of an official client says. Raises Reported for one that says "error"."""
    if wire == "openai-chat":
        return "".join(choice.delta.content or "" for choice in event.choices or ())
    if event.type in ("error", "response.failed"):
        raise Reported(event.type)
    if wire == "openai-responses":
        return str(event.delta) if event.type == "response.output_text.delta" else ""
    return str(getattr(event.delta, "text", "")) if event.type == "content_block_delta" else ""
