"""Conversations and messages in SQLite. Sessions are short and never open while an answer is streamed."""

import os
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import ForeignKey, String, Text, create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship, sessionmaker

engine = create_engine(f"sqlite:///{os.environ.get('AGENT_DB', 'agent.db')}")
Sessions = sessionmaker(engine)


class Base(DeclarativeBase):
    """What the migrations are compared with."""


class Conversation(Base):
    __tablename__ = "conversations"

    id: Mapped[int] = mapped_column(primary_key=True)
    user: Mapped[str] = mapped_column(String(80))
    title: Mapped[str] = mapped_column(String(200))
    messages: Mapped[list["Message"]] = relationship(order_by="Message.id", cascade="all, delete-orphan")

    def as_dict(self) -> dict[str, Any]:
        return {"id": self.id, "user": self.user, "title": self.title, "messages": len(self.messages)}


class Message(Base):
    __tablename__ = "messages"

    id: Mapped[int] = mapped_column(primary_key=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id"), index=True)
    role: Mapped[str] = mapped_column(String(20))
    text: Mapped[str] = mapped_column(Text)
    topic: Mapped[str | None] = mapped_column(String(40))

    def as_dict(self) -> dict[str, Any]:
        return {"id": self.id, "role": self.role, "text": self.text, "topic": self.topic}


class ConversationNotFound(Exception):
    """No conversation has this id; answered as 404."""


def migrate() -> None:
    """Bring the database to the newest revision; does nothing when it is there already."""
    command.upgrade(Config(Path(__file__).parent.parent / "alembic.ini"), "head")


def find(session: Session, conversation_id: int) -> Conversation:
    conversation = session.get(Conversation, conversation_id)
    if conversation is None:
        raise ConversationNotFound(f"no conversation {conversation_id}")
    return conversation


def history(conversation_id: int) -> tuple[str, list[dict[str, str]]]:
    """The user of a conversation, and what was said so far in the form that a model reads."""
    with Sessions() as session:
        conversation = find(session, conversation_id)
        return conversation.user, [{"role": m.role, "content": m.text} for m in conversation.messages]


def add_message(conversation_id: int, role: str, text: str) -> None:
    with Sessions.begin() as session:
        session.add(Message(conversation_id=find(session, conversation_id).id, role=role, text=text))
