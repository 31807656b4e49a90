"""An attempt on another wire than the client's: its text alone, told in the client's terms from the first event on.

    events of the provider ── text ──► seam ──► splicer of the client's wire ──► bytes
                              end  ──► closing: finish reason and usage, in the client's words
                              else ──► a fault: what it says cannot be told there

Thinking is left out: in other hands it is no use to anybody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from guardrails.llm.faults import Fault
from guardrails.llm.rendering import RENDERINGS, Ended, reason_of
from guardrails.llm.rest import Rest
from guardrails.llm.usage import BYTES_A_TOKEN, told
from guardrails.llm.whole import kind_of

if TYPE_CHECKING:
    from guardrails.core.completeness import Contract, Step
    from guardrails.core.completeness_wires import Wire
    from guardrails.core.seam import Seam
    from guardrails.core.sse import Event
    from guardrails.llm.wires import Splicer


class Foreign(Rest):
    """`wire`: the provider's; `client`: the client's; `asked`: what the client has asked for, `size` its bytes.

    `opening`: what the client is to hear before the first text; b"" where it has heard a beginning.
    """

    def __init__(
        self,
        wire: Wire,
        contract: Contract,
        seam: Seam,
        splicer: Splicer,
        *,
        client: Wire,
        asked: dict[str, Any],
        size: int,
        opening: bytes = b"",
    ) -> None:
        super().__init__(wire, contract, seam, splicer)
        self._client = client
        self._asked = asked
        self._size = size
        self._opening = opening
        self._closed = False

    def ended(self) -> bytes:
        """The body has ended: what was held back, if the answer is whole; else there is a fault."""
        return super().ended() + self._closing()

    def _read(self, events: list[Event]) -> bytes:
        return super()._read(events) + self._closing()

    def _event(self, value: Any, step: Step, out: list[bytes]) -> None:
        kinds = {kind_of(self.wire, self.answer, block) for block in self.answer.blocks}
        if kinds <= {"text", "thinking"}:
            super()._event(value, step, out)
        else:
            self.fault = Fault("truncated", f"it holds what another wire has no word for: {', '.join(sorted(kinds))}")

    def _tell(self, value: Any, new: str) -> bytes:  # noqa: ARG002 - of the event the text alone
        if not new:
            return b""
        opening, self._opening = self._opening, b""
        return opening + self._splicer.text(new)

    def _closing(self) -> bytes:
        """The end, once the answer is whole."""
        if not self.done or self._closed:
            return b""
        self._closed = True
        answer = self.answer
        asked, made = told(self.wire, answer.usage) or (self._size // BYTES_A_TOKEN, answer.contents)
        ended = Ended(reason_of(answer.finish.get(0, "")), asked, made)
        closing = RENDERINGS[self._client].closing(self._asked, ended)
        return self._opening + b"".join([self._splicer.event(value, "") for value in closing])
