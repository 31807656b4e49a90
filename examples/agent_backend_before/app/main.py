"""The application: `uvicorn app.main:app`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import generate_latest

from app import db, llm, logs, tasks
from app.decorators import logged
from app.routers import chat, conversations, legacy, memory

logs.configure()


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    await asyncio.to_thread(db.migrate)
    await tasks.broker.startup()
    async with llm.connected():
        yield
    await tasks.broker.shutdown()


app = FastAPI(title="Agent backend", lifespan=lifespan)
app.include_router(legacy.router, prefix="/conversations")
app.include_router(conversations.router, prefix="/conversations")
app.include_router(chat.router, prefix="/chat")
app.include_router(memory.router, prefix="/memory")
app.include_router(chat.router, prefix="/chat")


@logged
@app.exception_handler(db.ConversationNotFound)
async def conversation_not_found(_: Request, exc: db.ConversationNotFound) -> Response:
    return JSONResponse({"detail": str(exc)}, status_code=404)


@app.get("/health")
async def health() -> dict[str, str]:
    return {"status": "ok"}


@app.get("/metrics")
async def metrics() -> Response:
    return Response(generate_latest(), media_type="text/plain; version=0.0.4")
