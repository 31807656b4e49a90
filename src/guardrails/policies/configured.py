"""Guards by file and environment: an operator changes one number, and no code.

    [tool.guardrails.guards.search]                    in pyproject.toml; [guards.search] in any other TOML file
    timeout = 5
    breaker.cooldown = 30
    retry = false                                      none
    [tool.guardrails.guards.zep.read]                  one side of a dependency; [….zep] holds for both
    attempt_timeout = 1

    GUARDRAILS_GUARDS__SEARCH__BREAKER__COOLDOWN=60    whatever is no letter and no digit in a name is one "_"

One precedence: the environment over the file over the code. Why: docs/decisions/0009-configured-guards.md
"""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from guardrails.config import GUARDS_PREFIX, load_guard_tables
from guardrails.errors import ConfigError, nearest
from guardrails.policies.guard import Guard, guards
from guardrails.policies.schema import Leaf, Reader, Tree, first, shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from guardrails.config import GuardTables
    from guardrails.policies.settings import Settings

# The sides of a dependency. What is configured for its name holds for both.
SIDES = ("read", "write")
# But for these: a write that happens twice is another thing.
READS_ALONE = ("hedge",)
# retry, backoff, base.
DEEPEST = 3


class Configured(NamedTuple):
    """What `configure` did. `guards`: the names of living guards for which something is configured.

    `unmatched`: what is configured for names that no living guard bears, with place and the nearest name: right if the
    guard is made later, a slip of the pen if not. `lost`: what guards had to forget, such as outcomes in a window.
    """

    guards: tuple[str, ...]
    unmatched: tuple[str, ...]
    lost: tuple[str, ...]


def configure(file: str | Path | None = None, *, environ: Mapping[str, str] | None = None) -> Configured:
    """Let what file and environment say stand over what the code says, in guards that live and in those made later.

    `file`: a TOML file with tables `[guards.NAME]`, or a pyproject.toml (or its folder) with
    `[tool.guardrails.guards.NAME]`; default: the pyproject.toml of the current folder, if there is one. `environ`:
    default: that of the process; reads GUARDRAILS_GUARDS__NAME__SETTING.

    Settings are those of `Guard` by the same names: a number, a table for a policy, of which unnamed fields stay as the
    code has them, false for none; an empty table says nothing. `on` of `Retry` takes names of classes:
    `["ConnectionError", "httpx.ConnectError"]`. Call it when your guards are made: for a name without a guard the
    ranges are checked only when its guard is made, which then may raise. Call it again to read again: calls under way
    are not disturbed, and what is no longer said goes back to what the code says. A signal handler should start a
    thread that does so, because it may interrupt its own thread anywhere.

    Raises ConfigError that lists every mistake with its place; then nothing has changed.
    """
    over = Over(load_guard_tables(None if file is None else Path(file)), os.environ if environ is None else environ)
    reader = over.reader
    living = guards()
    for guard in living:
        over.judge(guard, guard._said, reader)
    unmatched = over.unmatched({guard._engine.label for guard in living})
    if reader.problems:
        # Guards of one name make the same mistakes.
        raise ConfigError(list(dict.fromkeys(reader.problems)))
    Guard._over = over.settings if over.file or over.environment else None
    lost = [f"{guard.name}: {what}" for guard in guards() for what in guard._obey()]
    names = dict.fromkeys(guard.name for guard in living if over.tree(guard._engine.label))
    return Configured(tuple(names), tuple(unmatched), tuple(lost))


