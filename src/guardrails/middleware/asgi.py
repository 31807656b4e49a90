"""ASGI: what a caller handed down is kept, what is too much is refused, each request has a name.

    app = GuardMiddleware(app, most_running=200, never_shed=["/health"], state_path="/guardrails/state")

    request ── state_path ────────────────────────► every guard of this process, as JSON
       │  ── most_running, not never_shed ────────► 503, Retry-After
       ▼
    deadline and retry owner of the headers ── guards inside keep them
    request_id() ── the app ── x-request-id on the answer

No framework is needed. WebSockets and lifespan pass untouched; bodies are not read, and answers not held back.
"""

from __future__ import annotations

import os
import re
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from guardrails import hooks, jsonsafe
from guardrails.core.deadline import LONGEST, from_text
from guardrails.core.ranges import Ranges
from guardrails.http import DEADLINE_HEADER, RETRY_OWNER, RETRY_OWNER_HEADER
from guardrails.middleware.state import control_guards, state_of_guards
from guardrails.policies.handed import HANDED, inherited, restore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping

    from guardrails.policies.handed import Handed

    Scope = Mapping[str, Any]
    Send = Callable[[Any], Awaitable[None]]
    App = Callable[[Any, Callable[[], Awaitable[Any]], Send], Awaitable[None]]

ID_HEADER = b"x-request-id"
# What no log line, header or query can be broken out of.
WELL_FORMED = re.compile(rb"[A-Za-z0-9._:+/=-]{1,128}")
SHORTEST_SECRET = 16

_request_id: ContextVar[str | None] = ContextVar("guardrails_request_id", default=None)


def request_id() -> str | None:
    """The name of the request that this code works for: what its x-request-id says, or one that we made; else None."""
    return _request_id.get()


class GuardMiddleware:
    """An ASGI application around `app`; also for `add_middleware`. Outermost, so that what it refuses costs little.

    `longest_deadline`: seconds, 0.001 to a week, default 60; a caller's `guardrails-deadline` is cut to it. One that is
    malformed is ignored and counted under `headers_ignored_total`. `most_running`: requests at once, 1 to 1,000,000,
    default None: no bound. More are answered with 503; `retry_after`: the seconds it tells, 1 to 3600, default 1.
    `never_shed`: paths that are served all the same, with what lies below them, such as "/health"; they count.
    `state_path`: where a GET shows the guards of this process, default None: nowhere. It tells names of guards and of
    classes of errors to whoever asks; `allow` is given the ASGI scope and says who may, others get 403. Default: all.
    `control`: let a POST there isolate and release guards, with `secret`, at least 16 characters, as a bearer token.

    Raises ConfigError, a ValueError, that lists every mistake.
    """

    def __init__(
        self,
        app: App,
        *,
        longest_deadline: float = 60.0,
        most_running: int | None = None,
        retry_after: int = 1,
        never_shed: Collection[str] = (),
        state_path: str | None = None,
        allow: Callable[[Scope], bool] | None = None,
        control: bool = False,
        secret: str = "",
    ) -> None:
        ranges = Ranges()
        ranges.number("longest_deadline", longest_deadline, 0.001, LONGEST, "write seconds")
        ranges.number("most_running", most_running, 1, 1_000_000, "write a count", whole=True, none="no bound")
        ranges.number("retry_after", retry_after, 1, 3600, "write seconds", whole=True)
        paths = ["(a text)"] if isinstance(never_shed, str) else [*never_shed, *([state_path] if state_path else [])]
        for path in paths:
            ranges.demand(path.startswith("/"), "path", path, "a path from the root", "write for example ['/health']")
        # Never shown in the message: it may be close to the right one.
        fits = not control or (state_path is not None and len(secret) >= SHORTEST_SECRET)
        ranges.demand(fits, "control", control, "with state_path and a secret", f"of {SHORTEST_SECRET} characters")
        ranges.settle()
        self.app = app
        self.running = 0
        self._longest = longest_deadline
        self._most = most_running
        self._retry_after = str(retry_after).encode()
        self._never_shed = tuple(path.rstrip("/") for path in never_shed)
        self._state_path = state_path
        self._allow = allow
        self._secret = f"Bearer {secret}".encode() if control else None

    async def __call__(self, scope: Scope, receive: Callable[[], Awaitable[Any]], send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        said = _values(scope)
        given = said.get(ID_HEADER, b"")
        name = given if WELL_FORMED.fullmatch(given) else os.urandom(16).hex().encode()

        async def named(message: Any) -> None:
            if message["type"] == "http.response.start":
                headers = [pair for pair in message.get("headers", ()) if pair[0].lower() != ID_HEADER]
                message = {**message, "headers": [*headers, (ID_HEADER, name)]}
            await send(message)

        path = scope["path"].removeprefix(scope.get("root_path", ""))
        mark = _request_id.set(name.decode())
        try:
            if path == self._state_path:
                await self._state(scope, said, named)
            elif self._most is not None and self.running >= self._most and not self._spared(path):
                hooks.emit("rejections_total", 1.0, {"guard": "asgi", "reason": "shed"})
                detail = {"detail": f"{self.running} requests are running: try again later"}
                await _answer(named, 503, detail, (b"retry-after", self._retry_after))
            else:
                await self._run(scope, receive, named, self._handed(said))
        finally:
            _request_id.reset(mark)

    async def _run(self, scope: Scope, receive: Any, send: Send, handed: Handed | None) -> None:
        mark = None if handed is None else HANDED.set(handed)
        self.running += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self.running -= 1
            if mark is not None:
                restore(mark)

    def _spared(self, path: str) -> bool:
        return any(path == spared or path.startswith(f"{spared}/") for spared in self._never_shed)

    def _handed(self, said: Mapping[bytes, bytes]) -> Handed | None:
        """What the caller hands down, for the guards inside; None: nothing."""
        seconds = None
        text = said.get(DEADLINE_HEADER.encode())
        if text is not None:
            try:
                seconds = from_text(text.decode("latin-1"), 0.0, self._longest)
            except ValueError:
                hooks.emit("headers_ignored_total", 1.0, {"header": DEADLINE_HEADER})
        retries = said.get(RETRY_OWNER_HEADER.encode()) == RETRY_OWNER.encode()
        return None if seconds is None and not retries else inherited(seconds, retried=retries)

    async def _state(self, scope: Scope, said: Mapping[bytes, bytes], send: Send) -> None:
        import hmac

        method = scope["method"]
        if self._allow is not None and not self._allow(scope):
            await _answer(send, 403, {"detail": "not allowed here"})
        elif method in ("GET", "HEAD"):
            await _answer(send, 200, {"running": self.running, **state_of_guards()})
        elif method != "POST" or self._secret is None:
            await _answer(send, 405, {"detail": "GET shows the guards"}, (b"allow", b"GET"))
        elif not hmac.compare_digest(said.get(b"authorization", b""), self._secret):
            await _answer(send, 401, {"detail": "the secret is missing or wrong"}, (b"www-authenticate", b"Bearer"))
        else:
            await _answer(send, *control_guards(scope["query_string"].decode("latin-1")))


async def _answer(send: Send, status: int, value: object, *more: tuple[bytes, bytes]) -> None:
    data = jsonsafe.dumps(value)
    length = str(len(data)).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", length), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *more]})
    await send({"type": "http.response.body", "body": data})


def _values(scope: Scope) -> dict[bytes, bytes]:
    """Headers by name; of one that came twice nobody knows which is meant, so they stand together and are malformed."""
    values: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        lower = name.lower()
        values[lower] = values[lower] + b", " + value if lower in values else value
    return values
