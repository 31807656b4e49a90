"""`[tool.guardrails]` and the environment: one schema, one precedence, every mistake at once and with its place."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from guardrails import config as module
from guardrails.config import Config, PreflightConfig, WaiverEntry, load_config
from guardrails.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


def load(folder: Path, text: str = "", profile: str | None = None, **environ: str) -> Config:
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    chosen = None
    if profile is not None:
        chosen = folder / "profile.toml"
        chosen.write_text(profile, encoding="utf-8")
    return load_config(folder, environ={f"GUARDRAILS_{name}": value for name, value in environ.items()}, profile=chosen)


def mistakes(folder: Path, text: str = "", **environ: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(folder, text, **environ)
    assert str(caught.value).splitlines()[1:] == [f"  {problem}" for problem in caught.value.problems]
    return list(caught.value.problems)


FULL = """\
[project]
name = "svc"

[tool.guardrails]
src = ["backend", "lib"]
exclude = ["backend/gen"]
python = ".venv/bin/python"

[tool.guardrails.preflight]
strict = true
select = ["GR-ROUTE", "GR-DECO-001"]
jobs = 3
record = false

[[tool.guardrails.waiver]]
id = "GR-ROUTE-002"
where = "backend/legacy.py"
reason = "removed with v1"
owner = "@team-api"
until = 2030-12-31

