"""Facts about every file: from the cache, from workers, or the reason why there are none."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

from guardrails.git import run_git
from guardrails.source import extract, load_project, parse, target, workers
from guardrails.source.parse import Parser
from guardrails.source.target import RUNNING, Target, newest_interpreter
from tests.source.projects import write

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

HERE = Target(RUNNING, pinned=False, place="the running Python")
FILES = {"a.py": "x = 1\n", "b.py": "y = 2\n", "sub/c.py": "def f(): ...\n", "empty.py": ""}


def facts(folder: Path, names: Iterable[str] = FILES, to: Target = HERE, **options: Any) -> dict[str, Any]:
    return Parser(folder, to, jobs=1, **options).parse(sorted(names))


def cache_of(folder: Path) -> Path:
    return folder / ".guardrails" / "cache" / "facts.jsonl"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names that workers were asked for."""
    names: list[str] = []
    run = workers.run

    def counted(executable: str, feature: Any, base: Path, wanted: Any, **options: Any) -> dict[str, bytes]:
        names.extend(wanted)
        return run(executable, feature, base, wanted, **options)

    monkeypatch.setattr(workers, "run", counted)
    return names


def test_a_file_is_parsed_once_and_then_known(tmp_path: Path, asked: list[str]) -> None:
    write(tmp_path, FILES)
    first = facts(tmp_path)
    assert asked == ["a.py", "b.py", "sub/c.py"]
    assert facts(tmp_path) == first
    assert len(asked) == 3


def test_facts_come_in_the_order_of_the_names(tmp_path: Path) -> None:
    names = [f"m{number:03}.py" for number in range(100)]
    write(tmp_path, {name: f"x = {name!r}\n" for name in names})
    (tmp_path / "m050.py").write_text("def (")
    assert list(Parser(tmp_path, HERE, jobs=4).parse(names)) == names
    assert list(Parser(tmp_path, HERE, jobs=4).parse(names)) == names


def test_only_a_file_that_changed_is_parsed_again(tmp_path: Path, asked: list[str]) -> None:
    facts(write(tmp_path, FILES))
    write(tmp_path, {"b.py": "y = 3\n", "new.py": "x = 1\n"})
    del asked[:]
    found = facts(tmp_path, [*FILES, "new.py"])
    # What is new has the content of a file that is known.
    assert asked == ["b.py"]
    assert found["b.py"]["binds"][0][4] == ["c", 3]
    assert found["new.py"] == found["a.py"]


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: data[: len(data) // 2], id="cut"),
        pytest.param(lambda data: data[:-1], id="torn"),
        pytest.param(lambda data: b"", id="emptied"),
        pytest.param(lambda data: b"\xff" * 300, id="overwritten"),
        pytest.param(lambda data: data.replace(b"guardrails facts", b"guardrails FACTS"), id="another-header"),
        pytest.param(
            lambda data: data.replace(f" {extract.SCHEMA}-".encode(), f" {extract.SCHEMA + 1}-".encode()),
            id="of-a-newer-version",
        ),
        pytest.param(lambda data: b"\n".join(line[:33] + b"{" for line in data.split(b"\n")), id="no-json"),
        pytest.param(
            lambda data: b"\n".join([data.split(b"\n")[0], *(b[:33] + b"[]" for b in data.split(b"\n")[1:-1]), b""]),
            id="other-json",
        ),
        pytest.param(
            lambda data: b"\n".join([data.split(b"\n")[0], *(b[:33] + b"{}" for b in data.split(b"\n")[1:-1]), b""]),
            id="no-facts",
        ),
    ],
)
def test_a_damaged_cache_costs_time_and_changes_nothing(tmp_path: Path, damage: Any) -> None:
    expected = facts(write(tmp_path, FILES))
    cache = cache_of(tmp_path)
    cache.write_bytes(damage(cache.read_bytes()))
    assert facts(tmp_path) == expected
    assert facts(tmp_path) == expected


