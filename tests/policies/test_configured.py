"""Guards by file and environment: one precedence, every mistake at once, and back to what the code says."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pybreaker
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails.config import Config, load_config
from guardrails.errors import AttemptTimeout, ConfigError
from guardrails.policies import (
    AdaptiveLimit,
    Backoff,
    Breaker,
    Budget,
    Bulkhead,
    Dependency,
    Guard,
    Hedge,
    RateLimit,
    Retry,
    configure,
)
from guardrails.policies.living import Living
from guardrails.policies.schema import Leaf, Reader, Tree, fields_of
from guardrails.policies.settings import Settings
from guardrails.testing import VirtualClock

if TYPE_CHECKING:
    from pathlib import Path

    from guardrails.policies.configured import Configured


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is configured holds for all guards of the process; here, for those of this test."""
    monkeypatch.setattr("guardrails.policies.guard._GUARDS", Living())
    monkeypatch.setattr(Guard, "_over", None)


@pytest.fixture
def said(tmp_path: Path) -> Any:
    """Writes a file and configures by it and by the variables, named without their beginning."""

    def write(text: str = "", name: str = "guards.toml", **variables: str) -> Configured:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return configure(path, environ={f"GUARDRAILS_GUARDS__{key}": value for key, value in variables.items()})

    return write


def mistakes(said: Any, tmp_path: Path, text: str = "", **variables: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        said(text, **variables)
    return [problem.replace(f"{tmp_path}/", "") for problem in caught.value.problems]


# What may be said.


def test_one_number_is_changed_and_everything_else_stays_as_the_code_has_it(said: Any) -> None:
    breaker = Breaker(window=60, cooldown=5)
    guard = Guard("search", timeout=5, breaker=breaker, retry=Retry(OSError, attempts=4))
    found = said("[guards.search]\nbreaker.cooldown = 30\n")
    assert found == (("search",), (), ())
    assert guard._settings == guard._said._replace(breaker=breaker._replace(cooldown=30))


def test_the_environment_stands_over_the_file_over_the_code(said: Any) -> None:
    guard = Guard("search", timeout=1, attempt_timeout=1, bulkhead=Bulkhead(1))
    text = "[guards.search]\nattempt_timeout = 2\ntimeout = 20\nbulkhead = { limit = 2, waiting = 2 }\n"
    said(text, SEARCH__TIMEOUT="30", SEARCH__BULKHEAD__LIMIT="3")
    settings = guard._settings
    assert (settings.attempt_timeout, settings.timeout, settings.bulkhead) == (2, 30, Bulkhead(3, waiting=2))


@pytest.mark.parametrize("off", ["false", '"off"', '"OFF"'])
def test_false_is_none(said: Any, off: str) -> None:
    guard = Guard("search", timeout=5, breaker=Breaker(), retry=Retry(OSError), bulkhead=Bulkhead(1))
    names = ("timeout", "breaker", "retry", "bulkhead", "budget")
    said("[guards.search]\n" + "".join(f"{name} = {off}\n" for name in names))
    assert [getattr(guard._settings, name) for name in names] == [None] * 5
    said(f"[guards.search.breaker]\nfailure_rate = {off}\n")
    assert guard._settings.breaker == Breaker(failure_rate=None)


@pytest.mark.parametrize("off", ["false", "off", "False", "none"])
def test_a_variable_says_off_in_the_ways_of_a_shell(said: Any, off: str) -> None:
    guard = Guard("search")
    said("[guards.search]\nbreaker.cooldown = 7\n", SEARCH__BREAKER=off)
    assert guard._settings.breaker is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"ConnectionError"', ConnectionError),
        ('["ConnectionError", "AttemptTimeout"]', (ConnectionError, AttemptTimeout)),
        ('"httpx.ConnectError"', "httpx.ConnectError"),
        ('["pybreaker.CircuitBreakerError"]', (pybreaker.CircuitBreakerError,)),
    ],
)
def test_exceptions_are_named(said: Any, text: str, expected: Any) -> None:
    guard = Guard("search")
    said(f"[guards.search.retry]\non = {text}\n")
    assert guard._settings.retry is not None
    on: Any = guard._settings.retry.on
    assert (on if not isinstance(expected, str) else f"{on.__module__}.{on.__name__}") == expected
    said(SEARCH__RETRY__ON=text.strip('"'), SEARCH__RETRY__ATTEMPTS="2")
    assert guard._settings.retry.attempts == 2


