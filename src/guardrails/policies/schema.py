"""From a table of TOML to policies: one schema, and that is the named tuples themselves.

    {"timeout": 5, "breaker": {"cooldown": 30}, "retry": False}      over      Settings(...)     gives    Settings(...)

A table changes the fields that it names and keeps the others; over nothing it makes the policy anew. `false` or "off"
is None. Fields and what they hold are read from the annotations, so a new field or policy can be configured as it is.
"""

from __future__ import annotations

import builtins
import importlib
import importlib.util
import re
import sys
from types import UnionType
from typing import TYPE_CHECKING, Any, NamedTuple, Union, get_args, get_origin, get_type_hints

from guardrails import errors
from guardrails.errors import ConfigError, nearest
from guardrails.policies import limits
from guardrails.policies.settings import Settings, fitted

if TYPE_CHECKING:
    from collections.abc import Iterable

OFF = ("off", "none", "false")
# More than any setting may be; an integer of thousands of digits cannot even be printed.
LARGEST = 1e15


class Leaf(NamedTuple):
    """A value, and where it was said, for messages."""

    value: object
    place: str


Tree = dict[str, "Leaf | Tree"]


class Field(NamedTuple):
    """What one setting may be: policies, plain values, None, classes of exceptions."""

    policies: tuple[Any, ...]
    plain: tuple[type, ...]
    none: bool
    classes: bool


def fields_of(kind: Any) -> dict[str, Field]:
    """The fields of a named tuple that a file can name."""
    found = {}
    # Those of `limits` are loaded by whoever has one, so `settings` knows their names alone.
    for name, hint in get_type_hints(kind, localns=vars(limits)).items():
        kinds = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
        field = Field(
            policies=tuple(one for one in kinds if isinstance(one, type) and hasattr(one, "_fields")),
            plain=tuple(one for one in kinds if one in (bool, int, float, str)),
            none=type(None) in kinds,
            classes=any(get_origin(one) is type for one in kinds),
        )
        if name in kind._fields and (field.policies or field.plain or field.classes):
            found[name] = field
    return found


