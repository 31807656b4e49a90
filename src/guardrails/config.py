"""`[tool.guardrails]` and the environment: one schema, one precedence, read at the edge.

    what the caller says, a profile included  >  GUARDRAILS_… in the environment  >  [tool.guardrails]  >  default

The records below are the schema. Where neither file nor environment says anything, the defaults are
taken as they are; else pydantic-settings reads and checks both, imported only then because it costs
thirty times a bare interpreter. All mistakes are reported at once, with their place.
"""

from __future__ import annotations

import datetime as dt  # noqa: TC003 - part of the schema, which is read at run time
import os
import re
from typing import TYPE_CHECKING, Any, NamedTuple, get_type_hints

from guardrails.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pydantic_settings import BaseSettings

ENV_PREFIX = "GUARDRAILS_"
FILE = "pyproject.toml"
SECTION = "tool.guardrails"
# Set by this toolkit's own processes and tests; not settings.
NOT_SETTINGS = frozenset({"GUARDRAILS_REQUIRE_ALL", "GUARDRAILS_DEBUG"})


class WaiverEntry(NamedTuple):
    """One `[[tool.guardrails.waiver]]`: which rule, where, why, whose, and the last day on which it holds."""

    id: str
    where: str
    reason: str
    owner: str
    until: dt.date


class PreflightConfig(NamedTuple):
    """`[tool.guardrails.preflight]`.

    `strict`: warnings and files that could not be analysed fail the gate too; default off, so that an old
    code base can start. `select`: rule ids or families to run; default all. `jobs`: parser processes, 1 to
    256; default one a core. `record`: leave `.guardrails/gate/last.json` and a cache behind; default on.
    """

    strict: bool = False
    select: tuple[str, ...] = ()
    jobs: int | None = None
    record: bool = True


class Config(NamedTuple):
    """`[tool.guardrails]`.

    `src`: import roots relative to the project, besides those found from its files. `exclude`: globs of files to
    leave out, a folder's name stands for all below it. `python`: path of the application's interpreter,
    whose grammar and libraries count; default: the version that the project pins.
    """

    src: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    python: str | None = None
    preflight: PreflightConfig = PreflightConfig()
    waiver: tuple[WaiverEntry, ...] = ()
    # Lines of the waivers in the file, for messages; not a setting. Inline forms have none.
    waiver_lines: tuple[int, ...] = ()


def load_config(project: Path, environ: Mapping[str, str] | None = None, profile: Path | None = None) -> Config:
    """Read the configuration of the project in this folder. Raises ConfigError with every mistake.

    `profile`: a TOML file whose `[preflight]` table stands over the project's own, because the caller chose it.
    """
    environ = os.environ if environ is None else environ
    text = _read(project)
    table = _section(text) if "guardrails" in text else {}
    config = _load(text, table, environ)
    if profile is None:
        return config
    import tomllib

    chosen = tomllib.loads(profile.read_text("utf-8"))["preflight"]
    return config._replace(preflight=config.preflight._replace(**chosen))


def _load(text: str, table: dict[str, Any], environ: Mapping[str, str]) -> Config:
    variables = {k.lower(): v for k, v in environ.items() if k.startswith(ENV_PREFIX) and k not in NOT_SETTINGS}
    if not table and not variables:
        return Config()
    return _Loader(text, table, variables).load()