def test_a_package_is_not_imported_unless_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "guards.toml").write_text('[guards.search.retry]\non = "OSError"\n')
    script = "import sys; from guardrails.policies import configure; configure('guards.toml', environ={})\n"
    script += "print(sorted({'httpx', 'pydantic', 'openai', 'redis', 'sqlalchemy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_table_of_another_kind_of_bulkhead_replaces_it(said: Any) -> None:
    guard = Guard("search", bulkhead=Bulkhead(3))
    said("[guards.search.bulkhead]\nlowest = 2\n")
    assert guard._settings.bulkhead == AdaptiveLimit(lowest=2)
    said("[guards.search.bulkhead]\nwaiting = 2\n")
    assert guard._settings.bulkhead == Bulkhead(3, waiting=2)
    adaptive = Guard("other", bulkhead=AdaptiveLimit())
    with pytest.raises(ConfigError, match=r"guards\.other\.bulkhead\.lowst: no such key; did you mean 'lowest'\?"):
        said("[guards.other.bulkhead]\nlowst = 2\n")
    assert adaptive._settings == adaptive._said


def test_a_longer_time_limit_needs_no_other_number(said: Any) -> None:
    guard = Guard("search", timeout=5)
    said("[guards.search]\ntimeout = 200\n")
    assert (guard._settings.timeout, guard._settings.breaker) == (200, Breaker(permit_expiry=200, max_half_open=400))


# Whom it is for.


def test_a_dependency_is_configured_for_both_sides_and_for_one(said: Any) -> None:
    memory = Dependency("zep", timeout=9)
    text = "[guards.zep]\ntimeout = 5\nattempt_timeout = 4\n[guards.zep.read]\nattempt_timeout = 1\n"
    assert said(text, ZEP__WRITE__TIMEOUT="8").guards == ("zep.read", "zep.write")
    sides = [
        (side.guard._settings.timeout, side.guard._settings.attempt_timeout) for side in (memory.read, memory.write)
    ]
    assert sides == [(5, 1), (8, 4)]
    said('[guards."zep.read"]\ntimeout = 3\n', ZEP__TIMEOUT="2")
    assert (memory.read.guard._settings.timeout, memory.write.guard._settings.timeout) == (2, 2)


def test_what_is_hedged_for_a_dependency_is_its_reads(said: Any) -> None:
    memory = Dependency("zep")
    said("[guards.zep.hedge]\n" + "".join(f"{name} = {value}\n" for name, value in Hedge()._asdict().items()))
    assert (memory.read.guard._settings.hedge, memory.write.guard._settings.hedge) == (Hedge(), None)


@pytest.mark.parametrize("name", ["search-api", "search api", "Search.API", "SEARCH_API"])
def test_a_variable_names_a_guard_in_letters_digits_and_underscores(said: Any, name: str) -> None:
    guard = Guard(name)
    assert said(SEARCH_API__TIMEOUT="3").guards == (name,)
    assert guard._settings.timeout == 3


def test_guards_by_key_follow_their_guard(said: Any) -> None:
    guard = Guard("openai")
    early = guard.for_key("gpt")
    said("[guards.openai]\ntimeout = 3\n")
    late = guard.for_key("other")
    assert [one._settings.timeout for one in (early, late)] == [3, 3]
    said()
    assert [one._settings.timeout for one in (early, late)] == [None, None]
    late.update(attempt_timeout=2)
    assert (late._settings.timeout, late._settings.attempt_timeout) == (None, 2)


def test_what_is_made_later_obeys_too_and_is_told_of_until_then(said: Any, tmp_path: Path) -> None:
    other = Guard("serch")
    found = said("[guards.search]\ntimeout = 3\n", LATER__TIMEOUT="4")
    assert found.guards == ()
    assert [line.replace(f"{tmp_path}/", "") for line in found.unmatched] == [
        "guards.toml:2: guards.search.timeout: there is no guard 'search' yet; did you mean 'serch'?",
        "environment: GUARDRAILS_GUARDS__LATER__TIMEOUT: there is no guard 'later' yet",
    ]
    assert (Guard("search")._settings.timeout, Guard("later")._settings.timeout) == (3, 4)
    assert other._settings.timeout is None


