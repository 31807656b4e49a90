"""The 99 kinds of `loadtests.coverage`, and what exactly becomes of each: what is written, and what is reported.

`KEPT` + `LOST` hold the names of all. `written` is the value in the output; where it depends on how many containers
stand around it, a function of that number. `entries`: path below the value, reason, type, action.
"""

from __future__ import annotations

import base64
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from guardrails.jsonsafe.kinds import type_name
from loadtests.coverage.kinds import AT, KINDS, LONG, U
from tests.jsonsafe.values import lost, nested

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = KINDS["enum"].make().__class__.__module__
MODELS = "loadtests.coverage.models"
DEEPEST = 254


class Matching(str):
    """Equal to every text that matches: for tracebacks, in which line numbers stand."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and re.fullmatch(str(self), other, re.DOTALL) is not None

    __hash__ = str.__hash__


class Expected(NamedTuple):
    """What becomes of one kind."""

    written: Any
    entries: tuple[tuple[str, str, str, str], ...] = ()


def opaque(kind: str, *, path: str = "", **extra: str) -> Expected:
    return Expected(lost("opaque", kind, **extra), ((path, "opaque", kind, "marker"),))


def shown(kind: str, **attributes: Any) -> Expected:
    return Expected({"$type": kind, **attributes}, (("", "opaque", kind, "attributes"),))


def deep(levels: int) -> Callable[[int], Any]:
    """Lists down to the last level that is written, and there a text that says so."""
    return lambda around: nested(min(levels, DEEPEST - around), "$lost: depth")


def deep_path(levels: int) -> Callable[[int], str]:
    return lambda around: "[0]" * min(levels, DEEPEST - around)


def traced(*functions: str) -> Matching:
    """A traceback that ends in these frames."""
    return Matching(".*" + "\n".join(rf'File "[^"]+kinds\.py", line \d+, in {name}' for name in functions))


USER = {"id": str(U), "name": "Ada-4711"}
LOCAL = AT.replace(tzinfo=None).isoformat()

KEPT: dict[str, Expected] = {
    "uuid": Expected(str(U)),
    "dt_aware_utc": Expected("2026-11-20T09:30:15.250000+00:00"),
    "dt_aware_zoneinfo": Expected("2026-11-20T10:30:15.250000+01:00"),
    "dt_naive": Expected("2026-11-20T09:30:15.250000"),
    "date": Expected("2026-11-20"),
    "time": Expected("09:30:15.050000"),
    "timedelta": Expected("P1DT2H3.5S"),
    "decimal": Expected("47.110"),
    "decimal_nan": Expected("NaN"),
    "decimal_huge": Expected("1E+500"),
    "decimal_30digits": Expected("1." + "3" * 29),
    "enum": Expected("red-4711"),
    "strenum": Expected("high-4711"),
    "intenum": Expected(4711),
    "flag": Expected(3),
    "enum_value_uuid": Expected(str(U)),
    "path": Expected("/srv/data-4711/a.txt"),
    "set": Expected([4711, 8172]),
    "frozenset_mixed": Expected(["b-2903", 4711, ["a-6655", 8172]]),
    "tuple": Expected([4711, [8172]]),
    "namedtuple": Expected([4711, 8172]),
    "bytes_utf8": Expected("café-4711"),
    "bytes_binary": Expected({"$base64": base64.urlsafe_b64encode(b"\xff\xfe\x00\x81ok").decode()}),
    "bytearray": Expected("abcd-4711"),
    "memoryview": Expected("bcd-4711"),
    "dataclass": Expected(USER),
    "dataclass_slots_nested": Expected({"owner": USER, "tags": ["tag-8172"]}),
    "dataclass_noninit": Expected({"name": "late-4711", "extra": "late-4711-8172"}),
    "attrs": Expected(USER),
    "pydantic_v2": Expected(USER),
    "pydantic_v2_any_lock": Expected(
        {"name": "Ada-4711", "anything": lost("opaque", "_thread.lock")},
        ((".anything", "opaque", "_thread.lock", "marker"),),
    ),
    "pydantic_v1": Expected(USER),
    "typeddict_uuid": Expected(USER),
    "msgspec_struct": Expected(USER),
    "exception": Expected({"type": "ValueError", "message": "boom-4711", "traceback": traced("raised", "fail_here")}),
    "exception_chain_group": Expected(
        {
            "type": "ExceptionGroup",
            "message": "group-6655 (2 sub-exceptions)",
            "exceptions": [
                {"type": "ValueError", "message": "part-4711"},
                {"type": "OSError", "message": "part-8172"},
            ],
            "traceback": traced("grouped"),
            "cause": {"type": "KeyError", "message": "'cause-2903'", "traceback": traced("grouped", "_missing")},
        }
    ),
    "traceback": Expected(traced("raised", "fail_here")),
    "generator": opaque("generator"),
    "iterator": opaque("list_iterator"),
    "range": Expected([4711, 4712, 4713]),
    "deque": Expected([4711, 8172]),
    "defaultdict": Expected({"a4711": [8172]}),
    "counter": Expected({"a4711": 8172}),
    "mappingproxy": Expected({"a4711": 8172}),
    "chainmap": Expected({"b": 8172, "a": 4711}),
    "complex": Expected("4711+8172j"),
    "fraction": Expected("4711/8172"),
    "int_2p53p1": Expected(str(2**53 + 1)),
    "int_gt64": Expected(str(2**70 + 1)),
    "int_5000digits": Expected(str(Decimal(LONG))),
    "lone_surrogate": Expected("a-4711\\ud800", (("", "surrogate", "str", "escaped"),)),
    "str_subclass": Expected("a-4711"),
    "dict_subclass": Expected({"a4711": 8172}),
    "key_uuid": Expected({str(U): 4711}),
    "key_int": Expected({"8172": 4711}),
    "key_tuple": Expected({'[8172,"b-2903"]': 4711}),
    "key_none": Expected({"null": 4711}),
    "key_enum": Expected({"4711": 8172}),
    "key_datetime": Expected({AT.isoformat(): 4711}),
    "key_bytes": Expected({"key-8172": 4711}),
    "key_custom_obj": Expected(
        {f'{{"$lost":"opaque","$type":"{HERE}.Key"}}': 4711}, (("['<key>']", "opaque", f"{HERE}.Key", "marker"),)
    ),
    'key_collide_1_"1"': Expected({"1#2": "a-4711", "1": "b-8172"}, (("['1#2']", "key", "int", "renamed"),)),
    "cycle": Expected(["before-4711", lost("cycle", "list")], (("[1]", "cycle", "list", "marker"),)),
    "cycle_object": Expected(
        {"$type": f"{HERE}.Node", "name": "node-4711", "me": lost("cycle", f"{HERE}.Node")},
        (("", "opaque", f"{HERE}.Node", "attributes"), (".me", "cycle", f"{HERE}.Node", "marker")),
    ),
    "nest_200": Expected(nested(200, "end-4711")),
    "nest_300": Expected(deep(300), ((deep_path(300), "depth", "list", "marker"),)),
    "nest_5000": Expected(deep(5000), ((deep_path(5000), "depth", "list", "marker"),)),
    "nest_100k": Expected(deep(100_000), ((deep_path(100_000), "depth", "list", "marker"),)),
    "ipv4": Expected("10.47.11.1"),
    "re_pattern": Expected(r"a\d+4711"),
    "plain_object": shown(f"{HERE}.Client", host="db-4711"),
    "plain_slots": shown(f"{HERE}.Bare", host="db-4711"),
    "type_object": opaque("type", name=f"{HERE}.User"),
    "function": opaque("function", name=f"{HERE}.fail_here"),
    "secretstr": Expected("[redacted]", (("", "secret", "pydantic.types.SecretStr", "masked"),)),
    "np_int64": Expected(4711),
    "np_array": Expected([[4711, 8172], [2903, 6655]]),
    "np_array_nan_noncontig": Expected(
        [[4711.5, None, 8172.5], [2903.5, 1.0, 6655.5]], (("[0][1]", "nan", "float", "null"),)
    ),
    "np_datetime64": Expected("2026-11-20T09:30:15.250"),
    "pd_timestamp": Expected(AT.isoformat()),
    "pd_nat": Expected(None, (("", "nan", type_name(type(KINDS["pd_nat"].make())), "null"),)),
    "pd_dataframe": Expected(
        {"columns": ["first", "second"], "index": [0, 1], "data": [[4711, "x-2903"], [8172, "y-6655"]]}
    ),
    "sa_row": Expected({"id": 4711, "name": "Ada-Lovelace"}),
    "sa_model": Expected({"id": 4711, "name": "Ada-Lovelace", "bio": "long"}),
    "sa_model_detached": Expected(
        {"id": 4711, "name": "Ada-Lovelace", "$unloaded": ["bio"]}, (("", "unloaded", f"{MODELS}.Person", "omitted"),)
    ),
    "lazy_property": shown(f"{HERE}.Lazy", host="db-4711"),
    "bad_repr": opaque(f"{HERE}.BadRepr"),
    "bad_getattribute": opaque(f"{HERE}.BadAttributes"),
    "raising_mapping": Expected(
        lost("raised", f"{HERE}.BadMapping", error="RuntimeError"), (("", "raised", f"{HERE}.BadMapping", "marker"),)
    ),
    "repr_raises_SystemExit": opaque(f"{HERE}.ExitingRepr"),
    "huge_str_20MB": Expected("x" * 2**20 + "… [$lost: size, 20000000 characters]", (("", "size", "str", "cut"),)),
    "lock": opaque("_thread.lock"),
    "infinite_generator": opaque("generator"),
    "coroutine": opaque("coroutine"),
    "url_pydantic": Expected("https://example.com/a-4711"),
    "array_array": Expected([4711, 8172]),
}

# Written as null, which is how the default profile has it; the report says so, the output does not.
LOST: dict[str, Expected] = {
    "nan": Expected(None, (("", "nan", "float", "null"),)),
    "inf": Expected(None, (("", "nan", "float", "null"),)),
    "np_float_nan": Expected(None, (("", "nan", "numpy.float64", "null"),)),
}


def expected(name: str, around: int, prefix: str) -> tuple[Any, list[tuple[str, str, str, str]]]:
    """What is written, and the report, of a value that stands in `around` containers under the path `prefix`."""
    written, entries = (KEPT | LOST)[name]
    listed = []
    for path, reason, kind, action in entries:
        below = path(around) if callable(path) else path
        listed.append((f"{prefix}{below}", reason, kind, action))
    return (written(around) if callable(written) else written), listed
