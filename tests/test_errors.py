"""Every exception of the toolkit travels between processes with what it knows."""

from __future__ import annotations

import copy
import importlib
import inspect
import pickle
import pkgutil
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

import pytest

import guardrails
from guardrails import errors
from guardrails.errors import (
    AttemptTimeout,
    BulkheadFull,
    CircuitOpen,
    ConfigError,
    ConnectionLost,
    DeadlineExceeded,
    EncodeError,
    FirstTokenTimeout,
    GitError,
    GuardrailsError,
    IdleTimeout,
    InterpreterError,
    NoEventLoop,
    NotAProject,
    ProviderError,
    RateLimited,
    Refused,
    Rejected,
    SeamMismatch,
    StreamDeadlineExceeded,
    StreamFault,
    Truncated,
    Unguardable,
    UnknownRule,
)
from guardrails.policies.adopting import CallRejected, CircuitBreakerError

if TYPE_CHECKING:
    from collections.abc import Iterator

NEXT_STEP = "Register the type, convert the value, or use the policy `safe`, which marks and reports it."
CUT: tuple[Any, ...] = ("no content for 30 s", "api.openai.com", 2, "Hello", "message_delta", 1.5)
CUT_TEXT = (
    "the stream from api.openai.com is not whole: no content for 30 s (attempt 2, last event message_delta). "
    "5 characters were delivered, see `.partial`. Retry in 1.5 s. Runbook: stream-cut"
)
# How each is raised, and what it then says.
SAMPLES: dict[type[GuardrailsError], tuple[tuple[Any, ...], str]] = {
    GuardrailsError: (("plain",), "plain"),
    ConfigError: ((["a: 1", "b: 2"],), "2 mistakes in the configuration:\n  a: 1\n  b: 2"),
    NotAProject: (("/srv/app", "no Python file"), "/srv/app: no Python file"),
    InterpreterError: (("/bin/py", "too old"), "cannot use the Python interpreter /bin/py: too old"),
    GitError: ((["git", "status"], 128, "warning: x\nfatal: y\n"), "`git status` ended with status 128: fatal: y"),
    EncodeError: ((["$.a: inf"], 1), "JSON cannot keep 2 values exactly:\n  $.a: inf\n  and 1 more\n" + NEXT_STEP),
    UnknownRule: (
        ("GR-X", ["GR-Y", "GR-Z"]),
        "there is no rule 'GR-X'. Did you mean GR-Y or GR-Z? `guardrails explain` lists them.",
    ),
    Rejected: (("db",), "db"),
    CircuitOpen: (
        ("openai", "open", 12.4, "7 of 10 calls failed in 30 s", "ReadTimeout", 17.6),
        (
            "'openai' is open for 12.4 s (7 of 10 calls failed in 30 s; last: ReadTimeout). Retry in 17.6 s. "
            "Runbook: breaker-open"
        ),
    ),
    BulkheadFull: (
        ("db", 20, 5, 0.25),
        "'db' has no free place: 20 of 20 taken, 5 waiting, this one for 0.25 s. Runbook: bulkhead-full",
    ),
    RateLimited: (
        ("openai", 10.0, 5, 0.349, 0.2),
        (
            "'openai' is limited to 10 calls a second, 5 at once, and this call may wait 0.20 s. Retry in 0.35 s. "
            "Runbook: rate-limited"
        ),
    ),
    Refused: (
        ("zep.write", "remember"),
        (
            "'zep.write' has nothing to do: `accepts` refused a call of remember. "
            "Ask before you call, or give a fallback."
        ),
    ),
    DeadlineExceeded: (
        ("db", 5.0, 5.01, 3, "ConnectionError: refused"),
        (
            "'db' did not end within 5 s: 3 attempts in 5.01 s; last: ConnectionError: refused. "
            "Runbook: deadline-exceeded"
        ),
    ),
    AttemptTimeout: (
        ("db", 2.0, 1),
        "attempt 1 of 'db' did not end within 2 s and was cancelled. Runbook: deadline-exceeded",
    ),
    CircuitBreakerError: (("the breaker has opened",), "the breaker has opened"),
    CallRejected: (
        ("db", "open", 1.0, "3 calls in a row failed", "", 2.0),
        "'db' is open for 1.0 s (3 calls in a row failed). Retry in 2.0 s. Runbook: breaker-open",
    ),
    Unguardable: (("db", "a class", "guard its methods"), "'db' cannot guard a class: guard its methods"),
    NoEventLoop: (
        ("db", "keep its timeout"),
        "'db' cannot keep its timeout here: no asyncio loop is running. trio and gevent are not supported",
    ),
    StreamFault: (CUT, CUT_TEXT),
    FirstTokenTimeout: (CUT, CUT_TEXT),
    IdleTimeout: (CUT, CUT_TEXT),
    StreamDeadlineExceeded: ((*CUT, 300.0, 300.1), CUT_TEXT),
    Truncated: (CUT, CUT_TEXT),
    ProviderError: ((*CUT, "overloaded_error", 529), CUT_TEXT),
    ConnectionLost: (CUT, CUT_TEXT),
    SeamMismatch: (CUT, CUT_TEXT),
}