def test_ranges_of_a_guard_that_is_made_later_are_told_then(said: Any) -> None:
    # With the default cooldown of 2 s it would be wrong; with that of the code it is not.
    found = said("[guards.search]\nbreaker.cooldown_cap = 1\n")
    assert len(found.unmatched) == 2
    assert "cooldown_cap: 1, allowed: " in found.unmatched[1]
    guard = Guard("search", breaker=Breaker(cooldown=0.5))
    assert guard._settings.breaker == Breaker(cooldown=0.5, cooldown_cap=1)
    with pytest.raises(ConfigError, match=r"guards\.toml:2: guards\.search\.breaker\.cooldown_cap: 1, allowed: "):
        Guard("search")


# Again, and back.


def test_what_is_no_longer_said_goes_back_to_the_code(said: Any) -> None:
    guard = Guard("search", timeout=5, breaker=Breaker(cooldown=9))
    said("[guards.search]\ntimeout = 3\nbreaker.cooldown = 1\nretry.on = 'OSError'\n")
    said("[guards.search]\ntimeout = 4\n")
    assert guard._settings == guard._said._replace(timeout=4)
    said("[guards.search]\n# timeout = 4\n[guards.search.breaker]\n")
    assert guard._settings == guard._said


def test_code_that_says_something_else_later_is_told_what_stays_configured(said: Any) -> None:
    guard = Guard("search", timeout=5)
    said("[guards.search]\ntimeout = 3\n")
    assert guard.update(timeout=8, retry=Retry(OSError)) == ("timeout: stays as it is configured",)
    assert (guard._settings.timeout, guard._settings.retry) == (3, Retry(OSError))
    said()
    assert guard._settings.timeout == 8


def test_code_that_contradicts_what_is_configured_is_refused_and_nothing_changes(said: Any) -> None:
    guard = Guard("search")
    said("[guards.search]\ntimeout = 3\n")
    with pytest.raises(ConfigError, match=r"guards\.search\.timeout: 3, allowed: at least attempt_timeout, 4 s"):
        guard.update(attempt_timeout=4)
    assert (guard._said.attempt_timeout, guard._settings.attempt_timeout) == (None, None)
    assert guard.update(attempt_timeout=2) == ()


def test_a_circuit_keeps_its_state_and_what_it_forgets_is_told(said: Any) -> None:
    guard = Guard("search", clock=VirtualClock(), breaker=Breaker(consecutive=2, cooldown=40, cooldown_growth=1))
    for _ in range(2):
        with pytest.raises(OSError, match="down"):
            guard.call(fail)
    text = "[guards.search.breaker]\ncooldown = 1\ncooldown_cap = 5\n"
    found = said(text)
    assert guard.state == "open"
    assert [line.endswith(" s of the open time") and line.startswith("search: ") for line in found.lost] == [True]
    assert said(text).lost == ()


def fail() -> None:
    raise OSError("down")


def test_a_reload_while_eight_threads_call_loses_nothing(said: Any) -> None:
    guard = Guard("search", retry=Retry(OSError), bulkhead=Bulkhead(16))
    calls = 2_000
    done: list[int] = []
    wrong: list[BaseException] = []

    def work() -> None:
        try:
            done.append(sum(guard.call(int, 1) for _ in range(calls)))
        except BaseException as exc:
            wrong.append(exc)

    threads = [threading.Thread(target=work) for _ in range(8)]
    reloads = 0
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads) or reloads < 4:
        reloads += 1
        odd = reloads % 2
        said(f"[guards.search]\ntimeout = {5 + odd}\nbulkhead.limit = {16 + odd}\nretry.attempts = {2 + odd}\n")
    for thread in threads:
        thread.join(60)
    snapshot = guard.snapshot()
    assert (wrong, done) == ([], [calls] * 8)
    assert (snapshot.circuit.calls, snapshot.circuit.failed) == (8 * calls, 0)
    assert (snapshot.active, snapshot.waiting) == (0, 0)


def test_an_asynchronous_call_under_way_ends_as_it_began(said: Any) -> None:
    guard = Guard("search", timeout=5)

    async def main() -> str:
        @guard
        async def slow() -> str:
            said("[guards.search]\ntimeout = 0.001\n")
            await asyncio.sleep(0.01)
            return "done"

        return await slow()

    assert asyncio.run(main()) == "done"


# Mistakes.


EXAMPLE = "name a guard and a setting, such as GUARDRAILS_GUARDS__SEARCH__BREAKER__COOLDOWN"
NO_CLASS = "'ConectionError' is no class of exceptions; did you mean 'ConnectionError'?"


