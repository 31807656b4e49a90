"""What a lint of JSON found: the nouns that the reader of text, the reader of objects and the printing share."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

# A table with a NaN in each row would fill the terminal; what is beyond is counted.
MOST_FINDINGS = 1000
LONGEST_PATH = 300


class Finding(NamedTuple):
    """One place. No field holds a value of the user's, because it may be a secret.

    `path`: in the names of the JSON, `$.user.sessions[2]`. `reason`: one word of a closed list. `type`: the class, or
    the kind of JSON value. `instead`: what a reader gets. `line`, `column`: from 1, in characters; text only.
    `first_line`: where the same name stood before, for a duplicate.
    """

    path: str
    reason: str
    message: str
    fix: str
    type: str | None = None
    instead: str | None = None
    line: int | None = None
    column: int | None = None
    first_line: int | None = None


class Outcome(NamedTuple):
    """All that was found. `omitted`: findings beyond the first 1,000. `unknown`: why the rest was not looked at."""

    findings: tuple[Finding, ...] = ()
    omitted: int = 0
    notes: tuple[str, ...] = ()
    unknown: str | None = None

    def without_secrets(self) -> Outcome:
        """The same, where a name or type that is itself a secret is masked; before any output."""
        from guardrails.redact import redacted

        return Outcome(
            tuple(
                found._replace(
                    path=redacted(found.path),
                    message=redacted(found.message),
                    # A marker in a text may claim any type.
                    type=None if found.type is None else redacted(found.type),
                )
                for found in self.findings
            ),
            self.omitted,
            tuple(map(redacted, self.notes)),
            None if self.unknown is None else redacted(self.unknown),
        )


def path_text(steps: Sequence[str | int]) -> str:
    """`["user", "a b", 2]` as `$.user['a b'][2]`, as `jsonsafe.explain` writes it; the middle of a long one is cut."""
    text = "".join(["$", *map(_step, steps)])
    if len(text) <= LONGEST_PATH:
        return text
    half = LONGEST_PATH // 2
    return f"{text[:half]}…{text[-half:]}"


def _step(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    name = step if len(step) <= 100 else step[:99] + "…"
    if name.isidentifier():
        return f".{name}"
    quoted = name.replace("\\", "\\\\").replace("'", "\\'")
    return f"['{quoted}']"