def everything_imported() -> None:
    for module in pkgutil.walk_packages(guardrails.__path__, "guardrails."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


def descendants(cls: type[GuardrailsError]) -> Iterator[type[GuardrailsError]]:
    """Ours only: users and tests may well derive from them."""
    for child in cls.__subclasses__():
        if child.__module__.partition(".")[0] == "guardrails":
            yield child
        yield from descendants(child)


everything_imported()
# Each once: a class may have two of ours as parents.
CLASSES = list(dict.fromkeys([GuardrailsError, *descendants(GuardrailsError)]))


@pytest.mark.parametrize("cls", CLASSES)
def test_every_class_has_a_sample_here(cls: type[GuardrailsError]) -> None:
    args, text = SAMPLES[cls]
    assert str(cls(*args)) == text


@pytest.mark.parametrize("cls", CLASSES)
def test_the_tree_names_every_class_with_its_builtin_parent(cls: type[GuardrailsError]) -> None:
    assert errors.__doc__ is not None
    line = next((line for line in errors.__doc__.splitlines() if cls.__name__ in line.split()), "")
    assert line, f"{cls.__name__} is not in the tree"
    for parent in cls.__bases__:
        if parent.__module__ == "builtins" and parent is not Exception:
            assert f"({parent.__name__})" in line


@pytest.mark.parametrize("cls", CLASSES)
def test_every_class_says_what_it_means(cls: type[GuardrailsError]) -> None:
    assert "__doc__" in vars(cls)
    assert inspect.getdoc(cls)


def raised(cls: type[GuardrailsError], cause: BaseException | None) -> GuardrailsError:
    args, _ = SAMPLES[cls]
    try:
        raise cls(*args) from cause
    except GuardrailsError as exc:
        return exc


def check_same(revived: GuardrailsError, original: GuardrailsError) -> None:
    assert type(revived) is type(original)
    assert str(revived) == str(original)
    assert revived.args == original.args
    assert vars(revived) == vars(original)


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("cls", CLASSES)
def test_every_class_pickles_with_attributes_and_cause(cls: type[GuardrailsError], protocol: int) -> None:
    original = raised(cls, LookupError("no answer", 3))
    original.add_note("seen at night")
    revived = pickle.loads(pickle.dumps(original, protocol))
    check_same(revived, original)
    assert type(revived.__cause__) is LookupError
    assert revived.__cause__.args == ("no answer", 3)
    assert revived.__notes__ == ["seen at night"]
    check_same(pickle.loads(pickle.dumps(revived, protocol)), original)


@pytest.mark.parametrize("cls", CLASSES)
def test_every_class_can_be_copied(cls: type[GuardrailsError]) -> None:
    original = raised(cls, None)
    check_same(copy.copy(original), original)
    check_same(copy.deepcopy(original), original)
    assert copy.copy(original).__cause__ is None


def test_causes_of_ours_keep_their_own_causes() -> None:
    original = raised(ConfigError, raised(GitError, raised(NotAProject, KeyError("x"))))
    revived = pickle.loads(pickle.dumps(original))
    chain = []
    while revived is not None:
        chain.append(type(revived))
        revived = revived.__cause__
    assert chain == [ConfigError, GitError, NotAProject, KeyError]


class Unpicklable(Exception):
    def __init__(self) -> None:
        super().__init__("held open")
        self.handle = lambda: None


class PicklesOnly(Exception):
    """As many exceptions in the wild: dumps, but cannot be loaded, since __init__ takes other arguments."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code}: {text}")


@pytest.mark.parametrize(
    ("cause", "text"),
    [(Unpicklable(), "Unpicklable: held open"), (PicklesOnly(7, "no"), "PicklesOnly: 7: no")],
    ids=["cannot be dumped", "cannot be loaded"],
)
@pytest.mark.parametrize("cls", CLASSES)
def test_a_cause_that_cannot_travel_becomes_a_stand_in(cls: type[GuardrailsError], cause: Exception, text: str) -> None:
    original = raised(cls, cause)
    revived = pickle.loads(pickle.dumps(original))
    check_same(revived, original)
    assert type(revived.__cause__) is GuardrailsError
    assert str(revived.__cause__) == text


def fail_elsewhere() -> None:
    raise ConfigError(["a: 1"]) from TimeoutError("no answer")


def test_an_error_crosses_a_real_process() -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool, pytest.raises(ConfigError) as caught:
        pool.submit(fail_elsewhere).result(timeout=60)
    assert caught.value.problems == ("a: 1",)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ConfigError(["only"]), "1 mistake in the configuration:\n  only"),
        (GitError(["git", "log"], None, ""), "`git log` did not end in time"),
        (GitError(["git"], 1, " \n"), "`git` ended with status 1"),
        (UnknownRule("x"), "there is no rule 'x'. `guardrails explain` lists them."),
        (UnknownRule("x", ["y"]), "there is no rule 'x'. Did you mean y? `guardrails explain` lists them."),
        (
            CircuitOpen("db", "isolated", 60.0, "maintenance", "", None),
            (
                "'db' is isolated for 60.0 s (maintenance). A human holds it: release() lets calls go on trial. "
                "Runbook: breaker-open"
            ),
        ),
        (
            CircuitOpen("db", "half-open", 1.0, "the cooldown is over", "", None),
            (
                "'db' is half-open for 1.0 s (the cooldown is over). All its trial calls are under way: "
                "retry when they are back. Runbook: breaker-open"
            ),
        ),
        (
            BulkheadFull("db", 1, 0, 0.0),
            "'db' has no free place: 1 of 1 taken, 0 waiting. Runbook: bulkhead-full",
        ),
        (
            RateLimited("db", 100 / 60, 1, 0.6, 0.0),
            "'db' is limited to 1.667 calls a second. Retry in 0.60 s. Runbook: rate-limited",
        ),
        (
            DeadlineExceeded("db", 0.5, 0.5, 1),
            "'db' did not end within 0.5 s: 1 attempt in 0.5 s. Runbook: deadline-exceeded",
        ),
        (
            DeadlineExceeded("db", 0.0, 0.0, 0),
            "'db' was not begun: the time that was left for it, 0 s, is over. Runbook: deadline-exceeded",
        ),
    ],
)
def test_messages_fit_their_numbers(error: GuardrailsError, text: str) -> None:
    assert str(error) == text


@pytest.mark.parametrize(
    ("cls", "builtin"),
    [
        (ConfigError, ValueError),
        (NotAProject, ValueError),
        (InterpreterError, OSError),
        (GitError, RuntimeError),
        (UnknownRule, LookupError),
        (EncodeError, TypeError),
        (CircuitOpen, Rejected),
        (BulkheadFull, RuntimeError),
        (RateLimited, Rejected),
        (Refused, Rejected),
        (DeadlineExceeded, TimeoutError),
        (AttemptTimeout, TimeoutError),
        (NoEventLoop, RuntimeError),
        (Unguardable, TypeError),
        (FirstTokenTimeout, TimeoutError),
        (IdleTimeout, TimeoutError),
        (StreamDeadlineExceeded, DeadlineExceeded),
        (Truncated, EOFError),
        (ProviderError, RuntimeError),
        (ConnectionLost, ConnectionError),
        (SeamMismatch, ValueError),
    ],
)
def test_a_builtin_catches_it_too(cls: type[GuardrailsError], builtin: type[Exception]) -> None:
    with pytest.raises(builtin):
        raise raised(cls, None)