def test_every_mistake_is_told_at_once_with_its_place(said: Any, tmp_path: Path) -> None:
    Guard("search", timeout=5)
    text = """\
[guards.search]
timout = 3
attempt_timeout = "quick"
breaker = { cooldown = -1, window = true }

[guards.search.retry]
on = "ConectionError"
attempts = 2.5

[guards."a.b"]
classify = "x"
"""
    found = mistakes(said, tmp_path, text, SEARCH__BUDGET__RATIO="lots", OTHER__BRAKER__COOLDOWN="1", SEARCH="3")
    assert sorted(found) == [
        "environment: GUARDRAILS_GUARDS__OTHER__BRAKER__COOLDOWN: no such key; did you mean 'breaker'?",
        "environment: GUARDRAILS_GUARDS__SEARCH: no such setting; " + EXAMPLE,
        "environment: GUARDRAILS_GUARDS__SEARCH__BUDGET__RATIO: 'lots', allowed: a number",
        f"guards.toml:11: guards.'a.b'.classify: no such key; known here: {', '.join(fields_of(Settings))}",
        "guards.toml:2: guards.search.timout: no such key; did you mean 'timeout'?",
        "guards.toml:3: guards.search.attempt_timeout: 'quick', allowed: a number or false, for none",
        "guards.toml:4: guards.search.breaker.window: True, allowed: a number or false, for none",
        f"guards.toml:7: guards.search.retry.on: {NO_CLASS}",
        "guards.toml:8: guards.search.retry.attempts: 2.5, allowed: a whole number",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("search = 3", "guards.toml:2: guards.search: 3, allowed: a table"),
        ("search.breaker = 3", "guards.search.breaker: 3, allowed: a table [….breaker] or false, for none"),
        ("search.timeout.x = 3", "guards.search.timeout.x: timeout has no settings of its own; write one value"),
        ("search.breaker.cooldown = -1", "guards.search.breaker.cooldown: -1, allowed: a number from 0.05 to 3600"),
        ("search.breaker.cooldown = nan", "guards.search.breaker.cooldown: nan, allowed: a number from 0.05 to 3600"),
        ("search.breaker.cooldown = inf", "guards.search.breaker.cooldown: inf, allowed: a number"),
        ("search.breaker.cooldown = false", "guards.search.breaker.cooldown: False, allowed: a number"),
        (f"search.timeout = 0x{'f' * 5000}", "guards.search.timeout: int of that size, allowed: a number"),
        ("search.breaker.slow_after = 6", "guards.search.breaker.slow_after: 6, allowed: below timeout, 5 s"),
        ("search.attempt_timeout = 6", "guards.search.attempt_timeout: then timeout: 5, allowed: at least"),
        ("search.bulkhead.waiting = 6", "guards.search.bulkhead.waiting: Bulkhead needs 'limit'"),
        ("search.retry.attempts = 6", "guards.search.retry.attempts: Retry needs 'on'"),
        ("search.retry.on = 6", "guards.search.retry.on: 6: write the name of a class"),
        ("search.retry.on = []", "guards.search.retry.on: name at least one class"),
        ('search.retry.on = "int"', "guards.search.retry.on: 'int' is no class of exceptions"),
        ('search.retry.on = "htpx.ConnectError"', "guards.search.retry.on: 'htpx.ConnectError': no package 'htpx' is"),
        ('search.retry.on = "json.nowhere.X"', "the module 'json.nowhere' cannot be imported: ModuleNotFoundError"),
        ('search.retry.on = "httpx.ConectError"', "'httpx.ConectError' is no class of exceptions; did you mean 'Conn"),
        ('search.retry.on = "KeyboardInterrupt"', "guards.search.retry.on: <class 'KeyboardInterrupt'>, allowed: "),
        ("search.read.timeout = 3\n'search.read'.timeout = 4", "there is another table for 'search.read'; keep one"),
    ],
)
def test_a_mistake_says_what_to_write(said: Any, tmp_path: Path, text: str, expected: str) -> None:
    guard = Guard("search", timeout=5)
    (found,) = mistakes(said, tmp_path, f"[guards]\n{text}\n")
    assert expected in found
    assert guard._settings == guard._said


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("guards.toml", "[guard.search]\ntimeout = 1\n", "guards.toml: guard: no such key; did you mean 'guards'?"),
        ("guards.toml", "[guards\n", "guards.toml: cannot be read: "),
        ("guards.toml", "guards = 3\n", "guards.toml: [guards] must be a table"),
        ("guards.toml", f"x = {'9' * 5000}\n", "guards.toml: cannot be read: "),
        ("pyproject.toml", "[tool.guardrails.guard.a]\n", "tool.guardrails.guard: no such key; did you mean 'guards'?"),
        ("pyproject.toml", "tool = 3\n", "pyproject.toml: [tool] must be a table"),
    ],
)
def test_a_file_of_another_shape_is_a_mistake(said: Any, name: str, text: str, expected: str) -> None:
    with pytest.raises(ConfigError, match="1 mistake in the configuration") as caught:
        said(text, name=name)
    assert expected in str(caught.value)


