"""Starlette and FastAPI: a response and a WebSocket message that no value can break.

from guardrails.middleware.starlette import SafeJSONResponse, send_json

`JSONResponse` answers 500, and `WebSocket.send_json` raises, for a UUID or a NaN: neither takes an encoder.
FastAPI rewrites what an endpoint *returns* before any response class sees it, and fails there; what returns a
`SafeJSONResponse` itself goes past that. The other way out is a return type: docs/guides/json-hosts.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from guardrails import jsonsafe

try:
    from starlette.responses import JSONResponse
except ModuleNotFoundError as missing:
    if missing.name == "starlette":
        missing.add_note("pip install 'guardrails-ops[fastapi]' brings it")
    raise

if TYPE_CHECKING:
    from starlette.websockets import WebSocket


class SafeJSONResponse(JSONResponse):
    """A `JSONResponse` that writes any content: returned by hand, or as FastAPI's `default_response_class`.

    As the default class it mends NaN and lone surrogates, which get past FastAPI's own encoding; what does not get
    past it (a lock, bytes, a cycle) still ends in a 500. The content may change meanwhile: it is copied first.
    """

    def render(self, content: Any) -> bytes:
        # What a client sent is often sent back, and what other requests change: nothing is promised about it.
        return jsonsafe.dumps(content, shared=True)


async def send_json(websocket: WebSocket, value: object) -> None:
    """Send `value` as one text message, in the place of `websocket.send_json(value)`.

    The value may change meanwhile: it is copied first. Raises what `websocket.send_text` raises: when the client has
    gone, or nothing was accepted yet.
    """
    await websocket.send_text(jsonsafe.dumps_str(value, shared=True))
