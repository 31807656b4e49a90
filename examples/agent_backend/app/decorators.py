"""Wrappers shared by tasks and routes.

A registration keeps the function that it is given, so it goes on top of them:

    @broker.task
    @timed
    def summarise(conversation_id: int) -> None: ...
"""

import functools
import hmac
import logging
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import HTTPException, Request, Response

logger = logging.getLogger(__name__)


def timed(function: Callable[..., Any]) -> Callable[..., Any]:
    """Log how long each call took, whether it returned or raised."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        started = time.monotonic()
        try:
            return function(*args, **kwargs)
        finally:
            fields = {"call": function.__name__, "seconds": round(time.monotonic() - started, 3)}
            logger.info("timed", extra={"fields": fields})

    return wrapper


def logged(handler: Callable[..., Awaitable[Response]]) -> Callable[..., Awaitable[Response]]:
    """Log each request that ends in an exception handler."""

    @functools.wraps(handler)
    async def wrapper(request: Request, exc: Exception) -> Response:
        logger.warning("request refused", extra={"fields": {"path": request.url.path, "why": str(exc)}})
        return await handler(request, exc)

    return wrapper


def require_api_key(handler: Callable[..., Any]) -> Callable[..., Any]:
    """Answer 401 unless X-API-Key is the key in AGENT_API_KEY; with no key set, nobody is let in."""

    @functools.wraps(handler)
    def wrapper(request: Request, **arguments: Any) -> Any:
        expected = os.environ.get("AGENT_API_KEY", "")
        given = request.headers.get("X-API-Key", "")
        if not expected or not hmac.compare_digest(given.encode(), expected.encode()):
            raise HTTPException(401, "X-API-Key is missing or wrong")
        return handler(request=request, **arguments)

    return wrapper