def test_a_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"guards\.toml: cannot be read: "):
        configure(tmp_path / "guards.toml", environ={})


def test_without_a_file_the_pyproject_of_the_folder_counts_if_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guard = Guard("search")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GUARDRAILS_GUARDS__SEARCH__ATTEMPT_TIMEOUT", "1")
    assert configure().guards == ("search",)
    (tmp_path / "pyproject.toml").write_text("[tool.guardrails.guards.search]\ntimeout = 3\n")
    for place in (None, tmp_path, str(tmp_path / "pyproject.toml")):
        configure(environ={})
        configure(place)
        assert (guard._settings.timeout, guard._settings.attempt_timeout) == (3, 1)


def test_two_variables_that_say_the_same_are_a_mistake(said: Any, tmp_path: Path) -> None:
    found = mistakes(said, tmp_path, A__BREAKER="false", A__BREAKER__COOLDOWN="3", A__b="1", A__B="2", A____B="1")
    assert [problem.partition(":")[2].strip().partition(":")[0] for problem in found] == [
        "GUARDRAILS_GUARDS__A__BREAKER__COOLDOWN",
        "GUARDRAILS_GUARDS__A____B",
        "GUARDRAILS_GUARDS__A__b",
        "GUARDRAILS_GUARDS__A__B",
    ]


def test_a_breaker_of_pybreakers_is_left_to_the_code(said: Any, tmp_path: Path) -> None:
    guard = Guard("old", breaker=pybreaker.CircuitBreaker(fail_max=2))
    (found,) = mistakes(said, tmp_path, "[guards.old]\nbreaker.cooldown = 3\n")
    assert found.startswith("guards.toml:2: guards.old.breaker.cooldown: 'old' has pybreaker's breaker")
    said("[guards.old]\ntimeout = 3\n")
    assert guard._settings.timeout == 3


def test_after_a_mistake_nothing_has_changed(said: Any, tmp_path: Path) -> None:
    good, bad = Guard("good"), Guard("bad")
    said("[guards.good]\ntimeout = 3\n")
    mistakes(said, tmp_path, "[guards.good]\ntimeout = 4\n[guards.bad]\ntimeout = -4\n")
    assert (good._settings.timeout, bad._settings.timeout, Guard("good")._settings.timeout) == (3, None, 3)


# The schema.

NAMES = st.sampled_from(["search", "zep", "zep.read", "other", "read", "a b"])
KEYS = st.sampled_from(sorted({*Settings._fields, *Breaker._fields, *Retry._fields, *Backoff._fields, "read", "x"}))
VALUES = st.one_of(
    st.integers(),
    st.floats(),
    st.booleans(),
    st.text(max_size=9),
    st.sampled_from(["off", "OSError", "httpx.ConnectError", 1, 2, 5, 0.5, 10**400]),
    st.lists(st.sampled_from(["OSError", "nothing", 3]), max_size=2),
)
TABLES = st.dictionaries(
    NAMES,
    st.dictionaries(
        KEYS, VALUES | st.dictionaries(KEYS, VALUES | st.dictionaries(KEYS, VALUES, max_size=3)), max_size=4
    )
    | VALUES,
    max_size=3,
)
VARIABLES = st.dictionaries(
    st.lists(st.one_of(NAMES, KEYS, st.just("")), min_size=1, max_size=5).map(
        lambda parts: "GUARDRAILS_GUARDS__" + "__".join(parts).upper()
    ),
    st.text(max_size=9) | st.sampled_from(["5", "false", "[]", "1\nx = 2", '["OSError"]']),
    max_size=3,
)


