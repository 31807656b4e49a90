"""What the queues' seams share: a message is written with its types, and whole or not at all.

A value that nothing can keep becomes a marker that the task sees. What is too large would be cut without the task
seeing it, and may take the rest of the message with it; so that is refused where the task is called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from guardrails import jsonsafe
from guardrails.errors import EncodeError

if TYPE_CHECKING:
    from collections.abc import Callable

Policy = Literal["safe", "strict"]


def writer(policy: Policy) -> Callable[[object], bytes]:
    """Makes a message of a value. It raises EncodeError for what is too large, under `strict` for any loss.

    Raises ValueError for another policy: `lossy` cuts, and what it cuts off may be the name of the task.
    """
    if policy not in ("safe", "strict"):
        raise ValueError(f"there is no policy {policy!r} for messages: choose safe or strict")

    def write(value: object) -> bytes:
        encoded = jsonsafe.encode(value, profile="wire", policy=policy)
        if encoded.report.lossy:
            large = [entry for entry in encoded.report.entries if entry.reason == "size"]
            if large:
                advice = "too large for one message; send a reference to it"
                raise EncodeError([f"{entry.path}: {entry.type}, {advice}" for entry in large], encoded.report.omitted)
        return encoded.data

    return write


def read(data: bytes | str) -> Any:
    """The value of a message. Raises ValueError for what is not JSON by RFC 8259, and for an unknown tag."""
    return jsonsafe.loads(data, tags=True)
