"""A provider of language models on 127.0.0.1 that answers openai's and anthropic's clients as the model's name says.

200                          a completion
429, 429 retry-after=7       that status, with that header
429 code=insufficient_quota  the same, with this code (openai) or type (anthropic) in the body
drop                         no answer, and hangs up        silent    no answer until the server ends
page                         200 with a page of a proxy
stream, stream code=...      events; the second is an error with this code
"""

from __future__ import annotations

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST = {
    "anthropic": {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "So"}},
    "openai": {
        "id": "c",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "delta": {"content": "So"}, "finish_reason": None}],
    },
}
COMPLETION = {
    "anthropic": {
        "id": "m",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [{"type": "text", "text": "Yes."}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 1, "output_tokens": 1},
    },
    "openai": {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Yes."}}],
    },
}


class Provider(ThreadingHTTPServer):
    """`asked`: the models so far."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str] = []
        self.ended = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has hung up is no news."""


class Handler(BaseHTTPRequestHandler):
    server: Provider
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        wire = "anthropic" if self.path.startswith("/v1/messages") else "openai"
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        model = body["model"]
        self.server.asked.append(model)
        what, *options = model.split(" ")
        said = dict(option.split("=") for option in options)
        code = said.pop("code", "")
        self.close_connection = True
        if what == "drop":
            return
        if what == "silent":
            self.server.ended.wait(30)
        elif what == "stream":
            self.answer(200, self.events(wire, code), {"content-type": "text/event-stream"})
        elif what == "page":
            self.answer(200, b"<p>Please log in.</p>", {"content-type": "text/html"})
        elif what == "200":
            self.answer(200, json.dumps(COMPLETION[wire]).encode(), {"content-type": "application/json"})
        else:
            answer = json.dumps(error(wire, code)).encode()
            self.answer(int(what), answer, {"content-type": "application/json", **said})

    def events(self, wire: str, code: str) -> bytes:
        events = [FIRST[wire], {"type": "error", **error(wire, code)}]
        names = [event.get("type") for event in events]
        lines = [f"data: {json.dumps(event)}\n\n" for event in events]
        if wire == "anthropic":
            lines = [f"event: {name}\n{line}" for name, line in zip(names, lines, strict=True)]
        return "".join(lines).encode()

    def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "content-length": str(len(body)), "connection": "close"}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """The tests look at `asked`."""


def error(wire: str, code: str) -> dict[str, Any]:
    if wire == "anthropic":
        return {"type": "error", "error": {"type": code or "api_error", "message": "no"}}
    return {"error": {"message": "no", "type": code or "server_error", "code": code or None, "param": None}}


@contextlib.contextmanager
def provider() -> Iterator[Provider]:
    """A provider until the block ends."""
    with Provider() as server:
        thread = threading.Thread(target=lambda: server.serve_forever(0.01))
        thread.start()
        try:
            yield server
        finally:
            server.ended.set()
            server.shutdown()
            thread.join(10)
