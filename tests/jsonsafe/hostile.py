"""Classes that lie, fail, never end, or must not be called at all; and containers of every kind."""

# ruff: noqa: C901, PLE0303, PLE0304, PLE0305, PLE0307, SLOT000, SLOT001 - to be wrong is what these classes are for
from __future__ import annotations

import collections
import collections.abc
import dataclasses
import datetime as dt
import decimal
import itertools
import pathlib
import types
import uuid
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import attrs
import msgspec
import pydantic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Watched:
    """Everything that an encoder has no business to call writes its name down, and then fails as badly as it can."""

    called: list[str]

    def __init__(self) -> None:
        self.host = "db"

    @property
    def rows(self) -> NoReturn:
        self.fail("rows")

    @staticmethod
    def fail(name: str) -> NoReturn:
        Watched.called.append(name)
        raise SystemExit(name)

    def __repr__(self) -> str:
        self.fail("__repr__")

    def __str__(self) -> str:
        self.fail("__str__")

    def __format__(self, spec: str) -> str:
        self.fail("__format__")

    def __bool__(self) -> bool:
        self.fail("__bool__")

    def __len__(self) -> int:
        self.fail("__len__")

    def __eq__(self, other: object) -> bool:
        self.fail("__eq__")

    def __hash__(self) -> int:
        return 7

    def __dir__(self) -> list[str]:
        self.fail("__dir__")

    def __reduce__(self) -> str:
        self.fail("__reduce__")

    def __index__(self) -> int:
        self.fail("__index__")

    def __getattr__(self, name: str) -> NoReturn:
        self.fail(f"__getattr__({name})")


class Lied(BaseException):
    """What no encoder has to hear."""


class LyingList(list[int]):
    def __len__(self) -> int:
        return -1

    def __iter__(self) -> Iterator[int]:
        raise Lied

    def __getitem__(self, index: Any) -> Any:
        raise Lied


class LyingTuple(tuple[int, ...]):
    def __len__(self) -> int:
        return 10**12

    def __iter__(self) -> Iterator[int]:
        raise Lied


class LyingDict(dict[str, int]):
    def __len__(self) -> int:
        return 10**12

    def __iter__(self) -> Iterator[str]:
        raise Lied

    def keys(self) -> Any:
        raise Lied

    def items(self) -> Any:
        raise Lied

    def __getitem__(self, key: str) -> int:
        raise Lied


class LyingText(str):
    def __len__(self) -> int:
        return 10**12

    def __str__(self) -> str:
        raise Lied

    def encode(self, *_: Any) -> bytes:
        raise Lied

    def isascii(self) -> bool:
        return True


class LyingSet(set[int]):
    def __len__(self) -> int:
        return -1

    def __iter__(self) -> Iterator[int]:
        raise Lied


class LyingInt(int):
    def __index__(self) -> int:
        raise Lied

    def __str__(self) -> str:
        raise Lied

    __repr__ = __str__

    def __le__(self, other: object) -> bool:
        raise Lied


class LyingFloat(float):
    def __float__(self) -> float:
        raise Lied

    def __sub__(self, other: object) -> float:
        raise Lied

    def __repr__(self) -> str:
        raise Lied


class LyingBytes(bytes):
    def __len__(self) -> int:
        return -1

    def decode(self, *_: Any) -> str:
        raise Lied

    def __bytes__(self) -> bytes:
        raise Lied


class LyingDeque(collections.deque[int]):
    def __len__(self) -> int:
        return 10**12

    def __iter__(self) -> Iterator[int]:
        raise Lied


class Claims(collections.abc.Sequence[int]):
    """Says that it has so many items, and has others."""

    def __init__(self, length: int, items: int) -> None:
        self.length, self.items = length, items

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: Any) -> Any:
        if index >= self.items:
            raise IndexError
        return index


class EndlessMapping(collections.abc.Mapping[int, int]):
    def __len__(self) -> int:
        return 0

    def __iter__(self) -> Iterator[int]:
        return itertools.count()

    def __getitem__(self, key: int) -> int:
        return key