@given(TABLES, VARIABLES)
def test_any_table_is_either_obeyed_or_a_configuration_error(tables: dict[str, Any], variables: dict[str, str]) -> None:
    from guardrails.config import GuardTables
    from guardrails.policies import configured

    memory = Dependency("zep", retry=Retry(OSError))
    alive = [Guard("search", timeout=5), Guard("zep"), memory.read.guard, memory.write.guard]
    read = GuardTables("guards.toml", ("guards",), "", tables)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(configured, "load_guard_tables", lambda file: read)
        try:
            configure("guards.toml", environ=variables)
        except ConfigError:
            obeyed = [guard._said for guard in alive]
        else:
            obeyed = [Guard._over(guard, guard._said) if Guard._over else guard._said for guard in alive]
        assert [guard._settings for guard in alive] == obeyed
        patch.setattr(configured, "load_guard_tables", lambda file: read._replace(tables={}))
        configure("guards.toml", environ={})
    assert [guard._settings for guard in alive] == [guard._said for guard in alive]


POLICIES = [
    (Breaker, "breaker", Breaker(failure_rate=None, window_calls=50, cooldown=3.5, success_threshold=2)),
    (Breaker, "breaker", Breaker(slow_after=0.5, window=60, consecutive=None)),
    (Retry, "retry", Retry(ConnectionError, attempts=5, within=None, backoff=Backoff(base=0.0, cap=3.0))),
    (Retry, "retry", Retry((OSError, pybreaker.CircuitBreakerError))),
    (Budget, "budget", Budget(0.2, floor=3.0)),
    (Bulkhead, "bulkhead", Bulkhead(3, waiting=4)),
    (AdaptiveLimit, "bulkhead", AdaptiveLimit(lowest=2, highest=9, start=3)),
    (RateLimit, "rate_limit", RateLimit(3.5, burst=2)),
    (Hedge, "hedge", Hedge()),
]


def toml(value: Any) -> str:
    if value is None:
        return "false"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, type):
        return f'"{value.__name__}"' if value.__module__ == "builtins" else f'"{value.__module__}.{value.__name__}"'
    if hasattr(value, "_asdict"):
        return "{" + ", ".join(f"{key} = {toml(one)}" for key, one in value._asdict().items()) + "}"
    if isinstance(value, tuple):
        return "[" + ", ".join(map(toml, value)) + "]"
    return repr(value)


@pytest.mark.parametrize(("kind", "name", "policy"), POLICIES, ids=range(len(POLICIES)))
def test_every_policy_survives_a_file(said: Any, kind: type, name: str, policy: Any) -> None:
    guard = Guard("search")
    said(f"[guards.search]\n{name} = {toml(policy)}\n")
    assert getattr(guard._settings, name) == policy
    assert type(getattr(guard._settings, name)) is kind


def test_no_policy_was_forgotten() -> None:
    known = {one for field in fields_of(Settings).values() for one in field.policies}
    assert known == {kind for kind, *_ in POLICIES}


@given(st.floats(0.05, 3600), st.integers(1, 10_000), st.floats(0.001, 1))
def test_every_breaker_that_can_be_made_can_be_configured(cooldown: float, consecutive: int, rate: float) -> None:
    made = Breaker(cooldown=cooldown, consecutive=consecutive, failure_rate=rate)
    tree: Tree = {"breaker": {name: Leaf(False if one is None else one, "") for name, one in made._asdict().items()}}
    reader = Reader()
    settings = reader.settings(tree, Guard("search")._said)
    assert (reader.problems, settings.breaker) == ([], made)


# Beside the other settings of the project.


def test_the_gate_accepts_the_tables_and_variables_of_guards(tmp_path: Path) -> None:
    text = '[tool.guardrails]\nsrc = ["a"]\n[tool.guardrails.guards.search]\ntimeout = 3\n'
    (tmp_path / "pyproject.toml").write_text(text)
    environ = {"GUARDRAILS_GUARDS__SEARCH__TIMEOUT": "4"}
    assert load_config(tmp_path, environ) == Config(src=("a",))


def test_guards_alone_do_not_cost_the_gate_its_library(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.guardrails.guards.search]\ntimeout = 3\n")
    script = "import sys; from pathlib import Path; from guardrails import load_config\n"
    script += "load_config(Path('.')); print('pydantic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_guards_that_are_no_table_are_a_mistake_to_the_gate(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.guardrails]\nguards = 3\n")
    with pytest.raises(ConfigError, match=r"pyproject\.toml:2: tool\.guardrails\.guards: "):
        load_config(tmp_path, {})


def test_a_guard_costs_nothing_of_this_unless_it_is_used() -> None:
    script = "import sys; from guardrails import Guard; Guard('a')\n"
    script += "print([name for name in sys.modules if name.split('.')[-1] in "
    script += "('configured', 'schema', 'presets', 'judging', 'answers', 'config', 'tomllib')])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
