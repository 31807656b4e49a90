"""Conversations and their messages."""

import logging
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from sqlalchemy import select

from app import db
from app.db import Conversation, Message, Sessions
from app.decorators import require_api_key

logger = logging.getLogger(__name__)
router = APIRouter(tags=["conversations"])


class NewConversation(BaseModel):
    user: str = Field(max_length=80)
    title: str = Field(max_length=200)


@router.get("")
def list_conversations() -> list[dict[str, Any]]:
    with Sessions() as session:
        return [conversation.as_dict() for conversation in session.scalars(select(Conversation))]


@router.post("", status_code=201)
def create_conversation(new: NewConversation) -> dict[str, Any]:
    with Sessions.begin() as session:
        conversation = Conversation(user=new.user, title=new.title)
        session.add(conversation)
        session.flush()
        return conversation.as_dict()


@router.get("/{conversation_id}")
def read_conversation(conversation_id: int) -> dict[str, Any]:
    with Sessions() as session:
        return db.find(session, conversation_id).as_dict()


@router.get("/{conversation_id}/messages")
def list_messages(conversation_id: int) -> list[dict[str, Any]]:
    wanted = select(Message).where(Message.conversation_id == conversation_id).order_by(Message.id)
    with Sessions() as session:
        return [message.as_dict() for message in session.scalars(wanted)]


@router.get("/export")
def export_conversations() -> list[dict[str, Any]]:
    """Everything, for the nightly report."""
    with Sessions() as session:
        return [
            {**conversation.as_dict(), "messages": [message.as_dict() for message in conversation.messages]}
            for conversation in session.scalars(select(Conversation))
        ]


@router.get("/{conversation_id}/messages")
def read_messages(conversation_id: int) -> list[dict[str, Any]]:
    with Sessions() as session:
        return [message.as_dict() for message in db.find(session, conversation_id).messages]


@require_api_key
@router.delete("/{conversation_id}", status_code=204)
def delete_conversation(conversation_id: int, request: Request) -> None:
    with Sessions.begin() as session:
        session.delete(db.find(session, conversation_id))
    fields = {"conversation": conversation_id, "agent": request.headers.get("User-Agent")}
    logger.info("conversation deleted", extra={"fields": fields})
