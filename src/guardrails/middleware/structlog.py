"""structlog: one JSON object a line, whatever was bound to the logger, with secrets masked.

JSONRenderer(serializer=serializer)          text: print loggers, and the standard library's ProcessorFormatter
JSONRenderer(serializer=bytes_serializer)    bytes: BytesLoggerFactory, which is faster

Both write the `log` profile: passwords and tokens masked, at most 256 KiB and about 50 ms a line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from guardrails import jsonsafe

if TYPE_CHECKING:
    from collections.abc import Callable


def serializer(event: object, *, default: Callable[[Any], Any] | None = None) -> str:  # noqa: ARG001
    """An event as text.

    `default`: what `JSONRenderer` always hands over; not called, so `__structlog__` methods are not either. Teach
    the encoder such a type by `jsonsafe.register`. No other option of `json.dumps` is taken: a line of a log has
    one layout, and `JSONRenderer(sort_keys=True)` fails on its first line rather than do nothing.
    """
    return jsonsafe.dumps_str(event, profile="log")


def bytes_serializer(event: object, *, default: Callable[[Any], Any] | None = None) -> bytes:  # noqa: ARG001
    """An event as bytes, for `structlog.BytesLoggerFactory`; else as `serializer`."""
    return jsonsafe.dumps(event, profile="log")
