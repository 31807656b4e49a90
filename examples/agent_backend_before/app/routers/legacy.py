"""What version 1 of the phone app reads: the list of conversations as bare ids."""

from fastapi import APIRouter
from sqlalchemy import select

from app.db import Conversation, Sessions

router = APIRouter(tags=["legacy"])


@router.get("")
def list_ids() -> dict[str, list[int]]:
    with Sessions() as session:
        return {"conversations": list(session.scalars(select(Conversation.id)))}
