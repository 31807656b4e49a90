"""Exceptions: type, message, notes, fields, where it was raised, and what caused it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from guardrails.jsonsafe.kinds import Items, Lost, Pairs, must_pass, type_name

if TYPE_CHECKING:
    from types import TracebackType

    from guardrails.jsonsafe.kinds import Context

# Characters of a traceback; the last frames stay, since that is where it was raised.
MOST_TRACEBACK = 8 * 1024
# Frames looked at; a runaway recursion has a thousand.
MOST_FRAMES = 2_000


def failure(error: BaseException, _: Context) -> object:
    """One exception as an object; the walker goes on to its cause and to the parts of a group."""
    pairs: list[tuple[str, object]] = [("type", type_name(type(error))), ("message", message(error))]
    notes = getattr(error, "__notes__", None)
    if notes:
        pairs.append(("notes", notes))
    if isinstance(error, BaseExceptionGroup):
        pairs.append(("exceptions", Items(list(error.exceptions))))
    if error.__traceback__ is not None:
        pairs.append(("traceback", frames(error.__traceback__)))
    if error.__cause__ is not None:
        pairs.append(("cause", error.__cause__))
    elif error.__context__ is not None and not error.__suppress_context__:
        pairs.append(("context", error.__context__))
    return Pairs(pairs)


def message(error: BaseException) -> object:
    """`str(error)`, or a marker when that fails."""
    try:
        return str.__str__(str(error))
    except BaseException as exc:
        if must_pass(exc):
            raise
        return Lost("raised", error, **{"$error": type_name(type(exc))})


def frames(traceback: TracebackType | None) -> str:
    """One line a frame, the innermost last, without source lines: those would have to be read from disk."""
    lines: list[str] = []
    seen = 0
    while traceback is not None and seen < MOST_FRAMES:
        code: Any = traceback.tb_frame.f_code
        lines.append(f'File "{code.co_filename}", line {traceback.tb_lineno}, in {code.co_qualname}')
        traceback, seen = traceback.tb_next, seen + 1
    kept: list[str] = []
    room = MOST_TRACEBACK
    while lines and room >= len(lines[-1]) + 1:
        kept.append(lines.pop())
        room -= len(kept[-1]) + 1
    if lines:
        kept.append(f"… {len(lines)} frames before")
    return "\n".join(reversed(kept))