class EndlessSet(collections.abc.Set[int]):
    def __len__(self) -> int:
        return 0

    def __iter__(self) -> Iterator[int]:
        return itertools.count()

    def __contains__(self, _: object) -> bool:
        return True


class Zone(dt.tzinfo):
    def __init__(self, error: type[BaseException]) -> None:
        self.error = error

    def utcoffset(self, when: dt.datetime | None) -> dt.timedelta:
        raise self.error

    def tzname(self, when: dt.datetime | None) -> str:
        raise self.error

    def dst(self, when: dt.datetime | None) -> dt.timedelta:
        raise self.error


def failing(error: type[BaseException]) -> dict[str, Any]:
    """A value of each kind for which an encoder must run code of the user's."""

    class Path(pathlib.PurePosixPath):
        def __str__(self) -> str:
            raise error

    class Mapped(collections.abc.Mapping[str, int]):
        def __getitem__(self, key: str) -> int:
            raise error

        def __iter__(self) -> Iterator[str]:
            return iter(["a"])

        def __len__(self) -> int:
            return 1

    class Unlisted(Mapped):
        def __iter__(self) -> Iterator[str]:
            raise error

    class Sequenced(Claims):
        def __getitem__(self, index: Any) -> Any:
            raise error

    class Computed(pydantic.BaseModel):
        card: str = "c"

        @pydantic.computed_field  # type: ignore[prop-decorator]
        @property
        def short(self) -> str:
            raise error

    class Serialized(pydantic.BaseModel):
        card: str = "c"

        @pydantic.field_serializer("card")
        def stars(self, card: str) -> str:
            raise error

    class Described(collections.UserDict[str, int]):
        def __getitem__(self, key: str) -> int:
            raise error

    class Mute(Exception):
        def __str__(self) -> str:
            raise error

    class Number(decimal.Decimal):
        def __str__(self) -> str:
            raise error

    class Identity(uuid.UUID):
        def __str__(self) -> str:
            raise error

    @dataclasses.dataclass
    class Record:
        name: str = "a"

        def __getattribute__(self, name: str) -> Any:
            if name == "name":
                raise error
            return object.__getattribute__(self, name)

    return {
        "path": Path("a"),
        "mapping": Mapped(),
        "mapping without names": Unlisted(),
        "sequence": Sequenced(1, 1),
        "computed field": Computed(),
        "serializer": Serialized(),
        "user dict": Described(a=1),
        "message": Mute(),
        "decimal": Number(1),
        "uuid": Identity(int=1),
        "field": Record(),
        "zone of a time": dt.time(1, 2, tzinfo=Zone(error)),
    }


class Pair(NamedTuple):
    inner: Any
    tail: int = 0


@dataclasses.dataclass
class Box:
    inner: Any


@attrs.define
class AttrsBox:
    inner: Any


class Model(pydantic.BaseModel):
    inner: Any = None


class StructBox(msgspec.Struct):
    inner: Any = None


class Plain:
    def __init__(self, inner: Any = None) -> None:
        self.inner = inner


def caused(inner: Any) -> BaseException:
    error = ValueError("outer")
    error.__cause__ = inner if isinstance(inner, BaseException) else None
    return error


WRAPS: dict[str, Callable[[Any], Any]] = {
    "list": lambda inner: [inner],
    "tuple": lambda inner: (inner,),
    "dict": lambda inner: {"k": inner},
    "ordered dict": lambda inner: collections.OrderedDict(k=inner),
    "default dict": lambda inner: collections.defaultdict(list, k=inner),
    "deque": lambda inner: collections.deque([inner]),
    "mapping proxy": lambda inner: types.MappingProxyType({"k": inner}),
    "chain of mappings": lambda inner: collections.ChainMap({"k": inner}),
    "namespace": lambda inner: types.SimpleNamespace(k=inner),
    "namedtuple": Pair,
    "dataclass": Box,
    "attrs": AttrsBox,
    "pydantic": lambda inner: Model.model_construct(inner=inner),
    "struct": StructBox,
    "exception": caused,
    "object": Plain,
}
