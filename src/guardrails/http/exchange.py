"""One request to a guarded host: a generator that gives the head of the answer, then the chunks of its body.

A guard knows what a guarded generator is: tried again only before the first item, a failure where it breaks, nothing
where its consumer stops early. So the body of the answer is a part of the call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from guardrails.http.outgoing import bounded, host_of, left, sent_copy
from guardrails.policies import IGNORED, SUCCESS
from guardrails.policies.handed import HANDED, inherited

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from contextvars import Token

    from guardrails.http.transport import Said
    from guardrails.policies import Outcome
    from guardrails.policies.handed import Handed

# The guard's timer is to end an asynchronous call, not a timeout of the client's that is due in the same instant.
GRAIN = 0.05
# After the last chunk of a body that is to be ignored.
END = b"the end"


class Unheard(BaseException):
    """Ends an exchange that says nothing about the dependency: guards ignore what is no Exception."""


class Exchange:
    """One request to a guarded host, with all its attempts."""

    def __init__(self, said: Said, request: Any) -> None:
        self.said = said
        self.request = request
        self.outer = outer = HANDED.get()
        self.owned = outer is not None and outer.retries
        self.again = request.method in said.retry_methods and said.replayable(request)
        self.timeouts: dict[str, float | None] | None = None
        # An answer that is not handed out yet, or was no guard's business; an error that is none to the guard.
        self.answer: Any = None
        self.excused: Exception | None = None
        self.error: Any = None

    def hand_down(self) -> Token[Handed | None] | None:
        """Where the request must not be sent twice, tell the guard that somebody else retries."""
        if self.again or self.owned:
            return None
        return HANDED.set(inherited(None, retried=True))

    def outgoing(self, grain: float) -> Any:
        """The request of one attempt: in what time is left, and with what the next service is to know."""
        handed = HANDED.get()
        owned = self.owned or (self.again and handed is not None and handed.retries)
        request, self.timeouts = sent_copy(self.request, handed, self.said.own_hosts, grain, owned=owned)
        return request

    def flows(self, grain: float) -> None:
        """The head is there: the time for an attempt bounds its body no more."""
        if self.timeouts is not None:
            self.timeouts.update(bounded(self.request, left(HANDED.get()), grain))

    def excuses(self, error: Exception) -> bool:
        """Whether the error counts as a success. Raises Unheard for one that counts as nothing."""
        outer = self.outer
        overdue = outer is not None and outer.deadline is not None and outer.clock.monotonic() >= outer.deadline
        # Cut short by a caller's deadline, a request says nothing about the service.
        foreign = overdue and isinstance(error, self.said.family.TimeoutException)
        outcome = IGNORED if foreign else self.said.judged(error)
        if outcome is None:
            return False
        if outcome.kind in ("failure", "throttled"):
            # By this the guard judges it, which would take what is throttled for a failure like others.
            error.outcome = outcome  # type: ignore[attr-defined]
            return False
        self.excused = error
        if outcome.kind == "ignored":
            raise Unheard
        return True

    def judge(self, response: Any) -> Outcome | None:
        """Success or ignored, for an answer whose body is to come; None for a success that has none.

        Raises HTTPStatusError for a failure, as `raise_for_status` does, and Unheard for what is ignored and has none.
        """
        outcome = self.said.judged(response) or SUCCESS
        if outcome.kind in ("failure", "throttled"):
            self.answer = response
            # `last` in what a rejected caller reads, and a note on this error, have no room for a path or a query.
            message = f"{response.status_code} from {host_of(self.request.url)}"
            error = self.error = self.said.family.HTTPStatusError(message, request=self.request, response=response)
            # By this the guard judges it.
            error.outcome = outcome
            raise error
        # After 101 the connection is the user's. Mocks have read their bodies already.
        status, method = response.status_code, self.request.method
        if status < 200 or status in (204, 304) or method == "HEAD" or response.is_closed:
            self.answer = response
            if outcome.kind == "ignored":
                raise Unheard
            return None
        return outcome

    def result(self) -> Any:
        """The answer of an exchange that ended with its head. Raises the error that was excused."""
        if self.excused is not None:
            raise self.excused
        # It holds the frames of all who handled it, and they hold us.
        self.error = None
        return self.answer


def attempt(call: Exchange) -> Iterator[Any]:
    """One attempt: the head of the answer, then its chunks."""
    if call.answer is not None:
        call.answer.close()
    try:
        response = call.said.inner.handle_request(call.outgoing(0.0))
    except Exception as exc:
        if call.excuses(exc):
            return
        raise
    outcome = call.judge(response)
    if outcome is None:
        return
    body = response.stream
    try:
        yield response
        call.flows(0.0)
        # Not `yield from`: it would throw into the body what the consumer throws in here.
        for chunk in body:  # noqa: UP028
            yield chunk
    except Exception as exc:
        if not call.excuses(exc):
            raise
    else:
        if outcome.kind == "ignored":
            yield END
    finally:
        body.close()


async def aattempt(call: Exchange) -> AsyncIterator[Any]:
    """The same for asyncio."""
    if call.answer is not None:
        await call.answer.aclose()
    try:
        response = await call.said.inner.handle_async_request(call.outgoing(GRAIN))
    except Exception as exc:
        if call.excuses(exc):
            return
        raise
    outcome = call.judge(response)
    if outcome is None:
        return
    body = response.stream
    try:
        yield response
        call.flows(GRAIN)
        async for chunk in body:
            yield chunk
    except Exception as exc:
        if not call.excuses(exc):
            raise
    else:
        if outcome.kind == "ignored":
            yield END
    finally:
        await body.aclose()
