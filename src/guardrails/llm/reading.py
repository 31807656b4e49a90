"""A healed stream, read: the bytes of the wire on which it was asked for become text, and in the end all else.

reader.feed(chunk)      the text that is new
reader.ended()          what the end of the body completes
reader.tool_calls …     once it has ended
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from guardrails.core.completeness import LENIENT, decode
from guardrails.core.completeness_wires import ANSWERS, PARSERS
from guardrails.llm.whole import loads, shape_in
from guardrails.llm.wires.answers import call_of, finish_of

if TYPE_CHECKING:
    from guardrails.core.completeness import Block
    from guardrails.core.completeness_wires import Wire
    from guardrails.core.sse import Event
    from guardrails.llm.request import ToolCall
    from guardrails.llm.shape import Shape

# How often the shape of an event is looked for; a server whose events are all different is read as it is.
GUESSES = 8
# Bytes of such events that go by before their words are put together: short strings take ten times their text.
MOST_UNREAD = 65_536


class Reader:
    """Of one stream. `answer`: what has come; whether it is whole was seen to by those who healed it."""

    __slots__ = ("_block", "_end", "_guesses", "_known", "_parser", "_shape", "_unread", "_wire", "_words", "answer")

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._parser = PARSERS[wire]()
        self.answer = ANSWERS[wire](LENIENT)
        # Where the last event ended; the shape of most events and the block that they add to, see `shape`; that shape
        # where the next chunk may have it: between two events.
        self._end = 0
        self._known: Shape | None = None
        self._block: Block | None = None
        self._shape: Shape | None = None
        self._guesses = GUESSES
        # Of that shape, what has gone by since the last event that was read.
        self._words: list[str] = []
        self._unread = 0

    def feed(self, chunk: bytes) -> str:
        """The text that is new; a refusal is one, too."""
        shape = self._shape
        if shape is not None:
            said = shape.words(chunk)
            if said is not None:
                self._words.append(said)
                self._unread += len(chunk)
                if self._unread > MOST_UNREAD:
                    self._caught_up()
                return said
        self._caught_up()
        parser, answer = self._parser, self.answer
        events = parser.feed(chunk)
        pieces = self._taken(events)
        if events:
            self._end = events[-1].end
        if any(block is not self._block for block, _ in pieces):
            self._known = None
        if self._end == parser.fed and self._known is None and self._guesses and len(pieces) == 1:
            self._guesses -= 1
            self._block, said = pieces[0]
            self._known = shape_in(self._wire, LENIENT, chunk, self._block, said) if said else None
        still = parser.fed == self._end and not answer.finish and not answer.terminated
        self._shape = self._known if still else None
        return "".join([said for _, said in pieces])

    def _caught_up(self) -> None:
        """Words that went by are part of the answer: put there now and then, since each one costs as much as a few."""
        words, block = self._words, self._block
        if words and block is not None:
            self.answer.more(block, "".join(words))
            self.answer.events += len(words) - 1
            self.answer.contents += len(words) - 1
            self._parser.skip(self._unread)
            self._end += self._unread
            self._unread = 0
            words.clear()

    @property
    def text(self) -> str:
        """All of it."""
        self._caught_up()
        return "".join([block.text for block in self.answer.blocks if block.kind in ("text", "refusal")])

    def ended(self) -> str:
        """What the end of the body completes."""
        self._caught_up()
        return "".join([said for _, said in self._taken(self._parser.finish())])

    def _taken(self, events: list[Event]) -> list[tuple[Block, str]]:
        answer = self.answer
        found = []
        for event in events:
            step = answer.take(event.name, decode(event.data, loads))
            found += [piece for piece in step.pieces if piece[0].kind in ("text", "refusal")]
        return found

    @property
    def tool_calls(self) -> list[ToolCall]:
        """Those that came whole; raises ValueError if the model has written what is none."""
        whole = self.finish == "tool_calls"
        return [call_of(block) for block in self.answer.blocks if block.kind == "tool"] if whole else []

    @property
    def thinking(self) -> str:
        """What the model has thought."""
        return "".join([block.text for block in self.answer.blocks if block.kind == "thinking"])

    @property
    def finish(self) -> str:
        """Why the model stopped; "" before it has."""
        kinds = {block.kind for block in self.answer.blocks}
        if "refusal" in kinds:
            return "refusal"
        reason = self.answer.finish.get(0, "stop" if self.answer.terminated else "")
        return finish_of(reason, calls="tool" in kinds)
