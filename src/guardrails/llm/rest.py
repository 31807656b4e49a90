"""A continuation as its client sees it: what is new in it, told as the rest of the stream that has begun.

    events of the provider ── seam: what is new of the text? ──► splicer: in the client's own terms ──► bytes
                                        mismatch: a fault, and nothing has gone out

What the model thinks again is dropped: the client has the thinking that led to the answer. Tool calls wait for the end.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from guardrails.core.completeness import Unreadable, decode
from guardrails.llm.faults import Fault
from guardrails.llm.whole import Part, kind_of, loads, unfinished

if TYPE_CHECKING:
    from guardrails.core.completeness import Contract, Step
    from guardrails.core.completeness_wires import Wire
    from guardrails.core.seam import Seam
    from guardrails.core.sse import Event
    from guardrails.llm.wires import Splicer


class Rest(Part):
    """An attempt that goes on where others have ended. `splicer`: how it is told; as the client has heard it."""

    def __init__(self, wire: Wire, contract: Contract, seam: Seam, splicer: Splicer) -> None:
        super().__init__(wire, contract, 1)
        self.seam = seam
        self._splicer = splicer
        self._told: list[str] = []
        # What waits for the end, the words in it, and the splicer as it was before.
        self._held: list[bytes] | None = None
        self._held_words: list[str] = []
        self._before: Splicer | None = None
        # The end of what is seen as one character is still to come.
        self._tail = ""

    @property
    def text(self) -> str:
        """The text that the client has got of this attempt."""
        return "".join(self._told)

    @property
    def splicer(self) -> Splicer:
        """As far as the client has heard it."""
        return self._splicer if self._before is None else self._before

    def feed(self, chunk: bytes) -> bytes:
        """The bytes to hand on now."""
        return self._read(self._events(chunk))

    def ended(self) -> bytes:
        """The body has ended: what was held back, if the answer is whole; else there is a fault."""
        events = self.parser.finish()
        rest = self.parser.rest
        if rest is not None and not isinstance(decode(rest.data, loads), Unreadable):
            events.append(rest)
        out = self._read(events)
        if self.fault is None and not self._whole():
            self.fault = self._short()
        self.done = self.fault is None
        return out

    def _whole(self) -> bool:
        answer = self.answer
        return bool(answer.finish or answer.terminated) and answer.state in ("complete", "unterminated")

    def _read(self, events: list[Event]) -> bytes:
        out: list[bytes] = []
        for event in events:
            taken = self._take(event)
            if taken is None:
                break
            self._event(*taken, out)
            if self.fault is not None:
                break
        if self.fault is None and self._whole():
            if self._held is not None:
                out += self._held
                self._told += self._held_words
                self._held, self._before = None, None
            self.done = self.answer.terminated
        elif self.fault is None and self.answer.terminated:
            self.fault = self._short()
        return b"".join(out)

    def _event(self, value: Any, step: Step, out: list[bytes]) -> None:
        answer, seam = self.answer, self.seam
        new = "".join([seam.feed(said) for block, said in step.pieces if block.kind == "text"])
        last = answer.blocks[-1] if answer.blocks else None
        kind = "" if last is None else kind_of(self.wire, answer, last)
        other = kind not in ("", "text", "thinking")
        over = bool(answer.finish) or answer.terminated
        ends = over or other or (last is not None and last.closed and kind == "text")
        if ends:
            new += seam.finish()
        if seam.verdict == "mismatch":
            held = len(answer.text)
            self.fault = Fault("seam", f"the first {held} characters of the continuation do not join on")
            return
        new, self._tail = self._tail + new, ""
        if new and unfinished(new) and not ends:
            new, self._tail = new[:-1], new[-1]
        if other and self._held is None:
            # Half of it must not be heard, nor half of what follows.
            self._before, self._held, self._held_words = copy.copy(self._splicer), [], []
        told = self._tell(value, new)
        if told:
            (out if self._held is None else self._held).append(told)
        if new:
            (self._told if self._held is None else self._held_words).append(new)

    def _tell(self, value: Any, new: str) -> bytes:
        """An event of the provider's as the client is to hear it, with `new` in place of its text."""
        return self._splicer.event(value, new)
