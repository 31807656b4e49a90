"""Background work: every message gets a topic, once a conversation has enough new ones."""

import asyncio
import logging

from sqlalchemy import func, select
from taskiq import InMemoryBroker

from app import memory
from app.db import Message, Sessions
from app.decorators import timed

logger = logging.getLogger(__name__)
broker = InMemoryBroker()

THRESHOLD = 10  # messages without a topic; fewer say too little to be worth a run
UNSORTED = "unsorted"
TOPICS = {
    "billing": {"invoice", "price", "refund"},
    "travel": {"flight", "hotel", "train"},
}


def topic_of(text: str) -> str:
    found = memory.words(text)
    return next((topic for topic, keywords in TOPICS.items() if keywords & found), UNSORTED)


@timed
@broker.task
def extract_topics(conversation_id: int) -> int:
    """Give each waiting message a topic and say how many there were; one that fits none is logged by id."""
    with Sessions.begin() as session:
        waiting = session.scalars(select_waiting(conversation_id)).all()
        for message in waiting:
            message.topic = topic_of(message.text)
        unsorted = [message.id for message in waiting if message.topic == UNSORTED]
    if unsorted:
        logger.warning("no topic fits", extra={"fields": {"messages": unsorted}})
    return len(waiting)


async def extract_when_due(conversation_id: int) -> None:
    fields = {"conversation": conversation_id}
    fields["waiting"] = await asyncio.to_thread(count_waiting, conversation_id)
    if fields["waiting"] < THRESHOLD:
        logger.info("extraction waits for more messages", extra={"fields": fields})
        return
    try:
        await extract_topics.kiq(conversation_id)
    except Exception:
        # The user has the answer by now; what follows it must not turn it into an error.
        logger.exception("extraction not queued", extra={"fields": fields})


def select_waiting(conversation_id: int):
    return select(Message).where(Message.conversation_id == conversation_id, Message.topic.is_(None))


def count_waiting(conversation_id: int) -> int:
    with Sessions() as session:
        return session.scalar(select(func.count()).select_from(select_waiting(conversation_id).subquery()))
