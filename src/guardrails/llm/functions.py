"""Functions as targets: whatever iterates over pieces of an answer is a provider, and speaks chat completions.

def mine(request):                  or `async def`; gets the neutral Request
    for chunk in my_client(request.messages):
        yield chunk.text            a str, Text, ToolCall or Usage

Its end is the end of the answer. What it raises is a fault of this target, and the next one is asked. In asyncio, a
function that does not iterate asynchronously runs in a thread, so that it blocks nobody.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import re
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from guardrails.http.families import class_around, family_of
from guardrails.llm.neutral import Attempt, Done, Event, Text, Usage
from guardrails.llm.request import Request, ToolCall
from guardrails.llm.targets import Target
from guardrails.llm.wires.events import DONE, event
from guardrails.llm.wires.requests import read

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

Pieces: TypeAlias = Iterable[str | Event] | AsyncIterable[str | Event]
Function: TypeAlias = Callable[[Request], Pieces | Awaitable[Pieces]]
# Not a host that a name server knows.
DOMAIN = ".function.invalid"
HEAD = {"id": "chatcmpl-0", "object": "chat.completion.chunk", "created": 0}
NO_MORE = object()


def target_of(function: Function) -> Target:
    """The target that a function is. Those of one name share a circuit."""
    name = getattr(function, "__name__", type(function).__name__)
    host = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "function"
    return Target(f"http://{host}{DOMAIN}", model=name)


class Unusable(TypeError):
    """A function that is no target here: to ask another one would only hide it."""


class Chunks:
    """Pieces as chunks of a chat completion."""

    def __init__(self, model: str) -> None:
        self._head = {**HEAD, "model": model}
        self._calls = 0
        self._usage: Usage | None = None
        self._finish = ""

    def piece(self, piece: object) -> bytes:
        """What a piece adds. Raises Unusable for what is none, and EOFError for the end of half an answer."""
        if isinstance(piece, str | Text):
            said = piece if isinstance(piece, str) else piece.text
            return self._chunk({"content": said}) if said else b""
        if isinstance(piece, ToolCall):
            function = {"name": piece.name, "arguments": json.dumps(piece.arguments)}
            call = {"index": self._calls, "id": piece.id, "type": "function", "function": function}
            self._calls += 1
            return self._chunk({"tool_calls": [call]})
        if isinstance(piece, Usage):
            self._usage = piece
        elif isinstance(piece, Done):
            if piece.outcome != "complete":
                raise EOFError("it gave half an answer")
            self._finish = piece.finish
        elif not isinstance(piece, Attempt) or piece.superseded:
            raise Unusable(f"a target may give str, Text, ToolCall and Usage, and this is {piece!r:.80}")
        return b""

    def end(self) -> bytes:
        """The end, and what it cost."""
        told = self._chunk({}, self._finish or ("tool_calls" if self._calls else "stop"))
        if self._usage is not None:
            given, made, _ = self._usage
            usage = {"prompt_tokens": given, "completion_tokens": made, "total_tokens": given + made}
            told += event({**self._head, "choices": [], "usage": usage})
        return told + DONE

    def _chunk(self, delta: dict[str, Any], reason: str | None = None) -> bytes:
        return event({**self._head, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})


class Asking:
    """One call of a function. `family`: httpx or httpx2, of whose errors it raises."""

    def __init__(self, family: Any, function: Function, body: bytes) -> None:
        asked = json.loads(body)
        request = read("openai-chat", asked)
        if request is None:
            raise Unusable(f"{target_of(function).host} cannot be asked this: only text and tools")
        self._family = family
        self._function = function
        self._request = request
        self._chunks = Chunks(str(asked.get("model") or ""))
        self._pieces: Any = None

    def told(self) -> Iterator[bytes]:
        """The bytes of its answer."""
        try:
            self._pieces = iter(self._plain(self._function(self._request)))
            for piece in self._pieces:
                yield self._chunks.piece(piece)
        except Unusable:
            raise
        except Exception as exc:
            raise self._lost(exc) from exc
        yield self._chunks.end()

    async def atold(self) -> AsyncIterator[bytes]:
        """The same in asyncio."""
        try:
            given = self._function(self._request)
            pieces = await given if inspect.isawaitable(given) else given
            if isinstance(pieces, AsyncIterable):
                self._pieces = aiter(pieces)
                async for piece in self._pieces:
                    yield self._chunks.piece(piece)
            else:
                self._pieces = iter(self._plain(pieces))
                while (piece := await asyncio.to_thread(next, self._pieces, NO_MORE)) is not NO_MORE:
                    yield self._chunks.piece(piece)
        except Unusable:
            raise
        except Exception as exc:
            raise self._lost(exc) from exc
        yield self._chunks.end()

    def _plain(self, pieces: Any) -> Iterable[Any]:
        if isinstance(pieces, str):
            return [pieces]
        if not isinstance(pieces, Iterable):
            what = f"{type(pieces).__name__}, which only asyncio can iterate"
            raise Unusable(f"{target_of(self._function).host} gave {what}: use `async with`")
        return pieces

    def _lost(self, exc: Exception) -> Exception:
        """What an error of the function is to those who ask: a provider out of reach."""
        error: Exception = self._family.ReadError(f"{type(exc).__name__}: {exc!s:.200}")
        return error

    def close(self) -> None:
        """Nobody reads any more."""
        close = getattr(self._pieces, "close", None)
        # A thread may be in the middle of it.
        with contextlib.suppress(ValueError):
            if close is not None:
                close()

    async def aclose(self) -> None:
        """The same in asyncio."""
        close = getattr(self._pieces, "aclose", None)
        if close is None:
            self.close()
        else:
            await close()


class Body:
    """What a function says, as the body of an answer."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    def __iter__(self) -> Iterator[bytes]:
        return self._asking.told()

    def close(self) -> None:
        """Nobody reads any more."""
        self._asking.close()


