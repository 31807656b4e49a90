"""What a user says about streams: three clocks, how many attempts, and what may be done when one breaks.

StreamPolicy(first_token=20, idle=30, timeout=300)     the defaults
StreamPolicy(on_fault=())                              only say that an answer is not whole; ask for nothing again
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, Self, get_args

from guardrails.core.ranges import Checked, Ranges
from guardrails.core.seam import SURE
from guardrails.policies.settings import Budget

Rung = Literal["restart", "resume", "switch", "non_stream", "partial"]
RUNGS: tuple[Rung, ...] = get_args(Rung)
# What is left when no stream can be healed.
LAST = ("non_stream", "partial")
Contracts = Literal["learned", "strict", "lenient"]

# What a continuation is asked for in the user's turn. It names what to repeat, so that the seam can be seen.
CONTINUE: Final = (
    "Your last message was cut off while it was sent. Continue it now. Begin by repeating exactly these last "
    "characters of it, on the same line and without quotation marks, then go on from there to the end, without any "
    "remark:\n{tail}"
)


class _Fields(NamedTuple):
    first_token: float = 20.0
    idle: float = 30.0
    timeout: float = 300.0
    attempts: int = 3
    on_fault: tuple[Rung, ...] = RUNGS
    contract: Contracts = "learned"
    budget: Budget = Budget()
    switches: Budget = Budget(1.0, 0.1, 300.0)
    largest_echo: int = 256
    partial_min_chars: int = 100
    continue_words: str = CONTINUE


class StreamPolicy(Checked, _Fields):
    """When a stream counts as broken, and what is done then.

    `first_token`: seconds from an attempt's beginning to the first content, 0.05 to 3600, default 20: twice what busy
    providers take. `idle`: seconds without content after that, 0.05 to 3600, default 30; keepalives and pings do not
    count. `timeout`: seconds for the whole stream with all its attempts, `idle` to 86,400, default 300; less where a
    guard around it has less left.
    `attempts`: requests for one answer, the first included, 1 to 10, default 3: each is billed. Where there are
    fallbacks, one is left for each of them; so with two the own provider is asked once.
    `on_fault`: what may be done. "restart": before any text was delivered, ask again. "resume": after that, ask the
    same model to go on, where the seam can be verified. "switch": then ask the next fallback, for all or for the rest;
    without fallbacks it does nothing. Two more are for `stream_with_fallback` alone, behind these and in the order in
    which they are named: "non_stream", ask for the whole answer in one piece; "partial", take what there is, where that
    is more than `partial_min_chars` characters (0 to 1,000,000, default 100): a client behind a transport could not
    tell it from a whole answer. Default: all, in this order (why: docs/decisions/0011-partial-is-last.md); (): raise.
    `contract`: what a whole answer must bring. "learned", the default: what this endpoint has brought with whole
    answers so far, at first a finish reason or a terminator; "strict": a finish reason; "lenient": either, always, and
    events that cannot be read do no harm.
    `budget`: the attempts beyond the first that all answers of one transport may ask of the same provider, a share of
    them and a few a second; default: one in ten, and one a second. In an outage each would else cost three.
    `switches`: those that fallbacks, or answers in one piece, may be asked for, which are billed and burden nobody who
    is ill; default: as many as answers were asked for in the last 300 s, and 30 more, so that in an outage an answer
    costs twice at most.
    `largest_echo`: characters that a continuation may repeat, 16 to 100,000, default 256.
    `continue_words`: what a model is told that takes no beginning of its own answer; `{tail}` stands for the characters
    to repeat. For answers in other languages, or with a tone of their own.

    Raises ConfigError, a ValueError, that lists every mistake.
    """

    __slots__ = ()

    @classmethod
    def classic(cls) -> Self:
        """The ladder that many backends have: what there is, if it is something, else one answer without streaming."""
        return cls(on_fault=("partial", "non_stream"))

    def check(self, ranges: Ranges) -> None:
        """Tell `ranges` of every setting and what it may be."""
        ranges.number("first_token", self.first_token, 0.05, 3600, "write seconds")
        idle = ranges.number("idle", self.idle, 0.05, 3600, "write seconds")
        low = self.idle if idle else 0.05
        ranges.number("timeout", self.timeout, low, 86_400, "write seconds, not below idle")
        ranges.number("attempts", self.attempts, 1, 10, "write a count; 1: no second request", whole=True)
        rungs: object = self.on_fault
        good = isinstance(rungs, tuple) and set(rungs) <= set(RUNGS)
        allowed = f"a tuple of {', '.join(RUNGS)}"
        if ranges.demand(good, "on_fault", rungs, allowed, 'write ("restart",) or ()'):
            late = [rung in LAST for rung in self.on_fault]
            fix = "put non_stream and partial behind the others"
            ranges.demand(late == sorted(late), "on_fault", rungs, "first what heals a stream", fix)
        contracts = ("learned", "strict", "lenient")
        ranges.demand(self.contract in contracts, "contract", self.contract, ", ".join(contracts), "choose one")
        budgets: tuple[tuple[str, object], ...] = (("budget", self.budget), ("switches", self.switches))
        for name, budget in budgets:
            ranges.demand(isinstance(budget, Budget), name, budget, "a Budget", "write Budget(ratio=0.1)")
        ranges.number("partial_min_chars", self.partial_min_chars, 0, 1_000_000, "write characters", whole=True)
        ranges.number("largest_echo", self.largest_echo, SURE, 100_000, "write characters", whole=True)
        words: object = self.continue_words
        good = isinstance(words, str) and words.count("{tail}") == 1
        ranges.demand(good, "continue_words", words, "a text with {tail} in it once", "write where the tail belongs")
