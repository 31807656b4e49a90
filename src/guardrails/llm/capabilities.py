"""Which server takes up a broken answer, and how: a table, of which the first row that fits holds.

    prefill         the last message is the assistant's, and the server goes on with it
    prefix          the same, with "prefix": true in that message
    final_message   the same, with vLLM's continue_final_message
    user_turn       the assistant's message, and then a user who asks for the rest: for all others

A user's own rows come first: `healing(transport, capabilities=[Capability("prefill", host="llama.internal")])`.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Literal, NamedTuple

from guardrails.core.ranges import Checked, Ranges

if TYPE_CHECKING:
    from collections.abc import Iterable

How = Literal["prefill", "prefix", "final_message", "user_turn"]
HOWS: tuple[How, ...] = ("prefill", "prefix", "final_message", "user_turn")


class _Fields(NamedTuple):
    how: How
    host: str = "*"
    model: str = "*"
    server: str = "*"
    wire: str = "*"
    continues: bool = False


class Capability(Checked, _Fields):
    """How one kind of server takes up an answer.

    `host`, `model`, `server` (the response header of that name) and `wire`: patterns as for file names, in lower case,
    default "*". `continues`: it is known to go on without an echo, so that an overlap in repeating text is no echo;
    default False: then such a seam is a mismatch.

    Raises ConfigError, a ValueError, for a `how` that is none.
    """

    __slots__ = ()

    def check(self, ranges: Ranges) -> None:
        """Tell `ranges` of every setting and what it may be."""
        ranges.demand(self.how in HOWS, "how", self.how, ", ".join(HOWS), "choose one")


# After the providers' documentation; what llama.cpp does when it streams was measured.
TABLE = (
    Capability("prefill", wire="openai-chat", server="llama.cpp*", continues=True),
    Capability("prefix", wire="openai-chat", host="api.deepseek.com"),
    Capability("prefix", wire="openai-chat", host="api.mistral.ai"),
    # From 4.6 on, Claude refuses an answer that was begun for it.
    Capability("prefill", wire="anthropic", model="claude-3*"),
    Capability("prefill", wire="anthropic", model="claude-*-4-[015]*"),
    Capability("prefill", wire="anthropic", model="claude-*-4-2025*"),
    # Of Ollama's models few templates leave the last answer open, as the renderer of these does (its qwen3coder.go).
    # Under the others (chatml, mistral) the model would begin a second answer, which need not show at the seam.
    Capability("prefill", wire="ollama", model="qwen3-coder*"),
    Capability("user_turn"),
)


def ways(own: Iterable[Capability], wire: str, host: str, model: str, server: str) -> list[Capability]:
    """The row that fits, and the user's turn behind it for a server that refuses."""
    asked = (host.lower(), model.lower(), server.lower(), wire)
    fits = next(
        row
        for row in (*own, *TABLE)
        if all(fnmatchcase(said, pattern) for said, pattern in zip(asked, row[1:5], strict=True))
    )
    return [fits] if fits.how == "user_turn" else [fits, TABLE[-1]]
