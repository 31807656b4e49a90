"""One request for a stream, with all its attempts: what goes out, what a failure means, whether to try again.

The shells in `transport` send and read; this decides, and keeps the account.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from guardrails.core.backoff import Backoff, fitting
from guardrails.errors import GuardrailsError
from guardrails.http import retry_after
from guardrails.http.outgoing import bounded, host_of
from guardrails.llm.faults import Fault, error_for
from guardrails.llm.heals import Heal, remember, tell
from guardrails.llm.mending import Mending
from guardrails.policies import remaining
from guardrails.policies.answers import OWN_FAULTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from guardrails.llm.rest import Rest
    from guardrails.llm.transport import Said
    from guardrails.llm.watchdog import TaskAlarm, ThreadAlarm
    from guardrails.llm.whole import First
    from guardrails.llm.wires import Wire

    Alarm = TaskAlarm | ThreadAlarm

# As the preset for language models has it; a provider that asks for longer is not waited for under a user's eyes.
WAITS = Backoff(base=0.5, cap=8.0, longest_retry_after=30.0)
# By this an SDK says that it has failed before, and so that attempts are counted elsewhere.
RETRY_COUNT = "x-stainless-retry-count"
NOT_SENT_AGAIN = ("content-length", "transfer-encoding", "accept-encoding")


class Call:
    """One stream. `now`: reads the shell's clock."""

    def __init__(self, said: Said, request: Any, wire: Wire, asked: dict[str, Any], now: Callable[[], float]) -> None:
        self.said = said
        self.request = request
        self.now = now
        host = host_of(request.url)
        learned = said.learned_for(host, wire, str(asked.get("model") or ""))
        self.mending = Mending(wire, asked, host, said.policy, learned, said.capabilities)
        left = remaining()
        self.began = now()
        self.ends = self.began + (said.policy.timeout if left is None else min(left, said.policy.timeout))
        self.heal = Heal(wire.name, host, self.mending.model, "under way")
        self.body: dict[str, Any] | None = None
        # Whether the client has its head, and whether an SDK around us is trying again.
        self.streaming = False
        self.again_outside = request.headers.get(RETRY_COUNT, "0") != "0"
        self.timeouts: dict[str, float | None] = {}
        remember(None)
        with said.lock:
            said.budget.deposit(self.began)

    @property
    def part(self) -> First | Rest:
        """The attempt that is read."""
        return self.mending.current

    def outgoing(self) -> Any:
        """The request of the next attempt."""
        request = self.request
        left = min(self.said.policy.first_token, self.ends - self.now())
        self.timeouts = bounded(request, left, 0.0)
        headers = request.headers.copy()
        extensions = {**request.extensions, "timeout": self.timeouts}
        # What is read on the way must not be compressed.
        if self.body is None:
            headers["accept-encoding"] = "identity"
            said: dict[str, Any] = {"stream": request.stream}
        else:
            kept = [(name, value) for name, value in headers.multi_items() if name.lower() not in NOT_SENT_AGAIN]
            headers = type(headers)([*kept, ("accept-encoding", "identity")])
            said = {"content": json.dumps(self.body, separators=(",", ":")).encode()}
        return type(request)(request.method, request.url, headers=headers, extensions=extensions, **said)

    def judged(self, response: Any) -> Fault | None:
        """What the head of an answer says; None: a stream, or what we cannot read, follows."""
        status = response.status_code
        if status < 400:
            return None
        wait = retry_after({name.lower(): text for name, text in response.headers.items()}, 0.0)
        return Fault("provider", f"the provider answered {status}", "", status, wait)

    def begins(self, response: Any) -> None:
        """The body of an answer begins."""
        self.mending.begins(response.headers)
        # From now on the alarm watches, and the user's own limit.
        policy = self.said.policy
        own = (self.request.extensions.get("timeout") or {}).get("read")
        longest = max(policy.first_token, policy.idle)
        self.timeouts["read"] = longest if own is None else min(own, longest)

    def due(self, *, content: bool) -> float:
        """When the alarm is to ring, if nothing comes from now on."""
        policy = self.said.policy
        return min(self.ends, self.now() + (policy.idle if content else policy.first_token))

    def overdue(self, *, content: bool) -> Fault:
        """Which clock has run out."""
        policy = self.said.policy
        if self.now() >= self.ends:
            return Fault("deadline", f"it was not whole {self.now() - self.began:.3g} s after it was asked for")
        if content:
            return Fault("idle", f"no content for {policy.idle:g} s")
        return Fault("first_token", f"no content {policy.first_token:g} s after it was asked for")

    def fault_of(self, error: Exception, *, content: bool) -> Fault:
        """What an error of the transport means. Raises it if it says nothing about the provider."""
        family = self.said.family
        names = {kind.__name__ for kind in type(error).__mro__}
        if isinstance(error, GuardrailsError) or names & OWN_FAULTS:
            raise error
        if isinstance(error, family.ReadTimeout):
            return self.overdue(content=content)
        if isinstance(error, family.TransportError | OSError) or names & {"EndOfStream", "BrokenResourceError"}:
            return Fault("connection", f"{type(error).__name__}: {error!s:.200}")
        raise error

    def retry(self, fault: Fault) -> float | None:
        """Seconds to wait before the next attempt; None: there is none. Tells what is done."""
        if fault.own and not self.streaming:
            return None
        again = None if self.again_outside and not self.streaming else self.mending.again(fault)
        pause = None
        if again is not None:
            patient = fault.kind == "provider" or self.mending.attempt > 2
            wait = WAITS.delay(self.mending.attempt - 1, self.said.clock.chance(), fault.retry_after)
            pause = fitting(wait if patient else 0.0, self.now(), self.ends)
            if pause is not None and not self._afford(fault):
                pause = None
        if again is None or pause is None:
            self.heal = tell(self.heal, fault, "raised")
            return None
        self.body = again.body
        self.heal = tell(self.heal._replace(attempts=self.mending.attempt), fault, again.rung)
        return pause

    def _afford(self, fault: Fault) -> bool:
        with self.said.lock:
            return self.said.budget.withdraw(self.now(), timeout=fault.kind in ("first_token", "idle"))

    def stopped(self, alarm: Alarm, error: Exception | None) -> bytes:
        """The body has ended, by an error or by itself, or the alarm has rung. Returns what was held back of a whole
        answer; else there is a fault.
        """
        part = self.part
        answer = part.answer
        whole = bool(answer.finish) and answer.state in ("complete", "unterminated")
        if not whole and (alarm.rang or error is not None):
            content = answer.contents > 0
            if alarm.rang or error is None:
                part.fault = self.overdue(content=content)
            else:
                part.fault = self.fault_of(error, content=content)
            return b""
        return part.ended()

    def streamed(self, response: Any, body: Any) -> Any:
        """The answer for the client: a stream that we watch, or what is none."""
        if response.status_code >= 400 or not _readable(response):
            return response
        self.streaming = True
        # Healed, it is longer or shorter.
        response.headers.pop("content-length", None)
        response.stream = body(self, response)
        return response

    def given_up(self, fault: Fault, cause: Exception | None, response: Any) -> Any:
        """No further attempt: an error status for a client that waits for its head, else an error."""
        if not self.streaming:
            if response is not None:
                tries = "restart" in self.said.policy.on_fault and not fault.own
                if tries:
                    # Else an SDK around us would make another three attempts.
                    response.headers["x-should-retry"] = "false"
                return response
            if cause is not None and fault.kind == "connection":
                raise cause
        raise self.error(fault) from cause

    def error(self, fault: Fault) -> Exception:
        """The error that the client gets."""
        mending = self.mending
        said: dict[str, Any] = {
            "provider": mending.host,
            "attempt": mending.attempt,
            "partial": mending.text,
            "last_event": mending.last_event,
        }
        if fault.kind == "deadline":
            said |= {"timeout": self.ends - self.began, "elapsed": self.now() - self.began}
        return error_for(fault, self.said.family, self.request, said)

    def finished(self) -> None:
        """The answer is whole."""
        self.mending.learned.learn(self.part.answer)
        if self.heal.faults:
            self.heal = self.heal._replace(
                outcome="healed", seams=self.mending.seams, tokens_estimated=self.mending.spent
            )
            remember(self.heal)


def _readable(response: Any) -> bool:
    """Whether the body is plain bytes: a server may compress although it was asked not to."""
    return str(response.headers.get("content-encoding", "identity")).lower() == "identity"