[[tool.guardrails.waiver]]
id = "GR-DECO-001"
where = "backend/*"
reason = "moves next week"
owner = "@team-jobs"
until = 2031-01-31
"""


def test_every_setting_is_read_from_the_file(tmp_path: Path) -> None:
    assert load(tmp_path, FULL) == Config(
        src=("backend", "lib"),
        exclude=("backend/gen",),
        python=".venv/bin/python",
        preflight=PreflightConfig(strict=True, select=("GR-ROUTE", "GR-DECO-001"), jobs=3, record=False),
        waiver=(
            WaiverEntry("GR-ROUTE-002", "backend/legacy.py", "removed with v1", "@team-api", dt.date(2030, 12, 31)),
            WaiverEntry("GR-DECO-001", "backend/*", "moves next week", "@team-jobs", dt.date(2031, 1, 31)),
        ),
        waiver_lines=(15, 22),
    )


@pytest.mark.parametrize(
    "text", ["", "[project]\nname = 'guardrails-user'\n", "[tool.ruff]\n", "[tool]\nguardrails = {}\n"]
)
def test_a_project_that_says_nothing_has_the_defaults(tmp_path: Path, text: str) -> None:
    assert load(tmp_path, text) == Config()


def test_a_project_without_the_file_has_the_defaults(tmp_path: Path) -> None:
    assert load_config(tmp_path, environ={}) == Config()


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("SRC", '["a", "b"]', Config(src=("a", "b"))),
        ("EXCLUDE", "[]", Config()),
        ("PYTHON", "env/bin/python", Config(python="env/bin/python")),
        ("PREFLIGHT__STRICT", "true", Config(preflight=PreflightConfig(strict=True))),
        ("PREFLIGHT__STRICT", "1", Config(preflight=PreflightConfig(strict=True))),
        ("PREFLIGHT__SELECT", '["GR-DECO"]', Config(preflight=PreflightConfig(select=("GR-DECO",)))),
        ("PREFLIGHT__JOBS", "2", Config(preflight=PreflightConfig(jobs=2))),
        ("PREFLIGHT__RECORD", "no", Config(preflight=PreflightConfig(record=False))),
    ],
)
def test_every_setting_is_read_from_the_environment(
    tmp_path: Path, variable: str, value: str, expected: Config
) -> None:
    assert load(tmp_path, **{variable: value}) == expected


def test_the_environment_outranks_the_file_setting_by_setting(tmp_path: Path) -> None:
    text = '[tool.guardrails]\nsrc = ["a"]\n[tool.guardrails.preflight]\nstrict = true\njobs = 3\n'
    config = load(tmp_path, text, PREFLIGHT__JOBS="5")
    assert (config.src, config.preflight) == (("a",), PreflightConfig(strict=True, jobs=5))


def test_a_profile_outranks_both_and_keeps_what_it_does_not_name(tmp_path: Path) -> None:
    text = "[tool.guardrails.preflight]\nstrict = false\njobs = 3\n"
    config = load(tmp_path, text, profile="[preflight]\nstrict = true\n", PREFLIGHT__STRICT="0")
    assert config.preflight == PreflightConfig(strict=True, jobs=3)


def test_the_process_environment_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUARDRAILS_PREFLIGHT__STRICT", "1")
    monkeypatch.setenv("GUARDRAILS_DEBUG", "1")
    monkeypatch.setenv("GUARDRAILS_REQUIRE_ALL", "1")
    assert load_config(tmp_path).preflight.strict is True


WAIVER = '[[tool.guardrails.waiver]]\nid = "GR-ROUTE-001"\nwhere = "*"\nreason = "r"\nowner = "o"\nuntil = 2030-01-01\n'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            '[tool.guardrails]\nexcludes = ["x"]\n',
            ["pyproject.toml:2: tool.guardrails.excludes: no such key; did you mean 'exclude'?"],
        ),
        (
            "[tool.guardrails]\n\nzzz = 1\n",
            [
                (
                    "pyproject.toml:3: tool.guardrails.zzz: no such key; known here: "
                    "src, exclude, plugins, python, preflight, imports, environment, waiver"
                )
            ],
        ),
        (
            "[tool.guardrails.preflight]\nstrickt = true\n",
            ["pyproject.toml:2: tool.guardrails.preflight.strickt: no such key; did you mean 'strict'?"],
        ),
        (
            "[tool.guardrails.preflight]\nstrict = 'perhaps'\n",
            ["pyproject.toml:2: tool.guardrails.preflight.strict: 'perhaps': write true or false"],
        ),
        (
            "[tool.guardrails.preflight]\njobs = 257\n",
            ["pyproject.toml:2: tool.guardrails.preflight.jobs: 257: must be 1 to 256"],
        ),
        (
            "[tool.guardrails.preflight]\ndeadline = 0.5\n",
            ["pyproject.toml:2: tool.guardrails.preflight.deadline: 0.5: must be 1 to 3600 seconds"],
        ),
        (
            "[tool.guardrails]\nsrc = 'app'\n",
            ['pyproject.toml:2: tool.guardrails.src: \'app\': write a list: ["…", "…"]'],
        ),
        (
            "[tool.guardrails]\npython = 3.12\n",
            ["pyproject.toml:2: tool.guardrails.python: 3.12: write a text in quotes"],
        ),
        (
            WAIVER.replace("owner", "ownr"),
            [
                "pyproject.toml:1: tool.guardrails.waiver.owner: is missing; a waiver needs id, where, reason, owner",
                "pyproject.toml:5: tool.guardrails.waiver.ownr: no such key; did you mean 'owner'?",
            ],
        ),
        (
            WAIVER + "\n" + WAIVER.replace('"o"', '" "'),
            ["pyproject.toml:12: tool.guardrails.waiver.owner: '': must not be empty"],
        ),
        (
            WAIVER + "\n" + WAIVER.replace("2030-01-01", '"soon"'),
            ["pyproject.toml:13: tool.guardrails.waiver.until: 'soon': write a date, without quotes: 2030-12-31"],
        ),
        (
            "[tool.guardrails]\npreflight = 3\n",
            ["pyproject.toml:2: tool.guardrails.preflight: 3: "],
        ),
        ("[tool]\nguardrails = 3\n", ["pyproject.toml: [tool.guardrails] must be a table"]),
        ("tool = 3\n# guardrails\n", None),
        ("[tool.guardrails\n", ["pyproject.toml: not valid TOML: "]),
        ("x = " + "[" * 30_000 + "# guardrails", ["pyproject.toml: not valid TOML: "]),
    ],
)
def test_a_mistake_is_told_with_its_place_and_the_nearest_right_thing(
    tmp_path: Path, text: str, expected: list[str] | None
) -> None:
    if expected is None:
        assert load(tmp_path, text) == Config()
        return
    found = mistakes(tmp_path, text)
    assert len(found) == len(expected)
    assert [
        said for said, wanted in zip(sorted(found), sorted(expected), strict=True) if not said.startswith(wanted)
    ] == []


def test_all_mistakes_of_all_places_are_told_at_once(tmp_path: Path) -> None:
    text = "[tool.guardrails]\nscr = []\n[tool.guardrails.preflight]\nstrict = 'x'\njobs = 0\n" + WAIVER.replace(
        '"r"', '""'
    )
    found = mistakes(tmp_path, text, PREFLIGHT__RECORD="maybe", EXCLUDE="a,b", NOTHING="1")
    keys = ["waiver.reason", "preflight.strict", "preflight.jobs", "guardrails.scr"]
    variables = ["GUARDRAILS_PREFLIGHT__RECORD", "GUARDRAILS_EXCLUDE", "GUARDRAILS_NOTHING"]
    assert [word for word in (*keys, *variables) if not any(word in problem for problem in found)] == []
    assert len(found) == 7


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        (
            "PREFLIGHT__STRICTLY",
            "1",
            "environment: GUARDRAILS_PREFLIGHT__STRICTLY: no such setting; did you mean GUARDRAILS_PREFLIGHT__STRICT?",
        ),
        (
            "STRICT",
            "1",
            "environment: GUARDRAILS_STRICT: no such setting; did you mean GUARDRAILS_PREFLIGHT__STRICT?",
        ),
        ("QQQQQQQ", "1", "environment: GUARDRAILS_QQQQQQQ: no such setting; known are GUARDRAILS_SRC, "),
        ("SRC", "app", 'environment: GUARDRAILS_SRC: write a list as JSON, such as ["app", "lib"]'),
        ("SRC", '{"a": 1}', "environment: GUARDRAILS_SRC: {'a': 1}: write a list"),
        ("PREFLIGHT__JOBS", "many", "environment: GUARDRAILS_PREFLIGHT__JOBS: 'many': write a whole number"),
        ("PREFLIGHT__JOBS", "0", "environment: GUARDRAILS_PREFLIGHT__JOBS: 0: must be 1 to 256"),
        (
            "PREFLIGHT__SELECT",
            "GR-DECO",
            'environment: GUARDRAILS_PREFLIGHT__SELECT: write a list as JSON, such as ["app", "lib"]',
        ),
        ("PREFLIGHT__JOBS", "", "environment: GUARDRAILS_PREFLIGHT__JOBS: ''"),
    ],
)
def test_a_mistake_in_the_environment_names_the_variable(
    tmp_path: Path, variable: str, value: str, expected: str
) -> None:
    (found,) = mistakes(tmp_path, "[tool.guardrails.preflight]\njobs = 3\n", **{variable: value})
    assert found.startswith(expected)


def test_a_list_that_is_none_is_not_blamed_on_its_neighbour(tmp_path: Path) -> None:
    (found,) = mistakes(tmp_path, PREFLIGHT__JOBS="3", PREFLIGHT__RECORD="1", PREFLIGHT__SELECT="GR-DECO")
    assert found.startswith("environment: GUARDRAILS_PREFLIGHT__SELECT: ")


@pytest.mark.parametrize("kind", ["folder", "utf-16"])
def test_a_file_that_cannot_be_read_is_a_mistake(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "pyproject.toml"
    if kind == "folder":
        path.mkdir()
    else:
        path.write_text("# guardrails", encoding="utf-16")
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path, environ={})
    assert caught.value.problems[0].startswith("pyproject.toml: cannot be read: ")


def test_lines_are_found_in_every_form_of_a_table_s_head(tmp_path: Path) -> None:
    text = WAIVER + "\n  [[ tool.guardrails . waiver ]]  # second\n" + WAIVER.partition("\n")[2]
    assert load(tmp_path, text).waiver_lines == (1, 8)


def test_the_file_is_not_looked_at_for_more_than_its_own_section(tmp_path: Path) -> None:
    text = '[tool.other]\nguardrails = 1\n\n[tool.guardrails]\nsrc = ["a"]\n\n[tool.more]\nsrc = 3\n'
    assert load(tmp_path, text).src == ("a",)


@pytest.mark.parametrize(("text", "imported"), [("", False), ("[tool.guardrails]\nsrc = ['a']\n", True)])
def test_a_project_that_says_nothing_does_not_pay_for_pydantic(tmp_path: Path, text: str, imported: bool) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    code = "import sys; from pathlib import Path; from guardrails.config import load_config\n"
    code += "load_config(Path('.'), environ={}); print('pydantic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(imported)


def test_every_setting_is_explained() -> None:
    for schema in (Config, PreflightConfig):
        said = schema.__doc__ or ""
        names = [name for name in schema._fields if name not in ("preflight", "waiver", "waiver_lines")]
        assert [name for name in names if f"`{name}`" not in said] == []
    assert "GUARDRAILS_" in (module.__doc__ or "")
