"""Every exception of the toolkit.

    GuardrailsError                     catch this to catch all of ours
    ├── ConfigError (ValueError)        a setting or a waiver is wrong; lists every problem at once
    ├── NotAProject (ValueError)        the path given holds no Python project
    ├── InterpreterError (OSError)      a Python interpreter that was asked for cannot be used
    ├── GitError (RuntimeError)         git answered with an error, or not in time
    ├── UnknownRule (LookupError)       no rule of that id; names the nearest
    └── EncodeError (TypeError)         JSON cannot keep a value, and the policy is `strict`; names every path

Each message says what happened, the numbers and the next step; the same facts are attributes.
Every class survives pickling with its attributes and its cause, because task queues send
exceptions between processes.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


class GuardrailsError(Exception):
    """Base of all errors that the toolkit raises itself."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _revive, (type(self), self.args, dict(self.__dict__), _portable(self.__cause__))


class ConfigError(GuardrailsError, ValueError):
    """The configuration cannot be used. `problems` holds one line for each mistake: place, value, fix."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        head = "1 mistake in the configuration:" if count == 1 else f"{count} mistakes in the configuration:"
        super().__init__("\n".join([head, *(f"  {problem}" for problem in self.problems)]))


class NotAProject(GuardrailsError, ValueError):
    """The path does not hold a Python project. `path` is what was given, `reason` what is missing."""

    def __init__(self, path: str, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"{path}: {reason}")


class InterpreterError(GuardrailsError, OSError):
    """A Python interpreter cannot be used. `executable` is its path, `reason` what it did."""

    def __init__(self, executable: str, reason: str) -> None:
        self.executable = executable
        self.reason = reason
        super().__init__(f"cannot use the Python interpreter {executable}: {reason}")


class GitError(GuardrailsError, RuntimeError):
    """A git command failed. Has `argv`, `returncode` (None: it did not end in time) and `stderr`."""

    def __init__(self, argv: Sequence[str], returncode: int | None, stderr: str) -> None:
        self.argv = tuple(argv)
        self.returncode = returncode
        self.stderr = stderr
        ended = "did not end in time" if returncode is None else f"ended with status {returncode}"
        said = stderr.strip().splitlines()
        super().__init__(f"`{' '.join(self.argv)}` {ended}" + (f": {said[-1]}" if said else ""))


class UnknownRule(GuardrailsError, LookupError):
    """No rule or rule family bears this id. `near` lists ids that look like it."""

    def __init__(self, rule: str, near: Sequence[str] = ()) -> None:
        self.rule = rule
        self.near = tuple(near)
        hint = f" Did you mean {' or '.join(self.near)}?" if self.near else ""
        super().__init__(f"there is no rule {rule!r}.{hint} `guardrails explain` lists them.")


class EncodeError(GuardrailsError, TypeError):
    """JSON cannot keep a value exactly. `problems` holds one line for each place: path, reason, type.

    `omitted`: how many more places there are.
    """

    def __init__(self, problems: Sequence[str], omitted: int = 0) -> None:
        self.problems = tuple(problems)
        self.omitted = omitted
        count = len(self.problems) + omitted
        head = f"JSON cannot keep {count} {'value' if count == 1 else 'values'} exactly:"
        tail = [f"  and {omitted} more"] if omitted else []
        step = "Register the type, convert the value, or use the policy `safe`, which marks and reports it."
        super().__init__("\n".join([head, *(f"  {problem}" for problem in self.problems), *tail, step]))


def _revive(
    cls: type[GuardrailsError], args: tuple[Any, ...], state: dict[str, Any], cause: BaseException | None
) -> GuardrailsError:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    error.__cause__ = cause
    return error


def _portable(cause: BaseException | None) -> BaseException | None:
    """The cause itself when it can be pickled, else a stand-in that keeps its type and text."""
    if cause is None:
        return None
    import pickle

    try:
        pickle.loads(pickle.dumps(cause))  # noqa: S301 - our own bytes, made in the same expression
    except Exception:  # noqa: BLE001 - a foreign __reduce__ may raise anything; the report must still travel
        return GuardrailsError(f"{type(cause).__name__}: {cause}")
    return cause
