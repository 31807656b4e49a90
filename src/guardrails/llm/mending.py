"""One stream as its client sees it, of as many attempts as it takes; it decides, and sends nothing itself.

mending.begins(headers)        an answer begins: a new part
part.feed(chunk) …             see `whole` and `rest`
mending.again(fault)           what to ask next: the same, or for the rest; None: raise
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any, NamedTuple

from guardrails.core.completeness import LENIENT, STRICT
from guardrails.core.seam import SURE, Seam
from guardrails.llm.capabilities import ways
from guardrails.llm.faults import Fault
from guardrails.llm.rest import Rest
from guardrails.llm.whole import JOINER, First

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from guardrails.core.completeness import Contract, Learned
    from guardrails.core.seam import Trust
    from guardrails.llm.capabilities import Capability
    from guardrails.llm.policy import Rung, StreamPolicy
    from guardrails.llm.wires import Splicer, Wire

# What a model is asked to repeat: long enough to stand in the answer once, short enough not to be got wrong.
QUOTE = 60
# What an answer may cost, in tokens: a continuation gets what is left of it.
LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens")
# A body that says it is of one of these is read as a stream; some proxies forget the type.
STREAMS = ("text/event-stream", "text/plain", "application/octet-stream", "")


class Again(NamedTuple):
    """What to ask next."""

    rung: Rung
    body: dict[str, Any] | None


class Mending:
    """A stream and its attempts. `asked`: the request's body; `learned`: what whole answers of the endpoint bring."""

    def __init__(
        self,
        wire: Wire,
        asked: dict[str, Any],
        host: str,
        policy: StreamPolicy,
        learned: Learned,
        own: Iterable[Capability],
    ) -> None:
        self.wire = wire
        self.asked = asked
        self.host = host
        self.policy = policy
        self.learned = learned
        self.own = tuple(own)
        self.attempt = 1
        self.part: First | Rest | None = None
        self._text = ""
        # Tokens of attempts that never told them, and how each continuation joined on.
        self.spent = 0
        self._joined: list[str] = []
        self.last_event = ""
        self._server = ""
        self._first: First | None = None
        self._splicer: Splicer | None = None
        self._seam: Seam | None = None
        self._ways: list[Capability] | None = None

    @property
    def text(self) -> str:
        """All the text that the client has got."""
        return self._text + ("" if self.part is None else self.part.text)

    @property
    def seams(self) -> tuple[str, ...]:
        """How each continuation joined on."""
        now = (self.part.seam.verdict,) if isinstance(self.part, Rest) else ()
        return (*self._joined, *now)

    @property
    def model(self) -> str:
        """The model that was asked for."""
        return str(self.asked.get("model") or "")

    @property
    def current(self) -> First | Rest:
        """The attempt that is read. Raises LookupError where none is."""
        if self.part is None:
            raise LookupError("no attempt has been answered")
        return self.part

    def begins(self, headers: Mapping[str, str]) -> None:
        """An answer begins."""
        self._server = headers.get("server", "") or self._server
        contract = self._contract()
        if self._seam is None or self._splicer is None:
            structured = self.wire.structured(self.asked)
            choices = self.wire.choices(self.asked)
            self.part = self._first = First(self.wire.name, contract, choices, structured=structured)
        else:
            self.part = Rest(self.wire.name, contract, self._seam, self._splicer)
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in STREAMS:
            self.part.fault = Fault("truncated", f"the answer is no stream, but {kind}")

    def _contract(self) -> Contract:
        named = {"strict": STRICT, "lenient": LENIENT}
        return named.get(self.policy.contract, self.learned.contract)

    def again(self, fault: Fault) -> Again | None:
        """What to ask after this fault; None: nothing would help, or may be done."""
        self._leave()
        refused = fault.status == 400 and self._ways is not None and len(self._ways) > 1
        if refused or fault.kind == "seam":
            # Another way of asking, if there is one.
            self._ways = (self._ways or [])[1:]
            if not self._ways:
                return None
        elif fault.own or fault.kind == "deadline":
            return None
        if self.attempt >= self.policy.attempts:
            return None
        rung: Rung = "resume" if self._text else "restart"
        if rung not in self.policy.on_fault:
            return None
        body = self._rest() if self._text else None
        if self._text and body is None:
            return None
        self.attempt += 1
        return Again(rung, body)

    def _leave(self) -> None:
        """The part has come to its end: remember what the client has of it."""
        part, self.part = self.part, None
        if part is None:
            return
        got = part.text
        self.last_event = part.last_event
        if isinstance(part, Rest):
            self._joined.append(part.seam.verdict)
            self._splicer = part.splicer
            # Those who stream send a token an event, more or less.
            self.spent += part.answer.contents if got else 0
        elif got:
            self.spent = part.answer.contents
        self._text += got

    def _rest(self) -> dict[str, Any] | None:
        """The request for the rest, and the seam to verify it by; None: this answer cannot be taken up."""
        first, text = self._first, self._text
        if first is None or self.wire.choices(self.asked) > 1:
            return None
        if self._splicer is None:
            self._splicer = self.wire.splicer(first.begun, first.blocks)
        if self._ways is None:
            self._ways = ways(self.own, self.wire.name, self.host, self.model, self._server)
        way = self._ways[0]
        largest = self.policy.largest_echo
        trust: Trust = "continues" if way.continues else "nothing"
        words, quote, regrown = "", 0, 0
        shown = text
        if way.how == "user_turn":
            quote = quoted(text, min(QUOTE, largest), largest)
            if not quote:
                return None
            words = self.policy.continue_words.replace("{tail}", text[len(text) - quote :])
            trust = "echo"
        else:
            # Anthropic refuses a beginning that ends with a blank; the model then says it again.
            shown = text.rstrip() if self.wire.name == "anthropic" else text
            regrown = len(text) - len(shown)
        self._seam = Seam(text, trust, quote=quote, regrown=regrown, largest=largest)
        self._splicer.resumed(text, self.spent, first.position)
        # In English a token is some four characters; in other languages it is fewer, so that the echo has room.
        left = {name: max(1, self.asked[name] - self.spent + quote) for name in LIMITS if _counts(self.asked.get(name))}
        return {**self.wire.continued(self.asked, shown, way.how, words), **left}


def _counts(limit: object) -> bool:
    return isinstance(limit, int) and limit > 0


def quoted(text: str, wanted: int, most: int) -> int:
    """How many of the last characters to have repeated: they stand in `text` once, and begin with a whole character.

    0: no such end of at most `most` characters.
    """
    most = min(most, len(text))
    for length in (*range(min(wanted, most), most, SURE), most):
        at = boundary(text, len(text) - length)
        if text.find(text[at:]) == at:
            return len(text) - at
    return 0


def boundary(text: str, at: int) -> int:
    """The place at or before `at` that cuts no character as it is seen: not before a mark, a joiner, a selector."""
    while 0 < at < len(text) and (_joins(text[at]) or text[at - 1] == JOINER):
        at -= 1
    return at


def _joins(character: str) -> bool:
    skin = "\U0001f3fb" <= character <= "\U0001f3ff"
    return (
        character == JOINER
        or skin
        or unicodedata.category(character) in ("Mn", "Mc", "Me")
        or "\udc00" <= character <= "\udfff"
    )
