"""Celery with a real worker: what a task is called with, returns and raises, goes through `safejson`."""

from __future__ import annotations

import contextlib
import datetime as dt
import importlib
import json
import sys
import threading
import uuid
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import kombu
import pytest
from kombu.exceptions import DecodeError, EncodeError
from kombu.serialization import dumps, loads, registry

from guardrails import hooks
from guardrails.jsonsafe.registry import SHARED
from guardrails.middleware.celery import CONTENT_TYPE, register
from tests.middleware.guide import recipe
from tests.servers import running, wait_for
from tests.support import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

WAIT = 30
AT = dt.datetime(2026, 11, 20, 9, 30, 0, 5, tzinfo=dt.UTC)
# Also what kombu's own JSON loses or refuses: Path, set, frozenset, tuple, timedelta, a key that is no string.
ODD = [
    uuid.UUID(int=7),
    AT,
    dt.timedelta(hours=2),
    Decimal("0.10"),
    Path("/srv/in.csv"),
    {1, 2},
    frozenset({"a"}),
    (1, (2, 3)),
    b"\x00\xff",
    2**70,
    {3: "three", "$g": "not a tag"},
]


@contextlib.contextmanager
def shop(folder: Path, environment: Mapping[str, str], *options: str) -> Iterator[Any]:
    """The tasks of `shop_tasks`, served by a worker process, with the guide's lines as their application."""
    (folder / "shop.py").write_text(recipe("Celery"), encoding="utf-8")
    command = [sys.executable, "-m", "celery", "-A", "shop", "worker", "-I", "tests.middleware.shop_tasks"]
    command += ["--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "INFO", "-c", "1", *options]
    inherited = {**environment, "PYTHONPATH": f"{folder}:{ROOT}:{ROOT}/src"}
    types, tags = dict(SHARED.types), dict(SHARED.tags)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        patch.syspath_prepend(str(folder))
        try:
            tasks = importlib.import_module("tests.middleware.shop_tasks")
            with running(command, folder, " ready.", environment=inherited):
                yield tasks
            tasks.app.close()
        finally:
            for name in ("shop", "tests.middleware.shop_tasks"):
                sys.modules.pop(name, None)
            SHARED.types, SHARED.tags = types, tags
            register()


@pytest.fixture(scope="module")
def tasks(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Redis between us and a worker of the default kind, prefork."""
    environment = {"REDIS_URL": redis_url.replace("/0", "/1")}
    with shop(tmp_path_factory.mktemp("shop"), environment) as module:
        yield module


def come_back(tasks: Any) -> None:
    args, kwargs = tasks.echo.delay(*ODD, key=ODD[0]).get(timeout=WAIT, interval=0.02)
    assert (list(args), kwargs) == (ODD, {"key": ODD[0]})
    assert tasks.names_of_types.delay(*ODD).get(timeout=WAIT, interval=0.02) == [type(value).__name__ for value in ODD]


@pytest.mark.slow  # a worker process starts, and this broker is polled
def test_without_a_server_and_under_strict_a_worker_keeps_all_or_says_what_it_cannot(tmp_path: Path) -> None:
    for name in ("messages", "results"):
        (tmp_path / name).mkdir()
    messages = str(tmp_path / "messages")
    options = {"data_folder_in": messages, "data_folder_out": messages, "polling_interval": 0.02}
    options["control_folder"] = messages
    environment = {"REDIS_URL": "filesystem://", "BROKER_OPTIONS": json.dumps(options), "POLICY": "strict"}
    environment["CELERY_RESULT_BACKEND"] = f"file://{tmp_path}/results"
    with shop(tmp_path, environment, "--pool", "solo") as tasks:
        come_back(tasks)
        with pytest.raises(EncodeError, match=r"\[0\].*opaque \(_thread.lock\)"):
            tasks.echo.delay(threading.Lock())
        with pytest.raises(EncodeError, match=r"lock: opaque \(_thread.lock\)"):
            tasks.give_lock.delay().get(timeout=WAIT, interval=0.02)
    assert any((tmp_path / "results").iterdir())


@pytest.mark.slow  # a worker process starts
def test_types_come_back_from_a_worker_behind_redis(tasks: Any) -> None:
    come_back(tasks)


def test_a_number_that_is_none_arrives_as_one(tasks: Any) -> None:
    assert tasks.is_nan.delay(float("nan")).get(timeout=WAIT) is True
    assert tasks.opposite.delay(float("inf")).get(timeout=WAIT) == float("-inf")


def test_a_registered_type_comes_back_and_others_become_plain(tasks: Any) -> None:
    money = tasks.Money(995, "EUR")
    args, _ = tasks.echo.delay([money], tasks.Point(1, 2), tasks.Colour.RED).get(timeout=WAIT)
    assert args == ([money], {"x": 1, "y": 2}, "red")
    assert tasks.names_of_types.delay(money).get(timeout=WAIT) == ["Money"]


def test_an_argument_that_cannot_be_kept_is_marked_and_counted_and_the_task_runs(tasks: Any) -> None:
    heard: list[Any] = []
    stop = hooks.listen(lambda *event: heard.append(event))
    try:
        result = tasks.echo.delay({"order": 7, "handle": object()})
    finally:
        stop()
    (order,), _ = result.get(timeout=WAIT)
    assert order == {"order": 7, "handle": {"$lost": "opaque", "$type": "object"}}
    assert heard == [("json_lossy_total", 1.0, {"profile": "wire", "reason": "opaque"})]


def test_what_is_too_large_is_refused_at_the_call_and_in_a_result(tasks: Any) -> None:
    with pytest.raises(EncodeError, match="str, too large for one message; send a reference to it"):
        tasks.echo.delay("x" * (6 << 20))
    with pytest.raises(EncodeError, match="str, too large for one message"):
        tasks.give_text.delay(6 << 20).get(timeout=WAIT)


def test_a_set_of_what_is_no_json_arrives_as_a_list(tasks: Any) -> None:
    args, _ = tasks.echo.delay({tasks.Point(1, 2)}).get(timeout=WAIT)
    assert args == ([{"x": 1, "y": 2}],)


def test_a_result_that_cannot_be_kept_is_marked(tasks: Any) -> None:
    result = tasks.give_lock.delay().get(timeout=WAIT)
    assert result == {"lock": {"$lost": "opaque", "$type": "_thread.lock"}, "money": tasks.Money(5, "EUR")}


def test_an_exception_reaches_the_caller_with_its_arguments(tasks: Any) -> None:
    result = tasks.refuse.delay(*ODD)
    with pytest.raises(tasks.OrderRefused) as caught:
        result.get(timeout=WAIT)
    assert list(caught.value.args) == ODD
    assert "OrderRefused" in result.traceback


def test_an_exception_that_cannot_be_pickled_reaches_the_caller_in_celerys_wrapper(tasks: Any) -> None:
    from celery.utils.serialization import UnpickleableExceptionWrapper

    with pytest.raises(UnpickleableExceptionWrapper, match=r"OrderRefused\(UUID\(.*lock") as caught:
        tasks.refuse_with_a_lock.delay(*ODD).get(timeout=WAIT)
    assert list(caught.value.exc_args[:-1]) == ODD


def test_a_retried_task_is_called_with_the_same_values(tasks: Any) -> None:
    assert tasks.second_time.delay(ODD).get(timeout=WAIT) == ODD


def test_an_errback_gets_the_values_of_its_signature(tasks: Any, tmp_path: Path) -> None:
    where = tmp_path / "remembered"
    where.touch()
    result = tasks.refuse.apply_async((ODD[0],), link_error=tasks.remember.s(where))
    with pytest.raises(tasks.OrderRefused):
        result.get(timeout=WAIT)
    # The worker stores the failure first.
    assert wait_for("OrderRefused", where, within=WAIT) == f"OrderRefused {ODD[0]}"


def test_groups_chains_and_chords_carry_values_through(tasks: Any) -> None:
    from celery import chain, chord, group

    prices = [Decimal("0.10"), Decimal("0.20"), Decimal("0.30")]
    assert group(tasks.opposite.s(price) for price in prices).delay().get(timeout=WAIT) == [-price for price in prices]
    assert chain(tasks.opposite.s(prices[0]), tasks.opposite.s()).delay().get(timeout=WAIT) == prices[0]
    header = [tasks.opposite.s(price) for price in prices]
    assert chord(header)(tasks.total.s()).get(timeout=WAIT) == Decimal("-0.60")


def test_the_tasks_of_a_generators_group_are_all_sent_within_a_message(tasks: Any) -> None:
    """Celery keeps them in a list subclass that makes its items itself and as a list is empty."""
    from celery import chain, group

    fan = group(tasks.opposite.si(number) for number in range(1, 4))
    assert chain(tasks.echo.si(), fan).delay().get(timeout=WAIT) == [-1, -2, -3]


def test_control_commands_reach_the_worker(tasks: Any) -> None:
    (answer,) = tasks.app.control.ping(timeout=WAIT, limit=1)
    assert list(answer.values()) == [{"ok": "pong"}]


def test_celerys_own_json_fails_where_this_one_does_not(tasks: Any) -> None:
    """The control: without the serializer the same calls raise, or change what they carry."""
    for value in (Path("/srv/in.csv"), {1}, tasks.Colour.RED, tasks.Point(1, 2), object(), {(1, 2): "key"}):
        with pytest.raises((EncodeError, TypeError)):
            tasks.echo.apply_async(([value],), serializer="json")
    (pair,), _ = tasks.echo.apply_async((ODD[7],), serializer="json").get(timeout=WAIT)
    assert pair == [1, [2, 3]]


def test_a_result_says_not_how_it_was_written_so_the_reader_must_know() -> None:
    """Why the guide changes `result_serializer` in one step: whoever is behind or ahead reads tags as dicts."""
    from celery import Celery

    def reader(serializer: str) -> Any:
        app = Celery(set_as_current=False, backend="cache+memory://")
        app.conf.update(result_serializer=serializer, accept_content=["safejson", "json"])
        return app.backend

    register()
    new, old = reader("safejson"), reader("json")
    assert new.decode(new.encode([ODD[0]])) == [ODD[0]]
    assert old.decode(new.encode([ODD[0], "plain"])) == [{"$g": "uuid", "v": str(ODD[0])}, "plain"]
    behind, plain = new.decode(old.encode([ODD[0], "plain"]))
    assert (set(behind), plain) == ({"__type__", "__value__"}, "plain")


def test_the_tests_of_an_application_that_calls_tasks_eagerly_see_the_same_values() -> None:
    from celery import Celery

    register()
    app = Celery(set_as_current=False)
    app.conf.update(task_always_eager=True, task_serializer="safejson", accept_content=["safejson"])
    given: list[Any] = []

    @app.task
    def take(*args: Any) -> None:
        given.extend(args)

    take.delay(*ODD, object())
    assert given == [*ODD, {"$lost": "opaque", "$type": "object"}]


def test_kombus_own_ways_to_teach_a_type_are_not_asked() -> None:
    class Basket:
        def __json__(self) -> Any:
            return ["apple"]

    register()
    assert json.loads(dumps(Basket(), serializer="json")[2]) == ["apple"]
    assert json.loads(dumps(Basket(), serializer="safejson")[2])["$lost"] == "opaque"


def test_the_content_type_and_its_version_travel_with_the_message() -> None:
    register()
    with kombu.Connection("memory://") as connection:
        queue = connection.SimpleQueue("versions")
        queue.put({"id": ODD[0]}, serializer="safejson")
        message = queue.get(timeout=5)
        assert (message.content_type, message.content_encoding) == ("application/vnd.guardrails+json;v=1", "utf-8")
        message.accept = {CONTENT_TYPE}
        assert message.decode() == {"id": ODD[0]}
        queue.close()


def test_the_content_type_fits_into_amqp() -> None:
    """py-amqp's own frames, there and back: what RabbitMQ would be sent."""
    from amqp.basic_message import Message

    properties = Message("body", content_type=CONTENT_TYPE)._serialize_properties()
    received = Message()
    received._load_properties(Message.CLASS_ID, properties, 0)
    assert received.properties["content_type"] == CONTENT_TYPE


def test_registering_again_replaces_and_the_policy_is_the_last_one() -> None:
    register("strict")
    before = dict(registry._decoders)
    with pytest.raises(EncodeError, match=r"\$\.job\.lock: opaque"):
        dumps({"job": {"lock": object()}}, serializer="safejson")
    register()
    assert json.loads(dumps([object()], serializer="safejson")[2]) == [{"$lost": "opaque", "$type": "object"}]
    assert set(registry._decoders) == set(before)
    with pytest.raises(ValueError, match="no policy 'nope'"):
        register("nope")  # type: ignore[arg-type]


def test_what_is_sent_is_text_because_result_backends_store_it_as_such() -> None:
    register()
    content_type, encoding, body = dumps(["é"], serializer="safejson")
    assert (content_type, encoding, body) == (CONTENT_TYPE, "utf-8", '["é"]')


@pytest.mark.parametrize("body", [b'{"a":NaN}', b"[1,]", b'{"$g":"nope","v":1}', b"\xef\xbb\xbf1"])
def test_what_comes_in_is_parsed_strictly(body: bytes) -> None:
    register()
    with pytest.raises(DecodeError):
        loads(body, CONTENT_TYPE, "utf-8", accept={CONTENT_TYPE})


@pytest.mark.slow  # a second worker process starts
def test_a_worker_that_does_not_know_the_type_refuses_clearly_and_the_message_is_gone(
    tasks: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    program = (
        "import os\nfrom celery import Celery\n"
        'app = Celery("shop", broker=os.environ["REDIS_URL"], backend=os.environ["REDIS_URL"])\n'
        '@app.task(name="tests.middleware.shop_tasks.echo")\ndef echo(*args): return args\n'
    )
    (tmp_path / "old.py").write_text(program, encoding="utf-8")
    command = [sys.executable, "-m", "celery", "-A", "old", "worker", "-Q", "old", "-P", "solo", "-n", "old@here"]
    command += ["--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "INFO"]
    environment = {"REDIS_URL": tasks.app.conf.broker_url, "PYTHONPATH": str(tmp_path)}
    with running(command, tmp_path, " ready.", environment=environment) as log:
        tasks.echo.apply_async((ODD[0],), queue="old")
        text = wait_for("Refusing to deserialize", log, within=WAIT)
        assert f"content of type {CONTENT_TYPE}" in text
        # After its acknowledgement nothing is left to redeliver, and a message that is understood still comes through.
        assert tasks.echo.apply_async((1,), queue="old", serializer="json").id
        wait_for("succeeded in", log, within=WAIT)
