"""Questions, answered over server-sent events: `start`, one `token` a piece, then `done` or `error`.

`start` carries `"degraded": "memory"` where the answer is given without memories, because they are out of reach, `done`
`"healed": true` where it broke off on its way, and `error` `"partial": true` where what came so far is half an answer.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from prometheus_client import Counter
from pydantic import BaseModel, Field

from app import db, llm, memory, profiles, prompts
from app.tasks import extract_when_due
from guardrails import jsonsafe

logger = logging.getLogger(__name__)
router = APIRouter(tags=["chat"])
ANSWERS = Counter("agent_answers_total", "Answers by how they ended.", ["outcome"])


class Question(BaseModel):
    conversation_id: int
    text: str = Field(min_length=1)


@router.post("")
async def ask(question: Question) -> StreamingResponse:
    # Read before the first byte is sent: an unknown conversation can still be answered with 404.
    user, history = await asyncio.to_thread(db.history, question.conversation_id)
    return StreamingResponse(answer(question, user, history), media_type="text/event-stream")


async def answer(question: Question, user: str, history: list[dict[str, str]]) -> AsyncGenerator[str]:
    person = profiles.of(user)
    known = await memory.search.outcome(user, question.text)
    system = prompts.system(person.name, person.style, None if known.degraded else known.value)
    messages = [{"role": "system", "content": system}, *history, {"role": "user", "content": question.text}]
    await asyncio.to_thread(db.add_message, question.conversation_id, "user", question.text)
    yield frame("start", prompt=prompts.VERSION, **({"degraded": "memory"} if known.degraded else {}))

    text = ""
    try:
        # A client that leaves ends this generator; the model must not go on writing for nobody.
        async with aclosing(llm.stream(messages)) as pieces:
            async for piece in pieces:
                text += piece
                yield frame("token", text=piece)
    except llm.FAILED:
        # Half an answer may be shown. It is not kept: from the history the model and the user would take it for whole.
        outcome, detail = ("cut", "the answer was cut") if text else ("refused", "the model does not answer now")
        ANSWERS.labels(outcome).inc()
        logger.exception("no whole answer", extra={"fields": {"conversation": question.conversation_id}})
        yield frame("error", detail=detail, partial=bool(text))
        return

    ANSWERS.labels("degraded" if known.degraded else "complete").inc()
    kept = await memory.add.outcome(user, question.text)
    if kept.degraded:
        logger.warning("not remembered", extra={"fields": {"user": user, "why": kept.error}})
    await asyncio.to_thread(db.add_message, question.conversation_id, "assistant", text)
    await extract_when_due(question.conversation_id)
    yield frame("done", characters=len(text), **({"healed": True} if llm.healed() else {}))


def frame(event: str, **data: Any) -> str:
    return f"event: {event}\ndata: {jsonsafe.dumps(data).decode()}\n\n"
