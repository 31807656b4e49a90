"""An attempt as its client sees it: the bytes of the provider, whole events only, and nothing that could be half.

part.feed(chunk)    the bytes to hand on now; nearly always the chunk itself
part.ended()        the body has ended: what was held back, if the answer is whole
part.fault          what is wrong with it, None as long as nothing is
part.done           it is whole: nothing more is to be waited for

before the first text               everything is held: an attempt that breaks there is replaced unseen
text                                goes on at once
thinking, and the end of a text     waits for the text that follows it, or for the end
tool calls, refusals, all else      wait for the end: half of one is worse than none
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from orjson import loads as fast_loads

from guardrails.core.completeness import Unreadable, decode
from guardrails.core.completeness_wires import ANSWERS, PARSERS
from guardrails.core.sse import EventTooLarge
from guardrails.llm.faults import Fault, provider_fault
from guardrails.llm.shape import shape_of

if TYPE_CHECKING:
    from guardrails.core.completeness import Answer, Block, BlockKind, Contract, Step
    from guardrails.core.completeness_wires import Wire
    from guardrails.core.sse import Event
    from guardrails.llm.shape import Shape

JOINER = "\u200d"


def loads(data: str) -> Any:
    """JSON, as servers write it: half a surrogate pair, which orjson refuses, may come before its other half."""
    try:
        return fast_loads(data)
    except ValueError:
        return json.loads(data)


def unfinished(text: str) -> bool:
    """Whether what is seen at its end is not whole: half a surrogate pair, or a joiner without its other side."""
    last = text[-1]
    return last == JOINER or "\ud800" <= last <= "\udbff"


def kind_of(wire: Wire, answer: Answer, block: Block) -> BlockKind:
    """What an addition is to be treated as: signatures belong to thinking, citations to the text that they are in."""
    if block.kind != "other" or wire != "anthropic":
        return block.kind
    return next((one.kind for one in answer.blocks if one.index == block.index), block.kind)


def shape_in(wire: Wire, contract: Contract, chunk: bytes, block: Block, said: str) -> Shape | None:
    """The shape of an event that adds `said` to a block, if nothing but words is in it."""
    shape = shape_of(chunk, said)
    if shape is None:
        return None
    events = PARSERS[wire]().feed(shape.head + b"probe" + shape.tail)
    if len(events) != 1:
        return None
    twin = ANSWERS[wire](contract)
    step = twin.take(events[0].name, decode(events[0].data, loads))
    alike = [(one.kind, one.choice, one.index, words) for one, words in step.pieces]
    plain = alike == [("text", block.choice, block.index, "probe")] and not twin.finish and twin.usage is None
    return shape if plain else None


class Part:
    """What attempts have in common, the first and those that go on. `text`: what its client has got of this one."""

    def __init__(self, wire: Wire, contract: Contract, choices: int) -> None:
        self.wire = wire
        self.answer: Answer = ANSWERS[wire](contract, choices)
        self.parser = PARSERS[wire]()
        self.fault: Fault | None = None
        self.done = False
        self.last_event = ""

    @property
    def text(self) -> str:
        """The text that the client has got of this attempt."""
        raise NotImplementedError

    def _take(self, event: Event) -> tuple[Any, Step] | None:
        """What an event holds; None: a fault was found in it, or before."""
        answer = self.answer
        unreadable = answer.unreadable
        value = decode(event.data, loads)
        step = answer.take(event.name, value)
        self.last_event = event.name
        if answer.failure is not None:
            self.fault = provider_fault(answer.failure)
            return None
        if answer.contract.readable and answer.unreadable > unreadable:
            # Without its words: they may be the user's.
            self.fault = Fault("truncated", f"event {answer.events} could not be read")
            return None
        return value, step

    def _events(self, chunk: bytes) -> list[Event]:
        try:
            return self.parser.feed(chunk)
        except EventTooLarge as exc:
            self.fault = Fault("truncated", str(exc))
            return []

    def _short(self) -> Fault:
        events = self.answer.events
        return Fault("truncated", f"it ended after {events} events: {self.answer.missing}")


class First(Part):
    """An attempt from whose beginning the client hears it. `structured`: its text is held to the end, too.

    `begun`: the events without content that came before the first text, and that text.
    """

    def __init__(self, wire: Wire, contract: Contract, choices: int, *, structured: bool) -> None:
        super().__init__(wire, contract, choices)
        self.begun: list[Any] = []
        self._structured = structured
        # Bytes that are held, and how many went out before them.
        self._held = bytearray()
        self._sent = 0
        # Where the last event ended, and the characters of text that have come.
        self._end = 0
        self._chars = 0
        # From where on it is held, None: it is not; whether further text ends that; what the client has until there.
        self._from: int | None = 0
        self._releases = not structured
        self._kept: tuple[int, int, int | None] = (0, 0, None)
        # The shape of most events, and the block that they add to; how often one may still be guessed.
        self._shape: Shape | None = None
        self._known: Shape | None = None
        self._block: Block | None = None
        self._guesses = 8
        self._plain: tuple[Block, str] | None = None

    @property
    def text(self) -> str:
        """The text that the client has got."""
        return self.answer.text[: self._kept[0] if self._from is not None else self._chars]

    @property
    def blocks(self) -> list[Block]:
        """The blocks that the client has got."""
        return self.answer.blocks[: self._kept[1]] if self._from is not None else self.answer.blocks

    @property
    def position(self) -> int | None:
        """The last sequence number that the client has got, where events have some."""
        return self._kept[2] if self._from is not None else self.answer.position

    def feed(self, chunk: bytes) -> bytes:
        """The bytes to hand on now."""
        shape, block = self._shape, self._block
        if shape is not None and block is not None:
            said = shape.words(chunk)
            if said is not None:
                size = len(chunk)
                self.answer.more(block, said)
                self.parser.skip(size)
                self._chars += len(said)
                self._sent += size
                self._end += size
                return chunk
        out = self._read(chunk)
        # Between two events, and nothing is held.
        still = self._from is None and not self._held and self._end == self._sent == self.parser.fed
        if still and self.fault is None and not self.answer.finish and not self.answer.terminated:
            if self._plain is not None and self._known is None and self._guesses:
                self._guesses -= 1
                self._learn(chunk, *self._plain)
            self._shape = self._known
        else:
            self._shape = None
        return out

    def _learn(self, chunk: bytes, block: Block, said: str) -> None:
        """Remember the shape of an event, if nothing but words is in it."""
        known = shape_in(self.wire, self.answer.contract, chunk, block, said)
        if known is not None:
            self._known, self._block = known, block

    def _read(self, chunk: bytes) -> bytes:
        events = self._events(chunk)
        answer = self.answer
        self._plain = None
        if not events:
            # A keepalive goes on, too, for those who wait behind a proxy.
            whole = chunk.endswith(b"\n\n") and self._from is None and self.parser.rest is None
            return self._out(chunk, self.parser.fed if whole else self._sent)
        end = self._end
        for event in events:
            blocks = len(answer.blocks)
            taken = self._take(event)
            if taken is None:
                self._hold(end, blocks, releases=False)
                break
            value, step = taken
            if step.kind == "content":
                self._content(value, step, end, blocks)
            else:
                self._other(value, end, blocks)
            end = event.end
        self._end = end
        if (answer.finish or answer.terminated) and self.fault is None:
            if answer.state in ("complete", "unterminated"):
                self._from = None
                self.done = answer.terminated
            elif answer.terminated:
                self.fault = self._short()
        return self._out(chunk, end if self._from is None else self._from)

    def _content(self, value: Any, step: Step, began: int, blocks: int) -> None:
        for block, said in step.pieces:
            if block.kind != "text" or self._structured:
                kind = kind_of(self.wire, self.answer, block)
                if kind != "text" or self._structured:
                    self._hold(began, blocks, releases=kind == "thinking")
                continue
            if self._from is not None and self._releases:
                self._from = None
            if not self._chars:
                self.begun.append(value)
            if said and unfinished(said):
                self._hold(began, blocks, releases=True)
            self._chars += len(said)
            self._plain = (block, said)
            if block is not self._block:
                self._known = None

    def _other(self, value: Any, began: int, blocks: int) -> None:
        answer = self.answer
        if not self._chars:
            self.begun.append(value)
        if len(answer.blocks) > blocks:
            if answer.blocks[-1].kind != "text":
                self._hold(began, blocks, releases=answer.blocks[-1].kind == "thinking")
        elif self._chars and answer.blocks[-1].closed:
            self._hold(began, blocks, releases=True)

    def _hold(self, began: int, blocks: int, *, releases: bool) -> None:
        """Keep back what comes from byte `began` on."""
        if self._from is None:
            position = self.answer.position
            self._from, self._releases = began, releases
            self._kept = (self._chars, blocks, None if position is None else position - 1)
        self._releases = self._releases and releases

    def ended(self) -> bytes:
        """The body has ended: what was held back, if the answer is whole; else there is a fault."""
        contents = self.answer.contents
        events = self.parser.finish()
        rest = self.parser.rest
        more = b""
        if rest is not None and not isinstance(decode(rest.data, loads), Unreadable):
            # Some servers leave out the last blank line, without which a client drops the event.
            events, more = [*events, rest], b"\n\n"
        for event in events:
            if self._take(event) is None:
                return b""
        if self.answer.state not in ("complete", "unterminated"):
            self.fault = self._short()
            # It does not go out, so it is not spent.
            self.answer.contents = contents
            return b""
        self.done, self._from = True, None
        out = bytes(self._held) + more if self._held else b""
        self._held.clear()
        return out

    def _out(self, chunk: bytes, end: int) -> bytes:
        """The bytes up to byte `end` of the body that have not gone out."""
        held = self._held
        count = end - self._sent
        if not held and count == len(chunk):
            self._sent = end
            return chunk
        held += chunk
        if not count:
            return b""
        out = bytes(held[:count])
        del held[:count]
        self._sent = end
        return out