class Over:
    """What is configured, by name: of the file as it is written, of the environment as `plain` makes it."""

    def __init__(self, tables: GuardTables, environ: Mapping[str, str]) -> None:
        self.reader = Reader()
        self.file: dict[str, Tree] = {}
        self.environment: dict[str, Tree] = {}
        for name, table in tables.tables.items():
            self._read_table(tables, name, table)
        for variable in sorted(name for name in environ if name.startswith(GUARDS_PREFIX)):
            self._read_variable(variable, environ[variable])

    def _read_table(self, tables: GuardTables, name: str, table: object) -> None:
        if not isinstance(table, dict):
            self.reader.problems.append(f"{tables.place([name])}: {shown(table)}, allowed: a table")
            return
        sides = [side for side in SIDES if isinstance(table.get(side), dict)]
        found = {name: ({key: value for key, value in table.items() if key not in sides}, [name])}
        found |= {f"{name}.{side}": (table[side], [name, side]) for side in sides}
        for label, (values, path) in found.items():
            tree = _tree(tables, path, values)
            if tree and label in self.file:
                self.reader.problems.append(f"{first(tree).place}: there is another table for {label!r}; keep one")
            elif tree:
                self.file[label] = tree

    def _read_variable(self, variable: str, text: str) -> None:
        place = f"environment: {variable}"
        name, *path = variable.removeprefix(GUARDS_PREFIX).lower().split("__")
        if len(path) > 1 and path[0] in SIDES:
            name = f"{name}.{path.pop(0)}"
        if not path or not all((name, *path)) or len(path) > DEEPEST:
            fix = f"name a guard and a setting, such as {GUARDS_PREFIX}SEARCH__BREAKER__COOLDOWN"
            self.reader.problems.append(f"{place}: no such setting; {fix}")
            return
        tree = self.environment.setdefault(name, {})
        for key in path[:-1]:
            node = tree.setdefault(key, {})
            if isinstance(node, Leaf):
                break
            tree = node
        else:
            if path[-1] not in tree:
                tree[path[-1]] = Leaf(_value(text), place)
                return
        self.reader.problems.append(f"{place}: another variable says the same, or the whole of it; keep one")

    def tree(self, label: str) -> Tree:
        """What is configured for the guard that hooks call `label`; {}: nothing."""
        base, side = _sides(label)
        trees = [self.file.get(label), self.environment.get(plain(label))]
        if side:
            both = [self.file.get(base) or {}, self.environment.get(plain(base)) or {}]
            if side == "write":
                both = [{name: node for name, node in one.items() if name not in READS_ALONE} for one in both]
            one_side = self.environment.get(f"{plain(base)}.{side}")
            trees = [both[0], trees[0], both[1], one_side, trees[1]]
        tree: Tree = {}
        for one in trees:
            tree = _merged(tree, one or {})
        return tree

    def judge(self, guard: Guard, said: Settings, reader: Reader) -> Settings:
        """What holds for this guard where its code says `said`; the reader notes what is wrong."""
        tree = self.tree(guard._engine.label)
        if not tree:
            return said
        if guard._engine.adopted is not None and "breaker" in tree:
            place = first(tree["breaker"]).place
            reader.problems.append(f"{place}: {guard.name!r} has pybreaker's breaker; configure that one in the code")
            return said
        return reader.settings(tree, said)

    def settings(self, guard: Guard, said: Settings) -> Settings:
        """The same for a guard that is made, or told something by its code, later. Raises ConfigError."""
        reader = Reader()
        settings = self.judge(guard, said, reader)
        if reader.problems:
            raise ConfigError(reader.problems)
        return settings

    def unmatched(self, labels: set[str]) -> list[str]:
        """A line for each configured name that is not among these, after a look at what it says."""
        bases = {base for base, side in map(_sides, labels) if side}
        known = labels | bases
        plainly = {plain(name) for name in known}
        plainly |= {f"{plain(base)}.{side}" for base, side in map(_sides, labels) if side}
        lines = []
        for trees, names in ((self.file, known), (self.environment, plainly)):
            for name, tree in trees.items():
                if name in names:
                    continue
                self.reader.look(tree)
                near = nearest(name, sorted(names))
                hint = f"; did you mean {near!r}?" if near else ""
                lines.append(f"{first(tree).place}: there is no guard {name!r} yet{hint}")
        doubts, self.reader.doubts = self.reader.doubts, []
        return [*lines, *doubts]


def plain(name: str) -> str:
    """A guard's name as it stands in the name of a variable, in lower case."""
    return re.sub(r"[^0-9a-z]+", "_", name.lower())


def _sides(label: str) -> tuple[str, str]:
    """The dependency and the side, where it is the guard of one; else the label and ""."""
    base, dot, side = label.rpartition(".")
    return (base, side) if dot and side in SIDES else (label, "")


def _tree(tables: GuardTables, path: Sequence[str], table: Mapping[str, Any], deep: int = DEEPEST) -> Tree:
    """A table with the place of each value. What is deeper than any setting stays a value, and is no setting's."""
    tree: Tree = {}
    for key, value in table.items():
        here = [*path, key]
        inner = _tree(tables, here, value, deep - 1) if isinstance(value, dict) and deep > 1 else None
        if inner or inner is None:
            tree[key] = inner or Leaf(value, tables.place(here))
    return tree


def _merged(below: Tree, above: Tree) -> Tree:
    merged = dict(below)
    for key, node in above.items():
        under = merged.get(key)
        merged[key] = _merged(under, node) if isinstance(under, dict) and isinstance(node, dict) else node
    return merged


def _value(text: str) -> object:
    """A value as TOML writes it, or the text itself: quotes are a nuisance in a shell."""
    try:
        said = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return said["value"] if list(said) == ["value"] else text