class Reader:
    """Applies trees. `problems`: what is wrong. `doubts`: what is, unless the code of a guard to be made helps."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.doubts: list[str] = []

    def settings(self, tree: Tree, said: Settings) -> Settings:
        """What holds where this stands over `said`; notes what is wrong with it."""
        before = len(self.problems)
        values = self._values(tree, Settings, said)
        self.problems += self.doubts
        self.doubts = []
        if len(self.problems) > before:
            return said
        settings = said._replace(**values)
        breaker = tree.get("breaker")
        if settings.breaker is not None and not (isinstance(breaker, dict) and "permit_expiry" in breaker):
            # A bound that follows from the others: whoever raises a timeout need not know of it.
            settings = settings._replace(breaker=fitted(settings.breaker, settings.timeout, settings.attempt_timeout))
        self.problems += _placed(settings.problems(), tree)
        return settings

    def look(self, tree: Tree) -> None:
        """Note what is wrong with it over whatever a guard will say."""
        self._values(tree, Settings, None)

    def _values(self, tree: Tree, kind: Any, said: Any) -> dict[str, Any]:
        known = fields_of(kind)
        values = {}
        for name, node in tree.items():
            field = known.get(name)
            if field is None:
                near = nearest(name, list(known))
                hint = f"did you mean {near!r}?" if near else f"known here: {', '.join(known)}"
                self.problems.append(f"{first(node).place}: no such key; {hint}")
            elif isinstance(node, dict):
                values[name] = self._policy(node, name, field, getattr(said, name, None))
            else:
                values[name] = self._value(node, name, field)
        return values

    def _policy(self, tree: Tree, name: str, field: Field, said: Any) -> Any:
        if not field.policies:
            self.problems.append(f"{first(tree).place}: {name} has no settings of its own; write one value")
            return None
        before = len(self.problems)
        kinds = [*((type(said),) if isinstance(said, field.policies) else ()), *field.policies]
        kind = next((one for one in kinds if set(tree) <= set(one._fields)), kinds[0])
        if not isinstance(said, kind):
            said = None
        values = self._values(tree, kind, said)
        needed = kind._fields if said is None else ()
        missing = [one for one in needed if one not in kind._field_defaults and one not in values]
        place = first(tree).place
        self.doubts += [f"{place}: {kind.__name__} needs {one!r}, and no code has said it; add it" for one in missing]
        if missing or len(self.problems) > before:
            return said
        try:
            return kind(**values) if said is None else said._replace(**values)
        except ConfigError as exc:
            self.doubts += _placed(exc.problems, tree)
            return said

    def _value(self, leaf: Leaf, name: str, field: Field) -> object:
        value = leaf.value
        off = value is False or (isinstance(value, str) and value.lower() in OFF)
        if off and field.none:
            return None
        if off and bool in field.plain:
            return False
        if field.classes and not off:
            return self._classes(leaf)
        if isinstance(value, bool):
            good = bool in field.plain
        elif isinstance(value, int | float):
            # Not a number is left to the policy.
            good = float in field.plain or (int in field.plain and isinstance(value, int))
            good = good and not abs(value) > LARGEST
        else:
            good = isinstance(value, str) and str in field.plain
        if not good:
            self.problems.append(f"{leaf.place}: {shown(value)}, allowed: {_allowed(name, field)}")
        return value

    def _classes(self, leaf: Leaf) -> object:
        several = isinstance(leaf.value, list)
        names = leaf.value if isinstance(leaf.value, list) else [leaf.value]
        found = [exception_named(name) for name in names]
        wrong = [one for one in found if isinstance(one, str)]
        self.problems += [f"{leaf.place}: {one}" for one in wrong or ([] if found else ["name at least one class"])]
        return tuple(found) if several else found[0]


def exception_named(name: object) -> type[BaseException] | str:
    """The class of exceptions of this name, or what is wrong with it.

    One of Python's or of this toolkit by its bare name, others with their module: `httpx.ConnectError`.
    """
    if not (isinstance(name, str) and re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", name, re.ASCII)):
        return f'{shown(name)}: write the name of a class, such as "ConnectionError" or "httpx.ConnectError"'
    module, _, last = name.rpartition(".")
    if module:
        holder = _module(module)
        if isinstance(holder, str):
            return f"{name!r}: {holder}"
        found = getattr(holder, last, None)
        known = [one for one in dir(holder) if not one.startswith("_")]
    else:
        found = getattr(builtins, name, None) or getattr(errors, name, None)
        known = [one for home in (builtins, errors) for one in dir(home)]
    if isinstance(found, type) and issubclass(found, BaseException):
        return found
    near = nearest(last, known)
    hint = f"did you mean {near!r}?" if near else "write it with its module, such as httpx.ConnectError"
    return f"{name!r} is no class of exceptions; {hint}"


def _module(name: str) -> Any:
    """The module, or why there is none."""
    if name in sys.modules:
        return sys.modules[name]
    top = name.partition(".")[0]
    try:
        if importlib.util.find_spec(top) is None:
            near = nearest(top, sorted(sys.modules))
            return f"no package {top!r} is installed here" + (f"; did you mean {near!r}?" if near else "")
        return importlib.import_module(name)
    except (Exception, SystemExit) as exc:  # noqa: BLE001 - a stranger's module may raise anything
        return f"the module {name!r} cannot be imported: {type(exc).__name__}: {exc}"


def shown(value: object) -> str:
    """A value for a message."""
    try:
        return f"{value!r:.80}"
    except (ValueError, RecursionError):
        # An integer of thousands of digits, thousands of tables in one another.
        return f"{type(value).__name__} of that size"


def first(node: Leaf | Tree) -> Leaf:
    """Any value in it, for its place. An empty table has none, so it is never made."""
    while isinstance(node, dict):
        node = next(iter(node.values()))
    return node


def _placed(problems: Iterable[str], tree: Tree) -> list[str]:
    """Each with the place of the setting that it names, or, where that is not in the tree, of the one next to it."""
    placed = []
    for problem in problems:
        name, _, rest = problem.partition(": ")
        node: Leaf | Tree = tree
        for key in name.split("."):
            if not isinstance(node, dict) or key not in node:
                placed.append(f"{first(node).place}: then {problem}")
                break
            node = node[key]
        else:
            placed.append(f"{first(node).place}: {rest if isinstance(node, Leaf) else problem}")
    return placed


def _allowed(name: str, field: Field) -> str:
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
    said = [f"a table [….{name}]"] if field.policies else []
    said += [names[one] for one in field.plain]
    return " or ".join(said + (["false, for none"] if field.none else []))
