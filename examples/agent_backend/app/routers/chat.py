"""Questions, answered over server-sent events: `start`, one `token` a piece, then `done` or `error`.

`start` carries `"degraded": "memory"` where the answer is given without memories, because they are out of reach.
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
from guardrails import GuardrailsError, jsonsafe

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

    text, finished = "", False
    try:
        # A client that leaves ends this generator; the model must not go on writing for nobody.
        async with aclosing(llm.stream(messages)) as deltas:
            async for delta in deltas:
                text, finished = text + delta.text, delta.finished
                yield frame("token", text=delta.text)
    except GuardrailsError:
        ANSWERS.labels("refused").inc()
        logger.exception("no answer", extra={"fields": {"conversation": question.conversation_id}})
        yield frame("error", detail="the model does not answer now")
        return
    if not finished:
        ANSWERS.labels("cut").inc()
        logger.error("answer cut", extra={"fields": {"conversation": question.conversation_id}})
        yield frame("error", detail="the answer was cut")
        return

    ANSWERS.labels("degraded" if known.degraded else "complete").inc()
    kept = await memory.add.outcome(user, question.text)
    if kept.degraded:
        logger.warning("not remembered", extra={"fields": {"user": user, "why": kept.error}})
    await asyncio.to_thread(db.add_message, question.conversation_id, "assistant", text)
    await extract_when_due(question.conversation_id)
    yield frame("done", characters=len(text))


def frame(event: str, **data: Any) -> str:
    return f"event: {event}\ndata: {jsonsafe.dumps(data).decode()}\n\n"
