"""What the assistant remembers of a user."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query

from app import memory

router = APIRouter(tags=["memory"])


@router.get("/search")
async def search_memory(user: str, q: str, limit: Annotated[int, Query(ge=1, le=20)] = 3) -> list[str]:
    found = await memory.search.outcome(user, q, limit)
    if found.degraded:
        raise HTTPException(503, "the memory does not answer")
    return found.value
