"""What a stream tells, in no provider's words: events for `match`, and what has come of it in the end.

match event:
    case Text(text): ...                            more of the answer
    case ToolCall(id, name, arguments): ...         whole, never half
    case Attempt(superseded=True): ...              all text so far is void: the answer begins anew
    case Attempt(number, why): ...                  it goes on where it was
    case Usage(input_tokens, output_tokens): ...
    case Done(outcome): ...                         the last one
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from guardrails.llm.request import ToolCall, saying

if TYPE_CHECKING:
    from guardrails.llm.faults import Kind

Outcome = Literal["complete", "partial", "failed"]


class Text(NamedTuple):
    """More of the answer."""

    text: str


class Attempt(NamedTuple):
    """An attempt has failed, and the next one was answered. Both are billed.

    `number`: of the new one; the first is 1, and is not told. `why`: what went wrong with the one before: "first_token"
    "idle" "deadline" "truncated" "provider" "connection" "seam" "open". `superseded`: the text that was told so far
    does not count any more, and the answer is told from its beginning; strike it through.
    """

    number: int
    why: Kind
    superseded: bool = False


class Usage(NamedTuple):
    """Tokens of all attempts, since each is billed. `estimated`: how many of them no provider has told, because the
    attempt broke, or it never does.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    estimated: int = 0


class Done(NamedTuple):
    """The end. `outcome`: "complete", or "partial": nothing more was to be had.

    `finish`: why the model stopped: "stop", "length", "tool_calls", "refusal", "content_filter", the provider's own
    word where it is none of those; "" for a partial answer.
    """

    outcome: Literal["complete", "partial"]
    finish: str = ""


Event: TypeAlias = Text | ToolCall | Attempt | Usage | Done


class Result(NamedTuple):
    """What has come of a stream, so far or in the end.

    `text`: the answer. `outcome`: "complete"; "partial": it is cut, or was left before its end; "failed": the loop got
    an error from it. `healed`: it broke, and is complete. `attempts`: requests that were made; each is billed.
    `usage`: see Usage. `seams`: how each continuation joined on: "continued", "echoed", "restarted", "mismatch".
    `faults`: what went wrong, one for each attempt that failed. `finish`: see Done. `tool_calls`: those of the answer.
    `thinking`: what the model thought before it, where it is told.
    """

    text: str = ""
    outcome: Outcome = "partial"
    healed: bool = False
    attempts: int = 0
    usage: Usage = Usage()
    seams: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    finish: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    thinking: str = ""

    @property
    def cacheable(self) -> bool:
        """Whether the same question may be answered with it again: it is whole, and the model ended it by itself."""
        return self.outcome == "complete" and self.finish in ("stop", "tool_calls")

    @property
    def message(self) -> dict[str, Any] | None:
        """The answer for the history of the conversation. None where it is not complete: half an answer spoils those
        that follow.
        """
        return saying(self.text, self.tool_calls) if self.outcome == "complete" else None
