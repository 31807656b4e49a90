"""What env files, Dockerfiles and compose files set, form by form, and what Python reads."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails.preflight.checks.env_readers import pieces, words
from guardrails.source.envfile import is_env_file, is_example, read_env
from guardrails.source.envreads import read_source
from guardrails.source.given import read_compose, read_image


def keys(text: str) -> list[tuple[str, int]]:
    return [(entry.key, entry.line) for entry in read_env(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A_B=c", [("A_B", 1)]),
        ("  export A_B = c\n", [("A_B", 1)]),
        ("# A_B=c\n\nC_D=", [("C_D", 3)]),
        ("A_B='c\nD_E=f\n'\nG_H=i", [("A_B", 1), ("G_H", 4)]),
        ('A_B="c \\" d\ne"  # why\nG_H=i', [("A_B", 1), ("G_H", 3)]),
        ('A_B="left open\nC_D="closed"\nE_F=1', [("A_B", 1), ("C_D", 2), ("E_F", 3)]),
        ("A_B=`c\nd`\nE_F=1", [("A_B", 1), ("E_F", 3)]),
        ("debug=1\napp_name=x", [("debug", 1), ("app_name", 2)]),
        ("A_B\nexport C_D\nprose with words\nA-B=c\n1A=b\n=c", []),
        ("MIIEowIBAAKCAQEA=\nAbCd=\nAKIA1234567890=", []),
        ("{{ name }}=1\nA_B=1", []),
    ],
)
def test_the_keys_of_an_env_file(text: str, expected: list[tuple[str, int]]) -> None:
    assert keys(text) == expected


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("A_B=c", "A_B='c'", True),
        ("A_B=c # d", 'A_B="c"', True),
        ("A_B=c#d", "A_B=c", False),
        ("A_B=", 'A_B=""', True),
        ("A_B=c", "A_B=d", False),
    ],
)
def test_equal_marks_mean_equal_values(one: str, other: str, same: bool) -> None:
    first, second = read_env(f"{one}\n{other}\n")
    assert (first.mark == second.mark) == same


def test_an_entry_holds_no_value() -> None:
    (entry,) = read_env("A_B=hunter2")
    assert "hunter2" not in repr(entry)


def test_a_value_names_the_keys_that_it_is_made_of() -> None:
    uses = [entry.uses for entry in read_env("A_B=${C_D}/$E_F\nG_H='$I_J'\nK_L=\\$M_N\n")]
    assert uses == [("C_D", "E_F"), (), ()]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (".env", (True, False)),
        (".env.example", (True, True)),
        (".env.local", (True, False)),
        ("deploy/prod.env", (True, False)),
        ("env.sample", (True, True)),
        (".env-template", (True, True)),
        (".envrc", (True, False)),
        ("vite-env.d.ts", (False, False)),
        (".env.ts", (False, False)),
        (".env.vault", (False, False)),
        ("environment", (False, False)),
        ("app/env.py", (False, False)),
    ],
)
def test_env_files_are_told_by_their_names(name: str, expected: tuple[bool, bool]) -> None:
    assert (is_env_file(name), is_example(name)) == expected


def test_a_dockerfile_sets_keys_in_stages_of_plain_images_alone() -> None:
    text = (
        "FROM python:3.11 AS base\nENV A_B=c \\\n  C_D='e f'\nFROM base AS next\nENV G_H i=j\nARG K_L=m\nARG N_O\n"
        'FROM grafana/grafana\nENV P_Q=r\nRUN echo $S_T\nCMD ["x"]\n'
    )
    image = read_image(text)
    assert [(one.key, one.line) for one in image.given] == [("A_B", 2), ("C_D", 2), ("G_H", 5)]
    assert [(one.key, one.line) for one in image.args] == [("K_L", 6), ("N_O", 7)]
    assert "S_T" in image.spoken
    assert "A_B" not in image.spoken
    assert image.starts == ('["x"]',)


def test_a_run_knows_the_keys_that_are_set_before_it() -> None:
    (run,) = read_image("FROM python:3.11 AS a\nARG A_B\nFROM a AS b\nENV C_D=1\nRUN x\nENV E_F=1\n").runs
    assert (run.line, run.command, run.given, run.stage) == (5, "x", {"A_B", "C_D"}, "b")


def test_a_compose_file_sets_keys_in_maps_and_in_lists() -> None:
    text = (
        "x-common: &c\n  environment:\n    - IGNORED=1\nservices:\n  api:\n    build: ./api\n    environment:\n"
        '      A_B: c\n      "C_D": ${E_F:-g}\n      <<: *c\n    env_file:\n      - .env\n      - path: more.env\n'
        "  worker:\n    build:\n      context: .\n      dockerfile: worker.dockerfile\n    environment:\n"
        "    - H_I=j\n    - 'K_L'\n    command: x\n  db:\n    image: postgres\n    environment: {M_N: o}\n"
        "volumes:\n  v:\n"
    )
    services = read_compose(text).services
    assert [(one.name, one.context, one.dockerfile) for one in services] == [
        ("api", "./api", None),
        ("worker", ".", "worker.dockerfile"),
        ("db", None, None),
    ]
    assert [[(key.key, key.line) for key in one.given] for one in services] == [
        [("A_B", 8), ("C_D", 9)],
        [("H_I", 19), ("K_L", 20)],
        [],
    ]
    assert services[0].env_files == (".env", "more.env")


def test_what_a_compose_file_hands_on_is_not_spoken() -> None:
    text = "services:\n  api:\n    build: .\n    environment:\n      A_B: ${A_B}\n      C_D: ${E_F}\n"
    spoken = read_compose(text).spoken
    assert [key for key in ("A_B", "C_D", "E_F") if key in spoken] == ["E_F"]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ('os.environ["X"]', "raises"),
        ('int(os.getenv("X"))', "raises"),
        ('os.environ.get("X").split()', "raises"),
        ('f(os.getenv("X"))', "bare"),
        ('os.getenv("X", None)', "bare"),
        ('y = os.getenv("X", "1")', "default"),
        ('y = os.getenv("X") or "1"', "default"),
        ('y = os.getenv("X")\nif y: pass', "asked"),
        ('if os.getenv("X"): pass', "asked"),
        ('"X" in os.environ', "asked"),
        ('os.environ["X"] = "1"', "set"),
        ('del os.environ["X"]', "set"),
        ('os.environ.setdefault("X", "1")', "set"),
        ('os.putenv("X", "1")', "set"),
        ('try:\n    os.environ["X"]\nexcept KeyError: pass', "asked"),
        ('try:\n    os.environ["X"]\nfinally: pass', "raises"),
    ],
)
def test_how_a_key_is_read(code: str, expected: str) -> None:
    assert [read.how for read in read_source(f"import os\n{code}\n".encode()).reads] == [expected]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ('X = os.environ["X"]', True),
        ('class A:\n    x = os.environ["X"]', True),
        ('def f():\n    os.environ["X"]', False),
        ('if y:\n    os.environ["X"]', False),
        ('z = lambda: os.environ["X"]', False),
    ],
)
def test_what_runs_at_import_is_told(code: str, expected: bool) -> None:
    assert [read.at_import for read in read_source(f"import os\n{code}\n".encode()).reads] == [expected]


@pytest.mark.parametrize("code", ["import os\nos.environ['X'", "environ\0", "environ = " + "(" * 3000])
def test_what_does_not_parse_says_nothing(code: str) -> None:
    assert read_source(code.encode()).reads == ()


@given(st.text(st.one_of(st.sampled_from('aZ_09 =\n"é'), st.characters(exclude_categories=["Cs"]))))
def test_the_words_of_a_text_are_what_a_pattern_would_find(text: str) -> None:
    assert words(pieces(text.encode())) == set(re.findall(r"[A-Za-z_][A-Za-z0-9_]*", text))
