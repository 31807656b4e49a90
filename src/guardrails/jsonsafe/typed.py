"""From plain values to the type that the caller names; unknown types are refused, never guessed."""

from __future__ import annotations

import base64
import datetime as dt
import enum
import ipaddress
import pathlib
import re
import sys
import types
import typing
import uuid
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from guardrails.jsonsafe.integers import fraction, number
from guardrails.jsonsafe.report import written

if TYPE_CHECKING:
    from collections.abc import Callable

    from guardrails.jsonsafe.registry import Registry

Path = tuple[str | int, ...]


class Conversion:
    """One tree on its way to a type."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry

    def to(self, kind: Any, tree: Any, path: Path) -> Any:
        if kind is Any or kind is object:
            return tree
        line = self.registry.types.get(kind) if isinstance(kind, type) else None
        if line is not None and line.decode is not None:
            return self.made(line.decode, tree, kind, path)
        origin = typing.get_origin(kind)
        if origin is not None:
            return self.generic(kind, origin, tree, path)
        if kind is None or kind is type(None):
            return self.exact(tree, type(None), path)
        if kind in (str, bool, int, float):
            return self.scalar(kind, tree, path)
        if kind in (list, dict, tuple, set, frozenset):
            return self.generic(kind, kind, tree, path)
        if kind in _MAKERS:
            return self.made(_MAKERS[kind], tree, kind, path)
        return self.described(kind, tree, path)

    def described(self, kind: Any, tree: Any, path: Path) -> Any:
        """Classes that say themselves how they are made."""
        if hasattr(kind, "model_validate"):
            return self.made(kind.model_validate, tree, kind, path)
        if hasattr(kind, "__struct_fields__"):
            msgspec = sys.modules["msgspec"]
            return self.made(lambda value: msgspec.convert(value, kind), tree, kind, path)
        if hasattr(kind, "__dataclass_fields__"):
            names = [name for name, field in kind.__dataclass_fields__.items() if field.init]
            return self.made(lambda parts: kind(**parts), self.members(kind, names, tree, path), kind, path)
        if typing.is_typeddict(kind):
            found = self.members(kind, list(kind.__annotations__), tree, path)
            if missing := sorted(kind.__required_keys__ - set(found)):
                raise self.refused(f"{kind.__name__} with {', '.join(missing)}", tree, path)
            return found
        if isinstance(kind, type) and issubclass(kind, enum.Enum):
            return self.made(lambda value: _member(kind, value), tree, kind, path)
        if isinstance(kind, type) and issubclass(kind, tuple) and hasattr(kind, "_fields"):
            hints = typing.get_type_hints(kind)
            listed = self.exact(tree, list, path)
            parts = [
                self.to(hints.get(name, Any), part, (*path, place))
                for place, (name, part) in enumerate(zip(kind._fields, listed, strict=False))
            ]
            return self.made(lambda _: kind(*parts, *listed[len(parts) :]), listed, kind, path)
        raise ValueError(f"{written(path)}: no rule makes {_name(kind)}: call jsonsafe.register(..., decode=...)")

    def members(self, kind: Any, names: list[str], tree: Any, path: Path) -> dict[str, Any]:
        found = self.exact(tree, dict, path)
        hints = typing.get_type_hints(kind)
        if unknown := [name for name in found if name not in names]:
            raise self.refused(f"{_name(kind)}, which has no {unknown[0]!r}", tree, path)
        return {name: self.to(hints[name], found[name], (*path, name)) for name in names if name in found}

    def generic(self, kind: Any, origin: Any, tree: Any, path: Path) -> Any:
        arguments = typing.get_args(kind)
        if origin in (typing.Union, types.UnionType):
            return self.union(arguments, tree, path)
        if origin is typing.Literal:
            if not any(tree == choice and type(tree) is type(choice) for choice in arguments):
                raise self.refused(f"one of {', '.join(map(repr, arguments))}", tree, path)
            return tree
        if origin is typing.Annotated or origin in (typing.Required, typing.NotRequired):
            return self.to(arguments[0], tree, path)
        if not isinstance(origin, type):
            raise ValueError(f"{written(path)}: no rule makes {_name(kind)}")  # noqa: TRY004 - as all refusals
        if issubclass(origin, dict) or origin.__name__ in ("Mapping", "MutableMapping"):
            found = self.exact(tree, dict, path)
            of_key, of_value = arguments or (Any, Any)
            return {
                self.name(of_key, name, path): self.to(of_value, part, (*path, name)) for name, part in found.items()
            }
        listed = self.exact(tree, list, path)
        if issubclass(origin, tuple) and arguments and arguments[-1] is not Ellipsis:
            if len(listed) != len(arguments):
                raise self.refused(f"{len(arguments)} items", tree, path)
            matched = enumerate(zip(arguments, listed, strict=True))
            return tuple(self.to(of, part, (*path, place)) for place, (of, part) in matched)
        of = arguments[0] if arguments else Any
        parts = [self.to(of, part, (*path, place)) for place, part in enumerate(listed)]
        return origin(parts) if origin in (tuple, set, frozenset) else parts

    def name(self, kind: Any, name: str, path: Path) -> Any:
        """The key behind a name: what was a number is written as one."""
        if kind in (int, float):
            return self.made(kind, name, kind, (*path, name))
        return self.to(kind, name, (*path, name))

    def union(self, choices: tuple[Any, ...], tree: Any, path: Path) -> Any:
        # A choice that takes the value as it is goes before one that would convert it.
        for choice in sorted(choices, key=lambda choice: choice is not type(tree)):
            try:
                return self.to(choice, tree, path)
            except ValueError:
                continue
        raise self.refused(" or ".join(map(_name, choices)), tree, path)

    def scalar(self, kind: type[Any], tree: Any, path: Path) -> Any:
        if kind is int and type(tree) is str and re.match(r"-?(?:\d{16}|0x)", tree):
            return self.made(number, tree, int, path)  # what JavaScript would round is written as text
        if kind is float and type(tree) is int:
            return float(tree)
        return self.exact(tree, kind, path)

    def exact(self, tree: Any, kind: type[Any], path: Path) -> Any:
        if type(tree) is not kind:
            raise self.refused(kind.__name__, tree, path)
        return tree

    def made(self, make: Callable[[Any], Any], tree: Any, kind: Any, path: Path) -> Any:
        try:
            return make(tree)
        except Exception as exc:
            raise self.refused(_name(kind), tree, path) from exc

    def refused(self, wanted: str, tree: Any, path: Path) -> ValueError:
        # The type and not the value: it may be a secret.
        return ValueError(f"{written(path)}: expected {wanted}, found {type(tree).__name__}")


def _name(kind: Any) -> str:
    return kind.__name__ if isinstance(kind, type) else str(kind)


def _member(kind: type[enum.Enum], value: Any) -> enum.Enum:
    """The member that is written as `value`: a set or a UUID as a value is written as something else."""
    try:
        return kind(value)
    except ValueError:
        for member in kind:
            if not isinstance(member.value, str | int | float) and str(member.value) == value:
                return member
        raise


def _binary(value: Any) -> bytes:
    if isinstance(value, dict):
        return base64.urlsafe_b64decode(value["$base64"])
    return bytes(value, "utf-8")


def _duration(text: str) -> dt.timedelta:
    found = re.fullmatch(r"(-?)P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:\.(\d{1,6}))?S)?)?", text)
    if found is None or not any(found.groups()[1:]):
        raise ValueError("no ISO 8601 duration")
    days, hours, minutes, seconds = (int(part or 0) for part in found.group(2, 3, 4, 5))
    micros = int((found[6] or "").ljust(6, "0"))
    length = dt.timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds, microseconds=micros)
    return -length if found[1] else length


def _text(make: Callable[[str], Any]) -> Callable[[Any], Any]:
    def made(value: Any) -> Any:
        if type(value) is not str:
            raise TypeError("not a string")
        return make(value)

    return made


_MAKERS: dict[Any, Callable[[Any], Any]] = {
    uuid.UUID: _text(uuid.UUID),
    dt.datetime: _text(dt.datetime.fromisoformat),
    dt.date: _text(dt.date.fromisoformat),
    dt.time: _text(dt.time.fromisoformat),
    dt.timedelta: _text(_duration),
    Decimal: lambda value: Decimal(value) if type(value) in (str, int) else Decimal(repr(value)),
    Fraction: _text(fraction),
    complex: _text(complex),
    bytes: _binary,
    bytearray: lambda value: bytearray(_binary(value)),
    pathlib.Path: _text(pathlib.Path),
    pathlib.PurePath: _text(pathlib.PurePath),
    pathlib.PurePosixPath: _text(pathlib.PurePosixPath),
    ipaddress.IPv4Address: _text(ipaddress.IPv4Address),
    ipaddress.IPv6Address: _text(ipaddress.IPv6Address),
}
