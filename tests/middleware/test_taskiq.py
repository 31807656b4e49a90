"""TaskIQ with a real worker: what a task is called with, returns and raises, goes through the safe formatter."""

from __future__ import annotations

import asyncio
import datetime as dt
import importlib
import sys
import threading
import uuid
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from taskiq import InMemoryBroker, SendTaskError, TaskiqMessage
from taskiq.formatters.proxy_formatter import ProxyFormatter

from guardrails import hooks
from guardrails.errors import EncodeError
from guardrails.jsonsafe.registry import SHARED
from guardrails.middleware.taskiq import SafeFormatter, SafeSerializer
from tests.middleware.guide import recipe
from tests.servers import running
from tests.support import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

WAIT = 30
AT = dt.datetime(2026, 11, 20, 9, 30, 0, 5, tzinfo=dt.UTC)
ODD = [
    uuid.UUID(int=7),
    AT,
    dt.timedelta(hours=2),
    Decimal("0.10"),
    Path("/srv/in.csv"),
    {1, 2},
    (1, (2, 3)),
    b"\x00\xff",
    2**70,
    {3: "three", "$g": "not a tag"},
]


@dataclass
class Holder:
    lock: Any


@pytest.fixture(scope="module")
def tasks(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The tasks of `desk_tasks`, served by a worker process, with the guide's lines as their broker."""
    folder = tmp_path_factory.mktemp("desk")
    lines = recipe("TaskIQ").replace(
        "from taskiq import InMemoryBroker", "from tests.middleware.list_broker import ListBroker as InMemoryBroker"
    )
    (folder / "desk.py").write_text(lines, encoding="utf-8")
    command = [sys.executable, "-m", "taskiq", "worker", "--workers", "1", "--shutdown-timeout", "2"]
    command += ["desk:broker", "tests.middleware.desk_tasks"]
    environment = {"REDIS_URL": redis_url.replace("/0", "/2"), "PYTHONPATH": f"{folder}:{ROOT}:{ROOT}/src"}
    types, tags = dict(SHARED.types), dict(SHARED.tags)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REDIS_URL", environment["REDIS_URL"])
        patch.syspath_prepend(str(folder))
        try:
            module = importlib.import_module("tests.middleware.desk_tasks")
            assert type(module.broker).__name__ == "ListBroker"
            with running(command, folder, "Listening started", environment=environment):
                yield module
        finally:
            for name in ("desk", "tests.middleware.desk_tasks"):
                sys.modules.pop(name, None)
            SHARED.types, SHARED.tags = types, tags


def called(tasks: Any, task: Any, *args: Any, **kwargs: Any) -> Any:
    """What a call of `task` returned in the worker; raises what it raised."""

    async def call() -> Any:
        try:
            sent = await task.kiq(*args, **kwargs)
            return await sent.wait_result(timeout=WAIT, check_interval=0.02)
        finally:
            # Each call has a loop of its own, and connections belong to theirs.
            await tasks.broker.client.connection_pool.disconnect()
            await tasks.broker.result_backend.client.connection_pool.disconnect()

    return asyncio.run(call()).raise_for_error().return_value


@pytest.mark.slow  # a worker process starts
def test_types_come_back_from_a_worker_behind_redis(tasks: Any) -> None:
    args, kwargs = called(tasks, tasks.echo, *ODD, key=ODD[0])
    assert (list(args), kwargs) == (ODD, {"key": ODD[0]})
    assert called(tasks, tasks.names_of_types, *ODD) == [type(value).__name__ for value in ODD]


def test_annotations_of_a_task_still_hold(tasks: Any) -> None:
    assert called(tasks, tasks.version_of, uuid.UUID("12345678-1234-4678-8234-567812345678")) == 4
    assert called(tasks, tasks.version_of, "12345678-1234-4678-8234-567812345678") == 4
    assert called(tasks, tasks.is_nan, float("nan")) is True


def test_an_argument_that_cannot_be_kept_is_marked_and_counted_and_the_task_runs(tasks: Any) -> None:
    heard: list[Any] = []
    stop = hooks.listen(lambda *event: heard.append(event))
    try:
        (order,), _ = called(tasks, tasks.echo, {"order": 7, "handle": object()})
    finally:
        stop()
    assert order == {"order": 7, "handle": {"$lost": "opaque", "$type": "object"}}
    assert heard == [("json_lossy_total", 1.0, {"profile": "wire", "reason": "opaque"})]


def test_a_result_that_cannot_be_kept_is_marked(tasks: Any) -> None:
    result = called(tasks, tasks.give_lock)
    assert result == {"lock": {"$lost": "opaque", "$type": "_thread.lock"}, "money": {"cents": 5, "currency": "EUR"}}


def test_what_is_too_large_is_refused_at_the_call_and_cut_in_a_result(tasks: Any) -> None:
    with pytest.raises(SendTaskError) as caught:
        called(tasks, tasks.echo, "x" * (6 << 20))
    assert "str, too large for one message" in str(caught.value.__cause__)
    text = called(tasks, tasks.give_text, 6 << 20)
    assert text.endswith("… [$lost: size, 6291456 characters]")


def test_a_registered_type_comes_back_unless_taskiq_made_a_dict_of_it_before(tasks: Any) -> None:
    money = tasks.Money(5, "EUR")
    assert called(tasks, tasks.name_of_type_within, {"in": money}) == "Money"
    assert called(tasks, tasks.names_of_types, money) == ["dict"]


def test_an_exception_reaches_the_caller_with_texts_for_what_taskiq_cannot_keep(tasks: Any) -> None:
    with pytest.raises(tasks.OrderRefused) as caught:
        called(tasks, tasks.refuse, uuid.UUID(int=7), 3)
    # TaskIQ writes the arguments of an exception with the standard library before any serializer sees them.
    assert caught.value.args == (repr(uuid.UUID(int=7)), 3)


def kicked(broker: Any, *args: Any) -> Any:
    """What a task of `broker`, in this process, was called with."""

    async def call() -> Any:
        task = broker.register_task(lambda *args: args, task_name=f"echo-{uuid.uuid4()}")
        sent = await task.kiq(*args)
        return (await sent.wait_result(timeout=WAIT)).return_value

    return asyncio.run(call())


def test_the_in_memory_broker_of_a_test_suite_takes_it_too() -> None:
    assert list(kicked(InMemoryBroker().with_formatter(SafeFormatter()), *ODD)) == ODD


@pytest.mark.parametrize("value", [[object()], {"k": {"lock": object()}}, b"\xff"])
def test_taskiqs_own_formatter_fails_where_this_one_does_not(value: Any) -> None:
    """The control; a serializer alone would not help, because it is never asked."""
    with pytest.raises(SendTaskError):
        kicked(InMemoryBroker().with_serializer(SafeSerializer()), value)
    assert kicked(InMemoryBroker().with_formatter(SafeFormatter()), value) is not None


def test_strict_refuses_the_call_and_names_every_path() -> None:
    with pytest.raises(SendTaskError) as caught:
        kicked(InMemoryBroker().with_formatter(SafeFormatter("strict")), object(), {"b": object()})
    cause = caught.value.__cause__
    assert isinstance(cause, EncodeError)
    assert "$.args[0]: opaque" in str(cause)
    assert "$.args[1].b: opaque" in str(cause)


def test_a_dataclass_that_taskiq_cannot_copy_fails_before_any_formatter() -> None:
    with pytest.raises(TypeError, match="cannot pickle"):
        kicked(InMemoryBroker().with_formatter(SafeFormatter()), Holder(threading.Lock()))


def test_a_policy_that_does_not_exist_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="no policy 'nope'"):
        SafeFormatter("nope")  # type: ignore[arg-type]


MESSAGE = TaskiqMessage(task_id="1", task_name="t", labels={"a": 1}, args=[ODD[0], "x"], kwargs={"k": 1})


def test_a_worker_reads_what_callers_without_it_sent_but_not_the_other_way_round() -> None:
    default = ProxyFormatter(InMemoryBroker())
    read = SafeFormatter().loads(default.dumps(MESSAGE).message)
    assert (read.args, read.kwargs, read.labels) == ([str(ODD[0]), "x"], {"k": 1}, {"a": 1})
    assert default.loads(SafeFormatter().dumps(MESSAGE).message).args == [{"$g": "uuid", "v": str(ODD[0])}, "x"]


def test_a_message_comes_back_as_it_was() -> None:
    sent = SafeFormatter().dumps(MESSAGE)
    assert (sent.task_id, sent.task_name, sent.labels) == ("1", "t", {"a": 1})
    assert SafeFormatter().loads(sent.message) == MESSAGE
    with pytest.raises(ValueError, match="unexpected"):
        SafeFormatter().loads(b'{"args":NaN}')