@pytest.mark.parametrize("text", [b"{", b"[]", b"\xff", b"[" * 19_000, b'{"error":'], ids=repr)
@pytest.mark.parametrize("decoder", ["the fast one", "the one of the standard library"])
def test_what_is_no_fact_is_refused_by_both_decoders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: bytes, decoder: str
) -> None:
    expected = facts(write(tmp_path, FILES))
    head, *lines = cache_of(tmp_path).read_bytes().splitlines()
    cache_of(tmp_path).write_bytes(b"".join(line + b"\n" for line in (head, *(line[:33] + text for line in lines))))
    import_module("orjson")
    if decoder != "the fast one":
        monkeypatch.delitem(sys.modules, "orjson")
    assert facts(tmp_path) == expected
    assert ("orjson" in sys.modules) == (decoder == "the fast one")


def test_another_target_does_not_use_the_cache_of_this_one(tmp_path: Path, asked: list[str]) -> None:
    facts(write(tmp_path, FILES))
    facts(tmp_path, to=Target((3, 9), pinned=True, place=".python-version"))
    assert len(asked) == 6


def test_a_cache_that_cannot_be_written_is_a_note(tmp_path: Path) -> None:
    write(tmp_path, {**FILES, ".guardrails": "in the way"})
    parser = Parser(tmp_path, HERE, jobs=1)
    assert "scopes" in parser.parse(list(FILES))["a.py"]
    assert parser.notes == ["the cache could not be written (File exists): every run parses anew"]


def test_without_a_cache_nothing_is_written(tmp_path: Path) -> None:
    facts(write(tmp_path, FILES), cached=False)
    assert not (tmp_path / ".guardrails").exists()


def test_what_could_not_be_analysed_is_not_kept(tmp_path: Path, asked: list[str]) -> None:
    write(tmp_path, {"bad.py": "def (\n", "good.py": "x = 1\n"})
    for _ in range(2):
        assert facts(tmp_path, ["bad.py", "good.py"])["bad.py"]["error"].startswith("does not parse")
    assert asked.count("good.py") == 1
    assert asked.count("bad.py") >= 2


def test_a_file_that_is_gone_or_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "folder.py").mkdir()
    found = facts(tmp_path, ["folder.py", "gone.py"])
    assert found["gone.py"]["error"] == "cannot be read: No such file or directory"
    assert found["folder.py"]["error"] == "cannot be read: Is a directory"


