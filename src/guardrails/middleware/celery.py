"""Celery and kombu: a serializer that fails on no type and brings types back.

register()
app.conf.update(task_serializer="safejson", result_serializer="safejson", accept_content=["safejson", "json"])

It writes the `wire` profile, because a task is a function call: `start + delay` needs the datetime and not its text,
and kombu's own JSON gives UUID, datetime and Decimal back, so plain texts would take from a task what it has today.
Types come back from a closed list and from what `guardrails.jsonsafe.register` was told; no message names a class.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from guardrails.middleware import wire

if TYPE_CHECKING:
    from guardrails.middleware.wire import Policy

NAME: Final = "safejson"
# The number changes with the set of tags: a consumer that does not know them must refuse, not guess.
CONTENT_TYPE: Final = "application/vnd.guardrails+json;v=1"


def register(policy: Policy = "safe") -> None:
    """Teach kombu, and so Celery, the serializer `safejson`; call it where the Celery application is made.

    A second call replaces the first. Every consumer has to know and accept the content type before the first
    producer sends it: a worker that does not logs `ContentDisallowed`, acknowledges the message and drops it.

    `policy`: what becomes of a value that cannot be kept, a lock or an open file. `safe` (default): the task runs
    with a marker in its place, and `json_lossy_total` counts it; for events and traces, where no message is worse
    than a damaged one. `strict`: `apply_async` raises kombu's EncodeError with every bad path, and a task whose
    result cannot be kept fails with it; for orders and payments, where a damaged argument is worse than none.
    Under both, what is too large (a text of 4 MiB, 5 MiB in all) raises: a task must not work on half of its rows.

    Raises ValueError for an unknown policy. What comes in is parsed strictly: kombu's DecodeError for anything that
    is not JSON by RFC 8259, and for a tag that nobody registered.
    """
    from kombu import serialization

    write = wire.writer(policy)

    def encode(value: object) -> str:
        # Text and not bytes: result backends put it into text columns as it is.
        return write(value).decode()

    kombu: Any = serialization
    kombu.register(NAME, encode, wire.read, CONTENT_TYPE, "utf-8")
