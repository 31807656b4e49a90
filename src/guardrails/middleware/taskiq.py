"""TaskIQ: messages and results that fail on no type and bring types back.

broker.with_formatter(SafeFormatter())                              messages
RedisAsyncResultBackend(url, serializer=SafeSerializer())           results

The formatter and not only a serializer: TaskIQ's own formatter has pydantic turn the message into plain values before
any serializer sees it, and that is where an argument that pydantic does not know raises. Both write the `wire`
profile, so a task gets the types that it was called with, whether it has annotations or not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from taskiq import BrokerMessage, TaskiqFormatter, TaskiqMessage
from taskiq.abc.serializer import TaskiqSerializer

from guardrails import jsonsafe
from guardrails.middleware import wire

if TYPE_CHECKING:
    from guardrails.middleware.wire import Policy


class SafeFormatter(TaskiqFormatter):
    """For `broker.with_formatter`. Messages carry no content type, so give it to the workers first, then to callers.

    A worker with it reads what TaskIQ's default formatter wrote; a worker without it hands a task the tags of a tagged
    value, a dict where a UUID should be.

    `policy`: what becomes of an argument that cannot be kept, a lock or an open file. `safe` (default): the task runs
    with a marker in its place, and `json_lossy_total` counts it. `strict`: the call raises TaskIQ's SendTaskError,
    caused by an EncodeError with every bad path; for tasks where a damaged argument is worse than none. Under both,
    what is too large (a text of 4 MiB, 5 MiB in all) raises: a task must not work on half of its rows.

    Raises ValueError for an unknown policy.
    """

    def __init__(self, policy: Policy = "safe") -> None:
        self.write = wire.writer(policy)

    def dumps(self, message: TaskiqMessage) -> BrokerMessage:
        """Called by TaskIQ in the process that calls the task."""
        # The fields as they are: to have pydantic dump them is what fails.
        fields = {name: getattr(message, name) for name in TaskiqMessage.model_fields}
        data = self.write(fields)
        return BrokerMessage(task_id=message.task_id, task_name=message.task_name, message=data, labels=message.labels)

    def loads(self, message: bytes) -> TaskiqMessage:
        """Called by TaskIQ in the worker. Raises ValueError for what is no such message; TaskIQ logs and drops it."""
        return TaskiqMessage.model_validate(wire.read(message))


class SafeSerializer(TaskiqSerializer):
    """For result backends that take a `serializer=`: what a task returns reaches the caller, whatever it is.

    What is too large is cut and counted, not refused: TaskIQ logs an error of a result backend, and whoever waits for
    the result would wait until the timeout.
    """

    def dumpb(self, value: Any) -> bytes:
        """Called by the result backend in the worker; never raises for a type."""
        return jsonsafe.dumps(value, profile="wire")

    def loadb(self, value: bytes) -> Any:
        """Called by the result backend in the caller. Raises ValueError for what is not JSON by RFC 8259."""
        return wire.read(value)
