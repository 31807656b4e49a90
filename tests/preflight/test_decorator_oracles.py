"""What GR-DECO says of frameworks is so: what stands above a registration never runs when the framework calls."""

from __future__ import annotations

import asyncio
import functools
import warnings
from typing import TYPE_CHECKING, Any

import celery
import celery.signals
import dramatiq
import dramatiq.brokers.stub
import httpx
import pytest
import taskiq
from django.dispatch import Signal, receiver
from fastapi import APIRouter, FastAPI, Request, WebSocket
from fastapi.responses import JSONResponse
from flask import Flask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Watch:
    """A wrapper that counts how often it runs, for functions of either kind."""

    def __init__(self) -> None:
        self.runs = 0

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        if asyncio.iscoroutinefunction(function):

            @functools.wraps(function)
            async def awaited(*args: Any, **kwargs: Any) -> Any:
                self.runs += 1
                return await function(*args, **kwargs)

            return awaited

        @functools.wraps(function)
        def called(*args: Any, **kwargs: Any) -> Any:
            self.runs += 1
            return function(*args, **kwargs)

        return called


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def above() -> Watch:
    """The wrapper on the wrong side."""
    return Watch()


@pytest.fixture
def celery_app() -> celery.Celery:
    return celery.Celery("test", set_as_current=False)


def test_a_celery_task_runs_without_what_stands_above_it(celery_app: celery.Celery, above: Watch) -> None:
    @above
    @celery_app.task(name="wrong")
    def job() -> str:
        return "done"

    assert celery_app.tasks["wrong"].apply().get() == "done"
    assert above.runs == 0
    assert [hasattr(job, name) for name in ("delay", "apply_async")] == [False, False]


def test_a_celery_task_runs_with_what_stands_below_it(celery_app: celery.Celery, watch: Watch) -> None:
    @celery_app.task(name="right")
    @watch
    def job() -> str:
        return "done"

    assert celery_app.tasks["right"].apply().get() == "done"
    assert watch.runs == 1
    assert hasattr(job, "delay")


def test_a_taskiq_task_runs_without_what_stands_above_it(above: Watch, watch: Watch) -> None:
    broker = taskiq.InMemoryBroker(await_inplace=True)

    @above
    @broker.task(task_name="wrong")
    async def wrong() -> str:
        return "done"

    @broker.task(task_name="right")
    @watch
    async def right() -> str:
        return "done"

    async def both() -> list[str]:
        results = [await (await broker.find_task(name).kiq()).wait_result() for name in ("wrong", "right")]  # type: ignore[union-attr]
        await broker.shutdown()
        return [result.return_value for result in results]

    assert asyncio.run(both()) == ["done", "done"]
    assert (above.runs, watch.runs) == (0, 1)
    assert (hasattr(wrong, "kiq"), hasattr(right, "kiq")) == (False, True)


@pytest.fixture
def stub() -> Iterator[dramatiq.brokers.stub.StubBroker]:
    before = dramatiq.get_broker() if dramatiq.broker.global_broker else None
    broker = dramatiq.brokers.stub.StubBroker()
    dramatiq.set_broker(broker)
    yield broker
    dramatiq.set_broker(before)


def test_a_dramatiq_actor_runs_without_what_stands_above_it(
    stub: dramatiq.brokers.stub.StubBroker, above: Watch, watch: Watch
) -> None:
    @above
    @dramatiq.actor(actor_name="wrong")
    def wrong() -> None: ...

    @dramatiq.actor(actor_name="right")
    @watch
    def right() -> None: ...

    for name in ("wrong", "right"):
        stub.get_actor(name).fn()
    assert (above.runs, watch.runs) == (0, 1)
    assert (hasattr(wrong, "send"), hasattr(right, "send")) == (False, True)


def asked(app: FastAPI, *paths: str) -> list[int]:
    async def all_of_them() -> list[int]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test") as client:
            return [(await client.get(path)).status_code for path in paths]

    return asyncio.run(all_of_them())


