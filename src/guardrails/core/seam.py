"""Where a continued answer joins what was delivered: nothing doubled, nothing lost, or a mismatch.

    seam = Seam(delivered)
    seam.feed(text)     what is new in the continuation; "" while that is not clear
    seam.finish()       the continuation has ended: decide by what there is
    seam.verdict        continued   it went on where the delivered text ended
                        echoed      it first repeated the end of the delivered text
                        restarted   it first repeated all of it
                        mismatch    it cannot be told, or it is another answer; nothing of it is new

What is held back is no more than is needed: as soon as no repetition of the delivered text is possible any more, the
rest goes through as it comes. Chance makes short overlaps, and text that repeats itself makes long ones: both are a
mismatch, unless the server is known to go on without an echo.
"""

from __future__ import annotations

from typing import Final, Literal

from guardrails.core.ranges import Ranges

Verdict = Literal["undecided", "continued", "echoed", "restarted", "mismatch"]
# What the continuation was asked for: nothing is known; the server goes on by itself; it was asked to echo first.
Trust = Literal["nothing", "continues", "echo"]

# The largest echo that is looked for, in characters.
LARGEST: Final = 256
# So many characters do not coincide by chance: in English the ninth already has odds of one in a million.
SURE: Final = 16


class Seam:
    """One seam. `delivered`: the text that the user has. `quote`: how many of its last characters were to be echoed,
    with trust "echo". `regrown`: how many were not shown to the server, so that it says them again: those are no echo.
    `trust`: what is known of the server. `largest`: characters of the largest echo, 16 to 100,000, default 256.

    Raises ConfigError, a ValueError, if a number is out of range.
    """

    __slots__ = ("_delivered", "_held", "_largest", "_quote", "_regrown", "_trust", "verdict")

    def __init__(
        self, delivered: str, trust: Trust = "nothing", *, quote: int = 0, regrown: int = 0, largest: int = LARGEST
    ) -> None:
        ranges = Ranges()
        ranges.number("largest", largest, SURE, 100_000, "write characters", whole=True)
        ranges.number("quote", quote, 1 if trust == "echo" else 0, len(delivered), "write characters", whole=True)
        ranges.number("regrown", regrown, 0, len(delivered), "write characters", whole=True)
        ranges.settle()
        self._delivered = delivered
        self._trust = trust
        self._quote = delivered[len(delivered) - quote :]
        self._regrown = regrown
        self._largest = largest
        self._held = ""
        self.verdict: Verdict = "undecided" if delivered else "continued"

    def feed(self, text: str) -> str:
        """More of the continuation. Returns what is new, "" while that is not clear, and for ever after a mismatch."""
        if self.verdict != "undecided":
            return "" if self.verdict == "mismatch" else text
        self._held += text
        return self._decide(last=False)

    def finish(self) -> str:
        """No more comes. Returns what is new of what was held back."""
        return self._decide(last=True) if self.verdict == "undecided" else ""

    def _decide(self, *, last: bool) -> str:
        new = self._quoted(last=last) if self._trust == "echo" else self._overlapping(last=last)
        if new is None:
            return ""
        self._held = ""
        return new

    def _quoted(self, *, last: bool) -> str | None:
        """What comes after the echo that was asked for; there may be words before it. None: not clear yet."""
        held, delivered = self._held, self._delivered
        if delivered.find(self._quote) != len(delivered) - len(self._quote):
            return self._ends("mismatch", 0)
        at = held.find(self._quote)
        if at >= 0:
            return self._ends(
                "restarted" if held[:at] and delivered.startswith(held[:at]) else "echoed", at + len(self._quote)
            )
        # One that begins anew comes to the quoted words after all that was delivered.
        may_come = len(held) < self._largest + len(self._quote) or delivered.startswith(held)
        return None if may_come and not last else self._ends("mismatch", 0)

    def _overlapping(self, *, last: bool) -> str | None:
        """What comes after the longest repetition of the end of what was delivered. None: not clear yet."""
        held, delivered = self._held, self._delivered
        if not held:
            return self._ends("continued", 0) if last else None
        tail = delivered[-self._largest :]
        whole, growing = [], len(held) < len(delivered) and delivered.startswith(held)
        if len(delivered) > len(tail) and held.startswith(delivered):
            whole.append(len(delivered))
        at = tail.find(held[0])
        while at >= 0:
            rest = tail[at:]
            if held.startswith(rest):
                whole.append(len(rest))
            elif rest.startswith(held):
                growing = True
            at = tail.find(held[0], at + 1)
        return None if growing and not last else self._judged(whole)

    def _judged(self, overlaps: list[int]) -> str:
        """What is new, with these overlaps, the longest first."""
        held, delivered, regrown = self._held, self._delivered, self._regrown
        known = self._trust == "continues"
        sure = [length for length in overlaps if length >= SURE and length != regrown]
        # An echo is believed if there is one way to read it: its words stand in the delivered text once.
        if len(sure) == 1 and delivered.find(delivered[-sure[0] :]) == len(delivered) - sure[0]:
            return self._ends("restarted" if sure[0] == len(delivered) else "echoed", sure[0])
        expected = regrown if regrown in overlaps else 0
        by_chance = [length for length in overlaps if length > expected and length not in sure]
        # What was said before and is said again may be a beginning in other words, or a repetition of the model's own.
        again = not expected and len(held) >= SURE and held[:SURE] in delivered
        if not known and (sure or by_chance or again):
            return self._ends("mismatch", 0)
        return self._ends("continued", expected)

    def _ends(self, verdict: Verdict, echo: int) -> str:
        self.verdict = verdict
        return "" if verdict == "mismatch" else self._held[echo:]
