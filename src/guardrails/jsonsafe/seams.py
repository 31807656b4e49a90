"""The standard library's own seams: `json.dumps(cls=)`, `json.dumps(default=)`, `logging`."""

from __future__ import annotations

import datetime as dt
import json
import logging
from typing import TYPE_CHECKING, Any

from guardrails.jsonsafe.encoder import Encoder
from guardrails.jsonsafe.kinds import must_pass

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import ClassVar

    from guardrails.jsonsafe.profiles import Policy, Profile

_encoder = Encoder()


def default(obj: object) -> Any:
    """For `json.dumps(obj, default=default)`: a plain copy of what the standard library cannot write.

    It is asked about values only: keys, NaN and cycles are never shown to it, so `cls=JSONEncoder` keeps more.
    Not for orjson, msgspec or ujson: code that runs inside their C encoders, as any `default=` does, can crash
    the process when it or another thread changes a container meanwhile. Use `dumps` instead of those.
    """
    return _encoder.plain(obj)


class JSONEncoder(json.JSONEncoder):
    """For `json.dumps(obj, cls=JSONEncoder)` and `json.dump`: the same rules, the standard library's layout.

    `indent`, `sort_keys`, `separators` and `ensure_ascii` work as ever; `skipkeys`, `check_circular` and
    `allow_nan` have nothing left to do; a `default=` beside it is not called. `profile` and `policy` are
    attributes of the class: derive one to change them. Raises EncodeError under `strict` only.
    """

    # Django writes the place of a field's encoder into migrations, which outlive the name of this module.
    __module__ = "guardrails.jsonsafe"

    profile: ClassVar[Profile] = "js"
    policy: ClassVar[Policy] = "safe"
    encoder: ClassVar[Encoder] = _encoder

    def encode(self, o: Any) -> str:
        return super().encode(self.snapshot(o))

    def iterencode(self, o: Any, _one_shot: bool = False) -> Iterator[str]:  # noqa: FBT001, FBT002 - json's own
        # `encode` comes here with a plain tree already; to walk that again changes nothing in it.
        return super().iterencode(o if _one_shot else self.snapshot(o), _one_shot)

    def default(self, o: Any) -> Any:
        return self.snapshot(o)

    def snapshot(self, o: Any) -> Any:
        return self.encoder.plain(o, profile=self.profile, policy=self.policy)


# What a LogRecord always has; whatever else it has came by `extra=`.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class Formatter(logging.Formatter):
    """One JSON object a line for `logging`, in the `log` profile: secrets masked, at most 256 KiB.

    `time` (UTC, RFC 3339), `level`, `logger`, `message`, then the `extra=` of the call, `exception` and `stack`.
    An `extra` of one of those names is renamed and both stay. Never raises: a message whose arguments do not
    fit its template is written with both. `encoder`: rules of your own; default: the shared registry.
    """

    def __init__(self, encoder: Encoder | None = None) -> None:
        super().__init__()
        self.encoder = _encoder if encoder is None else encoder

    def format(self, record: logging.LogRecord) -> str:
        stamp = dt.datetime.fromtimestamp(record.created, dt.UTC)
        line: dict[Any, Any] = {
            "time": stamp.isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": _message(record),
        }
        extra = {name: value for name, value in list(vars(record).items()) if name not in _STANDARD}
        for name, value in extra.items():
            line[name if name not in line else f"extra.{name}"] = value
        if record.exc_info and record.exc_info[1] is not None:
            line["exception"] = record.exc_info[1]
        if record.stack_info:
            line["stack"] = record.stack_info
        return self.encoder.dumps_str(line, profile="log")


def _message(record: logging.LogRecord) -> object:
    try:
        return record.getMessage()
    except BaseException as exc:
        if must_pass(exc):
            raise
        return {"template": record.msg, "args": record.args, "error": type(exc).__name__}
