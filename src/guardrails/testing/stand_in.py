"""A model that repeats what it was told: what a FaultServer says where an answer has to depend on the question.

    with FaultServer(repeats) as server: ...                                     no model, no network, never a surprise
    FaultServer(repeats, fault=lambda asked: None if asks_for_rest(asked) else Fault.cut(at=0.9))

Asked for the rest of an answer, as `guardrails.llm` asks, it says the rest: behind a client that heals, each answer
which such a server cuts arrives whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from guardrails.llm.policy import CONTINUE

if TYPE_CHECKING:
    from guardrails.testing.faults import Asked

# What stands before the characters that are to be repeated.
WORDS = CONTINUE.partition("{tail}")[0]


def asks_for_rest(asked: Asked) -> bool:
    """Whether an answer that has begun is to be continued: after a prefill, or in the words of `guardrails.llm`."""
    role, said = _turns(asked)[-1]
    return role == "assistant" or said.startswith(WORDS)


def repeats(asked: Asked) -> str:
    """The system prompt and the last question, or what is left of both: a reply for FaultServer, on each of its wires.

    `asked`: what came in. A StreamPolicy with `continue_words` of its own is not understood.
    """
    turns = _turns(asked)
    begun = 0
    if turns[-1][1].startswith(WORDS):
        # Those who are asked to do so repeat the end of what they have said.
        begun = len(turns[-2][1]) - len(turns[-1][1].removeprefix(WORDS))
        turns = turns[:-2]
    elif turns[-1][0] == "assistant":
        begun = len(turns[-1][1])
        turns = turns[:-1]
    told = " ".join(said for role, said in turns if role in ("system", "developer"))
    return f"{told} You asked: {turns[-1][1]}".lstrip()[begun:]


def _turns(asked: Asked) -> list[tuple[str, str]]:
    """Who said what; the system prompt first, wherever it stands. Of what is no text, nothing."""
    body = asked.json
    said = body.get("messages") or body.get("input") or ""
    told = [{"role": "user", "content": said}] if isinstance(said, str) else said
    first = body.get("system") or body.get("instructions")
    turns = [{"role": "system", "content": first}, *told] if first else told
    return [(turn.get("role", ""), _text(turn.get("content"))) for turn in turns]


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join(part.get("text") or "" for part in content or ())
