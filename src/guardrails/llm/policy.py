"""What a user says about streams: three clocks, how many attempts, and what may be done when one breaks.

StreamPolicy(first_token=20, idle=30, timeout=300)     the defaults
StreamPolicy(on_fault=())                              only say that an answer is not whole; ask for nothing again
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from guardrails.core.ranges import Checked, Ranges
from guardrails.core.seam import SURE
from guardrails.policies.settings import Budget

Rung = Literal["restart", "resume"]
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
    on_fault: tuple[Rung, ...] = ("restart", "resume")
    contract: Contracts = "learned"
    budget: Budget = Budget()
    largest_echo: int = 256
    continue_words: str = CONTINUE


class StreamPolicy(Checked, _Fields):
    """When a stream counts as broken, and what is done then.

    `first_token`: seconds from an attempt's beginning to the first content, 0.05 to 3600, default 20: twice what busy
    providers take. `idle`: seconds without content after that, 0.05 to 3600, default 30; keepalives and pings do not
    count. `timeout`: seconds for the whole stream with all its attempts, `idle` to 86,400, default 300; less where a
    guard around it has less left.
    `attempts`: requests for one stream, the first included, 1 to 10, default 3: each is billed.
    `on_fault`: what may be done. "restart": before any text was delivered, ask again. "resume": after that, ask the
    same model to go on, where the seam can be verified. Default: both; (): raise.
    `contract`: what a whole answer must bring. "learned", the default: what this endpoint has brought with whole
    answers so far, at first a finish reason or a terminator; "strict": a finish reason; "lenient": either, always, and
    events that cannot be read do no harm.
    `budget`: the attempts beyond the first that all streams of one transport may make, a share of the streams and a few
    a second; default: one in ten, and one a second. In an outage each stream would else cost three.
    `largest_echo`: characters that a continuation may repeat, 16 to 100,000, default 256.
    `continue_words`: what a model is told that takes no beginning of its own answer; `{tail}` stands for the characters
    to repeat. For answers in other languages, or with a tone of their own.

    Raises ConfigError, a ValueError, that lists every mistake.
    """

    __slots__ = ()

    def check(self, ranges: Ranges) -> None:
        """Tell `ranges` of every setting and what it may be."""
        ranges.number("first_token", self.first_token, 0.05, 3600, "write seconds")
        idle = ranges.number("idle", self.idle, 0.05, 3600, "write seconds")
        low = self.idle if idle else 0.05
        ranges.number("timeout", self.timeout, low, 86_400, "write seconds, not below idle")
        ranges.number("attempts", self.attempts, 1, 10, "write a count; 1: no second request", whole=True)
        rungs: object = self.on_fault
        good = isinstance(rungs, tuple) and set(rungs) <= {"restart", "resume"}
        ranges.demand(good, "on_fault", rungs, 'a tuple of "restart" and "resume"', 'write ("restart",) or ()')
        contracts = ("learned", "strict", "lenient")
        ranges.demand(self.contract in contracts, "contract", self.contract, ", ".join(contracts), "choose one")
        budget: object = self.budget
        ranges.demand(isinstance(budget, Budget), "budget", budget, "a Budget", "write Budget(ratio=0.1)")
        ranges.number("largest_echo", self.largest_echo, SURE, 100_000, "write characters", whole=True)
        words: object = self.continue_words
        good = isinstance(words, str) and words.count("{tail}") == 1
        ranges.demand(good, "continue_words", words, "a text with {tail} in it once", "write where the tail belongs")