class AsyncBody:
    """The same for asyncio."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking
        self._told: Any = None

    def __aiter__(self) -> AsyncIterator[bytes]:
        self._told = self._asking.atold()
        return self._told  # type: ignore[no-any-return]

    async def aclose(self) -> None:
        """Nobody reads any more."""
        # Not left to the garbage collector, which asks the event loop to end it some time.
        if self._told is not None:
            await self._told.aclose()
        await self._asking.aclose()


class Transport:
    """Asks the function of a host, and `inner` for all other hosts."""

    body: Any

    def __init__(self, inner: Any, functions: Mapping[str, Function]) -> None:
        self._inner = inner
        self._functions = functions

    def handle_request(self, request: Any) -> Any:
        """Called by the one around it."""
        function = self._functions.get(request.url.host)
        return self._inner.handle_request(request) if function is None else answer(request, function, self.body)

    def close(self) -> None:
        """Called by the one around it."""
        self._inner.close()


class AsyncTransport:
    """The same for asyncio."""

    abody: Any

    def __init__(self, inner: Any, functions: Mapping[str, Function]) -> None:
        self._inner = inner
        self._functions = functions

    async def handle_async_request(self, request: Any) -> Any:
        """Called by the one around it."""
        function = self._functions.get(request.url.host)
        if function is not None:
            return answer(request, function, self.abody)
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        """Called by the one around it."""
        await self._inner.aclose()


def answer(request: Any, function: Function, body: Any) -> Any:
    """The answer of a function to a request for a chat completion."""
    family = family_of(request)
    stream = body(Asking(family, function, request.read()))
    return family.Response(200, headers={"content-type": "text/event-stream"}, stream=stream)


def beside(inner: Any, functions: Mapping[str, Function]) -> Any:
    """A transport that asks the function of a host, and `inner` for all other hosts; of its family and kind."""
    doc = "A transport that asks functions, too."
    return class_around(inner, "Function", doc, (Transport, Body), (AsyncTransport, AsyncBody))(inner, functions)
