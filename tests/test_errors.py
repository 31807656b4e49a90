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
    ConfigError,
    EncodeError,
    GitError,
    GuardrailsError,
    InterpreterError,
    NotAProject,
    UnknownRule,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

NEXT_STEP = "Register the type, convert the value, or use the policy `safe`, which marks and reports it."
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
CLASSES = [GuardrailsError, *descendants(GuardrailsError)]


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
    ],
)
def test_a_builtin_catches_it_too(cls: type[GuardrailsError], builtin: type[Exception]) -> None:
    with pytest.raises(builtin):
        raise raised(cls, None)
