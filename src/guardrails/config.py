"""`[tool.guardrails]` and the environment: one schema, one precedence, read at the edge.

    what the caller says, a profile included  >  GUARDRAILS_… in the environment  >  [tool.guardrails]  >  default

The records below are the schema. Where neither file nor environment says anything, the defaults are
taken as they are; else pydantic-settings reads and checks both, imported only then because it costs
thirty times a bare interpreter. All mistakes are reported at once, with their place.

`[tool.guardrails.guards]` is only read here: what may stand in it, `guardrails.policies.configured` knows.
"""

from __future__ import annotations

import datetime as dt  # noqa: TC003 - part of the schema, which is read at run time
import os
import re
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_type_hints

from guardrails.errors import ConfigError, nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pydantic_settings import BaseSettings

ENV_PREFIX = "GUARDRAILS_"
FILE = "pyproject.toml"
SECTION = "tool.guardrails"
# Set by this toolkit's own processes and tests; not settings.
NOT_SETTINGS = frozenset({"GUARDRAILS_REQUIRE_ALL", "GUARDRAILS_DEBUG"})
GUARDS = "guards"
GUARDS_PREFIX = f"{ENV_PREFIX}GUARDS__"


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
    256; default one a core. `record`: leave `.guardrails/gate/last.json` and a cache behind; default on. `baseline`:
    a file, relative to the project, whose findings fail nothing; default none. `deadline`: seconds for all checks of
    the project's own together, waiting not counted, 1 to 3600; default 60: longer than a healthy system needs, shorter
    than the patience of what starts containers.
    """

    strict: bool = False
    select: tuple[str, ...] = ()
    jobs: int | None = None
    record: bool = True
    baseline: str | None = None
    deadline: float = 60.0


SideEffect = Literal["network", "subprocess", "threads", "environment", "process"]


class ImportsConfig(NamedTuple):
    """`[tool.guardrails.imports]`: what `guardrails preflight` imports, in the application's interpreter.

    `critical`, `optional`: a `module` or `module:attribute` each; a critical one that fails is an error, an optional
    one a warning, and an optional one that is not installed is fine. `setup`: what has to run first,
    `django:mysite.settings` or a function as `module:function`. `forbid`: side effects at import that are errors,
    not warnings. `budget_cpu`, `budget_cpu_total`: seconds of CPU that one import and all together may take, above 0
    to 3600; default none, because it depends on the machine. `deadline`: seconds until everything is stopped, 1 to
    3600, default 60: twice what a large application takes. `isolate`: each module in a process of its own, to find
    those that work only behind another; default off, because it costs more. `allow_conflicts`: distributions
    whose version may differ from what others require.
    """

    critical: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    setup: str | None = None
    forbid: tuple[SideEffect, ...] = ()
    budget_cpu: float | None = None
    budget_cpu_total: float | None = None
    deadline: float = 60.0
    isolate: bool = False
    allow_conflicts: tuple[str, ...] = ()


class EnvironmentConfig(NamedTuple):
    """`[tool.guardrails.environment]`. `settings`: a pydantic-settings class as `module:Class`."""

    settings: str | None = None


class Config(NamedTuple):
    """`[tool.guardrails]`.

    `src`: import roots relative to the project, besides those found from its files. `exclude`: globs of files to
    leave out, a folder's name stands for all below it. `plugins`: checks of the project's own, as globs of files or
    names of entry points of the group `guardrails.checks`; they are executed. `python`: path of the application's
    interpreter, whose grammar and libraries count; default: the version that the project pins. `imports`,
    `environment`: what only a run shows; nothing of the application is executed where they are not set.
    """

    src: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    plugins: tuple[str, ...] = ()
    python: str | None = None
    preflight: PreflightConfig = PreflightConfig()
    imports: ImportsConfig = ImportsConfig()
    environment: EnvironmentConfig = EnvironmentConfig()
    waiver: tuple[WaiverEntry, ...] = ()
    # Lines of the waivers in the file, for messages; not a setting. Inline forms have none.
    waiver_lines: tuple[int, ...] = ()


class GuardTables(NamedTuple):
    """The tables of guards of one file, as TOML has them. `section`: the keys that lead to them; `file`: its name."""

    file: str
    section: tuple[str, ...]
    text: str
    tables: dict[str, Any]

    def place(self, keys: Sequence[str]) -> str:
        """`file:line: section.keys`, for messages."""
        path = [*self.section, *keys]
        line = _line_of(self.text, path)
        shown = ".".join(key if re.fullmatch(r"[\w-]+", key) else repr(key) for key in path)
        return f"{self.file}{f':{line}' if line else ''}: {shown}"


def load_guard_tables(file: Path | None) -> GuardTables:
    """Read `[tool.guardrails.guards]` of a pyproject.toml, or `[guards]` of another TOML file.

    `file`: its path, or that of a folder with a pyproject.toml; None: the pyproject.toml of the current folder, if
    there is one. Raises ConfigError for what cannot be read, or holds something else in the place of these tables.
    """
    import tomllib
    from pathlib import Path

    path = Path(FILE) if file is None else file / FILE if file.is_dir() else file
    section = (*SECTION.split("."), GUARDS) if path.name == FILE else (GUARDS,)
    if file is None and not path.exists():
        return GuardTables(FILE, section, "", {})
    try:
        text = path.read_text("utf-8")
        # Not TOMLDecodeError alone: a number of thousands of digits is a ValueError of int.
        table: Any = tomllib.loads(text)
    except (OSError, ValueError, RecursionError) as exc:
        raise ConfigError([f"{path}: cannot be read: {exc}"]) from exc
    for depth, key in enumerate(section):
        if isinstance(table, dict) and key == GUARDS and key not in table:
            # Closer than elsewhere: a service's own file may have [cards].
            near = nearest(key, list(table), 0.8)
            if near is not None:
                raise ConfigError([f"{path}: {'.'.join([*section[:depth], near])}: no such key; did you mean {key!r}?"])
        table = table.get(key, {}) if isinstance(table, dict) else table
        if not isinstance(table, dict):
            raise ConfigError([f"{path}: [{'.'.join(section[: depth + 1])}] must be a table"])
    return GuardTables(str(path), section, text, table)


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
    ours = {k: v for k, v in environ.items() if k.startswith(ENV_PREFIX) and not k.startswith(GUARDS_PREFIX)}
    variables = {k.lower(): v for k, v in ours.items() if k not in NOT_SETTINGS}
    # What is no table is reported below, as a key that does not exist is.
    table = {k: v for k, v in table.items() if k != GUARDS or not isinstance(v, dict)}
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
        return Config(**values, waiver_lines=tuple(_lines_of_tables(self.text, [*SECTION.split("."), "waiver"])))

    def _unknown_variables(self) -> None:
        known = [name.upper() for name in _variable_names()]
        # GUARDRAILS_STRICT means GUARDRAILS_PREFLIGHT__STRICT: the last part of a name says most.
        by_last = {name.removeprefix(ENV_PREFIX).rpartition("__")[2]: name for name in known}
        for name in sorted(self.variables):
            if name.upper() not in known:
                last = name.upper().removeprefix(ENV_PREFIX).rpartition("__")[2]
                near = by_last.get(nearest(last, list(by_last)) or "")
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
            self._unfit(table)
            return {}
        values = {name: getattr(settings, name) for name in _settings()}
        self._out_of_range(values["preflight"].jobs, [waiver._asdict() for waiver in values["waiver"]])
        self._unfit({name: values[name]._asdict() for name in _TABLES})
        return values

    def _with_lists(self, variables: dict[str, str]) -> dict[str, Any]:
        """The table under the lists of the environment, taken out of `variables`: nested ones would stay text."""
        import json

        table = {**self.table, **{name: self.table.get(name, {}) for name in _TABLES}}
        lists = [("imports", name) for name in ("critical", "optional", "forbid", "allow_conflicts")]
        for keys in (("src",), ("exclude",), ("plugins",), ("preflight", "select"), *lists):
            name = f"{ENV_PREFIX}{'__'.join(keys)}"
            said = variables.pop(name.lower(), None)
            holder = table if len(keys) == 1 else table[keys[0]]
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

    def _unfit(self, tables: Mapping[str, Any]) -> None:
        """Report names and numbers that nothing can be done with."""
        for (table, name), (kind, low, high) in _LIMITS.items():
            value = held.get(name) if isinstance(held := tables.get(table), dict) else None
            if isinstance(value, int | float) and not low < value <= high:
                self.problems.append(self._in_words((table, name), "range", kind, value))
        for (table, name), (pattern, form) in _NAMES.items():
            value = held.get(name) if isinstance(held := tables.get(table), dict) else None
            for said in value if isinstance(value, list | tuple) else [value]:
                if isinstance(said, str) and not re.fullmatch(pattern, said):
                    self.problems.append(self._in_words((table, name), "name", form, said))

    def _in_words(self, loc: tuple[int | str, ...], kind: str, message: str, value: object) -> str:
        keys = [str(part) for part in loc if not isinstance(part, int)]
        index = next((part for part in loc if isinstance(part, int)), 0)
        variable = f"{ENV_PREFIX}{'__'.join(keys)}".lower()
        place = f"environment: {variable.upper()}" if variable in self.variables else self._place(keys, index, kind)
        if kind in ("extra_forbidden", "unexpected_keyword_argument"):
            near = nearest(keys[-1], _keys_beside(keys))
            hint = f"did you mean {near!r}?" if near else f"known here: {', '.join(_keys_beside(keys))}"
            return f"{place}: no such key; {hint}"
        if kind in ("missing", "missing_argument"):
            return f"{place}: is missing; a waiver needs {', '.join(_keys_beside(keys))}"
        said = _FORMS.get(kind) or message[:1].lower() + message[1:]
        return f"{place}: {value!r}: {said}"

    def _place(self, keys: list[str], index: int, kind: str) -> str:
        path = [*SECTION.split("."), *keys]
        line = _line_of(self.text, path[:-1] if kind == "missing" else path, index)
        return f"{FILE}:{line or 1}: {'.'.join(path)}"


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


_DOTTED = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
# Above the first, up to the second.
_LIMITS = {
    ("imports", "budget_cpu"): ("must be above 0 and at most 3600 seconds", 0, 3600),
    ("imports", "budget_cpu_total"): ("must be above 0 and at most 3600 seconds", 0, 3600),
    ("imports", "deadline"): ("must be 1 to 3600 seconds", 0.999, 3600),
    ("preflight", "deadline"): ("must be 1 to 3600 seconds", 0.999, 3600),
}
_NAMES = {
    ("imports", "critical"): (rf"{_DOTTED}(?::{_DOTTED})?", "write a module, or module:attribute"),
    ("imports", "optional"): (rf"{_DOTTED}(?::{_DOTTED})?", "write a module, or module:attribute"),
    ("imports", "setup"): (rf"{_DOTTED}:{_DOTTED}", "write django:mysite.settings, or module:function"),
    ("environment", "settings"): (rf"{_DOTTED}:{_DOTTED}", "write module:Class"),
}


_TABLES = {
    "preflight": PreflightConfig._fields,
    "imports": ImportsConfig._fields,
    "environment": EnvironmentConfig._fields,
}


def _settings() -> list[str]:
    return [name for name in Config._fields if name != "waiver_lines"]


def _variable_names() -> Iterator[str]:
    for name in Config._fields:
        if name in _TABLES:
            yield from (f"{ENV_PREFIX}{name}__{inner}" for inner in _TABLES[name])
        elif name not in ("waiver", "waiver_lines"):
            yield f"{ENV_PREFIX}{name}"


def _keys_beside(keys: list[str]) -> list[str]:
    schemas = {**_TABLES, "waiver": WaiverEntry._fields}
    return list(schemas.get(keys[0] if len(keys) > 1 else "", (*_settings(), GUARDS)))


def _lines_of_tables(text: str, path: Sequence[str]) -> list[int]:
    """Line numbers of `[path]` and `[[path]]`, counted from 1."""
    keys = r"\s*\.\s*".join(_written(key) for key in path)
    pattern = re.compile(rf"\s*\[\[?\s*{keys}\s*\]")
    return [number for number, line in enumerate(text.split("\n"), 1) if pattern.match(line)]


def _line_of(text: str, path: Sequence[str], index: int = 0) -> int:
    """The line of the setting, of the nearest table around it where it is written otherwise, or 0.

    `index`: in which of several tables of one name, counted from 0.
    """
    lines = text.split("\n")
    if starts := _lines_of_tables(text, path):
        return starts[min(index, len(starts) - 1)]
    for depth in range(len(path) - 1, 0, -1):
        starts = _lines_of_tables(text, path[:depth])
        if not starts:
            continue
        start = starts[min(index, len(starts) - 1)]
        pattern = re.compile(rf"\s*{_written(path[depth])}\s*[.=]")
        for number in range(start, len(lines)):
            if re.match(r"\s*\[", lines[number]):
                break
            if pattern.match(lines[number]):
                return number + 1
        return start
    return 0


def _written(key: str) -> str:
    return rf"[\"']?{re.escape(key)}[\"']?"


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
