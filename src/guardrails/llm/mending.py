"""One stream as its client sees it, of as many attempts as it takes; it decides, and sends nothing itself.

mending.begins(headers)        an answer begins: a new part
part.feed(chunk) …             see `whole` and `rest`
mending.again(fault)           what to ask next: the same, or for the rest; None: raise
"""

from __future__ import annotations

import json
import unicodedata
from typing import TYPE_CHECKING, Any, NamedTuple

from guardrails.clock import SystemClock
from guardrails.core.completeness import LENIENT, STRICT
from guardrails.core.seam import SURE, Seam
from guardrails.llm.capabilities import ways
from guardrails.llm.faults import Fault
from guardrails.llm.rest import Rest
from guardrails.llm.whole import JOINER, First
from guardrails.llm.wires import WIRES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from guardrails.core.completeness import Contract
    from guardrails.core.seam import Trust
    from guardrails.llm.capabilities import Capability
    from guardrails.llm.places import Place
    from guardrails.llm.policy import Rung, StreamPolicy
    from guardrails.llm.wires import Splicer, Wire

# What a model is asked to repeat: long enough to stand in the answer once, short enough not to be got wrong.
QUOTE = 60
# What an answer may cost, in tokens: a continuation gets what is left of it.
LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens")
BY_NAME = {wire.name: wire for wire in WIRES.values()}
# A body that says it is of one of these is read as a stream; some proxies forget the type.
STREAMS = ("text/event-stream", "text/plain", "application/octet-stream", "")


class Again(NamedTuple):
    """What to ask next. `body`: None for all of it, as it was asked first."""

    rung: Rung
    body: dict[str, Any] | None


class Mending:
    """A stream and its attempts. `wire`: the client's; `asked`: the request's body; `place`: who is asked."""

    def __init__(
        self,
        wire: Wire,
        asked: dict[str, Any],
        place: Place,
        policy: StreamPolicy,
        own: Iterable[Capability],
    ) -> None:
        self.wire = wire
        self.asked = asked
        self.place = place
        self.policy = policy
        self.own = tuple(own)
        # What is asked there, and the wire that is spoken there.
        self._there = asked
        self._spoken = wire
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
        return (*self._joined, *(now if self._text else ()))

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
        if self._spoken is not self.wire:
            self.part = self._foreign(contract)
        elif self._seam is None or self._splicer is None:
            structured = self.wire.structured(self.asked)
            choices = self.wire.choices(self.asked)
            self.part = self._first = First(self.wire.name, contract, choices, structured=structured)
        else:
            self.part = Rest(self.wire.name, contract, self._seam, self._splicer)
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in (*STREAMS, *self._spoken.types):
            self.part.fault = Fault("truncated", f"the answer is no stream, but {kind}")

    def _contract(self) -> Contract:
        named = {"strict": STRICT, "lenient": LENIENT}
        return named.get(self.policy.contract, self.place.learned.contract)

    def _foreign(self, contract: Contract) -> Rest:
        # Here, because few need it.
        from guardrails.llm.foreign import Foreign
        from guardrails.llm.rendering import opened

        opening, seam, splicer = b"", self._seam, self._splicer
        if seam is None or splicer is None:
            opening, splicer = opened(self.wire, self.asked, self.place.model, SystemClock().wall())
            seam = Seam("")
        size = len(json.dumps(self._there))
        client = self.wire.name
        return Foreign(
            self.place.wire, contract, seam, splicer, client=client, asked=self.asked, size=size, opening=opening
        )

    def placed(self, place: Place, asked: dict[str, Any]) -> Again | None:
        """Ask somebody else from now on. `asked`: the client's request in his terms. None: he cannot take it up."""
        before = self.place, self._there, self._spoken, self._ways, self._server
        self.place, self._there, self._spoken = place, asked, BY_NAME[place.wire]
        self._ways, self._server = None, ""
        if not self._text:
            return Again("switch", None)
        body = self._rest()
        if body is None:
            self.place, self._there, self._spoken, self._ways, self._server = before
            return None
        return Again("switch", body)

    def again(self, fault: Fault, spare: int = 0) -> Again | None:
        """What to ask the same provider after this fault; None: nothing would help, or may be done.

        `spare`: attempts that are left for others.
        """
        refused = fault.status == 400 and self._ways is not None and len(self._ways) > 1
        if refused or fault.kind == "seam":
            # Another way of asking, if there is one.
            self._ways = (self._ways or [])[1:]
            if not self._ways:
                return None
        elif fault.own or fault.kind in ("deadline", "open"):
            return None
        if self.attempt + spare >= self.policy.attempts:
            return None
        rung: Rung = "resume" if self._text else "restart"
        if rung not in self.policy.on_fault:
            return None
        body = self._rest() if self._text else None
        if self._text and body is None:
            return None
        return Again(rung, body)

    def leave(self) -> None:
        """The part has come to its end: remember what the client has of it."""
        part, self.part = self.part, None
        if part is None:
            return
        got = part.text
        self.last_event = part.last_event
        if isinstance(part, Rest):
            if self._text:
                self._joined.append(part.seam.verdict)
            if self._text or got:
                self._splicer = part.splicer
            # Those who stream send a token an event, more or less.
            self.spent += part.answer.contents if got else 0
        elif got:
            self.spent = part.answer.contents
        self._text += got

    def _rest(self) -> dict[str, Any] | None:
        """The request for the rest, and the seam to verify it by; None: this answer cannot be taken up."""
        first, text, place = self._first, self._text, self.place
        if self.wire.choices(self.asked) > 1:
            return None
        position = None
        if self._splicer is None:
            if first is None:
                return None
            self._splicer = self.wire.splicer(first.begun, first.blocks)
            position = first.position or 0
        if self._ways is None:
            self._ways = ways(self.own, place.wire, place.host, place.model, self._server)
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
            shown = text.rstrip() if place.wire == "anthropic" else text
            regrown = len(text) - len(shown)
        self._seam = Seam(text, trust, quote=quote, regrown=regrown, largest=largest)
        self._splicer.resumed(text, self.spent, position)
        # In English a token is some four characters; in other languages it is fewer, so that the echo has room.
        left = limited(self._there, self.spent - quote)
        return {**self._spoken.continued(self._there, shown, way.how, words), **left}


def limited(asked: dict[str, Any], less: int) -> dict[str, Any]:
    """The limits of a request, less so many tokens; Ollama's lies among its options."""
    left: dict[str, Any] = {name: max(1, asked[name] - less) for name in LIMITS if _counts(asked.get(name))}
    options = asked.get("options")
    if isinstance(options, dict) and _counts(options.get("num_predict")):
        left["options"] = {**options, "num_predict": max(1, options["num_predict"] - less)}
    return left


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