def test_a_file_whose_name_is_no_utf_8_is_read(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.py")
    (tmp_path / name).write_text("x = 1\n")
    assert facts(tmp_path, [name])[name]["binds"][0][3] == "x"


# Grammar

NEW = "type X = int\n"
NEXT = (RUNNING[0], RUNNING[1] + 1)


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that has no newer Python."""
    monkeypatch.setattr(target, "newest_interpreter", lambda: None)


def reason(folder: Path, source: str, to: Target) -> str:
    write(folder, {"x.py": source})
    return str(facts(folder, ["x.py"], to)["x.py"].get("error", "analysed"))


@pytest.mark.usefixtures("alone")
@pytest.mark.skipif(RUNNING >= (3, 12), reason="the running Python knows the newer grammar")
@pytest.mark.parametrize(
    ("source", "to", "expected"),
    [
        (NEW, HERE, "needs Python ≥ 3.12, and none was found here (line 1: invalid syntax)"),
        (
            NEW,
            Target((3, 10), True, "pyproject.toml"),
            "needs Python ≥ 3.12 (line 1: invalid syntax); the project is for 3.10 (pyproject.toml)",
        ),
        (
            NEW,
            Target((3, 13), True, "Dockerfile"),
            "needs Python ≥ 3.13 to be parsed, and none was found here (line 1: invalid syntax)",
        ),
        ("def (\n", HERE, f"does not parse under Python {HERE.label} (line 1: invalid syntax)"),
        ("def (\n", Target((3, 9), True, "x"), "does not parse under Python 3.9 (line 1: invalid syntax)"),
    ],
)
def test_without_a_newer_python_a_rejected_file_says_which_it_needs(
    tmp_path: Path, source: str, to: Target, expected: str
) -> None:
    assert reason(tmp_path, source, to) == expected


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize(
    ("source", "version", "expected"),
    [
        ("match x:\n    case 1: ...\n", (3, 9), "needs Python ≥ 3.10"),
        ("match x:\n    case 1: ...\n", (3, 10), "analysed"),
        ("try: ...\nexcept* E: ...\n", (3, 10), "needs Python ≥ 3.11"),
        ("x = 1\n", (3, 6), "analysed"),
    ],
)
def test_a_project_for_an_older_python_is_read_under_its_grammar(
    tmp_path: Path, source: str, version: tuple[int, int], expected: str
) -> None:
    assert reason(tmp_path, source, Target(version, True, "pyproject.toml")).startswith(expected)


def test_a_newer_python_is_asked_where_this_one_gives_up(tmp_path: Path) -> None:
    if newest_interpreter() is None:
        pytest.skip("no newer Python on this machine: the second opinion is not tested with a real one")
    # The first line that is new in the Python after the running one; what the newest here may not know is no test.
    newer = {(3, 11): "type X = int\n", (3, 12): "def f[T = int](x: T): ...\n"}.get(RUNNING, "x = t'y'\n")
    assert reason(tmp_path, newer, HERE) == "analysed"
    assert reason(tmp_path, newer, Target(NEXT, True, "Dockerfile")) == "analysed"
    assert reason(tmp_path, "def (\n", HERE).startswith("does not parse")


def test_a_newer_python_is_not_asked_about_a_project_for_this_one_or_an_older(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never() -> str:
        raise AssertionError("asked for a newer interpreter")

    monkeypatch.setattr(target, "newest_interpreter", never)
    for version in (RUNNING, (3, 9)):
        assert "analysed" not in reason(tmp_path, "def (\n", Target(version, True, "Dockerfile"))


def test_a_newer_interpreter_that_answers_nonsense_is_no_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "fake-python"
    fake.write_text('#!/bin/sh\ncase "$*" in *version_info*) echo 3 99;; *) read line; echo nonsense;; esac\n')
    fake.chmod(0o755)
    monkeypatch.setattr(target, "newest_interpreter", lambda: str(fake))
    assert reason(tmp_path, "def (\n", HERE) == "the parser's answer was not understood"


def test_the_cache_says_which_grammar_it_was_made_for(tmp_path: Path) -> None:
    facts(write(tmp_path, FILES))
    header = cache_of(tmp_path).read_bytes().splitlines()[0]
    assert header.startswith(f"guardrails facts {extract.SCHEMA}-{RUNNING}".encode())
    assert parse.CACHE_FOLDER == ".guardrails/cache"


def test_without_a_cache_none_is_believed_either(tmp_path: Path) -> None:
    """A cache that came with the repository may hide what the files say."""
    (tmp_path / "a.py").write_text("import os\n", encoding="utf-8")
    target = Target(RUNNING, pinned=False, place="")
    Parser(tmp_path, target).parse(["a.py"])
    cache = tmp_path / ".guardrails" / "cache" / "facts.jsonl"
    cache.write_bytes(cache.read_bytes().replace(b'"os"', b'"no"'))
    assert Parser(tmp_path, target).parse(["a.py"])["a.py"]["imports"][0][4] == "no"
    assert Parser(tmp_path, target, cached=False).parse(["a.py"])["a.py"]["imports"][0][4] == "os"


def test_a_cache_that_was_committed_is_not_believed(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("import os\n", encoding="utf-8")
    run_git(["init", "-q"], tmp_path)
    assert load_project(tmp_path).notes == ("import roots: . (assumed, .)",)
    cache = tmp_path / ".guardrails" / "cache" / "facts.jsonl"
    cache.write_bytes(cache.read_bytes().replace(b'"os"', b'"no"'))
    run_git(["add", "--force", ".guardrails/cache"], tmp_path)

    project = load_project(tmp_path)

    assert project.modules["a.py"].imports[0].module == "os"
    assert any("is not believed" in note for note in project.notes)
