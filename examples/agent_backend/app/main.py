"""The application: `uvicorn app.main:app`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import generate_latest

from app import db, guards, llm, logs, tasks
from app.decorators import logged
from app.memory import store
from app.routers import chat, conversations, memory
from guardrails import metrics
from guardrails.middleware.asgi import GuardMiddleware

logs.configure()
metrics.install()


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    await asyncio.to_thread(db.migrate)
    await tasks.broker.startup()
    async with llm.connected():
        yield
    await tasks.broker.shutdown()
    await store.aclose()


app = FastAPI(title="Agent backend", lifespan=lifespan)
app.include_router(conversations.router, prefix="/conversations")
app.include_router(chat.router, prefix="/chat")
app.include_router(memory.router, prefix="/memory")
if guards.ON:
    app.add_middleware(
        GuardMiddleware,
        longest_deadline=120,
        most_running=500,
        never_shed=["/health", "/metrics"],
        state_path="/guardrails/state",
        allow=lambda scope: (scope["client"] or [""])[0] in ("127.0.0.1", "testclient"),
    )


@app.exception_handler(db.ConversationNotFound)
@logged
async def conversation_not_found(_: Request, exc: db.ConversationNotFound) -> Response:
    return JSONResponse({"detail": str(exc)}, status_code=404)


@app.get("/health")
async def health() -> dict[str, str]:
    return {"status": "ok"}


@app.get("/metrics")
async def scrape() -> Response:
    return Response(generate_latest(metrics.registry_to_serve()), media_type="text/plain; version=0.0.4")