def test_a_fastapi_route_is_served_without_what_stands_above_it(above: Watch, watch: Watch) -> None:
    router = APIRouter()

    @above
    @router.get("/wrong")
    async def wrong() -> str:
        return "anybody may read this"

    @router.get("/right")
    @watch
    async def right() -> str:
        return "guarded"

    app = FastAPI()
    app.include_router(router)
    assert asked(app, "/wrong", "/right") == [200, 200]
    assert (above.runs, watch.runs) == (0, 1)


def test_of_two_registrations_only_the_upper_has_what_stands_between_them(watch: Watch) -> None:
    app = FastAPI()

    @app.get("/reports")
    @watch
    @app.get("/reports.json")
    async def reports() -> str:
        return "all"

    assert asked(app, "/reports.json") == [200]
    assert watch.runs == 0
    assert asked(app, "/reports") == [200]
    assert watch.runs == 1


def test_a_route_decorator_returns_the_function_it_was_given() -> None:
    app = FastAPI()

    def handler() -> None: ...

    async def talk(socket: WebSocket) -> None: ...

    assert app.get("/")(handler) is handler
    assert app.websocket("/ws")(talk) is talk
    assert Flask("test").route("/")(handler) is handler


def test_a_flask_view_is_served_without_what_stands_above_it(above: Watch, watch: Watch) -> None:
    app = Flask("test")

    @above
    @app.route("/wrong")
    def wrong() -> str:
        return "anybody may read this"

    @app.route("/right")
    @watch
    def right() -> str:
        return "guarded"

    client = app.test_client()
    assert [client.get(path).status_code for path in ("/wrong", "/right")] == [200, 200]
    assert (above.runs, watch.runs) == (0, 1)


def test_a_fastapi_exception_handler_runs_without_what_stands_above_it(above: Watch, watch: Watch) -> None:
    app = FastAPI()

    @above
    @app.exception_handler(ValueError)
    async def wrong(request: Request, exc: Exception) -> JSONResponse:
        return JSONResponse({}, status_code=400)

    @app.exception_handler(KeyError)
    @watch
    async def right(request: Request, exc: Exception) -> JSONResponse:
        return JSONResponse({}, status_code=404)

    @app.get("/{kind}")
    async def fail(kind: str) -> None:
        raise ValueError if kind == "value" else KeyError

    assert asked(app, "/value", "/key") == [400, 404]
    assert (above.runs, watch.runs) == (0, 1)


def test_a_flask_hook_runs_without_what_stands_above_it(above: Watch, watch: Watch) -> None:
    app = Flask("test")

    @above
    @app.before_request
    def wrong() -> None: ...

    @app.before_request
    @watch
    def right() -> None: ...

    app.test_client().get("/")
    assert (above.runs, watch.runs) == (0, 1)


def test_a_django_receiver_runs_without_what_stands_above_it(above: Watch, watch: Watch) -> None:
    saved = Signal()

    @above
    @receiver(saved)
    def wrong(sender: object, **_: object) -> None: ...

    @receiver(saved)
    @watch
    def right(sender: object, **_: object) -> None: ...

    saved.send(sender=None)
    assert (above.runs, watch.runs) == (0, 1)


def test_a_celery_signal_calls_its_receiver_without_what_stands_above_it(above: Watch, watch: Watch) -> None:
    @above
    @celery.signals.task_failure.connect(weak=False)
    def wrong(**_: object) -> None: ...

    @celery.signals.task_failure.connect(weak=False)
    @watch
    def right(**_: object) -> None: ...

    celery.signals.task_failure.send(sender=None)
    celery.signals.task_failure.disconnect(right)
    celery.signals.task_failure.disconnect(wrong.__wrapped__)  # type: ignore[attr-defined]
    assert (above.runs, watch.runs) == (0, 1)


def test_a_deprecation_mark_below_a_route_warns_when_it_is_called_and_above_it_never_does() -> None:
    from typing_extensions import deprecated

    app = FastAPI()

    @deprecated("use /v2")
    @app.get("/wrong")
    async def wrong() -> None: ...

    @app.get("/right")
    @deprecated("use /v2")
    async def right() -> None: ...

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", DeprecationWarning)
        assert asked(app, "/wrong") == [200]
        silent = [w for w in caught if "use /v2" in str(w.message)]
        assert asked(app, "/right") == [200]
    said = [w for w in caught if "use /v2" in str(w.message)]
    assert (len(silent), len(said)) == (0, 1)
