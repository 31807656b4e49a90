"""Questions, answered over server-sent events: `start`, one `token` a piece, then `done`."""

import asyncio
import json
import logging
import profile
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from prometheus_client import Counter
from pydantic import BaseModel, Field

from app import db, llm, memory, prompts
from app.tasks import extract_when_due

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
    person = profile.of(user)
    system = prompts.system(person.name, person.style, memory.search(user, question.text))
    messages = [{"role": "system", "content": system}, *history, {"role": "user", "content": question.text}]
    await asyncio.to_thread(db.add_message, question.conversation_id, "user", question.text)
    yield frame("start", prompt=prompts.VERSION)

    text = ""
    # A client that leaves ends this generator; the model must not go on writing for nobody.
    async with aclosing(llm.stream(messages)) as pieces:
        async for piece in pieces:
            text += piece
            yield frame("token", text=piece)

    ANSWERS.labels("complete").inc()
    memory.add(user, question.text)
    await asyncio.to_thread(db.add_message, question.conversation_id, "assistant", text)
    await extract_when_due(question.conversation_id)
    yield frame("done", characters=len(text))


def frame(event: str, **data: Any) -> str:
    return f"event: {event}\ndata: {json.dumps(data)}\n\n"
