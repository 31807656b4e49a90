"""One request for an answer, with all its attempts: what goes out, what a failure means, who is asked next.

The shells in `transport` send and read; this decides, and keeps the account.

    fault ──► the same provider again, or for the rest (`mending`) ──► a fallback (`route`) ──► given up
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from guardrails.core.backoff import Backoff, fitting
from guardrails.errors import GuardrailsError, Rejected
from guardrails.http import retry_after
from guardrails.http.outgoing import bounded, host_of
from guardrails.llm.faults import Fault, error_for
from guardrails.llm.heals import Heal, remember, tell
from guardrails.llm.mending import Mending
from guardrails.llm.route import HELD, Route, verdict
from guardrails.llm.usage import BYTES_A_TOKEN, Spent, told, told_in
from guardrails.policies import SUCCESS, remaining
from guardrails.policies.answers import OWN_FAULTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from guardrails.llm.mending import Again
    from guardrails.llm.places import Place
    from guardrails.llm.rest import Rest
    from guardrails.llm.transport import Said
    from guardrails.llm.watchdog import TaskAlarm, ThreadAlarm
    from guardrails.llm.whole import First
    from guardrails.llm.wires import Wire
    from guardrails.llm.wires.requests import Ask

    Alarm = TaskAlarm | ThreadAlarm

# As the preset for language models has it; a provider that asks for longer is not waited for under a user's eyes.
WAITS = Backoff(base=0.5, cap=8.0, longest_retry_after=30.0)
# By this an SDK says that it has failed before, and so that attempts are counted elsewhere.
RETRY_COUNT = "x-stainless-retry-count"
NOT_SENT_AGAIN = ("content-length", "transfer-encoding", "accept-encoding")
# What a fallback hears of the client: nothing in which a key could stand.
SENT_ALONG = ("accept", "user-agent")
# Of an answer in place of a stream, what is kept for the client.
SHORT = 65_536


class Call:
    """One answer. `now`: reads the shell's clock; `streams`: whether it is to be a stream.

    Raises CircuitOpen where humans hold all circuits open, and DeadlineExceeded where there are fallbacks and a guard
    around it has no time left.
    """

    def __init__(
        self, said: Said, request: Any, wire: Wire, asked: dict[str, Any], now: Callable[[], float], *, streams: bool
    ) -> None:
        self.said = said
        self.request = request
        self.now = now
        self.streams = streams
        places = said.places
        own = places.own(host_of(request.url), wire.name, str(asked.get("model") or ""))
        self.mending = Mending(wire, asked, own, said.policy, said.capabilities)
        left = remaining()
        self.began = now()
        self.ends = self.began + (said.policy.timeout if left is None else min(left, said.policy.timeout))
        self.heal = Heal(wire.name, own.host, own.model, "under way")
        # What is asked next: of the own provider, None: as the client did; of a fallback, where to send it.
        self.body: dict[str, Any] | None = None
        self._ask: Ask | None = None
        self._asked: list[str] = []
        self._spent: list[Spent] = []
        # Whether the client has its head, and whether an SDK around us is trying again.
        self.streaming = False
        self.again_outside = request.headers.get(RETRY_COUNT, "0") != "0"
        self.timeouts: dict[str, float | None] = {}
        # What the own provider has done: that is what the client is to hear, if nobody can be asked.
        self.at_own = True
        self._own: tuple[Fault, Exception | None, Any] | None = None
        remember(None)
        others = places.fallbacks if "switch" in said.policy.on_fault else ()
        self.route = Route(own, others, self._moved)
        with said.lock:
            places.answers += 1
            own.budget.deposit(self.began)
            places.switches.deposit(self.began)
        if others:
            self._choose()

    def _choose(self) -> None:
        """Begin with the own provider; where its circuit is open, with the first fallback that can be asked."""
        own = self.route.own
        refusal = self.route.enter(own)
        if refusal is None:
            return
        held = own.guard is not None and own.guard.state == HELD
        again = self._other(last_resort=held)
        if again is not None:
            self.body = again.body
            self._tell(Fault("open", str(refusal)), again, own)
        elif held:
            raise refusal

    def _moved(self, place: Place) -> Ask | str:
        # Here, because it is read only when somebody else is to be asked.
        from guardrails.llm.moving import moved

        target = place.target
        if target is None:
            raise AssertionError("a fallback has a target")
        mending = self.mending
        return moved(mending.wire.name, mending.asked, self.request.content, target, streams=self.streams)

    @property
    def part(self) -> First | Rest:
        """The attempt that is read."""
        return self.mending.current

    def outgoing(self) -> Any:
        """The request of the next attempt."""
        request, ask = self.request, self._ask
        self._asked.append(self.route.place.name)
        self.mending.attempt = len(self._asked)
        with self.said.lock:
            self.said.places.requests += 1
        left = self.ends - self.now()
        self.timeouts = bounded(request, min(self.said.policy.first_token, left) if self.streams else left, 0.0)
        kind, extensions = type(request), {**request.extensions, "timeout": self.timeouts}
        # What is read on the way must not be compressed.
        encoding = "identity" if self.streams else request.headers.get("accept-encoding", "identity")
        if ask is not None:
            own = {name: request.headers[name] for name in SENT_ALONG if name in request.headers}
            sent = json.dumps(self.body or ask.body, separators=(",", ":")).encode()
            headers = {**own, **ask.headers, "accept-encoding": encoding}
            return kind("POST", ask.url, headers=headers, content=sent, extensions={"timeout": self.timeouts})
        headers = request.headers.copy()
        if self.body is None:
            headers["accept-encoding"] = encoding
            said: dict[str, Any] = {"stream": request.stream}
        else:
            kept = [(name, value) for name, value in headers.multi_items() if name.lower() not in NOT_SENT_AGAIN]
            headers = type(headers)([*kept, ("accept-encoding", encoding)])
            said = {"content": json.dumps(self.body, separators=(",", ":")).encode()}
        return kind(request.method, request.url, headers=headers, extensions=extensions, **said)

    def judged(self, response: Any) -> Fault | None:
        """What the head of an answer says; None: a stream, or what we cannot read, follows."""
        status = response.status_code
        place = self.route.place
        if status >= 400:
            wait = retry_after({name.lower(): text for name, text in response.headers.items()}, 0.0)
            # Turned away, it has not been begun.
            begun = status not in (429, 503, 529)
            return Fault("provider", f"the provider answered {status}", "", status, wait, begun)
        if place.target is not None and status >= 300:
            # A client would follow it with its own provider's key.
            return Fault("provider", f"the provider answered {status}, where only an answer will do", "", status)
        if place.wire != self.mending.wire.name and not _readable(response):
            return Fault("truncated", "the answer is compressed, although it was asked not to be")
        return None

    def begins(self, response: Any) -> None:
        """The body of an answer begins."""
        self.mending.begins(response.headers)
        self.route.flows()
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
        if not self.streams:
            return Fault("first_token", "no answer in the time that the client has for one")
        return Fault("first_token", f"no content {policy.first_token:g} s after it was asked for")

    def fault_of(self, error: Exception, *, content: bool) -> Fault:
        """What an error of the transport means. Raises it if it says nothing about the provider."""
        family = self.said.family
        names = {kind.__name__ for kind in type(error).__mro__}
        if isinstance(error, Rejected) and not self.route.ends:
            return Fault("open", str(error))
        if isinstance(error, GuardrailsError) or names & OWN_FAULTS:
            raise error
        if isinstance(error, family.ReadTimeout):
            return self.overdue(content=content)
        if isinstance(error, family.TransportError | OSError) or names & {"EndOfStream", "BrokenResourceError"}:
            begun = not names & {"ConnectError", "ConnectTimeout"}
            return Fault("connection", f"{type(error).__name__}: {error!s:.200}", begun=begun)
        raise error

    def retry(self, fault: Fault, cause: Exception | None) -> float | None:
        """Seconds to wait before the next attempt; None: there is none. Tells what is done."""
        failed = self.route.place
        self._leave(fault, cause)
        pause: float | None = None
        again: Again | None = None
        if (not self.again_outside or self.streaming) and not self._acted(fault):
            if not fault.own or self.streaming:
                again, pause = self._same(fault)
            if again is None and self._may_switch(fault):
                again, pause = self._other(last_resort=True), 0.0
        if again is not None:
            self.body = again.body
        elif fault.own and not self.streaming and not self.heal.faults:
            # A request that is refused is the client's business alone.
            return None
        self._tell(fault, again, failed)
        return None if again is None else pause

    def _acted(self, fault: Fault) -> bool:
        """Whether the provider may have done something that must not be done twice."""
        from guardrails.llm.moving import acts

        return fault.begun and acts(self.mending.asked, self.request.content)

    def _leave(self, fault: Fault, cause: Exception | None) -> None:
        """The attempt has failed."""
        self.route.settle(verdict(fault), fault.kind)
        self._account(lost=True)
        self.at_own = self.route.place is self.route.own
        if self.at_own and not self.streaming:
            self._own = (fault, cause, None)
        self.mending.leave()

    def _same(self, fault: Fault) -> tuple[Again | None, float | None]:
        """What to ask the same provider, and when."""
        again = self.mending.again(fault, self.route.spare)
        if again is None:
            return None, None
        made = len(self._asked)
        wait = WAITS.delay(made, self.said.clock.chance(), fault.retry_after)
        patient = fault.kind == "provider" or made > 1
        pause = fitting(wait if patient else 0.0, self.now(), self.ends)
        place = self.route.place
        if pause is None or self.route.enter(place) is not None:
            return None, None
        with self.said.lock:
            if place.budget.withdraw(self.now(), timeout=fault.kind in ("first_token", "idle")):
                return again, pause
        self.route.settle(None)
        return None, None

    def _may_switch(self, fault: Fault) -> bool:
        """Whether to ask somebody else is of use."""
        misasked = fault.misasked and self.at_own and not self.mending.text
        return not self.route.ends and fault.kind != "deadline" and not misasked and self.now() < self.ends

    def _other(self, *, last_resort: bool) -> Again | None:
        """What to ask somebody else; None: there is nobody, or it cannot be afforded."""
        route, places = self.route, self.said.places
        if len(self._asked) >= self.said.policy.attempts:
            route.end(f"{self.said.policy.attempts} requests have been made")
            return None
        for place, ask in route.candidates(last_resort=last_resort):
            now = self.now()
            with self.said.lock:
                # The first request is the one that the client wanted.
                affordable = not self._asked or places.switches.balance(now) >= 1
            again = self.mending.placed(place, ask.body) if affordable else None
            if again is None:
                route.skip(place, "it cannot take this answer up" if affordable else "the switches are spent")
                continue
            with self.said.lock:
                place.budget.deposit(now)
                if self._asked:
                    places.switches.withdraw(now)
            route.place, self._ask = place, ask
            return again
        return None

    def _tell(self, fault: Fault, again: Again | None, place: Place) -> None:
        self.heal = self.heal._replace(
            attempts=len(self._asked) + (again is not None),
            targets=tuple(self._asked) + (() if again is None else (self.route.place.name,)),
            skipped=tuple(self.route.skipped),
            usage=tuple(self._spent),
        )
        rung = "raised" if again is None else again.rung
        self.heal = tell(self.heal, fault, rung, (place.host, place.model), self.route.place.name)

    def _account(self, *, lost: bool) -> None:
        """What the attempt under way has cost."""
        part, place = self.mending.part, self.route.place
        if part is None:
            return
        usage = told(place.wire, part.answer.usage)
        asked, made = usage or (len(self.request.content) // BYTES_A_TOKEN, part.answer.contents)
        made = max(made, part.answer.contents) if lost else made
        self._spent.append(Spent(place.host, place.model, asked, made, lost or usage is None))

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
        place, wire = self.route.place, self.mending.wire
        if response.status_code >= 400 or not _readable(response):
            self.route.settle(SUCCESS if response.status_code < 400 else None)
            return response
        self.streaming = True
        self._own = None
        # Healed, it is longer or shorter.
        response.headers.pop("content-length", None)
        response.stream = body(self, response)
        if place.target is not None:
            _disguised(response)
            if place.wire != wire.name:
                response.headers["content-type"] = wire.types[0] if wire.types else "text/event-stream"
        return response

    def answered(self, response: Any, content: bytes) -> Any:
        """An answer in one piece, for the client: as it came."""
        self.route.settle(SUCCESS)
        if self.route.place.target is not None:
            _disguised(response)
        response.stream = self.said.family.ByteStream(content)
        if self.heal.faults:
            place, usage = self.route.place, told_in(self.route.place.wire, content)
            asked, made = usage or (len(self.request.content) // BYTES_A_TOKEN, len(content) // BYTES_A_TOKEN)
            self._spent.append(Spent(place.host, place.model, asked, made, usage is None))
            self.heal = self.heal._replace(outcome="healed", usage=tuple(self._spent))
            remember(self.heal)
        return response

    @property
    def for_client(self) -> bool:
        """Whether the error status at hand is what the client is to get, if nobody else answers."""
        return self.at_own and not self.streaming

    @property
    def switched(self) -> bool:
        """Whether somebody else is asked next."""
        return self.route.place is not self.route.own

    def keep(self, response: Any, content: bytes) -> None:
        """Keep the own provider's answer, whose body was this; one that is too long is not."""
        if self._own is not None and len(content) <= SHORT:
            response.stream = self.said.family.ByteStream(content)
            self._own = (*self._own[:2], response)

    def given_up(self, fault: Fault, cause: Exception | None, response: Any) -> Any:
        """No further attempt: an error status for a client that waits for its head, else an error."""
        if not self.streaming:
            if self._own is not None and not self.at_own:
                fault, cause, response = self._own
            if response is not None:
                tries = "restart" in self.said.policy.on_fault and not fault.own
                if tries:
                    # Else an SDK around us would make another three attempts.
                    response.headers["x-should-retry"] = "false"
                return response
            if cause is not None and (fault.kind in ("connection", "open") or not self.streams):
                raise cause
        raise self.error(fault) from cause

    def error(self, fault: Fault) -> Exception:
        """The error that the client gets."""
        mending = self.mending
        said: dict[str, Any] = {
            "provider": mending.place.host,
            "attempt": mending.attempt,
            "partial": mending.text,
            "last_event": mending.last_event,
        }
        if fault.kind == "deadline":
            said |= {"timeout": self.ends - self.began, "elapsed": self.now() - self.began}
        if self.said.places.fallbacks:
            skipped = f"; not asked: {'; '.join(self.route.skipped)}" if self.route.skipped else ""
            fault = fault._replace(detail=f"{fault.detail}; asked: {', '.join(self._asked)}{skipped}")
        return error_for(fault, self.said.family, self.request, said)

    def finished(self) -> None:
        """The answer is whole."""
        mending = self.mending
        mending.place.learned.learn(self.part.answer)
        self.route.settle(SUCCESS)
        if self.heal.faults:
            self._account(lost=False)
            self.heal = self.heal._replace(
                outcome="healed", seams=mending.seams, tokens_estimated=mending.spent, usage=tuple(self._spent)
            )
            remember(self.heal)

    def let_go(self) -> None:
        """The client wants no more of it, or nobody knows how it went."""
        self.route.settle(None)


def _readable(response: Any) -> bool:
    """Whether the body is plain bytes: a server may compress although it was asked not to."""
    return str(response.headers.get("content-encoding", "identity")).lower() == "identity"


def _disguised(response: Any) -> None:
    # The client would send it to its own provider.
    response.headers.pop("set-cookie", None)