def _read(project: Path) -> str:
    try:
        return (project / FILE).read_text("utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError([f"{FILE}: cannot be read: {exc}"]) from exc


def _section(text: str) -> dict[str, Any]:
    import tomllib

    try:
        data = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as exc:
        raise ConfigError([f"{FILE}: not valid TOML: {exc}"]) from exc
    tool = data.get("tool", {})
    section = tool.get("guardrails", {}) if isinstance(tool, dict) else {}
    if not isinstance(section, dict):
        raise ConfigError([f"{FILE}: [{SECTION}] must be a table"])
    return section


class _Loader:
    def __init__(self, text: str, table: dict[str, Any], variables: dict[str, str]) -> None:
        self.text = text
        self.table = table
        self.variables = variables
        self.problems: list[str] = []

    def load(self) -> Config:
        self._unknown_variables()
        values = self._values()
        if self.problems:
            raise ConfigError(self.problems)
        return Config(**values, waiver_lines=tuple(_lines_of_tables(self.text, f"{SECTION}.waiver")))

    def _unknown_variables(self) -> None:
        known = [name.upper() for name in _variable_names()]
        # GUARDRAILS_STRICT means GUARDRAILS_PREFLIGHT__STRICT: the last part of a name says most.
        by_last = {name.removeprefix(ENV_PREFIX).rpartition("__")[2]: name for name in known}
        for name in sorted(self.variables):
            if name.upper() not in known:
                last = name.upper().removeprefix(ENV_PREFIX).rpartition("__")[2]
                near = by_last.get(_nearest(last, list(by_last)) or "")
                hint = f"did you mean {near}?" if near else f"known are {', '.join(known)}"
                self.problems.append(f"environment: {name.upper()}: no such setting; {hint}")
                del self.variables[name]

    def _values(self) -> dict[str, Any]:
        from pydantic import ValidationError

        variables = dict(self.variables)
        table = self._with_lists(variables)
        try:
            settings = _settings_class(table, variables)()
        except ValidationError as exc:
            self.problems += [
                self._in_words(error["loc"], error["type"], error["msg"], error["input"]) for error in exc.errors()
            ]
            preflight, waivers = table.get("preflight"), table.get("waiver")
            self._out_of_range(
                preflight.get("jobs") if isinstance(preflight, dict) else None,
                [w if isinstance(w, dict) else {} for w in waivers] if isinstance(waivers, list) else [],
            )
            return {}
        values = {name: getattr(settings, name) for name in _settings()}
        self._out_of_range(values["preflight"].jobs, [waiver._asdict() for waiver in values["waiver"]])
        return values

    def _with_lists(self, variables: dict[str, str]) -> dict[str, Any]:
        """The table under the lists of the environment, taken out of `variables`: nested ones would stay text."""
        import json

        table = {**self.table, "preflight": self.table.get("preflight", {})}
        for keys in (("src",), ("exclude",), ("preflight", "select")):
            name = f"{ENV_PREFIX}{'__'.join(keys)}"
            said = variables.pop(name.lower(), None)
            holder = table if len(keys) == 1 else table["preflight"]
            if said is None or not isinstance(holder, dict):
                continue
            try:
                value = json.loads(said)
            except (ValueError, RecursionError):
                self.problems.append(f'environment: {name.upper()}: write a list as JSON, such as ["app", "lib"]')
            else:
                table |= {keys[0]: value} if len(keys) == 1 else {keys[0]: {**holder, keys[1]: value}}
        return table

    def _out_of_range(self, jobs: object, waivers: Sequence[Mapping[str, object]]) -> None:
        if isinstance(jobs, int) and not 1 <= jobs <= 256:
            self.problems.append(self._in_words(("preflight", "jobs"), "range", "must be 1 to 256", jobs))
        for number, waiver in enumerate(waivers):
            for name in ("id", "where", "reason", "owner"):
                if isinstance(said := waiver.get(name), str) and not said.strip():
                    self.problems.append(self._in_words(("waiver", number, name), "blank", "must not be empty", ""))

    def _in_words(self, loc: tuple[int | str, ...], kind: str, message: str, value: object) -> str:
        keys = [str(part) for part in loc if not isinstance(part, int)]
        index = next((part for part in loc if isinstance(part, int)), 0)
        variable = f"{ENV_PREFIX}{'__'.join(keys)}".lower()
        place = f"environment: {variable.upper()}" if variable in self.variables else self._place(keys, index, kind)
        if kind in ("extra_forbidden", "unexpected_keyword_argument"):
            near = _nearest(keys[-1], _keys_beside(keys))
            hint = f"did you mean {near!r}?" if near else f"known here: {', '.join(_keys_beside(keys))}"
            return f"{place}: no such key; {hint}"
        if kind in ("missing", "missing_argument"):
            return f"{place}: is missing; a waiver needs {', '.join(_keys_beside(keys))}"
        said = _FORMS.get(kind) or message[:1].lower() + message[1:]
        return f"{place}: {value!r}: {said}"

    def _place(self, keys: list[str], index: int, kind: str) -> str:
        table = ".".join([SECTION, *keys[:-1]])
        starts = list(_lines_of_tables(self.text, table))
        # Where the table is written in another form (dotted keys, inline), the file alone is named.
        start = starts[min(index, len(starts) - 1)] if starts else 0
        lines = self.text.splitlines()
        for number in range(start, len(lines)):
            if start and re.match(r"\s*\[", lines[number]):
                break
            if re.match(rf"\s*[\"']?{re.escape(keys[-1])}[\"']?\s*=", lines[number]) and kind != "missing":
                start = number + 1
                break
        return f"{FILE}:{start or 1}: {'.'.join([SECTION, *keys])}"


# What to write, for the kinds of mistakes that people make; pydantic's own words for the others.
_FORMS = {
    "bool_parsing": "write true or false",
    "bool_type": "write true or false",
    "date_from_datetime_parsing": "write a date, without quotes: 2030-12-31",
    "date_type": "write a date, without quotes: 2030-12-31",
    "int_parsing": "write a whole number",
    "int_type": "write a whole number",
    "string_type": "write a text in quotes",
    "tuple_type": 'write a list: ["…", "…"]',
}


def _nearest(word: str, known: list[str]) -> str | None:
    import difflib

    return next(iter(difflib.get_close_matches(word, known, n=1)), None)


def _settings() -> list[str]:
    return [name for name in Config._fields if name != "waiver_lines"]


def _variable_names() -> Iterator[str]:
    for name in Config._fields:
        if name == "preflight":
            yield from (f"{ENV_PREFIX}{name}__{inner}" for inner in PreflightConfig._fields)
        elif name not in ("waiver", "waiver_lines"):
            yield f"{ENV_PREFIX}{name}"


def _keys_beside(keys: list[str]) -> list[str]:
    schemas = {"preflight": PreflightConfig._fields, "waiver": WaiverEntry._fields}
    return [name for name in schemas.get(keys[0] if len(keys) > 1 else "", Config._fields) if name != "waiver_lines"]


def _lines_of_tables(text: str, table: str) -> Iterator[int]:
    """Line numbers of `[table]` and `[[table]]`, counted from 1."""
    pattern = re.compile(r"\s*\[\[?\s*" + r"\s*\.\s*".join(map(re.escape, table.split("."))) + r"\s*\]")
    return (number for number, line in enumerate(text.splitlines(), 1) if pattern.match(line))


def _settings_class(table: dict[str, Any], variables: dict[str, str]) -> type[BaseSettings]:
    """The schema as a pydantic-settings class that reads these two sources, the environment first."""
    from pydantic import create_model
    from pydantic_settings import BaseSettings, EnvSettingsSource, InitSettingsSource, SettingsConfigDict

    class Base(BaseSettings):
        model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, env_nested_delimiter="__", extra="forbid")

        @classmethod
        def settings_customise_sources(cls, settings_cls: type[BaseSettings], *_: Any, **__: Any) -> tuple[Any, ...]:
            environment = EnvSettingsSource(settings_cls)
            environment.env_vars = dict(variables)
            return environment, InitSettingsSource(settings_cls, table)

    hints = get_type_hints(Config)
    defaults: Any = {name: (hints[name], getattr(Config(), name)) for name in _settings()}
    return create_model("Settings", __base__=Base, **defaults)
