"""The account of one stream: which event comes next, and what has come of it. It decides, and sends nothing itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from guardrails.errors import ConnectionLost, ProviderError, StreamFault, Truncated
from guardrails.llm.heals import last_heal
from guardrails.llm.neutral import Attempt, Done, Result, Text, Usage
from guardrails.llm.reading import Reader
from guardrails.llm.usage import Spent, told
from guardrails.llm.wires.requests import ask

if TYPE_CHECKING:
    from guardrails.llm.faults import Kind
    from guardrails.llm.heals import Heal
    from guardrails.llm.homes import Home
    from guardrails.llm.neutral import Event, Outcome
    from guardrails.llm.request import Request, ToolCall
    from guardrails.llm.targets import Target
    from guardrails.llm.wires.answers import Whole


class Story:
    """`call`: the engine's, once there is an answer. `heal`: what has been told of it."""

    def __init__(self, home: Home, request: Request) -> None:
        self.home = home
        self.request = request
        self.target = home.targets[0]
        self.reader = Reader(self.target.wire)
        self.call: Any = None
        self.heal: Heal | None = None
        self.whole: Whole | None = None
        # Of whole answers: how many requests, what went wrong with them, and what they have cost.
        self.attempts = 0
        self.faults: list[str] = []
        self.spent: list[Spent] = []
        self._outcome: Outcome = "partial"
        self._tool_calls: tuple[ToolCall, ...] = ()
        self._told = 0
        self._sent = False

    def sent(self, family: Any) -> Any:
        """The request, for httpx or httpx2."""
        self._sent = True
        asked = ask(self.request, self.target)
        return family.Request("POST", asked.url, headers=asked.headers, json=asked.body)

    @property
    def text(self) -> str:
        """The text that was told and counts."""
        if self.whole is not None:
            return self.whole.text
        return self.reader.text

    def opened(self, response: Any) -> list[Event]:
        """The head of the answer is here. Raises StreamFault where it is no stream."""
        self.call = getattr(response.stream, "_call", None)
        if self.call is not None:
            return self.healed(self.call.heal)
        self.heal = last_heal()
        kind = response.headers.get("content-encoding", "")
        detail = f"the answer is compressed ({kind}), although it was asked for plainly"
        raise Truncated(detail, self.target.host, self._attempts)

    def healed(self, heal: Heal) -> list[Event]:
        """The engine has healed it, once or more often: what to tell."""
        self.heal = heal
        why = [fault for fault, rung in zip(heal.faults, heal.rungs, strict=True) if rung != "raised"]
        new: list[Kind] = why[self._told :]  # type: ignore[assignment]
        self._told = len(why)
        first = heal.attempts - len(new) + 1
        return [Attempt(number, kind) for number, kind in enumerate(new, first)]

    def fell(self) -> None:
        """The engine has given up."""
        self.heal = last_heal() if self.call is None else self.call.heal

    def refused(self, error: Exception) -> StreamFault:
        """An error of the transport before there was an answer."""
        self.fell()
        return ConnectionLost(f"{type(error).__name__}: {error!s:.200}", self._provider, self._attempts)

    def answered(self, status: int, detail: str, kind: str, retry_after: float | None) -> StreamFault:
        """An error status in place of an answer."""
        self.fell()
        if self.heal is None:
            # One that lies in the request is its client's business alone, and the engine tells nobody.
            self.faults.append("provider")
        words = f"the provider answered {status}" + (f": {detail:.300}" if detail else "")
        said: dict[str, Any] = {"retry_after": retry_after, "kind": kind, "status": status}
        return ProviderError(words, self._provider, self._attempts, **said)

    def ended(self) -> list[Event]:
        """The answer is whole. Raises StreamFault if the model has called a tool with what is no JSON object."""
        reader = self.reader
        said = reader.ended()
        if reader.answer.state not in ("complete", "unterminated"):
            raise Truncated(reader.answer.missing, self._provider, self._attempts, self.text)
        events: list[Event] = [Text(said)] if said else []
        try:
            self._tool_calls = tuple(reader.tool_calls)
        except ValueError as exc:
            detail = f"the model has called a tool with what is no JSON object: {exc!s:.100}"
            raise Truncated(detail, self._provider, self._attempts, self.text) from exc
        self._outcome = "complete"
        return [*events, *self._tool_calls, self._usage(), Done("complete", reader.finish)]

    def asked(self, target: Target, whole: Whole | None, *, answered: bool) -> None:
        """A whole answer was asked for: the account of it."""
        heal = last_heal()
        self.attempts += 1 if heal is None else heal.attempts
        if heal is not None:
            self.faults += heal.faults
        elif whole is None:
            self.faults.append("truncated" if answered else "provider")
        if whole is not None:
            found = told(target.wire, whole.usage)
            self.spent.append(Spent(target.host, target.model, *(found or (0, 0)), estimated=found is None))

    def replaced(self, whole: Whole, why: Kind) -> list[Event]:
        """A whole answer has come in place of the stream; all that was told is part of it, or void."""
        had = self.text
        self.whole, self._tool_calls = whole, whole.tool_calls
        self._outcome = "complete"
        goes_on = whole.text.startswith(had)
        new = whole.text[len(had) :] if goes_on else whole.text
        events: list[Event] = [Attempt(self._attempts, why, superseded=not goes_on)]
        events += [Text(new)] if new else []
        return [*events, *whole.tool_calls, self._usage(), Done("complete", whole.finish)]

    def left(self) -> list[Event]:
        """Nothing more is to be had, and what there is must do."""
        return [self._usage(), Done("partial")]

    def failed(self) -> None:
        """The reader gets an error."""
        self._outcome = "failed"

    @property
    def _attempts(self) -> int:
        return self.attempts + (1 if self.heal is None else self.heal.attempts)

    @property
    def _provider(self) -> str:
        return self.target.host if self.heal is None else self.heal.provider

    def _usage(self) -> Usage:
        answer = self.reader.answer
        spent = list(() if self.heal is None else self.heal.usage)
        if not spent:
            found = told(self.target.wire, answer.usage)
            spent.append(Spent("", "", *(found or (0, answer.contents)), estimated=found is None))
        spent += self.spent
        asked, made = sum(one.input_tokens for one in spent), sum(one.output_tokens for one in spent)
        return Usage(asked, made, sum(one.input_tokens + one.output_tokens for one in spent if one.estimated))

    @property
    def result(self) -> Result:
        """What has come of it so far."""
        heal, reader = self.heal, self.reader
        faults = (*(() if heal is None else heal.faults), *self.faults)
        complete = self._outcome == "complete"
        finish = (reader.finish if self.whole is None else self.whole.finish) if complete else ""
        return Result(
            text=self.text,
            outcome=self._outcome,
            healed=complete and bool(faults),
            attempts=self._attempts if self._sent else 0,
            usage=self._usage(),
            seams=() if heal is None else heal.seams,
            faults=faults,
            finish=finish,
            tool_calls=self._tool_calls,
            thinking=reader.thinking if self.whole is None else self.whole.thinking,
        )
